"""The operators and methods of Tensor, and the function that each one calls.

A method is made at its first use. The file of its function is imported then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Op, Tensor, in_place, values_of
from tinygrad_edu.engine.debug.habits import CHECKS
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.errors.hints import with_hints
from tinygrad_edu.ops.on_demand import OPS_FILES, import_function


def lazy_import(name: str, file: str | None = None) -> Callable[[], Any]:
    """Return a callable that imports and returns a function of a file, by default of the file of a public function."""
    return partial(import_function, f"{file or OPS_FILES[name]}.{name}")


def in_place_operator(name: str) -> Callable[..., Any]:
    """Return the in-place operator of a binary op, which Python calls for ``t += 2``, for example."""
    return in_place(lazy_import(name)())


def reflected(name: str) -> Callable[..., Any]:
    """Return the reflected operator of a binary op, which Python calls for ``2 * t``, for example."""
    op = lazy_import(name)()

    def operator(self: Tensor, other: Any) -> Tensor:
        return op.call(other, self)

    operator.__doc__ = op.__doc__
    return operator


def comparison(compare: np.ufunc) -> Callable[[Tensor, Any], Any]:
    """Return an operator that applies a NumPy comparison and returns a plain boolean array."""

    def operator(self: Tensor, other: Any) -> Array:
        return compare(self._data, other._data if isinstance(other, Tensor) else other)

    operator.__doc__ = f"Compare elementwise: return a plain boolean array, as np.{compare.__name__}."
    return operator


def combination(combine: np.ufunc) -> Callable[[Tensor, Any], Any]:
    """Return an operator that applies np.bitwise_and or the like and returns a plain array, boolean for booleans."""

    def operator(self: Tensor, other: Any) -> Array:
        return combine(*(_check_bitwise_dtype(combine, values_of(x)) for x in (self, other)))

    operator.__doc__ = f"Combine booleans or the bits of integers: return a plain array, as np.{combine.__name__}."
    return operator


def inverted(self: Tensor) -> Array:
    """Return the logical not of booleans or the inverted bits of integers: a plain array, as np.invert returns."""
    return np.invert(_check_bitwise_dtype(np.invert, self._data))


def _check_bitwise_dtype(ufunc: np.ufunc, values: Any) -> Any:
    if np.asarray(values).dtype.kind not in "iub":
        raise DTypeError(
            f"np.{ufunc.__name__} expects booleans or integers, got {np.asarray(values).dtype}; compare first, in "
            f"parentheses, as in (t > 0) & (t < 1)."
        )
    return values


def divide_with_remainder(self: Tensor, other: Any) -> tuple[Tensor, Tensor]:
    """Return the pair ``(self // other, self % other)``."""
    return self // other, self % other


def divide_by_self_with_remainder(self: Tensor, other: Any) -> tuple[Tensor, Tensor]:
    """Return the pair ``(other // self, other % self)``."""
    return other // self, other % self


def round_to_digits(self: Tensor, digits: int | None = None) -> Any:
    """Return each element rounded to `digits` decimals, as NumPy's `round`. The derivative is 0."""
    return np.round(self, 0 if digits is None else digits)


# Operators with a reflected and an in-path form: ``__add__``, ``__radd__`` and ``__iadd__``.
_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul",
}  # fmt: skip
# Functions that are methods with the same name.
_FUNCTIONS = """
    astype ceil copysign deg2rad floor fmod positive rad2deg reciprocal round trunc
    clip lerp masked_fill nan_to_num
    exp exp2 expm1 hypot log log10 log1p log2 rsqrt sqrt square xlogy
    logaddexp logit sigmoid erf
    arccos arccosh arcsin arcsinh arctan arctan2 arctanh cos cosh sin sinc sinh tan tanh
    hardshrink prelu relu
    all any argmax argmin argsort count_nonzero isclose isfinite isinf isnan logical_and logical_not logical_or
    logical_xor nonzero searchsorted
    amax amin logsumexp max mean median min nanmean nansum prod sum std var quantile
    cummax cummin cumprod cumsum diff logcumsumexp kthvalue sort topk unique take
    broadcast_to expand_dims flatten flip fliplr flipud moveaxis ravel roll rot90 squeeze swapaxes
    repeat tile diag diagflat diagonal trace tril triu dsplit hsplit split unbind vsplit
    bmm dot inner kron outer vdot
    log_softmax softmax
"""
_OF_LINALG = ("det", "matrix_power", "slogdet")
# For each method, a callable that returns its function.
METHODS: dict[str, Callable[[], Any]] = {
    # arithmetic
    **{f"__{name}__": lazy_import(function) for name, function in _OPERATORS.items()},
    **{f"__r{name}__": partial(reflected, function) for name, function in _OPERATORS.items()},
    **{f"__i{name}__": partial(in_place_operator, function) for name, function in _OPERATORS.items()},
    "__neg__": lazy_import("negative"), "__pos__": lazy_import("positive"), "__abs__": lazy_import("abs"),
    "__round__": lambda: round_to_digits,
    "__divmod__": lambda: divide_with_remainder, "__rdivmod__": lambda: divide_by_self_with_remainder,
    # comparisons
    "__eq__": partial(comparison, np.equal), "__ne__": partial(comparison, np.not_equal),
    "__lt__": partial(comparison, np.less), "__le__": partial(comparison, np.less_equal),
    "__gt__": partial(comparison, np.greater), "__ge__": partial(comparison, np.greater_equal),
    "__and__": partial(combination, np.bitwise_and), "__rand__": partial(combination, np.bitwise_and),
    "__or__": partial(combination, np.bitwise_or), "__ror__": partial(combination, np.bitwise_or),
    "__xor__": partial(combination, np.bitwise_xor), "__rxor__": partial(combination, np.bitwise_xor),
    "__invert__": lambda: inverted,
    # elements, and NumPy's own functions
    "__getitem__": lazy_import("get_item", "indices.indexing"),
    "__setitem__": lazy_import("set_item", "indices.indexing"),
    "__array_ufunc__": lazy_import("array_ufunc", "numpy_protocol"),
    "__array_function__": lazy_import("array_function", "numpy_protocol"),
    # functions with another name
    "copy": lazy_import("identity", "shapes.shape"), "norm": lazy_import("norm_of_elements", "linear_algebra.norms"),
    "reshape": lazy_import("reshape_to_lengths", "shapes.shape"),
    "transpose": lazy_import("transpose_by_axes", "shapes.shape"),
    **{name: lazy_import(name) for name in _FUNCTIONS.split()},
    **{name: lazy_import(name, "linalg") for name in _OF_LINALG},
}  # fmt: skip


def method(name: str) -> Callable[..., Any]:
    """Return a function as a method called `name`, with its source, docstring and parameters.

    The method is a separate function object with the same code. A method that called the op would add a call.
    """
    function, check = METHODS[name](), CHECKS.get(name)
    call = function.call if isinstance(function, Op) and check is None else with_hints(function, check=check)
    unbound = FunctionType(call.__code__, call.__globals__, name, call.__defaults__, call.__closure__)
    unbound.__kwdefaults__, unbound.__doc__ = call.__kwdefaults__, function.__doc__
    unbound.__module__ = Tensor.__module__  # where pickle finds it
    unbound.__qualname__ = f"Tensor.{name}"
    original = signature(function)
    parameters = [Parameter("self", Parameter.POSITIONAL_ONLY), *list(original.parameters.values())[1:]]
    returns = original.return_annotation.replace("Tensor | Array", "Tensor")
    vars(unbound).update(
        __wrapped__=function, __signature__=original.replace(parameters=parameters, return_annotation=returns)
    )
    return unbound


def reversed_axes() -> property:
    """Return the property ``t.T``."""
    return property(import_function("shapes.shape.transpose").call, doc="The tensor with its axes reversed, as a view.")


def swapped_axes() -> property:
    """Return the property ``t.mT``."""
    swapaxes = import_function("shapes.shape.swapaxes")
    return property(
        lambda self: swapaxes.call(self, -2, -1), doc="The tensor with its last two axes swapped, as a view."
    )


class LazyMethod:
    """Placeholder for a Tensor method that is made on first access, as most programs use few methods."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self.name, self.make = name, make

    def __get__(self, tensor: Tensor | None, kind: type) -> Any:
        descriptor = self.make()
        setattr(Tensor, self.name, descriptor)
        return descriptor.__get__(tensor, kind)


for _name in METHODS:
    setattr(Tensor, _name, LazyMethod(_name, partial(method, _name)))
Tensor.T = LazyMethod("T", reversed_axes)  # type: ignore[assignment, method-assign]
Tensor.mT = LazyMethod("mT", swapped_axes)  # type: ignore[assignment, method-assign]
