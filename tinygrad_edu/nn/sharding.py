"""The forward of a shard: calls that need the whole batch leave it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from tinygrad_edu.engine import before_hook
from tinygrad_edu.names import OurKeywords

__all__ = [
    "SETS_ATTRIBUTE", "KnownToShards", "WholeBatchNeeded", "by_settings", "in_shard", "needs_whole_batch",
    "require_batch", "shard_forward", "was_made",
]  # fmt: skip

SETS_ATTRIBUTE = "its forward sets the attribute"  # the reason of `Module.__setattr__`, which `check_module` knows


NAME = "couples_samples"


class WholeBatchNeeded(BaseException):
    """The forward of a shard did something that only the forward of a whole batch may do."""


class _Shard:
    """One forward of a shard.

    Attributes
    ----------
    reason : str or None
        Why it needs the whole batch.
    made : set of int
        The ids of the modules that the forward made. It may set their attributes: no other thread has them.
    """

    reason: str | None = None

    def __init__(self) -> None:
        self.made: set[int] = set()


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
    token, hooks = _current.set(shard), before_hook.set(_refuse_hook)
    try:
        yield
    finally:
        _current.reset(token)
        before_hook.reset(hooks)
    if shard.reason is not None:
        raise WholeBatchNeeded(shard.reason)


def _refuse_hook() -> None:
    needs_whole_batch("the forward registers a hook, which gets the gradient of the whole batch")


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


class by_settings(property):  # noqa: N801 (used like `property`)
    """A property ``couples_samples`` of the settings of a module, which an assignment to one module overrides."""

    def __get__(self, module: Any, cls: type | None = None) -> Any:
        own = {} if module is None else vars(module)
        return own[NAME] if NAME in own else super().__get__(module, cls)

    def __set__(self, module: Any, value: Any) -> None:
        vars(module)[NAME] = value


def require_batch(layer: str, shape: tuple[int, ...], axes: int) -> None:
    """Need the whole batch for an input with the `axes` axes of one sample, or fewer: none is that of the samples."""
    if len(shape) <= axes:
        needs_whole_batch(f"{layer}: its input of shape {shape} has no axis of samples")


class KnownToShards(OurKeywords):
    """What `Module` inherits, so that the forward of a shard knows the modules that it made."""

    __slots__ = ()

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Make an instance, and note it in the shard under way, if there is one."""
        module = super().__new__(cls, *args, **settings)
        shard = _current.get()
        if shard is not None:
            shard.made.add(id(module))
        return module


def was_made(module: Any) -> bool:
    """Return whether the forward of a shard under way made this module."""
    shard = _current.get()
    return shard is not None and id(module) in shard.made
