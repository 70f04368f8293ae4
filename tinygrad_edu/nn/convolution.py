"""Convolutions: layers of kernels that slide over images."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.linear import affine, require_sizes
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.windows import Pair, pair

__all__ = ["Conv2D"]


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
        require_sizes("Conv2D", in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ShapeError(f"Conv2D: groups={groups} must divide {in_channels} and {out_channels} channels.")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
        self.padding, self.dilation = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight, self.bias = affine(shape, bias, rng, dtype)

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
