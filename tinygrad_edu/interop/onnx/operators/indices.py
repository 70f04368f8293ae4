"""Rules of indexing, and of diagonals."""

from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.interop.onnx.graph import Graph
from tinygrad_edu.interop.onnx.operators.table import rule
from tinygrad_edu.interop.onnx.symbolic_batch import Repeated
from tinygrad_edu.interop.onnx.tracing import Variable
from tinygrad_edu.ops.indices import indexing, positions
from tinygrad_edu.ops.networks import embeddings
from tinygrad_edu.ops.products import einsum

# --- Indexing ---


@rule(positions.index_select)
def _index_select(g: Graph, x: Any, positions: Any, axis: int) -> Any:
    return g.add("Gather", x, g.cast(positions, np.int64), axis=axis)


@rule(ops.embedding)
def _embedding(
    g: Graph, indices: Any, weight: Any, padding_idx: Any, max_norm: Any, norm_type: Any, scale_grad_by_freq: Any
) -> Any:
    if max_norm is not None:
        g.step.refuse("has max_norm, which writes to the table")
    return g.add("Gather", weight, g.cast(indices, np.int64))


@rule(embeddings.lookup_rows)
def _lookup_rows(g: Graph, weight: Any, indices: Any) -> Any:
    return g.add("Gather", weight, g.cast(indices, np.int64))


@rule(ops.take)
def _take(g: Graph, x: Any, indices: Any, axis: int | None, mode: str) -> Any:
    if mode != "raise":
        g.step.refuse(f"has mode={mode!r}")
    if axis is None:
        x = g.flatten(x)
    return g.add("Gather", x, g.cast(indices, np.int64), axis=axis or 0)


@rule(ops.take_along_axis)
def _take_along_axis(g: Graph, x: Any, indices: Any, axis: int | None) -> Any:
    indices = g.cast(indices, np.int64)
    if axis is None:
        return g.add("GatherElements", g.flatten(x), indices)
    out, along = g.step.out.shape, axis % len(x.shape)
    x = g.add("Expand", x, g.integers(_with_length(out, along, x.shape[along])))
    return g.add("GatherElements", x, g.add("Expand", indices, g.integers(out)), axis=along)


def _with_length(shape: Any, axis: int, length: Any) -> list[Any]:
    """Return a shape with another length along an axis."""
    return [*shape[:axis], length, *shape[axis + 1 :]]


@rule(ops.put_along_axis)
def _put_along_axis(g: Graph, x: Any, indices: Any, values: Any, axis: int | None) -> Any:
    if axis is None:
        out = _put_along_axis(g, g.flatten(x), indices, values, 0)
        return g.reshape(out, x.shape)
    ndim = len(indices.shape)
    shape = _with_length(g.step.out.shape, axis % ndim, indices.shape[axis]) if ndim > 1 else indices.shape
    pairs = (indices, np.int64), (values, g.step.out.dtype)
    placed = [g.add("Expand", g.cast(value, dtype), g.integers(shape)) for value, dtype in pairs]
    return g.add("ScatterElements", x, *placed, axis=axis)


@rule(indexing.getitem, lengths="index")
def _getitem(g: Graph, x: Any, index: Any) -> Any:
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = _without_masks(g, parts)
    consumed = sum(part is not None and part is not Ellipsis for part in parts)
    at = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    parts[at : at + 1] = [slice(None)] * (len(x.shape) - consumed)
    axes = [part for part in parts if part is not None]
    x = _sliced(g, x, axes)
    arrays = [a for a, part in enumerate(axes) if not isinstance(part, slice)]
    if all(isinstance(axes[a], int | np.integer) for a in arrays):
        return _with_scalars(g, x, parts, axes, arrays)
    return _gathered(g, x, parts, axes, arrays)


def _without_masks(g: Graph, parts: list[Any]) -> list[Any]:
    """Replace constant masks with the indices of their elements, and lists with arrays."""
    out: list[Any] = []
    for part in parts:
        g.require_fixed(None if isinstance(part, slice) else part)
        value = np.asarray(part) if isinstance(part, list | bool) else part
        if isinstance(value, Variable | Repeated | np.ndarray) and value.dtype.kind == "b":
            if not isinstance(value, np.ndarray):
                g.step.refuse("has a mask, and the shape of its result depends on the values; use where()")
            out.extend(np.nonzero(value))
        else:
            out.append(value)
    return out


def _sliced(g: Graph, x: Any, axes: list[Any]) -> Any:
    """Apply the slices of an index with one part for each axis of x."""
    chosen = [(a, part) for a, part in enumerate(axes) if isinstance(part, slice) and part != slice(None)]
    if not chosen:
        return x
    far, starts, stops, steps = np.iinfo(np.int64).max, [], [], []
    for _, part in chosen:
        step = 1 if part.step is None else part.step
        starts.append((far if step < 0 else 0) if part.start is None else part.start)
        stops.append((-far if step < 0 else far) if part.stop is None else part.stop)
        steps.append(step)
    where = np.array([a for a, _ in chosen], np.int64)
    return g.add("Slice", x, g.integers(starts), g.integers(stops), where, g.integers(steps))


def _with_scalars(g: Graph, x: Any, parts: list[Any], axes: list[Any], scalars: list[int]) -> Any:
    """Select integers along axes, last first, and insert the axes of None."""
    for a in reversed(scalars):
        x = g.add("Gather", x, np.asarray(axes[a], np.int64), axis=a)
    left = [part for part in parts if part is None or isinstance(part, slice)]
    new = [k for k, part in enumerate(left) if part is None]
    return g.add("Unsqueeze", x, np.array(new, np.int64)) if new else g.name(x)


def _gathered(g: Graph, x: Any, parts: list[Any], axes: list[Any], arrays: list[int]) -> Any:
    """Index with integer arrays, which replace their axes if they are adjacent, and come first otherwise."""
    if any(part is None for part in parts):
        g.step.refuse("mixes None with arrays in an index; use expand_dims")
    if len(arrays) == 1:
        return g.add("Gather", x, g.cast(axes[arrays[0]], np.int64), axis=arrays[0])
    shape = _broadcast(*(getattr(axes[a], "shape", ()) for a in arrays))
    rest = [a for a in range(len(axes)) if a not in arrays]
    moved = g.transpose(x, [*arrays, *rest])
    columns = [g.add("Expand", g.cast(axes[a], np.int64), g.integers(shape)) for a in arrays]
    stacked = g.add("Concat", *(g.add("Unsqueeze", c, np.array([-1], np.int64)) for c in columns), axis=-1)
    out = g.add("GatherND", moved, stacked)
    is_adjacent = arrays == list(range(arrays[0], arrays[-1] + 1))
    if not is_adjacent or arrays[0] == 0:
        return out
    n, first = len(shape), arrays[0]
    order = [*range(n, n + first), *range(n), *range(n + first, n + len(rest))]
    return g.transpose(out, order)


def _broadcast(*shapes: Any) -> list[Any]:
    """Return the broadcast shape, in which lengths may be symbolic."""
    ndim = max(map(len, shapes))
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    return [next((n for n in lengths if n != 1), 1) for lengths in zip(*padded, strict=True)]


# --- Diagonals ---


@rule(einsum.take_diagonal)
def _take_diagonal(g: Graph, x: Any, labels: Any) -> Any:
    letters = ["".join(chr(ord("a") + label) for label in axes) for axes in einsum.to_sublists(labels)]
    return g.add("Einsum", x, equation="->".join(letters))


@rule(indexing.scatter)
def _scatter(g: Graph, x: Any, index: Any, shape: Any) -> Any:
    return _scatter_slices(g, x, indices=(index,), shape=shape)


@rule(indexing.scatter_slices)
def _scatter_slices(g: Graph, *arrays: Any, indices: Any, shape: Any) -> Any:
    g.require_fixed([indices, shape])
    positions, dtype = np.arange(int(np.prod(shape))).reshape(shape), g.step.out.dtype
    dtype = np.dtype(np.float32) if dtype == np.float16 else dtype  # ONNX Runtime adds no float16
    out: Any = np.zeros(positions.size, dtype)
    for array, index in zip(arrays, indices, strict=True):
        flat = g.add("Reshape", g.cast(array, dtype), np.array([-1], np.int64))
        out = g.add("ScatterElements", out, positions[index].ravel(), flat, reduction="add")
    out = g.reshape(out, shape)
    return out if dtype == g.step.out.dtype else g.convert(out, g.step.out.dtype)
