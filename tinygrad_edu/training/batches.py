"""What a batch is: a tuple of arrays, or nests of them, of which the last is the target and the others are inputs."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn.samples import samples, some_samples
from tinygrad_edu.parallel import shards

__all__ = ["Batch", "Batches", "cut", "has_order", "inputs_and_target", "refuse_iterator"]

Batch = tuple[Any, ...]
Batches = Iterable[Batch]


def inputs_and_target(batch: Any) -> tuple[list[Any], Any]:
    """Return what the model is called with, and what its output is compared with."""
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        what = f"has {len(batch)} part" if isinstance(batch, tuple | list) else f"is a {type(batch).__name__}"
        raise DTypeError(
            f"a batch is a tuple (x, y), or (x1, x2, y): inputs of the model, and last the target. This one {what}. A "
            f"DataLoader makes such tuples of several arrays, or its transform does: lambda x: (x, x)."
        )
    return list(batch[:-1]), batch[-1]


def cut(batch: Batch, size: int) -> list[Batch]:
    """Cut a batch into batches of at most `size` samples."""
    return [some_samples(tuple(batch), part) for part in shards(samples(batch), size)]


def has_order(batches: Any) -> TypeGuard[DataLoader]:
    """Whether batches are those of an order that is drawn for each epoch: not where a subclass makes others of them."""
    return isinstance(batches, DataLoader) and type(batches).__iter__ is DataLoader.__iter__


def refuse_iterator(name: str, batches: Batches) -> None:
    """Raise for batches that can be looped over only once, and would be gone after the first epoch."""
    if isinstance(batches, Iterator):
        raise DTypeError(
            f"fit() loops over {name} once an epoch, and a {type(batches).__name__} is empty after the first: "
            "give a tinygrad_edu.data.DataLoader, or a list."
        )
