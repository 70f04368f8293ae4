"""Prove that a derivative is right: of an op of this project, of your own op, of a model, or of any function.

`check_gradient` needs nothing but plain arrays; `check_torch`, `check_jax` and `check_keras` take what those frameworks
differentiate; the other checks take functions of Tensors. The strategies for Hypothesis are in
``tinygrad_edu.testing.strategies``, and need the extra ``tinygrad-edu[testing]``.
"""

from tinygrad_edu.testing.additive import check_additive
from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.checks import check_jvp, check_linear, check_vjp
from tinygrad_edu.testing.claims import check_gradient
from tinygrad_edu.testing.differences import directional_derivative
from tinygrad_edu.testing.failures import (
    CheckFailed,
    GradientMismatch,
    Inconclusive,
    LawBroken,
    NotDeterministic,
    NotDifferentiableHere,
)
from tinygrad_edu.testing.frameworks import check_jax, check_keras, check_torch
from tinygrad_edu.testing.kinks import check_subgradient
from tinygrad_edu.testing.laws import check_op
from tinygrad_edu.testing.modules import check_module
from tinygrad_edu.testing.rungs import Estimate

__all__ = [
    "Call", "CheckFailed", "Estimate", "GradientMismatch", "Inconclusive", "LawBroken", "NotDeterministic",
    "NotDifferentiableHere", "check_additive", "check_gradient", "check_jax", "check_jvp", "check_keras",
    "check_linear", "check_module", "check_op", "check_subgradient", "check_torch", "check_vjp",
    "directional_derivative",
]  # fmt: skip
