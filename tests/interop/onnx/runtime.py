"""ONNX Runtime as the judge of exported models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from tinygrad_edu.engine import values_of
from tinygrad_edu.interop.onnx import export
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.pytree import tree_leaves

onnxruntime.set_default_logger_severity(4)  # fatal: the others tell which nodes it fuses


def assert_exported(
    model: Module, inputs: tuple[Any, ...], path: Path, *, tolerance: float = 1e-5, others: Any = (), **how: Any
) -> onnx.ModelProto:
    """Export a model, and compare ONNX Runtime's results with those of the model, for the inputs and for others."""
    export(model.eval(), inputs, path, **how)
    onnx.checker.check_model(path, full_check=True)
    for each in (inputs, *others):
        with np.errstate(all="ignore"):
            wanted = [np.asarray(values_of(leaf)) for leaf in tree_leaves(model(*each))]
        assert_runs(path, each, wanted, tolerance)
    return onnx.load(path)


def assert_runs(path: Path, inputs: tuple[Any, ...], wanted: list[np.ndarray], tolerance: float) -> None:
    """Run a file, and compare the results."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = [np.asarray(values_of(x)) for x in inputs]
    got = session.run(None, dict(zip([given.name for given in session.get_inputs()], arrays, strict=True)))
    assert [(x.dtype, x.shape) for x in got] == [(x.dtype, x.shape) for x in wanted]
    for x, y in zip(got, wanted, strict=True):
        scale = max(1.0, float(np.max(np.abs(y), initial=0, where=np.isfinite(y)))) if y.dtype.kind == "f" else 1
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale)


def batches(make: Callable[[int, np.random.Generator], tuple[Any, ...]], *sizes: int) -> list[tuple[Any, ...]]:
    """Return inputs with other numbers of samples."""
    return [make(size, np.random.default_rng(size)) for size in sizes]
