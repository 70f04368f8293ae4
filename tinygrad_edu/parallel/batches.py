"""Batches that return slices of their samples."""

from typing import Any, Protocol

import numpy as np

from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.batching import as_arrays, num_samples, take_samples
from tinygrad_edu.shared.pytree import tree_leaves


class SampledBatch(Protocol):
    """A batch with a `take` method, which runs on the thread that computes the samples."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def take(self, part: slice, rng: np.random.Generator) -> Any:
        """Return a slice of the samples: the inputs, then the target. Augmentation draws from `rng`."""


class ArrayBatch:
    """A batch of arrays.

    Parameters
    ----------
    inputs : tuple of pytrees of arrays, each (N, ...)
    target : array or pytree of arrays, each (N, ...)

    Raises
    ------
    ShapeError
        The lengths of the arrays differ.
    """

    def __init__(self, inputs: tuple[Any, ...], target: Any) -> None:
        self.inputs, self.target = as_arrays(inputs), as_arrays(target)
        self._count, labels = num_samples(self.inputs), num_samples(self.target)
        if self._count != labels:
            shapes = ", ".join(str(np.shape(leaf)) for leaf in tree_leaves((self.inputs, self.target)))
            raise ShapeError(
                f"the batch has {self._count} samples and {labels} labels; expected one label per sample. The arrays "
                f"have the shapes {shapes}."
            )

    def __len__(self) -> int:
        return self._count

    def take(self, part: slice, rng: np.random.Generator | None) -> tuple[Any, ...]:
        """Return a slice of the samples, without a copy."""
        return (*take_samples(self.inputs, part), take_samples(self.target, part))
