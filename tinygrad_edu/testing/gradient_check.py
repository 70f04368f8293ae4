"""check_gradient: check a reverse or forward derivative of any function of arrays."""

import inspect
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import RuleDefinitionError
from tinygrad_edu.testing.arrays.array_tree import ArrayTree, has_leaves, match_leaves, outline
from tinygrad_edu.testing.arrays.dtypes import as_numbers, is_floating, unit_of
from tinygrad_edu.testing.decision import EXACT, compare, compare_tangent
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import FlatFunction, accepts, as_input, ravel_arrays, unravel_arrays
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.rounding import jitter_of_linear
from tinygrad_edu.testing.numeric.sampling import Rng, draw_directions, draw_signed, seeded
from tinygrad_edu.testing.op_call import argument_names, title_of
from tinygrad_edu.testing.purity import require_deterministic
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.transforms import Function

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours


@reproducible
def check_gradient(
    f: Function, grad: Function | None, *arguments: Any, jvp: Function | None = None, rng: Rng | None = None
) -> None:
    """Check a claimed gradient of any function of plain arrays: hand-written, or another framework's.

    Parameters
    ----------
    f : callable
        To a number or an array, of whatever framework, or to nested lists, tuples and dicts of them.
    grad : callable or None
        Of the same arguments, to the gradient of f, nested as the arguments are: one array of each input's shape.
        If f returns arrays v, it is the gradient of the sum of all ``cotangent * v``, and `grad` takes the cotangent
        last, nested as the result is. Of one element it may do without, and then it is called without.
    *arguments
        The point. Its inputs are the floating-point arrays, the Python floats and the lists of plain numbers, also in
        nested lists, tuples and dicts; f gets them in float64, in the memory layout given. Whatever else there is is
        held fixed: integers (labels, indices, shapes), booleans, strings, objects.
    jvp : callable, optional
        The claimed forward derivative: of the arguments, and then of a tangent for each argument with inputs, nested as
        that argument is, to the tangent of the result.
    rng : numpy.random.Generator, optional
        Draws the cotangent and the directions; without it they are the same in every run.

    Raises
    ------
    GradientMismatch
        Where the gradient is wrong, or nested otherwise. None in it says that it is zero.
    Inconclusive
        The check cannot decide: f rounds too much, or, as `NotDifferentiableHere`, has a kink or a jump at this point.
        Inside a Hypothesis test the example is rejected and counted.
    NotDeterministic
        Where f or the gradient returns two results at one point.
    LawBroken
        Where f or the gradient writes into its arguments.
    DTypeError
        For complex inputs, results and gradients, and where there is no input.
    RuleDefinitionError
        Where `grad` takes other arguments.

    Notes
    -----
    A function that refuses float64 is checked as one that rounds its inputs, ``lambda x: f(x.astype(np.float32))``. The
    second derivative is that of `grad`, which is a function, too.

    Examples
    --------
    >>> check_gradient(lambda x: np.sum(x**3), lambda x: 3 * x**2, [1.0, -2.0])
    >>> check_gradient(lambda x: np.sum(x**3), lambda x: -3 * x**2, [1.0, -2.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.testing.failures.GradientMismatch: <lambda>: the gradient of x is wrong: its sign is flipped.
      worst at x[1]: analytic -12, numeric 12 (to within ...), ratio -1
      wrong in 2 of 2 elements
    To reproduce:
    import numpy as np
    from tinygrad_edu.testing import check_gradient
    f = lambda x: np.sum(x**3)
    grad = lambda x: -3 * x**2
    x = [1.0, -2.0]
    check_gradient(f, grad, x)
    >>> check_gradient(lambda x: 3 * x**2, lambda x, cotangent: 6 * x * cotangent, [1.0, -2.0])
    >>> check_gradient(lambda x: x**3, None, [1.0, -2.0], jvp=lambda x, tangent: 3 * x**2 * tangent)
    """
    if grad is None and jvp is None:
        raise RuleDefinitionError("check_gradient(f, None, ...) claims nothing: give a grad, a jvp, or both.")
    point = ArrayTree(arguments, argument_names(f, len(arguments)), as_input)
    plain = FlatFunction(title_of(f), f, point)
    if grad is not None:
        check_pullback(plain, grad, seeded(rng))
    if jvp is not None:
        check_pushforward(plain, jvp, seeded(rng))


# --- The reverse derivative ---


def check_pullback(plain: FlatFunction, grad: Function, rng: Rng, takes_cotangent: bool | None = None) -> None:
    """Check the claimed gradient of a plain function, whose signature says whether it takes a cotangent, if not you."""
    result = plain.result()
    require_deterministic(plain.name, plain.value, plain.arrays)
    out = ravel_arrays(result.arrays)
    if takes_cotangent is None:
        takes_cotangent = _takes_cotangent(plain, grad, out.size)
    cotangent = draw_signed(rng, out.shape) if takes_cotangent else np.ones(out.shape)
    claimed = partial(_claimed, plain, grad, result if takes_cotangent else None)

    def pullback(cotangent: Array) -> tuple[Array, ...]:
        factor = 1.0 if takes_cotangent else cotangent.item()
        return tuple(_scaled(g, factor) for g in _filled_in(claimed(cotangent), plain.arrays))

    require_deterministic(f"the gradient of {plain.name}", lambda *_: _row(pullback(cotangent)), plain.arrays)
    try:
        compare(plain.claim(out, cotangent, pullback(cotangent)), rng, pullback if takes_cotangent else None)
    except GradientMismatch as mismatch:
        raise _with_none(mismatch, plain.names, claimed(cotangent)) from None


def _claimed(plain: FlatFunction, grad: Function, result: ArrayTree | None, cotangent: Array) -> list[Any]:
    """Return what `grad` returns for each input, given a cotangent nested as the result, or none without a result."""
    last = result.copied(unravel_arrays(cotangent, result.arrays), lambda _: None) if result else ()
    return _by_input(plain, plain.derivative(grad, last, ["the cotangent"][: len(last)]))


def _with_none(mismatch: GradientMismatch, names: tuple[str, ...], claimed: list[Any]) -> GradientMismatch:
    """Return a mismatch that says where the gradient was None."""
    nothing = [name for name, g in zip(names, claimed, strict=True) if g is None]
    if not nothing:
        return mismatch
    first, _, rest = str(mismatch).partition("\n")
    return GradientMismatch(
        f"{first}\n  grad returned None, which says that it is zero, for {', '.join(nothing)}\n{rest}"
    )


def _takes_cotangent(plain: FlatFunction, grad: Function, size: int) -> bool:
    """Whether a gradient is called with a cotangent: that of one element is not if it can do without."""
    count = len(plain.point.parts)
    if size == 1 and accepts(grad, count):
        return False
    if accepts(grad, count + 1):
        return True
    expected = ", ".join((*plain.point.names, "cotangent"))
    raise RuleDefinitionError(
        f"the gradient of {plain.name} cannot be called as grad({expected}): it is "
        f"{title_of(grad)}{inspect.signature(grad)}. As the gradient of sum(cotangent * result) it takes the cotangent "
        f"last; only where the result is one element it may do without."
    )


def _by_input(plain: FlatFunction, claimed: Any) -> list[Any]:
    """Return what is claimed of each input: in the nest of all arguments, of those with inputs, or of the only one."""
    parts = plain.point.parts
    wanted = tuple(part for part in parts if has_leaves(part))
    found = [gradients for nest in (parts, wanted) if (gradients := match_leaves(nest, claimed)) is not None]
    only = wanted[0] if len(wanted) == 1 else wanted
    alone = match_leaves(only, claimed)
    if alone is not None and (not isinstance(claimed, list | tuple) or _have_shapes(alone, plain.arrays)):
        found.append(alone)
    if not found:
        raise GradientMismatch(
            f"{plain.name}: the gradient is {outline(claimed)}, and is to be nested as the inputs: {outline(only)}. "
            f"What is held fixed, as integers are, has none, or None."
        )
    return next((gradients for gradients in found if _have_shapes(gradients, plain.arrays)), found[0])


def _have_shapes(gradients: list[Any], arrays: tuple[Array, ...]) -> bool:
    return all(g.shape == x.shape for g, x in zip(_filled_in(gradients, arrays), arrays, strict=True))


def _filled_in(claimed: list[Any], like: tuple[Array, ...]) -> list[Array]:
    """Return what is claimed as arrays, with zeros for None."""
    return [np.zeros(x.shape) if g is None else np.array(as_numbers(g)) for g, x in zip(claimed, like, strict=True)]


def _scaled(g: Array, factor: float) -> Array:
    return np.asarray(g * factor, g.dtype if is_floating(g.dtype) else None)


def _row(arrays: tuple[Array, ...]) -> Array:
    return np.concatenate([x.reshape(-1).astype(np.complex128) for x in arrays])


# --- The forward derivative ---


def check_pushforward(plain: FlatFunction, jvp: Function, rng: Rng) -> None:
    """Check the claimed forward derivative of a plain function, along one direction for each input and along all."""
    result = plain.result()
    require_deterministic(plain.name, plain.value, plain.arrays)
    out = ravel_arrays(result.arrays)
    weights = draw_signed(rng, out.shape)
    directions = [draw_directions(rng, x) for x in plain.arrays]
    whole = [np.sum(parts, axis=0) for parts in directions]
    together = _tangent(plain, jvp, whole, result)
    added, size = np.zeros(together.shape), np.abs(together)
    for k, direction in ((k, part) for k, parts in enumerate(directions) for part in parts):
        along = partial(_tangent_along, plain, jvp, result, k)
        tangent = along(direction)
        compare_tangent(plain.claim(out, weights, (tangent,) * len(plain.arrays)), k, direction, along, rng)
        added, size = added + tangent, size + np.abs(tangent)
    off, unit = np.abs(together - added), unit_of(together.dtype) if is_floating(together.dtype) else 0
    allowed = max(EXACT, 64 * unit) * size
    if not np.all(off <= allowed):
        allowed += SAFETY * jitter_of_linear(lambda c: _tangent(plain, jvp, [c * x for x in whole], result))
    if not np.all(off <= allowed):
        raise GradientMismatch(
            f"{plain.name}: the forward derivative along all inputs is not the sum of those of each."
        )


def _tangent_along(plain: FlatFunction, jvp: Function, result: ArrayTree, k: int, direction: Array) -> Array:
    """Return the tangent of the result along a direction of input `k` alone."""
    zeros = [np.zeros(x.shape) for x in plain.arrays]
    return _tangent(plain, jvp, [*zeros[:k], direction, *zeros[k + 1 :]], result)


def _tangent(plain: FlatFunction, jvp: Function, tangents: list[Array], result: ArrayTree) -> Array:
    """Return the tangent of the result as one array."""
    nested = plain.point.copied(tangents, lambda _: None)
    wanted = [k for k, part in enumerate(plain.point.parts) if has_leaves(part)]
    names = [f"the tangent of {plain.point.names[k]}" for k in wanted]
    claimed = plain.derivative(jvp, [nested[k] for k in wanted], names)
    found = match_leaves(result.parts[0], claimed)
    if found is None or not _have_shapes(found, result.arrays):
        raise GradientMismatch(
            f"{plain.name}: the forward derivative is {outline(claimed)}, and is to be nested as the result: "
            f"{outline(result.parts[0])}."
        )
    return ravel_arrays(_filled_in(found, result.arrays))
