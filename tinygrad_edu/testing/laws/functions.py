"""Laws of differentiable functions in any framework. `run_laws` runs them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.differentiable import Differentiable, copies, errors_as
from tinygrad_edu.testing.failures import CheckFailed, GradientMismatch, LawBroken
from tinygrad_edu.testing.flat_function import ravel_arrays
from tinygrad_edu.testing.laws.probe import OF_FLOAT32_PARTS, Probe, agree, draw_probe, relative_rounding, same
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.numeric.low_precision import Cotangents, compare_in_low_precision
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed
from tinygrad_edu.testing.verdict import NotApplicable, Report, Verdict

# --- Memory: layouts do not matter, nothing is written to, and a later call changes no earlier gradient ---


def nothing_is_written_to(p: Probe) -> None:
    """Check that neither the function nor its gradient writes into an input, a result or a cotangent."""
    arrays, cotangents = copies(p.d.arrays), copies(p.cotangents)
    results, pullback = p.d.record(arrays, range(len(arrays)))
    _require_unchanged(p, "the function", arrays, p.d.arrays, p.d.names)
    before = [x.copy() for x in results]
    first = [g.copy() for g in pullback(cotangents)]
    _require_unchanged(p, "the gradient", cotangents, p.cotangents, ["its cotangent"] * len(cotangents))
    _require_unchanged(p, "the gradient", results, before, ["the result"] * len(results))
    _require_unchanged(p, "the gradient", arrays, p.d.arrays, p.d.names)
    if p.d.keeps_graphs:
        for name, again, once in zip(p.d.names, pullback(copies(p.cotangents)), first, strict=True):
            if not agree(again, once):
                law = f"a second backward through the same graph gives another gradient of {name}, so the first changes"
                raise p.broken(f"{law} a saved value", again, once)


def _require_unchanged(
    p: Probe, writer: str, arrays: Sequence[Array], before: Sequence[Array], names: Sequence[str]
) -> None:
    for name, x, original in zip(names, arrays, before, strict=True):
        if not same(x, original):
            raise LawBroken(f"{p.d.name}: {writer} writes into {name}. Compute on a copy.")


def later_calls(p: Probe) -> None:
    """Check that a call at another point changes neither the graph nor the gradients of an earlier call."""
    d = p.d
    others = [x.copy() if k in d.shared else _moved(x) for k, x in enumerate(d.arrays)]
    _, pullback = d.record(copies(d.arrays), range(len(d.arrays)))
    if d.keeps_graphs:
        _call(p, others, backward=False)
    kept = pullback(copies(p.cotangents))
    p.require_gradients(copies(kept), "a later call of the function changes the gradient of {}")
    _call(p, others, backward=True)
    # Copies, because a measurement of the rounding calls the function again.
    p.require_gradients(copies(kept), "a later call overwrites the gradient of {}, which an earlier call returned")
    p.require_gradients(p.pull(p.cotangents), "the gradient of {} depends on an earlier call")


def _call(p: Probe, arrays: Sequence[Array], backward: bool) -> None:
    """Call the function, and compute its gradients, at another point, which it may reject."""
    with contextlib.suppress(Exception):
        _, pullback = p.d.record(copies(arrays), range(len(arrays)))
        if backward:
            pullback([np.asarray(0.75 * np.flip(g), g.dtype) for g in p.cotangents])


def _moved(x: Array) -> Array:
    """Return other numbers in the same range. A symmetric positive definite matrix remains one."""
    return np.asarray(0.9375 * np.flip(x), x.dtype)


_identical = np.ndarray.copy


def layouts(p: Probe) -> Iterator[Verdict]:
    """Check that results and gradients do not depend on the memory layouts of the inputs and cotangents."""
    if not p.d.layouts:
        raise NotApplicable("the arrays of this framework have no memory layouts")
    of_cotangents = {"expanded": _expanded, **p.d.layouts}
    of_inputs = {**p.d.layouts, "unchanged": _identical}
    if p.d.is_random:
        of_inputs = dict.fromkeys(of_inputs, _identical)
    # Each layout of inputs is tested with another one of cotangents, and alone if that fails.
    for (name, arrange_x), (of_g, arrange_g) in zip(of_inputs.items(), of_cotangents.items(), strict=True):
        arrangements = (arranged_as(_identical if k in p.d.shared else arrange_x, x) for k, x in enumerate(p.d.arrays))
        inputs, cotangents = [*arrangements], [arranged_as(arrange_g, g) for g in p.cotangents]
        kind = f"{name} inputs and {of_g} cotangents"
        is_plain = all(x.flags.c_contiguous and x.base is None for x in (*inputs, *cotangents))  # as 0-d arrays
        both = Verdict("layouts", kind) if is_plain else _compared(p, kind, inputs, cotangents)
        if both.status == "right":
            yield both
        else:
            yield _compared(p, f"{name} inputs", inputs, copies(p.cotangents))
            yield _compared(p, f"{of_g} cotangents", copies(p.d.arrays), cotangents)


def _expanded(x: Array) -> Array:
    """Return the first number of x with stride 0 along all axes, as the cotangents of a sum."""
    return np.broadcast_to(x.reshape(-1)[:1].reshape(()), x.shape)


def arranged_as(arrange: Callable[[Array], Array], x: Array) -> Array:
    """Return a copy of an array in a layout; 0-d and empty arrays have only one."""
    return arrange(x) if x.ndim and x.size else x.copy()


def _compared(p: Probe, kind: str, arrays: Sequence[Array], cotangents: Sequence[Array]) -> Verdict:
    """Return the verdict about arrays in a layout, compared with contiguous arrays of the same values.

    A layout of stride 0 is another point, where the function may jump: a matrix of equal rows is singular.
    """
    moves = not all(map(same, arrays, p.d.arrays))
    changed = moves or not all(map(same, cotangents, p.cotangents))
    try:
        expected = p.at(*([np.array(x, order="C") for x in xs] for xs in (arrays, cotangents))) if changed else p
    except (CheckFailed, NotApplicable) as error:
        return Verdict("layouts", kind, reason=f"the function rejects the values: {error}")
    try:
        results, gradients = p.d.evaluate(arrays, cotangents, where=f" for {kind}")
        expected.require_results(results, f"a result differs between {kind} and contiguous ones")
        expected.require_gradients(gradients, f"the gradient of {{}} differs between {kind} and contiguous ones")
    except NotApplicable as reason:  # the function rejects the layout, or the values in it
        return Verdict("layouts", kind, reason=str(reason))
    except CheckFailed as error:
        if moves and not expected.is_stable:
            return Verdict("layouts", kind, reason=f"the results jump between points close to the {kind}")
        return Verdict("layouts", kind, error)
    return Verdict("layouts", kind)


# --- Selections: gradients are linear in cotangents, unused results have none, and inputs may require none ---


_MOST_RESULTS = 4


def linear_in_the_cotangent(p: Probe) -> None:
    """Check that the gradients for 2 g - 3 h are those for g and h combined, and that they are 0 for g = 0."""
    others = [np.asarray(-0.75 * np.flip(g), g.dtype) for g in p.cotangents]
    pairs = zip(p.cotangents, others, strict=True)
    mixtures, zeros = [np.asarray(2 * g - 3 * h, g.dtype) for g, h in pairs], [np.zeros_like(g) for g in p.cotangents]
    combined, zero, of_others = p.pull_each([mixtures, zeros, others])
    for k, (mixed, a, b) in enumerate(zip(combined, p.gradients, of_others, strict=True)):
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


# --- Narrow dtypes ---


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


# --- Transformations: the forward derivative is the transpose of the gradient, and a batch equals its samples ---


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


# --- All laws ---


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
