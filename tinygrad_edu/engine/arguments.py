"""Arguments and results of ops: conversion, dtype promotion, copies of saved values, and error messages."""

from __future__ import annotations

from copy import deepcopy
from types import BuiltinFunctionType, EllipsisType, FunctionType, NoneType
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.debug.promotion import warn_of_float64
from tinygrad_edu.engine.memory import Storage
from tinygrad_edu.engine.op import Op
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.errors import DTypeError, ShapeError, TinygradError

FLOAT32 = np.dtype(np.float32)
KEPT_AS_GIVEN = frozenset({ndarray, float, int, bool})


def operand(op: Op, argument: str, value: Any) -> Any:
    """Convert a list or the like to an array. NumPy scalars stay as they are; values without numbers raise."""
    array = value if isinstance(value, np.generic) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"op {op.name}: its argument {argument} is a {type(value).__name__}; "
            f"it must be a Tensor, an array, or a list of numbers."
        )
    return array


def setting(op: Op, name: str, value: Tensor) -> ndarray:
    """Read a setting that came as a Tensor, unless that would lose a gradient."""
    if value.requires_grad:
        raise DTypeError(
            f"op {op.name}: {name} is a setting, to which no gradient flows, and it is a Tensor that requires one: "
            f"detach() it."
        )
    return value.numpy()


def result(op: Op, out: Any) -> ndarray:
    """Make an array of a NumPy scalar, which is what a 0-d result comes as."""
    if not isinstance(out, np.generic | int | float):
        raise DTypeError(f"op {op.name}: its forward returned a {type(out).__name__}, and must return one array.")
    return np.asarray(out)


def storage_of(out: ndarray, inputs: tuple[Any, ...]) -> Storage:
    """Return the storage of the input whose memory the result is a view of, or a new one."""
    for x in inputs:
        if x.__class__ is Tensor and np.may_share_memory(out, x._data):
            storage: Storage = x._storage
            storage.shared = True
            return storage
    return Storage.new()


_IMMUTABLE = (
    int, float, complex, bool, str, bytes, NoneType, EllipsisType, range, type, FunctionType, BuiltinFunctionType,
    np.dtype, np.ufunc, np.number, np.bool_,
)  # fmt: skip


def copy_saved(op: Op, name: str, value: Any) -> Any:
    """Return what a node can keep of a plain value: the value itself, or a copy where its owner could change it."""
    kind = value.__class__
    if kind is ndarray and not value.dtype.hasobject:
        return value.copy("K")  # of a read-only one, too: its owner can make it writable, or has a view that is
    if isinstance(value, _IMMUTABLE):
        return value
    if kind is Tensor:
        return setting(op, name, value).copy()
    if isinstance(value, ndarray | memoryview):
        return np.array(value)
    if kind in (tuple, list):
        return kind(copy_saved(op, name, part) for part in value)
    if kind is slice:
        return slice(*(copy_saved(op, name, part) for part in (value.start, value.stop, value.step)))
    try:
        return deepcopy(value)
    except Exception as error:
        raise DTypeError(
            f"op {op.name}: a vjp asks for {name}, a {kind.__name__}, which cannot be copied ({error}): its owner "
            f"could change it before the vjp runs. Give numbers, strings, arrays, or lists, tuples and dicts of them."
        ) from error


def promote_result(
    op: Op, inputs: tuple[Any, ...], arrays: tuple[Any, ...], out: ndarray, settings: dict[str, Any]
) -> tuple[Any, ...]:
    """Return the arrays and the result in the dtype of the floating Tensors: plain operands do not widen it.

    If the result has another floating dtype, the promoted inputs are converted to the widest dtype of the floating
    Tensors among them, or among all inputs, or to float32, and the op is computed again.
    """
    if out.dtype.kind in "iub":
        return *arrays, out
    if out.dtype.kind != "f":
        raise DTypeError(f"op {op.name}: a Tensor holds real numbers or booleans; this would be {out.dtype}.")
    tensors = [k for k, x in enumerate(inputs) if x.__class__ is Tensor and arrays[k].dtype.kind == "f"]
    floats = [arrays[k].dtype for k in [k for k in tensors if op.promoted(k)] or tensors]
    wanted = np.result_type(*floats) if floats else FLOAT32
    if op.promotes and out.dtype not in (*floats, wanted):
        arrays = tuple(np.asarray(a, wanted) if op.promoted(k) else a for k, a in enumerate(arrays))
        out = np.asarray(op.forward(*arrays, **settings)).astype(wanted, copy=False)
    if len(tensors) > 1 and out.dtype == np.float64:
        warn_of_float64(op.name, [inputs[k] for k in tensors])
    return *arrays, out


def add_context(op: Op, error: Exception, arrays: tuple[Any, ...]) -> None:
    """Add the op and its inputs to an error. A ValueError of NumPy about shapes becomes a ShapeError."""
    if isinstance(error, TinygradError):
        return
    what = ", ".join(
        f"{name} {getattr(a, 'dtype', type(a).__name__)} of shape {np.shape(a)}"
        for name, a in zip(op.names(len(arrays)), arrays, strict=True)
    )
    if type(error) is ValueError and any(word in str(error) for word in ("shape", "dimension")):
        raise ShapeError(f"op {op.name}: {error} The inputs: {what}.") from error
    error.add_note(f"In op {op.name}, with {what}.")
