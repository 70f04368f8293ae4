"""Convolution and transposed convolution layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import core, ops
from tinygrad_edu.engine import Tensor, TensorLike
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.nn import init
from tinygrad_edu.nn.layers.linear import Affine, require_sizes, shape_of_floats
from tinygrad_edu.nn.layers.normalization import require_channels
from tinygrad_edu.nn.layers.padding import PAD_MODES, pad_images
from tinygrad_edu.nn.sharding import require_sample_axis
from tinygrad_edu.ops.shapes.shape import holds_floats
from tinygrad_edu.ops.sliding_windows import per_axis

__all__ = ["Conv1D", "Conv2D", "Conv3D", "ConvTranspose1D", "ConvTranspose2D", "ConvTranspose3D"]

Numbers = int | tuple[int, ...]  # one for all axes, or one per axis


def window_option(layer: Any, setting: str, value: Any) -> tuple[int, ...]:
    """Return a window option of a layer as one integer per axis. Raise if it is invalid."""
    return per_axis(value, f"{type(layer).__name__}: {setting}", 0 if "padding" in setting else 1, layer.axes)


class _ConvNd(Affine):
    """Base class of convolutions and transposed convolutions: options and parameters."""

    axes = 2
    function: Callable[..., Any]
    transposed = False
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def _store_settings(self, channels: tuple[int, int], groups: int, padding_mode: str, **window: Any) -> None:
        name, (self.in_channels, self.out_channels) = type(self).__name__, channels
        require_sizes(name, in_channels=channels[0], out_channels=channels[1], groups=groups)
        if channels[0] % groups or channels[1] % groups:
            raise ShapeError(f"{name}: groups={groups} must divide {channels[0]} and {channels[1]} channels.")
        modes = ("zeros",) if self.transposed else tuple(PAD_MODES)
        if padding_mode not in modes:
            raise invalid_choice(f"{name}: padding_mode", padding_mode, modes)
        self.groups, self.padding_mode = groups, padding_mode
        for setting, value in window.items():
            named = setting == "padding" and isinstance(value, str) and not self.transposed
            if named and value not in ("same", "valid"):
                raise invalid_choice(f"{name}: padding", value, ("same", "valid"), "an integer", "a pair of integers")
            setattr(self, setting, value if named else window_option(self, setting, value))

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise for another number of channels, and in a shard for an input without a sample axis."""
        require_sample_axis(type(self).__name__, shape, 0, self.axes + 2)
        channel_axis = len(shape) - self.axes - 1
        if channel_axis in (0, 1):  # the op raises for another number of axes
            require_channels(self, shape, channel_axis, self.in_channels)

    def extra_repr(self) -> str:
        """Return the sizes, and the options that differ from their defaults."""
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        changed = self._non_defaults(padding=zeros, dilation=ones, output_padding=zeros, groups=1)
        bias_text = "" if self.bias is not None else ", bias=False"
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}"
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{sizes}{changed}{bias_text}{mode}"


class _Conv(_ConvNd):
    """Base class of `Conv1D`, `Conv2D` and `Conv3D`.

    Parameters
    ----------
    in_channels : int
        Number of channels of the input.
    out_channels : int
        Number of channels of the output.
    stride : int or tuple of int, default 1
        Step between windows.
    padding : int, tuple of int, "valid" or "same", default 0
        Padding of both sides of each axis. "valid" is no padding. "same" preserves the size and requires stride 1; if
        the total is odd, the extra element is at the end.
    dilation : int or tuple of int, default 1
        Step between the elements of a window.
    groups : int, default 1
        Number of groups of channels, each with its own kernels. It must divide both numbers of channels.
    bias : bool, default True
        Whether to add a learned bias.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default "zeros"
        As in the layers `ZeroPad2D`, `ReflectionPad2D`, `ReplicationPad2D` and `CircularPad2D`.
    rng : numpy.random.Generator, optional
        Generator of the initial parameters. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the parameters.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Numbers, stride: Numbers = 1,
        padding: Numbers | str = 0, dilation: Numbers = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        window = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        self._store_settings((in_channels, out_channels), groups, padding_mode, **window, output_padding=0)
        if self.padding == "same" and max(self.stride) > 1:
            raise ShapeError(f"{type(self).__name__}: padding='same' requires stride 1, got {stride}.")
        self._init_parameters((out_channels, in_channels // groups, *self.kernel_size), bias, rng, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        """Map (N, in_channels, H, W), or one sample without N, to (N, out_channels, H_out, W_out)."""
        if not (holds_floats(x) and x.shape[: -self.axes][1:] == (self.in_channels,)):
            self._check_shape(shape_of_floats(type(self).__name__, x))
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            x, padding = pad_images(type(self).__name__, x, self._pad_widths(), PAD_MODES[self.padding_mode]), 0
        return type(self).function(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _pad_widths(self) -> list[tuple[int, int]]:
        """Return the padding (before, after) of each axis."""
        if not isinstance(self.padding, str):
            return [(n, n) for n in self.padding]
        same = self.padding == "same"
        totals = [same * d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        return [(n // 2, n - n // 2) for n in totals]


class Conv2D(_Conv, core.Conv2D):  # `_Conv` has more options, and any number of axes
    """2-D convolution (cross-correlation): (N, in_channels, H, W) becomes (N, out_channels, H_out, W_out).

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the kernel. A pair is (vertical, horizontal).

    Attributes
    ----------
    weight : Tensor, shape (out_channels, in_channels / groups, kh, kw)
    bias : Tensor, shape (out_channels,), or None
        Both are drawn from [-a, a) for a = 1 / sqrt(in_channels / groups * kh * kw), as in PyTorch.

    Raises
    ------
    DTypeError, ValueError
        A size is not an integer in its range, `padding_mode` is unknown, or the input holds integers.
    ShapeError
        `groups` does not divide the channels, "same" has another stride, or the input has the wrong shape.

    Examples
    --------
    >>> layer = Conv2D(1, 16, kernel_size=3, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 1, 28, 28))).shape
    (5, 16, 26, 26)
    >>> Conv2D(1, 16, 3, padding="same", padding_mode="reflect")(np.ones((1, 28, 28))).shape
    (16, 28, 28)
    """

    function = staticmethod(ops.conv2d)


class Conv1D(_Conv):
    """1-D convolution: (N, in_channels, L), or (in_channels, L), becomes (N, out_channels, L_out). See `Conv2D`.

    Each window option is an int or a tuple of one int. The weight has shape (out_channels, in_channels / groups, k).

    Parameters
    ----------
    kernel_size : int or (int,)
        Length k of the kernel.

    Examples
    --------
    >>> Conv1D(2, 3, 5, stride=2)(np.ones((4, 2, 11))).shape
    (4, 3, 4)
    """

    axes = 1
    function = staticmethod(ops.conv1d)


class Conv3D(_Conv):
    """3-D convolution: (N, in_channels, D, H, W) becomes (N, out_channels, D_out, H_out, W_out). See `Conv2D`.

    Each window option is an int or a tuple (depth, vertical, horizontal). The weight has shape (out_channels,
    in_channels / groups, kd, kh, kw). A single sample has no N.

    Parameters
    ----------
    kernel_size : int or (int, int, int)
        Size of the kernel.

    Examples
    --------
    >>> Conv3D(1, 4, (1, 3, 3), stride=2)(np.ones((5, 1, 8, 9, 9))).shape
    (5, 4, 4, 4, 4)
    """

    axes = 3
    function = staticmethod(ops.conv3d)


class _ConvTranspose(_ConvNd):
    """Base class of `ConvTranspose1D`, `ConvTranspose2D` and `ConvTranspose3D`.

    Parameters
    ----------
    padding_mode : {"zeros"}, default "zeros"
        Only zeros are supported, as in PyTorch.
    padding : int or tuple of int, default 0
        Elements removed from both sides of each axis of the output.
    output_padding : int or tuple of int, default 0
        Elements added at the end of each axis; less than the stride or the dilation.
    """

    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Numbers, stride: Numbers = 1, padding: Numbers = 0,
        output_padding: Numbers = 0, groups: int = 1, bias: bool = True, dilation: Numbers = 1,
        padding_mode: str = "zeros", *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        window = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        self._store_settings((in_channels, out_channels), groups, padding_mode, **window, output_padding=output_padding)
        shape, rng = (in_channels, out_channels // groups, *self.kernel_size), init.generator_or_new(rng)
        self._init_parameters(shape, False, rng, dtype)
        if bias:  # its length is not that of the first axis of the weight
            self.bias = init.uniform((out_channels,), 1 / math.sqrt(init.fans(shape)[0]), rng, dtype)

    def forward(self, x: TensorLike, output_size: Sequence[int] | None = None) -> Tensor:
        """Map (N, in_channels, H, W), or one sample without N, to (N, out_channels, H_out, W_out).

        `output_size`, (H_out, W_out) or the full output shape, replaces `output_padding`.
        """
        shape = shape_of_floats(type(self).__name__, x)
        if shape[: -self.axes][1:] != (self.in_channels,):
            self._check_shape(shape)
        extra = self.output_padding if output_size is None else self._output_padding(shape, output_size)
        window = self.stride, self.padding, extra
        return type(self).function(x, self.weight, self.bias, *window, self.groups, self.dilation)

    def _output_padding(self, shape: tuple[int, ...], output_size: Sequence[int]) -> tuple[int, ...]:
        """Return the output padding that gives the requested size."""
        window: Any = self.kernel_size, self.stride, self.padding, self.dilation
        axes = zip(shape[-self.axes :], *window, strict=True)
        low = tuple((n - 1) * s + d * (k - 1) + 1 - 2 * p for n, k, s, p, d in axes)
        high = tuple(n + s - 1 for n, s in zip(low, self.stride, strict=True))
        size = checked_size(type(self).__name__, shape, output_size, low, high)
        return tuple(n - start for n, start in zip(size, low, strict=True))


class ConvTranspose2D(_ConvTranspose):
    """2-D transposed convolution: each input pixel adds a multiple of the kernel to a window of the output.

    It is the transpose of a `Conv2D` with the same options, and maps that layer's output shape to its input shape.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the kernel. A pair is (vertical, horizontal).
    padding : int or (int, int), default 0
        Rows and columns removed from each side of the output.
    output_padding : int or (int, int), default 0
        Rows and columns added at the bottom and the right; less than the stride or the dilation.

    Attributes
    ----------
    weight : Tensor, shape (in_channels, out_channels / groups, kh, kw)
    bias : Tensor, shape (out_channels,), or None
        Both are drawn from [-a, a) for a = 1 / sqrt(out_channels / groups * kh * kw), as in PyTorch.

    Raises
    ------
    DTypeError, ValueError
        A size is not an integer in its range, `padding_mode` is unknown, or the input holds integers.
    ShapeError
        `groups` does not divide the channels, or the input or `output_size` has the wrong shape.

    Examples
    --------
    >>> layer = ConvTranspose2D(8, 1, 3, stride=2, padding=1)
    >>> maps = np.ones((5, 8, 14, 14))
    >>> layer(maps).shape, layer(maps, output_size=(28, 28)).shape
    ((5, 1, 27, 27), (5, 1, 28, 28))
    """

    function = staticmethod(ops.conv_transpose2d)


class ConvTranspose1D(_ConvTranspose):
    """1-D transposed convolution: (N, in_channels, L), or (in_channels, L), becomes (N, out_channels, L_out).

    Each window option is an int or a tuple of one int. The weight has shape (in_channels, out_channels / groups, k).
    See `ConvTranspose2D`.

    Parameters
    ----------
    kernel_size : int or (int,)
        Length k of the kernel.

    Examples
    --------
    >>> ConvTranspose1D(2, 3, 4, stride=2)(np.ones((5, 2, 4))).shape
    (5, 3, 10)
    """

    axes = 1
    function = staticmethod(ops.conv_transpose1d)


class ConvTranspose3D(_ConvTranspose):
    """3-D transposed convolution: (N, in_channels, D, H, W) becomes (N, out_channels, D_out, H_out, W_out).

    Each window option is an int or a tuple (depth, vertical, horizontal). The weight has shape (in_channels,
    out_channels / groups, kd, kh, kw). A single sample has no N. See `ConvTranspose2D`.

    Parameters
    ----------
    kernel_size : int or (int, int, int)
        Size of the kernel.

    Examples
    --------
    >>> ConvTranspose3D(4, 1, 2, stride=2)(np.ones((5, 4, 2, 3, 3))).shape
    (5, 1, 4, 6, 6)
    """

    axes = 3
    function = staticmethod(ops.conv_transpose3d)


def checked_size(
    name: str, shape: tuple[int, ...], output_size: Sequence[int], low: tuple[int, ...], high: tuple[int, ...]
) -> tuple[int, ...]:
    """Return `output_size` without the batch and channel axes. Raise ShapeError if it is not between the bounds.

    `output_size` may include the batch and channel axes, which are ignored.
    """
    size = tuple(output_size)
    if len(size) == len(shape):
        size = size[-len(low) :]
    if len(size) != len(low) or not all(a <= n <= b for a, n, b in zip(low, size, high, strict=True)):
        raise ShapeError(f"{name}: output_size for an input {shape} must be from {low} to {high}, got {output_size}.")
    return size
