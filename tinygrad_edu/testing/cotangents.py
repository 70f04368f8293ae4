"""The cotangents that a gradient is asked with: a wrong rule may show under some alone."""

from collections.abc import Iterator

import numpy as np

from tinygrad_edu.engine import Array

_LARGE, _SMALL = 1e3, 1e-4


def other_cotangents(g: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Yield cotangents that differ from a random one, `g`, in more than their numbers; and in which way they do.

    Examples
    --------
    >>> dict(other_cotangents(np.array([0.75, -1.25]), np.random.default_rng(1)))["constant"]
    array([1., 1.])
    """
    yield "constant", np.ones_like(g)
    yield "one-hot", (np.arange(g.size) == rng.integers(max(g.size, 1))).reshape(g.shape).astype(g.dtype)
    yield "partly zero", np.where(rng.random(g.shape) < 0.5, 0, g)
    yield "negative", -np.abs(g)
    yield "large", _LARGE * g
    yield "small", _SMALL * g
