"""Cases of lesson 14: batching rules, vmap against a loop, and derivatives inside and outside of vmap."""

from importlib import import_module
from itertools import product

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.array_programs import NUMPY_FUNCTIONS, array_programs
from tinygrad_edu.lessons.cases import case, check_engine, check_second_order, demand, demand_equal, new_leaf, raised
from tinygrad_edu.lessons.findings import type_and_shape
from tinygrad_edu.testing import check_gradient

PROGRAMS = array_programs(in_place=False)
SHAPES = st.sampled_from([(), (2,), (1, 2), (3, 1), (2, 3, 1)])
SCALES = (1.0, -0.5, 0.25)  # of the samples


def _of(lesson):
    """Return the student's module of an earlier lesson."""
    return import_module(lesson)


def _functions(mine):
    """Return the functions of a program from the student's lessons."""
    lessons = [mine, _of("lesson06_ops"), _of("lesson10_softmax"), _of("lesson11_convolution")]
    return {name: next(vars(each)[name] for each in lessons if name in vars(each)) for name in NUMPY_FUNCTIONS}


def _array(x):
    """Return the array of a Tensor or an array; raise `Wrong` for a value that is mapped."""
    demand(not hasattr(x, "level"), f"the result is a value inside of vmap, a {type(x).__name__}.")
    return np.asarray(getattr(x, "data", x))


def _samples(x):
    """Return three samples like x, along axis 0."""
    return np.stack([scale * x for scale in SCALES])


def _numbers(shape, start=1.0):
    return start + np.arange(float(np.prod(shape))).reshape(shape)


def _checked(values, count):
    demand(isinstance(values, list), f"aligned must return a list, got {type_and_shape(values)}.")
    demand(len(values) == count, f"aligned must return {count} values, got {len(values)}.")
    return values


# --- Batching rules ---


@case("aligned", shapes=st.tuples(SHAPES, SHAPES), mapped=st.sampled_from([(True, False), (False, True), (True, True)]))
def broadcast_as_samples(mine, shapes, mapped):
    """The sum of aligned values is, for each sample, the sum of the samples."""
    shapes = [shape if np.size(np.zeros(shape)) else () for shape in shapes]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return
    samples = [_numbers(shape, 10.0**k) for k, shape in enumerate(shapes)]
    values = [_samples(x) if on else x for x, on in zip(samples, mapped, strict=True)]
    x, y = _checked(mine.aligned(values, mapped), 2)
    each = [[v[k] if on else v for v, on in zip(values, mapped, strict=True)] for k in range(3)]
    wanted = np.stack([a + b for a, b in each])
    what = " and ".join(
        f"{'samples' if on else 'one value'} of shape {s}" for s, on in zip(shapes, mapped, strict=True)
    )
    x, y = np.asarray(x), np.asarray(y)
    found = raised(ValueError, lambda: np.add(x, y)) or (x + y).shape
    demand(found == wanted.shape, f"{what} have the shapes {x.shape} and {y.shape} when aligned; "
           f"their sum must have the shape {wanted.shape}.")  # fmt: skip
    demand_equal(f"the sum of {what}, aligned,", x + y, wanted)


@case("summed", shape=SHAPES, keepdims=st.booleans(), data=st.integers(0, 99))
def sums_of_samples(mine, shape, keepdims, data):
    """The sum over axes of one sample: one, several or all, also counted from the end."""
    ndim = len(shape)
    choices = [None, *range(-ndim, ndim), *([(0, -1)] if ndim > 1 else [])]
    axis, x, op = choices[data % len(choices)], _samples(_numbers(shape)), _of("lesson06_ops").sum
    found = mine.summed(op, [x], [True], {"axis": axis, "keepdims": keepdims})
    wanted = np.stack([np.sum(each, axis=axis, keepdims=keepdims) for each in x])
    demand_equal(f"the sums of samples of shape {shape} with axis={axis}, keepdims={keepdims}", found, wanted)


@case("by_loop")
def without_a_rule(mine):
    """An op without a rule is called once for each sample, and the gradient flows to each."""
    pick, calls = _of("lesson10_softmax").pick, []

    class Counted:
        def __call__(self, *inputs, **settings):
            calls.append(1)
            return pick(*inputs, **settings)

    rows, labels = _samples(np.ones((2, 3))), np.array([[0, 1], [2, 2], [1, 0]])
    found = mine.by_loop(Counted(), [rows, labels], [True, True], {})
    demand_equal("by_loop of pick", _array(found), np.stack([x[[0, 1], k] for x, k in zip(rows, labels, strict=True)]))
    demand(len(calls) == 3, f"the op was called {len(calls)} times for 3 samples.")
    found = mine.by_loop(pick, [rows, labels[0]], [True, False], {})
    demand_equal("by_loop of pick with the same labels for all", _array(found), rows[:, [0, 1], labels[0]])
    leaf = new_leaf(mine, rows)
    mine.by_loop(pick, [leaf, labels], [True, True], {}).backward(np.full((3, 2), 2.0))
    demand_equal("the gradient of rows", leaf.grad.sum(axis=2), np.full((3, 2), 2.0))


@case("call")
def the_innermost_level(mine):
    """An op on mapped values computes all samples of the innermost level; the result is mapped by it."""
    ops, outer, inner = _of("lesson06_ops"), mine.Level(1, 3), mine.Level(2, 2)
    x, y = _numbers((3, 2)), _numbers((2, 2), 10.0)
    found = ops.multiply(mine.Mapped(x, outer), 2.0)
    demand(isinstance(found, mine.Mapped), f"an op of a mapped value must be Mapped, got {type_and_shape(found)}.")
    demand_equal("all samples of 2 x", _array(found.value), 2 * x)
    found = ops.add(mine.Mapped(x, outer), mine.Mapped(y, inner))
    demand(found.level == inner, "the result of two levels must be mapped by the innermost, with the larger number.")
    demand_equal("the shape of x + y", found.shape, (2,))
    demand(isinstance(found.value, mine.Mapped), "x + y must be mapped by both levels.")
    demand_equal("all samples of x + y", _array(found.value.value), x[:, None] + y)
    found = ops.sum(mine.Mapped(x, outer))
    demand_equal("all samples of x.sum()", _array(found.value), x.sum(axis=1))


# --- vmap ---


@case("shown")
def the_axis_of_a_level(mine):
    """shown undoes hidden; a value that a level does not map is repeated for its samples."""
    outer, inner = mine.Level(1, 3), mine.Level(2, 2)
    x = _numbers((3, 2, 4))
    demand_equal("shown(hidden(x))", _array(mine.shown(mine.hidden(x, outer), outer)), x)
    demand_equal("shown of a constant", _array(mine.shown(x[0], outer)), np.stack([x[0]] * 3))
    both = mine.hidden(mine.hidden(x, outer), inner)
    demand_equal("both levels, innermost first", _array(mine.shown(mine.shown(both, inner), outer)), x)
    found = mine.shown(mine.shown(both, outer), inner)
    demand_equal("both levels, outermost first", _array(found), x.transpose(1, 0, 2))
    found = mine.shown(mine.Mapped(x[0], inner), outer)
    demand_equal("the shape, for an outer level that does not map x,", found.shape, (3, 4))
    demand(found.level == inner, "the inner level must still map the value.")


@case("vmap", program=PROGRAMS)
def equals_the_loop(mine, program):
    """vmap of a random program equals a loop over the samples, for each choice of the mapped inputs."""
    f = program.of(_functions(mine))
    for axes in product((0, None), repeat=len(program.inputs)):
        if any(axis == 0 for axis in axes):
            inputs = [x if axis is None else _samples(x) for x, axis in zip(program.inputs, axes, strict=True)]
            rows = [[x if axis is None else x[k] for x, axis in zip(inputs, axes, strict=True)] for k in range(3)]
            wanted = np.stack([program.of(NUMPY_FUNCTIONS)(*row) for row in rows])
            demand_equal(f"vmap(program, in_axes={axes})", _array(mine.vmap(f, axes)(*inputs)), wanted)


@case("vmap")
def once(mine):
    """vmap calls the function once, with values of the shape of a sample."""
    shapes, x = [], _numbers((3, 2))

    def f(x):
        shapes.append(x.shape)
        return x + 1.0

    demand_equal("vmap of x + 1", _array(mine.vmap(f)(x)), x + 1)
    demand(shapes == [(2,)], f"for 3 samples of shape (2,), f was called with shapes {shapes}, expected one call.")
    message = raised(ValueError, lambda: mine.vmap(lambda x, y: x)(x, x[:2]))
    demand(message, "3 samples and 2 samples must raise a ValueError.")


@case("vmap")
def nests(mine):
    """Arguments and results may be nested, and constant."""
    x = _numbers((3, 2))
    found = mine.vmap(lambda x, pair: [x + pair[1], (pair[0], None), 5.0])(x, (x, 10 * x))
    demand(isinstance(found, list), f"the result must be a list, as that of the function, got {type_and_shape(found)}.")
    demand_equal("the first result", _array(found[0]), 11 * x)
    demand_equal("a nested result", _array(found[1][0]), x)
    demand(found[1][1] is None, f"a result None must be None, got {type_and_shape(found[1][1])}.")
    demand_equal("a constant result", _array(found[2]), np.full(3, 5.0))


@case("vmap")
def nested(mine):
    """In nested calls, each value is mapped by its own call."""
    x, y = _numbers((3, 2)), _numbers((4, 2), 10.0)
    products = mine.vmap(lambda a: mine.vmap(lambda b: (a * b).sum())(y))(x)
    demand_equal("all products of rows", _array(products), x @ y.T)
    both = mine.vmap(lambda a: mine.vmap(lambda b: a)(y))(x)
    demand_equal("a value that the inner call does not use", _array(both), np.repeat(x[:, None], 4, axis=1))


@case("vmap")
def no_number(mine):
    """Inside of vmap, `if x` and `x += 1` raise: a sample has no number of its own."""
    x = _numbers((3, 2))
    message = raised(TypeError, lambda: mine.vmap(lambda x: x if x.sum() else -x)(x))
    demand(message, "`if x.sum()` inside of vmap must raise a TypeError.")

    def changed(x):
        x += 1.0
        return x

    demand(raised(TypeError, lambda: mine.vmap(changed)(x)), "`x += 1.0` inside of vmap must raise a TypeError.")


@case("vmap", program=PROGRAMS)
def gradients_of_all_samples(mine, program):
    """The gradient of a function that uses vmap is correct, also of inputs that all samples share."""
    axes = (0, None)[: len(program.inputs)]
    inputs = [x if axis is None else _samples(x) for x, axis in zip(program.inputs, axes, strict=True)]
    mapped, plain = mine.vmap(program.of(_functions(mine)), axes), program.of(NUMPY_FUNCTIONS)

    def loop(*inputs):
        rows = zip(*([x] * 3 if axis is None else x for x, axis in zip(inputs, axes, strict=True)), strict=True)
        return np.stack([plain(*row) for row in rows])

    check_engine(mine, mapped, *inputs, plain=loop)


# --- Derivatives inside of vmap ---


def _energy(f):
    """Return a scalar function whose second derivative is not zero."""
    return lambda *inputs: (f(*inputs) * f(*inputs)).sum() + (inputs[0] * inputs[0] * inputs[0]).sum()


@case("vjp", program=PROGRAMS)
def a_gradient_for_each_sample(mine, program):
    """vmap(grad(f)) has the gradient of each sample, of mapped inputs and of inputs that all samples share."""
    grad, x, *others = _of("lesson09_second_order").grad, *program.inputs
    f = _energy(program.of(_functions(mine)))

    def of_first(x):
        return grad(lambda x: f(x, *others))(x)

    vjp, plain = _of("lesson09_second_order").vjp, program.of(NUMPY_FUNCTIONS)
    value = _array(mine.vmap(lambda x: vjp(lambda x: program.of(_functions(mine))(x, *others), x)[0])(_samples(x)))
    demand_equal("vmap of the result of vjp", value, np.stack([plain(each, *others) for each in _samples(x)]))
    found = _array(mine.vmap(of_first)(_samples(x)))
    demand_equal("vmap(grad(F))", found, np.stack([_array(of_first(each)) for each in _samples(x)]))
    if others:
        found = _array(mine.vmap(lambda y: grad(lambda x: f(x, y))(x))(_samples(others[0])))
        wanted = np.stack([_array(grad(lambda x: f(x, y))(x)) for y in _samples(others[0])])  # noqa: B023
        demand_equal("the gradients of an input that all samples share", found, wanted)


@case("vjp", program=PROGRAMS)
def of_second_order(mine, program):
    """hvp and the gradient of a gradient penalty are correct, inside and outside of vmap."""
    lesson, x, *others = _of("lesson09_second_order"), *program.inputs
    f = _energy(program.of(_functions(mine)))
    xs, along = _samples(x), np.cos(np.arange(3.0 * x.size)).reshape(3, *x.shape)

    def product_of(x, u):
        return lesson.hvp(lambda x: f(x, *others), x, u)

    wanted = np.stack([_array(product_of(each, u)) for each, u in zip(xs, along, strict=True)])
    demand_equal("vmap of hvp", _array(mine.vmap(product_of)(xs, along)), wanted)

    def total(xs):
        return mine.vmap(lambda x: f(x, *others))(xs).sum()

    check_second_order(lesson.grad, total, xs)


@case("vjp")
def a_sample_of_a_penalty(mine):
    """A gradient inside of vmap can be differentiated outside of it, by what the function captured."""
    grad, ops = _of("lesson09_second_order").grad, _of("lesson06_ops")
    xs, w = _numbers((3, 2)) / 5, _numbers((2, 2)) / 7

    def penalty(w):
        slopes = mine.vmap(grad(lambda x: ops.tanh(ops.reshape(x, shape=(1, 2)) @ w).sum()))(xs)
        return (slopes * slopes).sum()

    check_second_order(grad, penalty, w)
    check_gradient(lambda w: _array(penalty(w)), lambda w: _array(grad(penalty)(w)), w)


@case("jacobian", program=PROGRAMS)
def rows_at_once(mine, program):
    """jacobian is correct, and equals its own loop inside of vmap."""
    x, *others = program.inputs
    f = program.of(_functions(mine))
    jacobian = mine.jacobian(lambda x: f(x, *others))
    found, out = _array(jacobian(x)), program.of(NUMPY_FUNCTIONS)(*program.inputs)
    demand(found.shape == out.shape + x.shape, f"the Jacobian of {out.shape} by {x.shape} has shape {found.shape}.")

    def along(x, u):
        return np.tensordot(_array(jacobian(x)), u, axes=u.ndim)

    check_gradient(lambda x: program.of(NUMPY_FUNCTIONS)(x, *others), None, x, jvp=along)
    xs = _samples(x)
    wanted = np.stack([_array(jacobian(each)) for each in xs])
    demand_equal("vmap of jacobian", _array(mine.vmap(jacobian)(xs)), wanted)


@case("jacobian")
def one_pullback(mine):
    """jacobian calls the pullback once, for all rows."""
    calls, lesson = [], _of("lesson09_second_order")
    pulled = lesson.vjp

    def counting(f, x):
        out, pullback = pulled(f, x)
        return out, lambda g: (calls.append(1), pullback(g))[1]

    lesson.vjp = counting
    try:
        mine.jacobian(lambda x: x * x)(_numbers((4,)))
    finally:
        lesson.vjp = pulled
    demand(len(calls) == 1, f"the pullback was called {len(calls)} times for 4 rows.")


@case("jacobian")
def checkpoints(mine):
    """A checkpoint inside of vmap gives the gradients of its function, at first and second order."""
    lesson, checkpoint = _of("lesson09_second_order"), _of("lesson13_joint_rules").checkpoint
    xs, w = _numbers((3, 1, 2)) / 5, mine.Tensor(_numbers((2, 2)) / 7)

    def plain(x):
        return (x @ w).tanh().sum()

    def kept(x):
        return checkpoint(lambda x, w: (x @ w).tanh(), x, w).sum()

    for what, derivative in (("grad", lesson.grad), ("the Hessian", lambda f: mine.jacobian(lesson.grad(f)))):
        found, wanted = (_array(mine.vmap(derivative(f))(xs)) for f in (kept, plain))
        demand_equal(f"vmap of {what} of a checkpoint", found, wanted)
