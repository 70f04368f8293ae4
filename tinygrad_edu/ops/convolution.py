"""Windows over images: im2col and its transpose col2im, and the convolution and pooling made of them."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.reduction import max, mean
from tinygrad_edu.ops.shape import pad, reshape
from tinygrad_edu.recorder import Array, op

Pair = int | tuple[int, int]


def pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """Read a setting that is a whole number, or a pair of them (vertical, horizontal)."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or any(not isinstance(n, int | np.integer) or n < least for n in both):
        raise ShapeError(f"{name} is a whole number of at least {least}, or a pair of them, not {value!r}.")
    return int(both[0]), int(both[1])


def output_size(
    size: tuple[int, int], kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> tuple[int, int]:
    """Return how many windows fit into an image, by rows and by columns. A remainder is dropped.

    (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1, in each direction.
    """
    k, s = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
    p, d = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    rows, columns = ((size[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i in (0, 1))
    if rows < 1 or columns < 1:
        raise ShapeError(
            f"a window of {k[0]}x{k[1]} (dilation {d[0]}x{d[1]}) does not fit into an image of "
            f"{size[0]}x{size[1]} with padding {p[0]}x{p[1]}."
        )
    return rows, columns


def _taps(
    padded: ndarray, size: tuple[int, int], kernel_size: Pair, stride: Pair, dilation: Pair
) -> list[list[ndarray]]:
    """Return, for each place in the kernel, the strided view of the pixels that it meets: (N, C, rows, columns)."""
    (kh, kw), (sh, sw) = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
    dh, dw = pair(dilation, "dilation", 1)
    rows, columns = size
    return [
        [
            padded[
                :,
                :,
                i * dh : i * dh + (rows - 1) * sh + 1 : sh,
                j * dw : j * dw + (columns - 1) * sw + 1 : sw,
            ]
            for j in range(kw)
        ]
        for i in range(kh)
    ]


@op
def im2col(x: Array, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Return the windows of images as columns: (N, C, H, W) -> (N, C * kh * kw, L), for L windows, row by row.

    The layout of PyTorch's ``unfold``. Each setting is a whole number or a pair (vertical, horizontal).
    """
    if x.ndim != 4:
        raise ShapeError(f"images have the shape (N, C, H, W), not {x.shape}.")
    n, c, h, w = x.shape
    (kh, kw), (ph, pw) = pair(kernel_size, "kernel_size", 1), pair(padding, "padding", 0)
    rows, columns = output_size((h, w), kernel_size, stride, padding, dilation)
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))) if ph or pw else x
    out = np.empty((n, c, kh, kw, rows, columns), x.dtype)
    for i, row in enumerate(_taps(padded, (rows, columns), kernel_size, stride, dilation)):
        for j, tap in enumerate(row):
            out[:, :, i, j] = tap
    return out.reshape(n, c * kh * kw, rows * columns)


@op
def col2im(
    columns: Array,
    /,
    output_size: tuple[int, int],
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Array:
    """Add columns up into images of `output_size` (H, W): the transpose of `im2col`, PyTorch's ``fold``."""
    (kh, kw), (ph, pw) = pair(kernel_size, "kernel_size", 1), pair(padding, "padding", 0)
    h, w = output_size
    size = _output_size((h, w), kernel_size, stride, padding, dilation)
    if columns.ndim != 3 or columns.shape[1] % (kh * kw) or columns.shape[2] != size[0] * size[1]:
        raise ShapeError(
            f"columns of shape {columns.shape} for images of {h}x{w}; "
            f"they need (N, C * {kh * kw}, {size[0] * size[1]})."
        )
    n, c = columns.shape[0], columns.shape[1] // (kh * kw)
    parts = columns.reshape(n, c, kh, kw, *size)
    padded = np.zeros((n, c, h + 2 * ph, w + 2 * pw), columns.dtype)
    for i, row in enumerate(_taps(padded, size, kernel_size, stride, dilation)):
        for j, tap in enumerate(row):
            tap += parts[:, :, i, j]
    return padded[:, :, ph : ph + h, pw : pw + w]


_output_size = output_size  # col2im has a setting of that name
im2col.vjps(x=lambda g, x_shape, **window: col2im(g, x_shape[2:], **window))
col2im.vjps(columns=lambda g, kernel_size, stride, padding, dilation: im2col(g, kernel_size, stride, padding, dilation))


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Any:
    """Return the cross-correlation of images with kernels, through `im2col` and one matrix product.

    Parameters
    ----------
    x : (N, C, H, W)
    weight : (out, C / groups, kh, kw)
    bias : (out,), optional
    stride, padding, dilation : int or pair of int
    groups : int
        The channels are cut into so many groups, each with kernels of its own.

    Returns
    -------
    (N, out, rows, columns), see `output_size`

    Raises
    ------
    ShapeError
        Where channels, groups, kernel or bias do not fit.
    """
    n, c, h, w = _shape4("x", x)
    out, per_group, kh, kw = _shape4("weight", weight)
    if groups < 1 or c % groups or out % groups or per_group * groups != c:
        raise ShapeError(
            f"conv2d: images with {c} channels and weight {weight.shape} in {groups} groups: the weight needs the "
            f"shape (out, {c} / groups, kh, kw), and groups must divide {c} and {out}."
        )
    if bias is not None and bias.shape != (out,):
        raise ShapeError(f"conv2d: bias of shape {bias.shape} for {out} kernels; it needs ({out},).")
    rows, columns = output_size((h, w), (kh, kw), stride, padding, dilation)
    patches = reshape(im2col(x, (kh, kw), stride, padding, dilation), (n, groups, per_group * kh * kw, rows * columns))
    kernels = reshape(weight, (groups, out // groups, per_group * kh * kw))
    maps = reshape(matmul(kernels, patches), (n, out, rows, columns))
    return maps if bias is None else maps + reshape(bias, (out, 1, 1))


def _shape4(name: str, x: Any) -> tuple[int, int, int, int]:
    if len(np.shape(x)) != 4:
        raise ShapeError(f"conv2d and pooling: {name} needs 4 axes, and has the shape {np.shape(x)}.")
    a, b, c, d = np.shape(x)
    return a, b, c, d


def _windows(x: Any, kernel_size: Pair, stride: Pair | None, padding: Pair, border: float) -> Any:
    """Return the windows of each channel: (N, C, kh * kw, rows, columns), with `border` around the image."""
    n, c, h, w = _shape4("x", x)
    (kh, kw), (ph, pw) = pair(kernel_size, "kernel_size", 1), pair(padding, "padding", 0)
    if 2 * ph > kh or 2 * pw > kw:
        raise ShapeError(f"pooling: padding {ph}x{pw} is more than half of the window {kh}x{kw}.")
    stride = kernel_size if stride is None else stride
    rows, columns = output_size((h, w), kernel_size, stride, padding)
    padded = pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), border) if ph or pw else x
    return reshape(im2col(padded, kernel_size, stride), (n, c, kh * kw, rows, columns))


def max_pool2d(x: Any, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Any:
    """Return the greatest pixel of each window: (N, C, H, W) -> (N, C, rows, columns). Ties share the gradient.

    The stride is that of the kernel unless given; a remainder is dropped; the padding never wins.
    """
    return max(_windows(x, kernel_size, stride, padding, -np.inf), 2)


def avg_pool2d(x: Any, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Any:
    """Return the mean of each window, the zeros of the padding included: (N, C, H, W) -> (N, C, rows, columns)."""
    return mean(_windows(x, kernel_size, stride, padding, 0), 2)
