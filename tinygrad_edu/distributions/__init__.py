"""Probability distributions with PyTorch's names: samples with gradients, log-probabilities, entropies, divergences."""

from tinygrad_edu.distributions.continuous import Exponential, Laplace, Normal, Uniform
from tinygrad_edu.distributions.discrete import Bernoulli, Categorical
from tinygrad_edu.distributions.distribution import Distribution
from tinygrad_edu.distributions.divergence import kl_divergence
from tinygrad_edu.distributions.multivariate_normal import MultivariateNormal
from tinygrad_edu.errors.hints import getattr_with_hints as _getattr_with_hints

__all__ = [
    "Bernoulli", "Categorical", "Distribution", "Exponential", "Laplace", "MultivariateNormal", "Normal", "Uniform",
    "kl_divergence",
]  # fmt: skip

# Set in globals(), which type checkers do not read: a visible __getattr__ would make every name valid.
globals()["__getattr__"] = _getattr_with_hints("tg.distributions", __all__)
