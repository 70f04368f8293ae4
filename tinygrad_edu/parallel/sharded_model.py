"""A model whose forward runs in shards while its samples are independent."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Self

import numpy as np

from tinygrad_edu.caller import warn_caller
from tinygrad_edu.engine import Cell, Tensor, clock
from tinygrad_edu.errors import AnomalyError, WholeBatchWarning
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_tensors
from tinygrad_edu.nn.module import is_buffer
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.nn.sample_independence import modules_couple_samples, warn_undeclared
from tinygrad_edu.nn.sharding import WholeBatchNeeded, shard_forward
from tinygrad_edu.parallel.joined import require_samples_first

__all__ = ["ShardedModel", "whole_batch_shows"]


@contextmanager
def whole_batch_shows(what: str) -> Iterator[None]:
    """Turn an error inside into `WholeBatchNeeded`: only the whole batch shows whether it is one.

    Raises
    ------
    WholeBatchNeeded
    AnomalyError
        As it was raised.
    """
    try:
        yield
    except AnomalyError:
        raise
    except Exception as error:
        raise WholeBatchNeeded(f"{what} raised {type(error).__name__}") from error


class ShardedModel:
    """A model, and whether its batches are cut into shards.

    Attributes
    ----------
    broken : str or None
        How the model broke its promise. Its batches are computed whole from then on.
    begin : int
        The time of the last call of `begin_batch`.
    """

    def __init__(self, model: Module) -> None:
        self.model, self.name = model, type(model).__name__
        self.broken: str | None = None
        self.begin, self._warned = 0, False
        self._buffers: list[Tensor] = []
        self._state: set[int] = set()
        self._cells: set[Cell] = set()

    def is_cut(self) -> bool:
        """Return whether batches are cut, and warn where a declaration is missing."""
        coupled = modules_couple_samples(self._modules_and_buffers())
        if coupled is None:
            warn_undeclared(self.model)
        return coupled is False and self.broken is None

    def _modules_and_buffers(self) -> list[Module]:
        """Return all modules, the model first, and note the buffers, in one walk: it is done for every batch."""
        parts = {id(part): part for _, part in self.model._walk()}.values()
        self._buffers = [part for part in parts if isinstance(part, Tensor) and is_buffer(part)]
        return [part for part in parts if isinstance(part, Module)]

    def begin_batch(self, tensors: Iterable[Tensor]) -> None:
        """Note the tensors that are trained, and the buffers: no output is one, and no forward writes to them."""
        state = [*tensors, *self._buffers]
        self._state, self._cells = {*map(id, state)}, {tensor._cell for tensor in state}
        self.begin = next(clock)

    def in_shard(self, what: str, stream: np.random.Generator) -> "_InShard":
        """Compute the forward, or the loss, of a shard inside."""
        return _InShard(self.name, self._cells, what, stream)

    def output(self, inputs: Any, part: slice, stream: np.random.Generator) -> Any:
        """Return the output for a shard.

        Raises
        ------
        WholeBatchNeeded
            The forward broke the promise, or raised an error: only the whole batch shows whether it is one.
        AnomalyError
            As the forward raised it.
        """
        count = part.stop - part.start
        with self.in_shard(f"its forward of {count} samples of a batch", stream):
            out = self.model(*as_tensors(inputs))
        if not (isinstance(out, Tensor) and out.shape[:1] == (count,) and id(out) not in self._state):
            require_samples_first(self.name, out, count, self._state)
        return out

    def loss_errors(self) -> AbstractContextManager[None]:
        """Turn an error of the loss inside into `WholeBatchNeeded`."""
        return whole_batch_shows(f"{self.name}: the loss of what its shards returned")

    def give_up(self, reason: str) -> None:
        """Compute batches whole from now on."""
        self.broken = reason

    def warn_once(self) -> None:
        """Warn if the promise is broken: after a whole batch, which shows that there was no error."""
        if self.broken is not None and not self._warned:
            self._warned = True
            warn_caller(
                f"{self.broken}. Batches are computed whole from here on, and not in shards on all cores. Write "
                f"couples_samples = True in the class if this is meant.",
                WholeBatchWarning,
            )


class _InShard(shard_forward):
    """The forward or the loss of a shard, which draws from a random stream; its errors are not final."""

    __slots__ = ("_random", "_what")

    def __init__(self, name: str, state: Collection[Cell], what: str, stream: np.random.Generator) -> None:
        super().__init__(name, state)
        self._what, self._random = what, random_stream(stream)

    def __enter__(self) -> Self:
        self._random.__enter__()
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._random.__exit__(kind, error, at)
        super().__exit__(kind, error, at)
        if isinstance(error, Exception) and not isinstance(error, AnomalyError):
            raise WholeBatchNeeded(f"{self.name}: {self._what} raised {type(error).__name__}") from error
