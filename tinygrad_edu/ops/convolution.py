"""Convolutions and transposed convolutions in 1 and 2 dimensions: argument checks around `ops.fast.convolution`."""

from __future__ import annotations

from typing import Any

from tinygrad_edu._checks import invalid_choice
from tinygrad_edu.engine import Array, Tensor, TensorLike, shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.convolution import convolution, transposed_convolution
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.patches import batch_of, require_axes, unbatched
from tinygrad_edu.ops.shape import expand_dims, squeeze
from tinygrad_edu.ops.sliding_windows import Pair, Row, Size, pair, row

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


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
    x, is_single = batch_of("conv2d", "x", x, 4)
    return unbatched(_conv("conv2d", x, weight, bias, stride, padding, dilation, groups), is_single)


def conv1d(
    x: TensorLike, weight: TensorLike, bias: TensorLike | None = None, stride: Row = 1, padding: Row | str = 0,
    dilation: Row = 1, groups: int = 1,
) -> Tensor | Array:  # fmt: skip
    """Return the cross-correlation of sequences with kernels, plus a bias: `conv2d` of images of height 1.

    Shapes: (N, C, L) or (C, L), (out, C / groups, k), (out,) -> (N, out, columns) or (out, columns). The options are
    those of `conv2d`; sizes are integers or 1-tuples.
    """
    x, is_single = batch_of("conv1d", "x", x, 3)
    require_axes("conv1d", "weight", weight, 3)
    around = padding if isinstance(padding, str) else row(padding, "padding", 0)
    window = row(stride, "stride", 1), around, row(dilation, "dilation", 1)
    maps = _conv("conv1d", expand_dims(x, 2), expand_dims(weight, 2), bias, *window, groups)
    return unbatched(squeeze(maps, 2), is_single)


def _conv(
    name: str, x: Any, weight: Any, bias: Any, stride: Pair, padding: Pair | str, dilation: Pair, groups: int
) -> Any:
    c, (out, per_group) = x.shape[1], require_axes(name, "weight", weight, 4)[:2]
    if groups < 1 or c % groups or out % groups or per_group * groups != c:
        raise ShapeError(
            f"{name}: the second axis of weight must be {c} / groups and groups must divide {c} and {out}, got weight "
            f"of shape {shape_of(weight)} and {groups} groups for images with {c} channels."
        )
    _check_bias(name, bias, out)
    if isinstance(padding, str):
        x, padding = _resolve_padding(name, x, shape_of(weight)[2:], stride, padding, dilation)

    return convolution(x, weight, bias, stride, padding, dilation, groups)


def _resolve_padding(
    name: str, x: Any, kernel_size: tuple[int, ...], stride: Pair, padding: str, dilation: Pair
) -> tuple[Any, Size]:
    """Return the images and the padding for "same" or "valid"; the images get the extra pixel of odd padding."""
    if padding == "valid":
        return x, (0, 0)
    if padding != "same":
        raise invalid_choice(f"{name}: padding", padding, ("same", "valid"), "an integer", "a pair of integers")
    if pair(stride, "stride", 1) != (1, 1):
        raise ShapeError(f"{name}: padding 'same' requires stride 1, got stride {stride}.")
    (th, tw), (dh, dw) = kernel_size, pair(dilation, "dilation", 1)
    th, tw = dh * (th - 1), dw * (tw - 1)
    if th % 2 or tw % 2:
        x = pad(x, ((0, 0), (0, 0), (0, th % 2), (0, tw % 2)))
    return x, (th // 2, tw // 2)


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
    x, is_single = batch_of("conv_transpose2d", "x", x, 4)
    window = stride, padding, output_padding, dilation
    return unbatched(_conv_transpose("conv_transpose2d", x, weight, bias, groups, *window), is_single)


def conv_transpose1d(
    x: TensorLike, weight: TensorLike, bias: TensorLike | None = None, stride: Row = 1, padding: Row = 0,
    output_padding: Row = 0, groups: int = 1, dilation: Row = 1,
) -> Tensor | Array:  # fmt: skip
    """Return the transposed convolution of sequences: `conv_transpose2d` of images of height 1.

    Shapes: (N, C, L) or (C, L), (C, out / groups, k), (out,) -> (N, out, columns) or (out, columns).
    """
    x, is_single = batch_of("conv_transpose1d", "x", x, 3)
    require_axes("conv_transpose1d", "weight", weight, 3)
    settings = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    window = (row(value, name, int(name in ("stride", "dilation"))) for name, value in settings.items())
    images = _conv_transpose("conv_transpose1d", expand_dims(x, 2), expand_dims(weight, 2), bias, groups, *window)
    return unbatched(squeeze(images, 2), is_single)


def _conv_transpose(name: str, x: Any, weight: Any, bias: Any, groups: int, *window: Pair) -> Any:
    """Return `conv_transpose2d` of a batch; `window` is stride, padding, output_padding and dilation."""
    c, (in_channels, per_group, *kernel_size) = x.shape[1], require_axes(name, "weight", weight, 4)
    if groups < 1 or c % groups or in_channels != c:
        raise ShapeError(
            f"{name}: the first axis of weight must be {c} and groups must divide it, got weight of shape "
            f"{shape_of(weight)} and {groups} groups for images with {c} channels."
        )
    _check_bias(name, bias, per_group * groups)
    s, p, extra, d = (pair(v, n, int(n in ("stride", "dilation"))) for v, n in zip(window, _SETTINGS, strict=True))
    if any(e >= max(both) for e, *both in zip(extra, s, d, strict=True)):
        raise ShapeError(f"{name}: output_padding must be less than stride {s} or dilation {d}, got {extra}.")
    each = zip(x.shape[2:], kernel_size, s, p, extra, d, strict=True)
    h, w = ((n - 1) * s + d * (k - 1) + 1 - 2 * p + e for n, k, s, p, e, d in each)
    if h < 1 or w < 1:
        raise ShapeError(f"{name}: padding {p} is too large; the result would have size {h}x{w}.")
    if extra[0] >= s[0] or extra[1] >= s[1]:  # only possible with dilation: append zeros to x
        x = pad(x, ((0, 0), (0, 0), (0, extra[0] // s[0]), (0, extra[1] // s[1])))

    return transposed_convolution(x, weight, bias, (h, w), s, p, d, groups)


_SETTINGS = "stride", "padding", "output_padding", "dilation"
