"""check_gradient: check a reverse or forward derivative or a Jacobian of any function of arrays."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, get_args

from tinygrad_edu.engine import Function
from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.claimed_gradient import ClaimedGradient, gradient_verdicts, is_pure, run_gradient_laws
from tinygrad_edu.testing.claimed_jacobian import gradient_of_jacobian
from tinygrad_edu.testing.claimed_tangent import ClaimedTangent, run_tangent_laws
from tinygrad_edu.testing.cotangent_argument import CotangentArgument, cannot_be_called, find_cotangent
from tinygrad_edu.testing.flat_function import Convention, FlatFunction, as_input
from tinygrad_edu.testing.numeric.sampling import Rng, seeded
from tinygrad_edu.testing.op_call import argument_names, title_of
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report


@reproducible
def check_gradient(
    f: Function,
    grad: Function | None,
    *arguments: Any,
    cotangent: bool | None = None,
    jvp: Function | None = None,
    jacobian: Function | None = None,
    jac: bool = False,
    convention: Convention = "torch",
    accuracy: float = 0.0,
    skip: Collection[str] = (),
    rng: Rng | None = None,
) -> Report:
    """Check a claimed gradient of any function of arrays, hand-written or computed by a framework.

    Parameters
    ----------
    f : callable
        Returns a number, an array of any framework, or a pytree of them.
    grad : callable or None
        Takes the arguments of f and then a cotangent, and returns the gradient of ``sum(cotangent * f(*arguments))``
        with the structure of the arguments. The cotangent has the structure of the result. If the result is one real
        number, `grad` may take no cotangent.
    *arguments
        The point. The inputs are the floating-point and complex arrays, Python floats and lists of numbers in it, also
        inside pytrees. f receives them in float64 or complex128, with their memory layouts. Everything else is
        constant: integers (labels, indices, shapes), booleans, strings, objects.
    cotangent : bool, optional
        Whether `grad` takes a cotangent. Default: the signature of `grad` decides. A required argument after those of f
        is the cotangent, and so is an optional one named ``g``, ``cotangent``, ``grad_output`` or ``ct``. If there are
        other optional arguments, or ``*args``, `cotangent` must be given.
    jvp : callable, optional
        The claimed forward derivative. It takes the arguments, then a tangent for each argument that contains inputs,
        and returns the tangent of the result.
    jacobian : callable, optional
        Takes the arguments and returns the claimed Jacobian, an array or a sparse array of shape
        ``result.shape + x.shape``. For pytrees, it is nested as the Jacobian of `tinygrad_edu.jacobian`.
    jac : bool, default False
        Whether f returns a pair: its value, and the claimed gradient or Jacobian.
    convention : {"torch", "jax"}, default "torch"
        The meaning of the gradient g of a real loss L by a complex z: ``dL = Re(conj(g) dz)`` in PyTorch and
        ``dL = Re(g dz)`` in JAX and autograd. It applies to cotangents, too.
    accuracy : float, default 0.0
        The error of the results of f relative to the largest, for a function that is less exact than its arithmetic,
        such as an iterative solver.
    skip : collection of str, default ()
        The names of laws to leave out, such as "narrow dtypes"; the report lists the laws, and the time of each. The
        general laws are those of `check_torch`. Those of this check are "deterministic", "structure", "default
        cotangent", "Jacobian", "forward slope" and "forward additivity".
    rng : numpy.random.Generator, optional
        Draws the cotangent and the directions. Default: a generator with a fixed seed.

    Raises
    ------
    GradientMismatch
        The gradient is wrong, here or at a second point, or has the wrong structure. None in it means zero.
    Inconclusive
        The check cannot decide, because the rounding error of f is too large, or because f has a kink or a jump at this
        point (`NotDifferentiableHere`). Inside a Hypothesis test, the example is rejected and counted.
    NotDeterministic
        Two calls of f or of the gradient at the same point return different results.
    LawBroken
        f or the gradient writes into its arguments.
    DTypeError
        The gradient of a real input is complex, or there is no input.
    VJPDefinitionError
        `grad` cannot be called with these arguments, its signature does not say whether it takes a cotangent, or a
        setting is invalid.

    Notes
    -----
    To check a function that rejects float64, cast its inputs: ``lambda x: f(x.astype(np.float32))``. To check a second
    derivative, pass `grad` as the function.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient
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
    >>> check_gradient(lambda x: (np.sum(x**2), 2 * x), None, [1.0, -2.0], jac=True)
    <Report: right>
    >>> check_gradient(lambda x: x**2, None, [1.0, -2.0], jacobian=lambda x: np.diag(2 * x))
    <Report: right>
    >>> check_gradient(np.exp, lambda z, cotangent: cotangent * np.conj(np.exp(z)), 0.5 + 1j)
    <Report: right>
    """
    name = title_of(f)
    names = argument_names(f, len(arguments))
    if jac:
        if jac is not True or jacobian is not None:
            raise VJPDefinitionError(
                f"check_gradient: jac must be True, if f returns a pair, or False, got {jac!r:.80}. Without a pair, "
                f"pass the Jacobian as jacobian."
            )
        f, jacobian = value_and_derivative(f)
    _require_settings(grad, jvp, jacobian, convention)
    point = ArrayTree(arguments, names, as_input)
    flat = FlatFunction(name, f, point, accuracy=accuracy, convention=convention)
    report, claims = Report(flat.name, skip), {"jvp": jvp, "jac": jacobian}
    if grad is None:
        run_claims(report, flat, claims, rng)
        return report.conclude()
    argument = find_cotangent(grad, flat, cotangent)
    run_claims(report, flat, claims | {"vjp" if argument else "grad": _with_cotangent(grad, argument)}, rng)
    if argument is not None and argument.is_optional and flat.returns_number:
        titled = replace(flat, name=f"{flat.name}, without a cotangent")
        alone, law = ClaimedGradient(titled, grad, seeded(rng), False), "default cotangent"
        report.run(law, gradient_verdicts, alone, law)
    return report.conclude()


def run_claims(report: Report, flat: FlatFunction, claims: Mapping[str, Function | None], rng: Rng | None) -> None:
    """Run the laws about the claimed derivatives of a function: "grad", "vjp", "jvp", "jac" and "hess"."""
    grad, vjp, jvp, jac, hess = map(claims.get, ("grad", "vjp", "jvp", "jac", "hess"))
    if not is_pure(report, flat):
        return
    push = None
    if jvp is not None:
        forward = ClaimedTangent(flat, jvp, seeded(rng))
        run_tangent_laws(report, forward)
        push = forward.push_at
    if grad is not None:
        if not flat.returns_number:
            raise cannot_be_called(grad, flat.name, (*flat.point.names, "cotangent"))
        run_gradient_laws(report, ClaimedGradient(flat, grad, seeded(rng), False, push=push))
    if vjp is not None:
        run_gradient_laws(report, ClaimedGradient(flat, vjp, seeded(rng), push=push))
    if jac is not None:
        run_gradient_laws(report, gradient_of_jacobian(flat, jac, seeded(rng)), "Jacobian")
    if hess is not None and (gradient := grad or jac) is not None:
        slope = replace(flat, name=f"the gradient of {flat.name}", f=gradient)
        run_gradient_laws(report, gradient_of_jacobian(slope, hess, seeded(rng)), "Hessian")


def _require_settings(grad: Function | None, jvp: Function | None, jacobian: Function | None, convention: str) -> None:
    """Raise `VJPDefinitionError` if no derivative is given, or if a setting is invalid."""
    given = {"grad": grad, "jvp": jvp, "jacobian": jacobian}
    if all(derivative is None for derivative in given.values()):
        raise VJPDefinitionError("check_gradient: grad, jvp or jacobian must be given, got None for each.")
    for name, derivative in given.items():
        if not (derivative is None or callable(derivative)):
            raise VJPDefinitionError(
                f"check_gradient: {name} must be callable or None, got {derivative!r:.80}. If f returns a pair of its "
                f"value and its derivative, call check_gradient(f, None, x, jac=True)."
            )
    if convention not in get_args(Convention):
        raise VJPDefinitionError(
            f"check_gradient: convention must be one of {get_args(Convention)}, got {convention!r}."
        )


def value_and_derivative(f: Function) -> tuple[Function, Function]:
    """Return the two functions whose results `f` returns as a pair."""

    def half(*arguments: Any, index: int) -> Any:
        pair = f(*arguments)
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise VJPDefinitionError(
                f"with jac=True, {title_of(f)} must return a pair of its value and its gradient or "
                f"Jacobian, got {pair!r:.80}."
            )
        return pair[index]

    return functools.partial(half, index=0), functools.partial(half, index=1)


def _with_cotangent(grad: Function, argument: CotangentArgument | None) -> Function:
    """Return `grad` as a function whose last argument is the cotangent, if it takes one."""
    keyword = argument and argument.keyword
    return grad if keyword is None else lambda *arguments: grad(*arguments[:-1], **{keyword: arguments[-1]})
