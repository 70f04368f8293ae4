"""Laws of transformations: the forward derivative is the transpose of the gradient, and a batch equals its samples."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.differentiable import errors_as
from tinygrad_edu.testing.failures import GradientMismatch, LawBroken
from tinygrad_edu.testing.laws.probe import OF_FLOAT32_PARTS, Probe, relative_rounding
from tinygrad_edu.testing.numeric.sampling import draw_signed
from tinygrad_edu.testing.purity import copies
from tinygrad_edu.testing.verdict import NotApplicable, Verdict

_SAMPLES = 3


def forward_is_transposed(p: Probe) -> None:
    """Check that <g, J u> = <J' g, u> for directions u of one input at a time."""
    if p.d.push is None:
        raise NotApplicable("there is no forward derivative")
    for k, x in enumerate(p.d.arrays):
        if k not in p.d.shared:
            directions = [np.zeros_like(y) for y in p.d.arrays]
            directions[k] = draw_signed(p.rng, x.shape).astype(x.dtype)
            with errors_as(LawBroken, f"{p.d.name}: the forward derivative along {p.d.names[k]} cannot be computed"):
                tangents = p.d.push(copies(p.d.arrays), directions)
            _require_transposed(p, k, directions[k], tangents)


def _require_transposed(p: Probe, k: int, direction: Array, tangents: Sequence[Array]) -> None:
    forward = np.concatenate([np.ravel(g * t.astype(np.float64)) for g, t in zip(p.cotangents, tangents, strict=True)])
    reverse = np.ravel(p.gradients[k].astype(np.float64) * direction)
    gap, size = abs(forward.sum() - reverse.sum()), np.abs(forward).sum() + np.abs(reverse).sum()
    if gap <= max(relative_rounding(p.gradients[k].dtype), OF_FLOAT32_PARTS) * size:
        return
    # The error of the forward derivative is as large as that of the reverse one.
    allowed = relative_rounding(p.precision(reverse)) * size + 2 * np.sum(np.abs(direction) * p.rounding[1][k])
    if not gap <= allowed:
        raise GradientMismatch(
            f"{p.d.name}: the forward derivative along {p.d.names[k]} is not the transpose of the gradient: "
            f"<g, J u> is {forward.sum():.7g} and <J' g, u> is {reverse.sum():.7g}."
        )


def batch_equals_samples(p: Probe) -> Iterator[Verdict]:
    """Check that the results and gradients for a batch of inputs are those of each sample."""
    if p.d.batched is None or len(p.d.shared) == len(p.d.arrays):
        raise NotApplicable("there is no batching")
    samples = [p, *(_neighbour(p, n) for n in range(1, _SAMPLES))]
    free = [k for k in range(len(p.d.arrays)) if k not in p.d.shared]
    batches = [np.stack([s.d.arrays[k] for s in samples]) for k in free]
    cotangents = [np.stack(parts) for parts in zip(*(s.cotangents for s in samples), strict=True)]
    with errors_as(LawBroken, f"{p.d.name}: the function of a batch cannot be computed"):
        results, ways = p.d.batched(batches, cotangents)
    samples = [_in_float32(sample) for sample in samples]
    for n, sample in enumerate(samples):
        law = f"a result in a batch differs from that of sample {n}"
        sample.require_results([x[n].astype(np.float32) for x in results], law)
    yield Verdict("batching", "the results")
    for way, gradients in ways.items():
        for n, sample in enumerate(samples):
            parts = dict(zip(free, (x[n].astype(np.float32) for x in gradients), strict=True))
            every = [parts.get(k, np.zeros(0)) for k in range(len(p.d.arrays))]
            law = f"the gradient of {{}} in a batch, as {way}, differs from that of sample {n}"
            sample.require_gradients(every, law, free)
        yield Verdict("batching", way)


def _in_float32(p: Probe) -> Probe:
    """Return the probe for comparisons in float32, because constants in the function may be float32."""
    results, gradients = ([x.astype(np.float32) for x in part] for part in (p.results, p.gradients))
    return replace(p, results=results, gradients=gradients)


def _neighbour(p: Probe, n: int) -> Probe:
    """Return the probe at other inputs, which differ by some percent, and with other cotangents."""
    moved = [
        x.copy() if k in p.d.shared else np.asarray(x * (1 - n / 32 * p.rng.random(x.shape)), x.dtype)
        for k, x in enumerate(p.d.arrays)
    ]
    return p.at(moved, [np.asarray(np.flip(g) * (1 + n / 4), g.dtype) for g in p.cotangents])
