"""Cases of lesson 9: recorded gradients, derivatives of higher order, and forward derivatives from two pullbacks."""

from importlib import import_module

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import case, check_second_order, demand, demand_equal, raised
from tinygrad_edu.lessons.findings import type_and_shape
from tinygrad_edu.lessons.small_arrays import small_arrays
from tinygrad_edu.testing import check_gradient

MATRICES = small_arrays((2, 2))
FUNCTIONS = {
    "x * x * x": lambda ops, x: x * x * x,
    "x ** 4": lambda ops, x: x**4,
    "tanh(x)": lambda ops, x: ops.tanh(x),
    "exp(x / 2)": lambda ops, x: ops.exp(x * 0.5),
    "1 / (1 + x * x)": lambda ops, x: 1.0 / (x * x + 1.0),
    "x @ x": lambda ops, x: x @ x,
    "x * x.sum(axis=0)": lambda ops, x: x * x.sum(axis=0),
}
NAMES = st.sampled_from(sorted(FUNCTIONS))


def _of(mine, name):
    """Return a function of the table, for Tensors and arrays."""
    return lambda x: FUNCTIONS[name](mine.lesson06_ops, x)


def _number(f):
    """Return the sum of squares of f: a scalar function whose second derivative is not zero."""
    return lambda x: (f(x) * f(x)).sum()


def _data(mine, what, found):
    """Return the array of a Tensor; raise `Wrong` for other results of a student's function."""
    demand(isinstance(found, mine.Tensor), f"{what} must be a Tensor, got {type_and_shape(found)}.")
    return found.data


def _grad(mine, f, x):
    """Return the gradient of a function at x as an array."""
    gradient = mine.grad(f)
    demand(callable(gradient), f"grad(f) must return a function, got {type_and_shape(gradient)}.")
    return _data(mine, "grad(f)(x)", gradient(x))


@case("backward_pass")
def ends_at_targets(mine):
    """backward_pass stops at targets, which need not be leaves, and visits all other nodes."""
    x = mine.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    middle = x * 3.0
    out = middle * middle
    found = mine.backward_pass(out.node, mine.Tensor(np.ones(2)), {middle.node})
    demand(middle.node in found, "the gradient of the target is missing.")
    demand(x.node not in found, "backward_pass did not stop at the target.")
    demand_equal("the gradient of the target", found[middle.node].data, [6.0, 12.0])
    w = mine.Tensor(np.array([5.0, 7.0]), requires_grad=True)
    found = mine.backward_pass((middle * w + x).node, mine.Tensor(np.ones(2)), {middle.node, x.node})
    for name, tensor, wanted in (("m", middle, [5.0, 7.0]), ("x", x, [1.0, 1.0]), ("the leaf w", w, [3.0, 6.0])):
        demand(tensor.node in found, f"for m * w + x with the targets m and x, the gradient of {name} is missing.")
        demand_equal(f"for m * w + x, the gradient of {name}", found[tensor.node].data, wanted)


@case("lifted")
def gradients_are_recorded(mine):
    """The gradient of x * x is a Tensor with a node, because it depends on x."""
    x = mine.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    g = mine.backward_pass((x * x).node, mine.Tensor(np.ones(2)), {x.node})[x.node]
    demand(isinstance(g, mine.Tensor), f"the gradient must be a Tensor, got {type(g).__name__}.")
    demand(g.node is not None, "the gradient has no node: the vjp ran on arrays, so nothing was recorded.")


@case("lifted")
def results_are_lifted(mine):
    """A saved result is lifted, too: the gradient of exp depends on x through it."""
    x = mine.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    g = mine.backward_pass(mine.lesson06_ops.exp(x).node, mine.Tensor(np.ones(2)), {x.node})[x.node]
    demand(g.node is not None, "the gradient of exp has no node: out was not lifted.")


@case("grad", name=NAMES, x=MATRICES)
def first(mine, name, x):
    """grad is correct, for sums of squares of various functions."""
    f = _number(_of(mine, name))
    check_gradient(lambda x: f(x), lambda x: _grad(mine, f, x), x)


@case("lifted", name=NAMES, x=MATRICES)
def second(mine, name, x):
    """The gradient of the gradient is correct."""
    check_second_order(mine.grad, _number(_of(mine, name)), x)


@case("lifted")
def still_guarded(mine):
    """A lifted value has its storage: a recorded gradient is stale if x was changed after it."""
    x = mine.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    cotangent = mine.Tensor(np.ones(2), requires_grad=True)
    g = mine.backward_pass((x * x).node, cotangent, {x.node})[x.node]
    x.assign(0.0)
    message = raised(import_module("lesson08_views").StaleValueError, lambda: g.backward(np.ones(2)))
    demand(message, "x was changed after the gradient of x * x, which saved x, but no StaleValueError was raised.")


@case("grad")
def of_a_constant(mine):
    """The gradient of a function that does not use its input is zero."""
    demand_equal("grad(lambda x: 3.0)(2.0)", _grad(mine, lambda x: 3.0, 2.0), 0.0)


@case("grad")
def third(mine):
    """The third derivative of x⁵ at 2 is 240."""
    found = _grad(mine, mine.grad(mine.grad(lambda x: x**5)), 2.0)
    demand_equal("grad(grad(grad(x ** 5)))(2.0)", found, 240.0)


@case("hvp", name=NAMES, x=MATRICES, u=MATRICES)
def hessian_products(mine, name, x, u):
    """hvp is the derivative of the gradient along u."""
    f = _number(_of(mine, name))
    check_gradient(
        lambda x: _grad(mine, f, x), None, x, jvp=lambda x, u: _data(mine, "hvp(f, x, u)", mine.hvp(f, x, u))
    )


@case("hvp")
def no_difference(mine):
    """hvp is exact for x⁴ + 10⁶ x, of which a finite difference of gradients has large rounding errors."""
    x, u = np.array([1.0, -2.0]), np.array([0.5, 1.0])
    found = _data(mine, "hvp(f, x, u)", mine.hvp(lambda x: (x * x * x * x + x * 1e6).sum(), x, u))
    demand_equal("hvp(f, x, u) of the sum of x⁴ + 10⁶ x", found, 12 * x * x * u)


@case("jvp", name=NAMES, x=MATRICES)
def forward(mine, name, x):
    """jvp is the derivative of f along a direction."""
    f = _of(mine, name)
    check_gradient(lambda x: f(x), None, x, jvp=lambda x, u: _data(mine, "jvp(f, x, u)", mine.jvp(f, x, u)))


@case("jvp")
def of_another_shape(mine):
    """jvp has the shape of the result, even if x has another shape."""
    x, w = np.ones((2, 3)), np.arange(12.0).reshape(3, 4)
    found = _data(mine, "jvp(f, x, u)", mine.jvp(lambda x: x @ w, x, np.ones((2, 3))))
    demand_equal("the jvp of x @ w along ones", found, np.ones((2, 3)) @ w)
