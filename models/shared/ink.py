"""Detection of the ink of a digit in a picture.

Ink differs from its background and is narrow. A grey closing estimates the background: a maximum filter followed by a
minimum filter fills everything darker and narrower than the window, and keeps shadows and the edges of the paper. The
picture and its negative are both searched, since ink may be dark or light.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DataError

__all__ = ["Box", "Ink", "find"]

Box = tuple[slice, slice]

DARKEST = 0.2  # background value; darker backgrounds show mainly noise
FAINTEST, NOISE = 0.08, 3.0  # minimum contrast of ink: on a scale of 1, and in standard deviations of the noise
FILLED = 0.35  # minimum contrast if the digit fills the picture, since uneven light looks similar
SMALLEST = 0.012  # longer side of a digit, relative to the picture
FATTEST, FAT = 0.3, 0.2  # half a stroke's width relative to the digit's longer side: limit, and scale of the penalty
LEAKY, UNLIKELY = 0.35, 0.02  # largest fraction of the edge that may be missing, and lowest likeness to ink
MOST = 20  # pieces of ink that are examined

GAP = 0.03  # between parts of a piece, relative to the longer side of the picture
REACH = 0.2  # between pieces of a digit, relative to the longer side of the main piece


@dataclass(frozen=True)
class Ink:
    """Ink that may be a digit.

    Attributes
    ----------
    amount : ndarray of floats, shape (H, W)
        Amount of ink in each pixel of the box, from 0 to 1.
    box : pair of slice
        Rows and columns of the ink in the picture.
    radius : float
        Half the width of its widest stroke, in pixels.
    """

    amount: ndarray
    box: Box
    radius: float


@dataclass(frozen=True)
class Piece:
    """Connected piece of high contrast: its number, bounding box, half stroke width and likeness to a digit."""

    number: int
    box: Box
    radius: float
    score: float


def find(picture: ndarray, window: float, filled: bool = False) -> Ink:
    """Return the ink in a picture (H, W, 3) that looks most like a digit, with strokes narrower than the window.

    The edge pixels are repeated outside the picture; a picture `filled` by the digit is padded with background.
    """
    grey, found = greys(picture), []
    margin, faintest = (int(window) + 1, FILLED) if filled else (0, FAINTEST)
    for values in (grey, 1 - grey):
        values = np.pad(values, margin, constant_values=values.max())
        contrast, ground = stands_out(values, max(3, int(window)))
        labels = connected(contrast)
        likely = list(pieces(values, contrast, ground, labels, faintest))
        if likely:
            found.append((max(likely, key=lambda piece: piece.score), contrast, labels))
    if not found:
        raise DataError("no digit found in the picture.")
    ink = gathered(*max(found, key=lambda one: one[0].score))
    rows, columns = (slice(max(0, part.start - margin), part.stop - margin) for part in ink.box)
    return replace(ink, box=(rows, columns))


def greys(picture: ndarray) -> ndarray:
    """Return a picture in grey, smoothed, from 0 to 1.

    Returns the red, green or blue channel instead if it varies more: yellow ink is as bright as paper.
    """
    from scipy.ndimage import gaussian_filter

    colours = picture.astype(np.float32) / 255
    sharp = np.concatenate([colours @ np.array([[0.299], [0.587], [0.114]], np.float32), colours], axis=-1)
    smooth: ndarray = gaussian_filter(sharp, (1, 1, 0))
    spread = np.ptp(smooth, axis=(0, 1)) * [1.5, 1, 1, 1]
    return smooth[..., spread.argmax()]


def stands_out(values: ndarray, window: int) -> tuple[ndarray, ndarray]:
    """Return the contrast of each pixel (how much darker it is, relative to the background) and the background."""
    from scipy.ndimage import grey_closing

    half = window // 2 + 1  # pads with edge pixels
    wider = grey_closing(np.pad(values, half, mode="edge"), (window, window), mode="nearest")
    ground = wider[half:-half, half:-half]
    contrast = (ground - values) / np.maximum(ground, DARKEST)
    return np.maximum(contrast - np.quantile(contrast, 0.25), 0), ground  # noise raises the background everywhere


def connected(contrast: ndarray) -> ndarray:
    """Return the number of the piece, from 1, for each pixel of high contrast, and 0 for all others."""
    from scipy.ndimage import label, maximum_filter

    out = contrast > max(0.4 * contrast.max(), FAINTEST / 2)
    joined = maximum_filter(out, max(1, int(GAP * max(out.shape))))
    return np.where(out, label(joined, np.ones((3, 3)))[0], 0)


def pieces(values: ndarray, contrast: ndarray, ground: ndarray, labels: ndarray, faintest: float) -> Iterator[Piece]:
    """Yield the pieces that may be a digit."""
    from scipy.ndimage import find_objects

    noise = np.median(contrast) / 0.674  # the median of |x| of a standard normal distribution
    boxes, sums = find_objects(labels), np.bincount(labels.ravel(), contrast.ravel())
    for number in 1 + np.argsort(-sums[1:])[:MOST]:
        box = boxes[number - 1]
        mask = labels[box] == number
        longest, mean, radius = max(mask.shape), sums[number] / mask.sum(), _radius(mask)
        if longest < max(6, SMALLEST * max(labels.shape)) or mean < max(faintest, NOISE * noise):
            continue
        if radius > FATTEST * longest:
            continue
        leaks = leak(labels == number, values, ground, box, radius)
        cut = any(part.start == 0 or part.stop == size for part, size in zip(box, labels.shape, strict=True))
        likeness = mean * np.exp(-((radius / longest / FAT) ** 4)) * (1 - leaks) ** 2 * (0.3 if cut else 1.0)
        if leaks < LEAKY and likeness > UNLIKELY:
            yield Piece(int(number), box, radius, longest * likeness)


def leak(piece: ndarray, values: ndarray, ground: ndarray, box: Box, radius: float) -> float:
    """Return the fraction of a piece's surroundings that is as dark as the piece itself, as for a strip of paper."""
    from scipy.ndimage import distance_transform_edt

    away = max(2.0, radius)
    wider = tuple(slice(max(0, part.start - int(away) - 2), part.stop + int(away) + 2) for part in box)
    distance, (row, column) = distance_transform_edt(~piece[wider], return_indices=True)
    values, ground = values[wider], ground[wider]
    like_ink = values < (values[row, column] + ground[row, column]) / 2
    ring = (distance >= away) & (distance < away + 1.5)
    return float(like_ink[ring].mean()) if ring.any() else 0.0


def gathered(piece: Piece, contrast: ndarray, labels: ndarray) -> Ink:
    """Return the ink of a piece and of the pieces near it."""
    from scipy.ndimage import maximum_filter

    main = labels == piece.number
    longest = max(main[piece.box].shape)
    near = np.unique(labels[maximum_filter(main, 2 * int(REACH * longest) + 1)])
    edge = max(3, int(GAP * max(labels.shape)))
    region = maximum_filter(np.isin(labels, near[near > 0]), edge)
    amount = np.where(region, np.clip(contrast / np.quantile(contrast[main], 0.6), 0, 1), 0)
    inked = amount > 0.2
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return Ink(amount[box], box, piece.radius)


def _radius(mask: ndarray) -> float:
    from scipy.ndimage import distance_transform_edt

    return float(distance_transform_edt(np.pad(mask, 1)).max())
