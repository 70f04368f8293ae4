"""Choice of the backward pass: observed inside of an observer's block, else fast or plain."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tinygrad_edu.core import Node
from tinygrad_edu.engine.backward import Roots, Targets, WrapSaved
from tinygrad_edu.engine.debug.observers import ObservedPass
from tinygrad_edu.engine.fast.backward import FastPass
from tinygrad_edu.engine.modes import observers


def backward_pass(
    roots: Roots,
    targets: Targets = None,
    *,
    retain_graph: bool = False,
    wrap_saved: WrapSaved | None = None,
    unhooked: Collection[Node] = (),
) -> dict[Node, Any]:
    """Propagate gradients from the given nodes back to the leaves, or to the targets.

    Parameters
    ----------
    roots : iterable of (Node, ndarray or Tensor)
        Nodes where the pass begins, each with its initial gradient.
    targets : frozenset of Node, optional
        Nodes where the pass ends. Default: all leaves.
    retain_graph : bool
        Whether to keep the saved values of the visited nodes. Default False.
    wrap_saved : callable, optional
        Makes Tensors from saved arrays. The vjps then run on Tensors and are recorded, and the graph is retained.
    unhooked : collection of Node, optional
        Leaves whose hooks do not run: the caller sums the gradients of several passes and runs the hooks on the sum.

    Returns
    -------
    dict
        The gradient of each leaf or target that was reached, and of each node that retains it: Tensors, or arrays
        without shared memory.
    """
    walk = (ObservedPass if observers() else FastPass)(retain_graph, targets, wrap_saved, unhooked)
    for node, g in roots:
        walk.kind = getattr(g, "_kind", g.__class__)
        walk.add(node, g)
    return walk.run()
