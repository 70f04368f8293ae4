"""Tensor: its construction, its dtype, and its conversion to NumPy."""

import ast
import copy
import inspect
import math
import operator
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor
from tinygrad_edu.errors import DTypeError, NoGraphError
from tinygrad_edu.ops import methods


def test_numpy_cannot_change_a_tensor_behind_its_back():
    c = Tensor([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(c)[:] = 9
    np.array(c)[:] = 9
    assert c.numpy().tolist() == [1, 2]


def test_an_empty_list_is_an_empty_index_as_in_numpy():
    assert Tensor([1.0, 2.0])[[]].shape == (0,)


def test_functions_of_booleans_are_as_exact_as_float32():
    np.testing.assert_allclose(tg.exp(Tensor([True])).numpy(), [np.e], rtol=1e-7)


def test_the_variance_of_a_plain_float32_array_is_float32():
    a = np.ones(3, np.float32)
    assert [f(a).dtype for f in (tg.sum, tg.mean, tg.var, tg.std)] == [np.float32] * 4


# --- The constructor ---


@with_each(
    ("data", "dtype"),
    [
        (3, np.float32), (3.0, np.float32), ([1, 2], np.float32), ((1.0, 2), np.float32), ([[1], [2]], np.float32),
        (range(3), np.float32), ([], np.float32), ([np.float64(1)], np.float32), (True, np.bool_),
        ([True, False], np.bool_), *((np.ones(2, t), t) for t in "fdebBhHiIlL?"),
        (np.float64(2), np.float64), (np.int8(2), np.int8),
    ],
)  # fmt: skip
def test_python_numbers_become_float32_and_arrays_keep_their_dtype(data, dtype):
    t = Tensor(data)
    assert t.dtype == dtype
    np.testing.assert_array_equal(t.numpy(), np.array(data))
    assert not t.requires_grad
    assert t.is_leaf


@pytest.mark.parametrize("data", [[1, 2], np.array([1.0, 2.0]), np.array([1, 2], np.int8)])
@pytest.mark.parametrize("dtype", [np.float16, "float64", int, ">f4"])
def test_a_dtype_that_is_given_is_taken_in_native_byte_order(data, dtype):
    t = Tensor(data, dtype=dtype)
    assert t.dtype == np.dtype(dtype).newbyteorder("=")
    assert t.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4", ">u2"])
def test_the_other_byte_order_is_read_and_has_gradients(dtype):
    values = np.array([1, 2, 3], dtype)
    assert Tensor(values).dtype == np.dtype(dtype).newbyteorder("=")
    assert Tensor(values).numpy().tolist() == [1, 2, 3]
    x = Tensor([2.0, 2.0, 2.0], requires_grad=True)
    (x * values + tg.maximum(x, values)).sum().backward(np.array(1, ">f8"))
    assert x.grad.tolist() == [2, 2.5, 3]
    x.grad = values
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("of", [lambda x: x, lambda x: x * 2, lambda x: x.detach()])
def test_a_tensor_of_a_tensor_is_a_copy_without_its_history(of):
    x = of(Tensor([1.0, 2.0], requires_grad=True))
    with tg.no_grad():
        t = Tensor(x)
    assert (t.requires_grad, t.is_leaf, t.dtype) == (False, True, x.dtype)
    assert not np.shares_memory(t.data, x.data)


class Subclass(np.ndarray):
    """A subclass of ndarray, as another library may define."""


def test_a_subclass_of_ndarray_becomes_a_plain_array():
    a = np.ones((2, 2)).view(Subclass)
    t = Tensor(a, requires_grad=True)
    out = (t * a) @ a + tg.concatenate([a, t])[:2]
    out.sum().backward(np.array(1.0).view(Subclass))
    assert [type(x) for x in (t.numpy(), out.numpy(), t.grad)] == [np.ndarray] * 3


# --- from_numpy shares memory ---


def test_from_numpy_borrows_the_memory_both_ways():
    a = np.array([1.0, 2.0])
    t = tg.from_numpy(a, requires_grad=True)
    assert t.data is a or np.shares_memory(t.data, a)
    a[0] = 5.0
    assert t.numpy().tolist() == [5, 2]
    t.data -= 1.0
    assert a.tolist() == [4, 1]
    (t * t).sum().backward()
    assert t.grad.tolist() == [8, 2]


def test_from_numpy_borrows_a_memory_map(tmp_path):
    """``np.load(..., mmap_mode="r")`` returns one, for a dataset larger than the memory."""
    images = np.memmap(tmp_path / "images", np.float32, "w+", shape=(4, 3))
    images[:] = 2
    t = tg.from_numpy(images, requires_grad=True)
    assert np.shares_memory(t.data, images)
    (t[1:3].T @ t.reshape(3, 4)[:2]).sum().backward()
    assert type(t.grad) is np.ndarray


# --- Plain operands take the dtype of the tensor ---

OPERATORS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow,
}  # fmt: skip
PLAIN = {
    "int": 2, "float": 2.5, "float64 scalar": np.float64(2.5), "float32 scalar": np.float32(2.5),
    "int64 scalar": np.int64(2), "list": [1.0, 2.0], "list of int": [1, 2], "bool": True,
    **{f"{np.dtype(t)} array": np.array([1, 2], t) for t in "fdebBhil?"}, "0-d array": np.array(2.5),
}  # fmt: skip


@with_each("dtype", [np.float16, np.float32, np.float64])
@with_each("plain", PLAIN)
@with_each("symbol", OPERATORS)
def test_a_plain_operand_on_either_side_follows_the_tensor(symbol, plain, dtype):
    apply, other = OPERATORS[symbol], PLAIN[plain]
    followed = np.asarray(other, dtype)
    for swapped in (False, True):
        x = Tensor(np.array([1.5, 3.0], dtype), requires_grad=True)
        out = apply(other, x) if swapped else apply(x, other)
        wanted = apply(followed, x.numpy()) if swapped else apply(x.numpy(), followed)
        assert isinstance(out, Tensor)
        assert out.dtype == dtype
        np.testing.assert_allclose(out.numpy(), wanted, rtol=np.finfo(dtype).eps * 8)
        out.sum().backward()
        assert (x.grad.dtype, type(x.grad)) == (dtype, np.ndarray)


@pytest.mark.parametrize(
    ("left", "right", "dtype"),
    [
        ("f", "d", np.float64), ("d", "f", np.float64), ("e", "f", np.float32), ("f", "i", np.float32),
        ("l", "f", np.float32), ("?", "f", np.float32), ("e", "l", np.float16), ("i", "l", np.int64),
        ("?", "i", np.int32),
    ],
)  # fmt: skip
def test_of_two_tensors_the_widest_float_wins_and_whole_numbers_follow(left, right, dtype):
    assert (Tensor(np.ones(2, left)) * Tensor(np.ones(2, right))).dtype == dtype


# --- Properties and conversions ---


def test_a_misspelt_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError):
        Tensor(1.0).gradd = 1


def test_requires_grad_can_be_switched_on_a_leaf():
    t = Tensor([1.0, 2.0])
    t.requires_grad = True
    (t * t).sum().backward()
    assert t.grad.tolist() == [2, 4]
    t.requires_grad = True  # has no effect
    assert t.grad.tolist() == [2, 4]
    t.requires_grad = False
    assert t.grad is None
    with pytest.raises(NoGraphError):
        (t * t).sum().backward()


def test_grad_can_be_assigned_and_forgotten():
    t = Tensor([1.0, 2.0], requires_grad=True)
    t.grad = [3.0, 4.0]
    assert (t.grad.dtype, t.grad.tolist()) == (np.float32, [3, 4])
    (t * 1).sum().backward()
    assert t.grad.tolist() == [4, 5]
    t.zero_grad()
    assert t.grad is None
    t.grad = None
    (t * 2).zero_grad()  # a computed tensor has no gradient
    result = t * 2
    t.requires_grad = False
    for each in (t, result, result.detach()):
        each.grad = None


def test_item_is_a_python_number():
    assert [type(Tensor(value).item()) for value in (1.5, np.array([[2]]), True)] == [float, int, bool]
    with pytest.raises(ValueError, match="size 1"):
        Tensor([1.0, 2.0]).item()


def test_iterating_gives_tensors_with_gradients():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    (first * second).sum().backward()
    assert x.grad.tolist() == [[3, 4], [1, 2]]
    for function in (len, list, iter):
        with pytest.raises(TypeError, match="0-d"):
            function(Tensor(1.0))


def test_one_element_is_a_float_an_int_and_true_or_false():
    one = Tensor([[2.5]], requires_grad=True)
    assert (float(one), int(one), bool(one)) == (2.5, 2, True)
    assert not Tensor(0.0)
    for function in (float, int):
        with pytest.raises(ValueError, match="size 1"):
            function(Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"shape \(2,\) is ambiguous.*\.any\(\) or \.all\(\)"):
        bool(Tensor([1.0, 2.0]))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Tensor(1.5), "Tensor(1.5, shape=(), dtype=float32)"),
        (lambda: Tensor(np.array([1, 2])), "Tensor([1, 2], shape=(2,), dtype=int64)"),
        (lambda: Tensor([True]), "Tensor([ True], shape=(1,), dtype=bool)"),
        (lambda: Tensor([]), "Tensor([], shape=(0,), dtype=float32)"),
        (lambda: Tensor([1.0], requires_grad=True), "Tensor([1.], shape=(1,), dtype=float32, requires_grad=True)"),
        (lambda: Tensor([1.0], requires_grad=True) * 2, "Tensor([2.], shape=(1,), dtype=float32, op=multiply)"),
        (lambda: Tensor([1.0]) * 2, "Tensor([2.], shape=(1,), dtype=float32)"),
        (lambda: Tensor([[1.0, 2.0], [3.0, 4.0]]).astype(float),
         "Tensor([[1., 2.],\n        [3., 4.]], shape=(2, 2), dtype=float64)"),
    ],
)  # fmt: skip
def test_repr_shows_values_shape_dtype_and_the_op(make, text):
    assert repr(make()) == text


# --- Copies and pickles ---

COPIES = {
    "pickle": lambda t: pickle.loads(pickle.dumps(t)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("duplicate", COPIES)
@pytest.mark.parametrize("requires_grad", [True, False])
def test_the_copy_of_a_leaf_is_a_leaf_of_its_own(duplicate, requires_grad):
    x = Tensor(np.array([1.0, 2.0]), requires_grad=requires_grad)
    y = COPIES[duplicate](x)
    assert (y.requires_grad, y.is_leaf, y.dtype) == (requires_grad, True, np.float64)
    y.assign([5.0, 6.0])
    assert x.numpy().tolist() == [1, 2]
    if requires_grad:
        (y * y).sum().backward()
        assert (x.grad, y.grad.tolist()) == (None, [10, 12])


@pytest.mark.thorough
def test_a_copy_of_the_end_of_200_000_ops_is_refused_and_its_pickle_is_a_constant():
    y = Tensor(1.0, requires_grad=True)
    for _ in range(200_000):
        y = -y
    for duplicate in (copy.copy, copy.deepcopy, lambda y: copy.deepcopy({"y": [y]})):
        with pytest.raises(NoGraphError, match=re.escape("copy(t.detach())")):
            duplicate(y)
    z = COPIES["pickle"](y)
    assert (z.item(), z.requires_grad, z.is_leaf) == (1, False, True)


# --- Assigned and computed gradients ---


@pytest.mark.parametrize(
    "gradient", [1 + 2j, [1j], ["1"], "1", np.array(["2"]), None, {}, np.array([object()]), np.datetime64("2020")],
)  # fmt: skip
def test_a_gradient_holds_real_numbers(gradient):
    x = Tensor([1.0], requires_grad=True)
    if gradient is not None:
        with pytest.raises(DTypeError, match="must hold real numbers or booleans"):
            (x * x).backward(gradient)
        with pytest.raises(DTypeError, match="must hold real numbers or booleans"):
            x.grad = gradient
    assert x.grad is None


@pytest.mark.parametrize("value", ["no", 1, None, 0.0, np.array([True])])
def test_requires_grad_is_true_or_false(value):
    x = Tensor([1.0])
    for act in (lambda: setattr(x, "requires_grad", value), lambda: Tensor([1.0], requires_grad=value)):
        with pytest.raises(DTypeError, match="requires_grad must be True or False, got"):
            act()
    assert not x.requires_grad
    x.requires_grad = np.True_
    assert x.requires_grad


# --- Comparisons ---

COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@with_each("compare", COMPARISONS)
@with_each("other", [Tensor([3.0, 2.0, 1.0]), np.array([3.0, 2.0, 1.0]), 2, 2.0, [3, 2, 1]])
def test_comparisons_give_boolean_arrays(compare, other):
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    values = other.numpy() if isinstance(other, Tensor) else other
    for found, wanted in (
        (compare(x, other), compare(x.numpy(), values)), (compare(other, x), compare(np.asarray(values), x.numpy())),
    ):  # fmt: skip
        assert type(found) is np.ndarray
        assert found.dtype == bool
        np.testing.assert_array_equal(found, wanted)


# --- Python's protocols for numbers and sequences ---

HALVES = [[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]]
PYTHON = {
    "tolist": (lambda: Tensor(HALVES).tolist(), HALVES),
    "tolist of one": (lambda: Tensor(2.5).tolist(), 2.5),
    "format": (lambda: f"{Tensor(2.5):.2f} {Tensor([[2.5]]):6.1f} {Tensor(np.array(3)):d}", "2.50    2.5 3"),
    "math": (lambda: math.sqrt(Tensor(2.25)), 1.5),
    "divmod": (lambda: [x.tolist() for x in divmod(Tensor([7.0, -7.0]), 2)], [[3, -4], [1, 1]]),
    "divmod by one": (lambda: [x.tolist() for x in divmod(7, Tensor([2.0]))], [[3], [1]]),
    "round": (lambda: np.asarray(round(Tensor(HALVES))).tolist(), [[0, 2, 2], [4, 4, 6]]),
    "round to digits": (lambda: np.asarray(round(Tensor([1.25, 2.0]), 1)).tolist(), [np.float32(1.2), 2]),
    "floor": (lambda: math.floor(Tensor(-2.5)), -3),
    "ceil": (lambda: math.ceil(Tensor([-2.5])), -2),
    "trunc": (lambda: math.trunc(Tensor(-2.5)), -2),
    "reversed": (lambda: [x.item() for x in reversed(Tensor([1.0, 2.0]))], [2, 1]),
    "in": (lambda: (2.5 in Tensor(HALVES), 9 in Tensor(HALVES), Tensor(1.5) in Tensor(HALVES)), (True, False, True)),
    "complex": (lambda: complex(Tensor(2.5)), 2.5 + 0j),
    "index": (lambda: [[*range(Tensor(np.array(2)))], "abc"[Tensor(np.array(1))]], [[0, 1], "b"]),
    "bytes": (lambda: [getattr(Tensor(HALVES), name) for name in ("itemsize", "nbytes", "strides")], [4, 24, (12, 4)]),
}


@pytest.mark.parametrize("what", PYTHON)
def test_a_tensor_is_a_number_and_a_sequence_as_an_array_is(what):
    ask, answer = PYTHON[what]
    assert ask() == answer


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: f"{Tensor([1.0, 2.0]):.2f}", r"cannot format a tensor of shape \(2,\) with '.2f'.*array2string"),
        (lambda: operator.index(Tensor(2.0)), "only integer scalar arrays"),
        (lambda: operator.index(Tensor(np.array([2]))), "only integer scalar arrays"),
    ],
)
def test_what_is_not_one_number_is_refused(ask, message):
    with pytest.raises(TypeError, match=message):
        ask()


# --- DLPack ---


class Elsewhere:
    """An array of another library, which supports only DLPack."""

    def __init__(self, array):
        self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__


def test_dlpack_shares_the_memory_both_ways():
    a, t = np.array([1.0, 2.0]), Tensor([[1.0, 2.0]])
    borrowed, lent = tg.from_dlpack(Elsewhere(a)), np.from_dlpack(t)
    a[0] = 5
    assert borrowed.numpy().tolist() == [5, 2]
    borrowed.data[1] = 7
    assert a.tolist() == [5, 7]
    assert np.shares_memory(lent, t.data)
    assert t._storage.shared
    assert borrowed._storage.shared
    assert tg.from_dlpack(t)._storage is t._storage


def test_dlpack_takes_no_gradient_along():
    x = Tensor([1.0], requires_grad=True)
    for ask in (np.from_dlpack, tg.from_dlpack, lambda t: np.from_dlpack(t * 2)):
        with pytest.raises(DTypeError, match=r"Export t\.detach\(\)"):
            ask(x)
    assert np.from_dlpack(x.detach()) == 1
    with pytest.raises(DTypeError, match="must have a method __dlpack__, got a list"):
        tg.from_dlpack([1.0])


# --- The interface for type checkers ---


def parameters(arguments):
    """Return the parameters of a `def` without self: ("*shape",) or ("axis=None", ...)."""
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    plain = [None] * (len(names) - len(arguments.defaults))
    defaults = plain + [ast.literal_eval(default) for default in arguments.defaults]
    listed = [name if d is None and k < len(plain) else f"{name}={d}" for k, (name, d) in enumerate(
        zip(names, defaults, strict=True))]  # fmt: skip
    by_keyword = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    listed += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    listed += [a.arg if d is None else f"{a.arg}={ast.literal_eval(d)}" for a, d in by_keyword]
    return tuple(listed[1:])


def stub():
    tree = ast.parse((Path(tg.__file__).parent / "shared" / "surface.pyi").read_text())
    (surface,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {node.name: node for node in surface.body if isinstance(node, ast.FunctionDef)}


def written_in_the_engine():
    tree = ast.parse(Path(tg.engine.__file__).with_name("tensor.py").read_text())
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Tensor")
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


def test_surface_lists_exactly_what_ops_attach():
    class OfPython:
        """An empty class, with the attributes that every class has in this version of Python."""

        __slots__ = ("_data", "_levels", "_node", "_role", "_storage", "_tracked_view")
        _data: int

    others = {*vars(OfPython), "__final__"}
    assert set(stub()) == set(vars(Tensor)) - written_in_the_engine() - others


@with_each("name", [name for name in stub() if not name.startswith("__") and name not in ("T", "mT")])
def test_surface_has_the_parameters_of_the_methods(name):
    found = inspect.signature(getattr(Tensor, name)).parameters.values()
    shown = tuple(
        f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name if p.default is p.empty else f"{p.name}={p.default}"
        for p in found
    )
    assert parameters(stub()[name].args) == shown[1:]


@with_each("name", methods.METHODS)
def test_a_method_can_be_found_by_its_name(name):
    """In the table, in its printed form, and in the source of its function."""
    method = getattr(Tensor, name)
    assert (method.__name__, method.__qualname__) == (name, f"Tensor.{name}")
    assert method.__doc__
    assert next(iter(inspect.signature(method).parameters)) == "self"
    assert "_x_data" not in inspect.getsource(method)
