"""The cotangents that a gradient is asked with: a wrong rule may show under some alone."""

from collections.abc import Iterator

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.rungs import Estimate

_LARGE, _SMALL = 1e3, 1e-4
_UNEVEN = 1e3  # a random cotangent sees all results whose slopes differ by less than that
_KNOWN = 1e-4  # and of a slope that is less certain nothing can be weighed


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


def even_cotangents(slope: Estimate, rng: np.random.Generator) -> list[tuple[str, Array]]:
    """Return one that gives each result the same weight, and none to one that lies still; if that is another.

    Beside a slope of 1e8 nobody sees that one of 1e-8 is wrong.
    """
    sizes = np.abs(slope.value)
    known = (sizes > 0) & (slope.error <= _KNOWN * sizes)
    still = (sizes == 0) & (slope.error <= np.sqrt(slope.unit) * slope.size)
    least, most = np.min(sizes, initial=np.inf, where=known), np.max(sizes, initial=0, where=known)
    if not known.any() or not np.all(known | still) or (most <= _UNEVEN * least and not still.any()):
        return []
    weights = np.divide(least, sizes, out=np.zeros(sizes.shape), where=known)
    signs = rng.choice([-1.0, 1.0], sizes.shape)
    return [("even in all slopes", weights * signs * rng.uniform(0.5, 1.5, sizes.shape))]
