"""The dtypes that ONNX Runtime does not run, for the operators that the rules use."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, helper, shape_inference

_INTEGERS = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64"
# Kernels of the CPU in ONNX Runtime 1.32, which casts float16 to float32 by itself.
_MISSING_BY_OPERATORS = {
    "Acos Acosh Asin Asinh Atan Atanh AveragePool Col2Im Conv ConvTranspose Cosh Det Erf GRU Gelu "
    "InstanceNormalization LSTM RNN Sinh Softsign Tan": f"float64 {_INTEGERS}",
    "BatchNormalization Ceil Cos Exp Floor Gemm GridSample IsInf IsNaN LayerNormalization Log LogSoftmax "
    "Reciprocal Round Sigmoid Sin Softmax Sqrt Tanh": _INTEGERS,
    "Abs Add Div Greater GreaterOrEqual Less LessOrEqual Mod Mul Sign Sub": "bool",
    "CumSum Einsum Pow ReduceLogSumExp ReduceMean ReduceProd ReduceSum": "bool int8 int16 uint8 uint16 uint32 uint64",
    "MaxPool": "bool int16 int32 int64 uint16 uint32 uint64",
    "Relu": "bool int16 int64 uint8 uint16 uint32 uint64",
    "Neg": "bool uint8 uint16 uint32 uint64",
    "MatMul": "bool int8 int16 uint8 uint16",
    "ArgMax ArgMin": "bool int16 uint16 uint32 uint64",
    "TopK": "bool uint16 uint32 uint64",
    "Where": "bool int16 uint16 uint64",
    "Max Min": "bool int16 uint16",
    "Clip": "bool",
    "ReduceMax ReduceMin": "int16 uint16 uint32 uint64",
    "Pad": "int16 uint16",
}
MISSING_KERNELS = {
    op_type: dtypes.split() for op_types, dtypes in _MISSING_BY_OPERATORS.items() for op_type in op_types.split()
}


def require_kernels(model: ModelProto, refuse: Callable[[str, str], None]) -> None:
    """Call ``refuse(node, problem)`` for nodes that ONNX Runtime does not run."""
    dtypes = _dtypes(model)
    for node in model.graph.node:
        dtype = dtypes.get(node.input[1 if node.op_type == "Where" else 0])
        if dtype in MISSING_KERNELS.get(node.op_type, ()):
            refuse(
                node.name,
                f"is {node.op_type} of {dtype} in ONNX, which ONNX Runtime does not run; convert the arguments with "
                f"astype(np.float32), or the model, with model.astype(np.float32)",
            )


def _dtypes(model: ModelProto) -> Mapping[str, str]:
    """Return the dtype of each value in a graph."""
    graph = model.graph
    constants = [helper.make_tensor_value_info(x.name, x.data_type, x.dims) for x in graph.initializer]
    bare = helper.make_graph(graph.node, graph.name, [*graph.input, *constants], graph.output)  # without large arrays
    inferred: Any = shape_inference.infer_shapes(helper.make_model(bare, opset_imports=model.opset_import)).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    return {x.name: np.dtype(helper.tensor_dtype_to_np_dtype(x.type.tensor_type.elem_type)).name for x in values}
