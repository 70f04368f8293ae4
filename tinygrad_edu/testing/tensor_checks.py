"""check_vjp, check_jvp and check_linear: check the derivatives of functions of Tensors, in float64.

The cotangents and directions are random and have no tiny entries. With an all-ones cotangent, a wrong vjp of softmax
would pass. The tolerance is the error estimate of the finite differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Function, Tensor, from_numpy, is_grad_enabled, no_grad, values_of
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of, layout_of
from tinygrad_edu.testing.decision import compare, compare_tangents
from tinygrad_edu.testing.differentiable import copies, require_deterministic, require_unwritten
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import Claim, ravel_arrays, unravel_arrays
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.numeric.rounding import EXACT, jitter_of_linear
from tinygrad_edu.testing.numeric.sampling import Rng, draw_directions, draw_signed, seeded
from tinygrad_edu.testing.op_call import argument_names, title_of
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report, Verdict
from tinygrad_edu.transforms import jvp, vjp

_CANCELLATION = 2.0**-48  # the rounding error of a sum that cancels, relative to direction times cotangent


@reproducible
def check_vjp(f: Function, *arrays: Any, order: int = 2, accuracy: float = 0.0, rng: Rng | None = None) -> Report:
    """Check the derivatives of a function of Tensors against finite differences, up to the given order.

    The check of order n + 1 is a first-order check of the function (inputs, cotangent) -> gradients of order n.

    Parameters
    ----------
    f : callable
        Takes Tensors, and returns a Tensor or a pytree of Tensors. It may be a `Call` or an `Op`.
    *arrays : array_like, floating
        The point, which is converted to float64.
    order : int, default 2
        Highest order of the checked derivatives: 1, 2 (default) or 3.
    accuracy : float, default 0.0
        The relative error of the results of f, for solvers, quadrature and simulators. It selects larger steps. The
        observed error of the numeric derivative still decides. Default: 0, for rounding errors.
    rng : numpy.random.Generator, optional
        As in `check_gradient`.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic
        As in `check_gradient`.

    Notes
    -----
    At a kink of a continuous function, the gradient must lie between the one-sided slopes. A jump of the function, or
    of the gradient for order 2, is inconclusive.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_vjp(lambda x, y: tg.tanh(x @ y), np.ones((2, 3)), np.ones(3), order=3)
    <Report: right>
    """
    report, points = Report(title_of(f)), _points(f, arrays)
    run_reverse_laws(report, f, points, argument_names(f, len(points)), seeded(rng), order, accuracy)
    return report.conclude()


def run_reverse_laws(
    report: Report, f: Function, points: tuple[Array, ...], names: tuple[str, ...], rng: Rng, order: int = 2,
    accuracy: float = 0.0,
) -> None:  # fmt: skip
    """Check the derivatives of a function of Tensors, up to an order, at a point in float64."""
    title, scale, affine = report.name, 0.0, 0
    for n in range(1, order + 1):
        inputs = copies(points)
        recorded = vjp(f, *map(from_numpy, inputs))
        cotangents = _cotangents(recorded[0], rng)
        name, law = (f"{title}, derivative {n}", f"slope, derivative {n}") if n > 1 else (title, "slope")
        value, joined = _as_array_function(f, points), _join(cotangents)
        claim = Claim(name, value, points, names, np.zeros(0), joined, (), scale, accuracy=accuracy, affine=affine)
        if not report.run(law, _slope_verdicts, claim, recorded, inputs, cotangents, rng, law):
            break
        # A small gradient, such as that of a saturated tanh, may be a sum of terms as large as its cotangent.
        scale = max(scale, *(float(np.max(np.abs(g), initial=0)) for g in cotangents), 0.0)
        f, points, affine = _vjp_function(f, points, recorded), points + cotangents, affine + len(cotangents)
        names = (*names, *(f"cotangent{n}{'_' * bool(k)}{k or ''}" for k in range(len(cotangents))))


@reproducible
def check_jvp(f: Function, *arrays: Any, rng: Rng | None = None) -> Report:
    """Check the forward derivative of a function of Tensors against finite differences and the reverse derivative.

    The reverse derivative must satisfy <v, J u> = <J' v, u> for a random direction u and a random cotangent v.

    Parameters
    ----------
    f : callable
        Takes Tensors, and returns a Tensor or a pytree of Tensors. It may be a `Call` or an `Op`.
    *arrays : array_like, floating
        The point, which is converted to float64.
    rng : numpy.random.Generator, optional
        As in `check_gradient`.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic
        As in `check_gradient`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_jvp(lambda x: tg.softmax(x), np.array([0.5, 1.0, -2.0]))
    <Report: right>
    """
    report, points = Report(title_of(f)), _points(f, arrays)
    run_forward_laws(report, f, points, argument_names(f, len(points)), seeded(rng))
    return report.conclude()


def run_forward_laws(report: Report, f: Function, points: tuple[Array, ...], names: tuple[str, ...], rng: Rng) -> None:
    """Check the forward derivative of a function of Tensors at a point in float64."""
    pair = _Pair(f, points, names, *vjp(f, *points), f"jvp of {report.name}")
    cotangents = _cotangents(pair.out, rng)
    directions = [draw_directions(rng, x) for x in points]
    if report.run("forward slope", pair.slope_verdicts, cotangents, directions, rng):
        report.run("jvp equals vjp", pair.require_transposed, cotangents, directions)


@dataclass(frozen=True)
class _Pair:
    """The forward and the reverse derivative of a function of Tensors at a point."""

    f: Function
    points: tuple[Array, ...]
    names: tuple[str, ...]
    out: Any
    pullback: Function
    title: str

    def tangent(self, directions: Sequence[Array]) -> Array:
        with no_grad():
            return _join(_floating(jvp(self.f, self.points, directions)[1]))

    def tangent_along(self, k: int, direction: Array) -> Array:
        return self.tangent([direction if i == k else np.zeros(x.shape) for i, x in enumerate(self.points)])

    def pulled(self, cotangents: Sequence[Array]) -> Any:
        with no_grad():
            return self.pullback(_like(self.out, cotangents))

    def slope_verdicts(
        self, cotangents: Sequence[Array], directions: Sequence[list[Array]], rng: Rng
    ) -> Iterator[Verdict]:
        """Yield a verdict about the tangent along each input."""
        value = _as_array_function(self.f, self.points)
        at_points = require_deterministic(self.title, value, self.points)
        claim = Claim(self.title, value, self.points, self.names, at_points, _join(cotangents), ())
        for k, input_directions in enumerate(directions):
            yield compare_tangents(claim, k, input_directions, partial(self.tangent_along, k), rng)

    def require_transposed(self, cotangents: Sequence[Array], parts: Sequence[list[Array]]) -> None:
        """Require <v, J u> = <J' v, u> for one direction u of all inputs and one cotangent v."""
        directions, row = [np.sum(input_directions, axis=0) for input_directions in parts], _join(cotangents)
        sides = _inner_product([self.tangent(directions)], [row]), _inner_product(self.pulled(cotangents), directions)
        rounding = _CANCELLATION * max(map(largest, directions), default=0.0) * float(np.sum(np.abs(row)))
        if not _are_equal(*sides, rounding):
            forward = jitter_of_linear(lambda c: np.sum(row * self.tangent([c * u for u in directions])))
            reverse = jitter_of_linear(
                lambda c: _inner_product(self.pulled([c * v for v in cotangents]), directions)[0]
            )
            rounding += SAFETY * float(forward + reverse)
        _require_equal(f"{self.title}: <v, J u> and <J' v, u>", *sides, rounding)


@reproducible
def check_linear(f: Function, *arrays: Any, rng: Rng | None = None) -> Report:
    """Check that a function of Tensors is linear, and that <f(u), v> = <u, vjp(v)>, without finite differences.

    Parameters
    ----------
    f : callable
        A function that is jointly linear in its inputs: ``f(a u + b w) = a f(u) + b f(w)``.
    *arrays : array_like
        Only their shapes are used.
    rng : numpy.random.Generator, optional
        As in `check_gradient`.

    Raises
    ------
    GradientMismatch
        f is not linear, or its vjp is not its transpose.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_linear(lambda x: tg.sum(x, axis=0), np.zeros((3, 2)))
    <Report: right>
    """
    report = Report(title_of(f))
    report.run("linearity", _require_linear, f, arrays, seeded(rng))
    return report.conclude()


def _require_linear(f: Function, arrays: Sequence[Any], rng: Rng) -> None:
    u, w = ([draw_signed(rng, np.shape(a)) for a in arrays] for _ in range(2))
    value = _as_array_function(f, u)
    out, pullback = vjp(f, *u)
    cotangents = _cotangents(out, rng)
    with no_grad():
        pulled_back = pullback(_like(out, cotangents))
    name = title_of(f)
    combined = value(*(2 * a - 3 * b for a, b in zip(u, w, strict=True)))
    parts = 2 * value(*u), 3 * value(*w)
    if not np.all(np.abs(combined - (parts[0] - parts[1])) <= EXACT * np.max(np.abs(parts), initial=1)):
        raise GradientMismatch(f"{name} is not linear: f(2 u - 3 w) is not 2 f(u) - 3 f(w).")
    rounding = _CANCELLATION * sum(float(np.sum(np.abs(v))) for v in cotangents) * max(map(largest, u), default=0.0)
    left, right = _inner_product(_floating(out), cotangents), _inner_product(pulled_back, u)
    _require_equal(f"{name}: <f(u), v> and <u, vjp(v)>", left, right, rounding)


# --- The parts ---


def _points(f: Function, arrays: Sequence[Any]) -> tuple[Array, ...]:
    """Return the point in float64. Default: the arrays of a `Call`."""
    points = [np.asarray(values_of(a)) for a in arrays or getattr(f, "arrays", ())]
    for a in points:
        if a.dtype.kind not in "fiu":
            raise DTypeError(f"inputs to differentiate with respect to must be real, got an array of dtype {a.dtype}.")
    return tuple(a if a.dtype == np.float64 else copy_with_layout_of(a.astype(np.float64), a) for a in points)


def _floating(out: Any) -> list[Tensor]:
    """Return the floating-point tensors (and arrays) among results."""
    return [t for t in map(_as_tensor, tree_leaves(out)) if t.dtype.kind == "f"]


def _as_tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(x)


def _join(parts: Sequence[Any]) -> Array:
    """Return tensors or arrays as one array."""
    return ravel_arrays([np.asarray(values_of(part)) for part in parts]) if parts else np.zeros(0)


def _as_array_function(f: Function, points: Sequence[Array]) -> Function:
    """Return f as a function of arrays that returns one array. It copies its inputs to the layouts of `points`."""
    layouts = [layout_of(x) for x in points]

    def value(*arrays: Array) -> Array:
        inputs = [from_numpy(copied(x)) for copied, x in zip(layouts, arrays, strict=True)]
        with no_grad():
            return _join(_floating(f(*inputs)))

    return value


def _cotangents(out: Any, rng: Rng) -> tuple[Array, ...]:
    return tuple(draw_signed(rng, t.shape).astype(t.dtype, copy=False) for t in _floating(out))


def _like(out: Any, cotangents: Any) -> Any:
    """Return the pytree `out` with cotangents in place of the floating-point results, and zeros elsewhere."""
    remaining = iter(cotangents)
    return tree_map(lambda x: next(remaining) if _as_tensor(x).dtype.kind == "f" else np.zeros(np.shape(x)), out)


def _vjp_function(f: Function, points: Sequence[Array], recorded: tuple[Any, Function]) -> Function:
    """Return the function (inputs, cotangents) -> gradients of Tensors, for the check of the next order.

    At the point itself, where it is called most often, it uses the recorded call.
    """
    count = len(points)

    def pulled(*inputs: Any) -> Any:
        pairs = zip(inputs, points, strict=False)
        is_at_points = not is_grad_enabled() and all(np.array_equal(x.numpy(), p) for x, p in pairs)
        out, pullback = recorded if is_at_points else vjp(f, *inputs[:count])
        return pullback(_like(out, inputs[count:]))

    return pulled


def _slope_verdicts(
    claim: Claim,
    recorded: tuple[Any, Function],
    inputs: Sequence[Array],
    cotangents: Sequence[Array],
    rng: Rng,
    law: str,
) -> Iterator[Verdict]:
    """Yield verdicts about the gradients of a recorded call at `inputs`, which are copies of the point."""
    plain = require_deterministic(claim.name, claim.f, claim.arrays)
    out, pullback = recorded

    def gradients(joined: Array) -> tuple[Array, ...]:
        with no_grad():
            return tuple(g.numpy() for g in pullback(_like(out, unravel_arrays(joined, cotangents))))

    claimed = gradients(claim.cotangent)
    require_unwritten(claim.name, claim.names, inputs, claim.arrays)
    if not np.allclose(_join(_floating(out)), plain, rtol=EXACT, atol=EXACT, equal_nan=True):
        raise GradientMismatch(f"{claim.name}: the recorded result differs from the result under no_grad().")
    yield from compare(replace(claim, value=plain, gradients=claimed), rng, gradients, law)


def _inner_product(a: Any, b: Any) -> tuple[float, float]:
    """Return the inner product of two lists of arrays, and the sum of the absolute values of its terms."""
    terms = np.concatenate(
        [np.zeros(0), *(np.ravel(values_of(x)) * np.ravel(values_of(y)) for x, y in zip(a, b, strict=True))]
    )
    return float(np.sum(terms)), float(np.sum(np.abs(terms)))


def _are_equal(left: tuple[float, float], right: tuple[float, float], rounding: float) -> bool:
    return abs(left[0] - right[0]) <= EXACT * max(left[1], right[1]) + rounding


def _require_equal(sides: str, left: tuple[float, float], right: tuple[float, float], rounding: float) -> None:
    if not _are_equal(left, right, rounding):
        raise GradientMismatch(f"{sides} differ: {left[0]} and {right[0]}.")
