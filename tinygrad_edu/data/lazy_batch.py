"""A batch whose samples are read and augmented on the thread that computes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.data.datasets import Fetched
from tinygrad_edu.data.samples import Samples
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import generator
from tinygrad_edu.shared.pytree import tree_leaves

Augment = Callable[..., Any]


class LazyBatch:
    """Rows of arrays that are not read yet, or of a fetched batch that is not augmented yet.

    Parameters
    ----------
    samples : Samples or Fetched
    rows : range, or ndarray of int
    augment : callable, optional
        Changes each sample independently, see `DataLoader`.
    """

    def __init__(self, samples: Samples | Fetched, rows: range | NDArray[np.intp], augment: Augment | None) -> None:
        self._samples, self._rows, self._augment = samples, rows, augment

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, part: slice, rng: np.random.Generator | None) -> Any:
        """Return some samples, as an array, or a tuple or dict of arrays.

        Parameters
        ----------
        part : slice
        rng : numpy.random.Generator, optional
            Source of randomness of the augmentation.

        Raises
        ------
        ShapeError
            The augmentation changes the number of samples.
        """
        rows = self._rows[part]
        taken = self._samples.take(slice(rows.start, rows.stop) if isinstance(rows, range) else rows)
        if self._augment is None:
            return taken
        changed = self._augment(*(taken if isinstance(taken, tuple) else (taken,)), rng=generator(rng))
        _require_same_length(taken, changed)
        return changed


def _require_same_length(taken: Any, changed: Any) -> None:
    wanted, found = len(next(tree_leaves(taken))), [np.shape(array)[:1] for array in tree_leaves(changed)]
    if not found or any(length != (wanted,) for length in found):
        raise ShapeError(
            f"augment must keep the number of samples: it got {wanted}, and returned arrays of the lengths {[*found]}. "
            f"Pass a function that changes the number of samples as transform=."
        )
