"""Adaptive average and maximum pooling: the windows divide an image into a given number of bins."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu._checks import integer
from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.interpolation import means, resized, spans
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.ops.patches import batch_of, unbatched
from tinygrad_edu.ops.pooling import max_pool2d
from tinygrad_edu.ops.reduction import max, mean
from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze
from tinygrad_edu.ops.sliding_windows import Size

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"]

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
    x, is_single = batch_of("adaptive_avg_pool2d", "x", x, 4)
    return unbatched(_avg_pool(x, _output_size("adaptive_avg_pool2d", output_size, x.shape[2:])), is_single)


def adaptive_avg_pool1d(x: TensorLike, output_size: OutputSize) -> Tensor | Array:
    """Average-pool sequences to a given length, as `adaptive_avg_pool2d`: (N, C, L) -> (N, C, columns)."""
    x, is_single = batch_of("adaptive_avg_pool1d", "x", x, 3)
    size = _output_size("adaptive_avg_pool1d", output_size, x.shape[2:])
    return unbatched(squeeze(_avg_pool(expand_dims(x, 2), (1, *size)), 2), is_single)


def adaptive_max_pool2d(
    x: TensorLike, output_size: OutputSize, return_indices: bool = False
) -> Tensor | Array | tuple[Tensor | Array, Array]:
    """Max-pool images over the windows of `adaptive_avg_pool2d`. Ties share the gradient.

    With `return_indices`, also return the index of each maximum in its flattened image; for ties, the first.
    """
    x, is_single = batch_of("adaptive_max_pool2d", "x", x, 4)
    out, indices = _max_pool(x, _output_size("adaptive_max_pool2d", output_size, x.shape[2:]), return_indices)
    out = unbatched(out, is_single)
    return (out, indices[0] if is_single else indices) if return_indices else out


def adaptive_max_pool1d(
    x: TensorLike, output_size: OutputSize, return_indices: bool = False
) -> Tensor | Array | tuple[Tensor | Array, Array]:
    """Max-pool sequences to a given length, as `adaptive_max_pool2d`: (N, C, L) -> (N, C, columns).

    A single sample is (C, L) -> (C, columns).
    """
    x, is_single = batch_of("adaptive_max_pool1d", "x", x, 3)
    size = _output_size("adaptive_max_pool1d", output_size, x.shape[2:])
    out, indices = _max_pool(expand_dims(x, 2), (1, *size), return_indices)
    out = unbatched(squeeze(out, 2), is_single)
    return (out, indices[0, :, 0] if is_single else indices[:, :, 0]) if return_indices else out


def _output_size(name: str, output_size: OutputSize, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return the output size along each axis; None keeps the length."""
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * len(lengths)
    if len(sizes) == 1:
        sizes = (*sizes, *sizes)[: len(lengths)]
    if len(sizes) != len(lengths):
        raise ShapeError(f"{name}: output_size must be an integer or {len(lengths)} integers, got {output_size!r}.")
    if 0 in lengths:
        raise ShapeError(f"{name}: cannot pool empty images of size {'x'.join(map(str, lengths))}.")
    pairs = zip(sizes, lengths, strict=True)
    return tuple(length if n is None else integer(f"{name}: output_size", n, 1) for n, length in pairs)


def _avg_pool(x: Any, size: Any) -> Any:
    n, c, h, w = x.shape
    rows, columns = size
    if h % rows or w % columns:
        return resized(x, [means(length, count) for length, count in zip((h, w), size, strict=True)])
    return mean(reshape(x, (n, c, rows, h // rows, columns, w // columns)), (3, 5))


@batched("first", inputs=1)
def _max_pool(x: Any, size: Any, return_indices: bool) -> tuple[Any, Any]:
    """Return the maximum of each window, and its indices or None."""
    h, w = x.shape[2:]
    if not (h % size[0] or w % size[1]):
        pooled: Any = max_pool2d(x, (h // size[0], w // size[1]), return_indices=return_indices)
        return pooled if return_indices else (pooled, None)
    rows, columns = (list(zip(*spans(n, count), strict=True)) for n, count in zip((h, w), size, strict=True))
    windows = [[x[:, :, a:b, left:right] for left, right in columns] for a, b in rows]
    out = stack([stack([max(window, (2, 3)) for window in row], -1) for row in windows], -2)
    return out, _max_indices(values_of(x), rows, columns) if return_indices else None


def _max_indices(x: np.ndarray, rows: list[Size], columns: list[Size]) -> np.ndarray:
    """Return the index of the first maximum of each window, in its flattened image."""
    out = np.empty((*x.shape[:2], len(rows), len(columns)), np.int64)
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            window = x[:, :, top:bottom, left:right]
            index = np.argmax(window.reshape(*x.shape[:2], (bottom - top) * (right - left)), axis=-1)
            row, column = np.divmod(index, right - left)
            out[:, :, i, j] = (top + row) * x.shape[3] + left + column
    return out
