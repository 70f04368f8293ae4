"""What is only faster: it equals its plain twin, of any shape, dtype and layout."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.cores import threads
from tinygrad_edu.engine import scattering
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops import convolution
from tinygrad_edu.ops import normalization as composed
from tinygrad_edu.ops import reduction as ops_of_reduction
from tinygrad_edu.ops import scans as ops_of_scans
from tinygrad_edu.ops.fast import (
    blocks,
    depthwise,
    elementwise,
    gaussian,
    indices,
    normalization,
    phases,
    pointwise,
    powers,
    products,
    ranks,
    reductions,
    rings,
    rows,
    scans,
    softmax,
    turning,
)
from tinygrad_edu.ops.recurrent import by_steps, recurrent
from tinygrad_edu.ops.sliding import window
from tinygrad_edu.parallel import map_shards
from tinygrad_edu.testing.strategies import calls


@pytest.fixture(autouse=True, scope="module")
def multiplied_in_place():
    """Cut products as where BLAS multiplies small ones as they lie, whatever this processor is good at."""
    plans = products._piece, products.cut, products._cut_of_sum, blocks._block
    with pytest.MonkeyPatch.context() as patch:
        for module in (blocks, products):
            patch.setattr(module, "most_in_place", lambda: 1_000_000)
        for plan in plans:
            plan.cache_clear()
        yield
    for plan in plans:
        plan.cache_clear()


# --- One element at a time ---


@given(data=st.data(), dtype=st.sampled_from([np.float16, np.float32, np.float64, np.longdouble]))
def test_bits_are_kept_of_large_arrays(data, dtype):
    call = data.draw(calls("keep"))
    x, mask = call.inputs[0].astype(dtype), call.inputs[1]
    x[(x > 0) & (x < 1)], x[x < -1] = np.nan, -np.inf
    y = np.full(1, 7, dtype)
    for large in (2, 10**6):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(elementwise, "_LARGE", large)
            patch.setattr(elementwise, "_LARGE_CHOICE", large)
            equal(elementwise.masked(x, mask), elementwise.plain_masked(x, mask))
            equal(elementwise.zeroed(x, mask), elementwise.plain_zeroed(x, mask))
            for first, second in ((x, y), (y, x), (x, 1), (0.0, x), (x, 1 - x)):
                equal(elementwise.selected(mask, first, second), elementwise.plain_selected(mask, first, second))


def test_objects_have_no_bits(monkeypatch):
    monkeypatch.setattr(elementwise, "_LARGE", 1)
    monkeypatch.setattr(elementwise, "_LARGE_CHOICE", 1)
    x, mask = np.array([1, None, "one"]), np.array([True, False, True])
    assert elementwise.selected(mask, x, 2).tolist() == [1, 2, "one"]
    assert elementwise.masked(x, mask).tolist() == elementwise.zeroed(x, ~mask).tolist() == [1, 0, "one"]


@given(data=st.data(), dtype=st.sampled_from([np.float16, np.float32, np.float64, np.longdouble]))
def test_the_slope_of_relu(data, dtype):
    call = data.draw(calls("keep"))
    out = call.inputs[0].astype(dtype)
    g = np.array(out.T, dtype).T
    out[out < 0], out[out > 2], g[out == 0] = -0.0, np.nan, np.inf
    for cotangent in (g, np.broadcast_to(dtype(np.nan), out.shape)):
        for large in (2, 10**6):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(elementwise, "_LARGE", large)
                equal(elementwise.relu_slope(cotangent, out), elementwise.plain_relu_slope(cotangent, out))


def equal(found, wanted):
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, int])
def test_the_logarithm_of_a_sum_of_two_powers(dtype, monkeypatch):
    monkeypatch.setattr(elementwise, "_LARGE", 0)
    x = np.array([*np.linspace(-100, 100, 41), *([] if dtype is int else [np.inf, -np.inf, np.nan])], dtype)
    for one, other in ((x[:, None], x), (0, x), (x, 0.5), (x[:0], x[:0])):
        with np.errstate(invalid="ignore"):
            found, wanted = (
                elementwise.log_of_powers(one, other),
                elementwise.plain_log_of_powers(one, other),
            )
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=4 * float(np.finfo(wanted.dtype).eps))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, int])
@pytest.mark.parametrize("far", [5, 200, 2000])
def test_logistic_functions(dtype, far, monkeypatch):
    monkeypatch.setattr(elementwise, "_LARGE", 0)
    x = np.concatenate([np.linspace(-far, far, 41), [] if dtype is int else [np.inf, -np.inf, np.nan]]).astype(dtype)
    for some in (x, x[None, :41].T, x[:0]):
        for fast, plain in (
            (elementwise.logistic, elementwise.plain_logistic), (elementwise.soft_part, elementwise.plain_soft_part),
        ):  # fmt: skip
            with np.errstate(under="ignore", invalid="ignore"):
                found, wanted = fast(some), plain(some)
            assert found.dtype == wanted.dtype
            limits = np.finfo(wanted.dtype)
            tolerance = {"rtol": 4 * float(limits.eps), "atol": 2 * limits.smallest_subnormal}
            np.testing.assert_allclose(found, wanted, **tolerance)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("slope", [0, 0.25, 1.0, -1.5, 3, np.array(0.5)])
def test_a_line_with_a_bend(dtype, slope):
    x = np.array([-np.inf, -1, -0.0, 0, 1e-7, 2, np.inf, np.nan], dtype)
    for some in (x, x.reshape(4, 2).T, x[1], x[2:3].reshape(())):
        with np.errstate(invalid="ignore"):
            equal(elementwise.bent(some, slope), elementwise.plain_bent(some, slope))
        equal(elementwise.slope_of_bent(some, slope), elementwise.plain_slope_of_bent(some, slope))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_the_positive_part_of_large_arrays(dtype):
    x = np.array([-np.inf, -1, -0.0, 0, 1e-7, 2, np.inf, np.nan, -np.nan], dtype).repeat(500).reshape(500, 9).T
    found = elementwise.positive_part(x)
    assert (found.dtype, found.strides) == (x.dtype, elementwise.plain_positive_part(x).strides)
    np.testing.assert_array_equal(found, elementwise.plain_positive_part(x))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_slope_of_silu_in_one_array(dtype):
    g, x = np.random.default_rng(0).normal(scale=4, size=(2, 5, 300)).astype(dtype)
    for turned in (np.asarray, np.transpose):
        arrays = turned(g), turned(x), elementwise.logistic(turned(x))
        equal(elementwise.silu_slope(*arrays), elementwise.plain_silu_slope(*arrays))


@given(data=st.data(), size=st.integers(1, 5))
def test_the_slope_of_tanh_in_parts(data, size):
    g, t = data.draw(calls("tanh_gradient")).arrays
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elementwise, "_PART", size)
        parts = elementwise.tanh_slope(g, t)
    np.testing.assert_array_equal(parts, elementwise.plain_tanh_slope(g, t))
    assert parts.dtype == elementwise.plain_tanh_slope(g, t).dtype


def test_the_slope_of_tanh_in_parts_keeps_the_layout():
    g, t = np.ones((2, 2, 5, 30)).transpose(3, 0, 1, 2), np.zeros((2, 2, 5, 30)).transpose(3, 0, 1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elementwise, "_PART", 100)
        parts = elementwise.tanh_slope(g, t)
    assert parts.strides == t.strides
    assert np.array_equal(parts, g)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("n", [*range(-9, 10), 3.0, -2.0, 0.5])
def test_whole_powers_as_products(n, dtype):
    """Each product rounds by half a unit in the last place, and so may a power's twin; half precision rounds once."""
    x = np.concatenate([[0.0, -0.0, np.inf, -np.inf, np.nan, 1e-3, -200.0], np.linspace(-3, 3, 50)]).astype(dtype)
    most = 3 if dtype == np.float16 else 2 * abs(n) + 2
    with np.errstate(all="ignore"):
        for exponent in (n, np.array(n, dtype), dtype(n)):
            found, wanted = powers.raised(x, exponent), powers.plain_raised(x, exponent)
            assert found.dtype == wanted.dtype == dtype
            np.testing.assert_allclose(found, wanted, rtol=most * float(np.finfo(dtype).eps))
            np.testing.assert_array_equal(np.signbit(found[:4]), np.signbit(wanted[:4]))
        assert powers.raised(x, np.array(n)).dtype == powers.plain_raised(x, np.array(n)).dtype


def test_powers_of_integers_are_numpys():
    assert powers.raised(np.array([2, -3]), 3).tolist() == [8, -27]
    with pytest.raises(ValueError, match="negative integer powers"):
        powers.raised(np.array([2]), -2)


# --- Reductions of short rows ---


@pytest.mark.parametrize("function", [np.add, np.maximum, np.minimum])
@pytest.mark.parametrize("shape", [(7, 3), (2, 3, 24), (0, 4), (4, 5, 1), (2, 3, 40)])
def test_reductions_of_short_rows(function, shape, monkeypatch):
    monkeypatch.setattr(reductions, "_LARGE", 1)
    x = whole_numbers(shape, np.float32)
    for array, axis in ((x, -1), (x, x.ndim - 1), (x.T, -1), (x, 0), (x, None)):
        for settings in ({"keepdims": False}, {}, {"initial": 0, "dtype": np.float64}):
            if array.size or "initial" in settings:
                found, wanted = (
                    f(function, array, axis, **settings)
                    for f in (reductions.reduction_along, reductions.plain_reduction_along)
                )
                np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("function", [np.maximum, np.minimum])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [2, 9, 17, 25, 33])
def test_extrema_of_zeros_have_the_sign_of_numpys(function, dtype, n, monkeypatch):
    monkeypatch.setattr(reductions, "_LARGE", 1)
    x = np.where(np.random.default_rng(0).random((200, n)) < 0.5, 0, -0.0).astype(dtype)
    for settings in ({}, {"initial": -np.inf if function is np.maximum else np.inf}):
        fast, plain = (
            f(function, x, -1, **settings) for f in (reductions.reduction_along, reductions.plain_reduction_along)
        )
        np.testing.assert_array_equal(np.signbit(fast), np.signbit(plain), strict=True)


@pytest.mark.parametrize("n", [3, 24, 25])
def test_sums_of_short_rows_of_float16_round_once(n, monkeypatch):
    monkeypatch.setattr(reductions, "_LARGE", 1)
    x = np.zeros((2, n), np.float16)
    x[:, :3] = [[60000, 60000, -60000], [2048, 1, 1]]
    found = reductions.reduction_along(np.add, x, -1)
    assert found.tolist() == [[60000], [2050]]
    np.testing.assert_array_equal(found, reductions.plain_reduction_along(np.add, x, -1), strict=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, bool])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 2, 3, 0), (2, 0, 3, 1)])
def test_sums_over_several_axes(order, dtype):
    x = np.random.default_rng(0).integers(0, 2, (10, 3, 20, 8)).astype(dtype)
    laid = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    for axes, keepdims, of in product(((0, 2, 3), (-1, 2), (3, 0, 1, 2), (1,), ()), (False, True), (None, np.float64)):
        found, wanted = (f(laid, axes, keepdims, of) for f in (reductions.sum_over, reductions.plain_sum_over))
        np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, int])
@pytest.mark.parametrize("axis", [None, 1, (0, -1), ()])
def test_the_mean_has_the_bits_of_numpys(dtype, axis):
    x = np.random.default_rng(0).normal(scale=1000, size=(3, 500, 2)).astype(dtype)
    for array in (x, x.T, x[:, ::3]):
        for keepdims in (False, True):
            equal(reductions.mean_along(array, axis, keepdims), reductions.plain_mean_along(array, axis, keepdims))


# --- Choosing by rank ---


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, int, bool])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shape", [(7, 40), (2, 3, 41), (40,), (0, 40)])
def test_choosing_by_rank(dtype, ties, shape, monkeypatch):
    monkeypatch.setattr(ranks, "_LARGE", 0)
    rng, size = np.random.default_rng(0), int(np.prod(shape))
    x = (rng.integers(0, 9, size) if ties else rng.permutation(size)).reshape(shape).astype(dtype)
    hidden = np.array(x)
    if hidden.dtype.kind == "f" and size:
        hidden[..., 1] = np.inf
        hidden.reshape(-1, shape[-1])[-1, :3] = np.nan
    for array in (x, hidden, x[..., ::-1]):
        for k in (0, 1, 5, 39, 40):
            for descending in (False, True):
                found, wanted = (f(array, k, descending) for f in (ranks.first_places, ranks.plain_first_places))
                np.testing.assert_array_equal(found, wanted, strict=True)
        for at in ([0], [20], [19, 20], [39, 3, 3]):
            found, wanted = (f(array, np.array(at)) for f in (ranks.places_at_ranks, ranks.plain_places_at_ranks))
            np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("special", [(np.nan, 1, 0), (np.nan, np.inf, -np.inf), (np.inf, 0.0, -0.0)])
def test_choosing_by_rank_in_every_row_of_three_special_values(special, descending, monkeypatch):
    monkeypatch.setattr(ranks, "_LARGE", 0)
    monkeypatch.setattr(ranks, "_FEW", 3)
    for row in product(special, repeat=6):
        x = np.array(row)
        for k in (1, 2):
            wanted = ranks.plain_first_places(x, k, descending)
            np.testing.assert_array_equal(ranks.first_places(x, k, descending), wanted)
            np.testing.assert_array_equal(ranks.first_places(np.stack([x, x[::-1]]), k, descending)[0], wanted)
            at = np.arange(k)
            np.testing.assert_array_equal(ranks.places_at_ranks(x, at), ranks.plain_places_at_ranks(x, at))


# --- Scans of many at once ---


@pytest.mark.parametrize("function", [np.add, np.multiply, np.maximum])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, int])
def test_scans_of_many_at_once(function, dtype, monkeypatch):
    monkeypatch.setattr(scans, "_MANY", 1)
    x = np.random.default_rng(0).uniform(-2, 2, (5, 4, 3)).astype(dtype)
    for array, axis in ((x, 0), (x, 1), (x, -1), (x.T, 0), (x[::-1, :1], 1), (x[:, :0], 0)):
        found, wanted = (f(function, array, axis) for f in (scans.accumulated, scans.plain_accumulated))
        np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sums_of_long_rows(dtype, monkeypatch):
    monkeypatch.setattr(scans, "_LONG", 100)
    x = whole_numbers((2, 3, 1003), dtype)
    infinite = np.array(x)
    infinite[0, 0, 7], infinite[1, 2, 1001] = np.inf, np.nan
    for array in (x, infinite, x[..., :-11], x[0, 0], x[..., ::-1], x.T):
        for axis in (0, -1):
            equal(scans.summed_up(array, axis), scans.plain_summed_up(array, axis))
    x = np.random.default_rng(0).standard_normal(10**5).astype(dtype)
    exact = np.cumsum(x, dtype=np.longdouble)
    found, plain = (np.abs(f(x, 0) - exact).max() for f in (scans.summed_up, scans.plain_summed_up))
    assert found <= plain


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_derivatives_of_products_by_division(dtype, data):
    """Where they divide, it is right; and they do not where a product is 0, or out of range."""
    x = tg.Tensor(data.draw(calls("cumprod")).arrays[0].astype(dtype), requires_grad=True)
    for power in (0, 60, -60):
        g = np.cos(np.arange(x.size)).reshape(x.shape).astype(dtype) * dtype(2) ** power
        for op, axis in ((tg.cumprod, 0), (tg.cumprod, -1), (tg.prod, -1)):
            if x.ndim:
                found, wanted = (_gradient(op, x, axis, g, without) for without in (False, True))
                np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * float(dtype(2) ** power))


def _gradient(op, x, axis, g, without_division):
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((ops_of_scans, "cumprod_slope"), (ops_of_reduction, "other_factors")):
            if without_division:
                patch.setattr(module, name, lambda *_: None)
        out = op(x, axis=axis)
        return tg.vjp(lambda x: op(x, axis=axis), x)[1](np.resize(g, out.shape))[0]


@pytest.mark.parametrize("factors", [[2, 0.0], [1e-20, 1e-20], [1e30, 1e30], [2, np.nan], [2, np.inf]])
def test_products_that_are_not_divided(factors):
    x = np.array(factors, np.float32)
    with np.errstate(all="ignore"):
        assert scans.cumprod_slope(np.ones_like(x), x, np.cumprod(x), 0) is None
        assert reductions.other_factors(x, np.prod(x)) is None
    small = np.full(2, 1e-30, np.float32)  # of which the parts would be 0
    assert scans.cumprod_slope(small, small * np.float32(1e15), np.full(2, 1e-15, np.float32), 0) is None


def test_rows_turned_into_columns_and_back(monkeypatch):
    monkeypatch.setattr(scans, "_NEAR", 1)
    x = np.random.default_rng(0).standard_normal((40, 3, 2))
    for array in (x, x.T, x[::-2], x[0], x[0, 0], x[:0], x[..., :0]):
        for axis in range(-array.ndim, array.ndim):
            columns = scans.in_columns(array, axis, np.float32)
            equal(columns, scans.plain_in_columns(array, axis, np.float32))
            for some in (columns, columns[::-1]):
                equal(scans.from_columns(some, axis), scans.plain_from_columns(some, axis))


# --- Integrals of a bell, from a table ---


def units(found, truth):
    """Return how many units in the last place of float32 the first is away from the second."""
    unit = np.maximum(np.spacing(np.abs(truth).astype(np.float32)), np.finfo(np.float32).smallest_subnormal)
    return (found - truth) / unit.astype(np.float64)


@pytest.mark.parametrize("bell", [gaussian.ERF, gaussian.NORMAL])
def test_integrals_from_a_table(bell):
    """Numbers of all exponents, and many where the result is no constant; also where it is subnormal."""
    magnitudes = np.arange(0, 0x7F800001, 4001, np.uint32).view(np.float32)
    x = np.concatenate([magnitudes, -magnitudes, np.linspace(-15, 15, 500_000), np.linspace(-4e-3, 4e-3, 100_000)])
    x = np.sort(x.astype(np.float32))
    found = gaussian.integral(x, bell)
    assert found.dtype == np.float32
    assert np.abs(units(found, gaussian.plain_integral(x.astype(np.float64), bell))).max() < 1.08
    assert (np.diff(found) >= -np.spacing(np.abs(found[1:]))).all()
    edges = np.resize(np.array([0, -0.0, 1e-45, -1e-45, np.inf, -np.inf, np.nan, 3e38, -3e38], np.float32), 9000)
    found, wanted = gaussian.integral(edges, bell), gaussian.plain_integral(edges, bell)
    equal(found, wanted)
    equal(np.signbit(found[:9]), np.signbit(wanted[:9]))


@given(data=st.data(), bell=st.sampled_from([gaussian.ERF, gaussian.NORMAL]), dtype=st.sampled_from("fd"))
def test_integrals_of_any_layout(data, bell, dtype):
    x = data.draw(calls("erf")).arrays[0].astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaussian, "_LARGE", 2)
        patch.setattr(gaussian, "_PART", 5)
        for some in (x, x.T, np.flip(x), np.repeat(x, 2)[::2]):
            found, plain = gaussian.integral(some, bell), gaussian.plain_integral(some, bell)
            assert (found.dtype, found.flags.num) == (plain.dtype, plain.flags.num)
            np.testing.assert_array_max_ulp(found, plain, 1 if dtype == "f" else 0)


# --- Adding at an index ---


@given(
    data=st.data(), pieces=st.sampled_from([1, 10]), times=st.sampled_from([0, 1, 9]), long=st.sampled_from([1, 8]),
    many=st.sampled_from([0, 10**6]),
)  # fmt: skip
def test_adding_at_an_index(data, pieces, times, long, many):
    call = data.draw(calls("getitem"))
    x, index = np.asarray(call.arrays[0].round()), call.settings["index"]
    rows = np.ones((4, 2, 9)), (slice(None), np.array([[1, 0], [-1, -2]], np.int8))
    for total, at in ((x, index), (x.copy(), index), rows):
        values, wanted, found = total[at] + 1, total.copy("K"), total.copy("K")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"LARGE": 0, "PART": pieces, "TIMES": times, "LONG": long, "MANY": many}.items():
                patch.setattr(scattering, f"_{name}", value)
            scattering.add_at(found, at, values)
        scattering.plain_add_at(wanted, at, values)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("shape", [(2, 3, 4), (4,), (0, 3), (3, 0)])
def test_positions_along_an_axis(shape):
    for axis, n in enumerate(shape):
        for across in (shape, (1,) * len(shape)):
            places = np.arange(5 * (n > 0)).reshape(*[1] * axis, -1, *[1] * (len(shape) - 1 - axis)) % max(n, 1)
            places = np.broadcast_to(places, (*across[:axis], places.size, *across[axis + 1 :]))
            equal(indices.flat_places(places, axis, shape), indices.plain_flat_places(places, axis, shape))


@given(data=st.data())
def test_taking_at_an_index(data):
    call = data.draw(calls("getitem"))
    x, index = call.arrays[0], call.settings["index"]
    for some in (index, np.array([[0, -1]], np.int8)[:, : 2 * bool(x.size)]):
        if x.ndim or some is index:
            np.testing.assert_array_equal(indices.taken(x, some), indices.plain_taken(x, some), strict=True)


def test_nothing_is_added_outside():
    with pytest.raises(IndexError, match="out of bounds"):
        scattering.add_at(np.zeros((3, 8)), np.full(2000, 3), np.ones((2000, 8)))


# --- Products. Of 120,000 all pieces can be of one length; 120,011 is a prime number. ---

LONG = [
    (3, 120_000, 5), (3, 120_011, 5), (120_000, 3, 5), (120_011, 3, 5), (3, 5, 120_011), (16, 90, 800),
    (1, 120_011, 1), (1, 1, 1_200_011), (1500, 1500, 3), (3, 1500, 1500),
]  # fmt: skip


def whole_numbers(shape, dtype):
    """Return numbers whose sums are exact in every order."""
    return np.random.default_rng(0).integers(-2, 3, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, bool])
@pytest.mark.parametrize(("m", "k", "n"), LONG)
def test_long_and_thin_products(m, k, n, dtype):
    x, y = whole_numbers((m, k), dtype), whole_numbers((k, n), dtype)
    for x, y in ((x, y), (x[:, ::2], y[::2]), (np.asfortranarray(x), np.asfortranarray(y))):  # noqa: B020
        wanted, out = products.plain_product(x, y), np.empty((m, n), dtype)
        found = products.product(x, y)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, wanted)
        assert products.product(x, y, out) is out
        np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("stack", [0, 1, 2])
@pytest.mark.parametrize(("m", "k", "n"), [(2, 6007, 90), (6007, 2, 90), (90, 2, 6000)])
def test_long_and_thin_products_of_stacks(m, k, n, stack):
    x, y = whole_numbers((stack, m, k), np.float32), whole_numbers((stack, k, n), np.float32)
    for a, b in ((x, y), (x, y[:1]), (x[:1], y)):
        if len(a) and len(b):
            np.testing.assert_array_equal(products.product(a, b), products.plain_product(a, b))
    with pytest.raises(ShapeError, match="op matmul"):
        tg.matmul(x, y[:, 1:])


@pytest.fixture
def small_blocks(monkeypatch):
    """Let small products be cut, whatever this processor and its BLAS are good at."""
    monkeypatch.setattr(blocks, "_LARGE", 0)
    monkeypatch.setattr(blocks, "_FEWEST_OF_GRID", 0)
    monkeypatch.setattr(blocks, "_block", blocks._block.__wrapped__)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def in_a_shard(function, *arrays):
    return next(map_shards(lambda _: function(*arrays), 1, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "k", "n"), [(128, 128, 128), (300, 140, 333), (33, 1500, 65), (150, 300, 40)])
def test_products_in_blocks_have_the_same_bits_on_any_number_of_threads(m, k, n, dtype, small_blocks):
    rng, rows, columns = np.random.default_rng(0), np.ascontiguousarray, np.asfortranarray
    for of_x, of_y in ((rows, rows), (rows, columns), (columns, rows), (columns, columns)):
        x, y = of_x(whole_numbers((m, k), dtype)), of_y(whole_numbers((k, n), dtype))
        out = np.empty((n, m), dtype).T
        assert in_a_shard(blocks.block_of, x, y) is not None or k == 1500
        assert in_a_shard(products.product, x, y, out) is out
        np.testing.assert_array_equal(out, products.plain_product(x, y))
        x, y = of_x(rng.standard_normal((m, k)).astype(dtype)), of_y(rng.standard_normal((k, n)).astype(dtype))
        one, *others = (next(map_shards(lambda _: products.product(x, y), 1, count)) for count in (1, 2, 3))  # noqa: B023
        for other in others:
            np.testing.assert_array_equal(one, other)


def test_products_that_are_left_whole(small_blocks, monkeypatch):
    x = np.ones((200, 200), np.float32)
    assert in_a_shard(blocks.block_of, x, x) == (8, 200)
    assert in_a_shard(blocks.block_of, x, x.T.copy().T) == (32, 32)
    for y in (x.astype(np.float64), x[:, ::2], np.broadcast_to(x[:1], x.shape), x[:, :20], x.astype(int)):
        assert in_a_shard(blocks.block_of, x, y) is None
        np.testing.assert_array_equal(products.product(x, y), products.plain_product(x, y))
    few, long = np.ones((10, 128), np.float32), np.ones((512, 128), np.float32)
    assert blocks.block_of(few, long.T) == (10, 120)
    assert blocks.block_of(few, np.ones((128, 512), np.float32)) is blocks.block_of(long, few.T) is None
    np.testing.assert_array_equal(products.product(few, long.T), np.full((10, 512), 128))
    with pytest.raises(ShapeError, match="op matmul"):
        tg.matmul(x, x[1:])
    assert blocks.block_of(x, x) is None  # outside of a shard
    monkeypatch.setattr(blocks, "most_in_place", lambda: 0)
    assert in_a_shard(blocks.block_of, x, x) is None


# --- Correlations, in parts and pieces of any size ---

PLAIN = convolution.Form(rows.plain_correlated_maps, rows.plain_correlated_images, rows.plain_correlated_kernels)
ONE_BY_ONE = {"_SHORT": 1, "SMALL": 1, "most_in_place": lambda: 1, "_SHORTEST_SUM": 1, "ACROSS": 1}
SIZES = [
    {},
    ONE_BY_ONE,
    ONE_BY_ONE | {"SMALL": 20, "most_in_place": lambda: 20, "_LONGEST_SUM": 3, "ACROSS": 6},
    ONE_BY_ONE | {"_MANY": 2},
    {"most_in_place": lambda: 0},
    {"_SHORT": 1},
    {"_WIDE": 10**6},
]
BANDS = "_SMALLEST", "_FEWEST_SAMPLES", "_FEWEST_SUMS", "_SHORTEST"


@pytest.mark.parametrize("op", ["correlate", "affine_maps", "correlate_images", "correlate_kernels"])
@given(
    data=st.data(),
    at_a_time=st.sampled_from([1, 500, 2**22]),
    sizes=st.sampled_from(SIZES),
    large=st.booleans(),
    ring=st.booleans(),
    last=st.booleans(),
    band=st.sampled_from([1, 3, 8]),
)
def test_correlations_by_rows_and_by_channels(op, data, at_a_time, sizes, large, ring, last, band):
    call = data.draw(calls(op))
    arrays = [samples_inside(a) if last and a.ndim == 4 else a for a in call.arrays]
    forms = [PLAIN, convolution._BY_ROWS, *([convolution._BY_CHANNELS] if is_depthwise(call) else [])]
    ways, found = [*((lambda *sizes, form=form: form) for form in forms), convolution._form], []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(products, name, value)
        for module in (rows, rings):
            patch.setattr(module, "cut", products.cut.__wrapped__)
        for plan in ("_piece", "_cut_of_sum"):
            patch.setattr(products, plan, getattr(products, plan).__wrapped__)
        plan_anew(patch)
        patch.setattr(rows, "_WINDOW_BYTES", at_a_time)
        patch.setattr(rings, "_TURNED_BYTES", at_a_time)
        for least in ("_ROW", "_FEWEST_SAMPLES") if ring else ():
            patch.setattr(rings, least, 1)
        for least in ("_FEW_ROWS", "_SHORT_ROW") if sizes else ():
            patch.setattr(rows, least, 0)
        for module in (rows, rings, phases, depthwise, pointwise, turning) if large else ():
            patch.setattr(module, "_LARGE", 0)
        for name in BANDS if large else ():
            patch.setattr(depthwise, name, 0)
        patch.setattr(depthwise, "_BAND", band)
        patch.setattr(turning, "_FEW", 2 * large)
        patch.setattr(turning, "_NEAR", 0)
        patch.setattr(pointwise, "_FEWEST_PIXELS", 0)
        for way in ways:
            patch.setattr(convolution, "_form", way)
            found.append(call(*arrays))
    for fast in found[1:]:
        assert fast.dtype == found[0].dtype
        np.testing.assert_allclose(fast, found[0], rtol=1e-9, atol=1e-9)


def samples_inside(x):
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)


def plan_anew(patch):
    """Keep no plans of the parts of correlations: they are made for sizes that a test changes."""
    for module, plan in ((rows, "_parts_of_maps"), (rows, "_parts_of_images"), (rings, "_parts")):
        patch.setattr(module, plan, getattr(module, plan).__wrapped__)


def is_depthwise(call):
    per_group = call.inputs[1].shape[1] // (call.settings["groups"] if call.name == "correlate_kernels" else 1)
    return per_group == 1


@pytest.mark.parametrize("lost", [np.inf, np.nan])
@pytest.mark.parametrize("settings", [{"padding": 1}, {"stride": (1, 3)}, {"dilation": (1, 2), "padding": (0, 3)}])
@pytest.mark.parametrize("last", [False, True])
def test_what_is_lost_stays_in_the_windows_that_see_it(lost, settings, last, monkeypatch):
    """Zeros beside kernels and between rows meet other numbers, and zero times infinity would be NaN."""
    for name in BANDS:
        monkeypatch.setattr(depthwise, name, 0)
    x, weight = whole_numbers((2, 3, 7, 11), np.float32), whole_numbers((3, 1, 3, 3), np.float32)
    x[0, 1, 2, 3] = x[1, 2, 0, 10] = lost
    x = samples_inside(x) if last else x
    with np.errstate(invalid="ignore"):
        fast = all_four(x, weight, settings | {"groups": 3})
        monkeypatch.setattr(convolution, "_form", lambda *sizes: PLAIN)
        plain = all_four(x, weight, settings | {"groups": 3})
    assert not all(np.isfinite(some).all() for some in plain)
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_array_equal(one, other)


WIDE = {
    "3x3": ((8, 16, 20, 20), (32, 16, 3, 3), {"padding": 1}),
    "strided": ((16, 8, 21, 21), (64, 8, 3, 3), {"stride": 2}),
    "1x1": ((8, 32, 20, 20), (64, 32, 1, 1), {}), "dilated": ((9, 8, 20, 20), (24, 8, 3, 3), {"dilation": 2}),
    "depthwise": ((8, 32, 24, 24), (32, 1, 3, 3), {"padding": 1, "groups": 32}),
    "1x1 with a border": ((3, 4, 9, 9), (6, 4, 1, 1), {"padding": (0, 1)}),
    "1x1 in groups": ((5, 12, 9, 9), (36, 4, 1, 1), {"groups": 3}),
    "grouped": ((32, 12, 16, 16), (36, 4, 3, 3), {"groups": 3}),
    "single": ((1, 32, 20, 20), (64, 32, 3, 3), {}), "none": ((0, 4, 20, 20), (8, 4, 3, 3), {}),
    "wide": ((2, 70, 9, 9), (128, 70, 3, 3), {}),
    "in a ring": ((32, 16, 13, 11), (48, 16, 3, 2), {"padding": (2, 1), "stride": (2, 1)}),
    "in a ring, dilated": ((48, 12, 16, 19), (40, 6, 3, 3), {"dilation": (2, 3), "stride": (1, 2), "groups": 2}),
}  # fmt: skip


def test_the_phases_of_a_long_stride_are_those_that_meet_the_kernel():
    stride = 2**40
    found = phases._phases(window((1, stride + 5), (1, 3), (1, stride), (0, 1), 1), 1)
    assert [(phase.pixels.start, list(phase.met)) for phase in found] == [(0, [0, 1]), (1, [0, 1]), (stride - 1, [1])]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("kind", WIDE)
def test_correlations_of_many_channels_have_the_same_bits_on_any_number_of_threads(kind, dtype, monkeypatch):
    """And are right; the small ones above are seldom cut."""
    images, kernels, settings = WIDE[kind]
    x, weight = whole_numbers(images, dtype), whole_numbers(kernels, dtype)
    for module in (rows, rings, phases, depthwise, pointwise, turning):
        monkeypatch.setattr(module, "_LARGE", 0)
    plan_anew(monkeypatch)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    drawn = [np.random.default_rng(0).standard_normal(a.shape).astype(dtype) for a in (x, weight)]
    found = []
    for cores in (1, 2, 3):
        for module in (threads, rings):
            monkeypatch.setattr(module, "available_cores", lambda cores=cores: cores)
        found.append(all_four(*drawn, settings))
    monkeypatch.setattr(convolution, "_LARGE", 0)
    fast = all_four(x, weight, settings)
    monkeypatch.setattr(convolution, "_form", lambda *sizes: PLAIN)
    plain = all_four(x.astype(np.float64), weight.astype(np.float64), settings)
    for here, there in ((found[0], found[1]), (found[0], found[2]), (fast, plain)):
        for one, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(one, other)


def all_four(x, weight, settings):
    """Return the maps, and the gradients of images, kernels and bias, for sums of whole numbers that are exact."""
    x, weight = tg.Tensor(x, requires_grad=True), tg.Tensor(weight, requires_grad=True)
    bias = tg.Tensor(np.arange(len(weight)).astype(x.dtype), requires_grad=True)
    maps = tg.conv2d(x, weight, bias, **settings)
    maps.backward(np.resize(np.array([1, 0, -1, 0, 0, 0, 0], x.dtype), maps.shape))
    return maps.numpy(), x.grad, weight.grad, bias.grad


# --- The derivative of softmax ---


@given(data=st.data(), dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_the_slope_of_softmax_in_place(data, dtype):
    call = data.draw(calls("softmax_gradient"))
    (g, p), axis = (array.astype(dtype) for array in call.arrays), call.settings["axis"]
    found, plain = softmax.softmax_slope(g, p, axis), softmax.plain_softmax_slope(g, p, axis)
    np.testing.assert_allclose(found, plain, rtol=0, atol=100 * np.finfo(dtype).eps * np.abs(plain).max())
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("far", [1, 25, 1000])
@pytest.mark.parametrize("shape", [(30, 40), (2, 30, 20), (40,)])
def test_softmax_without_a_maximum(dtype, far, shape, monkeypatch):
    monkeypatch.setattr(softmax, "_LARGE", 1)
    monkeypatch.setattr(reductions, "_LARGE", 1)
    x = (np.random.default_rng(0).uniform(-far, far, shape)).astype(dtype)
    g = np.cos(np.arange(x.size)).reshape(shape).astype(dtype)
    tolerance = {"rtol": 100 * float(np.finfo(dtype).eps), "atol": float(np.finfo(dtype).tiny)}
    for axis in (0, -1):
        found, wanted = softmax.softmax_values(x, axis), softmax.plain_softmax_values(x, axis)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, **tolerance)
        out = np.log(np.maximum(wanted, np.finfo(dtype).tiny))
        slopes = softmax.log_softmax_slope(g, out, axis), softmax.plain_log_softmax_slope(g, out, axis)
        np.testing.assert_allclose(*slopes, rtol=0, atol=100 * np.finfo(dtype).eps * np.abs(slopes[1]).max())


# --- Normalization, some channels at a time ---


@given(
    data=st.data(), at_a_time=st.sampled_from([1, 100, 2**19]), far=st.sampled_from([0, 1e8]),
    large=st.sampled_from([0, 10**6]),
)  # fmt: skip
def test_normalization_in_parts(data, at_a_time, far, large):
    """Far from 0, too: there 1e-8 of what is rounded is one unit in the last place of x."""
    call = data.draw(calls("normalized"))
    (x, weight, bias), eps = call.arrays, call.settings["eps"]
    x, g = x + far, np.cos(np.arange(x.size)).reshape(x.shape) + far
    tolerance = {"rtol": 1e-9, "atol": 1e-9 if not far else 1e-5}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalization, "_PART_BYTES", at_a_time)
        patch.setattr(normalization, "_LARGE", large)
        found = normalization.moments(x)
        out = normalization.normalized_in_parts(x, weight, bias, eps, found)
        gradients = (
            normalization.gradient_of_x(g, x, weight, eps, found),
            normalization.gradient_of_weight(g, x, eps, found), normalization.gradient_of_bias(g),
        )  # fmt: skip
    np.testing.assert_allclose(found, normalization.plain_moments(x), **tolerance)
    np.testing.assert_allclose(out, normalization.plain_normalized(x, weight, bias, eps), **tolerance)
    unit = composed.over_rms(composed.centre(x), eps)
    by_hand = composed.centre(composed._over_rms_x(g * weight, composed.centre(x), unit, eps))
    np.testing.assert_allclose(gradients[0], by_hand, **tolerance)


# --- Recurrent layers, over all steps ---


@given(data=st.data())
def test_recurrent_layers_over_all_steps_at_once(data):
    call = data.draw(calls("recurrent"))
    results, gradients = [], []
    for function in (recurrent, by_steps):
        row = tg.Tensor(call.arrays[0], requires_grad=True)
        out = function(row, **call.settings)
        out.backward(np.arange(1.0, out.size + 1))
        results.append(out.numpy())
        gradients.append(row.grad)
    np.testing.assert_allclose(*results, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(*gradients, rtol=1e-12, atol=1e-12 * np.abs(gradients[1]).max())
