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
from typing import NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.testing.arrays.dtypes import is_real, unit_of
from tinygrad_edu.testing.claim import Claim
from tinygrad_edu.testing.failures import CheckFailed, GradientMismatch, Inconclusive, NotDifferentiableHere
from tinygrad_edu.testing.numeric.extrapolation import SAFETY, Estimate, as_rows
from tinygrad_edu.testing.numeric.finite_differences import affine_slope, check_smaller_steps, derivative_along, largest
from tinygrad_edu.testing.numeric.rounding import EXACT, ROUGH, add_jitter, jitter_of_linear
from tinygrad_edu.testing.numeric.sampling import Rng, draw_directions, even_cotangents, other_cotangents
from tinygrad_edu.testing.report.mismatch import wrong_gradient, wrong_shape, wrong_tangent
from tinygrad_edu.testing.verdict import Verdict

Pullback = Callable[[Array], tuple[Array, ...]]

_UNCERTAIN = 1e-4  # a numeric derivative with a larger relative error confirms no gradient
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
    for k, x in enumerate(claim.arrays):
        errors = [_error_along(direction, claims, k, rng, pullback) for direction in draw_directions(rng, x)]
        yield Verdict(law, claim.names[k], _worst(errors))


def _error_along(
    direction: Array, claims: Sequence[Claim], k: int, rng: Rng, pullback: Pullback | None
) -> CheckFailed | None:
    try:
        _compare_along(direction, claims, k, rng, pullback)
    except CheckFailed as error:
        return error
    return None


def _compare_along(direction: Array, claims: Sequence[Claim], k: int, rng: Rng, pullback: Pullback | None) -> None:
    """Compare the gradients of input `k` in several claims with the numeric derivative along a direction."""
    claim = claims[0]
    f, x = claim.of_input(k), claim.arrays[k]
    if k >= len(claim.arrays) - claim.affine:
        slope = affine_slope(f, x, direction)
        tested, _ = _testable_claims(claims, k, slope, rng, pullback)
        if all(verdict == "right" for verdict, _ in _judge(tested, k, slope, direction)):
            return  # otherwise finite differences distinguish rounding from a wrong gradient
    slope = derivative_along(f, x, direction, claim.value, claim.scale)
    tested, has_even = _testable_claims(claims, k, slope, rng, pullback)
    verdicts = [verdict for verdict, _ in _judge(tested, k, slope, direction)]
    if "wrong" in verdicts:
        slope = add_jitter(claim.f, claim.arrays, k, direction, check_smaller_steps(f, x, direction, slope), rng)
        verdicts = [_judge_again(c, k, direction, slope, rng, pullback) for c in tested]
    # Among larger slopes, a slope of 0 is accepted within its error; the even cotangent decides about the others.
    if verdicts[0] == "inconclusive" and not (has_even and verdicts[-1] == "right"):
        raise _reason(claim, k, slope)


def _testable_claims(
    claims: Sequence[Claim], k: int, slope: Estimate, rng: Rng, pullback: Pullback | None
) -> tuple[list[Claim], bool]:
    """Return the claims that a slope can test, and whether the cotangent of the last one is from `even_cotangents`."""
    claim, even = claims[0], [] if pullback is None else even_cotangents(slope, rng)
    unit = max(slope.unit, unit_of(claim.gradients[k].dtype))
    in_range = [c for c in claims[1:] if _in_range(c.cotangent, unit)]
    return [claim, *in_range, *(_claim(claim, kind, g, pullback) for kind, g in even if pullback)], bool(even)


def _judge_again(claim: Claim, k: int, direction: Array, slope: Estimate, rng: Rng, pullback: Pullback | None) -> str:
    """Decide again with the measured rounding of the claim; raise if the gradient is still wrong."""
    ((verdict, sums),) = _judge([claim], k, slope, direction)
    if verdict != "right" and pullback is not None:
        rounding = jitter_of_linear(lambda c: np.sum(np.asarray(pullback(c * claim.cotangent)[k]) * direction))
        ((verdict, sums),) = _judge([replace(claim, rounding=float(rounding))], k, slope, direction)
    if verdict == "wrong":
        comparison = f"along a random direction: analytic {sums.analytic:.10g}, numeric {sums.numeric:.10g}"
        raise wrong_gradient(claim, k, comparison, rng)
    return verdict


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


def compare_tangents(
    claim: Claim, k: int, tangents: Sequence[tuple[Array, Array]], along: Callable[[Array], Array], rng: Rng
) -> Verdict:
    """Return the verdict about forward derivatives along directions of input `k`: pairs of a direction and a tangent.

    `along` maps a direction to the claimed derivative along it.
    """
    errors = [_tangent_error(claim, k, direction, tangent, along, rng) for direction, tangent in tangents]
    return Verdict("forward slope", claim.names[k], _worst(errors))


def _tangent_error(
    claim: Claim, k: int, direction: Array, tangent: Array, along: Callable[[Array], Array], rng: Rng
) -> CheckFailed | None:
    """Compare a claimed forward derivative with finite differences."""
    claim = replace(claim, gradients=(tangent,) * len(claim.arrays))  # `_judge` weights it with the cotangent
    try:
        slope = derivative_along(claim.of_input(k), claim.arrays[k], direction, claim.value, claim.scale)
    except NotDifferentiableHere as error:
        return error
    ((verdict, _),) = _judge([claim], k, slope, claim.cotangent)
    if verdict == "wrong":
        slope = add_jitter(claim.f, claim.arrays, k, direction, slope, rng)
        rounding = jitter_of_linear(lambda c: np.sum(claim.cotangent * along(c * direction)))
        ((verdict, _),) = _judge([replace(claim, rounding=float(rounding))], k, slope, claim.cotangent)
    if verdict == "wrong":
        return wrong_tangent(claim, k, slope)
    return _reason(claim, k, slope) if verdict == "inconclusive" else None


def _worst(errors: Sequence[CheckFailed | None]) -> CheckFailed | None:
    """Return a mismatch, or else an inconclusive error, or None."""
    found = [error for error in errors if error is not None]
    return min(found, key=lambda error: isinstance(error, Inconclusive), default=None)


def _in_range(g: Array, unit: float) -> bool:
    """Whether the magnitude of a cotangent suits the precision: float16 has a range of 6e-5 to 65,504."""
    return unit < _COARSE or not g.any() or 0.1 < largest(g) < 10


class _Sums(NamedTuple):
    """Sums over the elements of a result, weighted by the cotangent."""

    analytic: float
    claimed: float  # the sum of the absolute terms of `analytic`
    numeric: float
    size: float  # the sum of the absolute terms of `numeric`
    error: float
    moving: float  # the error of elements whose slope is not 0
    inside: float  # the magnitude of the numbers that were rounded


@np.errstate(all="ignore")  # a claimed derivative may be infinite
def _judge(claims: Sequence[Claim], k: int, slope: Estimate, weights: Array) -> list[tuple[str, _Sums]]:
    """Return the decision about each claim, and the sums that it compares.

    The claimed derivative is a gradient of input `k`, with the direction as `weights`, or a tangent, with the cotangent
    as `weights`.
    """
    terms = as_rows([claim.gradients[k] for claim in claims]) * weights.reshape(-1)
    claim, cotangents = claims[0], as_rows([claim.cotangent for claim in claims])
    sizes, value, error = np.abs(cotangents), slope.value.reshape(-1), slope.error.reshape(-1)
    inside = np.maximum(slope.size, largest(claim.arrays[k])).reshape(-1)
    # The error of an element with a slope of 0 cannot be reduced, and does not count for the other elements.
    is_flat = (value == 0) & (error <= np.sqrt(slope.unit) * slope.size.reshape(-1)) & (claim.scale > 0)
    moving = np.where(is_flat, 0, error)
    weighted = (terms, np.abs(terms), cotangents * value, *(sizes * x for x in (np.abs(value), error, moving, inside)))
    sums = map(_Sums._make, zip(*(x.sum(axis=1).tolist() for x in weighted), strict=True))
    return [(_decide(claim, k, slope.unit, s), s) for claim, s in zip(claims, sums, strict=True)]


def _decide(claim: Claim, k: int, unit: float, sums: _Sums) -> str:
    """Decide by the gap between the numeric and the analytic derivative, given the function's rounding unit."""
    gap, error, size, claimed = abs(sums.numeric - sums.analytic), sums.error, sums.size, sums.claimed
    if not math.isfinite(size):
        return "inconclusive"
    resolution = math.sqrt(unit) * sums.inside
    allowed = SAFETY * error + _rounding(claim.gradients[k], claimed)
    if not (math.isfinite(gap) and gap <= allowed + SAFETY * claim.rounding):
        has_no_slope = error <= resolution and size <= SAFETY * error
        return "wrong" if error <= ROUGH * size or has_no_slope else "inconclusive"
    if sums.moving + claim.rounding <= max(_UNCERTAIN, unit**0.4) * size:
        return "right"
    # A slope that is small compared with the rounding of the values needs less accuracy.
    is_small = size <= resolution and error <= ROUGH * size
    is_confirmed = gap <= allowed and error <= resolution
    return "right" if is_confirmed and (claimed <= 0.1 * error or is_small) else "inconclusive"


def _rounding(g: Array, claimed: float) -> float:
    """Return the rounding error that a claimed derivative may have."""
    rounding = 64 * unit_of(g.dtype)
    if rounding <= EXACT:
        return EXACT * claimed
    return min(rounding * claimed, ROUGH * float(np.linalg.norm(g.astype(np.float64))))


def _reason(claim: Claim, k: int, slope: Estimate) -> Inconclusive:
    """Return the error with the reason why the decision about the gradient of input `k` is inconclusive."""
    title = f"{claim.name}: inconclusive: the gradient of {claim.names[k]} cannot be checked at this point"
    if slope.kinks.any():
        index = tuple(map(int, np.argwhere(slope.kinks)[0]))
        location = f"within a distance of {slope.near[index]:.1g}"
        return NotDifferentiableHere(f"{title}. Element {index} of the result has a kink {location}.")
    worst = int(np.argmax(np.abs(claim.cotangent) * slope.error))
    value, error = float(slope.value.flat[worst]), float(slope.error.flat[worst])
    if slope.noise.flat[worst] >= 0.2 * error:
        return Inconclusive(
            f"{title}. The rounding error of the function is too large: numeric {value:.3g} (to within {error:.1g})."
        )
    return NotDifferentiableHere(
        f"{title}. The finite differences do not converge at any step: numeric {value:.3g} (to within {error:.1g})."
    )
