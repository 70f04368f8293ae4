"""Law of narrow dtypes: gradients in float32, float16 and bfloat16 are those in float64 up to rounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.differentiable import Differentiable
from tinygrad_edu.testing.failures import CheckFailed, LawBroken
from tinygrad_edu.testing.flat_function import ravel_arrays
from tinygrad_edu.testing.laws.probe import Probe
from tinygrad_edu.testing.numeric.low_precision import Cotangents, compare_in_low_precision
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.verdict import NotApplicable, Verdict


def narrow_dtypes(p: Probe) -> Iterator[Verdict]:
    """Check the gradients in narrow dtypes, at the same rounded inputs, where the function accepts the dtypes."""
    if not p.d.dtypes:
        raise NotApplicable("the function is checked in its own dtypes")
    if p.d.draws_by_dtype:
        raise NotApplicable("the function draws random numbers, and others in each dtype")
    for dtypes in p.d.dtypes:
        subject = " and ".join(dict.fromkeys(str(np.dtype(dtype)) for dtype in dtypes))
        try:
            _compare(p.d, [x.astype(t) for x, t in zip(p.d.arrays, dtypes, strict=True)], p.cotangents, subject, p.rng)
        except NotApplicable as reason:
            yield Verdict("narrow dtypes", subject, reason=str(reason))
        except CheckFailed as error:
            yield Verdict("narrow dtypes", subject, error)
        else:
            yield Verdict("narrow dtypes", subject)


def _compare(d: Differentiable, arrays: Sequence[Array], cotangents: Sequence[Array], subject: str, rng: Rng) -> None:
    where = f" in {subject}"
    if any(np.any(np.isinf(x) & np.isfinite(wide)) for x, wide in zip(arrays, d.arrays, strict=True)):
        raise NotApplicable(f"the inputs overflow{where}")

    def pull(arrays: Sequence[Array], levels: Cotangents) -> tuple[Array, Sequence[Array]]:
        results, gradients = d.evaluate(arrays, levels[0], where=where)
        return ravel_arrays([x.astype(np.float64) for x in results]), gradients

    results, _ = d.recorded(arrays, where=where)
    narrow = [g.astype(x.dtype) for g, x in zip(cotangents, results, strict=True)]
    mismatch, fraction = compare_in_low_precision(pull, arrays, [narrow], rng)
    if mismatch:
        k, description = mismatch
        raise LawBroken(f"{d.name}: the gradient of {d.names[k]} is wrong{where}: {description}.")
    if not fraction:
        raise NotApplicable(f"the results or gradients overflow{where}")
