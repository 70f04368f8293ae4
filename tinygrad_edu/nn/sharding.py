"""The forward pass of a shard, which refuses what needs the whole batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tinygrad_edu.engine import Storage, guard
from tinygrad_edu.errors import ShardError


class shard_forward:  # noqa: N801 (used like a function)
    """Context manager for the forward pass of a shard: ``with shard_forward(count): ...``.

    On exit it raises a refusal again if user code caught it.

    Parameters
    ----------
    count : int
        Number of samples in the shard.
    name : str
        Name of the model in messages.
    state : mapping of Storage to str
        Storage of the parameters and buffers, and the name of each. They must not be written to.
    """

    __slots__ = ("count", "name", "refusal", "state", "token")

    def __init__(self, count: int, name: str = "the model", state: Mapping[Storage, str] | None = None) -> None:
        self.count, self.name, self.state = count, name, state or {}
        self.refusal: ShardError | None = None

    def __enter__(self) -> Self:
        self.token = guard.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        guard.reset(self.token)
        if error is None and self.refusal is not None:
            raise self.refusal

    def refuse(self, reason: str) -> None:
        """Raise `ShardError`."""
        self.refusal = shard_error(reason)
        raise self.refusal

    def before_hook(self) -> None:
        """Refuse a hook, which receives the gradient of all samples."""
        self.refuse(f"{self.name}: its forward registers a hook")

    def before_write(self, storages: tuple[Storage, ...]) -> None:
        """Refuse a write to the state."""
        for storage in storages:
            if storage in self.state:
                self.refuse(f"{self.name}: its forward writes to {self.state[storage]}")


def refuse_in_shard(reason: str) -> None:
    """Raise in the forward pass of a shard, for a layer that couples the samples of a batch.

    Parameters
    ----------
    reason : str
        The layer and the cause, such as "BatchNorm2D: it normalizes with the statistics of the batch".

    Raises
    ------
    ShardError
        In the forward pass of a shard.
    """
    shard = guard.get()
    if isinstance(shard, shard_forward):
        shard.refuse(reason)


def require_sample_axis(layer: str, shape: tuple[int, ...], axis: int, ndim: int) -> None:
    """Raise in the forward pass of a shard if the input of a layer has no sample axis, or has the samples on axis 0.

    Parameters
    ----------
    layer : str
        Name of the layer.
    shape : tuple of int
        Shape of the input.
    axis, ndim : int
        The sample axis of an input with `ndim` axes. An input with fewer axes has none.

    Raises
    ------
    ShardError
        In the forward pass of a shard.
    """
    shard = guard.get()
    if isinstance(shard, shard_forward):
        if len(shape) < ndim:
            shard.refuse(f"{layer}: its input of shape {shape} has no sample axis")
        if shape[axis] != shard.count == shape[0]:
            shard.refuse(f"{layer}: its input of shape {shape} has the samples on axis 0, not on axis {axis}")


def shard_error(reason: str) -> ShardError:
    """Return the error for a model or a loss whose samples are not independent."""
    error = ShardError(
        f"{reason}. With shard_size, a batch is computed in shards, so its samples must be independent. Leave out "
        f"shard_size to compute whole batches."
    )
    error.reason = reason
    return error
