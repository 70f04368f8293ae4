"""The strategies draw valid values in every variety, and shrink to short examples."""

import math
from math import prod
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import tinygrad_edu as tg
from tests.effort import thorough
from tinygrad_edu.errors import DataError
from tinygrad_edu.ops.sliding_windows import window_of as lay
from tinygrad_edu.testing import Call
from tinygrad_edu.testing.arrays.code_repr import code
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.strategies import (
    OP_CALLS,
    arrays,
    axes,
    broadcastable,
    calls,
    illegal_windows,
    indices,
    labels,
    one_input,
    shapes,
    tensors,
    windows,
)
from tinygrad_edu.testing.strategies.numbers import numbers_of_all_sizes, ordinary_numbers
from tinygrad_edu.testing.strategies.op_calls import several
from tinygrad_edu.testing.strategies.op_calls.common import finite_range

SEARCH = settings(max_examples=2000, database=None, derandomize=True, deadline=None)
DRAW = settings(SEARCH, phases=[Phase.generate])


def finds(strategy, condition):
    """Return the smallest example."""
    return find(strategy, condition, settings=SEARCH)


def draws(strategy, condition):
    """Return any example."""
    return find(strategy, condition, settings=DRAW)


# --- Variety ---


@pytest.mark.thorough
@pytest.mark.parametrize("wanted", [(), (1,), (0,), (2, 3), (1, 0), (2, 1, 2), (8,), (6, 2), (1, 2, 2, 1), (2,) * 5])
def test_shapes_of_every_kind(wanted):
    assert finds(shapes(), lambda shape: shape == wanted) == wanted


def fits(window):
    return lay(window.size, **window.settings).size == window.output


def is_too_small_by_one_pixel(window):
    with pytest.raises(tg.errors.ShapeError):
        lay(window.size, **window.settings)
    return lay((window.size[0] + 2, window.size[1] + 2), **window.settings)


# Strategies, and whether an example is valid.
VALID = {
    "shapes": (shapes(), lambda shape: prod(shape) <= 64),
    "broadcastable": (broadcastable(3), lambda group: np.broadcast_shapes(*group) is not None),
    "axes": (shapes().flatmap(lambda shape: st.tuples(st.just(shape), axes(len(shape)))),
             lambda drawn: np.sum(np.zeros(drawn[0]), axis=drawn[1]) is not None),
    "indices": (shapes().flatmap(lambda shape: st.tuples(st.just(shape), indices(shape))),
                lambda drawn: np.zeros(drawn[0])[drawn[1]] is not None),
    "labels": (labels((2, 3), 4), lambda x: x.shape == (2, 3) and x.dtype == np.int64 and set(x.flat) <= {0, 1, 2, 3}),
    "windows": (windows(), fits), "illegal windows": (illegal_windows(), is_too_small_by_one_pixel),
}  # fmt: skip


@pytest.mark.parametrize("name", VALID)
@given(st.data())
def test_what_is_drawn_is_valid(name, data):
    strategy, is_valid = VALID[name]
    assert is_valid(data.draw(strategy))


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (1, 1)])
def test_layouts_keep_shapes_and_values(name, shape):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    y = LAYOUTS[name](x)
    np.testing.assert_array_equal(y, np.broadcast_to(x[:1], shape) if name == "stride0" else x, strict=True)
    assert not np.shares_memory(x, y)


BOUNDS = [(-3, 3), (0.51, 0.52), (1e-6, 1e-3), (-3, 1e5), (-1e8, 1e8), (0.1, 0.3), (2, 2), (-7, -1e-3), (0, 1e300)]
DTYPES = [np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_numbers_are_few_short_and_within_any_bounds(low, high, dtype):
    bounds = low, high, (), np.dtype(dtype)
    try:
        found = np.concatenate([ordinary_numbers(*bounds), numbers_of_all_sizes(*bounds)])
    except DataError:
        assert dtype not in (np.float64, np.float32)  # no integer, or no number that small, is between the bounds
        return
    assert found.dtype == dtype
    assert found.size <= 1024
    assert all(low <= x <= high for x in found.tolist())
    if dtype == np.float64:
        assert all(x == float(f"{x:.6g}") for x in found.tolist())


@given(st.data(), st.sampled_from(BOUNDS[:-1]), st.sampled_from(DTYPES[:3]), st.booleans())
def test_arrays_keep_to_their_bounds_and_away_from_kinks(data, bounds, dtype, distinct):
    low, high = bounds
    kinks, margin = ([], 0) if low == high else ([low, (low + high) / 2], min(1, high - low) / 8)
    try:
        x = data.draw(arrays((2, 3), low, high, kinks, distinct and low < high, dtype)).astype(np.float64)
    except DataError:
        assert dtype == np.float16
        return
    assert np.all((low <= x) & (x <= high))
    assert all(np.all(np.abs(x - kink) >= margin) for kink in kinks)


@pytest.mark.parametrize(("settings", "gap"), [
    ({}, 0.125), ({"low": 0, "high": 0.5}, 0.015625), ({"dtype": np.int64, "low": -50, "high": 50}, 1),
    ({"away_from": (0,), "high": 1e9}, 0.125),
])  # fmt: skip
def test_distinct_arrays_have_no_ties(settings, gap):
    @given(arrays((4, 6), distinct=True, **settings))
    def no_ties(x):
        assert np.all(np.diff(np.sort(x, axis=None)) >= gap)

    no_ties()


@pytest.mark.parametrize(("settings", "message"), [
    ({"low": 1, "high": 0}, "low <= high, got low=1"), ({"high": np.inf}, "must be finite"),
    ({"away_from": (0, 0.2, 0.4, 0.6, 0.8, 1), "low": 0, "high": 1}, "no float64 number from low=0.0 to high=1.0"),
    ({"low": 0.25, "high": 0.75, "dtype": np.int64}, "no int64 number"),
    ({"shape": (9,), "distinct": True, "dtype": np.int64, "low": -3, "high": 3}, "9 distinct int64 numbers"),
])  # fmt: skip
def test_bounds_that_leave_no_number(settings, message):
    with pytest.raises(DataError, match=message) as caught:
        draws(arrays(**{"shape": (1,), **settings}), lambda x: True)
    assert "\n" not in str(caught.value)


RANGES = {
    "exp": (np.exp, -1e8, 1e2), "cosh": (np.cosh, -1e2, 1e2), "tanh": (np.tanh, -1e8, 1e8),
    "log": (np.log, 1e-6, 1e8), "arctanh": (np.arctanh, -0.1, 0.1), "arcsin": (np.arcsin, -1.0, 1.0),
    "tenth power": (lambda x: x**10, -1e8, 1e8), "raises": (lambda x: math.sqrt(x.sum()) * x, 1e-6, 1e8),
    "several results": (lambda x: (x, np.exp(x)), -1e8, 1e2),
}  # fmt: skip


@pytest.mark.parametrize("name", RANGES)
def test_numbers_reach_as_far_as_a_function_is_finite(name):
    f, low, high = RANGES[name]
    assert finite_range(f, (2, 3)) == {"low": low, "high": high}
    assert finite_range(lambda x: x * np.nan, ()) == {}


def added_is_not_assigned(index, shape):
    added, assigned = np.zeros(shape), np.zeros(shape)
    values = np.random.default_rng(0).uniform(1, 2, added[index].shape)
    np.add.at(added, index, values)
    assigned[index] = values
    return not np.array_equal(added, assigned)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["getitem", "scatter_add"])
def test_25_examples_find_that_repeated_positions_are_assigned(name):
    def shows(call):
        return added_is_not_assigned(call.settings["index"], call.settings.get("shape", call.arrays[0].shape))

    def found(seed):
        try:
            return find(calls(name), shows, settings=settings(DRAW, max_examples=25), random=Random(seed))
        except NoSuchExample:
            return None

    assert sum(found(seed) is not None for seed in range(20)) >= 19


def of_dtype(kind):
    return lambda call: any(isinstance(x, np.ndarray) and x.dtype.kind == kind for x in call.inputs)


def kinds(index):
    """Return the types of the parts of a tuple."""
    return [type(part) for part in index] if isinstance(index, tuple) else []


ARRAYS, INDICES = arrays((2, 3)), indices((3, 2))
# Strategies, and conditions that some example meets.
DRAWN = {
    "contiguous": (ARRAYS, lambda x: x.flags.c_contiguous),
    "fortran": (ARRAYS, lambda x: x.flags.f_contiguous and not x.flags.c_contiguous),
    "strided": (ARRAYS, lambda x: x.strides[-1] == 16), "sliced": (ARRAYS, lambda x: x.strides == (40, 8)),
    "reversed": (ARRAYS, lambda x: x.strides[0] < 0), "stride 0": (ARRAYS, lambda x: x.strides[0] == 0),
    "of all sizes": (arrays((3,), -1e8, 1e8), lambda x: np.max(np.abs(x)) >= 1e10 * np.min(np.abs(x)) > 0),
    "small": (arrays((2,)), lambda x: 0 < np.min(np.abs(x)) <= 1e-7),
    "large, and 0": (ARRAYS, lambda x: np.max(np.abs(x)) > 100 and not np.all(x)),
    "axes from either end": (axes(3), lambda a: isinstance(a, tuple) and len(a) > 1 and min(a) < 0 <= max(a)),
    "basic index": (INDICES, lambda index: slice in kinds(index)),
    "repeated index": (INDICES, lambda i: isinstance(i, np.ndarray) and i.dtype != bool and len(set(i)) < i.size),
    "boolean index": (INDICES, lambda index: isinstance(index, np.ndarray) and index.dtype == bool),
    "mixed index": (INDICES, lambda index: {np.ndarray, slice} <= {*kinds(index)}),
    "new axis": (INDICES, lambda index: type(None) in kinds(index)),
    "array after ...": (INDICES, lambda index: kinds(index)[:2] == [type(...), np.ndarray]),
    "array and new axis": (INDICES, lambda index: {np.ndarray, type(None)} <= {*kinds(index)}),
    "uint8": (INDICES, lambda i: isinstance(i, tuple) and any(getattr(part, "dtype", "") == np.uint8 for part in i)),
    "three groups": ("conv2d", lambda call: call.settings["groups"] == 3),
    "a kernel of five": ("correlate", lambda call: max(call.arrays[1].shape[2:]) == 5),
    "an empty batch": ("conv2d", lambda call: call.arrays[0].shape[0] == 0),
    "a batch of three": ("max_pool2d", lambda call: call.arrays[0].shape[0] == 3 and call.arrays[0].ndim == 4),
    "a saturated function": (one_input("tanh"), lambda call: np.max(np.abs(call.arrays[0]), initial=0) > 1e6),
    "integers": ("multiply", of_dtype("i")), "bytes": ("add", of_dtype("u")), "booleans": ("subtract", of_dtype("b")),
    "a mask of integers": ("where", of_dtype("i")),
    "a long axis": ("sort", lambda call: max(call.arrays[0].shape, default=0) == 8),
    "five axes": ("softmax", lambda call: call.arrays[0].ndim == 5),
    "several axes from the end": ("sum", lambda call: isinstance(call.settings["axis"], tuple)
                                  and sum(a < 0 for a in call.settings["axis"]) > 1),
    "all sizes": ("multiply", lambda call: call.arrays[0].size > 1 and np.ptp(np.abs(call.arrays[0])) > 1e6),
}  # fmt: skip


@pytest.mark.parametrize("kind", thorough(DRAWN, quick=["a saturated function"]))
def test_examples_of_every_kind(kind):
    strategy, wanted = DRAWN[kind]
    draws(calls(strategy) if isinstance(strategy, str) else strategy, wanted)


@pytest.mark.thorough
@pytest.mark.parametrize("name", OP_CALLS)
@given(data=st.data())
@settings(max_examples=10)
def test_the_repr_of_a_call_is_code(name, data):
    call = data.draw(calls(name))
    assume("too large to print" not in repr(call))  # more than 1,000 numbers
    again = eval(repr(call), {"np": np, "Call": Call, **vars(several), **LAYOUTS})
    assert repr(again) == repr(call)
    for ours, theirs in zip(again.arrays, call.arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)
    again(*again.arrays)  # not bitwise equal: LAPACK's results depend on the memory alignment of an array


# --- Shrinking ---


def test_arrays_shrink_to_round_numbers():
    x = finds(arrays((2,)), lambda x: np.sum(x) > 1.0)
    assert code(x) in ("np.array([0.0, 2.0])", "np.array([2.0, 0.0])", "np.array([1.0, 1.0])")


# --- Tensors, in a suite that never imports the strategies ---


@pytest.mark.thorough
def test_tensors_with_and_without_a_gradient():
    assert finds(tensors(), lambda t: t.requires_grad and t.size > 1).requires_grad
    assert not finds(tensors(False), lambda t: t.size > 1).requires_grad
