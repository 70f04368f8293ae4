"""What a wrong rule is: a function, its right derivative, the one that is claimed, and the point that shows it.

All are written once, with the few operations of a `Maths`, so that each framework runs the same formulas.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


class NotExpressible(Exception):  # noqa: N818
    """Raised where a framework has no way to write a rule, or where its engine makes the rule right."""


@dataclass(frozen=True)
class Maths:
    """What a rule is written with, besides operators, slices and comparisons.

    `sum` and `max` are along one axis, and keep it; `transpose` takes all axes, `flip` and `cumsum` one.
    """

    exp: Callable
    log: Callable
    sin: Callable
    cos: Callable
    tanh: Callable
    sqrt: Callable
    abs: Callable
    where: Callable
    concatenate: Callable
    sum: Callable
    max: Callable
    reshape: Callable
    transpose: Callable
    flip: Callable
    cumsum: Callable
    einsum: Callable
    tril: Callable
    inv: Callable
    det: Callable
    solve: Callable
    cholesky: Callable
    array: Callable  # of a NumPy array, and of what it shall be like
    constant: Callable  # the value, cut off from its derivative
    single: Callable  # rounded to float32, in the dtype it had
    double: Callable  # in float64, whatever it was
    spoil: Callable  # written over, by numbers of half the size more
    fill: Callable  # the first written over by the second
    is_contiguous: Callable
    is_recorded: Callable  # whether it will be differentiated again
    memory: Any = field(default_factory=dict)  # what a rule keeps from one call to the next, anew for each check


@dataclass(frozen=True)
class Function:
    """A function and its right derivative.

    Attributes
    ----------
    forward : callable
        Of a Maths and the inputs.
    backward : callable
        Of a Maths, g, the result and the inputs, to a tuple of gradients.
    draws : str
        The inputs that it is tried on under Hypothesis, each by the letters of its axes: see `drawn.inputs`.
    broadcasts : bool
        How it is declared in our own engine.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    draws: str = "any"
    broadcasts: bool = False


@dataclass(frozen=True)
class Rule:
    """A function, the gradients that are claimed of it, and where to check them."""

    name: str
    function: Function
    backward: Callable[..., Any]
    arrays: Sequence[np.ndarray]
    right_in: tuple[str, ...] = ()  # the frameworks whose engines repair it, or refuse to run it


def right(name: str, function: Function, *arrays: Any) -> Rule:
    """Make the right rule of a function at a point."""
    return Rule(name, function, function.backward, [np.asarray(x, np.float64) for x in arrays])


def twin(rule: Rule) -> Rule:
    """Return the right rule of the same function at the same point."""
    return replace(rule, backward=rule.function.backward)


# --- How rules are written ---


def by_slope(slope: Callable[..., Any]) -> Callable[..., Any]:
    """Make the rule of one input that multiplies g by a slope, of a Maths, the result and x."""
    return lambda m, g, out, x: (g * slope(m, out, x),)


def elementwise(forward: Callable[..., Any], slope: Callable[..., Any], draws: str = "any") -> Function:
    return Function(forward, by_slope(slope), draws)


# --- How right ones are made wrong ---


def scaled(function: Function, factor: float) -> Callable[..., Any]:
    """Make all gradients too large by a factor."""
    return lambda *given: tuple(factor * d for d in function.backward(*given))


def scaled_if(function: Function, factor: float, applies: Callable[..., bool]) -> Callable[..., Any]:
    """Make them too large in the calls to which something applies: a truth of the Maths, g, the result, the inputs."""
    return lambda *given: tuple(factor * d if applies(*given) else d for d in function.backward(*given))


def scaled_where(function: Function, factor: float, condition: Callable[..., Any]) -> Callable[..., Any]:
    """Make those elements too large in which a condition holds, which the framework computes."""

    def backward(m: Maths, *given: Any) -> tuple[Any, ...]:
        where = condition(m, *given)
        return tuple(m.where(where, factor * d, d) for d in function.backward(m, *given))

    return backward


def only(function: Function, k: int, factor: float) -> Callable[..., Any]:
    """Make the gradient of one input too large."""
    return lambda *given: tuple(factor * d if j == k else d for j, d in enumerate(function.backward(*given)))


def summed_to(m: Maths, g: Any, x: Any) -> Any:
    """Sum over the axes along which x was broadcast."""
    for _ in range(len(g.shape) - len(x.shape)):
        g = m.sum(g, 0)[0]
    for axis, n in enumerate(x.shape):
        if n == 1 and g.shape[axis] != 1:
            g = m.sum(g, axis)
    return g


def everywhere(m: Maths, of_row: Callable[..., Any], x: Any) -> Any:
    """Return what `m.sum` or `m.max` make of all elements, in a row of one."""
    return of_row(m.reshape(x, (-1,)), 0)
