"""Random affine and elastic warps of images.

A displacement field holds the offset (down, right) at which each pixel is read. Add the fields of several warps, so
that an image is interpolated, and thereby blurred, only once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.errors import DataError, DTypeError, ShapeError
from tinygrad_edu.errors.checks import generator, integer

__all__ = ["affine_field", "displace", "elastic_field", "random_affine", "random_elastic"]

_Pixel = TypeVar("_Pixel", bound=np.number[Any])
Field = NDArray[np.float32]
_CHUNK_PIXELS = 50_000  # per chunk, so that intermediate results stay in the cache


def random_affine(
    images: NDArray[_Pixel],
    degrees: ArrayLike,
    rng: np.random.Generator,
    *,
    translate: ArrayLike = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    shear: ArrayLike = 0.0,
) -> NDArray[_Pixel]:
    """Rotate, scale, shear and shift each image randomly, as torchvision's ``RandomAffine`` does.

    Parameters
    ----------
    images : ndarray, shape (N, H, W) or (N, C, H, W)
        Images of real numbers, not changed. The channels of an image are warped together.
    degrees : float or (float, float)
        Range of the rotation angles, clockwise.
    rng : numpy.random.Generator
    translate : float or (float, float), default 0.0
        Maximum horizontal and vertical shift, as fractions of the width and height, or one number for both.
    scale : (float, float), default (1.0, 1.0)
        Range of the scale factors, above 0. Factors above 1 enlarge the image.
    shear : float or (float, float), default 0.0
        Range of the angles, in degrees, by which vertical lines are tilted to the right.

    Returns
    -------
    ndarray
        A new array of the shape and dtype of `images`, as from `displace`.

    Raises
    ------
    ShapeError, DTypeError, DataError
        As in `displace` and `affine_field`.

    Examples
    --------
    >>> image = np.array([[[1, 2], [3, 4]]], np.uint8)
    >>> random_affine(image, (90, 90), np.random.default_rng(0))
    array([[[3, 1],
            [4, 2]]], dtype=uint8)
    """
    field = affine_field(len(images), images.shape[-2:], degrees, rng, translate=translate, scale=scale, shear=shear)
    return displace(images, field)


def random_elastic(images: NDArray[_Pixel], alpha: float, sigma: float, rng: np.random.Generator) -> NDArray[_Pixel]:
    """Distort each image by a smooth random displacement field, as torchvision's ``ElasticTransform`` does.

    Parameters
    ----------
    images : ndarray, shape (N, H, W) or (N, C, H, W)
        Images of real numbers, not changed. The channels of an image are warped together.
    alpha : float
        Strength of the distortion, 0 or more.
    sigma : float
        Standard deviation of the Gaussian, in pixels, above 0. Larger values are smoother.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray
        A new array of the shape and dtype of `images`, as from `displace`.

    Raises
    ------
    ShapeError, DTypeError, DataError
        As in `displace` and `elastic_field`.

    Examples
    --------
    >>> images = np.full((2, 28, 28), 7, np.uint8)
    >>> bent = random_elastic(images, alpha=34.0, sigma=4.0, rng=np.random.default_rng(0))
    >>> bool((bent[:, 9:19, 9:19] == 7).all())
    True
    """
    return displace(images, elastic_field(len(images), images.shape[-2:], alpha, sigma, rng))


def affine_field(
    count: int,
    size: tuple[int, ...],
    degrees: ArrayLike,
    rng: np.random.Generator,
    *,
    translate: ArrayLike = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    shear: ArrayLike = 0.0,
) -> Field:
    """Draw random affine displacement fields: images are sheared, scaled and rotated about the centre, then shifted.

    A range is a pair (low, high), or a number x for (-x, x). Values are drawn uniformly from it.

    Parameters
    ----------
    count : int
        Number of fields.
    size : (H, W)
        Size of the images.
    degrees : float or (float, float)
        Range of the rotation angles, clockwise.
    rng : numpy.random.Generator
    translate : float or (float, float), default 0.0
        Maximum horizontal and vertical shift, as fractions of the width and height, or one number for both.
    scale : (float, float), default (1.0, 1.0)
        Range of the scale factors, above 0. Factors above 1 enlarge the image.
    shear : float or (float, float), default 0.0
        Range of the angles, in degrees, by which vertical lines are tilted to the right.

    Returns
    -------
    ndarray of float32, shape (N, 2, H, W)

    Raises
    ------
    DataError
        A range has low > high or is not finite, a scale factor is not above 0, or a shear is 90 degrees or more.
    DTypeError
        `rng` is not a Generator, or `count`, the height or the width is not an integer.

    Examples
    --------
    >>> affine_field(1, (1, 3), 0, np.random.default_rng(0), scale=(2, 2)).tolist()
    [[[[0.0, 0.0, 0.0]], [[0.5, 0.0, -0.5]]]]
    """
    height, width = _checked_size(count, size, rng)
    furthest = np.ravel(np.asarray(translate, float))
    if furthest.size not in (1, 2) or not (np.isfinite(furthest) & (furthest >= 0)).all():
        raise DataError(
            f"translate must be a fraction >= 0, or a pair (horizontal, vertical) of them, got {translate!r}."
        )
    furthest = np.broadcast_to(furthest, 2)[::-1] * (height, width)
    inverse = _inverse_matrices(count, degrees, shear, scale, rng)
    move = rng.uniform(-furthest, furthest, (count, 2))[..., None]
    numbers = np.concatenate([inverse - np.eye(2), -inverse @ move], axis=2).astype(np.float32)
    grid = np.indices((height, width), np.float32).reshape(2, -1)
    grid -= [[(height - 1) / 2], [(width - 1) / 2]]
    basis = np.concatenate([grid, np.ones((1, height * width), np.float32)])
    field: Field = (numbers.reshape(-1, 3) @ basis).reshape(count, 2, height, width)
    return field


def _inverse_matrices(
    count: int, degrees: ArrayLike, shear: ArrayLike, scale: ArrayLike, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw inverse matrices, which map output coordinates, relative to the centre, to input coordinates."""
    ranges = {"degrees": degrees, "shear": shear, "scale": scale}
    turn, lean, factor = (rng.uniform(*_as_range(name, ends), count) for name, ends in ranges.items())
    if np.abs(lean).max(initial=0) >= 90 or factor.min(initial=1) <= 0:
        raise DataError(f"shear must be below 90 degrees and scale above 0, got shear={shear!r}, scale={scale!r}.")
    cos, sin, tan = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn)), np.tan(np.deg2rad(lean))
    inverse = np.stack([cos, -sin, cos * tan + sin, cos - sin * tan], axis=1) / factor[:, None]
    return inverse.reshape(count, 2, 2)


def elastic_field(count: int, size: tuple[int, ...], alpha: float, sigma: float, rng: np.random.Generator) -> Field:
    """Draw elastic displacement fields: white noise, Gaussian-blurred and times alpha / 2, as in torchvision.

    Displacements are about 0.08 alpha / sigma pixels, and correlated over distances of about sigma. The noise extends
    beyond the edges, so the fields have no boundary effects.

    Parameters
    ----------
    count : int
        Number of fields.
    size : (H, W)
        Size of the images.
    alpha : float
        Strength of the distortion, 0 or more.
    sigma : float
        Standard deviation of the Gaussian, in pixels, above 0. Larger values are smoother.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (N, 2, H, W)

    Raises
    ------
    DataError
        `alpha` is negative, `sigma` is not above 0, or one of them is not finite.
    DTypeError
        `rng` is not a Generator, or `count`, the height or the width is not an integer.

    Notes
    -----
    P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks applied to visual document
    analysis", 2003, with alpha / 2 = 34 and sigma = 4 for digits of 28 x 28. A blurred axis has only a few smooth
    components, so only their coefficients are drawn, and two matrix products compute the fields.

    Examples
    --------
    >>> field = elastic_field(100, (28, 28), 34.0, 4.0, np.random.default_rng(0))
    >>> field.shape, bool(0.6 < field.std() < 0.8)
    ((100, 2, 28, 28), True)
    """
    height, width = _checked_size(count, size, rng)
    if not (0 <= alpha < np.inf and 0 < sigma < np.inf):
        raise DataError(f"alpha must be >= 0 and sigma > 0, both finite, got alpha={alpha!r}, sigma={sigma!r}.")
    # torchvision's noise, uniform from -1 to 1, has variance 1/3.
    down, right = _blur_basis(height, sigma), _blur_basis(width, sigma) * np.float32(alpha / 2 / np.sqrt(3))
    strengths = rng.standard_normal((count * 2, down.shape[1], right.shape[1]), np.float32)
    field: Field = (down @ (strengths @ right.T)).reshape(count, 2, height, width)
    return field


@lru_cache(16)
def _blur_basis(length: int, sigma: float) -> NDArray[np.float32]:
    """Return a basis of blurred white noise along an axis: the noise is its product with normal coefficients."""
    reach = int(4 * sigma) + 1
    offset = np.arange(-reach, length + reach) - np.arange(length)[:, None]
    blur = np.exp(-0.5 * np.square(offset / sigma))
    vectors, values, _ = np.linalg.svd(blur / blur.sum(axis=1, keepdims=True), full_matrices=False)
    patterns: NDArray[np.float32] = (vectors * values)[:, values > 1e-3 * values[0]].astype(np.float32)
    return patterns


def displace(images: NDArray[_Pixel], field: NDArray[Any]) -> NDArray[_Pixel]:
    """Resample images at displaced positions, with bilinear interpolation. Pixels outside of an image are 0.

    Parameters
    ----------
    images : ndarray, shape (N, H, W) or (N, C, H, W)
        Images of real numbers, not changed. The channels of an image are warped together.
    field : ndarray of floats, shape (N, 2, H, W)
        Offset at which each pixel is read, in pixels: ``field[n, 0]`` down, and ``field[n, 1]`` to the right.

    Returns
    -------
    ndarray
        A new array of the shape and dtype of `images`. Integers are rounded.

    Raises
    ------
    ShapeError
        `images` does not have 3 or 4 axes, or the shape of `field` does not match.
    DTypeError
        `images` does not hold real numbers, or `field` does not hold floats.
    DataError
        `field` holds NaN.

    Examples
    --------
    >>> image = np.array([[[10, 20, 40]]], np.uint8)
    >>> field = np.zeros((1, 2, 1, 3), np.float32)
    >>> field[:, 1] = 0.5
    >>> displace(image, field)
    array([[[15, 30, 20]]], dtype=uint8)

    An affine and an elastic warp, with one interpolation:

    >>> digits, rng = np.zeros((5, 28, 28), np.uint8), np.random.default_rng(0)
    >>> field = affine_field(5, (28, 28), 10, rng, scale=(0.9, 1.1)) + elastic_field(5, (28, 28), 34, 4, rng)
    >>> displace(digits, field).shape
    (5, 28, 28)
    """
    if images.ndim not in (3, 4) or field.shape != (len(images), 2, *images.shape[-2:]):
        raise ShapeError(
            f"displace: images must have shape (N, H, W) or (N, C, H, W), and field (N, 2, H, W), got {images.shape} "
            f"and {field.shape}. Pass a single image (H, W) as image[None]."
        )
    if images.dtype.kind not in "fiu" or field.dtype.kind != "f":
        raise DTypeError(
            f"displace: images must be real and field floating point, got {images.dtype} and {field.dtype}."
        )
    if np.isnan(field).any():
        raise DataError("displace: field must not hold NaN.")
    planes = images if images.ndim == 4 else images[:, None]
    out = np.empty(planes.shape, images.dtype)
    exact = np.result_type(images.dtype, np.float16) if images.dtype.itemsize > 2 else np.dtype(np.float32)
    count = max(1, _CHUNK_PIXELS // max(1, images.shape[-2] * images.shape[-1]))
    for start in range(0, len(images), count):
        part = slice(start, start + count)
        places = _sample_points(field[part])
        for channel in range(planes.shape[1]):
            values = _interpolate(planes[part, channel], exact, *places)
            out[part, channel] = values if images.dtype.kind == "f" else np.rint(values)
    return out.reshape(images.shape)


def _sample_points(field: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any], NDArray[Any]]:
    """Return the pixel above and left of each sample point, in padded images, and the distances to it."""
    count, _, height, width = field.shape
    # The padding is one row above and two below. Points further outside are clipped to it.
    down = np.clip(field[:, 0] + np.arange(1, height + 1, dtype=field.dtype)[:, None], 0, height + 1)
    right = np.clip(field[:, 1] + np.arange(1, width + 1, dtype=field.dtype), 0, width + 1)
    place = down.astype(np.intp)
    place += (np.arange(count) * (height + 3))[:, None, None]
    place *= width + 3
    place += right.astype(np.intp)
    down -= np.floor(down)
    right -= np.floor(right)
    return place, down, right


def _interpolate(
    images: NDArray[Any], dtype: np.dtype[Any], place: NDArray[np.intp], down: NDArray[Any], right: NDArray[Any]
) -> NDArray[Any]:
    """Interpolate bilinearly between four pixels."""
    count, height, width = images.shape
    framed = np.zeros((count, height + 3, width + 3), dtype)
    framed[:, 1:-2, 1:-2] = images
    pixels = framed.reshape(-1)
    between = _lerp(pixels[width + 3 :], place, right)
    above = _lerp(pixels, place, right)
    between -= above
    between *= down
    between += above
    return between


def _lerp(pixels: NDArray[Any], place: NDArray[np.intp], right: NDArray[Any]) -> NDArray[Any]:
    """Interpolate linearly between a pixel and the next."""
    left = pixels.take(place, mode="clip")  # no index is out of range; "clip" skips the check
    mixed = pixels[1:].take(place, mode="clip")
    mixed -= left
    mixed *= right
    mixed += left
    return mixed


def _checked_size(count: int, size: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
    """Return the height and the width, or raise if an argument is invalid."""
    integer("count", count, 0)
    generator(rng)
    if len(size) != 2:
        raise ShapeError(f"size must be (H, W), got {size}.")
    return integer("the height", size[0], 1), integer("the width", size[1], 1)


def _as_range(name: str, value: ArrayLike) -> tuple[float, float]:
    """Return a range (low, high). A number x means (-x, x)."""
    ends = np.ravel(np.asarray(value, float))
    if ends.size == 1:
        ends = np.concatenate([-ends, ends])
    if ends.size != 2 or not np.isfinite(ends).all() or ends[0] > ends[1]:
        raise DataError(f"{name} must be a range (low, high), or a number x >= 0 for (-x, x), got {value!r}.")
    return float(ends[0]), float(ends[1])
