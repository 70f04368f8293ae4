"""Rules of elementwise ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.interop.onnx.graph import Graph
from tinygrad_edu.interop.onnx.operators.table import OPERATORS, Emitter, rule
from tinygrad_edu.ops import linalg
from tinygrad_edu.ops.elementwise import selection
from tinygrad_edu.ops.shapes.shape import identity


def _in_dtype_of_result(op_type: str) -> Emitter:
    return lambda g, *inputs: g.add(op_type, *(g.cast(x, g.step.out.dtype) for x in inputs))


def _comparison(op_type: str, negated: bool = False) -> Emitter:
    def emit(g: Graph, x: Any, y: Any) -> Any:
        common = np.result_type(*(v.dtype if hasattr(v, "dtype") else v for v in (x, y)))
        common = np.dtype(np.int32) if common.kind == "b" and op_type != "Equal" else common
        out = g.add(op_type, g.cast(x, common), g.cast(y, common))
        return g.add("Not", out) if negated else out

    return emit


def _logical(op_type: str) -> Emitter:
    return lambda g, *inputs: g.add(op_type, *(g.cast(x, bool) for x in inputs))


def _bitwise(op_type: str) -> Emitter:
    def emit(g: Graph, *inputs: Any) -> Any:
        dtype = g.step.out.dtype
        return g.add(op_type if dtype.kind == "b" else f"Bitwise{op_type}", *(g.cast(x, dtype) for x in inputs))

    return emit


for _op_type, _function in {
    "Abs": ops.abs, "Acos": ops.arccos, "Acosh": ops.arccosh, "Add": ops.add, "Asin": ops.arcsin,
    "Asinh": ops.arcsinh, "Atan": ops.arctan, "Atanh": ops.arctanh, "Cos": ops.cos, "Cosh": ops.cosh,
    "Det": linalg.det, "Div": ops.divide, "Erf": ops.erf, "Exp": ops.exp, "Identity": identity,
    "Log": ops.log, "Max": ops.maximum, "Min": ops.minimum, "Mul": ops.multiply, "Neg": ops.negative,
    "Pow": ops.power, "Reciprocal": ops.reciprocal, "Relu": ops.relu, "Sigmoid": ops.sigmoid, "Sign": ops.sign,
    "Sin": ops.sin, "Sinh": ops.sinh, "Softsign": ops.softsign, "Sqrt": ops.sqrt, "Sub": ops.subtract,
    "Tan": ops.tan, "Tanh": ops.tanh,
}.items():  # fmt: skip
    OPERATORS[_function] = _in_dtype_of_result(_op_type)
OPERATORS.update({
    np.equal: _comparison("Equal"), np.not_equal: _comparison("Equal", negated=True), np.less: _comparison("Less"),
    np.less_equal: _comparison("LessOrEqual"), np.greater: _comparison("Greater"),
    np.greater_equal: _comparison("GreaterOrEqual"), np.logical_and: _logical("And"), np.logical_or: _logical("Or"),
    np.logical_xor: _logical("Xor"), np.logical_not: _logical("Not"), np.bitwise_and: _bitwise("And"),
    np.bitwise_or: _bitwise("Or"), np.bitwise_xor: _bitwise("Xor"), np.invert: _bitwise("Not"),
})  # fmt: skip


def _float_predicate(op_type: str) -> Emitter:
    return lambda g, x: g.add(op_type, x if x.dtype.kind == "f" else g.cast(x, np.float32))


OPERATORS.update({np.isnan: _float_predicate("IsNaN"), np.isinf: _float_predicate("IsInf")})


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
        return g.add("Identity", x) if decimals >= 0 else g.step.refuse("rounds integers to tens")
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
    return g.add("Gelu", g.cast(x, g.step.out.dtype), approximate=approximate)
