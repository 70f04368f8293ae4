"""Padding with a constant, or with reflected, repeated or wrapped elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, op, shape_of, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.indices.positions import index_select
from tinygrad_edu.ops.shapes.shape import identity, shaped

__all__ = ["pad"]

MODES = ("edge", "reflect", "symmetric", "wrap")


def _pad_samples(batch: MappedCall) -> Any:
    if np.ndim(batch.settings["constant_values"]):
        return NotImplemented
    widths = pad_widths(batch.settings["pad_width"], batch.sample_ndim())
    return batch.on_leading(pad_width=np.concatenate([np.zeros((1, 2), widths.dtype), widths]))


@op(name="pad", batching=_pad_samples)
def pad_constant(x: Array, /, pad_width: Any, constant_values: Any) -> Array:
    """Pad x with constants, in its memory order; the arguments are those of `pad`."""
    widths = pad_widths(pad_width, x.ndim)
    if np.ndim(constant_values) or widths.dtype.kind not in "iu" or (widths < 0).any():
        return np.pad(x, pad_width, constant_values=constant_values)  # NumPy raises the error for invalid widths
    out = np.full_like(x, constant_values, shape=tuple((x.shape + widths.sum(1)).tolist()))
    out[_interior(widths, x.shape)] = x
    return out


def _interior(widths: ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for (before, _), n in zip(widths.tolist(), shape, strict=True))


pad_constant.vjps(x=lambda g, x_shape, pad_width: g[_interior(pad_widths(pad_width, len(x_shape)), x_shape)])


def pad_widths(pad_width: Any, ndim: int) -> ndarray:
    """Return the widths before and after each axis: (ndim, 2)."""
    if isinstance(pad_width, dict):  # axes that are not in the dict are not padded
        by_axis = {normalize_axis_index(axis, ndim): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(axis, 0), 2) for axis in range(ndim)]
    widths = np.asarray(pad_width)
    return widths if widths.shape == (ndim, 2) else np.broadcast_to(widths, (ndim, 2))


def pad(
    x: TensorLike, /, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, reflect_type: str = "even"
) -> Tensor | Array:
    """Pad x along its axes.

    Parameters
    ----------
    x : array_like
    pad_width : int, pair in a pair, sequence of pairs, or dict
        Number of elements to add: an int for all sides, ``((before, after),)`` for every axis, one pair
        (before, after) per axis, or a dict of axis to int or pair. A single pair (before, after) requires a 1-d x: for
        more axes PyTorch pads the last axis and NumPy pads every axis, so `pad` raises.
    mode : str, default "constant"
        "constant"; "edge", the nearest edge element; "reflect", x reflected about its edge element; "symmetric",
        x reflected with the edge element repeated; "wrap", elements from the opposite end. A border wider than x
        repeats the pattern.
    constant_values : number, pair, or sequence of pairs, default 0
        Values for mode "constant", in the forms of `pad_width`. They receive no gradient.
    reflect_type : str, default "even"
        Only "even". NumPy's "odd" is not supported: its border is not made of copies of elements.

    Raises
    ------
    ValueError
        For any other mode. NumPy's other modes are not supported: their borders are not made of copies of elements.
    ShapeError
        If an axis is empty and its border would copy elements of x, or if `pad_width` is a single pair and x has more
        than one axis.
    """
    if isinstance(pad_width, tuple | list) and np.shape(pad_width) == (2,) and len(shape_of(x)) > 1:
        before, after = pad_width
        raise ShapeError(
            f"pad: pad_width={pad_width} is ambiguous for x with {np.ndim(x)} axes: PyTorch pads the last axis, NumPy "
            f"every axis; write {{-1: ({before}, {after})}} for the last, (({before}, {after}),) for every axis."
        )
    return padded(x, pad_width, mode, constant_values=constant_values, reflect_type=reflect_type)


def padded(
    x: Any, /, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, reflect_type: str = "even"
) -> Any:
    """Pad x as ``np.pad`` does: unlike `pad`, accept a single pair for every axis."""
    if mode == "constant":
        return pad_constant(x, pad_width, constant_values)
    if mode not in MODES:
        raise invalid_choice("pad: mode", mode, ("constant", *MODES))
    if reflect_type != "even":
        raise invalid_choice("pad: reflect_type", reflect_type, ("even",))
    if np.any(constant_values):
        raise ValueError(f"pad: constant_values requires mode constant, got mode {mode}.")
    x = shaped(x)
    borders = [(axis, widths) for axis, widths in enumerate(pad_widths(values_of(pad_width), x.ndim)) if widths.any()]
    for axis, widths in borders:
        x = index_select(x, _source_indices(x.shape, axis, widths, mode), axis)
    return x if borders else identity(x)


def _source_indices(shape: tuple[int, ...], axis: int, widths: ndarray, mode: Any) -> ndarray:
    """Return the source index along an axis of each element of the padded array."""
    if not shape[axis]:
        raise ShapeError(f"pad: axis {axis} of shape {shape} is empty; mode {mode} has no elements to copy.")
    return np.pad(np.arange(shape[axis]), widths, mode)
