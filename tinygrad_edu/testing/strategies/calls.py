"""For each op, what it can be called with: legal inputs away from kinks, and every setting. A table, `OP_CALLS`.

`Call` says which inputs are differentiated: floating-point ones that have a rule. An op of yours gets an entry with
``OP_CALLS["cube"] = one_input(cube)``, or any other strategy of `Call`.
"""

from tinygrad_edu.engine import Op
from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.strategies.arrays import Strategy
from tinygrad_edu.testing.strategies.op_calls.activations import ACTIVATIONS
from tinygrad_edu.testing.strategies.op_calls.elementwise import ELEMENTWISE
from tinygrad_edu.testing.strategies.op_calls.images import IMAGES
from tinygrad_edu.testing.strategies.op_calls.layers import LAYERS
from tinygrad_edu.testing.strategies.op_calls.linalg import LINALG
from tinygrad_edu.testing.strategies.op_calls.networks import NETWORKS
from tinygrad_edu.testing.strategies.op_calls.questions import QUESTION_CALLS
from tinygrad_edu.testing.strategies.op_calls.ranking import RANKING
from tinygrad_edu.testing.strategies.op_calls.reduction import REDUCTION
from tinygrad_edu.testing.strategies.op_calls.scans import SCANS
from tinygrad_edu.testing.strategies.op_calls.several import JOINING, SEVERAL
from tinygrad_edu.testing.strategies.op_calls.shape import SHAPE

OP_CALLS: dict[str, Strategy[Call]] = {
    **ELEMENTWISE,
    **ACTIVATIONS,
    **SHAPE,
    **JOINING,
    **SEVERAL,
    **REDUCTION,
    **SCANS,
    **RANKING,
    **NETWORKS,
    **LINALG,
    **IMAGES,
    **LAYERS,
}


def calls(op: str | Op) -> Strategy[Call]:
    """Draw a call of an op: its inputs, with every kind of shape and layout that it takes, and its settings.

    Raises
    ------
    LookupError
        For an op without an entry in `OP_CALLS` and `QUESTION_CALLS`.
    """
    name = op.__name__ if isinstance(op, Op) else op
    if name not in OP_CALLS and name not in QUESTION_CALLS:
        raise LookupError(f"op {name} has no strategy: add one, OP_CALLS[{name!r}] = a strategy of Call.")
    return OP_CALLS[name] if name in OP_CALLS else QUESTION_CALLS[name]
