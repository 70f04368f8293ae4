"""Gradients of strided convolutions with respect to images, by polyphase decomposition: one convolution per phase.

Pixels whose positions have the same remainder modulo the stride depend on the same rows and columns of the kernels, and
consecutive pixels of such a phase on consecutive elements of the feature maps. Each phase is a correlation, with
a stride of 1, of the maps with some rows and columns of the flipped kernels. For a stride of 1 there is one phase.
"""

from collections import defaultdict
from collections.abc import Callable
from itertools import product
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.threads import in_parts
from tinygrad_edu.ops.fast.chwn import region
from tinygrad_edu.ops.sliding_windows import Window, window_of
from tinygrad_edu.thresholds import SizeThreshold, plan

# Number of multiplications from which threads share the phases.
_LARGE = SizeThreshold(2**24)

PutMaps = Callable[[ndarray, ndarray, Window, int, ndarray], None]


class _Phase(NamedTuple):
    """Pixels along an axis that depend on the same elements of the kernels.

    Attributes
    ----------
    pixels : slice
    places : slice
        Kernel elements, applied in reverse order.
    met : range
        Elements of the feature maps on which the pixels depend; it may extend beyond the maps.
    apart : int
        Step between the elements of the feature maps on which one pixel depends.
    """

    pixels: slice
    places: slice
    met: range
    apart: int


def _phases(window: Window, axis: int) -> list[_Phase]:
    step, dilation, kernel = window.stride[axis], window.dilation[axis], len((window.rows, window.columns)[axis])
    inside, apart = range(window.padded[axis])[window.inside[axis]], dilation // gcd(step, dilation)
    found, places_of = [], defaultdict(list)
    for i in range(kernel):
        places_of[(dilation * i - inside.start) % step].append(i)
    for k, places in sorted(places_of.items()):
        if k < len(inside):
            first, count = (inside[k] - dilation * places[-1]) // step, len(inside[k::step])
            met = range(first, first + (len(places) - 1) * apart + count)
            found.append(_Phase(slice(k, None, step), slice(places[0], None, step // gcd(step, dilation)), met, apart))
    return found


class _PhasePair(NamedTuple):
    """A phase of rows, a phase of columns, and the window of their kernels over the feature maps."""

    down: _Phase
    across: _Phase
    over: Window


@plan
def _phase_pairs(window: Window, border: bool) -> tuple[list[_PhasePair], tuple[range, range]]:
    """Return the phase pairs, those with most products first, and the rows and columns of the maps to use.

    With `border` these include the padding around the maps that the phases need.
    """
    both = _phases(window, 0), _phases(window, 1)
    rows, columns = range(window.size[0]), range(window.size[1])
    if border:
        rows, columns = (_covering_range([phase.met for phase in phases]) for phases in both)
    found = [_phase_pair(window, down, across, rows, columns) for down, across in product(*both)]
    return sorted(found, key=lambda pair: len(pair.over.rows) * len(pair.over.columns), reverse=True), (rows, columns)


def _phase_pair(window: Window, down: _Phase, across: _Phase, rows: range, columns: range) -> _PhasePair:
    kernel_size = len(window.rows[down.places]), len(window.columns[across.places])
    over = window_of((len(down.met), len(across.met)), kernel_size, 1, 0, (down.apart, across.apart))
    return _PhasePair(down, across, over._replace(inside=(_relative(rows, down.met), _relative(columns, across.met))))


def images_by_phases(
    put: PutMaps, maps: ndarray, weight: ndarray, window: Window, groups: int, border: bool = True
) -> ndarray:
    """Return images (C, H, W, N) for feature maps (out, rows, columns, N) and kernels (out, C / groups, kh, kw).

    `put` writes the pixels of one phase, at a distance of the stride. With `border` the phases share feature maps that
    are padded once; without it `put` pads them.
    """
    kernels = weight.reshape(groups, len(weight) // groups, *weight.shape[1:]).swapaxes(1, 2)
    alone, large = window.stride == (1, 1), maps.size * weight[0].size >= _LARGE
    pairs, met = _phase_pairs(window, border and not alone)
    shared = maps if alone else region(maps, *met)
    height, width = (len(range(n)[inside]) for n, inside in zip(window.padded, window.inside, strict=True))
    covered = len(pairs) == min(height, window.stride[0]) * min(width, window.stride[1])
    make = np.empty if covered else np.zeros  # some pixels depend on no kernel element
    images = make((groups * weight.shape[1], height, width, maps.shape[3]), np.result_type(maps, weight))

    def fill(pair: _PhasePair) -> None:
        some = kernels[:, :, :, pair.down.places, pair.across.places][:, :, :, ::-1, ::-1]
        some = some.reshape(some.shape[0] * some.shape[1], *some.shape[2:])
        put(shared, some, pair.over, groups, images[:, pair.down.pixels, pair.across.pixels])

    in_parts(fill, pairs, large)
    return images


def _covering_range(met: list[range]) -> range:
    return range(min((some.start for some in met), default=0), max((some.stop for some in met), default=0))


def _relative(places: range, met: range) -> slice:
    """Return `places` as a slice relative to the start of `met`."""
    return slice(places.start - met.start, places.stop - met.start)
