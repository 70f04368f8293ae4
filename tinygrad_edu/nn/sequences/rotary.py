"""Rotary position embedding."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Tensor, TensorLike
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import require_sample_axis
from tinygrad_edu.ops import flip, reshape
from tinygrad_edu.ops.elementwise.arithmetic import as_floating

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import Rotation

__all__ = ["RotaryEmbedding"]


@lru_cache(maxsize=4)  # the queries and keys of all layers need the same
def _factors(dim: int, base: float, start: int, length: int, dtype: np.dtype[Any]) -> tuple[ndarray, ndarray]:
    """Return the factors of x and of x with swapped pairs, (length, dim)."""
    angles = np.arange(start, start + length)[:, None] * base ** (-np.arange(0, dim, 2) / dim)
    cosine, sine = np.cos(angles), np.sin(angles)
    pairs = np.stack([cosine, cosine], axis=-1), np.stack([-sine, sine], axis=-1)
    return pairs[0].reshape(length, dim).astype(dtype), pairs[1].reshape(length, dim).astype(dtype)


class RotaryEmbedding(Module):
    """Rotate each pair of features by an angle proportional to the position.

    The pair (x[2i], x[2i + 1]) at position p is rotated by p * base ** (-2i / dim). The dot product of a rotated query
    and a rotated key then depends on the difference of their positions only. (J. Su and others, "RoFormer: enhanced
    transformer with rotary position embedding", 2021, section 3.2.2.)

    Parameters
    ----------
    dim : int
        Number of features, even: `head_dim` for the queries and keys of an attention head.
    base : float, default 10000.0
        The last pairs rotate slowest, by an angle of about 1 / base per position.

    Raises
    ------
    DTypeError, ValueError
        `dim` is not an even integer >= 2, `base` is not positive, or `start` is not an integer >= 0.
    ShapeError
        The input does not have the shape (..., L, dim).

    Notes
    -----
    Some implementations pair x[i] with x[i + dim / 2]. Their weights need the rows of the query and key projections in
    another order.

    Examples
    --------
    >>> rotary = RotaryEmbedding(2)
    >>> rotary([[1.0, 0.0], [1.0, 0.0]]).round(2)  # the angles are 0 and 1
    array([[1.  , 0.  ],
           [0.54, 0.84]])
    >>> rotary([[1.0, 0.0]], start=1).round(2)
    array([[0.54, 0.84]])
    """

    __call__: Rotation

    def __init__(self, dim: int, base: float = 10000.0) -> None:
        if integer("RotaryEmbedding: dim", dim) < 2 or dim % 2:
            raise ValueError(f"RotaryEmbedding: dim must be an even integer >= 2, got {dim}.")
        if not base > 0:
            raise ValueError(f"RotaryEmbedding: base must be > 0, got {base!r}.")
        self.dim, self.base = dim, base

    def forward(self, x: TensorLike, start: int = 0) -> Tensor | Array:
        """Rotate x of shape (..., L, dim), whose positions are `start`, `start` + 1, and so on."""
        x = as_floating(x)
        require_sample_axis("RotaryEmbedding", x.shape, 0, 3)
        if x.ndim < 2 or x.shape[-1] != self.dim:
            raise ShapeError(f"RotaryEmbedding: the input must have shape (..., L, {self.dim}), got {x.shape}.")
        if integer("RotaryEmbedding: start", start) < 0:
            raise ValueError(f"RotaryEmbedding: start must be >= 0, got {start}.")
        cosine, sine = _factors(self.dim, self.base, start, x.shape[-2], x.dtype)
        swapped = reshape(flip(reshape(x, (*x.shape[:-1], self.dim // 2, 2)), axis=-1), x.shape)
        return x * cosine + swapped * sine

    def extra_repr(self) -> str:
        """Return the number of features, and the base if it differs from its default."""
        return f"{self.dim}{self._non_defaults(base=10000)}"
