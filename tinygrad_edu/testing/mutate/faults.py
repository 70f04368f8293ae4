"""Faults: tables of wrappers, functions that turn a correct vjp into a wrong one.

A vjp maps a cotangent and saved values to one or several gradients. The wrappers in `ANYWHERE` use only operators, so
they work for vjps of NumPy, PyTorch, JAX and autograd. The wrappers in `OURS` require a vjp of an `Op`: they change
Tensors, memory and dtypes.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Tensor, densify, values_of

# A vjp is called with arrays at first order and with Tensors at higher orders, so its types are not narrower.
VJPFunction = Callable[..., Any]
Wrapper = Callable[[VJPFunction], VJPFunction]
Condition = Callable[[Any], Any]


def mutant(kind: str) -> Wrapper:
    """Return the wrapper of this name from `ANYWHERE` or `OURS`. A wrapped vjp keeps its signature.

    Examples
    --------
    >>> vjp = lambda g, x: 2 * g * x
    >>> mutant("sign flipped")(vjp)(1.0, 3.0)
    -6.0
    >>> mutant("wrong where x is negative")(vjp)(np.ones(2), np.array([3.0, -3.0]))
    array([ 6.  , -6.06])
    """
    wrapper = {**ANYWHERE, **OURS}[kind]
    return lambda vjp: wraps(vjp)(wrapper(vjp))


# --- Wrong everywhere ---


def _map_gradients(change: Callable[[Any], Any]) -> Wrapper:
    """Return a wrapper that changes each gradient."""
    return lambda vjp: lambda *args, **kwargs: _each(change, vjp(*args, **kwargs))


def _each(change: Callable[[Any], Any], gradients: Any) -> Any:
    gradients = densify(gradients)
    if isinstance(gradients, tuple | list):
        return tuple(_each(change, gradient) for gradient in gradients)
    return None if gradients is None else change(gradients)


# --- Wrong by a small relative error, under a condition on the cotangent g or on the first saved array x ---


def _where_g(condition: Condition, error: float = 0.01) -> Wrapper:
    return lambda vjp: _conditional(vjp, lambda g, x: condition(g), error)


def _where_x(condition: Condition) -> Wrapper:
    return lambda vjp: _conditional(vjp, lambda g, x: condition(x), 0.01)


def _conditional(vjp: VJPFunction, condition: Callable[[Any, Any], Any], error: float) -> VJPFunction:
    """Add an error where the condition holds, or everywhere if it holds anywhere and has another shape."""
    first = _takes_the_cotangent_first(vjp)

    def wrong(*args: Any, **kwargs: Any) -> Any:
        gradients = vjp(*args, **kwargs)
        arrays = list(_arrays_in([*args, *kwargs.values()]))
        if not arrays or 0 in arrays[0].shape + arrays[-1].shape:
            return gradients
        g, *saved = arrays if first else arrays[::-1]
        holds = condition(g, saved[0 if first else -1] if saved else g)
        return _each(lambda out: out + error * _count_hits(out * _matching_condition(holds, out)), gradients)

    return wrong


# How often a condition held for a nonzero gradient. If an op accepts no such x, no test can detect the mutant.
# NaN is not counted: a gradient that is not finite gives it where the condition does not hold.
condition_hits: Counter[str] = Counter()
NOT_MET = "condition never met"


def _count_hits(part: Any) -> Any:
    try:
        if (abs(values_of(part)) > 0).any():
            condition_hits["met"] += 1
    except TypeError:  # JAX's tracers have no values
        condition_hits["met"] += 1
    return part


def _takes_the_cotangent_first(vjp: VJPFunction) -> bool:
    """Whether a vjp has the signature (g, *saved). PyTorch's vjps have (ctx, *g), and JAX's (saved, g)."""
    first_name, *_, last_name = [*inspect.signature(vjp).parameters] * 2 or [""] * 2
    if first_name.startswith(("ctx", "self", "res")):
        return False
    return first_name.startswith(_COTANGENTS) or not last_name.startswith(_COTANGENTS)


_COTANGENTS = ("g", "ct", "cot")


def _arrays_in(values: Any) -> Iterator[Any]:
    """Yield the floating-point arrays in nested arguments, including those that a PyTorch context saved."""
    for value in values:
        if isinstance(value, tuple | list):
            yield from _arrays_in(value)
        elif hasattr(value, "saved_tensors"):
            yield from _arrays_in(value.saved_tensors)
        elif _is_array(value) and "float" in str(value.dtype):
            yield values_of(value)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")  # a NumPy dtype has a shape, too


def _matching_condition(holds: Any, gradient: Any) -> Any:
    """Return a condition unchanged if it is a scalar or has the gradient's shape, and otherwise reduced by any()."""
    return holds if getattr(holds, "shape", ()) in ((), gradient.shape) else holds.any()


def _size(x: Any) -> int:
    return math.prod(x.shape)


def _first_element(x: Any) -> Any:
    return x.reshape(-1)[0]


def _at_a_later_call(vjp: VJPFunction) -> VJPFunction:
    calls: list[None] = []

    def wrong(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        error = 0.01 * (len(calls) > 1)
        return _each(lambda gradient: gradient + error * gradient, vjp(*args, **kwargs))

    return wrong


def _raises_for_empty(vjp: VJPFunction) -> VJPFunction:
    def wrong(*args: Any, **kwargs: Any) -> Any:
        if any(0 in x.shape for x in _arrays_in([*args, *kwargs.values()])):
            condition_hits["met"] += 1
            raise IndexError("index 0 is out of bounds for an empty array.")
        return vjp(*args, **kwargs)

    return wrong


ALWAYS: dict[str, Wrapper] = {
    "sign flipped": _map_gradients(lambda out: -out), "factor 2": _map_gradients(lambda out: out * 2.0),
    "factor 0.999": _map_gradients(lambda out: out * 0.999), "factor 1.0001": _map_gradients(lambda out: out * 1.0001),
    "zero": _map_gradients(lambda out: out * 0.0), "constant added": _map_gradients(lambda out: out + 1e-4),
    "wrong from the second call on": _at_a_later_call,
}  # fmt: skip

CONDITIONS_ON_X: dict[str, Wrapper] = {
    "wrong where x is negative": _where_x(lambda x: x < 0),
    "wrong where x is positive": _where_x(lambda x: x > 0),
    "wrong where x is near zero": _where_x(lambda x: abs(x) < 0.1),
    "wrong where |x| > 2": _where_x(lambda x: abs(x) > 2),
    "wrong where x is largest": _where_x(lambda x: x == x.max()),
    "wrong where x is above its mean": _where_x(lambda x: x > x.mean()),
    "wrong for more than 8 elements": _where_x(lambda x: _size(x) > 8),
    "wrong for one element": _where_x(lambda x: _size(x) == 1),
    "wrong for no axes": _where_x(lambda x: len(x.shape) == 0),
    "wrong for one axis": _where_x(lambda x: len(x.shape) == 1),
    "wrong for two axes": _where_x(lambda x: len(x.shape) == 2),
    "wrong for more than 2 axes": _where_x(lambda x: len(x.shape) > 2),
    "wrong for axes of one length": _where_x(lambda x: len(x.shape) > 1 and len(set(x.shape)) == 1),
    "wrong for axes of length 1": _where_x(lambda x: len(x.shape) > 0 and 1 in x.shape),
    "wrong for an x that is not contiguous": _where_x(lambda x: not _is_contiguous(x)),
    "raises for empty arrays": _raises_for_empty,
}

CONDITIONS_ON_G: dict[str, Wrapper] = {
    "wrong in float32, by 0.3 %": _where_g(lambda g: "float32" in str(g.dtype), 0.003),
    "wrong in float32, by a factor of 2": _where_g(lambda g: "float32" in str(g.dtype), 1.0),
    "wrong for a constant g": _where_g(lambda g: _size(g) > 1 and (g == _first_element(g)).all()),
    "wrong for a g that is not constant": _where_g(lambda g: (g != _first_element(g)).any()),
    "wrong for a one-hot g": _where_g(lambda g: _size(g) > 1 and (g != 0).sum() == 1),
    "wrong for a g with zeros": _where_g(lambda g: (g == 0).any() * (g != 0).any()),
    "wrong where |g| > 100": _where_g(lambda g: abs(g) > 100),
    "wrong where |g| < 0.01": _where_g(lambda g: abs(g) < 0.01),
    "wrong where g is negative": _where_g(lambda g: g < 0),
    "wrong for a g that is not contiguous": _where_g(lambda g: not _is_contiguous(g)),
}

ANYWHERE = {**ALWAYS, **CONDITIONS_ON_X, **CONDITIONS_ON_G}
"""Wrappers for a vjp of any library, by name."""


def _is_contiguous(x: Any) -> bool:
    """Whether an array is C-contiguous. JAX's arrays always are."""
    flags = getattr(x, "flags", None)
    return bool(flags.c_contiguous) if flags is not None else bool(getattr(x, "is_contiguous", lambda: True)())


# --- For ops only: wrong memory, dtypes and graphs ---


def _zero_last(gradient: Any) -> Any:
    """Set the last element to zero."""
    keep = np.ones(gradient.shape, gradient.dtype)
    keep.reshape(-1)[-1:] = 0
    return gradient * keep


def _transposed(gradient: Any) -> Any:
    is_square = gradient.ndim > 1 and gradient.shape[-1] == gradient.shape[-2]
    return ops.swapaxes(gradient, -1, -2) if is_square else gradient


def _in_memory_order(gradient: Any) -> Any:
    values = values_of(gradient)
    return np.frombuffer(values.tobytes("A"), values.dtype).reshape(values.shape) * 1


def _data_of(value: Any) -> Any:
    return value._data if isinstance(value, Tensor) else value


def _mutating(chosen: slice) -> Wrapper:
    """Return a wrapper that changes the chosen arguments of a vjp in place, of which the first is the cotangent."""

    def mutating(vjp: VJPFunction) -> VJPFunction:
        def wrong(*args: Any, **kwargs: Any) -> Any:
            out = densify(vjp(*args, **kwargs)) * 1
            for array in map(_data_of, (*args, *kwargs.values())[chosen]):
                if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.flags.writeable:
                    array *= 1.5
            return out

        return wrong

    return mutating


def _buffered(vjp: VJPFunction) -> VJPFunction:
    """Return the same buffer in every call."""
    buffers: dict[Any, Array] = {}

    def wrong(g: Any, *saved: Any, **kwargs: Any) -> Any:
        out = values_of(densify(vjp(g, *saved, **kwargs)))
        buffer = buffers.setdefault((out.shape, out.dtype), np.empty_like(out))
        buffer[...] = out
        return buffer

    return wrong


def _stale(vjp: VJPFunction) -> VJPFunction:
    """Use the saved values of the first call with the same shapes."""
    first: dict[Any, tuple[Any, ...]] = {}

    def wrong(g: Any, *saved: Any, **kwargs: Any) -> Any:
        values = (*saved, *kwargs.values())
        key = tuple(np.shape(value) if _is_array(value) else repr(value) for value in (g, *values))
        copied = tuple(values_of(v).copy() if _is_array(v) else v for v in values)
        used = first.setdefault(key, copied)
        return vjp(g, *used[: len(saved)], **dict(zip(kwargs, used[len(saved) :], strict=True)))

    return wrong


def _leaking(vjp: VJPFunction) -> VJPFunction:
    leaked: list[Any] = []

    def wrong(g: Any, *saved: Any, **kwargs: Any) -> Any:
        leaked.append((saved, kwargs))
        return vjp(g, *saved, **kwargs)

    return wrong


def _constants(vjp: VJPFunction) -> VJPFunction:
    def wrong(g: Any, *saved: Any, **kwargs: Any) -> Any:
        return vjp(g, *map(_data_of, saved), **{name: _data_of(value) for name, value in kwargs.items()})

    return wrong


OURS: dict[str, Wrapper] = {
    "the last element lost": _map_gradients(_zero_last), "transposed": _map_gradients(_transposed),
    "reversed": _map_gradients(ops.flip),
    "dtype widened": _map_gradients(lambda out: ops.astype(out, np.float64)),
    "dtype narrowed": _map_gradients(lambda out: ops.astype(out, np.float32)),
    "in memory order": _map_gradients(_in_memory_order), "a view of g": lambda vjp: lambda g, *saved, **kwargs: g,
    "not linear in g": lambda vjp: lambda g, *saved, **kwargs: vjp(g * (1 + 1e-3 * abs(g)), *saved, **kwargs),
    "g mutated": _mutating(slice(1)), "saved value mutated": _mutating(slice(1, None)), "one buffer for all": _buffered,
    "stale saved value": _stale, "saved values kept alive": _leaking,
    # The first derivatives of these two are correct, and the second derivatives wrong.
    "saved values as constants": _constants,
    "g as a constant": lambda vjp: lambda g, *saved, **kwargs: vjp(values_of(g), *saved, **kwargs),
}  # fmt: skip
"""Wrappers for a vjp of an `Op`, by name."""

# Wrappers that change nothing if a vjp saves no arrays.
NEED_SAVED_ARRAYS = {"saved value mutated", "stale saved value", "saved values as constants", "saved values kept alive"}
