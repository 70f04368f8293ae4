"""Cases of lesson 2: each vjp, and the backward pass on random programs."""

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import case, check_numbers, demand, demand_equal
from tinygrad_edu.lessons.short_programs import cotangents, numbers, short_programs


@case("backward")
def a_leaf(mine):
    """backward() of a leaf sets its grad to 1, and backward(3.0) then adds 3."""
    x = mine.Value(2.0)
    x.backward()
    demand_equal("x.grad after x.backward()", x.grad, 1.0)
    x.backward(3.0)
    demand_equal("x.grad after x.backward() and x.backward(3.0)", x.grad, 4.0)


@case("backward")
def a_sum(mine):
    """backward() of x + y gives x and y a grad of 1."""
    x, y = mine.Value(2.0), mine.Value(5.0)
    (x + y).backward()
    demand_equal("x.grad after (x + y).backward()", x.grad, 1.0)
    demand_equal("y.grad after (x + y).backward()", y.grad, 1.0)


@case("backward")
def used_twice(mine):
    """backward() of x + x adds both contributions to the grad of x."""
    x = mine.Value(2.0)
    (x + x).backward()
    demand_equal("x.grad after (x + x).backward()", x.grad, 2.0)


@case("mul", x=numbers, y=numbers, g=cotangents)
def products(mine, x, y, g):
    """The vjp of x * y."""
    check_numbers(mine, lambda x, y: x * y, g, x, y)


@case("power", x=st.integers(1, 96).map(lambda n: n / 32), n=st.sampled_from([-2, -1, 0.5, 2, 3]), g=cotangents)
def powers(mine, x, n, g):
    """The vjp of x ** n."""
    check_numbers(mine, lambda x: x**n, g, x)


@case("power", x=numbers, g=cotangents)
def quotients(mine, x, g):
    """The gradient of x / (1 + x²), composed of +, * and **."""
    check_numbers(mine, lambda x: x / (1.0 + x * x), g, x)


@case("tanh", program=short_programs(methods=("tanh",), operators=()), a=numbers, b=numbers, g=cotangents)
def tanh(mine, program, a, b, g):
    """The vjp of tanh, also applied repeatedly."""
    check_numbers(mine, program, g, *(a, b)[: program.count])


@case("relu", x=numbers.filter(bool), g=cotangents)
def relu(mine, x, g):
    """The vjp of relu."""
    check_numbers(mine, lambda x: x.relu(), g, x, plain=lambda x: np.maximum(x, 0.0))


@case("relu")
def relu_at_its_corner(mine):
    """The derivative of relu at 0 is 0, by convention."""
    x = mine.Value(0.0)
    x.relu().backward()
    demand_equal("x.grad at 0", x.grad, 0.0)


@case("backward", program=short_programs(), a=numbers, b=numbers, g=cotangents)
def random_programs(mine, program, a, b, g):
    """The gradients of programs that use their values many times."""
    check_numbers(mine, program, g, *(a, b)[: program.count])


@case("backward")
def learning(mine):
    """A neuron learns: 100 steps of gradient descent fit tanh(w x + b) to four points."""
    points = [(x, (x / 2 - 0.5) / (1 + abs(x / 2 - 0.5))) for x in (-2.0, -1.0, 0.0, 1.0)]
    w, b = 0.0, 0.0
    for _ in range(100):
        w, b = mine.Value(w), mine.Value(b)
        loss = sum((((w * x + b).tanh() - y) ** 2 for x, y in points), mine.Value(0.0))
        loss.backward()
        w, b = w.data - 0.1 * w.grad, b.data - 0.1 * b.grad
    demand(loss.data < 0.02, f"the loss is {loss.data:.3g} after 100 steps, but must be below 0.02.")
