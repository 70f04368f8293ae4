"""Strategies for convolution and pooling windows: valid sizes, kernels, strides, paddings and dilations.

`illegal_windows` draws kernels that are one pixel too large.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hypothesis import strategies as st

from tinygrad_edu.ops.sliding_windows import Size


@dataclass(frozen=True)
class WindowProblem:
    """The geometry of a convolution or pooling: the image size and the window's settings.

    Parameters
    ----------
    size : (int, int)
        Height and width of the images.
    kernel_size : (int, int)
        Size of the window.
    stride : (int, int)
        Step between windows.
    padding : (int, int)
        Padding of both sides of each axis.
    dilation : (int, int)
        Step between the elements of a window.

    Examples
    --------
    >>> WindowProblem((4, 4), (2, 2), (1, 1), (0, 0), (1, 1)).kernel_size
    (2, 2)
    """

    size: Size
    kernel_size: Size
    stride: Size
    padding: Size
    dilation: Size

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments of `im2col`."""
        return {key: value for key, value in asdict(self).items() if key != "size"}

    @property
    def output(self) -> Size:
        """The number of rows and columns of windows."""
        rows, columns = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(self.size, self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        )
        return rows, columns


_KERNELS = st.sampled_from([1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 5])


def _pairs(low: int, high: int) -> st.SearchStrategy[Size]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def windows(draw: Any, dilated: bool = True, max_padding: int = 2) -> WindowProblem:
    """Draw a window that fits into its image at least once, with or without a remainder."""
    kernel, stride = draw(st.tuples(_KERNELS, _KERNELS)), draw(_pairs(1, 3))
    padding, dilation = draw(_pairs(0, max_padding)), draw(_pairs(1, 2)) if dilated and max(kernel) < 4 else (1, 1)
    extra = draw(_pairs(0, 3))
    reach = (d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    height, width = (max(n - 2 * p, 1) + e for n, p, e in zip(reach, padding, extra, strict=True))
    return WindowProblem((height, width), kernel, stride, padding, dilation)


@st.composite
def illegal_windows(draw: Any) -> WindowProblem:
    """Draw a window whose kernel is one too large for its padded image, along one axis or both."""
    padding, dilation, size = draw(_pairs(0, 1)), draw(_pairs(1, 2)), draw(_pairs(1, 4))
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    # the smallest kernel that does not fit: dilation * (kernel - 1) + 1 > padded
    too_large = tuple(-(-n // d) + 1 for n, d in zip(padded, dilation, strict=True))
    too_large_axes = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    kernel = tuple(k if is_too_large else 1 for k, is_too_large in zip(too_large, too_large_axes, strict=True))
    return WindowProblem(size, (kernel[0], kernel[1]), (1, 1), padding, dilation)
