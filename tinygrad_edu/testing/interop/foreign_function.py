"""ForeignFunction: a function of another framework, checked order by order, in float64 if possible."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError, MissingExtraError, VJPDefinitionError
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.arrays.complex_view import is_complex
from tinygrad_edu.testing.arrays.dtypes import as_numbers
from tinygrad_edu.testing.claimed_gradient import ClaimedGradient, is_pure, run_gradient_laws
from tinygrad_edu.testing.flat_function import FlatFunction, as_input, require_inputs
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed, seeded
from tinygrad_edu.testing.verdict import Report

ArrayFunction = Callable[..., Sequence[Any]]
Load = Callable[[Sequence[Array]], list[Any]]  # converts inputs, and then cotangents, to arrays of the framework
Session = Callable[[bool], AbstractContextManager[Load]]  # computes in float64 if True, else in the function's dtypes


@dataclass(frozen=True)
class ForeignFunction:
    """A function of another framework, the inputs to check it at, and the framework's derivative.

    `vjp_function` takes a function like `f`, its number of inputs, and whether the derivative must be differentiable
    itself, and returns the function (inputs, cotangents) -> gradients.
    """

    name: str
    f: ArrayFunction  # takes arrays of the framework, and returns a list of the floating-point results
    arrays: tuple[Array, ...]  # the inputs as NumPy arrays
    names: tuple[str, ...]
    vjp_function: Callable[[ArrayFunction, int, bool], ArrayFunction]
    session: Session


def check_foreign(foreign: ForeignFunction, order: int, rng: Rng | None) -> Report:
    """Check the derivatives of a function up to an order, in float64, or in its own dtypes if it rejects float64."""
    if order < 1:
        raise VJPDefinitionError(f"order must be an integer >= 1, got {order}.")
    require_inputs(foreign.name, foreign.arrays)
    errors: list[Exception] = []
    for wide in (True, False):
        with foreign.session(wide) as load:
            try:
                _try_once(foreign, load)
            except Exception as refusal:
                errors.append(refusal)
                continue
            report = Report(foreign.name)
            _check_orders(report, foreign, load, order, seeded(rng))
            return report.conclude()
    raise errors[0]


def _try_once(foreign: ForeignFunction, load: Load) -> None:
    results = foreign.f(*load(foreign.arrays))
    if not results:
        raise DTypeError(f"{foreign.name} must return a floating-point array, got none.")
    if any(is_complex(x) for x in (*foreign.arrays, *(x for x in map(as_numbers, results) if x is not None))):
        raise DTypeError(f"{foreign.name}: complex inputs and results cannot be checked.")
    cotangents = [np.ones(tuple(out.shape)) for out in results]
    foreign.vjp_function(foreign.f, len(foreign.arrays), False)(*load((*foreign.arrays, *cotangents)))


def _check_orders(report: Report, foreign: ForeignFunction, load: Load, order: int, rng: Rng) -> None:
    """Check each derivative, as a function of the inputs and of all lower-order cotangents."""
    f, arrays, names = foreign.f, foreign.arrays, foreign.names
    for n in range(1, order + 1):
        title, law = (
            (foreign.name, "slope") if n == 1 else (f"{foreign.name}, derivative {n}", f"slope, derivative {n}")
        )
        scale = 0.0 if n == 1 else 1.0  # a gradient is a sum of terms as large as its cotangents
        flat = FlatFunction(title, _on_arrays(f, load), ArrayTree(arrays, names, as_input), scale)
        vjp_function = _on_arrays(foreign.vjp_function(f, len(arrays), False), load)
        claimed = ClaimedGradient(flat, partial(_with_cotangents, vjp_function), rng)
        if is_pure(report, flat):
            run_gradient_laws(report, claimed, law)
        if report.status == "wrong":
            return
        cotangents = tuple(draw_signed(rng, x.shape) for x in flat.result.arrays)
        f, arrays = foreign.vjp_function(f, len(arrays), True), (*arrays, *cotangents)
        names = (*names, *(f"cotangent{n}{'_' * bool(k)}{k or ''}" for k in range(len(cotangents))))


def _with_cotangents(vjp_function: ArrayFunction, *arguments: Any) -> Sequence[Any]:
    """Call (inputs, cotangents) -> gradients. `ClaimedGradient` passes the cotangents as one list."""
    return vjp_function(*arguments[:-1], *arguments[-1])


def _on_arrays(f: ArrayFunction, load: Load) -> Callable[..., list[Any]]:
    """Return a function of the framework's arrays as a function of NumPy arrays."""
    return lambda *arrays: list(f(*load(arrays)))


def required(name: str, caller: str, install: str) -> Any:
    """Import a package; if it is not installed, raise a `MissingExtraError` with the step that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"{caller} requires {name}: {install}.") from error
