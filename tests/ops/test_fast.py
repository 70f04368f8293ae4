"""Fast implementations, beyond `test_twins`: accuracy, equal bits on any number of threads, and large sizes."""

import math
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import thorough, with_each
from tinygrad_edu.engine.fast import scatter_add
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops import fast, ranks
from tinygrad_edu.ops.elementwise import error_function
from tinygrad_edu.ops.fast import transpose
from tinygrad_edu.ops.fast.images import conv_columns, conv_gemm, convolution, depthwise, polyphase, ring_buffer
from tinygrad_edu.ops.fast.networks import normalization as channel_normalization
from tinygrad_edu.ops.fast.networks import recurrent_products
from tinygrad_edu.ops.networks import normalization
from tinygrad_edu.ops.networks.recurrent import by_steps, recurrent
from tinygrad_edu.ops.products import products
from tinygrad_edu.ops.reductions import reduction
from tinygrad_edu.ops.sliding_windows import window_of
from tinygrad_edu.parallel import map_shards
from tinygrad_edu.shared.speed import threads
from tinygrad_edu.testing.numeric.sampling import draw_signed
from tinygrad_edu.testing.strategies import calls
from tinygrad_edu.testing.thresholds import lowered_thresholds, replaced_thresholds

# --- Elementwise ---


def test_objects_have_no_bits():
    x, mask = np.array([1, None, "one"]), np.array([True, False, True])
    with lowered_thresholds():
        assert fast.elementwise.selected(mask, x, 2).tolist() == [1, 2, "one"]
        assert fast.elementwise.masked(x, mask).tolist() == fast.elementwise.zeroed(x, ~mask).tolist() == [1, 0, "one"]


def equal(found, wanted):
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted, strict=True)


def test_the_slope_of_tanh_in_parts_keeps_the_layout():
    g, t = np.ones((2, 2, 5, 30)).transpose(3, 0, 1, 2), np.zeros((2, 2, 5, 30)).transpose(3, 0, 1, 2)
    with lowered_thresholds():
        parts = fast.elementwise.tanh_vjp(g, t)
    assert parts.strides == t.strides
    assert np.array_equal(parts, g)


@with_each("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@with_each("n", [*range(-9, 10), 3.0, -2.0, 0.5])
def test_whole_powers_as_products(n, dtype):
    """A product, and a power in the plain form, rounds by up to half a unit in the last place; float16 rounds once."""
    x = np.concatenate([[0.0, -0.0, np.inf, -np.inf, np.nan, 1e-3, -200.0], np.linspace(-3, 3, 50)]).astype(dtype)
    most = 3 if dtype == np.float16 else 2 * abs(n) + 2
    with np.errstate(all="ignore"):
        for exponent in (n, np.array(n, dtype), dtype(n)):
            found, wanted = fast.powers.power_values(x, exponent), fast.powers.power_values.plain(x, exponent)
            assert found.dtype == wanted.dtype == dtype
            np.testing.assert_allclose(found, wanted, rtol=most * float(np.finfo(dtype).eps))
            np.testing.assert_array_equal(np.signbit(found[:4]), np.signbit(wanted[:4]))
        assert fast.powers.power_values(x, np.array(n)).dtype == fast.powers.power_values.plain(x, np.array(n)).dtype


def test_inverse_roots_are_as_accurate():
    x = np.exp2(np.random.default_rng(0).uniform(-126, 128, 10**5)).astype(np.float32)
    for part in (x, x[x < 2.0**126]):  # the inverse of larger numbers is subnormal
        truth = part.astype(np.float64) ** -0.5
        found, plain = (
            (np.abs(power(part, -0.5) - truth) / np.spacing(truth.astype(np.float32))).max()
            for power in (fast.powers.power_values, fast.powers.power_values.plain)
        )
        assert found <= plain


def test_powers_of_integers_are_numpys():
    assert fast.powers.power_values(np.array([2, -3]), 3).tolist() == [8, -27]
    with pytest.raises(ValueError, match="negative integer powers"):
        fast.powers.power_values(np.array([2]), -2)


# --- Reductions of short rows ---


@with_each("function", [np.maximum, np.minimum])
@with_each("dtype", [np.float16, np.float32, np.float64])
@with_each("n", [2, 9, 17, 25, 33])
def test_extrema_of_zeros_have_the_sign_of_numpys(function, dtype, n):
    x = np.where(np.random.default_rng(0).random((2000, n)) < 0.5, 0, -0.0).astype(dtype)
    for settings in ({}, {"initial": -np.inf if function is np.maximum else np.inf}):
        reduce = fast.reductions.reduce_along, reduction.plain_reduce_along
        found, wanted = (np.signbit(f(function, x, -1, **settings)) for f in reduce)
        np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("n", [3, 24, 25])
def test_sums_of_short_rows_of_float16_round_once(n):
    x = np.zeros((4000, n), np.float16)
    x[:2, :3] = [[60000, 60000, -60000], [2048, 1, 1]]
    found = fast.reductions.reduce_along(np.add, x, -1)
    assert found[:2].tolist() == [[60000], [2050]]
    np.testing.assert_array_equal(found, reduction.plain_reduce_along(np.add, x, -1), strict=True)


# --- Selection by rank ---


@pytest.mark.thorough
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("special", [(np.nan, 1, 0), (np.nan, np.inf, -np.inf), (np.inf, 0.0, -0.0)])
def test_choosing_by_rank_in_every_row_of_three_special_values(special, descending, monkeypatch):
    monkeypatch.setattr(fast.partition, "_LARGE", 1)
    monkeypatch.setattr(fast.partition, "_MIN_RATIO", 3)
    for row in product(special, repeat=6):
        x = np.array(row)
        for k in (1, 2):
            wanted, first = ranks.plain_first_indices(x, k, descending), fast.partition.first_indices
            np.testing.assert_array_equal(first(x, k, descending), wanted)
            np.testing.assert_array_equal(first(np.stack([x, x[::-1]]), k, descending)[0], wanted)
            at = np.arange(k)
            np.testing.assert_array_equal(fast.partition.rank_indices(x, at), ranks.plain_rank_indices(x, at))


# --- Products of all elements ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_derivatives_of_products_by_division(dtype, data):
    """Division gives the right gradients, and is not used where a product is 0 or out of range."""
    x = tg.Tensor(data.draw(calls("cumprod")).arrays[0].astype(dtype), requires_grad=True)
    for power in (0, 60, -60):
        g = np.cos(np.arange(x.size)).reshape(x.shape).astype(dtype) * dtype(2) ** power
        for axis in (0, -1):
            if x.ndim:
                found, wanted = (_gradient(x, axis, g, without) for without in (False, True))
                np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * float(dtype(2) ** power))


def _gradient(x, axis, g, without_division):
    with pytest.MonkeyPatch.context() as patch:
        if without_division:
            patch.setattr(reduction, "other_factors", lambda *_: None)
        out = tg.prod(x, axis=axis)
        return tg.vjp(lambda x: tg.prod(x, axis=axis), x)[1](np.resize(g, out.shape))[0]


@pytest.mark.parametrize("factors", [[2, 0.0], [1e-20, 1e-20], [1e30, 1e30], [2, np.nan], [2, np.inf]])
def test_products_that_are_not_divided(factors):
    x = np.array(factors, np.float32)
    with np.errstate(all="ignore"):
        assert fast.reductions.other_factors(x, np.prod(x)) is None


# --- erf and the normal CDF, from a table ---


def units(found, truth):
    """Return the difference found - truth in units in the last place of float32."""
    unit = np.maximum(np.spacing(np.abs(truth).astype(np.float32)), np.finfo(np.float32).smallest_subnormal)
    return (found - truth) / unit.astype(np.float64)


@pytest.mark.parametrize("bell", [error_function.ERF, error_function.NORMAL])
def test_integrals_from_a_table(bell):
    """Check numbers of all exponents, with more where the result varies or is subnormal."""
    magnitudes = np.arange(0, 0x7F800001, 4001, np.uint32).view(np.float32)
    x = np.concatenate([magnitudes, -magnitudes, np.linspace(-15, 15, 500_000), np.linspace(-4e-3, 4e-3, 100_000)])
    x = np.sort(x.astype(np.float32))
    found = fast.error_function.bell_integral(x, bell)
    assert found.dtype == np.float32
    assert np.abs(units(found, error_function.plain_bell_integral(x.astype(np.float64), bell))).max() < 1.08
    assert (np.diff(found) >= -np.spacing(np.abs(found[1:]))).all()
    edges = np.resize(np.array([0, -0.0, 1e-45, -1e-45, np.inf, -np.inf, np.nan, 3e38, -3e38], np.float32), 9000)
    found, wanted = fast.error_function.bell_integral(edges, bell), error_function.plain_bell_integral(edges, bell)
    equal(found, wanted)
    equal(np.signbit(found[:9]), np.signbit(wanted[:9]))


def test_nothing_is_added_outside():
    with pytest.raises(IndexError, match="out of bounds"):
        scatter_add.add_at(np.zeros((3, 8)), np.full(2000, 3), np.ones((2000, 8)))


# --- Products. 120,000 can be cut into equal pieces; 120,011 is a prime number. ---

LONG = [
    (3, 120_000, 5), (3, 120_011, 5), (120_000, 3, 5), (120_011, 3, 5), (3, 5, 120_011), (16, 90, 800),
    (1, 120_011, 1), (1, 1, 1_200_011), (1500, 1500, 3), (3, 1500, 1500),
]  # fmt: skip


def whole_numbers(shape, dtype):
    """Return small integers, whose sums are exact in every order."""
    return np.random.default_rng(0).integers(-2, 3, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, bool])
@pytest.mark.parametrize(("m", "k", "n"), LONG)
def test_long_and_thin_products(m, k, n, dtype):
    x, y = whole_numbers((m, k), dtype), whole_numbers((k, n), dtype)
    for x, y in ((x, y), (x[:, ::2], y[::2]), (np.asfortranarray(x), np.asfortranarray(y))):  # noqa: B020
        wanted, out = products.plain_product(x, y), np.empty((m, n), dtype)
        found = fast.products.product(x, y)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, wanted)
        assert fast.products.product(x, y, out) is out
        np.testing.assert_array_equal(out, wanted)


@pytest.fixture(autouse=True)
def multiplied_in_place(monkeypatch):
    """Cut products as on a processor whose BLAS multiplies small ones without packing, independent of this machine."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with replaced_thresholds({}, in_place=1_000_000):
        yield


@pytest.fixture
def small_blocks(multiplied_in_place):
    """Cut small products, too."""
    small = ("_LARGE", "_MIN_GRID_MULTIPLICATIONS")
    with replaced_thresholds({f"{fast.blocks.__name__}.{name}": 1 for name in small}, in_place=1_000_000):
        yield


def in_a_shard(function, *arrays):
    return next(map_shards(lambda _: function(*arrays), 1, 1))


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "k", "n"), [(128, 128, 128), (300, 140, 333), (33, 1500, 65), (150, 300, 40)])
def test_products_in_blocks_have_the_same_bits_on_any_number_of_threads(m, k, n, dtype, small_blocks):
    rng, rows, columns = np.random.default_rng(0), np.ascontiguousarray, np.asfortranarray
    for of_x, of_y in ((rows, rows), (rows, columns), (columns, rows), (columns, columns)):
        x, y = of_x(whole_numbers((m, k), dtype)), of_y(whole_numbers((k, n), dtype))
        out = np.empty((n, m), dtype).T
        assert in_a_shard(fast.blocks.block_size, x, y) is not None or k == 1500
        assert in_a_shard(fast.products.product, x, y, out) is out
        np.testing.assert_array_equal(out, products.plain_product(x, y))
        x, y = of_x(rng.standard_normal((m, k)).astype(dtype)), of_y(rng.standard_normal((k, n)).astype(dtype))
        one, *others = (next(map_shards(lambda _: fast.products.product(x, y), 1, count)) for count in (1, 2, 3))  # noqa: B023
        for other in others:
            np.testing.assert_array_equal(one, other)


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("stacks", [((), ()), ((), (2,)), ((3, 1), (2,))])
@pytest.mark.parametrize("n", [90, 170])  # rows are split, or columns
def test_products_on_threads_have_the_same_bits_on_any_number_of_threads(stacks, dtype, n):
    x, y = whole_numbers((*stacks[0], 150, 300), dtype), whole_numbers((*stacks[1], 300, n), dtype)
    drawn = [np.random.default_rng(0).standard_normal(a.shape).astype(dtype) for a in (x, y)]
    with replaced_thresholds({f"{fast.products.__name__}._SHARED": 1}, in_place=0):
        np.testing.assert_array_equal(in_a_shard(fast.products.product, x, y), x @ y)
        one, *others = (next(map_shards(lambda _: fast.products.product(*drawn), 1, count)) for count in (1, 2, 3))
        with pytest.raises(ValueError, match="matmul"):
            in_a_shard(fast.products.product, x, x)
    for other in others:
        np.testing.assert_array_equal(one, other)


def test_products_that_are_left_whole(small_blocks):
    x = np.ones((200, 200), np.float32)
    assert in_a_shard(fast.blocks.block_size, x, x) == (8, 200, False)
    assert in_a_shard(fast.blocks.block_size, x, x.T.copy().T) == (32, 32, False)
    assert in_a_shard(fast.blocks.block_size, x[:, :100].copy(), x[:150, :100].copy().T) == (8, 150, True)
    for y in (x.astype(np.float64), x[:, ::2], np.broadcast_to(x[:1], x.shape), x[:, :20], x.astype(int)):
        assert in_a_shard(fast.blocks.block_size, x, y) is None
        np.testing.assert_array_equal(fast.products.product(x, y), products.plain_product(x, y))
    few, long = np.ones((10, 128), np.float32), np.ones((512, 128), np.float32)
    assert fast.blocks.block_size(few, long.T) == (10, 120, False)
    assert fast.blocks.block_size(few, np.ones((128, 512), np.float32)) is fast.blocks.block_size(long, few.T) is None
    np.testing.assert_array_equal(fast.products.product(few, long.T), np.full((10, 512), 128))
    with pytest.raises(ShapeError, match="op matmul"):
        tg.matmul(x, x[1:])
    assert fast.blocks.block_size(x, x) is None  # not in a shard
    with replaced_thresholds({}, in_place=0):
        assert in_a_shard(fast.blocks.block_size, x, x) is None


# --- Convolutions, split in any way ---

SHARED_BY_THREADS = conv_columns, conv_gemm, ring_buffer, polyphase, depthwise, transpose
PLAIN = convolution._PLAIN  # supports all inputs
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
    "few pixels": ((3, 66, 7, 6), (64, 33, 3, 3), {"padding": 1, "stride": (1, 2), "groups": 2}),
    "in a ring": ((32, 16, 13, 11), (48, 16, 3, 2), {"padding": (2, 1), "stride": (2, 1)}),
    "in a ring, dilated": ((48, 12, 16, 19), (40, 6, 3, 3), {"dilation": (2, 3), "stride": (1, 2), "groups": 2}),
}  # fmt: skip


def test_the_phases_of_a_long_stride_are_those_that_meet_the_kernel():
    stride = 2**40
    phases = polyphase._phases(window_of((1, stride + 5), (1, 3), (1, stride), (0, 1), 1), 1)
    starts = [(phase.pixels.start, list(phase.map_range)) for phase in phases]
    assert starts == [(0, [0, 1]), (1, [0, 1]), (stride - 1, [1])]


@pytest.mark.parametrize("dtype", thorough([np.float32, np.float64, np.float16], quick=[np.float32, np.float64]))
@pytest.mark.parametrize("kind", WIDE)
def test_correlations_of_many_channels_have_the_same_bits_on_any_number_of_threads(kind, dtype, monkeypatch):
    """Check also the values; the smaller convolutions above are rarely split."""
    images, kernels, settings = WIDE[kind]
    x, weight = whole_numbers(images, dtype), whole_numbers(kernels, dtype)
    drawn = [np.random.default_rng(0).standard_normal(a.shape).astype(dtype) for a in (x, weight)]
    found = []
    sizes = {f"{file.__name__}._LARGE": 1 for file in SHARED_BY_THREADS}
    with replaced_thresholds({**sizes, f"{conv_columns.__name__}._LARGE_PRODUCT": 1}, in_place=1_000_000):
        for cores in (1, 2, 3):
            for module in (threads, ring_buffer):
                monkeypatch.setattr(module, "available_cores", lambda cores=cores: cores)
            found.append(all_four(*drawn, settings))
        whole = all_four(x, weight, settings)
    monkeypatch.setattr(convolution, "select_form", lambda *sizes: PLAIN)
    plain = all_four(x.astype(np.float64), weight.astype(np.float64), settings)
    for here, there in ((found[0], found[1]), (found[0], found[2]), (whole, plain)):
        for one, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(one, other)


def all_four(x, weight, settings):
    """Return the feature maps and the gradients of images, kernels and bias, for an upstream gradient of integers."""
    x, weight = tg.Tensor(x, requires_grad=True), tg.Tensor(weight, requires_grad=True)
    bias = tg.Tensor(np.arange(len(weight)).astype(x.dtype), requires_grad=True)
    maps = tg.conv2d(x, weight, bias, **settings)
    maps.backward(np.resize(np.array([1, 0, -1, 0, 0, 0, 0], x.dtype), maps.shape))
    return maps.numpy(), x.grad, weight.grad, bias.grad


# --- Sums over several axes ---


@with_each("order", list(permutations(range(4))))
def test_sums_over_any_axes_of_any_layout(order):
    x = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)  # all sums are exact
    x = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    small = {f"{fast.reductions.__name__}.{name}": size for name, size in (("_MANY", 2), ("_SHORT", 0))}
    with replaced_thresholds(small):
        for axes in (axes for count in range(5) for axes in combinations(range(4), count)):
            for keepdims in (False, True):
                found, wanted = tg.sum(x, axes, keepdims), np.sum(x, axes, keepdims=keepdims)
                assert found.shape == wanted.shape
                np.testing.assert_array_equal(found, wanted)
        assert tg.sum(x) == 7140


# --- Normalization, split by channels ---


@given(data=st.data(), far=st.sampled_from([0, 1e8]), seed=st.integers(0, 2**16))
def test_normalization_in_parts(data, far, seed):
    """Also far from 0, where 1e-8 is about one unit in the last place of x."""
    call = data.draw(calls("channel_norm"))
    (x, weight, bias), eps = call.arrays, call.settings["eps"]
    x, g = x + far, np.cos(np.arange(x.size)).reshape(x.shape) + far
    tolerance = {"rtol": 1e-9, "atol": 1e-9 if not far else 1e-5}
    with lowered_thresholds(seed):
        found = channel_normalization.moments(x)
        out = channel_normalization.channel_norm_values(x, weight, bias, eps, found)
        of_x = channel_normalization.channel_norm_x(g, x, weight, eps, found)
        of_weight = channel_normalization.channel_norm_weight(g, x, eps, found)
    np.testing.assert_allclose(found, normalization.plain_moments(x), **tolerance)
    mean, variance = (f(x, (0, 2), keepdims=True) for f in (np.mean, np.var))
    np.testing.assert_allclose(out, weight * (x - mean) / np.sqrt(variance + eps) + bias, **tolerance)
    unit = normalization.divide_by_rms(normalization.center(x), eps)
    by_hand = normalization.center(normalization._divide_by_rms_x(g * weight, normalization.center(x), unit, eps))
    np.testing.assert_allclose(of_x, by_hand, **tolerance)
    np.testing.assert_allclose(of_weight, normalization.plain_channel_norm_weight(g, x, eps, found), **tolerance)


@pytest.mark.fast
@pytest.mark.parametrize("far", [0, 1e4])
def test_small_channels_of_float32_are_normalized_in_float64(far):
    rng, eps = np.random.default_rng(0), np.finfo(np.float32).eps
    x, g = (draw_signed(rng, (20, 3, 15)).astype(np.float32) + np.float32(far) for _ in range(2))
    weight, bias = (draw_signed(rng, (1, 3, 1)).astype(np.float32) for _ in range(2))
    _, deviations, scale = fast.deviations.channel_deviations(x, 1e-5)
    of_x = fast.deviations.deviations_norm_x(g, weight[0] * scale, deviations, scale)
    out = fast.deviations.deviations_norm(x, weight[0] * scale, bias, deviations)
    of_weight = fast.deviations.deviations_norm_weight(g, deviations, scale)
    wide = [array.astype(np.float64) for array in (x, g, weight)]
    unit, scale = normalization.plain_standardized(wide[0], 1e-5, normalization.plain_moments(wide[0]))
    centred = wide[1] - wide[1].mean((0, 2), keepdims=True)
    slope = weight * scale * (centred - unit * (centred * unit).mean((0, 2), keepdims=True))
    for found, wanted in ((out, weight * unit + bias), (of_x, slope)):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2 * eps * np.abs(wanted).max())
    np.testing.assert_allclose(of_weight, (centred * unit).sum((0, 2), keepdims=True), rtol=2 * eps)


@pytest.mark.parametrize("length", [16, 5000])
def test_the_gradient_of_layer_norm_keeps_digits_of_a_cotangent_far_from_0(length):
    rng, found = np.random.default_rng(0), []
    x, g = (draw_signed(rng, (3, length)).astype(np.float32) + np.float32(far) for far in (0, 1e4))
    for dtype in (np.float32, np.float64):
        leaf = tg.Tensor(x.astype(dtype), requires_grad=True)
        tg.layer_norm(leaf, length).backward(g)
        found.append(leaf.grad)
    np.testing.assert_allclose(*found, rtol=0, atol=10 * np.finfo(np.float32).eps * np.abs(found[1]).max())


# --- Recurrent layers, all steps in one op ---


@pytest.mark.parametrize("kind", ["RNN_TANH", "RNN_RELU", "LSTM", "LSTM with projections", "GRU"])
def test_recurrent_layers_in_blocks_of_columns_equal_steps(kind):
    gates, hidden, rng = {"L": 4, "G": 3}.get(kind[0], 1), 32, np.random.default_rng(0)
    size, steps = 16 if "with" in kind else 32, 24  # several chunks of steps for the gradients of the parameters
    extra = {"GRU": ((3 * hidden,),), "LSTM with projections": ((size, hidden),)}.get(kind, ())
    states = ((4, size), (4, hidden))[: 2 if kind[0] == "L" else 1]
    shapes = ((steps, 4, 5), *states, (gates * hidden, 5), (gates * hidden,), (gates * hidden, size), *extra)
    row = rng.standard_normal(sum(map(math.prod, shapes))) / 4
    settings = {"kind": kind.partition(" ")[0], "shapes": shapes}
    cotangent = rng.standard_normal(by_steps(row, **settings).shape)
    shared = {f"{recurrent_products.__name__}.{threshold}": size for threshold, size in (("_LARGE", 1), ("_ROWS", 4))}

    def result_and_gradient(_):
        x = tg.Tensor(row, requires_grad=True)
        out = recurrent(x, **settings)
        out.backward(cotangent)
        return out.numpy(), x.grad

    found = []
    for in_place, sizes in ((0, {}), (16 * 4 * 32, {}), (16 * 4 * 32, shared), (10**6, {})):
        with replaced_thresholds(sizes, in_place):
            found.append(result_and_gradient(None))
    with replaced_thresholds(shared, 16 * 4 * 32):
        on_threads = [next(map_shards(result_and_gradient, 1, threads)) for threads in (1, 2, 3)]
    for one, *others in zip(*on_threads, strict=True):
        for other in others:
            np.testing.assert_array_equal(one, other)
    x = tg.Tensor(row, requires_grad=True)
    by_steps(x, **settings).backward(cotangent)
    for out, gradient in [*found, *on_threads]:
        np.testing.assert_allclose(out, by_steps(row, **settings), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(gradient, x.grad, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("samples", [0, 2, 40])
@pytest.mark.parametrize(("channels", "out"), [(0, 3), (3, 0), (0, 0)])
def test_a_convolution_without_channels_is_its_bias(samples, channels, out):
    x = tg.Tensor(np.ones((samples, channels, 5, 5)), requires_grad=True)
    weight = tg.Tensor(np.ones((out, channels, 3, 3)), requires_grad=True)
    bias = tg.Tensor(np.arange(out) + 1.0, requires_grad=True)
    y = tg.conv2d(x, weight, bias)
    y.backward(np.full(y.shape, 2.0))
    np.testing.assert_array_equal(y.numpy(), np.broadcast_to(bias.numpy()[:, None, None], (samples, out, 3, 3)))
    assert x.grad.shape == x.shape
    assert not x.grad.any()
    assert weight.grad.shape == weight.shape
    np.testing.assert_array_equal(bias.grad, np.full(out, 18.0 * samples))
