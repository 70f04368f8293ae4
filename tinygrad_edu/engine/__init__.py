"""The engine: tensors, the graph that their ops record, and the walk back through it. No mathematics here.

Read `walk.py` first: it is the backward pass. What it walks on is in `node.py`, how gradients add up in `arriving.py`;
what an op declares in `op.py`; how a call of it records a node in `recorder.py`. `memory.py` says which saved values
were written to since, and `modes.py` whether anything is recorded. `tensor.py` is the handle on all that. The rest can
wait: `protocol.py`, `borrowing.py`, `fitting.py`, `scattering.py`, `arguments.py`, `in_place.py` and `exchange.py` have
the cases, `hooks.py` lets functions see a gradient, `dropped.py` warns where one gets lost, `watching.py` lets others
look on, as `anomaly.py` does, which says by `origin.py` where NaN comes from; `promotion.py` warns where float32
becomes float64; `call.py` is the recorder at twice the speed, and `decorator.py` says to a type checker what a call
gives.
"""

from tinygrad_edu.engine.anomaly import detect_anomaly
from tinygrad_edu.engine.arriving import Parts, whole
from tinygrad_edu.engine.borrowing import from_dlpack, from_numpy
from tinygrad_edu.engine.decorator import op
from tinygrad_edu.engine.exchange import exchanging
from tinygrad_edu.engine.fitting import unbroadcast
from tinygrad_edu.engine.hooks import Hook, HookHandle, hooked
from tinygrad_edu.engine.in_place import in_place
from tinygrad_edu.engine.memory import Cell, clock, guard, writing
from tinygrad_edu.engine.modes import enable_grad, is_grad_enabled, no_grad
from tinygrad_edu.engine.node import Node, leaf
from tinygrad_edu.engine.op import Array, Op, Operand
from tinygrad_edu.engine.scattering import add_at
from tinygrad_edu.engine.tensor import (
    BUFFER,
    PARAMETER,
    Tensor,
    demand_shape,
    flag,
    from_array,
    real_numbers,
    refuse_read_only,
    refuse_stale,
    role_of,
    shape_of,
    values_of,
    wrap,
)
from tinygrad_edu.engine.walk import walk
from tinygrad_edu.engine.watching import Watch, WatchedWalk

__all__ = [
    "BUFFER", "PARAMETER", "Array", "Cell", "Hook", "HookHandle", "Node", "Op", "Operand", "Parts", "Tensor", "Watch",
    "WatchedWalk", "add_at", "clock", "demand_shape", "detect_anomaly", "enable_grad", "exchanging", "flag",
    "from_array", "from_dlpack", "from_numpy", "guard", "hooked", "in_place", "is_grad_enabled", "leaf", "no_grad",
    "op", "real_numbers", "refuse_read_only", "refuse_stale", "role_of", "shape_of", "unbroadcast", "values_of", "walk",
    "whole", "wrap", "writing",
]  # fmt: skip
