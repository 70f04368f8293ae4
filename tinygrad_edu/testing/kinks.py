"""Decision about a claimed gradient at kinks and at the edge of a domain, from one-sided slopes.

A kinked function has two slopes along each element of its input. The claim must lie between them: for each element of
the result times its cotangent, and the intervals of all elements of the result add. One element of the input moves at a
time, because kinks of opposite signs can cancel along other directions. Where several elements make one kink, such as
tied maxima, the sum of their claims must also lie between the slopes at nearby points. Bisection finds the elements
without a kink, which are checked along common directions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.claim import Claim
from tinygrad_edu.testing.failures import GradientMismatch, NotDifferentiableHere
from tinygrad_edu.testing.numeric.extrapolation import SAFETY, Estimate, as_rows
from tinygrad_edu.testing.numeric.finite_differences import largest, one_sided_derivatives, value_or_nan
from tinygrad_edu.testing.numeric.rounding import ROUGH, add_jitter, rounding_of_claim
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.verdict import Verdict, worst


class Derivative(NamedTuple):
    """A claimed gradient or forward derivative with respect to one input, in claims with several cotangents."""

    name: str
    claims: Sequence[Claim]
    k: int
    # Maps a direction to a verdict from central differences, and whether a kink, a jump or an edge disturbs them.
    decide: Callable[[Array], tuple[Verdict, bool]]
    along: Callable[[Claim, Array], float]
    rounding: Callable[[Claim, Array], float]  # the measured rounding error of `along`

    @property
    def x(self) -> Array:
        """The input."""
        return self.claims[0].arrays[self.k]


_MOST_ELEMENTS, _MOST_GROUPS = 64, 16  # limits of the search for kinked elements
_OUTLIERS = 32  # the number of elements that are probed first, because their claims are unusual
_SETTLED = 1e-3  # the largest error of a one-sided slope, relative to it or to the slopes around
_EXACT = 1e-7  # a one-sided slope with a larger relative error refutes no claim that is close to it
_TIED, _MOST_TIES = 4, 8  # the largest number of elements in a tie, and of ties
_NEARBY, _STEP = 2.0**-20, 2.0**-23  # the distance of the points around a tie, and the step there
_TIE_ERROR = 1e-4  # the relative error of their slopes


def judge_at_kinks(claimed: Derivative, direction: Array, rng: Rng) -> Verdict:
    """Return the verdict about a derivative along the elements of a direction, where f has kinks."""
    elements = np.flatnonzero(direction)
    order = _outliers_first(claimed.claims[0].gradients[claimed.k].reshape(-1)[elements], rng)
    queue = deque([*elements[order[:_OUTLIERS], None], elements[order[_OUTLIERS:]]])
    verdicts, kinked = list[Verdict](), dict[int, _Slopes]()
    num_elements = 0
    while queue and num_elements < _MOST_ELEMENTS and not any(verdict.status == "wrong" for verdict in verdicts):
        group = queue.popleft()
        if len(group) == 1:
            verdict, kinked[int(group[0])] = _judge_element(claimed, int(group[0]), rng)
            verdicts.append(verdict)
            num_elements += 1
        elif len(queue) < _MOST_GROUPS:
            verdict, is_kinked = claimed.decide(_along(direction, group))
            if is_kinked and verdict.status != "wrong":
                queue.extend(np.array_split(group, 2))
            else:
                verdicts.append(verdict)
        else:
            queue = deque(rng.permutation(np.concatenate([group, *queue]))[:, None])
    if not queue and kinked:
        verdicts += [_judge_tie(claimed, tie, [kinked[i] for i in tie], rng) for tie in _ties(kinked)]
    return worst(verdicts)


def _along(direction: Array, elements: Array) -> Array:
    """Return the direction with zeros at all other elements."""
    part = np.zeros(direction.shape)
    part.flat[elements] = direction.flat[elements]
    return part


def _outliers_first(g: Array, rng: Rng) -> Array:
    """Return an order of claimed derivatives: numbers that are not finite, then extremes, then the rest at random."""
    shuffled = rng.permutation(g.size)
    with np.errstate(all="ignore"):
        distance = np.abs(g - np.median(g[np.isfinite(g)]))[shuffled] if np.isfinite(g).any() else g[shuffled]
    extremes = np.argsort(-np.nan_to_num(distance, nan=np.inf), kind="stable")
    half = _OUTLIERS // 2
    return np.concatenate([shuffled[extremes[:half]], shuffled[np.sort(extremes[half:])]])


class _Slopes(NamedTuple):
    """The slopes on both sides along a direction: an entry for each element of the result."""

    left: Array
    right: Array
    error: Array
    settled: Array  # the largest error of slopes that have a limit
    is_smooth: bool = False

    @property
    def kinks(self) -> Array:
        return np.asarray(np.abs(self.right - self.left) > 2 * SAFETY * self.error)


def _slopes(left: Estimate, right: Estimate, terms: float) -> _Slopes:
    """Join the slopes of both sides. At the edge of a domain, one side has a slope, and it is used for both.

    `terms` is the magnitude of the numbers that f adds.
    """
    has_left, has_right = np.isfinite(left.error), np.isfinite(right.error)
    low, high = np.where(has_left, left.value, right.value), np.where(has_right, right.value, left.value)
    error = np.maximum(np.where(has_left, left.error, right.error), np.where(has_right, right.error, left.error))
    resolution = np.sqrt(left.unit) * np.fmax(np.fmax(left.size, right.size), terms)
    settled = np.maximum(_SETTLED * np.fmax(left.around, right.around), resolution)
    low, high, error, settled = (part.reshape(-1) for part in (low, high, error + resolution / SAFETY, settled))
    slopes = _Slopes(low, high, error, settled)
    return slopes._replace(is_smooth=bool(has_left.all() and has_right.all() and not slopes.kinks.any()))


def _judge_element(claimed: Derivative, element: int, rng: Rng) -> tuple[Verdict, _Slopes]:
    """Return the verdict about one element of the input, and the slopes along it."""
    claim, k, direction = claimed.claims[0], claimed.k, np.zeros(claimed.x.shape)
    direction.flat[element] = 1.0
    sides = one_sided_derivatives(claim.of_input(k), claimed.x, direction, claim.value, claim.scale, claim.accuracy)
    terms = max(*map(largest, claim.arrays), claim.scale)
    slopes = _slopes(*sides, terms)
    if slopes.is_smooth and (verdict := claimed.decide(direction)[0]).status != "inconclusive":
        return verdict, slopes
    index = ", ".join(str(int(i)) for i in np.unravel_index(element, direction.shape))
    place = f"at {claim.names[k]}[{index}]" if direction.ndim else f"at {claim.names[k]}"
    verdict = worst(_judge_between(claimed, c, place, slopes, direction) for c in claimed.claims)
    if verdict.status == "wrong":
        left, right = (add_jitter(claim.f, claim.arrays, k, direction, side, rng) for side in sides)
        noisy = _slopes(left, right, terms)
        verdict = worst(
            _judge_between(claimed, c, place, noisy, direction, claimed.rounding(c, direction)) for c in claimed.claims
        )
    return verdict, slopes


def _judge_between(
    claimed: Derivative, claim: Claim, place: str, slopes: _Slopes, direction: Array, rounding: float = 0.0
) -> Verdict:
    """Return the verdict about a claimed derivative that must lie between the slopes."""
    analytic, c = claimed.along(claim, direction), claim.cotangent.reshape(-1)
    used = (c != 0) | (slopes.error > slopes.settled) & (not np.isfinite(analytic))  # 0 times an infinite slope
    c, left, right, error, settled = (part[used] for part in (c, *slopes[:4]))
    weights = np.where(error > settled, 1.0, np.abs(c))
    bounds, error, settled = as_rows([c * left, c * right]), float(weights @ error), float(weights @ settled)
    low, high = float(bounds.min(axis=0).sum()), float(bounds.max(axis=0).sum())
    size = float(np.abs(bounds).max(axis=0).sum())
    allowed = SAFETY * (error + rounding) + rounding_of_claim(claim.gradients[claimed.k], size) + claim.accuracy * size
    numbers = {"analytic": analytic, "left": low, "right": high, "error": error, "allowed": allowed}
    if not error <= settled:
        reason = f"The one-sided slopes {place} have no limit: the function jumps, or its slope is infinite there."
        return Verdict("slope", error=not_differentiable(claim, claimed.k, reason), numbers=numbers)
    if low - allowed <= analytic <= high + allowed:
        return Verdict("slope", numbers=numbers)
    if error > _EXACT * size and low - ROUGH * size <= analytic <= high + ROUGH * size:
        reason = f"The one-sided slopes {place} are too inexact: {low:.3g} and {high:.3g} (to within {error:.1g})."
        return Verdict("slope", error=not_differentiable(claim, claimed.k, reason), numbers=numbers)
    slope = f"be between the one-sided slopes {low:.10g} and {high:.10g}" if low < high else f"be {high:.10g}"
    mismatch = GradientMismatch(
        f"{claim.name}: {claimed.name} is wrong: {place}, the derivative of the result times the cotangent must "
        f"{slope}, got {analytic:.10g}."
    )
    return Verdict("slope", error=mismatch, numbers=numbers)


def not_differentiable(claim: Claim, k: int, reason: str) -> NotDifferentiableHere:
    """Return the error for a gradient that a kink, a jump or a value makes impossible to check."""
    return NotDifferentiableHere(
        f"{claim.name}: inconclusive: the gradient of {claim.names[k]} cannot be checked at this point. {reason}"
    )


# --- Ties ---


def _ties(kinked: Mapping[int, _Slopes]) -> Iterator[tuple[int, ...]]:
    """Yield groups of elements that make a kink in the same element of the result."""
    members = list(kinked)
    makers = np.stack([slopes.kinks for slopes in kinked.values()], axis=1)
    ties = {tuple(members[i] for i in np.flatnonzero(row)) for row in makers[makers.sum(axis=1) > 1]}
    return islice((tie for tie in sorted(ties) if len(tie) <= _TIED), _MOST_TIES)


def _judge_tie(claimed: Derivative, tie: tuple[int, ...], elements: Sequence[_Slopes], rng: Rng) -> Verdict:
    """Return the verdict about the sum of the claims for tied elements: it must be between the slopes around.

    The terms of the sum are as large as the slopes along the elements, and so is their rounding.
    """
    claim, x, direction = claimed.claims[0], claimed.x, np.zeros(claimed.x.shape)
    direction.flat[list(tie)] = 1.0
    size, f = max(largest(x[direction != 0]), 1.0), claim.of_input(claimed.k)
    found = []
    for signs in product((-1.0, 1.0), repeat=len(tie)):
        for sizes in rng.uniform(0.5, 1.5, (2, len(tie))):
            nearby = x.copy()
            nearby.flat[list(tie)] += _NEARBY * size * sizes * np.array(signs)
            ahead, behind = (value_or_nan(f, nearby + s * _STEP * size * direction, claim.value) for s in (1, -1))
            found.append((ahead - behind).reshape(-1) / (2 * _STEP * size))
    slopes = np.stack(found)
    if not np.isfinite(slopes).all():
        return Verdict("slope")
    rounding = 16 * unit_of(slopes.dtype) * largest(claim.value) / (_STEP * size)
    error = _TIE_ERROR * np.abs(slopes).max(axis=0) + rounding
    sides = _Slopes(slopes.min(axis=0), slopes.max(axis=0), error, error)
    place = "along " + " + ".join(f"{claim.names[claimed.k]}.flat[{i}]" for i in tie)
    terms = np.sum([np.maximum(np.abs(slopes.left), np.abs(slopes.right)) for slopes in elements], axis=0)

    def of_sum(c: Claim) -> float:
        return float(unit_of(c.gradients[claimed.k].dtype) * np.sum(np.abs(c.cotangent.reshape(-1)) * terms))

    return worst(_judge_between(claimed, c, place, sides, direction, of_sum(c)) for c in claimed.claims)
