"""Preprocessing of a photographed or drawn digit into an MNIST image, the input that the classifiers are trained on."""

import numpy as np
from numpy import ndarray

from models.shared.ink import Box, Ink, find
from tinygrad_edu.errors import DataError

FAR, NEAR = 800, 160  # longer side in pixels: maximum at the first look, and value at the closer looks
CLOSER = 2  # closer looks: the first measures the stroke width, the second uses it
MARGIN = 0.5  # around a digit at a closer look, relative to its longer side
WINDOW = 5.0  # relative to half the width of the widest stroke; at the first look, a third of the picture

LONG, SIDE, CENTRE = 20, 28, 14  # pixels: longer side of a digit, side of its image, and centre of the image
THINNEST = 2.4  # stroke width in pixels; most strokes in MNIST are wider


def as_mnist(picture: ndarray) -> tuple[ndarray, Box]:
    """Return the digit in a picture as an MNIST image, and its bounding box.

    The ink is white on black, 20 pixels along the longer side, and its centre of mass is the centre of the image, as on
    the page of Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits". Strokes too thin to
    survive the scaling are widened.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)

    Returns
    -------
    image : ndarray of uint8, shape (28, 28)
    box : pair of slice
        Rows and columns of the digit in the picture.

    Raises
    ------
    DataError
        The picture contains no ink that could be a digit.

    Examples
    --------
    >>> picture = np.full((90, 60, 3), 200, np.uint8)
    >>> picture[10:50, 30:38] = 40
    >>> image, box = as_mnist(picture)
    >>> box[1]
    slice(30, 38, None)
    >>> image.shape, int(image[12, 13]), int(image[:, :10].max())
    ((28, 28), 255, 0)
    """
    try:
        ink, box = looked_at(picture, filled=False)
    except DataError:  # the digit may fill the picture, without background around it
        ink, box = looked_at(picture, filled=True)
    return laid_out(ink.amount), box


def looked_at(picture: ndarray, filled: bool) -> tuple[Ink, Box]:
    """Return the ink in a picture at the closest look, and its rows and columns in the picture."""
    view = whole = (slice(0, picture.shape[0]), slice(0, picture.shape[1]))
    longest, window = min(max(*picture.shape[:2], NEAR), FAR), min(picture.shape[:2]) / 3
    for look in range(1 + CLOSER):
        factor = longest / max(picture[view].shape[:2])
        ink = find(resized(picture[view], factor), window * factor, filled)
        box = _placed(ink.box, view, factor, whole)
        if look < CLOSER:
            view, longest, window = _around(box, whole), NEAR, WINDOW * ink.radius / factor
    return ink, box


def laid_out(amount: ndarray) -> ndarray:
    """Return the uint8 image (28, 28) of the ink (H, W) in its bounding box."""
    from scipy.ndimage import center_of_mass

    amount = widened(amount)
    small = resized(amount, LONG / max(amount.shape))
    small = np.clip(small / max(np.quantile(small, 0.98), 0.3), 0, 1)
    tops = (CENTRE - np.array(center_of_mass(small))).round()
    top, left = np.clip(tops, 0, SIDE - np.array(small.shape)).astype(int)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + small.shape[0], left : left + small.shape[1]] = np.rint(255 * small)
    return image


def widened(amount: ndarray) -> ndarray:
    """Return ink with strokes widened where the scaled strokes would be too thin."""
    from scipy.ndimage import distance_transform_edt, grey_dilation

    mask = np.pad(amount > 0.5, 1)
    width = 4 * distance_transform_edt(mask).sum() / max(mask.sum(), 1)  # the mean distance inside a strip is width / 4
    more = round((THINNEST * max(amount.shape) / LONG - width) / 2)
    if more <= 0:
        return amount
    row, column = np.mgrid[-more : more + 1, -more : more + 1]
    disc = row**2 + column**2 <= more**2 + 0.5
    wider: ndarray = grey_dilation(np.pad(amount, more), footprint=disc)
    return wider


def resized(pixels: ndarray, factor: float) -> ndarray:
    """Resize pixels (H, W) or (H, W, 3): average when shrinking, interpolate bicubically when enlarging."""
    from PIL import Image

    if factor == 1:
        return pixels
    height, width = (max(1, round(size * factor)) for size in pixels.shape[:2])
    how = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    source = pixels if pixels.ndim == 3 else pixels.astype(np.float32)
    return np.asarray(Image.fromarray(source).resize((width, height), how))


def _placed(box: Box, view: Box, factor: float, whole: Box) -> Box:
    """Convert a box in a resized view to a box in the whole picture."""
    ends = [
        (within.start + round(part.start / factor), within.start + round(part.stop / factor))
        for part, within in zip(box, view, strict=True)
    ]
    rows, columns = (slice(a, min(max(a + 1, b), all.stop)) for (a, b), all in zip(ends, whole, strict=True))
    return rows, columns


def _around(box: Box, whole: Box) -> Box:
    """Return a box enlarged by a margin, clipped to the picture."""
    margin = int(MARGIN * max(part.stop - part.start for part in box))
    rows, columns = (
        slice(max(0, part.start - margin), min(all.stop, part.stop + margin))
        for part, all in zip(box, whole, strict=True)
    )
    return rows, columns
