"""Join the outputs of shards into the output of the whole batch, and split its gradient."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Node, Tensor, from_numpy, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.sharding import WholeBatchNeeded
from tinygrad_edu.pytree import tree_leaves, tree_map

__all__ = ["Detached", "detached", "has_ops_between", "join", "require_samples_first", "shard_cotangents"]

ARRAY, CONSTANT, DIFFERENTIABLE = range(3)  # the kinds of leaves

Detached = tuple[Any, Any]  # two nests of one structure: the values of an output, and the kind of each leaf


def require_samples_first(name: str, out: Any, count: int, state: Collection[int]) -> None:
    """Raise `WholeBatchNeeded` unless each leaf of an output has one row for each of `count` samples.

    Parameters
    ----------
    name : str
        Of the model, for the message.
    out : nest
    count : int
    state : set of int
        The ids of the model's own tensors, which are no rows of samples whatever their length.
    """
    leaves = list(tree_leaves(out))
    if not leaves or not all(_has_length(leaf, count) and id(leaf) not in state for leaf in leaves):
        shapes = ", ".join(str(getattr(leaf, "shape", type(leaf).__name__)) for leaf in leaves) or "nothing"
        raise WholeBatchNeeded(f"{name}: its output for {count} samples is {shapes}, not one row for each sample")


def _has_length(leaf: Any, count: int) -> bool:
    return isinstance(leaf, Tensor | ndarray) and leaf.shape[:1] == (count,)


def detached(out: Any) -> Detached:
    """Return the values and the kinds of the leaves of an output, which a message can carry.

    Raises
    ------
    WholeBatchNeeded
        A nest in it cannot be made of its parts: a subclass of tuple, say, with arguments of its own.
    """
    try:
        return tree_map(values_of, out), tree_map(_kind, out)
    except TypeError as error:
        raise WholeBatchNeeded(f"a {type(out).__name__}, which a forward returned, is no nest: {error}") from error


def _kind(leaf: Any) -> int:
    return ARRAY if isinstance(leaf, ndarray) else DIFFERENTIABLE if leaf.requires_grad else CONSTANT


def join(name: str, parts: list[Detached]) -> Any:
    """Return the output for the whole batch: a leaf of the graph for each leaf that a gradient flows to.

    Raises
    ------
    WholeBatchNeeded
        The outputs of the shards differ in structure, dtype or in the shape of a row.
    """
    values, kinds = zip(*parts, strict=True)
    try:
        whole, kind = tree_map(_concatenate, *values), tree_map(lambda *each: max(each), *kinds)
    except (ShapeError, TypeError) as error:
        raise WholeBatchNeeded(f"{name}: the outputs of its shards cannot be joined: {error}") from error
    return tree_map(lambda leaf, k: leaf if k == ARRAY else from_numpy(leaf, k == DIFFERENTIABLE), whole, kind)


def _concatenate(*parts: ndarray) -> ndarray:
    if not all(isinstance(part, ndarray) for part in parts):
        raise ShapeError("their structures differ")
    if len({(part.dtype, part.shape[1:]) for part in parts}) > 1:
        raise ShapeError(f"their rows are {', '.join(f'{part.dtype} {part.shape[1:]}' for part in parts)}")
    # In C order: the layout of a part, and with it the bits of a product, depends on whether a message brought it.
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    return np.concatenate(parts, out=whole)


def has_ops_between(root: Node, first: int, last: int) -> bool:
    """Return whether the graph behind a node has an op that was recorded between two times."""
    seen, waiting = {root}, [root]
    while waiting:
        node = waiting.pop()
        if node.op is not None and first < node.number < last:
            return True
        new = {parent for parent in node.parents if parent is not None and parent not in seen}
        seen |= new
        waiting += new
    return False


def shard_cotangents(joined: Any, gradients: dict[Node, ndarray], out: Any, part: slice) -> list[tuple[Node, ndarray]]:
    """Return the nodes of the output of a shard, each with its rows of the gradient of the joined output."""
    found: list[tuple[Node, ndarray]] = []

    def add(whole: Any, own: Any) -> None:
        root = whole._node if isinstance(whole, Tensor) else None
        g = None if root is None else gradients.get(root)
        if g is not None and isinstance(own, Tensor) and own._node is not None:
            found.append((own._node, np.ascontiguousarray(g[part])))

    tree_map(add, joined, out)
    return found
