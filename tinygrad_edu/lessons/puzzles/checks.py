"""Cases of the vjp puzzles: each vjp is checked against finite differences, at points drawn by Hypothesis."""

import math

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu import vjp
from tinygrad_edu.lessons.cases import Case, demand
from tinygrad_edu.lessons.small_arrays import small_arrays
from tinygrad_edu.testing import Call, check_vjp
from tinygrad_edu.testing.strategies import broadcastable, masks, shapes

# --- Strategies. Shared strategies draw the same value for all inputs of one example ---

_SIDE = st.integers(1, 3)
_PAIR = st.shared(broadcastable(max_dims=2, empty=False), key="shapes of two inputs")
_SHAPE = st.shared(shapes(min_dims=1, max_dims=3, empty=False), key="shape")


def _x(shape=None, **bounds):
    return small_arrays(_SHAPE if shape is None else shape, **bounds)


def _of_pair(k, **bounds):
    return _PAIR.flatmap(lambda pair: _x(pair[k], **bounds))


def _row(least, most):
    return st.tuples(st.integers(least, most)).flatmap(_x)


_FRONT = st.shared(
    st.sampled_from([((), ()), ((2,), (2,)), ((2,), ()), ((), (2,)), ((2,), (1,)), ((1,), (2,))]), key="axes in front"
)
_MASK = _PAIR.flatmap(lambda pair: masks(np.broadcast_shapes(*pair)))
_AXIS = _SHAPE.flatmap(lambda shape: st.integers(0, len(shape) - 1))
_ORDER = _SHAPE.flatmap(lambda shape: st.permutations(range(len(shape)))).map(tuple)
_OTHER_SHAPE = _SHAPE.flatmap(lambda shape: st.sampled_from([shape[::-1], (math.prod(shape),), (1, *shape)]))


def _sides(*names):
    """Draw lengths of named axes; axes with the same name have the same length within an example."""
    return st.tuples(*(st.shared(_SIDE, key=name) for name in names))


def _stack(k, *names):
    """Draw a stack of matrices whose leading axes broadcast with those of the other input."""
    return st.tuples(_FRONT, _sides(*names)).flatmap(lambda drawn: _x((*drawn[0][k], *drawn[1])))


def _regular(matrices):
    """Draw invertible matrices, made diagonally dominant."""
    return matrices.map(lambda a: a + np.copysign(10, a.sum()) * np.eye(a.shape[-1]))


_SQUARE = _regular(_sides("n", "n").flatmap(_x))
_TABLE = st.shared(_sides("n", "m"), key="table")
_INDEX = _TABLE.flatmap(lambda shape: st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=4))

PUZZLES = {
    "add": {"x": _of_pair(0), "y": _of_pair(1)},
    "subtract": {"x": _of_pair(0), "y": _of_pair(1)},
    "multiply": {"x": _of_pair(0), "y": _of_pair(1)},
    "divide": {"x": _of_pair(0), "y": _of_pair(1, low=0.5)},
    "exp": {"x": _x()},
    "log": {"x": _x(low=0.25, high=8.0)},
    "sqrt": {"x": _x(low=0.25, high=8.0)},
    "tanh": {"x": _x()},
    "sigmoid": {"x": _x()},
    "absolute": {"x": _x(away_from=(0,))},
    "maximum": {"x": _of_pair(0).map(np.round), "y": _of_pair(1).map(lambda y: np.round(y) + 0.5)},
    "choose": {"x": _of_pair(0), "y": _of_pair(1), "mask": _MASK},
    "total": {"x": _x(), "axis": _AXIS},
    "mean": {"x": _x(), "axis": _AXIS},
    "spread": {"x": st.tuples(_SIDE, st.just(1)).flatmap(_x), "copies": _SIDE, "width": _SIDE},
    "reshape": {"x": _x(), "shape": _OTHER_SHAPE},
    "transpose": {"x": _x(), "axes": _ORDER},
    "rest": {"x": _row(2, 4)},
    "rows": {"x": _TABLE.flatmap(_x), "index": _INDEX},
    "cumsum": {"x": _row(1, 4)},
    "centre": {"x": _x()},
    "logsumexp": {"x": _x()},
    "softmax": {"x": _x()},
    "normalise": {"x": _x(away_from=(0,))},
    "matmul": {"x": _sides("n", "m").flatmap(_x), "y": _sides("m", "k").flatmap(_x)},
    "stacked_matmul": {"x": _stack(0, "n", "m"), "y": _stack(1, "m", "k")},
    "correlate": {"x": _row(3, 5), "w": _row(1, 3)},
    "logdet": {"x": _SQUARE},
    "inverse": {"x": _SQUARE},
    "solve": {"a": _regular(_stack(0, "n", "n")), "b": _stack(1, "n", "k")},
}


# --- Checks ---


def check_rules(op, order=1, **drawn):
    """Check the vjps of an op at the drawn inputs and settings."""
    inputs = [drawn[name] for name in op.inputs]
    settings = {name: value for name, value in drawn.items() if name not in op.inputs}
    check_vjp(Call(op, inputs, range(len(inputs)), **settings), order=order)


def check_kink(op):
    """Raise `Wrong` unless the slope of |x| at 0 is from -1 to 1."""
    slope = float(vjp(op, np.zeros(1))[1](np.ones(1))[0][0])
    demand(-1 <= slope <= 1, f"op {op.name}: at 0 the slope is {slope}, expected a number from -1 to 1.")


def check_ties(op):
    """Check the gradient of maximum(x, x), which must be g."""

    def maximum_of_x_and_x(x):
        return op(x, x)

    check_vjp(maximum_of_x_and_x, np.array([-1.0, 0.0, 2.0]), order=1)


AT_KINKS = {"absolute": check_kink, "maximum": check_ties}


def _case(number, name):
    def judge(mine, **drawn):
        op = getattr(mine, name)
        check_rules(op, **drawn)
        if name in AT_KINKS:
            AT_KINKS[name](op)

    judge.__doc__ = f"{number}. {name}"
    return Case(name, judge, PUZZLES[name])


CASES = tuple(_case(number, name) for number, name in enumerate(PUZZLES, 1))
