"""code: the repr of a value as code that recreates it, including the memory layout of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import copy_with_strides, fortran, strided

_MOST_NUMBERS = 1000  # of an array in a repr
_ALIGNMENT = 16  # bytes; NumPy allocates arrays at multiples of it
_PLAIN = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_))  # the dtypes of Python's numbers

Namer = Callable[[Any], str]


def described(value: Any) -> str:
    """Return the name of a value that is not a literal, or a description."""
    if isinstance(value, np.ndarray):
        return f"<an array of shape {value.shape} and dtype {value.dtype}, too large to print>"
    name = str(getattr(value, "__name__", None) or repr(value))
    return f"np.{name}" if getattr(np, name, None) is value else name


def code(value: Any, name: Namer = described, most: int = _MOST_NUMBERS) -> str:
    """Return an expression for `value`: an array (of any layout), a number, or tuples, lists and dicts of them.

    Parameters
    ----------
    value
    name : callable
        Returns an expression for any other object, and for an array that is too large to print. See `Script`.
    most : int, default 1000
        The largest number of elements of an array to print.

    Examples
    --------
    >>> code(np.array([[1.5, 2.0]]))
    'np.array([[1.5, 2.0]])'
    >>> code(np.array([1.0, 2.0], np.float32)[::-1])
    "np.array([1.0, 2.0], dtype='float32')[::-1]"
    >>> code((slice(1, None), ..., np.array([True])))
    '(slice(1, None, None), ..., np.array([True]))'
    """

    def parts(values: Any) -> str:
        return ", ".join(code(x, name, most) for x in values)

    kind = type(value)
    if kind is np.ndarray:
        return _array_code(value, name, most)
    if kind is float:
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if kind in (bool, int, complex, str, bytes, slice, range) or value is None:
        return repr(value)
    if kind is dict:
        return (
            "{" + ", ".join(f"{code(key, name, most)}: {code(item, name, most)}" for key, item in value.items()) + "}"
        )
    if kind is list:
        return f"[{parts(value)}]"
    if kind is tuple:
        return f"({parts(value)}{',' * (len(value) == 1)})"
    if isinstance(value, np.generic) and kind.__module__ == "numpy" and value.dtype.kind in "fiub":
        return f"np.{kind.__name__}({code(value.item(), name)})"
    if isinstance(value, np.dtype) and value.isbuiltin == 1:
        return f"np.dtype({value.name!r})"
    return "..." if value is ... else name(value)


_ARRANGEMENTS: dict[str, Callable[[Array], Array]] = {
    "CONTIGUOUS": np.array,
    "np.asfortranarray(CONTIGUOUS)": fortran,
    "np.repeat(CONTIGUOUS, 2, axis=-1)[..., ::2]": strided,
}


def _array_code(x: Array, name: Namer, most: int) -> str:
    """Return the simplest code for an array with this memory layout, or a view of a buffer for other layouts."""
    if not x.size or x.dtype.hasobject:
        return _contiguous(x, name, most)
    if not x.flags.writeable:
        first = (slice(1 if n > 1 and s == 0 else None) for n, s in zip(x.shape, x.strides, strict=True))
        unbroadcast = x[(*first, ...)]  # an array, also if x is 0-d
        return f"np.broadcast_to({_array_code(copy_with_strides(unbroadcast), name, most)}, {x.shape})"
    if min(x.strides, default=0) < 0:
        unreversed = tuple(slice(None, None, -1 if s < 0 else None) for s in x.strides)
        index = ", ".join("::-1" if part.step else ":" for part in unreversed)
        return f"{_array_code(x[unreversed], name, most)}[{index}]"
    contiguous = np.array(x, order="C")
    if x.flags.c_contiguous and x.ctypes.data % _ALIGNMENT == x.itemsize:
        return f"np.insert({_contiguous(contiguous, name, most)}, 0, 0)[1:].reshape({x.shape})"
    for template, arrange in _ARRANGEMENTS.items():
        if _effective_strides(arrange(contiguous)) == _effective_strides(x):
            return template.replace("CONTIGUOUS", _contiguous(contiguous, name, most))
    memory: Any = copy_with_strides(x).base
    if not any(s % x.itemsize for s in x.strides):
        memory = memory.view(x.dtype)
    return f"np.ndarray({x.shape}, {dtype_code(x.dtype, name)}, {_contiguous(memory, name, most)}, strides={x.strides})"


def _effective_strides(x: Array) -> list[int]:
    """Return the strides of the axes that are longer than 1."""
    return [s for n, s in zip(x.shape, x.strides, strict=True) if n > 1]


def dtype_code(dtype: np.dtype[Any], name: Namer) -> str:
    """Return an expression for a dtype, or its name if NumPy finds the dtype by its name."""
    if dtype.isbuiltin == 2:  # a dtype of another package, such as bfloat16
        return name(dtype.type)
    if dtype.names or dtype.subdtype:
        return f"np.{dtype!r}"
    return repr(dtype.name if dtype.isnative and dtype.kind not in "USMm" else dtype.str)


def _contiguous(x: Array, name: Namer, most: int) -> str:
    if x.dtype.kind == "c" and x.dtype != np.clongdouble:
        parts = x.reshape(-1).view(x.real.dtype)
        return f"{_contiguous(parts, name, most)}.view({dtype_code(x.dtype, name)}).reshape({x.shape})"
    has_literals = x.dtype.kind in "fiubUS" or x.dtype.isbuiltin == 2
    if x.size > most or not has_literals or x.dtype == np.longdouble:
        return name(x)
    plain = x.dtype in _PLAIN and x.size
    shape = "" if 0 not in x.shape[:-1] else f".reshape({x.shape})"
    return f"np.array({_values(x)}{'' if plain else f', dtype={dtype_code(x.dtype, name)}'}){shape}"


def _values(x: Array) -> str:
    if x.dtype.isbuiltin == 2:
        x = x.astype(np.float64)
    elif x.dtype in (np.float32, np.float16):  # 0.1 instead of 0.10000000149011612
        x = np.array([float(str(v)) for v in x.flat]).reshape(x.shape)
    values = repr(x.tolist())
    return values.replace("nan", "np.nan").replace("inf", "np.inf") if x.dtype.kind == "f" else values
