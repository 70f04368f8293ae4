"""Adaptive average and maximum pooling: the windows divide an image into a given number of bins."""

from __future__ import annotations

import math
from itertools import product
from operator import floordiv, mod
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.ops.images.interpolation import means, resized, spans
from tinygrad_edu.ops.images.patches import batch_of, unbatched
from tinygrad_edu.ops.images.pooling import maxima
from tinygrad_edu.ops.reductions.reduction import max, mean
from tinygrad_edu.ops.shapes.joining import stack
from tinygrad_edu.ops.shapes.shape import reshape
from tinygrad_edu.ops.sliding_windows import Sizes

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]  # fmt: skip

OutputSize = int | tuple[int | None, ...] | None


def adaptive_avg_pool2d(x: TensorLike, output_size: OutputSize) -> Tensor | Array:
    """Average-pool images to a given size: (N, C, H, W) -> (N, C, rows, columns).

    Row i of the result averages the rows [floor(i H / rows), ceil((i + 1) H / rows)), and likewise for columns.

    Parameters
    ----------
    x : (N, C, H, W), or (C, H, W) for a single image
    output_size : int, or pair of int or None
        None keeps the size in that direction.

    Raises
    ------
    ShapeError
        If x has the wrong number of axes or no pixels, or `output_size` has more than two values.
    """
    return _avg_pool("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool1d(x: TensorLike, output_size: OutputSize) -> Tensor | Array:
    """Average-pool sequences to a given length, as `adaptive_avg_pool2d`: (N, C, L) -> (N, C, columns)."""
    return _avg_pool("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool3d(x: TensorLike, output_size: OutputSize) -> Tensor | Array:
    """Average-pool volumes to a given size, as `adaptive_avg_pool2d`: (N, C, D, H, W) -> (N, C, planes, rows, columns).

    A single sample has no N.
    """
    return _avg_pool("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_max_pool2d(
    x: TensorLike, output_size: OutputSize, return_indices: bool = False
) -> Tensor | Array | tuple[Tensor | Array, Array]:
    """Max-pool images over the windows of `adaptive_avg_pool2d`. Ties share the gradient.

    With `return_indices`, also return the index of each maximum in its flattened image; for ties, the first.
    """
    return _max_pool("adaptive_max_pool2d", 2, x, output_size, return_indices)


def adaptive_max_pool1d(
    x: TensorLike, output_size: OutputSize, return_indices: bool = False
) -> Tensor | Array | tuple[Tensor | Array, Array]:
    """Max-pool sequences to a given length, as `adaptive_max_pool2d`: (N, C, L) -> (N, C, columns).

    A single sample is (C, L) -> (C, columns).
    """
    return _max_pool("adaptive_max_pool1d", 1, x, output_size, return_indices)


def adaptive_max_pool3d(
    x: TensorLike, output_size: OutputSize, return_indices: bool = False
) -> Tensor | Array | tuple[Tensor | Array, Array]:
    """Max-pool volumes to a given size, as `adaptive_max_pool2d`: (N, C, D, H, W) -> (N, C, planes, rows, columns).

    A single sample has no N.
    """
    return _max_pool("adaptive_max_pool3d", 3, x, output_size, return_indices)


def _output_size(name: str, output_size: OutputSize, lengths: Sizes) -> Sizes:
    """Return the output size along each axis; None keeps the length."""
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,)
    if len(sizes) == 1:
        sizes = (*sizes,) * len(lengths)
    if len(sizes) != len(lengths):
        raise ShapeError(f"{name}: output_size must be an integer or {len(lengths)} integers, got {output_size!r}.")
    if 0 in lengths:
        raise ShapeError(f"{name}: cannot pool empty images of size {'x'.join(map(str, lengths))}.")
    pairs = zip(sizes, lengths, strict=True)
    return tuple(length if n is None else integer(f"{name}: output_size", n, 1) for n, length in pairs)


def _avg_pool(name: str, axes: int, x: Any, output_size: OutputSize) -> Any:
    x, is_single = batch_of(name, "x", x, axes + 2)
    lengths = x.shape[2:]
    size = _output_size(name, output_size, lengths)
    if any(map(mod, lengths, size)):
        return unbatched(resized(x, list(map(means, lengths, size))), is_single)
    bins = [part for length, count in zip(lengths, size, strict=True) for part in (count, length // count)]
    return unbatched(mean(reshape(x, (*x.shape[:2], *bins)), tuple(range(3, 3 + 2 * axes, 2))), is_single)


def _max_pool(name: str, axes: int, x: Any, output_size: OutputSize, return_indices: bool) -> Any:
    x, is_single = batch_of(name, "x", x, axes + 2)
    out, indices = _adaptive_maxima(x, _output_size(name, output_size, x.shape[2:]), return_indices)
    out = unbatched(out, is_single)
    return (out, indices[0] if is_single else indices) if return_indices else out


@batched("first", inputs=1)
def _adaptive_maxima(x: Any, size: Sizes, return_indices: bool) -> tuple[Any, Any]:
    """Return the maximum of each window, and its indices or None."""
    lengths, axes = x.shape[2:], len(size)
    if not any(map(mod, lengths, size)):
        kernel = tuple(map(floordiv, lengths, size))
        return maxima(x, (kernel, kernel, ((0, 0),) * axes, (1,) * axes), return_indices)
    bins = [map(slice, *spans(length, count)) for length, count in zip(lengths, size, strict=True)]
    windows = list(product(*bins))
    largest = [max(x[:, :, *window], tuple(range(2, x.ndim))) for window in windows]
    out = reshape(stack(largest, -1), (*x.shape[:2], *size))
    if not return_indices:
        return out, None
    return out, np.stack([_first_index(values_of(x), window) for window in windows], -1).reshape(out.shape)


def _first_index(x: np.ndarray, window: tuple[slice, ...]) -> Any:
    """Return the index of the first maximum of a window, in its flattened image."""
    pixels = x[:, :, *window]
    flat = np.argmax(pixels.reshape(*x.shape[:2], math.prod(pixels.shape[2:])), axis=-1)
    places = np.unravel_index(flat, pixels.shape[2:])
    return np.ravel_multi_index([part.start + n for part, n in zip(window, places, strict=True)], x.shape[2:])
