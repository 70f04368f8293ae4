"""How NumPy's own functions reach our ops: ``np.sum(t, axis=0)`` is ``t.sum(axis=0)``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor, values_of
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.ops import arithmetic, choosing, joining, powers, products, reduction, shape, trigonometry

DIFFERENTIABLE: dict[Any, Callable[..., Any]] = {
    np.add: arithmetic.add, np.subtract: arithmetic.subtract, np.multiply: arithmetic.multiply,
    np.divide: arithmetic.divide, np.floor_divide: arithmetic.floor_divide, np.remainder: arithmetic.remainder,
    np.power: powers.power, np.negative: arithmetic.negative, np.exp: powers.exp, np.log: powers.log,
    np.sqrt: powers.sqrt, np.square: powers.square, np.sin: trigonometry.sin, np.cos: trigonometry.cos,
    np.tanh: trigonometry.tanh, np.sign: arithmetic.sign, np.absolute: arithmetic.abs,
    np.maximum: choosing.maximum, np.minimum: choosing.minimum, np.clip: choosing.clip,
    np.where: choosing.where, np.matmul: products.matmul,
    np.sum: reduction.sum, np.mean: reduction.mean, np.var: reduction.var, np.std: reduction.std,
    np.max: reduction.max, np.min: reduction.min,
    np.reshape: shape.reshape, np.transpose: shape.transpose, np.swapaxes: shape.swapaxes,
    np.expand_dims: shape.expand_dims, np.squeeze: shape.squeeze, np.broadcast_to: shape.broadcast_to,
    np.flip: shape.flip, np.concatenate: joining.concatenate, np.stack: joining.stack,
}  # fmt: skip

# Answers that no derivative goes through: booleans and positions. They come as plain arrays.
QUESTIONS: frozenset[Any] = frozenset({
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.isnan, np.isinf, np.isfinite,
    np.signbit, np.argmax, np.argmin, np.argsort, np.any, np.all, np.allclose, np.isclose, np.array_equal,
    np.shape, np.ndim, np.size, np.count_nonzero, np.result_type, np.can_cast,
})  # fmt: skip


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
    """Answer a NumPy ufunc that met a Tensor."""
    if method != "__call__" or "out" in settings or "where" in settings:
        raise DTypeError(f"np.{ufunc.__name__}: only the plain call has a derivative here, without out= or where=.")
    return _dispatch(ufunc, inputs, settings)


def array_function(
    self: Tensor, function: Callable[..., Any], types: Any, inputs: tuple[Any, ...], settings: dict[str, Any]
) -> Any:
    """Answer any other NumPy function that met a Tensor."""
    return _dispatch(function, inputs, settings)


def _dispatch(function: Callable[..., Any], inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    if function in DIFFERENTIABLE:
        return DIFFERENTIABLE[function](*inputs, **settings)
    if function in QUESTIONS:
        return function(*map(values_of, inputs), **settings)
    raise DTypeError(
        f"np.{function.__name__} has no op of ours, and would lose the gradient: compose it of the ops of "
        f"tinygrad_edu, or give it the values alone, with .numpy()."
    )
