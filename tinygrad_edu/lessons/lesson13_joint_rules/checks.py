"""Cases of lesson 13: rows, joint rules at first and second order, and checkpoints."""

from importlib import import_module

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import case, check_engine, check_second_order, demand, demand_equal, new_leaf, raised
from tinygrad_edu.lessons.short_programs import exact_arrays, short_programs

ARRAYS = exact_arrays(2, 3)
PROGRAMS = short_programs()
SHAPES = st.lists(st.sampled_from([(), (2,), (1, 3), (2, 2), (0,)]), min_size=1, max_size=3)


def _of(lesson):
    """Return the student's module of an earlier lesson."""
    return import_module(lesson)


# --- Rows ---


@case("padded", size=st.integers(1, 5), start=st.integers(0, 4))
def transpose_of_part(mine, size, start):
    """padded is the transpose of part, also for several rows."""
    start %= size
    g = np.arange(1.0, 2 * (size - start) + 1).reshape(2, -1)
    found = mine.padded(g, start=start, size=size)
    demand_equal(f"padded(g, start={start}, size={size})", found, np.pad(g, ((0, 0), (start, 0))))
    stop = size - 1
    check_engine(mine, lambda row: mine.part(row, start=0, stop=stop) * 2.0, g[0] if start == 0 else np.ones(size))


@case("unpacked", shapes=SHAPES)
def there_and_back(mine, shapes):
    """unpack undoes pack, for arrays and for Tensors, whose gradients are correct."""
    arrays = [np.arange(1.0, 1 + np.prod(shape)).reshape(shape) + 10 * k for k, shape in enumerate(shapes)]
    found = mine.unpack(mine.pack(*arrays), shapes)
    for k, (x, wanted) in enumerate(zip(found, arrays, strict=True)):
        demand_equal(f"array {k} of the row", x, wanted)
    leaves = [new_leaf(mine, x) for x in arrays]
    for k, x in enumerate(mine.unpack(mine.pack(*leaves), shapes)):
        demand(isinstance(x, mine.Tensor), f"array {k} of a Tensor must be a Tensor, got {type(x).__name__}.")
        demand(x.node is not None, f"array {k} has no node, but the row depends on a tensor that requires a gradient.")
        x.backward((k + 2.0) * np.ones(shapes[k]), retain_graph=True)
    for k, (x, shape) in enumerate(zip(leaves, shapes, strict=True)):
        demand_equal(f"the gradient of array {k}", x.grad, np.full(shape, k + 2.0))


# --- Joint rules ---


def _both(mine, calls):
    """Return a joint op with the results tanh(x) * exp(y) and tanh(x) + exp(y); its functions note each call."""
    ops = _of("lesson06_ops")

    def forward(x, y):
        calls.append("forward")
        t, e = ops.tanh(x), ops.exp(y)
        return [t * e, t + e], [t, e]

    def backward(residuals, g, h):
        calls.append("backward")
        t, e = residuals
        return [(g * e + h) * (1 - t * t), (g * t + h) * e]

    return mine.JointOp(forward, backward)


def _plain(x, y):
    return np.tanh(x) * np.exp(y), np.tanh(x) + np.exp(y)


@case("joint", x=ARRAYS, y=ARRAYS)
def results(mine, x, y):
    """A joint op returns the results of forward, for arrays, constants and leaves."""
    joint = _both(mine, [])
    for what, make in (("arrays", np.copy), ("constants", mine.Tensor), ("leaves", lambda x: new_leaf(mine, x))):
        found = joint(make(x), make(y))
        demand(len(found) == 2, f"the joint op has two results, got {len(found)}.")
        for k, (value, wanted) in enumerate(zip(found, _plain(x, y), strict=True)):
            demand_equal(f"result {k} for {what}", value.data if what != "arrays" else value, wanted)


@case("joint")
def one_node(mine):
    """All results have one node of the op, only if a node is needed, and the ops of forward are not recorded."""
    ops, inside, x = _of("lesson06_ops"), [], new_leaf(mine)

    def forward(x):
        inside.append(ops.tanh(x))
        return [inside[-1] * 2.0, inside[-1] * 3.0], []

    joint = mine.JointOp(forward, lambda residuals, g, h: [g + h])
    nodes, seen = [each.node for each in joint(x)], set()
    demand(inside[0].node is None, "tanh(x) in forward has a node: forward was recorded.")
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += node.parents
    count = sum(x.node in node.parents for node in seen)
    demand(count == 1, f"x is the parent of {count} nodes, expected one node for both results.")
    demand(joint(mine.Tensor(x.data))[0].node is None, "no input has a node, but a result has one.")
    with _of("lesson07_recorder").no_grad():
        demand(joint(x)[0].node is None, "inside no_grad, a result has a node.")
    demand((x * 2.0).node is not None, "after the call of a joint op, nothing is recorded.")


@case("pullback", x=ARRAYS, y=ARRAYS, which=st.sampled_from(["both", "first", "second"]))
def of_both_results(mine, x, y, which):
    """The gradients are correct, if all results are used or only one."""

    def used(first, second):
        return {"both": lambda: first * second + second, "first": lambda: first, "second": lambda: second}[which]()

    check_engine(mine, lambda x, y: used(*_both(mine, [])(x, y)), x, y, plain=lambda x, y: used(*_plain(x, y)))


@case("pullback")
def once_per_walk(mine):
    """A backward pass calls backward once, and forward not again."""
    calls = []
    first, second = _both(mine, calls)(new_leaf(mine), new_leaf(mine))
    (first * second + first).backward(np.ones(3))
    demand(calls == ["forward", "backward"], f"the calls in a forward and a backward pass: {', '.join(calls)}.")


@case("pullback", x=exact_arrays(2), scale=st.sampled_from([0.5, 1.0, -2.0]))
def residuals_are_recorded(mine, x, scale):
    """The gradient of a gradient goes through the residuals, too."""

    def energy(x):
        first, second = _both(mine, [])(x, x * scale)
        return (first * second + second * second).sum()

    check_second_order(_of("lesson09_second_order").grad, energy, x)


@case("pullback")
def none_and_labels(mine):
    """backward may return None for an input; inputs may be arrays of labels, which have no gradient."""
    lesson10 = _of("lesson10_softmax")

    def forward(rows, labels, unused):
        return [lesson10.pick(rows, labels)], [rows, labels]

    def backward(residuals, g):
        return [lesson10.put(g, residuals[1], shape=residuals[0].shape), None, None]

    rows, unused = new_leaf(mine, np.ones((2, 3))), new_leaf(mine)
    (found,) = mine.JointOp(forward, backward)(rows, np.array([2, 0]), unused)
    found.backward(np.array([5.0, 7.0]))
    demand_equal("the gradient of rows", rows.grad, [[0, 0, 5], [7, 0, 0]])
    demand_equal("the gradient of an input for which backward returns None", unused.grad, np.zeros(3))


# --- Checkpoints ---


def _layers(x):
    for _ in range(10):
        x = x.tanh()
    return x


@case("checkpoint")
def keeps_its_inputs(mine):
    """checkpoint(f, x) equals f(x), and keeps only x."""
    x = new_leaf(mine)
    out = mine.checkpoint(_layers, x)
    demand_equal("checkpoint(f, x)", out.data, _layers(x).data)
    demand(out.node is not None, "checkpoint(f, x) has no node, but x requires a gradient.")
    kept = _of("lesson12_memory").kept_bytes(out)
    demand_equal("kept_bytes of ten tanh in a checkpoint, with three elements,", kept, 24)


@case("checkpoint")
def nothing_to_keep(mine):
    """checkpoint creates no node if no input requires a gradient, or if recording is off."""
    constant = mine.Tensor(np.ones(3))
    demand(mine.checkpoint(_layers, constant).node is None, "no input has a node, but the result has one.")
    with _of("lesson07_recorder").no_grad():
        demand(mine.checkpoint(_layers, new_leaf(mine)).node is None, "inside no_grad, the result has a node.")
    demand((new_leaf(mine) * 2.0).node is not None, "after a checkpoint, nothing is recorded.")


@case("again", program=PROGRAMS, x=ARRAYS, y=ARRAYS)
def gradients(mine, program, x, y):
    """The gradients through a checkpoint equal those of the program itself."""

    def checkpointed(*inputs):
        return mine.checkpoint(program, *inputs) * 2.0

    def plain(*inputs):
        return program(*inputs) * 2.0

    check_engine(mine, checkpointed, *(x, y)[: program.count], plain=plain)


@case("again")
def where_a_gradient_is_wanted(mine):
    """Inputs may be constants or labels, may be passed twice, or not be used; each gradient is correct."""
    x, y = new_leaf(mine), new_leaf(mine)
    mine.checkpoint(lambda a, b, c, d: a * b * 3.0 + d, x, x, y, np.ones(3)).backward(np.ones(3))
    demand_equal("for a * b * 3 + d with a and b both x, x.grad", x.grad, 6 * x.data)
    demand_equal("the gradient of an unused input", y.grad, np.zeros(3))
    x, constant = new_leaf(mine), mine.Tensor(np.array([0.5, 1.0, 2.0]))
    mine.checkpoint(lambda x, c: x * c.tanh(), x, constant).backward(np.ones(3))
    demand_equal("for x * c.tanh() with a Tensor c that requires no gradient, x.grad", x.grad, np.tanh(constant.data))
    rows, pick = new_leaf(mine, np.ones((2, 3))), _of("lesson10_softmax").pick
    mine.checkpoint(pick, rows, np.array([2, 0])).backward(np.array([5.0, 7.0]))
    demand_equal("the gradient of pick(rows, [2, 0])", rows.grad, [[0, 0, 5], [7, 0, 0]])


@case("again")
def run_twice(mine):
    """The function runs once forward and once in the backward pass, even if recording is off then."""
    x, runs = new_leaf(mine), []

    def function(x):
        runs.append(1)
        return x.tanh()

    out = mine.checkpoint(function, x)
    with _of("lesson07_recorder").no_grad():
        out.backward(np.ones(3))
    demand_equal("the number of runs of the function", len(runs), 2)
    demand_equal("x.grad", x.grad, 1 - np.tanh(x.data) ** 2)


@case("again")
def inside_each_other(mine):
    """A checkpoint in a checkpoint gives correct gradients, and keeps no more bytes."""
    x = new_leaf(mine)
    out = mine.checkpoint(lambda x: mine.checkpoint(_layers, mine.checkpoint(_layers, x)), x)
    kept = _of("lesson12_memory").kept_bytes(out)
    demand_equal("kept_bytes of nested checkpoints, with three elements,", kept, 24)
    out.backward(np.ones(3))
    other = new_leaf(mine)
    _layers(_layers(other)).backward(np.ones(3))
    demand_equal("x.grad", x.grad, other.grad)


@case("again")
def inputs_that_were_changed(mine):
    """An input that was changed in place is stale: the second run would differ."""
    x = new_leaf(mine)
    out = mine.checkpoint(_layers, x)
    x.assign(0.0)
    message = raised(_of("lesson08_views").StaleValueError, lambda: out.backward(np.ones(3)))
    demand(message, "x was changed after checkpoint(f, x), but no StaleValueError was raised.")


@case("again")
def what_is_no_input(mine):
    """A function that uses another tensor with a gradient raises an error: the gradient would be lost."""
    x, weight = new_leaf(mine), new_leaf(mine)
    out = mine.checkpoint(lambda x: x * weight, x)
    message = raised(RuntimeError, lambda: out.backward(np.ones(3)))
    demand("not an input" in message, "checkpoint(lambda x: x * weight, x) must raise: the gradient of weight is lost.")


@case("again", x=exact_arrays(2), scale=st.sampled_from([0.5, 1.0, -2.0]))
def second_order(mine, x, scale):
    """The gradient of a gradient goes through a checkpoint, too."""

    def energy(x):
        y = mine.checkpoint(lambda x: x * x.tanh() * scale, x)
        return (y * y).sum()

    check_second_order(_of("lesson09_second_order").grad, energy, x)
