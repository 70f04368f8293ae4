"""Losses for pairs and triplets of inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.losses.common import LossModule, Reduction
from tinygrad_edu.nn.losses.margins import require_signs
from tinygrad_edu.ops import clip, minimum, pairwise_distance, sqrt, square, sum, where
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.networks.cross_entropies import convert_like, reduce_losses, require_reduction
from tinygrad_edu.ops.shapes.shape import shaped

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import LossOfThree

__all__ = [
    "CosineEmbeddingLoss", "MarginRankingLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss",
    "cosine_embedding_loss", "margin_ranking_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip

Distance = Callable[[Any, Any], Any]

_EPS = float(np.float32(1e-12))  # added to a squared norm to avoid a division by 0, as in PyTorch


def margin_ranking_loss(
    input1: TensorLike, input2: TensorLike, target: TensorLike, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor | Array:
    """Return the margin ranking loss, max(margin - target * (input1 - input2), 0).

    Parameters
    ----------
    input1, input2 : array_like, floating
    target : array_like
        1 where `input1` should be greater, else -1. All three have the same number of axes and broadcast.
    margin : float, default 0.0
        Difference of scores beyond which a pair has no loss.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Raises
    ------
    ShapeError, ValueError
        The numbers of axes differ, the shapes do not broadcast, or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> margin_ranking_loss(tg.Tensor([1.0, 1.0]), tg.Tensor([2.0, 2.0]), [1, -1], reduction="none")
    Tensor([1., 0.], shape=(2,), dtype=float32)
    """
    require_reduction("margin_ranking_loss", reduction)
    x1, x2 = as_floating(input1), as_floating(input2)
    t = convert_like(x1, target)
    _require_same_ndim("margin_ranking_loss", input1=x1, input2=x2, target=t)
    return reduce_losses(clip(margin - t * (x1 - x2), 0), reduction)


def cosine_embedding_loss(
    input1: TensorLike, input2: TensorLike, target: ArrayLike, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor | Array:
    """Return the cosine embedding loss: 1 - cos where target is 1, and max(cos - margin, 0) where target is -1.

    Parameters
    ----------
    input1, input2 : (N, D) floating, or (D,) for one pair
        Vectors. cos is the cosine of the angle between them.
    target : (N,), or () for one pair
        1 for similar pairs, -1 for dissimilar pairs.
    margin : float, default 0.0
        From -1 to 1.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Raises
    ------
    ShapeError, ValueError
        The shapes do not match, a target is not 1 or -1, or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> cosine_embedding_loss(x, tg.Tensor([[0.0, 2.0], [2.0, 0.0]]), [1, -1], reduction="none")
    Tensor([1., 1.], shape=(2,), dtype=float32)
    """
    name, x1, x2, t = "cosine_embedding_loss", as_floating(input1), as_floating(input2), values_of(shaped(target))
    require_reduction(name, reduction)
    if t.ndim > 1 or not x1.ndim == x2.ndim == t.ndim + 1:
        raise ShapeError(
            f"{name}: inputs and targets must have shapes (N, D), (N, D) and (N,), or (D,), (D,) and (), got "
            f"{x1.shape}, {x2.shape} and {t.shape}."
        )
    require_signs(name, t)
    length1, length2 = (sqrt(sum(square(x), -1) + _EPS) for x in (x1, x2))
    cosine = sum(x1 * x2, -1) / (length1 * length2)
    return reduce_losses(where(t == 1, 1 - cosine, clip(cosine - margin, 0)), reduction)


def triplet_margin_with_distance_loss(
    anchor: TensorLike, positive: TensorLike, negative: TensorLike, *, distance_function: Distance = pairwise_distance,
    margin: float = 1.0, swap: bool = False, reduction: Reduction = "mean",
) -> Tensor | Array:  # fmt: skip
    """Return the triplet margin loss, max(d(anchor, positive) - d(anchor, negative) + margin, 0), for a distance d.

    Parameters
    ----------
    anchor, positive, negative : array_like
        Inputs with the same number of axes.
    distance_function : callable, default pairwise_distance
        The distance d, a function of two inputs.
    margin : float, default 1.0
        Positive margin.
    swap : bool, default False
        Whether to use d(positive, negative) where it is less than d(anchor, negative).
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Raises
    ------
    ShapeError, ValueError
        The numbers of axes differ, `margin` is not positive, or the reduction is unknown.

    References
    ----------
    Balntas et al., Learning shallow convolutional feature descriptors with triplet losses, 2016.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> a, p, n = (tg.Tensor([[x, 0.0]]) for x in (0.0, 1.0, 1.5))
    >>> distance = lambda x, y: abs(x - y).sum(axis=1)
    >>> triplet_margin_with_distance_loss(a, p, n, distance_function=distance)
    Tensor(0.5, shape=(), dtype=float32)
    """
    name = "triplet_margin_with_distance_loss"
    return _triplet_loss(name, (anchor, positive, negative), distance_function, margin, swap, reduction)


def triplet_margin_loss(
    anchor: TensorLike, positive: TensorLike, negative: TensorLike, margin: float = 1.0, p: float = 2.0,
    eps: float = 1e-6, swap: bool = False, reduction: Reduction = "mean",
) -> Tensor | Array:  # fmt: skip
    """Return `triplet_margin_with_distance_loss` for `pairwise_distance`, the p-norm of the difference plus `eps`.

    Parameters
    ----------
    anchor, positive, negative : (N, D) floating, or (D,) for one triplet
        Inputs, which broadcast.
    margin : , default 1.0
        As in `triplet_margin_with_distance_loss`.
    p : float, default 2.0
        As in `pairwise_distance`.
    eps : float, default 1e-6
        As in `pairwise_distance`.
    swap : , default False
        As in `triplet_margin_with_distance_loss`.
    reduction : , default "mean"
        As in `triplet_margin_with_distance_loss`.

    Raises
    ------
    ShapeError, ValueError
        As in `triplet_margin_with_distance_loss`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> a, p, n = (tg.Tensor([[x, 0.0]]) for x in (0.0, 1.0, 1.5))
    >>> triplet_margin_loss(a, p, n, eps=0.0)
    Tensor(0.5, shape=(), dtype=float32)
    """
    distance = partial(pairwise_distance, p=p, eps=eps)
    return _triplet_loss("triplet_margin_loss", (anchor, positive, negative), distance, margin, swap, reduction)


def _triplet_loss(
    name: str, triplet: tuple[Any, Any, Any], distance: Distance, margin: float, swap: bool, reduction: Reduction
) -> Any:
    require_reduction(name, reduction)
    _require_positive(name, margin)
    a, p, n = map(as_floating, triplet)
    _require_same_ndim(name, anchor=a, positive=p, negative=n)
    positive_distance, negative_distance = distance(a, p), distance(a, n)
    if swap:
        negative_distance = minimum(negative_distance, distance(p, n))
    return reduce_losses(clip(margin + positive_distance - negative_distance, 0), reduction)


def _require_positive(name: str, margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"{name}: margin must be > 0, got {margin!r}.")


def _require_same_ndim(name: str, **inputs: Any) -> None:
    """Raise for different numbers of axes: broadcasting (N, 1) with (N,) would compare each element with all others."""
    if len({x.ndim for x in inputs.values()}) > 1:
        shapes = ", ".join(f"{argument} {x.shape}" for argument, x in inputs.items())
        raise ShapeError(f"{name}: the inputs must have the same number of axes, got shapes {shapes}.")


class MarginRankingLoss(LossModule):
    """`margin_ranking_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> MarginRankingLoss(margin=0.5)(tg.Tensor([1.0]), [2.0], [1.0])
    Tensor(1.5, shape=(), dtype=float32)
    """

    __call__: LossOfThree  # type: ignore[assignment]
    function = staticmethod(margin_ranking_loss)

    def __init__(self, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        self._store_settings(margin=margin, reduction=reduction)

    def forward(  # type: ignore[override]
        self, input1: TensorLike, input2: TensorLike, target: TensorLike
    ) -> Tensor | Array:
        """Apply the loss function."""
        return self._loss(input1, input2, target)


class CosineEmbeddingLoss(LossModule):
    """`cosine_embedding_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> CosineEmbeddingLoss()(tg.Tensor([[1.0, 0.0]]), [[0.0, 1.0]], [1.0])
    Tensor(1., shape=(), dtype=float32)
    """

    __call__: LossOfThree  # type: ignore[assignment]
    function = staticmethod(cosine_embedding_loss)

    def __init__(self, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        self._store_settings(margin=margin, reduction=reduction)

    def forward(  # type: ignore[override]
        self, input1: TensorLike, input2: TensorLike, target: TensorLike
    ) -> Tensor | Array:
        """Apply the loss function."""
        return self._loss(input1, input2, target)


class TripletMarginLoss(LossModule):
    """`triplet_margin_loss` as a module.

    Parameters
    ----------
    margin : float, default 1.0
        Difference of the distances beyond which a triplet has no loss.
    p : float, default 2.0
        The p of the p-norm.
    eps : float, default 1e-6
        Constant added to the differences, as in PyTorch.
    swap : bool, default False
        Whether to use d(positive, negative) where it is less than d(anchor, negative).
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> TripletMarginLoss()(tg.Tensor([[0.0, 0.0]]), [[3.0, 4.0]], [[0.0, 5.0]])
    Tensor(0.9999995, shape=(), dtype=float32)
    """

    __call__: LossOfThree  # type: ignore[assignment]
    function = staticmethod(triplet_margin_loss)

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
        reduction: Reduction = "mean",
    ) -> None:  # fmt: skip
        _require_positive("TripletMarginLoss", margin)
        self._store_settings(margin=margin, p=p, eps=eps, swap=swap, reduction=reduction)

    def forward(  # type: ignore[override]
        self, anchor: TensorLike, positive: TensorLike, negative: TensorLike
    ) -> Tensor | Array:
        """Apply the loss function."""
        return self._loss(anchor, positive, negative)


class TripletMarginWithDistanceLoss(LossModule):
    """`triplet_margin_with_distance_loss` as a module. The distance may be a module with parameters.

    Parameters
    ----------
    distance_function : callable, optional
        The distance d, a function of two inputs.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> TripletMarginWithDistanceLoss()(tg.Tensor([[0.0, 0.0]]), [[3.0, 4.0]], [[0.0, 5.0]])
    Tensor(0.9999995, shape=(), dtype=float32)
    """

    __call__: LossOfThree  # type: ignore[assignment]
    function = staticmethod(triplet_margin_with_distance_loss)

    def __init__(
        self, *, distance_function: Distance | None = None, margin: float = 1.0, swap: bool = False,
        reduction: Reduction = "mean",
    ) -> None:  # fmt: skip
        _require_positive("TripletMarginWithDistanceLoss", margin)
        distance = pairwise_distance if distance_function is None else distance_function
        self._store_settings(distance_function=distance, margin=margin, swap=swap, reduction=reduction)

    def forward(  # type: ignore[override]
        self, anchor: TensorLike, positive: TensorLike, negative: TensorLike
    ) -> Tensor | Array:
        """Apply the loss function."""
        return self._loss(anchor, positive, negative)
