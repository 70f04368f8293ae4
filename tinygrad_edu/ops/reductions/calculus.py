"""Integrals, slopes and values of functions that are given by samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, batched, shape_of, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import as_floating, remainder
from tinygrad_edu.ops.elementwise.selection import lerp, where
from tinygrad_edu.ops.indices.indexing import getitem
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.reductions.scans import cumsum, diff
from tinygrad_edu.ops.shapes.joining import concatenate
from tinygrad_edu.ops.shapes.shape import moveaxis, reshape, shaped

__all__ = ["cumulative_trapezoid", "gradient", "interp", "trapezoid"]


def trapezoid(y: TensorLike, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1) -> Tensor | Array:
    """Integrate samples along `axis` by the trapezoidal rule.

    Parameters
    ----------
    y : array_like
        Samples of the function.
    x : array_like, optional
        The positions of the samples: 1-d, or of the shape of y.
    dx : float, default 1.0
        The distance of the samples if x is None.
    axis : int, default -1

    Examples
    --------
    >>> import numpy as np
    >>> float(trapezoid(np.array([1.0, 2.0, 3.0]), dx=0.5))
    2.0
    """
    return sum(_areas("trapezoid", y, x, dx, axis), axis)


def cumulative_trapezoid(
    y: TensorLike, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1, initial: float | None = None
) -> Tensor | Array:
    """Integrate samples cumulatively along `axis` by the trapezoidal rule, as SciPy.

    Parameters
    ----------
    y : array_like
        Samples of the function.
    x : array_like, optional
        The positions of the samples: 1-d, or of the shape of y.
    dx : float, default 1.0
        The distance of the samples if x is None.
    axis : int, default -1
        The result is shorter by 1 along this axis.
    initial : 0, optional
        Insert a 0 before the first integral, so that the result has the shape of y.

    Examples
    --------
    >>> import numpy as np
    >>> cumulative_trapezoid(np.array([1.0, 2.0, 3.0]), initial=0)
    array([0. , 1.5, 4. ])
    """
    if initial not in (None, 0):
        raise invalid_choice("cumulative_trapezoid: initial", initial, (None, 0))
    areas = _areas("cumulative_trapezoid", y, x, dx, axis)
    if initial is not None:
        first = np.zeros([1 if a == axis % areas.ndim else n for a, n in enumerate(areas.shape)], areas.dtype)
        areas = concatenate([first, areas], axis)
    return cumsum(areas, axis)


def _areas(name: str, y: Any, x: Any, dx: Any, axis: int) -> Any:
    """Return the area below each pair of neighboring samples."""
    y = as_floating(y)
    along = normalize_axis_index(axis, y.ndim)
    if x is not None:
        if len(shape_of(x)) == 1:
            x = reshape(x, (-1, *[1] * (y.ndim - 1 - along)))
        if shape_of(x)[along - y.ndim] != y.shape[along]:
            raise ShapeError(f"{name}: x must have a position for each sample, got {shape_of(x)} for y {y.shape}.")
        dx = diff(as_floating(x), axis=along - y.ndim)
    left, right = _neighbors(y, along)
    return (left + right) * 0.5 * dx


def _neighbors(x: Any, axis: int) -> tuple[Any, Any]:
    """Return all elements but the last along an axis, and all but the first."""
    before = (slice(None),) * axis
    return getitem(x, (*before, slice(-1))), getitem(x, (*before, slice(1, None)))


def gradient(
    f: TensorLike, *varargs: TensorLike, axis: Any = None, edge_order: int = 1
) -> Tensor | Array | tuple[Tensor | Array, ...]:
    """Return the slopes of samples along each axis: central differences inside, one-sided ones at the ends.

    To differentiate a function, not samples, use ``tg.grad``.

    Parameters
    ----------
    f : array_like
        The samples.
    *varargs : array_like
        The distance of the samples, or their 1-d positions: one for all axes, or one for each. Default: distance 1.
    axis : int, or sequence of int, optional
        Default: all axes.
    edge_order : {1, 2}, default 1
        The order of accuracy at the ends.

    Returns
    -------
    Tensor or ndarray, or tuple of them
        In the shape of f; a tuple for several axes.

    Examples
    --------
    >>> import numpy as np
    >>> gradient(np.array([0.0, 1.0, 4.0, 9.0]), edge_order=2)
    array([0., 2., 4., 6.])
    """
    f = as_floating(f)
    axes = range(f.ndim) if axis is None else normalize_axis_tuple(axis, f.ndim)
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError(f"gradient: expected no spacing, 1 or {len(axes)}, one for each axis, got {len(varargs)}.")
    if edge_order not in (1, 2):
        raise invalid_choice("gradient: edge_order", edge_order, (1, 2))
    spacings = varargs if len(varargs) == len(axes) else (varargs or (1.0,)) * len(axes)
    slopes = tuple(_slopes(f, spacing, a, edge_order) for a, spacing in zip(axes, spacings, strict=True))
    return slopes[0] if len(slopes) == 1 else slopes


def _slopes(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """Return the slopes along an axis: the mean of the slopes on both sides, weighted by the opposite distances."""
    n = f.shape[axis]
    if n <= edge_order:
        raise ShapeError(f"gradient: axis {axis} must have at least {edge_order + 1} samples, got shape {f.shape}.")
    if len(shape_of(spacing)) > 1 or shape_of(spacing) not in ((), (n,)):
        raise ShapeError(f"gradient: the spacing of axis {axis} must be a number or {n} positions, got {spacing!r}.")
    f = moveaxis(f, axis, -1)
    steps = diff(as_floating(spacing)) if len(shape_of(spacing)) else spacing * np.ones(n - 1, f.dtype)
    slopes, (before, after) = diff(f) / steps, _neighbors(steps, 0)
    left, right = slopes[..., :-1], slopes[..., 1:]
    inner = (after * left + before * right) / (before + after)
    first, last = slopes[..., :1], slopes[..., -1:]
    if edge_order == 2:
        bend = (right - left) / (before + after)
        first, last = first - before[:1] * bend[..., :1], last + after[-1:] * bend[..., -1:]
    return moveaxis(concatenate([first, inner, last], -1), -1, axis)


def _interp_of_samples(batch: MappedCall) -> Any:
    return NotImplemented if batch.mapped[1] or batch.mapped[2] else batch.on_leading()


@batched(_interp_of_samples)
def interp(
    x: TensorLike,
    xp: TensorLike,
    fp: TensorLike,
    left: TensorLike | None = None,
    right: TensorLike | None = None,
    period: float | None = None,
) -> Tensor | Array:
    """Interpolate linearly between the points (xp, fp), at x.

    All arrays receive gradients. At a point, the slope is that on its right; at the last point, that on its left.

    Parameters
    ----------
    x : array_like
    xp : array_like, 1-d
        Increasing, unless `period` is given.
    fp : array_like, of the shape of xp
    left, right : float, optional
        The values for x < xp[0] and x > xp[-1]. Default: fp[0] and fp[-1].
    period : float, optional
        The period of the function. Then `left` and `right` are ignored.

    Raises
    ------
    ValueError
        If `xp` is empty, not increasing, or of another shape than `fp`.

    Examples
    --------
    >>> import numpy as np
    >>> interp(np.array([1.5, 9.0]), [1.0, 2.0], [10.0, 20.0])
    array([15., 20.])
    """
    x, xp, fp = map(as_floating, (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ShapeError(f"interp: xp and fp must be 1-d and of one length, not 0, got {xp.shape} and {fp.shape}.")
    if period is not None:
        x, xp = remainder(x, period), remainder(xp, period)
        order = np.argsort(values_of(xp), kind="stable")
        xp, fp = xp[order], fp[order]
        xp, fp = concatenate([xp[-1:] - period, xp, xp[:1] + period]), concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    knots, at = values_of(xp), values_of(x)
    if np.any(np.diff(knots) < 0):
        raise ValueError("interp: xp must be increasing; sort both: order = np.argsort(xp), xp[order] and fp[order].")
    end = np.clip(np.searchsorted(knots, at, side="right"), min(1, len(knots) - 1), len(knots) - 1)
    start = np.maximum(end - 1, 0)
    width = xp[end] - xp[start]
    is_jump = values_of(width) == 0
    weight = (x - xp[start]) / where(is_jump, 1.0, width)
    inside = lerp(fp[start], fp[end], where(is_jump, 0.0, weight))
    out = where(at < knots[0], fp[0] if left is None else left, inside)
    return shaped(where(at > knots[-1], fp[-1] if right is None else right, out))
