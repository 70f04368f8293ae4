"""Pooling and unpooling layers."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine import shape_of, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn.convolution import Numbers, per_axis, size_between
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import require_batch
from tinygrad_edu.ops.adaptive_pooling import Wanted

__all__ = [
    "AdaptiveAvgPool1D", "AdaptiveAvgPool2D", "AdaptiveMaxPool1D", "AdaptiveMaxPool2D", "AvgPool1D", "AvgPool2D",
    "LPPool1D", "LPPool2D", "MaxPool1D", "MaxPool2D", "MaxUnpool1D", "MaxUnpool2D",
]  # fmt: skip


class _Pool(Module):
    """Base class of pools. Their settings stay as they are written, as in PyTorch."""

    axes = 2
    function: Callable[..., Any]
    _setting_names: tuple[str, ...] = ("kernel_size", "stride", "padding")
    kernel_size: Numbers
    stride: Numbers | None

    def _set_window(self, **window: Numbers | None) -> None:
        for name, value in window.items():
            if value is not None:
                per_axis(self, name, value)  # which says what is wrong with it
            setattr(self, name, value)


class _MaxPool(_Pool):
    """Base class of `MaxPool1D` and `MaxPool2D`."""

    couples_samples = False
    _setting_names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0, dilation: Numbers = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        stride = kernel_size if stride is None else stride
        self._set_window(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, x: Any) -> Any:
        """Apply `ops.max_pool2d`, or that of rows."""
        window: Any = [getattr(self, name) for name in self._setting_names]
        return type(self).function(x, *window, return_indices=self.return_indices)


class MaxPool2D(_MaxPool):
    """The greatest pixel of each window: (N, C, H, W) becomes (N, C, rows, columns), and (C, H, W) of one image, too.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        That of the kernel unless given.
    padding : int or (int, int)
        At most half of the window. It never wins.
    dilation : int or (int, int)
        How far the next pixel in a window is.
    return_indices : bool
        Whether to return the positions of the greatest pixels, too: what `MaxUnpool2D` takes.
    ceil_mode : bool
        Whether a last window that is partly outside counts. Otherwise a remainder of the image is dropped.

    Raises
    ------
    ShapeError
        For settings that are not whole numbers; of `forward`, where the window does not fit.

    Examples
    --------
    >>> MaxPool2D(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 5.,  7.],
            [13., 15.]]])
    """

    function = staticmethod(ops.max_pool2d)


class MaxPool1D(_MaxPool):
    """`MaxPool2D` of rows: (N, C, L) becomes (N, C, columns), and (C, L) of one sample, too."""

    axes = 1
    function = staticmethod(ops.max_pool1d)


class _AvgPool(_Pool):
    """Base class of `AvgPool1D` and `AvgPool2D`."""

    couples_samples = False

    def __init__(
        self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        self._set_window(kernel_size=kernel_size, stride=kernel_size if stride is None else stride, padding=padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Any:
        """Apply `ops.avg_pool2d`, or that of rows."""
        window: Any = [getattr(self, name) for name in self._setting_names]
        return type(self).function(x, *window, self.ceil_mode, self.count_include_pad, self.divisor_override)


class AvgPool2D(_AvgPool):
    """The mean of each window: (N, C, H, W) becomes (N, C, rows, columns), and (C, H, W) of one image, too.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        That of the kernel unless given.
    padding : int or (int, int)
        At most half of the kernel, of zeros.
    ceil_mode : bool
        Whether a last window that is partly outside counts. Otherwise a remainder of the image is dropped.
    count_include_pad : bool
        Whether the mean includes the zeros of the padding.
    divisor_override : int, optional
        What the sum of each window is divided by, instead of the number of its pixels.

    Raises
    ------
    ShapeError
        For settings that are not whole numbers; of `forward`, where the window does not fit.
    ValueError
        Of `forward`, for a divisor of 0.

    Examples
    --------
    >>> AvgPool2D(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """

    function = staticmethod(ops.avg_pool2d)


class AvgPool1D(_AvgPool):
    """`AvgPool2D` of rows: (N, C, L) becomes (N, C, columns), and (C, L) of one sample, too."""

    axes = 1
    function = staticmethod(ops.avg_pool1d)

    def __init__(
        self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        for name in self._setting_names:  # in tuples, as in PyTorch for this layer alone
            setattr(self, name, per_axis(self, name, getattr(self, name)))


class _LPPool(_Pool):
    """Base class of `LPPool1D` and `LPPool2D`."""

    couples_samples = False
    avg_pool: Callable[..., Any]
    max_pool: Callable[..., Any]
    _setting_names = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
    ) -> None:
        if norm_type == 0:
            raise ValueError(f"{type(self).__name__}: norm_type is the p of a p-norm, and not 0.")
        self._set_window(kernel_size=kernel_size, stride=stride)
        self.norm_type, self.ceil_mode = norm_type, ceil_mode

    def forward(self, x: Any) -> Any:
        """Take the root of so many times the mean as the window has places."""
        window = {"kernel_size": self.kernel_size, "stride": self.stride, "ceil_mode": self.ceil_mode}
        p, avg_pool, max_pool = self.norm_type, type(self).avg_pool, type(self).max_pool
        if math.isinf(p):
            return max_pool(ops.abs(x), **window) if p > 0 else -max_pool(-ops.abs(x), **window)
        means = avg_pool(ops.power(x, p), **window)
        zero = values_of(means) == 0  # where the root has no finite derivative
        sums = ops.masked_fill(means, zero, 1.0) * math.prod(per_axis(self, "kernel_size", self.kernel_size))
        return ops.masked_fill(ops.power(sums, 1 / p), zero, 0.0)


class LPPool2D(_LPPool):
    """The p-norm of each window, (sum of x**p)**(1 / p): (N, C, H, W) becomes (N, C, rows, columns).

    Parameters
    ----------
    norm_type : float
        The p, other than 0. With 1 it is the sum; with infinity, the greatest of the absolute values.
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        That of the kernel unless given.
    ceil_mode : bool
        Whether a last window that is partly outside counts, as if it went on with the mean of what is inside.

    Raises
    ------
    ShapeError
        For settings that are not whole numbers; of `forward`, where the window does not fit.
    ValueError
        For a p of 0.

    Notes
    -----
    As in PyTorch, x is not made positive unless p is infinite, and the derivative is 0 where the sum is.

    Examples
    --------
    >>> LPPool2D(2, (1, 2))(np.array([[[3.0, 4.0, 5.0, 12.0]]]))
    array([[[ 5., 13.]]])
    """

    avg_pool, max_pool = staticmethod(ops.avg_pool2d), staticmethod(ops.max_pool2d)


class LPPool1D(_LPPool):
    """`LPPool2D` of rows: (N, C, L) becomes (N, C, columns), and (C, L) of one sample, too."""

    axes = 1
    avg_pool, max_pool = staticmethod(ops.avg_pool1d), staticmethod(ops.max_pool1d)


class _AdaptivePool(Module):
    """Base class of the adaptive pools."""

    couples_samples = False
    function: Callable[..., Any]
    _setting_names = ("output_size",)

    def __init__(self, output_size: Wanted) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """Apply the function of this layer."""
        return type(self).function(x, self.output_size)


class AdaptiveAvgPool2D(_AdaptivePool):
    """The means of windows that cover the images as evenly as may be: (N, C, H, W) becomes (N, C, rows, columns).

    Parameters
    ----------
    output_size : int, or pair of int or None
        (rows, columns). None leaves a direction as it is.

    Raises
    ------
    ShapeError
        Of `forward`, for anything else.

    Examples
    --------
    >>> AdaptiveAvgPool2D((1, None))(np.arange(6.0).reshape(1, 2, 3))
    array([[[1.5, 2.5, 3.5]]])
    """

    function = staticmethod(ops.adaptive_avg_pool2d)


class AdaptiveAvgPool1D(_AdaptivePool):
    """`AdaptiveAvgPool2D` of rows: (N, C, L) becomes (N, C, columns), and (C, L) of one sample, too."""

    function = staticmethod(ops.adaptive_avg_pool1d)


class _AdaptiveMaxPool(_AdaptivePool):
    """Base class of `AdaptiveMaxPool1D` and `AdaptiveMaxPool2D`."""

    couples_samples = False

    def __init__(self, output_size: Wanted, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: Any) -> Any:
        """Apply the function of this layer."""
        return type(self).function(x, self.output_size, self.return_indices)


class AdaptiveMaxPool2D(_AdaptiveMaxPool):
    """The greatest pixels of the windows of `AdaptiveAvgPool2D`.

    Parameters
    ----------
    output_size : int, or pair of int or None
    return_indices : bool
        Whether to return the positions of the greatest pixels, too.
    """

    function = staticmethod(ops.adaptive_max_pool2d)


class AdaptiveMaxPool1D(_AdaptiveMaxPool):
    """`AdaptiveMaxPool2D` of rows: (N, C, L) becomes (N, C, columns), and (C, L) of one sample, too."""

    function = staticmethod(ops.adaptive_max_pool1d)


class _MaxUnpool(_Pool):
    """Base class of `MaxUnpool1D` and `MaxUnpool2D`."""

    couples_samples = False

    def __init__(self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0) -> None:
        self._set_window(kernel_size=kernel_size, stride=kernel_size if stride is None else stride, padding=padding)

    def forward(self, x: Any, indices: Any, output_size: Sequence[int] | None = None) -> Any:
        """Map (N, C, rows, columns), or one without N, and its positions to (N, C, H, W).

        `output_size`, (H, W) or the whole shape, is less than a stride away from the size that it would be.
        """
        shape, places = shape_of(x), np.asarray(values_of(indices))
        require_batch(type(self).__name__, shape, self.axes)
        size = self._unpooled_size(shape, output_size)
        if places.dtype.kind not in "iu":
            raise DTypeError(f"{type(self).__name__}: indices are whole numbers, not {places.dtype}.")
        if places.shape != shape or not np.all((places >= 0) & (places < math.prod(size))):
            raise ShapeError(
                f"{type(self).__name__}: an input {shape} for images of the size {size}: its indices have that shape, "
                f"here {places.shape}, and are positions in an image. Is this the size before the pooling?"
            )
        others, flat = shape[: -self.axes], (*shape[: -self.axes], math.prod(shape[-self.axes :]))
        blank = np.zeros((*others, math.prod(size)), np.asarray(values_of(x)).dtype)
        images = ops.put_along_axis(blank, places.reshape(flat), ops.reshape(x, flat), -1)
        return ops.reshape(images, (*others, *size))

    def _unpooled_size(self, shape: tuple[int, ...], output_size: Sequence[int] | None) -> tuple[int, ...]:
        kernel, stride, padding = (per_axis(self, name, getattr(self, name)) for name in self._setting_names)
        each = zip(shape[-self.axes :], kernel, stride, padding, strict=True)
        usual = tuple((n - 1) * s + k - 2 * p for n, k, s, p in each)
        least, most = (tuple(n + sign * (s - 1) for n, s in zip(usual, stride, strict=True)) for sign in (-1, 1))
        return size_between(type(self).__name__, shape, usual if output_size is None else output_size, least, most)


class MaxUnpool2D(_MaxUnpool):
    """Images of zeros, but for the pixels that `MaxPool2D` returned, each at the position it had.

    Parameters
    ----------
    kernel_size, stride, padding
        Those of the pooling.

    Raises
    ------
    ShapeError
        For settings that are not whole numbers; of `forward`, for positions outside of the image or in another shape
        than x, or for a size that cannot be.
    DTypeError
        Of `forward`, for positions that are not whole numbers.

    Examples
    --------
    >>> x = np.array([[[1.0, 5.0], [3.0, 2.0]]])
    >>> MaxUnpool2D(2)(*MaxPool2D(2, return_indices=True)(x))
    array([[[0., 5.],
            [0., 0.]]])
    """


class MaxUnpool1D(_MaxUnpool):
    """`MaxUnpool2D` of rows: (N, C, columns), or (C, columns), and its positions, to (N, C, L)."""

    axes = 1
