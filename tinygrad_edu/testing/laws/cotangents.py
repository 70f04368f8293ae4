"""Laws of selections: gradients are linear in cotangents, unused results have none, and inputs may require none."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.laws.probe import OF_FLOAT32_PARTS, Probe, relative_rounding
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.verdict import NotApplicable, Verdict

_MOST_RESULTS = 4


def linear_in_the_cotangent(p: Probe) -> None:
    """Check that the gradients for 2 g - 3 h are those for g and h combined, and that they are 0 for g = 0."""
    others = [np.asarray(-0.75 * np.flip(g), g.dtype) for g in p.cotangents]
    pairs = zip(p.cotangents, others, strict=True)
    combined = p.pull([np.asarray(2 * g - 3 * h, g.dtype) for g, h in pairs])
    zero = p.pull([np.zeros_like(g) for g in p.cotangents])
    for k, (mixed, a, b) in enumerate(zip(combined, p.gradients, p.pull(others), strict=True)):
        _require_sum(p, k, mixed, [2 * a.astype(np.float64), -3 * b.astype(np.float64)], "is not linear in g")
        nonzero = np.where(np.isfinite(a), zero[k], 0)
        if np.any(nonzero != 0):
            raise p.broken(f"the gradient of {p.d.names[k]} is not zero for g = 0", nonzero, np.zeros_like(nonzero))


def unused_results(p: Probe) -> Iterator[Verdict]:
    """Check that the gradient is the sum of the gradients for one result at a time, the others without a cotangent."""
    count = len(p.cotangents)
    if count == 1:
        raise NotApplicable("the function has one result")
    for j in range(min(count, _MOST_RESULTS)):
        alone = p.pull([g if i == j else None for i, g in enumerate(p.cotangents)], f" if only result {j} is used")
        rest = p.pull([None if i == j else g for i, g in enumerate(p.cotangents)], f" if result {j} is not used")
        for k, terms in enumerate(zip(alone, rest, strict=True)):
            _require_sum(p, k, p.gradients[k], terms, f"is wrong if result {j} or all others are not used")
        yield Verdict("unused results", f"result {j}")


def _require_sum(p: Probe, k: int, total: Array, terms: tuple[Array, ...] | list[Array], law: str) -> None:
    """Require a gradient of input `k` that equals a sum up to the rounding of its terms, where all are finite."""
    finite = np.all([np.isfinite(x) for x in (total, *terms)], axis=0)
    total, *terms = (np.where(finite, x.astype(np.float64), 0) for x in (total, *terms))
    gap, size = np.abs(total - np.sum(terms, axis=0)), largest(np.sum(np.abs(terms), axis=0))
    if np.all(gap <= max(relative_rounding(p.gradients[k].dtype), OF_FLOAT32_PARTS) * size):
        return
    rounding = relative_rounding(p.precision(p.gradients[k])) * size + 6 * p.cancellation(p.gradients[k])
    if not np.all(gap <= rounding) and not np.all(gap <= rounding + 6 * p.rounding[1][k]):
        raise p.broken(f"the gradient of {p.d.names[k]} {law}", total, np.sum(terms, axis=0))


_FEW, _MOST = 3, 2  # all subsets of a few inputs are tested, or some inputs alone and all others


def subsets_of_inputs(p: Probe) -> None:
    """Check the gradients of inputs while the other inputs require none."""
    count, every = len(p.d.arrays), range(len(p.d.arrays))
    if not p.d.selects_inputs or count == 1:
        raise NotApplicable("there is one input" if count == 1 else "a gradient always has all inputs")
    subsets = [s for n in range(1, count) for s in combinations(every, n)] if count <= _FEW else []
    for k in [] if subsets else p.rng.permutation(count)[:_MOST].tolist():
        subsets += [(k,), tuple(i for i in every if i != k)]
    for subset in subsets:
        names = ", ".join(p.d.names[k] for k in subset) if len(subset) <= _FEW else f"{len(subset)} inputs"
        where = f" if only {names} {'requires' if len(subset) == 1 else 'require'} a gradient"
        p.require_gradients(p.pull(p.cotangents, where, subset), f"the gradient of {{}} is wrong{where}", subset)
