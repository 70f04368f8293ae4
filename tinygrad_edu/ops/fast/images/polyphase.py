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

from tinygrad_edu.ops.fast.images.chwn import region
from tinygrad_edu.ops.sliding_windows import Window, window_of
from tinygrad_edu.shared.speed.threads import map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold, plan

# Number of multiplications from which threads share the phases.
_LARGE = SizeThreshold(2**24)

PutMaps = Callable[[ndarray, ndarray, Window, int, ndarray], None]


class _Phase(NamedTuple):
    """Pixels along an axis that depend on the same elements of the kernels."""

    pixels: slice
    taps: slice  # kernel elements, applied in reverse order
    map_range: range  # elements of the feature maps that the pixels depend on; it may extend beyond the maps
    dilation: int  # step between the elements of the feature maps that one pixel depends on


def _phases(window: Window, axis: int) -> list[_Phase]:
    stride, dilation, kernel = window.stride[axis], window.dilation[axis], len((window.rows, window.columns)[axis])
    inside, map_dilation = range(window.padded[axis])[window.inside[axis]], dilation // gcd(stride, dilation)
    phases, taps_by_phase = [], defaultdict(list)
    for i in range(kernel):
        taps_by_phase[(dilation * i - inside.start) % stride].append(i)
    for k, taps in sorted(taps_by_phase.items()):
        if k < len(inside):
            first, count = (inside[k] - dilation * taps[-1]) // stride, len(inside[k::stride])
            map_range = range(first, first + (len(taps) - 1) * map_dilation + count)
            tap_slice = slice(taps[0], None, stride // gcd(stride, dilation))
            phases.append(_Phase(slice(k, None, stride), tap_slice, map_range, map_dilation))
    return phases


class _PhasePair(NamedTuple):
    """A phase of rows, a phase of columns, and the window of their kernels over the feature maps."""

    row: _Phase
    column: _Phase
    map_window: Window


@plan
def _phase_pairs(window: Window, border: bool) -> tuple[list[_PhasePair], tuple[range, range]]:
    """Return the phase pairs, those with most products first, and the rows and columns of the maps to use.

    With `border` these include the padding around the maps that the phases need.
    """
    phases = _phases(window, 0), _phases(window, 1)
    rows, columns = range(window.size[0]), range(window.size[1])
    if border:
        rows, columns = (_covering_range([phase.map_range for phase in axis_phases]) for axis_phases in phases)
    pairs = [_phase_pair(window, row, column, rows, columns) for row, column in product(*phases)]
    pairs.sort(key=lambda pair: len(pair.map_window.rows) * len(pair.map_window.columns), reverse=True)
    return pairs, (rows, columns)


def _phase_pair(window: Window, row: _Phase, column: _Phase, rows: range, columns: range) -> _PhasePair:
    kernel_size = len(window.rows[row.taps]), len(window.columns[column.taps])
    size, dilation = (len(row.map_range), len(column.map_range)), (row.dilation, column.dilation)
    map_window = window_of(size, kernel_size, 1, 0, dilation)
    inside = _relative(rows, row.map_range), _relative(columns, column.map_range)
    return _PhasePair(row, column, map_window._replace(inside=inside))


def images_by_phases(
    put: PutMaps, maps: ndarray, weight: ndarray, window: Window, groups: int, border: bool = True
) -> ndarray:
    """Return images (C, H, W, N) for feature maps (out, rows, columns, N) and kernels (out, C / groups, kh, kw).

    `put` writes the pixels of one phase, at a distance of the stride. With `border` the phases share feature maps that
    are padded once; without it `put` pads them.
    """
    kernels = weight.reshape(groups, len(weight) // groups, *weight.shape[1:]).swapaxes(1, 2)
    one_phase, large = window.stride == (1, 1), maps.size * weight[0].size >= _LARGE
    pairs, map_region = _phase_pairs(window, border and not one_phase)
    shared = maps if one_phase else region(maps, *map_region)
    height, width = (len(range(n)[inside]) for n, inside in zip(window.padded, window.inside, strict=True))
    covered = len(pairs) == min(height, window.stride[0]) * min(width, window.stride[1])
    make = np.empty if covered else np.zeros  # some pixels depend on no kernel element
    images = make((groups * weight.shape[1], height, width, maps.shape[3]), np.result_type(maps, weight))

    def fill(pair: _PhasePair) -> None:
        phase_kernels = kernels[:, :, :, pair.row.taps, pair.column.taps][:, :, :, ::-1, ::-1]
        phase_kernels = phase_kernels.reshape(phase_kernels.shape[0] * phase_kernels.shape[1], *phase_kernels.shape[2:])
        put(shared, phase_kernels, pair.map_window, groups, images[:, pair.row.pixels, pair.column.pixels])

    map_parts(fill, pairs, large)
    return images


def _covering_range(ranges: list[range]) -> range:
    return range(min((r.start for r in ranges), default=0), max((r.stop for r in ranges), default=0))


def _relative(indices: range, origin: range) -> slice:
    """Return `indices` as a slice relative to the start of `origin`."""
    return slice(indices.start - origin.start, indices.stop - origin.start)
