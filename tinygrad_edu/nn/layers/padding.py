"""Padding layers. Negative padding crops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Tensor, TensorLike, shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import require_sample_axis

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import OneInput

__all__ = [
    "CircularPad1D", "CircularPad2D", "CircularPad3D", "ConstantPad1D", "ConstantPad2D", "ConstantPad3D",
    "ReflectionPad1D", "ReflectionPad2D", "ReflectionPad3D", "ReplicationPad1D", "ReplicationPad2D",
    "ReplicationPad3D", "ZeroPad1D", "ZeroPad2D", "ZeroPad3D",
]  # fmt: skip

# PyTorch's padding modes, and the modes of `ops.pad`.
PAD_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad_images(name: str, x: Any, widths: Sequence[tuple[int, int]], mode: str, value: float = 0) -> Any:
    """Pad the last axes of x by (before, after) each, in one of the modes of `ops.pad`. Negative widths crop.

    As in PyTorch, reflection pads x before it is cropped, circular padding afterwards. Reflection padding must be less
    than the length of the axis, and circular padding at most that length.
    """
    if np.ndim(x) < len(widths):
        raise ShapeError(f"{name}: the input must have at least {len(widths)} axes, got shape {np.shape(x)}.")
    for length, axis_widths in zip(np.shape(x)[-len(widths) :], widths, strict=True):
        _check_padding(name, length, axis_widths, mode)
    crop = (..., *(slice(max(-before, 0), min(after, 0) or None) for before, after in widths))
    cropped = any(min(axis_widths) < 0 for axis_widths in widths)
    if cropped and mode == "wrap":
        x = ops.getitem(x, crop)
    padding = {axis - len(widths): (max(before, 0), max(after, 0)) for axis, (before, after) in enumerate(widths)}
    x = ops.pad(x, padding, mode, constant_values=value)
    return ops.getitem(x, crop) if cropped and mode != "wrap" else x


def _check_padding(name: str, length: int, widths: tuple[int, int], mode: str) -> None:
    if length + sum(widths) < 1:
        raise ShapeError(f"{name}: the padding {widths} leaves no elements of an axis of length {length}.")
    limit = {"reflect": length - 1, "wrap": length + min(widths[0], 0) + min(widths[1], 0)}.get(mode, max(widths))
    if max(widths) > limit:
        raise ShapeError(
            f"{name}: the padding of an axis of length {length} must be at most {limit}, got {widths}. ReplicationPad "
            f"and ConstantPad have no such limit."
        )


class _Pad(Module):
    __call__: OneInput
    axes = 2
    mode = "constant"
    value: float = 0.0

    def __init__(self, padding: int | Sequence[int]) -> None:
        widths = tuple(padding) if isinstance(padding, Sequence) else (padding,) * (2 * self.axes)
        if len(widths) != 2 * self.axes:
            layout = ", ".join(("left, right", "top, bottom", "front, back")[: self.axes])
            raise ShapeError(f"{type(self).__name__}: padding must be an integer or ({layout}), got {padding!r}.")
        self.padding = tuple(integer(f"{type(self).__name__}: padding", width) for width in widths)

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Pad the last axes of x. All other axes are batch axes."""
        require_sample_axis(type(self).__name__, shape_of(x), 0, self.axes + 1)
        widths = [(self.padding[2 * axis], self.padding[2 * axis + 1]) for axis in reversed(range(self.axes))]
        return pad_images(type(self).__name__, x, widths, self.mode, self.value)

    def extra_repr(self) -> str:
        """Return the padding, and the value of a constant padding."""
        return super().extra_repr() or f"{self.padding}"


class _ConstantPad(_Pad):
    _setting_names = ("padding", "value")

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value


class ConstantPad2D(_ConstantPad):
    """Pad images with a constant: (..., H, W) becomes (..., top + H + bottom, left + W + right).

    Parameters
    ----------
    padding : int or (int, int, int, int)
        The padding of all sides, or (left, right, top, bottom). Negative padding crops.
    value : float
        The constant. It gets no gradient.

    Raises
    ------
    ShapeError
        `padding` has the wrong length, or would leave no pixels of the input.

    Examples
    --------
    >>> ConstantPad2D((1, 0, 0, -1), 7.0)(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[7., 1., 2.]]])
    """


class ConstantPad1D(_ConstantPad):
    """`ConstantPad2D` for sequences: (..., L) becomes (..., left + L + right), with an int or (left, right).

    Parameters
    ----------
    padding : int or (int, int)
        The padding of both ends, or (left, right). Negative padding crops.

    Examples
    --------
    >>> ConstantPad1D((2, -1), 7.0)(np.array([1.0, 2.0, 3.0]))
    array([7., 7., 1., 2.])
    """

    axes = 1


class ConstantPad3D(_ConstantPad):
    """`ConstantPad2D` for volumes: (..., D, H, W) becomes (..., front + D + back, top + H + bottom, left + W + right).

    Parameters
    ----------
    padding : int or sequence of six int
        The padding of all sides, or (left, right, top, bottom, front, back). Negative padding crops.

    Examples
    --------
    >>> ConstantPad3D((1, 0, 0, 0, 0, 1), 7.0)(np.array([[[1.0]]]))
    array([[[7., 1.]],
    <BLANKLINE>
           [[7., 7.]]])
    """

    axes = 3


class ZeroPad2D(_Pad):
    """`ConstantPad2D` with the value 0.

    Parameters
    ----------
    padding : int or (int, int, int, int)
        The padding of all sides, or (left, right, top, bottom). Negative padding crops.

    Examples
    --------
    >>> ZeroPad2D((1, 0, 0, 1))(np.array([[1.0, 2.0]]))
    array([[0., 1., 2.],
           [0., 0., 0.]])
    """


class ZeroPad1D(_Pad):
    """`ConstantPad1D` with the value 0.

    Parameters
    ----------
    padding : int or (int, int)
        The padding of both ends, or (left, right). Negative padding crops.

    Examples
    --------
    >>> ZeroPad1D((2, 1))(np.array([1.0, 2.0, 3.0]))
    array([0., 0., 1., 2., 3., 0.])
    """

    axes = 1


class ZeroPad3D(_Pad):
    """`ConstantPad3D` with the value 0.

    Parameters
    ----------
    padding : int or sequence of six int
        The padding of all sides, or (left, right, top, bottom, front, back). Negative padding crops.

    Examples
    --------
    >>> ZeroPad3D(1)(np.ones((2, 3, 4))).shape
    (4, 5, 6)
    """

    axes = 3


class ReflectionPad2D(_Pad):
    """Pad images with their reflection at the border pixels, which are not repeated.

    Shapes are as in `ConstantPad2D`.

    Raises
    ------
    ShapeError
        `padding` has the wrong length, or is not less than the size of the input.

    Examples
    --------
    >>> ReflectionPad2D((2, 1, 0, 0))(np.array([[1.0, 2.0, 3.0]]))
    array([[3., 2., 1., 2., 3., 2.]])
    """

    mode = "reflect"


class ReflectionPad1D(_Pad):
    """`ReflectionPad2D` for sequences: (..., L) becomes (..., left + L + right), with an int or (left, right).

    Parameters
    ----------
    padding : int or (int, int)
        The padding of both ends, or (left, right). Negative padding crops.

    Examples
    --------
    >>> ReflectionPad1D(2)(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1., 2., 3., 2., 1.])
    """

    axes, mode = 1, "reflect"


class ReflectionPad3D(_Pad):
    """`ReflectionPad2D` for volumes. Shapes are as in `ConstantPad3D`.

    Parameters
    ----------
    padding : int or sequence of six int
        The padding of all sides, or (left, right, top, bottom, front, back). Negative padding crops.

    Examples
    --------
    >>> ReflectionPad3D((0, 0, 0, 0, 1, 0))(np.array([[[1.0]], [[2.0]]])).ravel()
    array([2., 1., 2.])
    """

    axes, mode = 3, "reflect"


class ReplicationPad2D(_Pad):
    """Pad images by repeating the border pixels. Shapes are as in `ConstantPad2D`.

    Examples
    --------
    >>> ReplicationPad2D((2, 1, 0, 0))(np.array([[1.0, 2.0, 3.0]]))
    array([[1., 1., 1., 2., 3., 3.]])
    """

    mode = "edge"


class ReplicationPad1D(_Pad):
    """`ReplicationPad2D` for sequences: (..., L) becomes (..., left + L + right), with an int or (left, right).

    Parameters
    ----------
    padding : int or (int, int)
        The padding of both ends, or (left, right). Negative padding crops.

    Examples
    --------
    >>> ReplicationPad1D(2)(np.array([1.0, 2.0, 3.0]))
    array([1., 1., 1., 2., 3., 3., 3.])
    """

    axes, mode = 1, "edge"


class ReplicationPad3D(_Pad):
    """`ReplicationPad2D` for volumes. Shapes are as in `ConstantPad3D`.

    Parameters
    ----------
    padding : int or sequence of six int
        The padding of all sides, or (left, right, top, bottom, front, back). Negative padding crops.

    Examples
    --------
    >>> ReplicationPad3D((0, 0, 0, 0, 1, 0))(np.array([[[1.0]], [[2.0]]])).ravel()
    array([1., 1., 2.])
    """

    axes, mode = 3, "edge"


class CircularPad2D(_Pad):
    """Pad images with pixels of the opposite side. Shapes are as in `ConstantPad2D`.

    Raises
    ------
    ShapeError
        `padding` has the wrong length, or is greater than the size of the input after cropping.

    Examples
    --------
    >>> CircularPad2D((2, 1, 0, 0))(np.array([[1.0, 2.0, 3.0]]))
    array([[2., 3., 1., 2., 3., 1.]])
    """

    mode = "wrap"


class CircularPad1D(_Pad):
    """`CircularPad2D` for sequences: (..., L) becomes (..., left + L + right), with an int or (left, right).

    Parameters
    ----------
    padding : int or (int, int)
        The padding of both ends, or (left, right). Negative padding crops.

    Examples
    --------
    >>> CircularPad1D(2)(np.array([1.0, 2.0, 3.0]))
    array([2., 3., 1., 2., 3., 1., 2.])
    """

    axes, mode = 1, "wrap"


class CircularPad3D(_Pad):
    """`CircularPad2D` for volumes. Shapes are as in `ConstantPad3D`.

    Parameters
    ----------
    padding : int or sequence of six int
        The padding of all sides, or (left, right, top, bottom, front, back). Negative padding crops.

    Examples
    --------
    >>> CircularPad3D((0, 0, 0, 0, 1, 0))(np.array([[[1.0]], [[2.0]]])).ravel()
    array([2., 1., 2.])
    """

    axes, mode = 3, "wrap"
