"""Values as code: an array, with its memory layout, printed so that pasting it gives the same array again."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array

_TOO_LARGE = 2000


def fortran(x: Array) -> Array:
    """Return a copy of x whose first axis varies fastest in memory."""
    return np.asfortranarray(x)


def strided(x: Array) -> Array:
    """Return a copy of x that owns every second element of a buffer."""
    return np.repeat(x, 2, axis=-1)[..., ::2]


def backwards(x: Array) -> Array:
    """Return a copy of x with negative strides along every axis."""
    every = (slice(None, None, -1),) * x.ndim
    return np.array(x[every], order="C")[every]


def stride0(x: Array) -> Array:
    """Return x's first row, repeated to the shape of x with a stride of 0, read-only: other values, but legal ones."""
    return np.broadcast_to(np.array(x[:1]), x.shape)


# What an op may be given instead of a contiguous array. Each gives an array of the same shape and dtype.
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "fortran": fortran, "strided": strided, "backwards": backwards, "stride0": stride0,
}  # fmt: skip


def code(value: Any) -> str:
    """Return an expression for `value`: an array (of any layout), a number, or tuples, lists and dicts of them.

    Examples
    --------
    >>> code(np.array([[1.5, 2.0]]))
    'np.array([[1.5, 2.0]])'
    >>> code(np.array([1.0, 2.0], np.float32)[::-1])
    "np.array([1.0, 2.0], dtype='float32')[::-1]"
    >>> code((slice(1, None), ..., np.array([True])))
    '(slice(1, None, None), ..., np.array([True]))'
    """
    if isinstance(value, np.ndarray):
        return _array_code(value)
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name}({value.item()!r})"
    if isinstance(value, type) and issubclass(value, np.generic):
        return f"np.{value.__name__}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{code(key)}: {code(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(code, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(code, value))}{',' * (len(value) == 1)})"
    if isinstance(value, float) and np.isinf(value):
        return f"float({str(value)!r})"
    return "..." if value is ... else repr(value)


def _array_code(x: Array) -> str:
    moved = [n > 1 and s != 0 for n, s in zip(x.shape, x.strides, strict=True)]
    if x.size and any(n > 1 and s == 0 for n, s in zip(x.shape, x.strides, strict=True)):
        kept = x[tuple(slice(None) if n == 1 or m else slice(1) for n, m in zip(x.shape, moved, strict=True))]
        return f"np.broadcast_to({_array_code(kept)}, {x.shape})"
    if any(s < 0 for s in x.strides):  # of a single element, too: NumPy may round it otherwise
        turned = tuple(slice(None, None, -1 if s < 0 else None) for s in x.strides)
        return f"{_array_code(x[turned])}[{', '.join('::-1' if part.step else ':' for part in turned)}]"
    if not (x.flags.c_contiguous or x.flags.f_contiguous):
        return f"strided({_contiguous(x)})"
    return f"np.asfortranarray({_contiguous(x)})" if not x.flags.c_contiguous else _contiguous(x)


def _contiguous(x: Array) -> str:
    if x.size > _TOO_LARGE:
        return f"<an array of shape {x.shape} and dtype {x.dtype}, too large to print>"
    values = repr(x.tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
    plain = x.dtype in (np.float64, np.int64, np.bool_) and x.size
    shape = "" if 0 not in x.shape[:-1] else f".reshape({x.shape})"
    return f"np.array({values}{'' if plain else f', dtype={x.dtype.name!r}'}){shape}"
