"""Dropout: noise in training, by which no unit can rely on another."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.randomness import current_stream
from tinygrad_edu.ops.dropout import draw_bits, dropout, memory_order

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, zero each element with probability `p` and divide the rest by 1 - p; otherwise do nothing.

    The expectation of each element stays what it was, and evaluation returns the input itself.

    Parameters
    ----------
    p : float
        In [0, 1).
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
    >>> dropout = Dropout(0.5, np.random.default_rng(0))
    >>> dropout(np.ones(8, np.float32))
    array([0., 2., 0., 2., 2., 2., 2., 2.], dtype=float32)
    >>> dropout.eval()(np.ones(3, np.float32))
    array([1., 1., 1.], dtype=float32)
    """

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p is the part to drop, at least 0 and less than 1, not {p!r}.")
        self.p = float(p)
        self.rng = init.generator_or_new(rng)

    def forward(self, x: Any) -> Any:
        """Draw a bit for each element, in the order of memory, and keep and scale those whose bit is set."""
        if not self.training or self.p == 0:
            return x
        if x.dtype.kind != "f":
            raise DTypeError(f"Dropout scales what it keeps: it needs floating-point values, not {x.dtype}.")
        bits = draw_bits(x.size, self.p, current_stream(self.rng))
        return dropout(x, bits, 1 / (1 - self.p), memory_order(values_of(x)))

    def extra_repr(self) -> str:
        """Return p."""
        return f"p={self.p}"
