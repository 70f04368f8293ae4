"""Split a data set at random into parts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu._checks import generator, integer
from tinygrad_edu.data.collating import default_collate
from tinygrad_edu.data.datasets import MapDataset
from tinygrad_edu.data.samplers import require_indices
from tinygrad_edu.data.samples import Samples, is_map_style
from tinygrad_edu.errors import DataError

__all__ = ["Subset", "random_split"]


class Subset:
    """The samples of a map-style data set at some indices, as a map-style data set.

    Parameters
    ----------
    dataset : object
        With `__len__` and `__getitem__`.
    indices : array_like of int, shape (N,)
        Sample ``k`` is ``dataset[indices[k]]``.

    Raises
    ------
    DataError
        An index is not a whole number from 0 to ``len(dataset) - 1``.

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


def random_split(*arrays: Any, lengths: Sequence[float], rng: np.random.Generator) -> list[Any]:
    """Deal out samples at random: each goes to one part, with all that belongs to it.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...), one dict of them, or one map-style data set of N samples
        Whose rows are the samples.
    lengths : sequence
        How many samples each part gets, N together; or its share, 1 together. A share is rounded down, and samples that
        are left over go to the parts in turn, one each, as PyTorch does it.
    rng : numpy.random.Generator
        Draws who goes where.

    Returns
    -------
    list
        The parts: of one array arrays, of several tuples, of a dict dicts. They are copies in memory, also of rows in
        files: a set that is larger has files of its own to test on. Of a map-style data set, each is a `Subset`.

    Raises
    ------
    ShapeError
        The arrays differ in length.
    DataError
        The lengths are neither N nor 1 together, or one is negative.
    DTypeError
        A length is not an integer, or `rng` is not a Generator.

    Examples
    --------
    >>> x, y = np.arange(10) / 10, np.arange(10)
    >>> train, test = random_split(x, y, lengths=[0.8, 0.2], rng=np.random.default_rng(0))
    >>> [part.tolist() for part in test]
    [[0.8, 0.1], [8, 1]]
    """
    indexed = len(arrays) == 1 and is_map_style(arrays[0])
    samples = arrays[0] if indexed else Samples(*arrays)
    ends = np.cumsum(_integer_lengths(lengths, len(samples)))
    order = generator(rng).permutation(len(samples))
    return [Subset(samples, rows) if indexed else samples.take(rows) for rows in np.split(order, ends)[:-1]]


def _integer_lengths(lengths: Sequence[float], count: int) -> list[int]:
    """Return the number of samples of each part."""
    if any(length < 0 for length in lengths):
        raise DataError(f"lengths is {lengths}: no part has a negative length.")
    if math.isclose(sum(lengths), 1):
        whole = [math.floor(count * share) for share in lengths]
        for k in range(count - sum(whole)):
            whole[k % len(whole)] += 1
        return whole
    if sum(lengths) != count:
        raise DataError(
            f"lengths is {lengths}, {sum(lengths)} together, and there are {count} samples: give numbers that add up "
            "to that, or shares that add up to 1."
        )
    return [integer("a length", length, 0) for length in lengths]
