"""Claim: a function, a point, and the gradients that are claimed there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.engine import Array


@dataclass(frozen=True)
class Claim:
    """The claim that `gradients` are the gradients of ``sum(cotangent * f(*arrays))``.

    Attributes
    ----------
    name : str
        The name of the function, for messages.
    f : callable
        Takes float64 arrays and returns an array.
    arrays, gradients : tuple of ndarray
    names : tuple of str
        The names of the inputs.
    value, cotangent : ndarray
        f(*arrays), and an array of the same shape.
    scale : float
        As in `directional_derivative`. Default: 0, for a function that is not itself a gradient.
    rounding : float
        The measured rounding error of the claimed derivative along the tested direction. Default: 0, not measured.
    affine : int
        The number of inputs, counted from the last, in each of which the function is affine. Cotangents are.
    """

    name: str
    f: Callable[..., Any]
    arrays: tuple[Array, ...]
    names: tuple[str, ...]
    value: Array
    cotangent: Array
    gradients: tuple[Array, ...]
    scale: float = 0.0
    rounding: float = 0.0
    affine: int = 0

    def of_input(self, k: int) -> Callable[[Array], Any]:
        """Return f as a function of its input `k` alone."""
        return lambda x: self.f(*self.arrays[:k], x, *self.arrays[k + 1 :])
