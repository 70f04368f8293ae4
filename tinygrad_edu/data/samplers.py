"""Samplers, which draw the sample indices of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import DataError, ShapeError
from tinygrad_edu.errors.checks import generator, integer
from tinygrad_edu.errors.hints import KeywordHints

__all__ = ["Sampler", "WeightedRandomSampler", "require_indices"]


class Sampler(Protocol):
    """Iterable that draws the indices of an epoch: each ``iter`` yields ``len`` new indices."""

    def __len__(self) -> int:
        """Return the number of indices in an epoch."""

    def __iter__(self) -> Iterator[int]:
        """Draw the indices."""


class WeightedRandomSampler(KeywordHints):
    """Draw indices with given weights, for ``DataLoader(..., sampler=)``.

    Parameters
    ----------
    weights : array_like, shape (N,)
        One non-negative weight per sample. The sum need not be 1.
    num_samples : int
        Number of indices in an epoch.
    replacement : bool, default True
        Whether a sample may be drawn several times in an epoch.
    rng : numpy.random.Generator
        Draws the indices. Checkpoints save its state.

    Raises
    ------
    ShapeError
        `weights` is not one-dimensional.
    DataError
        A weight is negative or not finite, all weights are 0, or `replacement` is False and fewer than `num_samples`
        weights are positive.
    DTypeError
        `num_samples` is not an integer, or `rng` is not a Generator.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    >>> weights = 1 / np.bincount(labels)[labels]
    >>> sampler = WeightedRandomSampler(weights, num_samples=1000, rng=np.random.default_rng(0))
    >>> bool(0.45 < labels[list(sampler)].mean() < 0.55)
    True
    """

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True, *, rng: np.random.Generator) -> None:
        self.weights = np.asarray(weights, np.float64)
        self.num_samples = integer("num_samples", num_samples, 1)
        self.replacement, self.rng = bool(replacement), generator(rng)
        if self.weights.ndim != 1:
            raise ShapeError(f"WeightedRandomSampler: weights must have shape (N,), got {self.weights.shape}.")
        if not np.isfinite(self.weights).all() or (self.weights < 0).any() or not self.weights.any():
            raise DataError("weights must be finite and >= 0, and not all 0.")
        drawable = np.count_nonzero(self.weights)
        if not self.replacement and drawable < self.num_samples:
            raise DataError(
                f"cannot draw {self.num_samples} samples without replacement: only {drawable} have a positive weight."
            )

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        scaled = self.weights / self.weights.max()  # avoids overflow of the sum
        p = scaled / scaled.sum()
        return iter(self.rng.choice(len(p), self.num_samples, self.replacement, p).tolist())

    def __repr__(self) -> str:
        return f"WeightedRandomSampler({self.num_samples} of {len(self.weights)}, replacement={self.replacement})"


def require_indices(indices: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Return the indices, or raise DataError unless they are indices of `count` samples."""
    whole = indices.ndim == 1 and (indices.dtype.kind in "iu" or not indices.size)
    if not whole or ((indices < 0) | (indices >= count)).any():
        raise DataError(f"sample indices must be integers from 0 to {count - 1}, got {indices}.")
    return indices.astype(np.intp)
