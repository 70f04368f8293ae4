"""Layers that resize images, and that rearrange channels and pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Tensor, TensorLike, shape_of
from tinygrad_edu.nn.layers.convolution import Numbers
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import require_sample_axis

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import OneInput

__all__ = [
    "ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Upsample", "UpsamplingBilinear2D", "UpsamplingNearest2D",
]  # fmt: skip

Factor = float | tuple[float, ...] | None


class Upsample(Module):
    """Resize images by interpolation; see `ops.interpolate`.

    Parameters
    ----------
    size : int or tuple of int, optional
        The output size. Pass either `size` or `scale_factor`.
    scale_factor : float or tuple of float, optional
        Ratio of the output size to the input size. The output size is rounded down.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"}, default "nearest"
        "linear" requires (N, C, L), "bilinear" and "bicubic" require (N, C, H, W).
    align_corners : bool, optional
        Whether to align the centres of the corner pixels instead of the corners of the images.
    recompute_scale_factor : bool, optional
        Whether to interpolate with the ratio of the rounded sizes instead of `scale_factor`.

    Raises
    ------
    ShapeError, ValueError
        The input does not match the options; see `ops.interpolate`.

    Examples
    --------
    >>> import numpy as np
    >>> Upsample(scale_factor=2, mode="linear")(np.array([[[1.0, 3.0]]]))
    array([[[1. , 1.5, 2.5, 3. ]]])
    """

    __call__: OneInput

    def __init__(
        self, size: Numbers | None = None, scale_factor: Factor = None, mode: str = "nearest",
        align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    ) -> None:  # fmt: skip
        if isinstance(scale_factor, tuple | list):
            self.scale_factor: Factor = tuple(map(float, scale_factor))
        else:
            self.scale_factor = None if scale_factor is None else float(scale_factor)
        self.size, self.mode = size, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.interpolate`."""
        settings = self.mode, self.align_corners, self.recompute_scale_factor
        return ops.interpolate(x, self.size, self.scale_factor, *settings)

    def extra_repr(self) -> str:
        """Return the size or the scale factor, and the mode."""
        size = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2D(Upsample):
    """`Upsample` with mode "nearest".

    Examples
    --------
    >>> import numpy as np
    >>> UpsamplingNearest2D(scale_factor=2)(np.array([[[[1.0, 4.0]]]]))[0, 0]
    array([[1., 1., 4., 4.],
           [1., 1., 4., 4.]])
    """

    def __init__(self, size: Numbers | None = None, scale_factor: Factor = None) -> None:
        super().__init__(size, scale_factor)


class UpsamplingBilinear2D(Upsample):
    """`Upsample` with mode "bilinear" and ``align_corners=True``.

    Examples
    --------
    >>> import numpy as np
    >>> UpsamplingBilinear2D(scale_factor=2)(np.array([[[[1.0, 4.0]]]]))[0, 0]
    array([[1., 2., 3., 4.],
           [1., 2., 3., 4.]])
    """

    def __init__(self, size: Numbers | None = None, scale_factor: Factor = None) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class _Shuffle(Module):
    """Base class of the layers that rearrange channels and pixels, with one integer option."""

    __call__: OneInput
    function: Callable[..., Any]

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply the function."""
        require_sample_axis(type(self).__name__, shape_of(x), 0, 4)
        return type(self).function(x, getattr(self, self._setting_names[0]))


class PixelShuffle(_Shuffle):
    """Move channels into pixels: (..., C r r, H, W) -> (..., C, H r, W r), with r = `upscale_factor`.

    Parameters
    ----------
    upscale_factor : int
        Factor r of the height and the width.

    Examples
    --------
    >>> import numpy as np
    >>> PixelShuffle(2)(np.arange(4.0).reshape(4, 1, 1))
    array([[[0., 1.],
            [2., 3.]]])
    """

    function, _setting_names = staticmethod(ops.pixel_shuffle), ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor


class PixelUnshuffle(_Shuffle):
    """Move pixels into channels: the inverse of `PixelShuffle`, with r = `downscale_factor`.

    Parameters
    ----------
    downscale_factor : int
        Divisor r of the height and the width.

    Examples
    --------
    >>> import numpy as np
    >>> PixelUnshuffle(2)(np.arange(4.0).reshape(1, 2, 2)).ravel()
    array([0., 1., 2., 3.])
    """

    function, _setting_names = staticmethod(ops.pixel_unshuffle), ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor


class ChannelShuffle(_Shuffle):
    """Interleave the channels of `groups` groups of an input (N, C, ...).

    Parameters
    ----------
    groups : int
        Number of groups. It must divide the number of channels.

    Examples
    --------
    >>> import numpy as np
    >>> ChannelShuffle(2)(np.arange(4.0).reshape(1, 4, 1)).ravel()
    array([0., 2., 1., 3.])
    """

    function, _setting_names = staticmethod(ops.channel_shuffle), ("groups",)

    def __init__(self, groups: int) -> None:
        self.groups = groups
