"""Rules of ops that change shapes and move elements."""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_edu import ops
from tinygrad_edu.interop.onnx.graph import Graph
from tinygrad_edu.interop.onnx.operators.table import axes_of, rule
from tinygrad_edu.ops.shapes import joining
from tinygrad_edu.ops.tiling import padding


@rule(ops.reshape, lengths="shape")
def _reshape(g: Graph, x: Any, shape: Any, order: str) -> Any:
    out = g.step.out.shape
    if order == "C":
        return g.reshape(x, out)
    reversed_ = g.transpose(x, list(range(len(x.shape)))[::-1])
    return g.transpose(g.reshape(reversed_, out[::-1]), list(range(len(out)))[::-1])


@rule(ops.expand_dims)
def _expand_dims(g: Graph, x: Any, axis: Any) -> Any:
    axes = normalize_axis_tuple(axis, len(g.step.out.shape))
    return g.add("Unsqueeze", x, np.array(axes, np.int64))


@rule(ops.squeeze)
def _squeeze(g: Graph, x: Any, axis: Any) -> Any:
    ones = [a for a, n in enumerate(x.shape) if n == 1]
    axes = ones if axis is None else normalize_axis_tuple(axis, len(x.shape))
    return g.add("Squeeze", x, np.array(axes, np.int64)) if len(axes) else g.name(x)


@rule(ops.broadcast_to, lengths="shape")
def _broadcast_to(g: Graph, x: Any, shape: Any) -> Any:
    wanted, missing = g.step.out.shape, len(g.step.out.shape) - len(x.shape)
    lengths = [1 if k >= missing and x.shape[k - missing] == n else n for k, n in enumerate(wanted)]
    return g.add("Expand", x, g.integers(lengths))


@rule(ops.transpose)
def _transpose(g: Graph, x: Any, axes: Any) -> Any:
    order = range(len(x.shape))[::-1] if axes is None else [normalize_axis_index(a, len(x.shape)) for a in axes]
    return g.transpose(x, list(order))


@rule(ops.swapaxes)
def _swapaxes(g: Graph, x: Any, axis1: int, axis2: int) -> Any:
    order = list(range(len(x.shape)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return g.transpose(x, order)


@rule(ops.moveaxis)
def _moveaxis(g: Graph, x: Any, source: Any, destination: Any) -> Any:
    sources, targets = (normalize_axis_tuple(a, len(x.shape)) for a in (source, destination))
    order = [a for a in range(len(x.shape)) if a not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return g.transpose(x, order)


@rule(ops.flip)
def _flip(g: Graph, x: Any, axis: Any) -> Any:
    axes = axes_of(x, axis)
    back = np.full_like(axes, -1)
    return g.add("Slice", x, back, np.full_like(axes, np.iinfo(np.int64).min), axes, back) if axes.size else g.name(x)


@rule(ops.tile, lengths="reps")
def _tile(g: Graph, x: Any, reps: Any) -> Any:
    counts = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    missing = len(counts) - len(x.shape)
    if missing > 0:
        x = g.add("Unsqueeze", x, np.arange(missing))
    return g.add("Tile", x, g.integers((*[1] * -missing, *counts)))


@rule(joining.concat, lengths="ends")
def _concat(g: Graph, *arrays: Any, axis: int, ends: Any) -> Any:
    parts = [g.cast(x, g.step.out.dtype) for x in arrays]
    return g.add("Concat", *([g.flatten(x) for x in parts] if axis is None else parts), axis=axis or 0)


@rule(joining.stacked)
def _stack(g: Graph, *arrays: Any, axis: int) -> Any:
    rows = (g.add("Unsqueeze", g.cast(x, g.step.out.dtype), np.asarray([axis])) for x in arrays)
    return g.add("Concat", *rows, axis=axis)


@rule(padding.pad_constant)
def _pad(g: Graph, x: Any, pad_width: Any, constant_values: Any) -> Any:
    g.require_fixed(pad_width)
    if np.ndim(constant_values):
        g.step.refuse("has several constant_values, and ONNX has one")
    widths = padding.pad_widths(pad_width, len(x.shape))
    dtype = np.dtype(np.int32) if x.dtype == bool else x.dtype  # ONNX Runtime pads no booleans
    out = g.add("Pad", g.cast(x, dtype), widths.T.ravel().astype(np.int64), np.asarray(constant_values, dtype))
    return g.convert(out, bool) if x.dtype == bool else out
