"""Choose the backward pass: an observed one inside of an observer's block, else the fast or the plain one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tinygrad_edu.engine.backward import Roots, Targets, WrapSaved
from tinygrad_edu.engine.debug.observers import observed_backward_pass
from tinygrad_edu.engine.fast.backward import fast_backward_pass
from tinygrad_edu.engine.modes import innermost_block
from tinygrad_edu.engine.node import Node


def backward_pass(
    seeds: Roots,
    targets: Targets = None,
    *,
    retain_graph: bool = False,
    wrap_saved: WrapSaved | None = None,
    unhooked: Collection[Node] = (),
) -> dict[Node, Any]:
    """Carry gradients from the seeds back to the leaves, or to the targets.

    Parameters
    ----------
    seeds : iterable of (Node, ndarray or Tensor)
        The nodes where the pass begins, each with its cotangent.
    targets : frozenset of Node, optional
        Where the pass ends. Without them it goes to every leaf.
    retain_graph : bool
        Keep the saved values of the visited nodes.
    wrap_saved : callable, optional
        Makes Tensors of saved arrays. With it the vjps run on Tensors and are recorded; it retains the graph.
    unhooked : collection of Node, optional
        Leaves whose hooks do not run: the caller adds the gradients of several passes and runs the hooks on the sum.

    Returns
    -------
    dict
        The gradient of each leaf or target that was reached, and of each node that retains it: arrays in memory of
        their own, or Tensors.
    """
    block = innermost_block()
    run = observed_backward_pass if block is not None and block.observers else fast_backward_pass
    return run(seeds, targets, retain_graph=retain_graph, wrap_saved=wrap_saved, unhooked=unhooked)
