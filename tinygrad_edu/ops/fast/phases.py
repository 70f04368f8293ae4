"""The images of which kernels make maps: correlations of the maps, phase by phase.

Pixels whose places have one remainder by the stride meet the same rows and columns of the kernels, backwards, and from
one such pixel to the next those move on by one over the maps. So each such phase is a correlation with a stride of 1,
of the maps with some of the kernels' rows and columns; with a stride of 1 there is one phase.
"""

from collections.abc import Callable
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
    places : list of int
        What they meet of the kernels, backwards.
    met : range
        From which of the maps to which they meet; some may lie outside.
    apart : int
        How far apart those are that one pixel meets.
    """

    pixels: slice
    places: list[int]
    met: range
    apart: int


def _phases(laid: Window, axis: int) -> list[_Phase]:
    step, dilation, kernel = laid.stride[axis], laid.dilation[axis], len((laid.rows, laid.columns)[axis])
    inside, apart = range(laid.padded[axis])[laid.inside[axis]], dilation // gcd(step, dilation)
    found = []
    for k, start in enumerate(inside[:step]):
        places = [i for i in reversed(range(kernel)) if (start - dilation * i) % step == 0]
        if places:
            first, count = (start - dilation * places[0]) // step, len(inside[k::step])
            met = range(first, first + (len(places) - 1) * apart + count)
            found.append(_Phase(slice(k, None, step), places, met, apart))
    return found


def images_by_phases(correlated_maps: Correlated, maps: ndarray, weight: ndarray, laid: Window, groups: int) -> ndarray:
    """Return images (C, H, W, N), of maps (out, rows, columns, N) and kernels (out, C / groups, kh, kw)."""
    kernels = weight.reshape(groups, len(weight) // groups, *weight.shape[1:]).swapaxes(1, 2)
    ways = [(down, across) for down in _phases(laid, 0) for across in _phases(laid, 1)]

    def pixels(down: _Phase, across: _Phase) -> ndarray:
        some = kernels[:, :, :, down.places][..., across.places]
        some = some.reshape(some.shape[0] * some.shape[1], *some.shape[2:])
        met, apart = (down.met, across.met), (down.apart, across.apart)
        laid = window((len(met[0]), len(met[1])), some.shape[2:], 1, 0, apart)
        at = (slice(-m.start, size - m.start) for m, size in zip(met, maps.shape[1:3], strict=True))
        return correlated_maps(maps, some, laid._replace(inside=tuple(at)), groups)

    if laid.stride == (1, 1):
        return pixels(*ways[0])
    size = (len(range(n)[inside]) for n, inside in zip(laid.padded, laid.inside, strict=True))
    images = np.zeros((groups * weight.shape[1], *size, maps.shape[3]), np.result_type(maps, weight))
    for down, across in ways:
        images[:, down.pixels, across.pixels] = pixels(down, across)
    return images
