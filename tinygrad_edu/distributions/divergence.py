"""The Kullback-Leibler divergence of two distributions of one kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.distributions.continuous import Exponential, Laplace, Normal, Uniform
from tinygrad_edu.distributions.discrete import Bernoulli, Categorical, Discrete
from tinygrad_edu.distributions.distribution import Distribution, common_shape
from tinygrad_edu.distributions.multivariate_normal import MultivariateNormal
from tinygrad_edu.engine import Array, Tensor, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops import exp, log, square, sum, where
from tinygrad_edu.ops.linear_algebra.systems import solve_triangular


def kl_divergence(p: Distribution, q: Distribution) -> Tensor | Array:
    """Return the mean of ``p.log_prob(x) - q.log_prob(x)`` over samples x of p, by a formula.

    Parameters
    ----------
    p, q : Distribution
        Of the same kind. Their batch shapes broadcast. The result is inf if q excludes a possible outcome of p. An
        outcome of p with probability 0 adds 0 to the result, and to its gradient.

    Raises
    ------
    NotImplementedError
        If there is no formula for the pair.

    Examples
    --------
    >>> kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0))
    np.float64(0.5)
    """
    for kind, formula in FORMULAS.items():
        if isinstance(p, kind) and isinstance(q, kind):
            common_shape("kl_divergence", p=p.batch_shape, q=q.batch_shape)
            if _size(p) != _size(q):
                raise ShapeError(f"kl_divergence: p and q have different sizes, {_size(p)} and {_size(q)}.")
            return formula(p, q)
    raise NotImplementedError(
        f"kl_divergence has no formula for {type(p).__name__} and {type(q).__name__}, only for two distributions of "
        f"the same kind. Estimate it: x = p.sample((n,), rng=rng), and (p.log_prob(x) - q.log_prob(x)).mean(0)."
    )


def _size(x: Any) -> int:
    """Return the number of outcomes, or of elements of a sample."""
    return x.outcome_probs().shape[-1] if isinstance(x, Discrete) else math.prod(x.event_shape)


def _normal(p: Normal, q: Normal) -> Any:
    ratio = p.scale / q.scale
    return 0.5 * (square(ratio) + square((p.loc - q.loc) / q.scale) - 1) - log(ratio)


def _laplace(p: Laplace, q: Laplace) -> Any:
    difference = p.loc - q.loc
    distance = where(values_of(difference) < 0, -difference, difference)  # exact second derivatives at 0, unlike abs
    ratio: Any = p.scale / q.scale
    return distance / q.scale + ratio * exp(-distance / p.scale) - 1 - log(ratio)


def _exponential(p: Exponential, q: Exponential) -> Any:
    ratio = q.rate / p.rate
    return ratio - 1 - log(ratio)


def _uniform(p: Uniform, q: Uniform) -> Any:
    covers = (values_of(q.low) <= values_of(p.low)) & (values_of(p.high) <= values_of(q.high))
    return where(covers, log((q.high - q.low) / (p.high - p.low)), np.inf)


def _discrete(p: Discrete, q: Discrete) -> Any:
    probabilities = p.outcome_probs()
    possible = values_of(probabilities) > 0
    return sum(probabilities * (p.outcome_log_probs(possible) - q.outcome_log_probs(possible)), -1)


def _multivariate_normal(p: MultivariateNormal, q: MultivariateNormal) -> Any:
    ratio = solve_triangular(q.scale_tril, p.scale_tril, upper=False)
    squares = sum(square(ratio), (-2, -1)) + sum(square(q.whitened(p.loc)), -1)
    return 0.5 * (squares - p.event_shape[0]) + q.half_log_det() - p.half_log_det()


FORMULAS: dict[type, Callable[[Any, Any], Any]] = {
    Normal: _normal, Laplace: _laplace, Exponential: _exponential, Uniform: _uniform, Bernoulli: _discrete,
    Categorical: _discrete, MultivariateNormal: _multivariate_normal,
}  # fmt: skip
