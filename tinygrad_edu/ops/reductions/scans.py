"""Cumulative operations, linear recurrences and differences along an axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, op, shape_of, values_of
from tinygrad_edu.ops.elementwise.arithmetic import are_arrays, cast, in_dtype_of, subtract
from tinygrad_edu.ops.elementwise.powers import exp
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.indices.gather import scatter_add_flat
from tinygrad_edu.ops.indices.indexing import getitem
from tinygrad_edu.ops.shapes.joining import concatenate
from tinygrad_edu.ops.shapes.shape import broadcast_to, flip, reshape, swapaxes
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

__all__ = ["cummax", "cummin", "cumprod", "cumsum", "diff", "logcumsumexp"]


def neighbor(x: Any, axis: int, ahead: bool, end: float) -> Any:
    """Return the previous element at each position along `axis`, or the next if `ahead`; `end` at the border."""
    n, index = x.shape[axis], [slice(None)] * x.ndim
    if n == 0:
        return x
    index[axis] = slice(1, None) if ahead else slice(n - 1)
    parts = [x[tuple(index)], np.full([1 if a == axis % x.ndim else m for a, m in enumerate(x.shape)], end, x.dtype)]
    return concatenate(parts if ahead else parts[::-1], axis)


@op(batching="along")
def recurrence(a: Array, b: Array, /, axis: int, reverse: bool = False) -> Array:
    """Return y with ``y[k] = b[k] + a[k] * y[k - 1]`` along `axis`; with ``y[k + 1]``, from the end, if `reverse`.

    float16 is computed in float32.
    """
    dtype, order = np.result_type(a, b), slice(None, None, -1 if reverse else 1)
    factors, added = (_axis_first(x, axis, np.result_type(dtype, np.float32))[order] for x in (a, b))
    y = _chunked_scan(factors, np.zeros(1, int), added)
    if not np.isfinite(y).all():  # the product of a chunk with an infinite factor and a 0 is NaN
        y = _sequential_scan(factors, np.zeros(1, int), added, np.zeros(added.shape[1:], added.dtype))
    y = y.astype(dtype, copy=False)
    return np.ascontiguousarray(np.moveaxis(y[order], 0, axis))


def _axis_first(x: ndarray, axis: int, dtype: Any) -> ndarray:
    return np.array(np.moveaxis(x, axis, 0), dtype, order="C")


_CHUNK_LENGTH, _WIDE = SizeThreshold(32, least=2), SizeThreshold(4)


def _chunked_scan(a: ndarray, power: ndarray, b: ndarray) -> ndarray:
    """Return y with ``y[k] = b[k] + a[k] * 2.0 ** power[k] * y[k - 1]`` along the first axis.

    Long and narrow arrays are split into chunks that are scanned in parallel. The chunks' sums and the products of
    their factors form a shorter recurrence, whose results are the chunks' initial values. A product is stored as a
    mantissa and a power of 2, because it may be out of range although every y is finite.
    """
    n, trailing = len(b), b.shape[1:]
    if n <= _CHUNK_LENGTH * max(_WIDE, math.prod(trailing) // _WIDE):
        return _sequential_scan(a, power, b, np.zeros(trailing, b.dtype))
    count = -(-n // _CHUNK_LENGTH)
    a, power, b = (_chunk(np.broadcast_to(x, (n, *trailing)), count, end) for x, end in ((a, 1), (power, 0), (b, 0)))
    mantissas, powers = np.frexp(a)
    added = _sequential_scan(a, power, b, np.zeros((count, *trailing), b.dtype))[-1]
    chunk_starts = _chunked_scan(mantissas.prod(0), (power + powers).sum(0), added)
    y = _sequential_scan(a, power, b, np.concatenate([np.zeros_like(chunk_starts[:1]), chunk_starts[:-1]]))
    return y.swapaxes(0, 1).reshape(-1, *trailing)[:n]


def _chunk(x: ndarray, count: int, end: int) -> ndarray:
    """Split x into chunks, the last padded with `end`: (n, ...) -> (chunk length, chunks, ...)."""
    filled = np.full((count * _CHUNK_LENGTH, *x.shape[1:]), end, x.dtype)
    filled[: len(x)] = x
    return np.ascontiguousarray(filled.reshape(count, _CHUNK_LENGTH, *x.shape[1:]).swapaxes(0, 1))


def _sequential_scan(a: ndarray, power: ndarray, b: ndarray, start: ndarray) -> ndarray:
    """Return the solution of the recurrence, computed step by step along the first axis."""
    y, exact = np.empty_like(b), not power.any()
    for k in range(len(y)):
        step = y[k, ...]
        np.multiply(a[k], start, out=step)
        if not exact:
            np.ldexp(step, power[k], out=step)
        start = np.add(step, b[k], out=step)
    return y


def _recurrence_b(g: Any, a: Any, axis: int, reverse: bool) -> Any:
    return recurrence(neighbor(a, axis, not reverse, 0), g, axis, not reverse)


recurrence.vjps(
    a=lambda g, a, out, axis, reverse: _recurrence_b(g, a, axis, reverse) * neighbor(out, axis, reverse, 0),
    b=_recurrence_b,
)


@op(promotes=False, batching="along")
def cumsum(x: Array, /, axis: int | None = None, dtype: DTypeLike | None = None) -> Array:
    """Return the cumulative sum along `axis`. If `axis` is None, x is flattened."""
    return np.cumsum(x, axis, dtype)


def _cumsum_x(g: Any, x_shape: tuple[int, ...], x_dtype: Any, axis: int | None) -> Any:
    along = axis or 0
    sums = cast(flip(cumsum(flip(g, along), along), along), x_dtype)
    return sums if sums.shape == x_shape else reshape(sums, x_shape)


cumsum.vjps(x=_cumsum_x)


@op(promotes=False, batching="along")
def cumprod(x: Array, /, axis: int | None = None, dtype: DTypeLike | None = None) -> Array:
    """Return the cumulative product along `axis`. If `axis` is None, x is flattened.

    Derivatives of any order are correct at zeros, too.
    """
    return np.cumprod(x, axis, dtype)


def _cumprod_x(g: Any, x: Any, out: Any, axis: int | None) -> Any:
    """Return the vjp out[k - 1] * (g[k] + x[k + 1] * (g[k + 1] + x[k + 2] * (...)))."""
    along, factors = axis or 0, in_dtype_of(g, reshape(x, out.shape))
    sums = recurrence(neighbor(factors, along, True, 0), g, along, True)
    return reshape(cast(neighbor(out, along, False, 1) * sums, x.dtype), x.shape)


cumprod.vjps(x=_cumprod_x)


@op(batching="along")
def cumulative_extremum(x: Array, /, axis: int, largest: bool) -> Array:
    """Return the cumulative maximum, or minimum, along `axis`."""
    return (np.maximum if largest else np.minimum).accumulate(x, axis)


def _cumulative_extremum_x(g: Any, x: Any, out: Any, axis: int) -> Any:
    """Return the vjp: the gradient goes to the last element that attained the extremum, or to the last NaN."""
    if axis not in (-1, x.ndim - 1):
        g, x, out = (swapaxes(part, axis, -1) for part in (g, x, out))
        return swapaxes(_cumulative_extremum_x(g, x, out, -1), axis, -1)
    values = values_of(x)
    attains = (values == values_of(out)) | (values != values)
    indices = attains.reshape(-1).nonzero()[0]  # the first of each row always attains it
    if are_arrays(g):
        return _sum_segments(g, indices)
    lengths = np.append(indices[1:], x.size) - indices
    return scatter_add_flat(g, indices.repeat(lengths).reshape(x.shape), x.shape)


def _sum_segments(g: ndarray, starts: ndarray) -> ndarray:
    """Return zeros of the shape of g with the sum of each segment of g, in C order, where it starts."""
    out = np.zeros(g.shape, g.dtype)
    dtype = np.float32 if g.dtype == np.float16 else g.dtype  # 2048 + 1 is 2048 in float16
    out.reshape(-1)[starts] = np.add.reduceat(g.reshape(-1), starts, dtype=dtype)
    return out


cumulative_extremum.vjps(x=_cumulative_extremum_x)


def cummax(x: TensorLike, axis: int | None = None) -> Tensor | Array:
    """Return the cumulative maximum along `axis`. If `axis` is None, x is flattened.

    As in PyTorch, the gradient goes to the last of ties, and after a NaN to the last NaN. PyTorch also returns the
    indices.
    """
    return _running_extremum(x, axis, True)


def cummin(x: TensorLike, axis: int | None = None) -> Tensor | Array:
    """Return the cumulative minimum along `axis`. If `axis` is None, x is flattened.

    As in PyTorch, the gradient goes to the last of ties, and after a NaN to the last NaN. PyTorch also returns the
    indices.
    """
    return _running_extremum(x, axis, False)


def _running_extremum(x: Any, axis: int | None, largest: bool) -> Any:
    x = reshape(x, -1) if axis is None else x
    return reshape(x, ()) if not shape_of(x) else cumulative_extremum(x, axis or 0, largest)


@op(batching="along")
def logcumsumexp(x: Array, /, axis: int | None = None) -> Array:
    """Return log(cumsum(exp(x))) along `axis`, without overflow. If `axis` is None, x is flattened.

    Where all elements so far are -inf, the result is -inf and the gradient is 0.
    """
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    if axis is not None and x.ndim:
        return np.logaddexp.accumulate(x, axis, dtype=kind)
    return np.logaddexp.accumulate(x.reshape(-1), dtype=kind).reshape(-1 if axis is None else ())


def _logcumsumexp_x(g: Any, x: Any, out: Any, axis: int | None) -> Any:
    """Accumulate g * exp(x - out) from the end. `out` never decreases along the axis, so no factor exceeds 1."""
    if x.ndim == 0:
        return reshape(g, x.shape)
    along, values = axis or 0, values_of(out)
    level = where(values == -np.inf, 0.0, out)
    steps = where(np.isfinite(values), level - neighbor(level, along, True, np.inf), np.minimum(values, 0))
    sums = recurrence(exp(steps), g, along, True)
    return reshape(exp(reshape(x, out.shape) - level) * sums, x.shape)


logcumsumexp.vjps(x=_logcumsumexp_x)


def diff(
    x: TensorLike, n: int = 1, axis: int = -1, prepend: TensorLike | None = None, append: TensorLike | None = None
) -> Tensor | Array:
    """Return the n-th differences of consecutive elements along `axis`.

    Parameters
    ----------
    x : array_like
        At least 1-d. The difference of booleans is ``!=``.
    n : int, default 1
        Number of times to take differences, 0 or more; 0 returns x.
    axis : int, default -1
    prepend, append : array_like, optional
        Values to put before and after x along `axis`: a scalar, or an array with the axes of x. They receive gradients.
    """
    if n < 0:
        raise ValueError(f"diff: n must be >= 0, got {n}.")
    if np.ndim(x) == 0:
        raise ValueError("diff: x must have at least 1 axis, got a 0-d array.")
    along = normalize_axis_index(axis, np.ndim(x))
    borders = [border if border is None else _expand_border(border, np.shape(x), along) for border in (prepend, append)]
    if n and (prepend is not None or append is not None):
        x = concatenate([part for part in (borders[0], x, borders[1]) if part is not None], along)
    x = reshape(x, np.shape(x))  # a new tensor even if n=0
    for _ in range(n)[: np.shape(x)[along]]:  # after that many differences, the axis is empty
        x = _difference(*(getitem(x, (*[slice(None)] * along, part)) for part in (slice(1, None), slice(-1))))
    return x


def _expand_border(border: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Return the array to prepend or append along `axis`; expand a scalar to length 1."""
    return border if np.ndim(border) else broadcast_to(border, (*shape[:axis], 1, *shape[axis + 1 :]))


def _difference(x: Any, y: Any) -> Any:
    if x.dtype != bool:
        return subtract(x, y)
    differ = values_of(x) != values_of(y)
    return Tensor(differ) if isinstance(x, Tensor) else differ
