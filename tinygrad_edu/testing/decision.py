"""Decision about a claimed gradient: right, wrong or inconclusive.

Two questions are separate: is the numeric derivative accurate enough, and does the claim agree with it? The claim does
not influence the first, so a large wrong gradient cannot make its own check inconclusive. Before a gradient is called
wrong, the rounding errors of the function and of the claim are measured at neighbouring points, because finite
differences at the point do not show all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.testing.arrays.dtypes import is_real, unit_of
from tinygrad_edu.testing.failures import GradientMismatch, Inconclusive, NotDifferentiableHere
from tinygrad_edu.testing.flat_function import Claim
from tinygrad_edu.testing.kinks import Derivative, Kinked, judge_at_kinks, judge_ties, not_differentiable, reason_nearby
from tinygrad_edu.testing.numeric.extrapolation import SAFETY, Estimate, as_rows
from tinygrad_edu.testing.numeric.finite_differences import (
    affine_slope,
    check_smaller_steps,
    derivative_along,
    largest,
    slope_between_jumps,
)
from tinygrad_edu.testing.numeric.rounding import (
    FLOAT32_PARTS,
    ROUGH,
    add_jitter,
    has_float32_parts,
    jitter_of_linear,
    narrow_dtype,
    rounding_of_claim,
)
from tinygrad_edu.testing.numeric.sampling import LARGE, TINY, Rng, draw_directions, even_cotangents, other_cotangents
from tinygrad_edu.testing.report.mismatch import wrong_gradient, wrong_shape, wrong_tangent
from tinygrad_edu.testing.verdict import Verdict, worst

Pullback = Callable[[Array], tuple[Array, ...]]
Tangent = Callable[[Array], Array]

_UNCERTAIN = 1e-4  # a numeric derivative with a larger relative error confirms no gradient
_FLOAT64 = float(np.finfo(np.float64).eps)
_COARSE = 1e-4  # the rounding unit of float16 is larger


def compare(claim: Claim, rng: Rng, pullback: Pullback | None = None, law: str = "slope") -> Iterator[Verdict]:
    """Yield a verdict about the gradient of each input: compare it with finite differences along random directions.

    The cotangent of `claim` is random. If the decision about `claim` is inconclusive, so is the verdict. `pullback`
    maps a cotangent to the claimed gradients; if it is given, `other_cotangents` are tested with the same slopes.
    """
    claims = [claim]
    if pullback is not None:
        claims += [_claim(claim, kind, g, pullback) for kind, g in other_cotangents(claim.cotangent, rng)]
    for c in claims:
        _require_gradients(c)
    kinked: Kinked = {}
    for k, x in enumerate(claim.arrays):
        found = _worst_along(x, draw_directions(rng, x), partial(_verdict_along, claims, k, rng, pullback, kinked))
        yield replace(found, law=law, subject=claim.names[k])
    for found in judge_ties("the gradient of", claims, kinked, lambda c, k, direction: _along(k, c, direction)):
        yield replace(found, law=law)


def _worst_along(x: Array, directions: Sequence[Array], decide: Callable[[Array], Verdict]) -> Verdict:
    """Return the first wrong verdict along directions of several orders of magnitude of x, or else the worst."""
    verdicts = []
    for direction in directions:
        verdict, size = decide(direction), largest(x[direction != 0])
        if verdict.status == "inconclusive" and 0 < size < TINY:  # the slope by tiny numbers may be lost in rounding
            verdict = decide(np.sum([d for d in directions if largest(x[d != 0]) < LARGE], axis=0))
        if verdict.status == "wrong":
            return verdict
        verdicts.append(verdict)
    return worst(verdicts)


def _verdict_along(
    claims: Sequence[Claim], k: int, rng: Rng, pullback: Pullback | None, kinked: Kinked, direction: Array
) -> Verdict:
    """Return the verdict along a direction. If a part of f computes in float32, its results are only so accurate."""
    found = _with_kinks(_derivative(claims, k, rng, pullback, kinked), direction, rng)
    if found.status != "right" and has_float32_parts(claims[0].of_input(k), claims[0].arrays[k], direction):
        claims = [replace(claim, accuracy=max(claim.accuracy, FLOAT32_PARTS)) for claim in claims]
        found = _with_kinks(_derivative(claims, k, rng, pullback, kinked), direction, rng)
    return found


def _derivative(claims: Sequence[Claim], k: int, rng: Rng, pullback: Pullback | None, kinked: Kinked) -> Derivative:
    return Derivative(
        f"the gradient of {claims[0].names[k]}", claims, k, partial(_decide_along, claims, k, rng, pullback),
        partial(_along, k), partial(_measured_rounding, k, pullback), kinked,
    )  # fmt: skip


def _with_kinks(derivative: Derivative, direction: Array, rng: Rng) -> Verdict:
    """Return the verdict along a direction; if a kink disturbs it, the verdict from one-sided slopes."""
    verdict, is_kinked = derivative.decide(direction)
    return judge_at_kinks(derivative, direction, rng) if is_kinked and verdict.status == "inconclusive" else verdict


def _along(k: int, claim: Claim, direction: Array) -> float:
    moved = direction != 0  # elsewhere, the claim may be infinite
    return float(np.sum(claim.gradients[k][moved] * direction[moved]))


def _measured_rounding(k: int, pullback: Pullback | None, claim: Claim, direction: Array) -> float:
    if pullback is None:
        return 0.0
    return float(jitter_of_linear(lambda c: np.sum(np.asarray(pullback(c * claim.cotangent)[k]) * direction)))


def _decide_along(
    claims: Sequence[Claim], k: int, rng: Rng, pullback: Pullback | None, direction: Array
) -> tuple[Verdict, bool]:
    """Return the verdict about the gradients of input `k` in several claims, and whether kinks disturb it."""
    claim = claims[0]
    f, x = claim.of_input(k), claim.arrays[k]
    if k >= len(claim.arrays) - claim.affine:
        slope = affine_slope(f, x, direction, claim.value)
        judged = _judge(_testable_claims(claims, k, slope, rng, pullback)[0], k, slope, direction)
        if all(sums.status == "right" for sums in judged):
            return Verdict("slope", numbers=judged[0].numbers()), False
    try:  # finite differences distinguish rounding from a wrong gradient
        slope = derivative_along(f, x, direction, claim.value, claim.scale, claim.accuracy)
    except NotDifferentiableHere as reason:
        return Verdict("slope", error=reason), False
    tested, has_even = _testable_claims(claims, k, slope, rng, pullback)
    judged = _judge(tested, k, slope, direction)
    if any(sums.status == "wrong" for sums in judged):
        slope = check_smaller_steps(f, x, direction, claim.value, slope, claim.accuracy)
        slope = add_jitter(claim.f, claim.arrays, k, direction, slope, rng)
        for j, c in enumerate(tested):
            judged[j] = _judge_again(c, k, direction, slope, pullback)
            if judged[j].status == "wrong":
                if _agrees_between_jumps(tested, k, direction, slope):
                    return Verdict("slope", error=_stairs_or_rounding(claim, k), numbers=judged[j].numbers()), False
                nearby = reason_nearby(c, k, direction, judged[j].analytic, rng)
                wrong = nearby or _mismatch(c, k, direction, judged[j], slope.unit, rng, pullback)
                return Verdict("slope", error=wrong, numbers=judged[j].numbers()), False
    # Among larger slopes, a slope of 0 is accepted within its error; the even cotangent decides about the others.
    is_right = judged[0].status == "right" or (has_even and judged[-1].status == "right")
    error = None if is_right else _reason(claim, k, slope)
    return Verdict("slope", error=error, numbers=judged[0].numbers()), _has_kinks(slope, claim, k)


def _agrees_between_jumps(claims: Sequence[Claim], k: int, direction: Array, slope: Estimate) -> bool:
    """Whether the claims agree with the slope at fine steps, where jumps may be stairs as well as rounding."""
    claim = claims[0]
    fine = slope_between_jumps(claim.of_input(k), claim.arrays[k], direction, claim.value, slope, claim.accuracy)
    return fine is not None and all(sums.status != "wrong" for sums in _judge(claims, k, fine, direction))


def _stairs_or_rounding(claim: Claim, k: int) -> Inconclusive:
    return Inconclusive(
        f"{claim.name}: inconclusive: the gradient of {claim.names[k]} cannot be checked at this point. The function "
        f"jumps near it: it has stairs, or it computes in a narrow dtype. For a narrow dtype, set accuracy to the "
        f"relative height of the jumps."
    )


def _has_kinks(slope: Estimate, claim: Claim, k: int) -> bool:
    """Whether kinks disturb a slope by more than the rounding of numbers as large as the input or the terms of f."""
    if k >= len(claim.arrays) - claim.affine:
        return False
    inside = np.fmax(slope.size, max(largest(claim.arrays[k]), claim.scale))
    return bool(np.any(slope.is_kinked & ~(slope.error <= np.sqrt(slope.unit) * inside)))


def _testable_claims(
    claims: Sequence[Claim], k: int, slope: Estimate, rng: Rng, pullback: Pullback | None
) -> tuple[list[Claim], bool]:
    """Return the claims that a slope can test, and whether the cotangent of the last one is from `even_cotangents`."""
    claim, special = claims[0], [] if pullback is None else even_cotangents(slope, rng)
    has_even = bool(special)
    if pullback is not None and slope.is_kinked.any():
        smooth = np.where(slope.is_kinked, 0, claim.cotangent)
        special += [("zero at kinks", smooth)] * bool(smooth.any())
    unit = max(slope.unit, unit_of(claim.gradients[k].dtype))
    in_range = [c for c in claims[1:] if _in_range(c.cotangent, unit)]
    return [claim, *in_range, *(_claim(claim, kind, g, pullback) for kind, g in special if pullback)], has_even


def _judge_again(claim: Claim, k: int, direction: Array, slope: Estimate, pullback: Pullback | None) -> _Sums:
    """Decide again with the measured rounding of the claim, unless it comes from a narrower dtype than that of f."""
    (sums,) = _judge([claim], k, slope, direction)
    if sums.status != "right" and pullback is not None and not _narrow_dtype(claim, k, slope.unit, pullback):
        rounding = _measured_rounding(k, pullback, claim, direction)
        (sums,) = _judge([replace(claim, rounding=rounding)], k, slope, direction)
    return sums


def _narrow_dtype(claim: Claim, k: int, unit: float, pullback: Pullback | None) -> str:
    """Return the narrow dtype in which a float64 gradient is computed, or "" if there is none or f is as coarse."""
    if pullback is None or claim.gradients[k].dtype != np.float64 or unit > _FLOAT64:
        return ""
    return narrow_dtype(lambda c: pullback(c * claim.cotangent)[k])


def _mismatch(
    claim: Claim, k: int, direction: Array, sums: _Sums, unit: float, rng: Rng, pullback: Pullback | None
) -> GradientMismatch:
    comparison = f"along a random direction: analytic {sums.analytic:.10g}, numeric {sums.numeric:.10g}"
    error = wrong_gradient(claim, k, direction, comparison, rng)
    if dtype := _narrow_dtype(claim, k, unit, pullback):
        headline, newline, details = str(error).partition("\n")
        text = f"{headline}\n  It is computed in {dtype}, and the function in float64.{newline}{details}"
        error.args = (text,)
    return error


def _claim(claim: Claim, kind: str, g: Array, pullback: Pullback) -> Claim:
    """Return the claim with another cotangent and its gradients."""
    gradients = tuple(map(np.asarray, pullback(g)))
    return replace(claim, name=f"{claim.name}, with a cotangent that is {kind}", cotangent=g, gradients=gradients)


def _require_gradients(claim: Claim) -> None:
    """Require one real gradient for each input, of the input's shape."""
    if len(claim.gradients) != len(claim.arrays):
        raise GradientMismatch(
            f"{claim.name}: expected {len(claim.arrays)} gradients, one for each input, got {len(claim.gradients)}."
        )
    for k, (x, g) in enumerate(zip(claim.arrays, claim.gradients, strict=True)):
        if g.shape != x.shape:
            raise wrong_shape(claim, k)
        if not is_real(g.dtype):
            raise DTypeError(f"{claim.name}: the gradient of {claim.names[k]} must have a real dtype, got {g.dtype}.")


def compare_tangents(claim: Claim, k: int, directions: Sequence[Array], along: Tangent, rng: Rng) -> Verdict:
    """Return the verdict about a forward derivative along directions of input `k`.

    `along` maps a direction to the claimed derivative along it.
    """
    claim = replace(claim, gradients=tuple(np.zeros(x.shape) for x in claim.arrays))
    title = "the forward derivative along"
    derivative = Derivative(
        f"{title} {claim.names[k]}", [claim], k, partial(_decide_tangent, claim, k, along, rng),
        lambda claim, direction: float(np.sum(claim.cotangent * along(direction))),
        partial(_rounding_of_tangent, along), {},
    )  # fmt: skip
    found = _worst_along(claim.arrays[k], directions, lambda direction: _with_kinks(derivative, direction, rng))
    ties = judge_ties(title, [claim], derivative.kinked, lambda claim, _, direction: derivative.along(claim, direction))
    found = worst([found, *ties])
    return replace(found, law="forward slope", subject=claim.names[k])


def _rounding_of_tangent(along: Tangent, claim: Claim, direction: Array) -> float:
    return float(jitter_of_linear(lambda c: np.sum(claim.cotangent * along(c * direction))))


def _decide_tangent(claim: Claim, k: int, along: Tangent, rng: Rng, direction: Array) -> tuple[Verdict, bool]:
    """Return the verdict about a claimed forward derivative, and whether kinks disturb it."""
    claim = replace(claim, gradients=(along(direction),) * len(claim.arrays))  # `_judge` weights it with the cotangent
    try:
        slope = derivative_along(
            claim.of_input(k), claim.arrays[k], direction, claim.value, claim.scale, claim.accuracy
        )
    except NotDifferentiableHere as reason:
        return Verdict("forward slope", error=reason), False
    (sums,) = _judge([claim], k, slope, claim.cotangent)
    if sums.status == "wrong":
        slope = add_jitter(claim.f, claim.arrays, k, direction, slope, rng)
        claim = replace(claim, rounding=_rounding_of_tangent(along, claim, direction))
        (sums,) = _judge([claim], k, slope, claim.cotangent)
    if sums.status == "wrong":
        wrong = reason_nearby(claim, k, direction, sums.analytic, rng) or wrong_tangent(claim, k, slope)
        return Verdict("forward slope", error=wrong, numbers=sums.numbers()), False
    error = None if sums.status == "right" else _reason(claim, k, slope)
    return Verdict("forward slope", error=error, numbers=sums.numbers()), _has_kinks(slope, claim, k)


def _in_range(g: Array, unit: float) -> bool:
    """Whether the magnitude of a cotangent suits the precision: float16 has a range of 6e-5 to 65,504."""
    return unit < _COARSE or not g.any() or 0.1 < largest(g) < 10


class _Sums(NamedTuple):
    """The decision about a claim, and the sums over the elements of a result that it compares.

    Sums are weighted by the cotangent.
    """

    analytic: float
    claimed: float  # the sum of the absolute terms of `analytic`
    numeric: float
    size: float  # the sum of the absolute terms of `numeric`
    error: float
    moving: float  # the error of elements whose slope is not 0
    inside: float  # the magnitude of the numbers that were rounded
    around: float  # the magnitude of the slopes at larger steps
    allowed: float = 0.0
    status: str = ""

    def numbers(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("analytic", "numeric", "error", "allowed")}


@np.errstate(all="ignore")  # a claimed derivative may be infinite
def _judge(claims: Sequence[Claim], k: int, slope: Estimate, weights: Array) -> list[_Sums]:
    """Return the decision about each claim.

    The claimed derivative is a gradient of input `k`, with the direction as `weights`, or a tangent, with the cotangent
    as `weights`.
    """
    terms = _weighted(as_rows([claim.gradients[k] for claim in claims]), weights.reshape(-1))
    claim, cotangents = claims[0], as_rows([claim.cotangent for claim in claims])
    sizes, value, error = np.abs(cotangents), slope.value.reshape(-1), slope.error.reshape(-1)
    inside = np.maximum(slope.size, largest(claim.arrays[k])).reshape(-1)
    # The error of an element with a slope of 0 cannot be reduced, and does not count for the other elements.
    is_flat = (value == 0) & (error <= np.sqrt(slope.unit) * slope.size.reshape(-1)) & (claim.scale > 0)
    magnitudes = np.abs(value), error, np.where(is_flat, 0, error), inside, slope.around.reshape(-1)
    if not np.isfinite(error).all():  # a cotangent of 0 hides this, but not from a claim of 0 times infinity
        sizes = np.where((sizes == 0) & ~np.isfinite(terms).all(axis=1, keepdims=True), np.nan, sizes)
    weighted = (terms, np.abs(terms), cotangents * value, *(_weighted(sizes, x) for x in magnitudes))
    sums = zip(*(x.sum(axis=1).tolist() for x in weighted), strict=True)
    unit = max(slope.unit, min(claim.accuracy, FLOAT32_PARTS))
    return [_decide(claim, k, unit, _Sums(*s)) for claim, s in zip(claims, sums, strict=True)]


def _weighted(x: Array, weights: Array) -> Array:
    """Return the products, where 0 times infinity is 0."""
    products = x * weights
    return products if np.isfinite(products).all() else np.where((x == 0) | (weights == 0), 0, products)


def _decide(claim: Claim, k: int, unit: float, sums: _Sums) -> _Sums:
    """Decide by the gap between the numeric and the analytic derivative, given the function's rounding unit."""
    gap, error, size, claimed = abs(sums.numeric - sums.analytic), sums.error, sums.size, sums.claimed
    resolution = max(math.sqrt(unit) * sums.inside, _UNCERTAIN * sums.around)
    # The slope of an inexact result is no more exact than the result.
    allowed = SAFETY * error + rounding_of_claim(claim.gradients[k], claimed) + claim.accuracy * size
    if not math.isfinite(size):
        status = "inconclusive"
    elif not (math.isfinite(gap) and gap <= allowed + SAFETY * claim.rounding):
        has_no_slope = error <= resolution and size <= SAFETY * error
        status = "wrong" if error <= ROUGH * size or has_no_slope else "inconclusive"
    elif sums.moving + claim.rounding <= max(_UNCERTAIN, max(unit, claim.accuracy) ** 0.4) * size:
        status = "right"
    else:
        # A slope that is small compared with the rounding of the values needs less accuracy.
        is_small = size <= math.sqrt(unit) * sums.inside and error <= ROUGH * size
        # Steps larger than x may show none of the slope: then the error times x exceeds the results.
        value, x = largest(claim.value), largest(claim.arrays[k])
        is_zero = value <= SAFETY * _FLOAT64 * x  # or the rounding of terms that cancel
        is_near = is_zero or (x >= 1 and unit <= _FLOAT64) or error * x <= value
        is_confirmed = gap <= allowed and error <= resolution and is_near
        status = "right" if is_confirmed and (claimed <= 0.1 * error or is_small) else "inconclusive"
    return sums._replace(allowed=allowed + SAFETY * claim.rounding, status=status)


def _reason(claim: Claim, k: int, slope: Estimate) -> Inconclusive:
    """Return the error with the reason why the decision about the gradient of input `k` is inconclusive."""
    if slope.kinks.any():
        index = tuple(map(int, np.argwhere(slope.kinks)[0]))
        reason = f"Element {index} of the result has a kink within a distance of {slope.near[index]:.1g}."
        return not_differentiable(claim, k, reason)
    element = int(np.argmax(np.abs(claim.cotangent) * slope.error))
    value, error = float(slope.value.flat[element]), float(slope.error.flat[element])
    number = f"numeric {value:.3g} (to within {error:.1g})"
    if slope.noise.flat[element] < 0.2 * error:
        return not_differentiable(claim, k, f"The finite differences do not converge at any step: {number}.")
    title = f"{claim.name}: inconclusive: the gradient of {claim.names[k]} cannot be checked at this point."
    return Inconclusive(f"{title} The rounding error of the function is too large: {number}.")
