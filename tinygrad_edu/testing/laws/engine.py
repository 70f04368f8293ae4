"""run_laws: the laws of differentiable functions, whoever makes them."""

from collections.abc import Callable, Iterable

import numpy as np

from tinygrad_edu.testing.differentiable import Differentiable
from tinygrad_edu.testing.laws.cotangents import linear_in_the_cotangent, subsets_of_inputs, unused_results
from tinygrad_edu.testing.laws.memory import later_calls, layouts, nothing_is_written_to
from tinygrad_edu.testing.laws.narrow_dtypes import narrow_dtypes
from tinygrad_edu.testing.laws.probe import Probe, draw_probe
from tinygrad_edu.testing.laws.transformations import batch_equals_samples, forward_is_transposed
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.verdict import Report, Verdict

LAWS: dict[str, Callable[[Probe], Iterable[Verdict] | None]] = {
    "no writes": nothing_is_written_to, "linearity": linear_in_the_cotangent, "unused results": unused_results,
    "layouts": layouts, "subsets of inputs": subsets_of_inputs, "later calls": later_calls,
    "narrow dtypes": narrow_dtypes, "jvp equals vjp": forward_is_transposed, "batching": batch_equals_samples,
}  # fmt: skip


def run_laws(report: Report, d: Differentiable, rng: Rng, slopes: Callable[[], bool] = lambda: True) -> Probe | None:
    """Run all laws but those in ``report.skip``, until one is broken. Return the probe if none is.

    `slopes` runs the checks by finite differences, after the law that nothing is written to, on which they rely, and
    returns whether the gradients are not wrong.
    """
    first, *others = LAWS.items()
    with np.errstate(all="ignore"):  # the slopes of std of equal values are infinite
        probe = draw_probe(d, rng)
        holds = report.run(*first, probe)
    if not (holds and slopes()):
        return None
    with np.errstate(all="ignore"):
        return probe if all(report.run(name, law, probe) for name, law in others) else None
