"""small_arrays: contiguous arrays of numbers up to 3, which are easy to read and whose exponentials do not overflow."""

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.testing.strategies import arrays
from tinygrad_edu.testing.strategies.arrays import Strategy


def small_arrays(
    shape: Any, low: float = -3.0, high: float = 3.0, away_from: Sequence[float] = (), distinct: bool = False
) -> Strategy[Any]:
    """Draw an array of a shape, or of a shape from a strategy, with the settings of `arrays`."""
    return arrays(shape, low, high, away_from, distinct, layouts=False)
