"""Collate samples into a batch: stack each leaf along a new first axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.data.samples import is_map_style
from tinygrad_edu.errors import DTypeError, ShapeError

__all__ = ["default_collate"]


def default_collate(samples: Sequence[Any]) -> Any:
    """Join samples into a batch by stacking each leaf along a new first axis.

    Parameters
    ----------
    samples : sequence, length N at least 1
        Samples of the same structure: numbers, strings, arrays or tensors of shape ``(...)``, or nested tuples, lists
        and dicts of them.

    Returns
    -------
    ndarray, shape (N, ...), or a pytree of them
        The structure of one sample, with an array for each leaf. dtypes follow ``numpy.stack``: Python floats become
        float64, and ints int64. A named tuple keeps its class.

    Raises
    ------
    ShapeError
        The samples differ in structure, or in the shape of a leaf. The message names the leaf.
    DTypeError
        A leaf is not a number, string or array, or the samples mix numbers with another type.

    Examples
    --------
    >>> samples = [(np.zeros(2), {"label": 3}), (np.ones(2), {"label": 4})]
    >>> x, target = default_collate(samples)
    >>> x.shape, target["label"].tolist()
    ((2, 2), [3, 4])
    >>> default_collate([(np.zeros(2), 3), (np.ones(4), 4)])
    Traceback (most recent call last):
    ...
    tinygrad_edu.errors.ShapeError: the samples of a batch differ at sample[0]: sample 0 has shape (2,), but sample \
1 has shape (4,). Pad them in the data set, or pass a `collate` function that pads them.
    """
    if not len(samples):
        raise ShapeError("default_collate: expected at least 1 sample, got 0.")
    return _collate(samples, "sample")


def _collate(parts: Sequence[Any], path: str) -> Any:
    _require_same_structure([_structure(part) for part in parts], path)
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _collate([part[key] for part in parts], f"{path}[{key!r}]") for key in first}
    if isinstance(first, tuple | list):
        columns = [_collate(column, f"{path}[{k}]") for k, column in enumerate(zip(*parts, strict=True))]
        if isinstance(first, list):
            return columns
        return type(first)(*columns) if hasattr(first, "_fields") else tuple(columns)
    return _stack(parts, path)


def _stack(parts: Sequence[Any], path: str) -> NDArray[Any]:
    arrays = [_as_array(part, path) for part in parts]
    kinds = {"number" if array.dtype.kind in "biufc" else array.dtype.kind for array in arrays}
    if len(kinds) > 1:
        found = ", ".join(sorted({str(array.dtype) for array in arrays}))
        raise DTypeError(f"the samples of a batch mix the dtypes {found} at {path}; they have no common dtype.")
    _require_same_structure([f"shape {array.shape}" for array in arrays], path)
    return np.stack(arrays)


def _as_array(part: Any, path: str) -> NDArray[Any]:
    array = None if is_map_style(part) else np.asarray(part)
    if array is None or array.dtype.kind == "O":
        raise DTypeError(
            f"{path} must be a number, string or array, or a tuple, list or dict of them, got a {type(part).__name__}. "
            f"Convert it in the data set, or pass a `collate` function that accepts it."
        )
    return array


def _structure(part: Any) -> str:
    """Describe the structure of a sample at one path of its pytree. It must be the same for all samples."""
    if isinstance(part, Mapping):
        return f"the keys {', '.join(sorted(map(repr, part)))}"
    if isinstance(part, tuple | list):
        return f"{len(part)} parts"
    return "one value"


def _require_same_structure(forms: list[str], path: str) -> None:
    for k, form in enumerate(forms):
        if form != forms[0]:
            raise ShapeError(
                f"the samples of a batch differ at {path}: sample 0 has {forms[0]}, but sample {k} has {form}. "
                f"Pad them in the data set, or pass a `collate` function that pads them."
            )
