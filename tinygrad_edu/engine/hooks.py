"""Hooks: functions that receive the gradient of a tensor in the backward pass, and their handles."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.core import Node
from tinygrad_edu.engine import memory
from tinygrad_edu.errors import DTypeError, WrongGradientError

Hook = Callable[..., Any]

_hook_ids = count()


class HookHandle:
    """Handle of a hook: ``remove()`` or the end of a ``with`` block removes the hook.

    Parameters
    ----------
    hooks : dict
        The table of hooks from which the handle removes its hook.
    hook : callable
        The hook.

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
            raise DTypeError(f"a hook must be callable, got a {type(hook).__name__}.")
        if (active_guard := memory.guard.get()) is not None:
            active_guard.before_hook()
        self._hooks, self._id = hooks, next(_hook_ids)
        hooks[self._id] = hook

    def remove(self) -> None:
        """Remove the hook, if it is still registered."""
        self._hooks.pop(self._id, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class GradientHooks(dict[int, Hook]):
    """The hooks of a node, in the order of their registration.

    Attributes
    ----------
    retains : bool
        Whether the backward pass stores the gradient in ``grad``, although the node is not a leaf.
    """

    retains = False


def hooks_of(node: Node) -> GradientHooks:
    """Return the hooks of a node, for one more."""
    with memory.lock:
        if (hooks := hooks_in(node)) is None:
            hooks = GradientHooks()
            setattr(node, "hooks", hooks)  # noqa: B010 (only nodes of this library know it)
        return hooks


def hooks_in(node: Node) -> GradientHooks | None:
    """Return the hooks of a node, or None if it has none."""
    return getattr(node, "hooks", None)


def run_hooks(node: Node, g: Any, kind: type[Any]) -> Any:
    """Run the hooks of a node on its complete gradient, of class `kind` (ndarray or Tensor), and return the result."""
    for hook in list((hooks_in(node) or {}).values()):
        try:
            changed = hook(_read_only(g))
        except Exception as error:
            error.add_note(f"In {_describe_hook(node)}.")
            raise
        if changed is not None:
            g = _checked_gradient(node, changed, kind)
    return g


def _read_only(g: Any) -> Any:
    """Return a read-only view of a gradient, whose array may be shared."""
    if isinstance(g, ndarray | np.generic):
        g = np.asarray(g).view()
        g.flags.writeable = False
    return g


def _checked_gradient(node: Node, changed: Any, kind: type[Any]) -> Any:
    """Return the output of a hook. Raise unless its type, shape and dtype equal those of the gradient."""
    if isinstance(changed, ndarray | np.generic):
        changed = np.asarray(changed)
    if not isinstance(changed, ndarray | kind):
        raise WrongGradientError(
            f"{_describe_hook(node)} returned a {type(changed).__name__}; it must return a new gradient of "
            f"the same type, array or Tensor, or None."
        )
    if changed.shape != node.shape or changed.dtype != node.dtype:
        raise WrongGradientError(
            f"{_describe_hook(node)} returned {changed.dtype} of shape {changed.shape}; expected {node.dtype} "
            f"of shape {node.shape}."
        )
    return changed if isinstance(changed, kind) else kind(changed)  # a bare array would be promoted


def _describe_hook(node: Node) -> str:
    """Describe a hook by its tensor."""
    return f"a hook on the gradient of {'a leaf' if node.op is None else f'the result of op {node.op.name}'}"
