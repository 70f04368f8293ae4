"""Cases of lesson 5: each vjp for shapes of all kinds, and gradients that share no memory with other arrays."""

import math

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import apart, case, check_engine, demand, demand_equal
from tinygrad_edu.lessons.findings import is_numeric, type_and_shape
from tinygrad_edu.lessons.lesson04_clock.checks import demand_parents
from tinygrad_edu.lessons.small_arrays import small_arrays
from tinygrad_edu.testing import check_gradient
from tinygrad_edu.testing.strategies import axes, broadcastable, shapes

SMALL = shapes(max_dims=3, empty=False)


def pairs(**bounds):
    """Draw x and y, two arrays whose shapes broadcast."""
    pair = broadcastable(max_dims=3, empty=False).flatmap(
        lambda shapes: st.tuples(*(small_arrays(shape, **bounds) for shape in shapes))
    )
    return apart(pair, "x", "y")


BROADCASTS = broadcastable(max_dims=4, empty=False).map(lambda pair: (pair[0], np.broadcast_shapes(*pair)))


@case("unbroadcast", **apart(BROADCASTS, "shape", "shape_of_g"))
def unbroadcast(mine, shape, shape_of_g):
    """unbroadcast(g, shape) is the vjp of broadcasting from this shape to the shape of g."""

    def gradient(x, g):
        found = mine.unbroadcast(g, shape)
        demand(is_numeric(found), f"unbroadcast(g, {shape}) must return an array, got {type_and_shape(found)}.")
        return found

    x = np.linspace(-1, 2, math.prod(shape)).reshape(shape)
    check_gradient(lambda x: np.broadcast_to(x, shape_of_g), gradient, x)


@case("computed")
def nodes_where_they_are_needed(mine):
    """A result has a node if and only if an input has one."""
    x, y = mine.Tensor([1.0, 2.0], requires_grad=True), mine.Tensor([3.0, 4.0])
    inputs, vjp = (x, y, np.ones(2)), lambda g: (g, g, g)
    out = mine.computed(np.ones(2), inputs, vjp)
    demand(isinstance(out, mine.Tensor), f"computed(data, inputs, vjp) must be a Tensor, got {type_and_shape(out)}.")
    demand(out.node is not None, "one Tensor requires a gradient, but the result has no node.")
    demand_parents(out.node, (x.node, None, None), "(x.node, None, None)")
    demand(out.node.vjp is vjp, "the node of computed(data, inputs, vjp) does not have this vjp.")
    constant = mine.computed(np.ones(2), (y, 2.0), lambda g: (g, g))
    demand(constant.node is None, "no Tensor requires a gradient, but the result has a node.")


@case("backward")
def gradients_add_up(mine):
    """A second backward adds to the grad, and does not change the array that was the grad before."""
    x = mine.Tensor(np.ones(3), requires_grad=True)
    out = x + 1.0
    out.backward(np.ones(3))
    before = x.grad
    out.backward(np.ones(3))
    demand_equal("x.grad after two backward passes", x.grad, np.full(3, 2.0))
    demand_equal("after the second, the array that was x.grad after the first backward pass", before, np.ones(3))


@case("unbroadcast", **pairs())
def sums(mine, x, y):
    """The vjp of x + y, for all shapes that broadcast."""
    check_engine(mine, lambda x, y: x + y, x, y)


@case("mul", **pairs())
def products(mine, x, y):
    """The vjp of x * y, for all shapes that broadcast."""
    check_engine(mine, lambda x, y: x * y, x, y)


@st.composite
def _matrices(draw):
    front = draw(broadcastable(max_dims=2, empty=False))
    n, m, k = (draw(st.integers(1, 3)) for _ in range(3))
    return tuple(draw(small_arrays((*f, *last))) for f, last in zip(front, ((n, m), (m, k)), strict=True))


def matrices():
    """Draw x and y, two stacks of matrices with shapes that matmul accepts."""
    return apart(_matrices(), "x", "y")


@case("matmul", **matrices())
def matrix_products(mine, x, y):
    """The vjp of x @ y, with leading axes that broadcast."""
    check_engine(mine, lambda x, y: x @ y, x, y)


@st.composite
def _summed(draw):
    x = draw(small_arrays(SMALL))
    return x, draw(axes(x.ndim)), draw(st.booleans())


def summed():
    """Draw an array x, the axis or axes of a sum over it, and keepdims."""
    return apart(_summed(), "x", "axis", "keepdims")


@case("sum", **summed())
def reductions(mine, x, axis, keepdims):
    """The vjp of x.sum(axis, keepdims)."""
    check_engine(mine, lambda x: x.sum(axis=axis, keepdims=keepdims), x)


@case("sum")
def along_an_axis(mine):
    """The vjp of x.sum(axis=1) of a square matrix: the gradient belongs to the rows, not to the columns."""
    check_engine(mine, lambda x: x.sum(axis=1), np.array([[1.0, 2.0], [3.0, 4.0]]))


@case("reshape", x=small_arrays(SMALL))
def reshaped(mine, x):
    """The vjp of reshape."""
    shape = (x.size, 1)
    check_engine(mine, lambda x: x.reshape(shape), x)


@st.composite
def _turned(draw):
    x = draw(small_arrays(SMALL))
    return x, tuple(draw(st.permutations(range(x.ndim))))


@case("transpose", **apart(_turned(), "x", "axes"))
def transposed(mine, x, axes):
    """The vjp of transpose, for every permutation of the axes."""
    check_engine(mine, lambda x: x.transpose(axes), x)


@case("transpose")
def three_axes(mine):
    """The vjp of transpose for a cyclic permutation of three axes, which is not its own inverse."""
    check_engine(mine, lambda x: x.transpose((1, 2, 0)), np.arange(8.0).reshape(2, 2, 2))


@case("backward")
def gradients_are_ones_own(mine):
    """Gradients are writable, and share no memory with other arrays."""
    x, g = mine.Tensor(np.ones((2, 3)), requires_grad=True), np.ones(6)
    x.reshape((6,)).backward(g)
    demand(not np.shares_memory(x.grad, g), "after x.reshape((6,)).backward(g), x.grad is a view of g.")
    y = mine.Tensor(np.ones((2, 3)), requires_grad=True)
    y.sum().backward()
    demand(y.grad.flags.writeable, "after y.sum().backward(), y.grad is read-only: its elements share one address.")


@case("mul")
def a_layer(mine):
    """The gradients of the mean square of tanh(x @ w + b), a layer with a bias."""
    rng = np.random.default_rng(0)

    def layer(x, w, b):
        out = x @ w + b
        out = out.tanh() if isinstance(out, mine.Tensor) else np.tanh(out)
        return (out * out).sum() * (1 / 12)

    check_engine(mine, layer, rng.normal(size=(4, 2)), rng.normal(size=(2, 3)), rng.normal(size=3))
