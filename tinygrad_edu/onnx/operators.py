"""Rules: the ONNX nodes of each op. A rule takes the graph and the arguments of the op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_edu import ops
from tinygrad_edu.nn.pooling import _unpooled
from tinygrad_edu.onnx.graph import Graph
from tinygrad_edu.onnx.tracing import Variable
from tinygrad_edu.ops import (
    classification,
    contraction,
    convolution,
    embeddings,
    indexing,
    joining,
    normalization,
    padding,
    patches,
    pooling,
    products,
    recurrent,
    repeating,
    selection,
)
from tinygrad_edu.ops.fast import convolution as fast_convolution
from tinygrad_edu.ops.sliding_windows import pair, per_axis

Emitter = Callable[..., Any]
OPERATORS: dict[Any, Emitter] = {}


def rule(*functions: Any) -> Callable[[Emitter], Emitter]:
    """Declare the rule of these functions."""

    def declare(own: Emitter) -> Emitter:
        OPERATORS.update(dict.fromkeys(functions, own))
        return own

    return declare


# --- Elementwise ---


def _in_dtype_of_result(op_type: str) -> Emitter:
    return lambda g, *inputs: g.add(op_type, *(g.cast(x, g.step.out.dtype) for x in inputs))


def _comparison(op_type: str, negated: bool = False) -> Emitter:
    def own(g: Graph, x: Any, y: Any) -> Any:
        common = np.result_type(*(v.dtype if hasattr(v, "dtype") else v for v in (x, y)))
        common = np.dtype(np.int32) if common.kind == "b" and op_type != "Equal" else common
        out = g.add(op_type, g.cast(x, common), g.cast(y, common))
        return g.add("Not", out) if negated else out

    return own


def _logical(op_type: str) -> Emitter:
    return lambda g, *inputs: g.add(op_type, *(g.cast(x, bool) for x in inputs))


for _op_type, _function in {
    "Add": ops.add, "Sub": ops.subtract, "Mul": ops.multiply, "Div": ops.divide, "Pow": ops.power, "Max": ops.maximum,
    "Min": ops.minimum, "Reciprocal": ops.reciprocal, "Neg": ops.negative, "Sign": ops.sign, "Abs": ops.abs,
"Sqrt": ops.sqrt, "Exp": ops.exp, "Log": ops.log, "Sin": ops.sin,
    "Cos": ops.cos, "Tan": ops.tan, "Asin": ops.arcsin, "Acos": ops.arccos, "Atan": ops.arctan, "Sinh": ops.sinh,
    "Cosh": ops.cosh, "Tanh": ops.tanh, "Asinh": ops.arcsinh, "Acosh": ops.arccosh, "Atanh": ops.arctanh,
    "Erf": ops.erf, "Relu": ops.relu, "Sigmoid": ops.sigmoid, "Softsign": ops.softsign,
    "Identity": ops.shape.identity, "Det": ops.linalg.det,
}.items():  # fmt: skip
    OPERATORS[_function] = _in_dtype_of_result(_op_type)
for _ufunc, (_op_type, _negated) in {
    np.equal: ("Equal", False), np.not_equal: ("Equal", True), np.less: ("Less", False), np.greater: ("Greater", False),
    np.less_equal: ("LessOrEqual", False), np.greater_equal: ("GreaterOrEqual", False),
}.items():  # fmt: skip
    OPERATORS[_ufunc] = _comparison(_op_type, _negated)
for _ufuncs, _op_type in {
    (np.logical_and, np.bitwise_and): "And", (np.logical_or, np.bitwise_or): "Or",
    (np.logical_xor, np.bitwise_xor): "Xor", (np.logical_not, np.invert): "Not",
}.items():  # fmt: skip
    rule(*_ufuncs)(_logical(_op_type))


def _test(op_type: str) -> Emitter:
    return lambda g, x: g.add(op_type, x if x.dtype.kind == "f" else g.cast(x, np.float32))


OPERATORS |= {np.isnan: _test("IsNaN"), np.isinf: _test("IsInf")}


@rule(np.isfinite)
def _isfinite(g: Graph, x: Any) -> Any:
    return g.add("Not", g.add("Or", OPERATORS[np.isnan](g, x), OPERATORS[np.isinf](g, x)))


@rule(ops.floor)
def _floor(g: Graph, x: Any) -> Any:
    return g.add("Floor" if x.dtype.kind == "f" else "Identity", x)


@rule(ops.ceil)
def _ceil(g: Graph, x: Any) -> Any:
    return g.add("Ceil" if x.dtype.kind == "f" else "Identity", x)


@rule(ops.floor_divide)
def _floor_divide(g: Graph, x: Any, y: Any) -> Any:
    x, y = (g.cast(v, g.step.out.dtype) for v in (x, y))
    if g.step.out.dtype.kind == "f":
        return g.add("Floor", g.add("Div", x, y))
    return g.add("Div", g.add("Sub", x, g.add("Mod", x, y)), y)


@rule(ops.remainder)
def _remainder(g: Graph, x: Any, y: Any) -> Any:
    x, y = (g.cast(v, g.step.out.dtype) for v in (x, y))
    if g.step.out.dtype.kind != "f":
        return g.add("Mod", x, y)
    return g.add("Sub", x, g.add("Mul", g.add("Floor", g.add("Div", x, y)), y))


@rule(ops.fmod)
def _fmod(g: Graph, x: Any, y: Any) -> Any:
    dtype = g.step.out.dtype
    return g.add("Mod", g.cast(x, dtype), g.cast(y, dtype), fmod=1)


@rule(ops.round)
def _round(g: Graph, x: Any, decimals: int) -> Any:
    if x.dtype.kind != "f":
        return g.add("Identity", x)
    factor = np.asarray(10.0**decimals, x.dtype)
    return g.add("Div", g.add("Round", g.add("Mul", x, factor)), factor)


@rule(ops.astype)
def _astype(g: Graph, x: Any, dtype: Any) -> Any:
    return g.name(g.cast(x, np.dtype(dtype)))


@rule(ops.where)
def _where(g: Graph, condition: Any, x: Any, y: Any) -> Any:
    dtype = g.step.out.dtype
    return g.add("Where", g.cast(condition, bool), g.cast(x, dtype), g.cast(y, dtype))


@rule(selection.clip_by_scalars)
def _clip(g: Graph, x: Any, min: Any, max: Any) -> Any:
    dtype = g.step.out.dtype
    return g.add("Clip", g.cast(x, dtype), *(None if b is None else np.asarray(b, dtype) for b in (min, max)))


@rule(ops.gelu)
def _gelu(g: Graph, x: Any, approximate: str) -> Any:
    return g.add("Gelu", x, approximate=approximate)


# --- Reductions and scans ---


def _reduction(op_type: str) -> Emitter:
    def own(g: Graph, x: Any, axis: Any, keepdims: bool, dtype: Any = None) -> Any:
        x, ndim = g.cast(x, g.step.out.dtype), len(x.shape)
        axes = tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)
        return g.add(op_type, x, np.array(axes, np.int64), keepdims=int(keepdims), noop_with_empty_axes=1)

    return own


for _op_type, _function in {
    "ReduceSum": ops.sum, "ReduceProd": ops.prod, "ReduceMean": ops.mean, "ReduceMax": ops.max, "ReduceMin": ops.min,
    "ReduceLogSumExp": ops.logsumexp,
}.items():  # fmt: skip
    OPERATORS[_function] = _reduction(_op_type)


def _truth(op_type: str) -> Emitter:
    def own(g: Graph, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axes = tuple(range(len(x.shape))) if axis is None else normalize_axis_tuple(axis, len(x.shape))
        whole = g.add("Cast", g.cast(x, bool), to=6)
        reduced = g.add(op_type, whole, np.array(axes, np.int64), keepdims=int(keepdims), noop_with_empty_axes=1)
        return g.add("Cast", reduced, to=9)

    return own


OPERATORS |= {np.any: _truth("ReduceMax"), np.all: _truth("ReduceMin")}


@rule(np.count_nonzero)
def _count_nonzero(g: Graph, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    axes = tuple(range(len(x.shape))) if axis is None else normalize_axis_tuple(axis, len(x.shape))
    ones = g.add("Cast", g.cast(x, bool), to=7)
    return g.add("ReduceSum", ones, np.array(axes, np.int64), keepdims=int(keepdims), noop_with_empty_axes=1)


def _position(op_type: str) -> Emitter:
    def own(g: Graph, x: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
        if axis is None:
            x, axis, keepdims = g.add("Reshape", x, np.array([-1], np.int64)), 0, False
        return g.add(op_type, x, axis=axis, keepdims=int(keepdims))

    return own


OPERATORS |= {np.argmax: _position("ArgMax"), np.argmin: _position("ArgMin")}


@rule(ops.cumsum)
def _cumsum(g: Graph, x: Any, axis: int | None, dtype: Any) -> Any:
    flat = g.add("Reshape", x, np.array([-1], np.int64)) if axis is None else g.cast(x, g.step.out.dtype)
    return g.add("CumSum", flat, np.array(axis or 0, np.int64))


def _softmax(op_type: str) -> Emitter:
    def own(g: Graph, x: Any, axis: int) -> Any:
        x = g.cast(x, g.step.out.dtype)
        if g.step.out.shape:
            return g.add(op_type, x, axis=axis)
        return g.reshape(g.add(op_type, g.reshape(x, (1,)), axis=0), ())

    return own


OPERATORS |= {
    classification.softmax_along: _softmax("Softmax"),
    classification.log_softmax_along: _softmax("LogSoftmax"),
}


# --- Products ---


@rule(products.matmul)
def _matmul(g: Graph, x: Any, y: Any) -> Any:
    dtype = g.step.out.dtype
    return g.add("MatMul", g.cast(x, dtype), g.cast(y, dtype))


@rule(products.linear_with_bias)
def _linear(g: Graph, x: Any, weight: Any, bias: Any = None) -> Any:
    x, weight, *added = (g.cast(v, g.step.out.dtype) for v in (x, weight, bias) if v is not None)
    if len(g.step.inputs[0].shape) == 2:
        return g.add("Gemm", x, weight, *added, transB=1)
    out = g.add("MatMul", x, g.add("Transpose", weight, perm=[1, 0]))
    return g.add("Add", out, *added) if added else out


OPERATORS[products.linear_without_bias] = _linear

# --- Shapes ---


@rule(ops.reshape)
def _reshape(g: Graph, x: Any, shape: Any, order: str) -> Any:
    out = g.step.out.shape
    if order == "C":
        return g.reshape(x, out)
    reversed_ = g.add("Transpose", x, perm=list(range(len(x.shape)))[::-1])
    return g.add("Transpose", g.reshape(reversed_, out[::-1]), perm=list(range(len(out)))[::-1])


@rule(ops.expand_dims)
def _expand_dims(g: Graph, x: Any, axis: Any) -> Any:
    axes = normalize_axis_tuple(axis, len(g.step.out.shape))
    return g.add("Unsqueeze", x, np.array(axes, np.int64))


@rule(ops.squeeze)
def _squeeze(g: Graph, x: Any, axis: Any) -> Any:
    ones = [a for a, n in enumerate(x.shape) if n == 1]
    axes = ones if axis is None else normalize_axis_tuple(axis, len(x.shape))
    return g.add("Squeeze", x, np.array(axes, np.int64)) if len(axes) else g.name(x)


@rule(ops.broadcast_to)
def _broadcast_to(g: Graph, x: Any, shape: Any) -> Any:
    wanted, missing = g.step.out.shape, len(g.step.out.shape) - len(x.shape)
    lengths = [1 if k >= missing and x.shape[k - missing] == n else n for k, n in enumerate(wanted)]
    return g.add("Expand", x, g.integers(lengths))


@rule(ops.transpose)
def _transpose(g: Graph, x: Any, axes: Any) -> Any:
    order = range(len(x.shape))[::-1] if axes is None else [normalize_axis_index(a, len(x.shape)) for a in axes]
    return g.add("Transpose", x, perm=list(order))


@rule(ops.swapaxes)
def _swapaxes(g: Graph, x: Any, axis1: int, axis2: int) -> Any:
    return g.add(
        "Transpose", x, perm=np.arange(len(x.shape)).reshape(-1)[_swapped(len(x.shape), axis1, axis2)].tolist()
    )


def _swapped(ndim: int, axis1: int, axis2: int) -> list[int]:
    order = list(range(ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return order


@rule(ops.moveaxis)
def _moveaxis(g: Graph, x: Any, source: Any, destination: Any) -> Any:
    sources, targets = (normalize_axis_tuple(a, len(x.shape)) for a in (source, destination))
    order = [a for a in range(len(x.shape)) if a not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return g.add("Transpose", x, perm=order)


@rule(ops.flip)
def _flip(g: Graph, x: Any, axis: Any) -> Any:
    axes = tuple(range(len(x.shape))) if axis is None else normalize_axis_tuple(axis, len(x.shape))
    ones = np.full(len(axes), -1, np.int64)
    return g.add("Slice", x, ones, np.full(len(axes), np.iinfo(np.int64).min), np.array(axes, np.int64), ones)


@rule(ops.tile)
def _tile(g: Graph, x: Any, reps: Any) -> Any:
    counts = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    missing = len(counts) - len(x.shape)
    if missing > 0:
        x = g.add("Unsqueeze", x, np.arange(missing))
    return g.add("Tile", x, g.integers((*[1] * -missing, *counts)))


@rule(joining.concat)
def _concat(g: Graph, *arrays: Any, axis: int, ends: Any) -> Any:
    return g.add("Concat", *(g.cast(x, g.step.out.dtype) for x in arrays), axis=axis)


@rule(padding.pad_constant)
def _pad(g: Graph, x: Any, pad_width: Any, constant_values: Any) -> Any:
    g.require_fixed(pad_width)
    if np.ndim(constant_values):
        g.step.refuse("has several constant_values, and ONNX has one")
    widths = padding._pad_widths(pad_width, len(x.shape))
    is_bool = x.dtype == bool
    x, dtype = (g.add("Cast", x, to=6), np.int32) if is_bool else (x, x.dtype)
    out = g.add("Pad", x, widths.T.ravel().astype(np.int64), np.asarray(constant_values, dtype))
    return g.add("Cast", out, to=9) if is_bool else out


# --- Indexing ---


@rule(repeating.index_select)
def _index_select(g: Graph, x: Any, positions: Any, axis: int) -> Any:
    return g.add("Gather", x, g.cast(positions, np.int64), axis=axis)


@rule(ops.embedding)
def _embedding(
    g: Graph, indices: Any, weight: Any, padding_idx: Any, max_norm: Any, norm_type: Any, scale_grad_by_freq: Any
) -> Any:
    if max_norm is not None:
        g.step.refuse("has max_norm, which writes to the table")
    return g.add("Gather", weight, g.cast(indices, np.int64))


@rule(embeddings.lookup_rows)
def _lookup_rows(g: Graph, weight: Any, indices: Any) -> Any:
    return g.add("Gather", weight, g.cast(indices, np.int64))


@rule(ops.take)
def _take(g: Graph, x: Any, indices: Any, axis: int | None, mode: str) -> Any:
    if mode != "raise":
        g.step.refuse(f"has mode={mode!r}")
    if axis is None:
        x = g.add("Reshape", x, np.array([-1], np.int64))
    return g.add("Gather", x, g.cast(indices, np.int64), axis=axis or 0)


@rule(ops.take_along_axis)
def _take_along_axis(g: Graph, x: Any, indices: Any, axis: int | None) -> Any:
    indices = g.cast(indices, np.int64)
    if axis is None:
        return g.add("GatherElements", g.add("Reshape", x, np.array([-1], np.int64)), indices)
    out, along = g.step.out.shape, axis % len(x.shape)
    x = g.add("Expand", x, g.integers(_with_length(out, along, x.shape[along])))
    return g.add("GatherElements", x, g.add("Expand", indices, g.integers(out)), axis=along)


def _with_length(shape: Any, axis: int, length: Any) -> list[Any]:
    """Return a shape with another length along an axis."""
    return [*shape[:axis], length, *shape[axis + 1 :]]


@rule(ops.put_along_axis)
def _put_along_axis(g: Graph, x: Any, indices: Any, values: Any, axis: int | None) -> Any:
    if axis is None:
        out = _put_along_axis(g, g.add("Reshape", x, np.array([-1], np.int64)), indices, values, 0)
        return g.reshape(out, x.shape)
    ndim = len(indices.shape)
    shape = _with_length(g.step.out.shape, axis % ndim, indices.shape[axis]) if ndim > 1 else indices.shape
    pairs = (indices, np.int64), (values, g.step.out.dtype)
    placed = [g.add("Expand", g.cast(value, dtype), g.integers(shape)) for value, dtype in pairs]
    return g.add("ScatterElements", x, *placed, axis=axis)


@rule(indexing.getitem)
def _getitem(g: Graph, x: Any, index: Any) -> Any:
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = _without_masks(g, parts)
    consumed = sum(part is not None and part is not Ellipsis for part in parts)
    at = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    parts[at : at + 1] = [slice(None)] * (len(x.shape) - consumed)
    axes = [part for part in parts if part is not None]
    x = _sliced(g, x, axes)
    arrays = [a for a, part in enumerate(axes) if not isinstance(part, slice)]
    if all(isinstance(axes[a], int | np.integer) for a in arrays):
        return _with_scalars(g, x, parts, axes, arrays)
    return _gathered(g, x, parts, axes, arrays)


def _without_masks(g: Graph, parts: list[Any]) -> list[Any]:
    """Replace constant masks with the indices of their elements, and lists with arrays."""
    out: list[Any] = []
    for part in parts:
        g.require_fixed(part)
        value = np.asarray(part) if isinstance(part, list | bool) else part
        if isinstance(value, Variable | np.ndarray) and value.dtype.kind == "b":
            if isinstance(value, Variable):
                g.step.refuse("has a mask, and the shape of its result depends on the values; use where()")
            out.extend(np.nonzero(value))
        else:
            out.append(value)
    return out


def _sliced(g: Graph, x: Any, axes: list[Any]) -> Any:
    """Apply the slices of an index with one part for each axis of x."""
    chosen = [(a, part) for a, part in enumerate(axes) if isinstance(part, slice) and part != slice(None)]
    if not chosen:
        return x
    far, starts, stops, steps = np.iinfo(np.int64).max, [], [], []
    for _, part in chosen:
        step = 1 if part.step is None else part.step
        starts.append((far if step < 0 else 0) if part.start is None else part.start)
        stops.append((-far if step < 0 else far) if part.stop is None else part.stop)
        steps.append(step)
    where = np.array([a for a, _ in chosen], np.int64)
    return g.add("Slice", x, g.integers(starts), g.integers(stops), where, g.integers(steps))


def _with_scalars(g: Graph, x: Any, parts: list[Any], axes: list[Any], scalars: list[int]) -> Any:
    """Select integers along axes, last first, and insert the axes of None."""
    for a in reversed(scalars):
        x = g.add("Gather", x, np.asarray(axes[a], np.int64), axis=a)
    left = [part for part in parts if part is None or isinstance(part, slice)]
    new = [k for k, part in enumerate(left) if part is None]
    return g.add("Unsqueeze", x, np.array(new, np.int64)) if new else g.name(x)


def _gathered(g: Graph, x: Any, parts: list[Any], axes: list[Any], arrays: list[int]) -> Any:
    """Index with integer arrays, which replace their axes if they are adjacent, and come first otherwise."""
    if any(part is None for part in parts):
        g.step.refuse("mixes None with arrays in an index; use expand_dims")
    if len(arrays) == 1:
        return g.add("Gather", x, g.cast(axes[arrays[0]], np.int64), axis=arrays[0])
    shape = _broadcast(*(axes[a].shape if isinstance(axes[a], Variable) else np.shape(axes[a]) for a in arrays))
    rest = [a for a in range(len(axes)) if a not in arrays]
    moved = g.add("Transpose", x, perm=[*arrays, *rest])
    columns = [g.add("Expand", g.cast(axes[a], np.int64), g.integers(shape)) for a in arrays]
    stacked = g.add("Concat", *(g.add("Unsqueeze", c, np.array([-1], np.int64)) for c in columns), axis=-1)
    out = g.add("GatherND", moved, stacked)
    is_adjacent = arrays == list(range(arrays[0], arrays[-1] + 1))
    if not is_adjacent or arrays[0] == 0:
        return out
    n, first = len(shape), arrays[0]
    order = [*range(n, n + first), *range(n), *range(n + first, n + len(rest))]
    return g.add("Transpose", out, perm=order)


def _broadcast(*shapes: Any) -> list[Any]:
    """Return the broadcast shape, in which lengths may be symbolic."""
    ndim = max(map(len, shapes))
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    return [next((n for n in lengths if n != 1), 1) for lengths in zip(*padded, strict=True)]


# --- Normalization ---


@rule(ops.layer_norm)
def _layer_norm(g: Graph, x: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    axes = len(normalized_shape) if isinstance(normalized_shape, tuple | list) else 1
    scale = np.ones(x.shape[-axes:], x.dtype) if weight is None else g.cast(weight, x.dtype)
    shift = None if bias is None else g.cast(bias, x.dtype)
    return g.add("LayerNormalization", x, scale, shift, axis=-axes, epsilon=float(eps))


@rule(normalization._standardize)
def _standardize(g: Graph, x: Any, eps: float) -> Any:
    return _layer_norm(g, x, x.shape[-1], None, None, eps)


@rule(normalization.normalize_by_running)
def _batch_norm(g: Graph, x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, eps: float) -> Any:
    moments = (g.cast(v, x.dtype) for v in (running_mean, running_var))
    return g.add("BatchNormalization", x, *_scale_and_shift(g, x, weight, bias), *moments, epsilon=float(eps))


@rule(ops.instance_norm)
def _instance_norm(
    g: Graph, x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, use_input_stats: bool,
    momentum: Any, eps: float,
) -> Any:  # fmt: skip
    if not use_input_stats:
        return _batch_norm(g, x, running_mean, running_var, weight, bias, eps)
    return g.add("InstanceNormalization", x, *_scale_and_shift(g, x, weight, bias), epsilon=float(eps))


def _scale_and_shift(g: Graph, x: Any, weight: Any, bias: Any) -> list[Any]:
    """Return the weight, by default 1, and the bias, by default 0, of each channel."""
    defaults = (weight, np.ones), (bias, np.zeros)
    return [default(x.shape[1], x.dtype) if value is None else g.cast(value, x.dtype) for value, default in defaults]


# --- Diagonals ---


@rule(contraction.take_diagonal)
def _take_diagonal(g: Graph, x: Any, labels: Any) -> Any:
    letters = ["".join(chr(ord("a") + label) for label in axes) for axes in contraction._to_sublists(labels)]
    return g.add("Einsum", x, equation="->".join(letters))


@rule(indexing.scatter)
def _scatter(g: Graph, *arrays: Any, indices: Any, shape: Any) -> Any:
    g.require_fixed([indices, shape])
    positions, dtype = np.arange(int(np.prod(shape))).reshape(shape), g.step.out.dtype
    out: Any = np.zeros(positions.size, dtype)
    for array, index in zip(arrays, indices, strict=True):
        flat = g.add("Reshape", g.cast(array, dtype), np.array([-1], np.int64))
        out = g.add("ScatterElements", out, positions[index].ravel(), flat, reduction="add")
    return g.reshape(out, shape)


# --- Sorting ---


def _ranked(g: Graph, x: Any, k: int, axis: int, largest: bool) -> Any:
    return g.add("TopK", x, np.array([k], np.int64), outputs=2, axis=axis, largest=int(largest))


@rule(ops.topk)
def _topk(g: Graph, x: Any, k: int, axis: int, largest: bool, sorted: bool) -> Any:
    return _ranked(g, x, k, axis, largest)


@rule(ops.kthvalue)
def _kthvalue(g: Graph, x: Any, k: int, axis: int, keepdims: bool) -> Any:
    last = np.array([k - 1] if keepdims else k - 1, np.int64)
    return [g.add("Gather", part, last, axis=axis) for part in _ranked(g, x, k, axis, False)]


@rule(ops.sort)
def _sort(g: Graph, x: Any, axis: int | None, descending: bool, stable: Any, kind: Any) -> Any:
    return _sorted(g, x, axis, descending)[0]


@rule(ops.argsort)
def _argsort(g: Graph, x: Any, axis: int | None, descending: bool, stable: Any, kind: Any) -> Any:
    return _sorted(g, x, axis, descending)[1]


def _sorted(g: Graph, x: Any, axis: int | None, descending: bool) -> Any:
    length = g.step.out.shape[0 if axis is None else axis]
    g.require_fixed(length)
    x = g.add("Reshape", x, np.array([-1], np.int64)) if axis is None else x
    return _ranked(g, x, length, axis or 0, descending)


# --- Windows ---


def _padded(sides: Any) -> list[int]:
    """Return ONNX's order of the padding: all before, then all after."""
    return [*(before for before, _ in sides), *(after for _, after in sides)]


def _convolved(
    g: Graph, x: Any, weight: Any, bias: Any, axes: int, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    s, p, d = (per_axis(v, "", least, axes) for v, least in ((stride, 1), (padding, 0), (dilation, 1)))
    dtype = g.step.out.dtype
    inputs = [g.cast(v, dtype) for v in (x, weight, bias) if v is not None]
    return g.add("Conv", *inputs, strides=s, pads=[*p, *p], dilations=d, group=groups)


@rule(fast_convolution.affine_maps)
def _conv2d(g: Graph, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    return _convolved(g, x, weight, bias, 2, stride, padding, dilation, groups)


@rule(fast_convolution.correlate)
def _conv2d_without_bias(g: Graph, x: Any, weight: Any, *window: Any, **settings: Any) -> Any:
    return _conv2d(g, x, weight, None, *window, **settings)


@rule(convolution.convolve_volumes)
def _conv3d(g: Graph, x: Any, weight: Any, bias: Any, *window: Any, **settings: Any) -> Any:
    return _convolved(g, x, weight, bias, 3, *window, **settings)


def _transposed(
    g: Graph, x: Any, weight: Any, bias: Any, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    axes = len(weight.shape) - 2
    s, p, d = (per_axis(v, "", least, axes) for v, least in ((stride, 1), (padding, 0), (dilation, 1)))
    each = zip(size, x.shape[2:], weight.shape[2:], s, p, d, strict=True)
    extra = [length - ((n - 1) * step + gap * (k - 1) + 1 - 2 * q) for length, n, k, step, q, gap in each]
    inputs = [g.cast(v, g.step.out.dtype) for v in (x, weight, bias) if v is not None]
    return g.add("ConvTranspose", *inputs, strides=s, pads=[*p, *p], dilations=d, group=groups, output_padding=extra)


OPERATORS |= {
    fast_convolution.affine_images: _transposed,
    convolution.transpose_volumes: _transposed,
    fast_convolution.correlate_images: lambda g, x, weight, *args, **kw: _transposed(g, x, weight, None, *args, **kw),
}


@rule(pooling.maxima)
def _max_pool(g: Graph, x: Any, windows: Any, return_indices: bool) -> Any:
    kernel, stride, border, dilation = windows
    settings = {"kernel_shape": kernel, "strides": stride, "pads": _padded(border), "dilations": dilation}
    if not return_indices:
        return g.add("MaxPool", x, **settings), None
    out, indices = g.add("MaxPool", x, outputs=2, **settings)
    return out, g.add("Mod", indices, np.array(np.prod(x.shape[2:]), np.int64))


@rule(pooling.window_means)
def _avg_pool(g: Graph, x: Any, kernel: Any, stride: Any) -> Any:
    return g.add("AveragePool", x, kernel_shape=kernel, strides=stride)


@rule(ops.grid_sample)
def _grid_sample(g: Graph, x: Any, grid: Any, mode: str, padding_mode: str, align_corners: bool) -> Any:
    method = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    settings: dict[str, Any] = {"mode": method, "padding_mode": padding_mode, "align_corners": int(align_corners)}
    return g.add("GridSample", *(g.cast(v, g.step.out.dtype) for v in (x, grid)), **settings)


@rule(_unpooled)
def _max_unpool(g: Graph, x: Any, indices: Any, name: str, size: tuple[int, ...]) -> Any:
    leading = x.shape[: -len(size)]
    flat = [*leading, int(np.prod(x.shape[-len(size) :]))]
    blank = g.add("Expand", np.zeros((), x.dtype), g.integers([*leading, int(np.prod(size))]))
    positions = g.reshape(g.cast(indices, np.int64), flat)
    filled = g.add("ScatterElements", blank, positions, g.reshape(x, flat), axis=len(leading))
    return g.reshape(filled, [*leading, *size])


@rule(patches.col2im)
def _col2im(
    g: Graph, columns: Any, output_size: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    (h, w), kernel = pair(output_size, "", 1), pair(kernel_size, "", 1)
    s, p, d = pair(stride, "", 1), pair(padding, "", 0), pair(dilation, "", 1)
    window = np.array([h, w]), np.array(kernel)
    return g.add("Col2Im", columns, *window, strides=s, pads=[*p, *p], dilations=d)


# --- Recurrent layers ---


@rule(recurrent.over_sequence)
def _recurrent(
    g: Graph, kind: str, x: Any, states: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *w_hr: Any
) -> Any:
    if w_hr:
        g.step.refuse("has projections, and an LSTM of ONNX has none")
    op_type, axis = kind.split("_")[0], np.array([0], np.int64)
    settings: dict[str, Any] = {"hidden_size": w_hh.shape[1]} | _RECURRENT_SETTINGS.get(kind, {})
    zeros = np.zeros(w_hh.shape[0], x.dtype)
    weights = (w_ih, w_hh, zeros if b_ih is None else b_ih, zeros if b_hh is None else b_hh)
    w, r, *b = (_in_order_of_gates(g, v, op_type, w_hh.shape[1]) for v in weights)
    parts = [g.add("Unsqueeze", v, axis) for v in (w, r, g.add("Concat", *b, axis=0), *states)]
    y, *last = g.add(op_type, x, *parts[:3], None, *parts[3:], outputs=1 + len(states), **settings)
    return g.add("Squeeze", y, np.array([1], np.int64)), [g.add("Squeeze", state, axis) for state in last]


_RECURRENT_SETTINGS: dict[str, dict[str, Any]] = {
    "GRU": {"linear_before_reset": 1},
    "RNN_RELU": {"activations": ["Relu"]},
}
# PyTorch's gates are i, f, g, o and r, z, n; those of ONNX are i, o, f, g and z, r, n.
_ORDER_OF_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


def _in_order_of_gates(g: Graph, x: Any, op_type: str, hidden: int) -> Any:
    """Return a weight or bias with its gates in the order of ONNX."""
    if op_type not in _ORDER_OF_GATES:
        return g.name(x)
    rows = np.concatenate([np.arange(hidden) + gate * hidden for gate in _ORDER_OF_GATES[op_type]])
    return g.add("Gather", x, rows.astype(np.int64), axis=0)
