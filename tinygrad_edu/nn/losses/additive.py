"""Additive losses: a sum over samples, divided by a denominator that depends on the target."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn.module import Module
from tinygrad_edu.shared.pytree import tree_leaves

__all__ = ["Loss", "additive", "denominator_of", "elements", "label_weights", "rows"]

Loss = Callable[[Any, Any], Any]
AnyLoss = TypeVar("AnyLoss", bound=Callable[..., Any])


def additive(denominator: Callable[..., float | None]) -> Callable[[AnyLoss], AnyLoss]:
    """Return a decorator that declares a loss to be additive: it sets ``loss.denominator``.

    A loss is additive if, for any two parts of a batch, the denominators of the parts sum to the denominator of the
    batch, and loss * denominator of the parts sums to loss * denominator of the batch.

    Parameters
    ----------
    denominator : callable
        Function of the target and the keyword arguments of the loss. Returns a number, or None if not additive.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> @additive(lambda target: np.count_nonzero(target))
    ... def masked_mean(out, target):
    ...     return (out * (target != 0)).sum() / np.count_nonzero(target)
    >>> denominator_of(masked_mean, np.array([1, 0, 2]))
    2.0
    """

    def declare(loss: AnyLoss) -> AnyLoss:
        loss.denominator = denominator  # type: ignore[attr-defined]
        return loss

    return declare


def denominator_of(loss: Any, target: Any) -> float | None:
    """Return the denominator that a loss declares for a target, or None.

    A function declares ``loss.denominator``, a function of the target. A class declares a method
    ``denominator(self, target)`` in the class that defines `forward` (``__call__`` if it is not a Module). The
    keyword arguments of a ``functools.partial`` are passed on.
    """
    settings: dict[str, Any] = {}
    while isinstance(loss, partial):
        if loss.args:
            return None
        loss, settings = loss.func, {**loss.keywords, **settings}
    declared = _declared_denominator(loss)
    total = None if declared is None else declared(target, **settings)
    if total is not None and not isinstance(total, int | float | np.integer | np.floating):
        raise DTypeError(f"the denominator of a loss must be a number or None, got {total!r} ({type(total).__name__}).")
    return None if total is None else float(total)


def _declared_denominator(loss: Any) -> Callable[..., Any] | None:
    declared: Callable[..., Any] | None = getattr(loss, "denominator", None)
    if declared is None or (isinstance(loss, Module) and (loss.has_hooks or "forward" in vars(loss))):
        return None
    if "denominator" in getattr(loss, "__dict__", ()):
        copied = getattr(getattr(loss, "__wrapped__", None), "denominator", None)  # by functools.wraps
        return None if declared is copied else declared
    return declared if _covers_calls(type(loss)) else None


def _covers_calls(cls: type) -> bool:
    """Return whether the class that defines `denominator` also defines or inherits the methods that it describes."""
    calls = ("forward", "__call__") if issubclass(cls, Module) else ("__call__",)
    owner = next(base for base in cls.__mro__ if "denominator" in vars(base))
    return all(issubclass(owner, base) for base in cls.__mro__ if not vars(base).keys().isdisjoint(calls))


# --- Denominators of the losses of this library ---


def elements(
    target: Any, reduction: str = "mean", weight: Any = None, pos_weight: Any = None, **settings: Any
) -> float | None:
    """Return the number of elements: the denominator of a mean over all axes."""
    values = _single_array(target)
    if (
        reduction != "mean"
        or values is None
        or not all(_broadcasts_over_samples(w, values) for w in (weight, pos_weight))
    ):
        return None
    return values.size


def _broadcasts_over_samples(weight: Any, values: ndarray) -> bool:
    """Return whether weights broadcast along the sample axis."""
    shape = np.shape(values_of(weight)) if weight is not None else ()
    return len(shape) < values.ndim or (len(shape) == values.ndim and shape[:1] == (1,))


def rows(target: Any, reduction: str = "mean", **settings: Any) -> float | None:
    """Return the number of elements of all axes except the last: the denominator of a mean over those axes."""
    values = _single_array(target)
    if reduction != "mean" or values is None or values.ndim < 2:
        return None
    return float(np.prod(values.shape[:-1]))


def label_weights(
    target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0,
) -> float | None:  # fmt: skip
    """Return the sum of the weights of the labels that are not ignored; for class probabilities, the number of them."""
    values = _single_array(target)
    if reduction != "mean" or values is None:
        return None
    if values.dtype.kind not in "iu":
        return values.size / values.shape[1] if values.ndim > 1 and values.shape[1] else None
    counts = values != ignore_index
    if weight is None:
        return int(np.count_nonzero(counts))
    weights, labels = np.asarray(values_of(weight), np.float64), values[counts]
    if weights.ndim != 1 or not np.all((labels >= 0) & (labels < len(weights))):
        return None  # the loss raises the error
    if label_smoothing and not weights.all():
        return None  # with label smoothing, the loss of a label with weight 0 is not 0
    return float(weights[labels].sum())


def _single_array(target: Any) -> ndarray | None:
    leaves = list(tree_leaves(target))
    return np.asarray(values_of(leaves[0])) if len(leaves) == 1 else None
