"""In-place addition to the elements at an index: the gradient of indexing."""

from __future__ import annotations

import itertools
import math
from types import EllipsisType, NoneType
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.plain import plain_add_at
from tinygrad_edu.shared.speed.plain_mode import faster_than
from tinygrad_edu.shared.speed.thresholds import SizeThreshold


@faster_than(plain_add_at)
def add_at(total: ndarray, index: Any, values: Any) -> None:
    """Implement `plain_add_at` in a third of the time or less, if the index has no duplicates or selects rows.

    Slices and single masks have no duplicates. Integer arrays select rows. In one dimension NumPy is fast.
    """
    parts, arrays = _parts(index)
    if _selects_each_once(arrays):
        total[index] += values
        return
    if total.dtype == np.float16:  # 2048 + 1 is 2048
        wide = total.astype(np.float32)
        add_at(wide, index, values)
        total[...] = wide
        return
    large = np.size(values) >= _LARGE and total.flags.c_contiguous
    if large and total.ndim == 1 and index.__class__ is ndarray:
        np.add.at(total, index.reshape(-1), np.broadcast_to(values, index.shape).reshape(-1))
        return
    parsed = _parse_index(total.shape, parts) if large else None
    if parsed is None:
        plain_add_at(total, index, values)
    else:
        outer, numbers, count, length = parsed
        rows_shape = (*total.shape[: len(parts) - len(arrays)], *numbers.shape, *total.shape[len(parts) :])
        rows = values if np.shape(values) == rows_shape else np.broadcast_to(values, rows_shape)
        rows = rows.reshape(outer, numbers.size, length)
        _add_rows(total.reshape(outer, count, length), numbers.ravel(), rows)


@faster_than(plain_add_at)
def add_at_zeros(zeros: ndarray, index: Any, values: Any) -> None:
    """Implement `plain_add_at` for an array of zeros, which are not read if no element is selected twice."""
    if _selects_each_once(_parts(index)[1]):
        zeros[index] = values
    else:
        add_at(zeros, index, values)


@faster_than(plain_add_at)
def add_rows(total: ndarray, numbers: ndarray, rows: ndarray) -> None:
    """Implement `plain_add_at` for rows: (count, d), (n,), (n, d).

    `total` must be C-contiguous, and no number negative.
    """
    _add_rows(total[None], numbers, rows[None])


def _parts(index: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Return the parts of an index, and those that are arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    return parts, [part for part in parts if not isinstance(part, int | np.integer | slice | NoneType | EllipsisType)]


def _selects_each_once(arrays: list[Any]) -> bool:
    return not arrays or (len(arrays) == 1 and isinstance(arrays[0], ndarray) and arrays[0].dtype.kind == "b")


def _parse_index(shape: tuple[int, ...], parts: tuple[Any, ...]) -> tuple[int, ndarray, int, int] | None:
    """Parse an index of full slices followed by arrays of integers.

    Return the number of elements of the sliced axes, the row numbers of the index, the number of rows and the length of
    a row. Return None for any other index.
    """
    start = next(
        (axis for axis, part in enumerate(parts) if not (isinstance(part, slice) and part == slice(None))), len(parts)
    )
    arrays, lengths = parts[start:], shape[start : len(parts)]
    if not all(isinstance(array, ndarray) and array.dtype.kind in "iu" and array.size for array in arrays):
        return None
    numbers: Any = None
    for array, n in zip(arrays, lengths, strict=True):
        array = array.astype(np.intp, copy=False)
        if array.view(np.uintp).max() >= n:  # a negative number is a large unsigned one
            if array.min() < -n or array.max() >= n:
                return None
            array = np.where(array < 0, array + n, array)
        numbers = array if numbers is None else numbers * n + array
    return math.prod(shape[:start]), numbers, math.prod(lengths), math.prod(shape[len(parts) :])


def _add_rows(total: ndarray, numbers: ndarray, rows: ndarray) -> None:
    """Add rows (front, n, length) to the rows of total (front, count, length) with the given numbers (n,).

    Many rows are grouped by number. The first rows of all groups are added at once, then the second rows, and so on.
    The rest of a few much longer groups is summed group by group.
    """
    if rows.shape[2] < _MIN_ROW_LENGTH:
        _add_elements(total, numbers, rows)
        return
    counts = np.bincount(numbers)
    if counts.max(initial=0) == 1:
        total[:, numbers] += rows
    elif rows.size < _MIN_GROUPED_VALUES:
        _add_elements(total, numbers, rows)
    else:
        _add_groups(total, numbers, counts, rows)


def _add_groups(total: ndarray, numbers: ndarray, counts: ndarray, rows: ndarray) -> None:
    """Add rows by groups; `counts` has the number of rows in each group."""
    order, row_numbers, starts, counts = _groups(numbers, counts)
    sums = total.take(row_numbers, 1)
    remaining = (-counts).searchsorted(-np.arange(counts[0])).tolist()  # numbers of groups of > 0, 1, ... rows
    for k, active in enumerate(remaining):
        if _GROUP_COST_RATIO * active < counts[0] - k:
            for group, (start, count) in enumerate(zip(starts[:active], counts, strict=False)):
                sums[:, group] += np.add.reduce(rows[:, order[start + k : start + count]], 1, sums.dtype)
            break
        sums[:, :active] += rows.take(order[starts[:active] + k], 1)
    total[:, row_numbers] = sums


def _groups(numbers: ndarray, counts: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Sort row numbers into groups. Return the order, and the row number, start and count of each group.

    The largest groups come first.
    """
    keys = numbers.astype(np.uint16) if len(counts) <= _UINT16_ROWS else numbers  # radix sort for 16 bits
    row_numbers = counts.nonzero()[0]
    counts = counts[row_numbers]
    by_count = (-counts).argsort(kind="stable")
    starts = counts.cumsum() - counts
    return keys.argsort(kind="stable"), row_numbers[by_count], starts[by_count], counts[by_count]


def _add_elements(total: ndarray, numbers: ndarray, rows: ndarray) -> None:
    """Add rows as single elements in one dimension, where NumPy is fast, a part of the rows at a time."""
    outer, count, length = total.shape
    flat, step = total.reshape(-1), max(1, _PART // max(length, 1))
    for k, start in itertools.product(range(outer), range(0, len(numbers), step)):
        offsets = (numbers[start : start + step] + k * count) * length
        indices = offsets if length == 1 else (offsets[:, None] + np.arange(length)).reshape(-1)
        np.add.at(flat, indices, rows[k, start : start + step].reshape(-1))


_LARGE = SizeThreshold(2000)  # number of values from which parsing the index pays
_MIN_ROW_LENGTH = SizeThreshold(8)  # length of a row from which whole rows are added
_MIN_GROUPED_VALUES = SizeThreshold(30_000)  # number of values from which grouping the rows pays
_GROUP_COST_RATIO = SizeThreshold(2)  # cost of summing one group, relative to adding one row to all groups
_UINT16_ROWS = SizeThreshold(2**16)  # row numbers that fit into 16 bits
_PART = SizeThreshold(2**16)  # elements at a time, so that their indices stay in the cache
