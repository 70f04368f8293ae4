"""The likely mistake: each guess implies a correct gradient, which must agree with numeric derivatives."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.flat_function import Claim
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.rounding import EXACT, ROUGH
from tinygrad_edu.testing.numeric.sampling import draw_signed
from tinygrad_edu.testing.report.probes import NumericSlope, Prober


def tell_apart(a: float, b: float, digits: int) -> tuple[str, str]:
    """Return two numbers with at least `digits` significant digits, and more if they differ only in later ones.

    Examples
    --------
    >>> tell_apart(2.0, 1.0, 6), tell_apart(1 + 3.1e-8, 1.0, 6)
    (('2', '1'), ('1.000000031', '1'))
    """
    needed = digits
    while needed < 17 and a != b and f"{a:.{needed}g}" == f"{b:.{needed}g}":
        needed += 1
    needed += digits < needed < 17
    return f"{a:.{needed}g}", f"{b:.{needed}g}"


_TINY = float(np.finfo(np.float64).tiny)
_PROBES, _FEW_PROBES = 6, 3  # the greatest and the least number of random directions
_POWER = 1e4  # the least product of gaps of a wrong gradient; its inverse is the probability that a guess is accidental


@dataclass(frozen=True)
class Clues:
    """A wrong gradient of input `k` of a claim, and probes of the correct gradient along random directions."""

    claim: Claim
    k: int
    g: Array
    prober: Prober
    probes: list[NumericSlope]
    rng: np.random.Generator

    @classmethod
    def at(cls, claim: Claim, k: int, direction: Array, rng: np.random.Generator) -> Clues:
        """Return the clues about a gradient that is wrong along a direction.

        Elements that are not finite are not probed. A slow function gets only as many probes as refute the gradient.
        """
        g, prober = np.asarray(claim.gradients[k], np.float64), Prober(claim, k, direction)
        directions = (np.where(np.isfinite(g) & prober.elements, draw_signed(rng, g.shape), 0) for _ in range(_PROBES))
        clues = cls(claim, k, g, prober, [prober.along(next(directions))], rng)
        for other in directions:
            if prober.is_quick and len(clues.probes) >= _FEW_PROBES and clues.is_refuted():
                break
            clues.probes.append(prober.like(clues.probes[0], other))
        return clues

    def gap(self, probe: NumericSlope, gradient: Array | None = None) -> float:
        """Return the difference between the gradient, or another one, and a probe, relative to the allowed one."""
        elements, g = np.flatnonzero(probe.direction), self.g if gradient is None else gradient
        rounding = min(max(64 * unit_of(self.claim.gradients[self.k].dtype), EXACT), ROUGH)
        with np.errstate(all="ignore"):
            terms = g.reshape(-1)[elements] * probe.direction.reshape(-1)[elements]
            off = float(np.abs(np.sum(terms) - probe.value))
            allowed = SAFETY * probe.error + rounding * float(np.sum(np.abs(terms))) + _TINY
        return off / allowed if np.isfinite(off) else np.inf

    def explains(self, gradient: Array, probes: list[NumericSlope] | None = None) -> bool:
        """Whether a gradient agrees with the probes."""
        finite = gradient.shape == self.g.shape and bool(np.all(np.isfinite(gradient)))
        return finite and all(self.gap(probe, gradient) <= 1 for probe in probes or self.probes)

    def is_refuted(self, probes: list[NumericSlope] | None = None) -> bool:
        """Whether the gradient is so wrong along all probes but the strongest that no guess agrees by accident.

        With a probe of low accuracy, any guess agrees.
        """
        return bool(np.prod(np.fmax(sorted(map(self.gap, probes or self.probes))[:-1], 1)) >= _POWER)

    def is_special(self) -> bool:
        """Whether the point has fewer than three distinct numbers, so that some constant factor always fits."""
        return np.unique(np.concatenate([x.ravel() for x in self.claim.arrays])).size < 3


def guess_of(clues: Clues) -> str:
    """Return a description of a mistake in the whole gradient, or an empty string if none explains it."""
    if not np.all(np.isfinite(clues.g)):
        return f"it contains {clues.g[~np.isfinite(clues.g)][0]}"
    return next(itertools.chain(_whole_guesses(clues), _input_guesses(clues)), "") if clues.is_refuted() else ""


def guess_of_part(clues: Clues, partly_right: bool) -> str:
    """Return a description of a wrong factor or term, or an empty string if none explains the gradient."""
    return next(_partial_guesses(clues, partly_right), "") if clues.is_refuted() else ""


_FACTORS = {-1: "its sign is flipped", 2: "it is twice the correct gradient", 0.5: "it is half the correct gradient"}


def _whole_guesses(clues: Clues) -> Iterator[str]:
    """Yield guesses about the gradient as a whole."""
    g, largest = clues.g, max(clues.probes, key=lambda probe: abs(probe.value))
    if not np.any(g):
        yield "it is zero"
    elif all(abs(p.value) <= SAFETY * p.error + 1e-9 * np.sum(np.abs(g)) for p in clues.probes):
        yield "it should be zero"
    yield from (words for factor, words in _FACTORS.items() if clues.explains(g / factor))
    if (c := float(np.sum(g * largest.direction)) / largest.value) and clues.explains(g / c) and not clues.is_special():
        yield f"it is {tell_apart(c, 1.0, 8)[0]} times the correct gradient"
    for axes in itertools.islice(itertools.permutations(range(g.ndim)), 1, 24):
        if clues.explains(g.transpose(np.argsort(axes))):
            yield f"it is transposed (axes {axes})"
    for axis in range(g.ndim):
        if clues.explains(np.flip(g, axis)):
            yield f"it is reversed along axis {axis}"


def _input_guesses(clues: Clues) -> Iterator[str]:
    """Yield guesses about swapped or transposed inputs."""
    claim, k, g = clues.claim, clues.k, clues.g

    def is_gradient(i: int, arrays: tuple[Array, ...]) -> bool:
        with contextlib.suppress(Exception):  # f may not accept the arrays, or too many calls may be needed
            prober = clues.prober.of(replace(claim, arrays=arrays, value=claim.f(*arrays)), i)
            return all(clues.gap(prober.like(probe, probe.direction)) <= 1 for probe in clues.probes)
        return False

    other_inputs = [(i, x, name) for i, (x, name) in enumerate(zip(claim.arrays, claim.names, strict=True)) if i != k]
    for i, x, name in other_inputs:
        if x.shape == g.shape and is_gradient(i, claim.arrays):
            yield f"it is the gradient of {name}: the inputs are swapped"
    for i, x, name in other_inputs:
        if x.ndim > 1 and is_gradient(k, (*claim.arrays[:i], x.swapaxes(-1, -2), *claim.arrays[i + 1 :])):
            yield f"a transpose of {name} is missing or extra"


def _partial_guesses(clues: Clues, partly_right: bool) -> Iterator[str]:
    """Yield guesses about wrong factors, and about missing or extra terms."""
    claim, g = clues.claim, clues.g
    out = np.asarray(claim.value, np.float64)
    values = {"the cotangent": claim.cotangent, "the result": out, "the input": claim.arrays[clues.k]}
    values |= {claim.names[i]: a for i, a in enumerate(claim.arrays) if i != clues.k}
    values = {name: a for name, a in values.items() if a.shape == g.shape}
    if clues.is_special():
        return
    if not partly_right:
        yield from _factor_guesses(clues, values)
    products = {"1": np.ones(g.shape)} | values
    products |= {f"the cotangent times {name}": claim.cotangent * a for name, a in values.items()
                 if claim.cotangent.shape == a.shape}  # fmt: skip
    for name, a in products.items():
        strongest = clues.probes[int(np.argmax([abs(np.sum(a * probe.direction)) for probe in clues.probes]))]
        with np.errstate(all="ignore"):
            c = (np.sum(g * strongest.direction) - strongest.value) / np.sum(a * strongest.direction)
        if not np.isfinite(c):
            continue
        is_once = clues.explains(g - np.sign(c) * a)
        if is_once or clues.explains(g - c * a):
            times = "" if is_once else f"{tell_apart(abs(c), 1.0, 6)[0]} times "
            yield f"{'extra' if c > 0 else 'missing'} term: {times}{name}"
    for name, a in () if partly_right else products.items():
        for axis in (axis for axis, n in enumerate(g.shape) if n > 1 and np.all(a)):
            if _is_summed_over(clues, axis, a):
                multiple = f" (a multiple of {name})" if name != "1" else ""
                yield f"missing or extra term that is summed over axis {axis}{multiple}"


def _factor_guesses(clues: Clues, values: dict[str, Array]) -> Iterator[str]:
    """Yield guesses about a missing or extra factor that is one of the values."""
    with np.errstate(all="ignore"):
        for name, a in values.items():
            if clues.explains(clues.g / a):
                yield f"extra factor: {name}"
            if clues.explains(clues.g * a):
                yield f"missing factor: {name}"


def _is_summed_over(clues: Clues, axis: int, a: Array) -> bool:
    """Whether the error is `a` times numbers that are constant along an axis, so that they can cancel."""
    drawn, first = [draw_signed(clues.rng, a.shape) for _ in range(3)], clues.probes[0]
    cancelling = ((u - u.mean(axis, keepdims=True)) / a for u in drawn[:2])
    if not all(clues.gap(clues.prober.like(first, direction)) <= 1 for direction in cancelling):
        return False
    return clues.is_refuted([clues.prober.like(first, u / a) for u in drawn])
