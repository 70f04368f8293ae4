"""A traced call for any batch size: what two traces with different batch sizes have in common.

A number that differs between the traces depends on the batch size. It is a multiple of it, or the export refuses it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.errors import ExportError
from tinygrad_edu.onnx.tracing import TracedCall, TracedStep, Variable


class BatchMultiple(NamedTuple):
    """A multiple of the batch size."""

    factor: int


class Varying(NamedTuple):
    """A setting or constant that depends on the batch size in another way: its values in both traces."""

    first: Any
    second: Any


class Repeated(NamedTuple):
    """A constant with axes whose length depends on the batch size, along which all elements are equal."""

    values: np.ndarray
    shape: tuple[Any, ...]


def merged(first: TracedCall, second: TracedCall, sizes: tuple[int, int]) -> TracedCall:
    """Return what two traces of a model, with these batch sizes, have in common."""
    for one, other in zip(first.steps, second.steps, strict=False):
        if one.function is not other.function:
            one.refuse(f"is {other.name} for a batch of {sizes[1]} samples: the steps depend on the batch size")
    if len(first.steps) != len(second.steps):
        raise ExportError(
            f"onnx.export: the model has {len(first.steps)} steps for {sizes[0]} samples and "
            f"{len(second.steps)} for {sizes[1]}. Loop over another axis than that of the batch."
        )
    pairs = zip(first.steps, second.steps, strict=True)
    steps = [TracedStep(*_merge(tuple(one), tuple(other), sizes)) for one, other in pairs]
    return TracedCall(
        _merge(first.inputs, second.inputs, sizes), _merge(first.parameters, second.parameters, sizes), steps,
        _merge(first.outputs, second.outputs, sizes),
    )  # fmt: skip


def _merge(x: Any, y: Any, sizes: tuple[int, int]) -> Any:
    """Return what two nests of variables and constants have in common."""
    if type(x) is not type(y):
        return Varying(x, y)
    if isinstance(x, Variable):
        is_same = (x.number, x.dtype) == (y.number, y.dtype)
        return replace(x, shape=_merge(x.shape, y.shape, sizes)) if is_same else Varying(x, y)
    if isinstance(x, list | tuple):
        if len(x) != len(y):
            return Varying(x, y)
        parts = [_merge(one, other, sizes) for one, other in zip(x, y, strict=True)]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        return {key: _merge(part, y.get(key), sizes) for key, part in x.items()}
    if isinstance(x, slice):
        return slice(*_merge((x.start, x.stop, x.step), (y.start, y.stop, y.step), sizes))
    if isinstance(x, np.ndarray):
        return _merge_arrays(x, y, sizes)
    if isinstance(x, int | np.integer) and x != y:
        return _multiple(x, y, sizes)
    same = x is y or x == y or (x != x and y != y)
    return x if same else Varying(x, y)


def _multiple(x: Any, y: Any, sizes: tuple[int, int]) -> Any:
    factor = int(x) // sizes[0]
    return BatchMultiple(factor) if (factor * sizes[0], factor * sizes[1]) == (x, y) else Varying(x, y)


def _merge_arrays(x: np.ndarray, y: np.ndarray, sizes: tuple[int, int]) -> Any:
    shape = _merge(x.shape, y.shape, sizes)
    if x.dtype != y.dtype or isinstance(shape, Varying) or any(isinstance(n, Varying) for n in shape):
        return Varying(x, y)
    if shape == x.shape:
        return x if np.array_equal(x, y, equal_nan=x.dtype.kind == "f") else Varying(x, y)
    first = tuple(slice(0, 1) if isinstance(n, BatchMultiple) else slice(None) for n in shape)
    values = x[first]
    are_repeated = all(np.array_equal(each, np.broadcast_to(values, each.shape)) for each in (x, y))
    return Repeated(values, shape) if are_repeated else Varying(x, y)
