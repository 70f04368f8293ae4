"""The code for an array recreates its values, dtype, strides and writeable flag."""

import datetime
from collections import OrderedDict, deque
from fractions import Fraction
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_edu.testing.arrays.code_repr import code
from tinygrad_edu.testing.arrays.layouts import copy_with_strides
from tinygrad_edu.testing.report.repro_script import Script

A = np.arange(24.0).reshape(2, 3, 4)
ARRAYS = {
    "contiguous": A, "Fortran": np.asfortranarray(A), "turned": A.transpose(2, 0, 1)[::-1],
    "reversed": A[::-1, :, ::-1], "every second": np.repeat(A, 2, -1)[..., ::2], "a part": A[:, ::2, 1:],
    "a column": A[:, :, :1], "one": A[:1, :1, :1],
    "read-only": np.broadcast_to(A, A.shape), "repeated": np.broadcast_to(A[:1], (5, 3, 4)),
    "repeated number": np.broadcast_to(np.array(2.0), (3,)), "one element": np.array([[1.0]])[::-1],
    "repeated, to be written": np.ndarray((3,), "f8", np.array([2.0]), strides=(0,)),
    "overlapping": sliding_window_view(np.arange(5.0), 3), "a field": np.ones(3, [("a", "f8"), ("b", "i2")])["a"],
    "not finite": np.array([np.nan, np.inf, -np.inf, -0.0]), "0-d": np.array(3.0), "0-d float32": np.array(0.1, "f4"),
    "text": np.array(["inf", "nan"]), "bytes": np.array([b"ab"]), "big-endian": np.arange(3, dtype=">f8"),
    "complex": np.array([1j, complex(np.nan, np.inf)]), "dates": np.array(["2020-01-01"], "M8[D]"),
    "large": np.ones(3000),
    "large part": np.ones((3000, 2))[:, ::2], "objects": np.array([None, 1.0]), "long": np.ones(3, np.longdouble),
    **{f"empty {shape}": np.zeros(shape, np.float32) for shape in ((0,), (0, 3), (3, 0), (2, 0, 3))},
}  # fmt: skip


def layout(x):
    """Return the properties of an array's memory layout that affect results."""
    return [s for n, s in zip(x.shape, x.strides, strict=True) if n > 1 and x.size], x.flags.writeable


def again(value):
    """Return the result of a value's code in an empty namespace."""
    script, space = Script(), {}
    expression = script.code(value)
    exec("\n".join([*script.lines, f"value = {expression}"]), space)
    return space["value"]


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_is_made_again(kind):
    x = ARRAYS[kind]
    y = again(x)
    np.testing.assert_array_equal(y, x, strict=True)
    assert layout(y) == layout(x)
    assert layout(copy_with_strides(x))[0] == layout(x)[0]
    np.testing.assert_array_equal(copy_with_strides(x), x, strict=True)


@given(
    hnp.arrays(st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint64, np.bool_]), hnp.array_shapes())
)
def test_every_bit_of_a_number_is_kept(x):
    y = again(x)
    assert y.dtype == x.dtype
    numbers = ~np.isnan(x)  # many NaNs have the same repr
    np.testing.assert_array_equal(y[numbers].view(np.uint8), x[numbers].view(np.uint8))


def test_bfloat16_is_imported_from_where_it_lives():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.array([1.5, 0.1], bfloat16)[::-1]
    y = again(x)
    assert y.dtype == bfloat16
    np.testing.assert_array_equal(y.view(np.uint16), x.view(np.uint16))


class Node:
    """An object with attributes, slots of a base class, and a reference to itself."""

    __slots__ = ("__dict__", "me")

    def __init__(self):
        self.me, self.path = self, PurePosixPath("a/b")


def test_objects_are_made_of_their_attributes():
    node = again(Node())
    assert type(node) is Node
    assert node.me is node
    assert node.path == PurePosixPath("a/b")


@pytest.mark.parametrize(
    "value",
    [
        float("inf"), np.float32(0.1), np.int64(3), np.bool_(True), {"a": [1, (2.5,), None]},
        OrderedDict(a=1), {1, 2}, frozenset("a"), deque([1, 2.0]), datetime.date(2026, 11, 29), Fraction(1, 3),
        np.complex64(1j), np.array([None, "a", 1.5], object), np.array([complex(-0.0, np.nan)] * 2, ">c16"),
    ],
    ids=repr,
)  # fmt: skip
def test_other_values_are_made_again(value):
    np.testing.assert_equal(again(value), value)
    assert type(again(value)) is type(value)


@pytest.mark.thorough
def test_tensors_of_torch_are_made_again():
    torch = pytest.importorskip("torch")
    x = torch.arange(24.0).reshape(2, 3, 4)
    tensors = [
        x, x[0, 0, 1], x.T if x.ndim == 2 else x.transpose(0, 2), x[:, ::2], x[:1].expand(3, 3, 4), x.bool(), x.long(),
        x[:0], torch.rand(2000), torch.tensor(0.1, dtype=torch.float64, requires_grad=True), x.bfloat16(), x.half(),
        torch.complex(x, -x), torch.complex(x, -x).conj(), torch.nn.Parameter(x, requires_grad=False),
        torch.nn.Parameter(x.double().transpose(0, 1)), torch.full((3,), torch.nan).requires_grad_(),
    ]  # fmt: skip
    for tensor in tensors:
        other = again(tensor)
        assert (type(other), other.dtype, other.shape) == (type(tensor), tensor.dtype, tensor.shape)
        assert (other.stride(), other.requires_grad) == (tensor.stride(), tensor.requires_grad)
        torch.testing.assert_close(other, tensor, rtol=0, atol=0, equal_nan=True)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.25))
    torch.testing.assert_close(again(model).eval()(x[..., :3]), model.eval()(x[..., :3]), rtol=0, atol=0)
    assert again(torch.float64) is torch.float64
    assert again(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.thorough
def test_arrays_of_jax_are_made_again():
    jax = pytest.importorskip("jax")
    x = jax.numpy.arange(6.0).reshape(2, 3)
    for array in (x, x[0, 0], x.astype("bfloat16"), x > 2, x + 1j, jax.random.PRNGKey(3), jax.numpy.zeros(2000)):
        other = again(array)
        assert (type(other), other.dtype, other.shape) == (type(array), array.dtype, array.shape)
        np.testing.assert_array_equal(other, array)
    key = jax.random.key(7)
    assert again(key) == key


def test_a_repr_writes_no_file():
    assert code(np.ones(3000)) == "<an array of shape (3000,) and dtype float64, too large to print>"
