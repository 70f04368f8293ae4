"""The message of a `GradientMismatch`: the wrong elements, the largest difference, and the likely mistake."""

import contextlib

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import Claim
from tinygrad_edu.testing.numeric.extrapolation import SAFETY, Estimate
from tinygrad_edu.testing.report.guesses import Clues, guess_of, guess_of_part, tell_apart
from tinygrad_edu.testing.report.reproduction import is_shrinking
from tinygrad_edu.testing.report.wrong_elements import WrongElements


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
    tangent = np.asarray(claim.gradients[k], np.float64)
    difference = np.abs(tangent - slope.value) - SAFETY * slope.error
    worst = np.unravel_index(np.argmax(np.where(np.isfinite(difference), difference, np.inf)), difference.shape)
    a, n, error = float(tangent[worst]), float(slope.value[worst]), float(slope.error[worst])
    return GradientMismatch(
        f"{claim.name}: the forward derivative along {claim.names[k]} is wrong.\n"
        f"  Max absolute difference at element {tuple(map(int, worst))} of the result: "
        f"{_compared('claimed', a, n, error)}"
    )


def wrong_gradient(
    claim: Claim, k: int, direction: Array, comparison: str, rng: np.random.Generator
) -> GradientMismatch:
    """Return the error for a gradient of input `k` that is wrong along a direction.

    It has the wrong elements and the likely mistake. An exception in the search for them leaves fewer details.
    """
    title, guess = f"{claim.name}: the gradient of {claim.names[k]} is wrong", ""
    if is_shrinking(GradientMismatch):
        return GradientMismatch(f"{title}: {comparison}.")
    wrong = WrongElements(np.asarray(claim.gradients[k], np.float64))
    with contextlib.suppress(Exception):
        clues = Clues.at(claim, k, direction, rng)
        with contextlib.suppress(Exception):
            guess = guess_of(clues)
        with contextlib.suppress(Exception):
            wrong.search(clues, only_largest=clues.prober.is_quick and bool(guess))
        guess = guess or guess_of_part(clues, wrong.num_correct > 0)
    if not guess and wrong.num_correct:
        guess = f"{wrong.num_correct} of {wrong.gradient.size} elements are correct, so a term or a case is missing"
    if not wrong.found:
        return GradientMismatch(f"{title}: {guess or comparison}.")
    index, probe = wrong.largest()
    error = GradientMismatch(
        f"{title}{guess and f': {guess}'}.\n"
        f"  Mismatched elements: {'' if wrong.is_complete else 'at least '}{wrong.number} / {wrong.gradient.size}\n"
        f"  Max absolute difference at {claim.names[k]}[{', '.join(map(str, index))}]: "
        f"{_compared('analytic', float(wrong.gradient[index]), probe.value, probe.error)}"
    )
    error.element = wrong.gradient.shape, index
    return error


def _compared(word: str, a: float, n: float, error: float) -> str:
    """Return a claimed and a numeric derivative with the digits in which they differ, and their ratio."""
    claimed, numeric = tell_apart(a, n, 10)
    ratio = f", ratio {tell_apart(a / n, 1.0, 6)[0]}" if n else ""
    return f"{word} {claimed}, numeric {numeric} (to within {error:.1g}){ratio}"
