"""Initializers: bounds and variances of the initial values, and reproducibility."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.errors import DataError, DTypeError, ShapeError
from tinygrad_edu.nn import Conv2D, Linear, init

dtypes = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


class Ceiling(np.random.Generator):
    """A Generator that always draws the largest number below 1."""

    def random(self, size, dtype):
        return np.full(size, 1 - np.finfo(dtype).epsneg, dtype)


@given(st.floats(1e-6, 1e6), dtypes)
def test_uniform_never_reaches_its_upper_bound(a, dtype):
    values = init.uniform((3,), a, Ceiling(np.random.PCG64(0)), dtype)
    assert np.all(values.numpy() < dtype(a))


@given(
    st.lists(st.integers(0, 5), max_size=3).map(tuple),
    st.floats(0, 100, width=32, allow_subnormal=False),
    dtypes,
    seeds,
)
def test_uniform_lies_within_its_bounds(shape, a, dtype, seed):
    values = init.uniform(shape, a, np.random.default_rng(seed), dtype)
    assert (values.shape, values.dtype, values.requires_grad, values.is_leaf) == (shape, dtype, True, True)
    assert np.all(np.abs(values.numpy()) <= dtype(a))


@pytest.mark.parametrize(
    ("make", "variance"),
    [
        (lambda shape, rng: init.uniform(shape, 0.3, rng), 0.3**2 / 3),
        (init.xavier_uniform, 2 / (300 + 900)),  # for (fan_in, fan_out) = (12 * 25, 36 * 25)
        (init.kaiming_uniform, 2 / 300),
        (init.kaiming_normal, 2 / 300),
        (init.xavier_normal, 2 / (300 + 900)),
        (lambda shape, rng: init.xavier_uniform(shape, rng, gain=5 / 3), 2 / (300 + 900) * 25 / 9),
        (lambda shape, rng: init.kaiming_normal(shape, rng, gain=1.0), 1 / 300),
        (lambda shape, rng: init.kaiming_uniform(shape, rng, gain=1.0), 1 / 300),
        (lambda shape, rng: init.gaussian(shape, 0.3, rng), 0.3**2),
        # The standard normal distribution truncated at +-a has the variance 1 - 2 a pdf(a) / (1 - 2 cdf(-a)); a = 2.
        (lambda shape, rng: init.truncated_normal(shape, 0.3, rng, a=-0.6, b=0.6), 0.3**2 * 0.7737413),
        (lambda shape, rng: Conv2D(12, 36, 5, rng=rng).weight, 1 / 300 / 3),
        (lambda shape, rng: Linear(300, 200, rng=rng).weight, 1 / 300 / 3),
        (lambda shape, rng: Linear(9, 10_000, rng=rng).bias, 1 / 9 / 3),
    ],
)
def test_the_mean_is_zero_and_the_variance_as_the_source_says(make, variance):
    values = make((36, 12, 5, 5), np.random.default_rng(0)).numpy().astype(np.float64)
    deviation = np.sqrt(variance / values.size)
    assert abs(values.mean()) < 4 * deviation
    # A normal distribution has the larger kurtosis, 3: the variance of x ** 2 is at most 2 variance ** 2.
    assert abs(np.mean(values**2) - variance) < 4 * variance * np.sqrt(2 / values.size)


def test_the_bounds_are_those_of_the_formulas():
    shape = (40, 20, 3, 3)
    for make, bound in ((init.xavier_uniform, np.sqrt(6 / (60 * 9))), (init.kaiming_uniform, np.sqrt(6 / 180))):
        greatest = np.abs(make(shape, np.random.default_rng(0)).numpy()).max()
        assert 0.99 * bound < greatest <= np.float32(bound)


@pytest.mark.parametrize("make", [init.xavier_uniform, init.kaiming_uniform, init.kaiming_normal, init.orthogonal])
def test_one_seed_gives_one_weight_and_the_dtype_asked_for(make):
    first, second = (make((3, 4), np.random.default_rng(5), np.float64) for _ in range(2))
    assert first.dtype == np.float64
    assert first.requires_grad
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    assert make((3, 4), np.random.default_rng(5)).dtype == np.float32


def test_a_bias_has_no_fans():
    with pytest.raises(ShapeError, match=r"a weight must have shape \(out, in, ...\), got \(3,\)"):
        init.xavier_uniform((3,), np.random.default_rng(0))


def test_other_dtypes_and_seeds_are_refused():
    with pytest.raises(DTypeError, match="must be float32 or float64, got"):
        init.uniform((3,), 1.0, np.random.default_rng(0), np.int64)
    with pytest.raises(DTypeError, match=r"a numpy\.random\.Generator, got 5"):
        init.kaiming_normal((3, 3), 5)


@given(st.integers(1, 6), st.lists(st.integers(1, 4), min_size=1, max_size=2), st.floats(0.1, 3), dtypes, seeds)
def test_the_rows_or_columns_of_an_orthogonal_weight_are(rows, rest, gain, dtype, seed):
    shape = (rows, *rest)
    weight = init.orthogonal(shape, np.random.default_rng(seed), dtype, gain)
    assert (weight.shape, weight.dtype, weight.requires_grad) == (shape, dtype, True)
    matrix = weight.numpy().reshape(rows, -1).astype(np.float64)
    product = matrix @ matrix.T if rows <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=gain**2 * 1e-5)


@pytest.mark.thorough
def test_an_orthogonal_weight_has_no_preferred_direction():
    rng = np.random.default_rng(0)
    drawn = np.array([init.orthogonal((2, 2), rng, np.float64).numpy().ravel() for _ in range(2000)])
    assert np.all(np.abs(drawn.mean(0)) < 4 * np.sqrt(0.5 / 2000))


def test_a_truncated_normal_lies_within_its_bounds_around_its_mean():
    values = init.truncated_normal((50_000,), 0.5, np.random.default_rng(0), np.float64, mean=1.0, a=0.5, b=2.0).numpy()
    assert values.min() >= 0.5
    assert values.max() <= 2
    assert values.mean() == pytest.approx(1.1148, abs=0.01)  # the formula for bounds at -1 and 2 standard deviations
    with pytest.raises(DataError, match="less than 1% of the normal distribution"):
        init.truncated_normal((2,), 1.0, np.random.default_rng(0), a=5.0, b=6.0)


def test_filled_parameters_and_gains():
    for parameter, value in ((init.all_zeros((2,)), 0), (init.all_ones((2,)), 1), (init.filled((2,), 0.5), 0.5)):
        assert parameter.requires_grad
        assert parameter.numpy().tolist() == [value, value]
    # From torch.nn.init of torch 2.13.
    gains = {"conv2d": 1, "sigmoid": 1, "tanh": 5 / 3, "relu": 2**0.5, "leaky_relu": 1.4141428569978354, "selu": 0.75}
    assert {name: init.calculate_gain(name) for name in gains} == pytest.approx(gains)
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(1.3545709229571927)
    with pytest.raises(ValueError, match=r"must be 'linear', .*, got 'swish'"):
        init.calculate_gain("swish")
