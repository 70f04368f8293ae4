"""Cases of lesson 6: the names of a vjp's parameters, saved values, which vjps run, and the table of vjps."""

import re
import weakref

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import (
    apart,
    case,
    check_engine,
    demand,
    demand_equal,
    demand_vjps,
    raised,
    run_backward,
)
from tinygrad_edu.lessons.findings import type_and_shape
from tinygrad_edu.lessons.lesson05_arrays.checks import BROADCASTS, SMALL, matrices, pairs, summed
from tinygrad_edu.lessons.small_arrays import small_arrays


@case("arguments_of")
def names_of_a_vjp(mine):
    """arguments_of(function) returns the names of a vjp's parameters after g, in order."""
    for text, function, wanted in (
        ("lambda g, y, x_shape, axis: g", lambda g, y, x_shape, axis: g, ["y", "x_shape", "axis"]),
        ("lambda g: g", lambda g: g, []),
    ):
        found = mine.arguments_of(function)
        demand(
            isinstance(found, list | tuple), f"arguments_of({text}) must return a list, got {type_and_shape(found)}."
        )
        demand([*found] == wanted, f"arguments_of({text}) is {found}, expected {wanted}.")


@case("known_name")
def names_that_are_not_there(mine):
    """A vjp with a parameter that its op does not have raises a TypeError when it is defined."""

    @mine.op
    def scale(x, factor=2):
        return x * factor

    message = raised(TypeError, lambda: scale.vjps(x=lambda g, factors: g * factors))
    what = "scale.vjps(x=lambda g, factors: ...)"
    demand(message, f"{what} must raise a TypeError: scale(x, factor) has no factors.")
    demand("scale" in message, f"the error of {what} must name the op: {message!r}.")
    demand(re.search(r"\bfactor\b", message), f"the error of {what} does not suggest 'factor': {message!r}.")
    far = raised(TypeError, lambda: scale.vjps(x=lambda g, qqq: g))
    demand("qqq" in far, f"scale.vjps(x=lambda g, qqq: ...) must raise a TypeError that contains qqq: {far!r}.")
    demand(
        raised(TypeError, lambda: scale.vjps(y=lambda g: g)),
        "a vjp for y, which is not an input of scale(x), must raise a TypeError.",
    )
    message = raised(TypeError, lambda: scale.vjps(x=lambda g, factor: g * factor))
    demand(not message, f"scale.vjps(x=lambda g, factor: ...) is correct, but raises a TypeError: {message}")


def saved_by(tensor):
    """Return the dict of the values that the node of a tensor saves."""
    saved = tensor.node.vjp.saved
    demand(isinstance(saved, dict), f"saved must be a dict of values by name, got {type_and_shape(saved)}.")
    return saved


@case("recorded")
def saved_is_what_is_asked(mine):
    """A node saves the values that its vjps name, and nothing else."""

    @mine.op
    def area(x, y, unit=1.0):
        return x * y * unit

    area.vjps(x=lambda g, y, unit: g * y * unit, y=lambda g, x_shape: g)
    x, y = mine.Tensor(np.ones(2), requires_grad=True), mine.Tensor(np.ones(2), requires_grad=True)
    for inputs, wanted in (((x, y), {"y", "unit", "x_shape"}), ((x, 2.0), {"y", "unit"}), ((2.0, y), {"x_shape"})):
        found = set(saved_by(area(*inputs)))
        which = " and ".join(name for name, given in zip("xy", inputs, strict=True) if isinstance(given, mine.Tensor))
        demand(
            found == wanted,
            f"if {which} requires a gradient, the vjps use {sorted(wanted)}, but the node saves {sorted(found)}.",
        )
    demand_equal("the saved x_shape", saved_by(area(x, y))["x_shape"], (2,))


@case("recorded")
def what_nobody_asks_for_dies(mine):
    """An input is freed if the vjp names only the result."""

    @mine.op
    def root(x):
        return np.sqrt(x)

    root.vjps(x=lambda g, out: g * 0.5 / out)
    x = mine.Tensor(np.ones(3), requires_grad=True)
    middle = x + 1.0
    kept, array = root(middle), weakref.ref(middle.data)
    del middle
    demand(array() is None, "the vjp of root uses only out, but its node keeps the array x alive.")
    demand(kept.node is not None, "the result has no node.")


class Never(Exception):  # noqa: N818 - a signal
    """Raised by a vjp that must not run."""


@case("pullback")
def rules_that_nobody_needs(mine):
    """The vjp for an input that needs no gradient does not run."""

    @mine.op
    def product(x, y):
        return x * y

    def never(g, x):
        raise Never

    product.vjps(x=lambda g, y: g * y, y=never)
    x = mine.Tensor(np.ones(2), requires_grad=True)
    try:
        run_backward(product(x, np.full(2, 3.0)), np.ones(2))
    except Never:
        demand(False, "product(x, array): the vjp for y ran, but y is an array, which needs no gradient.")
    demand_equal("x.grad of product(x, [3, 3])", x.grad, np.full(2, 3.0))
    run_backward(mine.multiply(np.full(2, 3.0), x), np.ones(2))
    demand_equal("x.grad after a second backward pass, of multiply([3, 3], x)", x.grad, np.full(2, 6.0))


@case("pullback", **pairs())
def products(mine, x, y):
    """The gradients of x * y, whose vjps do not undo broadcasting."""
    check_engine(mine, mine.multiply, x, y)


@case("pullback", x=small_arrays(SMALL, low=0.5, high=3.0), n=st.sampled_from([-1, 0.5, 3]))
def powers(mine, x, n):
    """The gradient of x ** n, whose vjp names a setting."""
    check_engine(mine, lambda x: mine.power(x, n=n), x)


@case("divide", **pairs(low=0.5, high=3.0))
def quotients(mine, x, y):
    """The vjps of divide."""
    check_engine(mine, mine.divide, x, y)


@case("exp", x=small_arrays(SMALL))
def exponentials(mine, x):
    """The vjp of exp."""
    check_engine(mine, mine.exp, x)


def _demand_only_out(mine, op):
    saved = sorted(saved_by(op(mine.Tensor(np.ones(2), requires_grad=True))))
    demand(saved == ["out"], f"it uses {saved}, expected ['out'].")


@case("exp")
def exp_saves_its_result(mine):
    """The vjp of exp uses only its result."""
    _demand_only_out(mine, mine.exp)


@case("tanh", x=small_arrays(SMALL))
def tanh(mine, x):
    """The vjp of tanh."""
    check_engine(mine, mine.tanh, x)


@case("tanh")
def tanh_saves_its_result(mine):
    """The vjp of tanh uses only its result."""
    _demand_only_out(mine, mine.tanh)


@case("sum", **apart(BROADCASTS, "shape_of_x", "shape"))
def repeated(mine, shape_of_x, shape):
    """The vjp of broadcast_to."""
    demand_vjps(mine.broadcast_to)
    check_engine(mine, lambda x: mine.broadcast_to(x, shape=shape), np.ones(shape_of_x))


@case("sum", **summed())
def reductions(mine, x, axis, keepdims):
    """The vjp of sum, over any axes."""
    demand_vjps(mine.sum)
    check_engine(mine, lambda x: mine.sum(x, axis=axis, keepdims=keepdims), x)


@case("sum")
def sum_saves_no_array(mine):
    """The vjp of sum uses no array, so the input can be freed."""
    saved = saved_by(mine.sum(mine.Tensor(np.ones((2, 3)), requires_grad=True), axis=0))
    kept = [name for name, value in saved.items() if isinstance(value, np.ndarray)]
    demand(not kept, f"it uses {', '.join(kept)}: the shape of x and the settings are enough.")


@case("matmul", **matrices())
def matrix_products(mine, x, y):
    """The vjps of matmul, with leading axes that broadcast."""
    check_engine(mine, mine.matmul, x, y)


@case("matmul")
def a_network_learns(mine):
    """A network of two layers learns the product x1 * x2 at the corners of a square."""
    rng = np.random.default_rng(0)
    x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    y = x[:, :1] * x[:, 1:]
    weights = [rng.normal(size=(2, 8)), rng.normal(size=8), rng.normal(size=(8, 1)) / 3]
    for _ in range(100):
        w, b, v = leaves = [mine.Tensor(a, requires_grad=True) for a in weights]
        error = mine.tanh(x @ w + b) @ v + -1 * y
        loss = (error * error).sum()
        loss.backward()
        weights = [a.data - 0.05 * a.grad for a in leaves]
    demand(loss.data < 0.1, f"the loss is {float(loss.data):.3g} after 100 steps, but must be below 0.1.")
