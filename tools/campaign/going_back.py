"""Backward steps: each gradient equals the oracle's, or backward raises and changes nothing."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from tools.campaign.oracle import Array
from tools.campaign.program import Handle, Program


def backward(program: Program) -> None:
    x = program.pick(lambda x: x.jacobian is not None)
    if x is not None:
        go_back(program, x, program.random.random() < 0.5)


def go_back(program: Program, x: Handle, retain: bool) -> None:
    """Run a backward pass: it must add the oracle's gradient to every leaf, or change none."""
    assert x.jacobian is not None
    cotangent = program.values(x.tensor.shape).astype(x.tensor.dtype)
    leaves = [leaf for leaf in program.handles if leaf.columns and not leaf.common]
    before = [grad(leaf) for leaf in leaves]
    added = cotangent.ravel().astype(np.float64) @ x.jacobian
    wanted = [g + added[leaf.columns].reshape(g.shape) for g, leaf in zip(before, leaves, strict=True)]
    # For leaves shared with other threads, only the total is known, so no pass is interrupted.
    chance = 0 if any(leaf.common for leaf in program.handles) else 0.25

    def answer() -> bool:
        x.tensor.backward(cotangent, retain_graph=retain)
        return True

    answered = program.run(answer, chance=chance)
    after = [grad(leaf) for leaf in leaves]
    if answered:
        program.demand_gradients(not x.foreign, "backward used a tensor that was written to after it was computed")
        program.demand_gradients(close(program, after, wanted), f"wrong gradient: expected {wanted}, got {after}")
        program.demand_gradients(are_apart(leaves, cotangent), "a gradient shares memory")
        program.owed += added
    else:
        same = all(map(np.array_equal, before, after))
        all_the_same = program.interrupted and close(program, after, wanted)
        program.demand_gradients(same or all_the_same, "a failed backward changed the gradients of some leaves")
    program.figures["right" if answered else "rejected"] += 1


def zero_or_write_grad(program: Program) -> None:
    """Zero or overwrite the gradient of a leaf; the other gradients must not change."""
    leaf = program.pick(lambda x: x.columns and not x.common)
    if leaf is None:
        return
    others = [x for x in program.handles if x.columns and not x.common and x is not leaf]
    before = [grad(x) for x in others]
    if leaf.tensor.grad is not None and program.random.random() < 0.5:
        leaf.tensor.grad.fill(program.random.random())
    else:
        leaf.tensor.zero_grad()
    same = all(map(np.array_equal, before, map(grad, others)))
    program.demand_gradients(same, "two leaves share the memory of a gradient")


STEPS = (backward, backward, zero_or_write_grad)


def close(program: Program, found: Sequence[Array], wanted: Sequence[Array]) -> bool:
    """Return whether gradients are equal within the precision of the program's dtypes and scale."""
    precision = 1e-4 if np.float32 in program.dtypes else 1e-10
    largest = max([program.scale, *(np.abs(w).max(initial=0) for w in wanted)])
    return all(np.allclose(f, w, 0, precision * largest) for f, w in zip(found, wanted, strict=True))


def are_apart(leaves: list[Handle], cotangent: Array) -> bool:
    """Return whether no gradient shares memory with another one or with the cotangent."""
    arrays = [cotangent, *(leaf.tensor.grad for leaf in leaves if leaf.tensor.grad is not None)]
    return not any(np.shares_memory(a, b) for a, b in combinations(arrays, 2))


def grad(leaf: Handle) -> Array:
    """Return a copy of .grad; zeros for None."""
    g = leaf.tensor.grad
    return np.zeros(leaf.tensor.shape) if g is None else np.array(g, np.float64)
