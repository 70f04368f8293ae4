"""Packed sequences: sequences of different lengths without padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.ops import getitem, where
from tinygrad_edu.ops.shapes.shape import shaped

__all__ = ["PackedSequence", "pack_padded_sequence", "pad_packed_sequence"]


class PackedSequence(NamedTuple):
    """Sequences of different lengths, in the order of the steps. See `pack_padded_sequence`.

    Parameters
    ----------
    data : Tensor or ndarray, shape (sum of the lengths, ...)
        The first steps of all sequences, then the second steps of those that have one, and so on. The longest sequence
        comes first in each step.
    batch_sizes : ndarray, shape (greatest length,)
        Number of sequences at each step.
    sorted_indices : ndarray, shape (N,), optional
        Positions of the sequences in the batch, longest first. None if the batch is sorted.
    unsorted_indices : ndarray, shape (N,), optional
        The inverse permutation.

    Examples
    --------
    >>> packed = pack_padded_sequence(np.array([[1, 4], [2, 5], [3, 0]]), [3, 2])
    >>> packed.data, packed.batch_sizes, packed.lengths
    (array([1, 4, 2, 5, 3]), array([2, 2, 1]), array([3, 2]))
    """

    data: Tensor | Array
    batch_sizes: ndarray
    sorted_indices: ndarray | None = None
    unsorted_indices: ndarray | None = None

    @property
    def lengths(self) -> ndarray:
        """The lengths of the sequences, longest first."""
        return (self.batch_sizes[:, None] > np.arange(self.batch_sizes[0])).sum(axis=0)

    def rows(self) -> ndarray:
        """Return the row of each step of each sequence, (greatest length, N), longest first; 0 after its end."""
        counted = np.arange(self.batch_sizes[0]) < self.batch_sizes[:, None]
        starts = np.cumsum(self.batch_sizes) - self.batch_sizes
        return np.where(counted, starts[:, None] + np.arange(self.batch_sizes[0]), 0)

    def reversal(self) -> ndarray:
        """Return the permutation of the rows that reverses each sequence."""
        rows, steps = self.rows(), np.arange(len(self.batch_sizes))[:, None]
        counted = steps < self.lengths
        return rows[np.where(counted, self.lengths - 1 - steps, 0), np.arange(len(self.lengths))][counted]


def pack_padded_sequence(
    input: TensorLike, lengths: ArrayLike, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch of sequences, for recurrent layers that compute no padding.

    Parameters
    ----------
    input : (T, N, ...), or (N, T, ...) with `batch_first`
        Sequences, padded at the end.
    lengths : (N,) integers
        Length of each sequence, from 1 to T.
    batch_first : bool, default False
    enforce_sorted : bool, default True
        Whether to raise unless the lengths decrease. False sorts the sequences. Recurrent layers return the last states
        in the order of the input.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        The lengths do not fit the input, or are not sorted.

    Examples
    --------
    >>> packed = pack_padded_sequence(np.array([[1, 2, 0], [4, 5, 6]]), [2, 3], batch_first=True, enforce_sorted=False)
    >>> packed.data, packed.batch_sizes
    (array([4, 1, 5, 2, 6]), array([2, 2, 1]))
    >>> pad_packed_sequence(packed, batch_first=True)
    (array([[1, 2, 0],
           [4, 5, 6]]), array([2, 3]))
    """
    x, sizes = shaped(input), np.asarray(values_of(lengths))
    if x.ndim < 2:
        raise ShapeError(f"pack_padded_sequence: the input must have at least 2 axes, got shape {x.shape}.")
    steps, samples = x.shape[1::-1] if batch_first else x.shape[:2]
    if sizes.shape != (samples,) or not samples:
        raise ShapeError(f"pack_padded_sequence: lengths must have shape ({samples},), N >= 1, got {sizes.shape}.")
    if sizes.dtype.kind not in "iu":
        raise DTypeError(f"pack_padded_sequence: lengths must be integers, got {sizes.dtype}.")
    if sizes.min() < 1 or sizes.max() > steps:
        raise ValueError(f"pack_padded_sequence: lengths must be from 1 to {steps}, got {sizes.tolist()}.")
    order = np.argsort(-sizes.astype(np.intp), kind="stable")
    if enforce_sorted and (np.diff(sizes.astype(np.intp)) > 0).any():
        raise ValueError(
            f"pack_padded_sequence: lengths must decrease, got {sizes.tolist()}. Pass enforce_sorted=False to sort."
        )
    step, sample = np.nonzero(np.arange(sizes.max())[:, None] < sizes[order])
    data = getitem(x, (order[sample], step) if batch_first else (step, order[sample]))
    batch_sizes = np.bincount(step)
    return PackedSequence(data, batch_sizes, *(() if enforce_sorted else (order, np.argsort(order))))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor | Array, ndarray]:
    """Return the padded batch of packed sequences, and their lengths: the inverse of `pack_padded_sequence`.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : bool, default False
        Whether the result is (N, T, ...) instead of (T, N, ...).
    padding_value : float, default 0.0
    total_length : int, optional
        T. Default: the greatest length.

    Returns
    -------
    padded : (T, N, ...) or (N, T, ...)
    lengths : ndarray of int, (N,)

    Raises
    ------
    ValueError
        `total_length` is less than a length.

    Examples
    --------
    >>> packed = pack_padded_sequence(np.array([[1, 4], [2, 5], [3, 0]]), [3, 2])
    >>> pad_packed_sequence(packed, padding_value=-1, total_length=4)[0].tolist()
    [[1, 4], [2, 5], [3, -1], [-1, -1]]
    """
    rows, lengths, longest = sequence.rows(), sequence.lengths, len(sequence.batch_sizes)
    total = longest if total_length is None else integer("pad_packed_sequence: total_length", total_length, longest)
    rows = np.pad(rows, ((0, total - longest), (0, 0)))
    if sequence.unsorted_indices is not None:
        rows, lengths = rows[:, sequence.unsorted_indices], lengths[sequence.unsorted_indices]
    counted = np.arange(total)[:, None] < lengths
    if batch_first:
        rows, counted = rows.T, counted.T
    padded = getitem(sequence.data, rows)
    filling = np.asarray(padding_value).astype(padded.dtype)
    return where(counted.reshape(*counted.shape, *[1] * (padded.ndim - 2)), padded, filling), lengths
