"""Law of selected inputs: a gradient does not depend on which other inputs require one."""

from itertools import combinations

from tinygrad_edu.testing.laws.probe import Probe
from tinygrad_edu.testing.verdict import NotApplicable

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
