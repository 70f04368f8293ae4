"""Max pooling in parts that stay in the cache, and with long rows for few samples.

All images are (C, ..., N) with one to three spatial axes, samples innermost. If the windows have a stride and there are
few samples, the pixels of one offset in all windows are short pieces of memory. For a stride of s, the columns are
therefore copied into s phases, by their remainder modulo s. In a phase these pixels are long rows.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.elementwise import masked
from tinygrad_edu.ops.fast.transpose import items_of
from tinygrad_edu.ops.sliding_windows import Window, windows_by_offset
from tinygrad_edu.shared.speed.threads import even_slices, map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

# Number of elements from which threads share the channels, and bytes of a part, which stays in the cache.
_LARGE, _PART_BYTES = map(SizeThreshold, (2**19, 2**21))
# Number of samples from which a piece of memory is long without phases, and elements for which phases pay off.
_MANY_SAMPLES, _MANY = map(SizeThreshold, (32, 2**16))


def _for_channels(function: Callable[[slice], None], x: ndarray) -> None:
    """Call a function for the channels of x (C, ...): if x is large, for parts of them on several threads."""
    if x.size < _LARGE:
        function(slice(None))
    else:
        map_parts(function, even_slices(len(x), 1 + x.nbytes // _PART_BYTES), multiplies=False)


def window_maxima(x: ndarray, window: Window) -> ndarray:
    """Return `plain_window_maxima`, computed part by part."""
    if x.size < _LARGE:
        return _maxima(x, window)
    out = np.empty((len(x), *window.size, x.shape[-1]), x.dtype)

    def fill(channels: slice) -> None:
        out[channels] = _maxima(x[channels], window)

    _for_channels(fill, x)
    return out


def _maxima(x: ndarray, window: Window) -> ndarray:
    """Return the maxima along one axis after another: fewer comparisons than for each pixel of a window."""
    for axis, taps in enumerate(window.taps, 1):
        before = (slice(None),) * axis
        x = reduce(np.maximum, (x[(*before, pixels)] for pixels in taps))
    return x


def max_mask(x: ndarray, maxima: ndarray, window: Window) -> ndarray:
    """Return `plain_max_mask`, computed part by part, from phases if these are faster."""
    chosen, pixels = np.empty((*map(len, window.taps), *maxima.shape), bool), windows_by_offset(x, window)
    count, all_offsets = _phase_count(maxima, window), (slice(None),) * len(window.taps)

    def fill(channels: slice) -> None:
        part = chosen[(*all_offsets, channels)]
        if count == 1:
            np.less(pixels[(*all_offsets, channels)], maxima[channels], out=part)
        else:
            phases = _split_columns(x[channels], count)
            for offset in np.ndindex(*map(len, window.taps)):
                np.less(phases[_index_of(offset, window, count)], maxima[channels], out=part[offset])
        np.logical_not(part, out=part)

    _for_channels(fill, x)
    return chosen


def add_to_chosen(values: ndarray, chosen: ndarray, window: Window) -> ndarray:
    """Return `plain_add_to_chosen`, computed part by part, in phases if these are faster."""
    images = np.zeros((len(values), *window.padded, values.shape[-1]), values.dtype)
    pixels, all_offsets = windows_by_offset(images, window), (slice(None),) * len(window.taps)
    count = _phase_count(values, window)

    def fill(channels: slice) -> None:
        if not window.overlap:
            pixels[(*all_offsets, channels)] = masked(values[channels], chosen[(*all_offsets, channels)])
            return
        phases = _split_columns(images[channels], count)
        for offset in np.ndindex(*map(len, window.taps)):
            phases[_index_of(offset, window, count)] += masked(values[channels], chosen[(*offset, channels)])
        if count > 1:
            _join_columns(phases, images[channels])

    _for_channels(fill, images)
    return images


def _phase_count(maxima: ndarray, window: Window) -> int:
    """Return the number of phases into which the columns of images are split, for maxima (C, ..., N) of windows."""
    stride, samples = window.stride[-1], maxima.shape[-1]
    pays_off = window.overlap and stride <= len(window.taps[-1]) and maxima.size >= _MANY
    return stride if pays_off and 0 < samples < _MANY_SAMPLES else 1


def _split_columns(x: ndarray, count: int) -> ndarray:
    """Return images (C, ..., W, N) by phase: (count, C, ..., W / count, N); x itself for one phase."""
    if count == 1:
        return x[None]
    phases = np.empty((count, *x.shape[:-2], -(-x.shape[-2] // count), x.shape[-1]), x.dtype)
    for k, phase in enumerate(phases):
        columns = items_of(x)[..., k::count]
        items_of(phase)[..., : columns.shape[-1]] = columns
    return phases


def _join_columns(phases: ndarray, out: ndarray) -> None:
    """Write phases to images: the inverse of `_split_columns`."""
    for k, phase in enumerate(phases):
        columns = items_of(out)[..., k :: len(phases)]
        columns[...] = items_of(phase)[..., : columns.shape[-1]]


def _index_of(offset: tuple[int, ...], window: Window, count: int) -> tuple[Any, ...]:
    """Return the index in `count` phases of the pixels at an offset in all windows."""
    *rows, columns = (taps[k] for taps, k in zip(window.taps, offset, strict=True))
    last = (columns.stop - 1) // count + 1
    return columns.start % count, slice(None), *rows, slice(columns.start // count, last, columns.step // count)
