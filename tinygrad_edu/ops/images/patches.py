"""im2col, its transpose col2im, and convolution as a matrix product of the columns."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import core
from tinygrad_edu.engine import Array, Tensor, TensorLike, extend, shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.images import im2col as fast
from tinygrad_edu.ops.products.products import matmul
from tinygrad_edu.ops.shapes.shape import expand_dims, reshape, shaped, squeeze, swapaxes
from tinygrad_edu.ops.sliding_windows import Pair, Size, pair, window_of
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["col2im", "fold", "im2col", "unfold"]


im2col = extend(
    core.im2col,
    batching="first",
    doc="""Copy the windows of images into columns: (N, C, H, W) -> (N, C * kh * kw, L) for L windows, row by row.

    The layout is that of PyTorch's ``unfold``. Each setting is an integer or a pair (vertical, horizontal).
    """,
)
col2im = extend(
    core.col2im,
    batching="first",
    doc="Sum columns into images of `output_size` (H, W): the transpose of `im2col`, PyTorch's ``fold``.",
)
im2col_values = faster_than(im2col.forward)(fast.im2col_values)
col2im_values = faster_than(col2im.forward)(fast.col2im_values)


@im2col.replace_forward
def im2col_checked(x: Array, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Refuse other shapes than (N, C, H, W) and invalid windows, and copy."""
    if x.ndim == 4:
        return im2col_values(x, *window_of(x.shape[2:], kernel_size, stride, padding, dilation).settings)
    raise ShapeError(f"im2col: x must have shape (N, C, H, W), got {x.shape}.")


@col2im.replace_forward
def col2im_checked(
    columns: Array, /, output_size: Size, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Array:
    """Refuse columns of another shape and invalid windows, and sum."""
    h, w = pair(output_size, "output_size", 1)
    window = window_of((h, w), kernel_size, stride, padding, dilation)
    kernel, windows = len(window.rows) * len(window.columns), window.size[0] * window.size[1]
    if columns.ndim != 3 or columns.shape[1] % kernel or columns.shape[2] != windows:
        raise ShapeError(
            f"col2im: columns must have shape (N, C * {kernel}, {windows}) for images of {h}x{w}, got {columns.shape}."
        )
    return col2im_values(columns, (h, w), *window.settings)


def plain_convolution(x: Any, weight: Any, bias: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Any:
    """Convolve images as the core does; with groups, multiply each group of kernels with its part of the columns.

    (N, C, H, W), (out, C / groups, kh, kw), (out,) or None -> (N, out, rows, columns)
    """
    out, c, kh, kw = shape_of(weight)
    window = window_of(x.shape[2:], (kh, kw), stride, padding, dilation)
    if groups == 1:
        return core.conv2d(x, shaped(weight), bias, *window.settings[1:])
    rows, columns = window.size
    patches = im2col(x, (kh, kw), stride, padding, dilation)
    patches = reshape(patches, (len(x), groups, c * kh * kw, rows * columns))
    kernels = reshape(weight, (groups, out // groups, c * kh * kw))
    maps = reshape(matmul(kernels, patches), (len(x), out, rows, columns))
    return maps if bias is None else maps + reshape(bias, (out, 1, 1))


def plain_transposed_convolution(
    x: Any, weight: Any, bias: Any, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Any:
    """Apply the transpose of a convolution of images of `size`: multiply kernels by each pixel and sum with `col2im`.

    (N, C, rows, columns), (C, out / groups, kh, kw), (out,) or None -> (N, out, H, W)
    """
    (n, c, rows, columns), (_, out, kh, kw) = x.shape, shape_of(weight)
    kernels = reshape(weight, (groups, c // groups, out * kh * kw))
    pixels = reshape(x, (n, groups, c // groups, rows * columns))
    patches = matmul(swapaxes(kernels, 1, 2), pixels)
    patches = reshape(patches, (n, groups * out * kh * kw, rows * columns))
    images = col2im(patches, size, (kh, kw), stride, padding, dilation)
    return images if bias is None else images + reshape(bias, (groups * out, 1, 1))


def unfold(x: TensorLike, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Tensor | Array:
    """Copy the windows of images into columns: `im2col` with PyTorch's argument order; accepts a single image.

    (N, C, H, W) -> (N, C * kh * kw, L), or (C, H, W) -> (C * kh * kw, L).
    """
    x, is_single = batch_of("unfold", "x", x, 4)
    return unbatched(im2col(x, kernel_size, stride, padding, dilation), is_single)


def fold(
    columns: TensorLike, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Tensor | Array:
    """Sum columns into images of `output_size`: `col2im` with PyTorch's argument order; accepts a single image.

    (N, C * kh * kw, L) -> (N, C, H, W), or (C * kh * kw, L) -> (C, H, W).
    """
    columns, is_single = batch_of("fold", "columns", columns, 3)
    size = pair(output_size, "output_size", 1)
    return unbatched(col2im(columns, size, kernel_size, stride, padding, dilation), is_single)


def require_axes(function: str, name: str, x: Any, axes: int) -> tuple[int, ...]:
    """Return the shape of an argument; raise unless it has `axes` axes."""
    shape = shape_of(x)
    if len(shape) != axes:
        raise ShapeError(f"{function}: {name} must have {axes} axes, got shape {shape}.")
    return shape


def batch_of(function: str, name: str, x: Any, axes: int) -> tuple[Any, bool]:
    """Return x with a batch axis, and whether x was a single sample without that axis."""
    if (x := shaped(x)).ndim == axes:
        return x, False
    if x.ndim == axes - 1:
        return expand_dims(x, 0), True
    raise ShapeError(
        f"{function}: {name} must have {axes} axes, or {axes - 1} without the batch axis, got shape {x.shape}."
    )


def unbatched(out: Any, is_single: bool) -> Any:
    """Remove the batch axis that `batch_of` added to a single sample."""
    return squeeze(out, 0) if is_single else out
