"""Steps that go back: each gradient is the oracle's, or the backward is refused and changes nothing."""

from itertools import combinations

import numpy as np


def backward(program):
    x = program.pick(lambda x: x.jacobian is not None)
    if x is not None:
        go_back(program, x, program.random.random() < 0.5)


def go_back(program, x, retain):
    """Go back from a tensor: the gradient of each leaf grows by what the oracle says, or of none."""
    cotangent = program.values(x.tensor.shape).astype(x.tensor.dtype)
    leaves = [leaf for leaf in program.handles if leaf.columns and not leaf.common]
    before = [grad(leaf) for leaf in leaves]
    added = cotangent.ravel().astype(np.float64) @ x.jacobian
    wanted = [g + added[leaf.columns].reshape(g.shape) for g, leaf in zip(before, leaves, strict=True)]
    # Of leaves that others go back to as well, only the sum is known: so nobody may be half way.
    chance = 0 if any(leaf.common for leaf in program.handles) else 0.25
    answered = program.run(lambda: x.tensor.backward(cotangent, retain_graph=retain) is None, chance=chance)
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


def zero_or_write_grad(program):
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


def close(program, found, wanted):
    """Whether gradients are equal, for the precision of the program's dtypes and the numbers on the way."""
    precision = 1e-4 if np.float32 in program.dtypes else 1e-10
    largest = max([program.scale, *(np.abs(w).max(initial=0) for w in wanted)])
    return all(np.allclose(f, w, 0, precision * largest) for f, w in zip(found, wanted, strict=True))


def are_apart(leaves, cotangent):
    """Whether nobody who writes to a gradient changes another one, or the cotangent that was given."""
    arrays = [cotangent, *(leaf.tensor.grad for leaf in leaves if leaf.tensor.grad is not None)]
    return not any(np.shares_memory(a, b) for a, b in combinations(arrays, 2))


def grad(leaf):
    """Return what is in .grad, as a copy; 0 for None."""
    g = leaf.tensor.grad
    return np.zeros(leaf.tensor.shape) if g is None else np.array(g, np.float64)
