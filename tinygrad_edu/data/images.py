"""Image preprocessing: shift, scale and normalize."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.errors import DataError, DTypeError, ShapeError
from tinygrad_edu.errors.checks import generator, integer

__all__ = ["channel_statistics", "normalize_channels", "random_shift", "to_float"]

X = TypeVar("X", bound=np.generic)
F = TypeVar("F", bound=np.floating[Any])
CHUNK = 1024  # samples per chunk of squared deviations in float64


def random_shift(images: NDArray[X], max_shift: int, rng: np.random.Generator) -> NDArray[X]:
    """Shift each image by its own random offset, an integer number of pixels along each axis.

    Random shifts train a network to recognize a digit independently of its position.

    Parameters
    ----------
    images : ndarray, shape (N, H, W) or (N, C, H, W)
        Images of any dtype, not changed. The channels of an image are shifted together.
    max_shift : int
        Maximum offset: it is drawn uniformly from -max_shift to max_shift, on each axis.
    rng : numpy.random.Generator
        Draws the offsets.

    Returns
    -------
    ndarray
        A new array of the shape and dtype of `images`, filled with 0 at the edges.

    Raises
    ------
    ShapeError
        `images` does not have 3 or 4 axes.
    ValueError
        `max_shift` is negative.
    DTypeError
        `max_shift` is not an integer, or `rng` is not a Generator.

    Notes
    -----
    Shift uint8 images, then call `to_float`: float32 images take four times the memory.

    Examples
    --------
    >>> image = np.zeros((1, 5, 5), dtype=np.uint8)
    >>> image[0, 2, 2] = 255
    >>> moved = random_shift(image, max_shift=2, rng=np.random.default_rng(0))
    >>> moved.shape, moved.dtype, int(moved.sum())
    ((1, 5, 5), dtype('uint8'), 255)
    """
    far = integer("max_shift", max_shift, 0)
    if images.ndim not in (3, 4):
        raise ShapeError(
            f"random_shift: images must have shape (N, H, W) or (N, C, H, W), got {images.shape}. "
            "Pass a single image (H, W) as image[None]."
        )
    count, *channels, height, width = images.shape
    # Not np.pad: with it, this function takes 1.6 to 2 times as long.
    padded = np.zeros((count, *channels, height + 2 * far, width + 2 * far), dtype=images.dtype)
    padded[..., far : far + height, far : far + width] = images
    # windows[n, ..., top, left, :, :] is image n, shifted; one indexing operation selects all of them.
    windows = sliding_window_view(padded, (height, width), axis=(-2, -1))
    top, left = generator(rng).integers(0, 2 * far, size=(2, count), endpoint=True)
    moved: NDArray[X] = windows[np.arange(count), ..., top, left, :, :]
    return moved


def to_float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert uint8 images to float32 in [0, 1], with an axis of channels.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, C, H, W)

    Returns
    -------
    ndarray of float32, shape (N, 1, H, W) or (N, C, H, W)
        Each pixel divided by 255.

    Raises
    ------
    DTypeError
        `images` is not uint8.
    ShapeError
        `images` does not have 3 or 4 axes.

    Examples
    --------
    >>> to_float(np.array([[[0, 51], [102, 255]]], dtype=np.uint8))
    array([[[[0. , 0.2],
             [0.4, 1. ]]]], dtype=float32)
    """
    if images.dtype != np.uint8:
        raise DTypeError(f"to_float: images must be uint8, got {images.dtype}. Do not call it for float images.")
    if images.ndim not in (3, 4):
        raise ShapeError(f"to_float: images must have shape (N, H, W) or (N, C, H, W), got {images.shape}.")
    channels = images if images.ndim == 4 else images[:, None]
    return np.divide(channels, np.float32(255), dtype=np.float32)


def channel_statistics(x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the standard deviation of each channel, over all samples and pixels.

    Parameters
    ----------
    x : ndarray of numbers, shape (N, C, ...)
        The training set, in the form in which you pass it to `normalize_channels`. The channels of a table (N, C) are
        its columns.

    Returns
    -------
    mean, std : ndarray of float64, shape (C,)
        The standard deviation is the population's (``ddof=0``), as in NumPy.

    Raises
    ------
    ShapeError
        `x` has fewer than 2 axes, or is empty.

    Examples
    --------
    >>> mean, std = channel_statistics(np.array([[1.0, 10.0], [3.0, 10.0]]))
    >>> mean, std
    (array([ 2., 10.]), array([1., 0.]))
    """
    if x.ndim < 2 or not x.size:
        raise ShapeError(f"channel_statistics: x must have shape (N, C, ...) and not be empty, got {x.shape}.")
    axes = (0, *range(2, x.ndim))
    mean = np.mean(x, axis=axes, dtype=np.float64, keepdims=True)
    squares = [np.square(x[i : i + CHUNK] - mean).sum(axis=axes) for i in range(0, len(x), CHUNK)]
    return mean.reshape(-1), np.sqrt(np.sum(squares, axis=0) * (x.shape[1] / x.size))


def normalize_channels(x: NDArray[F], mean: ArrayLike, std: ArrayLike) -> NDArray[F]:
    """Subtract each channel's mean and divide by its standard deviation.

    Parameters
    ----------
    x : ndarray of floats, shape (N, C, ...)
        The training set, or data to normalize in the same way.
    mean, std : array_like, shape (C,)
        Statistics of the training set, from `channel_statistics`.

    Returns
    -------
    ndarray
        A new array of the shape and dtype of `x`.

    Raises
    ------
    DTypeError
        `x` is not floating point.
    ShapeError
        `mean` and `std` do not have one element per channel.
    DataError
        A standard deviation is not positive and finite.

    Examples
    --------
    >>> train, test = np.array([[1.0], [3.0]]), np.array([[4.0]])
    >>> normalize_channels(test, *channel_statistics(train))
    array([[2.]])
    """
    if x.dtype.kind != "f":
        raise DTypeError(f"normalize_channels: x must be floating point, got {x.dtype}. Convert uint8 with to_float.")
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    if x.ndim < 2 or mean.shape != x.shape[1:2] or std.shape != mean.shape:
        raise ShapeError(
            "normalize_channels: x, mean and std must have shapes (N, C, ...), (C,) and (C,), got "
            f"{x.shape}, {mean.shape} and {std.shape}."
        )
    wrong = np.flatnonzero(~((std > 0) & np.isfinite(std)))
    if wrong.size:
        raise DataError(
            f"std must be positive and finite, got std[{wrong[0]}] = {std[wrong[0]]}. For constant channels, set "
            "std[std == 0] = 1, which makes them 0."
        )
    channels = (-1, *(1,) * (x.ndim - 2))
    out = np.empty(x.shape, x.dtype)
    np.subtract(x, mean.reshape(channels), out=out)
    np.divide(out, std.reshape(channels), out=out)
    return out
