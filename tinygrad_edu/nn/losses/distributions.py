"""Losses between distributions: KL divergence, Gaussian and Poisson negative log likelihood."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tinygrad_edu.engine import Array, Tensor, TensorLike, anywhere, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.losses.additive import additive, elements
from tinygrad_edu.nn.losses.common import LossModule, Reduction, compared
from tinygrad_edu.ops import exp, expand_dims, log, square, where, xlogy
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.elementwise.selection import keep
from tinygrad_edu.ops.networks.cross_entropies import convert_like, reduce_losses, require_reduction

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import LossOfThree

__all__ = ["GaussianNLLLoss", "KLDivLoss", "PoissonNLLLoss", "gaussian_nll_loss", "kl_div", "poisson_nll_loss"]

ReductionOfBatches = Literal["mean", "batchmean", "sum", "none"]


def _kl_denominator(target: Any, reduction: str = "mean", **settings: Any) -> float | None:
    """Return the denominator: the number of elements for "mean", the number of samples for "batchmean"."""
    return np.shape(target)[0] if reduction == "batchmean" else elements(target, reduction)


@additive(_kl_denominator)
def kl_div(
    input: TensorLike, target: TensorLike, reduction: ReductionOfBatches = "mean", log_target: bool = False
) -> Tensor | Array:
    """Return the Kullback-Leibler divergence, the reduction of target * (log(target) - input).

    Parameters
    ----------
    input : array_like, floating
        Log probabilities, such as the output of `LogSoftmax(axis=1)`.
    target : array_like, of the shape of `input`
        Probabilities, or with `log_target` log probabilities.
    reduction : {"mean", "batchmean", "sum", "none"}, default "mean"
        "batchmean" divides the sum by the number of samples, which is the mathematical definition. "mean" divides by
        the number of elements, as in PyTorch.
    log_target : bool, default False
        Whether the targets are log probabilities.

    Raises
    ------
    ShapeError, ValueError
        The shapes differ, or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> p = tg.Tensor([[0.5, 0.5]])
    >>> round(kl_div(p.log(), [[1.0, 0.0]], reduction="batchmean").item(), 4)
    0.6931
    """
    x, t = compared("kl_div", input, target, reduction, "batchmean")
    losses = exp(t) * (t - x) if log_target else xlogy(t, t) - t * x
    if reduction != "batchmean":
        return reduce_losses(losses, reduction)
    total = reduce_losses(losses, "sum")
    return total / x.shape[0] if x.ndim else total


def gaussian_nll_loss(
    input: TensorLike, target: TensorLike, var: TensorLike, full: bool = False, eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor | Array:  # fmt: skip
    """Return the negative log likelihood of targets under normal distributions, (log(var) + error**2 / var) / 2.

    Parameters
    ----------
    input, target : array_like
        Means of the distributions, and observed values. Their shapes broadcast, but have equally many axes, or the
        target is a scalar.
    var : array_like, or a number
        Variances, of the shape of `input`, optionally with one axis of length 1 or without the last axis; or a scalar.
    full : bool, default False
        Whether to add the constant log(2 pi) / 2.
    eps : float, default 1e-6
        Minimum of the variances. As in PyTorch, a smaller variance gets the gradient at `eps`.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Raises
    ------
    ShapeError, ValueError
        The shapes do not match, a variance is negative, or the reduction is unknown.

    References
    ----------
    Nix and Weigend, Estimating the mean and variance of the target probability distribution, 1994.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> gaussian_nll_loss(tg.Tensor([1.0, 2.0]), [1.0, 4.0], 1.0)
    Tensor(1., shape=(), dtype=float32)
    """
    require_reduction("gaussian_nll_loss", reduction)
    x = as_floating(input)
    t = convert_like(x, target)
    if t.ndim not in (0, x.ndim):  # as in `compared`: (N, 1) and (N,) would compare each element with all others
        raise ShapeError(
            f"gaussian_nll_loss: shape mismatch: prediction {x.shape} and target {t.shape}. The shapes must have "
            f"equally many axes; use reshape, for example."
        )
    variance = _broadcastable_variance(convert_like(x, var), x.shape)
    values = values_of(variance)
    if anywhere(values < 0):
        raise ValueError("gaussian_nll_loss: variances must be >= 0, got negative values.")
    variance = variance + (np.maximum(values, eps) - values)  # adding a constant preserves the gradient
    losses = 0.5 * (log(variance) + square(x - t) / variance)
    return reduce_losses(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def _broadcastable_variance(var: Any, shape: tuple[int, ...]) -> Any:
    """Return variances that broadcast to a shape. Raise for shapes that PyTorch rejects, except for a scalar."""
    if var.shape == shape or var.ndim == 0:
        return var
    if var.shape == shape[:-1]:
        return expand_dims(var, -1)
    if var.ndim == len(shape) and [n for n, m in zip(var.shape, shape, strict=True) if n != m] == [1]:
        return var
    raise ShapeError(
        f"gaussian_nll_loss: shape mismatch: variances {var.shape} and means {shape}. The variances must have this "
        f"shape, optionally with one axis of length 1, or without the last axis."
    )


@additive(elements)
def poisson_nll_loss(
    input: TensorLike, target: TensorLike, log_input: bool = True, full: bool = False, eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Tensor | Array:  # fmt: skip
    """Return the negative log likelihood of counts under Poisson distributions, rate - target * log(rate).

    Parameters
    ----------
    input : array_like, floating
        Logarithms of the rates, or with ``log_input=False`` the rates.
    target : array_like, of the shape of `input`
        Counts.
    log_input : bool, default True
        Whether the inputs are logarithms of the rates.
    full : bool, default False
        Whether to add log(target!), by Stirling's approximation, for counts > 1.
    eps : float, default 1e-8
        Constant added to a rate before the logarithm.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Raises
    ------
    ShapeError, ValueError
        The shapes differ, or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> poisson_nll_loss(tg.Tensor([0.0, 0.0]), [1.0, 3.0], reduction="none")
    Tensor([1., 1.], shape=(2,), dtype=float32)
    """
    x, t = compared("poisson_nll_loss", input, target, reduction)
    losses = exp(x) - t * x if log_input else x - t * log(x + eps)
    if full:
        is_large = values_of(t) > 1
        n = where(is_large, t, np.asarray(2, x.dtype))
        losses = losses + keep(n * log(n) - n + 0.5 * log(2 * math.pi * n), is_large)
    return reduce_losses(losses, reduction)


class KLDivLoss(LossModule):
    """`kl_div` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> KLDivLoss(reduction="batchmean")(tg.log(tg.Tensor([[0.5, 0.5]])), [[1.0, 0.0]])
    Tensor(0.6931472, shape=(), dtype=float32)
    """

    function = staticmethod(kl_div)
    extra_reductions = ("batchmean",)

    def __init__(self, reduction: ReductionOfBatches = "mean", log_target: bool = False) -> None:
        self._store_settings(reduction=reduction, log_target=log_target)


class GaussianNLLLoss(LossModule):
    """`gaussian_nll_loss` as a module, called with means, observed values and variances.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> GaussianNLLLoss()(tg.Tensor([1.0, 2.0]), [1.0, 4.0], [1.0, 1.0])
    Tensor(1., shape=(), dtype=float32)
    """

    __call__: LossOfThree  # type: ignore[assignment]
    function = staticmethod(gaussian_nll_loss)

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: Reduction = "mean") -> None:
        self._store_settings(full=full, eps=eps, reduction=reduction)

    def forward(  # type: ignore[override]
        self, input: TensorLike, target: TensorLike, var: TensorLike
    ) -> Tensor | Array:
        """Apply the loss function."""
        return self._loss(input, target, var)


class PoissonNLLLoss(LossModule):
    """`poisson_nll_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> PoissonNLLLoss()(tg.Tensor([0.0, 0.0]), [1.0, 2.0])
    Tensor(1., shape=(), dtype=float32)
    """

    function = staticmethod(poisson_nll_loss)

    def __init__(
        self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: Reduction = "mean"
    ) -> None:
        self._store_settings(log_input=log_input, full=full, eps=eps, reduction=reduction)
