"""checkpoint: a call that keeps no intermediate values, and computes them again in the backward pass."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

import numpy as np

from tinygrad_edu.engine import (
    Node,
    Tensor,
    backward_pass,
    bare,
    enable_grad,
    is_grad_enabled,
    swap_storage,
    with_levels_of,
    wrap,
)
from tinygrad_edu.engine.memory import Storage, clock
from tinygrad_edu.errors import NoGraphError, StaleValueError, WrongGradientError
from tinygrad_edu.pytree import tree_leaves, tree_map
from tinygrad_edu.transforms.argnums import require_function
from tinygrad_edu.transforms.captured import captured
from tinygrad_edu.transforms.joint import is_floating_tensor, is_recorded, leaf_paths, record_jointly
from tinygrad_edu.transforms.linearize import Function, as_gradient, is_active, with_own_node

__all__ = ["checkpoint"]


def checkpoint(f: Function) -> Function:
    """Return a function like `f` that saves only its arguments for the backward pass, which calls `f` again.

    Gradients flow to the arguments, and to the parameters and other Tensors that f captures. The second call draws the
    same random numbers from every Generator that f can reach. It updates buffers such as running statistics once.

    Parameters
    ----------
    f : callable
        A function or a Module. Takes and returns pytrees of Tensors. Other arguments are constants.

    Raises
    ------
    NoGraphError
        f uses a Tensor that requires a gradient and that is neither an argument nor reachable from f.
    StaleValueError
        Raised by the backward pass: an argument or a captured Tensor was changed in place.
    WrongGradientError
        Raised by the backward pass: the second call returned other values.

    Notes
    -----
    f can reach its closure, the globals it names, the object of a bound method, and their attributes, lists and dicts.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> layer = tg.nn.Linear(2, 2)
    >>> x = tg.Tensor([[1.0, 2.0]])
    >>> tg.checkpoint(lambda x: tg.tanh(layer(x)))(x).sum().backward()
    >>> layer.weight.grad.shape
    (2, 2)
    """
    require_function(f)

    def function(*args: Any, **kwargs: Any) -> Any:
        if not is_grad_enabled():
            return f(*args, **kwargs)
        return record_jointly(_Call(f, args, kwargs))

    return update_wrapper(function, f) if hasattr(f, "__name__") else function


class _Call:
    """One call of a function: what it needs to be repeated, and its detached result.

    Attributes
    ----------
    inputs : list of Tensor
        The arguments that require a gradient, and then the captured Tensors that the result depends on.
    """

    def __init__(self, f: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f, self.arguments = f, (args, kwargs)
        self.name = getattr(f, "__name__", type(f).__name__)
        found = [x for _, x in captured(f)]
        self.tensors = [x for x in found if isinstance(x, Tensor)]
        self.contents = [
            with_levels_of(wrap(x._data, x._node, x._storage), x) for x in self.tensors
        ]  # as they are during this call
        buffers = [x for x in self.tensors if not is_recorded(x)]
        copies = [x._data.copy() for x in buffers]
        self.generators = [(x, copy.deepcopy(x.bit_generator.state)) for x in found if _is_generator(x)]
        self.number = next(clock)
        own = tree_map(_own, self.arguments)
        with enable_grad():
            out = f(*own[0], **own[1])
        self.buffers = [
            (x, with_levels_of(wrap(values, None, Storage.new()), x))
            for x, values in zip(buffers, copies, strict=True)
            if x._storage.version > self.number
        ]
        self.result = tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, out)
        self.checksums = _checksums(out)
        self.inputs = [x for x in tree_leaves(self.arguments) if is_recorded(x)] + self._reached(out, own)

    def _reached(self, out: Any, own: Any) -> list[Tensor]:
        """Return the captured Tensors that the result depends on."""
        known = {x._node: x for x in self.contents if is_recorded(x)}
        stack = [x._node for x in tree_leaves(out) if is_recorded(x)]
        ends = {x._node for x in tree_leaves(own) if is_recorded(x)} | known.keys()
        seen: set[Node] = set()
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            if node not in ends and node.op is None and is_active(node):
                raise NoGraphError(
                    f"checkpoint: {self.name} uses a Tensor of shape {node.shape} that requires a gradient and is "
                    f"neither an argument nor an attribute or a variable of the function. Pass it as an argument."
                )
            stack += [parent for parent in node.parents if parent is not None] if node not in ends else []
        return [x for node, x in known.items() if node in seen]

    def saved_values(self) -> dict[str, Any]:
        """Return the arguments, by name."""
        args, kwargs = self.arguments
        return leaf_paths(args, "args") | leaf_paths(kwargs, "kwargs")

    def pull(self, cotangents: Any) -> list[Any]:
        """Call the function again, and return the gradients of the inputs."""
        for x in self.inputs:
            if x._storage.version > self.number:
                raise StaleValueError(
                    f"checkpoint: an input of {self.name} of shape {x.shape} was changed in place after the call. Call "
                    f"backward() before the change, or change a copy."
                )
        recorded = is_grad_enabled()
        own = tree_map(lambda x: _own(x, recorded), self.arguments)
        with self._repeated(), enable_grad():
            out = self.f(*own[0], **own[1])
        if _checksums(out) != self.checksums:
            raise WrongGradientError(
                f"checkpoint: the second call of {self.name} returned other values than the first. Keep its random "
                f"numbers in a Generator that it can reach, and its state in buffers."
            )
        nodes = [x._node for x in tree_leaves(own) if is_recorded(x)]
        nodes += [x._node for x in self.inputs[len(nodes) :]]
        pairs = zip(tree_leaves(out), tree_leaves(cotangents), strict=True)
        roots = [
            (x._node, bare(g) if recorded else g._data) for x, g in pairs if is_floating_tensor(x) and is_recorded(x)
        ]
        gradients = backward_pass(roots, frozenset(nodes), retain_graph=recorded, wrap_saved=wrap if recorded else None)
        found = [as_gradient(gradients.get(node), node) for node in nodes]
        return [with_levels_of(g, x) for g, x in zip(found, self.inputs, strict=True)]

    @contextmanager
    def _repeated(self) -> Iterator[None]:
        """Give Generators and captured Tensors the state that they had during the call."""
        pairs = [(x, y) for x, y in zip(self.tensors, self.contents, strict=True) if _differ(x, y)]
        pairs += self.buffers
        swap_in, swap_out = swap_storage([x for x, _ in pairs], [y for _, y in pairs])
        states = [(x, x.bit_generator.state) for x, _ in self.generators]
        try:
            swap_in()
            for x, state in self.generators:
                x.bit_generator.state = copy.deepcopy(state)
            yield
        finally:
            swap_out()
            for x, state in states:
                x.bit_generator.state = state


def _differ(x: Tensor, y: Tensor) -> bool:
    """Return whether two Tensors have different values or nodes. A detached copy shares the storage, not the node."""
    return x._storage is not y._storage or x._node is not y._node


def _is_generator(x: Any) -> bool:
    return isinstance(x, np.random.Generator)


def _own(x: Any, recorded: bool = False) -> Any:
    """Return an argument that requires a gradient with a node of its own, at which the backward pass stops."""
    return with_own_node(x if recorded else x.detach()) if is_recorded(x) else x


def _checksums(out: Any) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(x._data).data) for x in tree_leaves(out) if isinstance(x, Tensor)]
