"""Conventions at non-differentiable points and edge cases: ties, bounds, kinks, zeros, empty arrays."""

import tracemalloc

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import nn
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import ShapeError

EXTREMA = [tg.max, tg.min]


def gradient(f, *values):
    """Return the gradients of the sum of f."""
    inputs = [tg.Tensor(np.array(v, np.float64), requires_grad=True) for v in values]
    out = f(*inputs)
    out.backward(np.ones(out.shape))
    return [x.grad for x in inputs] if len(inputs) > 1 else inputs[0].grad


# --- Scalars, single elements and empty arrays ---


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (3, 1), (0,), (3, 0)])
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # the logarithm of an empty sum
@pytest.mark.parametrize(("f", "slope"), [(tg.softmax, 0), (tg.softmin, 0), (tg.log_softmax, 0), (tg.logsumexp, 1)])
def test_softmax_and_its_kin_along_an_axis_of_at_most_one_element(f, slope, shape, dtype):
    x = np.full(shape, 0.5, dtype)

    def loss(x):
        return (f(x, axis=-1) * np.asarray(3, dtype)).sum()

    first = tg.grad(loss)(x)
    second = tg.grad(lambda x: (tg.grad(loss)(x) ** 2).sum())(x)
    np.testing.assert_array_equal(first, np.full(shape, 3 * slope, dtype), strict=True)
    np.testing.assert_array_equal(second, np.zeros(shape, dtype), strict=True)


# --- Ties share evenly; other ops choose one by position, the last or the first, as in PyTorch ---

ROWS = np.array([[1.0, 1.0, 1.0], [0.0, 5.0, 5.0]])
# Two maxima are in the first plane, one in the second: each gets a third, not a quarter or a half.
VOLUME = np.array([[[[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]]])


@with_each(("f", "x", "derivative"), [
    *[row for op, sign in ((tg.max, 1), (tg.min, -1)) for row in (
        (lambda x, op=op: op(x, axis=1), sign * ROWS, [[1 / 3] * 3, [0, 0.5, 0.5]]),
        (op, sign * ROWS, [[0, 0, 0], [0, 0.5, 0.5]]))],
    *[(lambda x, op=op: op(x, [1.0, 3.0, 2.0]), [1.0, 2.0, 3.0], [0.5, low, 1 - low])
      for op, low in ((tg.maximum, 0), (tg.minimum, 1))],
    *[(lambda x, op=op: op([1.0, 2.0, 3.0], x), [1.0, 3.0, 2.0], [0.5, high, 1 - high])
      for op, high in ((tg.maximum, 1), (tg.minimum, 0))],
    *[(lambda x, pool=pool: pool(x, 2), np.zeros((1, 1, *(2,) * n)), np.full((1, 1, *(2,) * n), 1 / 2**n))
      for n, pool in enumerate((tg.max_pool1d, tg.max_pool2d, tg.max_pool3d), 1)],
    (lambda x: tg.max_pool3d(x, 2), VOLUME, VOLUME / 3), (lambda x: tg.adaptive_max_pool3d(x, 1), VOLUME, VOLUME / 3),
    (tg.cummax, [1.0, 1.0, 0.0, 1.0], [1, 2, 0, 1]), (tg.cummin, [0.0, 0.0, 1.0, 0.0], [1, 2, 0, 1]),
    (lambda x: tg.topk(x, 2)[0], [1.0, 1.0, 0.0, 1.0], [1, 1, 0, 0]),
    (lambda x: tg.kthvalue(x, 2)[0], [1.0, 1.0, 0.0, 1.0], [1, 0, 0, 0]),
    (tg.median, [1.0, 1.0, 0.0], [1, 0, 0]), (tg.unique, [1.0, 0.0, 1.0], [1, 1, 0]),
    (lambda x: tg.put_along_axis(x, [0, 0], [5.0, 6.0], 0), [1.0, 0.0], [0, 1]),
])  # fmt: skip
def test_equal_elements_share_the_gradient_or_one_is_chosen(f, x, derivative):
    np.testing.assert_array_equal(gradient(f, x), derivative)


# --- Zeros among factors ---


@pytest.mark.parametrize(("x", "first", "second"), [
    ([2.0, 3.0, 4.0], [12, 8, 6], [7, 6, 5]),
    ([0.0, 3.0, 4.0], [12, 0, 0], [7, 4, 3]),
    ([0.0, 0.0, 4.0], [0, 0, 0], [4, 4, 0]),
    ([0.0, 0.0, 0.0], [0, 0, 0], [0, 0, 0]),
    ([1e-200, 1e200, 1e100], [1e300, 1e-100, 1], [1e200, 1e100, 1e200]),
])  # fmt: skip
def test_a_product_has_its_derivatives_at_zeros_and_at_the_ends(x, first, second):
    """`second` is the gradient of sum(first): for each factor, the sum of products without it and another factor."""
    for product in (tg.prod, lambda x: tg.cumprod(x)[-1]):
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(gradient(product, x), first, rtol=1e-15)
            np.testing.assert_allclose(gradient(lambda x, f=product: tg.grad(f)(x), x), second, rtol=1e-15)


@pytest.mark.parametrize(("x", "values", "derivative"), [
    ([-np.inf, -np.inf, 0.0], [-np.inf, -np.inf, 0], [0, 0, 1]),
    ([-1e4, 1e4, 1e4], [-1e4, 1e4, 1e4 + np.log(2)], [1, 1.5, 0.5]),
    ([0.0, np.inf, 1.0], [0, np.inf, np.inf], [1, np.nan, 0]),
])  # fmt: skip
def test_logcumsumexp_at_its_ends(x, values, derivative):
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(tg.logcumsumexp(np.array(x)), values)
        np.testing.assert_allclose(gradient(tg.logcumsumexp, x), derivative)


# --- Powers at zero, from PyTorch 2.13: a = tensor(x), b = tensor(y), (a ** b).backward(), in float64 ---

POWERS = [  # base, exponent, gradient of the base, gradient of the exponent
    (0.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 1.0, 0.0),
    (0.0, 2.0, 0.0, 0.0),
    (0.0, 0.5, np.inf, 0.0),
    (0.0, 3.0, 0.0, 0.0),
    (0.0, -1.0, -np.inf, -np.inf),
    (-0.0, 0.0, 0.0, 0.0),
    (-0.0, 1.0, 1.0, 0.0),
    (-0.0, 2.0, -0.0, 0.0),
    (-0.0, 0.5, np.inf, 0.0),
    (-0.0, 3.0, 0.0, 0.0),
    (-0.0, -1.0, -np.inf, np.inf),
    (2.0, 0.0, 0.0, 0.6931471805599453),
    (2.0, -1.0, -0.25, 0.34657359027997264),
    (-2.0, 0.0, 0.0, np.nan),
    (-2.0, 2.0, -4.0, np.nan),
    (-2.0, 3.0, 12.0, np.nan),
    (-2.0, -1.0, -0.25, np.nan),
    (-2.0, 0.5, np.nan, np.nan),
]


@pytest.mark.parametrize(("x", "y", "by_x", "by_y"), POWERS)
def test_power_is_pytorchs(x, y, by_x, by_y):
    with np.errstate(all="ignore"):
        found = gradient(tg.power, x, y)
        alone = gradient(lambda a: tg.power(a, y), x), gradient(lambda b: tg.power(x, b), y)
    np.testing.assert_allclose(found, [by_x, by_y], rtol=1e-15)
    np.testing.assert_allclose(alone, [by_x, by_y], rtol=1e-15)


def test_whole_powers_of_negative_bases_at_every_order():
    cube = tg.grad(tg.grad(tg.grad(lambda x: x**3)))
    assert cube(np.float64(-2.0)).item() == 6
    square_at_0 = tg.grad(tg.grad(lambda x: x**2))
    assert square_at_0(np.float64(0.0)).item() == 2


# --- Numbers near the smallest normal number ---


@pytest.mark.fast
@pytest.mark.parametrize(("dtype", "seen", "unseen"), [(np.float32, 70.0, 75.0), (np.float64, 670.0, 680.0)])
def test_a_probability_near_the_smallest_numbers_has_no_gradient(dtype, seen, unseen):
    """The limit is 1e-31, about exp(-71.4), in float32 and 1e-292, about exp(-672), in float64."""
    logits = tg.Tensor(np.array([[0.0, -seen, -unseen]], dtype), requires_grad=True)
    tg.cross_entropy(logits, np.array([0])).backward()
    np.testing.assert_allclose(logits.grad[0, 1:], [np.exp(dtype(-seen)), 0], rtol=1e-5, atol=0)
    assert tg.softmax(logits).numpy()[0, 2] > 0


def test_float16_knows_no_probability_that_is_too_small():
    logits = tg.Tensor(np.zeros((1, 20), np.float16), requires_grad=True)
    tg.cross_entropy(logits, np.array([0])).backward()
    np.testing.assert_allclose(logits.grad, [[-0.95] + [0.05] * 19], rtol=2e-3)


COUNT = 70_000  # above the largest float16


@pytest.mark.parametrize(("f", "share"), [
    (lambda x: x.mean(), 1 / COUNT), (lambda x: x.max(), 1 / COUNT), (lambda x: x.min(), 1 / COUNT),
    (lambda x: x.reshape(1, COUNT).mean(axis=1).sum(), 1 / COUNT), (lambda x: x.logsumexp(), 1 / COUNT),
    (lambda x: tg.cross_entropy(x.reshape(COUNT, 1) * np.ones(2), np.zeros(COUNT, int)), 0),
    (lambda x: tg.softmax(x)[0], 0), (lambda x: x.var(), 0), (lambda x: x.std(), 0),
])  # fmt: skip
def test_float16_divides_by_counts_that_it_cannot_hold(f, share):
    x = tg.Tensor(np.ones(COUNT, np.float16), requires_grad=True)
    out = f(x)
    out.backward(np.float16(1000))
    assert (out.dtype, x.grad.dtype) == (np.float16, np.float16)
    assert np.isfinite(out.numpy())
    np.testing.assert_allclose(x.grad[1:], 1000 * share, rtol=0.01, atol=1e-4)


@pytest.mark.parametrize(("f", "wanted"), [(tg.mean, 0.5), (tg.var, 0.25), (tg.std, 0.5)])
def test_float16_statistics_of_many_numbers(f, wanted):
    x = tg.Tensor(np.arange(COUNT) % 2, dtype=np.float16, requires_grad=True)
    out = f(x)
    assert out.item() == pytest.approx(wanted, rel=1e-3)
    out.backward(np.float16(1000))
    wide = tg.Tensor(x.numpy(), dtype=np.float64, requires_grad=True)
    f(wide).backward(1000.0)
    np.testing.assert_allclose(x.grad, wide.grad, rtol=0.02)


# --- Sums of squares at both ends of the range ---

LARGEST, SMALLEST = ({t: np.array(getattr(np.finfo(t), name)).item() for t in (np.float16, np.float32, np.float64)}
                     for name in ("max", "smallest_subnormal"))  # fmt: skip


def exact_std(x, axis, ddof):
    """Return the standard deviation of x and its gradient, scaled so that NumPy's formula does not overflow."""
    scale = np.exp2(np.floor(np.log2(float(np.abs(x).max()))))
    unit = x.astype(np.float64) / scale
    out = np.std(unit, axis, ddof=ddof, keepdims=True)
    count = x.size // out.size - ddof
    deviation = unit - unit.mean(axis, keepdims=True)
    slope = np.divide(deviation, out * count, out=np.zeros_like(unit), where=out > 1e-15)
    return scale * out, slope


STD_ROWS = [
    (np.float16, [0, 1200]), (np.float16, [1e-4, 2e-4, 5e-4]), (np.float16, [6e-8, 0, 1.2e-7]),
    (np.float16, [65504, -65504, 1, 0]), (np.float16, [65504, 65504]), (np.float16, [2048, 2049, 2050]),
    (np.float32, [1e-25, 2e-25, 5e-25]), (np.float32, [4e19, -4e19, 1]), (np.float32, [3e38, 3.4e38, 3.4e38]),
    (np.float32, [1e-45, 0, 3e-45]), (np.float32, [1e8, 1e8 + 8, 1e8 + 16]),
    (np.float64, [1e-200, 2e-200, 5e-200]), (np.float64, [1e200, -1e200, 3e200]), (np.float64, [5e-324, 0, 1.5e-323]),
    (np.float64, [1.7e308, -1.7e308, 1e308, 0]), (np.float64, [1.7e308, 1.7e308]), (np.float64, [1e150, 1e-160, 0]),
    *[(dtype, [[0.5, 1.5], [-3, 2], [8, 1]]) for dtype in (np.float16, np.float32, np.float64)],
]  # fmt: skip


@with_each("ddof", [0, 1])
@with_each("kind", [np.asarray, tg.Tensor])
@with_each(("dtype", "x"), STD_ROWS)
def test_std_is_that_in_float64_rounded_once(dtype, x, kind, ddof):
    x = np.array(x, dtype)
    for axis in (None, -1, 0) if x.ndim > 1 else (None,):
        wanted, slope = exact_std(x, axis, ddof)
        g = np.arange(1, wanted.size + 1).reshape(wanted.shape)
        found = tg.std(kind(x), axis, ddof, keepdims=True)
        np.testing.assert_allclose(values_of(found), wanted.astype(dtype), rtol=1e-15, strict=True)
        np.testing.assert_array_equal(tg.std(x, axis, ddof), np.squeeze(values_of(found), axis))
        leaf = tg.Tensor(x, requires_grad=True)
        tg.std(leaf, axis, ddof, keepdims=True).backward(g.astype(dtype))
        half_unit = {"rtol": np.finfo(dtype).eps / 2 + 1e-15, "atol": max(SMALLEST[dtype], 1e-15)}
        np.testing.assert_allclose(leaf.grad, (slope * g).astype(dtype), **half_unit)


@pytest.mark.parametrize(("dtype", "scale"), [
    (np.float16, 2.0**-13), *((t, 2.0**n) for t, most in ((np.float32, 120), (np.float64, 700)) for n in (-most, most)),
])  # fmt: skip
def test_the_second_derivative_of_std_grows_as_x_shrinks(dtype, scale):
    x, v = np.array([[1, 2, 5], [0, -3, 1]]), np.array([[1, -2, 3], [2, 0, 1]])

    def second(x, v):
        return tg.grad(lambda x: (tg.grad(lambda x: tg.std(x, axis=1, ddof=1).sum())(x) * v).sum())(x)

    wanted = second(x.astype(np.float64), v.astype(np.float64)) / scale
    found = second((x * scale).astype(dtype), v.astype(dtype))
    np.testing.assert_allclose(found, wanted.astype(dtype), rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_variance_may_overflow_and_its_gradient_does_not(dtype):
    big = 2.0 ** (np.finfo(dtype).maxexp - 2)
    x = tg.Tensor(np.array([big, -big], dtype), requires_grad=True)
    with np.errstate(over="ignore"):
        out = tg.var(x)
    out.backward()
    assert out.item() == np.inf
    np.testing.assert_array_equal(x.grad, [big, -big])


@with_each("dtype", [np.float16, np.float32, np.float64])
@with_each("end", [LARGEST, SMALLEST])
@with_each(("f", "slope"), [
    *[(lambda x, p=p: tg.linalg.norm(x, p), 2 ** (1 / p - 1)) for p in (0.5, 2, 3)],
    (lambda x: tg.hypot(x[0], x[1]), 0.5**0.5),
])  # fmt: skip
def test_the_gradient_of_a_length_does_not_depend_on_its_size(f, slope, end, dtype):
    x = tg.Tensor(np.full(2, end[dtype], dtype), requires_grad=True)
    with np.errstate(over="ignore"):
        f(x).backward()
    np.testing.assert_allclose(x.grad, slope, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_vector_whose_length_overflows_is_normalized(dtype):
    x = np.array([[1, 1], [3, 4], [0, 0]], dtype) * np.array([[LARGEST[dtype]], [1], [1]], dtype)
    np.testing.assert_allclose(tg.normalize(x), [[0.5**0.5] * 2, [0.6, 0.8], [0, 0]], rtol=np.finfo(dtype).eps)
    np.testing.assert_allclose(tg.cosine_similarity(x, x[:1]), [1, 1.4 * 0.5**0.5, 0], rtol=2 * np.finfo(dtype).eps)


# Normalization of one row of 4 numbers, as layer_norm(x, (4,)).backward(tensor([1, 2, 3, 4])) in PyTorch 2.13.
NORMS = {
    "layer_norm": lambda x: tg.layer_norm(x, 4),
    "group_norm": lambda x: tg.group_norm(x, 1),
    "batch_norm": lambda x: tg.batch_norm(x.reshape(4, 1), None, None, training=True),
    "instance_norm": lambda x: tg.instance_norm(x.reshape(1, 1, 4)),
    "rms_norm": lambda x: tg.rms_norm(x, 4),
}
OVERFLOWING = [
    *[(np.float32, row) for row in ([1e20, 0.1, -0.3, 0.2], [0.1, -0.3, 0.2, 1e20], [LARGEST[np.float32], 0, 1, 2])],
    *[(np.float64, row) for row in ([1e200, 0.1, -0.3, 0.2], [LARGEST[np.float64], 0.1, -0.3, 0.2])],
    *[(t, [LARGEST[t], -LARGEST[t], 1, 2]) for t in (np.float32, np.float64)],
    *[(t, [LARGEST[t]] * 4) for t in (np.float32, np.float64)],
]
NOT_FINITE = [(t, [*row, 1, 2]) for t in LARGEST for row in ([np.inf, 0], [-np.inf, np.inf], [np.nan, 0])]


def value_and_gradients(norm, dtype, row):
    """Return the value, the gradient, and the recorded gradient of `tg.grad`."""
    x, g = tg.Tensor(np.array([row], dtype), requires_grad=True), np.arange(1, 5, dtype=dtype)
    with np.errstate(all="ignore"):
        out = NORMS[norm](x)
        out.backward(g.reshape(out.shape), retain_graph=True)
        (recorded,) = tg.grad(lambda x: (NORMS[norm](x) * g.reshape(out.shape)).sum())(x)
    return out.numpy().ravel(), x.grad[0], values_of(recorded)


@with_each(("dtype", "row"), OVERFLOWING + NOT_FINITE)
@with_each("norm", ["layer_norm", "group_norm"])
def test_a_row_whose_variance_overflows_is_nan(norm, dtype, row):
    for found in value_and_gradients(norm, dtype, row):
        np.testing.assert_array_equal(found, np.full(4, np.nan, dtype), strict=True)


@pytest.mark.parametrize(("dtype", "big"), [(np.float32, 1e20), (np.float64, 1e200)])
@pytest.mark.parametrize("norm", ["batch_norm", "instance_norm", "rms_norm"])
def test_other_norms_are_0_where_the_squares_overflow(norm, dtype, big):
    for found in value_and_gradients(norm, dtype, [big, 0.1, -0.3, 0.2]):
        np.testing.assert_array_equal(found, np.zeros(4, dtype), strict=True)


@pytest.mark.parametrize(("dtype", "row"), NOT_FINITE)
@pytest.mark.parametrize("norm", ["batch_norm", "instance_norm"])
def test_channels_with_an_infinity_or_a_nan_are_nan(norm, dtype, row):
    for found in value_and_gradients(norm, dtype, row):
        np.testing.assert_array_equal(found, np.full(4, np.nan, dtype), strict=True)


@pytest.mark.parametrize(("norm", "value", "derivative"), [
    *[(norm, [1.732, *[-0.5773] * 3], [0, -3.523e-05, 0, 3.523e-05]) for norm in NORMS if norm != "rms_norm"],
    ("rms_norm", [2, 3e-06, -9e-06, 6e-06], [0, 6.104e-05, 9.161e-05, 1.221e-04]),
])  # fmt: skip
def test_float16_normalizes_its_largest_numbers(norm, value, derivative):
    out, *gradients = value_and_gradients(norm, np.float16, [LARGEST[np.float16], 0.1, -0.3, 0.2])
    np.testing.assert_allclose(out, value, rtol=2e-3, atol=6e-7)
    for found in gradients:
        np.testing.assert_allclose(found, derivative, rtol=2e-3, atol=1.2e-7)


@pytest.mark.parametrize("norm", ["layer_norm", "group_norm", "batch_norm", "instance_norm"])
def test_equal_numbers_normalize_to_0_whatever_their_size(norm):
    """From 1e20 on, PyTorch returns NaN, or the rounding error of the mean times 316."""
    for dtype, big in ((np.float16, 6e4), (np.float32, 1e20), (np.float64, 1e200)):
        out, *gradients = value_and_gradients(norm, dtype, [big] * 4)
        np.testing.assert_array_equal(out, 0)
        for found in gradients:
            np.testing.assert_allclose(found, np.array([-1.5, -0.5, 0.5, 1.5]) / 1e-5**0.5, rtol=2e-3)


# --- A 0-d array has axes 0 and -1, as in NumPy's sum, max and min; here also in means ---


@with_each("axis", [None, (), 0, -1, np.int64(0)])
@with_each("dtype", [np.float16, np.float32, np.float64])
@with_each(
    ("f", "value", "slope"),
    [(f, 2, 1) for f in (tg.sum, tg.mean, tg.prod, tg.max, tg.min, tg.logsumexp, tg.nansum, tg.nanmean, tg.average)]
    + [(f, 0, 0) for f in (tg.var, tg.std, tg.ptp)],
)
def test_reductions_of_a_number(f, value, slope, dtype, axis):
    x = tg.Tensor(np.array(2, dtype), requires_grad=True)
    out = f(x, axis=axis)
    out.backward()
    for found, wanted in ((out.numpy(), value), (np.asarray(f(x.numpy(), axis=axis)), value), (x.grad, slope)):
        np.testing.assert_array_equal(found, np.array(wanted, dtype), strict=True)


@with_each("axis", [1, -2, (0,)])
@with_each("f", [tg.sum, tg.mean, tg.max, tg.var, tg.std])
@with_each("dtype", [np.float16, np.float32])
def test_a_number_has_no_other_axis(f, dtype, axis):
    with pytest.raises(np.exceptions.AxisError):
        f(tg.Tensor(np.array(2, dtype)), axis=axis)


# --- Kinks, bounds, ends and NaN, as in PyTorch 2.13 ---

NAN, INF = np.nan, np.inf


EXACT = [
    (tg.relu, [-1.0, -0.0, 0.0, 1.0], [0, 0, 0, 1]), (tg.abs, [-1.0, -0.0, 0.0, 1.0], [-1, 0, 0, 1]),
    (lambda x: tg.clip(x, -1.0, 1.0), [-1.5, -1.0, 0.0, 1.0, 1.5], [0, 1, 1, 1, 0]),
    (lambda x: tg.clip(x, None, 1.0), [-1.5, -1.0, 0.0, 1.0, 1.5], [1, 1, 1, 1, 0]),
    (lambda x: tg.clip(x, -1.0), [-1.5, -1.0, 0.0, 1.0, 1.5], [0, 1, 1, 1, 1]),
    (tg.sign, [-1.0, 0.0, 0.5, 1.0], [0] * 4), (lambda x: tg.floor_divide(x, 1.0), [-1.0, 0.0, 0.5, 1.0], [0] * 4),
    (tg.grad(tg.std), [3.0, 3.0], [0, 0]),
    (tg.relu, [NAN, -1.0, 1.0], [1, 0, 1]), (lambda x: tg.maximum(x, 0.0), [NAN, -1.0, 1.0], [1, 0, 1]),
    (lambda x: tg.minimum(0.0, x), [NAN, -1.0, 1.0], [1, 1, 0]), (lambda x: tg.maximum(x, NAN), [1.0], [1]),
    (tg.max, [NAN, 1.0], [NAN, NAN]),
    (lambda x: tg.clip(x, 0.0, 1.0), [NAN, 0.5, 2.0], [0, 1, 0]),
    (lambda x: tg.clip(x, tg.Tensor(0.0), tg.Tensor(1.0)), [NAN, 0.5, 2.0], [0, 1, 0]),
    (lambda x: tg.clip(x, None, np.ones(3)), [NAN, 0.5, 2.0], [0, 1, 0]),
    (tg.std, [3.0, 3.0], [0, 0]), (lambda x: tg.std(x, axis=0), [[3.0, 1.0], [3.0, 2.0]], [[0, -0.5], [0, 0.5]]),
    (tg.cummax, [1.0, NAN, 2.0], [1, 2, 0]), (tg.cummin, [1.0, NAN, 2.0], [1, 2, 0]),
    (tg.sort, [NAN, 1.0], [1, 1]), (tg.median, [1.0, NAN, 2.0], [0, 1, 0]),
    (tg.nansum, [1.0, NAN, 2.0], [1, 0, 1]), (tg.nanmean, [1.0, NAN, 2.0], [0.5, 0, 0.5]),
    (lambda x: x**0.0, [5e-324, 0.0, INF, NAN, 2.0], [0, 0, 0, 0, 0]),
]  # fmt: skip
# PyTorch 2.13 differs at infinities, for copysign, and for the second derivative of sinc at 0, which is NaN there.
ROUNDED = [
    # Norms and singular values
    *[(lambda x, p=p: tg.linalg.norm(x, p), [0.0, 0.0], [0, 0]) for p in (0, 0.5, 1, 1.5, 2, 3, -1, INF, -INF)],
    (lambda x: tg.linalg.norm(x, 0), [0.0, 3.0], [0, 0]), (lambda x: tg.linalg.norm(x, 1), [0.0, -3.0], [0, -1]),
    (lambda x: tg.linalg.norm(x, 0.5), [0.0, -4.0], [0, -1]), (lambda x: tg.linalg.norm(x, -1), [0.0, 2.0], [0, 0]),
    (lambda x: tg.linalg.norm(x, INF), [2.0, -2.0, 1.0], [0.5, -0.5, 0]),
    (lambda x: tg.linalg.norm(x, -INF), [2.0, -2.0, 3.0], [0.5, -0.5, 0]),
    (lambda x: tg.linalg.norm(x, "fro"), np.zeros((2, 2)), np.zeros((2, 2))),
    (lambda x: tg.linalg.norm(x, 1), [[1.0, -1.0], [1.0, 1.0]], [[0.5, -0.5], [0.5, 0.5]]),
    (lambda x: tg.linalg.norm(x, 2), np.eye(2), np.eye(2) / 2), (tg.linalg.svdvals, np.eye(3), np.eye(3)),
    (tg.linalg.eigvalsh, np.eye(3), np.eye(3)), (lambda x: tg.linalg.cond(x, 1), np.ones((2, 2)), np.zeros((2, 2))),
    (lambda x: tg.linalg.matrix_power(x, 0), np.eye(2), np.zeros((2, 2))),
    (lambda x: tg.linalg.slogdet(x).sign, np.eye(2), np.zeros((2, 2))),
    (tg.linalg.det, [[NAN, 1.0], [1.0, 1.0]], [[1, -1], [-1, NAN]]),  # products of the other elements
    (tg.linalg.det, np.full((4, 4), NAN), np.full((4, 4), NAN)),
    (tg.linalg.det, [[0.2, 0.0, 1.0]] * 3, np.zeros((3, 3))),
    # Elementwise functions
    (tg.floor, [0.5, 1.0, NAN], [0, 0, 0]), (lambda x: tg.round(x, 1), [0.25, 1.0, NAN], [0, 0, 0]),
    (lambda x: tg.leaky_relu(x, 0.1), [-INF, -0.0, 0.0, INF, NAN], [0.1, 0.1, 0.1, 1, 0.1]),
    (lambda x: tg.prelu(x, 0.1), [-INF, -0.0, 0.0, INF, NAN], [0.1, 0.1, 0.1, 1, 0.1]),
    (lambda x: tg.elu(x, 2.0), [-INF, -0.0, 0.0, INF, NAN], [0, 2, 2, 1, 1]),
    (lambda x: tg.celu(x, 2.0), [-INF, -0.0, 0.0, INF, NAN], [0, 1, 1, 1, 1]),
    (tg.selu, [0.0, NAN], [1.7580993408473766, 1.0507009873554805]),
    (tg.relu6, [0.0, 6.0, 3.0, -INF, INF, NAN], [0, 0, 1, 0, 0, 1]),
    (tg.hardtanh, [-1.0, 1.0, NAN], [0, 0, 1]), (tg.hardsigmoid, [-3.0, 3.0, NAN], [0, 0, 0]),
    (tg.hardswish, [-3.0, 3.0, NAN, -INF, INF], [0, 1, 1, 0, 1]),
    (lambda x: tg.threshold(x, 1.0, 5.0), [1.0, NAN, -INF, INF], [0, 1, 0, 1]),
    (tg.hardshrink, [-0.5, 0.5, NAN, -INF, INF], [0, 0, 1, 1, 1]),
    (tg.softshrink, [-0.5, 0.5, NAN, -INF, INF], [0, 0, 1, 1, 1]),
    (tg.softplus, [-INF, 0.0, 21.0, INF, NAN], [0, 0.5, 1, 1, NAN]),
    (tg.logsigmoid, [-INF, 0.0, INF, NAN, -800.0, 800.0], [1, 0.5, 0, NAN, 1, 0]),
    (tg.mish, [-800.0, 800.0, NAN], [0, 1, NAN]), (tg.softsign, [0.0, NAN], [1, NAN]),
    (tg.gelu, [-40.0, 40.0, NAN], [0, 1, NAN]),
    (lambda x: tg.gelu(x, "tanh"), [-40.0, 40.0, 1e200, NAN], [0, 1, 1, NAN]),
    (tg.logit, [0.0, 1.0, -1.0, 2.0, NAN, 0.5], [INF, INF, NAN, NAN, NAN, 4]),
    (lambda x: tg.logit(x, 0.25), [0.25, 0.75, 0.1, 1.0, NAN], [16 / 3, 16 / 3, 0, 0, 0]),
    (tg.nan_to_num, [-INF, -0.0, 0.0, INF, NAN], [0, 1, 1, 0, 0]),
    (tg.sinc, [0.0, -0.0, 1.0], [0, 0, -1]), (tg.grad(lambda x: tg.sinc(x).sum()), [0.0, 1.0], [-np.pi**2 / 3, 2]),
    (tg.rsqrt, [0.0, -0.0, INF], [-INF, INF, 0]), (tg.reciprocal, [0.0, -0.0, INF], [-INF, -INF, 0]),
    (tg.cbrt, [0.0, -8.0], [INF, 1 / 12]), (tg.arcsinh, [1e200, INF], [1e-200, 0]),
    (tg.arcsin, [1.0, -1.0], [INF, INF]), (tg.arccosh, [1.0, INF], [INF, 0]), (tg.arctanh, [1.0, -1.0], [INF, INF]),
    (lambda x: tg.hypot(x, x * 0), [0.0, 1e200], [NAN, 1]),
    (lambda x: tg.arctan2(x, 0.0), [0.0, 1.0, INF], [0, 0, 0]),
    (lambda x: tg.arctan2(x, 1e-200), [0.0], [1e200]), (tg.expm1, [-40.0, -INF], [np.exp(-40), 0]),
    (lambda x: tg.copysign(x, -1.0), [-2.0, -0.0, 0.0, INF], [1, 0, 0, -1]),
    (lambda x: tg.xlogy(x, 0.0), [0.0, 1.0], [0, -INF]), (lambda x: tg.xlogy(x, NAN), [0.0], [NAN]),
    (lambda x: tg.logaddexp(x, 0.0), [-INF, -1e4, 0.0, 1e4, INF], [0, 0, 0.5, 1, 1]),
    (lambda x: tg.logaddexp2(x, 0.0), [-INF, -1e4, 0.0, 1e4, INF], [0, 0, 0.5, 1, 1]),
    (lambda x: tg.fmax(x, 1.0), [0.0, 1.0, 2.0, NAN], [0, 0.5, 1, 0]), (lambda x: tg.fmax(x, NAN), [0.0, NAN], [1, 1]),
    (lambda x: tg.fmin(x, 1.0), [0.0, 1.0, 2.0, NAN], [1, 0.5, 0, 0]), (lambda x: tg.fmin(x, NAN), [0.0, NAN], [1, 1]),
    (lambda x: tg.interp(x, [0, 1, 2], [1.0, 2.0, 5.0]), [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0], [0, 1, 1, 3, 3, 0]),
    (lambda x: tg.interp(x, [0, 1, 1, 2], [1.0, 2.0, 5.0, 6.0]), [1.0], [1]),
    (lambda x: tg.interp(x, [0], [1.0]), [0.0], [0]),
    (lambda x: tg.interp([0.0, 0.5, 2.0, 3.0], [0, 1, 2], x), [1.0, 2.0, 5.0], [1.5, 0.5, 2]),
    (lambda x: tg.vander(x, 3), [0.0, 1.0], [1, 3]),
    (lambda x: tg.fmod(5.0, x), [3.0, INF], [-1, 0]),
    (lambda x: tg.xlog1py(x, -1.0), [0.0, 1.0], [0, -INF]), (lambda x: tg.xlog1py(x, NAN), [0.0], [NAN]),
    (tg.entr, [0.0, 1.0, -1.0, INF, NAN], [INF, -1, NAN, -INF, NAN]),
    (tg.erfinv, [-1.0, 0.0, 1.0, 2.0], [INF, np.pi**0.5 / 2, INF, NAN]),
    (tg.erfc, [-INF, 40.0, INF, NAN], [0, 0, 0, NAN]),
    (tg.ndtri, [0.0, 0.5, 1.0, -1.0], [INF, (2 * np.pi) ** 0.5, INF, NAN]),
    (tg.log_ndtr, [-1e4, 0.0, 40.0, INF, NAN], [1e4 + 1e-4, (2 / np.pi) ** 0.5, 0, 0, NAN]),
    (tg.grad(lambda x: tg.log_ndtr(x).sum()), [0.0, 40.0], [-2 / np.pi, 0]),
    (tg.i0e, [-INF, -0.0, 0.0, NAN], [0, 0, 0, NAN]), (tg.i1e, [0.0], [0.5]), (tg.i0, [0.0, 800.0], [0, INF]),
    (tg.i1, [0.0], [0.5]), (tg.bessel_j0, [0.0], [0]), (tg.bessel_j1, [0.0], [0.5]),
    (tg.bessel_y0, [0.0, -1.0], [INF, NAN]), (tg.modified_bessel_k0, [0.0, -1.0, INF], [-INF, NAN, 0]),
    (tg.lgamma, [1.0, 0.5, INF], [-np.euler_gamma, -np.euler_gamma - 2 * np.log(2), INF]),
    (tg.digamma, [1.0], [np.pi**2 / 6]),
    (lambda x: tg.masked_fill(x, [True, False], NAN), [1.0, 2.0], [0, 1]),
    (lambda x: tg.power(x, 3), [-0.0, INF, NAN], [0, INF, NAN]), (lambda x: x**-3, [-0.0, INF], [-INF, 0]),
]  # fmt: skip


@with_each(
    ("f", "x", "derivative", "rtol"), [(*row, rtol) for rows, rtol in ((EXACT, 0), (ROUNDED, 1e-14)) for row in rows]
)
def test_kinks_bounds_ends_and_nan(f, x, derivative, rtol):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(gradient(f, x), derivative, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_third_derivative_of_log_ndtr_does_not_cancel_in_narrow_dtypes(dtype):
    def third(x):
        f = tg.log_ndtr
        for _ in range(3):
            f = lambda x, f=f: tg.grad(lambda x: f(x).sum())(x)  # noqa: E731 (a loop over functions)
        return np.asarray(f(x))

    x = np.array([-100.0, -20.0, -7.5, -3.0, 0.5])
    np.testing.assert_allclose(third(x.astype(dtype)), third(x), rtol=4 * np.finfo(dtype).eps, atol=2e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_nan_among_the_logits_reaches_the_gradient_of_its_sample_alone(dtype):
    logits = tg.Tensor(np.array([[0, np.nan, 1], [0, 0, 0]], dtype), requires_grad=True)
    tg.cross_entropy(logits, np.array([0, 1]), reduction="sum").backward()
    np.testing.assert_allclose(logits.grad, [[np.nan] * 3, [1 / 3, -2 / 3, 1 / 3]], rtol=1e-3)


@pytest.mark.parametrize("axis", [-3, -2, -1])
def test_a_window_with_a_nan_is_shared_by_all_its_pixels(axis):
    x = np.moveaxis(np.array([1.0, np.nan, 3.0, 4.0]).reshape(1, 1, 1, 1, 4), -1, axis)
    kernel = np.where(np.array(x.shape[2:]) > 1, 2, 1)
    assert gradient(lambda x: tg.max_pool3d(x, (*kernel,)), x).ravel().tolist() == [0.5, 0.5, 0.0, 1.0]
    if axis > -3:
        assert gradient(lambda x: tg.max_pool2d(x, (*kernel[1:],)), x[:, 0]).ravel().tolist() == [0.5, 0.5, 0.0, 1.0]


# --- Cross entropies at extreme logits: logit, target, loss and derivative from PyTorch 2.13 in float32 ---


@pytest.mark.parametrize(("logit", "target", "loss", "derivative"), [
    (20.0, 1.0, 2.0611537e-09, -2.0611537e-09), (-20.0, 0.0, 2.0611537e-09, 2.0611537e-09),
    (np.inf, 1.0, 0, 0), (-np.inf, 0.0, 0, 0), (np.inf, 0.0, np.inf, 1), (1e4, 0.25, 7500, 0.75),
    (np.nan, 1.0, np.nan, np.nan),
])  # fmt: skip
def test_binary_cross_entropy_at_its_ends(logit, target, loss, derivative):
    x = tg.Tensor([logit], requires_grad=True)
    with np.errstate(invalid="ignore"):
        found = tg.nn.binary_cross_entropy_with_logits(x, [target])
        found.backward()
    np.testing.assert_allclose([found.item(), x.grad[0]], [loss, derivative], rtol=1e-6)
    assert found.item() != 0 or not np.signbit(found.numpy())


# --- Losses at their kinks, as in PyTorch 2.13 ---

UNIT = np.array([[1.0, 0.0]])


@pytest.mark.parametrize(("loss", "x", "derivative"), [
    (lambda x: nn.l1_loss(x, np.zeros(3), "sum"), [-1.0, 0.0, 1.0], [-1, 0, 1]),
    (lambda x: nn.smooth_l1_loss(x, np.zeros(5), "sum", 0.5), [-1.0, -0.5, 0.0, 0.5, 1.0], [-1, -1, 0, 1, 1]),
    (lambda x: nn.huber_loss(x, np.zeros(5), "sum", 0.5), [-1.0, -0.5, 0.0, 0.5, 1.0], [-0.5, -0.5, 0, 0.5, 0.5]),
    (lambda x: nn.hinge_embedding_loss(x, [-1, -1, -1], reduction="sum"), [0.0, 1.0, 2.0], [-1, -1, 0]),
    (lambda x: nn.margin_ranking_loss(x, [0.0, 0.0], [1, -1], 1.0, "sum"), [1.0, -1.0], [-1, 1]),
    (lambda x: nn.cosine_embedding_loss(x, UNIT, [-1], 0.0, "sum"), [[0.0, 1.0]], [[1, 0]]),
    (lambda x: nn.triplet_margin_loss(x, UNIT, -UNIT, 2.0, eps=0.0), [[0.0, 0.0]], [[-2, 0]]),
    (lambda x: nn.triplet_margin_loss(UNIT, x, UNIT, eps=0.0, swap=True), [[1.0, 0.0]], [[0, 0]]),
    (lambda x: nn.multi_margin_loss(x, [0], reduction="sum"), [[1.0, 0.0, 0.5]], [[-1 / 3, 0, 1 / 3]]),
    (lambda x: nn.multilabel_margin_loss(x, [0, -1, -1]), [1.0, 0.0, 0.5], [-1 / 3, 0, 1 / 3]),
    (lambda v: nn.gaussian_nll_loss(np.zeros(2), np.zeros(2), v, eps=0.5, reduction="sum"), [0.0, 1.0], [1, 0.5]),
    (lambda p: nn.binary_cross_entropy(p, [0, 1, 1], reduction="sum"), [1.0, 0.0, 1.0], [1e12, -1e12, 0]),
])  # fmt: skip
def test_losses_at_their_kinks(loss, x, derivative):
    np.testing.assert_allclose(gradient(loss, x), derivative, rtol=1e-8, atol=1e-11)


# --- Segments ---


@pytest.mark.parametrize("reduce", ["amax", "amin"])
def test_ties_of_scattered_elements_share_evenly_with_those_that_are_reduced(reduce):
    f = getattr(tg, f"segment_{reduce[1:]}")
    assert gradient(lambda x: f(x, [0, 2, 0, 0]), [1.0, 3.0, 1.0, 1.0]).tolist() == [1 / 3, 1, 1 / 3, 1 / 3]
    for include_self, shares in ((True, (1 / 3, 1 / 3)), (False, (0, 0.5))):
        scattered = lambda x, y, keep=include_self: tg.scatter_reduce(x, 0, [0, 0], y, reduce, keep)  # noqa: E731
        x, y = gradient(scattered, [1.0, 5.0], [1.0, 1.0])
        np.testing.assert_allclose(x, [shares[0], 1])
        np.testing.assert_allclose(y, shares[1])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_nan_in_a_segment_reaches_all_its_elements():
    assert np.isnan(gradient(lambda x: tg.segment_max(x, [0, 0, 1]), [NAN, 1.0, 2.0])).tolist() == [True, True, False]


def test_empty_segments():
    none = np.zeros((0, 2))
    for f, value in ((tg.segment_sum, 0), (tg.segment_prod, 1), (tg.segment_max, -INF), (tg.segment_min, INF)):
        assert f(none, np.zeros(0, int), 1).tolist() == [[value, value]]
        assert f(none, []).shape == (0, 2)
        assert gradient(lambda x, f=f: f(x, np.zeros(0, int), 1), none).shape == (0, 2)
    assert tg.segment_max(np.array([3, 4]), [2, 2]).tolist() == [np.iinfo(int).min] * 2 + [4]


# --- Quantiles without NaN ---


def test_quantiles_of_numbers_among_nan():
    x = np.array([[NAN, 3.0, 1.0], [NAN, NAN, NAN]])
    for f in (tg.nanmedian, lambda x, axis=None: tg.nanquantile(x, 0.5, axis)):
        assert f(x) == 2
        assert np.array_equal(f(x, axis=1), [2, NAN], equal_nan=True)
        assert gradient(lambda x, f=f: f(x), x).tolist() == [[0, 0.5, 0.5], [0, 0, 0]]
    assert tg.nanquantile(x[0], [[0.0], [0.25]]).tolist() == [[1], [1.5]]
    with pytest.raises(ShapeError, match="nanquantile: cannot reduce an empty axis"):
        tg.nanquantile(np.zeros((2, 0)), 0.5, 1)


# --- Distances and correlations ---


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, np.inf])
def test_a_distance_of_zero_has_no_gradient_at_any_order(p):
    x = np.array([[1.0, 2.0], [1.0, 2.0]])
    for f in (lambda x: tg.cdist(x, x[:1], p), lambda x: tg.pdist(x, p)):
        assert gradient(f, x).tolist() == [[0, 0], [0, 0]]
        assert tg.grad(lambda x, f=f: tg.grad(lambda x: f(x).sum())(x).sum())(x).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("dtype", "eps"), [(np.float32, 1.0), (np.float64, 20.0)])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_distances_of_near_points_lose_no_digits(dtype, eps, offset):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 5))
    y = x + 10.0 ** -rng.integers(0, 8, (40, 1)) * rng.standard_normal((40, 5))
    x, y = (x + offset).astype(dtype), (y + offset).astype(dtype)
    differences = x[:, None].astype(np.longdouble) - y
    expected, g = np.sqrt((differences**2).sum(-1)), rng.standard_normal((40, 40))
    rtol = eps * np.finfo(dtype).eps
    np.testing.assert_allclose(tg.cdist(x, y), expected, rtol=rtol)
    slopes = g[..., None] * differences / np.where(expected == 0, 1, expected)[..., None]
    for axis, of in ((1, 0), (0, 1)):
        found = tg.grad(lambda x, y: (g * tg.cdist(x, y)).sum(), argnums=of)(x, y)
        np.testing.assert_allclose(found, (1, -1)[of] * slopes.sum(axis), atol=2 * rtol * np.abs(g).sum(axis).max())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_that_are_not_finite_or_huge_change_only_their_own_distances(dtype):
    huge, tiny = np.finfo(dtype).max / 4, np.finfo(dtype).tiny
    x = np.array([[1, 2], [np.inf, 0], [np.nan, 1], [huge, 1], [tiny, 0]], dtype)
    y = np.array([[0, 2], [0, 0], [-huge, 4]], dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.hypot(*np.moveaxis(x[:, None].astype(np.longdouble) - y, -1, 0))
    np.testing.assert_allclose(tg.cdist(x, y), expected.astype(dtype), rtol=4 * np.finfo(dtype).eps)
    with np.errstate(invalid="ignore"):
        slopes = gradient(lambda x: tg.cdist(x, y), x)
    np.testing.assert_allclose(slopes[0], gradient(lambda x: tg.cdist(x, y), x[:1])[0])
    assert np.isnan(slopes[2]).all()


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_distances_take_the_memory_of_the_result(p):
    x = tg.Tensor(np.random.default_rng(0).standard_normal((1500, 64)), requires_grad=True, dtype=np.float32)
    tracemalloc.start()
    tg.cdist(x, x, p).sum().backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 1500 * 1500 * x.dtype.itemsize


def test_the_largest_differences_share_the_gradient():
    assert gradient(lambda x: tg.cdist(x, np.zeros((1, 3)), np.inf), [[2.0, -2.0, 1.0]]).tolist() == [[0.5, -0.5, 0]]


def test_correlations_of_a_line_are_one_with_the_derivatives_of_an_extremum():
    x = np.array([1.0, 2.0, 4.0])
    assert np.abs(tg.corrcoef(np.stack([x / 3, x * 1e-3, -x]))).max() <= 1
    correlation = lambda y: tg.corrcoef(x, y)[0, 1]  # noqa: E731
    np.testing.assert_allclose(gradient(correlation, x), 0, atol=1e-15)
    assert np.linalg.eigvalsh(tg.hessian(correlation)(x))[0] < -0.1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_covariances_of_too_few_observations_are_not_finite_as_numpys():
    for ddof in (1, 2):
        np.testing.assert_array_equal(tg.cov([[1.0], [2.0]], ddof=ddof), np.cov([[1.0], [2.0]], ddof=ddof))
    assert np.isnan(tg.corrcoef([[1.0, 1.0], [1.0, 2.0]])).tolist() == [[True, True], [True, False]]


def test_lengths_of_counts_are_numpys():
    weights = tg.Tensor([1.0, 2.0], requires_grad=True)
    for numbers, least in (([1, 3], 0), ([1, 3], 9), ([0, 0], 1)):
        expected = np.bincount(numbers, [1.0, 2.0], least)
        np.testing.assert_array_equal(tg.bincount(numbers, weights, least), expected)
        np.testing.assert_array_equal(tg.bincount(numbers, minlength=least), np.bincount(numbers, minlength=least))
    counts, edges = tg.histogram([0.0, 1.0, 2.0, 9.0], [0, 1, 2], weights=tg.Tensor([1.0, 2.0, 4.0, 8.0]))
    assert counts.tolist() == [1, 6]  # the last bin includes its right edge
    assert edges.tolist() == [0, 1, 2]


@with_each(("mistake", "message"), [
    (lambda: tg.interp(0.0, [1.0, 0.0], [1.0, 2.0]), "interp: xp must be increasing"),
    (lambda: tg.interp(0.0, [1.0, 2.0], [1.0]), "interp: xp and fp must be 1-d and of one length"),
    (lambda: tg.cross(np.zeros(2), np.zeros(2)), "cross: the vectors must have 3 elements"),
    (lambda: tg.vecdot(np.zeros(2), np.zeros(1)), "vecdot: the vectors must have equal lengths"),
    (lambda: tg.gradient(np.zeros(2), edge_order=2), "gradient: axis 0 must have at least 3 samples"),
    (lambda: tg.gradient(np.zeros(2), np.zeros(3)), "gradient: the spacing of axis 0 must be a number or 2 positions"),
    (lambda: tg.gradient(np.zeros(2), 1.0, 1.0), "gradient: expected no spacing, 1 or 1"),
    (lambda: tg.gradient(np.zeros(2), edge_order=3), "gradient: edge_order must be 1 or 2"),
    (lambda: tg.trapezoid(np.zeros(3), np.zeros(2)), "trapezoid: x must have a position for each sample"),
    (lambda: tg.cumulative_trapezoid(np.zeros(3), initial=1), "cumulative_trapezoid: initial must be None or 0"),
    (lambda: tg.cov(np.zeros((2, 2, 2))), "cov: variables must be 1-d or 2-d"),
    (lambda: tg.cov(np.zeros(2), fweights=[0.5, 1]), "cov: fweights must be integers"),
    (lambda: tg.cov(np.zeros(2), aweights=[-1, 1]), "cov: aweights must be 2 numbers >= 0"),
    (lambda: tg.cdist(np.zeros((2, 2)), np.zeros((2, 3))), "cdist: expected shapes"),
    (lambda: tg.pdist(np.zeros(2)), "pdist: x must be a matrix"),
    (lambda: tg.grid_sample(np.zeros((1, 1, 2, 2)), np.zeros((1, 2, 2, 3))), "grid_sample: expected x .N, C, H, W."),
    (lambda: tg.grid_sample(np.zeros((1, 1, 2, 2)), np.zeros((2, 2, 2, 2))), "grid_sample: expected x .N, C, H, W."),
    (lambda: tg.grid_sample(np.zeros((1, 1, 1, 1, 1)), np.zeros((1, 1, 1, 1, 3)), "bicubic"), "grid_sample: mode"),
    (lambda: tg.grid_sample(np.zeros((1, 1, 0, 2)), np.zeros((1, 1, 1, 2))), "grid_sample: images must not be empty"),
    (lambda: tg.affine_grid(np.zeros((2, 2, 3)), (1, 1, 2, 2)), "affine_grid: expected theta .N, 2, 3."),
    (lambda: tg.affine_grid(np.zeros((2, 2, 3)), (2, 1, 2)), "affine_grid: expected theta .N, 2, 3."),
    (lambda: tg.vander(np.zeros((2, 2))), "vander: x must be 1-d"),
    (lambda: tg.block_diag(np.zeros((2, 2, 2))), "block_diag: expected one or more arrays of at most 2 axes"),
    (lambda: tg.bincount([0.5]), "bincount: x must be a 1-d array of integers >= 0"),
    (lambda: tg.bincount([-1]), "bincount: x must be a 1-d array of integers >= 0"),
    (lambda: tg.bincount([1], [1.0, 2.0]), "bincount: weights must have the shape of x"),
    (lambda: tg.histogram([1.0], weights=tg.Tensor([1.0, 2.0])), "histogram: weights must have the shape of a"),
    (lambda: tg.segment_sum(np.zeros(2), [0]), "segment_sum: expected data"),
    (lambda: tg.segment_sum(np.zeros(2), [0, -1]), "segment_sum: segments must be from 0"),
    (lambda: tg.segment_max(np.zeros(2), [0, 3], 3), "segment_max: segments must be from 0 to 2"),
    (lambda: tg.index_add(np.zeros(2), 0, [2], np.zeros(1)), "index_add: indices must be from -2 to 1"),
    (lambda: tg.index_add(np.zeros(2), 0, [1], np.zeros(2)), "index_add: source must have shape"),
    (lambda: tg.scatter_reduce(np.zeros(2), 0, [0], np.zeros(1), "max"), "scatter_reduce: reduce must be"),
    (lambda: tg.scatter_reduce(np.zeros(2), 0, [0, 1], np.zeros(1), "sum"), "scatter_reduce: indices"),
    (lambda: tg.diag_embed(1.0), "diag_embed: x must have at least one axis"),
])  # fmt: skip
def test_samples_that_do_not_fit_are_refused(mistake, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=f"^{message}"):
        mistake()


# --- Pooling: any number of ties, any dtype ---


@pytest.mark.parametrize("pool", [tg.max_pool1d, tg.max_pool2d, tg.max_pool3d])
@pytest.mark.parametrize("value", [0.0, -np.inf, np.nan])
def test_the_padding_gets_no_gradient_whatever_the_image_is(value, pool):
    x = np.full((1, 1, *(2,) * int(pool.__name__[-2])), value)
    pooled = lambda x: pool(x, 2, 2, 1)  # noqa: E731 (windows of one pixel each)
    np.testing.assert_array_equal(gradient(pooled, x), np.ones_like(x))
    _, tangent = tg.jvp(pooled, (x,), (np.arange(x.size).reshape(x.shape) * 1.0,))
    np.testing.assert_array_equal(tangent.ravel(), np.arange(x.size))


def test_a_window_of_many_ties():
    x = np.zeros((1, 1, 300, 300))
    np.testing.assert_allclose(gradient(lambda x: tg.max_pool2d(x, 300), x), 1 / 300**2)
    half = tg.Tensor(x, dtype=np.float16, requires_grad=True)
    tg.max_pool2d(half, 300).sum().backward()
    np.testing.assert_allclose(half.grad, np.float16(1 / 300**2))


@pytest.mark.parametrize("pool", [tg.max_pool2d, tg.max_pool3d])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool])
def test_padding_never_wins(dtype, pool):
    x = np.zeros((1, 1, 2, 2, 2)[: int(pool.__name__[-2]) + 2], dtype)
    pooled = pool(x, 2, 1, 1)
    assert pooled.dtype == dtype
    assert not pooled.any()


# --- Neural network functions, as in PyTorch 2.13 ---

IMAGE = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
QUERY = np.array([[1.0, 2.0], [3.0, 4.0]])
BLIND = np.array([[False, False], [True, True]])


@pytest.mark.parametrize(("f", "x", "derivative"), [
    (lambda x: tg.normalize(x, axis=0), [0.0, 0.0], [1e12, 1e12]),
    (lambda x: tg.pairwise_distance(x, [3.0, 3.0], eps=0.0), [3.0, 3.0], [0, 0]),
    (lambda x: tg.pairwise_distance(x, [0.0, 0.0, 0.0], np.inf, 0.0), [2.0, -2.0, 1.0], [0.5, -0.5, 0]),
    (lambda x: tg.embedding([0, 2, 2, 1], x), np.zeros((3, 1)), [[1], [1], [2]]),
    (lambda x: tg.embedding([0, 2, 2, 1], x, padding_idx=-1), np.zeros((3, 1)), [[1], [1], [0]]),
    (lambda x: tg.embedding(np.zeros(4096, int), x.astype(np.float16)), np.zeros((1, 1)), [[4096]]),
    (lambda x: tg.embedding(np.zeros(4096, int), x.astype(np.float16)), np.zeros((1, 9)), [[4096] * 9]),
    (lambda x: tg.scaled_dot_product_attention(QUERY, QUERY, x, BLIND, scale=0), QUERY, np.full((2, 2), 0.5)),
    (lambda x: tg.scaled_dot_product_attention(x, QUERY, np.ones((2, 1)), BLIND), QUERY, np.zeros((2, 2))),
    (lambda x: tg.adaptive_max_pool2d(x, 2), np.zeros((1, 1, 3, 3)), np.outer([1, 2, 1], [1, 2, 1]) / 4),
    (lambda x: tg.adaptive_max_pool3d(x, (1, 2, 1)), np.zeros((1, 2, 3, 1)), np.array([[[1], [2], [1]]] * 2) / 4),
    (lambda x: tg.max_pool1d(x, 2, 1, 1, 4), np.zeros((1, 1, 3)), np.zeros((1, 1, 3))),  # padding only
    (lambda x: tg.interpolate(x, 1, mode="linear"), [[[1.0, np.inf, 2.0]]], [[[0, 1, 0]]]),
    (lambda g: tg.grid_sample(IMAGE, g, align_corners=True), np.zeros((1, 1, 1, 2)), [[[[1, 3]]]]),  # the next pixel
    (lambda g: tg.grid_sample(IMAGE, g, "bilinear", "border", True), [[[[1.0, -2.0]]]], [[[[0, 0]]]]),
    (lambda g: tg.grid_sample(IMAGE, g, "nearest"), [[[[0.1, -0.2]]]], [[[[0, 0]]]]),
])  # fmt: skip
def test_where_functions_of_networks_have_their_ends(f, x, derivative):
    np.testing.assert_allclose(gradient(f, x).reshape(np.shape(derivative)), derivative, rtol=1e-12)


@with_each(("found", "wanted"), [
    (lambda: tg.scaled_dot_product_attention(QUERY, QUERY, QUERY, BLIND)[0], [0, 0]),
    (lambda: tg.scaled_dot_product_attention(QUERY, QUERY, QUERY, np.where(BLIND, 0, -np.inf))[0], [0, 0]),
    (lambda: tg.conv2d(IMAGE, np.ones((1, 1, 2, 2)), padding="same")[0, 0, 2], [15, 17, 9]),
    (lambda: tg.max_pool2d(IMAGE, 2, ceil_mode=True)[0, 0], [[5, 6], [8, 9]]),
    (lambda: tg.avg_pool2d(IMAGE, 2, ceil_mode=True)[0, 0], [[3, 4.5], [7.5, 9]]),
    (lambda: tg.avg_pool2d(IMAGE, 2, 2, 1)[0, 0], [[0.25, 1.25], [2.75, 7]]),
    (lambda: tg.avg_pool2d(IMAGE, 2, 2, 1, count_include_pad=False)[0, 0], [[1, 2.5], [5.5, 7]]),
    (lambda: tg.max_pool2d(np.zeros((1, 3, 3)), 2, 1, return_indices=True)[1], [[[0, 1], [3, 4]]]),
    (lambda: tg.max_pool3d(np.full((1, 2, 2, 2), -np.inf), 2, 2, 1, return_indices=True)[1].ravel(), np.arange(8)),
    (lambda: tg.conv3d(np.ones((1, 2, 1, 1)), np.ones((1, 1, 2, 1, 1)), padding="same")[0, :, 0, 0], [2, 1]),
    (lambda: tg.interpolate(IMAGE[0], 2)[0], [[1, 2], [4, 5], [7, 8]]),
    (lambda: tg.interpolate(np.array([[[1, 2]]], np.uint8), 4), [[[1, 1, 2, 2]]]),
    (lambda: tg.grid_sample(IMAGE, np.array([[[[INF, 0], [-INF, 0], [NAN, 0]]]]))[0, 0, 0], [0, 0, NAN]),
    (lambda: tg.grid_sample(IMAGE, np.array([[[[INF, 0], [0, NAN]]]]), "nearest", "border")[0, 0, 0], [6, NAN]),
    (lambda: tg.grid_sample(np.full((1, 1, 1, 2), INF), np.full((1, 1, 1, 2), 4.0))[0, 0, 0], [0]),  # outside
    (lambda: tg.grid_sample(IMAGE.astype(np.uint8), np.zeros((1, 1, 1, 2)), "nearest")[0, 0, 0], [5]),
    (lambda: tg.normalize(np.full((1, 2), 300, np.float16)), [[0.5**0.5, 0.5**0.5]]),
    (lambda: tg.normalize(np.full((1, 2), 1e200)), [[0.5**0.5, 0.5**0.5]]),
    (lambda: tg.layer_norm(np.array([[-300, 300]], np.float16), 2), [[-1, 1]]),
    (lambda: tg.rms_norm(np.array([[-300, 300]], np.float16), [2]), [[-1, 1]]),
])  # fmt: skip
def test_values_of_networks_at_their_edges(found, wanted):
    np.testing.assert_allclose(found(), wanted, rtol=1e-3)


@pytest.mark.parametrize("kind", [np.array, tg.Tensor])
@pytest.mark.parametrize(("norm", "var"), [("batch_norm", 4 / 3), ("instance_norm", 0.75)])
def test_running_statistics_move_in_place_by_the_momentum(norm, var, kind):
    running = kind(np.zeros(1)), kind(np.ones(1))
    x = tg.Tensor(np.array([[[-1.0, 0.0]], [[1.0, 2.0]]]), requires_grad=True)
    flag = {"training": True} if norm == "batch_norm" else {}
    getattr(tg, norm)(x, *running, momentum=0.5, **flag).sum().backward()
    np.testing.assert_allclose(np.ravel([values_of(r) for r in running]), [0.25, var])


# --- Empty arrays ---


@pytest.mark.parametrize("op", EXTREMA)
def test_an_extremum_of_nothing_is_refused(op):
    with pytest.raises(ValueError, match="zero-size"):
        op(tg.Tensor(np.zeros(0)))


def test_logsumexp_of_nothing_is_minus_infinity():
    with np.errstate(divide="ignore"):
        assert tg.logsumexp(tg.Tensor(np.zeros(0))).item() == -np.inf
