"""Samples dealt out at random, to be trained on, validated with and tested on."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu._checks import generator, whole_number
from tinygrad_edu.data.samples import Samples
from tinygrad_edu.errors import DataError

__all__ = ["random_split"]


def random_split(*arrays: Any, lengths: Sequence[float], rng: np.random.Generator) -> list[Any]:
    """Deal out samples at random: each goes to one part, with all that belongs to it.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...), or one dict of them
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
        files: a set that is larger has files of its own to test on.

    Raises
    ------
    ShapeError
        The arrays differ in length.
    DataError
        The lengths are neither N nor 1 together, or one is negative.
    DTypeError
        A length is not a whole number, or `rng` is not a Generator.

    Examples
    --------
    >>> x, y = np.arange(10) / 10, np.arange(10)
    >>> train, test = random_split(x, y, lengths=[0.8, 0.2], rng=np.random.default_rng(0))
    >>> [part.tolist() for part in test]
    [[0.8, 0.1], [8, 1]]
    """
    samples = Samples(*arrays)
    ends = np.cumsum(_whole_lengths(lengths, len(samples)))
    order = generator(rng).permutation(len(samples))
    return [samples.take(rows) for rows in np.split(order, ends)[:-1]]


def _whole_lengths(lengths: Sequence[float], count: int) -> list[int]:
    """Return how many samples each part gets."""
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
    return [whole_number("a length", length, 0) for length in lengths]
