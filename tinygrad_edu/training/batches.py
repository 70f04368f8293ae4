"""Batches: tuples of arrays or pytrees, with the target last."""

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

Batch = tuple[Any, ...]
Batches = Iterable[Batch]


def as_sampled_batch(batch: Any) -> SampledBatch:
    """Return a batch with a `take` method that selects samples."""
    if isinstance(batch, LazyBatch):
        return batch
    inputs, target = inputs_and_target(batch)
    return ArrayBatch(tuple(inputs), target)


def remaining_batches(batches: Batches, order: Any = None, start: int = 0, lazy: bool = True) -> Iterator[Any]:
    """Return the batches from number `start` on. If `lazy`, a loader returns lazy batches where possible.

    A lazy batch reads its samples on the thread that computes them. A loader with a `transform`, or with a data set and
    no `augment`, returns whole batches.

    Parameters
    ----------
    batches : iterable of tuple
    order : optional
        Order of the samples of a loader, from its `draw_order`.
    start : int
    """
    if not has_order(batches):
        return islice(iter(batches), start, None)
    whole = not lazy or batches.transform is not None or (batches.dataset is not None and batches.augment is None)
    return batches.batches(order, start) if whole else batches.lazy_batches(order, start)


def has_order(batches: Any) -> TypeGuard[DataLoader]:
    """Return whether the batches are a DataLoader whose class does not override `__iter__`."""
    return isinstance(batches, DataLoader) and type(batches).__iter__ is DataLoader.__iter__


def is_one_batch(batches: Any) -> bool:
    """Return whether `batches` is a single batch, a tuple of arrays or Tensors."""
    return isinstance(batches, tuple) and any(isinstance(part, ndarray | Tensor) for part in batches)


def refuse_iterator(name: str, batches: Batches) -> None:
    """Raise for an iterator, which is exhausted after the first epoch."""
    stream = batches.dataset if isinstance(batches, DataLoader) else batches
    if isinstance(stream, Iterator):
        better = "an object with a restartable __iter__" if stream is not batches else "a tinygrad_edu.data.DataLoader"
        raise DTypeError(
            f"fit() iterates over {name} in each epoch, but a {type(stream).__name__} can be iterated only once. "
            f"Pass {better}, or a list."
        )
