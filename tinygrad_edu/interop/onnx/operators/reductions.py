"""Rules of reductions, scans, softmax, products and sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.interop.onnx.graph import Graph
from tinygrad_edu.interop.onnx.operators.table import OPERATORS, Emitter, axes_of, rule
from tinygrad_edu.ops.indices import sorting
from tinygrad_edu.ops.networks import softmax
from tinygrad_edu.ops.products import products

# --- Reductions and scans ---


def _reduction(op_type: str) -> Emitter:
    def emit(g: Graph, x: Any, axis: Any, keepdims: bool, dtype: Any = None) -> Any:
        numbers, axes = g.cast(x, g.step.out.dtype), axes_of(x, axis)
        return g.add(op_type, numbers, axes, keepdims=int(keepdims), noop_with_empty_axes=1)

    return emit


for _op_type, _function in {
    "ReduceSum": ops.sum, "ReduceProd": ops.prod, "ReduceMean": ops.mean, "ReduceMax": ops.amax, "ReduceMin": ops.amin,
    "ReduceLogSumExp": ops.logsumexp,
}.items():  # fmt: skip
    OPERATORS[_function] = _reduction(_op_type)


def _truth(op_type: str) -> Emitter:
    def emit(g: Graph, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        numbers, axes = g.convert(g.cast(x, bool), np.int32), axes_of(x, axis)
        reduced = g.add(op_type, numbers, axes, keepdims=int(keepdims), noop_with_empty_axes=1)
        return g.convert(reduced, bool)

    return emit


OPERATORS.update({np.any: _truth("ReduceMax"), np.all: _truth("ReduceMin")})


@rule(np.count_nonzero)
def _count_nonzero(g: Graph, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    ones, axes = g.convert(g.cast(x, bool), np.int64), axes_of(x, axis)
    return g.add("ReduceSum", ones, axes, keepdims=int(keepdims), noop_with_empty_axes=1)


def _position(op_type: str) -> Emitter:
    def emit(g: Graph, x: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
        if axis is None:
            return g.reshape(g.add(op_type, g.flatten(x), axis=0, keepdims=0), g.step.out.shape)
        return g.add(op_type, x, axis=axis, keepdims=int(keepdims))

    return emit


OPERATORS.update({np.argmax: _position("ArgMax"), np.argmin: _position("ArgMin")})


@rule(ops.cumsum)
def _cumsum(g: Graph, x: Any, axis: int | None, dtype: Any) -> Any:
    x = g.cast(x, g.step.out.dtype)
    rows = g.flatten(x) if axis is None else x
    return g.add("CumSum", rows, np.array(axis or 0, np.int64))


def _softmax(op_type: str) -> Emitter:
    def emit(g: Graph, x: Any, axis: int) -> Any:
        x = g.cast(x, g.step.out.dtype)
        if g.step.out.shape:
            return g.add(op_type, x, axis=axis)
        return g.reshape(g.add(op_type, g.reshape(x, (1,)), axis=0), ())

    return emit


OPERATORS[softmax.softmax_along] = _softmax("Softmax")
OPERATORS[softmax.log_softmax_along] = _softmax("LogSoftmax")


# --- Products ---


@rule(products.matmul)
def _matmul(g: Graph, x: Any, y: Any) -> Any:
    dtype = g.step.out.dtype
    x_is_row, y_is_column = len(x.shape) == 1, len(y.shape) == 1
    x, y = g.cast(x, dtype), g.cast(y, dtype)
    # ONNX Runtime 1.32 computes a transposed matrix times a vector wrongly: all operands are matrices.
    x = g.add("Unsqueeze", x, np.array([0], np.int64)) if x_is_row else x
    y = g.add("Unsqueeze", y, np.array([1], np.int64)) if y_is_column else y
    out, new = g.add("MatMul", x, y), [-2] * x_is_row + [-1] * y_is_column
    return g.add("Squeeze", out, np.array(new, np.int64)) if new else out


@rule(products.linear_with_bias)
def _linear(g: Graph, x: Any, weight: Any, bias: Any = None) -> Any:
    x, weight, *added = (g.cast(v, g.step.out.dtype) for v in (x, weight, bias) if v is not None)
    if len(g.step.inputs[0].shape) == 2:
        return g.add("Gemm", x, weight, *added, transB=1)
    out = g.add("MatMul", x, g.transpose(weight, [1, 0]))
    return g.add("Add", out, *added) if added else out


OPERATORS[products.linear_without_bias] = _linear


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


@rule(sorting.sort)
def _sort(g: Graph, x: Any, axis: int | None, descending: bool, stable: Any, kind: Any) -> Any:
    return _sorted(g, x, axis, descending)[0]


@rule(ops.argsort)
def _argsort(g: Graph, x: Any, axis: int | None, descending: bool, stable: Any, kind: Any) -> Any:
    return _sorted(g, x, axis, descending)[1]


def _sorted(g: Graph, x: Any, axis: int | None, descending: bool) -> Any:
    length = g.step.out.shape[0 if axis is None else axis]
    g.require_fixed(length)
    x = g.flatten(x) if axis is None else x
    return _ranked(g, x, length, axis or 0, descending)
