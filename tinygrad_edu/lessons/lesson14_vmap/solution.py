"""Lesson 14: vmap. A function of one sample as a function of many, which computes all samples at once."""

from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import lesson06_ops
import lesson07_recorder
import lesson09_second_order
import numpy as np
from lesson04_clock import clock
from lesson06_ops import (
    add,
    broadcast_to,
    divide,
    exp,
    matmul,
    matrix_transpose,
    multiply,
    power,
    reshape,
    sum,
    tanh,
    transpose,
)
from lesson08_views import Tensor
from lesson10_softmax import logsumexp, sigmoid, softplus
from lesson13_joint_rules import JointOp, pack, padded, part, unpacked


class Level(NamedTuple):
    """A call of `vmap`: its number, larger than that of the calls around it, and the number of samples."""

    number: int
    size: int


open_levels = ContextVar("open_levels", default=())  # the calls of vmap that are running, outermost first


@contextmanager
def opened(levels):
    """Run a ``with`` block inside of these levels only."""
    before = open_levels.set(tuple(levels))
    try:
        yield
    finally:
        open_levels.reset(before)


class Mapped(Tensor):
    """A value inside of `vmap`. It looks like one sample, and stands for all samples of a level.

    Attributes
    ----------
    value : Tensor or ndarray
        All samples, along axis 0.
    level : Level
    """

    def __init__(self, value, level):
        self.value, self.level = value, level

    @property
    def node(self):
        """Node of the value that has all samples."""
        return getattr(self.value, "node", None)

    @property
    def shape(self):
        """Length of each axis of one sample."""
        return np.shape(self.value)[1:]

    @property
    def ndim(self):
        """Number of axes of one sample."""
        return len(self.shape)

    def __len__(self):
        return self.shape[0]

    @property
    def data(self):
        """Raise a TypeError: there is no array of one sample."""
        raise TypeError(f"vmap: a number or an array was needed, but the value stands for {self.level.size} samples.")

    def __bool__(self):
        return bool(self.data)

    def assign(self, values):
        """Raise a TypeError, as in-place operations do."""
        raise TypeError("vmap: a value cannot be changed in place.")

    __iadd__ = __imul__ = assign


# --- Batching rules: a call for all samples. Values that are mapped have the samples along axis 0 ---


def aligned(values, mapped):
    """Return values that broadcast with each other as their samples do."""
    # hole: aligned
    ndim = max(np.ndim(x) - is_mapped for x, is_mapped in zip(values, mapped))
    return [
        reshape(x, shape=(x.shape[0], *[1] * (ndim + 1 - x.ndim), *x.shape[1:])) if is_mapped else x
        for x, is_mapped in zip(values, mapped)
    ]
    # end


def elementwise(op, values, mapped, settings):
    """Rule of ops whose inputs broadcast."""
    return op(*aligned(values, mapped), **settings)


def along_last_axes(op, values, mapped, settings):
    """Rule of ops of one input that use its last axes only."""
    return op(*values, **settings)


def summed(op, values, mapped, settings):
    """Rule of sum, whose axes count from the axes of one sample."""
    (x,), axis = values, settings["axis"]
    # hole: summed
    ndim = x.ndim - 1
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return op(x, axis=tuple(position % ndim + 1 for position in axes), keepdims=settings["keepdims"])
    # end


def permuted(op, values, mapped, settings):
    """Rule of transpose."""
    (x,) = values
    return op(x, axes=(0, *(axis % (x.ndim - 1) + 1 for axis in settings["axes"])))


def reshaped(op, values, mapped, settings):
    """Rule of reshape and broadcast_to, whose shape is that of one sample."""
    (x,), shape = values, settings["shape"]
    shape = (shape,) if isinstance(shape, int) else shape
    if op is broadcast_to:
        x = reshape(x, shape=(x.shape[0], *[1] * (len(shape) + 1 - x.ndim), *x.shape[1:]))
    return op(x, shape=(x.shape[0], *shape))


def by_loop(op, values, mapped, settings):
    """Rule of all other ops: one call for each sample. The results are stacked."""
    size = next(np.shape(x)[0] for x, is_mapped in zip(values, mapped) if is_mapped)
    # hole: by_loop
    rows = [
        op(*(row(x, k) if is_mapped else x for x, is_mapped in zip(values, mapped)), **settings) for k in range(size)
    ]
    return stack(rows)
    # end


def row(x, k):
    """Return sample k of a value, with ops, so that it is recorded."""
    if isinstance(x, np.ndarray):
        return x[k]  # also labels
    return unpacked(reshape(x, shape=(-1,)), [x.shape[1:]] * x.shape[0], k)


def stack(rows):
    """Return values of the same shape as one value, along a new axis 0."""
    return reshape(pack(*rows), shape=(len(rows), *np.shape(rows[0])))


BATCHING = {
    **dict.fromkeys((add, multiply, divide, power, exp, tanh, sigmoid, softplus, matmul), elementwise),
    **dict.fromkeys((matrix_transpose, logsumexp, part, padded), along_last_axes),
    sum: summed, transpose: permuted, reshape: reshaped, broadcast_to: reshaped,
}  # fmt: skip


def call(plain, op, *inputs, **settings):
    """Call an op, with the batching rule of the innermost level that maps an input, or with `plain` if none does."""
    level = max((x.level for x in inputs if isinstance(x, Mapped)), default=None)
    if level is None:
        return plain(op, *inputs, **settings)
    # hole: call
    mapped = [isinstance(x, Mapped) and x.level == level for x in inputs]
    values = [x.value if is_mapped else x for x, is_mapped in zip(inputs, mapped)]
    return Mapped(BATCHING.get(op, by_loop)(op, values, mapped, op.settings | settings), level)
    # end


def with_batching(plain):
    """Return `Op.__call__` with batching rules."""
    return lambda op, *inputs, **settings: call(plain, op, *inputs, **settings)


for each in (lesson06_ops.Op, lesson07_recorder.Op):
    each.__call__ = with_batching(each.__call__)


# --- The axis of the samples: hidden in a function, and shown in its results ---


def swapped(x):
    """Exchange the first two axes of a value."""
    return transpose(x, axes=(1, 0, *range(2, np.ndim(x))))


def hidden(x, level):
    """Return x as a value inside of a level, which hides axis 0."""
    if isinstance(x, Mapped) and x.level > level:  # the innermost level stays outside
        return Mapped(hidden(swapped(x.value), level), x.level)
    return Mapped(x, level)


def shown(x, level):
    """Return x with the samples of a level along axis 0; what the level does not map is the same for all samples."""
    # hole: shown
    if isinstance(x, Mapped) and x.level == level:
        return x.value
    if isinstance(x, Mapped) and x.level > level:
        return Mapped(swapped(shown(x.value, level)), x.level)
    return broadcast_to(x, shape=(level.size, *np.shape(x)))
    # end


def each_of(function, values):
    """Return nested lists and tuples with a function of each value; None stays None."""
    if isinstance(values, (list, tuple)):
        return type(values)(each_of(function, x) for x in values)
    return None if values is None else function(values)


def vmap(f, in_axes=0):
    """Return a function that applies f to each sample of its arguments, and stacks the results along axis 0.

    `in_axes` is the axis of the samples, 0, or a tuple with 0 or None for each argument: all samples share an argument
    with None. Arguments and results may be nested in lists and tuples.
    """

    def function(*inputs):
        axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(inputs)
        sizes = []
        for x, axis in zip(inputs, axes):
            if axis is not None:
                each_of(lambda x: sizes.append(np.shape(x)[0]), x)
        if len(set(sizes)) != 1:
            raise ValueError(f"vmap: the arguments must have the same number of samples, got {sizes}.")
        level = Level(next(clock), sizes[0])
        # hole: vmap
        samples = [x if axis is None else each_of(lambda x: hidden(x, level), x) for x, axis in zip(inputs, axes)]
        with opened((*open_levels.get(), level)):
            out = f(*samples)
        return each_of(lambda x: shown(x, level), out)
        # end

    return function


# --- Derivatives inside of vmap ---

vjp_of_lesson_9 = lesson09_second_order.vjp


def vjp(f, x):
    """Return f(x) and its pullback, as in lesson 9. Inside of vmap, x is the input of one sample."""
    levels = open_levels.get()

    def hide(x):
        for level in levels:
            x = hidden(x, level)
        return x

    def show(x):
        for level in reversed(levels):
            x = shown(x, level)
        return x

    # hole: vjp
    out, pullback = vjp_of_lesson_9(lambda x: show(f(hide(x))), show(x))
    # end

    def pullback_of_a_sample(g):
        with opened(level for level in open_levels.get() if level not in levels):
            return hide(pullback(show(g)))

    return hide(out), pullback_of_a_sample


lesson09_second_order.vjp = vjp  # grad, hvp and jvp use it, too


def jacobian(f):
    """Return a function that returns the derivative of each element of f(x) by each element of x."""

    def function(x):
        out, pullback = lesson09_second_order.vjp(f, x)
        count = int(np.prod(out.shape))
        # hole: jacobian
        rows = vmap(pullback)(np.eye(count).reshape(count, *out.shape))
        # end
        return reshape(rows, shape=(*out.shape, *np.shape(x)))

    return function


# --- Joint ops inside of vmap ---

joint_of_lesson_13 = JointOp.__call__


def joint(op, *inputs):
    """Call a joint op. Inside of vmap, its forward and its backward function are mapped."""
    level = max((x.level for x in inputs if isinstance(x, Mapped)), default=None)
    if level is None:
        return joint_of_lesson_13(op, *inputs)
    mapped = [isinstance(x, Mapped) and x.level == level for x in inputs]
    axes = tuple(0 if is_mapped else None for is_mapped in mapped)

    def backward(residuals, *gradients):
        found = vmap(op.backward)(residuals, *gradients)
        return [x if is_mapped or x is None else x.sum(axis=0) for x, is_mapped in zip(found, mapped)]

    values = [x.value if is_mapped else x for x, is_mapped in zip(inputs, mapped)]
    return [Mapped(x, level) for x in JointOp(vmap(op.forward, axes), backward)(*values)]


JointOp.__call__ = joint
