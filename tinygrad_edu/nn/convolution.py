"""Convolution and transposed convolution layers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.linear import affine, require_sizes
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.padding import FILLINGS, pad_images
from tinygrad_edu.nn.sharding import require_batch
from tinygrad_edu.ops.sliding_windows import pair, single

__all__ = ["Conv1D", "Conv2D", "ConvTranspose1D", "ConvTranspose2D"]

Numbers = int | tuple[int, ...]  # one for all axes, or one for each


def per_axis(layer: Any, setting: str, value: Any) -> tuple[int, ...]:
    """Return the number that a setting of the window of a layer is for each axis, or say why it is none."""
    where, least = f"{type(layer).__name__}: {setting}", 0 if "padding" in setting else 1
    return pair(value, where, least) if layer.axes == 2 else (single(value, where, least),)


class _ConvNd(Module):
    """Base class of convolutions and their transposes: settings, and parameters of PyTorch's distribution."""

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
        modes = ("zeros",) if self.transposed else tuple(FILLINGS)
        if padding_mode not in modes:
            raise ValueError(f"{name}: padding_mode is one of {', '.join(map(repr, modes))}, not {padding_mode!r}.")
        self.groups, self.padding_mode = groups, padding_mode
        for setting, value in window.items():
            named = setting == "padding" and isinstance(value, str) and not self.transposed
            if named and value not in ("same", "valid"):
                raise ShapeError(f"{name}: padding is 'same', 'valid' or whole numbers, not {value!r}.")
            setattr(self, setting, value if named else per_axis(self, setting, value))

    def _init_parameters(self, bias: bool, rng: np.random.Generator | None, dtype: DTypeLike) -> None:
        first, second = self.in_channels, self.out_channels
        if not self.transposed:
            first, second = second, first
        shape = (first, second // self.groups, *self.kernel_size)
        self.weight, self.bias = affine(shape, bias, rng, dtype, self.out_channels)

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that are not the usual ones."""
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        changed = self._non_defaults(padding=zeros, dilation=ones, output_padding=zeros, groups=1)
        without = "" if self.bias is not None else ", bias=False"
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}"
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{sizes}{changed}{without}{mode}"


class _Conv(_ConvNd):
    """Base class of `Conv1D` and `Conv2D`."""

    couples_samples = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Numbers, stride: Numbers = 1,
        padding: Numbers | str = 0, dilation: Numbers = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        window = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        self._store_settings((in_channels, out_channels), groups, padding_mode, **window, output_padding=0)
        if self.padding == "same" and max(self.stride) > 1:
            raise ShapeError(f"{type(self).__name__}: padding 'same' keeps the size with a stride of 1, not {stride}.")
        self._init_parameters(bias, rng, dtype)

    def forward(self, x: Any) -> Any:
        """Map images (N, in_channels, H, W), or one without N, to maps (N, out_channels, rows, columns)."""
        require_batch(type(self).__name__, shape_of(x), self.axes + 1)
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            x, padding = pad_images(type(self).__name__, x, self._pad_widths(), FILLINGS[self.padding_mode]), 0
        return type(self).function(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _pad_widths(self) -> list[tuple[int, int]]:
        """Return the numbers of pixels to add before and after, along each axis."""
        if not isinstance(self.padding, str):
            return [(n, n) for n in self.padding]
        same = self.padding == "same"
        reach = [same * d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        return [(n // 2, n - n // 2) for n in reach]


class Conv2D(_Conv):
    """A layer of kernels that slide over images (cross-correlation, as everywhere in the field).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or (int, int)
        A pair is (vertical, horizontal).
    padding : int, (int, int), "valid" or "same"
        How wide the border is, on both sides. "valid" is none; "same" is as much as keeps the size, for a stride of 1:
        of an odd number the larger half is at the bottom and the right.
    groups : int
        The channels are cut into so many groups, each with kernels of its own; it divides both numbers of channels.
    bias : bool
        Whether to add one.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the border holds, as in `ZeroPad2D`, `ReflectionPad2D`, `ReplicationPad2D` and `CircularPad2D`.
    rng : numpy.random.Generator, optional
        Draws the parameters. Without it they differ from run to run.
    dtype : float32 or float64
        Of the parameters.

    Attributes
    ----------
    weight : Tensor, shape (out_channels, in_channels / groups, kh, kw)
    bias : Tensor, shape (out_channels,), or None
        Both drawn from [-a, a) with a = 1 / sqrt(in_channels / groups * kh * kw), as in PyTorch.

    Raises
    ------
    ShapeError
        For sizes that are not whole numbers, or that `groups` does not divide, or for "same" with another stride; of
        `forward`, for images that do not fit.
    ValueError
        For another padding mode.

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
    """`Conv2D` of rows: (N, in_channels, L), or (in_channels, L) of one sample, to (N, out_channels, columns).

    Each setting of the window is a whole number, alone or in a tuple; the weight has the shape (out_channels,
    in_channels / groups, k).

    Examples
    --------
    >>> Conv1D(2, 3, 5, stride=2)(np.ones((4, 2, 11))).shape
    (4, 3, 4)
    """

    axes = 1
    function = staticmethod(ops.conv1d)


class _ConvTranspose(_ConvNd):
    """Base class of `ConvTranspose1D` and `ConvTranspose2D`."""

    transposed = True
    couples_samples = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Numbers, stride: Numbers = 1, padding: Numbers = 0,
        output_padding: Numbers = 0, groups: int = 1, bias: bool = True, dilation: Numbers = 1,
        padding_mode: str = "zeros", *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        window = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        self._store_settings((in_channels, out_channels), groups, padding_mode, **window, output_padding=output_padding)
        self._init_parameters(bias, rng, dtype)

    def forward(self, x: Any, output_size: Sequence[int] | None = None) -> Any:
        """Map images (N, in_channels, H, W), or one without N, to (N, out_channels, rows, columns).

        `output_size` is (rows, columns), or the whole shape, and stands for the output padding that leads there.
        """
        require_batch(type(self).__name__, shape_of(x), self.axes + 1)
        extra = self.output_padding if output_size is None else self._output_padding(np.shape(x), output_size)
        window = self.stride, self.padding, extra
        return type(self).function(x, self.weight, self.bias, *window, self.groups, self.dilation)

    def _output_padding(self, shape: tuple[int, ...], output_size: Sequence[int]) -> tuple[int, ...]:
        """Return the output padding for a size of the result."""
        window: Any = self.kernel_size, self.stride, self.padding, self.dilation
        each = zip(shape[-self.axes :], *window, strict=True)
        least = tuple((n - 1) * s + d * (k - 1) + 1 - 2 * p for n, k, s, p, d in each)
        most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
        size = size_between(type(self).__name__, shape, output_size, least, most)
        return tuple(n - start for n, start in zip(size, least, strict=True))


class ConvTranspose2D(_ConvTranspose):
    """A layer of which each pixel adds its multiple of the kernels to a window of the result: larger images of smaller.

    It maps the shapes that the `Conv2D` with its settings returns to those that it takes, and is the gradient of that.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or (int, int)
        Of the convolution that it is the transpose of: the padding is cut off from the result.
    output_padding : int or (int, int)
        How many rows and columns to add at the bottom and the right; less than the stride, or than the dilation.
    groups, bias, rng, dtype
        Those of `Conv2D`.
    padding_mode : {"zeros"}

    Attributes
    ----------
    weight : Tensor, shape (in_channels, out_channels / groups, kh, kw)
    bias : Tensor, shape (out_channels,), or None
        Both drawn from [-a, a) with a = 1 / sqrt(out_channels / groups * kh * kw), as in PyTorch.

    Raises
    ------
    ShapeError
        For sizes that are not whole numbers, or that `groups` does not divide; of `forward`, for images, or a size,
        that do not fit.
    ValueError
        For another padding mode.

    Examples
    --------
    >>> layer = ConvTranspose2D(8, 1, 3, stride=2, padding=1)
    >>> maps = np.ones((5, 8, 14, 14))
    >>> layer(maps).shape, layer(maps, output_size=(28, 28)).shape
    ((5, 1, 27, 27), (5, 1, 28, 28))
    """

    function = staticmethod(ops.conv_transpose2d)


class ConvTranspose1D(_ConvTranspose):
    """`ConvTranspose2D` of rows: (N, in_channels, L), or (in_channels, L), to (N, out_channels, columns).

    Each setting of the window is a whole number, alone or in a tuple; the weight has the shape (in_channels,
    out_channels / groups, k).

    Examples
    --------
    >>> ConvTranspose1D(2, 3, 4, stride=2)(np.ones((5, 2, 4))).shape
    (5, 3, 10)
    """

    axes = 1
    function = staticmethod(ops.conv_transpose1d)


def size_between(
    name: str, shape: tuple[int, ...], output_size: Sequence[int], least: tuple[int, ...], most: tuple[int, ...]
) -> tuple[int, ...]:
    """Return a size that was asked for, without the axes of samples and channels, or say which sizes there are.

    It may be longer by the number of axes that the input of that shape has besides.
    """
    size = tuple(output_size)
    if len(size) == len(shape):
        size = size[-len(least) :]
    if len(size) != len(least) or not all(a <= n <= b for a, n, b in zip(least, size, most, strict=True)):
        raise ShapeError(f"{name}: of an input {shape}, output_size is from {least} to {most}, not {output_size}.")
    return size
