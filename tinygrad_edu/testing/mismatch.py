"""GradientMismatch: where a gradient is wrong, by how much, and in what likely way."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.testing.differences import directional_derivative
from tinygrad_edu.testing.literals import code
from tinygrad_edu.testing.rungs import SAFETY, Estimate

MOST_ELEMENTS = 400  # an input larger than this is halved until few elements are left
_FEW = 16
_TINY = float(np.finfo(np.float64).tiny)
_ALIKE = 1e-6


class GradientMismatch(TinygradError, AssertionError):  # noqa: N818 - what was found, as pytest and users read it
    """A gradient differs from the numeric one by more than the numbers' own error."""


@dataclass(frozen=True)
class Claim:
    """The claim that `gradients` are those of ``sum(cotangent * f(*arrays))``, and how to repeat its check.

    Attributes
    ----------
    name : str
        Of the function, for the message.
    f : callable
        Of float64 arrays, to an array.
    arrays, gradients : tuple of ndarray
    names : tuple of str
        Of the inputs.
    cotangent : ndarray
        Of the shape of f(*arrays).
    repeat : tuple of str
        Lines of code.
    scale : float
        As in `directional_derivative`: 0 for a function as it was given.
    """

    name: str
    f: Callable[..., Any]
    arrays: tuple[Array, ...]
    names: tuple[str, ...]
    cotangent: Array
    gradients: tuple[Array, ...]
    repeat: tuple[str, ...]
    scale: float = 0.0

    def of_input(self, k: int) -> Callable[[Array], Any]:
        """Return f as a function of its input `k` alone."""
        return lambda x: self.f(*self.arrays[:k], x, *self.arrays[k + 1 :])


def wrong_shape(claim: Claim, k: int) -> GradientMismatch:
    """Return the error for a gradient whose shape is not its input's."""
    x, g = claim.arrays[k], claim.gradients[k]
    extra = g.ndim - x.ndim
    fits = extra >= 0 and all(n in (1, m) for n, m in zip(x.shape, g.shape[extra:], strict=True))
    axes = tuple(i for i in range(g.ndim) if i < extra or x.shape[i - extra] != g.shape[i])
    guess = f" It is not summed over the broadcast axes {axes}." if fits else ""
    if g.shape == x.shape[::-1]:
        guess = " It is transposed."
    return GradientMismatch(
        f"{claim.name}: the gradient of {claim.names[k]} has shape {g.shape}, and needs its input's, {x.shape}.{guess}"
        f"\n{_repeat(claim)}"
    )


def wrong_tangent(claim: Claim, k: int, slope: Estimate, tangent: Array) -> GradientMismatch:
    """Return the error for a claimed forward derivative along a random direction of input `k`."""
    gap = np.abs(np.asarray(tangent, np.float64) - slope.value) - SAFETY * slope.error
    worst = np.unravel_index(np.argmax(np.where(np.isfinite(gap), gap, np.inf)), gap.shape)
    a, n, error = float(tangent[worst]), float(slope.value[worst]), float(slope.error[worst])
    ratio = f", ratio {a / n:.6g}" if n else ""
    return GradientMismatch(
        f"{claim.name}: the forward derivative along {claim.names[k]} is wrong.\n"
        f"  worst in element {tuple(map(int, worst))} of the result: claimed {a:.10g}, numeric {n:.10g} "
        f"(to within {error:.1g}){ratio}\n{_repeat(claim)}"
    )


def element_by_element(claim: Claim, k: int, found: str, rng: np.random.Generator) -> GradientMismatch:
    """Return the error for a wrong gradient of input `k`, after comparing its elements one by one."""
    looked_at = _elements(claim, k, rng)
    numeric, error = _numeric_gradient(claim, k, looked_at)
    analytic = np.array([claim.gradients[k][i] for i in looked_at], np.float64)
    gap = np.abs(analytic - numeric)
    wrong = ~(gap <= SAFETY * error + 1e-9 * np.max(np.abs(numeric), initial=0))
    if not wrong.any():
        return GradientMismatch(f"{claim.name}: the gradient of {claim.names[k]} is wrong: {found}.\n{_repeat(claim)}")
    worst = int(np.argmax(np.where(np.isfinite(gap), gap, np.inf)))
    guess = "" if len(looked_at) < claim.arrays[k].size else _guess(claim, k, numeric.reshape(claim.arrays[k].shape))
    a, n = analytic[worst], numeric[worst]
    ratio = f", ratio {a / n:.6g}" if n else ""
    of = f"{wrong.sum()} of {len(looked_at)} elements" + (" looked at" if len(looked_at) < claim.arrays[k].size else "")
    return GradientMismatch(
        f"{claim.name}: the gradient of {claim.names[k]} is wrong{guess and f': {guess}'}.\n"
        f"  worst at {claim.names[k]}[{', '.join(map(str, looked_at[worst]))}]: "
        f"analytic {a:.10g}, numeric {n:.10g} (to within {error[worst]:.1g}){ratio}\n"
        f"  wrong in {of}\n{_repeat(claim)}"
    )


def _repeat(claim: Claim) -> str:
    return "To reproduce:\n" + "\n".join(f"    {line}" for line in claim.repeat)


def array_lines(names: tuple[str, ...], arrays: tuple[Array, ...]) -> tuple[str, ...]:
    """Return the lines that make `arrays` again."""
    return "import numpy as np", *(f"{name} = {code(x)}" for name, x in zip(names, arrays, strict=True))


def _elements(claim: Claim, k: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Return the elements of input `k` to look at: all, or of many a few, among which one is most wrong."""
    shape, places = claim.arrays[k].shape, np.arange(claim.arrays[k].size)
    if len(places) > MOST_ELEMENTS:
        while len(places) > _FEW:
            halves = places[: len(places) // 2], places[len(places) // 2 :]
            places = max(halves, key=lambda half: _gap_along(claim, k, half, rng))
    return [tuple(int(i) for i in np.unravel_index(j, shape)) for j in places]


def _gap_along(claim: Claim, k: int, places: Array, rng: np.random.Generator) -> float:
    """Return the gap between claimed and numeric derivative along some elements alone, over its error."""
    direction = np.zeros(claim.arrays[k].shape)
    direction.flat[places] = rng.choice([-1.0, 1.0], len(places)) * rng.uniform(0.5, 1.5, len(places))
    slope = directional_derivative(claim.of_input(k), claim.arrays[k], direction, claim.scale)
    with np.errstate(all="ignore"):
        gap = np.abs(np.sum(claim.gradients[k] * direction) - np.sum(claim.cotangent * slope.value))
    error = np.sum(np.abs(claim.cotangent) * slope.error) + _ALIKE * np.sum(np.abs(claim.cotangent * slope.value))
    return float(gap / (error + _TINY)) if np.isfinite(gap) else np.inf


def _numeric_gradient(claim: Claim, k: int, elements: list[tuple[int, ...]]) -> tuple[Array, Array]:
    values, errors = [], []
    for index in elements:
        one = np.zeros(claim.arrays[k].shape)
        one[index] = 1
        slope = directional_derivative(claim.of_input(k), claim.arrays[k], one, claim.scale)
        values.append(np.sum(claim.cotangent * slope.value))
        errors.append(np.sum(np.abs(claim.cotangent) * slope.error))
    return np.array(values), np.array(errors)


def _alike(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= _ALIKE * np.max(np.abs(b), initial=1e-300)))


def _factor(a: Array, b: Array) -> float | None:
    """Return the number c for which a = c b, if there is one."""
    c = float(np.sum(a * b) / np.sum(b * b)) if a.shape == b.shape and np.any(b) else 0.0
    return c if c and np.all(np.abs(a - c * b) <= _ALIKE * np.max(np.abs(a))) else None


def _guess(claim: Claim, k: int, numeric: Array) -> str:
    """Say in words what would turn the right gradient into the wrong one; nothing if no simple mistake does."""
    analytic = np.asarray(claim.gradients[k], np.float64)
    if not np.all(np.isfinite(analytic)):
        return f"it holds {analytic[~np.isfinite(analytic)][0]}"
    guesses = _whole(analytic, numeric), _of_inputs(claim, k, analytic), _partial(claim, k, analytic, numeric)
    return next(itertools.chain(*guesses), "")


_FACTORS = {-1.0: "its sign is flipped", 2.0: "it is twice what it should be", 0.5: "it is half of what it should be"}


def _whole(analytic: Array, numeric: Array) -> Iterator[str]:
    """Guesses about the gradient as a whole."""
    if not np.any(analytic):
        yield "it is zero"
    elif not np.any(np.abs(numeric) > 1e-9 * np.max(np.abs(analytic))):
        yield "it should be zero"
    elif (c := _factor(analytic, numeric)) is not None:
        named = [words for factor, words in _FACTORS.items() if abs(c - factor) < 1e-6]
        yield named[0] if named else f"it is {c:.8g} times what it should be"
    for axes in itertools.islice(itertools.permutations(range(numeric.ndim)), 1, 24):
        if _alike(analytic, numeric.transpose(axes)):
            yield f"it is transposed (axes {axes})"
    for axis in range(numeric.ndim):
        if _alike(analytic, np.flip(numeric, axis)):
            yield f"it is in reversed order along axis {axis}"


def _of_inputs(claim: Claim, k: int, analytic: Array) -> Iterator[str]:
    """Guesses about inputs that stand for one another, or lie the other way round."""

    def is_gradient(claim: Claim, of: int) -> bool:
        truth, _ = _numeric_gradient(claim, of, list(np.ndindex(analytic.shape)))
        return _alike(analytic, truth.reshape(analytic.shape))

    others = [(i, x, name) for i, (x, name) in enumerate(zip(claim.arrays, claim.names, strict=True)) if i != k]
    for i, x, name in others:
        if x.shape == analytic.shape and is_gradient(claim, i):
            yield f"it is the gradient of {name}: the inputs are swapped"
    for i, x, name in others:
        if x.ndim > 1:
            with contextlib.suppress(Exception):  # not every input can be transposed
                arrays = (*claim.arrays[:i], x.swapaxes(-1, -2), *claim.arrays[i + 1 :])
                if is_gradient(replace(claim, arrays=arrays), k):
                    yield f"a transposition of {name} is dropped, or one too many"


def _partial(claim: Claim, k: int, analytic: Array, numeric: Array) -> Iterator[str]:
    """Guesses about what is used in the wrong place, and about a term too many or too few."""
    gap = analytic - numeric
    x = claim.arrays[k]
    out = np.asarray(claim.f(*claim.arrays), np.float64)
    values = {"the cotangent": claim.cotangent, "the result": out, "the input": x}
    values |= {claim.names[i]: a for i, a in enumerate(claim.arrays) if i != k}
    right = np.abs(gap) <= _ALIKE * np.max(np.abs(numeric))
    for (this, a), (that, b) in itertools.permutations(values.items(), 2):
        if not right.any() and a.shape == b.shape == x.shape and _alike(analytic * b, numeric * a):
            yield f"{this} is used where {that} belongs"
    products = values | {f"the cotangent times {name}": claim.cotangent * a for name, a in values.items()
                         if a.shape == claim.cotangent.shape}  # fmt: skip
    for name, a in products.items():
        if (c := _factor(gap, a)) is not None:
            yield f"a term is {'too much' if abs(c - 1) < 1e-6 else f'missing: {-c:.6g} times {name}'}"
    for name, a in products.items():
        for axis in range(gap.ndim):
            if a.shape == gap.shape and gap.shape[axis] > 1 and np.all(a) and _constant(gap / a, axis):
                yield f"a term that is summed over axis {axis} is missing or too much (a multiple of {name})"
    for axis in range(gap.ndim):
        if gap.shape[axis] > 1 and _constant(gap, axis):
            yield f"a term that is summed over axis {axis} is missing or too much"
    if right.any():
        yield f"{right.sum()} of {right.size} elements are right: a term or a case is missing"


def _constant(a: Array, axis: int) -> bool:
    spread = np.ptp(a, axis=axis)
    return bool(np.all(spread <= _ALIKE * np.max(np.abs(a))))
