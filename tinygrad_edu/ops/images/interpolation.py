"""Image resizing by interpolation, and rearrangement of channels and pixels.

Interpolation is separable. Along each axis, an element of the result is a weighted sum of a few elements of the input.
A `Table` contains their indices and weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Tensor, TensorLike, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import integer, invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import astype
from tinygrad_edu.ops.indices.positions import index_add_array, index_select, leading_slices
from tinygrad_edu.ops.shapes.shape import reshape, shaped, transpose

__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle"]


@op(name="interpolate", batching="along")
def resample(x: Array, /, index: Array, weights: Array, axis: int) -> Array:
    """Return the sum over k of weights[k, i] * x[index[k, i]] along `axis`; both tables have one row per k.

    An element with weight 0 contributes 0, even if it is infinite.
    """
    table, axis = zip(index, weights, strict=True), axis % x.ndim
    return reduce(np.add, (_multiply_along(index_select(x, at, axis), factors, axis) for at, factors in table))


@op(name="interpolate", batching="along")
def resample_transpose(y: Array, /, index: Array, weights: Array, axis: int, length: int) -> Array:
    """Add the elements of y at the indices that `resample` reads, along an axis of `length`: its transpose."""
    axis %= y.ndim
    dtype = np.result_type(y, _cast_weights(weights, y.dtype))
    out = np.zeros_like(y, dtype, shape=(*y.shape[:axis], length, *y.shape[axis + 1 :]))
    for indices, factors in zip(index, weights, strict=True):
        index_add_array(out, _multiply_along(y, factors, axis), indices, axis)
    return out


resample.vjps(x=lambda g, x_shape, index, weights, axis: resample_transpose(g, index, weights, axis, x_shape[axis]))
resample_transpose.vjps(y=lambda g, index, weights, axis: resample(g, index, weights, axis))


def _multiply_along(x: ndarray, factors: ndarray, axis: int) -> ndarray:
    """Multiply x by one factor per index along an axis."""
    if not factors.all():
        x = x.copy("K")
        x[(*leading_slices(axis), factors == 0)] = 0
    if factors.dtype == bool:
        return x
    return x * _cast_weights(factors, x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))


def _cast_weights(weights: ndarray, dtype: Any) -> ndarray:
    """Cast weights to the dtype of the array they multiply, if that is floating-point."""
    return weights.astype(dtype, copy=False) if dtype.kind == "f" else weights


# --- Interpolation: the tables ---


class Table(NamedTuple):
    """The input elements that each output element along an axis combines, and their weights: (taps, length) each."""

    indices: ndarray
    weights: ndarray


# Number of image axes that each mode supports (0: any).
_MODE_NDIM = {"nearest": 0, "nearest-exact": 0, "area": 0, "linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}


def _axis_table(mode: str, length: int, size: int, factor: float | None, align_corners: bool) -> Table:
    """Return the table of an axis; `factor` is the scale factor, or None to use the ratio of the two sizes."""
    if mode in ("nearest", "nearest-exact"):
        return _nearest_table(length, size, factor, 0.5 if mode == "nearest-exact" else 0.0)
    if mode == "area":
        return means(length, size)
    if mode == "bicubic":
        return _cubic_table(_centres(length, size, factor, align_corners), length)
    unchanged = length == size  # PyTorch's linear modes then ignore the factor
    return _linear_table(np.maximum(_centres(length, size, None if unchanged else factor, align_corners), 0), length)


def _nearest_table(length: int, size: int, factor: float | None, shift: float) -> Table:
    """Select the element at or before each coordinate, which PyTorch computes in float32."""
    step = np.float32(1 / factor if factor else np.float32(length) / np.float32(size))
    indices = np.floor((np.arange(size, dtype=np.float32) + np.float32(shift)) * step).astype(np.intp)
    return Table(np.minimum(indices, length - 1)[None], np.ones((1, size), bool))


def _centres(length: int, size: int, factor: float | None, align_corners: bool) -> ndarray:
    """Return the input coordinate of the centre of each output element."""
    if align_corners:
        return np.arange(size) * ((length - 1) / (size - 1) if size > 1 else 0.0)
    return (np.arange(size) + 0.5) * (1 / factor if factor else length / size) - 0.5


def _linear_table(coordinates: ndarray, length: int) -> Table:
    """Weight the two neighbours of each coordinate by their distance."""
    lower = np.minimum(coordinates.astype(np.intp), length - 1)
    fraction = np.minimum(coordinates - lower, 1.0)
    return Table(np.stack([lower, np.minimum(lower + 1, length - 1)]), np.stack([1 - fraction, fraction]))


def _cubic_table(coordinates: ndarray, length: int) -> Table:
    """Weight four neighbours by the cubic convolution of Keys (1981), with PyTorch's parameter -0.75."""
    lower = np.floor(coordinates)
    index = np.clip(lower.astype(np.intp) + np.arange(-1, 3)[:, None], 0, length - 1)
    return Table(index, np.stack(cubic_weights(coordinates - lower)))


def cubic_weights(fraction: Any) -> list[Any]:
    """Return the weights of the elements at -1, 0, 1 and 2, for coordinates from 0 to 1 between the middle two."""
    return [
        _far_weight(fraction + 1), _near_weight(fraction), _near_weight(1 - fraction), _far_weight(2 - fraction)
    ]  # fmt: skip


def _near_weight(x: Any, a: float = -0.75) -> Any:
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _far_weight(x: Any, a: float = -0.75) -> Any:
    return ((x - 5) * x + 8) * x * a - 4 * a


def _antialiased_table(mode: str, length: int, size: int, factor: float | None, align_corners: bool) -> Table:
    """Weight all elements below the kernel of each element of the result, which is wider if that is smaller."""
    step = 1 / factor if factor and length != size else length / size  # PyTorch ignores a factor that keeps the size
    if align_corners:
        step = (length - 1) / (size - 1) if size > 1 else 0.0
    support, width = 1.0 if mode == "bilinear" else 2.0, max(step, 1.0)
    centre = step * (np.arange(size) + 0.5) - 0.5
    start = np.maximum(np.ceil(centre - support * width), 0).astype(np.intp)
    index = start + np.arange(math.floor(2 * support * width) + 1)[:, None]
    distance = np.abs(index - centre) / width
    cubic = np.where(distance < 1, _near_weight(distance, -0.5), _far_weight(distance, -0.5))
    weights = np.where((index < length) & (distance < support), 1 - distance if mode == "bilinear" else cubic, 0.0)
    return Table(np.minimum(index, length - 1), weights / weights.sum(0))


def spans(length: int, size: int) -> tuple[ndarray, ndarray]:
    """Return the starts and ends of `size` windows that cover an axis as evenly as possible."""
    i = np.arange(size)
    return i * length // size, -(-(i + 1) * length // size)


def means(length: int, size: int) -> Table:
    """Weight the elements of each window equally."""
    start, end = spans(length, size)
    taps = np.arange(int((end - start).max(initial=0)))[:, None]
    index = start + taps
    return Table(np.minimum(index, length - 1), np.where(index < end, 1 / (end - start), 0.0))


def resized(x: Any, tables: Sequence[Table]) -> Any:
    """Apply tables to the last axes of x; compute float16 in float32."""
    if x.dtype == np.float16:
        return astype(resized(astype(x, np.float32), tables), np.float16)
    for axis, table in zip(range(-len(tables), 0), tables, strict=True):
        x = resample(x, table.indices, table.weights, x.ndim + axis)
    return x


def interpolate(
    x: TensorLike, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest", align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor | Array:  # fmt: skip
    """Resize images by interpolation, as in PyTorch: (N, C, ...) -> (N, C, ...).

    Parameters
    ----------
    x : (N, C, L), (N, C, H, W) or (N, C, D, H, W)
    size : int or sequence of int, optional
        Size of the result. Give either this or `scale_factor`.
    scale_factor : float or sequence of float, optional
        Factor to multiply the size of x by; the product is rounded down.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"}, default "nearest"
        "linear" is for (N, C, L), "bilinear" and "bicubic" are for (N, C, H, W), "trilinear" is for (N, C, D, H, W).
        "area" averages the input pixels that a pixel of the result covers.
    align_corners : bool, optional
        Whether x and the result are aligned at the centres of their corner pixels; by default they are aligned at their
        corners. For the linear and cubic modes only.
    recompute_scale_factor : bool, optional
        Whether to recompute the scale from the rounded sizes, instead of using `scale_factor`.
    antialias : bool, default False
        Whether a smaller result averages all pixels below the kernel, widened by the scale. For "bilinear" and
        "bicubic" only; the cubic kernel then has the parameter -0.5 instead of -0.75.

    Raises
    ------
    ShapeError
        If x, `size` or `scale_factor` does not match the mode.
    ValueError
        If `mode` is unknown or the options conflict.

    Examples
    --------
    >>> interpolate(np.array([[[1.0, 3.0]]]), size=4, mode="linear")
    array([[[1. , 1.5, 2.5, 3. ]]])
    """
    x = shaped(x)
    _check_mode(mode, x.shape, align_corners, antialias)
    lengths = x.shape[2:]
    sizes, factors = _sizes(lengths, size, scale_factor)
    if recompute_scale_factor and scale_factor is None:
        raise ValueError("interpolate: recompute_scale_factor=True requires scale_factor, got size.")
    if recompute_scale_factor:
        factors = (None,) * len(sizes)
    if 0 in x.shape[1:] or min(sizes) < 1:
        raise ShapeError(f"interpolate: images must not be empty, got shape {x.shape} and size {sizes}.")
    if mode == "nearest" and x.ndim == 4:  # PyTorch ignores a factor that keeps or doubles the size
        axes = zip(lengths, sizes, factors, strict=True)
        factors = tuple(None if new in (old, 2 * old) else factor for old, new, factor in axes)
    table = _antialiased_table if antialias else _axis_table
    axes = zip(lengths, sizes, factors, strict=True)
    return resized(x, [table(mode, old, new, factor, bool(align_corners)) for old, new, factor in axes])


def _check_mode(mode: str, shape: tuple[int, ...], align_corners: bool | None, antialias: bool) -> None:
    if mode not in _MODE_NDIM:
        raise invalid_choice("interpolate: mode", mode, _MODE_NDIM)
    axes = len(shape) - 2
    if not 1 <= axes <= 3 or _MODE_NDIM[mode] not in (0, axes):
        expected = ["(N, C, L), (N, C, H, W) or (N, C, D, H, W)", "(N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)"]
        raise ShapeError(f"interpolate: mode {mode!r} expects x of shape {expected[_MODE_NDIM[mode]]}, got {shape}.")
    if align_corners is not None and not _MODE_NDIM[mode]:
        raise ValueError(f"interpolate: align_corners is not supported for mode {mode!r}; leave it out.")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: antialias=True requires mode 'bilinear' or 'bicubic', got {mode!r}.")


def _sizes(lengths: tuple[int, ...], size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Return the size of the result and the scale factor (or None) along each axis."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give exactly one of size and scale_factor.")
    values = scale_factor if size is None else size
    per_axis = tuple(values) if isinstance(values, (tuple, list, ndarray)) else (values,) * len(lengths)
    if len(per_axis) != len(lengths):
        raise ShapeError(f"interpolate: size or scale_factor must have {len(lengths)} values, got {values!r}.")
    if size is not None:
        return tuple(integer("interpolate: size", n, 0) for n in per_axis), (None,) * len(per_axis)
    factors = tuple(map(float, per_axis))
    if min(factors) < 0:
        raise ValueError(f"interpolate: scale_factor must be >= 0, got {values!r}.")
    return tuple(math.floor(n * factor) for n, factor in zip(lengths, factors, strict=True)), factors


# --- Channels and pixels ---


def pixel_shuffle(x: TensorLike, upscale_factor: int) -> Tensor | Array:
    """Rearrange (..., C r r, H, W) as (..., C, H r, W r), with r = `upscale_factor`: channels to blocks of pixels."""
    shape, r = np.shape(x), upscale_factor
    if len(shape) < 3 or r < 1 or shape[-3] % (r * r):
        raise ShapeError(f"pixel_shuffle: x must have shape (..., C * {r} * {r}, H, W), got {shape}.")
    *batch, c, h, w = shape
    b = len(batch)
    split = reshape(x, (*batch, c // (r * r), r, r, h, w))
    return reshape(transpose(split, (*range(b), b, b + 3, b + 1, b + 4, b + 2)), (*batch, c // (r * r), h * r, w * r))


def pixel_unshuffle(x: TensorLike, downscale_factor: int) -> Tensor | Array:
    """Rearrange (..., C, H r, W r) as (..., C r r, H, W), with r = `downscale_factor`: undo `pixel_shuffle`."""
    shape, r = np.shape(x), downscale_factor
    if len(shape) < 3 or r < 1 or shape[-2] % r or shape[-1] % r:
        raise ShapeError(f"pixel_unshuffle: x must have shape (..., C, H * {r}, W * {r}), got {shape}.")
    *batch, c, h, w = shape
    b = len(batch)
    split = reshape(x, (*batch, c, h // r, r, w // r, r))
    return reshape(transpose(split, (*range(b), b, b + 2, b + 4, b + 1, b + 3)), (*batch, c * r * r, h // r, w // r))


def channel_shuffle(x: TensorLike, groups: int) -> Tensor | Array:
    """Interleave the channels of `groups` equal groups of (N, C, ...): the first of each, then the second of each."""
    shape = np.shape(x)
    if len(shape) < 3 or groups < 1 or shape[1] % groups:
        raise ShapeError(f"channel_shuffle: x must have shape (N, C, ...) with C divisible by {groups}, got {shape}.")
    split = reshape(x, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return reshape(transpose(split, (0, 2, 1, *range(3, split.ndim))), shape)
