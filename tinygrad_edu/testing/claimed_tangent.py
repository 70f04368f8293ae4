"""ClaimedTangent: a claimed forward derivative as a function of the tangents, and the laws about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Function
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.testing.arrays.array_tree import has_leaves, match_leaves, outline
from tinygrad_edu.testing.arrays.dtypes import is_complex, unit_of
from tinygrad_edu.testing.claimed_gradient import as_real_like, filled_in, have_shapes
from tinygrad_edu.testing.decision import compare_tangents
from tinygrad_edu.testing.differentiable import require_same
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.flat_function import FlatFunction, call_unwritten, ravel_arrays
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.rounding import EXACT, jitter_of_linear
from tinygrad_edu.testing.numeric.sampling import Rng, draw_directions, draw_signed
from tinygrad_edu.testing.verdict import NotApplicable, Report, Verdict


@dataclass(frozen=True)
class ClaimedTangent:
    """A claimed forward derivative of a function: from a tangent of each input to that of the result, as real arrays.

    `jvp` takes the arguments, and then a tangent for each argument that contains inputs.
    """

    flat: FlatFunction
    jvp: Function
    rng: Rng

    def __call__(self, tangents: list[Array]) -> Array:
        """Return the claimed tangent of the result."""
        flat = self.flat
        return ravel_arrays(self.push([*flat.arguments(flat.arrays), *flat.tangents(tangents)]))

    def push_at(self, arrays: Sequence[Array], tangents: Sequence[Array]) -> list[Array]:
        """Return the claimed tangents of the result at other inputs, as real arrays."""
        return self.push([*self.flat.arguments(arrays, is_copied=False), *self.flat.tangents(tangents)])

    def push(self, arguments: Sequence[Any]) -> list[Array]:
        """Return the claimed tangents of the result for arguments of `jvp`, as real arrays."""
        name, result, claimed = self.flat.name, self.flat.result, self.jvp(*arguments)
        parts, shapes = match_leaves(result.parts[0], claimed), [x.shape for x in result.arrays]
        if parts is None or not have_shapes(parts, shapes):
            raise GradientMismatch(
                f"{name}: the forward derivative must have the structure of the result, {outline(result.parts[0])}, "
                f"got {outline(claimed)}."
            )
        pairs = list(zip(filled_in(parts, result.arrays), result.arrays, strict=True))
        if any(is_complex(part) and not is_complex(out) for part, out in pairs):
            raise DTypeError(f"{name}: the forward derivative of a real result must be real, got a complex one.")
        return [as_real_like(*pair) for pair in pairs]

    @cached_property
    def directions(self) -> list[list[Array]]:
        """Random directions of each input."""
        return [draw_directions(self.rng, x) for x in self.flat.arrays]

    @cached_property
    def joint(self) -> list[Array]:
        """A direction of all inputs."""
        return [np.sum(directions, axis=0) for directions in self.directions]

    @cached_property
    def tangent(self) -> Array:
        """The claimed derivative along all inputs."""
        return self(self.joint)

    @cached_property
    def tangents(self) -> list[list[Array]]:
        """The claimed derivative along each direction of each input."""
        return [[self.along(k, direction) for direction in group] for k, group in enumerate(self.directions)]

    def along(self, k: int, direction: Array) -> Array:
        """Return the tangent of the result along a direction of input `k` alone."""
        zeros = [np.zeros(x.shape) for x in self.flat.arrays]
        return self([*zeros[:k], direction, *zeros[k + 1 :]])


def run_tangent_laws(report: Report, claimed: ClaimedTangent) -> None:
    """Run the laws about a claimed forward derivative."""
    name = f"the forward derivative of {claimed.flat.name}"
    if report.run("structure", _require_structure, claimed):
        report.run("no writes", _require_unwritten, claimed)
        if report.run("deterministic", lambda: require_same(name, claimed.tangent, claimed(claimed.joint))):
            report.run("forward slope", _forward_slope, claimed)
            report.run("forward additivity", _require_additive, claimed)


# --- The laws ---


def _require_structure(claimed: ClaimedTangent) -> None:
    claimed.tangent  # noqa: B018 - it raises


def _require_unwritten(claimed: ClaimedTangent) -> None:
    flat = claimed.flat
    tangents = flat.tangents(claimed.joint)
    names = [name for name, part in zip(flat.point.names, flat.point.parts, strict=True) if has_leaves(part)]
    names = [*flat.point.names, *(f"the tangent of {name}" for name in names)]
    call_unwritten(f"the derivative of {flat.name}", claimed.jvp, [*flat.arguments(flat.arrays), *tangents], names)


def _forward_slope(claimed: ClaimedTangent) -> Iterator[Verdict]:
    """Yield verdicts about the derivatives along each direction of each input."""
    flat, rng = claimed.flat, claimed.rng
    claim = flat.claim(draw_signed(rng, claimed.tangent.shape), ())
    for k, directions in enumerate(claimed.directions):
        yield compare_tangents(claim, k, directions, partial(claimed.along, k), rng)


def _require_additive(claimed: ClaimedTangent) -> None:
    joint, parts = claimed.tangent, [t for tangents in claimed.tangents for t in tangents]
    size = np.abs(joint) + sum(np.abs(part) for part in parts)
    if not np.all(np.isfinite(size)):
        raise NotApplicable("the forward derivative is not finite")
    gap, allowed = np.abs(joint - sum(parts)), max(EXACT, 64 * unit_of(joint.dtype)) * size
    if not np.all(gap <= allowed):
        allowed += SAFETY * jitter_of_linear(lambda c: claimed([c * x for x in claimed.joint]))
    if not np.all(gap <= allowed):
        raise GradientMismatch(
            f"{claimed.flat.name}: the forward derivative along all inputs is not the sum of the derivatives along "
            f"each input."
        )
