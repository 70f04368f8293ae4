"""Joining of arrays: concatenate, stack and block."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, op
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import astype
from tinygrad_edu.ops.shapes.shape import atleast_1d, atleast_2d, atleast_3d, reshape, shaped

__all__ = ["block", "column_stack", "concatenate", "dstack", "hstack", "stack", "vstack"]


@op(name="concatenate", batching="along")
def concat(*arrays: Array, axis: int | None, ends: list[int]) -> Array:
    """Concatenate the arrays along `axis`, in their common dtype; None flattens them first.

    `ends` has the end position of each array along the axis.
    """
    return np.concatenate(arrays, axis)


def _concat_arrays(g: Any, k: int, arrays_shapes: list[tuple[int, ...]], axis: int | None, ends: list[int]) -> Any:
    part = slice(ends[k - 1] if k else 0, ends[k])
    if axis is None:
        return g[part].reshape(arrays_shapes[k])
    index = [slice(None)] * g.ndim
    index[axis] = part
    return g[tuple(index)]


concat.vjps(arrays=_concat_arrays)


def concatenate(
    arrays: Sequence[TensorLike], axis: int | None = 0, *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor | Array:
    """Join a sequence of arrays along an existing axis.

    Parameters
    ----------
    arrays : sequence of array_like
        Tensors and arrays in any mixture, of equal lengths along all axes but `axis`.
    axis : int or None, default 0
        None flattens the arrays first.
    dtype : dtype, optional
        Dtype of the result, by default the common dtype of the arrays.
    casting : str, default "same_kind"
        Casting rule that `dtype` must satisfy, as in ``np.can_cast``.

    Raises
    ------
    ShapeError
        If the arrays differ in length along another axis.
    DTypeError
        If `arrays` is not a sequence, or `casting` does not allow `dtype`.
    ValueError
        If there are no arrays, or one is 0-d.
    """
    parts = _to_arrays("concatenate", arrays)
    lengths = [x.size if axis is None else x.shape[axis] if -x.ndim <= axis < x.ndim else 0 for x in parts]
    return _checked_cast(concat(*parts, axis=axis, ends=list(accumulate(lengths))), dtype, casting)


@op(name="stack", batching=lambda batch: batch.spread().on_leading(axis=1 + batch.settings["axis"]))
def stacked(*arrays: Array, axis: int) -> Array:
    """Join arrays of the same shape along a new axis, which is not negative, in their common dtype."""
    index = (*[slice(None)] * axis, None)
    return np.concatenate([x[index] for x in arrays], axis)


stacked.vjps(arrays=lambda g, k, axis: g[(*[slice(None)] * axis, k, ...)])


def _to_arrays(name: str, arrays: Any) -> list[Any]:
    if not hasattr(arrays, "__getitem__"):
        raise DTypeError(f"{name}: expected a list, tuple or other sequence of arrays, got {type(arrays).__name__}.")
    return [shaped(x) for x in arrays]


def _checked_cast(out: Any, dtype: Any, casting: Any) -> Any:
    if dtype is None:
        return out
    if not np.can_cast(out.dtype, dtype, casting):
        raise DTypeError(f"cannot cast the result from {out.dtype} to {np.dtype(dtype)} with casting={casting!r}.")
    return astype(out, dtype)


def stack(
    arrays: Sequence[TensorLike], axis: int = 0, *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor | Array:
    """Join a sequence of arrays of the same shape along a new axis; `dtype` and `casting` as in `concatenate`.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    parts = _to_arrays("stack", arrays)
    shapes = dict.fromkeys(x.shape for x in parts)
    if len(shapes) > 1:
        raise ShapeError(f"stack: arrays must have the same shape, got {', '.join(map(str, shapes))}.")
    axis = normalize_axis_index(axis, len(next(iter(shapes), ())) + 1)
    return _checked_cast(stacked(*parts, axis=axis), dtype, casting)


def vstack(
    arrays: Sequence[TensorLike], *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor | Array:
    """Stack arrays vertically, along axis 0; a 1-d array is a row."""
    rows = [atleast_2d(x) for x in _to_arrays("vstack", arrays)]
    return concatenate(rows, dtype=dtype, casting=casting)


def hstack(
    arrays: Sequence[TensorLike], *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor | Array:
    """Stack arrays horizontally, along axis 1, or along axis 0 if they are 1-d."""
    parts: list[Any] = [atleast_1d(x) for x in _to_arrays("hstack", arrays)]
    axis = 0 if parts and parts[0].ndim == 1 else 1
    return concatenate(parts, axis, dtype=dtype, casting=casting)


def dstack(arrays: Sequence[TensorLike]) -> Tensor | Array:
    """Stack arrays in depth, along axis 2, each converted by `atleast_3d`."""
    return concatenate([atleast_3d(x) for x in _to_arrays("dstack", arrays)], 2)


def column_stack(arrays: Sequence[TensorLike]) -> Tensor | Array:
    """Stack arrays horizontally, along axis 1; a 1-d array is a column."""
    parts = _to_arrays("column_stack", arrays)
    return concatenate([reshape(x, (-1, 1)) if x.ndim < 2 else x for x in parts], 1)


def block(arrays: Any) -> Tensor | Array:
    """Assemble an array from nested lists of blocks; the innermost lists are joined along the last axis.

    The next outer lists are joined along the second-last axis, and so on. Arrays with fewer axes than the result get
    leading axes of length 1.

    Raises
    ------
    ShapeError
        If the lists differ in depth, one is empty, or the shapes of the blocks do not match.
    DTypeError
        If a tuple is used in place of a list.
    """
    depth, ndim = _depth_and_ndim(arrays)
    return _concatenate_blocks(arrays, depth, max(depth, ndim))


def _depth_and_ndim(part: Any) -> tuple[int, int]:
    """Return the nesting depth of the lists, and the largest ndim of the arrays in them."""
    if isinstance(part, tuple):
        raise DTypeError("block: expected nested lists of arrays, got a tuple; write [a, b] instead of (a, b).")
    if not isinstance(part, list):
        return 0, shaped(part).ndim
    nested = [_depth_and_ndim(inner) for inner in part]
    depths = {depth for depth, _ in nested}
    if len(depths) != 1:
        raise ShapeError(f"block: lists must be nonempty and nested to the same depth, got {part!r:.200}.")
    return 1 + depths.pop(), max(ndim for _, ndim in nested)


def _concatenate_blocks(part: Any, depth: int, ndim: int) -> Any:
    if depth:
        return concatenate([_concatenate_blocks(inner, depth - 1, ndim) for inner in part], -depth)
    x = shaped(part)
    return reshape(x, (1,) * (ndim - x.ndim) + x.shape)
