"""Dropout layers: they zero random elements or channels in training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu import core
from tinygrad_edu.engine import Array, Tensor, TensorLike, random
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.randomness import stream
from tinygrad_edu.ops.networks.dropout import draw_bits, dropout_scale, random_dropout
from tinygrad_edu.ops.shapes.shape import shaped

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import OneInput

__all__ = ["AlphaDropout", "Dropout", "Dropout1D", "Dropout2D", "Dropout3D", "FeatureAlphaDropout"]


class _DropoutBase(core.Dropout, Module):
    """Base class of the dropout layers. In evaluation, or with p = 0, a layer returns its input.

    Parameters
    ----------
    p : float, default 0.5
        The probability of dropping an element, from 0 to 1.
    rng : numpy.random.Generator, optional
        Generator of the masks. The default is a new, unseeded generator.
    """

    __call__: OneInput
    _setting_names = ("p",)

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be a probability from 0 to 1, got {p!r}.")
        super().__init__(float(p), init.generator_or_new(rng))

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply dropout in training; return x itself in evaluation."""
        if not self.training or self.p == 0:
            return x
        if (x := shaped(x)).dtype.kind != "f":
            raise DTypeError(f"{type(self).__name__}: the input must be floating point, got {x.dtype}.")
        return self.apply_mask(x)  # without super(): one bit for each element takes less time than a float

    @property
    def unbiased(self) -> bool:  # type: ignore[override]
        """Whether the mean of the results is the input: not with p = 1, which drops every element."""
        return self.p < 1

    def apply_mask(self, x: Any) -> Any:
        """Return x with random elements dropped. Each subclass defines this method."""
        raise NotImplementedError

    @random
    def keep_mask(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Draw an array of ones, with zeros at probability p."""
        count = math.prod(shape)
        return np.unpackbits(draw_bits(count, self.p, stream(self.rng)), count=count).reshape(shape).astype(dtype)


class Dropout(_DropoutBase):
    """In training, zero each element with probability `p` and divide the others by 1 - p.

    The expected value of each element does not change. In evaluation, the layer returns its input.

    Raises
    ------
    ValueError
        `p` is not between 0 and 1.
    DTypeError
        `forward` got an input that is not floating point.

    Examples
    --------
    >>> dropout = Dropout(0.5, rng=np.random.default_rng(0))
    >>> dropout(np.ones(8, np.float32))
    array([0., 2., 0., 2., 2., 2., 2., 2.], dtype=float32)
    >>> dropout.eval()(np.ones(3, np.float32))
    array([1., 1., 1.], dtype=float32)
    """

    def apply_mask(self, x: Any) -> Any:
        """Draw one bit for each element, in memory order, and scale the elements whose bit is 1."""
        return random_dropout(x, self.p, stream(self.rng))


class _ChannelDropout(_DropoutBase):
    """Base class of `Dropout1D` and `Dropout3D`, which zero whole channels."""

    channel: str  # the axes of a channel

    def apply_mask(self, x: Any) -> Any:
        """Draw one bit for each channel."""
        axes = len(self.channel.split(", "))
        if x.ndim - axes not in (1, 2):
            expected = f"(N, C, {self.channel}) or (C, {self.channel})"
            raise ShapeError(f"{type(self).__name__}: the input must have shape {expected}, got {x.shape}.")
        return x * (self.keep_mask((*x.shape[:-axes], *[1] * axes), x.dtype) * dropout_scale(self.p))


class Dropout1D(_ChannelDropout):
    """`Dropout` of whole channels of sequences of shape (N, C, L) or (C, L).

    Errors are those of `Dropout`. Any other number of axes raises ShapeError.

    Examples
    --------
    >>> Dropout1D(0.5, rng=np.random.default_rng(0))(np.ones((4, 2)))
    array([[0., 0.],
           [2., 2.],
           [0., 0.],
           [2., 2.]])
    """

    channel = "L"


class Dropout2D(_DropoutBase):
    """`Dropout` of whole channels of images of shape (N, C, H, W).

    Errors are those of `Dropout`. As in PyTorch, an input with three axes is a batch of sequences (N, C, L), not one
    image. Any other number of axes raises ShapeError.

    Examples
    --------
    >>> Dropout2D(0.5, rng=np.random.default_rng(0))(np.ones((1, 4, 1, 2))).reshape(4, 2)
    array([[0., 0.],
           [2., 2.],
           [0., 0.],
           [2., 2.]])
    """

    def apply_mask(self, x: Any) -> Any:
        """Draw one bit for each channel."""
        if x.ndim not in (3, 4):
            raise ShapeError(f"Dropout2D: the input must have shape (N, C, H, W) or (N, C, L), got {x.shape}.")
        return x * (self.keep_mask(_channel_shape(x), x.dtype) * dropout_scale(self.p))


class Dropout3D(_ChannelDropout):
    """`Dropout` of whole channels of volumes of shape (N, C, D, H, W) or (C, D, H, W).

    Errors are those of `Dropout`. Any other number of axes raises ShapeError.

    Examples
    --------
    >>> Dropout3D(0.5, rng=np.random.default_rng(0))(np.ones((4, 1, 1, 2))).reshape(4, 2)
    array([[0., 0.],
           [2., 2.],
           [0., 0.],
           [2., 2.]])
    """

    channel = "D, H, W"


def _channel_shape(x: Any) -> tuple[int, ...]:
    """Return the shape of a mask with one element for each channel of each sample."""
    return (*x.shape[:2], *[1] * (x.ndim - 2))


# The limit of SELU at minus infinity, -scale * alpha, which replaces a dropped element.
_SELU_MINIMUM = -1.7580993408473766


class AlphaDropout(_DropoutBase):
    """Dropout for `SELU`: a dropped element becomes SELU's minimum; mean 0 and variance 1 are preserved.

    From G. Klambauer and others, "Self-normalizing neural networks", NeurIPS 2017. Errors are those of `Dropout`.

    Examples
    --------
    >>> AlphaDropout(0.5, rng=np.random.default_rng(0))(np.zeros(4)).round(3)
    array([-0.779,  0.779, -0.779,  0.779])
    """

    unbiased = False  # it keeps the mean and the variance of a batch, but not of each element

    def apply_mask(self, x: Any) -> Any:
        """Draw one bit for each element."""
        return self.alpha_dropout(x, x.shape)

    def alpha_dropout(self, x: Any, shape: tuple[int, ...]) -> Any:
        """Draw a mask of a shape that broadcasts to x, and apply it."""
        if self.p == 1:
            return x * 0.0
        keep = self.keep_mask(shape, x.dtype)
        scale = 1 / math.sqrt((1 + self.p * _SELU_MINIMUM**2) * (1 - self.p))
        return x * (keep * scale) + (1 - keep - self.p) * (scale * _SELU_MINIMUM)


class FeatureAlphaDropout(AlphaDropout):
    """`AlphaDropout` of whole channels of an input (N, C, ...). Fewer than two axes raise ShapeError.

    Examples
    --------
    >>> FeatureAlphaDropout(0.5, rng=np.random.default_rng(0))(np.zeros((1, 2, 2))).round(3)
    array([[[-0.779, -0.779],
            [ 0.779,  0.779]]])
    """

    def apply_mask(self, x: Any) -> Any:
        """Draw one bit for each channel."""
        if x.ndim < 2:
            raise ShapeError(f"FeatureAlphaDropout: the input must have shape (N, C, ...), got {x.shape}.")
        return self.alpha_dropout(x, _channel_shape(x))
