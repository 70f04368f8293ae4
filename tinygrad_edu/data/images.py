"""Image preprocessing: shift, scale and normalize."""

from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu._checks import generator, integer
from tinygrad_edu.errors import DataError, DTypeError, ShapeError

__all__ = ["channel_statistics", "normalize_channels", "random_shift", "to_float"]

X = TypeVar("X", bound=np.generic)
F = TypeVar("F", bound=np.floating[Any])
CHUNK = 1024  # samples whose deviations are held at a time, in float64


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
    ValueError
        `max_shift` is negative.
    DTypeError
        `max_shift` is not an integer, or `rng` is not a Generator.

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
    far = integer("max_shift", max_shift, 0)
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
    """Turn bytes into what a convolution reads: channels of numbers between 0 and 1.

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
        `images` is not uint8: pixels that are scaled already, say.
    ShapeError
        `images` has other than 3 or 4 axes.

    Examples
    --------
    >>> to_float(np.array([[[0, 51], [102, 255]]], dtype=np.uint8))
    array([[[[0. , 0.2],
             [0.4, 1. ]]]], dtype=float32)
    """
    if images.dtype != np.uint8:
        raise DTypeError(f"images is {images.dtype}; to_float scales uint8, once. Leave it out for float images.")
    if images.ndim not in (3, 4):
        raise ShapeError(f"images has shape {images.shape}; to_float needs (N, H, W) or (N, C, H, W).")
    channels = images if images.ndim == 4 else images[:, None]
    return np.divide(channels, np.float32(255), dtype=np.float32)


def channel_statistics(x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure the mean and the standard deviation of each channel, over all samples and pixels.

    Parameters
    ----------
    x : ndarray of numbers, shape (N, C, ...)
        The training set, as `normalize_channels` is to get it. Of a table (N, C) its columns are the channels.

    Returns
    -------
    mean, std : ndarray of float64, shape (C,)
        The standard deviation is NumPy's, that of the samples themselves.

    Raises
    ------
    ShapeError
        `x` has fewer than 2 axes, or holds nothing.

    Examples
    --------
    >>> mean, std = channel_statistics(np.array([[1.0, 10.0], [3.0, 10.0]]))
    >>> mean, std
    (array([ 2., 10.]), array([1., 0.]))
    """
    if x.ndim < 2 or not x.size:
        raise ShapeError(f"x has shape {x.shape}; channel_statistics needs (N, C, ...), with 1 sample or more.")
    axes = (0, *range(2, x.ndim))
    mean = np.mean(x, axis=axes, dtype=np.float64, keepdims=True)
    squares = [np.square(x[i : i + CHUNK] - mean).sum(axis=axes) for i in range(0, len(x), CHUNK)]
    return mean.reshape(-1), np.sqrt(np.sum(squares, axis=0) * (x.shape[1] / x.size))


def normalize_channels(x: NDArray[F], mean: ArrayLike, std: ArrayLike) -> NDArray[F]:
    """Take each channel's mean from it and divide by its standard deviation.

    Parameters
    ----------
    x : ndarray of floats, shape (N, C, ...)
        The training set, or any other to which the same is to be done.
    mean, std : array_like, shape (C,)
        Of the training set: from `channel_statistics`.

    Returns
    -------
    ndarray
        A new array of the shape and dtype of `x`.

    Raises
    ------
    DTypeError
        `x` is not floating point.
    ShapeError
        There is not one mean and one standard deviation for each channel.
    DataError
        A standard deviation is 0 or less, or not a finite number.

    Examples
    --------
    >>> train, test = np.array([[1.0], [3.0]]), np.array([[4.0]])
    >>> normalize_channels(test, *channel_statistics(train))
    array([[2.]])
    """
    if x.dtype.kind != "f":
        raise DTypeError(f"x is {x.dtype}; normalize_channels needs floats: to_float makes them of bytes.")
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    if x.ndim < 2 or mean.shape != x.shape[1:2] or std.shape != mean.shape:
        raise ShapeError(
            f"x has shape {x.shape}, mean {mean.shape} and std {std.shape}; normalize_channels needs (N, C, ...), (C,) "
            "and (C,)."
        )
    wrong = np.flatnonzero(~((std > 0) & np.isfinite(std)))
    if wrong.size:
        raise DataError(
            f"std[{wrong[0]}] is {std[wrong[0]]}, and nothing can be divided by it. A channel that is constant is left "
            "at 0 with std[std == 0] = 1."
        )
    channels = (-1, *(1,) * (x.ndim - 2))
    out = np.empty(x.shape, x.dtype)
    np.subtract(x, mean.reshape(channels), out=out)
    np.divide(out, std.reshape(channels), out=out)
    return out
