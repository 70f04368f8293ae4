"""Images sampled at the points of a grid, and grids of affine maps.

A point is between pixels. Along each axis its value is a weighted sum of a few pixels, its taps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import integer, invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import as_floating, astype
from tinygrad_edu.ops.elementwise.selection import keep, where
from tinygrad_edu.ops.images.interpolation import cubic_weights
from tinygrad_edu.ops.indices.gather import take_flat
from tinygrad_edu.ops.products.products import matmul
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.joining import stack
from tinygrad_edu.ops.shapes.shape import reshape, shaped, swapaxes

__all__ = ["affine_grid", "grid_sample"]


class _Taps(NamedTuple):
    """The pixels along an axis that each point combines: (N, taps, points) each."""

    indices: ndarray
    inside: ndarray
    weights: Any


@batched("first", inputs=2)
def grid_sample(
    x: TensorLike, grid: TensorLike, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Tensor | Array:  # fmt: skip
    """Sample images at the points of a grid, as in PyTorch.

    Parameters
    ----------
    x : (N, C, H, W) or (N, C, D, H, W)
    grid : (N, H_out, W_out, 2) or (N, D_out, H_out, W_out, 3)
        The points (x, y) or (x, y, z): the last axis of the images comes first. Their ends are -1 and 1.
    mode : {"bilinear", "nearest", "bicubic"}, default "bilinear"
        "bilinear" interpolates linearly along all axes. "bicubic" is for (N, C, H, W).
    padding_mode : {"zeros", "border", "reflection"}, default "zeros"
        Values of pixels outside of the image: 0, the nearest pixel, or the image reflected at its ends.
    align_corners : bool, default False
        Whether -1 and 1 are the centres of the outer pixels, instead of their outer edges.

    Returns
    -------
    Tensor or ndarray, (N, C, H_out, W_out) or (N, C, D_out, H_out, W_out)
        NaN for a point with a NaN. Gradients flow to x and to the grid; that of the grid is 0 for "nearest".

    Raises
    ------
    ShapeError
        If the shapes of x and the grid do not match each other or the mode, or if the images are empty.
    ValueError
        If `mode` or `padding_mode` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> grid_sample(np.array([[[[1.0, 3.0]]]]), np.array([[[[-0.5, 0.0], [0.25, 0.0]]]]))
    array([[[[1. , 2.5]]]])
    """
    x, grid = shaped(x), as_floating(grid)
    _check_grid(x.shape, grid.shape, mode, padding_mode)
    if np.float16 in (x.dtype, grid.dtype):
        wide_x, wide_grid = (astype(part, np.float32) if part.dtype == np.float16 else part for part in (x, grid))
        out = grid_sample(wide_x, wide_grid, mode, padding_mode, align_corners)
        deciding = [part.dtype for part in (x, grid) if isinstance(part, Tensor)] or [x.dtype, grid.dtype]
        return astype(out, np.float16) if np.result_type(*deciding) == np.float16 else out
    (n, channels, *lengths), out_lengths = x.shape, grid.shape[1:-1]
    points = reshape(grid, (n, math.prod(out_lengths), len(lengths)))
    axes = [
        _taps(points[:, :, len(lengths) - 1 - k], length, mode, padding_mode, align_corners)
        for k, length in enumerate(lengths)
    ]
    flat, inside = _flat_taps(axes, lengths)
    offsets = np.arange(n * channels).reshape(n, channels, *[1] * (flat.ndim - 1)) * math.prod(lengths)
    out = keep(take_flat(x, flat[:, None] + offsets), inside[:, None])
    for k in reversed(range(len(axes))):
        weights = axes[k].weights
        out = sum(out * reshape(weights, (n, 1, *[1] * k, *weights.shape[1:])), 2 + k)
    return reshape(out, (n, channels, *out_lengths))


def _check_grid(shape: tuple[int, ...], grid: tuple[int, ...], mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise invalid_choice("grid_sample: mode", mode, ("bilinear", "nearest", "bicubic"))
    if padding_mode not in ("zeros", "border", "reflection"):
        raise invalid_choice("grid_sample: padding_mode", padding_mode, ("zeros", "border", "reflection"))
    axes = len(shape) - 2
    if axes not in (2, 3) or len(grid) != len(shape) or grid[-1] != axes or grid[0] != shape[0]:
        raise ShapeError(
            f"grid_sample: expected x (N, C, H, W) and grid (N, H_out, W_out, 2), or x (N, C, D, H, W) and grid "
            f"(N, D_out, H_out, W_out, 3), got {shape} and {grid}."
        )
    if mode == "bicubic" and axes == 3:
        raise ShapeError(f"grid_sample: mode 'bicubic' expects x of shape (N, C, H, W), got {shape}; use 'bilinear'.")
    if 0 in shape[2:]:
        raise ShapeError(f"grid_sample: images must not be empty, got shape {shape}.")


def _taps(points: Any, length: int, mode: str, padding_mode: str, align_corners: bool) -> _Taps:
    """Return the taps of the coordinates from -1 to 1 along an axis of this length."""
    at = (points + 1) * ((length - 1) / 2) if align_corners else ((points + 1) * length - 1) * 0.5
    if padding_mode == "zeros":
        at = where(np.isinf(values_of(at)), -9.0, at)  # outside, with weights that are not NaN
    elif mode != "bicubic":
        at = _padded(at, length, padding_mode, align_corners)
    if mode == "nearest":
        index = np.rint(values_of(at))[:, None]
        weights = where(np.isnan(values_of(at)), at, np.ones((), at.dtype))[:, None]
    else:
        lower = np.floor(values_of(at))
        fraction = at - lower
        index = np.stack([lower + k for k in ((0, 1) if mode == "bilinear" else (-1, 0, 1, 2))], 1)
        weights = stack([1 - fraction, fraction] if mode == "bilinear" else cubic_weights(fraction), 1)
    if mode == "bicubic" and padding_mode != "zeros":
        index = _padded(index, length, padding_mode, align_corners)
    inside = (index >= 0) & (index < length)
    return _Taps(np.where(inside, index, 0).astype(np.intp), inside, weights)


def _flat_taps(axes: Sequence[_Taps], lengths: Sequence[int]) -> tuple[ndarray, ndarray]:
    """Combine the taps of all axes: indices into a flattened image, and whether all are inside, (N, ..., points)."""
    flat, inside = axes[0].indices, axes[0].inside
    for taps, length in zip(axes[1:], lengths[1:], strict=True):
        own = (slice(None), *[None] * (flat.ndim - 2))
        flat = flat[..., None, :] * length + taps.indices[own]
        inside = inside[..., None, :] & taps.inside[own]
    return flat, inside


def _padded(at: Any, length: int, padding_mode: str, align_corners: bool) -> Any:
    """Move coordinates into the image. Those at an end or outside of it have the derivative 0, as in PyTorch."""
    if padding_mode == "reflection":
        at = _reflected(at, 0 if align_corners else -0.5, length - 1 if align_corners else length)
    values = values_of(at)
    return where((values <= 0) | (values >= length - 1), np.clip(values, 0, length - 1), at)


def _reflected(at: Any, low: float, span: float) -> Any:
    """Reflect coordinates at `low` and `low` + `span`, until they are between."""
    if not span:
        return at * 0
    sign = np.where(values_of(at) < low, -1, 1).astype(at.dtype)
    distance = (at - low) * sign
    flips = np.floor(values_of(distance) / span)
    rest = distance - flips * span
    return where(flips % 2 == 0, rest, span - rest) + low


def affine_grid(theta: TensorLike, size: Sequence[int], align_corners: bool = False) -> Tensor | Array:
    """Return the grid of points that affine maps give for the pixels of images, as in PyTorch: see `grid_sample`.

    Parameters
    ----------
    theta : (N, 2, 3) or (N, 3, 4)
        The matrix and the shift of each map.
    size : sequence of int
        The shape of the images, (N, C, H, W) or (N, C, D, H, W).
    align_corners : bool, default False
        As in `grid_sample`.

    Returns
    -------
    Tensor or ndarray, (N, H, W, 2) or (N, D, H, W, 3)

    Raises
    ------
    ShapeError
        If `theta` does not match `size`.

    Examples
    --------
    >>> import numpy as np
    >>> affine_grid(np.array([[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]]), (1, 1, 1, 2)).tolist()  # swaps x and y
    [[[[0.0, -0.5], [0.0, 0.5]]]]
    """
    theta = as_floating(theta)
    n, _, *lengths = size = tuple(integer("affine_grid: size", length, 1) for length in size)
    axes = len(lengths)
    if axes not in (2, 3) or theta.shape != (n, axes, axes + 1):
        raise ShapeError(
            f"affine_grid: expected theta (N, 2, 3) and size (N, C, H, W), or theta (N, 3, 4) and size "
            f"(N, C, D, H, W), got {theta.shape} and {size}."
        )
    ends = [(m - 1) / m if not align_corners else float(m > 1) for m in lengths]
    positions = [np.linspace(-end, end, m, dtype=theta.dtype) for end, m in zip(ends, lengths, strict=True)]
    points = [*np.meshgrid(*positions, indexing="ij")[::-1], np.ones(lengths, theta.dtype)]
    base = np.stack([each.reshape(-1) for each in points], axis=1)
    return reshape(matmul(base, swapaxes(theta, 1, 2)), (n, *lengths, axes))
