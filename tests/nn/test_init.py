"""Initial values lie within their bounds, have the variance that their source gives, and follow the Generator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import Conv2D, Linear, init

dtypes = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


class Ceiling(np.random.Generator):
    """Draws the greatest number below 1, always."""

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
        (init.xavier_uniform, 2 / (300 + 900)),  # of the fans (in, out) = (12 * 25, 36 * 25)
        (init.kaiming_uniform, 2 / 300),
        (init.kaiming_normal, 2 / 300),
        (lambda shape, rng: Conv2D(12, 36, 5, rng=rng).weight, 1 / 300 / 3),
        (lambda shape, rng: Linear(300, 200, rng=rng).weight, 1 / 300 / 3),
        (lambda shape, rng: Linear(9, 10_000, rng=rng).bias, 1 / 9 / 3),
    ],
)
def test_the_mean_is_zero_and_the_variance_as_the_source_says(make, variance):
    values = make((36, 12, 5, 5), np.random.default_rng(0)).numpy().astype(np.float64)
    deviation = np.sqrt(variance / values.size)
    assert abs(values.mean()) < 4 * deviation
    # The kurtosis of a normal distribution, 3, is the greater: the variance of x ** 2 is at most 2 variance ** 2.
    assert abs(np.mean(values**2) - variance) < 4 * variance * np.sqrt(2 / values.size)


def test_the_bounds_are_those_of_the_formulas():
    shape = (40, 20, 3, 3)
    for make, bound in ((init.xavier_uniform, np.sqrt(6 / (60 * 9))), (init.kaiming_uniform, np.sqrt(6 / 180))):
        greatest = np.abs(make(shape, np.random.default_rng(0)).numpy()).max()
        assert 0.99 * bound < greatest <= np.float32(bound)


@pytest.mark.parametrize("make", [init.xavier_uniform, init.kaiming_uniform, init.kaiming_normal])
def test_one_seed_gives_one_weight_and_the_dtype_asked_for(make):
    first, second = (make((3, 4), np.random.default_rng(5), np.float64) for _ in range(2))
    assert first.dtype == np.float64
    assert first.requires_grad
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    assert make((3, 4), np.random.default_rng(5)).dtype == np.float32


def test_a_bias_has_no_fans():
    with pytest.raises(ShapeError, match=r"a weight has the shape \(out, in, ...\), not \(3,\)"):
        init.xavier_uniform((3,), np.random.default_rng(0))


def test_other_dtypes_and_seeds_are_refused():
    with pytest.raises(DTypeError, match="drawn as float32 or float64"):
        init.uniform((3,), 1.0, np.random.default_rng(0), np.int64)
    with pytest.raises(DTypeError, match=r"a numpy\.random\.Generator, not 5"):
        init.kaiming_normal((3, 3), 5)
