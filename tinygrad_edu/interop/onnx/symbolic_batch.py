"""A traced call for any batch size: what the traces for several batch sizes have in common.

A length that differs between the traces depends on the batch size. It is a multiple of it, or the export refuses it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile, zip_longest
from typing import Any

import numpy as np

from tinygrad_edu.interop.onnx.tracing import ShapeRead, TracedCall, TracedStep, Variable, variables_in


# They are no tuples, which rules and NumPy would take for several values.
@dataclass(frozen=True)
class BatchMultiple:
    """A multiple of the batch size."""

    factor: int

    def __str__(self) -> str:
        return f"{self.factor} times the batch size" if self.factor != 1 else "the batch size"


@dataclass(frozen=True, eq=False)
class Varying:
    """A value that depends on the batch size in another way: its values in all traces, by the batch size."""

    values: dict[int, Any]

    def __str__(self) -> str:
        first, *others = ((size, _shown(value)) for size, value in self.values.items())
        size, other = next((pair for pair in others if pair[1] != first[1]), others[0])
        return f"{first[1]} for {samples(first[0])}, {other} for {samples(size)}"


@dataclass(frozen=True, eq=False)
class Repeated:
    """A constant with axes whose length depends on the batch size, along which all elements are equal."""

    values: np.ndarray
    shape: tuple[Any, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements."""
        return self.values.dtype


def samples(size: int) -> str:
    """Return a number of samples in words."""
    return f"{size} sample{'s' * (size != 1)}"


def _shown(value: Any) -> str:
    if isinstance(value, Variable):
        return value.name or f"a Tensor {value.dtype} of shape {value.shape}"
    if next(variables_in(value), None) is not None:
        return f"{len(value)} Tensors"
    return f"an array of shape {value.shape}" if np.ndim(value) and isinstance(value, np.ndarray) else repr(value)


def merged(calls: Mapping[int, TracedCall]) -> TracedCall:
    """Return what the traces of a model, by their batch sizes, have in common."""
    reads, steps = _reads_of_size([call.reads for call in calls.values()]), list[TracedStep]()
    for each in zip_longest(*(call.steps for call in calls.values())):
        lines = dict.fromkeys(read.line for read in reads if read.position <= len(steps))
        step = next(step for step in each if step is not None)._replace(reads=tuple(lines))
        for size, other in zip(calls, each, strict=True):
            if other is None or other.function is not step.function:
                what = "missing" if other is None else f"{other.name}, at {other.line},"
                step.refuse_batch(f"is {what} for {samples(size)}: the steps depend on the batch size")
        parts = ((one.inputs, one.settings, one.out) for one in each)
        inputs, settings, out = _merge(dict(zip(calls, parts, strict=True)))
        steps.append(step._replace(inputs=inputs, settings=settings, out=out))
    nests = {size: (call.inputs, call.parameters, call.outputs) for size, call in calls.items()}
    inputs, parameters, outputs = _merge(nests)
    return TracedCall(inputs, parameters, steps, outputs, reads)


def _reads_of_size(traces: Sequence[list[ShapeRead]]) -> list[ShapeRead]:
    """Return the reads of shapes that depend on the batch size, up to the first that is not in all traces."""
    common = takewhile(lambda each: len({read[:2] for read in each}) == 1, zip(*traces, strict=False))
    return [each[0] for each in common if len({read.shape for read in each}) > 1]


def _merge(values: dict[int, Any]) -> Any:
    """Return what nests of variables and constants, by the batch size, have in common."""
    first, *others = values.values()
    if any(type(other) is not type(first) for other in others):
        return Varying(values)
    if isinstance(first, Variable):
        is_same = len({(x.number, x.dtype, len(x.shape)) for x in values.values()}) == 1
        return replace(first, shape=_parts(values, lambda x: x.shape)) if is_same else Varying(values)
    if isinstance(first, list | tuple):
        if any(len(other) != len(first) for other in others):
            return Varying(values)
        parts = [_merge(dict(zip(values, each, strict=True))) for each in zip(*values.values(), strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    if isinstance(first, dict):
        if any(other.keys() != first.keys() for other in others):
            return Varying(values)
        return {key: _merge({size: x[key] for size, x in values.items()}) for key in first}
    if isinstance(first, slice):
        return slice(*_parts(values, lambda x: (x.start, x.stop, x.step)))
    if isinstance(first, np.ndarray):
        return _merge_arrays(values)
    if all(x is first or x == first or (x != x and first != first) for x in others):
        return first
    return _multiple(values) if isinstance(first, int | np.integer) else Varying(values)


def _parts(values: dict[int, Any], part: Callable[[Any], Any]) -> Any:
    """Merge a part of each value."""
    return _merge({size: part(x) for size, x in values.items()})


def _multiple(values: dict[int, Any]) -> Any:
    size, value = next(iter(values.items()))
    factor = int(value) // size
    return BatchMultiple(factor) if all(x == factor * n for n, x in values.items()) else Varying(values)


def _merge_arrays(values: dict[int, np.ndarray]) -> Any:
    x, *others = values.values()
    shape = _parts(values, lambda each: each.shape)
    if any(y.dtype != x.dtype for y in others) or isinstance(shape, Varying):
        return Varying(values)
    if shape == x.shape:
        return x if all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for y in others) else Varying(values)
    row = x[tuple(slice(0, 1) if isinstance(n, BatchMultiple) else slice(None) for n in shape)]
    is_repeated = all(isinstance(n, int | BatchMultiple) for n in shape) and all(
        np.array_equal(each, np.broadcast_to(row, each.shape)) for each in values.values()
    )
    return Repeated(row, shape) if is_repeated else Varying(values)
