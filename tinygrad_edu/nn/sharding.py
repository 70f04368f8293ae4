"""The forward of a shard, and the signal for code that needs the whole batch."""

from collections.abc import Collection
from types import TracebackType
from typing import Any, Self

from tinygrad_edu.engine import Storage, guard
from tinygrad_edu.names import KeywordHints

__all__ = [
    "SETS_ATTRIBUTE", "ShardAware", "WholeBatchNeeded", "by_settings", "is_shared_with_shards", "needs_whole_batch",
    "require_batch", "shard_forward",
]  # fmt: skip

SETS_ATTRIBUTE = "its forward sets the attribute"  # the reason of `Module.__setattr__`, which `check_module` knows
DECLARED = "couples_samples"


class WholeBatchNeeded(BaseException):
    """The forward of a shard did something that only the forward of a whole batch may do."""


class shard_forward:  # noqa: N801 (used like a function)
    """Compute the forward of a shard inside: ``with shard_forward(): ...``.

    It raises `WholeBatchNeeded` if a call needed the whole batch, also where the code around it caught the signal.

    Parameters
    ----------
    name : str
        What computes it, for messages.
    state : collection of Storage
        The memory of the parameters and buffers, which the forward of a shard may not write to.
    """

    __slots__ = ("made", "name", "reason", "state", "token")

    def __init__(self, name: str = "the model", state: Collection[Storage] = ()) -> None:
        self.name, self.state = name, state
        self.made = set[int]()  # the ids of the modules that it made, and may change: no other thread has them
        self.reason: str | None = None  # why it needs the whole batch

    def __enter__(self) -> Self:
        self.token = guard.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        guard.reset(self.token)
        if error is None and self.reason is not None:
            raise WholeBatchNeeded(self.reason)

    def before_hook(self) -> None:
        """Need the whole batch: a hook gets the gradient of all samples."""
        needs_whole_batch(f"{self.name}: its forward registers a hook")

    def before_write(self, storages: tuple[Storage, ...]) -> None:
        """Need the whole batch for a write to the state."""
        if any(storage in self.state for storage in storages):
            needs_whole_batch(f"{self.name}: its forward writes to a parameter or a buffer")


def _current_shard() -> shard_forward | None:
    return guard.get()  # type: ignore[return-value] # nothing else guards


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
    shard = _current_shard()
    if shard is not None:
        shard.reason = reason
        raise WholeBatchNeeded(reason)


class by_settings(property):  # noqa: N801 (used like `property`)
    """A property ``couples_samples`` of the settings of a module, which an assignment to one module overrides."""

    def __get__(self, module: Any, cls: type | None = None) -> Any:
        own = {} if module is None else vars(module)
        return own[DECLARED] if DECLARED in own else super().__get__(module, cls)

    def __set__(self, module: Any, value: Any) -> None:
        vars(module)[DECLARED] = value


def require_batch(layer: str, shape: tuple[int, ...], axes: int) -> None:
    """Need the whole batch for an input with the `axes` axes of one sample, or fewer: none is that of the samples."""
    if len(shape) <= axes:
        needs_whole_batch(f"{layer}: its input of shape {shape} has no axis of samples")


class ShardAware(KeywordHints):
    """What `Module` inherits, so that the forward of a shard knows the modules that it made."""

    __slots__ = ()

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Make an instance, and note it in the shard under way, if there is one."""
        module = super().__new__(cls, *args, **settings)
        shard = _current_shard()
        if shard is not None:
            shard.made.add(id(module))
        return module


def is_shared_with_shards(module: Any) -> bool:
    """Return whether the forward of a shard is under way, and did not make this module itself."""
    shard = _current_shard()
    return shard is not None and id(module) not in shard.made
