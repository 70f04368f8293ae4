"""check_gradient: check a reverse or forward derivative of any function of arrays."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.testing.arrays.array_tree import ArrayTree, has_leaves, match_leaves, outline
from tinygrad_edu.testing.arrays.dtypes import as_numbers, is_floating, unit_of
from tinygrad_edu.testing.decision import compare, compare_tangents
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import FlatFunction, accepts, as_input, ravel_arrays, unravel_arrays
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.rounding import EXACT, jitter_of_linear
from tinygrad_edu.testing.numeric.sampling import Rng, draw_directions, draw_signed, seeded
from tinygrad_edu.testing.op_call import argument_names, title_of
from tinygrad_edu.testing.purity import require_deterministic
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report, Verdict
from tinygrad_edu.transforms import Function


@reproducible
def check_gradient(
    f: Function, grad: Function | None, *arguments: Any, jvp: Function | None = None, rng: Rng | None = None
) -> Report:
    """Check a claimed gradient of any function of arrays, hand-written or computed by a framework.

    Parameters
    ----------
    f : callable
        Returns a number, an array of any framework, or a pytree of them.
    grad : callable or None
        Takes the arguments of f and then a cotangent, and returns the gradient of ``sum(cotangent * f(*arguments))``
        with the structure of the arguments. The cotangent has the structure of the result. If the result has one
        element, `grad` may omit the cotangent.
    *arguments
        The point. The inputs are the floating-point arrays, Python floats and lists of numbers in it, also inside
        pytrees. f receives them in float64, with their memory layouts. Everything else is constant: integers (labels,
        indices, shapes), booleans, strings, objects.
    jvp : callable, optional
        The claimed forward derivative. It takes the arguments, then a tangent for each argument that contains inputs,
        and returns the tangent of the result.
    rng : numpy.random.Generator, optional
        Draws the cotangent and the directions. Default: a generator with a fixed seed.

    Raises
    ------
    GradientMismatch
        The gradient is wrong or has the wrong structure. None in it means zero.
    Inconclusive
        The check cannot decide, because the rounding error of f is too large, or because f has a kink or a jump at this
        point (`NotDifferentiableHere`). Inside a Hypothesis test, the example is rejected and counted.
    NotDeterministic
        Two calls of f or of the gradient at the same point return different results.
    LawBroken
        f or the gradient writes into its arguments.
    DTypeError
        An input, result or gradient is complex, or there is no input.
    VJPDefinitionError
        `grad` cannot be called with these arguments.

    Notes
    -----
    To check a function that rejects float64, cast its inputs: ``lambda x: f(x.astype(np.float32))``. To check a second
    derivative, pass `grad` as the function.

    Examples
    --------
    >>> check_gradient(lambda x: np.sum(x**3), lambda x: 3 * x**2, [1.0, -2.0])
    <Report: right>
    >>> check_gradient(lambda x: np.sum(x**3), lambda x: -3 * x**2, [1.0, -2.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.testing.failures.GradientMismatch: <lambda>: the gradient of x is wrong: its sign is flipped.
      Mismatched elements: 2 / 2
      Max absolute difference at x[1]: analytic -12, numeric 12 (to within ...), ratio -1
    To reproduce:
    import numpy as np
    from tinygrad_edu.testing import check_gradient
    f = lambda x: np.sum(x**3)
    grad = lambda x: -3 * x**2
    x = [1.0, -2.0]
    check_gradient(f, grad, x)
    >>> check_gradient(lambda x: 3 * x**2, lambda x, cotangent: 6 * x * cotangent, [1.0, -2.0])
    <Report: right>
    >>> check_gradient(lambda x: x**3, None, [1.0, -2.0], jvp=lambda x, tangent: 3 * x**2 * tangent)
    <Report: right>
    """
    if grad is None and jvp is None:
        raise VJPDefinitionError("check_gradient: grad or jvp must be given, got None for both.")
    point = ArrayTree(arguments, argument_names(f, len(arguments)), as_input)
    flat = FlatFunction(title_of(f), f, point)
    report = Report(flat.name)
    if grad is not None:
        report.run("slope", pullback_verdicts, flat, grad, seeded(rng))
    if jvp is not None:
        report.run("forward slope", pushforward_verdicts, flat, jvp, seeded(rng))
    return report.conclude()


# --- The reverse derivative ---


def pullback_verdicts(
    flat: FlatFunction, grad: Function, rng: Rng, takes_cotangent: bool | None = None, law: str = "slope"
) -> Iterator[Verdict]:
    """Yield verdicts about a claimed gradient. By default, its signature decides whether it takes a cotangent."""
    result = flat.result()
    require_deterministic(flat.name, flat.value, flat.arrays)
    out = ravel_arrays(result.arrays)
    if takes_cotangent is None:
        takes_cotangent = _takes_cotangent(flat, grad, out.size)
    cotangent = draw_signed(rng, out.shape) if takes_cotangent else np.ones(out.shape)
    claimed = partial(_claimed, flat, grad, result if takes_cotangent else None)

    def pullback(cotangent: Array) -> tuple[Array, ...]:
        factor, gradients = 1.0 if takes_cotangent else cotangent.item(), _filled_in(claimed(cotangent), flat.arrays)
        return tuple(np.asarray(g * factor, g.dtype if is_floating(g.dtype) else None) for g in gradients)

    require_deterministic(f"the gradient of {flat.name}", lambda *_: _row(pullback(cotangent)), flat.arrays)
    claim = flat.claim(out, cotangent, pullback(cotangent))
    for verdict in compare(claim, rng, pullback if takes_cotangent else None, law):
        if isinstance(verdict.error, GradientMismatch):
            yield replace(verdict, error=_with_none(verdict.error, flat.names, claimed(cotangent)))
        else:
            yield verdict


def _claimed(flat: FlatFunction, grad: Function, result: ArrayTree | None, cotangent: Array) -> list[Any]:
    """Return the output of `grad` for each input. `grad` receives the cotangent if `result` is given."""
    cotangents = result.copied(unravel_arrays(cotangent, result.arrays), lambda _: None) if result else ()
    return _gradient_per_input(flat, flat.derivative(grad, cotangents, ["the cotangent"][: len(cotangents)]))


def _with_none(mismatch: GradientMismatch, names: tuple[str, ...], claimed: list[Any]) -> GradientMismatch:
    """Add the names of the inputs whose gradient is None to a mismatch."""
    missing = [name for name, g in zip(names, claimed, strict=True) if g is None]
    if not missing:
        return mismatch
    headline, _, details = str(mismatch).partition("\n")
    return GradientMismatch(f"{headline}\n  grad returned None, which means zero, for {', '.join(missing)}\n{details}")


def _takes_cotangent(flat: FlatFunction, grad: Function, size: int) -> bool:
    """Whether `grad` takes a cotangent. It is optional if the result has one element."""
    count = len(flat.point.parts)
    if size == 1 and accepts(grad, count):
        return False
    if accepts(grad, count + 1):
        return True
    expected = ", ".join((*flat.point.names, "cotangent"))
    raise VJPDefinitionError(
        f"the gradient of {flat.name} must accept the call grad({expected}), got "
        f"{title_of(grad)}{inspect.signature(grad)}. The cotangent is the last argument, and optional only if the "
        f"result has one element."
    )


def _gradient_per_input(flat: FlatFunction, claimed: Any) -> list[Any]:
    """Return the gradient of each input.

    `claimed` has the structure of all arguments, of the arguments with inputs, or of the only one with inputs.
    """
    parts = flat.point.parts
    differentiable = tuple(part for part in parts if has_leaves(part))
    matches = [gradients for nest in (parts, differentiable) if (gradients := match_leaves(nest, claimed)) is not None]
    expected = differentiable[0] if len(differentiable) == 1 else differentiable
    single = match_leaves(expected, claimed)
    if single is not None and (not isinstance(claimed, list | tuple) or _have_shapes(single, flat.arrays)):
        matches.append(single)
    if not matches:
        raise GradientMismatch(
            f"{flat.name}: the gradient must have the structure of the inputs, {outline(expected)}, got "
            f"{outline(claimed)}. Leave out constants such as integers, or return None for them."
        )
    return next((gradients for gradients in matches if _have_shapes(gradients, flat.arrays)), matches[0])


def _have_shapes(gradients: list[Any], arrays: tuple[Array, ...]) -> bool:
    return all(g.shape == x.shape for g, x in zip(_filled_in(gradients, arrays), arrays, strict=True))


def _filled_in(claimed: list[Any], like: tuple[Array, ...]) -> list[Array]:
    """Return gradients as arrays, with zeros for None."""
    return [np.zeros(x.shape) if g is None else np.array(as_numbers(g)) for g, x in zip(claimed, like, strict=True)]


def _row(arrays: tuple[Array, ...]) -> Array:
    return np.concatenate([x.reshape(-1).astype(np.complex128) for x in arrays])


# --- The forward derivative ---


def pushforward_verdicts(flat: FlatFunction, jvp: Function, rng: Rng) -> Iterator[Verdict]:
    """Yield verdicts about a claimed forward derivative, along a direction of each input and of all inputs."""
    result = flat.result()
    require_deterministic(flat.name, flat.value, flat.arrays)
    out = ravel_arrays(result.arrays)
    weights = draw_signed(rng, out.shape)
    directions = [draw_directions(rng, x) for x in flat.arrays]
    sums = [np.sum(input_directions, axis=0) for input_directions in directions]
    joint_tangent = _tangent(flat, jvp, sums, result)
    total, size = np.zeros(joint_tangent.shape), np.abs(joint_tangent)
    for k, input_directions in enumerate(directions):
        along = partial(_tangent_along, flat, jvp, result, k)
        tangents = [along(direction) for direction in input_directions]
        yield compare_tangents(flat.claim(out, weights, ()), k, input_directions, along, rng)
        total, size = (a + sum(b) for a, b in ((total, tangents), (size, map(abs, tangents))))
    gap, allowed = np.abs(joint_tangent - total), max(EXACT, 64 * unit_of(joint_tangent.dtype)) * size
    if not np.all(gap <= allowed):
        allowed += SAFETY * jitter_of_linear(lambda c: _tangent(flat, jvp, [c * x for x in sums], result))
    if not np.all(gap <= allowed):
        raise GradientMismatch(
            f"{flat.name}: the forward derivative along all inputs is not the sum of the derivatives along each input."
        )


def _tangent_along(flat: FlatFunction, jvp: Function, result: ArrayTree, k: int, direction: Array) -> Array:
    """Return the tangent of the result along a direction of input `k` alone."""
    zeros = [np.zeros(x.shape) for x in flat.arrays]
    return _tangent(flat, jvp, [*zeros[:k], direction, *zeros[k + 1 :]], result)


def _tangent(flat: FlatFunction, jvp: Function, tangents: list[Array], result: ArrayTree) -> Array:
    """Return the tangent of the result as one array."""
    nested = flat.point.copied(tangents, lambda _: None)
    positions = [k for k, part in enumerate(flat.point.parts) if has_leaves(part)]
    names = [f"the tangent of {flat.point.names[k]}" for k in positions]
    claimed = flat.derivative(jvp, [nested[k] for k in positions], names)
    tangent_parts = match_leaves(result.parts[0], claimed)
    if tangent_parts is None or not _have_shapes(tangent_parts, result.arrays):
        raise GradientMismatch(
            f"{flat.name}: the forward derivative must have the structure of the result, {outline(result.parts[0])}, "
            f"got {outline(claimed)}."
        )
    return ravel_arrays(_filled_in(tangent_parts, result.arrays))
