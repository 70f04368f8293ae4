"""The context of a shard's forward pass, and the signal that code needs the whole batch."""

from __future__ import annotations

from collections.abc import Collection
from types import TracebackType
from typing import Any, Self

from tinygrad_edu.engine import Storage, guard
from tinygrad_edu.names import KeywordHints

__all__ = [
    "SETS_ATTRIBUTE", "ShardAware", "WholeBatchNeeded", "by_settings", "is_shared_with_shards", "needs_whole_batch",
    "require_batch", "shard_forward",
]  # fmt: skip

SETS_ATTRIBUTE = "its forward sets the attribute"  # the reason given by `Module.__setattr__`; `check_module` matches it
DECLARED = "couples_samples"


class WholeBatchNeeded(BaseException):
    """Raised in the forward pass of a shard by an operation that requires the whole batch."""


class shard_forward:  # noqa: N801 (used like a function)
    """Context manager for the forward pass of a shard: ``with shard_forward(): ...``.

    On exit it raises `WholeBatchNeeded` if a call needed the whole batch, even if user code caught the exception.

    Parameters
    ----------
    name : str
        Name of the model in messages.
    state : collection of Storage
        Storage of the parameters and buffers. Writing to it needs the whole batch.
    """

    __slots__ = ("created", "name", "reason", "state", "token")

    def __init__(self, name: str = "the model", state: Collection[Storage] = ()) -> None:
        self.name, self.state = name, state
        self.created = set[int]()  # ids of modules created in this shard: it may change them
        self.reason: str | None = None  # why the whole batch is needed

    def __enter__(self) -> Self:
        self.token = guard.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        guard.reset(self.token)
        if error is None and self.reason is not None:
            raise WholeBatchNeeded(self.reason)

    def before_hook(self) -> None:
        """Require the whole batch: a hook receives the gradient of all samples."""
        needs_whole_batch(f"{self.name}: its forward registers a hook")

    def before_write(self, storages: tuple[Storage, ...]) -> None:
        """Require the whole batch for a write to the state."""
        if any(storage in self.state for storage in storages):
            needs_whole_batch(f"{self.name}: its forward writes to a parameter or a buffer")


def _current_shard() -> shard_forward | None:
    return guard.get()  # type: ignore[return-value] # the only guard


def needs_whole_batch(reason: str) -> None:
    """Declare that the current call couples samples, or changes a module. Does nothing outside of a shard.

    Parameters
    ----------
    reason : str
        The module and the cause, such as "RNN: its 2-D input is one sequence".

    Raises
    ------
    WholeBatchNeeded
        In the forward pass of a shard. The training loop then computes the whole batch at once.
    """
    shard = _current_shard()
    if shard is not None:
        shard.reason = reason
        raise WholeBatchNeeded(reason)


class by_settings(property):  # noqa: N801 (used like `property`)
    """A property ``couples_samples``, computed from a module's options, that assignment to an instance overrides."""

    def __get__(self, module: Any, cls: type | None = None) -> Any:
        own = {} if module is None else vars(module)
        return own[DECLARED] if DECLARED in own else super().__get__(module, cls)

    def __set__(self, module: Any, value: Any) -> None:
        vars(module)[DECLARED] = value


def require_batch(layer: str, shape: tuple[int, ...], axes: int) -> None:
    """Require the whole batch for an input with at most `axes` axes, which has no sample axis."""
    if len(shape) <= axes:
        needs_whole_batch(f"{layer}: its input of shape {shape} has no sample axis")


class ShardAware(KeywordHints):
    """Base class of `Module` that records the modules created in the forward pass of a shard.

    The time of a module's first call, by the clock, is in a slot, since it is not an attribute of the model.
    """

    __slots__ = ("_first_call",)

    _first_call: int

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Create an instance. In the forward pass of a shard, record it."""
        module = super().__new__(cls, *args, **settings)
        shard = _current_shard()
        if shard is not None:
            shard.created.add(id(module))
        return module


def is_shared_with_shards(module: Any) -> bool:
    """Return whether a shard is being computed that did not create this module."""
    shard = _current_shard()
    return shard is not None and id(module) not in shard.created
