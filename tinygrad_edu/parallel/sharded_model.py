"""A model and its losses in shards, and the checks that samples are independent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.core.module import walk
from tinygrad_edu.engine import Storage, Tensor, clock
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_tensors
from tinygrad_edu.nn.module import is_buffer
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.nn.sharding import shard_error, shard_forward
from tinygrad_edu.parallel.joined import require_samples_first
from tinygrad_edu.transforms.captured import contents_of, has_contents, refill

_CHANGEABLE = (list, dict, set, np.ndarray)


class _Kept:
    """The attributes of a module, or a container or an array in one of them, and the contents before the shards."""

    def __init__(self, module: Module, name: str, held: Any) -> None:
        self.module, self.name, self.held = module, name, held
        self.contents: Any = held.copy() if isinstance(held, np.ndarray) else contents_of(held)

    @classmethod
    def of(cls, module: Module) -> list[_Kept]:
        """Return what a call of the module could change."""
        attributes = vars(module)
        inner = [cls(module, name, held) for name, held in attributes.items() if _can_change(held)]
        return [cls(module, "", attributes), *inner]

    def changed_name(self) -> str:
        """Return the name of the attribute that changed, or an empty string."""
        if isinstance(self.held, np.ndarray):
            return "" if self.held.tobytes() == self.contents.tobytes() else self.name
        if has_contents(self.held, self.contents):
            return ""
        return self.name or self._changed_attribute()

    def _changed_attribute(self) -> str:
        """Return the name of the changed attribute. The first value of a cached property is no change."""
        half = len(self.contents) // 2
        before = dict(zip(self.contents[:half], self.contents[half:], strict=True))
        names: list[str] = [name for name in (*before, *self.held) if not _is_cached(self.module, name)]
        return next((name for name in names if self.held.get(name, self) is not before.get(name, self)), "")

    def restore(self) -> None:
        """Restore the contents."""
        if isinstance(self.held, np.ndarray):
            self.held[...] = self.contents
        else:
            refill(self.held, self.contents)


def _is_cached(module: Module, name: str) -> bool:
    """Return whether an attribute is the value of a cached property."""
    return isinstance(getattr(type(module), name, None), cached_property)


def _can_change(held: Any) -> bool:
    return isinstance(held, _CHANGEABLE) and not (isinstance(held, np.ndarray) and not held.flags.writeable)


class ShardedModel:
    """A model that a batch calls once for each shard, and its losses.

    Attributes
    ----------
    begin : int
        The clock at the last call of `begin_batch`.
    """

    def __init__(self, model: Module, *losses: Any) -> None:
        self.model, self.name = model, type(model).__name__
        self._roots = [("", model), *(("loss.", loss) for loss in losses if isinstance(loss, Module))]
        self.begin = 0
        self._state: dict[int, str] = {}
        self._storages: dict[Storage, str] = {}
        self._kept: list[_Kept] = []

    def begin_batch(self, tensors: Iterable[Tensor]) -> None:
        """Record what a shard may neither return nor change: trained tensors, buffers, attributes and containers.

        Parameters
        ----------
        tensors : iterable of Tensor
            The trained tensors.
        """
        parts = [(prefix + path, part) for prefix, root in self._roots for path, part in walk(root)]
        buffers = [(path, part) for path, part in parts if isinstance(part, Tensor) and is_buffer(part)]
        state = [*(("a parameter", tensor) for tensor in tensors), *((f"the buffer {path}", t) for path, t in buffers)]
        self._state = {id(tensor): name for name, tensor in state}
        self._storages = {tensor._storage: name for name, tensor in state}
        modules = {id(part): part for _, part in parts if isinstance(part, Module)}.values()
        self._kept = [kept for module in modules for kept in _Kept.of(module)]
        self.begin = next(clock)

    def require_unchanged(self) -> None:
        """Raise `ShardError` if a shard changed an attribute, or a list, dict, set or array in one. Restore all."""
        changed = [(kept, name) for kept in self._kept if (name := kept.changed_name())]
        for kept, _ in changed:
            kept.restore()
        for kept, name in changed:
            raise shard_error(f"{type(kept.module).__name__}: a call in a shard changes its attribute {name}")

    @contextmanager
    def in_shard(self, part: slice, stream: np.random.Generator) -> Iterator[None]:
        """Context manager for the forward pass or the loss of a shard, in which all layers draw from `stream`."""
        try:
            with random_stream(stream), shard_forward(part.stop - part.start, self.name, self._storages):
                yield
        except Exception as error:
            error.add_note(f"In a shard: rows {part.start} to {part.stop - 1} of the batch.")
            raise

    def output(self, inputs: Any, part: slice, stream: np.random.Generator) -> Any:
        """Return the output of the model for a shard.

        Raises
        ------
        ShardError
            The output does not have one row per sample, or the forward pass does what needs the whole batch.
        """
        count = part.stop - part.start
        with self.in_shard(part, stream):
            out = self.model(*as_tensors(inputs))
            if not (isinstance(out, Tensor) and out.shape[:1] == (count,) and id(out) not in self._state):
                require_samples_first(self.name, out, count, self._state)
        return out
