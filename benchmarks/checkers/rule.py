"""Vjps to check: a function, its correct vjp, the claimed vjp, and the point of the check.

Each is written once, with the operations of a `Maths`, so that every framework uses the same formulas.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


class NotExpressible(Exception):  # noqa: N818
    """Raised if a framework cannot express a wrong vjp, or if its engine corrects it."""


@dataclass(frozen=True)
class Maths:
    """Operations of a framework, in addition to operators, slices and comparisons.

    `sum` and `max` reduce one axis, and keep it; `transpose` takes all axes, `flip` and `cumsum` one.
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
    eigh: Callable  # eigenvalues and eigenvectors
    array: Callable  # of a NumPy array, and an array with the result's dtype
    constant: Callable  # detached value
    single: Callable  # rounded to float32, in the original dtype
    double: Callable  # cast to float64
    spoil: Callable  # multiply by 1.5 in place
    fill: Callable  # copy the second into the first
    is_contiguous: Callable
    is_recorded: Callable  # whether the array is part of a graph
    memory: Any = field(default_factory=dict)  # state of a vjp between calls; new for each check


@dataclass(frozen=True)
class Function:
    """A function and its correct vjp.

    Attributes
    ----------
    forward : callable
        Function of a Maths and the inputs.
    backward : callable
        Function of a Maths, g, the result and the inputs; returns a tuple of gradients.
    draws : str
        Inputs to draw under Hypothesis, by the letters of their axes; see `drawn.inputs`.
    broadcasts : bool
        Value of this option in the declaration of our op.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    draws: str = "any"
    broadcasts: bool = False


@dataclass(frozen=True)
class Rule:
    """A function, its claimed vjp, and the point of the check."""

    name: str
    function: Function
    backward: Callable[..., Any]
    arrays: Sequence[np.ndarray]
    right_in: tuple[str, ...] = ()  # frameworks whose engines correct or reject it
    source: str = ""  # issue or pull request with the mistake, as owner/repository#number


def right(name: str, function: Function, *arrays: Any) -> Rule:
    """Return the correct vjp of a function at a point."""
    return Rule(name, function, function.backward, [np.asarray(x, np.float64) for x in arrays])


def twin(rule: Rule) -> Rule:
    """Return the correct counterpart: the correct vjp of the same function at the same point."""
    return replace(rule, backward=rule.function.backward)


# --- Correct vjps ---


def by_slope(slope: Callable[..., Any]) -> Callable[..., Any]:
    """Return a vjp of one input: g times slope(m, out, x)."""
    return lambda m, g, out, x: (g * slope(m, out, x),)


def elementwise(forward: Callable[..., Any], slope: Callable[..., Any], draws: str = "any") -> Function:
    return Function(forward, by_slope(slope), draws)


# --- Wrong vjps from correct ones ---


def scaled(function: Function, factor: float) -> Callable[..., Any]:
    """Multiply all gradients by a factor."""
    return lambda *given: tuple(factor * d for d in function.backward(*given))


def scaled_if(function: Function, factor: float, applies: Callable[..., bool]) -> Callable[..., Any]:
    """Multiply all gradients by a factor in calls with applies(m, g, out, *inputs) true."""
    return lambda *given: tuple(factor * d if applies(*given) else d for d in function.backward(*given))


def scaled_where(function: Function, factor: float, condition: Callable[..., Any]) -> Callable[..., Any]:
    """Multiply elements by a factor where condition(m, g, out, *inputs) is true."""

    def backward(m: Maths, *given: Any) -> tuple[Any, ...]:
        where = condition(m, *given)
        return tuple(m.where(where, factor * d, d) for d in function.backward(m, *given))

    return backward


def only(function: Function, k: int, factor: float) -> Callable[..., Any]:
    """Multiply the gradient of input k by a factor."""
    return lambda *given: tuple(factor * d if j == k else d for j, d in enumerate(function.backward(*given)))


def summed_to(m: Maths, g: Any, x: Any) -> Any:
    """Sum g over the axes along which x was broadcast."""
    for _ in range(len(g.shape) - len(x.shape)):
        g = m.sum(g, 0)[0]
    for axis, n in enumerate(x.shape):
        if n == 1 and g.shape[axis] != 1:
            g = m.sum(g, axis)
    return g


def everywhere(m: Maths, of_row: Callable[..., Any], x: Any) -> Any:
    """Apply `m.sum` or `m.max` to all elements; the result has shape (1,)."""
    return of_row(m.reshape(x, (-1,)), 0)
