"""Dropout: noise in training, by which no unit can rely on another."""

import math
from typing import Any

import numpy as np

from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.randomness import current_stream
from tinygrad_edu.ops.dropout import draw_bits, dropout, memory_order

__all__ = ["AlphaDropout", "Dropout", "Dropout1D", "Dropout2D", "FeatureAlphaDropout"]


class Dropping(Module):
    """What the layers here have in common: in evaluation, or with p = 0, they return the input itself.

    Attributes
    ----------
    p : float
    rng : numpy.random.Generator
    """

    couples_samples = False

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p is the part to drop, from 0 to 1, not {p!r}.")
        self.p = float(p)
        self.rng = init.generator_or_new(rng)

    def forward(self, x: Any) -> Any:
        """Drop, in training."""
        if not self.training or self.p == 0:
            return x
        if x.dtype.kind != "f":
            raise DTypeError(
                f"{type(self).__name__} scales what it keeps: it needs floating-point values, not {x.dtype}."
            )
        return self.dropped(x)

    def dropped(self, x: Any) -> Any:
        """Return an input with a part of it dropped. Every layer defines its own."""
        raise NotImplementedError

    def bits(self, count: int) -> Any:
        """Draw bits, each 0 with probability p, as bytes of eight."""
        return draw_bits(count, self.p, current_stream(self.rng))

    def kept(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Draw ones, and zeros with probability p."""
        count = math.prod(shape)
        return np.unpackbits(self.bits(count), count=count).reshape(shape).astype(dtype)

    def extra_repr(self) -> str:
        """Return p."""
        return f"p={self.p}"


class Dropout(Dropping):
    """In training, zero each element with probability `p` and divide the rest by 1 - p; otherwise do nothing.

    The expectation of each element stays what it was, and evaluation returns the input itself.

    Parameters
    ----------
    p : float
        From 0 to 1; with 1, all are zero.
    rng : numpy.random.Generator, optional
        Draws the masks. Without it they differ from run to run.

    Raises
    ------
    ValueError
        For another p.
    DTypeError
        Of `forward`, for an input that is not floating point.

    Examples
    --------
    >>> dropout = Dropout(0.5, rng=np.random.default_rng(0))
    >>> dropout(np.ones(8, np.float32))
    array([0., 2., 0., 2., 2., 2., 2., 2.], dtype=float32)
    >>> dropout.eval()(np.ones(3, np.float32))
    array([1., 1., 1.], dtype=float32)
    """

    def dropped(self, x: Any) -> Any:
        """Draw a bit for each element, in the order of memory, and keep and scale those whose bit is set."""
        return dropout(x, self.bits(x.size), scale_of_kept(self.p), memory_order(values_of(x)))


def scale_of_kept(p: float) -> float:
    """Return 1 / (1 - p), by which what is kept makes up for what is dropped; 0 where nothing is kept."""
    return 1 / (1 - p) if p < 1 else 0.0


class Dropout1D(Dropping):
    """`Dropout` of whole channels of sequences, (N, C, L) or (C, L): their neighbours would tell what is missing.

    Parameters and errors are those of `Dropout`; for an input with other axes, ShapeError.

    Examples
    --------
    >>> Dropout1D(0.5, rng=np.random.default_rng(0))(np.ones((4, 2)))
    array([[0., 0.],
           [2., 2.],
           [0., 0.],
           [2., 2.]])
    """

    def dropped(self, x: Any) -> Any:
        """Draw a bit for each channel."""
        if x.ndim not in (2, 3):
            raise ShapeError(f"Dropout1D: sequences have the axes (N, C, L) or (C, L), not the shape {x.shape}.")
        return x * (self.kept((*x.shape[:-1], 1), x.dtype) * scale_of_kept(self.p))


class Dropout2D(Dropping):
    """`Dropout` of whole channels of images, (N, C, H, W): neighbouring pixels would tell what is missing.

    Parameters and errors are those of `Dropout`. As in PyTorch, three axes are those of sequences, (N, C, L), and not
    those of one image; for an input with other axes, ShapeError.

    Examples
    --------
    >>> Dropout2D(0.5, rng=np.random.default_rng(0))(np.ones((1, 4, 1, 2))).reshape(4, 2)
    array([[0., 0.],
           [2., 2.],
           [0., 0.],
           [2., 2.]])
    """

    def dropped(self, x: Any) -> Any:
        """Draw a bit for each channel."""
        if x.ndim not in (3, 4):
            raise ShapeError(f"Dropout2D: images have the axes (N, C, H, W), or (N, C, L), not the shape {x.shape}.")
        return x * (self.kept(of_channels(x), x.dtype) * scale_of_kept(self.p))


def of_channels(x: Any) -> tuple[int, ...]:
    """Return the shape of one number for each channel of each sample."""
    return (*x.shape[:2], *[1] * (x.ndim - 2))


# What SELU tends to for very negative numbers, which is what a unit that is dropped becomes: -scale * alpha.
_DROPPED = -1.7580993408473766


class AlphaDropout(Dropping):
    """Dropout for `SELU`: what is dropped becomes its least value, and all is scaled back to mean 0 and variance 1.

    From G. Klambauer and others, "Self-normalizing neural networks", NeurIPS 2017. Parameters and errors are those of
    `Dropout`.

    Examples
    --------
    >>> AlphaDropout(0.5, rng=np.random.default_rng(0))(np.zeros(4)).round(3)
    array([-0.779,  0.779, -0.779,  0.779])
    """

    def dropped(self, x: Any) -> Any:
        """Draw a bit for each element."""
        return self.with_least(x, x.shape)

    def with_least(self, x: Any, shape: tuple[int, ...]) -> Any:
        """Draw a bit for each element of a shape that broadcasts to x, and drop and scale by it."""
        if self.p == 1:
            return x * 0.0
        kept = self.kept(shape, x.dtype)
        scale = 1 / math.sqrt((1 + self.p * _DROPPED**2) * (1 - self.p))
        return x * (kept * scale) + (1 - kept - self.p) * (scale * _DROPPED)


class FeatureAlphaDropout(AlphaDropout):
    """`AlphaDropout` of whole channels: (N, C, ...). Fewer axes are a ShapeError.

    Examples
    --------
    >>> FeatureAlphaDropout(0.5, rng=np.random.default_rng(0))(np.zeros((1, 2, 2))).round(3)
    array([[[-0.779, -0.779],
            [ 0.779,  0.779]]])
    """

    def dropped(self, x: Any) -> Any:
        """Draw a bit for each channel."""
        if x.ndim < 2:
            raise ShapeError(f"FeatureAlphaDropout: the input has the axes (N, C, ...), not the shape {x.shape}.")
        return self.with_least(x, of_channels(x))
