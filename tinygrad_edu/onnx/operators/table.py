"""The table of rules: the ONNX nodes of each op. A rule takes the graph and the arguments of the op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

Emitter = Callable[..., Any]
OPERATORS: dict[Any, Emitter] = {}


def rule(*functions: Any) -> Callable[[Emitter], Emitter]:
    """Declare the rule of these functions."""

    def declare(emit: Emitter) -> Emitter:
        OPERATORS.update(dict.fromkeys(functions, emit))
        return emit

    return declare


def axes_of(x: Any, axis: Any) -> np.ndarray:
    """Return the axes of a variable that `axis` names: all if it is None."""
    ndim = len(x.shape)
    return np.array(range(ndim) if axis is None else normalize_axis_tuple(axis, ndim), np.int64)
