"""Thread-local modes: gradient recording, and observers."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, ParamSpec, TypeVar

from tinygrad_edu.errors import DTypeError

P = ParamSpec("P")
R = TypeVar("R")


class Block:
    """A `with` that is open: what holds inside it, the mode that opened it, and the block around it.

    Attributes
    ----------
    recording : bool
        Whether ops are recorded.
    observers : tuple of Observer
        The observers of ops and of backward passes. With one, each node notes its `CallSite`.
    site : object
        The call site of the nodes that a vjp makes: that of the op of the vjp. None outside of vjps.
    """

    __slots__ = ("mode", "observers", "outer", "recording", "site")  # which are read faster than those of a NamedTuple

    def __init__(self, recording: bool, observers: tuple[Any, ...], site: Any, mode: Mode, outer: Block | None) -> None:
        self.recording, self.observers, self.site, self.mode, self.outer = recording, observers, site, mode, outer


_innermost: ContextVar[Block | None] = ContextVar("tinygrad_edu_mode", default=None)
# Generated calls ask this directly. None, outside of all blocks, records and has no observers.
innermost_block: Callable[[], Block | None] = _innermost.get


def is_grad_enabled() -> bool:
    """Return whether ops are recorded here: in this thread or task, inside the blocks that are open."""
    block = innermost_block()
    return block is None or block.recording


def observers() -> tuple[Any, ...]:
    """Return the observers of this thread or task."""
    block = innermost_block()
    return () if block is None else block.observers


class Mode:
    """What a block sets, as a context manager or as a decorator of a function; what is None is as around the block.

    Whoever observers around it does so inside too, unless it is `unobserved`.
    """

    def __init__(
        self, recording: bool | None = None, observer: Any = None, site: Any = None, unobserved: bool = False
    ) -> None:
        self._recording, self._observer, self._site, self._unobserved = recording, observer, site, unobserved

    def __enter__(self) -> None:
        before = innermost_block()
        try:
            _innermost.set(self._new_block(before))
        except BaseException:  # a Ctrl-C in here: there will be no exit
            _innermost.set(before)
            raise

    def __exit__(self, *error: object) -> None:
        try:
            _innermost.set(_close_block(self, innermost_block()))
        except BaseException:  # a Ctrl-C in here: nobody calls this again
            _innermost.set(_close_block(self, innermost_block()))
            raise

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap a function, so that each call of it runs in this mode."""
        if isgeneratorfunction(function) or iscoroutinefunction(function) or isasyncgenfunction(function):
            raise DTypeError(
                f"a mode cannot decorate {function.__name__}: its body runs after the call, when the mode "
                f"is over. Write the `with` inside it, around what it computes between two yields or awaits."
            )

        @wraps(function)
        def in_mode(*args: P.args, **settings: P.kwargs) -> R:
            with Mode(self._recording, self._observer, self._site, self._unobserved):
                return function(*args, **settings)

        return in_mode

    def _new_block(self, outer: Block | None) -> Block:
        recording, observers, site = True, (), None
        if outer is not None:
            recording, site = outer.recording, outer.site
            observers = () if self._unobserved else outer.observers
        return Block(
            recording if self._recording is None else self._recording,
            observers if self._observer is None or self._observer in observers else (*observers, self._observer),
            site if self._site is None else self._site,
            mode=self,
            outer=outer,
        )


def _close_block(mode: Mode, block: Block | None) -> Block | None:
    """Close the last block of a mode. A generator may close it late, or in a thread that never opened it."""
    inside: list[Block] = []
    while block is not None and block.mode is not mode:
        inside.append(block)
        block = block.outer
    if block is None:
        return innermost_block()
    block = block.outer
    for each in reversed(inside):
        block = each.mode._new_block(block)
    return block


def no_grad() -> Mode:
    """Record nothing inside: ``with no_grad():``, or ``@no_grad()`` on a function.

    The mode belongs to the thread or task that set it, and is restored after an exception. A block in a generator has
    to end in the thread where it began.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     w -= 0.5
    >>> w.numpy()
    array([0.5, 1.5], dtype=float32)
    """
    return Mode(recording=False)


def enable_grad() -> Mode:
    """Record inside, also where `no_grad` surrounds it: the opposite of `no_grad`, used in the same two ways."""
    return Mode(recording=True)
