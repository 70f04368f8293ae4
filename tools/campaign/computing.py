"""Computing steps: each runs one op, often on objects that change later."""

import copy as copying
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tools.campaign import statements
from tools.campaign.oracle import BINARY, UNARY, Array, Known, bilinear, elementwise, reduced, softmax
from tools.campaign.program import Handle, Program

PAIRS = ("a list", "an array")
MOVES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda m, x: m.transpose(x),
    lambda m, x: m.reshape(x, -1),
    lambda m, x: m.swapaxes(x, 0, -1),
    lambda m, x: m.flip(x),
    lambda m, x: m.expand_dims(x, 0),
    lambda m, x: m.squeeze(x),
    lambda m, x: m.broadcast_to(x, (2, *x.shape)),
    lambda m, x: x[:1],
    lambda m, x: x[::-1],
    lambda m, x: x[0],
    lambda m, x: x[[0, 0]],
)  # fmt: skip
# Derivatives of reductions: the weight of each element in the result.
REDUCTIONS: dict[str, Callable[[Array, int | None], Array]] = {
    "sum": lambda x, axis: np.ones_like(x),
    "mean": lambda x, axis: np.full_like(x, 1 / (x.size if axis is None else x.shape[axis])),
    "max": lambda x, axis: _even(x == x.max(axis=axis, keepdims=True), axis),
    "logsumexp": softmax,
}


def unary(program: Program) -> None:
    x, name = program.pick(), program.random.choice(list(UNARY))
    known = x.read()
    jacobian = elementwise([known], [UNARY[name](known.values)])
    program.compute(lambda: getattr(tg, name)(x.tensor), [x], jacobian)


def binary(program: Program) -> None:
    name, x = program.random.choice(list(BINARY)), program.pick()
    y = program.pick(lambda y: fits_into(x, y) or fits_into(y, x))
    known = x.read(), y.read()
    if not divides_by_little(name, known[1]):
        jacobian = elementwise(known, BINARY[name](*(k.values for k in known)))
        program.compute(lambda: getattr(tg, name)(x.tensor, y.tensor), [x, y], jacobian)


def with_an_array(program: Program) -> None:
    """Run a binary op with an array that is overwritten later."""
    name, x = program.random.choice(list(BINARY)), program.pick()
    before, after = (program.values(x.tensor.shape).astype(x.tensor.dtype) for _ in range(2))
    array, known = program.owned(statements.OPERANDS, before, after), [x.read(), Known(before, None)]
    operands = [x.tensor, array]
    if name != "divide" and program.random.random() < 0.5:
        known.reverse()
        operands.reverse()
    jacobian = elementwise(known, BINARY[name](*(k.values for k in known)))
    program.compute(lambda: getattr(tg, name)(*operands), [x], jacobian)


def choose(program: Program) -> None:
    """Run `where` with a condition that is overwritten later. The condition and one choice are float64."""
    x = program.pick()
    y = program.owned(statements.OPERANDS, *(np.float64(program.values(x.tensor.shape)) for _ in range(2)))
    known, plain = x.read(), Known(np.array(y), None)
    numbers = [program.random.choice((0.0, 1e-60, 1.0)) for _ in range(2 * x.tensor.size)]
    before, after = np.array(numbers).reshape(2, *x.tensor.shape)
    condition = program.owned(statements.OPERANDS, before, after)
    jacobian = elementwise([known, plain], [before != 0, before == 0])
    values = np.where(before, known.values, plain.values)
    program.compute(lambda: tg.where(condition, x.tensor, y), [x], jacobian, values)


def clip(program: Program) -> None:
    """Run `clip` with a bound that is overwritten later."""
    x = program.pick()
    before, after = (program.values(x.tensor.shape).astype(x.tensor.dtype) for _ in range(2))
    low, known = program.owned(statements.OPERANDS, before, after), x.read()
    jacobian = elementwise([known], [(known.values >= before) & (known.values <= 3)])
    program.compute(lambda: tg.clip(x.tensor, low, 3.0), [x], jacobian)


def index(program: Program) -> None:
    """Index with an object that changes later."""
    x = program.pick(lambda x: x.tensor.ndim and len(x.tensor.numpy()) > 1)
    if x is not None:
        length = len(x.tensor.numpy())
        before, after = (program.random.sample(range(length), length) for _ in range(2))
        places = program.owned(statements.INDICES, before, after)
        program.compute_moved(lambda: x.tensor[places], [x], lambda numbers: numbers[_plain(places)])


def move(program: Program) -> None:
    """Move elements, often as a view."""
    x, function = program.pick(), program.random.choice(MOVES)
    program.compute_moved(lambda: function(tg, x.tensor), [x], partial(function, np))


def move_by_a_setting(program: Program) -> None:
    """Move elements by a list or array argument that changes later."""
    x = program.pick(lambda x: x.tensor.ndim > 1)
    if x is None:
        return
    axes, shape = list(range(x.tensor.ndim)), list(x.tensor.shape)
    order = program.random.sample(axes, len(axes))
    widths = np.array([[program.random.randint(0, 1), program.random.randint(0, 1)] for _ in axes])
    name, before, after, places = program.random.choice((
        ("transpose", order, order[::-1], lambda p: np.transpose(p, order)),
        ("reshape", shape[::-1], shape, lambda p: np.reshape(p, shape[::-1])),
        ("pad", widths.tolist(), widths[:, ::-1].tolist(), lambda p: np.pad(p, widths, constant_values=-1)),
    ))  # fmt: skip
    setting = program.owned({k: w for k, w in statements.LISTS.items() if name != "pad" or k in PAIRS}, before, after)
    program.compute_moved(lambda: getattr(tg, name)(x.tensor, setting), [x], places)


def pad_by_a_dict(program: Program) -> None:
    x = program.pick(lambda x: x.tensor.ndim)
    if x is not None:
        widths = {0: (1, 0)}
        program.changes.append(lambda: widths.update({0: (0, 1)}))
        shown = np.array([(1, 0)] + [(0, 0)] * (x.tensor.ndim - 1))
        places = partial(np.pad, pad_width=shown, constant_values=-1)
        program.compute_moved(lambda: tg.pad(x.tensor, widths), [x], places)


def join(program: Program) -> None:
    """Join the tensors of a list that changes later."""
    x = program.pick(lambda x: x.tensor.ndim)
    if x is not None:
        y = program.pick(lambda y: y.tensor.shape == x.tensor.shape)
        name = program.random.choice(("concatenate", "stack"))
        tensors = [x.tensor, y.tensor]
        program.changes.append(tensors.reverse)
        program.compute_moved(lambda: getattr(tg, name)(tensors), [x, y], lambda *places: getattr(np, name)(places))


def reduce(program: Program) -> None:
    x = program.pick(lambda x: x.tensor.size)
    if x is not None:
        name, known = program.random.choice(list(REDUCTIONS)), x.read()
        axis = program.random.choice([None, *range(x.tensor.ndim)])
        jacobian = reduced(known, REDUCTIONS[name](known.values, axis), axis)
        program.compute(lambda: getattr(tg, name)(x.tensor, axis=axis), [x], jacobian)


def classify(program: Program) -> None:
    """Run `cross_entropy` with labels that change later."""
    x = program.pick(lambda x: x.tensor.ndim == 2 and x.tensor.size)
    if x is not None:
        (count, classes), known = x.tensor.shape, x.read()
        before, after = ([program.random.randrange(classes) for _ in range(count)] for _ in range(2))
        labels = program.owned(statements.LISTS, before, after)
        weights = (softmax(known.values, 1) - np.eye(classes)[before]) / count
        program.compute(lambda: tg.cross_entropy(x.tensor, labels), [x], reduced(known, weights, None))


def multiply_matrices(program: Program) -> None:
    x = program.pick(lambda x: x.tensor.ndim)
    y = x and program.pick(lambda y: _chain(x, y))
    if y is not None:
        jacobian = bilinear(np.matmul, x.read(), y.read())
        program.compute(lambda: x.tensor @ y.tensor, [x, y], jacobian)


def detach(program: Program) -> None:
    x = program.pick()
    program.compute(lambda: x.tensor.detach(), [], None)


def copy(program: Program) -> None:
    """Copy a tensor: a copy of a leaf is another leaf; copying a computed tensor raises."""
    x, function = program.pick(), program.random.choice((copying.copy, copying.deepcopy))
    result = program.run(lambda: function(x.tensor))
    if result is not None and x.columns is not None:
        program.add_leaf(result)
    elif result is not None:
        program.handles.append(Handle(result, x.jacobian, foreign=x.foreign))


STEPS = (
    unary, unary, binary, binary, binary, with_an_array, choose, clip, index, index, move, move, move_by_a_setting,
    pad_by_a_dict, join, reduce, classify, multiply_matrices, detach, copy,
)  # fmt: skip


def fits_into(x: Handle, y: Handle) -> bool:
    """Return whether y broadcasts to the shape of x."""
    try:
        return np.broadcast_shapes(x.tensor.shape, y.tensor.shape) == x.tensor.shape
    except ValueError:
        return False


def divides_by_little(name: str, divisor: Known) -> bool:
    return name == "divide" and bool((np.abs(divisor.values) < 0.2).any())


def _even(chosen: Array, axis: int | None) -> Array:
    shares: Array = chosen / chosen.sum(axis=axis, keepdims=True)
    return shares


def _chain(x: Handle, y: Handle) -> bool:
    """Return whether the matrix product of x and y exists."""
    return 0 < y.tensor.ndim <= 2 and x.tensor.shape[-1] == y.tensor.shape[0] and x.tensor.ndim <= 2


def _plain(index: Any) -> Any:
    """Convert an index for NumPy."""
    if isinstance(index, tuple):
        return tuple(map(_plain, index))
    return index.numpy().copy() if isinstance(index, tg.Tensor) else index
