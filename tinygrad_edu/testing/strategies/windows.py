"""Strategies for convolution and pooling windows: valid sizes, kernels, strides, paddings and dilations.

`illegal_windows` draws kernels that are one pixel too large.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hypothesis import strategies as st

from tinygrad_edu.ops.sliding_windows import Sizes


@dataclass(frozen=True)
class WindowProblem:
    """The geometry of a convolution or pooling: the image size and the window's settings.

    Parameters
    ----------
    size : tuple of int
        Height and width of the images; for volumes, the depth is first.
    kernel_size : tuple of int
        Size of the window.
    stride : tuple of int
        Step between windows.
    padding : tuple of int
        Padding of both sides of each axis.
    dilation : tuple of int
        Step between the elements of a window.

    Examples
    --------
    >>> WindowProblem((4, 4), (2, 2), (1, 1), (0, 0), (1, 1)).kernel_size
    (2, 2)
    """

    size: Sizes
    kernel_size: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments of `im2col`."""
        return {key: value for key, value in asdict(self).items() if key != "size"}

    @property
    def output(self) -> Sizes:
        """The number of windows along each axis."""
        axes = zip(self.size, self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)


_KERNELS = st.sampled_from([1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 5])


def _each(low: int, high: int, axes: int = 2) -> st.SearchStrategy[Sizes]:
    return st.tuples(*[st.integers(low, high)] * axes)


@st.composite
def windows(draw: Any, dilated: bool = True, max_padding: int = 2, axes: int = 2) -> WindowProblem:
    """Draw a window that fits into its image at least once, with or without a remainder; in three axes a small one."""
    kernel = draw(st.tuples(*[_KERNELS] * axes) if axes < 3 else _each(1, 2, axes))
    stride, padding = draw(_each(1, 3, axes)), draw(_each(0, max_padding, axes))
    dilation = draw(_each(1, 2, axes)) if dilated and max(kernel) < 4 else (1,) * axes
    extra = draw(_each(0, 3 if axes < 3 else 1, axes))
    reach = (d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    size = tuple(max(n - 2 * p, 1) + e for n, p, e in zip(reach, padding, extra, strict=True))
    return WindowProblem(size, kernel, stride, padding, dilation)


@st.composite
def illegal_windows(draw: Any) -> WindowProblem:
    """Draw a window whose kernel is one too large for its padded image, along one axis or both."""
    padding, dilation, size = draw(_each(0, 1)), draw(_each(1, 2)), draw(_each(1, 4))
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    # the smallest kernel that does not fit: dilation * (kernel - 1) + 1 > padded
    too_large = tuple(-(-n // d) + 1 for n, d in zip(padded, dilation, strict=True))
    too_large_axes = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    kernel = tuple(k if is_too_large else 1 for k, is_too_large in zip(too_large, too_large_axes, strict=True))
    return WindowProblem(size, kernel, (1, 1), padding, dilation)
