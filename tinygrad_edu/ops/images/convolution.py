"""Convolutions and transposed convolutions in 1, 2 and 3 dimensions: checks around `ops.images.correlation`."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import core
from tinygrad_edu.engine import Array, Tensor, TensorLike, composite, shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.images import convolution_by_sample  # noqa: F401 (batching rules)
from tinygrad_edu.ops.images.correlation import convolution, transposed_convolution
from tinygrad_edu.ops.images.patches import batch_of, col2im, im2col, require_axes, unbatched
from tinygrad_edu.ops.shapes.shape import expand_dims, holds_floats, reshape, squeeze, swapaxes, transpose
from tinygrad_edu.ops.sliding_windows import Pair, Row, Triple, per_axis, window_of
from tinygrad_edu.ops.tiling.padding import pad
from tinygrad_edu.shared.speed.plain_mode import PLAIN

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def conv2d(
    x: TensorLike, weight: TensorLike, bias: TensorLike | None = None, stride: Pair = 1, padding: Pair | str = 0,
    dilation: Pair = 1, groups: int = 1,
) -> Tensor | Array:  # fmt: skip
    """Return the cross-correlation of images with kernels, plus a bias.

    Parameters
    ----------
    x : (N, C, H, W), or (C, H, W) for a single image
    weight : (out, C / groups, kh, kw)
    bias : (out,), optional
    stride : int or pair of int, default 1
    padding : int, pair of int, "valid" or "same", default 0
        "valid" means no padding. "same" keeps the size, for stride 1 only; if the total padding is odd, the bottom and
        the right get the extra pixel, as in PyTorch.
    dilation : int or pair of int, default 1
    groups : int, default 1
        Number of groups that the channels are divided into, each with its own kernels.

    Returns
    -------
    (N, out, rows, columns)
        Each size is (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    Raises
    ------
    ShapeError
        If the shapes of x, weight and bias or the options do not match.
    """
    if PLAIN and groups == 1 and _fit(x, weight, bias) and not isinstance(padding, str):
        _, *window = window_of(x.shape[2:], weight.shape[2:], stride, padding, dilation).settings
        return core.conv2d(x, weight, bias, *window)
    return _conv("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def _fit(x: Any, weight: Any, bias: Any) -> bool:
    """Return whether images (N, C, H, W), kernels (out, C, kh, kw) and a bias (out,) or None fit together."""
    if holds_floats(x) and holds_floats(weight) and x.ndim == weight.ndim == 4 and x.shape[1] == weight.shape[1]:
        return bias is None or shape_of(bias) == weight.shape[:1]
    return False


def conv1d(
    x: TensorLike, weight: TensorLike, bias: TensorLike | None = None, stride: Row = 1, padding: Row | str = 0,
    dilation: Row = 1, groups: int = 1,
) -> Tensor | Array:  # fmt: skip
    """Return the cross-correlation of sequences with kernels, plus a bias: `conv2d` of images of height 1.

    Shapes: (N, C, L) or (C, L), (out, C / groups, k), (out,) -> (N, out, columns) or (out, columns). The options are
    those of `conv2d`; sizes are integers or 1-tuples.
    """
    return _conv("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: TensorLike, weight: TensorLike, bias: TensorLike | None = None, stride: Triple = 1, padding: Triple | str = 0,
    dilation: Triple = 1, groups: int = 1,
) -> Tensor | Array:  # fmt: skip
    """Return the cross-correlation of volumes with kernels, plus a bias: `conv2d` in three dimensions.

    Shapes: (N, C, D, H, W) or (C, D, H, W), (out, C / groups, kd, kh, kw), (out,) -> (N, out, planes, rows, columns) or
    (out, planes, rows, columns). The options are those of `conv2d`; sizes are integers or triples (depth, vertical,
    horizontal).
    """
    return _conv("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def _conv(
    name: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    x, is_single = batch_of(name, "x", x, axes + 2)
    c, (out, per_group, *kernel_size) = x.shape[1], require_axes(name, "weight", weight, axes + 2)
    if groups < 1 or out % groups or per_group * groups != c:
        raise ShapeError(
            f"{name}: with weight of shape {shape_of(weight)} and groups={groups}, x must have {per_group * groups} "
            f"channels and groups must divide {out}, got x with {c} channels along axis 1, of shape {x.shape}."
        )
    _check_bias(name, bias, out)
    if isinstance(padding, str):
        x, padding = _resolve_padding(name, x, kernel_size, stride, padding, dilation)
    if axes == 2:
        return unbatched(convolution(x, weight, bias, stride, padding, dilation, groups), is_single)
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    window = [per_axis(value, key, int(key != "padding"), axes) for key, value in settings.items()]
    convolve: Any = _convolve_sequences if axes == 1 else convolve_volumes
    return unbatched(convolve(x, weight, bias, *window, groups), is_single)


def _resolve_padding(
    name: str, x: Any, kernel_size: list[int], stride: Any, padding: str, dilation: Any
) -> tuple[Any, Any]:
    """Return the images and the padding for "same" or "valid"; the images get the extra pixel of odd padding."""
    axes = len(kernel_size)
    if padding == "valid":
        return x, (0,) * axes
    if padding != "same":
        raise invalid_choice(f"{name}: padding", padding, ("same", "valid"), "an integer", "a pair of integers")
    if max(per_axis(stride, "stride", 1, axes)) != 1:
        raise ShapeError(f"{name}: padding 'same' requires stride 1, got stride {stride}.")
    spacing = per_axis(dilation, "dilation", 1, axes)
    totals = [d * (k - 1) for k, d in zip(kernel_size, spacing, strict=True)]
    if any(total % 2 for total in totals):
        x = pad(x, ((0, 0), (0, 0), *((0, total % 2) for total in totals)))
    return x, tuple(total // 2 for total in totals)


def _convolve_sequences(x: Any, weight: Any, bias: Any, *window: Any) -> Any:
    (s,), (p,), (d,), groups = window
    return squeeze(convolution(expand_dims(x, 2), expand_dims(weight, 2), bias, (1, s), (0, p), (1, d), groups), 2)


@composite("conv3d")
def convolve_volumes(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """Convolve an image for each position of the kernel along the depth; its C * kd channels are planes of x."""
    (n, c, *size), (out, per_group, depth, *kernel_size) = x.shape, shape_of(weight)
    planes = window_of(x.shape[2:], (depth, *kernel_size), stride, padding, dilation).size[0]
    lines = transpose(reshape(x, (n * c, size[0], 1, size[1] * size[2])), (3, 0, 1, 2))  # along the depth
    columns = im2col(lines, (depth, 1), (stride[0], 1), (padding[0], 0), (dilation[0], 1))
    stacks = reshape(transpose(columns, (1, 2, 0)), (n, c * depth, planes, *size[1:]))
    images = reshape(swapaxes(stacks, 1, 2), (n * planes, c * depth, *size[1:]))
    kernels = reshape(weight, (out, per_group * depth, *kernel_size))
    maps = convolution(images, kernels, bias, stride[1:], padding[1:], dilation[1:], groups)
    return swapaxes(reshape(maps, (n, planes, *maps.shape[1:])), 1, 2)


def _check_bias(name: str, bias: Any, out: int) -> None:
    if bias is not None and shape_of(bias) != (out,):
        raise ShapeError(f"{name}: bias must have shape ({out},), one value per output channel, got {shape_of(bias)}.")


def conv_transpose2d(
    x: TensorLike, weight: TensorLike, bias: TensorLike | None = None, stride: Pair = 1, padding: Pair = 0,
    output_padding: Pair = 0, groups: int = 1, dilation: Pair = 1,
) -> Tensor | Array:  # fmt: skip
    """Return the transposed convolution: each pixel of x adds its multiple of the kernels to a window of the result.

    It is the gradient of `conv2d` with respect to its images. The weight has the axes of that convolution's weight, so
    its first axis has the channels of x.

    Parameters
    ----------
    x : (N, C, H, W), or (C, H, W) for a single image
    weight : (C, out / groups, kh, kw)
    bias : (out,), optional
    stride : int or pair of int, default 1
        Stride of the convolution that is transposed.
    padding : int or pair of int, default 0
        Padding of that convolution. It is removed from the result.
    output_padding : int or pair of int, default 0
        Rows and columns added at the bottom and the right, fewer than the larger of stride and dilation.
    groups : int, default 1
        As in `conv2d`.
    dilation : int or pair of int, default 1
        Dilation of that convolution.

    Returns
    -------
    (N, out, rows, columns)
        Each size is stride (size - 1) + dilation (kernel - 1) + 1 - 2 padding + output_padding.

    Raises
    ------
    ShapeError
        If the shapes of x, weight and bias or the options do not match, or the result would be empty.
    """
    window = stride, padding, output_padding, dilation
    return _conv_transpose("conv_transpose2d", 2, x, weight, bias, groups, *window)


def conv_transpose1d(
    x: TensorLike, weight: TensorLike, bias: TensorLike | None = None, stride: Row = 1, padding: Row = 0,
    output_padding: Row = 0, groups: int = 1, dilation: Row = 1,
) -> Tensor | Array:  # fmt: skip
    """Return the transposed convolution of sequences: `conv_transpose2d` of images of height 1.

    Shapes: (N, C, L) or (C, L), (C, out / groups, k), (out,) -> (N, out, columns) or (out, columns).
    """
    window = stride, padding, output_padding, dilation
    return _conv_transpose("conv_transpose1d", 1, x, weight, bias, groups, *window)


def conv_transpose3d(
    x: TensorLike, weight: TensorLike, bias: TensorLike | None = None, stride: Triple = 1, padding: Triple = 0,
    output_padding: Triple = 0, groups: int = 1, dilation: Triple = 1,
) -> Tensor | Array:  # fmt: skip
    """Return the transposed convolution of volumes: `conv_transpose2d` in three dimensions.

    Shapes: (N, C, D, H, W) or (C, D, H, W), (C, out / groups, kd, kh, kw), (out,) -> (N, out, planes, rows, columns) or
    (out, planes, rows, columns).
    """
    window = stride, padding, output_padding, dilation
    return _conv_transpose("conv_transpose3d", 3, x, weight, bias, groups, *window)


def _conv_transpose(name: str, axes: int, x: Any, weight: Any, bias: Any, groups: int, *window: Any) -> Any:
    """Return the transposed convolution; `window` is stride, padding, output_padding and dilation."""
    x, is_single = batch_of(name, "x", x, axes + 2)
    c, (in_channels, per_group, *kernel_size) = x.shape[1], require_axes(name, "weight", weight, axes + 2)
    if groups < 1 or c % groups or in_channels != c:
        raise ShapeError(
            f"{name}: with weight of shape {shape_of(weight)} and groups={groups}, x must have {in_channels} channels "
            f"and groups must divide it, got x with {c} channels along axis 1, of shape {x.shape}."
        )
    _check_bias(name, bias, per_group * groups)
    settings: Any = [per_axis(v, n, least, axes) for v, n, least in zip(window, _SETTINGS, (1, 0, 0, 1), strict=True)]
    s, p, extra, d = settings
    if any(e >= max(both) for e, *both in zip(extra, s, d, strict=True)):
        raise ShapeError(f"{name}: output_padding must be less than stride {s} or dilation {d}, got {extra}.")
    each = zip(x.shape[2:], kernel_size, s, p, extra, d, strict=True)
    size: Any = tuple((n - 1) * s + d * (k - 1) + 1 - 2 * p + e for n, k, s, p, e, d in each)
    if min(size) < 1:
        raise ShapeError(f"{name}: padding {p} is too large; the result would have size {'x'.join(map(str, size))}.")
    if any(e >= each for e, each in zip(extra, s, strict=True)):  # only possible with dilation: append zeros to x
        x = pad(x, ((0, 0), (0, 0), *((0, e // each) for e, each in zip(extra, s, strict=True))))
    transposed = (_transpose_sequences, transposed_convolution, transpose_volumes)[axes - 1]
    return unbatched(transposed(x, weight, bias, size, s, p, d, groups), is_single)


_SETTINGS = "stride", "padding", "output_padding", "dilation"


def _transpose_sequences(x: Any, weight: Any, bias: Any, *window: Any) -> Any:
    *settings, groups = window
    (n,), (s,), (p,), (d,) = settings
    maps, kernels = expand_dims(x, 2), expand_dims(weight, 2)
    return squeeze(transposed_convolution(maps, kernels, bias, (1, n), (1, s), (0, p), (1, d), groups), 2)


@composite("conv_transpose3d")
def transpose_volumes(
    x: Any, weight: Any, bias: Any, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """Apply the transpose of `convolve_volumes`: the image of each plane has the planes to add as channels."""
    (n, c, planes, *plane), (_, out, depth, *kernel_size) = x.shape, shape_of(weight)
    channels = groups * out
    maps = reshape(swapaxes(x, 1, 2), (n * planes, c, *plane))
    kernels = reshape(weight, (c, out * depth, *kernel_size))
    window = stride[1:], padding[1:], dilation[1:]
    images = transposed_convolution(maps, kernels, None, size[1:], *window, groups)
    stacks = swapaxes(reshape(images, (n, planes, channels * depth, *size[1:])), 1, 2)
    columns = transpose(reshape(stacks, (n * channels * depth, planes, size[1] * size[2])), (2, 0, 1))
    lines = col2im(columns, (size[0], 1), (depth, 1), (stride[0], 1), (padding[0], 0), (dilation[0], 1))
    volumes = reshape(transpose(lines, (1, 2, 3, 0)), (n, channels, *size))
    return volumes if bias is None else volumes + reshape(bias, (channels, 1, 1, 1))
