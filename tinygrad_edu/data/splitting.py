"""Randomly split a data set into parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.data.collating import default_collate
from tinygrad_edu.data.datasets import MapDataset
from tinygrad_edu.data.samplers import require_indices
from tinygrad_edu.data.samples import Samples, is_map_style
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.errors.checks import generator, integer

__all__ = ["Subset", "random_split"]


class Subset:
    """Map-style data set with the samples of another data set at given indices.

    Parameters
    ----------
    dataset : object
        Map-style data set, with `__len__` and `__getitem__`.
    indices : array_like of int, shape (N,)
        Sample ``k`` is ``dataset[indices[k]]``.

    Raises
    ------
    DataError
        An index is not an integer from 0 to ``len(dataset) - 1``.

    Examples
    --------
    >>> odd = Subset(range(10), [1, 3, 5])
    >>> len(odd), odd[2]
    (3, 5)
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        self.dataset, self.indices = dataset, require_indices(np.asarray(indices), len(dataset))
        self._takes_rng = MapDataset(dataset, default_collate).takes_rng

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, rng: np.random.Generator | None = None) -> Any:
        own = int(self.indices[index])
        if rng is None or not self._takes_rng:
            return self.dataset[own]
        return self.dataset.__getitem__(own, rng=rng)


def random_split(
    *arrays: Any, lengths: Sequence[float] | None = None, rng: np.random.Generator | None = None
) -> list[Any]:
    """Randomly split samples into parts, without overlap.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...), one dict of them, or one map-style data set of N samples
        Arrays whose rows are the samples, or a data set.
    lengths : sequence, not None
        Numbers of samples of the parts, with sum N, or fractions, with sum 1. Fractions are rounded down, and the
        remaining samples are distributed one by one over the parts in turn, as in PyTorch.
    rng : numpy.random.Generator, not None
        Draws the permutation.

    Returns
    -------
    list
        The parts: arrays for one array, tuples for several, dicts for a dict. They are copies in memory, even of rows
        in files; if they do not fit in memory, use separate files for testing. For a map-style data set, the parts are
        `Subset` objects.

    Raises
    ------
    ShapeError
        The arrays differ in length.
    DataError
        The sum of the lengths is neither N nor 1, or a length is negative.
    DTypeError
        A length is not an integer, `lengths` is not given by name, or `rng` is not a Generator.

    Examples
    --------
    >>> x, y = np.arange(10) / 10, np.arange(10)
    >>> train, test = random_split(x, y, lengths=[0.8, 0.2], rng=np.random.default_rng(0))
    >>> [part.tolist() for part in test]
    [[0.8, 0.1], [8, 1]]
    """
    sizes = np.asarray(lengths)
    if sizes.ndim != 1 or not sizes.size or sizes.dtype.kind not in "iuf":
        raise DTypeError(
            f"random_split: lengths must be a list of numbers, given by name as rng is: random_split(dataset, "
            f"lengths=[0.8, 0.2], rng=numpy.random.default_rng(0)), got lengths={lengths!r}."
        )
    indexed = len(arrays) == 1 and is_map_style(arrays[0])
    samples = arrays[0] if indexed else Samples(*arrays)
    ends = np.cumsum(_integer_lengths(sizes.tolist(), len(samples)))
    order = generator(rng).permutation(len(samples))
    return [Subset(samples, rows) if indexed else samples.take(rows) for rows in np.split(order, ends)[:-1]]


def _integer_lengths(lengths: Sequence[float], count: int) -> list[int]:
    """Return the number of samples of each part."""
    if any(length < 0 for length in lengths):
        raise DataError(f"random_split: lengths must be >= 0, got {lengths}.")
    if math.isclose(sum(lengths), 1):
        whole = [math.floor(count * share) for share in lengths]
        for k in range(count - sum(whole)):
            whole[k % len(whole)] += 1
        return whole
    if sum(lengths) != count:
        raise DataError(
            f"random_split: the sum of lengths must be {count}, the number of samples, or 1, got {lengths} with sum "
            f"{sum(lengths)}."
        )
    return [integer("a length", length, 0) for length in lengths]
