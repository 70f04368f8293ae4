"""Resizing images: interpolation, and channels that become pixels, pixels channels, or are mixed."""

from collections.abc import Callable
from typing import Any

from tinygrad_edu import ops
from tinygrad_edu.engine import shape_of
from tinygrad_edu.nn.convolution import Numbers
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import require_batch

__all__ = [
    "ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Upsample", "UpsamplingBilinear2D", "UpsamplingNearest2D",
]  # fmt: skip

Factor = float | tuple[float, ...] | None


class Upsample(Module):
    """Images in another size, `ops.interpolate` as a module: (N, C, ...) becomes (N, C, ...).

    Parameters
    ----------
    size : int or tuple of int, optional
        The size of the result; or else
    scale_factor : float or tuple of float, optional
        how many times that of the input it is, rounded down.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"}
        "linear" is for (N, C, L), "bilinear" and "bicubic" are for (N, C, H, W).
    align_corners : bool, optional
        Whether the centres of the corner pixels coincide, and not the corners of the images.
    recompute_scale_factor : bool, optional
        Whether to go by the sizes as they are rounded, and not by the `scale_factor` given.

    Raises
    ------
    ShapeError, ValueError
        Of `forward`, where the input or the settings do not fit: see `ops.interpolate`.

    Examples
    --------
    >>> import numpy as np
    >>> Upsample(scale_factor=2, mode="linear")(np.array([[[1.0, 3.0]]]))
    array([[[1. , 1.5, 2.5, 3. ]]])
    """

    couples_samples = False

    def __init__(
        self,
        size: Numbers | None = None,
        scale_factor: Factor = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        if isinstance(scale_factor, tuple | list):
            self.scale_factor: Factor = tuple(map(float, scale_factor))
        else:
            self.scale_factor = None if scale_factor is None else float(scale_factor)
        self.size, self.mode = size, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, x: Any) -> Any:
        """Apply `ops.interpolate`."""
        how = self.mode, self.align_corners, self.recompute_scale_factor
        return ops.interpolate(x, self.size, self.scale_factor, *how)

    def extra_repr(self) -> str:
        """Return the size or the factor, and the mode."""
        size = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2D(Upsample):
    """`Upsample` with the mode "nearest"."""

    def __init__(self, size: Numbers | None = None, scale_factor: Factor = None) -> None:
        super().__init__(size, scale_factor)


class UpsamplingBilinear2D(Upsample):
    """`Upsample` with the mode "bilinear" and `align_corners`."""

    def __init__(self, size: Numbers | None = None, scale_factor: Factor = None) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class _Rearranged(Module):
    """A function that puts channels and pixels into other places, by one number."""

    couples_samples = False
    function: Callable[..., Any]
    number: str

    def forward(self, x: Any) -> Any:
        """Apply the function of this layer."""
        require_batch(type(self).__name__, shape_of(x), 3)
        return type(self).function(x, getattr(self, self.number))

    def extra_repr(self) -> str:
        """Return the number."""
        return f"{self.number}={getattr(self, self.number)}"


class PixelShuffle(_Rearranged):
    """`ops.pixel_shuffle` as a module: (..., C r r, H, W) becomes (..., C, H r, W r), for r = `upscale_factor`.

    Examples
    --------
    >>> import numpy as np
    >>> PixelShuffle(2)(np.arange(4.0).reshape(4, 1, 1))
    array([[[0., 1.],
            [2., 3.]]])
    """

    function, number = staticmethod(ops.pixel_shuffle), "upscale_factor"

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor


class PixelUnshuffle(_Rearranged):
    """`ops.pixel_unshuffle` as a module: what `PixelShuffle` did, undone, for r = `downscale_factor`."""

    function, number = staticmethod(ops.pixel_unshuffle), "downscale_factor"

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor


class ChannelShuffle(_Rearranged):
    """`ops.channel_shuffle` as a module: (N, C, ...) with the channels of `groups` equal parts in turn."""

    function, number = staticmethod(ops.channel_shuffle), "groups"

    def __init__(self, groups: int) -> None:
        self.groups = groups
