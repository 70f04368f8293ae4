"""Distributions agree with SciPy, with statistics of samples, and with themselves; the edges of their supports.

``tests/ops/torch/distributions.txt`` compares values, first and second gradients and `vmap` with PyTorch's.
"""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import tinygrad_edu as tg
from tests.effort import with_each
from tests.samples import follows, follows_frequencies
from tinygrad_edu import Tensor
from tinygrad_edu.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Exponential,
    Laplace,
    MultivariateNormal,
    Normal,
    Uniform,
    kl_divergence,
)
from tinygrad_edu.errors import DataError, DTypeError, MappedValueError, ShapeError
from tinygrad_edu.testing import check_gradient
from tinygrad_edu.testing.strategies import arrays

INF, NAN = np.inf, np.nan
COVARIANCE = np.array([[2.0, 0.5, -0.25], [0.5, 1.0, 0.25], [-0.25, 0.25, 0.5]])
MEAN = np.array([1.0, -2.0, 0.5])


def seeded(seed=0):
    return np.random.default_rng(seed)


# --- SciPy ---

SCIPYS = {
    Normal: lambda a, b: stats.norm(a, b), Laplace: lambda a, b: stats.laplace(a, b),
    Uniform: lambda a, b: stats.uniform(a, b - a), Exponential: lambda a: stats.expon(scale=1 / a),
    Bernoulli: lambda a: stats.bernoulli(a),
}  # fmt: skip
LARGE, POSITIVE = arrays((2, 3), low=-1000, high=1000), arrays((2, 3), low=0.25, high=1000)
DRAWN = {
    Normal: (LARGE, POSITIVE), Laplace: (LARGE, POSITIVE), Exponential: (POSITIVE,),
    Uniform: (arrays((2, 3), low=-1000, high=-1), arrays((2, 3), low=-0.5, high=1000)),
    Bernoulli: (arrays((2, 3), low=0.0, high=1.0),),
}  # fmt: skip


@pytest.mark.parametrize("kind", DRAWN, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_densities_entropies_and_moments_are_scipys(kind, data):
    parameters = [data.draw(each) for each in DRAWN[kind]]
    found, wanted = kind(*parameters), SCIPYS[kind](*parameters)
    z = data.draw(arrays((4, 2, 3), low=-30, high=30))
    value = np.round(z) % 3 if kind is Bernoulli else wanted.mean() + wanted.std() * z
    with np.errstate(all="ignore"):
        expected = (wanted.logpmf if kind is Bernoulli else wanted.logpdf)(value)
    np.testing.assert_allclose(found.log_prob(value), expected, rtol=1e-9, atol=1e-9)
    moments = (found.entropy(), wanted.entropy()), (found.mean, wanted.mean()), (found.stddev, wanted.std())
    for ours, theirs in moments:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_the_multivariate_normal_is_scipys(name):
    matrix = {"covariance_matrix": COVARIANCE, "precision_matrix": np.linalg.inv(COVARIANCE)}.get(name)
    found = MultivariateNormal(MEAN, **{name: np.linalg.cholesky(COVARIANCE) if matrix is None else matrix})
    wanted, value = stats.multivariate_normal(MEAN, COVARIANCE), seeded().normal(size=(5, 2, 3))
    np.testing.assert_allclose(found.log_prob(value), wanted.logpdf(value))
    np.testing.assert_allclose(found.entropy(), wanted.entropy())
    np.testing.assert_allclose(found.covariance_matrix, COVARIANCE)
    np.testing.assert_allclose(found.precision_matrix, np.linalg.inv(COVARIANCE))
    np.testing.assert_allclose(found.variance, np.diag(COVARIANCE))


def test_logits_are_accurate_where_probabilities_are_rounded():
    logits = np.array([-800.0, -40.0, 0.0, 40.0, 800.0])
    found = Bernoulli(logits=logits)
    np.testing.assert_allclose(found.log_prob(1), -np.logaddexp(0, -logits))
    np.testing.assert_allclose(found.entropy(), [0, 41 * np.exp(-40.0), np.log(2), 41 * np.exp(-40.0), 0], rtol=1e-12)
    np.testing.assert_allclose(Bernoulli(1e-20).entropy(), 1e-20 * (1 - np.log(1e-20)), rtol=1e-12)
    np.testing.assert_allclose(Bernoulli(1e-20).log_prob(0), -1e-20)
    large = Categorical(logits=np.array([1000.0, 0.0, -1000.0]))
    assert large.log_prob([0, 1, 2]).tolist() == [0, -1000, -2000]
    assert large.entropy() == 0


# --- Samples ---

KINDS = {
    "normal": Normal(np.array([-1.0, 3.0]), np.array([0.5, 2.0])),
    "laplace": Laplace(np.array([-1.0, 3.0]), np.array([0.5, 2.0])),
    "uniform": Uniform(np.array([-1.0, 3.0]), np.array([0.5, 7.0])),
    "exponential": Exponential(np.array([0.5, 2.0])),
}  # fmt: skip
WRONG = {  # the sampler of another convention
    "normal": stats.norm([-1, 3], [0.5**0.5, 2**0.5]), "laplace": stats.laplace([-1, 3], np.sqrt([0.125, 2.0])),
    "uniform": stats.uniform([-1, 3], [0.5, 7]), "exponential": stats.expon(scale=[0.5, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_samples_have_their_distribution(name):
    found = KINDS[name]
    names = ("loc", "scale", "low", "high", "rate")
    right = SCIPYS[type(found)](*[getattr(found, each) for each in names if hasattr(found, each)])
    drawn = found.sample((10_000,), rng=seeded()).numpy()
    assert drawn.shape == (10_000, 2)
    for k in range(2):
        assert follows(drawn[:, k], lambda x, k=k: right.cdf(x[:, None])[:, k])
        assert not follows(drawn[:, k], lambda x, k=k: WRONG[name].cdf(x[:, None])[:, k])
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.05


@pytest.mark.parametrize("probs", [np.array([0.0, 0.3, 1.0]), np.array([[0.5, 0.01, 0.9]])])
def test_samples_of_zeros_and_ones(probs):
    drawn = Bernoulli(probs).sample(20_000, rng=seeded()).numpy().reshape(20_000, 3)
    for k, p in enumerate(probs.ravel()):
        assert follows_frequencies(drawn[:, k].astype(int), [1 - p, p])
        assert p in (0, 0.5, 1) or not follows_frequencies(1 - drawn[:, k].astype(int), [1 - p, p])


def test_samples_of_indices():
    logits = np.array([[0.0, 1.0, -INF, 2.0], [3.0, 0.0, 0.0, 0.0]])
    found = Categorical(logits=logits)
    drawn = found.sample((100, 200), rng=seeded()).numpy()
    assert (drawn.shape, drawn.dtype) == ((100, 200, 2), np.int64)
    for k in range(2):
        assert follows_frequencies(drawn[..., k].ravel(), found.probs[k])
        assert not follows_frequencies(drawn[..., k].ravel(), found.probs[1 - k])


def test_samples_of_vectors():
    found = MultivariateNormal(MEAN, COVARIANCE)
    drawn = found.sample((10_000,), rng=seeded()).numpy()
    z = np.linalg.solve(np.linalg.cholesky(COVARIANCE), (drawn - MEAN).T)
    assert follows(z, stats.norm.cdf)
    assert not follows(np.linalg.cholesky(COVARIANCE).T @ z, stats.norm.cdf)
    np.testing.assert_allclose(np.cov(drawn.T), COVARIANCE, atol=0.1)
    np.testing.assert_allclose(np.corrcoef(z), np.eye(3), atol=0.05)


ALL = [
    *KINDS.values(), Bernoulli(np.array([0.25, 0.5])), Bernoulli(logits=np.array([0.0, 1.0])),
    Categorical(np.array([[1.0, 2.0, 3.0]])), Categorical(logits=np.zeros((2, 3))),
    MultivariateNormal(MEAN, COVARIANCE),
    MultivariateNormal(np.zeros((2, 1, 3)), scale_tril=np.eye(3) + np.zeros((4, 1, 1))),
]  # fmt: skip


@pytest.mark.parametrize("found", ALL, ids=repr)
def test_shapes_and_repeated_seeds(found):
    for sample_shape in ((), (5,), 5, (2, 0), [2, 3]):
        leading = (5,) if sample_shape == 5 else tuple(sample_shape)
        drawn = found.sample(sample_shape, rng=seeded())
        assert drawn.shape == leading + found.batch_shape + found.event_shape
        np.testing.assert_array_equal(drawn, found.sample(sample_shape, rng=seeded()))
        assert found.log_prob(drawn).shape == leading + found.batch_shape
        assert np.isfinite(found.log_prob(drawn)).all()
    assert np.shape(found.entropy()) == np.shape(kl_divergence(found, found)) == found.batch_shape
    np.testing.assert_allclose(kl_divergence(found, found), np.zeros(found.batch_shape), atol=1e-15)
    assert np.shape(found.mean) == np.shape(found.variance) == found.batch_shape + found.event_shape


def test_dtypes():
    rng = seeded()
    assert Normal(0.0, [1, 2]).sample(rng=rng).dtype == np.float32
    assert Normal(np.zeros(2), tg.ones(2)).sample(rng=rng).dtype == np.float32
    assert Normal(np.float64(0), 1).sample(rng=rng).dtype == np.float64
    assert Categorical([0.5, 0.5]).sample(rng=rng).dtype == np.int64
    for found in (Normal(0.1, 0.7), Uniform(0.1, 0.7), Exponential(0.3), Bernoulli(0.3), Bernoulli(logits=0.3)):
        assert found.log_prob(found.sample(rng=rng)).dtype == np.float32
        assert found.log_prob(np.array(0.5)).dtype == np.float64
    assert Normal(0.1, 0.7).log_prob(np.array(0.5)) == pytest.approx(stats.norm(0.1, 0.7).logpdf(0.5), rel=1e-14)


@pytest.mark.parametrize("found", ALL, ids=repr)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("convert", [np.asarray, Tensor])
def test_parameters_of_a_dtype_give_results_of_it(found, dtype, convert):
    names = ("loc", "scale", "low", "high", "rate", "probs", "logits", "scale_tril")
    parameters = {each: getattr(found, each) for each in names if hasattr(found, each)}
    parameters.pop("probs", None)
    again = type(found)(**{name: convert(np.array(x, dtype)) for name, x in parameters.items()})
    drawn = again.sample(rng=seeded())
    value = drawn if convert is Tensor else drawn.numpy()
    results = again.log_prob(value), again.entropy(), again.variance, kl_divergence(again, again)
    assert [x.dtype for x in results] == [dtype] * 4
    is_tensor = {isinstance(x, Tensor) for x in results if not np.isnan(x).any()}  # the variance of an index is NaN
    assert is_tensor == {convert is Tensor}
    assert drawn.dtype == (np.int64 if isinstance(found, Categorical) else dtype)


# --- Gradients ---


def differentiable(sampled):
    return {
        "normal": lambda x: Normal(x, tg.exp(x)).rsample(sampled, rng=seeded()),
        "laplace": lambda x: Laplace(x, tg.exp(x)).rsample(sampled, rng=seeded()),
        "uniform": lambda x: Uniform(x, x + tg.exp(x)).rsample(sampled, rng=seeded()),
        "exponential": lambda x: Exponential(tg.exp(x)).rsample(sampled, rng=seeded()),
        "vectors": lambda x: MultivariateNormal(x, tg.outer(x, x) + 2 * np.eye(3)).rsample(sampled, rng=seeded()),
    }  # fmt: skip


@pytest.mark.parametrize("name", differentiable(()))
def test_samples_are_differentiable(name):
    draw, weights = differentiable((4,))[name], seeded(1).normal(size=(4, 3))

    def total(x):
        return (draw(x) ** 2 * weights).sum()

    def slope(x):
        return (tg.grad(total)(x) * weights[0]).sum()

    for f in (total, slope):
        check_gradient(lambda x, f=f: float(f(x)), tg.grad(f), np.array([0.25, -0.5, 0.75]), cotangent=False)


def test_samples_without_gradients_are_the_same_numbers():
    loc = Tensor([1.0, 2.0], requires_grad=True)
    sampled, differentiable = (getattr(Normal(loc, 1.0), name)(rng=seeded()) for name in ("sample", "rsample"))
    assert not sampled.requires_grad
    np.testing.assert_array_equal(sampled, differentiable.detach())
    for found in (Bernoulli(loc / 4), Categorical(loc)):
        assert not found.sample(rng=seeded()).requires_grad


@pytest.mark.parametrize("name", differentiable(()))
def test_samples_in_vmap(name):
    x = np.tile([0.25, -0.5, 0.75], (4, 1))
    draw = differentiable(())[name]
    with pytest.raises(MappedValueError, match="randomness"):
        tg.vmap(draw)(x)
    same = tg.vmap(draw, randomness="same")(x)
    np.testing.assert_allclose(same, np.tile(draw(Tensor(x[0])).numpy(), (4, 1)), rtol=1e-12)

    def f(x):
        return (draw(x) ** 2).sum()

    np.testing.assert_allclose(tg.vmap(tg.grad(f), randomness="same")(x), [tg.grad(f)(row) for row in x], rtol=1e-12)


@pytest.mark.thorough
def test_different_samples_in_vmap():
    rng, x = seeded(), np.full(5000, 0.3)
    drawn = tg.vmap(lambda p: Bernoulli(p).sample(rng=rng), randomness="different")(x)
    assert follows_frequencies(drawn.astype(int), [0.7, 0.3])
    drawn = tg.vmap(lambda p: Categorical(tg.stack([p, 1 - p])).sample(rng=rng), randomness="different")(x)
    assert follows_frequencies(drawn, [0.3, 0.7])
    drawn = tg.vmap(lambda p: Normal(p, 1.0).sample(rng=rng), randomness="different")(x)
    assert follows(drawn, stats.norm(0.3).cdf)


def test_a_score_function_has_the_mean_of_the_gradient():
    """The mean of f(x) * gradient of log_prob(x) is the gradient of the mean of f(x)."""
    rewards = np.array([1.0, -2.0, 4.0])
    logits = np.array([0.5, 0.0, -0.5])
    drawn = Categorical(logits=logits).sample((40_000,), rng=seeded()).numpy()
    found = tg.grad(lambda x: (Categorical(logits=x).log_prob(drawn) * rewards[drawn]).mean())(logits)
    wanted = tg.grad(lambda x: (Categorical(logits=x).probs * rewards).sum())(logits)
    np.testing.assert_allclose(found, wanted, atol=0.03)


# --- The edges of the support ---


def value_and_gradient(f, x):
    x = np.asarray(x, float)
    return np.asarray(f(x)).tolist(), tg.grad(lambda x: f(x).sum())(x).tolist()


LOG2, HALVES = np.log(2), [0.0, 0.5, 1.0]
EDGES = [
    (lambda p: Bernoulli(p).log_prob(1), HALVES, [-INF, -LOG2, 0], [0, 2, 1]),
    (lambda p: Bernoulli(p).log_prob(0), HALVES, [0, -LOG2, -INF], [-1, -2, 0]),
    (lambda p: Bernoulli(p).log_prob(0.5), HALVES, [-INF] * 3, [0, 0, 0]),
    (lambda p: Bernoulli(p).entropy(), HALVES, [0, LOG2, 0], [1, 0, -1]),
    (lambda x: Bernoulli(logits=x).log_prob(1), [-INF, 0.0, INF], [-INF, -LOG2, 0], [0, 0.5, 0]),
    (lambda x: Bernoulli(logits=x).entropy(), [-INF, 0.0, INF], [0, LOG2, 0], [0, 0, 0]),
    (lambda p: kl_divergence(Bernoulli(p), Bernoulli(0.5)), HALVES, [LOG2, 0, LOG2],
     [-1 - LOG2, 0, 1 + LOG2]),
    (lambda p: kl_divergence(Bernoulli(np.array(HALVES)), Bernoulli(p)), HALVES, [0, 0, 0], [1, 0, -1]),
    (lambda p: kl_divergence(Bernoulli(0.5), Bernoulli(p)), HALVES, [INF, 0, INF], [0.5, 0, -0.5]),
    (lambda x: Categorical(logits=x).log_prob([0, 1]), [-INF, 0.0, 0.0], [-INF, -LOG2], [0, 0.5, -0.5]),
    (lambda x: Categorical(logits=x).entropy(), [-INF, 0.0, 0.0], LOG2, [0, 0, 0]),
    (lambda p: Categorical(p).log_prob([0, 1, -1, 3, 0.5]), [0.0, 1.0, 1.0], [-INF, -LOG2] + 3 * [-INF],
     [-0.5, 0.5, -0.5]),
    (lambda p: Categorical(p).entropy(), [0.0, 1.0, 1.0], LOG2, None),
    (lambda x: kl_divergence(Categorical(logits=x), Categorical([1, 1, 2])), [-INF, 0.0, 0.0], LOG2 / 2,
     [0, 0.25 * LOG2, -0.25 * LOG2]),
    (lambda x: kl_divergence(Categorical([0.0, 1.0, 1.0]), Categorical(logits=x)), [-INF, 0.0, 0.0], 0, [0, 0, 0]),
    (lambda x: Exponential(2.0).log_prob(x), [-1.0, 0.0, 1.0], [-INF, LOG2, LOG2 - 2], [0, -2, -2]),
    (lambda x: Exponential(x).log_prob([-1.0, 0.0]), [2.0], [-INF, LOG2], [0.5]),
    (lambda x: Uniform(0.0, 2.0).log_prob(x), [-1.0, 0.0, 2.0, 3.0], [-INF, -LOG2, -LOG2, -INF], [0] * 4),
    (lambda x: Uniform(x, 2.0).log_prob([-1.0, 1.0]), [0.0], [-INF, -LOG2], [0.5]),
    (lambda x: kl_divergence(Uniform(0.0, 2.0), Uniform(x, 2.0)), [-2.0, 0.0, 1.0], [LOG2, 0, INF], [-0.25, -0.5, 0]),
]  # fmt: skip


@with_each("case", range(len(EDGES)))
def test_edges(case):
    f, x, value, gradient = EDGES[case]
    found, slopes = value_and_gradient(f, x)
    np.testing.assert_allclose(found, value, atol=1e-15)
    assert np.isfinite(slopes).all()
    if gradient is not None:
        np.testing.assert_allclose(slopes, gradient, atol=1e-15)


@pytest.mark.parametrize(
    "found",
    [Normal(0.0, 1.0), Laplace(0.0, 1.0), Uniform(0.0, 1.0), Exponential(1.0), Bernoulli(0.5), Categorical([1.0, 2.0])],
    ids=repr,
)
def test_a_nan_is_no_value(found):
    assert np.isnan(found.log_prob(NAN))
    assert np.isnan(float(found.log_prob(Tensor(NAN))))


def test_second_derivatives_of_divergences_at_equal_distributions():
    """The Hessian is then the Fisher information: 1 / scale**2 for a location, p * (1 - p) for a logit."""
    at = np.array(0.0)
    for kind in (Normal, Laplace):
        curvature = tg.hessian(lambda loc, kind=kind: kl_divergence(kind(loc, 2.0), kind(at, 2.0)))(at)
        assert curvature == pytest.approx(0.25)
    curvature = tg.hessian(lambda x: kl_divergence(Bernoulli(logits=at), Bernoulli(logits=x)))(at)
    assert curvature == pytest.approx(0.25)


# --- Divergences ---

PAIRS = [
    (Normal(0.5, 1.5), Normal(-0.5, 2.0)), (Laplace(0.5, 1.5), Laplace(-0.5, 2.0)),
    (Exponential(2.0), Exponential(0.5)), (Uniform(0.0, 1.0), Uniform(-1.0, 3.0)),
    (Bernoulli(0.25), Bernoulli(logits=1.0)),
    (Categorical([1.0, 2.0, 3.0]), Categorical(logits=[1.0, 0.0, -1.0])),
    (MultivariateNormal(MEAN, COVARIANCE), MultivariateNormal(np.zeros(3), 2 * np.eye(3))),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: type(pair[0]).__name__)
def test_a_divergence_is_the_mean_of_log_ratios(pair):
    p, q = pair
    for a, b in ((p, q), (q, p)):
        ratios = np.asarray(a.log_prob(x := a.sample((20_000,), rng=seeded()))) - np.asarray(b.log_prob(x))
        wanted = kl_divergence(a, b)
        if np.isfinite(wanted):
            assert abs(np.mean(ratios) - wanted) < 5 * np.std(ratios) / len(ratios) ** 0.5 + 1e-6
            assert wanted > 0.1
        else:
            assert np.isinf(ratios).any()


# --- Errors ---

REFUSED = [
    (lambda: Normal(0, 0), DataError, r"Normal: scale must be > 0, got array\(0\.\)"),
    (lambda: Normal(0, NAN), DataError, "Normal: scale must be > 0"),
    (lambda: Laplace(NAN, 1), DataError, "Laplace: loc must be numbers, not NaN"),
    (lambda: Normal(np.zeros(3), np.ones(2)), ShapeError, r"the shapes do not broadcast: loc \(3,\), scale"),
    (lambda: Normal("a", 1), DTypeError, "Normal: loc must hold real numbers"),
    (lambda: Normal(0, 1).log_prob("a"), DTypeError, "Normal: value must hold real numbers"),
    (lambda: Normal(mean=0, std=1), TypeError, "unexpected keyword argument 'mean': expected loc, scale"),
    (lambda: Normal(0, 1, validate_args=True), TypeError, "parameters are always checked"),
    (lambda: Normal(np.zeros(3), 1).log_prob(np.zeros(2)), ShapeError, r"value \(2,\), sample \(3,\)"),
    (lambda: Normal(0, 1).sample(rng=0), DTypeError, "rng must be a numpy.random.Generator"),
    (lambda: Uniform(1, 1), DataError, "Uniform: high must be > low, which is 1, at a finite distance, got 1"),
    (lambda: Uniform(0, INF), DataError, "Uniform: high must be > low"),
    (lambda: Exponential(-1), DataError, "Exponential: rate must be > 0"),
    (lambda: Bernoulli(1.5), DataError, r"Bernoulli: probs must be probabilities from 0 to 1, got 1\.5"),
    (lambda: Bernoulli(logits=NAN), DataError, "Bernoulli: logits must be numbers, not NaN"),
    (lambda: Bernoulli(), ValueError, "Bernoulli: give either probs or logits, got neither"),
    (lambda: Bernoulli(0.5, 0.5), ValueError, "Bernoulli: give either probs or logits, got both"),
    (lambda: Bernoulli(0.5).rsample(rng=seeded()), NotImplementedError, "Bernoulli has no differentiable samples"),
    (lambda: Categorical(0.5), ShapeError, r"Categorical: probs must have shape \(\.\.\., n\)"),
    (lambda: Categorical([0.0, 0.0]), DataError, "Categorical: probs must be finite and >= 0, not all 0"),
    (lambda: Categorical([-1.0, 2.0]), DataError, "Categorical: probs must be finite and >= 0"),
    (lambda: Categorical(logits=[-INF]), DataError, "Categorical: logits must be numbers < inf, not all -inf"),
    (lambda: Categorical(np.ones((2, 3))).log_prob([0, 1, 1]), ShapeError, r"value \(3,\), sample \(2,\)"),
    (lambda: MultivariateNormal(MEAN), ValueError, "give one of covariance_matrix, .*, scale_tril, got none"),
    (lambda: MultivariateNormal(MEAN, COVARIANCE, COVARIANCE), ValueError, "got covariance_matrix, precision_matrix"),
    (lambda: MultivariateNormal(MEAN, np.eye(2)), ShapeError, r"got \(3,\) and \(2, 2\)"),
    (lambda: MultivariateNormal(MEAN, -COVARIANCE), DataError, "covariance_matrix must be positive definite"),
    (lambda: MultivariateNormal(MEAN, None, -COVARIANCE), DataError, "precision_matrix must be positive definite"),
    (lambda: MultivariateNormal(MEAN, np.triu(COVARIANCE)), DataError, "covariance_matrix must be symmetric"),
    (lambda: MultivariateNormal(MEAN, scale_tril=COVARIANCE), DataError, "scale_tril must be lower triangular"),
    (lambda: MultivariateNormal(MEAN, scale_tril=-np.eye(3)), DataError, "with a positive diagonal"),
    (lambda: MultivariateNormal(MEAN, COVARIANCE).log_prob(1.0), ShapeError, r"shape \(\.\.\., 3\), got \(\)"),
    (lambda: kl_divergence(Normal(0, 1), Laplace(0, 1)), NotImplementedError, "for Normal and Laplace.*Estimate"),
    (lambda: kl_divergence(Normal(0, 1), 3.0), NotImplementedError, "no formula for Normal and float"),
    (lambda: kl_divergence(Normal(np.zeros(3), 1), Normal(np.zeros(2), 1)), ShapeError, r"p \(3,\), q \(2,\)"),
    (lambda: kl_divergence(Categorical(np.ones(3)), Categorical(np.ones(4))), ShapeError, "different sizes, 3 and 4"),
    (lambda: tg.distributions.normal, AttributeError, "did you mean 'Normal'"),
    (lambda: Distribution(()).entropy(), NotImplementedError, "Distribution has no entropy"),
]  # fmt: skip


@with_each(("call", "error", "message"), REFUSED)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.thorough
def test_the_package_loads_when_it_is_asked_for():
    program = "import sys, tinygrad_edu as tg; assert 'tinygrad_edu.distributions' not in sys.modules; tg.distributions"
    subprocess.run([sys.executable, "-c", program], check=True)
