"""ForeignFunction: a function of another framework, checked order by order, in float64 if possible."""

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError, MissingExtraError, RuleDefinitionError
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.flat_function import FlatFunction, as_input, require_inputs
from tinygrad_edu.testing.gradient_check import check_pullback
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed, seeded

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

ArrayFunction = Callable[..., Sequence[Any]]
Load = Callable[[Sequence[Array]], list[Any]]  # makes their arrays of the inputs, and of cotangents after them
Session = Callable[[bool], AbstractContextManager[Load]]


@dataclass(frozen=True)
class ForeignFunction:
    """A function of another framework at a point, and how the framework differentiates.

    Attributes
    ----------
    name : str
    f : callable
        Of their arrays, to a list of their arrays: the results that have fractions.
    arrays, names
        The inputs, as arrays of NumPy.
    pulled : callable
        From a function as `f` and its number of inputs to the function (inputs, cotangents) -> gradients. The third
        argument is whether that one is to be differentiated in turn.
    session : callable
        To a context in which the framework computes: in float64 if the argument is true, otherwise in its own dtypes.
    """

    name: str
    f: ArrayFunction
    arrays: tuple[Array, ...]
    names: tuple[str, ...]
    pulled: Callable[[ArrayFunction, int, bool], ArrayFunction]
    session: Session


def check_foreign(theirs: ForeignFunction, order: int, rng: Rng | None) -> None:
    """Check the derivatives of a framework's function, up to an order: in float64, or where it refuses, in its own."""
    if order < 1:
        raise RuleDefinitionError(f"order={order} checks nothing: give 1, 2 or 3.")
    require_inputs(theirs.name, theirs.arrays)
    refusals: list[Exception] = []
    for wide in (True, False):
        with theirs.session(wide) as load:
            try:
                _try_once(theirs, load)
            except Exception as refusal:
                refusals.append(refusal)
                continue
            _check_orders(theirs, load, order, seeded(rng))
            return
    raise refusals[0]


def _try_once(theirs: ForeignFunction, load: Load) -> None:
    results = theirs.f(*load(theirs.arrays))
    if not results:
        raise DTypeError(f"{theirs.name} returned no floating-point array: there is nothing to differentiate.")
    cotangents = [np.ones(tuple(out.shape)) for out in results]
    theirs.pulled(theirs.f, len(theirs.arrays), False)(*load((*theirs.arrays, *cotangents)))


def _check_orders(theirs: ForeignFunction, load: Load, order: int, rng: Rng) -> None:
    """Check one derivative after the other, each as a function of the inputs and of all cotangents before."""
    f, arrays, names = theirs.f, theirs.arrays, theirs.names
    for n in range(1, order + 1):
        title = theirs.name if n == 1 else f"{theirs.name}, derivative {n}"
        scale = 0.0 if n == 1 else 1.0  # a gradient adds up terms as large as its cotangents
        plain = FlatFunction(title, _on_arrays(f, load), ArrayTree(arrays, names, as_input), scale)
        pulled = _on_arrays(theirs.pulled(f, len(arrays), False), load)
        check_pullback(plain, lambda *given, pulled=pulled: pulled(*given[:-1], *given[-1]), rng, takes_cotangent=True)
        cotangents = tuple(draw_signed(rng, x.shape) for x in plain.result().arrays)
        f, arrays = theirs.pulled(f, len(arrays), True), (*arrays, *cotangents)
        names = (*names, *(f"cotangent{n}{'_' * bool(k)}{k or ''}" for k in range(len(cotangents))))


def _on_arrays(f: ArrayFunction, load: Load) -> Callable[..., list[Any]]:
    """Return their function as one of arrays of NumPy."""
    return lambda *arrays: list(f(*load(arrays)))


def required(name: str, asker: str, install: str) -> Any:
    """Import a package, or say how to install it.

    Raises
    ------
    MissingExtraError
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"{asker} needs {name}: {install}") from error
