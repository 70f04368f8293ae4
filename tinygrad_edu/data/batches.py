"""From arrays of images and labels to the batches that a training loop eats."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tinygrad_edu._checks import generator, whole_number
from tinygrad_edu.errors import DataError, DTypeError, ShapeError

X = TypeVar("X", bound=np.generic)
Y = TypeVar("Y", bound=np.generic)


def batches(
    x: NDArray[X],
    y: NDArray[Y],
    batch_size: int,
    rng: np.random.Generator | None = None,
    drop_last: bool = False,
) -> Iterator[tuple[NDArray[X], NDArray[Y]]]:
    """Yield the samples of `x` and `y` once each, `batch_size` at a time.

    Parameters
    ----------
    x, y : ndarray, shapes (N, ...) and (N, ...)
        Samples and their targets, of any dtype.
    batch_size : int
        Samples in a batch; the last batch has what is left over.
    rng : numpy.random.Generator, optional
        Draws a new order for the samples. Without it they keep their order, and the batches are views.
    drop_last : bool
        Leave out a last batch that is smaller than `batch_size`.

    Yields
    ------
    (ndarray, ndarray), shapes (batch_size, ...) and (batch_size, ...)

    Raises
    ------
    ShapeError
        `x` and `y` differ in length.
    DataError
        `batch_size` is less than 1.
    DTypeError
        `batch_size` is not a whole number, or `rng` is not a Generator.

    Notes
    -----
    The call itself raises these, not the first batch; the order is drawn by the call, too.

    Examples
    --------
    >>> x, y = np.array([[1.0], [2.0], [3.0]]), np.array([10, 20, 30])
    >>> for x_batch, y_batch in batches(x, y, batch_size=2):
    ...     print(x_batch.shape, y_batch)
    (2, 1) [10 20]
    (1, 1) [30]
    """
    size = whole_number("batch_size", batch_size, 1)
    count = len(x)
    if len(y) != count:
        raise ShapeError(f"x has {count} samples and y has {len(y)}; give each sample in x one target in y.")
    starts = range(0, count - count % size if drop_last else count, size)
    if rng is None:
        return ((x[i : i + size], y[i : i + size]) for i in starts)
    order = generator(rng).permutation(count)
    return ((x[order[i : i + size]], y[order[i : i + size]]) for i in starts)


def random_shift(images: NDArray[X], max_shift: int, rng: np.random.Generator) -> NDArray[X]:
    """Move each image by its own random whole number of pixels, down or up and right or left.

    A digit that is moved a little is the same digit: a network that sees the images moved anew in every
    epoch learns the shape, not the place.

    Parameters
    ----------
    images : ndarray, shape (N, H, W) or (N, C, H, W)
        Of any dtype. Not changed. The channels of an image move together.
    max_shift : int
        The offset on each axis is drawn from -max_shift to max_shift, all equally likely.
    rng : numpy.random.Generator
        Draws the offsets.

    Returns
    -------
    ndarray
        A new array of the shape and dtype of `images`; the pixels that come in from outside are 0.

    Raises
    ------
    ShapeError
        `images` has other than 3 or 4 axes.
    DataError
        `max_shift` is negative.
    DTypeError
        `max_shift` is not a whole number, or `rng` is not a Generator.

    Notes
    -----
    Shift bytes, then call `to_float`: a batch of uint8 is a quarter of the memory to move.

    Examples
    --------
    >>> image = np.zeros((1, 5, 5), dtype=np.uint8)
    >>> image[0, 2, 2] = 255
    >>> moved = random_shift(image, max_shift=2, rng=np.random.default_rng(0))
    >>> moved.shape, moved.dtype, int(moved.sum())
    ((1, 5, 5), dtype('uint8'), 255)
    """
    far = whole_number("max_shift", max_shift, 0)
    if images.ndim not in (3, 4):
        raise ShapeError(
            f"images has shape {images.shape}; random_shift needs (N, H, W) or (N, C, H, W). "
            "A single image (H, W) goes in as image[None]."
        )
    count, *channels, height, width = images.shape
    # np.pad writes the same, but with it this function takes 1.6 to 2 times as long.
    padded = np.zeros((count, *channels, height + 2 * far, width + 2 * far), dtype=images.dtype)
    padded[..., far : far + height, far : far + width] = images
    # windows[n, ..., top, left, :, :] is image n in a frame at (top, left): one gather takes them all.
    windows = sliding_window_view(padded, (height, width), axis=(-2, -1))
    top, left = generator(rng).integers(0, 2 * far, size=(2, count), endpoint=True)
    moved: NDArray[X] = windows[np.arange(count), ..., top, left, :, :]
    return moved


def to_float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn bytes into what a convolution reads: one channel of numbers between 0 and 1.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W)

    Returns
    -------
    ndarray of float32, shape (N, 1, H, W)
        Each pixel divided by 255.

    Raises
    ------
    DTypeError
        `images` is not uint8: pixels that are scaled already, say.
    ShapeError
        `images` has other than 3 axes.

    Examples
    --------
    >>> to_float(np.array([[[0, 51], [102, 255]]], dtype=np.uint8))
    array([[[[0. , 0.2],
             [0.4, 1. ]]]], dtype=float32)
    """
    if images.dtype != np.uint8:
        raise DTypeError(f"images is {images.dtype}; to_float scales uint8, once. Leave it out for float images.")
    if images.ndim != 3:
        raise ShapeError(
            f"images has shape {images.shape}; to_float needs (N, H, W), and adds the channel axis itself."
        )
    return np.divide(images[:, None], np.float32(255), dtype=np.float32)


def one_hot(labels: NDArray[Any], classes: int) -> NDArray[np.float32]:
    """Write each label as a row of zeros with a one in the label's column.

    Parameters
    ----------
    labels : ndarray of integers, shape (N,)
        Each from 0 to classes - 1.
    classes : int
        Number of columns.

    Returns
    -------
    ndarray of float32, shape (N, classes)

    Raises
    ------
    DTypeError
        `labels` are not integers, or `classes` is not a whole number.
    ShapeError
        `labels` has other than 1 axis.
    DataError
        A label has no column, or `classes` is less than 1.

    Examples
    --------
    >>> one_hot(np.array([2, 0]), classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    columns = whole_number("classes", classes, 1)
    if not np.issubdtype(labels.dtype, np.integer):
        raise DTypeError(f"labels is {labels.dtype}; one_hot needs integers. Convert with labels.astype(int).")
    if labels.ndim != 1:
        raise ShapeError(f"labels has shape {labels.shape}; one_hot needs (N,). Flatten it with labels.ravel().")
    outside = np.flatnonzero((labels < 0) | (labels >= columns))
    if outside.size:
        raise DataError(
            f"labels[{outside[0]}] is {labels[outside[0]]}; with {columns} classes a label is from 0 to "
            f"{columns - 1}. Correct the label, or raise classes."
        )
    rows = np.zeros((len(labels), columns), dtype=np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows
