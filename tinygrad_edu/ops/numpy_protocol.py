"""NumPy's array protocols: ``np.sum(t, axis=0)`` calls ``tg.sum(t, axis=0)``.

A NumPy function called with a Tensor calls our public function of the same name, or of the name in `NAMED_OTHERWISE`.
If there is none, NumPy computes on the values, provided that no gradient is lost: the function has no derivative
(`NONDIFFERENTIABLE`), or no Tensor requires a gradient. Otherwise the call raises an error that names an alternative.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import Parameter, signature
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Op, Tensor, innermost_level, values_of
from tinygrad_edu.engine.mapped_numpy import call_on_mapped
from tinygrad_edu.engine.memory import WRITERS
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.ops.on_demand import OPS_FILES, PACKAGE_FILES, import_function

# NumPy's name -> our name where the two differ, or the file and name of a function that is not public.
NAMED_OTHERWISE = {
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "around": "round",
    "copy": "shapes.shape.identity",
    "degrees": "rad2deg",
    "expit": "sigmoid",
    "fabs": "abs",
    "fix": "trunc",
    "float_power": "power",
    "pad": "tiling.padding.padded",
    "radians": "deg2rad",
    "real": "shapes.shape.identity",
    "rint": "round",
}  # fmt: skip  (expit is SciPy's)
# NumPy functions that convert integers to floats; our functions of these names keep integers.
FLOATING = frozenset({np.fabs, np.float_power})
ARGUMENTS_NAMED_OTHERWISE = {"a_min": "min", "a_max": "max"}
# Arguments that do not change the values of the result; they are ignored.
IGNORED_ARGUMENTS = frozenset({"optimize", "overwrite_input", "subok"})
# Ufunc methods -> our functions along an axis, by default the first.
ALONG_AN_AXIS = {
    ("add", "reduce"): "sum", ("multiply", "reduce"): "prod", ("maximum", "reduce"): "max",
    ("minimum", "reduce"): "min", ("logaddexp", "reduce"): "logsumexp", ("add", "accumulate"): "cumsum",
    ("multiply", "accumulate"): "cumprod", ("logaddexp", "accumulate"): "logcumsumexp",
}  # fmt: skip
# NumPy has these functions in np and in np.linalg.
SAME_IN_LINALG = frozenset({"cross", "matmul", "matrix_transpose", "outer", "tensordot", "vecdot"})

# Functions without a derivative: they return booleans, indices, counts or text. NumPy computes them on the values.
NONDIFFERENTIABLE: frozenset[Any] = frozenset({
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.isnan, np.isinf, np.isfinite,
    np.isposinf, np.isneginf, np.isreal, np.iscomplex, np.isrealobj, np.iscomplexobj, np.isclose, np.allclose,
    np.array_equal, np.array_equiv, np.isin, np.signbit, np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    np.any, np.all, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.gcd,
    np.lcm, np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition, np.lexsort, np.argwhere,
    np.nonzero, np.flatnonzero, np.searchsorted, np.digitize, np.unravel_index, np.ravel_multi_index,
    np.shape, np.ndim, np.size, np.count_nonzero, np.result_type, np.can_cast, np.min_scalar_type, np.common_type,
    np.shares_memory, np.may_share_memory, np.array2string, np.array_repr, np.array_str, np.save, np.savez,
    np.savez_compressed, np.savetxt, np.spacing, np.linalg.matrix_rank,
})  # fmt: skip


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
    """Evaluate a NumPy ufunc called with a Tensor: ``Tensor.__array_ufunc__``."""
    if _is_answered_on_mapped(ufunc, inputs):
        return call_on_mapped(ufunc, getattr(ufunc, method) if method != "__call__" else ufunc, inputs, settings)
    if ufunc in FLOATING:
        inputs = tuple(map(_integers_to_float32, inputs))
    implementation = _implementation(ufunc)
    if implementation is not None and method == "__call__" and not settings:
        return implementation(*inputs)
    _refuse_to_write(ufunc, settings.get("out", ()))
    if ufunc is np.divmod and method == "__call__" and not settings:
        return _own_function("floor_divide")(*inputs), _own_function("remainder")(*inputs)
    function = _ufunc_implementation(ufunc, method)
    if function is None:
        return _call_on_values(ufunc, getattr(ufunc, method), inputs, settings)
    arguments = _Arguments(ufunc, function, list(inputs), {})
    for name, value in settings.items():
        arguments.put(name, value, _UFUNC_DEFAULTS.get(name, Parameter.empty), None)
    return function(*arguments.inputs, **arguments.settings)


def array_function(
    self: Tensor, function: Callable[..., Any], types: Any, inputs: tuple[Any, ...], settings: dict[str, Any]
) -> Any:
    """Evaluate any other NumPy function called with a Tensor: ``Tensor.__array_function__``."""
    if _is_answered_on_mapped(function, inputs):
        return call_on_mapped(function, function, inputs, settings)
    if function in WRITERS:
        _refuse_to_write(function, inputs[:1])
    _refuse_to_write(function, (settings.get("out"),))
    implementation = _implementation(function)
    if function is np.where and len(inputs) == 1:
        return np.nonzero(*_nested_values(inputs))
    if implementation is None:
        return _call_on_values(function, function, inputs, settings)
    arguments = _bind_arguments(function, implementation, inputs, settings)
    return implementation(*arguments.inputs, **arguments.settings)


def _integers_to_float32(x: Any) -> Any:
    """Convert a Tensor of integers or booleans to float32; return anything else unchanged."""
    return _own_function("astype")(x, np.float32) if isinstance(x, Tensor) and x.dtype.kind != "f" else x


# --- Find the implementation ---


def _own_function(name: str) -> Any:
    """Return our function of this name, or None, without the hints for PyTorch's arguments."""
    file = OPS_FILES.get(name) or PACKAGE_FILES.get(name)
    if file is not None:
        return import_function(f"{file}.{name}")
    return import_function(name) if name in NAMED_OTHERWISE.values() else None


@cache
def _implementation(function: Any) -> Callable[..., Any] | None:
    """Return our implementation of a NumPy function, or None."""
    name, module = function.__name__, getattr(function, "__module__", None) or "numpy"
    if module == "numpy.linalg":
        if name in import_function("linalg.__all__"):
            return import_function(f"linalg.{name}")
        return _own_function(name) if name in SAME_IN_LINALG else None
    return _own_function(NAMED_OTHERWISE.get(name, name)) if module == "numpy" else None


@cache
def _ufunc_implementation(ufunc: np.ufunc, method: str) -> Callable[..., Any] | None:
    """Return our implementation of a ufunc or of one of its methods, or None."""
    function = _implementation(ufunc)
    if method == "__call__":
        return function
    if method == "outer" and function is not None:
        return _outer(function)
    reduction = _own_function(ALONG_AN_AXIS.get((ufunc.__name__, method), ""))
    if reduction is None:
        return None
    return _with_signature_of(reduction, lambda x, axis=0, **settings: reduction(x, axis=axis, **settings))


def _outer(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the outer form of a binary function: each element of x with each element of y."""
    reshape = _own_function("reshape")
    return lambda x, y: function(reshape(x, (*np.shape(x), *(1,) * np.ndim(y))), y)


def _with_signature_of(original: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__signature__, function.__name__ = signature(original), original.__name__  # type: ignore[attr-defined]
    return function


# --- Bind the arguments ---

_UFUNC_DEFAULTS = {"out": None, "where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True,
                   "keepdims": False, "initial": None, "signature": None}  # fmt: skip


class _Arguments(NamedTuple):
    """Arguments of a NumPy call converted to our signature: arrays by position, settings by name."""

    function: Any
    implementation: Any
    inputs: list[Any]
    settings: dict[str, Any]

    def put(self, name: str, value: Any, default: Any, fallback: str | None) -> None:
        """Add a setting under our name. If our function lacks it, drop a default value and raise for any other."""
        supported = _setting_names(self.implementation)
        own_name = ARGUMENTS_NAMED_OTHERWISE.get(name, name)
        if value is np._NoValue:
            return
        if own_name in supported or fallback in supported:
            self.settings[own_name if own_name in supported else str(fallback)] = value
        elif not (_is_default(value, default) or name in IGNORED_ARGUMENTS or (name == "where" and value is True)):
            raise DTypeError(
                f"{_qualified_name(self.function)}: out= is not supported for Tensors; leave it out, and write "
                f"a = a + t instead of a += t."
                if name == "out"
                else f"{_qualified_name(self.function)}: {name}= is not supported for Tensors; supported: "
                f"{', '.join(supported) or 'none'}. Leave it out, or call NumPy on the values, x.numpy()."
            )


def _bind_arguments(
    function: Any, implementation: Any, inputs: tuple[Any, ...], settings: dict[str, Any]
) -> _Arguments:
    """Bind a call to NumPy's signature, and separate the arrays from the settings by our signature."""
    arguments = _Arguments(function, implementation, [], {})
    parameters, count = signature(function).parameters, _num_inputs(implementation)
    own_names = list(signature(implementation).parameters)
    positions = {name: k for k, name in enumerate(parameters)}
    for name, value in signature(function).bind(*inputs, **settings).arguments.items():
        k, parameter = positions[name], parameters[name]
        if parameter.kind is Parameter.VAR_POSITIONAL:
            arguments.inputs.extend(value)
        elif parameter.kind is Parameter.VAR_KEYWORD:
            for key, setting in value.items():
                arguments.put(key, setting, Parameter.empty, None)
        elif k < count:
            arguments.inputs.append(value)
        else:  # under our name for the parameter at this position, unless NumPy uses that name for another one
            required = parameter.default is Parameter.empty
            fallback = own_names[k] if required and k < len(own_names) and own_names[k] not in parameters else None
            arguments.put(name, value, parameter.default, fallback)
    return arguments


@cache
def _setting_names(implementation: Any) -> tuple[str, ...]:
    """Return the names of the settings of one of our functions."""
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    parameters = list(signature(implementation).parameters.values())
    return tuple(p.name for k, p in enumerate(parameters) if p.kind in kinds and k >= _num_inputs(implementation))


@cache
def _num_inputs(implementation: Any) -> int:
    """Return the number of leading parameters of one of our functions that are arrays or lists of arrays."""
    if isinstance(implementation, Op):
        return 0 if implementation.variadic else len(implementation.inputs)
    parameters = signature(implementation).parameters.values()
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is Parameter.empty for p in parameters)


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, bool | int | float | str) and value == default)


# --- Functions that we do not implement ---


def _call_on_values(function: Any, call: Callable[..., Any], inputs: Any, settings: dict[str, Any]) -> Any:
    """Call a NumPy function on the values, or raise if that would lose a gradient."""
    if function not in NONDIFFERENTIABLE and _requires_grad((inputs, settings)):
        raise DTypeError(
            f"{_qualified_name(function, call)} is not supported for Tensors that require a gradient; compose it from "
            f"tinygrad_edu functions, or call it on the values, x.numpy()."
        )
    if innermost_level((inputs, settings)) is not None:
        return call_on_mapped(function, call, inputs, settings)
    return call(*_nested_values(inputs), **_nested_values(settings))


def _is_answered_on_mapped(function: Any, inputs: Any) -> bool:
    """Return whether NumPy computes a function without a derivative on the values of Tensors inside of `vmap`."""
    return function in NONDIFFERENTIABLE and innermost_level(inputs) is not None


def _nested_values(x: Any) -> Any:
    """Replace the Tensors in nested arguments with their arrays."""
    if isinstance(x, dict):
        return {name: _nested_values(value) for name, value in x.items()}
    return type(x)(map(_nested_values, x)) if type(x) in (list, tuple) else values_of(x)


def _requires_grad(x: Any) -> bool:
    if isinstance(x, dict):
        return _requires_grad(list(x.values()))
    return any(map(_requires_grad, x)) if type(x) in (list, tuple) else isinstance(x, Tensor) and x.requires_grad


def _refuse_to_write(function: Any, written: Any) -> None:
    if any(isinstance(x, Tensor) for x in written):
        raise DTypeError(
            f"{_qualified_name(function)} cannot write into a Tensor; use t.assign(values), or assign to its elements "
            f"under no_grad()."
        )


def _qualified_name(function: Any, call: Any = None) -> str:
    """Return the qualified name of a NumPy function: ``np.linalg.norm``, ``np.add.reduceat``."""
    module = getattr(function, "__module__", None) or "numpy"
    name = f"np{module.removeprefix('numpy')}.{function.__name__}"
    return name if call in (None, function) or call.__name__ == "__call__" else f"{name}.{call.__name__}"
