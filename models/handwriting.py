"""A digit in a picture laid out as the digits of MNIST are, which is all that a network trained on those can read."""

import numpy as np
from numpy import ndarray

from models.ink import Box, Ink, find
from tinygrad_edu.errors import DataError

FAR, NEAR = 800, 160  # pixels along the longer side of a picture: at the first look at most, and at the closer ones
CLOSER = 2  # looks: the first shows how wide the strokes are, the second uses it
MARGIN = 0.5  # around a digit, at a closer look, in its longer sides
WINDOW = 5.0  # in half widths of the widest stroke; at the first look a third of the picture

LONG, SIDE, CENTRE = 20, 28, 14  # pixels along the longer side of a digit, and of its image, and to the middle of that
THINNEST = 2.4  # pixels across its strokes, of which most in MNIST are wider


def as_mnist(picture: ndarray) -> tuple[ndarray, Box]:
    """Return the digit in a picture as MNIST has it, and where it is.

    Its ink is white on black, 20 pixels along the longer side, and its centre of mass is in the middle of the image: as
    the page of Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", says. Strokes that
    are too thin to be left over are widened.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)

    Returns
    -------
    image : ndarray of uint8, shape (28, 28)
    box : pair of slice
        Its rows and columns in the picture.

    Raises
    ------
    DataError
        There is no ink in it, or none that could be a digit.

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
    except DataError:  # then it may be that the digit has no ground around it
        ink, box = looked_at(picture, filled=True)
    return laid_out(ink.amount), box


def looked_at(picture: ndarray, filled: bool) -> tuple[Ink, Box]:
    """Return the ink in a picture, as it is from near, and its rows and columns."""
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
    """Return an image (28, 28) of bytes of some ink (H, W), which fills its box."""
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
    """Return ink whose strokes will be wide enough to be seen."""
    from scipy.ndimage import distance_transform_edt, grey_dilation

    mask = np.pad(amount > 0.5, 1)
    width = 4 * distance_transform_edt(mask).sum() / max(mask.sum(), 1)  # of a strip: w/4 is the mean distance inside
    more = round((THINNEST * max(amount.shape) / LONG - width) / 2)
    if more <= 0:
        return amount
    row, column = np.mgrid[-more : more + 1, -more : more + 1]
    disc = row**2 + column**2 <= more**2 + 0.5
    wider: ndarray = grey_dilation(np.pad(amount, more), footprint=disc)
    return wider


def resized(pixels: ndarray, factor: float) -> ndarray:
    """Return pixels (H, W) or (H, W, 3) made larger or smaller. Each new one is the mean of those that it covers."""
    from PIL import Image

    if factor == 1:
        return pixels
    height, width = (max(1, round(size * factor)) for size in pixels.shape[:2])
    how = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    source = pixels if pixels.ndim == 3 else pixels.astype(np.float32)
    return np.asarray(Image.fromarray(source).resize((width, height), how))


def _placed(box: Box, view: Box, factor: float, whole: Box) -> Box:
    """Return a box that was found in a resized view as one of the whole picture."""
    ends = [
        (within.start + round(part.start / factor), within.start + round(part.stop / factor))
        for part, within in zip(box, view, strict=True)
    ]
    rows, columns = (slice(a, min(max(a + 1, b), all.stop)) for (a, b), all in zip(ends, whole, strict=True))
    return rows, columns


def _around(box: Box, whole: Box) -> Box:
    """Return a box with a margin, as far as the picture goes."""
    margin = int(MARGIN * max(part.stop - part.start for part in box))
    rows, columns = (
        slice(max(0, part.start - margin), min(all.stop, part.stop + margin))
        for part, all in zip(box, whole, strict=True)
    )
    return rows, columns
