"""Join arrays: concatenate, stack and block."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, op
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.arithmetic import astype
from tinygrad_edu.ops.shape import atleast_1d, atleast_2d, atleast_3d, expand_dims, reshape, shaped

__all__ = ["block", "column_stack", "concatenate", "dstack", "hstack", "stack", "vstack"]


@op(name="concatenate")
def concat(*arrays: Array, axis: int, ends: ndarray) -> Array:
    """Return the arrays one after the other along `axis`; of several dtypes, in the widest.

    `ends` says where along the axis each of them ends.
    """
    return np.concatenate(arrays, axis)


def _concat_arrays(g: Any, k: int, axis: int, ends: ndarray) -> Any:
    index = [slice(None)] * g.ndim
    index[axis] = slice(ends[k - 1] if k else 0, ends[k])
    return g[tuple(index)]


concat.vjps(arrays=_concat_arrays)


def concatenate(arrays: Any, axis: int | None = 0, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """Return a sequence of arrays, one after the other along an existing axis.

    Parameters
    ----------
    arrays : sequence of array_like
        Tensors and arrays in any mixture, of equal lengths along all axes but one.
    axis : int or None
        None flattens them first.
    dtype : dtype, optional
        Of the result; the one that all dtypes promote to, if not said.
    casting : str
        What `dtype` may lose, in the words of ``np.can_cast``.

    Raises
    ------
    ShapeError
        If the other lengths differ.
    DTypeError
        If `arrays` is no sequence, or `dtype` would lose more than `casting` allows.
    ValueError
        If there are no arrays, or one is 0-d and has no axis to be joined along.
    """
    parts = _to_arrays("concatenate", arrays)
    if axis is None:
        parts, axis = [reshape(x, -1) for x in parts], 0
    lengths = [x.shape[axis] if -x.ndim <= axis < x.ndim else 0 for x in parts]
    return _checked_cast(concat(*parts, axis=axis, ends=np.cumsum(lengths)), dtype, casting)


def _to_arrays(name: str, arrays: Any) -> list[Any]:
    if not hasattr(arrays, "__getitem__"):
        raise DTypeError(f"{name} takes a list, a tuple or another sequence of arrays, not a {type(arrays).__name__}.")
    return [shaped(x) for x in arrays]


def _checked_cast(out: Any, dtype: Any, casting: Any) -> Any:
    if dtype is None:
        return out
    if not np.can_cast(out.dtype, dtype, casting):
        raise DTypeError(f"joining gives {out.dtype}, which {casting!r} does not let become {np.dtype(dtype)}.")
    return astype(out, dtype)


def stack(arrays: Any, axis: int = 0, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """Return a sequence of arrays of one shape, side by side along a new axis; `dtype` as in `concatenate`.

    Raises
    ------
    ShapeError
        If their shapes differ.
    """
    parts = _to_arrays("stack", arrays)
    shapes = dict.fromkeys(x.shape for x in parts)
    if len(shapes) > 1:
        raise ShapeError(f"stack needs arrays of one shape, and got {', '.join(map(str, shapes))}.")
    return concatenate([expand_dims(x, axis) for x in parts], axis, dtype=dtype, casting=casting)


def vstack(arrays: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """Return a sequence of arrays one below the other, along axis 0; a 1-d array is a row."""
    rows = [atleast_2d(x) for x in _to_arrays("vstack", arrays)]
    return concatenate(rows, dtype=dtype, casting=casting)


def hstack(arrays: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """Return a sequence of arrays one beside the other, along axis 1; those of one axis, along that."""
    parts = [atleast_1d(x) for x in _to_arrays("hstack", arrays)]
    axis = 0 if parts and parts[0].ndim == 1 else 1
    return concatenate(parts, axis, dtype=dtype, casting=casting)


def dstack(arrays: Any) -> Any:
    """Return a sequence of arrays one behind the other, along axis 2; each as `atleast_3d` makes it."""
    return concatenate([atleast_3d(x) for x in _to_arrays("dstack", arrays)], 2)


def column_stack(arrays: Any) -> Any:
    """Return a sequence of arrays one beside the other, along axis 1; a 1-d array is a column."""
    parts = _to_arrays("column_stack", arrays)
    return concatenate([reshape(x, (-1, 1)) if x.ndim < 2 else x for x in parts], 1)


def block(arrays: Any) -> Any:
    """Return an array made of blocks, given as nested lists: the innermost are joined along the last axis.

    The lists around them are joined along the axis before the last, and so on. Where the axes are more than the lists
    are deep, or than an array has, arrays get axes of length 1 in front.

    Raises
    ------
    ShapeError
        If the lists are of several depths, or one is empty, or the blocks do not fit together.
    DTypeError
        If there is a tuple where a list should be.
    """
    depth, ndim = _depth_and_ndim(arrays)
    return _concatenate_blocks(arrays, depth, max(depth, ndim))


def _depth_and_ndim(part: Any) -> tuple[int, int]:
    """Return the nesting depth of the lists, and the largest ndim of the arrays in them."""
    if isinstance(part, tuple):
        raise DTypeError("block takes nested lists of arrays, and there is a tuple: write [a, b] for (a, b).")
    if not isinstance(part, list):
        return 0, shaped(part).ndim
    found = [_depth_and_ndim(inner) for inner in part]
    depths = {depth for depth, _ in found}
    if len(depths) != 1:
        raise ShapeError(f"block takes lists that are all nested as deep, and none empty; here is {part!r:.200}.")
    return 1 + depths.pop(), max(ndim for _, ndim in found)


def _concatenate_blocks(part: Any, depth: int, ndim: int) -> Any:
    if depth:
        return concatenate([_concatenate_blocks(inner, depth - 1, ndim) for inner in part], -depth)
    x = shaped(part)
    return reshape(x, (1,) * (ndim - x.ndim) + x.shape)
