"""check: check the derivatives of any function, with the check that its type and its arguments select."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from inspect import Signature
from types import ModuleType
from typing import Any, Literal, get_args

from tinygrad_edu.core import Module
from tinygrad_edu.engine import Function
from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.testing.arrays.array_tree import ArrayTree, has_leaves, outline
from tinygrad_edu.testing.cotangent_argument import parameters_of
from tinygrad_edu.testing.flat_function import FlatFunction, as_input
from tinygrad_edu.testing.gradient_check import run_claims, value_and_derivative
from tinygrad_edu.testing.numeric.sampling import Rng, seeded
from tinygrad_edu.testing.op_call import BoundFunction, argument_names, title_of, unbound
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report

FrameworkName = Literal["numpy", "torch", "jax", "keras", "tinygrad_edu"]

_PACKAGES = {"jaxlib": "jax"} | {name: name for name in ("torch", "jax", "keras", "tinygrad_edu")}
_FORMS = {
    "grad": "grad(*args) returns the gradient of a function that returns one number",
    "vjp": "vjp(*args, cotangent) returns the gradient of sum(cotangent * f(*args))",
    "jvp": "jvp(*args, *tangents) returns the derivative along the tangents",
    "jac": "jac(*args) returns the Jacobian",
    "hess": "hess(*args) returns the Hessian, and needs grad, too",
}


@reproducible
def check(
    f: Any,
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    grad: Function | None = None,
    vjp: Function | None = None,
    jvp: Function | None = None,
    jac: Function | Literal[True] | None = None,
    hess: Function | None = None,
    wrt: int | str | Sequence[int | str] | None = None,
    framework: FrameworkName | None = None,
    rng: Rng | None = None,
) -> Report:
    """Check the derivatives of a function, layer, module or op of any framework against finite differences.

    With a claim (`grad`, `vjp`, `jvp`, `jac`, `hess`), f is a function of NumPy arrays. Otherwise, the types of f and
    of its arguments select PyTorch, JAX, Keras or tinygrad_edu, which compute the derivatives themselves.

    Parameters
    ----------
    f : callable
        A function, a ``torch.nn.Module``, a Keras layer, or a module or op of tinygrad_edu. It returns a number, an
        array or a pytree of them.
    *args
        The point. The inputs are the floating-point and complex arrays, Python floats and lists of numbers in it, also
        inside pytrees; for PyTorch only tensors and arrays. Everything else is constant.
    kwargs : dict, optional
        Keyword arguments of f. A claim gets those that its signature accepts.
    grad : callable, optional
        Takes the arguments of f, which returns one number, and returns its gradient: an array for one input, or a
        tuple. None in it means zero.
    vjp : callable, optional
        Takes the arguments of f and then a cotangent, which has the structure of the result, and returns the gradient
        of ``sum(cotangent * f(*args))``.
    jvp : callable, optional
        Takes the arguments of f and then a tangent for each argument that contains inputs, and returns the tangent of
        the result.
    jac : callable or True, optional
        Takes the arguments of f and returns the Jacobian, an array or a sparse array of shape
        ``result.shape + x.shape``, nested as that of `tinygrad_edu.jacobian`. True: f returns a pair of its value and
        its gradient or Jacobian.
    hess : callable, optional
        Takes the arguments of f, which returns one number, and returns its Hessian. It is compared with differences of
        `grad`, or of `jac`.
    wrt : int, str or sequence of them, optional
        The positions or names of the arguments that are differentiated, and that the claims return derivatives of.
        Default: all of `args` that contain inputs. The parameters of a module or layer are always inputs.
    framework : {"numpy", "torch", "jax", "keras", "tinygrad_edu"}, optional
        The framework of f, if neither its type nor those of its arguments show it.
    rng : numpy.random.Generator, optional
        Draws the cotangents and the directions. Default: a generator with a fixed seed.

    Returns
    -------
    Report
        The checks that ran, with their numbers, and those that did not run, with the reason.

    Raises
    ------
    GradientMismatch, LawBroken, NotDeterministic, Inconclusive
        As in `check_gradient`.
    VJPDefinitionError
        There is neither a claim nor a framework, they contradict each other, a claim cannot be called, or there is no
        input.

    Notes
    -----
    The other checks have options: a limited accuracy, higher orders, laws to skip.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check
    >>> check(lambda x: np.sum(x**3), np.array([1.0, -2.0]), grad=lambda x: 3 * x**2)
    <Report: right>
    >>> check(np.exp, np.array([1.0, -2.0]), vjp=lambda x, cotangent: cotangent * np.exp(x))
    <Report: right>
    >>> check(lambda x, n: x**n, 2.0, 3, jvp=lambda x, n, tangent: n * x ** (n - 1) * tangent)
    <Report: right>
    >>> def loss(x, scale=1.0):
    ...     return scale * np.sum(x**2), 2 * scale * x
    >>> check(loss, np.array([1.0, -2.0]), kwargs={"scale": 3.0}, jac=True, hess=lambda x, scale: 2 * scale * np.eye(2))
    <Report: right>
    >>> import tinygrad_edu as tg
    >>> check(tg.tanh, np.array([0.5, -0.3]))
    <Report: right>
    """
    claims = {"grad": grad, "vjp": vjp, "jvp": jvp, "jac": jac, "hess": hess}
    given = {name: claim for name, claim in claims.items() if claim is not None}
    call = BoundFunction(f, args, dict(kwargs or {}), ())
    call = replace(call, keys=_keys(call, wrt))
    package = _framework(call, given, framework)
    subject = f if wrt is None and not kwargs else call
    if package == "numpy":
        return _check_arrays(call, given, rng)
    if package == "tinygrad_edu":
        return _check_tensors(subject, call, rng)
    return _check_foreign(package, subject, call.inputs, rng)


# --- The arguments and the framework of a call ---


def _keys(call: BoundFunction, wrt: Any) -> tuple[int | str, ...]:
    """Return the positions, or else the keywords, of the arguments that are differentiated."""
    count = len(call.args)
    if wrt is None:
        return tuple(range(count))
    names = argument_names(call.function, count)
    places: dict[Any, int | str] = {name: name for name in call.kwargs}
    places |= {name: k for k, name in enumerate(names)} | {k: k % count for k in range(-count, count)}
    wanted = wrt if isinstance(wrt, list | tuple) else [wrt]
    for key in wanted:
        if key not in places:
            known = ", ".join([*names, *call.kwargs])
            raise VJPDefinitionError(
                f"check: wrt must name arguments of {title_of(call)}, {known}, or give their positions, got {key!r}."
            )
    return tuple(dict.fromkeys(places[key] for key in wanted))


def _framework(call: BoundFunction, claims: Mapping[str, Any], given: str | None) -> str:
    """Return the framework of a call: that of its claims, of its types, or the given one, which must agree."""
    title = title_of(call)
    if given not in (None, *get_args(FrameworkName)):
        raise VJPDefinitionError(f"check: framework must be one of {get_args(FrameworkName)}, got {given!r}.")
    functions = [call.function, *_parts(call.function)]
    found = _packages(module for x in (*functions, *tree_leaves((call.args, call.kwargs))) for module in _modules(x))
    if given is None and not claims:
        found |= _packages(str(getattr(x, "__module__", None)) for x in functions)
    if "keras" in found:
        found -= {"jax", "torch"}  # its arrays are those of its backend
    wanted = {"numpy"} if claims else {given} if given else set()
    if len(found | wanted) > 1:
        cause = "a claim makes f a function of NumPy arrays" if claims else f"framework is {given!r}"
        raise VJPDefinitionError(
            f"check: the types of {title} and its arguments belong to {' and '.join(sorted(found))}"
            f"{f', but {cause}' if wanted else ''}. Pass arrays of one framework."
        )
    package = next(iter(found | wanted), "numpy")
    if package == "numpy" and not claims:
        point = ", ".join(argument_names(call.function, len(call.args)))
        raise VJPDefinitionError(
            f"check: {title} is called with NumPy arrays, so check needs its derivative, for example "
            f"check(f, {point}, grad=f_gradient). {'; '.join(_FORMS.values())}. For a function of PyTorch, JAX or "
            f"Keras, pass arrays of that framework, or framework='torch'."
        )
    return package


def _parts(function: Any) -> list[Any]:
    """Return the functions and objects in a partial function or a bound method."""
    inner = getattr(function, "func", None) or getattr(function, "__self__", None)
    return [] if inner is None or isinstance(inner, ModuleType) else [inner, *_parts(inner)]


def _modules(value: Any) -> list[str]:
    return [cls.__module__ for cls in (value if isinstance(value, type) else type(value)).__mro__]


def _packages(modules: Iterable[str]) -> set[str]:
    return {_PACKAGES[root] for root in (module.partition(".")[0] for module in modules) if root in _PACKAGES}


# --- Claims about functions of NumPy arrays ---


def _check_arrays(call: BoundFunction, given: dict[str, Any], rng: Rng | None) -> Report:
    f: Any = call
    claims: dict[str, Any] = {
        name: claim if claim is True else _bound(call, name, claim) for name, claim in given.items()
    }
    if claims.get("jac") is True:
        f, claims["jac"] = value_and_derivative(call)
    if "hess" in claims and not claims.keys() & {"grad", "jac"}:
        raise VJPDefinitionError(f"check: hess is compared with differences of grad. Give grad, too: {_FORMS['grad']}.")
    flat = FlatFunction(title_of(call), f, ArrayTree(call.inputs, call.names, as_input))
    if "grad" in claims and not flat.returns_number:
        raise VJPDefinitionError(
            f"check: {_FORMS['grad']}, but {flat.name} returns {outline(flat.result.parts[0])}. Give vjp or jac "
            f"instead: {_FORMS['vjp']}; {_FORMS['jac']}. For an elementwise function, vjp=lambda x, g: g * grad(x)."
        )
    report = Report(flat.name)
    run_claims(report, flat, claims, rng)
    for name in _FORMS:
        if name not in claims and not ({name, *claims} >= {"grad", "vjp"}):
            report.leave_out(name, "not given")
    return report.conclude()


def _bound(call: BoundFunction, role: str, claim: Any) -> BoundFunction:
    """Return a claim as a function of the arguments that are differentiated."""
    if not callable(claim):
        raise VJPDefinitionError(f"check: {role} must be callable, got {claim!r:.80}. {_FORMS[role]}.")
    kwargs, parameters = call.kwargs, parameters_of(claim)
    if not any(p.kind == p.VAR_KEYWORD for p in parameters or ()):
        kwargs = {name: x for name, x in kwargs.items() if name in {p.name for p in parameters or ()}}
    names = [*argument_names(call.function, len(call.args))]
    names += {"vjp": ["cotangent"], "jvp": [f"tangent of {name}" for name in _names_of_inputs(call)]}.get(role, [])
    if parameters is not None:
        try:
            Signature(parameters).bind(*names, **kwargs)
        except TypeError as error:
            settings = [f"{name}=..." for name in kwargs]
            raise VJPDefinitionError(
                f"check: {role} must accept the call {role}({', '.join([*names, *settings])}), got "
                f"{title_of(claim)}{Signature(parameters)}: {error}. {_FORMS[role]}."
            ) from error
    return replace(call, function=claim, kwargs=kwargs)


def _names_of_inputs(call: BoundFunction) -> list[str]:
    """Return the names of the arguments that contain inputs."""
    parts = ArrayTree(call.inputs, call.names, as_input).parts
    return [name for name, part in zip(call.names, parts, strict=True) if has_leaves(part)]


# --- Functions of frameworks ---


def _check_foreign(package: str, subject: Any, inputs: Sequence[Any], rng: Rng | None) -> Report:
    """Check a function, layer or module of PyTorch, JAX or Keras."""
    is_layer = package == "keras" and isinstance(unbound(subject), import_module("keras").Layer)
    name = "jax" if package == "keras" and not is_layer else package
    report: Report = getattr(import_module("tinygrad_edu.testing"), f"check_{name}")(subject, *inputs, rng=rng)
    report.leave_out("slope, derivative 2", f"check_{name}(..., order=2) checks it")
    return report


def _check_tensors(subject: Any, call: BoundFunction, rng: Rng | None) -> Report:
    """Check a module or op of tinygrad_edu, or a function of Tensors."""
    testing: Any = import_module("tinygrad_edu.testing")
    if isinstance(call.function, Module):
        return testing.check_module(subject, *call.inputs, rng=rng)  # type: ignore[no-any-return]
    report = Report(title_of(call))
    import_module("tinygrad_edu.testing.op_check").run_tensor_laws(report, call, seeded(rng))
    return report.conclude()
