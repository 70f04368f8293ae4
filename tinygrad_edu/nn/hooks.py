"""Hooks: functions that a module calls before and after its `forward`, and the handle that takes one away again."""

from collections.abc import Callable
from itertools import count
from typing import Any

from tinygrad_edu.errors import DTypeError

Hook = Callable[..., Any]

_numbers = count()


class HookHandle:
    """What takes a hook away again: with ``remove()``, or at the end of a ``with`` statement.

    Examples
    --------
    >>> from tinygrad_edu.nn import Identity
    >>> layer = Identity()
    >>> with layer.register_forward_hook(lambda module, inputs, out: out + 1):
    ...     print(layer(1.0))
    2.0
    >>> layer(1.0)
    1.0
    """

    def __init__(self, hooks: dict[int, Hook], hook: Hook) -> None:
        if not callable(hook):
            raise DTypeError(f"a hook is a function that the module calls, and a {type(hook).__name__} is none.")
        self._hooks, self._number = hooks, next(_numbers)
        hooks[self._number] = hook

    def remove(self) -> None:
        """Take the hook away, if it is still there."""
        self._hooks.pop(self._number, None)

    def __enter__(self) -> "HookHandle":
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Hooks:
    """The hooks of a module, in the order in which they came.

    Attributes
    ----------
    before, after : dict of int to callable
        Those that are called before and after ``forward``.
    """

    def __init__(self) -> None:
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}

    @property
    def numbers(self) -> tuple[int, ...]:
        """Those of the hooks, which no other hooks ever have."""
        return *self.before, *self.after

    def around(self, module: Any, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Compute the module's ``forward``, with what the hooks make of its inputs and of its result."""
        for hook in list(self.before.values()):
            changed = hook(module, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        out = module.forward(*inputs, **settings)
        for hook in list(self.after.values()):
            changed = hook(module, inputs, out)
            out = out if changed is None else changed
        return out
