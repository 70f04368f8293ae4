"""Steps that go back: each gradient is the oracle's, or the backward is refused and changes nothing."""

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
    """Go back from a tensor: the gradient of each leaf grows by what the oracle says, or of none."""
    assert x.jacobian is not None
    cotangent = program.values(x.tensor.shape).astype(x.tensor.dtype)
    leaves = [leaf for leaf in program.handles if leaf.columns and not leaf.common]
    before = [grad(leaf) for leaf in leaves]
    added = cotangent.ravel().astype(np.float64) @ x.jacobian
    wanted = [g + added[leaf.columns].reshape(g.shape) for g, leaf in zip(before, leaves, strict=True)]
    # Of leaves that others go back to as well, only the sum is known: so nobody may be half way.
    chance = 0 if any(leaf.common for leaf in program.handles) else 0.25

    def answer() -> bool:
        x.tensor.backward(cotangent, retain_graph=retain)
        return True

    answered = program.run(answer, chance=chance)
    after = [grad(leaf) for leaf in leaves]
    if answered:
        program.demand_gradients(not x.foreign, "a tensor that was written to since it was computed has a gradient")
        program.demand_gradients(close(program, after, wanted), f"a gradient is wrong: {after}, for {wanted}")
        program.demand_gradients(are_apart(leaves, cotangent), "a gradient shares its memory")
        program.owed += added
    else:
        same = all(map(np.array_equal, before, after))
        all_the_same = program.interrupted and close(program, after, wanted)
        program.demand_gradients(same or all_the_same, "some leaves have a gradient")
    program.figures["right" if answered else "refused"] += 1


def zero_or_write_grad(program: Program) -> None:
    """Do what users do to a gradient: no other leaf minds."""
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
    program.demand_gradients(same, "two leaves share a gradient")


STEPS = (backward, backward, zero_or_write_grad)


def close(program: Program, found: Sequence[Array], wanted: Sequence[Array]) -> bool:
    """Whether gradients are equal, for the precision of the program's dtypes and the numbers on the way."""
    precision = 1e-4 if np.float32 in program.dtypes else 1e-10
    largest = max([program.scale, *(np.abs(w).max(initial=0) for w in wanted)])
    return all(np.allclose(f, w, 0, precision * largest) for f, w in zip(found, wanted, strict=True))


def are_apart(leaves: list[Handle], cotangent: Array) -> bool:
    """Whether nobody who writes to a gradient changes another one, or the cotangent that was given."""
    arrays = [cotangent, *(leaf.tensor.grad for leaf in leaves if leaf.tensor.grad is not None)]
    return not any(np.shares_memory(a, b) for a, b in combinations(arrays, 2))


def grad(leaf: Handle) -> Array:
    """Return what is in .grad, as a copy; 0 for None."""
    g = leaf.tensor.grad
    return np.zeros(leaf.tensor.shape) if g is None else np.array(g, np.float64)
