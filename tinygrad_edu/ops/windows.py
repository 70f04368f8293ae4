"""The windows of images as columns: im2col copies them, and its transpose col2im adds them up."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.layout import bordered, samples_first, samples_last
from tinygrad_edu.ops.shape import expand_dims, squeeze
from tinygrad_edu.ops.sliding import Pair, Size, add_up, pair, window, windows_of

__all__ = ["col2im", "fold", "im2col", "unfold"]


@op
def im2col(x: Array, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Return the windows of images as columns: (N, C, H, W) -> (N, C * kh * kw, L), for L windows, row by row.

    The layout of PyTorch's ``unfold``. Each setting is a whole number or a pair (vertical, horizontal).
    """
    if x.ndim != 4:
        raise ShapeError(f"images have the shape (N, C, H, W), not {x.shape}.")
    laid = window(x.shape[2:], kernel_size, stride, padding, dilation)
    windows = windows_of(bordered(x.transpose(1, 2, 3, 0), laid), laid).copy()
    c, kh, kw, rows, columns, n = windows.shape
    return samples_first(windows.reshape(c * kh * kw, rows * columns, n))


@op
def col2im(
    columns: Array,
    /,
    output_size: Size,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Array:
    """Add columns up into images of `output_size` (H, W): the transpose of `im2col`, PyTorch's ``fold``."""
    h, w = pair(output_size, "output_size", 1)
    laid = window((h, w), kernel_size, stride, padding, dilation)
    kh, kw = len(laid.rows), len(laid.columns)
    if columns.ndim != 3 or columns.shape[1] % (kh * kw) or columns.shape[2] != laid.size[0] * laid.size[1]:
        raise ShapeError(
            f"columns of shape {columns.shape} for images of {h}x{w}; "
            f"they need (N, C * {kh * kw}, {laid.size[0] * laid.size[1]})."
        )
    n, c = columns.shape[0], columns.shape[1] // (kh * kw)
    images = add_up(samples_last(columns).reshape(c, kh, kw, *laid.size, n), laid)
    return samples_first(images[:, *laid.inside])


im2col.vjps(x=lambda g, x_shape, **window: col2im(g, x_shape[2:], **window))
col2im.vjps(columns=lambda g, kernel_size, stride, padding, dilation: im2col(g, kernel_size, stride, padding, dilation))


def unfold(x: Any, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Any:
    """Return the windows of images as columns, as `im2col`, with PyTorch's order of settings; of one image, too.

    (N, C, H, W) -> (N, C * kh * kw, L), or (C, H, W) -> (C * kh * kw, L).
    """
    x, alone = batch_of("unfold", "x", x, 4)
    return unbatched(im2col(x, kernel_size, stride, padding, dilation), alone)


def fold(
    columns: Any, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Any:
    """Add columns up into images of `output_size`, as `col2im`, with PyTorch's order of settings; one image's, too.

    (N, C * kh * kw, L) -> (N, C, H, W), or (C * kh * kw, L) -> (C, H, W).
    """
    columns, alone = batch_of("fold", "columns", columns, 3)
    size = pair(output_size, "output_size", 1)
    return unbatched(col2im(columns, size, kernel_size, stride, padding, dilation), alone)


def require_axes(function: str, name: str, x: Any, axes: int) -> tuple[int, ...]:
    """Return the shape of an argument that has so many axes, or say that it has not."""
    shape: tuple[int, ...] = getattr(x, "shape", None) or np.shape(x)
    if len(shape) != axes:
        raise ShapeError(f"{function}: {name} needs {axes} axes, and has the shape {shape}.")
    return shape


def batch_of(function: str, name: str, x: Any, axes: int) -> tuple[Any, bool]:
    """Return a batch, an array or Tensor of so many axes, and whether it was made of one sample, with one axis less."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.ndim == axes:
        return x, False
    if x.ndim == axes - 1:
        return expand_dims(x, 0), True
    raise ShapeError(
        f"{function}: {name} needs {axes} axes, or {axes - 1} without that of the samples, and has the shape {x.shape}."
    )


def unbatched(out: Any, alone: bool) -> Any:
    """Return the result of a batch, or that of its one sample."""
    return squeeze(out, 0) if alone else out
