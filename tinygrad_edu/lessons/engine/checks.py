"""Cases of the finale: tests of a small engine, which tinygrad_edu also passes, and tests of the network."""

from contextlib import suppress

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.data import load_embedded
from tinygrad_edu.engine import from_numpy
from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.lessons.array_programs import NUMPY_FUNCTIONS, array_programs
from tinygrad_edu.lessons.cases import (
    case,
    check_engine,
    check_second_order,
    demand,
    demand_equal,
    in_another_thread,
    new_leaf,
)
from tinygrad_edu.lessons.lesson07_recorder.checks import NAMES as OPS
from tinygrad_edu.lessons.lesson07_recorder.checks import demand_agreement
from tinygrad_edu.testing import check_gradient
from tinygrad_edu.testing.strategies import calls

NAMES = [
    "Tensor", "Op", "op", "no_grad", "grad", "hvp", "jvp", "tanh", "exp", "sigmoid", "softplus", "logsumexp",
    "cross_entropy", "reshape", "correlate", "conv2d", "StaleValueError", "GraphFreedError", "JointOp", "checkpoint",
    "vmap", "jacobian",
]  # fmt: skip
PROGRAMS = array_programs()


def _array(x):
    return np.asarray(x.data)


def _gradients(mine, program, g=1.0, change=None):
    """Return the gradients of g times the sum of a program; call `change` with its values before the backward pass."""
    leaves = [new_leaf(mine, x) for x in program.inputs]
    values = program.of(vars(mine), all_of_them=True)(*leaves)
    out = values[-1].sum()
    if change is not None:
        change(values)
    out.backward(np.asarray(g))
    return [np.zeros_like(x) if leaf.grad is None else np.asarray(leaf.grad)
            for x, leaf in zip(program.inputs, leaves, strict=True)]  # fmt: skip


# --- The tests of a small engine ---


@case("names")
def all_there(mine):
    """engine.py has every name that it needs."""
    missing = [name for name in NAMES if not hasattr(mine, name)]
    demand(not missing, f"engine.py has no {', '.join(missing)}: import your code of the lessons.")


@case("names", program=PROGRAMS)
def values_and_gradients(mine, program):
    """Random programs give the same values as NumPy, and their gradients are correct."""
    found = [_array(x) for x in program.of(vars(mine), all_of_them=True)(*(new_leaf(mine, x) for x in program.inputs))]
    wanted = program.of(NUMPY_FUNCTIONS, all_of_them=True)(*program.inputs)
    for name, x, y in zip(program.names, found, wanted, strict=True):
        demand_equal(name, x, y)
    check_engine(mine, program.of(vars(mine)), *program.inputs, plain=program.of(NUMPY_FUNCTIONS))


@case("names", program=PROGRAMS)
def second_order(mine, program):
    """The gradient of a gradient is correct."""
    x, *others = program.inputs[0], *map(mine.Tensor, program.inputs[1:])

    def energy(x):
        y = program.of(vars(mine))(x, *others)
        return (y * y).sum() + (x * x * x).sum()

    check_second_order(mine.grad, energy, x)


@case("names", program=array_programs(in_place=False))
def forward_mode(mine, program):
    """jvp is the derivative along a direction, and hvp the derivative of the gradient."""
    x, *others = program.inputs[0], *map(mine.Tensor, program.inputs[1:])

    def f(x):
        return program.of(vars(mine))(x, *others)

    def energy(x):
        return (f(x) * f(x)).sum() + (x * x * x).sum()

    plain = program.of(NUMPY_FUNCTIONS)
    check_gradient(
        lambda x: plain(x, *program.inputs[1:]), None, x, jvp=lambda x, tangent: _array(mine.jvp(f, x, tangent))
    )
    along = np.cos(np.arange(x.size)).reshape(x.shape)
    demand_equal("hvp(F, x, u) · u for F(x) = sum(f(x)² + x³)", *_curvatures(mine, energy, x, along))


def _curvatures(mine, energy, x, along):
    """Return the second derivative of a function along a direction: by hvp, and as a function of one number."""
    slope = mine.grad(lambda t: energy(x + t * along))
    return np.sum(_array(mine.hvp(energy, x, along)) * along), _array(mine.grad(slope)(np.zeros(())))


@case("names", program=PROGRAMS, a=st.sampled_from([0.0, 1.0, -2.5]))
def linear(mine, program, a):
    """A pullback is linear, and gradients accumulate over two backward passes."""
    leaves = [new_leaf(mine, x) for x in program.inputs]
    out = program.of(vars(mine))(*leaves).sum()
    out.backward(np.asarray(a), retain_graph=True)
    out.backward(np.asarray(1.0))
    for k, (leaf, once) in enumerate(zip(leaves, _gradients(mine, program), strict=True)):
        if leaf.grad is not None:
            demand_equal(f"x{k}.grad after backward({a}) and backward(1.0)", np.asarray(leaf.grad), (1 + a) * once)


@case("names", program=PROGRAMS, place=st.integers(0, 5), operator=st.sampled_from(["+=", "*="]))
def never_silently_wrong(mine, program, place, operator):
    """After an in-place change of any value, backward returns the gradient of the original program or raises."""
    place %= len(program.names)

    def change(values):
        x = values[place]
        if place < len(program.inputs):
            return  # a leaf cannot be changed in place
        if operator == "+=":
            x += 1.0
        else:
            x *= 3.0

    wanted = _gradients(mine, program)
    try:
        found = _gradients(mine, program, change=change)
    except (mine.StaleValueError, RuntimeError):  # tinygrad_edu has a second error, for views of leaves
        return
    for k, pair in enumerate(zip(found, wanted, strict=True)):
        demand_equal(f"x{k}.grad, after {program.names[place]} was changed with {operator},", *pair)


@case("names", program=PROGRAMS)
def gradients_of_ones_own(mine, program):
    """A gradient has the shape of its leaf, is float64, and shares no memory with other arrays."""
    leaves, g = [new_leaf(mine, x) for x in program.inputs], np.ones(())
    out = program.of(vars(mine))(*leaves).sum()
    out.backward(g)
    held = [g, *(_array(x) for x in leaves)]
    for k, leaf in enumerate(leaves):
        if leaf.grad is None:
            continue
        grad = np.asarray(leaf.grad)
        demand(
            grad.shape == leaf.shape and grad.dtype == np.float64,
            f"x{k}.grad has dtype {grad.dtype} and shape {grad.shape}.",
        )
        demand(grad.flags.writeable, f"x{k}.grad is read-only.")
        demand(not any(np.shares_memory(grad, each) for each in held), f"x{k}.grad shares memory with another array.")
        held.append(grad)


@case("names")
def deep(mine):
    """A chain of 5,000 ops is computed, differentiated and freed without recursion."""
    x = out = new_leaf(mine, 0.5)
    for _ in range(5000):
        out = out + 0.001 * out
    out.backward(np.ones(()))
    demand_equal("the gradient of 1.001 to the power of 5000", np.asarray(x.grad), 1.001**5000)
    del out


@case("names")
def wide(mine):
    """A value that is used 2,000 times receives 2,000 contributions, and 60 doublings take 60 steps."""
    x = new_leaf(mine, 1.0)
    total = x * 0.0
    for k in range(2000):
        total = total + x * float(k)
    total.backward(np.ones(()))
    demand_equal("the gradient of the sum of x * k for k < 2000", np.asarray(x.grad), 1999000.0)
    x = out = new_leaf(mine, 1.0)
    for _ in range(60):
        out = out + out
    out.backward(np.ones(()))
    demand_equal("the gradient of 60 doublings", np.asarray(x.grad), 2.0**60)


@case("names")
def modes(mine):
    """A value computed inside no_grad is a constant, but not if another thread computes it."""
    x = new_leaf(mine, 3.0)
    with mine.no_grad():
        constant = x * x
        other = in_another_thread(lambda: x * x)
    (constant * x).backward(np.ones(()))
    demand_equal("with c = x * x inside no_grad, the gradient of c * x at 3", np.asarray(x.grad), 9.0)
    other.backward(np.ones(()))
    demand_equal("after backward() of x * x from another thread, x.grad", np.asarray(x.grad), 15.0)


@case("names")
def freed(mine):
    """A second backward pass through a graph raises a GraphFreedError, unless the first retained it."""
    x = new_leaf(mine, 3.0)
    out = x * x
    out.backward(np.ones(()))
    try:
        out.backward(np.ones(()))
    except mine.GraphFreedError:
        return
    demand(False, "a second backward() of x * x must raise a GraphFreedError.")


@case("names", program=PROGRAMS)
def recomputed(mine, program):
    """A checkpoint changes no gradient, at first and second order."""

    def kept(*inputs):
        return mine.checkpoint(program.of(vars(mine)), *inputs)

    check_engine(mine, kept, *program.inputs, plain=program.of(NUMPY_FUNCTIONS))
    x, *others = program.inputs[0], *map(mine.Tensor, program.inputs[1:])

    def energy(x):
        return (kept(x, *others) * kept(x, *others)).sum() + (x * x * x).sum()

    check_second_order(mine.grad, energy, x)


@case("names", program=array_programs(in_place=False))
def mapped(mine, program):
    """vmap equals a loop over the samples, and so does vmap of a gradient and of a Jacobian."""
    x, *others = program.inputs[0], *map(mine.Tensor, program.inputs[1:])
    samples = np.stack([x, -0.5 * x, 0.25 * x])

    def f(x):
        return program.of(vars(mine))(x, *others)

    def energy(x):
        return (f(x) * f(x)).sum() + (x * x * x).sum()

    for what, function in (("f", f), ("grad(F)", mine.grad(energy)), ("jacobian(f)", mine.jacobian(f))):
        found, wanted = mine.vmap(function)(samples), [function(each) for each in samples]
        demand_equal(f"vmap({what})", *(np.asarray(getattr(x, "data", x)) for x in (found, _joined(wanted))))


def _joined(values):
    return np.stack([np.asarray(getattr(x, "data", x)) for x in values])


@case("names", call=st.sampled_from(OPS).flatmap(calls))
def every_op(mine, call):
    """Ops of tinygrad_edu give the same results and gradients with your engine."""
    with suppress(MissingExtraError):  # erf needs SciPy
        demand_agreement(mine, call)


# --- The network ---

WEIGHTS = st.tuples(st.integers(1, 3), st.integers(3, 6), st.integers(0, 99))


def _net(drawn):
    """Return weights, images and labels for a small network."""
    kernels, side, seed = drawn
    rng = np.random.default_rng(seed)
    weights = {
        "kernels": rng.uniform(-1, 1, (kernels, 1, 3, 3)),
        "bias": rng.uniform(-1, 1, kernels),
        "weight": rng.uniform(-1, 1, (kernels * (side - 2) ** 2, 10)),
    }
    return weights, rng.random((4, 1, side, side)), rng.integers(0, 10, 4)


def _real_logits(weights, images):
    maps = tg.tanh(tg.conv2d(images, weights["kernels"], weights["bias"]))
    return maps.reshape((len(images), -1)) @ weights["weight"]


def _real_step(weights, images, labels):
    """Return the loss and its gradients, computed with tinygrad_edu."""
    leaves = {name: from_numpy(x.copy(), requires_grad=True) for name, x in weights.items()}
    loss = tg.cross_entropy(_real_logits(leaves, images), labels)
    loss.backward()
    return loss.item(), {name: x.grad for name, x in leaves.items()}


@case("logits", drawn=WEIGHTS)
def same_logits(mine, drawn):
    """The logits equal those of the same network in tinygrad_edu, for weights that are arrays or Tensors."""
    weights, images, _ = _net(drawn)
    wanted = _real_logits(weights, images)
    demand_equal("logits(weights, images) of arrays", mine.logits(weights, images), wanted)
    found = mine.logits({name: new_leaf(mine, x) for name, x in weights.items()}, images)
    demand_equal("logits(weights, images) of Tensors", _array(found), wanted)


@case("step", drawn=WEIGHTS, rate=st.sampled_from([0.1, 1.0]))
def same_step(mine, drawn, rate):
    """A step subtracts rate times the gradient of tinygrad_edu, and does not change the old weights."""
    weights, images, labels = _net(drawn)
    before = {name: x.copy() for name, x in weights.items()}
    wanted, gradients = _real_step(weights, images, labels)
    loss, after = mine.step(weights, images, labels, rate)
    demand_equal("the loss", loss, wanted)
    for name, x in before.items():
        demand_equal(f"after step, the old {name}", weights[name], x)
        demand_equal(f"the new {name}", after[name], x - rate * gradients[name])


@case("step")
def reads_digits(mine):
    """The network learns: trained on 200 digits, it classifies more than 60 % of 200 others correctly."""
    digits, rng = load_embedded(), np.random.default_rng(0)
    images, labels = mine.pixels(digits.x_train[:200]), digits.y_train[:200]
    losses, weights = zip(*mine.train(mine.initial(rng, kernels=8), images, labels, 4, rng), strict=True)
    share = mine.right(weights[-1], mine.pixels(digits.x_test[:200]), digits.y_test[:200])
    demand(losses[-1] < 0.4, f"after 4 epochs the loss is {losses[-1]:.3f}, but must be below 0.4.")
    demand(share > 0.6, f"after 4 epochs the accuracy on 200 other digits is {share:.0%}, but must be above 60%.")
