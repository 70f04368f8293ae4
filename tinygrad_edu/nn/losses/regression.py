"""Regression losses: squared, absolute, smooth L1 and Huber loss."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.engine import Array, Tensor, TensorLike
from tinygrad_edu.nn.losses.additive import additive, elements
from tinygrad_edu.nn.losses.common import LossModule, Reduction, compared, times_weight
from tinygrad_edu.ops import abs, clip, square
from tinygrad_edu.ops.networks.cross_entropies import as_weight, reduce_losses

__all__ = [
    "HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss", "huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss",
]  # fmt: skip


@additive(elements)
def mse_loss(
    input: TensorLike, target: TensorLike, reduction: Reduction = "mean", weight: TensorLike | None = None
) -> Tensor | Array:
    """Return the mean squared error.

    Parameters
    ----------
    input, target : array_like, of equal shapes
        The target is cast to the dtype of the input. Both get a gradient.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements. "none" returns the squared errors, in the shape of the input.
    weight : array_like, of the shape of `input`, optional
        Weight of each error. "mean" divides by the sum of the weights.

    Raises
    ------
    ShapeError
        The shapes differ. Broadcasting (N, 1) against (N,) would compare each element with all others.
    ValueError
        The reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> mse_loss(tg.Tensor([1.0, 2.0]), [1.0, 4.0])
    Tensor(2., shape=(), dtype=float32)
    """
    x, t = compared("mse_loss", input, target, reduction)
    return _reduce_weighted("mse_loss", square(x - t), weight, reduction)


@additive(elements)
def l1_loss(
    input: TensorLike, target: TensorLike, reduction: Reduction = "mean", weight: TensorLike | None = None
) -> Tensor | Array:
    """Return the mean absolute error. The derivative is 0 where input and target are equal.

    Parameters and errors are as in `mse_loss`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> l1_loss(tg.Tensor([1.0, 2.0]), [1.0, 4.0])
    Tensor(1., shape=(), dtype=float32)
    """
    x, t = compared("l1_loss", input, target, reduction)
    return _reduce_weighted("l1_loss", abs(x - t), weight, reduction)


def _reduce_weighted(name: str, losses: Any, weight: Any, reduction: str) -> Tensor | Array:
    """Multiply losses by their weights and reduce them. "mean" divides by the sum of the weights."""
    weight = None if weight is None else as_weight(name, weight, losses)
    return reduce_losses(times_weight(name, losses, weight, same_shape=True), reduction, weight)


@additive(elements)
def smooth_l1_loss(
    input: TensorLike, target: TensorLike, reduction: Reduction = "mean", beta: float = 1.0
) -> Tensor | Array:
    """Return the smooth L1 loss: error**2 / (2 beta) if abs(error) < beta, else abs(error) - beta / 2.

    Parameters
    ----------
    input, target : array_like, of equal shapes
        The target is cast to the dtype of the input. Both get a gradient.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements. "none" returns the losses, in the shape of the input.
    beta : float, default 1.0
        Error at which the loss changes from quadratic to linear. With 0, it is `l1_loss`.

    Raises
    ------
    ShapeError, ValueError
        The shapes differ, the reduction is unknown, or `beta` is negative.

    References
    ----------
    Girshick, Fast R-CNN, 2015, with beta = 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> smooth_l1_loss(tg.Tensor([1.0, 2.0]), [1.5, 4.0], "none")
    Tensor([0.125, 1.5  ], shape=(2,), dtype=float32)
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must be >= 0, got {beta!r}.")
    if beta == 0:
        return l1_loss(input, target, reduction)
    x, t = compared("smooth_l1_loss", input, target, reduction)
    return reduce_losses(_huber(x - t, beta, 1 / beta), reduction)


@additive(elements)
def huber_loss(
    input: TensorLike, target: TensorLike, reduction: Reduction = "mean", delta: float = 1.0,
    weight: TensorLike | None = None,
) -> Tensor | Array:  # fmt: skip
    """Return the Huber loss: error**2 / 2 if abs(error) < delta, else delta * (abs(error) - delta / 2).

    It equals delta times `smooth_l1_loss` with beta=delta.

    Parameters
    ----------
    input, target : array_like, of equal shapes
        The target is cast to the dtype of the input. Both get a gradient.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements. "none" returns the losses, in the shape of the input.
    delta : float, default 1.0
        Error at which the loss changes from quadratic to linear.
    weight : array_like, of the shape of the input, optional
        Weight of each error. "mean" divides by the number of errors, as in PyTorch.

    Raises
    ------
    ShapeError, ValueError
        The shapes differ, the reduction is unknown, or `delta` is not positive.

    References
    ----------
    Huber, Robust estimation of a location parameter, 1964.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> huber_loss(tg.Tensor([1.0, 2.0]), [1.5, 4.0], "none", delta=0.5)
    Tensor([0.125, 0.875], shape=(2,), dtype=float32)
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be > 0, got {delta!r}.")
    x, t = compared("huber_loss", input, target, reduction)
    return reduce_losses(times_weight("huber_loss", _huber(x - t, delta), weight, same_shape=True), reduction)


def _huber(error: Any, delta: float, scale: float = 1.0) -> Any:
    """Return scale * error**2 / 2 up to `delta`, and its tangent beyond.

    With a clipped error, one formula covers both cases without the square of a large error, which could overflow.
    """
    clipped = clip(error, -delta, delta)
    return clipped * scale * (error - clipped * 0.5)


class MSELoss(LossModule):
    """`mse_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> MSELoss()(tg.Tensor([0.0, 0.0]), [1.0, 3.0])
    Tensor(5., shape=(), dtype=float32)
    """

    function = staticmethod(mse_loss)


class L1Loss(LossModule):
    """`l1_loss` as a module.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> L1Loss()(tg.Tensor([0.0, 0.0]), [1.0, 3.0])
    Tensor(2., shape=(), dtype=float32)
    """

    function = staticmethod(l1_loss)


class SmoothL1Loss(LossModule):
    """`smooth_l1_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> SmoothL1Loss()(tg.Tensor([0.0, 0.0]), [1.0, 3.0])
    Tensor(1.5, shape=(), dtype=float32)
    """

    function = staticmethod(smooth_l1_loss)

    def __init__(self, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        self._store_settings(reduction=reduction, beta=beta)


class HuberLoss(LossModule):
    """`huber_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> HuberLoss()(tg.Tensor([0.0, 0.0]), [1.0, 3.0])
    Tensor(1.5, shape=(), dtype=float32)
    """

    function = staticmethod(huber_loss)

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        self._store_settings(reduction=reduction, delta=delta)
