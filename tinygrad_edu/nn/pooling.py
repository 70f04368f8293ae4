"""Pooling: one number for each window of an image."""

from typing import Any

from tinygrad_edu import ops
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.windows import Pair, pair

__all__ = ["AvgPool2D", "MaxPool2D"]


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
