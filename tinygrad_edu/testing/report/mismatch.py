"""The message of a `GradientMismatch`: the wrong elements, the largest difference, and the likely mistake."""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.claim import Claim
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.numeric.extrapolation import SAFETY, Estimate
from tinygrad_edu.testing.numeric.finite_differences import derivative_along
from tinygrad_edu.testing.numeric.rounding import EXACT, ROUGH
from tinygrad_edu.testing.numeric.sampling import draw_signed
from tinygrad_edu.testing.report.first_failure import is_shrinking

_MOST_PROBES = 128  # the largest number of numeric derivatives in the search for the wrong elements
_TINY = float(np.finfo(np.float64).tiny)


def wrong_shape(claim: Claim, k: int) -> GradientMismatch:
    """Return the error for a gradient whose shape differs from its input's."""
    x, g, name = claim.arrays[k], claim.gradients[k], claim.names[k]
    extra = g.ndim - x.ndim
    is_broadcast = extra >= 0 and all(n in (1, m) for n, m in zip(x.shape, g.shape[extra:], strict=True))
    axes = tuple(i for i in range(g.ndim) if i < extra or x.shape[i - extra] != g.shape[i])
    guess = f" It is not summed over the broadcast axes {axes}." if is_broadcast else ""
    if g.shape == x.shape[::-1]:
        guess = " It is transposed."
    return GradientMismatch(
        f"{claim.name}: the gradient of {name} must have the shape of {name}, {x.shape}, got {g.shape}.{guess}"
    )


def wrong_tangent(claim: Claim, k: int, slope: Estimate) -> GradientMismatch:
    """Return the error for a claimed forward derivative along a random direction of input `k`."""
    tangent = claim.gradients[k]
    gap = np.abs(np.asarray(tangent, np.float64) - slope.value) - SAFETY * slope.error
    worst = np.unravel_index(np.argmax(np.where(np.isfinite(gap), gap, np.inf)), gap.shape)
    a, n, error = float(tangent[worst]), float(slope.value[worst]), float(slope.error[worst])
    ratio = f", ratio {a / n:.6g}" if n else ""
    return GradientMismatch(
        f"{claim.name}: the forward derivative along {claim.names[k]} is wrong.\n"
        f"  Max absolute difference at element {tuple(map(int, worst))} of the result: claimed {a:.10g}, "
        f"numeric {n:.10g} (to within {error:.1g}){ratio}"
    )


class _Probe(NamedTuple):
    """The numeric derivative of a claim's function along a direction, and its error estimate."""

    direction: Array
    value: float
    error: float


class _Wrong(NamedTuple):
    """A wrong element of a gradient."""

    at: tuple[int, ...]
    analytic: float
    numeric: float
    error: float


def wrong_gradient(claim: Claim, k: int, comparison: str, rng: np.random.Generator) -> GradientMismatch:
    """Return the error for a wrong gradient of input `k`, with the wrong elements and the likely mistake."""
    title, size = f"{claim.name}: the gradient of {claim.names[k]} is wrong", claim.arrays[k].size
    if is_shrinking(GradientMismatch):
        return GradientMismatch(f"{title}: {comparison}.")
    wrong, is_complete = _wrong_elements(claim, k, rng)
    num_correct = size - len(wrong) if is_complete and wrong else 0
    guess = _guess(claim, k, num_correct > 0, rng)
    if not guess and num_correct:
        guess = f"{num_correct} of {size} elements are correct, so a term or a case is missing"
    if not wrong:
        return GradientMismatch(f"{title}: {guess or comparison}.")
    index, a, n, error = max(wrong, key=lambda w: np.nan_to_num(abs(w.analytic - w.numeric), nan=np.inf))
    ratio = f", ratio {a / n:.6g}" if n else ""
    return GradientMismatch(
        f"{title}{guess and f': {guess}'}.\n"
        f"  Mismatched elements: {'' if is_complete else 'at least '}{len(wrong)} / {size}\n"
        f"  Max absolute difference at {claim.names[k]}[{', '.join(map(str, index))}]: "
        f"analytic {a:.10g}, numeric {n:.10g} (to within {error:.1g}){ratio}"
    )


# --- The wrong elements ---


def _probe(claim: Claim, k: int, direction: Array) -> _Probe:
    slope = derivative_along(claim.of_input(k), claim.arrays[k], direction, claim.value, claim.scale)
    mask = claim.cotangent != 0
    value, error = claim.cotangent[mask] * slope.value[mask], np.abs(claim.cotangent[mask]) * slope.error[mask]
    return _Probe(direction, float(np.sum(value)), float(np.sum(error)))


def _gap(g: Array, probe: _Probe, rounding: float) -> float:
    """Return the difference between a gradient and a probe, relative to the allowed difference."""
    with np.errstate(all="ignore"):
        terms = g * probe.direction
        off = float(np.abs(np.sum(terms) - probe.value))
        allowed = SAFETY * probe.error + rounding * float(np.sum(np.abs(terms))) + _TINY
    return off / allowed if np.isfinite(off) else np.inf


def _rounding(g: Array) -> float:
    return min(max(64 * unit_of(g.dtype), EXACT), ROUGH)


def _wrong_elements(claim: Claim, k: int, rng: np.random.Generator) -> tuple[list[_Wrong], bool]:
    """Find wrong elements by bisection, the worst half first. Return them, and whether the list is complete."""
    g, shape, wrong = claim.gradients[k], claim.arrays[k].shape, []
    queue, num_probes = [(-np.inf, 0, np.arange(g.size))], 0
    while queue and num_probes < _MOST_PROBES:
        elements = heapq.heappop(queue)[2]
        for half in np.array_split(elements, 2)[: len(elements)]:
            direction = np.zeros(shape)
            direction.flat[half] = draw_signed(rng, half.shape) if len(half) > 1 else 1.0
            probe = _probe(claim, k, direction)
            gap, num_probes = _gap(g, probe, _rounding(g)), num_probes + 1
            if gap > 1 and len(half) == 1:
                index = tuple(int(i) for i in np.unravel_index(half[0], shape))
                wrong.append(_Wrong(index, float(g[index]), probe.value, probe.error))
            elif gap > 1:
                heapq.heappush(queue, (-gap, num_probes, half))
    return wrong, not queue


# --- The likely mistake: each guess implies a correct gradient, which is compared with numeric derivatives ---


def _guess(claim: Claim, k: int, partly_right: bool, rng: np.random.Generator) -> str:
    """Return a description of the likely mistake, or an empty string if no simple mistake explains the gradient."""
    g = np.asarray(claim.gradients[k], np.float64)
    if not np.all(np.isfinite(g)):
        return f"it contains {g[~np.isfinite(g)][0]}"
    probes = [_probe(claim, k, draw_signed(rng, g.shape)) for _ in range(3)]
    clues = _Clues(claim, k, g, probes, partly_right, rng)
    return next(itertools.chain(_whole_guesses(clues), _input_guesses(clues), _partial_guesses(clues)), "")


@dataclass(frozen=True)
class _Clues:
    """A wrong gradient, and probes of the correct gradient."""

    claim: Claim
    k: int
    g: Array
    probes: list[_Probe]
    partly_right: bool
    rng: np.random.Generator

    def explains(self, gradient: Array, probes: list[_Probe] | None = None) -> bool:
        """Whether a gradient agrees with the probes."""
        rounding = _rounding(self.claim.gradients[self.k])
        finite = gradient.shape == self.g.shape and bool(np.all(np.isfinite(gradient)))
        return finite and all(_gap(gradient, probe, rounding) <= 1 for probe in probes or self.probes)

    def is_special(self) -> bool:
        """Whether the point has fewer than three distinct numbers, so that some constant factor always fits."""
        return np.unique(np.concatenate([x.ravel() for x in self.claim.arrays])).size < 3


_FACTORS = {-1: "its sign is flipped", 2: "it is twice the correct gradient", 0.5: "it is half the correct gradient"}


def _whole_guesses(clues: _Clues) -> Iterator[str]:
    """Yield guesses about the gradient as a whole."""
    g, largest = clues.g, max(clues.probes, key=lambda probe: abs(probe.value))
    if not np.any(g):
        yield "it is zero"
    elif all(abs(p.value) <= SAFETY * p.error + 1e-9 * np.sum(np.abs(g)) for p in clues.probes):
        yield "it should be zero"
    elif (c := float(np.sum(g * largest.direction)) / largest.value) and clues.explains(g / c):
        known = [words for factor, words in _FACTORS.items() if abs(c - factor) < 1e-6]
        if known or not clues.is_special():
            yield known[0] if known else f"it is {c:.8g} times the correct gradient"
    for axes in itertools.islice(itertools.permutations(range(g.ndim)), 1, 24):
        if clues.explains(g.transpose(np.argsort(axes))):
            yield f"it is transposed (axes {axes})"
    for axis in range(g.ndim):
        if clues.explains(np.flip(g, axis)):
            yield f"it is reversed along axis {axis}"


def _input_guesses(clues: _Clues) -> Iterator[str]:
    """Yield guesses about swapped or transposed inputs."""
    claim, k, g = clues.claim, clues.k, clues.g

    def is_gradient(claim: Claim, k: int) -> bool:
        return clues.explains(g, [_probe(claim, k, probe.direction) for probe in clues.probes])

    other_inputs = [(i, x, name) for i, (x, name) in enumerate(zip(claim.arrays, claim.names, strict=True)) if i != k]
    for i, x, name in other_inputs:
        if x.shape == g.shape and is_gradient(claim, i):
            yield f"it is the gradient of {name}: the inputs are swapped"
    for i, x, name in other_inputs:
        if x.ndim > 1:
            with contextlib.suppress(Exception):  # not every input can be transposed
                arrays = (*claim.arrays[:i], x.swapaxes(-1, -2), *claim.arrays[i + 1 :])
                if is_gradient(replace(claim, arrays=arrays, value=claim.f(*arrays)), k):
                    yield f"a transpose of {name} is missing or extra"


def _partial_guesses(clues: _Clues) -> Iterator[str]:
    """Yield guesses about wrong factors, and about missing or extra terms."""
    claim, g = clues.claim, clues.g
    out = np.asarray(claim.value, np.float64)
    values = {"the cotangent": claim.cotangent, "the result": out, "the input": claim.arrays[clues.k]}
    values |= {claim.names[i]: a for i, a in enumerate(claim.arrays) if i != clues.k}
    values = {name: a for name, a in values.items() if a.shape == g.shape}
    if clues.is_special():
        return
    if not clues.partly_right:
        yield from _factor_guesses(clues, values)
    products = {"1": np.ones(g.shape)} | values
    products |= {f"the cotangent times {name}": claim.cotangent * a for name, a in values.items()
                 if claim.cotangent.shape == a.shape}  # fmt: skip
    for name, a in products.items():
        strongest = clues.probes[int(np.argmax([abs(np.sum(a * probe.direction)) for probe in clues.probes]))]
        with np.errstate(all="ignore"):
            c = (np.sum(g * strongest.direction) - strongest.value) / np.sum(a * strongest.direction)
        if clues.explains(g - c * a):
            times = "" if abs(abs(c) - 1) < 1e-6 else f"{abs(c):.6g} times "
            yield f"{'extra' if c > 0 else 'missing'} term: {times}{name}"
    for name, a in products.items():
        for axis in (axis for axis, n in enumerate(g.shape) if n > 1 and np.all(a)):
            if _is_summed_over(clues, axis, a):
                multiple = f" (a multiple of {name})" if name != "1" else ""
                yield f"missing or extra term that is summed over axis {axis}{multiple}"


def _factor_guesses(clues: _Clues, values: dict[str, Array]) -> Iterator[str]:
    """Yield guesses about a missing, extra or exchanged factor that is one of the values."""
    with np.errstate(all="ignore"):
        for name, a in values.items():
            if clues.explains(clues.g / a):
                yield f"extra factor: {name}"
            if clues.explains(clues.g * a):
                yield f"missing factor: {name}"
        for (used, a), (needed, b) in itertools.permutations(values.items(), 2):
            if clues.explains(clues.g * b / a):
                yield f"{used} is used instead of {needed}: it is {used} / {needed} times the correct gradient"


def _is_summed_over(clues: _Clues, axis: int, a: Array) -> bool:
    """Whether the error is `a` times numbers that are constant along an axis, so that they can cancel."""
    signed = [draw_signed(clues.rng, a.shape) for _ in range(2)]
    directions = [(u - u.mean(axis, keepdims=True)) / a for u in signed]
    return clues.explains(clues.g, [_probe(clues.claim, clues.k, u) for u in directions])
