"""Modes of a thread or task: gradient recording, and observers."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, ParamSpec, TypeVar, overload

from tinygrad_edu.core import recording
from tinygrad_edu.errors import DTypeError

P = ParamSpec("P")
R = TypeVar("R")


class Block:
    """An open `with` block: its modes, the `Mode` that opened it, and the block around it.

    Attributes
    ----------
    recording : bool
        Whether ops are recorded.
    observers : tuple of Observer
        Observers of ops and backward passes. If there is one, each node records its `CallSite`.
    site : object
        Call site of the nodes that a vjp creates: the call site of the vjp's op. None outside of vjps.
    """

    __slots__ = ("mode", "observers", "outer", "recording", "site")  # faster to read than a NamedTuple

    def __init__(self, recording: bool, observers: tuple[Any, ...], site: Any, mode: Mode, outer: Block | bool) -> None:
        self.recording, self.observers, self.site, self.mode, self.outer = recording, observers, site, mode, outer

    def __bool__(self) -> bool:
        """Return whether ops are recorded, which is all that the core reads."""
        return self.recording


# A Block, or a bool: True outside of all blocks, and what a `no_grad` of the core sets.
_innermost: ContextVar[Any] = recording


def is_grad_enabled() -> bool:
    """Return whether ops are recorded at this point of this thread or task."""
    return bool(_innermost.get())


def innermost_block() -> Block | None:
    """Return the innermost block, or None outside of all blocks."""
    block = _innermost.get()
    return block if block.__class__ is Block else None


def observers() -> tuple[Any, ...]:
    """Return the observers of this thread or task."""
    return getattr(_innermost.get(), "observers", ())


class Mode:
    """The modes that a block sets, as a context manager or a decorator. None keeps the mode of the outer block.

    Observers of the outer block are kept, too, unless the block is `unobserved`.
    """

    def __init__(
        self, recording: bool | None = None, observer: Any = None, site: Any = None, unobserved: bool = False
    ) -> None:
        self._recording, self._observer, self._site, self._unobserved = recording, observer, site, unobserved

    def __enter__(self) -> None:
        before = _innermost.get()
        try:
            _innermost.set(self._new_block(before))
        except BaseException:  # Ctrl-C in this block: __exit__ will not run
            _innermost.set(before)
            raise

    def __exit__(self, *error: object) -> None:
        try:
            _innermost.set(_close_block(self, _innermost.get()))
        except BaseException:  # Ctrl-C in this block: __exit__ will not run again
            _innermost.set(_close_block(self, _innermost.get()))
            raise

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap a function so that each call runs in this mode."""
        if isgeneratorfunction(function) or iscoroutinefunction(function) or isasyncgenfunction(function):
            raise DTypeError(
                f"a mode cannot decorate {function.__name__}: the body of a generator or coroutine runs after the "
                f"call. Use a `with` block in the body, without a yield or await inside."
            )

        @wraps(function)
        def in_mode(*args: P.args, **settings: P.kwargs) -> R:
            with Mode(self._recording, self._observer, self._site, self._unobserved):
                return function(*args, **settings)

        return in_mode

    def _new_block(self, outer: Block | bool) -> Block:
        recording, observers, site = bool(outer), (), None
        if isinstance(outer, Block):
            site, observers = outer.site, () if self._unobserved else outer.observers
        return Block(
            recording if self._recording is None else self._recording,
            observers if self._observer is None or self._observer in observers else (*observers, self._observer),
            site if self._site is None else self._site,
            mode=self,
            outer=outer,
        )


def _close_block(mode: Mode, block: Block | bool) -> Block | bool:
    """Close the last block of a mode. A generator may close it late, or in another thread."""
    inner_blocks: list[Block] = []
    while isinstance(block, Block) and block.mode is not mode:
        inner_blocks.append(block)
        block = block.outer
    if not isinstance(block, Block):
        current: Block | bool = _innermost.get()
        return current
    block = block.outer
    for inner in reversed(inner_blocks):
        block = inner.mode._new_block(block)
    return block


@overload
def no_grad() -> Mode: ...
@overload
def no_grad(function: Callable[P, R]) -> Callable[P, R]: ...
def no_grad(function: Callable[P, R] | None = None) -> Mode | Callable[P, R]:
    """Turn recording off, in a block ``with no_grad():`` or in a function with the decorator ``@no_grad``.

    The mode belongs to the thread or task that set it. The previous mode is restored even after an exception. A block
    in a generator must end in the thread in which it began.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     w -= 0.5
    >>> w.numpy()
    array([0.5, 1.5], dtype=float32)
    """
    return Mode(recording=False) if function is None else Mode(recording=False)(function)


@overload
def enable_grad() -> Mode: ...
@overload
def enable_grad(function: Callable[P, R]) -> Callable[P, R]: ...
def enable_grad(function: Callable[P, R] | None = None) -> Mode | Callable[P, R]:
    """Turn recording on, even inside of `no_grad`. It is used as a block or a decorator, like `no_grad`."""
    return Mode(recording=True) if function is None else Mode(recording=True)(function)
