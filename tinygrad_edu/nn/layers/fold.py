"""Layers that extract sliding windows of images as columns (im2col) and sum columns into images (col2im)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Tensor, TensorLike, shape_of
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import require_sample_axis
from tinygrad_edu.ops.sliding_windows import Pair

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import OneInput

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """Extract the sliding windows of images as columns: (N, C, H, W) -> (N, C * kh * kw, L), for L windows.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the windows. A pair is (vertical, horizontal).
    dilation : int or (int, int), default 1
        Step between the elements of a window.
    padding : int or (int, int), default 0
        Zero padding of both sides of each axis.
    stride : int or (int, int), default 1
        Step between windows.

    Raises
    ------
    ShapeError
        `forward` got an image smaller than the window.

    Examples
    --------
    >>> import numpy as np
    >>> Unfold((1, 2))(np.arange(4.0).reshape(1, 1, 4))
    array([[0., 1., 2.],
           [1., 2., 3.]])
    """

    __call__: OneInput
    _setting_names: tuple[str, ...] = ("kernel_size", "dilation", "padding", "stride")

    def __init__(self, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> None:
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.unfold`."""
        require_sample_axis("Unfold", shape_of(x), 0, 4)
        return ops.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(Unfold):
    """Sum columns into images: (N, C * kh * kw, L) -> (N, C, H, W), the transpose of `Unfold`.

    Parameters
    ----------
    output_size : int or (int, int)
        Size (H, W) of the images.

    Raises
    ------
    ShapeError
        The shape of the columns does not match `output_size` and the window.

    Examples
    --------
    >>> import numpy as np
    >>> Fold((1, 4), (1, 2))(np.ones((2, 3)))
    array([[[1., 2., 2., 1.]]])
    """

    _setting_names = ("output_size", *Unfold._setting_names)

    def __init__(
        self, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.fold`."""
        require_sample_axis("Fold", shape_of(x), 0, 3)
        return ops.fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)
