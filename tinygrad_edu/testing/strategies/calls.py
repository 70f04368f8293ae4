"""OP_CALLS: a strategy of calls for each op, with valid inputs away from kinks and all settings.

For your own op, add an entry such as ``OP_CALLS["cube"] = one_input(cube)``, or any other strategy that draws a `Call`.
"""

from __future__ import annotations

from tinygrad_edu.engine import Op
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy
from tinygrad_edu.testing.strategies.op_calls.elementwise import ACTIVATIONS, ELEMENTWISE
from tinygrad_edu.testing.strategies.op_calls.images import IMAGES
from tinygrad_edu.testing.strategies.op_calls.layers import LAYERS, NETWORKS
from tinygrad_edu.testing.strategies.op_calls.linalg import LINALG
from tinygrad_edu.testing.strategies.op_calls.reduction import NONDIFFERENTIABLE_CALLS, RANKING, REDUCTION
from tinygrad_edu.testing.strategies.op_calls.sampled import SAMPLED
from tinygrad_edu.testing.strategies.op_calls.several import JOINING, SEVERAL
from tinygrad_edu.testing.strategies.op_calls.shape import SHAPE

OP_CALLS: dict[str, Strategy[Call]] = {
    **ELEMENTWISE, **ACTIVATIONS, **SHAPE, **JOINING, **SEVERAL, **REDUCTION, **RANKING, **NETWORKS, **LINALG,
    **IMAGES, **LAYERS, **SAMPLED,
}  # fmt: skip
"""Strategies for calls of the functions with a derivative, by name."""


def calls(op: str | Op) -> Strategy[Call]:
    """Draw a call of an op: inputs of all shapes and layouts that it accepts, and settings.

    Raises
    ------
    LookupError
        The op has no entry in `OP_CALLS` or `NONDIFFERENTIABLE_CALLS`.
    """
    name = op.__name__ if isinstance(op, Op) else op
    if name not in OP_CALLS and name not in NONDIFFERENTIABLE_CALLS:
        raise LookupError(f"op {name} has no strategy; add one that draws a Call: OP_CALLS[{name!r}] = ...")
    return OP_CALLS[name] if name in OP_CALLS else NONDIFFERENTIABLE_CALLS[name]
