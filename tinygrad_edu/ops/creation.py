"""Creation of tensors: constants, ranges and random numbers.

The names and parameters are NumPy's. The default dtype is float32; integer ranges and random integers are int64.
``requires_grad=True`` makes a leaf, as in `Tensor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy import ndarray
from numpy.typing import DTypeLike

from tinygrad_edu.engine import (
    Array,
    Mapped,
    PlainArrayLike,
    Storage,
    Tensor,
    TensorLike,
    anywhere,
    demand_shape,
    flag,
    from_array,
    random,
    real_numbers,
    shape_of,
    values_of,
)
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.errors import checks as _checks
from tinygrad_edu.ops.elementwise.arithmetic import add, cast, multiply, subtract
from tinygrad_edu.ops.indices.indexing import getitem

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "geomspace", "integers", "linspace", "logspace",
    "normal", "ones", "ones_like", "permutation", "tri", "uniform", "zeros", "zeros_like",
]  # fmt: skip

_Shape = int | Sequence[int]


# --- Constants ---


def zeros(shape: _Shape, dtype: DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros. The shape is one argument, ``zeros((2, 3))``, as in NumPy."""
    return _tensor(np.zeros(shape, _dtype("zeros", dtype)), requires_grad)


def ones(shape: _Shape, dtype: DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones. The shape is one argument, ``ones((2, 3))``, as in NumPy."""
    return _tensor(np.ones(shape, _dtype("ones", dtype)), requires_grad)


def empty(shape: _Shape, dtype: DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """Return an uninitialized tensor. The shape is one argument, ``empty((2, 3))``, as in NumPy."""
    return _tensor(np.empty(shape, _dtype("empty", dtype)), requires_grad)


def full(shape: _Shape, fill_value: Any, dtype: DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """Return a tensor filled with `fill_value`, a number or an array that broadcasts to `shape`.

    The default dtype is that of ``Tensor(fill_value)``: float32 for a Python number.
    """
    value = _constant("full", "fill_value", fill_value)
    return _tensor(np.full(shape, value, _dtype("full", dtype, Tensor(fill_value).dtype)), requires_grad)


def zeros_like(
    a: Any, dtype: DTypeLike | None = None, *, shape: _Shape | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of zeros with the shape and dtype of a Tensor or array, unless others are given."""
    like = _prototype("zeros_like", a)
    return _tensor(np.zeros_like(like, _dtype("zeros_like", dtype, like.dtype), shape=shape), requires_grad)


def ones_like(
    a: Any, dtype: DTypeLike | None = None, *, shape: _Shape | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of ones with the shape and dtype of a Tensor or array, unless others are given."""
    like = _prototype("ones_like", a)
    return _tensor(np.ones_like(like, _dtype("ones_like", dtype, like.dtype), shape=shape), requires_grad)


def empty_like(
    a: Any, dtype: DTypeLike | None = None, *, shape: _Shape | None = None, requires_grad: bool = False
) -> Tensor:
    """Return an uninitialized tensor with the shape and dtype of a Tensor or array, unless others are given."""
    like = _prototype("empty_like", a)
    return _tensor(np.empty_like(like, _dtype("empty_like", dtype, like.dtype), shape=shape), requires_grad)


def full_like(
    a: Any, fill_value: Any, dtype: DTypeLike | None = None, *, shape: _Shape | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor filled with `fill_value`, with the shape and dtype of a Tensor or array; see `zeros_like`."""
    like, value = _prototype("full_like", a), _constant("full_like", "fill_value", fill_value)
    return _tensor(np.full_like(like, value, _dtype("full_like", dtype, like.dtype), shape=shape), requires_grad)


def eye(
    N: int, M: int | None = None, k: int = 0, dtype: DTypeLike | None = None, *, requires_grad: bool = False
) -> Tensor:
    """Return an N x M (default N x N) matrix of zeros with ones on the k-th diagonal; k > 0 is above the main one."""
    return _tensor(np.eye(N, M, k, _dtype("eye", dtype)), requires_grad)


def tri(
    N: int, M: int | None = None, k: int = 0, dtype: DTypeLike | None = None, *, requires_grad: bool = False
) -> Tensor:
    """Return an N x M (default N x N) matrix with ones on and below the k-th diagonal and zeros above it."""
    return _tensor(np.tri(N, M, k, _dtype("tri", dtype)), requires_grad)


# --- Ranges, computed in double precision and rounded once ---


def arange(
    start: Any = None, stop: Any = None, step: Any = 1, dtype: DTypeLike | None = None, *, requires_grad: bool = False
) -> Tensor:
    """Return the numbers from `start` (default 0) to `stop`, exclusive, in steps of `step`.

    Call ``arange(stop)``, ``arange(start, stop)`` or ``arange(start, stop, step)``, as in NumPy.

    Parameters
    ----------
    start, stop : numbers, optional
    step : numbers, default 1
    dtype : dtype, optional
        By default int64 if all three are integers. Otherwise the dtype of the floating-point arrays among them, or
        float32 for Python floats.
    requires_grad : bool, default False
        Whether the result requires a gradient.

    Examples
    --------
    >>> arange(3)
    Tensor([0, 1, 2], shape=(3,), dtype=int64)
    >>> arange(1.0, 2.0, 0.25)
    Tensor([1.  , 1.25, 1.5 , 1.75], shape=(4,), dtype=float32)
    """
    if stop is None:
        start, stop = None, start
    if stop is None:
        raise DTypeError("arange: missing stop; call arange(stop), arange(start, stop) or arange(start, stop, step).")
    bounds = [_constant("arange", "start, stop and step", x) for x in (0 if start is None else start, stop, step)]
    result_dtype = _dtype("arange", dtype, _result_dtype(*bounds))
    if result_dtype.kind == "f":
        bounds = [x if np.asarray(x).dtype.kind in "iu" else float(x) for x in bounds]
        return _tensor(np.arange(*bounds).astype(result_dtype, copy=False), requires_grad)
    return _tensor(np.arange(*bounds, dtype=None if dtype is None else result_dtype), requires_grad)


@overload
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: Literal[False] = False,
    dtype: DTypeLike | None = None, axis: int = 0, *, requires_grad: bool = False,
) -> Tensor: ...  # fmt: skip
@overload
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, retstep: Literal[True],
    dtype: DTypeLike | None = None, axis: int = 0, requires_grad: bool = False,
) -> tuple[Tensor, Any]: ...  # fmt: skip
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: DTypeLike | None = None,
    axis: int = 0, *, requires_grad: bool = False,
) -> Tensor | tuple[Tensor, Any]:  # fmt: skip
    """Return `num` evenly spaced numbers from `start` to `stop`.

    Parameters
    ----------
    start, stop : numbers or arrays
        For arrays, the numbers run along a new axis at position `axis` of the result.
    num : int, default 50
    endpoint : bool, default True
        Whether `stop` is the last number; otherwise the spacing is (stop - start) / num.
    retstep : bool, default False
        Whether to also return the spacing.
    dtype : dtype, optional
        By default that of the floating-point arrays given, or float32.
    axis : int, default 0
    requires_grad : bool, default False
        Whether the result requires a gradient.

    Examples
    --------
    >>> linspace(0, 1, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], shape=(5,), dtype=float32)
    """
    start, stop, result_dtype = _endpoints("linspace", start, stop, dtype)
    values, step = np.linspace(start, stop, num, endpoint, retstep=True, axis=axis)
    values = np.floor(values) if result_dtype.kind in "iu" else values  # as in NumPy
    out = _tensor(values.astype(result_dtype, copy=False), requires_grad)
    return (out, step) if retstep else out


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: DTypeLike | None = None,
    axis: int = 0, *, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return `num` powers of `base` with exponents evenly spaced from `start` to `stop`; see `linspace`."""
    start, stop, result_dtype = _endpoints("logspace", start, stop, dtype)
    values = np.logspace(start, stop, num, endpoint, _constant("logspace", "base", base), axis=axis)
    return _tensor(values.astype(result_dtype, copy=False), requires_grad)


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: DTypeLike | None = None, axis: int = 0, *,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return `num` numbers from `start` to `stop` in geometric progression; see `linspace`."""
    start, stop, result_dtype = _endpoints("geomspace", start, stop, dtype)
    values = np.geomspace(start, stop, num, endpoint, axis=axis)
    return _tensor(values.astype(result_dtype, copy=False), requires_grad)


# --- Random numbers. Each call takes a Generator: there is no global generator or seed ---


@random
def normal(
    loc: Any = 0.0, scale: Any = 1.0, size: _Shape | None = None, *, rng: np.random.Generator,
    dtype: DTypeLike | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Draw from the normal distribution with mean `loc` and standard deviation `scale`.

    Parameters
    ----------
    loc : numbers, arrays or Tensors, default 0.0
        Mean. If `loc` or `scale` is a Tensor that requires a gradient, the result is loc + scale * z with standard
        normal z.
    scale : numbers, arrays or Tensors, default 1.0
        Standard deviation. The derivatives with respect to `loc` and `scale` are 1 and z.
    size : int or tuple of int, optional
        Shape of the result, by default the broadcast shape of `loc` and `scale`.
    rng : numpy.random.Generator
    dtype : dtype, optional
        By default that of the floating-point arrays or Tensors given, or float32.
    requires_grad : bool, default False
        Whether the result requires a gradient.

    Raises
    ------
    DataError
        If `scale` is negative.

    Examples
    --------
    >>> normal(size=(2, 2), rng=np.random.default_rng(0)).shape
    (2, 2)
    """
    loc, scale = _parameters("normal", loc, scale)
    result_dtype = _dtype("normal", dtype, _result_dtype(loc, scale, 0.0))
    if anywhere(values_of(scale) < 0):
        raise DataError(f"normal: scale must be >= 0, got {scale!r}.")
    drawn = _draw_floats("normal", _checks.generator(rng).standard_normal, result_dtype, size, loc, scale)
    return _shift_and_scale("normal", drawn, loc, scale, requires_grad)


@random
def uniform(
    low: Any = 0.0, high: Any = 1.0, size: _Shape | None = None, *, rng: np.random.Generator,
    dtype: DTypeLike | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Draw from the uniform distribution over [low, high).

    Parameters
    ----------
    low : numbers, arrays or Tensors, default 0.0
        Lower end. If `low` or `high` is a Tensor that requires a gradient, the result is low + (high - low) * u with u
        uniform in [0, 1).
    high : numbers, arrays or Tensors, default 1.0
        Upper end. The derivatives with respect to `low` and `high` are 1 - u and u.
    size : shape, optional
        Shape of the result. Default: the shape to which `low` and `high` broadcast.
    rng, dtype
        As for `normal`.
    requires_grad : bool, default False
        Whether the result requires a gradient.

    Raises
    ------
    DataError
        If the range is not finite, or `high` is less than `low`.

    Examples
    --------
    >>> uniform(2.0, 3.0, 4, rng=np.random.default_rng(0)).shape
    (4,)
    """
    low, high = _parameters("uniform", low, high)
    result_dtype = _dtype("uniform", dtype, _result_dtype(low, high, 0.0))
    width = subtract(high, low)
    if not np.all((values_of(width) >= 0) & np.isfinite(values_of(width))):
        raise DataError(f"uniform: low and high must bound a finite range with low <= high, got {low!r} and {high!r}.")
    drawn = _draw_floats("uniform", _checks.generator(rng).random, result_dtype, size, low, high)
    out = _shift_and_scale("uniform", drawn, low, width, requires_grad)
    max_value = np.nextafter(values_of(high), values_of(low), dtype=result_dtype)
    np.minimum(out._data, max_value, out=out._data)  # in a narrow range, rounding can reach high
    return out


@random
def integers(
    low: Any, high: Any = None, size: _Shape | None = None, dtype: DTypeLike = np.int64, endpoint: bool = False, *,
    rng: np.random.Generator,
) -> Tensor:  # fmt: skip
    """Draw integers from [low, high), or from [0, low) if `high` is None. With `endpoint`, the upper bound is included.

    Examples
    --------
    >>> bool((integers(3, size=100, rng=np.random.default_rng(0)) < 3).all())
    True
    """
    low, high = _constant("integers", "low", low), None if high is None else _constant("integers", "high", high)
    kind: Any = _dtype("integers", dtype)
    return _tensor(np.asarray(_checks.generator(rng).integers(low, high, size, kind, endpoint)), False)


@overload
def permutation(x: int | Tensor, axis: int = 0, *, rng: np.random.Generator) -> Tensor: ...
@overload
def permutation(x: PlainArrayLike, axis: int = 0, *, rng: np.random.Generator) -> Array: ...
@random
def permutation(x: TensorLike, axis: int = 0, *, rng: np.random.Generator) -> Tensor | Array:
    """Return x, a Tensor or array, in random order along `axis`; for an integer n, return 0 to n - 1 in random order.

    Examples
    --------
    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> permutation(x, rng=np.random.default_rng(1)).sum().backward()
    >>> x.grad.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    >>> sorted(permutation(3, rng=np.random.default_rng(0)).numpy().tolist())
    [0, 1, 2]
    """
    draw = _checks.generator(rng).permutation
    shape = shape_of(x)
    if not shape:
        return _tensor(draw(_checks.integer("permutation: x", np.asarray(values_of(x))[()], 0)), False)
    axis = np.lib.array_utils.normalize_axis_index(axis, len(shape))
    return getitem(x, (*(slice(None),) * axis, draw(shape[axis])))


# --- Helpers ---


def _tensor(array: ndarray, requires_grad: bool) -> Tensor:
    """Return a Tensor of an array that has no other reference."""
    return from_array(array, requires_grad, Storage())


def _dtype(where: str, dtype: Any, default: Any = np.float32) -> np.dtype[Any]:
    """Return the dtype of the result, or raise if a Tensor cannot have it."""
    if isinstance(dtype, int | np.integer) and not isinstance(dtype, bool):
        raise DTypeError(f"{where}: {dtype} is not a dtype; pass the shape as one argument, as in {where}((2, 3)).")
    result = np.dtype(default if dtype is None else dtype).newbyteorder("=")
    if result.kind not in "fiub":
        raise DTypeError(f"{where}: dtype must be real or boolean, got {result}.")
    return result


def _constant(where: str, name: str, value: Any) -> Any:
    """Return a non-differentiable argument as a number or an array."""
    if isinstance(value, Tensor) and value.requires_grad:
        raise DTypeError(f"{where}: {name} is not differentiable, got a Tensor that requires a gradient; detach() it.")
    return value if isinstance(value, int | float) else real_numbers(where, value)


def _prototype(where: str, a: Any) -> ndarray:
    """Return the array that gives `zeros_like` and similar functions a shape and dtype; convert lists to Tensors."""
    if isinstance(a, Mapped):
        return np.empty(a.shape, a.dtype)
    array: ndarray = real_numbers(where, a if isinstance(a, Tensor | ndarray | np.generic) else Tensor(a))
    return np.asarray(array)


def _result_dtype(*values: Any) -> Any:
    """Return the default dtype: that of the floating-point arrays, float32 for Python floats, or an integer dtype."""
    dtypes = [x.dtype for x in values if hasattr(x, "dtype")]
    floating = [dtype for dtype in dtypes if dtype.kind == "f"]
    if floating:
        return np.result_type(*floating)
    return np.float32 if any(isinstance(x, float) for x in values) else np.result_type(*dtypes, np.int64)


def _endpoints(where: str, start: Any, stop: Any, dtype: Any) -> tuple[Any, Any, np.dtype[Any]]:
    """Return start and stop in float64, and the dtype of the result."""
    endpoints = [_constant(where, name, x) for name, x in (("start", start), ("stop", stop))]
    start, stop = (np.asarray(x, np.float64) for x in endpoints)
    return start, stop, _dtype(where, dtype, _result_dtype(*endpoints, 0.0))


def _parameters(where: str, *values: Any) -> tuple[Any, ...]:
    """Return the parameters of a distribution: Tensors unchanged, other values as numbers or arrays."""
    return tuple(x if isinstance(x, Tensor | int | float) else real_numbers(where, x) for x in values)


def _draw_floats(where: str, draw: Any, dtype: np.dtype[Any], size: _Shape | None, *parameters: Any) -> ndarray:
    """Draw floating-point numbers of shape `size`, by default the broadcast shape of the parameters."""
    if dtype.kind != "f":
        raise DTypeError(f"{where}: dtype must be floating-point, got {dtype}; use .astype for another dtype.")
    shape = np.broadcast_shapes(*(shape_of(x) for x in parameters)) if size is None else size
    native = dtype if dtype in (np.float32, np.float64) else np.dtype(np.float64)
    return np.asarray(draw(shape, dtype=native)).astype(dtype, copy=False)


def _shift_and_scale(where: str, drawn: ndarray, begin: Any, width: Any, requires_grad: bool) -> Tensor:
    """Return begin + width * drawn: recorded if begin or width is a Tensor, else computed in place."""
    if not isinstance(begin, Tensor) and not isinstance(width, Tensor):
        demand_shape(where, np.broadcast_shapes(drawn.shape, np.shape(begin), np.shape(width)), drawn.shape)
        drawn *= np.asarray(width, drawn.dtype)
        drawn += np.asarray(begin, drawn.dtype)
        return _tensor(drawn, requires_grad)
    out = add(begin, multiply(width, _tensor(drawn, False)))
    demand_shape(where, out.shape, drawn.shape)
    out = cast(out, drawn.dtype)
    if flag("requires_grad", requires_grad):
        out.requires_grad = out.requires_grad or requires_grad
    return out
