"""Lesson 5: tensors, and the vjps of array operations."""

import numpy as np
from lesson04_clock import Node, backward_pass


def unbroadcast(g, shape):
    """Sum g to the shape of the array that was broadcast; each element gets the sum over its copies."""
    # hole: unbroadcast, in the core: engine.unbroadcast
    extra = g.ndim - len(shape)
    stretched = tuple(extra + axis for axis, length in enumerate(shape) if length == 1)
    return g.sum(axis=(*range(extra), *stretched)).reshape(shape)
    # end


def matrix_transpose(x):
    """Return x with its last two axes exchanged."""
    return x.swapaxes(-1, -2)


def computed(data, inputs, vjp):
    """Return a Tensor computed from inputs; it has a node only if an input has one."""
    # hole: computed, in the core: op.Call.run
    nodes = tuple(x.node if isinstance(x, Tensor) else None for x in inputs)
    has_gradient = any(node is not None for node in nodes)
    return Tensor(data, node=Node(nodes, vjp) if has_gradient else None)
    # end


def array_of(x):
    """Return the array of a Tensor; convert anything else to an array."""
    return x.data if isinstance(x, Tensor) else np.asarray(x, np.float64)


class Tensor:
    """A float64 array and its node in the graph; the node is None if no gradient is needed."""

    __array_ufunc__ = None  # so that array * tensor calls Tensor.__rmul__

    def __init__(self, data, requires_grad=False, node=None):
        self.data = np.asarray(data, np.float64)
        self.node = Node() if requires_grad else node

    @property
    def grad(self):
        """Gradient of a leaf, accumulated by `backward`; None for other tensors."""
        return None if self.node is None else self.node.grad

    @property
    def shape(self):
        """Length of each axis."""
        return self.data.shape

    @property
    def ndim(self):
        """Number of axes."""
        return self.data.ndim

    def __add__(self, other):
        x, y = self.data, array_of(other)
        return computed(x + y, (self, other), lambda g: (unbroadcast(g, x.shape), unbroadcast(g, y.shape)))

    def __mul__(self, other):
        x, y = self.data, array_of(other)
        # hole: mul, in the core: arithmetic.multiply
        return computed(x * y, (self, other), lambda g: (unbroadcast(g * y, x.shape), unbroadcast(g * x, y.shape)))
        # end

    def __matmul__(self, other):
        """Return the matrix product; axes before the last two broadcast."""
        x, y = self.data, array_of(other)
        # hole: matmul, in the core: arrays.matmul
        return computed(
            x @ y,
            (self, other),
            lambda g: (unbroadcast(g @ matrix_transpose(y), x.shape), unbroadcast(matrix_transpose(x) @ g, y.shape)),
        )
        # end

    def sum(self, axis=None, keepdims=False):
        """Return the sum over one axis, over several, or over all."""
        x = self.data

        def vjp(g):
            # hole: sum, in the core: arrays.sum
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return (np.broadcast_to(g, x.shape),)
            # end

        return computed(x.sum(axis=axis, keepdims=keepdims), (self,), vjp)

    def reshape(self, shape):
        """Return the same elements in another shape."""
        x = self.data
        # hole: reshape, in the core: arrays.reshape
        return computed(x.reshape(shape), (self,), lambda g: (g.reshape(x.shape),))
        # end

    def transpose(self, axes):
        """Permute the axes."""
        # hole: transpose, in the core: arrays.transpose
        return computed(self.data.transpose(axes), (self,), lambda g: (g.transpose(np.argsort(axes)),))
        # end

    def tanh(self):
        """Return the hyperbolic tangent of each element."""
        out = np.tanh(self.data)
        return computed(out, (self,), lambda g: (g * (1 - out * out),))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + other * -1

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __rsub__(self, other):
        return self * -1 + other

    def backward(self, g=None):
        """Add to the grad of each leaf the gradient of ``sum(g * self)``; g is all ones by default."""
        for leaf, arrived in backward_pass(
            self.node, np.ones(self.shape) if g is None else np.asarray(g, np.float64)
        ).items():
            # hole: backward, in the core: engine.BackwardPass.accumulate
            leaf.grad = np.array(arrived) if leaf.grad is None else leaf.grad + arrived
            # end
