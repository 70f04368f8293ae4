"""custom_vjp: a function whose reverse derivative the user defines, for all arguments at once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import update_wrapper
from typing import Any

import numpy as np

from tinygrad_edu.core import clock
from tinygrad_edu.engine import (
    ArgumentNode,
    Function,
    Node,
    Tensor,
    enable_grad,
    from_numpy,
    is_grad_enabled,
    open_levels,
    spread,
)
from tinygrad_edu.errors import NoGraphError, VJPDefinitionError, WrongGradientError
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.transforms.captured import as_at_the_call, captured, refuse_changed
from tinygrad_edu.transforms.joint import is_floating_tensor, is_recorded, leaf_paths, nodes_of, record_jointly
from tinygrad_edu.transforms.linearize import active, with_own_node

__all__ = ["custom_vjp"]


class custom_vjp:  # noqa: N801 (used like a function)
    """Return a function like `f` whose reverse derivative is defined with `defvjp`, as in JAX.

    An op has one rule per input. This is for a rule that computes all gradients at once, for several results, or for
    pytrees: an implicit layer, a solver, a product with a precomputed factor.

    Parameters
    ----------
    f : callable
        Takes and returns pytrees of Tensors. Integers, strings and other objects among the arguments are constants.

    Raises
    ------
    VJPDefinitionError
        The function is called before `defvjp`.
    NoGraphError
        `forward` uses a Tensor that requires a gradient and is not an argument.
    StaleValueError
        Raised by the backward pass: a residual was changed in place, or for a second derivative an argument.
    WrongGradientError
        Raised by the backward pass: `backward` returned cotangents of a wrong number, structure, shape or dtype, or a
        second derivative needs a residual that was not computed with ops or that differs in the second call.

    See Also
    --------
    tinygrad_edu.op : Defines one rule per input, on arrays.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> @tg.custom_vjp
    ... def logistic(x):
    ...     return 1 / (1 + tg.exp(-x))
    >>> def forward(x):
    ...     y = logistic(x)
    ...     return y, y
    >>> def backward(y, g):
    ...     return (g * y * (1 - y),)
    >>> logistic.defvjp(forward, backward)
    >>> float(tg.grad(logistic)(0.0)), float(tg.grad(tg.grad(logistic))(0.0))
    (0.25, 0.0)
    """

    def __init__(self, f: Function) -> None:
        update_wrapper(self, f)
        self.f = f
        self.name = getattr(f, "__name__", type(f).__name__)
        self.forward: Function | None = None
        self.backward: Function | None = None

    def defvjp(self, forward: Function, backward: Function) -> None:
        """Define the reverse derivative.

        Parameters
        ----------
        forward : callable
            Takes the arguments of f. Returns the result of f, and residuals: a pytree of everything that `backward`
            needs and that depends on the arguments.
        backward : callable
            Takes the residuals and the cotangent of the result, with the structure of the result. Returns a tuple with
            one cotangent for each argument, of the structure, shapes and dtypes of the argument; None means zero.

        Notes
        -----
        For a second derivative, and for a forward derivative, `forward` is called again, on recorded Tensors. So it
        must compute residuals with ops, depend on its arguments only, and change no state.

        Residuals that are arrays are copied. Those that are Tensors share memory with the arguments and the result,
        and the backward pass raises StaleValueError if they were changed in place, for example by ``result += 1``.
        Other objects, such as dataclasses, are kept as they are: changes of Tensors in them are not noticed.
        """
        self.forward, self.backward = forward, backward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function. If an argument requires a gradient, record one node for all results."""
        if self.forward is None or self.backward is None:
            raise VJPDefinitionError(
                f"custom_vjp {self.name}: no derivative is defined; call {self.name}.defvjp(forward, backward)."
            )
        bound = inspect.signature(self.f).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise VJPDefinitionError(
                f"custom_vjp {self.name}: each parameter must have a position, because backward returns a tuple of "
                f"cotangents; {', '.join(bound.kwargs)} can only be passed by keyword."
            )
        args = tree_map(lambda x: spread(x, open_levels()) if is_recorded(x) else x, bound.args)
        inputs = [x for x in tree_leaves(args) if is_recorded(x)]
        if not inputs or not is_grad_enabled():
            return self.f(*bound.args)
        return record_jointly(_Call(self, args, inputs, _argument_names(bound)))


class _Call:
    """One call of a function: its arguments, result and residuals."""

    def __init__(self, function: custom_vjp, args: tuple[Any, ...], inputs: list[Tensor], names: list[str]) -> None:
        self.function, self.args, self.inputs, self.names = function, tree_map(as_at_the_call, args), inputs, names
        self.name = function.name
        self.title = f"custom_vjp {function.name}"
        self.began = next(clock)
        with enable_grad():  # detached arguments record nothing, so a graph begins at a captured Tensor
            self.result, residuals = self._run(tree_map(_detached, self.args))
        self.residuals = tree_map(as_at_the_call, residuals)
        self.ended = next(clock)
        self._refuse_captured()

    def saved_values(self) -> dict[str, Any]:
        """Return the arguments and the residuals, by name."""
        return self._arguments() | leaf_paths(self.residuals, "residuals")

    def _arguments(self) -> dict[str, Any]:
        parts = [leaf_paths(arg, name) for arg, name in zip(self.args, self.names, strict=True)]
        return {path: x for part in parts for path, x in part.items()}

    def pull(self, g: Any) -> list[Any]:
        """Return the gradients of the inputs for the cotangents of the result."""
        refuse_changed(self.title, leaf_paths(self.residuals, "residuals").items(), self.ended)
        residuals = self._recorded_residuals() if is_grad_enabled() else self.residuals
        cotangents = tree_map(lambda x: x if is_floating_tensor(x) else None, g)
        return self._matched(self.function.backward(residuals, cotangents))  # type: ignore[misc]

    def _run(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        pair = self.function.forward(*args)  # type: ignore[misc]
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise VJPDefinitionError(
                f"{self.title}: forward must return a pair (result, residuals), got a {type(pair).__name__}."
            )
        return pair

    def _refuse_captured(self) -> None:
        """Raise if a result or a residual has a graph."""
        stack = [x._node for x in tree_leaves((self.result, self.residuals)) if is_recorded(x)]
        reached: set[Node] = set()
        while stack:
            node = stack.pop()
            if node not in reached:
                reached.add(node)
                stack += node.parents.values()
        if reached:
            everything = captured(self.function.forward)
            name = next((path for path, x in everything if is_recorded(x) and x._node in reached), "a Tensor")
            raise NoGraphError(
                f"{self.title}: forward uses {name} that requires a gradient and is not an argument, so its gradient "
                f"would be lost. Pass it as an argument, or detach() it."
            )

    def _recorded_residuals(self) -> Any:
        """Return the residuals as recorded functions of the arguments: those of a second call of `forward`."""
        refuse_changed(self.title, self._arguments().items(), self.began)
        args = tree_map(_with_node, self.args)
        with active(nodes_of(args) - nodes_of(self.args)):
            _, residuals = self._run(args)
        first = leaf_paths(self.residuals, "residuals")
        for path, x in leaf_paths(residuals, "residuals").items():
            self._require_recorded(path, x)
            if path not in first or not _agree(x, first[path]):
                raise WrongGradientError(
                    f"{self.title}: a second derivative calls forward again, and {path} differs from that of the first "
                    f"call. Let forward depend on its arguments only: pass random numbers and state as arguments."
                )
        return residuals

    def _require_recorded(self, path: str, x: Any) -> None:
        """Raise if a residual was not computed with ops, unless it is a constant argument."""
        is_inexact = isinstance(x, float | complex) or getattr(getattr(x, "dtype", None), "kind", "") in ("f", "c")
        if is_inexact and not is_recorded(x) and not any(x is arg for arg in tree_leaves(self.args)):
            raise WrongGradientError(
                f"{self.title}: a second derivative needs the derivative of {path}, a {type(x).__name__} that was not "
                f"computed with ops of tinygrad_edu. Compute it with ops. If it does not depend on the arguments, use "
                f"it in backward without returning it from forward."
            )

    def _matched(self, cotangents: Any) -> list[Any]:
        """Return the gradient of each input from the cotangents of all arguments."""
        if not isinstance(cotangents, tuple | list) or len(cotangents) != len(self.args):
            got = f"{len(cotangents)}" if isinstance(cotangents, tuple | list) else f"a {type(cotangents).__name__}"
            raise WrongGradientError(
                f"{self.title}: backward must return a tuple of {len(self.args)} cotangents, one for each argument "
                f"({', '.join(self.names)}), got {got}."
            )
        gradients: list[Any] = []
        for name, arg, part in zip(self.names, self.args, cotangents, strict=True):
            paths = iter(leaf_paths(arg, name))

            def add(x: Any, g: Any, paths: Iterator[str] = paths) -> None:
                path = next(paths)
                if is_recorded(x):
                    gradients.append(self._gradient(path, x, g))

            tree_map(add, arg, tree_map(lambda _: None, arg) if part is None else part)
        return gradients

    def _gradient(self, path: str, x: Tensor, g: Any) -> Tensor:
        if g is None:
            return from_numpy(np.zeros(x.shape, x.dtype))
        gradient = g if isinstance(g, Tensor) else from_numpy(np.asarray(g))
        if gradient.shape != x.shape or gradient.dtype != x.dtype:
            raise WrongGradientError(
                f"{self.title}: backward must return a cotangent of {path} with shape {x.shape} and dtype {x.dtype}, "
                f"got {gradient.shape} and {gradient.dtype}."
            )
        return gradient


def _agree(x: Any, y: Any) -> bool:
    """Return whether numbers are equal up to rounding: recorded ops may compute another form. Compare nothing else."""
    if not isinstance(x, Tensor | np.ndarray | np.generic | int | float | complex):
        return True
    x, y = (np.asarray(getattr(each, "_data", each)) for each in (x, y))
    if x.dtype.kind not in "biufc" or y.dtype.kind not in "biufc":
        return bool(x.dtype == y.dtype)
    tolerance = np.sqrt(np.finfo(x.dtype).eps) if x.dtype.kind in "fc" else 0
    scale = np.max(np.abs(y), initial=0, where=np.isfinite(y))
    return np.shape(x) == np.shape(y) and np.allclose(x, y, rtol=0, atol=tolerance * scale, equal_nan=True)


def _detached(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


def _with_node(x: Any) -> Any:
    """Return a constant Tensor as a leaf, so that every residual that depends on an argument is recorded."""
    return with_own_node(x, ArgumentNode) if is_floating_tensor(x) and not is_recorded(x) else x


def _argument_names(bound: inspect.BoundArguments) -> list[str]:
    """Return the name of each positional argument: ``xs[0]`` for the first of ``*xs``."""
    names: list[str] = []
    for name, value in bound.arguments.items():
        is_variadic = bound.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        names += [f"{name}[{k}]" for k in range(len(value))] if is_variadic else [name]
    return names
