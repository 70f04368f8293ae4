"""Lesson 6: ops as data. An op is a forward function of arrays with vjps, which name the values they need."""

import difflib
import inspect

import numpy as np
from lesson04_clock import Node
from lesson05_arrays import Tensor as TensorOfClosures
from lesson05_arrays import unbroadcast


class Op:
    """A function of arrays, with a vjp for each input.

    Attributes
    ----------
    name : str
    forward : callable
        Maps arrays and settings to an array.
    broadcasts : bool
        Whether gradients are summed back to the shapes of the inputs.
    inputs : tuple of str
        Names of the forward's parameters that have no default.
    settings : dict
        The other parameters and their defaults.
    vjp_functions : dict
        The vjp of each input, a function of g and of the values that its other parameters name.
    """

    def __init__(self, forward, broadcasts=False):
        parameters = inspect.signature(forward).parameters.values()
        self.name, self.forward, self.broadcasts, self.vjp_functions = forward.__name__, forward, broadcasts, {}
        self.inputs = tuple(p.name for p in parameters if p.default is p.empty)
        self.settings = {p.name: p.default for p in parameters if p.default is not p.empty}

    def vjps(self, **functions):
        """Set the vjps of inputs: ``multiply.vjps(x=lambda g, y: g * y)``."""
        for name, function in functions.items():
            self.known_name(name, self.inputs)
            for parameter in arguments_of(function):
                self.known_name(parameter, self.possible_arguments())
        self.vjp_functions = self.vjp_functions | functions

    def possible_arguments(self):
        """Return the names that a vjp may use: inputs, their shapes, the result, settings."""
        return [*self.inputs, *(f"{x}_shape" for x in self.inputs), "out", *self.settings]

    def known_name(self, name, known):
        """Raise a TypeError unless a name is known; it contains op, name and, if there is one, a similar known name."""
        # hole: known_name, in the core: checks.known_names
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}."
            raise TypeError(f"op {self.name} has nothing named {name!r}; {hint}")
        # end

    def __call__(self, *inputs, **settings):
        """Compute an array from arrays; if an input is a Tensor, return a Tensor and record its node."""
        arrays, settings = [x.data if isinstance(x, Tensor) else x for x in inputs], self.settings | settings
        out = self.forward(*arrays, **settings)
        return recorded(self, inputs, arrays, settings, out) if any(isinstance(x, Tensor) for x in inputs) else out


def op(forward=None, *, broadcasts=False):
    """Make an `Op` of a function: ``@op``, or ``@op(broadcasts=True)``."""
    return Op(forward, broadcasts) if forward is not None else lambda forward: Op(forward, broadcasts)


def arguments_of(function):
    """Return a list of the names of a vjp's parameters after the first."""
    # hole: arguments_of, in the core: op.Op.arguments_of
    return list(inspect.signature(function).parameters)[1:]
    # end


def recorded(op, inputs, arrays, settings, out):
    """Return the result as a Tensor; if an input has a node, record a node that saves the values its vjps name."""
    nodes = tuple(x.node if isinstance(x, Tensor) else None for x in inputs)
    if all(node is None for node in nodes):
        return Tensor(out)
    values = dict(zip(op.inputs, arrays)) | {f"{x}_shape": np.shape(a) for x, a in zip(op.inputs, arrays)}
    values |= settings | {"out": out}
    # hole: recorded, in the core: op.Call.node
    functions = [op.vjp_functions[x] for x, node in zip(op.inputs, nodes) if node is not None]
    wanted = {name for function in functions for name in arguments_of(function)}
    saved = {name: values[name] for name in wanted}
    # end
    shapes = tuple(None if node is None else np.shape(a) for node, a in zip(nodes, arrays))
    return Tensor(out, node=Node(nodes, Pullback(op, shapes, saved)))


class Pullback:
    """The vjp of a node: the op, the saved values, and the shape of each input that has a node."""

    __slots__ = ("op", "saved", "shapes")

    def __init__(self, op, shapes, saved):
        self.op, self.shapes, self.saved = op, shapes, saved

    def __call__(self, g):
        """Return a list with one contribution per input; None for an input without a node, whose vjp does not run."""
        # hole: pullback, in the core: op.Op.vjp, engine.BackwardPass.contribution
        contributions = []
        for x, shape in zip(self.op.inputs, self.shapes):
            if shape is None:
                contributions.append(None)
                continue
            function = self.op.vjp_functions[x]
            contribution = function(g, **{name: self.saved[name] for name in arguments_of(function)})
            contributions.append(unbroadcast(contribution, shape) if self.op.broadcasts else contribution)
        return contributions
        # end


# --- The table of vjps. They use only operations that arrays and tensors have in common ---


@op(broadcasts=True)
def add(x, y):
    """Return x + y."""
    return np.add(x, y)


add.vjps(x=lambda g: g, y=lambda g: g)


@op(broadcasts=True)
def multiply(x, y):
    """Return x * y."""
    return np.multiply(x, y)


multiply.vjps(x=lambda g, y: g * y, y=lambda g, x: g * x)


@op(broadcasts=True)
def divide(x, y):
    """Return x / y."""
    return np.divide(x, y)


# hole: divide, in the core: arithmetic.divide
divide.vjps(x=lambda g, y: g / y, y=lambda g, out, y: -g * out / y)
# end


@op
def power(x, n=2):
    """Return x to the power n, a plain number."""
    return np.power(x, n)


power.vjps(x=lambda g, x, n: g * n * x ** (n - 1))


@op
def exp(x):
    """Return e to the power x."""
    return np.exp(x)


# hole: exp, in the core: arithmetic.exp
exp.vjps(x=lambda g, out: g * out)
# end


@op
def tanh(x):
    """Return the hyperbolic tangent of x."""
    return np.tanh(x)


# hole: tanh, in the core: arithmetic.tanh
tanh.vjps(x=lambda g, out: g * (1 - out * out))
# end


@op
def reshape(x, shape=()):
    """Return the elements of x in another shape."""
    return np.reshape(x, shape)


reshape.vjps(x=lambda g, x_shape: reshape(g, shape=x_shape))


@op
def transpose(x, axes=()):
    """Permute the axes of x."""
    return np.transpose(x, axes)


transpose.vjps(x=lambda g, axes: transpose(g, axes=tuple(np.argsort(axes))))


@op
def broadcast_to(x, shape=()):
    """Broadcast x to a shape."""
    return np.broadcast_to(x, shape)


@op
def sum(x, axis=None, keepdims=False):
    """Return the sum over one axis, over several, or over all."""
    return np.sum(x, axis=axis, keepdims=keepdims)


def keepdims_shape(shape, axis):
    """Return a shape with length 1 along one axis, along several, or along all."""
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = {position % len(shape) for position in axes}
    return tuple(1 if position in axes else length for position, length in enumerate(shape))


# hole: sum, in the core: arrays.broadcast_to, arrays.sum
broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))
sum.vjps(x=lambda g, x_shape, axis: broadcast_to(reshape(g, shape=keepdims_shape(x_shape, axis)), shape=x_shape))
# end


@op
def matrix_transpose(x):
    """Return x with its last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


matrix_transpose.vjps(x=lambda g: matrix_transpose(g))


@op(broadcasts=True)
def matmul(x, y):
    """Return the matrix product; axes before the last two broadcast."""
    return np.matmul(x, y)


# hole: matmul, in the core: arrays.matmul
matmul.vjps(x=lambda g, y: g @ matrix_transpose(y), y=lambda g, x: matrix_transpose(x) @ g)
# end


class Tensor(TensorOfClosures):
    """The tensor of lesson 5, whose operators and methods are the ops."""

    __add__ = __radd__ = lambda self, other: add(self, other)
    __mul__ = __rmul__ = lambda self, other: multiply(self, other)
    __truediv__ = lambda self, other: divide(self, other)
    __rtruediv__ = lambda self, other: divide(other, self)
    __pow__ = lambda self, n: power(self, n=n)
    __matmul__ = lambda self, other: matmul(self, other)
    __rmatmul__ = lambda self, other: matmul(other, self)

    def sum(self, axis=None, keepdims=False):
        """Return the sum over one axis, over several, or over all."""
        return sum(self, axis=axis, keepdims=keepdims)

    def reshape(self, shape):
        """Return the same elements in another shape."""
        return reshape(self, shape=shape)

    def transpose(self, axes):
        """Permute the axes."""
        return transpose(self, axes=axes)

    def tanh(self):
        """Return the hyperbolic tangent of each element."""
        return tanh(self)
