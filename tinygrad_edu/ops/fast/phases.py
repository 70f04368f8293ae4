"""The images of which kernels make maps: correlations of the maps, phase by phase.

Pixels whose places have one remainder by the stride meet the same rows and columns of the kernels, backwards, and from
one such pixel to the next those move on by one over the maps. So each such phase is a correlation with a stride of 1,
of the maps with some of the kernels' rows and columns; with a stride of 1 there is one phase.
"""

from collections.abc import Callable
from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.windows import Window, window

Correlated = Callable[[ndarray, ndarray, Window, int], ndarray]


class _Phase(NamedTuple):
    """Pixels along an axis that meet the same places of the kernels.

    Attributes
    ----------
    pixels : slice
        Which they are.
    places : slice
        What they meet of the kernels: the last first.
    met : range
        From which of the maps to which they meet; some may lie outside.
    apart : int
        How far apart those are that one pixel meets.
    """

    pixels: slice
    places: slice
    met: range
    apart: int


def _phases(laid: Window, axis: int) -> list[_Phase]:
    step, dilation, kernel = laid.stride[axis], laid.dilation[axis], len((laid.rows, laid.columns)[axis])
    inside, apart = range(laid.padded[axis])[laid.inside[axis]], dilation // gcd(step, dilation)
    found = []
    for k, start in enumerate(inside[:step]):
        places = [i for i in range(kernel) if (start - dilation * i) % step == 0]
        if places:
            first, count = (start - dilation * places[-1]) // step, len(inside[k::step])
            met = range(first, first + (len(places) - 1) * apart + count)
            found.append(_Phase(slice(k, None, step), slice(places[0], None, step // gcd(step, dilation)), met, apart))
    return found


@lru_cache(1024)
def _ways(laid: Window) -> list[tuple[_Phase, _Phase, Window]]:
    """Return each phase of the rows with each of the columns, and how their kernels lie over the maps."""
    found = []
    for down in _phases(laid, 0):
        for across in _phases(laid, 1):
            kernel_size = len(laid.rows[down.places]), len(laid.columns[across.places])
            over = window((len(down.met), len(across.met)), kernel_size, 1, 0, (down.apart, across.apart))
            inside = _where(laid.size[0], down.met), _where(laid.size[1], across.met)
            found.append((down, across, over._replace(inside=inside)))
    return found


def images_by_phases(correlated_maps: Correlated, maps: ndarray, weight: ndarray, laid: Window, groups: int) -> ndarray:
    """Return images (C, H, W, N), of maps (out, rows, columns, N) and kernels (out, C / groups, kh, kw)."""
    kernels = weight.reshape(groups, len(weight) // groups, *weight.shape[1:]).swapaxes(1, 2)

    def pixels(down: _Phase, across: _Phase, over: Window) -> ndarray:
        some = kernels[:, :, :, down.places, across.places][:, :, :, ::-1, ::-1]
        return correlated_maps(maps, some.reshape(some.shape[0] * some.shape[1], *some.shape[2:]), over, groups)

    if laid.stride == (1, 1):
        return pixels(*_ways(laid)[0])
    size = (len(range(n)[inside]) for n, inside in zip(laid.padded, laid.inside, strict=True))
    images = np.zeros((groups * weight.shape[1], *size, maps.shape[3]), np.result_type(maps, weight))
    for down, across, over in _ways(laid):
        images[:, down.pixels, across.pixels] = pixels(down, across, over)
    return images


def _where(size: int, met: range) -> slice:
    """Return where so many places lie, as seen from those that are met."""
    return slice(-met.start, size - met.start)
