"""Pooling and unpooling layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, shape_of, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn.layers.convolution import Numbers, checked_size, window_option
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.images.adaptive_pooling import OutputSize

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import OneInput

__all__ = [
    "AdaptiveAvgPool1D", "AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "AdaptiveMaxPool1D", "AdaptiveMaxPool2D",
    "AdaptiveMaxPool3D", "AvgPool1D", "AvgPool2D", "AvgPool3D", "LPPool1D", "LPPool2D", "LPPool3D", "MaxPool1D",
    "MaxPool2D", "MaxPool3D", "MaxUnpool1D", "MaxUnpool2D", "MaxUnpool3D",
]  # fmt: skip


class _Pool(Module):
    """Base class of pooling layers. Options keep the form in which they are passed, as in PyTorch."""

    axes = 2
    function: Callable[..., Any]
    _setting_names: tuple[str, ...] = ("kernel_size", "stride", "padding")
    kernel_size: Numbers
    stride: Numbers | None

    def _set_window(self, **window: Numbers | None) -> None:
        for name, value in window.items():
            if value is not None:
                window_option(self, name, value)  # raises for an invalid value
            setattr(self, name, value)


class _MaxPool(_Pool):
    """Base class of the max pooling layers.

    Parameters
    ----------
    padding : int or tuple of int, default 0
        Implicit padding with minus infinity, at most half of the window.
    dilation : int or tuple of int, default 1
        Step between the elements of a window.
    return_indices : bool, default False
        Whether to also return the positions of the maxima, for `MaxUnpool2D` and its like.
    ceil_mode : bool, default False
        Whether to round the output size up, which includes windows partly outside of the input. Default: round down.
    stride : int or tuple of int, optional
        Step between windows. Default: `kernel_size`.
    """

    __call__: OneInput
    _setting_names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0, dilation: Numbers = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        stride = kernel_size if stride is None else stride
        self._set_window(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, x: TensorLike) -> Tensor | Array | tuple[Tensor | Array, Array]:
        """Apply the function of this layer."""
        window: Any = [getattr(self, name) for name in self._setting_names]
        return type(self).function(x, *window, return_indices=self.return_indices)


class MaxPool2D(_MaxPool):
    """2-D max pooling: (N, C, H, W) or (C, H, W) becomes (..., H_out, W_out), the maximum of each window.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the windows. A pair is (vertical, horizontal).
    stride : int or (int, int), optional
        Default: `kernel_size`.

    Raises
    ------
    DTypeError, ValueError
        A window option is not an integer in its range.
    ShapeError
        The window does not fit into the input.

    Examples
    --------
    >>> MaxPool2D(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 5.,  7.],
            [13., 15.]]])
    """

    function = staticmethod(ops.max_pool2d)


class MaxPool1D(_MaxPool):
    """1-D max pooling: (N, C, L) or (C, L) becomes (..., L_out). See `MaxPool2D`.

    Parameters
    ----------
    kernel_size : int or (int,)
        Length of the windows.

    Examples
    --------
    >>> MaxPool1D(2)(np.array([[1.0, 3.0, 7.0, 5.0]]))
    array([[3., 7.]])
    """

    axes = 1
    function = staticmethod(ops.max_pool1d)


class MaxPool3D(_MaxPool):
    """3-D max pooling: (N, C, D, H, W) or (C, D, H, W) becomes (..., D_out, H_out, W_out). See `MaxPool2D`.

    Parameters
    ----------
    kernel_size : int or (int, int, int)
        Size of the windows (depth, vertical, horizontal).

    Examples
    --------
    >>> MaxPool3D(2)(np.arange(16.0).reshape(1, 2, 2, 4))
    array([[[[13., 15.]]]])
    """

    axes = 3
    function = staticmethod(ops.max_pool3d)


class _AvgPool(_Pool):
    """Base class of the average pooling layers.

    Parameters
    ----------
    padding : int or tuple of int, default 0
        Zero padding, at most half of the kernel.
    count_include_pad : bool, default True
        Whether the mean includes the padding.
    divisor_override : int, optional
        Divisor of the sum of each window. Default: the number of elements of the window.
    """

    __call__: OneInput

    def __init__(
        self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        self._set_window(kernel_size=kernel_size, stride=kernel_size if stride is None else stride, padding=padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply the function of this layer."""
        window: Any = [getattr(self, name) for name in self._setting_names]
        return type(self).function(x, *window, self.ceil_mode, self.count_include_pad, self.divisor_override)


class AvgPool2D(_AvgPool):
    """2-D average pooling: (N, C, H, W) or (C, H, W) becomes (..., H_out, W_out), the mean of each window.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the windows. A pair is (vertical, horizontal).

    Raises
    ------
    DTypeError, ValueError
        A window option is not an integer in its range, or the divisor is 0.
    ShapeError
        The window does not fit into the input.

    Examples
    --------
    >>> AvgPool2D(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """

    function = staticmethod(ops.avg_pool2d)


class AvgPool1D(_AvgPool):
    """1-D average pooling: (N, C, L) or (C, L) becomes (..., L_out). See `AvgPool2D`.

    Parameters
    ----------
    kernel_size : int or (int,)
        Length of the windows.
    padding : int or (int,), default 0
        Zero padding of both ends, at most half of the window.

    Examples
    --------
    >>> AvgPool1D(2)(np.array([[1.0, 3.0, 5.0, 7.0]]))
    array([[2., 6.]])
    """

    axes = 1
    function = staticmethod(ops.avg_pool1d)

    def __init__(
        self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        for name in self._setting_names:  # as tuples, as in PyTorch's AvgPool1d only
            setattr(self, name, window_option(self, name, getattr(self, name)))


class AvgPool3D(_AvgPool):
    """3-D average pooling: (N, C, D, H, W) or (C, D, H, W) becomes (..., D_out, H_out, W_out). See `AvgPool2D`.

    Parameters
    ----------
    kernel_size : int or (int, int, int)
        Size of the windows (depth, vertical, horizontal).

    Examples
    --------
    >>> AvgPool3D(2)(np.arange(16.0).reshape(1, 2, 2, 4))
    array([[[[6.5, 8.5]]]])
    """

    axes = 3
    function = staticmethod(ops.avg_pool3d)


class _LPPool(_Pool):
    """Base class of the power-average pooling layers.

    Parameters
    ----------
    norm_type : float
        The exponent p, not 0. 1 gives the sum; infinity gives the maximum absolute value.
    ceil_mode : bool, default False
        Whether to round the output size up. Elements of a window outside of the input count as the mean of the others.
    """

    __call__: OneInput
    avg_pool: Callable[..., Any]
    max_pool: Callable[..., Any]
    _setting_names = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
    ) -> None:
        if norm_type == 0:
            raise ValueError(f"{type(self).__name__}: norm_type, the p of a p-norm, must not be 0.")
        self._set_window(kernel_size=kernel_size, stride=stride)
        self.norm_type, self.ceil_mode = norm_type, ceil_mode

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Return (mean of x**p * window size)**(1 / p) for each window."""
        window = {"kernel_size": self.kernel_size, "stride": self.stride, "ceil_mode": self.ceil_mode}
        p, avg_pool, max_pool = self.norm_type, type(self).avg_pool, type(self).max_pool
        if math.isinf(p):
            return max_pool(ops.abs(x), **window) if p > 0 else -max_pool(-ops.abs(x), **window)
        means = avg_pool(ops.power(x, p), **window)
        zero = values_of(means) == 0  # the root has no finite derivative there
        sums = ops.masked_fill(means, zero, 1.0) * math.prod(window_option(self, "kernel_size", self.kernel_size))
        return ops.masked_fill(ops.power(sums, 1 / p), zero, 0.0)


class LPPool2D(_LPPool):
    """2-D power-average pooling: (sum of x**p)**(1 / p) of each window. (N, C, H, W) becomes (N, C, H_out, W_out).

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the windows. A pair is (vertical, horizontal).
    stride : int or (int, int), optional
        Default: `kernel_size`.

    Raises
    ------
    DTypeError, ValueError
        A window option is not an integer in its range, or `norm_type` is 0.
    ShapeError
        The window does not fit into the input.

    Notes
    -----
    As in PyTorch, no absolute value is taken unless p is infinite, and the gradient is 0 where the sum is 0.

    Examples
    --------
    >>> LPPool2D(2, (1, 2))(np.array([[[3.0, 4.0, 5.0, 12.0]]]))
    array([[[ 5., 13.]]])
    """

    avg_pool, max_pool = staticmethod(ops.avg_pool2d), staticmethod(ops.max_pool2d)


class LPPool1D(_LPPool):
    """1-D power-average pooling: (N, C, L) or (C, L) becomes (..., L_out). See `LPPool2D`.

    Parameters
    ----------
    kernel_size : int or (int,)
        Length of the windows.

    Examples
    --------
    >>> LPPool1D(2, 2)(np.array([[3.0, 4.0, 5.0, 12.0]]))
    array([[ 5., 13.]])
    """

    axes = 1
    avg_pool, max_pool = staticmethod(ops.avg_pool1d), staticmethod(ops.max_pool1d)


class LPPool3D(_LPPool):
    """3-D power-average pooling: (N, C, D, H, W) or (C, D, H, W) becomes (..., D_out, H_out, W_out). See `LPPool2D`.

    Parameters
    ----------
    kernel_size : int or (int, int, int)
        Size of the windows (depth, vertical, horizontal).

    Examples
    --------
    >>> LPPool3D(2, (1, 1, 2))(np.array([[[[3.0, 4.0, 5.0, 12.0]]]]))
    array([[[[ 5., 13.]]]])
    """

    axes = 3
    avg_pool, max_pool = staticmethod(ops.avg_pool3d), staticmethod(ops.max_pool3d)


class _AdaptivePool(Module):
    """Base class of the adaptive pooling layers."""

    __call__: OneInput
    function: Callable[..., Any]
    _setting_names = ("output_size",)

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = output_size

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply the function of this layer."""
        return type(self).function(x, self.output_size)


class AdaptiveAvgPool2D(_AdaptivePool):
    """2-D adaptive average pooling: (N, C, H, W) becomes (N, C, H_out, W_out) with evenly spaced windows.

    Parameters
    ----------
    output_size : int, or pair of int or None
        (H_out, W_out). None keeps the size of the input.

    Raises
    ------
    DTypeError, ValueError, ShapeError
        `output_size` is not an integer >= 1 or a pair of them, or the input has the wrong shape.

    Examples
    --------
    >>> AdaptiveAvgPool2D((1, None))(np.arange(6.0).reshape(1, 2, 3))
    array([[[1.5, 2.5, 3.5]]])
    """

    function = staticmethod(ops.adaptive_avg_pool2d)


class AdaptiveAvgPool1D(_AdaptivePool):
    """1-D adaptive average pooling: (N, C, L) or (C, L) becomes (..., L_out). See `AdaptiveAvgPool2D`.

    Parameters
    ----------
    output_size : int, (int,) or None
        Length L_out. None keeps the length of the input.

    Examples
    --------
    >>> AdaptiveAvgPool1D(2)(np.array([[1.0, 2.0, 3.0, 4.0]]))
    array([[1.5, 3.5]])
    """

    function = staticmethod(ops.adaptive_avg_pool1d)


class AdaptiveAvgPool3D(_AdaptivePool):
    """3-D adaptive average pooling: (N, C, D, H, W) becomes (N, C, D_out, H_out, W_out). See `AdaptiveAvgPool2D`.

    Parameters
    ----------
    output_size : int, or tuple of three of int or None
        (D_out, H_out, W_out). None keeps the size of the input.

    Examples
    --------
    >>> AdaptiveAvgPool3D(1)(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[[[3.5]]]])
    """

    function = staticmethod(ops.adaptive_avg_pool3d)


class _AdaptiveMaxPool(_AdaptivePool):
    """Base class of the adaptive max pooling layers.

    Parameters
    ----------
    return_indices : bool, default False
        Whether to also return the positions of the maxima.
    """

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: TensorLike) -> Tensor | Array | tuple[Tensor | Array, Array]:  # type: ignore[override]
        """Apply the function of this layer."""
        return type(self).function(x, self.output_size, self.return_indices)


class AdaptiveMaxPool2D(_AdaptiveMaxPool):
    """2-D adaptive max pooling, with the windows of `AdaptiveAvgPool2D`.

    Examples
    --------
    >>> AdaptiveMaxPool2D((1, None))(np.arange(6.0).reshape(1, 2, 3))
    array([[[3., 4., 5.]]])
    """

    function = staticmethod(ops.adaptive_max_pool2d)


class AdaptiveMaxPool1D(_AdaptiveMaxPool):
    """1-D adaptive max pooling: (N, C, L) or (C, L) becomes (..., L_out). See `AdaptiveMaxPool2D`.

    Parameters
    ----------
    output_size : int, (int,) or None
        Length L_out. None keeps the length of the input.

    Examples
    --------
    >>> AdaptiveMaxPool1D(2)(np.array([[1.0, 2.0, 3.0, 4.0]]))
    array([[2., 4.]])
    """

    function = staticmethod(ops.adaptive_max_pool1d)


class AdaptiveMaxPool3D(_AdaptiveMaxPool):
    """3-D adaptive max pooling, with the windows of `AdaptiveAvgPool3D`.

    Parameters
    ----------
    output_size : int, or tuple of three of int or None
        (D_out, H_out, W_out). None keeps the size of the input.

    Examples
    --------
    >>> AdaptiveMaxPool3D((1, None, 1))(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[[[5.],
             [7.]]]])
    """

    function = staticmethod(ops.adaptive_max_pool3d)


@batched("vectors", inputs=2, name="max_unpool")
def unpooled(x: Any, indices: Any, name: str, size: tuple[int, ...]) -> Any:
    """Return images of `size` with the elements of x at the indices and 0 elsewhere."""
    shape, positions = shape_of(x), np.asarray(values_of(indices))
    if positions.dtype.kind not in "iu":
        raise DTypeError(f"{name}: indices must be integers, got {positions.dtype}.")
    if positions.shape != shape or not np.all((positions >= 0) & (positions < math.prod(size))):
        raise ShapeError(
            f"{name}: indices must have the shape {shape} of the input and be positions in an image of size {size}, "
            f"got shape {positions.shape}. Pass the size before pooling as output_size."
        )
    leading, flat = shape[: -len(size)], (*shape[: -len(size)], math.prod(shape[-len(size) :]))
    blank = np.zeros((*leading, math.prod(size)), np.asarray(values_of(x)).dtype)
    images = ops.put_along_axis(blank, positions.reshape(flat), ops.reshape(x, flat), -1)
    return ops.reshape(images, (*leading, *size))


class _MaxUnpool(_Pool):
    """Base class of the unpooling layers.

    Parameters
    ----------
    kernel_size : int or tuple of int
        Size of the windows of the pooling.
    stride : int or tuple of int, optional
        Step between the windows. Default: `kernel_size`.
    padding : int or tuple of int, default 0
        Padding of the pooling.
    """

    def __init__(self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0) -> None:
        self._set_window(kernel_size=kernel_size, stride=kernel_size if stride is None else stride, padding=padding)

    def forward(self, x: TensorLike, indices: ArrayLike, output_size: Sequence[int] | None = None) -> Tensor | Array:
        """Map (N, C, H_in, W_in), or one sample without N, and the indices of its elements to (N, C, H, W).

        `output_size`, (H, W) or the full shape, may differ from the default size by less than the stride.
        """
        size = self._unpooled_size(shape_of(x), output_size)
        return unpooled(x, indices, type(self).__name__, size)

    def _unpooled_size(self, shape: tuple[int, ...], output_size: Sequence[int] | None) -> tuple[int, ...]:
        kernel, stride, padding = (window_option(self, name, getattr(self, name)) for name in self._setting_names)
        axes = zip(shape[-self.axes :], kernel, stride, padding, strict=True)
        default = tuple((n - 1) * s + k - 2 * p for n, k, s, p in axes)
        low, high = (tuple(n + sign * (s - 1) for n, s in zip(default, stride, strict=True)) for sign in (-1, 1))
        return checked_size(type(self).__name__, shape, default if output_size is None else output_size, low, high)


class MaxUnpool2D(_MaxUnpool):
    """Partial inverse of `MaxPool2D`: put the maxima back at their positions, and zeros elsewhere.

    Raises
    ------
    DTypeError, ValueError
        A window option is not an integer in its range, or the indices are not integers.
    ShapeError
        The indices are out of range or not of the shape of x, or `output_size` is out of range.

    Examples
    --------
    >>> x = np.array([[[1.0, 5.0], [3.0, 2.0]]])
    >>> MaxUnpool2D(2)(*MaxPool2D(2, return_indices=True)(x))
    array([[[0., 5.],
            [0., 0.]]])
    """


class MaxUnpool1D(_MaxUnpool):
    """Partial inverse of `MaxPool1D`: (N, C, L_in) or (C, L_in) becomes (..., L). See `MaxUnpool2D`.

    Parameters
    ----------
    kernel_size : int or (int,)
        Length of the windows of the pooling.

    Examples
    --------
    >>> MaxUnpool1D(2)(*MaxPool1D(2, return_indices=True)(np.array([[1.0, 3.0, 7.0, 5.0]])))
    array([[0., 3., 7., 0.]])
    """

    axes = 1


class MaxUnpool3D(_MaxUnpool):
    """Partial inverse of `MaxPool3D`: (N, C, D_in, H_in, W_in) becomes (N, C, D, H, W). See `MaxUnpool2D`.

    Examples
    --------
    >>> x = np.array([[[[1.0, 5.0], [3.0, 2.0]]]])
    >>> MaxUnpool3D((1, 2, 2))(*MaxPool3D((1, 2, 2), return_indices=True)(x))
    array([[[[0., 5.],
             [0., 0.]]]])
    """

    axes = 3
