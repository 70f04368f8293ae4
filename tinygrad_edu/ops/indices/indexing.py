"""Indexing, and its transpose, scatter_add."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from tinygrad_edu import core
from tinygrad_edu.engine import (
    Array,
    IndexedSlices,
    Mapped,
    MappedCall,
    Tensor,
    TensorLike,
    add_at,
    add_at_zeros,
    aligned,
    bare,
    extend,
    innermost_level,
    is_grad_enabled,
    op,
    real_numbers,
    refuse_read_only,
    values_of,
    writing,
)
from tinygrad_edu.errors import LeafInPlaceError
from tinygrad_edu.ops.fast import indices as fast
from tinygrad_edu.ops.shapes.shape import moveaxis
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["getitem", "scatter_add"]


def _getitem_of_samples(batch: MappedCall) -> Any:
    index = _as_tuple(batch.settings["index"])
    if innermost_level(index) is batch.level:
        return _getitem_by_samples(batch, index)
    if all(
        isinstance(part, slice | int | np.integer | EllipsisType | None) and not isinstance(part, bool)
        for part in index
    ):
        return batch.on_leading(index=(slice(None), *index))
    return batch.with_inputs(batch.inputs[0].moveaxis(0, -1)).on_leading(index=_before_samples(index)).moveaxis(-1, 0)


_getitem_of_samples.takes_mapped_settings = True  # type: ignore[attr-defined]


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _before_samples(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an index that leaves the axis of the samples last, wherever NumPy puts the axes of arrays."""
    return (*index, slice(None)) if any(part is Ellipsis for part in index) else index


def _getitem_by_samples(batch: MappedCall, index: tuple[Any, ...]) -> Any:
    """Index by integers that differ between the samples, and slices, None and an ellipsis that do not."""
    positions = [k for k, part in enumerate(index) if _is_integer(part)]
    basic = [part for k, part in enumerate(index) if k not in positions]
    if not all(isinstance(part, slice | EllipsisType | None) and innermost_level(part) is None for part in basic):
        return NotImplemented
    on = [isinstance(index[k], Mapped) for k in positions]
    values = [bare(index[k])._data if is_on else index[k] for k, is_on in zip(positions, on, strict=True)]
    ndim = max(np.ndim(x) - is_on for x, is_on in zip(values, on, strict=True))
    parts = dict(zip(positions, aligned(values, on, batch.size), strict=True))
    whole = tuple(parts.get(k, part) for k, part in enumerate(index))
    first = _first_axis_of_arrays(index, positions, batch.sample_ndim())
    if not batch.mapped[0]:
        return moveaxis(batch.on_leading(index=whole), first, 0)
    own = np.arange(batch.size).reshape((batch.size, *[1] * ndim))
    out = batch.on_leading(index=(own, *whole))  # the axes of own come first, then those of the other arrays
    return moveaxis(out, tuple(range(1, 1 + ndim)), tuple(range(1 + first, 1 + first + ndim))) if first else out


def _first_axis_of_arrays(index: tuple[Any, ...], positions: list[int], ndim: int) -> int:
    """Return the axis of x[index] where NumPy puts the axes of the arrays: in their place if they are adjacent."""
    if positions != list(range(positions[0], positions[-1] + 1)):
        return 0
    rest = ndim - sum(part is not None and part is not Ellipsis for part in index)
    return sum(rest if part is Ellipsis else 1 for part in index[: positions[0]])


def _is_integer(part: Any) -> bool:
    """Return whether a part of an index is an integer, or an array or Tensor of integers."""
    if isinstance(part, Tensor | np.ndarray):
        return part.dtype.kind in "iu"
    return isinstance(part, int | np.integer) and not isinstance(part, bool)


getitem = extend(
    core.getitem,
    batching=_getitem_of_samples,
    doc="Return x[index], for every index that NumPy supports: slices, integers, arrays, masks and mixtures.",
)
getitem.replace_forward(faster_than(getitem.forward)(fast.getitem_values))


def _scatter_samples(batch: MappedCall) -> Any:
    (x,), shape = batch.spread().inputs, batch.settings["shape"]
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    rows = batch.with_inputs(moveaxis(x, 0, -1))  # long rows are added faster
    index = _before_samples(_as_tuple(batch.settings["index"]))
    return rows.on_leading(index=index, shape=(*shape, batch.size)).moveaxis(-1, 0)


scatter = extend(core.scatter, batching=_scatter_samples)
scatter.name = "scatter_add"


@scatter.replace_forward
@faster_than(scatter.forward)
def scatter_values(x: Any, /, index: Any, shape: Any) -> Array:
    """Return zeros of `shape` with an array added at the index."""
    out = np.zeros(shape, np.result_type(x))
    add_at_zeros(out, index, x)
    return out


def _scatter_slices_of_samples(batch: MappedCall) -> Any:
    shape = batch.settings["shape"]
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    indices = tuple(_before_samples(_as_tuple(index)) for index in batch.settings["indices"])
    rows = batch.with_inputs(*(moveaxis(x, 0, -1) for x in batch.spread().inputs))  # long rows are added faster
    return rows.on_leading(indices=indices, shape=(*shape, batch.size)).moveaxis(-1, 0)


@op(name="scatter_add", batching=_scatter_slices_of_samples)
def scatter_slices(*arrays: Array, indices: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    """Return zeros of `shape` with each array added at its index."""
    out = np.zeros(shape, np.result_type(*arrays))
    for k, (index, values) in enumerate(zip(indices, arrays, strict=True)):
        (add_at if k else add_at_zeros)(out, index, values)
    return out


@faster_than(getitem.vjp_functions["x"])
def getitem_vjp(g: Any, x_shape: tuple[int, ...], index: Any) -> Any:
    """Return the gradient as slices, without zeros: the engine adds all slices of an array into one array."""
    return IndexedSlices([g], [index], x_shape, scatter_slices)


getitem.vjps(x=getitem_vjp)
scatter_slices.vjps(arrays=lambda g, k, indices: getitem(g, indices[k]))


def scatter_add(x: TensorLike, index: Any, shape: Any) -> Tensor | Array:
    """Return zeros of `shape` with the elements of x added at `index`; repeated indices accumulate."""
    return scatter(x, index, shape)


def plain_index(index: Any) -> Any:
    """Return an index with its lists and Tensors converted to arrays."""
    if isinstance(index, tuple):
        return tuple(plain_index(part) for part in index)
    if isinstance(index, Tensor):
        return values_of(index)
    return (np.array(index) if index else np.empty(0, np.intp)) if isinstance(index, list) else index


# --- Methods of Tensor ---


def get_item(self: Tensor, index: Any) -> Tensor:
    """Return ``self[index]``, as `getitem`."""
    return getitem.call(self, plain_index(index))


def set_item(self: Tensor, index: Any, values: Any) -> None:
    """Write values into the tensor's storage, without recording."""
    if is_grad_enabled() and (self.requires_grad or getattr(values, "requires_grad", False)):
        raise LeafInPlaceError(
            f"assigning to elements of a tensor of shape {self.shape} cannot be recorded; build the result with "
            f"where() or concatenate(), or assign under no_grad() if no gradient is needed."
        )
    refuse_read_only("assigning elements", self)
    index, values = plain_index(index), real_numbers("assigning elements", values)
    with writing(self._storage):
        self._data[index] = values
