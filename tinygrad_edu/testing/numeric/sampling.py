"""Random generators, directions and cotangents for checks."""

from collections.abc import Iterator

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.numeric.extrapolation import Estimate

Rng = np.random.Generator

SEED = 20240229
_SIGNS = np.array([-1.0, 1.0])
_LARGE, _SMALL = 1e3, 1e-4
TINY, LARGE = 1e-6, 1e3  # numbers from TINY to LARGE have one direction
_UNEVEN = 1e3  # a random cotangent detects an error in every element if the slopes differ by less than this factor
_ACCURATE = 1e-4  # a slope with a larger relative error gets no weight of its own


def seeded(rng: Rng | None) -> Rng:
    """Return `rng`, or a new generator with a fixed seed if `rng` is None."""
    return np.random.default_rng(SEED) if rng is None else rng


def draw_signed(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Draw numbers of either sign with magnitudes between 0.5 and 1.5."""
    return np.asarray(_SIGNS[rng.integers(0, 2, shape)] * rng.uniform(0.5, 1.5, shape))


def draw_directions(rng: Rng, x: Array) -> list[Array]:
    """Draw one direction for each order of magnitude in x, because a step that suits 1e6 is too large for 1.

    Numbers from `TINY` to `LARGE` are together, with zeros.
    """
    direction, thousands, size = draw_signed(rng, x.shape), np.zeros(x.shape), np.abs(x)
    is_far = np.isfinite(x) & ((size > 1) | ((size < TINY) & (size > 0)))
    if not is_far.any():
        return [direction]
    np.floor(np.log10(size, out=thousands, where=is_far) / 3, out=thousands)
    return [np.where(thousands == group, direction, 0) for group in np.unique(thousands)]


def other_cotangents(g: Array, rng: Rng) -> Iterator[tuple[str, Array]]:
    """Yield (kind, cotangent) for special kinds of cotangents. `g` is a random one.

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


def even_cotangents(slope: Estimate, rng: Rng) -> list[tuple[str, Array]]:
    """Return a cotangent that weights every nonzero slope equally, if a random cotangent does not.

    With a random cotangent, a slope of 1e8 hides a wrong slope of 1e-8.
    """
    sizes = np.abs(slope.value)
    is_accurate = (sizes > 0) & (slope.error <= _ACCURATE * sizes)
    is_zero = (sizes == 0) & (slope.error <= np.sqrt(slope.unit) * slope.size)
    smallest, largest = np.min(sizes, initial=np.inf, where=is_accurate), np.max(sizes, initial=0, where=is_accurate)
    is_even = largest <= _UNEVEN * smallest and not is_zero.any()
    if is_even or not is_accurate.any() or not np.all(is_accurate | is_zero):
        return []
    weights = np.divide(smallest, sizes, out=np.zeros(sizes.shape), where=is_accurate)
    return [("even in all slopes", weights * draw_signed(rng, sizes.shape))]
