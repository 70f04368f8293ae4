"""What a batch is: a tuple of arrays, or nests of them, of which the last is the target and the others are inputs."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeGuard

from numpy import ndarray

from tinygrad_edu.data import DataLoader
from tinygrad_edu.data.lazy_batch import LazyBatch
from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn.batching import inputs_and_target
from tinygrad_edu.parallel.batches import ArrayBatch, SampledBatch

__all__ = ["Batch", "Batches", "has_order", "is_one_batch", "refuse_iterator", "remaining_batches", "sampled"]

Batch = tuple[Any, ...]
Batches = Iterable[Batch]


def sampled(batch: Any) -> SampledBatch:
    """Return a batch as one of which some samples can be taken."""
    if isinstance(batch, LazyBatch):
        return batch
    inputs, target = inputs_and_target(batch)
    return ArrayBatch(tuple(inputs), target)


def remaining_batches(batches: Batches, order: Any = None, start: int = 0) -> Iterator[Any]:
    """Return batches, without the first `start`; those of a loader without their samples, unless they are whole.

    They are whole where a transform gets them, and where nothing is left to do for the samples of a data set.

    Parameters
    ----------
    batches : iterable of tuple
    order : optional
        Of the samples of a loader, from its `draw_order`.
    start : int
    """
    if not has_order(batches):
        return islice(iter(batches), start, None)
    whole = batches.transform is not None or (batches.dataset is not None and batches.augment is None)
    return batches.batches(order, start) if whole else batches.lazy_batches(order, start)


def has_order(batches: Any) -> TypeGuard[DataLoader]:
    """Whether batches are those of an order that is drawn for each epoch: not where a subclass makes others of them."""
    return isinstance(batches, DataLoader) and type(batches).__iter__ is DataLoader.__iter__


def is_one_batch(batches: Any) -> bool:
    """Return whether batches are one batch itself, a tuple of arrays or Tensors: ``(x, y)`` for ``[(x, y)]``."""
    return isinstance(batches, tuple) and any(isinstance(part, ndarray | Tensor) for part in batches)


def refuse_iterator(name: str, batches: Batches) -> None:
    """Raise for batches that can be looped over only once, and would be gone after the first epoch."""
    stream = batches.dataset if isinstance(batches, DataLoader) else batches
    if isinstance(stream, Iterator):
        better = "an object whose __iter__ begins again" if stream is not batches else "a tinygrad_edu.data.DataLoader"
        raise DTypeError(
            f"fit() loops over {name} once an epoch, and a {type(stream).__name__} is empty after the first: "
            f"give {better}, or a list."
        )
