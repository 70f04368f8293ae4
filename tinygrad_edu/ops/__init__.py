"""The mathematics: every op, and their names and operators on Tensor.

``registry`` has every `Op` of these files by name. The functions that are composed of ops need no rule of their own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor, is_grad_enabled, real_numbers, refuse_read_only, writing
from tinygrad_edu.errors import LeafInPlaceError
from tinygrad_edu.in_place import in_place
from tinygrad_edu.ops import (
    classification,
    convolution,
    dropout,
    elementwise,
    indexing,
    linalg,
    numpy_protocol,
    pooling,
    reduction,
    shape,
    windows,
)
from tinygrad_edu.ops.classification import cross_entropy, log_softmax, softmax
from tinygrad_edu.ops.convolution import conv2d
from tinygrad_edu.ops.elementwise import (
    abs,
    add,
    astype,
    clip,
    cos,
    divide,
    exp,
    floor_divide,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    relu,
    remainder,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    tanh,
    where,
)
from tinygrad_edu.ops.indexing import getitem, plain_index, scatter_add
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.pooling import avg_pool2d, max_pool2d
from tinygrad_edu.ops.reduction import logsumexp, max, mean, min, std, sum, var
from tinygrad_edu.ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    pad,
    reshape,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from tinygrad_edu.ops.windows import col2im, im2col
from tinygrad_edu.recorder import Op

__all__ = [
    "abs", "add", "astype", "avg_pool2d", "broadcast_to", "clip", "col2im", "concatenate", "conv2d", "cos",
    "cross_entropy", "divide", "exp", "expand_dims", "flip", "floor_divide", "getitem", "im2col", "log",
    "log_softmax", "logsumexp", "matmul", "max", "max_pool2d", "maximum", "mean", "min", "minimum", "multiply",
    "negative", "pad", "power", "relu", "remainder", "reshape", "scatter_add", "sigmoid", "sign", "sin", "softmax",
    "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum", "swapaxes", "tanh", "transpose", "var", "where",
]  # fmt: skip

registry: dict[str, Op] = {
    value.name: value
    for module in (
        elementwise,
        shape,
        indexing,
        reduction,
        linalg,
        classification,
        dropout,
        windows,
        convolution,
        pooling,
    )
    for value in vars(module).values()
    if isinstance(value, Op)
}


def _operators(op: Op) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a binary operator and its reflection."""
    call = op.call

    def reflected(self: Tensor, other: Any) -> Any:
        return call(other, self)

    return call, reflected


for _name, _op in {
    "add": add, "sub": subtract, "mul": multiply, "truediv": divide, "floordiv": floor_divide, "mod": remainder,
    "pow": power, "matmul": matmul,
}.items():  # fmt: skip
    _call, _reflected = _operators(_op)
    setattr(Tensor, f"__{_name}__", _call)
    setattr(Tensor, f"__r{_name}__", _reflected)
    setattr(Tensor, f"__i{_name}__", in_place(_op))

for _name, _op in {"neg": negative, "abs": abs}.items():
    setattr(Tensor, f"__{_name}__", _op.call)

for _op in (
    clip, cos, exp, expand_dims, flip, log, log_softmax, logsumexp, max, mean, min, relu, sigmoid, sin, softmax, sqrt,
    square, squeeze, sum, swapaxes, tanh, astype,
):  # fmt: skip
    setattr(Tensor, _op.name, _op.call)

for _function in (std, var):
    setattr(Tensor, _function.__name__, _function)


def _comparison(compare: np.ufunc) -> Callable[[Tensor, Any], Any]:
    """Return an operator that gives a plain boolean array."""

    def operator(self: Tensor, other: Any) -> Any:
        return compare(self._data, other._data if isinstance(other, Tensor) else other)

    return operator


for _name, _compare in {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}.items():  # fmt: skip
    setattr(Tensor, f"__{_name}__", _comparison(_compare))


def _whole(lengths: tuple[Any, ...]) -> Any:
    """Read ``t.reshape(2, 3)`` as ``t.reshape((2, 3))``."""
    return lengths[0] if len(lengths) == 1 and not isinstance(lengths[0], int) else lengths


def _setitem(self: Tensor, index: Any, values: Any) -> None:
    """Write values into the tensor's memory, unrecorded."""
    if is_grad_enabled() and (self.requires_grad or getattr(values, "requires_grad", False)):
        raise LeafInPlaceError(
            f"assigning to elements of a tensor of shape {self.shape} cannot be recorded: build the result with "
            f"where() or concatenate(), or assign under no_grad() where no gradient is wanted."
        )
    refuse_read_only("assigning elements", self)
    index, values = plain_index(index), real_numbers("assigning elements", values)
    with writing(self._cell):
        self._data[index] = values


def _getitem(self: Tensor, index: Any) -> Any:
    """Return ``self[index]``, as `getitem`."""
    return getitem.call(self, plain_index(index))


def _reshape(self: Tensor, *shape: Any) -> Any:
    """Return the same elements in another shape, as `reshape`: ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
    return reshape.call(self, _whole(shape))


def _transpose(self: Tensor, *axes: Any) -> Any:
    """Return the axes in another order, as `transpose`: ``t.transpose(1, 0)``, or reversed: ``t.transpose()``."""
    return transpose.call(self, _whole(axes) if axes else None)


_METHODS: dict[str, Any] = {
    "__getitem__": _getitem,
    "__setitem__": _setitem,
    "__array_ufunc__": numpy_protocol.array_ufunc,
    "__array_function__": numpy_protocol.array_function,
    "reshape": _reshape,
    "transpose": _transpose,
    "T": property(transpose.call, doc="The tensor with its axes reversed, as a view."),
}
for _name, _method in _METHODS.items():
    setattr(Tensor, _name, _method)
