"""Tests of intended differences from NumPy and PyTorch; `docs/differences.md` lists the reasons."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.errors import ShapeError

NAN, INF = np.nan, np.inf


def gradient(f, *values):
    """Return the gradient of sum(f) with respect to the value, or a list of gradients for several values."""
    found = tg.grad(lambda *x: f(*x).sum(), tuple(range(len(values))))(*(np.array(v, np.float64) for v in values))
    return found[0] if len(values) == 1 else list(found)


def second(f, *values):
    """Return the gradients of the sum of the first-order gradients."""
    return gradient(lambda *x: sum(g.sum() for g in tg.grad(lambda *y: f(*y).sum(), tuple(range(len(x))))(*x)), *values)


def test_zeros_are_equal_whatever_their_sign():
    for f in (lambda x, y: tg.dot(x, y), lambda x, y: tg.einsum("i,i->i", x, y), lambda x, y: tg.clip(x * y, 0, 1)):
        assert not f(np.array([0.0]), np.array([-1.0])).any()
    assert tg.median(np.array([-0.0, -0.0])) == 0


@pytest.mark.filterwarnings("ignore:Mean of empty:RuntimeWarning")
def test_reductions_that_numpy_refuses():
    assert tg.average(np.zeros((2, 0, 0)), axis=(0, 1)).shape == (0,)
    assert tg.var(np.array(2.0), axis=-1) == tg.std(np.array(2.0), axis=0) == 0


def test_nothing_can_be_taken_from_an_axis_of_length_0():
    with pytest.raises(IndexError, match="out of bounds"):
        tg.take(np.zeros((0, 0)), np.array([0]), axis=-1)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("optimize", [False, True, "greedy", "optimal"])
def test_einsum_multiplies_in_the_dtype_of_the_result(optimize):
    x, y, z = np.full((1, 2), 100, np.int8), np.full((2, 1), 100, np.int8), np.ones((1, 1), np.int32)
    assert tg.einsum("ij,jk,kl", x, y, z, optimize=optimize) == 20_000
    assert tg.einsum("ij,jk,kl", x > 0, y > 0, z, optimize=optimize) == 2
    halves = tg.einsum("i,i,i->i", tg.Tensor(np.float16([2])), np.array([-32768]), np.array([1]), optimize=optimize)
    assert (halves.dtype, halves.item()) == (np.float16, -np.inf)


def test_einsum_refuses_a_diagonal_of_axes_of_length_0_and_another():
    with pytest.raises(ShapeError, match="axes with the same label differ in length"):
        tg.einsum(np.zeros((0, 5), np.int16), [7, 7], [7])


def test_covariances_have_the_dtype_of_the_variables():
    for f in (tg.cov, tg.corrcoef):
        assert f(np.float32([[0, 1, 3], [2, 1, 1]])).dtype == np.float32


def test_fractions_of_quantiles_are_float64():
    x = np.arange(5)
    assert tg.quantile(x, np.array([0.3], np.float32)).dtype == np.float64
    assert tg.quantile(x, np.array([0, 1])).tolist() == [0, 4]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_an_integer_beyond_float16_is_infinite_in_it():
    assert (tg.Tensor(np.array([70_000])) + tg.Tensor(np.float16([1]))).tolist() == [INF]


def test_a_boolean_without_axes_is_an_array():
    assert (tg.max(tg.Tensor(np.array([True]))) ** 2).dtype == (np.array(True) ** 2).dtype


def test_a_padding_that_does_not_fit_its_dtype_is_refused():
    with pytest.raises(OverflowError, match="out of bounds"):
        tg.pad(np.ones(2, np.uint8), 1, constant_values=-1)


@pytest.mark.parametrize("call", [lambda x: tg.normalize(x, axis=0), lambda x: tg.median(x, axis=-1)])
def test_an_array_without_axes_has_no_axis(call):
    with pytest.raises(IndexError, match="out of bounds for array of dimension 0"):
        call(tg.Tensor(1.0))


@pytest.mark.parametrize("f", [tg.cumsum, tg.cumprod, tg.argsort])
def test_a_scan_of_a_number_has_one_axis(f):
    assert np.shape(f(np.array(2.0), 0)) == (1,)


def test_values_that_do_not_fit_their_positions_are_refused():
    with pytest.raises(ShapeError, match="broadcast"):
        tg.put_along_axis(np.zeros((3, 1)), [[0], [1]], np.zeros((4, 1)), 0)
    with pytest.raises(ValueError, match="broadcast"):
        tg.scatter_add(np.zeros((2, 3)), np.array([0, 1]), (4,))


def test_the_sign_of_nan_is_nan():
    assert np.isnan(tg.sign(np.array([NAN]))).all()


def test_unpooling_gives_the_gradient_to_the_element_that_stays():
    layer, places = nn.MaxUnpool1D(2), np.array([[1, 1]])
    assert layer(np.array([[3.0, 4.0]]), places).tolist() == [[0, 4, 0, 0]]
    np.testing.assert_array_equal(gradient(lambda x: layer(x, places), [[3.0, 4.0]]), [[0, 1]])


@pytest.mark.parametrize(("f", "at", "sides"), [
    (lambda x: nn.huber_loss(x, np.zeros(1), "sum"), 1.0, (0, 1)),
    (lambda x: nn.smooth_l1_loss(x, np.zeros(1), "sum"), 1.0, (0, 1)),
    (tg.elu, 0.0, (0, 1)),
    (tg.softplus, 20.0, (0, 2.1e-9)),
])  # fmt: skip
def test_second_derivatives_at_bends_are_those_of_one_side(f, at, sides):
    (found,) = second(f, [at])
    assert any(abs(float(found) - side) < 1e-10 for side in sides)


def test_the_second_derivative_of_a_probability_next_to_its_ends():
    found = second(lambda p: nn.binary_cross_entropy(p, np.zeros(2), reduction="sum"), [1e-11, 1e-3])
    np.testing.assert_allclose(found, [1, 1 / (1 - 1e-3) ** 2], rtol=1e-9)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_power_of_one_half_is_a_square_root(dtype):
    found = tg.power(np.array([-INF, -0.0, 4.0], dtype), 0.5)
    np.testing.assert_array_equal(found, np.array([NAN, -0.0, 2.0], dtype))
    assert np.signbit(found[1])


@pytest.mark.parametrize(("x", "low", "high"), [(-1.0, 1, 0), (1.0, 0, 1)])
def test_equal_bounds(x, low, high):
    assert [float(g) for g in gradient(lambda *y: tg.clip(x, *y), 0.0, 0.0)] == [low, high]


def test_nan_between_bounds_in_the_wrong_order():
    assert [float(g) for g in gradient(tg.clip, NAN, 0.0, -1.0)] == [0, 0, 0]
    assert [float(g) for g in gradient(tg.clip, 2.0, 0.0, -1.0)] == [0, 0, 1]


def test_the_second_derivative_through_copysign():
    found = second(lambda x: tg.copysign(x, np.ones(1)) ** 2, [-2e-16])
    np.testing.assert_array_equal(found, [2])


def test_second_derivatives_of_hypot_near_0():
    along, across = second(tg.hypot, [2.0**-52], [0.0])
    np.testing.assert_array_equal([along, across], [[0], [2.0**52]])


def test_what_is_no_vector_is_a_stack_of_matrices():
    assert tg.linalg.solve(np.ones((4, 1, 1)), np.ones((1, 3))).shape == (4, 1, 3)


def test_a_zero_does_not_hide_nan():
    assert np.isnan(tg.dot(np.array(0), np.array([NAN, 1.0]))).tolist() == [True, False]


def test_gelu_far_below_0():
    found = tg.gelu(np.array([-6.0]), "tanh")
    t = np.longdouble(np.sqrt(2 / np.pi)) * (-6 - np.longdouble(0.044715) * 216)
    np.testing.assert_allclose(found.astype(float), [float(-6 / (1 + np.exp(-2 * t)))], rtol=1e-12)


def test_second_derivatives_of_a_product_with_a_factor_near_0():
    x = np.array([3.0, 5.0, 1e-17])
    found = second(tg.prod, x)
    np.testing.assert_allclose(found, [x[1] + x[2] + 0 * x[0], x[0] + x[2], x[0] + x[1]], rtol=1e-12)


def test_second_derivatives_with_a_variance_below_eps():
    def loss(x):
        zero = nn.smooth_l1_loss(x, x, "none")
        return x * x + nn.gaussian_nll_loss(zero, 0.5 * np.ones(3), zero, reduction="none")

    np.testing.assert_array_equal(second(loss, [0.1, -0.7, 1.3]), [2, 2, 2])


def test_second_derivatives_of_a_clipped_logit():
    np.testing.assert_array_equal(second(lambda x: tg.logit(x, 0.3), [0.0, 0.1, 1.0]), np.zeros(3))


def test_a_mean_of_many_halves_is_exact():
    assert tg.nanmean(np.full(4000, 60.0, np.float16)) == 60


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_a_normalized_number_has_a_gradient_of_0(p):
    for order, derivative in enumerate((gradient, second), start=1):
        rounding = 64 * np.finfo(np.float64).eps / 7e-7**order  # terms of this size cancel
        np.testing.assert_allclose(derivative(lambda x: tg.normalize(x, p, 0), [-7e-7]), [0], atol=rounding)


def test_sigmoids_far_below_0():
    x = np.array([-727.0])
    np.testing.assert_array_equal(tg.sigmoid(x), np.exp(x))
    for f in (tg.silu, lambda x: gradient(tg.mish, x)):
        np.testing.assert_allclose(f(x), x * np.exp(x), rtol=2e-3)


@pytest.mark.parametrize(("derivative", "f", "x", "wanted"), [
    (second, tg.logsigmoid, 37.0, -np.exp(-37.0)),
    (second, tg.logsigmoid, -37.0, -np.exp(-37.0)),
    (second, tg.softplus, -725.0, np.exp(-725.0)),
    (second, lambda x: tg.softplus(x, threshold=50.0), 37.0, np.exp(-37.0)),
    (second, tg.silu, 37.0, -35 * np.exp(-37.0)),
    (second, lambda x: tg.logaddexp(x, 0.0), 37.0, np.exp(-37.0)),
    (second, lambda x: tg.logaddexp(0.0, x), 37.0, np.exp(-37.0)),
    (second, lambda x: tg.logaddexp2(x, 0.0), 60.0, np.log(2) * 2.0**-60),
    (second, lambda x: tg.nn.binary_cross_entropy_with_logits(x, 0.0), 37.0, np.exp(-37.0)),
    (second, lambda x: tg.nn.binary_cross_entropy_with_logits(x, 1.0), -37.0, np.exp(-37.0)),
    (gradient, tg.mish, -50.0, -49 * np.exp(-50.0)),
    (gradient, tg.softsign, 1e12, 1e-24),
    (gradient, tg.expm1, -50.0, np.exp(-50.0)),
    (gradient, tg.arcsinh, 1e200, 1e-200),
])  # fmt: skip
def test_gradients_on_a_tail(derivative, f, x, wanted):
    np.testing.assert_allclose(derivative(f, x), wanted, rtol=1e-9)


def test_the_nuclear_norm_of_a_singular_matrix_has_a_subgradient():
    found = gradient(lambda x: tg.linalg.matrix_norm(x, ord="nuc"), [[1.0, 1.0], [1.0, 1.0]])
    assert np.linalg.norm(found, 2) <= 1 + 1e-12
    np.testing.assert_allclose(np.sum(found * np.ones((2, 2))), 2)  # Euler's theorem on homogeneous functions


def test_the_condition_of_zero_is_infinite():
    assert np.isinf(tg.linalg.cond(np.zeros((2, 2))))


def test_a_vector_shorter_than_eps():
    found = gradient(lambda x: tg.cosine_similarity(x, np.array([[1.0, 0.0]]), eps=0.5), [[0.25, 0.0]])
    np.testing.assert_allclose(found, [[2, 0]])


def test_the_gradient_of_the_logarithm_of_0_is_refused():
    with pytest.raises(tg.linalg.LinAlgError, match="Singular"):
        gradient(lambda x: tg.linalg.slogdet(x).logabsdet, np.zeros((2, 2)))


def test_the_mixed_derivative_of_a_power_with_the_exponent_0():
    mixed = tg.grad(lambda y: tg.grad(lambda x: (x**y).sum())(np.array(2.0)).sum())(np.array(0.0))
    assert float(mixed) == 0.5


def test_the_second_gradient_of_an_embedding_scaled_by_frequency():
    layer = nn.Embedding(2, 1, scale_grad_by_freq=True).astype(np.float64)

    def first(weight):
        def loss(w):
            return (nn.functional_call(layer, {"weight": w}, np.array([0, 0, 1])) ** 2).sum()

        return tg.grad(loss)(weight)

    found = tg.grad(lambda w: first(w).sum())(np.ones((2, 1)))
    np.testing.assert_array_equal(found, [[1], [2]])


def test_bags_scale_gradients_as_an_embedding_does():
    table, indices, g = np.ones((4, 2)), np.array([[3, 2, 1], [1, 3, 3]]), np.array([[1.0, 10.0], [100.0, 1000.0]])
    settings = {"freeze": False, "scale_grad_by_freq": True}
    bags = nn.EmbeddingBag.from_pretrained(table, mode="sum", **settings)
    rows = nn.Embedding.from_pretrained(table, **settings)
    bags(indices).backward(g)
    rows(indices).sum(axis=1).backward(g)
    np.testing.assert_array_equal(bags.weight.grad, rows.weight.grad)
    np.testing.assert_array_equal(bags.weight.grad, [[0, 0], [50.5, 505], [1, 10], [67, 670]])


def test_the_gradient_of_the_log_probabilities_of_ctc_is_the_derivative():
    found = gradient(lambda x: nn.ctc_loss(x, [[1]], [1], [1], reduction="sum"), np.log([[[0.25, 0.75]]]))
    np.testing.assert_array_equal(found, [[[0, -1]]])  # in PyTorch [[[0.25, -0.25]]]


def test_nothing_has_the_shape_of_the_formula():
    assert tg.pixel_unshuffle(np.zeros((1, 0, 0)), 3).shape == (9, 0, 0)
    assert tg.conv1d(np.zeros((0, 1)), np.zeros((2, 0, 1))).shape == (2, 1)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_a_sample_of_no_classes_has_no_loss():
    assert nn.cross_entropy(np.zeros(0), np.zeros(0)).item() == 0


def test_stirlings_term_of_a_small_target_has_no_gradient():
    found = gradient(lambda y: nn.poisson_nll_loss(np.zeros(1), y, full=True), [0.0])
    np.testing.assert_array_equal(found, [0])


def test_rrelu_treats_nan_as_leaky_relu_does():
    layer = nn.RReLU(0.2, 0.2)
    np.testing.assert_allclose(gradient(layer, [NAN]), gradient(lambda x: tg.leaky_relu(x, 0.2), [NAN]))


def test_a_nan_among_the_scores_reaches_the_loss():
    assert np.isnan(nn.multi_margin_loss(np.array([[NAN, 0.0]]), [1]).item())
    assert np.isnan(nn.multilabel_margin_loss(np.array([[NAN, 0.0]]), [[1, -1]]).item())


def test_scores_and_labels_have_one_shape():
    with pytest.raises(ShapeError, match="they must be equal"):
        nn.multilabel_margin_loss(np.zeros(1), np.array(0))


def test_clip_has_the_dtype_of_all_three():
    given = np.uint8([1]), np.int8([1]), np.float16([0])
    assert tg.clip(*given).dtype == np.clip(*given).dtype == np.float16


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_outside_of_its_domain_arccosh_has_a_gradient_of_nan():
    np.testing.assert_array_equal(gradient(tg.arccosh, [-2.0]), [NAN])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinity_makes_no_number_of_what_it_meets():
    x = np.array([[[INF, 1.0, 1.0]]])
    found = tg.conv1d(x, np.ones((1, 1, 2)))
    assert not np.isfinite(found[0, 0, 0])
    assert found[0, 0, 1] == 2


def test_the_gradient_of_bicubic_where_the_size_stays():
    weights = tg.interpolate(np.eye(2).reshape(2, 1, 2, 1), scale_factor=1.2, mode="bicubic")[:, 0, :, 0]
    assert (weights != np.eye(2)).all()
    found = gradient(lambda x: tg.interpolate(x, scale_factor=1.2, mode="bicubic")[0, 0, 0, 0], np.zeros((1, 1, 2, 1)))
    np.testing.assert_allclose(np.ravel(found), weights[:, 0])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiasing_is_separable(mode):
    def resized(x, scales):
        return tg.interpolate(x, scale_factor=scales, mode=mode, antialias=True)

    x = np.random.default_rng(0).standard_normal((1, 1, 4, 1))
    np.testing.assert_allclose(resized(x, 0.6 * np.array([1, 2])), resized(x.repeat(3, 3), (0.6, 1.0))[..., :1])
    weights = resized(np.eye(4).reshape(4, 1, 4, 1), (0.6, 1.2))[:, 0, 0, 0]
    np.testing.assert_allclose(gradient(lambda x: resized(x, (0.6, 1.2))[0, 0, 0], x).ravel(), weights)


def test_nearest_pixels_do_not_depend_on_the_dtype():
    x = np.arange(5941.0).reshape(1, 1, -1)
    wide, narrow = (tg.interpolate(x.astype(dtype), 10099) for dtype in (np.float64, np.float32))
    np.testing.assert_array_equal(wide, narrow)
    assert wide[0, 0, 2883] == 1696


def test_linear_algebra_takes_no_float16():
    x = tg.Tensor(np.array([[3]], np.int32)) + tg.Tensor(np.array([[0]], np.float16))
    assert x.dtype == np.float16
    with pytest.raises(TypeError, match="float16 is unsupported in linalg"):
        tg.linalg.inv(x)
