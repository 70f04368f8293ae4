"""The strategies draw what they say, in every variety, and shrink to something that a person can read."""

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.ops.windows import window as lay
from tinygrad_edu.testing import Call
from tinygrad_edu.testing.literals import LAYOUTS, code
from tinygrad_edu.testing.strategies import (
    OP_CALLS,
    arrays,
    axes,
    broadcastable,
    calls,
    illegal_windows,
    indices,
    labels,
    shapes,
    tensors,
    windows,
)
from tinygrad_edu.testing.strategies.op_calls import several

SEARCH = settings(max_examples=2000, database=None, derandomize=True, deadline=None)


def finds(strategy, condition):
    return find(strategy, condition, settings=SEARCH)


# --- Variety ---


@pytest.mark.parametrize("wanted", [(), (1,), (0,), (2, 3), (1, 0), (2, 1, 2)])
def test_shapes_of_every_kind(wanted):
    assert finds(shapes(), lambda shape: shape == wanted) == wanted


@given(broadcastable(3))
def test_broadcastable_shapes_broadcast(group):
    np.broadcast_shapes(*group)


STRIDES = {
    "contiguous": lambda x: x.flags.c_contiguous,
    "fortran": lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
    "strided": lambda x: x.strides[-1] == 16,
    "reversed": lambda x: x.strides[0] < 0,
    "stride 0": lambda x: x.strides[0] == 0,
}


@pytest.mark.parametrize("layout", STRIDES)
def test_arrays_of_every_layout(layout):
    finds(arrays((2, 3)), STRIDES[layout])


@given(arrays(away_from=(0.0, 1.0)))
def test_arrays_keep_away_from_kinks(x):
    assert np.all(np.abs(x) >= 0.1)
    assert np.all(np.abs(x - 1) >= 0.1)


@given(arrays(distinct=True))
def test_distinct_arrays_have_no_ties(x):
    assert np.all(np.diff(np.sort(x, axis=None)) >= 0.1)


@given(st.data(), shapes())
def test_axes_are_what_numpy_takes(data, shape):
    np.sum(np.zeros(shape), axis=data.draw(axes(len(shape))))


@given(st.data(), shapes())
def test_indices_are_what_numpy_takes(data, shape):
    np.zeros(shape)[data.draw(indices(shape))]


INDICES = {
    "basic": lambda index: isinstance(index, tuple) and any(isinstance(part, slice) for part in index),
    "repeated": lambda index: isinstance(index, np.ndarray) and index.dtype != bool and len(set(index)) < index.size,
    "boolean": lambda index: isinstance(index, np.ndarray) and index.dtype == bool,
    "mixed": lambda index: isinstance(index, tuple) and {np.ndarray, slice} <= set(map(type, index)),
    "new axis": lambda index: isinstance(index, tuple) and any(part is None for part in index),
}


@pytest.mark.parametrize("kind", INDICES)
def test_indices_of_every_kind(kind):
    finds(indices((3, 2)), INDICES[kind])


@given(labels((2, 3), 4))
def test_labels_are_in_range(found):
    assert found.shape == (2, 3)
    assert found.dtype == np.int64
    assert np.all((found >= 0) & (found < 4))


@given(windows())
def test_windows_fit(window):
    assert lay(window.size, **window.settings).size == window.output


@given(illegal_windows())
def test_illegal_windows_are_illegal_by_one_pixel(window):
    with pytest.raises(tg.errors.ShapeError):
        lay(window.size, **window.settings)
    lay((window.size[0] + 2, window.size[1] + 2), **window.settings)


# --- Reprs that are code ---


@given(arrays(dtype=np.float32) | arrays() | arrays(dtype=np.float64).map(lambda x: x > 0))
def test_code_makes_the_same_array_again(x):
    again = eval(code(x), {"np": np, **LAYOUTS})
    np.testing.assert_array_equal(again, x)
    assert again.dtype == x.dtype
    assert x.size < 2 or x.flags.c_contiguous == again.flags.c_contiguous


def test_code_of_values_that_are_not_finite():
    x = np.array([np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(eval(code(x), {"np": np}), x)


@pytest.mark.parametrize("name", OP_CALLS)
@given(data=st.data())
@settings(max_examples=10)
def test_the_repr_of_a_call_is_code(name, data):
    call = data.draw(calls(name))
    again = eval(repr(call), {"np": np, "Call": Call, **vars(several), **LAYOUTS})
    assert repr(again) == repr(call)
    for ours, theirs in zip(again.arrays, call.arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)
    again(*again.arrays)  # not to the same bits: LAPACK's depend on where in memory an array begins


# --- Shrinking ---


def test_arrays_shrink_to_round_numbers():
    x = finds(arrays((2,)), lambda x: np.sum(x) > 1.0)
    assert code(x) in ("np.array([0.0, 2.0])", "np.array([2.0, 0.0])", "np.array([1.0, 1.0])")


def test_calls_shrink_to_something_small():
    call = finds(calls("sum"), lambda call: call.arrays[0].size > 1)
    assert repr(call).count(",") <= 4


# --- Tensors, in a suite that never imports the strategies ---


def test_tensors_with_and_without_a_gradient():
    assert finds(tensors(), lambda t: t.requires_grad and t.size > 1).requires_grad
    assert not finds(tensors(False), lambda t: t.size > 1).requires_grad


def test_from_type_of_a_tensor():
    assert isinstance(finds(st.from_type(tg.Tensor), lambda t: t.ndim == 2), tg.Tensor)
