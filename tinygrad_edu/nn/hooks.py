"""Forward and backward hooks of a module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Hook, Tensor, from_numpy, is_grad_enabled
from tinygrad_edu.errors import WrongGradientError
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.transforms.joint import is_recorded, record_jointly

_Gradients = tuple[Any, ...]


class Hooks:
    """The hooks of a module, called in the order of registration, before and after the forward and backward pass."""

    def __init__(self) -> None:
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}
        self.before_backward: dict[int, Hook] = {}
        self.after_backward: dict[int, Hook] = {}

    def around(self, module: Any, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Call the module's ``forward`` with its hooks, which may replace inputs, output and gradients."""
        for hook in list(self.before.values()):
            changed = hook(module, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        if self.before_backward or self.after_backward:
            out = self._with_backward_hooks(module, inputs, settings)
        else:
            out = module.forward(*inputs, **settings)
        for hook in list(self.after.values()):
            changed = hook(module, inputs, out)
            out = out if changed is None else changed
        return out

    def _with_backward_hooks(self, module: Any, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        before, after = list(self.before_backward.values()), list(self.after_backward.values())
        of_output: list[_Gradients] = [()]
        has_inputs = any(is_recorded(x) for x in tree_leaves(inputs))

        def at_output(gradients: _Gradients) -> _Gradients:
            for hook in before:
                gradients = _replaced(module, gradients, hook(module, gradients))
            of_output[0] = gradients
            if not has_inputs:  # the backward pass does not reach them
                at_inputs(tuple(None for x in tree_leaves(inputs) if isinstance(x, Tensor)))
            return gradients

        def at_inputs(gradients: _Gradients) -> _Gradients:
            for hook in after:
                gradients = _replaced(module, gradients, hook(module, gradients, of_output[0]))
            return gradients

        out = module.forward(*_watched(inputs, at_inputs), **settings)
        return _watched(out, at_output)


def _watched(tree: Any, change: Callable[[_Gradients], _Gradients]) -> Any:
    """Return a copy of a pytree of Tensors. The backward pass passes their gradients through `change`."""
    tensors = [x for x in tree_leaves(tree) if isinstance(x, Tensor)]
    if not any(map(is_recorded, tensors)):
        return tree
    parts = iter(record_jointly(_Identity(tensors, change)))
    return tree_map(lambda x: next(parts) if is_recorded(x) else x, tree)


class _Identity:
    """The identity of several Tensors as a `JointCall`."""

    name = "hooks"

    def __init__(self, tensors: Sequence[Tensor], change: Callable[[_Gradients], _Gradients]) -> None:
        self.tensors, self.change = tensors, change
        self.inputs = [x for x in tensors if is_recorded(x)]
        self.result = [x.detach().copy() for x in self.inputs]  # a copy: the module may have saved the array

    def pull(self, cotangents: Any) -> Sequence[Any]:
        """Return the changed gradients of the Tensors that require one. Hooks get arrays in a plain backward pass."""
        parts = iter(cotangents if is_grad_enabled() else [g.numpy() for g in cotangents])
        changed = self.change(tuple(next(parts) if is_recorded(x) else None for x in self.tensors))
        found = [g for g, x in zip(changed, self.tensors, strict=True) if is_recorded(x)]
        return [g if isinstance(g, Tensor) else from_numpy(np.asarray(g)) for g in found]

    def saved_values(self) -> dict[str, Any]:
        """Return nothing: the identity keeps no values."""
        return {}


def _replaced(module: Any, gradients: _Gradients, returned: Any) -> _Gradients:
    """Return the gradients that a hook returned, or the old ones if it returned None. Raise if they do not fit."""
    if returned is None:
        return gradients
    new = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
    shapes, expected = ([None if g is None else np.shape(g) for g in each] for each in (new, gradients))
    if shapes != expected:
        raise WrongGradientError(
            f"a backward hook of {type(module).__name__} returned gradients of shapes {shapes}, expected {expected}. "
            f"Return a tuple like the one that it got, or None to keep the gradients."
        )
    return tuple(g if old is None else _cast(g, old) for g, old in zip(new, gradients, strict=True))


def _cast(g: Any, old: Any) -> Any:
    return g if isinstance(g, Tensor) else np.asarray(g, old.dtype)
