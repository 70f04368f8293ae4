"""Cases without a strategy: nondifferentiable results, results whose shape depends on values, dtypes, errors."""

import itertools

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.testing import check_vjp

RNG = np.random.default_rng(0)
INPUTS = {
    "floats": RNG.standard_normal((3, 4)), "ties": np.round(RNG.standard_normal((3, 4))),
    "float32": RNG.standard_normal((3, 4)).astype(np.float32), "float16": np.arange(12, dtype=np.float16).reshape(3, 4),
    "integers": RNG.integers(-3, 3, (3, 4)), "bytes": RNG.integers(0, 9, (3, 4)).astype(np.uint8),
    "booleans": RNG.random((3, 4)) < 0.5, "nothing": np.zeros((3, 0)), "a number": np.array(2.5),
    "a NaN": np.array([[1.0, np.nan], [0.0, 2.0]]), "infinities": np.array([[np.inf, 1.0], [-np.inf, np.inf]]),
}  # fmt: skip
AXES = [{}, {"axis": 0}, {"axis": -1}, {"axis": (), "keepdims": True}, {"axis": (0, 1)}, {"axis": 1, "keepdims": True}]
ONE_AXIS = [{}, {"axis": 0}, {"axis": -1}]


def same(name, reference, x, settings):
    """Compare a function with NumPy's: its values and, for arrays, its dtype. Skip calls that NumPy rejects."""
    function = getattr(tg, name)
    try:
        expected = reference(x, **settings)
    except (ValueError, IndexError, TypeError, np.exceptions.AxisError):
        return
    narrow = x.dtype if x.dtype.kind == "f" else np.float32  # the dtype for Tensors where NumPy has float64
    for given in (x, tg.Tensor(x)):
        found = function(given, **settings)
        for a, b in zip(*(part if isinstance(part, tuple) else (part,) for part in (found, expected)), strict=True):
            a = np.asarray(values_of(a))
            assert a.shape == np.shape(b)
            assert a.dtype == b.dtype or (given is not x and a.dtype == narrow)
            np.testing.assert_allclose(a, b, rtol={2: 2e-3, 4: 1e-6}.get(a.itemsize, 1e-14), atol=1e-6)


REDUCTIONS = [
    "sum", "prod", "mean", "var", "std", "max", "amin", "any", "all", "count_nonzero", "ptp", "nansum", "nanmean",
    "median",
]  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_reductions_of_any_numbers_are_numpys(name):
    for x, settings in itertools.product(INPUTS.values(), AXES):
        same(name, getattr(np, name), x, settings)


REFERENCES = {"argsort": lambda x, **along: np.argsort(x, kind="stable", **along)}
ALONG_ONE_AXIS = ["argmax", "argmin", "cumsum", "cumprod", "sort", "argsort", "diff", "unique"]


@pytest.mark.parametrize("name", ALONG_ONE_AXIS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_works_along_one_axis_is_numpys(name):
    for x, settings in itertools.product(INPUTS.values(), ONE_AXIS):
        twice = {"n": 2} if name == "diff" and not settings else settings
        same(name, REFERENCES.get(name, getattr(np, name)), x, twice)


@pytest.mark.parametrize("name", ["nonzero", "flatnonzero"])
def test_where_elements_are_not_0(name):
    for x in INPUTS.values():
        same(name, getattr(np, name), x, {})


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_a_dtype_may_be_asked_for(name, dtype):
    for what in ("float32", "integers"):
        x = INPUTS[what]
        expected = getattr(np, name)(x, axis=0, dtype=dtype)
        t = tg.Tensor(x, requires_grad=x.dtype.kind == "f")
        found = getattr(t, name)(axis=0, dtype=dtype)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.numpy(), expected)
        if found.requires_grad:
            found.backward(np.ones(found.shape))
            assert t.grad.dtype == x.dtype


@pytest.mark.parametrize("settings", [
    {"return_index": True}, {"return_inverse": True, "return_counts": True}, {"return_counts": True, "axis": 0},
    {"equal_nan": False, "return_index": True, "return_inverse": True, "return_counts": True},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("key", ["ties", "a NaN", "integers"])
def test_unique_says_where_and_how_often(settings, key):
    same("unique", np.unique, INPUTS[key], settings)


def test_unique_gives_its_gradient_to_the_first_of_equal_elements():
    x = tg.Tensor([2.0, 1.0, 2.0, 1.0], requires_grad=True)
    tg.unique(x).backward([3.0, 5.0])
    assert x.grad.tolist() == [5, 3, 0, 0]
    check_vjp(lambda x: tg.unique(x, axis=1), np.array([[1.0, 0.5], [2.0, -1.0]]))


@pytest.mark.parametrize(("shape", "axis"), [((), -1), ((4,), 0), ((2, 4), -1), ((4, 2, 1), 0)])
@pytest.mark.parametrize("largest", [False, True])
def test_the_best_and_the_kth_are_those_that_sorting_finds(shape, axis, largest):
    x = RNG.permutation(int(np.prod(shape))).reshape(shape) / 4 + 0.5
    in_order = tg.sort(x, axis=axis, descending=largest).reshape(shape or (1,))
    for k in range(in_order.shape[axis] + 1):
        values, places = tg.topk(x, k, axis, largest)
        np.testing.assert_array_equal(np.reshape(values, -1), np.take(in_order, range(k), axis).ravel())
        chosen = np.take_along_axis(np.atleast_1d(x), np.atleast_1d(places), axis)
        np.testing.assert_array_equal(chosen.ravel(), np.ravel(values))
        check_vjp(lambda x, k=k: tg.topk(x, k, axis, largest)[0] ** 2, x)
        if k and not largest:
            found, _ = tg.kthvalue(x, k, axis, keepdims=True)
            np.testing.assert_array_equal(np.ravel(found), np.take(in_order, [k - 1], axis).ravel())
            check_vjp(lambda x, k=k: tg.kthvalue(x, k, axis)[0] ** 2, x)
    assert tg.topk(tg.Tensor(x, dtype=np.float32), 1)[0].dtype == np.float32


@pytest.mark.parametrize("descending", [False, True])
def test_sorting_keeps_the_order_of_equal_elements(descending):
    x = np.array([[1.0, 0.0, 1.0, np.nan, 0.0, np.nan]])
    wanted = [3, 5, 0, 2, 1, 4] if descending else [1, 4, 0, 2, 3, 5]
    assert tg.argsort(x, descending=descending).tolist() == [wanted]
    values, places = tg.topk(x, 6, largest=descending)
    assert places.tolist() == [wanted]
    np.testing.assert_array_equal(values, x[:, wanted])
    assert tg.kthvalue(x, 2, keepdims=True)[1].tolist() == [[4]]


@pytest.mark.parametrize("length", [200, 600])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("place", [0, 2, 199])
def test_topk_takes_a_nan_first_in_arrays_of_any_size(length, axis, place):
    row = np.zeros(length)
    row[:4], row[place] = 5, np.nan
    x = tg.Tensor(np.stack([row, row], 1 - axis), requires_grad=True)
    values, places = tg.topk(x, 3, axis)
    wanted = [place, *(k for k in range(4) if k != place)][:3]
    np.testing.assert_array_equal(places, np.stack([wanted, wanted], 1 - axis))
    np.testing.assert_array_equal(values.numpy(), np.stack([row[wanted]] * 2, 1 - axis))
    values.backward(np.ones(values.shape))
    np.testing.assert_array_equal(x.grad, np.stack([np.isin(np.arange(length), wanted)] * 2, 1 - axis))


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    x, v = np.array([1.0, 2.0, 2.0, 3.0]), np.array([[2.0, 0.0], [5.0, 3.0]])
    np.testing.assert_array_equal(tg.Tensor(x).searchsorted(tg.Tensor(v), side), np.searchsorted(x, v, side))
    order = np.argsort(-x)
    np.testing.assert_array_equal(tg.searchsorted(-x, -v, sorter=order), np.searchsorted(-x, -v, sorter=order))


def test_one_hot():
    assert tg.one_hot([[1, 0], [2, 1]]).tolist() == [[[0, 1, 0], [1, 0, 0]], [[0, 0, 1], [0, 1, 0]]]
    for label in (np.array(1), tg.Tensor(np.array(1))):
        assert tg.one_hot(label, num_classes=3).tolist() == [0, 1, 0]
    assert tg.one_hot(np.array([], int), 2).shape == (0, 2)
    assert tg.one_hot([0, 1], -1).dtype == np.int64
    rows = tg.one_hot([2, 0], 3, dtype=np.float32)
    assert (rows.tolist(), rows.dtype) == ([[0, 0, 1], [1, 0, 0]], np.float32)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_put_along_axis_leaves_what_it_is_given_alone_and_takes_the_last_of_several(axis):
    x, y = tg.Tensor(np.zeros((2, 3)), requires_grad=True), tg.Tensor(np.array([5.0, 7.0]), requires_grad=True)
    indices = {0: [[0], [0]], 1: [[2, 2], [0, 0]], None: [1, 1]}[axis]
    values = y.reshape(2, 1) if axis == 0 else y
    out = tg.put_along_axis(x, indices, values, axis)
    expected = np.zeros((2, 3))
    np.put_along_axis(expected, np.array(indices), values.numpy(), axis)
    np.testing.assert_array_equal(out.numpy(), expected)
    out.backward(np.ones((2, 3)))
    assert not x.numpy().any()
    np.testing.assert_array_equal(x.grad, expected == 0)
    np.testing.assert_array_equal(y.grad, [0, {0: 3, 1: 2, None: 1}[axis]])


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint8, bool])
def test_values_put_in_an_array_get_its_dtype(kind):
    x = np.zeros((2, 2), kind)
    expected = x.copy()
    np.put_along_axis(expected, np.array([[0], [1]]), 7, 1)
    found = tg.put_along_axis(x, [[0], [1]], 7, 1)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(tg.put_along_axis(x, np.zeros((2, 0), int), 7, 1), x)


def test_the_sum_of_the_weights_is_returned_with_the_average():
    x, weights = INPUTS["floats"], np.array([1.0, 2.0, 3.0, 4.0])
    for given in (None, weights):
        for a, b in zip(*(f.average(x, axis=1, weights=given, returned=True) for f in (tg, np)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-15)
    both = np.arange(1.0, 25.0).reshape(4, 2, 3).transpose(2, 1, 0)
    cube = RNG.standard_normal((3, 2, 4))
    np.testing.assert_allclose(tg.average(cube, (2, 0), both[:, 0].T), np.average(cube, (2, 0), both[:, 0].T))
    assert tg.average([[1, 2], [3, 4]], axis=0, weights=[3, 1]).tolist() == [1.5, 2.5]
    large = np.array([2**63, 2**63], np.uint64)  # their sum is 0 in uint64
    assert tg.average(np.array([1.0, 2.0]), weights=large) == 1.5
    narrow = np.linspace(0.1, 1, 3000, dtype=np.float16)  # their sum has a large rounding error in float16
    for x, weights in ((np.arange(4), np.arange(4)), (np.arange(3000, dtype=np.float32), narrow)):
        for a, b in zip(*(f.average(x, weights=weights, returned=True) for f in (tg, np)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
            assert a.dtype == b.dtype


@pytest.mark.parametrize("n", [2, 3, 4, 2**40])
def test_diff_of_more_differences_than_elements_is_empty(n):
    x = tg.Tensor(np.arange(6.0).reshape(3, 2) ** 2, requires_grad=True)
    out = tg.diff(x, n, 0)
    np.testing.assert_array_equal(out.numpy(), np.diff(x.numpy(), min(n, 3), 0), strict=True)
    out.sum().backward()
    assert x.grad.shape == (3, 2)


def test_a_quantile_has_a_derivative_by_its_fraction():
    q = tg.Tensor(np.array([0.1, 0.6]), requires_grad=True)
    tg.quantile(np.array([0.0, 1.0, 4.0]), q).backward([1.0, 1.0])
    np.testing.assert_allclose(q.grad, [2 * 1, 2 * 3])
    np.testing.assert_array_equal(tg.percentile(INPUTS["floats"], 25), np.percentile(INPUTS["floats"], 25))


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_of_any_numbers_are_numpys(method):
    for q, what in itertools.product([0, 0.5, 1, [0.1, 0.9], [[0.5]]], ["floats", "float32", "integers", "a NaN"]):
        same("quantile", np.quantile, INPUTS[what], {"q": q, "axis": 0, "method": method})


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_quantile_that_is_an_element_is_that_element_beside_infinities():
    """NumPy returns NaN, from 0 * inf."""
    assert tg.quantile(np.array([-np.inf, 1.0, np.inf]), [0.0, 0.5, 1.0]).tolist() == [-np.inf, 1, np.inf]


X = np.ones((2, 3))
REFUSED = {
    "take(X, [0.5])": DTypeError, "take(X, 6)": IndexError, 'take(X, 0, mode="rise")': ValueError,
    "take_along_axis(X, [0], 1)": ShapeError, "put_along_axis(X.astype(int), [[0], [0]], 0.5, 1)": DTypeError,
    'sort(X, 0, "stable")': DTypeError, "topk(X, 4)": ValueError, "topk(X, 1.5)": DTypeError,
    "kthvalue(X, 0)": ValueError, "quantile(X, 1.5)": ValueError, "quantile(X, 0.5, axis=2)": IndexError,
    "median(X, axis=(0, 2))": IndexError, "median(1.0, axis=0)": IndexError,
    "percentile(X, 50, axis=(0, -2))": ValueError, 'quantile(X, 0.5, method="cubic")': ValueError,
    "quantile(X[:0], 0.5)": ShapeError, "average(X, weights=X - 1)": ZeroDivisionError,
    "average(X, 0, [1.0, 2.0, 3.0])": ShapeError, "diff(X, -1)": ValueError, "diff(X, 3.5)": TypeError,
    "diff(tg.Tensor(1.0))": ValueError, "one_hot([0.5])": DTypeError, "one_hot(np.array([], int))": ShapeError,
    "one_hot([0, 3], 3)": ValueError, "one_hot(np.array([], int), 0)": ValueError, "one_hot([0], 2.5)": DTypeError,
    "one_hot([-1, 0], 3)": ValueError,
}  # fmt: skip


@with_each("call", REFUSED)
def test_what_is_no_call_says_so(call):
    with pytest.raises(REFUSED[call]):
        eval(f"tg.{call}")
