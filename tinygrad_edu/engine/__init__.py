"""The engine: tensors, the graph that their ops record, and the walk back through it. No mathematics here.

Read it in this order: `walk.py` is the backward pass; `node.py` is what it walks on, one recorded op; `memory.py` says
which saved values were written to since; `modes.py` whether ops are recorded; `tensor.py` is the handle on all that;
and `dropped.py` warns where one loses its gradient. How an op records a node is in `recorder.py`, beside this folder.
"""

from tinygrad_edu.engine.memory import Cell, clock, last_change, writing
from tinygrad_edu.engine.modes import GradientMode, enable_grad, innermost_block, is_grad_enabled, no_grad
from tinygrad_edu.engine.node import Node, leaf
from tinygrad_edu.engine.tensor import (
    Tensor,
    demand_shape,
    flag,
    from_numpy,
    real_numbers,
    refuse_read_only,
    refuse_stale,
    values_of,
    wrap,
)
from tinygrad_edu.engine.walk import unbroadcast, walk

__all__ = [
    "Cell", "GradientMode", "Node", "Tensor", "clock", "demand_shape", "enable_grad", "flag", "from_numpy",
    "innermost_block", "is_grad_enabled", "last_change", "leaf", "no_grad", "real_numbers", "refuse_read_only",
    "refuse_stale", "unbroadcast", "values_of", "walk", "wrap", "writing",
]  # fmt: skip
