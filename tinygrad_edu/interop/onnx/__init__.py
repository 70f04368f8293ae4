"""Export of models to ONNX, which other programs and languages run."""

from __future__ import annotations

import os
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DTypeError, ExportError, ShapeError
from tinygrad_edu.errors.extras import missing_extra
from tinygrad_edu.errors.hints import add_hints as _add_hints
from tinygrad_edu.nn import Module
from tinygrad_edu.training import evaluating

try:
    import onnx
except ImportError as error:
    raise missing_extra("tinygrad_edu.interop.onnx requires onnx", "onnx") from error

from tinygrad_edu.interop.onnx.graph import Graph
from tinygrad_edu.interop.onnx.operators import OPERATORS, add_nodes
from tinygrad_edu.interop.onnx.symbolic_batch import BatchMultiple, Repeated, Varying, merged, samples
from tinygrad_edu.interop.onnx.tracing import (
    FIXED_BATCH,
    TracedCall,
    TracedStep,
    Variable,
    module_that_failed,
    traced,
    users_line,
)
from tinygrad_edu.shared.pytree import tree_map_with_path

__all__ = ["export"]

_TRACED_SIZES = 1, 2, 3, 37  # small, large, even and odd, so that few functions of the size agree by chance


def export(
    model: Module, inputs: Any, path: str | Path, *, batch_axes: int | tuple[int | None, ...] | None = 0
) -> None:
    """Write a model in evaluation mode as an ONNX file.

    The model is called with traced inputs for 1, 2, 3 and 37 samples, and for the number in `inputs`. What is equal in
    all calls is constant, and the batch size is symbolic in the file. Other lengths are those of `inputs`. The file has
    opset 20.

    Parameters
    ----------
    model : Module
    inputs : array_like, or tuple of array_like
        Positional arguments of the model. Their values do not matter.
    path : str or Path
        The file. It is replaced if it exists.
    batch_axes : int, None or tuple of them, default 0
        Axis of the samples in each input. None means that an input has none.

    Raises
    ------
    ExportError
        The model calls a function without a counterpart in ONNX, needs a value, as in ``if x.sum() > 0``, draws random
        numbers, depends on the batch size in a way that ONNX cannot express, cannot run with one of the sizes above,
        or needs a dtype that ONNX Runtime lacks. The message has the line.
    DTypeError
        `model` is not a Module, an input is no array of numbers, or `path` is no path.
    ShapeError
        An input has no such axis, or the inputs have different numbers of samples.

    Notes
    -----
    A branch that none of the batch sizes takes is not seen: ``if len(x) > 100`` is false in all of them for an example
    of up to 100 samples, and the file then has the other branch for any number.

    The names of the inputs are those of the parameters of ``forward``; the output is ``output``, and parts of a nest of
    outputs have their path as a suffix. Initializers have the names of `Module.state_dict`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tempfile import TemporaryDirectory
    >>> model = tg.nn.Sequential(tg.nn.Linear(3, 2), tg.nn.Tanh())
    >>> with TemporaryDirectory() as folder:
    ...     export(model, tg.zeros((1, 3)), f"{folder}/model.onnx")
    ...     graph = onnx.load(f"{folder}/model.onnx").graph
    >>> [node.op_type for node in graph.node], [tensor.name for tensor in graph.initializer]
    (['Gemm', 'Tanh', 'Identity'], ['0.weight', '0.bias'])
    """
    if not isinstance(model, Module):
        raise DTypeError(
            f"onnx.export: model must be a Module, got {type(model).__name__}. Define forward in a Module."
        )
    if not isinstance(path, str | os.PathLike):
        raise DTypeError(
            f"onnx.export: path must be a str or Path, got {type(path).__name__}. The order is model, inputs, path."
        )
    arrays = [_array(x) for x in (inputs if isinstance(inputs, tuple) else (inputs,))]
    axes = _normalized_axes(batch_axes, arrays)
    names = _input_names(model, len(arrays))
    with evaluating(model):
        call = _call_for_any_batch(model, arrays, axes, names)
    onnx.save(_model(model, call, names, axes), path)


def _array(x: Any) -> np.ndarray:
    """Return an input as an array; floats in lists become float32."""
    if isinstance(x, Tensor):
        return x.numpy()
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise DTypeError(
            f"onnx.export: inputs must be an array of numbers or a tuple of them, got {type(x).__name__}. The order is "
            f"model, inputs, path."
        )
    return array if isinstance(x, np.ndarray) or array.dtype.kind != "f" else array.astype(np.float32)


def _normalized_axes(batch_axes: Any, arrays: list[np.ndarray]) -> list[int | None]:
    """Return the axis of the samples of each input, counted from 0."""
    axes = batch_axes if isinstance(batch_axes, tuple) else (batch_axes,) * len(arrays)
    if len(axes) != len(arrays):
        raise ShapeError(f"onnx.export: batch_axes has {len(axes)} entries for {len(arrays)} inputs.")
    for axis, array in zip(axes, arrays, strict=True):
        if axis is not None and not -array.ndim <= axis < array.ndim:
            raise ShapeError(
                f"onnx.export: an input of shape {array.shape} has no axis {axis}. Pass batch_axes=None for inputs "
                f"without samples."
            )
    return [None if axis is None else axis % array.ndim for axis, array in zip(axes, arrays, strict=True)]


def _input_names(model: Module, count: int) -> list[str]:
    """Return the names of the parameters of `forward`, apart from those of the state."""
    parameters = signature(model.forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    names += [f"input_{k}" for k in range(len(names), count)]
    state = {name for name, _ in (*model.named_parameters(), *model.named_buffers())}
    return [f"{name}_input" if name in state else name for name in names]


def _call_for_any_batch(model: Module, arrays: list[np.ndarray], axes: Any, names: list[str]) -> Any:
    sizes = {x.shape[axis] for x, axis in zip(arrays, axes, strict=True) if axis is not None}
    if not sizes:
        return traced(model, tuple(arrays), names, OPERATORS)
    if len(sizes) > 1:
        raise ShapeError(
            f"onnx.export: the inputs have {sorted(sizes)} samples. Pass None in batch_axes for an input without them."
        )
    [given] = sizes
    if given == 0:
        raise ExportError("onnx.export: the inputs have 0 samples. Give an example with at least one sample.")
    return merged(_traces(given, lambda size: traced(model, _resized(arrays, axes, size), names, OPERATORS), model))


def _traces(given: int, trace: Callable[[int], TracedCall], model: Module) -> dict[int, TracedCall]:
    """Return the traces for several batch sizes. If none succeeds, raise the model's error for the given size."""
    calls, failures = dict[int, TracedCall](), dict[int, Exception]()
    for size in sorted({given, *_TRACED_SIZES}):
        try:
            calls[size] = trace(size)
        except ExportError:
            raise
        except Exception as error:
            failures[size] = error
    if not calls:
        raise failures[given]
    for size, failure in failures.items():
        raise ExportError(
            f"onnx.export: {module_that_failed(failure, model)} cannot run with {samples(size)}, and a file takes any "
            f"number of them: {type(failure).__name__}: {str(failure).rstrip('.')}.{users_line(failure)} {FIXED_BATCH}."
        ) from failure
    return calls


def _resized(arrays: list[np.ndarray], axes: Any, size: int) -> tuple[np.ndarray, ...]:
    """Return the inputs with another number of samples."""
    pairs = zip(arrays, axes, strict=True)
    return tuple(x if axis is None else np.take(x, np.arange(size) % x.shape[axis], axis) for x, axis in pairs)


def _model(model: Module, call: Any, names: list[str], axes: Any) -> onnx.ModelProto:
    state = {name: tensor.numpy() for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    batch = next(((name, axis) for name, axis in zip(names, axes, strict=True) if axis is not None), None)
    graph = Graph(call, state, batch)
    for step in call.steps:
        add_nodes(graph, step)
    lines = dict.fromkeys(read.line for read in call.reads)
    graph.step = TracedStep(None, f"the output of {type(model).__name__}", (), {}, None, "", tuple(lines))
    outputs = []

    def add_output(path: str, value: Any) -> None:
        graph.require_fixed(value)
        value = value if isinstance(value, Variable | Repeated) else np.asarray(value)
        if value.dtype.kind not in "biuf":
            graph.step.refuse(f"has {value}; return Tensors")
        name = "_".join(["output", *path.replace("[", ".").replace("]", "").replace("'", "").split(".")]).strip("_")
        graph.nodes.append(onnx.helper.make_node("Identity", [graph.name(value)], [name], name=name))
        outputs.append(_described(name, value))

    tree_map_with_path(add_output, call.outputs, is_leaf=lambda x: isinstance(x, Variable | Repeated | Varying))
    return graph.model([_described(x.name or "", x) for x in call.inputs], outputs)


def _described(name: str, value: Any) -> Any:
    """Return the type and the shape of an input or output."""
    symbols = {BatchMultiple(1): "batch"}
    shape = [n if isinstance(n, int) else symbols.get(n, f"{name}_axis_{k}") for k, n in enumerate(value.shape)]
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), shape)


_add_hints(globals())
