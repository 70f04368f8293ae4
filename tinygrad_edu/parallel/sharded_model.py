"""A model whose forward pass runs in shards if its samples are independent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import numpy as np

from tinygrad_edu.caller import warn_caller
from tinygrad_edu.engine import Storage, Tensor, clock
from tinygrad_edu.errors import AnomalyError, WholeBatchWarning
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_tensors
from tinygrad_edu.nn.module import is_buffer
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.nn.sample_independence import modules_couple_samples, warn_undeclared
from tinygrad_edu.nn.sharding import WholeBatchNeeded, shard_forward
from tinygrad_edu.parallel.joined import require_samples_first

__all__ = ["ShardedModel"]


class ShardedModel:
    """A model whose batches are cut into shards if its samples are independent.

    Attributes
    ----------
    broken : str or None
        How the model violated its declaration, so that batches are computed whole. None if it did not.
    begin : int
        The clock at the last call of `begin_batch`.
    """

    def __init__(self, model: Module) -> None:
        self.model, self.name = model, type(model).__name__
        self.broken: str | None = None
        self.begin, self._warned = 0, False
        self._buffers: list[Tensor] = []
        self._state: set[int] = set()
        self._storages: set[Storage] = set()

    def is_sharded(self) -> bool:
        """Return whether batches are cut into shards. Warn if the model has no declaration."""
        coupled = modules_couple_samples(self._modules_and_buffers())
        if coupled is None:
            warn_undeclared(self.model)
        return coupled is False and self.broken is None

    def _modules_and_buffers(self) -> list[Module]:
        """Return all modules, the model first, and store the buffers. Called once per batch."""
        parts = {id(part): part for _, part in self.model._walk()}.values()
        self._buffers = [part for part in parts if isinstance(part, Tensor) and is_buffer(part)]
        return [part for part in parts if isinstance(part, Module)]

    def begin_batch(self, tensors: Iterable[Tensor]) -> None:
        """Record the trained tensors and the buffers, which a shard may neither return nor write to."""
        state = [*tensors, *self._buffers]
        self._state, self._storages = {*map(id, state)}, {tensor._storage for tensor in state}
        self.begin = next(clock)

    def in_shard(self, description: str, stream: np.random.Generator) -> _ShardContext:
        """Return a context manager for the forward pass or the loss of a shard."""
        return _ShardContext(self.name, self._storages, description, stream)

    def output(self, inputs: Any, part: slice, stream: np.random.Generator) -> Any:
        """Return the output of the model for a shard.

        Raises
        ------
        WholeBatchNeeded
            The forward pass violated the declaration, or raised an error that the whole batch may not raise.
        AnomalyError
            The forward pass raised it.
        """
        count = part.stop - part.start
        with self.in_shard(f"the forward pass of a shard of {count} samples", stream):
            out = self.model(*as_tensors(inputs))
        if not (isinstance(out, Tensor) and out.shape[:1] == (count,) and id(out) not in self._state):
            require_samples_first(self.name, out, count, self._state)
        return out

    @contextmanager
    def loss_errors(self) -> Iterator[None]:
        """Convert an error of the loss to `WholeBatchNeeded`, because the whole batch may not raise it.

        Raises
        ------
        WholeBatchNeeded
        AnomalyError
            Raised unchanged.
        """
        try:
            yield
        except AnomalyError:
            raise
        except Exception as error:
            problem = f"the loss of the joined outputs raised {type(error).__name__}"
            raise WholeBatchNeeded(f"{self.name}: {problem}") from error

    def disable_sharding(self, reason: str) -> None:
        """Compute all later batches whole, for the given reason."""
        self.broken = reason

    def warn_once(self) -> None:
        """Warn once that sharding is disabled, after a whole batch was computed without an error."""
        if self.broken is not None and not self._warned:
            self._warned = True
            warn_caller(
                f"{self.broken}. Later batches are computed whole, not in shards on all cores. Set "
                f"couples_samples = True in the class if this is intended.",
                WholeBatchWarning,
            )


class _ShardContext(shard_forward):
    """Context of the forward pass or the loss of a shard, with its own random stream."""

    __slots__ = ("_description", "_random")

    def __init__(self, name: str, state: Collection[Storage], description: str, stream: np.random.Generator) -> None:
        super().__init__(name, state)
        self._description, self._random = description, random_stream(stream)

    def __enter__(self) -> Self:
        self._random.__enter__()
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._random.__exit__(kind, error, at)
        super().__exit__(kind, error, at)
        if isinstance(error, Exception) and not isinstance(error, AnomalyError):
            raise WholeBatchNeeded(f"{self.name}: {self._description} raised {type(error).__name__}") from error
