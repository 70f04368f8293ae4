"""Writes to memory: threads, guards and ``t.data``, on top of the clock and the versions of the core.

A saved value is stale if its memory was written to after it was saved.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from threading import RLock
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy import ndarray

from tinygrad_edu.core import Storage, clock

last_version = [0]  # the maximum over all storages
lock = RLock()  # reentrant: a signal handler may run while its thread holds the lock


def _renew_lock() -> None:
    """Replace the lock in a forked process, which lacks the thread that may hold it."""
    global lock
    lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def share(storage: Storage) -> Storage:
    """Note that other objects may share a block of memory. Return its storage."""
    vars(storage)["shared"] = True
    return storage


def is_shared(storage: Storage) -> bool:
    """Return whether other objects may share a block of memory."""
    return getattr(storage, "shared", False)


class Guard(Protocol):
    """Raises before an action that is not allowed in this thread or task."""

    def before_write(self, storages: tuple[Storage, ...]) -> None:
        """Check the storages of a write that is about to begin."""

    def before_hook(self) -> None:
        """Check whether a hook may be registered."""


guard: ContextVar[Guard | None] = ContextVar("tinygrad_edu_guard", default=None)


class writing:  # noqa: N801 (used like a function)
    """Set the version of storages before and after a write: ``with writing(storage): ...`` encloses every write.

    Setting it before makes saved values stale even if Ctrl-C or an error interrupts the write. Setting it after makes
    values stale that another thread saved during the write.

    Attributes
    ----------
    time : int
        Clock time of the last call of `note`.
    """

    __slots__ = ("storages", "time")

    def __init__(self, *storages: Storage) -> None:
        self.storages, self.time = storages, 0

    def __enter__(self) -> writing:
        if (active_guard := guard.get()) is not None:
            active_guard.before_write(self.storages)
        self.note()
        return self

    def __exit__(self, *error: object) -> None:
        self.note()

    def note(self) -> None:
        """Set the version of each storage to the current time."""
        if not self.storages:
            return
        with lock:  # otherwise a slow thread could overwrite a later version
            self.time = last_version[0] = next(clock)
            for storage in self.storages:
                storage.version = self.time


class TrackedArray(ndarray[Any, Any]):
    """The array ``t.data``, which shares the memory of a tensor: a write to it or to a view sets the version.

    Computations with it return plain arrays.
    """

    storage: Storage
    array: ndarray

    def __array_finalize__(self, source: Any) -> None:
        # A view has the storage of its base; a copy has its own.
        self.storage = (getattr(source, "storage", None) if self.base is not None else None) or Storage()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        """Compute on plain arrays. ``+=``, ``out=`` and ``ufunc.at`` are writes."""
        out = settings.get("out", ())
        if out:
            settings["out"] = tuple(map(plain, out))
        with writing(*storages_of(inputs[:1] if method == "at" else out)):
            result = getattr(ufunc, method)(*map(plain, inputs), **settings)
        return result if not out else out[0] if len(out) == 1 else out

    def __array_function__(self, function: Callable[..., Any], types: Any, inputs: Any, settings: Any) -> Any:
        """Set the version for other NumPy functions, which may write to their first argument or to ``out``."""
        written = inputs[:1] if function in WRITERS else (settings.get("out"),)
        with writing(*storages_of(written)):
            return super().__array_function__(function, types, inputs, settings)

    def __getattr__(self, name: str) -> NoReturn:
        """Raise for a missing attribute, such as PyTorch's methods in place."""
        instead = (
            "write into it with t.data[...] = values, or t.assign(values)"
            if name.endswith("_") and name[0] != "_"
            else "see NumPy"
        )
        raise AttributeError(f"t.data is a NumPy array, and has no {name!r}: {instead}.", name=name)

    def __repr__(self) -> str:
        return repr(plain(self))


WRITERS: frozenset[Any] = frozenset({np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal})
WRITING_METHODS = ("__setitem__", "byteswap", "fill", "partition", "put", "setfield", "sort")


def _track_writes(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method, assigned=("__name__",))  # without NumPy's docstring, whose examples would run as tests
    def tracked(self: TrackedArray, *args: Any, **settings: Any) -> Any:
        with writing(self.storage):
            return method(self, *args, **settings)

    tracked.__doc__ = f"Call ``ndarray.{method.__name__}`` and set the version of the storage."
    return tracked


for _name in WRITING_METHODS:
    setattr(TrackedArray, _name, _track_writes(getattr(ndarray, _name)))


def plain(x: Any) -> Any:
    """Return a `TrackedArray` as a plain array, and any other object unchanged."""
    return x.view(ndarray) if isinstance(x, TrackedArray) else x


def storages_of(arrays: Any) -> list[Storage]:
    """Return the storages of the tracked arrays in a sequence."""
    return [x.storage for x in arrays if isinstance(x, TrackedArray)]


def tracked_view(array: ndarray, storage: Storage) -> TrackedArray:
    """Return a view of an array whose writes set the version of the storage."""
    data = array.view(TrackedArray)
    data.storage, data.array = storage, array
    return data
