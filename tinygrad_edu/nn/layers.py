"""The layers: modules that hold parameters and compose the ops. Names, shapes and layouts are PyTorch's."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.randomness import current_stream
from tinygrad_edu.ops.dropout import draw_bits, dropout, memory_order
from tinygrad_edu.ops.windows import Pair, pair

__all__ = [
    "AvgPool2D", "Conv2D", "Dropout", "Flatten", "Linear", "LogSoftmax", "MaxPool2D", "ReLU", "Sigmoid", "Softmax",
    "Tanh", "Unflatten",
]  # fmt: skip


class Linear(Module):
    """The affine map y = x @ weight.T + bias.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
        Whether to add one.
    rng : numpy.random.Generator, optional
        Draws the parameters. Without it they differ from run to run.
    dtype : float32 or float64
        Of the parameters.

    Attributes
    ----------
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), or None
        Both drawn from [-a, a) with a = 1 / sqrt(in_features), as in PyTorch: see `init` for others.

    Raises
    ------
    ShapeError
        For a size that is not a whole number of at least 1; of `forward`, for an input that does not fit.

    Examples
    --------
    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        _require_sizes("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight, self.bias = _affine((out_features, in_features), bias, rng, dtype)

    def forward(self, x: Any) -> Any:
        """Map (..., in_features) to (..., out_features)."""
        if np.shape(x)[-1:] != (self.in_features,):
            raise ShapeError(
                f"Linear({self.in_features}, {self.out_features}): the input has shape {np.shape(x)}, and its last "
                f"axis needs the length {self.in_features}. Images become rows with Flatten()."
            )
        return ops.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        without = "" if self.bias is not None else ", bias=False"
        return f"in_features={self.in_features}, out_features={self.out_features}{without}"


class Conv2D(Module):
    """A layer of kernels that slide over images (cross-correlation, as everywhere in the field).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or (int, int)
        A pair is (vertical, horizontal). The padding is of zeros, on both sides.
    groups : int
        The channels are cut into so many groups, each with kernels of its own; it divides both numbers of channels.
    bias : bool
        Whether to add one.
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
        For sizes that are not whole numbers, or that `groups` does not divide; of `forward`, for images that do not
        fit.

    Examples
    --------
    >>> layer = Conv2D(1, 16, kernel_size=3, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 1, 28, 28))).shape
    (5, 16, 26, 26)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        _require_sizes("Conv2D", in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ShapeError(f"Conv2D: groups={groups} must divide {in_channels} and {out_channels} channels.")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
        self.padding, self.dilation = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight, self.bias = _affine(shape, bias, rng, dtype)

    def forward(self, x: Any) -> Any:
        """Map images (N, in_channels, H, W) to maps (N, out_channels, rows, columns)."""
        return ops.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that are not the usual ones."""
        usual = {"padding": (0, 0), "dilation": (1, 1), "groups": 1}
        unusual = "".join(f", {name}={getattr(self, name)}" for name in usual if getattr(self, name) != usual[name])
        without = "" if self.bias is not None else ", bias=False"
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{sizes}{unusual}{without}"


class Tanh(Module):
    """The hyperbolic tangent of each element."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.tanh`."""
        return ops.tanh(x)


class ReLU(Module):
    """max(x, 0) of each element."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.relu`."""
        return ops.relu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)) of each element."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.sigmoid`."""
        return ops.sigmoid(x)


class _AlongAxis(Module):
    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"axis={self.axis}"


class Softmax(_AlongAxis):
    """exp(x) / sum(exp(x)) along `axis`. A loss wants the logits instead: see `CrossEntropyLoss`."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.softmax`."""
        return ops.softmax(x, axis=self.axis)


class LogSoftmax(_AlongAxis):
    """The logarithm of `Softmax`, without overflow: what `NLLLoss` wants."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.log_softmax`."""
        return ops.log_softmax(x, axis=self.axis)


class Dropout(Module):
    """In training, zero each element with probability `p` and divide the rest by 1 - p; otherwise do nothing.

    The expectation of each element stays what it was, and evaluation returns the input itself.

    Parameters
    ----------
    p : float
        In [0, 1).
    rng : numpy.random.Generator, optional
        Draws the masks. Without it they differ from run to run.

    Raises
    ------
    ValueError
        For another p.
    DTypeError
        Of `forward`, for an input that is not floating point.

    Examples
    --------
    >>> dropout = Dropout(0.5, np.random.default_rng(0))
    >>> dropout(np.ones(8, np.float32))
    array([0., 2., 0., 2., 2., 2., 2., 2.], dtype=float32)
    >>> dropout.eval()(np.ones(3, np.float32))
    array([1., 1., 1.], dtype=float32)
    """

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p is the part to drop, at least 0 and less than 1, not {p!r}.")
        self.p = float(p)
        self.rng = init.generator_or_new(rng)

    def forward(self, x: Any) -> Any:
        """Draw a bit for each element, in the order of memory, and keep and scale those whose bit is set."""
        if not self.training or self.p == 0:
            return x
        if x.dtype.kind != "f":
            raise DTypeError(f"Dropout scales what it keeps: it needs floating-point values, not {x.dtype}.")
        bits = draw_bits(x.size, self.p, current_stream(self.rng))
        return dropout(x, bits, 1 / (1 - self.p), memory_order(values_of(x)))

    def extra_repr(self) -> str:
        """Return p."""
        return f"p={self.p}"


class Flatten(Module):
    """Make one axis of several: of a batch (N, ...) the rows (N, length), unless said otherwise.

    Parameters
    ----------
    start_axis, end_axis : int
        The first and the last of the axes that become one. Negative ones count from the end.

    Raises
    ------
    AxisError, ShapeError
        Of `forward`, for an input without these axes, or where the first lies behind the last.

    Examples
    --------
    >>> Flatten()(np.zeros((5, 2, 3, 4))).shape, Flatten(0, 1)(np.zeros((5, 2, 3, 4))).shape
    ((5, 24), (10, 3, 4))
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Any) -> Any:
        """Apply `ops.flatten`."""
        return ops.flatten(x, self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        """Return the axes, if they are not the usual ones."""
        axes = (self.start_axis, self.end_axis)
        return "" if axes == (1, -1) else f"start_axis={self.start_axis}, end_axis={self.end_axis}"


class Unflatten(Module):
    """Make several axes of one: what `Flatten` did, undone.

    Parameters
    ----------
    axis : int
        The axis that is taken apart. A negative one counts from the end.
    sizes : sequence of int
        The lengths that it is taken apart into. One may be -1, for what is left.

    Raises
    ------
    AxisError, ShapeError
        Of `forward`, for an input without that axis, or where these are no factors of its length.

    Examples
    --------
    >>> Unflatten(1, (2, -1))(np.zeros((5, 24))).shape
    (5, 2, 12)
    """

    def __init__(self, axis: int, sizes: Sequence[int]) -> None:
        self.axis, self.sizes = axis, tuple(sizes)

    def forward(self, x: Any) -> Any:
        """Reshape the axis."""
        shape = np.shape(x)
        axis = normalize_axis_index(self.axis, len(shape))
        known = math.prod(size for size in self.sizes if size != -1)
        rest = shape[axis] // known if known else 0
        sizes = tuple(rest if size == -1 else size for size in self.sizes)
        if self.sizes.count(-1) > 1 or min(sizes, default=0) < 0 or math.prod(sizes) != shape[axis]:
            raise ShapeError(f"{self!r}: an axis of length {shape[axis]} cannot be taken apart into {self.sizes}.")
        return ops.reshape(x, (*shape[:axis], *sizes, *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        """Return the axis and the sizes."""
        return f"axis={self.axis}, sizes={self.sizes}"


class _Pool2D(Module):
    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else pair(stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)

    def extra_repr(self) -> str:
        """Return the window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2D(_Pool2D):
    """The greatest pixel of each window: (N, C, H, W) becomes (N, C, rows, columns).

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        That of the kernel unless given. A remainder of the image is dropped.
    padding : int or (int, int)
        At most half of the kernel. It never wins.
    """

    def forward(self, x: Any) -> Any:
        """Apply `ops.max_pool2d`."""
        return ops.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2D(_Pool2D):
    """The mean of each window: (N, C, H, W) becomes (N, C, rows, columns).

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        That of the kernel unless given. A remainder of the image is dropped.
    padding : int or (int, int)
        At most half of the kernel, of zeros that the mean includes.
    """

    def forward(self, x: Any) -> Any:
        """Apply `ops.avg_pool2d`."""
        return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


def _require_sizes(layer: str, **sizes: Any) -> None:
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or size < 1:
            raise ShapeError(f"{layer}: {name} is a whole number of at least 1, not {size!r}.")


def _affine(
    shape: tuple[int, ...], bias: bool, rng: np.random.Generator | None, dtype: DTypeLike
) -> tuple[Tensor, Tensor | None]:
    """Draw a weight, and a bias for each of its outputs, as PyTorch does: within 1 / sqrt(fan_in)."""
    rng = init.generator_or_new(rng)
    bound = 1 / math.sqrt(init.fans(shape)[0])
    weight = init.uniform(shape, bound, rng, dtype)
    return weight, init.uniform(shape[:1], bound, rng, dtype) if bias else None
