"""checkpoint: a call that keeps no intermediate values, and computes them again in the backward pass."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import update_wrapper
from typing import Any

import numpy as np

from tinygrad_edu.engine import (
    Function,
    Node,
    Tensor,
    backward_pass,
    bare,
    enable_grad,
    is_grad_enabled,
    with_levels_of,
    wrap,
)
from tinygrad_edu.errors import NoGraphError, WrongGradientError
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.transforms.argnums import require_function
from tinygrad_edu.transforms.captured import CapturedState, as_at_the_call, refuse_changed
from tinygrad_edu.transforms.joint import is_floating_tensor, is_recorded, leaf_paths, nodes_of, record_jointly
from tinygrad_edu.transforms.linearize import as_gradient, is_active, with_own_node

__all__ = ["checkpoint"]


def checkpoint(f: Function) -> Function:
    """Return a function like `f` that saves only its arguments for the backward pass, which calls `f` again.

    Gradients flow to the arguments, and to the parameters and other Tensors that f captures. The second call draws the
    same random numbers from every Generator that f can reach. It starts from the same buffers, such as running
    statistics, and from the same attributes, arrays, lists, dicts and sets, and leaves all as they are before it.

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
    A variable that f assigns, by ``nonlocal`` or ``global``, is not set back: keep the state in an attribute.
    Each call copies the arrays and the constant Tensors that f can reach. Of a large data set, pass the part that f
    needs as an argument.

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
        The arguments that require a gradient, and then the captured Tensors that require one and that the call read.
    read : list of (str, object)
        The arguments and the captured Tensors that the call read and did not change, with their names.
    """

    def __init__(self, f: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f, self.arguments = f, tree_map(as_at_the_call, (args, kwargs))
        self.name = getattr(f, "__name__", type(f).__name__)
        self.state = CapturedState(f)
        own = tree_map(_own, self.arguments)
        with enable_grad():
            out = f(*own[0], **own[1])
        self.state.keep_changed()
        self.result = tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, out)
        self.checksums = _checksums(out)
        contents = [x for *_, x in self.state.tensors]
        ends = nodes_of([*own, contents])
        reached = self._reached(out, ends)
        captured = {x._node: x for x in contents if x._node in reached}
        self.inputs = [*filter(is_recorded, tree_leaves(self.arguments)), *captured.values()]
        self.read = [*self.saved_values().items(), *self._captured_inputs(reached - ends)]

    def _reached(self, out: Any, ends: set[Node]) -> set[Node]:
        """Return the nodes of the call, up to those of arguments and captured Tensors."""
        stack = list(nodes_of(out))
        reached: set[Node] = set()
        while stack:
            node = stack.pop()
            if node in reached:
                continue
            reached.add(node)
            if node not in ends and node.op is None and is_active(node):
                raise NoGraphError(
                    f"checkpoint: {self.name} uses a Tensor of shape {node.shape} that requires a gradient and is "
                    f"neither an argument nor an attribute or a variable of the function. Pass it as an argument."
                )
            stack += node.parents.values() if node not in ends else ()
        return reached

    def _captured_inputs(self, nodes: set[Node]) -> Iterator[tuple[str, Tensor]]:
        """Yield the path of each captured Tensor that is an input of a node, and that the call did not change."""
        read = {storage for node in nodes for storage in node.storages.values()}
        changed = {id(x) for x, _ in self.state.buffers}
        yield from ((path, y) for path, x, y in self.state.tensors if y._storage in read and id(x) not in changed)

    def saved_values(self) -> dict[str, Any]:
        """Return the arguments, by name."""
        args, kwargs = self.arguments
        return leaf_paths(args, "args") | leaf_paths(kwargs, "kwargs")

    def pull(self, cotangents: Any) -> list[Any]:
        """Call the function again, and return the gradients of the inputs."""
        refuse_changed(f"checkpoint of {self.name}", self.read, self.state.began)
        recorded = is_grad_enabled()
        own = tree_map(lambda x: _own(x, recorded), self.arguments)
        with self.state.restored(), enable_grad():
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


def _own(x: Any, recorded: bool = False) -> Any:
    """Return an argument that requires a gradient with a node of its own, at which the backward pass stops."""
    return with_own_node(x if recorded else x.detach()) if is_recorded(x) else x


def _checksums(out: Any) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(x._data).data) for x in tree_leaves(out) if isinstance(x, Tensor)]
