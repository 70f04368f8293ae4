"""Each mistake raises an error of its own class, whose message has the problem, the location and the remedy."""

import re

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor, errors

BUILT_INS = {
    "TinygradError": Exception,
    "ShapeError": ValueError,
    "DTypeError": TypeError,
    "IntegerGradientError": TypeError,
    "VJPDefinitionError": TypeError,
    "MissingVJPError": NotImplementedError,
    "MappedValueError": TypeError,
    "ExportError": NotImplementedError,
    "WrongGradientError": ValueError,
    "NoGraphError": RuntimeError,
    "BusyBLASError": RuntimeError,
    "ShardError": ValueError,
    "NonScalarBackwardError": RuntimeError,
    "GraphFreedError": RuntimeError,
    "StaleValueError": RuntimeError,
    "AnomalyError": FloatingPointError,
    "LeafInPlaceError": RuntimeError,
    "ReadOnlyError": ValueError,
    "StateDictError": ValueError,
    "DataError": ValueError,
    "MissingExtraError": ImportError,
    "ForkedError": RuntimeError,
    "LostWorkerError": RuntimeError,
    "WorkersDifferError": RuntimeError,
    "FailedWorkerError": RuntimeError,
    "CheckpointError": ValueError,
    "NonFiniteLossError": ArithmeticError,
    "LessonError": ValueError,
}
OF_OTHER_ROOMS = {
    "StateDictError", "DataError", "MissingExtraError", "ForkedError", "CheckpointError",
    "NonFiniteLossError", "LessonError", "LostWorkerError", "WorkersDifferError", "FailedWorkerError",
    "ExportError", "BusyBLASError", "ShardError",
}  # fmt: skip


def leaf(shape=(2, 3), dtype=np.float32):
    return Tensor(np.ones(shape, dtype), requires_grad=True)


@tg.op
def third(x):
    return x / 3


def third_with(vjp):
    made = tg.op(third.forward)
    made.vjps(x=vjp)
    return made(leaf())


def twice():
    loss = tg.exp(leaf()).sum()
    loss.backward()
    loss.backward()


def changed_after_it_was_saved():
    w, c = leaf(), Tensor(np.ones((2, 3)))
    loss = (w * c).sum()
    c += 1
    loss.backward()


@tg.detect_anomaly()
def watched(compute):
    with np.errstate(all="ignore"):
        return compute()


def in_place_on_a_leaf():
    w = leaf()
    w += 1


def in_place(t, other):
    t += other


def elements_of(t):
    t[0] = 5.0


def new_gradient(t, values):
    t.grad = values


def new_requires_grad(t, value):
    t.requires_grad = value


# A mistake, the class of its error, and parts of the message in order.
MISTAKES = {
    "adding": (lambda: leaf() + leaf((4, 3)), "ShapeError",
               ["op add", "(2,3) (4,3)", "x float32 of shape (2, 3)", "y float32 of shape (4, 3)"]),
    "adding a plain array": (lambda: leaf() + np.ones((4, 3)), "ShapeError",
                             ["op add", "x float32 of shape (2, 3)", "y float64 of shape (4, 3)"]),
    "multiplying matrices": (lambda: leaf() @ leaf((2, 3)), "ShapeError",
                             ["op matmul: the summed axes must have the same length, got 3 and 2",
                              "x float32 of shape (2, 3)", "y float32 of shape (2, 3)"]),
    "multiplying a matrix by a number": (lambda: leaf() @ 2, "ShapeError", ["op matmul", "y int of shape ()"]),
    "reshaping": (lambda: leaf().reshape(4, 2), "ShapeError", ["op reshape", "x float32 of shape (2, 3)"]),
    "joining": (lambda: tg.concatenate([leaf((1, 2)), leaf((1, 3))]), "ShapeError",
                ["op concatenate", "arrays0 float32 of shape (1, 2)", "arrays1 float32 of shape (1, 3)"]),
    "backward with a gradient of another shape": (lambda: (leaf() * 1).backward(np.ones(3)), "ShapeError",
                                                  ["the gradient given to backward()", "(2, 3)", "(3,)"]),
    "a grad of another shape": (lambda: new_gradient(leaf(), np.ones(3)), "ShapeError", [".grad", "(2, 3)", "(3,)"]),
    "assigning another shape": (lambda: leaf().assign(np.ones(3)), "ShapeError", ["in place", "(2, 3)", "(3,)"]),
    "in place into a smaller shape": (lambda: in_place(Tensor(np.ones(3)), np.ones((2, 3))), "ShapeError",
                                      ["add in place", "(3,)", "(2, 3)"]),
    "a pullback of another shape": (lambda: tg.vjp(tg.exp, leaf())[1](np.ones(3)), "ShapeError", ["(2, 3)", "(3,)"]),

    "words": (lambda: Tensor(["one", "two"]), "DTypeError", ["real numbers or booleans", "list", "<U3"]),
    "complex numbers": (lambda: Tensor(1j), "DTypeError", ["real numbers or booleans", "complex", "complex128"]),
    "nothing": (lambda: Tensor(None), "DTypeError", ["real numbers or booleans", "NoneType"]),
    "borrowing a list": (lambda: tg.from_numpy([1.0]), "DTypeError", ["a list", "Tensor(values) copies"]),
    "borrowing another byte order": (lambda: tg.from_numpy(np.ones(2, ">f4")), "DTypeError",
                                     ["native byte order", ">f4", "Tensor(values) copies"]),
    "an operand that is not a number": (lambda: leaf() * "two", "DTypeError",
                                     ["op multiply", "argument y", "a Tensor, an array", "str"]),
    "a reflected operand that is not a number": (lambda: None / leaf(), "DTypeError",
                                              ["op divide", "argument x", "NoneType"]),
    "a complex operand": (lambda: leaf() * np.ones(3, complex), "DTypeError", ["op multiply", "complex128"]),
    "a list of tensors": (lambda: tg.mean([leaf(), leaf()]), "DTypeError",
                          ["op mean", "argument x", "got a list of tensors of shapes (2, 3), (2, 3)", "tg.stack"]),
    "a list within a list": (lambda: tg.add(leaf(), [[leaf()], [leaf()]]), "DTypeError",
                             ["op add", "argument y", "tg.stack"]),
    "a result and a state": (lambda: tg.tanh((leaf(), leaf(3))), "DTypeError",
                             ["op tanh", "got a tuple", "(2, 3), (3,)", "GRU returns (output, h)", "out[0]"]),
    "a tuple without a gradient": (lambda: tg.flip((Tensor([1.0]), Tensor([1.0, 2.0]))), "DTypeError", ["got a tuple"]),
    "a tensor of tensors": (lambda: Tensor([leaf(()), leaf(())]), "DTypeError", ["a Tensor must hold", "tg.stack"]),
    "a loss of a tuple": (lambda: tg.nn.mse_loss((leaf(), leaf(3)), 0.0), "DTypeError", ["got a tuple", "out[0]"]),
    "indices in tensors with gradients": (lambda: tg.argmax([leaf(), leaf()]), "DTypeError", ["tg.stack"]),
    "a setting with a gradient": (lambda: tg.nan_to_num(leaf(), nan=leaf(())), "DTypeError",
                                  ["op nan_to_num", "nan is a setting", "detach()"]),
    "floats into integers": (lambda: in_place(Tensor(np.ones(3, int)), 0.5), "DTypeError",
                             ["add in place", "float32", "int64"]),
    "NumPy reading a tensor with a gradient": (lambda: np.asarray(leaf()), "DTypeError",
                                               ["NumPy array", "gradient would be lost", ".numpy()"]),
    "a NumPy function without an op": (lambda: np.fft.fft(leaf()), "DTypeError",
                                          ["np.fft.fft", "require a gradient", ".numpy()"]),
    "a NumPy ufunc without an op": (lambda: np.nextafter(leaf(), 1.0), "DTypeError", ["np.nextafter", ".numpy()"]),
    "a ufunc's method": (lambda: np.add.reduceat(leaf(), [0]), "DTypeError", ["np.add.reduceat", ".numpy()"]),
    "into a plain array": (lambda: in_place(np.ones((2, 3)), leaf()), "DTypeError", ["np.add", "out="]),
    "a forward that returns two": (lambda: tg.op(lambda_named("pair", lambda x: (x, x)))(leaf()), "DTypeError",
                                   ["op pair", "one array", "tuple"]),
    "a forward that returns complex numbers": (lambda: tg.op(lambda_named("turn", lambda x: x * 1j))(leaf()),
                                               "DTypeError", ["op turn", "complex64"]),
    "a mode around a generator": (lambda: tg.no_grad()(counting), "DTypeError", ["decorate counting", "`with` block"]),

    "a gradient of integers": (lambda: Tensor(np.arange(3), requires_grad=True), "IntegerGradientError",
                               ["int64", "floating point", "dtype=np.float32"]),
    "a gradient of booleans": (lambda: Tensor([True], requires_grad=True), "IntegerGradientError", ["bool"]),
    "setting it later": (lambda: new_requires_grad(Tensor(np.arange(3)), True), "IntegerGradientError", ["int64"]),
    "a transform of integers": (lambda: tg.grad(tg.sum)(np.arange(3)), "IntegerGradientError", ["int64"]),

    "a vjp for an unknown argument": (lambda: third.vjps(y=lambda g: g), "VJPDefinitionError",
                                       ["third.vjps", "nothing named 'y'", "x"]),
    "a vjp that saves an unknown value": (lambda: third.vjps(x=lambda g, x_shap: g), "VJPDefinitionError",
                                           ["third.vjps(x=...)", "'x_shap'", "did you mean 'x_shape'?"]),
    "a nameless op": (lambda: tg.op(lambda x: x), "VJPDefinitionError", ["<lambda>", "named function"]),
    "an op of nothing": (lambda: tg.op(lambda_named("one", lambda *, k=1: k)), "VJPDefinitionError",
                         ["'one'", "at least one input"]),

    "no vjp": (lambda: third(leaf()).sum().backward(), "MissingVJPError",
                ["op third", "argument x", "(2, 3)", "third.vjps(x=", "detach()"]),

    "a gradient of another shape": (lambda: third_with(lambda g: g.sum(axis=0)).sum().backward(), "WrongGradientError",
                                    ["op third", "vjp of x", "(3,)", "(2, 3)", "broadcasts=True"]),
    "a gradient of another dtype": (lambda: third_with(lambda g: g.astype(np.float64)).sum().backward(),
                                    "WrongGradientError", ["op third", "vjp of x", "float64", "float32"]),
    "None as a gradient": (lambda: third_with(lambda g: None).sum().backward(), "WrongGradientError",
                                ["op third", "vjp of x", "NoneType", "array"]),

    "backward of a constant": (lambda: Tensor(1.0).backward(), "NoGraphError",
                               ["requires_grad=True", "no_grad()", "detached"]),
    "a grad of a constant": (lambda: new_gradient(Tensor(1.0), 1.0), "NoGraphError", [".grad", "leaf"]),
    "a grad of a result": (lambda: new_gradient(leaf() * 1, np.ones((2, 3))), "NoGraphError", [".grad", "leaf"]),
    "a result that requires no gradient": (lambda: new_requires_grad(leaf() * 1, False), "NoGraphError",
                                           ["leaf only", ".detach()"]),

    "backward of many": (lambda: (leaf() * 1).backward(), "NonScalarBackwardError",
                         ["(2, 3)", "needs a gradient", ".sum()"]),
    "the gradient of many": (lambda: tg.grad(lambda x: x * 1)(leaf()), "NonScalarBackwardError",
                             ["must return a scalar", "shape=(2, 3)", "jacobian or vjp"]),
    "the gradient of no tensor": (lambda: tg.grad(lambda x: 3.0)(leaf()), "DTypeError", ["return a Tensor", "float"]),

    "backward twice": (twice, "GraphFreedError",
                       ["second time", "op sum", "()", "retain_graph=True", "h.detach()", "Tensor(values, req"]),

    "a saved value that changed": (changed_after_it_was_saved, "StaleValueError",
                                   ["op multiply", "vjp of x", "saved y", "in place", "t = t + 1"]),

    "a result that is not finite": (lambda: watched(lambda: 1 / leaf((2, 0)).sum()), "AnomalyError",
                                    ["op divide: result is inf, of x = 1, y = 0.0", "x: 1", "File", "1 / leaf"]),
    "a gradient that is not finite": (lambda: watched((leaf((1,)) * 0).sqrt().backward), "AnomalyError",
                                      ["op sqrt: gradient of x[0] is inf, of g[0] = 1.0, out[0] = 0.0",
                                       "run the forward pass inside"]),

    "in place on a leaf": (in_place_on_a_leaf, "LeafInPlaceError", ["add in place", "leaf", "no_grad()", ".data"]),
    "a value of a sample": (lambda: tg.vmap(float)(leaf((2,))), "MappedValueError",
                            ["float() of a Tensor of shape ()", "it stands for 2 samples", "outside of vmap"]),
    "in place on a sample": (lambda: tg.vmap(lambda x: in_place(x, 1.0))(leaf((2,))), "MappedValueError",
                             ["add in place inside of vmap", "t = t + other"]),

    "elements of a leaf": (lambda: elements_of(leaf()), "LeafInPlaceError",
                           ["(2, 3)", "where() or concatenate()", "no_grad()"]),

    "in place on read-only memory": (lambda: in_place(tg.broadcast_to(Tensor(1.0), (3,)), 1.0), "ReadOnlyError",
                                     ["add in place", "(3,)", "read-only", "Tensor(t.numpy())"]),
    "assigning to read-only memory": (lambda: tg.broadcast_to(Tensor(1.0), (3,)).assign(np.ones(3)), "ReadOnlyError",
                                      ["assign in place", "read-only"]),
    "elements of read-only memory": (lambda: elements_of(tg.broadcast_to(Tensor(1.0), (3,))), "ReadOnlyError",
                                     ["elements in place", "read-only"]),
}  # fmt: skip


def lambda_named(name, function):
    function.__name__ = name
    return function


def counting():
    yield 1


@with_each("mistake", MISTAKES)
def test_a_mistake_has_its_class_and_its_words(mistake):
    make, name, words = MISTAKES[mistake]
    with pytest.raises(errors.TinygradError, match="(?s)" + ".*".join(map(re.escape, words))) as caught:
        make()
    assert type(caught.value) is getattr(errors, name)
    assert isinstance(caught.value, BUILT_INS[name])


def test_every_class_has_a_mistake_that_leads_to_it():
    assert {name for _, name, _ in MISTAKES.values()} == set(BUILT_INS) - OF_OTHER_ROOMS - {"TinygradError"}


def test_every_class_is_a_built_in_that_people_would_catch():
    defined = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    warnings = {name for name in defined if name.endswith("Warning")}
    assert len(warnings) > 1
    for name in warnings:
        assert issubclass(defined.pop(name), UserWarning)
    assert set(defined) == set(BUILT_INS)
    for name, kind in defined.items():
        assert issubclass(kind, errors.TinygradError)
        assert issubclass(kind, BUILT_INS[name]), name


def test_in_place_that_is_refused_leaves_the_values_as_they_were():
    t = Tensor(np.ones(3, int))
    with pytest.raises(TypeError, match="cannot cast"):
        t += 0.5
    assert t.numpy().tolist() == [1, 1, 1]
