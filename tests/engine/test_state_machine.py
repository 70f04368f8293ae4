"""A state machine: operations on tensors of one element, in any order, are correct or raise the oracle's error.

The oracle has no graph of values. It propagates derivatives forward, as dual numbers, and lists the values that each
recorded step needs unchanged. For every backward pass it predicts the exact gradient or the exact error.
"""

import itertools
import operator
import pickle
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import (
    GraphFreedError,
    LeafInPlaceError,
    NoGraphError,
    ShapeError,
    StaleValueError,
    TinygradError,
)

# For each op: its value, and for each input the saved values of the vjp and the derivative.
OPS = {
    "add": (lambda x, y: x + y, ("", lambda x, y, out: 1.0), ("", lambda x, y, out: 1.0)),
    "sub": (lambda x, y: x - y, ("", lambda x, y, out: 1.0), ("", lambda x, y, out: -1.0)),
    "mul": (lambda x, y: x * y, ("y", lambda x, y, out: y), ("x", lambda x, y, out: x)),
    "truediv": (lambda x, y: x / y, ("y", lambda x, y, out: 1 / y), ("y out", lambda x, y, out: -x / y**2)),
    "negative": (lambda x: -x, ("", lambda x, out: -1.0)),
    "sin": (np.sin, ("x", lambda x, out: np.cos(x))),
    "exp": (np.exp, ("out", lambda x, out: np.exp(x))),
    "tanh": (np.tanh, ("out", lambda x, out: 1 / np.cosh(x) ** 2)),
}
VIEWS = {
    "T": lambda t: t.T,
    "row": lambda t: t[0:1],
    "reversed": lambda t: t[::-1],
    "flat": lambda t: t.reshape(1),
    "square": lambda t: t.reshape(1, 1),
}
CHANGES = {
    "data -=": lambda t, v: setattr(t, "data", t.data.__isub__(t.data - v)),
    "data =": lambda t, v: setattr(t, "data", np.full(t.shape, v)),
    "assign": lambda t, v: t.assign(np.full(t.shape, v)),
}
LARGEST = 1e3

# --- The oracle ---


class Memory:
    """One number, the count of its changes, and whether several tensors share it."""

    def __init__(self, value):
        self.value, self.changes, self.shared = np.float64(value), 0, False

    def write(self, value):
        self.value, self.changes = np.float64(value), self.changes + 1


class Step:
    """The values that the backward pass of a recorded op needs."""

    numbers = itertools.count()

    def __init__(self, needs):
        self.number, self.freed = next(self.numbers), False
        self.needs = [(memory, memory.changes) for memory in needs]

    def demand(self):
        if self.freed:
            raise GraphFreedError
        if any(memory.changes != then for memory, then in self.needs):
            raise StaleValueError


class Dual:
    """A tensor's memory, its derivative with respect to each leaf, and the steps back to the leaves."""

    def __init__(self, tensor, memory, kind="constant", tangent=None, history=frozenset(), of_leaf=False):
        self.tensor, self.memory, self.kind, self.of_leaf = tensor, memory, kind, of_leaf
        self.tangent = {self: 1.0} if kind == "leaf" else tangent or {}
        self.history, self.seen, self.grad = history, memory.changes, None

    def demand(self):
        if self.kind == "computed" and self.memory.changes != self.seen:
            raise StaleValueError

    def backward(self, cotangent, retain):
        if self.kind == "constant":
            raise NoGraphError
        self.demand()
        for step in sorted(self.history, key=lambda step: -step.number):
            step.demand()
            step.freed = not retain
        for leaf, slope in self.tangent.items():
            leaf.grad = (leaf.grad or 0.0) + cotangent * slope


def derivative(name, inputs, memories, out):
    """Return the tangent of an op's result, and the memories that the needed vjps save."""
    tangent, saved = {}, []
    names = dict(zip(("x", "y"), memories, strict=False)) | {"out": out}
    for x, (saves, slope) in zip(inputs, OPS[name][1:], strict=True):
        if x.kind != "constant":
            saved += [names[save] for save in saves.split()]
            factor = slope(**{key: memory.value for key, memory in names.items()})
            for leaf, inner in x.tangent.items():
                tangent[leaf] = tangent.get(leaf, 0.0) + factor * inner
    return tangent, saved


def compute(name, inputs, recorded):
    """Return the Dual of an op's result, or None if the numbers leave the tested range."""
    memories = [x.memory for x in inputs]
    with np.errstate(all="ignore"):
        out = Memory(OPS[name][0](*(memory.value for memory in memories)))
    if not (recorded and any(x.kind != "constant" for x in inputs)):
        return Dual(None, out) if abs(out.value) < LARGEST else None
    for x in inputs:
        x.demand()
    with np.errstate(all="ignore"):
        tangent, saved = derivative(name, inputs, memories, out)
    if not all(abs(number) < LARGEST for number in (out.value, *tangent.values())):
        return None
    history = frozenset({Step(saved)}).union(*(x.history for x in inputs))
    return Dual(None, out, "computed", tangent, history)


def look(x, recorded):
    """Return the Dual of a view."""
    if recorded:
        x.demand()
    x.memory.shared = True
    if not recorded or x.kind == "constant":
        return Dual(None, x.memory)
    of_leaf = x.of_leaf or x.kind == "leaf"
    return Dual(None, x.memory, "computed", dict(x.tangent), x.history | {Step([])}, of_leaf)


def change(name, a, b, recorded):
    """Write the result of an op to its first operand."""
    if recorded and (a.of_leaf or a.kind == "leaf"):
        raise LeafInPlaceError
    copies = [private(x) if recorded and x.memory is a.memory else x for x in (a, b)]
    new = compute(name, copies, recorded)
    if new is None:
        return False
    if len(b.shape) > len(a.shape):
        raise ShapeError
    if new.kind == "computed":
        if a.kind == "constant" and a.memory.shared:
            raise StaleValueError
        # A result that the vjps save is not the memory that it is written to.
        a.kind, a.tangent, a.history = "computed", new.tangent, new.history
        a.seen = a.memory.changes + 1
    a.memory.write(new.memory.value)
    return True


def private(x):
    """Return a copy of an operand before it is overwritten."""
    x.demand()
    return Dual(None, Memory(x.memory.value), "computed" if x.tangent else "constant", x.tangent, x.history)


def both(ours, theirs):
    """Do a step in the engine, and check that it raises the error that the oracle predicts."""
    try:
        wanted = theirs()
    except TinygradError as error:
        with pytest.raises(type(error)), np.errstate(all="ignore"):  # the forward runs before the check that may raise
            ours()
        return None
    if wanted is None or wanted is False:
        return None
    if isinstance(wanted, Dual):
        wanted.tensor = ours()
        wanted.shape = np.shape(wanted.tensor)
    else:
        ours()
    return wanted


# --- The machine ---

numbers = st.sampled_from([0.3, -0.7, 1.3, -1.9])
aliases = st.sampled_from(["detach", *sorted(VIEWS)])
BINARY = [name for name in OPS if len(OPS[name]) == 3]
UNARY = [name for name in OPS if len(OPS[name]) == 2]


def mode(recorded):
    return nullcontext() if recorded else tg.no_grad()


def operand(other, as_array):
    """Return a number as a constant Dual, or a Dual unchanged."""
    if isinstance(other, Dual):
        return other
    number = Dual(np.full(1, other) if as_array else other, Memory(other))
    number.shape = np.shape(number.tensor)
    return number


def spoil(x):
    """Overwrite a plain array that was an operand; the saved value must be a copy."""
    if isinstance(x.tensor, np.ndarray):
        x.tensor[...] = np.nan


class Engine(RuleBasedStateMachine):
    """Tensors of one element, each with its Dual."""

    tensors = Bundle("tensors")

    def __init__(self):
        super().__init__()
        self.live = []

    def keep(self, dual):
        if dual is None:
            return multiple()
        self.live.append(dual)
        return dual

    def make(self, value, shape, kind):
        dual = Dual(Tensor(np.full(shape, value), requires_grad=kind == "leaf"), Memory(value), kind)
        dual.shape = shape
        return self.keep(dual)

    @initialize(target=tensors, kinds=st.permutations(["leaf", "leaf", "constant"]))
    def first(self, kinds):
        return multiple(*(self.make(value, (1, 1), kind) for value, kind in zip([0.3, -0.7, 1.3], kinds, strict=True)))

    @precondition(lambda self: len(self.live) < 8)
    @rule(target=tensors, value=numbers, shape=st.sampled_from([(1, 1), (1,), ()]), leaf=st.booleans())
    def new(self, value, shape, leaf):
        return self.make(value, shape, "leaf" if leaf else "constant")

    @rule(target=tensors, name=st.sampled_from(UNARY), x=tensors, recorded=st.sampled_from([True, True, False]))
    def unary(self, name, x, recorded):
        with mode(recorded):
            return self.keep(both(lambda: getattr(tg, name)(x.tensor), lambda: compute(name, [x], recorded)))

    @rule(
        target=tensors, name=st.sampled_from(BINARY), x=tensors, y=st.one_of(tensors, numbers),
        swapped=st.booleans(), as_array=st.booleans(), recorded=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def binary(self, name, x, y, swapped, as_array, recorded):
        x, y = (operand(y, as_array), x) if swapped else (x, operand(y, as_array))
        apply = getattr(operator, name)
        with mode(recorded):
            result = both(lambda: apply(x.tensor, y.tensor), lambda: compute(name, [x, y], recorded))
        spoil(x)
        spoil(y)
        return self.keep(result)

    @rule(target=tensors, names=st.tuples(*[st.sampled_from(BINARY)] * 2), x=tensors, y=tensors, swapped=st.booleans())
    def meet_an_operand_again(self, names, x, y, swapped):
        out = self.binary(names[0], x, y, swapped, as_array=False, recorded=True)
        if isinstance(out, Dual):
            out = self.binary(names[1], out, x, swapped, as_array=False, recorded=True)
        return out

    @rule(target=tensors, name=st.sampled_from(sorted(VIEWS)), x=tensors, recorded=st.sampled_from([True, True, False]))
    def view(self, name, x, recorded):
        name = "square" if not x.shape and name in ("row", "reversed") else name
        with mode(recorded):
            return self.keep(both(lambda: VIEWS[name](x.tensor), lambda: look(x, recorded)))

    @rule(target=tensors, x=tensors)
    def detach(self, x):
        return self.keep(both(x.tensor.detach, lambda: look(x, recorded=False)))

    @rule(target=tensors, x=tensors)
    def pickled(self, x):
        copy = pickle.loads(pickle.dumps(x.tensor))
        dual = Dual(copy, Memory(x.memory.value), "leaf" if x.kind == "leaf" else "constant")
        dual.shape, dual.grad = x.shape, x.grad
        return self.keep(dual)

    @rule(
        name=st.sampled_from(BINARY), x=tensors, y=st.one_of(tensors, numbers),
        as_array=st.booleans(), recorded=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def in_place(self, name, x, y, as_array, recorded):
        y = operand(y, as_array)
        apply = getattr(operator, f"i{name}")
        with mode(recorded):
            both(lambda: apply(x.tensor, y.tensor), lambda: change(name, x, y, recorded))
        spoil(y)

    @rule(name=st.sampled_from(BINARY), x=tensors, alias=aliases)
    def in_place_with_an_alias_of_itself(self, name, x, alias):
        self.in_place_if_both(name, x, self.alias(x, alias, recorded=True))

    @rule(name=st.sampled_from(BINARY), x=tensors, alias=aliases, y=tensors)
    def in_place_through_an_alias(self, name, x, alias, y):
        self.in_place_if_both(name, self.alias(x, alias, recorded=True), y)

    @rule(target=tensors, name=st.sampled_from(BINARY), x=tensors, alias=st.none() | aliases, y=tensors)
    def in_place_on_a_new_result(self, name, x, alias, y):
        out = self.unary("negative", x, recorded=True)
        if isinstance(out, Dual):
            self.in_place_if_both(name, out, self.alias(out, alias, recorded=True) if alias else y)
        return out

    def in_place_if_both(self, name, x, y):
        if isinstance(x, Dual) and isinstance(y, Dual):
            self.in_place(name, x, y, as_array=False, recorded=True)

    @rule(name=st.sampled_from(sorted(CHANGES)), x=tensors, value=numbers, alias=aliases)
    def unrecorded_change_through_an_alias(self, name, x, value, alias):
        self.unrecorded_change(name, self.alias(x, alias, recorded=False), value)

    def alias(self, x, alias, recorded):
        return self.detach(x) if alias == "detach" else self.view(alias, x, recorded)

    @rule(name=st.sampled_from(sorted(CHANGES)), x=tensors, value=numbers)
    def unrecorded_change(self, name, x, value):
        both(lambda: CHANGES[name](x.tensor, value), lambda: x.memory.write(value) or True)

    @rule(x=tensors)
    def ask_for_a_gradient(self, x):
        if x.kind == "constant":
            x.tensor.requires_grad = True
            x.kind, x.tangent = "leaf", {x: 1.0}

    @rule(root=tensors, cotangent=st.none() | numbers, retain=st.booleans(), again=st.booleans())
    def backward(self, root, cotangent, retain, again):
        for keep in [retain, False] if again else [retain]:
            given = None if cotangent is None else np.full(root.shape, cotangent)
            weight = 1.0 if cotangent is None else cotangent
            both(
                lambda given=given, keep=keep: root.tensor.backward(given, retain_graph=keep),
                lambda weight=weight, keep=keep: root.backward(weight, keep) or True,
            )
            if given is not None:
                given[...] = np.nan

    @rule(root=tensors, cotangent=numbers)
    def backward_with_retain_graph(self, root, cotangent):
        self.backward(root, cotangent, retain=True, again=True)

    @rule(cotangent=numbers)
    def backward_from_all(self, cotangent):
        for root in self.live:
            self.backward(root, cotangent, retain=True, again=False)
            self.gradients_agree()

    def teardown(self):
        self.backward_from_all(1.3)

    @rule(x=tensors)
    def zero_grad(self, x):
        x.tensor.zero_grad()
        x.grad = None

    @rule(x=consumes(tensors))
    def drop(self, x):
        self.live.remove(x)
        x.tensor = None

    @invariant()
    def values_agree(self):
        for x in self.live:
            assert x.tensor.shape == x.shape
            np.testing.assert_allclose(x.tensor.numpy(), np.full(x.shape, x.memory.value), rtol=1e-12, atol=1e-12)

    @invariant()
    def kinds_agree(self):
        for x in self.live:
            assert x.tensor.requires_grad == (x.kind != "constant")
            assert x.tensor.is_leaf == (x.kind != "computed")

    @invariant()
    def gradients_agree(self):
        for x in self.live:
            if x.grad is None:
                assert x.kind == "computed" or x.tensor.grad is None
            else:
                assert x.tensor.grad.shape == x.shape
                np.testing.assert_allclose(x.tensor.grad, np.full(x.shape, x.grad), rtol=1e-7, atol=1e-7)


TestEngine = Engine.TestCase


@pytest.mark.thorough
class TestEngineInManyPrograms(Engine.TestCase):
    settings = settings(max_examples=max(100, settings.default.max_examples))
