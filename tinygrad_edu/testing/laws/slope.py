"""Law of the slope: gradients agree with finite differences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.claim import Claim
from tinygrad_edu.testing.decision import compare
from tinygrad_edu.testing.differentiable import Differentiable
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import ravel_arrays, unravel_arrays
from tinygrad_edu.testing.laws.probe import agree, draw_probe
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed
from tinygrad_edu.testing.purity import copies, require_deterministic
from tinygrad_edu.testing.verdict import Verdict


def slope_verdicts(d: Differentiable, rng: Rng, law: str, cotangents: int) -> Iterator[Verdict]:
    """Compare the gradient of each input with finite differences.

    The last inputs, of this number, are cotangents of a gradient: the function is linear in them, and a gradient is a
    sum of terms as large as they are.
    """
    every = range(len(d.arrays))

    def value(*arrays: Array) -> Array:
        return ravel_arrays(d.value(arrays))

    out = require_deterministic(d.name, value, d.arrays)
    results, pullback = d.record(copies(d.arrays), every)
    is_same = agree(ravel_arrays(results), out)
    if not is_same and not all(map(draw_probe(d, rng).has_result, range(len(results)), d.value(copies(d.arrays)))):
        raise GradientMismatch(f"{d.name}: the result is another one when a gradient is computed.")

    def pull_again(joined: Array) -> tuple[Array, ...]:
        return tuple(d.record(copies(d.arrays), every)[1](copies(unravel_arrays(joined, results))))

    def pull(joined: Array) -> tuple[Array, ...]:
        return tuple(pullback(copies(unravel_arrays(joined, results)))) if d.keeps_graphs else pull_again(joined)

    cotangent = draw_signed(rng, out.shape)
    require_deterministic(f"the gradient of {d.name}", lambda: ravel_arrays([np.zeros(0), *pull_again(cotangent)]), ())
    claim = Claim(
        d.name, value, d.arrays, d.names, out, cotangent, pull(cotangent), float(cotangents > 0), accuracy=d.accuracy
    )
    yield from compare(claim, rng, pull, law)
