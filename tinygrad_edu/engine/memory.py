"""Memory that changes: who shares it, when it was last written to, and the one way to write to it.

A saved value is stale when its memory was written to after it was saved. One clock counts the recorded ops and the
writes; each piece of memory has a `Cell`, common to its views, with the time of the last write; and every write goes
through `writing`, which notes the time.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from threading import RLock
from types import TracebackType
from typing import Any, Protocol, final

import numpy as np
from numpy import ndarray

clock = itertools.count(1)
last_change = [0]
lock = RLock()  # of what threads share here; a signal handler may come while its own thread holds it


def _renew_lock() -> None:
    """Forget, in a forked process, who held the lock: a thread that is not there never lets go of it."""
    global lock
    lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@final
class Cell:
    """What is known of a piece of memory, common to its views.

    Attributes
    ----------
    changed : int
        When it was last written to; 0 for never.
    shared : bool
        Whether others may hold the memory.
    """

    __slots__ = ("changed", "shared")

    changed: int
    shared: bool

    @classmethod
    def new(cls, shared: bool = False) -> Cell:
        """Return the cell of new memory. An ``__init__`` would cost the call of an op a call of its own."""
        cell = cls()
        cell.changed, cell.shared = 0, shared
        return cell


class Guard(Protocol):
    """Raises before something happens that this thread or task may not do."""

    def before_write(self, cells: tuple[Cell, ...]) -> None:
        """Look at the memory that is about to be written to."""

    def before_hook(self) -> None:
        """Look at a hook that is about to be registered."""


guard: ContextVar[Guard | None] = ContextVar("tinygrad_edu_guard", default=None)


class writing:  # noqa: N801 (used like a function)
    """Around every write: ``with writing(cell): ...`` notes that the memory changes, before the write and after it.

    Before, so that what was saved of it is stale however the write ends: with Ctrl-C or an error half way, too. After,
    so that what another thread saved meanwhile is stale as well.

    Attributes
    ----------
    time : int
        Of the last note.
    """

    __slots__ = ("cells", "time")

    def __init__(self, *cells: Cell) -> None:
        self.cells, self.time = cells, 0

    def __enter__(self) -> writing:
        if (guarding := guard.get()) is not None:
            guarding.before_write(self.cells)
        self.note()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.note()

    def note(self) -> None:
        """Set the clock of the cells. Where there are none, nothing changes."""
        if not self.cells:
            return
        with lock:  # or a thread that is slow to write its time here would take back the later time of another
            self.time = last_change[0] = next(clock)
            for cell in self.cells:
                cell.changed = self.time


class Data(ndarray[Any, Any]):
    """What ``t.data`` gives out: the memory of a tensor, which notes what is written into it or into a view of it.

    All else is as in any array, and what is computed of it is a plain one.
    """

    cell: Cell
    lent: ndarray

    def __array_finalize__(self, made_of: Any) -> None:
        # A view shows the memory that it was made of; a copy has its own.
        self.cell = (getattr(made_of, "cell", None) if self.base is not None else None) or Cell.new()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        """Compute on plain arrays; ``+=`` and ``out=`` write, and so does ``at``."""
        out = settings.get("out", ())
        if out:
            settings["out"] = tuple(map(plain, out))
        with writing(*cells_of(inputs[:1] if method == "at" else out)):
            result = getattr(ufunc, method)(*map(plain, inputs), **settings)
        return result if not out else out[0] if len(out) == 1 else out

    def __array_function__(self, function: Callable[..., Any], types: Any, inputs: Any, settings: Any) -> Any:
        """Do the same for NumPy's other functions: some write into their first argument, and some into ``out``."""
        written = inputs[:1] if function in WRITERS else (settings.get("out"),)
        with writing(*cells_of(written)):
            return super().__array_function__(function, types, inputs, settings)

    def __repr__(self) -> str:
        return repr(plain(self))


WRITERS: frozenset[Any] = frozenset({np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal})
WRITING_METHODS = ("__setitem__", "byteswap", "fill", "partition", "put", "setfield", "sort")


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method, assigned=("__name__",))  # NumPy's docstring would bring its examples
    def noted(self: Data, *args: Any, **settings: Any) -> Any:
        with writing(self.cell):
            return method(self, *args, **settings)

    noted.__doc__ = f"Do what ``ndarray.{method.__name__}`` does, and note it."
    return noted


for _name in WRITING_METHODS:
    setattr(Data, _name, _noting(getattr(ndarray, _name)))


def plain(x: Any) -> Any:
    """Return the array that a `Data` is, and anything else as it is."""
    return x.view(ndarray) if isinstance(x, Data) else x


def cells_of(arrays: Any) -> list[Cell]:
    """Return the cells of those that have one."""
    return [x.cell for x in arrays if isinstance(x, Data)]


def lend(array: ndarray, cell: Cell) -> Data:
    """Return an array as one that notes what is written into it."""
    data = array.view(Data)
    data.cell, data.lent = cell, array
    return data
