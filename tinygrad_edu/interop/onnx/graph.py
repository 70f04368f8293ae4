"""The ONNX graph under construction: its nodes, initializers and names."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tinygrad_edu.engine.mapped import leaves
from tinygrad_edu.interop.onnx.kernels import require_kernels
from tinygrad_edu.interop.onnx.symbolic_batch import BatchMultiple, Repeated, Varying
from tinygrad_edu.interop.onnx.tracing import TracedCall, TracedStep, Variable

OPSET, IR_VERSION = 20, 10  # ONNX Runtime 1.18 and newer read them


class Name(str):
    """The name of a value in the graph."""


class Graph:
    """Nodes and initializers of a traced call.

    Attributes
    ----------
    step : TracedStep
        The step whose rule adds nodes.
    batch : (str, int) or None
        Name of an input, and its axis of the batch.
    """

    def __init__(self, call: TracedCall, arrays: dict[str, np.ndarray], batch: tuple[str, int] | None) -> None:
        self.nodes, self.initializers = list[Any](), dict[str, np.ndarray]()
        self.steps: dict[str, TracedStep] = {}  # by the names of their nodes
        self.arrays, self.batch, self.step = arrays, batch, TracedStep(None, "the output", (), {}, None, "")
        self.names = {variable.number: Name(variable.name) for variable in (*call.inputs, *call.parameters)}
        self.used = set(self.names.values())
        self._counts: defaultdict[str, Iterator[int]] = defaultdict(count)
        self._batch_size: Name | None = None
        self._constants: dict[Any, Name] = {}

    def unused(self, base: str) -> Name:
        """Return a name that no value has."""
        name = Name(f"{base}_{next(self._counts[base])}")
        return self.unused(base) if name in self.used else name

    def name(self, value: Any) -> Name:
        """Return the name of a variable, or of an initializer with a constant."""
        if isinstance(value, Name):
            return value
        if isinstance(value, Variable):
            name = self.names[value.number]
            if name in self.arrays:
                self.initializers[name] = self.arrays[name]
            return name
        if isinstance(value, Repeated):
            return Name(self.add("Expand", value.values, self.integers(value.shape)))
        self.require_fixed(value)
        return self._constant(np.asarray(value))

    def _constant(self, array: np.ndarray) -> Name:
        """Return the name of an initializer, the same for equal arrays."""
        key = array.dtype, array.shape, array.tobytes()
        if key not in self._constants:
            self.initializers[name := self.unused("constant")] = array
            self._constants[key] = name
        return self._constants[key]

    def require_fixed(self, value: Any) -> None:
        """Raise for a setting or constant that depends on the batch size."""
        for part in leaves(value):
            if isinstance(part, Varying | BatchMultiple):
                self.step.refuse_batch(f"has a value that depends on the batch size, {part}")

    def add(self, op_type: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node, and return the name of its output, or a list of the names of several."""
        # ONNX Runtime crashes if the last input has no name.
        last = max(k for k, x in enumerate(inputs) if x is not None)
        names = ["" if x is None else self.name(x) for x in inputs[: last + 1]]
        for value in attributes.values():
            self.require_fixed(value)
        out = [self.unused(op_type) for _ in range(outputs)]
        self.steps[out[0]] = self.step
        self.nodes.append(helper.make_node(op_type, names, out, name=out[0], **attributes))
        return out[0] if outputs == 1 else out

    def cast(self, x: Any, dtype: Any) -> Any:
        """Return a variable or constant in a dtype. The name of a node's output is returned as it is."""
        if isinstance(x, Variable):
            return x if x.dtype == dtype else self.convert(x, dtype)
        if isinstance(x, Repeated):
            return Repeated(x.values.astype(dtype), x.shape)
        return x if isinstance(x, Name | Varying | BatchMultiple) else np.asarray(x).astype(dtype)

    def convert(self, x: Any, dtype: Any) -> Name:
        """Return a value in another dtype."""
        return Name(self.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))

    def integers(self, values: Any) -> Any:
        """Return a 1-d tensor of integers, some of which may be multiples of the batch size."""
        if all(isinstance(value, int | np.integer) for value in values):
            return np.array([*values], np.int64)
        return self.add("Concat", *(self._integer(value) for value in values), axis=0)

    def _integer(self, value: Any) -> Any:
        if not isinstance(value, BatchMultiple):
            return np.array([value], np.int64) if isinstance(value, int | np.integer) else value
        if self._batch_size is None:
            assert self.batch is not None
            name, axis = self.batch
            self._batch_size = self.add("Shape", Name(name), start=axis, end=axis + 1)
        factor = value.factor
        return self._batch_size if factor == 1 else self.add("Mul", self._batch_size, np.array([factor], np.int64))

    def transpose(self, x: Any, order: Any) -> Name:
        """Permute axes."""
        order = list(order)
        return self.name(x) if order == sorted(order) else Name(self.add("Transpose", x, perm=order))

    def reshape(self, x: Any, shape: Any) -> Any:
        """Reshape x. ONNX computes one length from the number of elements."""
        unknown = [k for k, n in enumerate(shape) if not isinstance(n, int | np.integer)]
        lengths = [-1 if k in unknown else int(n) for k, n in enumerate(shape)] if len(unknown) == 1 else shape
        return self.add("Reshape", x, self.integers(lengths), allowzero=int(0 in shape))

    def flatten(self, x: Any) -> Name:
        """Return x with one axis."""
        return Name(self.add("Reshape", x, np.array([-1], np.int64)))

    def bind(self, variables: Any, names: Any) -> None:
        """Give the results of a step their names in the graph."""
        if isinstance(variables, Variable):
            self.names[variables.number] = self.name(names)
        elif isinstance(variables, tuple | list):
            for variable, name in zip(variables, names, strict=True):
                self.bind(variable, name)

    def model(self, inputs: list[Any], outputs: list[Any]) -> onnx.ModelProto:
        """Return the model with these descriptions of its inputs and outputs."""
        nodes, used = self._used_nodes({output.name for output in outputs})
        arrays = {name: np.array(array, order="C") for name, array in self.initializers.items() if name in used}
        tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
        graph = helper.make_graph(nodes, "tinygrad_edu", inputs, outputs, tensors)
        versions = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION, producer_name="tinygrad_edu")
        require_kernels(model, lambda node, problem: self.steps[node].refuse(problem))
        return model

    def _used_nodes(self, used: set[str]) -> tuple[list[Any], set[str]]:
        """Return the nodes that these outputs depend on, and the names that they use. Checks of values leave others."""
        nodes = []
        for node in reversed(self.nodes):
            if used.intersection(node.output):
                used.update(node.input)
                nodes.append(node)
        return nodes[::-1], used
