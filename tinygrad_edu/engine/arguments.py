"""Arguments and results of ops: conversion, dtype promotion, copies of saved values, and error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy
from types import BuiltinFunctionType, EllipsisType, FunctionType, NoneType
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.core import Storage, checks
from tinygrad_edu.engine.memory import share
from tinygrad_edu.engine.op import Op
from tinygrad_edu.engine.promotion import warn_of_float64
from tinygrad_edu.engine.tensor import Tensor, to_array
from tinygrad_edu.errors import DTypeError, ShapeError, TinygradError

FLOAT32 = np.dtype(np.float32)
UNCONVERTED_TYPES = frozenset({ndarray, float, int, bool})
MISSING = Tensor(0.0)  # the default of a required setting in a generated call


def operand(op: Op, argument: str, value: Any) -> Any:
    """Convert an operand such as a list to an array; keep NumPy scalars. Raise for values that are not numbers."""
    demand = "op {}: argument {} must be a Tensor, an array, or a list of numbers"
    array = value if isinstance(value, np.generic) else to_array(value, demand, op.name, argument)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{demand.format(op.name, argument)}, got a {type(value).__name__}.")
    return array


def setting(op: Op, name: str, value: Tensor) -> ndarray:
    """Return the values of a setting given as a Tensor. Raise if it requires a gradient, which would be lost."""
    if value is MISSING:
        raise TypeError(f"{op.name}() missing the required argument {name!r}.")
    array: ndarray = checks.setting(op, name, value).numpy()
    return array


def result(op: Op, out: Any) -> ndarray:
    """Convert the output of a forward to an array: NumPy returns a scalar for a 0-d result."""
    if not isinstance(out, np.generic | int | float):
        raise DTypeError(f"op {op.name}: the forward must return one array, got a {type(out).__name__}.")
    return np.asarray(out)


def storage_of(out: ndarray, inputs: Iterable[Any]) -> Storage:
    """Return the storage of the input that the result is a view of, or a new storage."""
    for x in inputs:
        if x.__class__ is Tensor and np.may_share_memory(out, x._data):
            return share(x._storage)
    return Storage()


class Precomputed:
    """Arrays that a function computes for the vjp of its op, by name.

    Nobody else refers to them, so a node saves them without a copy. Without arrays it is false.
    """

    __slots__ = ("saved_values",)

    def __init__(self, **arrays: ndarray) -> None:
        self.saved_values = arrays  # the tape shows them by this name

    def __bool__(self) -> bool:
        return bool(self.saved_values)

    def __getitem__(self, name: str) -> ndarray:
        return self.saved_values[name]


NOT_COMPUTED = Precomputed()


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without precomputed arrays."""
    return {name: value for name, value in settings.items() if value.__class__ is not Precomputed}


_IMMUTABLE = (
    int, float, Precomputed, NoneType, complex, bool, str, bytes, EllipsisType, range, type, FunctionType,
    BuiltinFunctionType, np.dtype, np.ufunc, np.number, np.bool_,
)  # fmt: skip


def copy_saved(op: Op, name: str, value: Any) -> Any:
    """Return a plain value for a node to save: the value itself if it is immutable, else a copy."""
    kind = value.__class__
    if kind is ndarray and not value.dtype.hasobject:
        return value.copy("K")  # even a read-only array: its owner may hold a writable view
    if isinstance(value, _IMMUTABLE):
        return value
    if kind is Tensor:
        return setting(op, name, value).copy()
    if isinstance(value, ndarray | memoryview):
        return np.array(value)
    if kind in (tuple, list):
        return kind([copy_saved(op, name, part) for part in value])
    if kind is slice:
        return slice(*(copy_saved(op, name, part) for part in (value.start, value.stop, value.step)))
    try:
        return deepcopy(value)
    except Exception as error:
        raise DTypeError(
            f"op {op.name}: a vjp saves {name}, a {kind.__name__}, which cannot be copied ({error}), so a later "
            f"change would go unnoticed. Pass numbers, strings, arrays, or lists, tuples and dicts of them."
        ) from error


def promote_result(
    op: Op, names: tuple[str, ...], inputs: tuple[Any, ...], arrays: tuple[Any, ...], out: ndarray,
    settings: dict[str, Any],
) -> tuple[Any, ...]:  # fmt: skip
    """Return the arrays and the result in the dtype of the floating-point Tensors; plain operands do not widen it.

    If the result has another floating-point dtype, cast the promoted inputs and compute the op again. The dtype is the
    widest of the floating-point Tensors among the promoted inputs, else among all inputs, else float32.
    """
    if out.dtype.kind in "iub":
        return *arrays, out
    if out.dtype.kind != "f":
        raise DTypeError(f"op {op.name}: a Tensor must hold real numbers or booleans, got {out.dtype}.")
    promoted = [op.promoted(x) for x in names]
    tensors = [k for k, x in enumerate(inputs) if x.__class__ is Tensor and arrays[k].dtype.kind == "f"]
    floats = [arrays[k].dtype for k in [k for k in tensors if promoted[k]] or tensors]
    common_dtype = np.result_type(*floats) if floats else FLOAT32
    if op.promotes and out.dtype not in (*floats, common_dtype):
        arrays = tuple(np.asarray(a, common_dtype) if cast else a for a, cast in zip(arrays, promoted, strict=True))
        out = np.asarray(op.forward(*arrays, **settings)).astype(common_dtype, copy=False)
    if len(tensors) > 1 and out.dtype == np.float64:
        warn_of_float64(op.name, [inputs[k] for k in tensors])
    return *arrays, out


# NumPy's error for matmul and vecdot, which speaks of gufunc signatures.
_UNEQUAL_SIZES = re.compile(r"core dimension.*\(size (\d+) is different from (\d+)\)")


def add_context(op: Op, error: Exception, arrays: tuple[Any, ...]) -> None:
    """Add the op and its inputs to an error. Convert NumPy's ValueError about shapes to a ShapeError."""
    if isinstance(error, TinygradError):
        return
    description = ", ".join(
        f"{name} {getattr(a, 'dtype', type(a).__name__)} of shape {np.shape(a)}"
        for name, a in zip(op.names(len(arrays)), arrays, strict=True)
    )
    if type(error) is ValueError and re.search(r"\b(shapes?|dimension)", str(error)):
        unequal = _UNEQUAL_SIZES.search(str(error))
        problem = str(error).strip().removesuffix(".")
        if unequal:
            problem = f"the summed axes must have the same length, got {unequal[2]} and {unequal[1]}"
        raise ShapeError(f"op {op.name}: {problem}. The inputs are {description}.") from error
    error.add_note(f"In op {op.name}, with {description}.")
