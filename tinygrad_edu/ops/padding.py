"""Padding with a constant, or by reflecting, repeating or wrapping the array."""

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import Array, op, shape_of, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.repeating import index_select
from tinygrad_edu.ops.shape import identity, shaped

__all__ = ["pad"]

MODES = ("edge", "reflect", "symmetric", "wrap")


@op(name="pad")
def pad_constant(x: Array, /, pad_width: Any, constant_values: Any) -> Array:
    """Return x pad_images by constants, in its order of memory; the settings are those of `pad`."""
    widths = _pad_widths(pad_width, x.ndim)
    if np.ndim(constant_values) or widths.dtype.kind not in "iu" or (widths < 0).any():
        return np.pad(x, pad_width, constant_values=constant_values)  # which also says what is wrong
    out = np.full_like(x, constant_values, shape=tuple((x.shape + widths.sum(1)).tolist()))
    out[_interior(widths, x.shape)] = x
    return out


def _interior(widths: ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for (before, _), n in zip(widths.tolist(), shape, strict=True))


pad_constant.vjps(x=lambda g, x_shape, pad_width: g[_interior(_pad_widths(pad_width, len(x_shape)), x_shape)])


def _pad_widths(pad_width: Any, ndim: int) -> ndarray:
    """Return for each axis the widths before and after it."""
    if isinstance(pad_width, dict):  # by axis; the others have no border
        by_axis = {normalize_axis_index(axis, ndim): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(axis, 0), 2) for axis in range(ndim)]
    widths = np.asarray(pad_width)
    return widths if widths.shape == (ndim, 2) else np.broadcast_to(widths, (ndim, 2))


def pad(
    x: Any, /, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, reflect_type: str = "even"
) -> Any:
    """Return x with a border around it.

    Parameters
    ----------
    x : array_like
    pad_width : int, pair in a pair, sequence of pairs, or dict
        How wide: on all sides; ``((before, after),)`` along each axis; a pair (before, after) for each axis; or by axis
        an int or a pair. A pair by itself is for x of one axis alone: of more, it is the last axis in PyTorch and every
        axis in NumPy, and raises.
    mode : str
        What the border holds: "constant"; "edge", the element at the edge; "reflect", x reflected at its outermost
        elements; "symmetric", x reflected at its edges, so that these are there twice; "wrap", x from its other end.
        Where it is wider than x, this goes on.
    constant_values : number, pair, or sequence of pairs
        For the mode "constant", in the forms of `pad_width`. No gradient flows to them.
    reflect_type : str
        "even". NumPy's "odd" is refused: it holds differences, and no copies of elements.

    Raises
    ------
    ValueError
        For another mode: NumPy's others hold no copies of elements, and have no derivative here.
    ShapeError
        If x is empty along an axis whose border shall hold its elements; for a pair by itself, see above.
    """
    if isinstance(pad_width, tuple | list) and np.shape(pad_width) == (2,) and len(shape_of(x)) > 1:
        before, after = pad_width
        raise ShapeError(
            f"pad: {pad_width} for x of {np.ndim(x)} axes is for the last of them in PyTorch, and for each of them in "
            f"NumPy: write {{-1: ({before}, {after})}} for the last, (({before}, {after}),) for each."
        )
    return padded(x, pad_width, mode, constant_values=constant_values, reflect_type=reflect_type)


def padded(
    x: Any, /, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, reflect_type: str = "even"
) -> Any:
    """Return `pad` as ``np.pad``, which cannot be mistaken for PyTorch's: with a pair by itself for each axis."""
    if mode == "constant":
        return pad_constant(x, pad_width, constant_values)
    if mode not in MODES:
        raise ValueError(f"pad has the modes constant, {', '.join(MODES)}; not {mode!r}.")
    if reflect_type != "even":
        raise ValueError(f"pad reflects with the reflect_type even; not {reflect_type!r}.")
    if np.any(constant_values):
        raise ValueError(f"pad: constant_values are for the mode constant, and the mode is {mode}.")
    x = shaped(x)
    borders = [(axis, widths) for axis, widths in enumerate(_pad_widths(values_of(pad_width), x.ndim)) if widths.any()]
    for axis, widths in borders:
        x = index_select(x, _source_indices(x.shape, axis, widths, mode), axis)
    return x if borders else identity(x)


def _source_indices(shape: tuple[int, ...], axis: int, widths: ndarray, mode: Any) -> ndarray:
    """Return the source index along an axis of each element of the padded array."""
    if not shape[axis]:
        raise ShapeError(f"pad: axis {axis} of shape {shape} is empty and has nothing to fill a border with: {mode}.")
    return np.pad(np.arange(shape[axis]), widths, mode)
