"""Exceptions of the checks. `CheckFailed` is the base class."""

# ruff: noqa: N818 - each name is a verdict, and pytest prints it
from __future__ import annotations

from typing import Any

from tinygrad_edu.errors import TinygradError

__all__ = ["CheckFailed", "GradientMismatch", "Inconclusive", "LawBroken", "NotDeterministic", "NotDifferentiableHere"]


class CheckFailed(TinygradError):
    """Base class of the errors of a check that does not pass.

    `GradientMismatch`, `LawBroken` and `NotDeterministic` report a fault and are also AssertionErrors. `Inconclusive`
    reports no fault. Other errors propagate unchanged, such as the `DTypeError` for complex inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient
    >>> try:
    ...     check_gradient(lambda x: np.sum(np.sin(x)), lambda x: -np.cos(x), [0.3, -1.2])
    ... except CheckFailed as error:
    ...     print(type(error).__name__)
    GradientMismatch
    """

    report: Any = None  # the `Report` of the check that raised the error


class GradientMismatch(CheckFailed, AssertionError):
    """A gradient differs from the numeric gradient by more than the error estimates allow.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient, run_check
    >>> type(run_check(check_gradient, np.sum, np.zeros_like, [1.0, 2.0]).error).__name__
    'GradientMismatch'
    """

    element: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # the shape of the gradient, and a wrong index


class LawBroken(CheckFailed, AssertionError):
    """A function, an op or a module violates one of the laws that its check tests.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient, run_check
    >>> report = run_check(check_gradient, lambda x: np.exp(x, out=x).sum(), np.exp, [1.0, 2.0])
    >>> type(report.error).__name__
    'LawBroken'
    """


class NotDeterministic(CheckFailed, AssertionError):
    """Two calls of the function at the same point returned different results, so it has no derivative there.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient, run_check
    >>> rng = np.random.default_rng(0)
    >>> type(run_check(check_gradient, lambda x: x + rng.random(), np.ones_like, 1.0).error).__name__
    'NotDeterministic'
    """


class Inconclusive(CheckFailed, ArithmeticError):
    """The check cannot decide whether a gradient is right at this point; the message gives the reason.

    It is not an AssertionError, because the gradient may be right. Inside a Hypothesis test, a check rejects and counts
    the example instead of raising; the test fails if too many of its examples are inconclusive.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient, run_check
    >>> type(run_check(check_gradient, lambda x: 1e13 + np.sum(np.sin(x)), np.cos, [0.3, -1.2, 0.8]).error).__name__
    'Inconclusive'
    """


class NotDifferentiableHere(Inconclusive):
    """The function jumps, has an infinite slope or is not finite at this point, so it has no derivative.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient, run_check
    >>> type(run_check(check_gradient, np.sign, np.zeros_like, 0.0).error).__name__
    'NotDifferentiableHere'
    """
