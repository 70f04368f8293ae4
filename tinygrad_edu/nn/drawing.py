"""Parameters drawn evenly: what `init.uniform` is, under a name that `tinygrad_edu.uniform` leaves free."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.ops.creation import uniform

__all__ = ["drawable", "uniform_parameter"]


def uniform_parameter(
    shape: Sequence[int], a: float, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Tensor:
    """Return a parameter drawn evenly from [-a, a).

    Parameters
    ----------
    shape : sequence of int
    a : float
        The bound.
    rng : numpy.random.Generator
    dtype : float32 or float64

    Returns
    -------
    Tensor, requiring a gradient

    Examples
    --------
    >>> uniform_parameter((2, 2), 0.01, np.random.default_rng(0)).numpy()
    array([[ 0.00701248,  0.00273923],
           [ 0.00022273, -0.00460427]], dtype=float32)
    """
    return uniform(-a, a, tuple(shape), rng=rng, dtype=drawable(dtype), requires_grad=True)


def drawable(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype of a parameter that is drawn, or say which there are."""
    if dtype is None or np.dtype(dtype) not in (np.float32, np.float64):
        raise DTypeError(f"parameters are drawn as float32 or float64, not {dtype!r}; use .astype for another.")
    return np.dtype(dtype)
