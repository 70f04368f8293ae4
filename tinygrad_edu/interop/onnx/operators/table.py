"""The table of rules: the ONNX nodes of each op. A rule takes the graph and the arguments of the op."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.interop.onnx.graph import Graph
from tinygrad_edu.interop.onnx.symbolic_batch import Varying
from tinygrad_edu.interop.onnx.tracing import TracedStep

Emitter = Callable[..., Any]
OPERATORS: dict[Any, Emitter] = {}
_LENGTHS: dict[Emitter, str] = {}


def rule(*functions: Any, lengths: str = "") -> Callable[[Emitter], Emitter]:
    """Declare the rule of these functions, and its argument that may depend on the batch size."""

    def declare(emit: Emitter) -> Emitter:
        OPERATORS.update(dict.fromkeys(functions, emit))
        _LENGTHS[emit] = lengths
        return emit

    return declare


def add_nodes(g: Graph, step: TracedStep) -> None:
    """Add the nodes of a step to a graph."""
    g.step, emit = step, OPERATORS[step.function]
    if isinstance(step.inputs, Varying):
        g.require_fixed(step.inputs)
    arguments = signature(emit).bind(g, *step.inputs, **step.settings).arguments
    g.require_fixed([step.out, *(value for name, value in arguments.items() if name != _LENGTHS.get(emit))])
    try:
        g.bind(step.out, emit(g, *step.inputs, **step.settings))
    except TypeError:  # a rule computes with a length that is no number
        if g.batch is None:
            raise
        step.refuse_batch("needs a length that depends on the batch size")


def axes_of(x: Any, axis: Any) -> np.ndarray:
    """Return the axes of a variable that `axis` names: all if it is None."""
    ndim = len(x.shape)
    return np.array(range(ndim) if axis is None else normalize_axis_tuple(axis, ndim), np.int64)
