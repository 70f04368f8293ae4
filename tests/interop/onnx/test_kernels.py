"""The dtypes that ONNX Runtime runs: a file for others is refused before it is written."""

import numpy as np
import onnxruntime
import pytest
from onnx import defs, helper

import tinygrad_edu as tg
from tests.interop.onnx.runtime import assert_exported
from tests.interop.onnx.test_export import module
from tinygrad_edu import nn
from tinygrad_edu.errors import ExportError
from tinygrad_edu.interop.onnx import export
from tinygrad_edu.interop.onnx.graph import IR_VERSION, OPSET
from tinygrad_edu.interop.onnx.kernels import MISSING_KERNELS

NAMES = {  # by the names that ONNX has for them
    "float": "float32", "double": "float64", "float16": "float16", "bool": "bool", "int8": "int8", "int16": "int16",
    "int32": "int32", "int64": "int64", "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
}  # fmt: skip
ATTRIBUTES = {
    "AveragePool": {"kernel_shape": [1]}, "MaxPool": {"kernel_shape": [1]}, "Einsum": {"equation": "i,i->i"},
    "GRU": {"hidden_size": 1}, "LSTM": {"hidden_size": 1}, "RNN": {"hidden_size": 1},
}  # fmt: skip
RUNS_NOT = {("GRU", "float64"), ("LSTM", "float64")}  # they load, and raise when they run


def loads(op_type, name):
    """Return whether ONNX Runtime loads a file of one node, whose inputs are of this type where ONNX allows it."""
    schema = defs.get_schema(op_type, OPSET)
    allowed = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
    inputs = []
    for x in schema.inputs:
        types, wanted = (
            allowed.get(x.type_str, [x.type_str]),
            [f"tensor({t})" for t in (name, "int64", "float", "bool")],
        )
        own = next(t for t in (*wanted, *types) if t in types)
        dtype = helper.np_dtype_to_tensor_dtype(np.dtype(NAMES[own[7:-1]]))
        inputs.append(helper.make_tensor_value_info(x.name, dtype, None))
    inputs = inputs[: schema.min_input]
    outputs = [helper.make_empty_tensor_value_info(f"out_{k}") for k in range(schema.min_output)]
    node = helper.make_node(op_type, [x.name for x in inputs], [x.name for x in outputs], **ATTRIBUTES.get(op_type, {}))
    graph = helper.make_graph([node], "one", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return False
    main = schema.inputs[1 if op_type == "Where" else 0]
    return f"tensor({name})" in allowed[main.type_str]


@pytest.mark.thorough
@pytest.mark.parametrize("op_type", MISSING_KERNELS)
def test_the_table_lists_the_dtypes_that_onnx_runtime_does_not_run(op_type):
    missing = {dtype for name, dtype in NAMES.items() if not loads(op_type, name) or (op_type, dtype) in RUNS_NOT}
    assert missing == set(MISSING_KERNELS[op_type])


LAYERS = {
    "gelu": nn.GELU(), "gelu of tanh": nn.GELU("tanh"), "instance_norm": nn.InstanceNorm1D(3),
    "conv1d": nn.Conv1D(3, 2, 2), "avg_pool": nn.AvgPool1D(2), "recurrent": nn.LSTM(4, 2), "gru": nn.GRU(4, 2),
    "tan": module(lambda self, x: tg.tan(x)), "arctan2": module(lambda self, x: tg.arctan2(x, 2.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_whose_dtype_onnx_runtime_does_not_run_is_refused_before_a_file_is_written(name, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    with pytest.raises(ExportError, match=r"at test_kernels.py:\d+ is \w+ of float64 .*model.astype\(np.float32\)"):
        export(LAYERS[name].astype(np.float64), x, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    half = tg.Tensor(x.astype(np.float16))
    assert_exported(LAYERS[name].astype(np.float16), (half,), tmp_path / "model.onnx", tolerance=1e-2)


HALVES = {
    "a sum at positions": lambda self, x: tg.scatter_add(x, np.arange(6) % 4, (4,)),
    "a diagonal": lambda self, x: tg.diag(x),
    "an angle": lambda self, x: tg.arctan2(x, -1.0),
    "a logarithm": lambda self, x: tg.xlogy(x, 3),
    "a number of nonzeros": lambda self, x: tg.linalg.vector_norm(x, ord=0),
}


@pytest.mark.parametrize("name", HALVES)
def test_a_result_in_float16_stays_in_float16(name, tmp_path):
    x = tg.Tensor(np.random.default_rng(0).normal(size=6).astype(np.float16))
    assert_exported(module(HALVES[name]), (x,), tmp_path / "model.onnx", tolerance=1e-2, batch_axes=None)


@pytest.mark.parametrize(("call", "dtype"), [
    (lambda self, x: tg.where(x > 1, x > 2, x < 3), np.float32), (lambda self, x: tg.max(x, axis=1), np.int16),
    (lambda self, x: tg.sum(x, 1), np.uint8), (lambda self, x: -x, np.uint8), (lambda self, x: tg.sort(x > 1), "f"),
])  # fmt: skip
def test_integers_and_booleans_that_onnx_runtime_does_not_run_are_refused(call, dtype, tmp_path):
    with pytest.raises(ExportError, match="which ONNX Runtime does not run"):
        export(module(call), np.ones((2, 3), dtype), tmp_path / "model.onnx")
