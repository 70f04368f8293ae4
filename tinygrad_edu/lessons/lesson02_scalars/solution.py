"""Lesson 2: an autograd engine for scalars; each result stores a function that passes its gradient to its inputs."""

import math


def as_value(x):
    """Convert a plain number to a Value; return a Value unchanged."""
    return x if isinstance(x, Value) else Value(x)


class Value:
    """A number in a graph, with its parents and its vjp.

    Attributes
    ----------
    data : float
    grad : float
        The derivative, with respect to this number, of the result on which `backward` was called.
    parents : tuple of Value
        The inputs that it was computed from.
    vjp : callable or None
        The vjp: maps the gradient of this number to a tuple with one contribution for each parent.
    """

    def __init__(self, data, parents=(), vjp=None):
        self.data, self.grad, self.parents, self.vjp = float(data), 0.0, parents, vjp

    def __add__(self, other):
        other = as_value(other)
        return Value(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        other = as_value(other)
        # hole: mul, in the core: arithmetic.multiply
        return Value(self.data * other.data, (self, other), lambda g: (g * other.data, g * self.data))
        # end

    def __pow__(self, n):
        """Return this number to the power n, a plain number."""
        # hole: power, in the core: arithmetic.power
        return Value(self.data**n, (self,), lambda g: (g * n * self.data ** (n - 1),))
        # end

    def tanh(self):
        """Return the hyperbolic tangent. Its derivative is 1 - tanh²."""
        out = math.tanh(self.data)
        # hole: tanh, in the core: arithmetic.tanh
        return Value(out, (self,), lambda g: (g * (1 - out * out),))
        # end

    def relu(self):
        """Return the number if it is positive, otherwise 0. The derivative at 0 is 0 by convention."""
        # hole: relu, in the core: arithmetic.maximum
        return Value(max(self.data, 0.0), (self,), lambda g: (g if self.data > 0 else 0.0,))
        # end

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + as_value(other) * -1

    def __truediv__(self, other):
        return self * as_value(other) ** -1

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __rsub__(self, other):
        return as_value(other) - self

    def backward(self, g=1.0):
        """Add g to the gradient of this number, and pass each parent its contribution."""
        # hole: backward, in the core: engine.BackwardPass.visit
        self.grad += g
        if self.vjp is not None:
            for parent, contribution in zip(self.parents, self.vjp(g)):
                parent.backward(contribution)
        # end
