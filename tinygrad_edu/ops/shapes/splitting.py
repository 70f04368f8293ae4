"""Splitting of an array along an axis into views."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import Array, Tensor, TensorLike, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.shapes.shape import shaped

__all__ = ["array_split", "dsplit", "hsplit", "split", "unbind", "unstack", "vsplit"]


def split(x: TensorLike, /, indices_or_sections: Any, axis: int = 0) -> list[Tensor | Array]:
    """Split x along an axis into a number of equal parts, or at a list of positions.

    As in NumPy, ``split(x, 2)`` returns two parts; in PyTorch the number is the length of a part.

    Raises
    ------
    ShapeError
        If the axis cannot be divided into equal parts; use `array_split` for unequal parts.
    """
    x = shaped(x)
    length, sections = x.shape[normalize_axis_index(axis, x.ndim)], _as_integers(indices_or_sections)
    if sections.ndim == 0 and sections > 0 and length % sections:
        raise ShapeError(
            f"split: cannot divide an axis of length {length} into {sections} equal parts; use array_split for unequal "
            f"parts, or pass a list of positions."
        )
    return array_split(x, sections, axis)


def array_split(x: TensorLike, /, indices_or_sections: Any, axis: int = 0) -> list[Tensor | Array]:
    """Split x along an axis like `split`, but allow unequal parts: the first ones are longer by 1.

    Raises
    ------
    ValueError
        If the number of parts is below 1.
    DTypeError
        If the number of parts or a position is not an integer.
    """
    x = shaped(x)
    along = normalize_axis_index(axis, x.ndim)
    edges = _edges(x.shape[along], _as_integers(indices_or_sections))
    return [x[(*[slice(None)] * along, slice(begin, end))] for begin, end in pairwise(edges)]


def _as_integers(indices_or_sections: Any) -> Any:
    numbers = np.asarray(values_of(indices_or_sections))
    if numbers.ndim > 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise DTypeError(
            f"split: indices_or_sections must be an integer or a list of integer positions, got "
            f"{indices_or_sections!r}."
        )
    return numbers.astype(int)


def _edges(length: int, numbers: Any) -> list[int]:
    """Return the start index of each part, and the length of the axis."""
    if numbers.ndim:
        return [0, *numbers.tolist(), length]
    count = int(numbers)
    if count < 1:
        raise ValueError(f"split: the number of parts must be >= 1, got {count}.")
    shortest, longer = divmod(length, count)
    return [shortest * k + min(k, longer) for k in range(count + 1)]


def hsplit(x: TensorLike, /, indices_or_sections: Any) -> list[Tensor | Array]:
    """Split x along axis 1, or a 1-d x along axis 0. See `split`."""
    x = _require_ndim("hsplit", x, 1)
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def vsplit(x: TensorLike, /, indices_or_sections: Any) -> list[Tensor | Array]:
    """Split x, which has at least 2 axes, along axis 0. See `split`."""
    return split(_require_ndim("vsplit", x, 2), indices_or_sections, 0)


def dsplit(x: TensorLike, /, indices_or_sections: Any) -> list[Tensor | Array]:
    """Split x along axis 2. See `split`."""
    return split(_require_ndim("dsplit", x, 3), indices_or_sections, 2)


def _require_ndim(name: str, x: Any, least: int) -> Any:
    x = shaped(x)
    if x.ndim < least:
        raise ShapeError(f"{name}: x must have at least {least} axes, got shape {x.shape}.")
    return x


def unstack(x: TensorLike, /, axis: int = 0) -> tuple[Tensor | Array, ...]:
    """Return a tuple of the slices of x along an axis, without that axis: the inverse of `stack`."""
    x = shaped(x)
    along = normalize_axis_index(axis, x.ndim)
    return tuple(x[(*[slice(None)] * along, k)] for k in range(x.shape[along]))


def unbind(x: TensorLike, /, axis: int = 0) -> tuple[Tensor | Array, ...]:
    """Return ``unstack(x, axis)``; `unbind` is PyTorch's name."""
    return unstack(x, axis)
