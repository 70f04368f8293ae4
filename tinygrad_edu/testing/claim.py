"""Claim: a function, a point, and the gradients that are claimed there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import VJPDefinitionError


@dataclass(frozen=True)
class Claim:
    """The claim that `gradients` are the gradients of ``sum(cotangent * f(*arrays))``."""

    name: str  # of the function, for messages
    f: Callable[..., Any]  # takes float64 arrays and returns an array
    arrays: tuple[Array, ...]
    names: tuple[str, ...]  # of the inputs
    value: Array  # f(*arrays)
    cotangent: Array  # of the shape of the value
    gradients: tuple[Array, ...]
    scale: float = 0.0  # as in `directional_derivative`; 0 for a function that is not itself a gradient
    rounding: float = 0.0  # the measured rounding error of the claimed derivative along the tested direction
    accuracy: float = 0.0  # the declared error of f's results, relative to the largest; for iterative solvers
    affine: int = 0  # f is affine in each of the last `affine` inputs, such as cotangents

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy < 1:
            raise VJPDefinitionError(
                f"{self.name}: accuracy must be a relative error, 0 <= accuracy < 1, got {self.accuracy}."
            )

    def of_input(self, k: int) -> Callable[[Array], Any]:
        """Return f as a function of its input `k` alone."""
        return lambda x: self.f(*self.arrays[:k], x, *self.arrays[k + 1 :])
