"""The forward of a shard: calls that need the whole batch leave it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["WholeBatchNeeded", "in_shard", "needs_whole_batch", "shard_forward"]


class WholeBatchNeeded(BaseException):
    """The forward of a shard did something that only the forward of a whole batch may do."""


class _Shard:
    """One forward of a shard.

    Attributes
    ----------
    reason : str or None
        Why it needs the whole batch.
    """

    reason: str | None = None


_current: ContextVar[_Shard | None] = ContextVar("tinygrad_edu_shard", default=None)


def in_shard() -> bool:
    """Return whether this thread or task computes the forward of a shard."""
    return _current.get() is not None


@contextmanager
def shard_forward() -> Iterator[None]:
    """Compute the forward of a shard inside.

    Raises
    ------
    WholeBatchNeeded
        A module needed the whole batch, also where the code around it caught the signal.
    """
    shard = _Shard()
    token = _current.set(shard)
    try:
        yield
    finally:
        _current.reset(token)
    if shard.reason is not None:
        raise WholeBatchNeeded(shard.reason)


def needs_whole_batch(reason: str) -> None:
    """Declare that the call under way couples samples, or changes a module. It raises in a shard, and only there.

    Parameters
    ----------
    reason : str
        Names the module and the cause: "RNN: its 2-D input is one sequence".

    Raises
    ------
    WholeBatchNeeded
        In the forward of a shard. The batch is then computed whole.
    """
    shard = _current.get()
    if shard is not None:
        shard.reason = reason
        raise WholeBatchNeeded(reason)
