"""Split an array along an axis into views."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.shape import shaped

__all__ = ["array_split", "dsplit", "hsplit", "split", "unbind", "unstack", "vsplit"]


def split(x: Any, /, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return the parts of x along an axis: so many equal ones, or those that lie between the positions in a list.

    Not PyTorch's function of the name, which is given the length of a part: ``split(x, 2)`` makes two parts.

    Raises
    ------
    ShapeError
        If x cannot be divided into so many parts of one length; `array_split` does it with unequal ones.
    """
    x = shaped(x)
    length, sections = x.shape[normalize_axis_index(axis, x.ndim)], _as_integers(indices_or_sections)
    if sections.ndim == 0 and sections > 0 and length % sections:
        raise ShapeError(
            f"split: a length of {length} does not divide into {sections} equal parts; array_split makes unequal ones, "
            f"and a list says where to split."
        )
    return array_split(x, sections, axis)


def array_split(x: Any, /, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return the parts of x along an axis as `split` does; the first ones are longer by 1 where they cannot be equal.

    Raises
    ------
    ValueError
        For less than one part.
    DTypeError
        For a number of parts, or positions, that are not whole numbers.
    """
    x = shaped(x)
    along = normalize_axis_index(axis, x.ndim)
    edges = _edges(x.shape[along], _as_integers(indices_or_sections))
    return [x[(*[slice(None)] * along, slice(begin, end))] for begin, end in pairwise(edges)]


def _as_integers(indices_or_sections: Any) -> Any:
    numbers = np.asarray(values_of(indices_or_sections))
    if numbers.ndim > 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise DTypeError(
            f"splitting needs a whole number of parts, or a list of the positions to split at; not "
            f"{indices_or_sections!r}."
        )
    return numbers.astype(int)


def _edges(length: int, numbers: Any) -> list[int]:
    """Return the start index of each part, and the length of the axis."""
    if numbers.ndim:
        return [0, *numbers.tolist(), length]
    count = int(numbers)
    if count < 1:
        raise ValueError(f"splitting makes one part or more, and was asked for {count}.")
    shortest, longer = divmod(length, count)
    return [shortest * k + min(k, longer) for k in range(count + 1)]


def hsplit(x: Any, /, indices_or_sections: Any) -> list[Any]:
    """Return the parts of x beside each other: along axis 1, or of a 1-d x along its axis. As `split`."""
    x = _require_ndim("hsplit", x, 1)
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def vsplit(x: Any, /, indices_or_sections: Any) -> list[Any]:
    """Return the parts of x below each other, along axis 0 of two or more. As `split`."""
    return split(_require_ndim("vsplit", x, 2), indices_or_sections, 0)


def dsplit(x: Any, /, indices_or_sections: Any) -> list[Any]:
    """Return the parts of x behind each other, along axis 2. As `split`."""
    return split(_require_ndim("dsplit", x, 3), indices_or_sections, 2)


def _require_ndim(name: str, x: Any, least: int) -> Any:
    x = shaped(x)
    if x.ndim < least:
        raise ShapeError(f"{name} needs {least} or more axes, and got shape {x.shape}.")
    return x


def unstack(x: Any, /, axis: int = 0) -> tuple[Any, ...]:
    """Return all that lies side by side along an axis, without that axis: the inverse of `stack`."""
    x = shaped(x)
    along = normalize_axis_index(axis, x.ndim)
    return tuple(x[(*[slice(None)] * along, k)] for k in range(x.shape[along]))


def unbind(x: Any, /, axis: int = 0) -> tuple[Any, ...]:
    """Return `unstack`, by PyTorch's name for it."""
    return unstack(x, axis)
