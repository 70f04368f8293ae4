"""Draws from given probabilities: the numbers of the Generator, frequencies, gradients, vmap and errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import tinygrad_edu as tg
from tests.samples import follows_frequencies
from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import DataError, DTypeError, MappedValueError, ShapeError
from tinygrad_edu.testing import check_gradient
from tinygrad_edu.testing.strategies import arrays

WEIGHTS = np.array([3.0, 0.0, 1.0, 2.0, 0.5])
PROBABILITIES = WEIGHTS / WEIGHTS.sum()


def seeded(seed=0):
    return np.random.default_rng(seed)


# --- The numbers of the Generator ---


@given(arrays(low=0.0, high=1.0), st.integers(0, 99), st.sampled_from(["f2", "f4", "f8"]))
def test_bernoulli_compares_uniform_numbers(p, seed, dtype):
    drawn = tg.bernoulli(Tensor(p.astype(dtype), requires_grad=True), rng=seeded(seed))
    assert (drawn.dtype, drawn.requires_grad) == (dtype, False)
    np.testing.assert_array_equal(drawn, seeded(seed).random(p.shape) < p.astype(dtype))


def test_bernoulli_of_numbers_and_certain_outcomes():
    assert [tg.bernoulli(p, rng=seeded()).dtype for p in (0.5, [0.5], 1, np.float64(1))] == ["f4", "f4", "f4", "f8"]
    drawn = tg.bernoulli(np.repeat([0.0, 1.0], 1000), rng=seeded()).numpy()
    assert drawn.tolist() == [0.0] * 1000 + [1.0] * 1000


@given(st.sampled_from([0.3, 0.5, 1.0]), st.integers(0, 99), st.sampled_from(["f4", "f8"]))
def test_dropout_drops_what_the_layer_drops(p, seed, dtype):
    x = seeded(seed).normal(size=(3, 5)).astype(dtype)
    np.testing.assert_array_equal(tg.dropout(x, p, rng=seeded(seed)), nn.Dropout(p, rng=seeded(seed))(x))


def test_dropout_of_nothing_returns_its_input():
    x = tg.ones(3)
    assert tg.dropout(x, 0.0) is x
    assert tg.dropout(x, 0.5, False) is x
    assert tg.dropout(x, 0.5, training=False) is x


@given(arrays((2, 3, 4), low=-8, high=8), st.integers(0, 99), st.sampled_from([0.5, 2.0]), st.sampled_from([0, 1, -1]))
def test_gumbel_softmax_adds_noise(logits, seed, tau, axis):
    wanted = special.softmax((logits + seeded(seed).gumbel(size=(2, 3, 4))) / tau, axis)
    soft, hard = (tg.gumbel_softmax(logits, tau, hard, axis, rng=seeded(seed)).numpy() for hard in (False, True))
    np.testing.assert_allclose(soft, wanted, rtol=1e-12, atol=1e-15)
    assert set(np.unique(hard)) == {0.0, 1.0}
    np.testing.assert_array_equal(hard.sum(axis), 1)
    np.testing.assert_array_equal(hard.argmax(axis), wanted.argmax(axis))


# --- Frequencies ---


def test_indices_with_replacement_have_the_frequencies_of_their_weights():
    drawn = tg.multinomial(np.stack([WEIGHTS, WEIGHTS[::-1] * 1e300]), 20_000, replacement=True, rng=seeded()).numpy()
    assert follows_frequencies(drawn[0], PROBABILITIES)
    assert follows_frequencies(drawn[1], PROBABILITIES[::-1])
    assert not follows_frequencies(drawn[1], PROBABILITIES)


def test_indices_without_replacement_have_the_frequencies_of_their_order():
    drawn = tg.multinomial(np.tile(WEIGHTS, (20_000, 1)), 2, rng=seeded()).numpy()
    pairs = np.outer(PROBABILITIES, PROBABILITIES) / (1 - PROBABILITIES[:, None])
    np.fill_diagonal(pairs, 0)
    assert follows_frequencies(drawn @ [5, 1], pairs.ravel())
    assert not follows_frequencies(drawn[:, ::-1] @ [5, 1], pairs.ravel())


@given(st.integers(0, 99))
def test_no_index_is_drawn_twice_without_replacement(seed):
    assert sorted(tg.multinomial(WEIGHTS, 4, rng=seeded(seed)).tolist()) == [0, 2, 3, 4]


@pytest.mark.parametrize("weights", [[0, 5e-324, 0], [0, 1e308, 0], [1e308, 1e308, 1e308], [1e-320, 0, 1e-320]])
def test_extreme_weights(weights):
    drawn = tg.multinomial(weights, 1000, True, rng=seeded()).numpy()
    assert follows_frequencies(drawn, np.sign(weights) / np.count_nonzero(weights))
    assert weights[int(tg.multinomial(weights, 1, rng=seeded())[0])] > 0


class Ends(np.random.Generator):
    """Draws 0 and the largest number below 1 in turn."""

    def random(self, size):
        return np.resize([0.0, 1 - 2.0**-53], size)


@given(arrays((3,), low=0.125, high=8.0))
def test_the_ends_of_the_unit_interval_are_indices_of_positive_weights(weights):
    spread = np.insert(weights, [0, 1, 3], 0.0)  # 0, w, 0, w, w, 0
    assert tg.multinomial(spread, 2, True, rng=Ends(np.random.PCG64())).tolist() == [1, 4]


def test_one_hot_samples_have_the_probabilities_of_the_logits():
    with np.errstate(divide="ignore"):
        logits = np.tile(np.log(WEIGHTS), (20_000, 1))
    drawn = tg.gumbel_softmax(logits, hard=True, rng=seeded()).numpy().argmax(-1)
    assert follows_frequencies(drawn, PROBABILITIES)
    assert not follows_frequencies(drawn, special.softmax(PROBABILITIES))


def test_no_rows_and_no_samples():
    assert tg.multinomial(np.ones((0, 4)), 2, rng=seeded()).shape == (0, 2)
    assert tg.multinomial(np.ones((2, 3, 4)), 0, rng=seeded()).shape == (2, 3, 0)


# --- Gradients and vmap ---

LOGITS = seeded().normal(size=(3, 4))


def test_the_gradients_of_a_hard_sample_are_those_of_the_soft_one():
    def total(logits, hard=False):
        return (tg.gumbel_softmax(logits, 0.7, hard, rng=seeded()) * LOGITS**2).sum()

    def slope(logits, hard=False):
        return (tg.grad(lambda x: total(x, hard))(logits) * LOGITS).sum()

    for f in (total, slope):
        check_gradient(lambda x, f=f: float(f(x)), tg.grad(f), LOGITS, cotangent=False)
        soft, hard = (tg.grad(lambda x, f=f, hard=hard: f(x, hard))(LOGITS) for hard in (False, True))
        np.testing.assert_allclose(soft, hard, rtol=1e-12, atol=1e-15)
        assert np.abs(soft).max() > 0.01


FUNCTIONS = [
    lambda x, rng: x * tg.dropout(tg.ones(8), rng=rng), lambda x, rng: tg.dropout(x, 0.3, rng=rng),
    lambda x, rng: x * tg.bernoulli(np.full(8, 0.5), rng=rng), lambda x, rng: x * tg.bernoulli(x, rng=rng),
    lambda x, rng: x * tg.multinomial(np.ones(9), 8, True, rng=rng), lambda x, rng: x * tg.multinomial(x, 8, rng=rng),
    lambda x, rng: tg.gumbel_softmax(x, rng=rng), lambda x, rng: tg.gumbel_softmax(x, hard=True, rng=rng),
]  # fmt: skip


@pytest.mark.parametrize("f", FUNCTIONS)
def test_randomness_of_vmap(f):
    x = np.tile(seeded().uniform(0.25, 0.75, 8), (6, 1))
    with pytest.raises(MappedValueError, match="randomness='different'"):
        tg.vmap(lambda x: f(x, seeded()))(x)
    rng = seeded()
    same, different = (tg.vmap(lambda x: f(x, rng), randomness=word)(x) for word in ("same", "different"))
    assert (same == same[0]).all()
    assert len({row.tobytes() for row in different}) > 1
    gradients = tg.vmap(tg.grad(lambda x: f(x, seeded())[0] * 1.0), randomness="same")(x)
    np.testing.assert_allclose(gradients, np.tile(tg.grad(lambda x: f(x, seeded())[0] * 1.0)(x[0]), (6, 1)))


def test_shared_noise_is_that_of_a_loop():
    f = tg.grad(lambda x: (tg.gumbel_softmax(x, rng=seeded()) ** 2).sum())
    wanted = [f(row) for row in LOGITS]
    np.testing.assert_allclose(tg.vmap(f, randomness="same")(LOGITS), wanted, rtol=1e-12)


# --- Errors ---

REFUSED = [
    (lambda: tg.bernoulli([0.5, 1.25], rng=seeded()), DataError, r"bernoulli: p must .* from 0 to 1, got 1\.25\."),
    (lambda: tg.bernoulli([np.nan], rng=seeded()), DataError, "bernoulli: p .* got nan"),
    (lambda: tg.bernoulli([-0.5], rng=seeded()), DataError, r"bernoulli: p .* got -0\.5"),
    (lambda: tg.bernoulli([0.5], rng=0), DTypeError, "rng must be a numpy.random.Generator, got 0"),
    (lambda: tg.bernoulli([0.5], generator=seeded()), TypeError, "generator of PyTorch is rng here"),
    (lambda: tg.bernoulli(["a"], rng=seeded()), DTypeError, "bernoulli must hold real numbers"),
    (lambda: tg.multinomial([1.0, -1.0], 1, rng=seeded()), DataError, r"weights must be finite and >= 0, got -1\.0"),
    (lambda: tg.multinomial([1.0, np.inf], 1, rng=seeded()), DataError, "weights must be finite and >= 0, got inf"),
    (lambda: tg.multinomial([0.0, 1.0], 2, rng=seeded()), DataError, "2 samples without .* 1 weights > 0"),
    (lambda: tg.multinomial([[1.0], [0.0]], 2, True, rng=seeded()), DataError, "2 samples with replacement .* 0"),
    (lambda: tg.multinomial(1.0, 1, rng=seeded()), ShapeError, r"weights must have shape \(\.\.\., n\)"),
    (lambda: tg.multinomial([1.0], -1, rng=seeded()), ValueError, "num_samples must be an integer >= 0, got -1"),
    (lambda: tg.multinomial([1.0], 0.5, rng=seeded()), DTypeError, "num_samples must be an integer >= 0, got 0.5"),
    (lambda: tg.gumbel_softmax([1.0], 0.0, rng=seeded()), ValueError, r"tau must be > 0, got 0\.0"),
    (lambda: tg.gumbel_softmax([1.0], rng=None), DTypeError, "rng must be a numpy.random.Generator, got None"),
    (lambda: tg.dropout([1.0], 1.5), ValueError, r"dropout: p must be a probability from 0 to 1, got 1\.5"),
    (lambda: tg.dropout([1.0], 0.5), ValueError, "dropout: p > 0 in training requires rng"),
    (lambda: tg.dropout([1], 0.5, rng=seeded()), DTypeError, "dropout: x must be floating-point, got int64"),
    (lambda: tg.dropout([1.0], rng=7), DTypeError, "rng must be a numpy.random.Generator, got 7"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
