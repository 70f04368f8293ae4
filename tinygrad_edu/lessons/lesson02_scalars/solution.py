"""Lesson 2: an engine of sixty lines, for numbers: each result keeps a function that hands its gradient on."""

import math


def as_value(x):
    """Return a plain number as a Value, and a Value as it is."""
    return x if isinstance(x, Value) else Value(x)


class Value:
    """A number that remembers what it was computed of.

    Attributes
    ----------
    data : float
    grad : float
        The derivative, with respect to this number, of what `backward` was called on.
    parents : tuple of Value
        What it was computed of.
    rule : callable or None
        Of the gradient that arrives here, to the contributions to the gradients of the parents: a tuple, one for each.
    """

    def __init__(self, data, parents=(), rule=None):
        self.data, self.grad, self.parents, self.rule = float(data), 0.0, parents, rule

    def __add__(self, other):
        other = as_value(other)
        return Value(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        other = as_value(other)
        # hole: mul
        return Value(self.data * other.data, (self, other), lambda g: (g * other.data, g * self.data))
        # end

    def __pow__(self, n):
        """Return this number to the power of n, a plain number."""
        # hole: power
        return Value(self.data**n, (self,), lambda g: (g * n * self.data ** (n - 1),))
        # end

    def tanh(self):
        """Return the hyperbolic tangent. Its derivative is 1 - tanh², of what is known already."""
        out = math.tanh(self.data)
        # hole: tanh
        return Value(out, (self,), lambda g: (g * (1 - out * out),))
        # end

    def relu(self):
        """Return the number where it is positive, and else 0. The derivative at 0 is a convention: 0."""
        # hole: relu
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
        """Take up g, a contribution to the gradient of this number, and hand to each parent what it gets of it."""
        # hole: backward
        self.grad += g
        if self.rule is not None:
            for parent, contribution in zip(self.parents, self.rule(g)):
                parent.backward(contribution)
        # end
