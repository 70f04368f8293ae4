"""Lesson 7: a recorder for every op of tinygrad_edu, and the context manager no_grad."""

import inspect
from contextlib import contextmanager
from contextvars import ContextVar

import lesson06_ops
import numpy as np
from lesson04_clock import Node
from lesson05_arrays import unbroadcast
from lesson06_ops import Op as SimpleOp
from lesson06_ops import Tensor

recording = ContextVar("recording", default=True)  # separate for each thread and task


@contextmanager
def no_grad():
    """Disable recording in a ``with`` block. Restore the previous mode at its end, also after an error."""
    # hole: no_grad, in the core: engine.no_grad
    before = recording.set(False)
    try:
        yield
    finally:
        recording.reset(before)
    # end


def parameters_of(forward):
    """Return a tuple of the names of a forward's inputs, and a dict of its settings and their defaults.

    The inputs are the parameters before a ``/``, or ``*arrays``. If there is neither, they are the parameters without a
    default that may be passed by position. All other parameters are settings; if one has no default, any value in the
    dict is correct.
    """
    parameters = inspect.signature(forward).parameters.values()
    # hole: parameters_of, in the core: op.Op.__init__
    marked = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
    bare = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
    inputs = tuple(marked or bare)
    return inputs, {p.name: p.default for p in parameters if p.name not in inputs}
    # end


def arguments_of(function, settings):
    """Return a list of the names that a vjp uses. A vjp with ``**`` uses all settings, including unnamed ones."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    # hole: arguments_of, in the core: op.Op.arguments_of
    named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    takes_all = len(named) < len(parameters)
    return named + [name for name in settings if takes_all and name not in named]
    # end


class Op(SimpleOp):
    """The op of lesson 6, for any forward. A vjp for ``*arrays`` may use ``k``, the position of its input."""

    def __init__(self, forward, broadcasts=False):
        self.name, self.forward, self.broadcasts, self.vjp_functions = forward.__name__, forward, broadcasts, {}
        self.signature = inspect.signature(forward)
        self.inputs, self.settings = parameters_of(forward)

    def vjps(self, **functions):
        """Set the vjps of inputs."""
        for name, function in functions.items():
            self.known_name(name, self.inputs)
            for parameter in arguments_of(function, self.settings):
                self.known_name(parameter, self.possible_arguments())
        self.vjp_functions = self.vjp_functions | functions

    def possible_arguments(self):
        """Return the names that a vjp may use."""
        parts = [f"{x}_{part}" for x in self.inputs for part in ("shape", "dtype", "shapes")]
        return [*self.inputs, *parts, "out", "k", *self.settings]

    def __call__(self, *args, **keywords):
        """Compute an array from arrays; if an input is a Tensor, return a Tensor and record its node."""
        bound = self.signature.bind(*args, **keywords)
        bound.apply_defaults()
        settings = {name: bound.arguments[name] for name in self.settings}
        inputs = [bound.arguments[name] for name in self.inputs]
        if isinstance(inputs[0], tuple):  # *arrays
            inputs = inputs[0]
        arrays = [x.data if isinstance(x, Tensor) else x for x in inputs]
        out = self.forward(*arrays, **settings)
        return recorded(self, inputs, arrays, settings, out) if any(isinstance(x, Tensor) for x in inputs) else out


def op(forward=None, *, broadcasts=False):
    """Make an `Op` of a function: ``@op``, or ``@op(broadcasts=True)``."""
    return Op(forward, broadcasts) if forward is not None else lambda forward: Op(forward, broadcasts)


def recorded(op, inputs, arrays, settings, out):
    """Return the result as a Tensor, with a node if recording is on and an input has a node."""
    names = op.inputs * len(inputs) if len(op.inputs) == 1 else op.inputs  # *arrays: one name for all inputs
    nodes = tuple(x.node if isinstance(x, Tensor) else None for x in inputs)
    values = settings | {"out": out, f"{op.inputs[0]}_shapes": tuple(np.shape(a) for a in arrays)}
    for x, a in zip(names, arrays):
        values |= {x: a, f"{x}_shape": np.shape(a), f"{x}_dtype": getattr(a, "dtype", None)}
    # hole: recorded, in the core: op.Call.run, op.Call.node, op.Call.values
    if not recording.get() or all(node is None for node in nodes):
        return Tensor(out)
    functions = [op.vjp_functions[x] for x, node in zip(names, nodes) if node is not None]
    wanted = {name for function in functions for name in arguments_of(function, settings)}
    saved = {name: values[name] for name in wanted & values.keys()}
    # end
    shapes = tuple(None if node is None else np.shape(a) for node, a in zip(nodes, arrays))
    return Tensor(out, node=Node(nodes, Pullback(op, names, shapes, saved)))


class Pullback:
    """The vjp of a node: the op, the saved values, and the name and the shape of each input."""

    __slots__ = ("names", "op", "saved", "shapes")

    def __init__(self, op, names, shapes, saved):
        self.op, self.names, self.shapes, self.saved = op, names, shapes, saved

    def __call__(self, g):
        """Return a list with one contribution per input; None for an input without a node, whose vjp does not run."""
        # hole: pullback, in the core: engine.BackwardPass.contribution, engine.BackwardPass.like_input, op.Op.vjp
        contributions = []
        for k, (x, shape) in enumerate(zip(self.names, self.shapes)):
            if shape is None:
                contributions.append(None)
                continue
            function, known = self.op.vjp_functions[x], {"k": k} | self.saved  # a setting called k takes precedence
            contribution = function(g, **{name: known[name] for name in arguments_of(function, self.op.settings)})
            contributions.append(unbroadcast(contribution, shape) if self.op.broadcasts else contribution)
        return contributions
        # end


lesson06_ops.recorded = recorded  # the ops of lesson 6 use this recorder, too
