"""Search for the wrong elements of a gradient, by bisection along a direction in which it is wrong."""

import heapq

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.report.guesses import Clues
from tinygrad_edu.testing.report.probes import NumericSlope

_MOST_PROBES = 128  # the largest number of parts of the gradient that are tested


class WrongElements:
    """The wrong elements of a gradient that have been found, by their flat indices, with numeric derivatives."""

    def __init__(self, gradient: Array) -> None:
        self.gradient = gradient
        self.not_finite = np.flatnonzero(~np.isfinite(gradient))
        self.found: dict[int, NumericSlope] = {}
        self.is_complete = False

    @property
    def number(self) -> int:
        """The number of known wrong elements."""
        return len({*self.found, *self.not_finite.tolist()})

    @property
    def num_correct(self) -> int:
        """The number of elements that are known to be correct."""
        return self.gradient.size - self.number if self.is_complete and self.found else 0

    def largest(self) -> tuple[tuple[int, ...], NumericSlope]:
        """Return the index of the element with the largest difference, and its numeric derivative."""
        flat = self.gradient.reshape(-1)
        worst = max(self.found, key=lambda i: np.nan_to_num(abs(flat[i] - self.found[i].value), nan=np.inf))
        return tuple(map(int, np.unravel_index(worst, self.gradient.shape))), self.found[worst]

    def search(self, clues: Clues, only_largest: bool) -> None:
        """Find wrong elements. If the function is slow, find the largest one or another one."""
        if clues.prober.is_quick or self.not_finite.size:
            sizes = np.where(np.isfinite(self.gradient), np.abs(self.gradient) * clues.prober.elements, np.inf)
            self._test(clues, int(np.argmax(sizes)))
        if not only_largest and not (clues.prober.is_quick and self.found):
            worst = max(clues.probes, key=clues.gap)
            self._bisect(clues, _coarse(clues, worst) if clues.prober.is_quick else worst)

    def _bisect(self, clues: Clues, root: NumericSlope) -> None:
        """Divide the elements into halves, the worst part first."""
        queue, num_probes = [(-np.inf, 0, root)], 0
        while queue and num_probes < _MOST_PROBES and not (clues.prober.is_quick and self.found):
            parent = heapq.heappop(queue)[2]
            elements = np.flatnonzero(parent.direction)
            if elements.size == 1:
                self._test(clues, int(elements[0]))
                continue
            for probe in _halves(clues, parent, np.array_split(elements, 2)):
                num_probes += 1
                if (gap := clues.gap(probe)) > 1:
                    heapq.heappush(queue, (-gap, num_probes, probe))
        self.is_complete = self.is_complete or (not queue and self._explains(clues))

    def _test(self, clues: Clues, element: int) -> None:
        """Add an element if it is wrong."""
        probe = clues.prober.along(_restricted(np.ones(self.gradient.shape), np.array([element])))
        if clues.gap(probe) > 1:
            self.found[element] = probe
            self.is_complete = clues.prober.is_quick and self._explains(clues)

    def _explains(self, clues: Clues) -> bool:
        """Whether the gradient with the numeric derivatives of the wrong elements agrees with the probes."""
        corrected = np.nan_to_num(self.gradient, nan=0, posinf=0, neginf=0).reshape(-1)
        for element, probe in self.found.items():
            corrected[element] = probe.value
        return bool(clues.prober.elements.all()) and clues.explains(corrected.reshape(self.gradient.shape))


def _coarse(clues: Clues, probe: NumericSlope) -> NumericSlope:
    """Return a probe with the step for plain differences, and the error that they may have.

    The smaller step makes the truncation error small; the rounding error may be a hundredth of the mismatch.
    """
    off = abs(float(np.sum(np.where(probe.direction != 0, clues.g * probe.direction, 0))) - probe.value)
    step = probe.step * min(max(100 * probe.error / off, 2.0**-6), 1)
    return probe._replace(step=step, error=max(probe.error, off / 400))


def _halves(clues: Clues, parent: NumericSlope, halves: list[Array]) -> list[NumericSlope]:
    """Return the probes along the two halves of a direction; if the function is slow, from one plain difference."""
    left, right = (_restricted(parent.direction, half) for half in halves)
    if not clues.prober.is_quick:
        return [clues.prober.along(left), clues.prober.along(right)]
    value = clues.prober.difference(left, parent.step)
    return [parent._replace(direction=left, value=value), parent._replace(direction=right, value=parent.value - value)]


def _restricted(direction: Array, elements: Array) -> Array:
    """Return a direction that is 0 outside of the given elements."""
    part = np.zeros(direction.shape)
    part.flat[elements] = direction.flat[elements]
    return part
