"""Law of the slope: gradients agree with finite differences."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of
from tinygrad_edu.testing.decision import compare
from tinygrad_edu.testing.differentiable import Differentiable, copies, require_same
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import Claim, ravel_arrays, unravel_arrays
from tinygrad_edu.testing.laws.probe import agree, draw_probe
from tinygrad_edu.testing.numeric.rounding import EXACT
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed, seeded
from tinygrad_edu.testing.verdict import Verdict


def slope_verdicts(d: Differentiable, rng: Rng, law: str, cotangents: int) -> Iterator[Verdict]:
    """Compare the gradient of each input with finite differences, also at another point.

    The last inputs, of this number, are cotangents of a gradient: the function is linear in them, and a gradient is a
    sum of terms as large as they are.
    """
    claim = yield from _verdicts_here(d, rng, law, cotangents)
    if not cotangents:
        yield from verdicts_elsewhere(d, claim, law)


def _verdicts_here(d: Differentiable, rng: Rng, law: str, cotangents: int = 0) -> Generator[Verdict, None, Claim]:
    """Yield the verdicts at the point, and return the claim there."""
    every = range(len(d.arrays))

    def value(*arrays: Array) -> Array:
        return ravel_arrays(d.value(arrays))

    out = value(*copies(d.arrays))
    results, pullback = d.record(copies(d.arrays), every)
    if not np.array_equal(ravel_arrays(results), out, equal_nan=True):
        require_same(d.name, out, value(*copies(d.arrays)))
        is_same = agree(ravel_arrays(results), out)
        if not is_same and not all(map(draw_probe(d, rng).has_result, range(len(results)), d.value(copies(d.arrays)))):
            raise GradientMismatch(f"{d.name}: the result is another one when a gradient is computed.")

    def pull_again(joined: Array) -> tuple[Array, ...]:
        return tuple(d.record(copies(d.arrays), every)[1](copies(unravel_arrays(joined, results))))

    def pull(joined: Array) -> tuple[Array, ...]:
        return tuple(pullback(copies(unravel_arrays(joined, results)))) if d.keeps_graphs else pull_again(joined)

    cotangent = draw_signed(rng, out.shape)
    again, gradients = pull_again(cotangent), pull(cotangent)
    require_same(f"the gradient of {d.name}", *(ravel_arrays([np.zeros(0), *part]) for part in (again, gradients)))
    claim = Claim(
        d.name, value, d.arrays, d.names, out, cotangent, gradients, float(cotangents > 0), accuracy=d.accuracy
    )
    yield from compare(claim, rng, pull, law)
    return claim


# --- Another point ---

_MOVES = -1 / 16, 1 / 16, -1 / 256, 1 / 256  # relative to each number; the first that the function accepts is used
_STEP, _ROUGHLY = 2.0**-10, 1e-4  # the step of a rough slope, and its relative error


def verdicts_elsewhere(d: Differentiable, claim: Claim, law: str) -> Iterator[Verdict]:
    """Yield wrong verdicts at another point, where a gradient that keeps values of the first point is wrong.

    A comparison is necessary if they disagree with one central difference. `claim` is that at the first point.
    """
    rng = seeded(None)
    moved = next((point for move in _MOVES if (point := _accepted(d, move)) is not None), None)
    if moved is None or _agrees_roughly(moved, claim, rng):
        return
    for verdict in _verdicts_here(replace(moved, name=f"{d.name}, at another point"), rng, law):
        if isinstance(verdict.error, GradientMismatch):
            headline, newline, details = str(verdict.error).partition("\n")
            hint = "At the first point it is not. Compute it from the arguments of its own call only."
            verdict.error.args = (f"{headline}\n  {hint}{newline}{details}",)
            yield verdict


def _accepted(d: Differentiable, move: float) -> Differentiable | None:
    """Return the function at a point at a relative distance, or None if it is not finite there."""
    arrays = tuple(x if k in d.shared else _plus(x, move * _parts(x)) for k, x in enumerate(d.arrays))
    with contextlib.suppress(Exception), np.errstate(all="ignore"):
        if all(np.isfinite(out).all() for out in d.value(copies(arrays))):
            return replace(d, arrays=arrays)
    return None


def _parts(x: Array) -> Array:
    """Return a part of each number, so that the order, ties, signs and symmetries of numbers stay if they are added."""
    with np.errstate(all="ignore"):
        return np.asarray(x * (0.5 + np.arctan(np.log(np.abs(x))) / np.pi))


def _plus(x: Array, u: Array) -> Array:
    """Return x + u in the dtype and memory layout of x."""
    return copy_with_layout_of(np.asarray(x + u, x.dtype), x)


def _agrees_roughly(d: Differentiable, claim: Claim, rng: Rng) -> bool:
    """Whether gradients agree with a central difference along all inputs; exactly, if they are those of a claim."""
    directions = [
        np.zeros_like(x) if k in d.shared else np.asarray(_STEP * draw_signed(rng, x.shape) * x, x.dtype)
        for k, x in enumerate(d.arrays)
    ]
    with contextlib.suppress(Exception), np.errstate(all="ignore"):
        results, pullback = d.record(copies(d.arrays), range(len(d.arrays)))
        cotangents = unravel_arrays(claim.cotangent, results)
        gradients = pullback(copies(cotangents))
        is_constant = all(map(np.array_equal, gradients, claim.gradients))
        claimed = np.concatenate([np.ravel(g * u) for g, u in zip(gradients, directions, strict=True)])
        ahead, behind = (
            d.value([_plus(x, sign * u) for x, u in zip(d.arrays, directions, strict=True)]) for sign in (1, -1)
        )
        pairs = zip(cotangents, ahead, behind, strict=True)
        numeric = np.concatenate([np.ravel(g * (a.astype(np.float64) - b) / 2) for g, a, b in pairs])
        allowed = (EXACT if is_constant else _ROUGHLY) * (np.abs(claimed).sum() + np.abs(numeric).sum())
        return bool(abs(claimed.sum() - numeric.sum()) <= allowed)
    return False
