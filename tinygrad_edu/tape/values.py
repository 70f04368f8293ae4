"""Values as one line of text, checks for NaN and infinities, and copies."""

from reprlib import repr as shortened
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Storage, Tensor, densify, wrap

_MOST_SHOWN = 6


def array_of(value: Any) -> Any:
    """Return a Tensor, a sparse gradient or a number as an array, and any other value unchanged."""
    value = densify(value)
    if isinstance(value, Tensor):
        return value._data
    return np.asarray(value) if isinstance(value, np.generic | float | int) else value


def in_a_word(value: Any) -> str:
    """Return a value as text: the numbers of a small array, or the dtype and shape of a larger one.

    Examples
    --------
    >>> in_a_word(np.array([1.5, -0.25], np.float32)), in_a_word(np.ones((3, 4)))
    ('[1.5, -0.25]', 'float64 (3, 4)')
    """
    array = array_of(value)
    if not isinstance(array, ndarray):
        return str(value) if isinstance(value, np.dtype) else shortened(value)
    if array.size > _MOST_SHOWN or array.dtype.kind not in "fiub" or not array.size:
        return f"{array.dtype} {array.shape}"
    return _numbers(array.tolist(), array.dtype.kind)


def _numbers(value: Any, kind: str) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_numbers(part, kind) for part in value)}]"
    text = f"{value:.4g}" if kind == "f" else str(value)
    return f"{text}.0" if kind == "f" and text.lstrip("-").isdigit() else text


def kinds_of(value: Any) -> list[str]:
    """Return the kinds of non-finite numbers in a value: "NaN", "an infinity"."""
    array = array_of(value)
    if not isinstance(array, ndarray) or array.dtype.kind != "f":
        return []
    return [kind for kind, found in (("NaN", np.isnan(array)), ("an infinity", np.isinf(array))) if found.any()]


def copied(value: Any) -> Any:
    """Return a copy of a gradient or a saved value, which later in-place changes do not affect."""
    value = densify(value)
    if isinstance(value, Tensor):
        return wrap(value._data.copy(), value._node, Storage())
    return value.copy() if isinstance(value, ndarray) else value


def memory_of(value: Any) -> tuple[int, int]:
    """Return the id and the size in bytes of the array that owns a value's memory. Other values have size 0."""
    array = value._data if isinstance(value, Tensor) else value
    if not isinstance(array, ndarray):
        return id(value), 0
    while isinstance(array.base, ndarray):
        array = array.base
    return id(array), array.nbytes
