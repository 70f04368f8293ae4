"""NumPy functions without a derivative, such as comparisons, on the values of Tensors inside of `vmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine.mapped import (
    Level,
    Mapped,
    Trace,
    aligned,
    hidden,
    innermost_level,
    is_mapped_by,
    joined,
    peeled,
    require_open,
    sample,
    shifted,
    warn_of_a_loop,
)
from tinygrad_edu.engine.memory import WRITERS
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.errors import MappedValueError

# Functions along an axis, which is the second parameter.
_ALONG = frozenset({np.any, np.all, np.argmax, np.argmin, np.count_nonzero, np.argsort, np.sort, np.flip, np.cumsum})
_REDUCE_ALL = frozenset({np.any, np.all, np.count_nonzero})
_ELEMENTWISE = frozenset({np.isclose, np.where, np.isreal, np.iscomplex, np.isposinf, np.isneginf, np.clip})


def call_on_mapped(function: Any, call: Callable[..., Any], inputs: Any, settings: dict[str, Any]) -> Any:
    """Call a NumPy function on the values of each sample: elementwise and along an axis at once, else in a loop."""
    if function in (np.shape, np.ndim, np.size) and isinstance(inputs[0], Tensor):
        return function(np.broadcast_to(0, inputs[0].shape), *inputs[1:], **settings)
    if function in (np.result_type, np.can_cast, np.common_type, np.min_scalar_type):
        return call(*(x.dtype if isinstance(x, Tensor) else x for x in inputs), **settings)
    if "out" in settings or function in WRITERS or call.__name__ == "at":
        raise MappedValueError(
            f"np.{function.__name__} writes in place inside of vmap, where a write could mix samples. Compute a new "
            f"Tensor instead."
        )
    level = innermost_level((inputs, settings))
    assert level is not None
    require_open([level], f"np.{function.__name__}")
    if isinstance(level, Trace):
        return level.record(call, f"np.{function.__name__}", tuple(inputs), settings)
    on = [is_mapped_by(x, level) for x in inputs]
    if innermost_level(settings) is None and not any(
        isinstance(x, list | tuple) and innermost_level(x) for x in inputs
    ):
        arguments = [peeled(x).detach() if is_on else x for x, is_on in zip(inputs, on, strict=True)]
        if function in _ELEMENTWISE or (isinstance(function, np.ufunc) and call is function and not settings):
            return hidden(_values(call, aligned(arguments, on, level.size), settings), level)
        if function in _ALONG and on[0] and not any(on[1:]):
            return hidden(_along(call, arguments[0], arguments[1:], settings), level)
    return _call_on_each(function, call, inputs, settings, level)


def _values(call: Callable[..., Any], inputs: list[Any], settings: dict[str, Any]) -> Any:
    """Call a NumPy function on arrays, or on values that outer levels map."""
    if innermost_level(inputs) is not None:
        return call_on_mapped(call, call, tuple(inputs), settings)
    return call(*(x._data if isinstance(x, Tensor) else x for x in inputs), **settings)


def _along(call: Any, x: Tensor, others: list[Any], settings: dict[str, Any]) -> Any:
    settings = dict(settings)
    default = None if call in (np.any, np.all, np.argmax, np.argmin, np.count_nonzero, np.flip, np.cumsum) else -1
    axis = others[0] if others else settings.pop("axis", default)
    ndim = x.ndim - 1
    if axis is None and call in _REDUCE_ALL | {np.flip}:
        return _values(call, [x], {**settings, "axis": tuple(range(1, ndim + 1))})
    if axis is None and settings.get("keepdims"):
        return _values(call, [x.reshape((len(x), -1))], {"axis": 1}).reshape((len(x), *[1] * ndim))
    if axis is None or not ndim:
        return _values(call, [x.reshape((len(x), -1))], {**settings, "axis": 1})
    return _values(call, [x], {**settings, "axis": shifted(axis, ndim)})


def _call_on_each(function: Any, call: Any, inputs: Any, settings: dict[str, Any], level: Level) -> Any:
    warn_of_a_loop(f"np.{function.__name__}")
    rows = []
    for index in range(level.size):
        args, keywords = sample((inputs, settings), level, index)
        rows.append(call(*_plain(args), **_plain(keywords)))
    return joined(rows, level, f"np.{function.__name__}")


def _plain(x: Any) -> Any:
    """Replace the unmapped Tensors in nested arguments with their arrays."""
    if isinstance(x, list | tuple):
        return type(x)(map(_plain, x))
    if isinstance(x, dict):
        return {name: _plain(part) for name, part in x.items()}
    return x.numpy() if isinstance(x, Tensor) and not isinstance(x, Mapped) else x
