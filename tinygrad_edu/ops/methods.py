"""The operators and methods of Tensor, and the function that each one calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dis import get_instructions
from functools import partial, update_wrapper
from inspect import Parameter, signature
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from tinygrad_edu.engine import (
    Array,
    Op,
    Tensor,
    in_place,
    is_grad_enabled,
    real_numbers,
    refuse_read_only,
    values_of,
    writing,
)
from tinygrad_edu.errors import DTypeError, LeafInPlaceError, ShapeError
from tinygrad_edu.names import with_keyword_hints
from tinygrad_edu.ops import (
    activations,
    arithmetic,
    classification,
    diagonals,
    error_function,
    gather,
    linalg,
    nondifferentiable,
    numpy_protocol,
    powers,
    products,
    reduction,
    repeating,
    scans,
    selection,
    sigmoids,
    sorting,
    splitting,
    statistics,
    trigonometry,
    variance,
)
from tinygrad_edu.ops import shape as shapes
from tinygrad_edu.ops.indexing import getitem, plain_index


def reflected(op: Op) -> Callable[..., Any]:
    """Return the reflected operator of a binary op, which Python calls for ``2 * t``, for example."""

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


def get_item(self: Tensor, index: Any) -> Tensor:
    """Return ``self[index]``, as `getitem`."""
    return getitem.call(self, plain_index(index))


def set_item(self: Tensor, index: Any, values: Any) -> None:
    """Write values into the tensor's storage, without recording."""
    if is_grad_enabled() and (self.requires_grad or getattr(values, "requires_grad", False)):
        raise LeafInPlaceError(
            f"assigning to elements of a tensor of shape {self.shape} cannot be recorded; build the result with "
            f"where() or concatenate(), or assign under no_grad() if no gradient is needed."
        )
    refuse_read_only("assigning elements", self)
    index, values = plain_index(index), real_numbers("assigning elements", values)
    with writing(self._storage):
        self._data[index] = values


def divide_with_remainder(self: Tensor, other: Any) -> tuple[Tensor, Tensor]:
    """Return the pair ``(self // other, self % other)``."""
    return self // other, self % other


def divide_by_self_with_remainder(self: Tensor, other: Any) -> tuple[Tensor, Tensor]:
    """Return the pair ``(other // self, other % self)``."""
    return other // self, other % self


def round_to_digits(self: Tensor, digits: int | None = None) -> Any:
    """Return each element rounded to `digits` decimals, as NumPy's `round`. The derivative is 0."""
    return np.round(self, 0 if digits is None else digits)


def reshape_to_lengths(self: Tensor, *shape: Any, order: Any = "C") -> Tensor:
    """Reshape the tensor, as `reshape`: ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
    return shapes.reshape.call(self, _shape_from_args(shape), order)


def transpose_by_axes(self: Tensor, *axes: Any) -> Tensor:
    """Permute the axes, as `transpose`: ``t.transpose(1, 0)``; ``t.transpose()`` reverses them."""
    if len(axes) == 2 and all(isinstance(axis, int) for axis in axes):
        _refuse_axis_swap(self.ndim, *axes)
    return shapes.transpose.call(self, _shape_from_args(axes) if axes else None)


def _refuse_axis_swap(ndim: int, first: int, second: int) -> None:
    """Raise for axes that PyTorch's transpose would swap, if NumPy's would raise or leave the axes in place."""
    if ndim != 2 or (first % 2, second % 2) == (0, 1):
        raise ShapeError(
            f"transpose({first}, {second}) must list the order of all {ndim} axes, as in NumPy; to swap two, as in "
            f"PyTorch, use swapaxes({first}, {second})"
            + (f"; to keep both in place, use transpose(({first}, {second}))." if ndim == 2 else ".")
        )


def _shape_from_args(arguments: tuple[Any, ...]) -> Any:
    """Return the shape of ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
    return arguments[0] if len(arguments) == 1 and not isinstance(arguments[0], int) else arguments


def values_alone(function: Any) -> Callable[..., Any]:
    """Return a function as a method that returns only the values, where PyTorch's returns values and indices.

    ``values, indices = t.max(1)`` raises; otherwise it would silently unpack two rows of the values.
    """
    forward, name = getattr(function, "forward", function), function.__name__
    call = function if isinstance(function, Op) else with_keyword_hints(function)

    def method(self: Tensor, *args: Any, **settings: Any) -> Any:
        out = call(self, *args, **settings)
        if out.ndim and len(out) == 2 and _is_unpacked_into_two(sys._getframe(1)):
            raise ShapeError(
                f"t.{name}(...) returns one tensor, of shape {out.shape}: the values, without the indices that PyTorch "
                f"returns. Write values = t.{name}(...); to unpack its two rows, a, b = list(t.{name}(...))."
            )
        return out

    vars(update_wrapper(method, forward))["__signature__"] = signature(function).replace(return_annotation="Tensor")
    return method


def _is_unpacked_into_two(caller: FrameType) -> bool:
    """Return whether the frame's next instruction, after its current call, is ``a, b = ...``."""
    following = (i for i in get_instructions(caller.f_code) if i.offset > caller.f_lasti)
    instruction = next(following)
    return instruction.opname == "UNPACK_SEQUENCE" and instruction.arg == 2


# Operators with a reflected and an in-place form: ``__add__``, ``__radd__`` and ``__iadd__``.
_OPERATORS: dict[str, Any] = {
    "add": arithmetic.add, "sub": arithmetic.subtract, "mul": arithmetic.multiply, "truediv": arithmetic.divide,
    "floordiv": arithmetic.floor_divide, "mod": arithmetic.remainder, "pow": powers.power, "matmul": products.matmul,
}  # fmt: skip
# Methods with the name of their function, by file.
_SAME_NAME = {
    arithmetic: "astype ceil copysign deg2rad floor fmod positive rad2deg reciprocal round trunc",
    selection: "clip lerp masked_fill nan_to_num",
    powers: "exp exp2 expm1 hypot log log10 log1p log2 rsqrt sqrt square xlogy",
    sigmoids: "logaddexp logit sigmoid",
    error_function: "erf",
    trigonometry: "arccos arccosh arcsin arcsinh arctan arctan2 arctanh cos cosh sin sinc sinh tan tanh",
    activations: "hardshrink prelu relu",
    nondifferentiable: (
        "all any argmax argmin argsort count_nonzero isclose isfinite isinf isnan logical_and logical_not "
        "logical_or logical_xor nonzero searchsorted"
    ),
    reduction: "amax amin logsumexp mean nanmean nansum prod sum",
    variance: "std var",
    statistics: "quantile",
    scans: "cumprod cumsum diff logcumsumexp",
    sorting: "kthvalue topk unique",
    gather: "take",
    shapes: "broadcast_to expand_dims flatten flip fliplr flipud moveaxis ravel roll rot90 squeeze swapaxes",
    repeating: "repeat tile",
    diagonals: "diag diagflat diagonal trace tril triu",
    splitting: "dsplit hsplit split unbind vsplit",
    products: "bmm dot inner kron outer vdot",
    linalg: "det matrix_power norm slogdet",
    classification: "log_softmax softmax",
}
METHODS: dict[str, Any] = {
    # arithmetic
    **{f"__{name}__": op for name, op in _OPERATORS.items()},
    **{f"__r{name}__": reflected(op) for name, op in _OPERATORS.items()},
    **{f"__i{name}__": in_place(op) for name, op in _OPERATORS.items()},
    "__neg__": arithmetic.negative, "__pos__": arithmetic.positive, "__abs__": arithmetic.abs,
    "__divmod__": divide_with_remainder, "__rdivmod__": divide_by_self_with_remainder, "__round__": round_to_digits,
    # comparisons
    "__eq__": comparison(np.equal), "__ne__": comparison(np.not_equal), "__lt__": comparison(np.less),
    "__le__": comparison(np.less_equal), "__gt__": comparison(np.greater), "__ge__": comparison(np.greater_equal),
    "__and__": combination(np.bitwise_and), "__rand__": combination(np.bitwise_and),
    "__or__": combination(np.bitwise_or), "__ror__": combination(np.bitwise_or),
    "__xor__": combination(np.bitwise_xor), "__rxor__": combination(np.bitwise_xor), "__invert__": inverted,
    # elements, and NumPy's own functions
    "__getitem__": get_item, "__setitem__": set_item,
    "__array_ufunc__": numpy_protocol.array_ufunc, "__array_function__": numpy_protocol.array_function,
    # functions with another name, or that return one of several results
    "max": values_alone(reduction.max), "median": values_alone(statistics.median), "min": values_alone(reduction.min),
    "cummax": values_alone(scans.cummax), "cummin": values_alone(scans.cummin), "sort": values_alone(sorting.sort),
    "copy": shapes.identity, "reshape": reshape_to_lengths, "transpose": transpose_by_axes,
    **{name: getattr(file, name) for file, names in _SAME_NAME.items() for name in names.split()},
}  # fmt: skip


def method(name: str, function: Any) -> Callable[..., Any]:
    """Return a function as a method called `name`, with the source, the docstring and the parameters of its forward.

    The method is a separate function object with the same code. A method that called the op would add a call.
    """
    code = function.call if isinstance(function, Op) else with_keyword_hints(function)
    forward = getattr(function, "forward", function)
    bound = FunctionType(code.__code__, code.__globals__, name, code.__defaults__, code.__closure__)
    bound.__kwdefaults__, bound.__doc__, bound.__module__ = code.__kwdefaults__, forward.__doc__, forward.__module__
    bound.__qualname__ = f"Tensor.{name}"
    original = signature(function)
    parameters = [Parameter("self", Parameter.POSITIONAL_ONLY), *list(original.parameters.values())[1:]]
    returns = original.return_annotation.replace("Tensor | Array", "Tensor")
    vars(bound).update(
        __wrapped__=forward, __signature__=original.replace(parameters=parameters, return_annotation=returns)
    )
    return bound


def reversed_axes() -> property:
    """Return the property ``t.T``."""
    return property(shapes.transpose.call, doc="The tensor with its axes reversed, as a view.")


class LazyMethod:
    """Placeholder for a Tensor method that is made on first access, as most programs use few methods."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self.name, self.make = name, make

    def __get__(self, tensor: Tensor | None, kind: type) -> Any:
        bound = self.make()
        setattr(Tensor, self.name, bound)
        return bound.__get__(tensor, kind)


for _name, _function in METHODS.items():
    setattr(Tensor, _name, LazyMethod(_name, partial(method, _name, _function)))
Tensor.T = LazyMethod("T", reversed_axes)  # type: ignore[assignment, method-assign]
Tensor.mT = property(  # type: ignore[assignment, method-assign]
    lambda self: shapes.swapaxes.call(self, -2, -1), doc="The tensor with its last two axes swapped, as a view."
)
