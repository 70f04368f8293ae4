"""The losses, each as a function and as a module: how far predictions are from their targets, as one number."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from tinygrad_edu.engine import Tensor, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops import abs, cross_entropy, getitem, mean, negative, square, sum
from tinygrad_edu.ops.classification import check_labels, places, sigmoid_cross_entropy

__all__ = [
    "BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss", "binary_cross_entropy_with_logits",
    "cross_entropy", "l1_loss", "mse_loss", "nll_loss",
]  # fmt: skip

Reduction = Literal["mean", "sum", "none"]


def mse_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the mean squared error.

    Parameters
    ----------
    prediction, target : array_like, of one shape
    reduction : {"mean", "sum", "none"}
        Over all elements; "none" returns the squared errors, of the shape of the prediction.

    Raises
    ------
    ShapeError
        For different shapes: broadcasting (N, 1) against (N,) would compare each with all.

    Examples
    --------
    >>> mse_loss(Tensor([1.0, 2.0]), [1.0, 4.0])
    Tensor(2., shape=(), dtype=float32)
    """
    _require_same_shape("mse_loss", prediction, target)
    return _reduce("mse_loss", square(_difference(prediction, target)), reduction)


def l1_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the mean absolute error; its derivative is 0 where the prediction is exact.

    The parameters and errors are those of `mse_loss`.

    Examples
    --------
    >>> l1_loss(Tensor([1.0, 2.0]), [1.0, 4.0])
    Tensor(1., shape=(), dtype=float32)
    """
    _require_same_shape("l1_loss", prediction, target)
    return _reduce("l1_loss", abs(_difference(prediction, target)), reduction)


def nll_loss(log_probabilities: Any, labels: Any, reduction: Reduction = "mean") -> Any:
    """Return the negative log likelihood of the labels. `cross_entropy` takes the logits instead.

    Parameters
    ----------
    log_probabilities : (N, C, ...) floating
        For example from `LogSoftmax(axis=1)`.
    labels : (N, ...) integers
        Each from 0 to C - 1.
    reduction : {"mean", "sum", "none"}
        Over the samples.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        For labels that do not fit, are not integers, or are out of range.

    Examples
    --------
    >>> nll_loss(Tensor([[-1.0, -5.0], [-7.0, -2.0]]), [0, 1])
    Tensor(1.5, shape=(), dtype=float32)
    """
    y = np.asarray(values_of(labels))
    if y.dtype.kind not in "iu":
        raise DTypeError(f"nll_loss: labels are integers, not {y.dtype}.")
    check_labels("nll_loss", "log probabilities", np.shape(log_probabilities), y)
    return _reduce("nll_loss", negative(getitem(log_probabilities, places(y))), reduction)


def binary_cross_entropy_with_logits(logits: Any, targets: Any, reduction: Reduction = "mean") -> Any:
    """Return the cross entropy of sigmoid(logits) against the targets, stable for logits of any size.

    Parameters
    ----------
    logits : array_like, floating
        Of any shape.
    targets : array_like, of the shape of the logits
        Probabilities, or labels 0 and 1.
    reduction : {"mean", "sum", "none"}
        Over all elements.

    Raises
    ------
    ShapeError
        For different shapes.
    DTypeError
        For logits that are not floating point.
    ValueError
        For targets outside of [0, 1].

    Examples
    --------
    >>> binary_cross_entropy_with_logits(Tensor([1e4, -1e4]), [0, 0], reduction="sum")
    Tensor(10000., shape=(), dtype=float32)
    """
    name = "binary_cross_entropy_with_logits"
    x, t = (v if isinstance(v, Tensor) else np.asarray(v) for v in (logits, targets))
    _require_same_shape(name, x, t)
    if t.size and not np.all((t >= 0) & (t <= 1)):
        raise ValueError(f"{name}: targets are probabilities, or labels 0 and 1; these are not all from 0 to 1.")
    if x.dtype.kind != "f":
        raise DTypeError(f"{name}: logits are floating-point numbers, not {x.dtype}.")
    return _reduce(name, sigmoid_cross_entropy(x, t.astype(x.dtype)), reduction)


class _Loss(Module):
    function: Callable[..., Any]

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction

    def forward(self, prediction: Any, target: Any) -> Any:
        """Apply the function of this loss."""
        return type(self).function(prediction, target, self.reduction)

    def extra_repr(self) -> str:
        """Return the reduction."""
        return f"reduction={self.reduction!r}"


class CrossEntropyLoss(_Loss):
    """`cross_entropy` as a module: of logits (N, C, ...) and integer labels or probabilities."""

    function = staticmethod(cross_entropy)


class NLLLoss(_Loss):
    """`nll_loss` as a module: of log probabilities (N, C, ...) and integer labels."""

    function = staticmethod(nll_loss)


class MSELoss(_Loss):
    """`mse_loss` as a module."""

    function = staticmethod(mse_loss)


class L1Loss(_Loss):
    """`l1_loss` as a module."""

    function = staticmethod(l1_loss)


class BCEWithLogitsLoss(_Loss):
    """`binary_cross_entropy_with_logits` as a module."""

    function = staticmethod(binary_cross_entropy_with_logits)


def _difference(prediction: Any, target: Any) -> Any:
    return prediction - (target if isinstance(target, Tensor) else np.asarray(target))


def _reduce(name: str, losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    if reduction not in ("mean", "sum"):
        raise ValueError(f"{name}: reduction is 'mean', 'sum' or 'none', not {reduction!r}.")
    return mean(losses) if reduction == "mean" else sum(losses)


def _require_same_shape(name: str, prediction: Any, target: Any) -> None:
    if np.shape(prediction) != np.shape(target):
        raise ShapeError(
            f"{name}: a prediction of shape {np.shape(prediction)} and a target of shape {np.shape(target)}. They "
            f"are compared element by element: give them one shape, with reshape for example."
        )
