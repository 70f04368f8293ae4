"""Decision about a claimed gradient at kinks and at the edge of a domain, from one-sided slopes.

A kinked function has two slopes along each element of its input. The claim must lie between them: for each element of
the result times its cotangent, and the intervals of all elements of the result add. One element of the input moves at a
time, because kinks of opposite signs can cancel along other directions. Where several elements make one kink, such as
tied maxima, the sum of their claims must also lie between the slopes at nearby points, with any signs, also if they are
elements of several inputs. Bisection finds the elements without a kink, which are checked along common directions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.failures import GradientMismatch, NotDifferentiableHere
from tinygrad_edu.testing.flat_function import Claim
from tinygrad_edu.testing.numeric.extrapolation import SAFETY, Estimate, as_rows
from tinygrad_edu.testing.numeric.finite_differences import largest, one_sided_derivatives, value_or_nan
from tinygrad_edu.testing.numeric.nearby import is_slope_nearby
from tinygrad_edu.testing.numeric.rounding import ROUGH, add_jitter, has_float32_parts, rounding_of_claim
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.verdict import Verdict, worst

Kinked = dict[tuple[int, int], Array]  # by input and element, the elements of the result with a kink along it
Tie = tuple[tuple[int, int], ...]  # inputs and elements
Along = Callable[[Claim, int, Array], float]  # from a claim, an input and a direction of it to the claimed derivative


class Derivative(NamedTuple):
    """A claimed gradient or forward derivative with respect to one input, in claims with several cotangents."""

    name: str
    claims: Sequence[Claim]
    k: int
    # Maps a direction to a verdict from central differences, and whether a kink, a jump or an edge disturbs them.
    decide: Callable[[Array], tuple[Verdict, bool]]
    along: Callable[[Claim, Array], float]
    rounding: Callable[[Claim, Array], float]  # the measured rounding error of `along`
    kinked: Kinked  # the kinks that were found

    @property
    def x(self) -> Array:
        """The input."""
        return self.claims[0].arrays[self.k]


_MOST_ELEMENTS, _MOST_GROUPS = 64, 16  # limits of the search for kinked elements
_OUTLIERS = 32  # the number of elements that are probed first, because their claims are unusual
_SETTLED = 1e-3  # the largest error of a one-sided slope, relative to it or to the slopes around
_EXACT = 1e-7  # a one-sided slope with a larger relative error refutes no claim that is close to it
_TIED, _MOST_TIES = 4, 8  # the largest number of elements in a tie, and of ties
_STEPS = 2.0**-23, 2.0**-12  # of the slopes around a tie, for float64 and for float32
_NEARBY = 32  # the distance of the points around it, in steps
_TIE_ERROR = 1e-4  # the smallest relative error of their slopes
_FLOAT64, _FLOAT32 = (float(np.finfo(dtype).eps) for dtype in (np.float64, np.float32))


def judge_at_kinks(claimed: Derivative, direction: Array, rng: Rng) -> Verdict:
    """Return the verdict about a derivative along the elements of a direction, where f has kinks."""
    elements = np.flatnonzero(direction)
    order = _outliers_first(claimed.claims[0].gradients[claimed.k].reshape(-1)[elements], rng)
    queue = deque([*elements[order[:_OUTLIERS], None], elements[order[_OUTLIERS:]]])
    verdicts, kinked = list[Verdict](), claimed.kinked
    num_elements = 0
    while queue and num_elements < _MOST_ELEMENTS and not any(verdict.status == "wrong" for verdict in verdicts):
        group = queue.popleft()
        if len(group) == 1:
            verdict, kinked[claimed.k, int(group[0])] = _judge_element(claimed, int(group[0]), rng)
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
    return worst(verdicts)


def _unit(x: Array, element: int) -> Array:
    """Return the direction of one element of x."""
    return _along(np.ones(x.shape), np.array([element]))


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


def _judge_element(claimed: Derivative, element: int, rng: Rng) -> tuple[Verdict, Array]:
    """Return the verdict about one element of the input, and the elements of the result with a kink along it."""
    claim, k, direction = claimed.claims[0], claimed.k, _unit(claimed.x, element)
    sides = one_sided_derivatives(claim.of_input(k), claimed.x, direction, claim.value, claim.scale, claim.accuracy)
    terms = max(*map(largest, claim.arrays), claim.scale)
    slopes = _slopes(*sides, terms)
    if slopes.is_smooth and (verdict := claimed.decide(direction)[0]).status != "inconclusive":
        return verdict, slopes.kinks
    index = ", ".join(str(int(i)) for i in np.unravel_index(element, direction.shape))
    place = f"at {claim.names[k]}[{index}]" if direction.ndim else f"at {claim.names[k]}"

    def between(c: Claim, slopes: _Slopes, rounding: float = 0.0) -> Verdict:
        return _judge_between(claimed.name, c, k, claimed.along(c, direction), place, slopes, rounding)

    verdict = worst(between(c, slopes) for c in claimed.claims)
    if verdict.status == "wrong":
        left, right = (add_jitter(claim.f, claim.arrays, k, direction, side, rng) for side in sides)
        noisy = _slopes(left, right, terms)
        judged = ((c, between(c, noisy, claimed.rounding(c, direction))) for c in claimed.claims)
        verdict = worst(_unless_nearby(found, c, k, direction, rng) for c, found in judged)
    return verdict, slopes.kinks


def _judge_between(
    name: str, claim: Claim, k: int, analytic: float, place: str, slopes: _Slopes, rounding: float = 0.0
) -> Verdict:
    """Return the verdict about a claimed derivative that must lie between the slopes."""
    c = claim.cotangent.reshape(-1)
    used = (c != 0) | (slopes.error > slopes.settled) & (not np.isfinite(analytic))  # 0 times an infinite slope
    c, left, right, error, settled = (part[used] for part in (c, *slopes[:4]))
    weights = np.where(error > settled, 1.0, np.abs(c))
    bounds, error, settled = as_rows([c * left, c * right]), float(weights @ error), float(weights @ settled)
    low, high = float(bounds.min(axis=0).sum()), float(bounds.max(axis=0).sum())
    size = float(np.abs(bounds).max(axis=0).sum())
    allowed = SAFETY * (error + rounding) + rounding_of_claim(claim.gradients[k], size) + claim.accuracy * size
    numbers = {"analytic": analytic, "left": low, "right": high, "error": error, "allowed": allowed}
    if not error <= settled:
        reason = f"The one-sided slopes {place} have no limit: the function jumps, or its slope is infinite there."
        return Verdict("slope", error=not_differentiable(claim, k, reason), numbers=numbers)
    if low - allowed <= analytic <= high + allowed:
        return Verdict("slope", numbers=numbers)
    if error > _EXACT * size and low - ROUGH * size <= analytic <= high + ROUGH * size:
        reason = f"The one-sided slopes {place} are too inexact: {low:.3g} and {high:.3g} (to within {error:.1g})."
        return Verdict("slope", error=not_differentiable(claim, k, reason), numbers=numbers)
    slope = f"be between the one-sided slopes {low:.10g} and {high:.10g}" if low < high else f"be {high:.10g}"
    mismatch = GradientMismatch(
        f"{claim.name}: {name} is wrong: {place}, the derivative of the result times the cotangent must "
        f"{slope}, got {analytic:.10g}."
    )
    return Verdict("slope", error=mismatch, numbers=numbers)


def _unless_nearby(found: Verdict, claim: Claim, k: int, direction: Array, rng: Rng) -> Verdict:
    is_wrong = found.status == "wrong"
    nearby = reason_nearby(claim, k, direction, found.numbers["analytic"], rng) if is_wrong else None
    return replace(found, error=nearby or found.error)


def reason_nearby(claim: Claim, k: int, direction: Array, analytic: float, rng: Rng) -> NotDifferentiableHere | None:
    """Return the error for a claim that is wrong at this point, if it is a derivative of f at points nearby."""
    reason = "Several elements make a kink here: at points nearby, f has other slopes, and the claim is among them."
    is_nearby = is_slope_nearby(claim, k, direction, analytic, rng)
    return not_differentiable(claim, k, reason) if is_nearby else None


def not_differentiable(claim: Claim, k: int, reason: str) -> NotDifferentiableHere:
    """Return the error for a gradient that a kink, a jump or a value makes impossible to check."""
    return NotDifferentiableHere(
        f"{claim.name}: inconclusive: the gradient of {claim.names[k]} cannot be checked at this point. {reason}"
    )


# --- Ties ---


def judge_ties(title: str, claims: Sequence[Claim], kinked: Kinked, along: Along) -> Iterator[Verdict]:
    """Yield the verdicts that are not right about elements of any inputs that make a kink in one element of the result.

    `title` is the kind of the derivative, for messages.
    """
    for tie in _ties(kinked):
        names = list(dict.fromkeys(claims[0].names[k] for k, _ in tie))
        judge = partial(_judge_tie, f"{title} {' and '.join(names)}", claims, tie, along)
        verdict = judge(_STEPS[0])
        if verdict.status == "wrong" and any(_is_rough(claims[0], *member) for member in tie):
            verdict = judge(_STEPS[1])
        if verdict.status != "right":
            yield replace(verdict, subject=names[0])


def _ties(kinked: Kinked) -> Iterator[Tie]:
    """Yield small groups of elements that share a kink; of a large group, those at the same place of their inputs."""
    members, ties = list(kinked), set[Tie]()
    makers = np.stack([*kinked.values()], axis=1) if kinked else np.zeros((0, 0), bool)
    for row in np.unique(makers[makers.sum(axis=1) > 1], axis=0):
        tie = [members[i] for i in np.flatnonzero(row)]
        if len(tie) > _TIED:
            places = {element: [member for member in tie if member[1] == element] for _, element in tie}
            ties.update(tuple(sorted(group)) for group in places.values() if 1 < len(group) <= _TIED)
        else:
            ties.add(tuple(sorted(tie)))
    return islice(sorted(ties), _MOST_TIES)


def _is_rough(claim: Claim, k: int, element: int) -> bool:
    return has_float32_parts(claim.of_input(k), claim.arrays[k], _unit(claim.arrays[k], element))


def _judge_tie(name: str, claims: Sequence[Claim], tie: Tie, along: Along, step: float) -> Verdict:
    """Return the verdict about the sums, with any signs, of the claims for tied elements: between the slopes around.

    A few points show all slopes of two elements. Of more, they show the sum, and the sums with signs that are constant.
    """
    claim, slopes, error = claims[0], *_slopes_around(claims[0], tie, step)
    if not np.isfinite(slopes).all():
        return Verdict("slope")
    parts = [[along(c, k, _unit(c.arrays[k], element)) for k, element in tie] for c in claims]
    sizes = np.abs(slopes).max(axis=0).sum(axis=0)  # the size of the terms, whose rounding the sum has
    verdicts = []
    for signs in product((1, -1), repeat=len(tie) - 1):
        weights = np.array([1, *signs])
        sums = np.tensordot(slopes, weights, (1, 0))
        sides = _Slopes(sums.min(axis=0), sums.max(axis=0), error, error)
        if len(tie) == 2 or min(signs) > 0 or np.all(sides.right - sides.left <= error):
            pairs = zip(weights, tie, strict=True)
            terms = " ".join(f"{'-' if w < 0 else '+'} {claim.names[k]}.flat[{element}]" for w, (k, element) in pairs)
            place = f"along {terms[2:]}"
            verdicts += [
                _judge_between(name, c, tie[0][0], float(weights @ part), place, sides, _rounding(c, tie, sizes))
                for c, part in zip(claims, parts, strict=True)
            ]
    return worst(verdicts)


def _rounding(claim: Claim, tie: Tie, sizes: Array) -> float:
    """Return the rounding of the sum of the claims for tied elements, given the sizes of the slopes along them."""
    unit = max(unit_of(claim.gradients[k].dtype) for k, _ in tie)
    return float(unit * np.sum(np.abs(claim.cotangent.reshape(-1)) * sizes))


def _slopes_around(claim: Claim, tie: Tie, relative_step: float) -> tuple[Array, Array]:
    """Return slopes at points around a tie, an array (points, tied elements, elements of the result), and their error.

    The moves of the elements differ, because a slope must not cross another kink.
    """
    step = relative_step * max(*(abs(float(claim.arrays[k].flat[element])) for k, element in tie), 1.0)

    def moved(moves: Array) -> Any:
        arrays = [x.copy() for x in claim.arrays]
        for (k, element), move in zip(tie, moves, strict=True):
            arrays[k].flat[element] += move
        return claim.f(*arrays)

    def slope(point: Array, direction: Array) -> Array:
        ahead, behind = (value_or_nan(moved, point + s * step * direction, claim.value) for s in (1, -1))
        return (ahead - behind).reshape(-1) / (2 * step)

    sizes = np.linspace(0.7, 1.3, len(tie))
    orders = [sizes, sizes[::-1], *[np.ones(2)] * (len(tie) == 2)]
    points = [_NEARBY * step * order * signs for signs in product((-1.0, 1.0), repeat=len(tie)) for order in orders]
    slopes = np.array([[slope(point, direction) for direction in np.eye(len(tie))] for point in points])
    unit = _FLOAT64 if relative_step == _STEPS[0] else _FLOAT32
    rounding = (16 * unit + claim.accuracy) * largest(claim.value) / step
    return slopes, max(_TIE_ERROR, _NEARBY * relative_step) * np.abs(slopes).max(axis=(0, 1)) + rounding
