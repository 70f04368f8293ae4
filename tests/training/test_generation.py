"""generate: greedy and drawn tokens, caches, evaluation mode and errors."""

import numpy as np
import pytest

import tinygrad_edu as tg
from benchmarks.cached_generation import RotaryDecoder
from tinygrad_edu import nn
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.training import generate

LOGITS = np.log([0.1, 0.4, 0.05, 0.3, 0.15])


def constant(logits=LOGITS):
    """Return a model with the same logits for all tokens."""
    return nn.Embedding.from_pretrained(np.tile(logits, (len(logits), 1)))


def decoder(seed=0):
    return RotaryDecoder(11, 16, 2, 2, np.random.default_rng(seed))


def test_the_greatest_logit_continues_each_sequence():
    model = nn.Embedding.from_pretrained(np.roll(np.eye(5), 1, axis=1))
    assert generate(model, [[0, 3], [1, 1]], 4).tolist() == [[0, 3, 4, 0, 1, 2], [1, 1, 2, 3, 4, 0]]
    assert generate(model, np.array([3], np.int32), 2).dtype == np.int32
    assert generate(model, [3], 0).tolist() == [3]


@pytest.mark.parametrize(
    ("temperature", "options", "kept"),
    [
        (1.0, {}, [0, 1, 2, 3, 4]), (0.5, {}, [0, 1, 2, 3, 4]), (1.0, {"top_k": 2}, [1, 3]),
        (2.0, {"top_k": 9}, [0, 1, 2, 3, 4]), (1.0, {"top_p": 0.1}, [1]), (1.0, {"top_p": 0.69}, [1, 3]),
        (1.0, {"top_p": 0.71}, [1, 3, 4]), (1.0, {"top_p": 1.0}, [0, 1, 2, 3, 4]), (0.5, {"top_p": 0.5}, [1]),
        (1.0, {"top_p": 0.5}, [1, 3]), (1.0, {"top_k": 2, "top_p": 0.5}, [1]),  # 0.4 of 0.7 is 0.57
    ],
)  # fmt: skip
def test_drawn_tokens_have_the_probabilities_of_those_that_are_kept(temperature, options, kept):
    count, rng = 4000, np.random.default_rng(5)
    drawn = generate(constant(), np.zeros((count, 1), int), 1, temperature=temperature, rng=rng, **options)[:, 1]
    share = np.where(np.isin(range(5), kept), np.exp(LOGITS / temperature), 0)
    share /= share.sum()
    found = np.bincount(drawn, minlength=5) / count
    assert not found[share == 0].any()
    np.testing.assert_allclose(found, share, atol=4.5 * np.sqrt(0.25 / count))


def test_equal_logits_are_kept_together_and_one_seed_repeats():
    options = {"temperature": 1.0, "top_k": 1}
    seen = [generate(constant(np.zeros(3)), [0], 40, rng=np.random.default_rng(1), **options) for _ in range(2)]
    assert {*seen[0].tolist()} == {0, 1, 2}
    np.testing.assert_array_equal(*seen)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.8, "top_k": 5, "top_p": 0.9}])
def test_a_cache_changes_no_token(options):
    model, ids = decoder().astype(np.float64), [[3, 1, 4], [1, 5, 9]]
    rng = {"rng": np.random.default_rng(0)} if options else {}
    plain = generate(model, ids, 12, **options, **rng)
    rng, caches = {"rng": np.random.default_rng(0)} if options else {}, model.new_caches()
    first = generate(model, ids, 5, caches=caches, **options, **rng)
    assert {cache.length for cache in caches} == {7}
    np.testing.assert_array_equal(generate(model, first, 7, caches=caches, **options, **rng), plain)
    caches = model.new_caches()
    steps = [model(plain[:, k : k + 1], caches).numpy()[:, 0] for k in range(15)]
    np.testing.assert_allclose(np.swapaxes(steps, 0, 1), model(plain).numpy(), rtol=1e-10, atol=1e-12)


def test_the_mode_is_restored_and_nothing_is_recorded():
    class Noisy(nn.Module):
        def __init__(self):
            self.table, self.dropout = constant(), nn.Dropout(0.9, rng=np.random.default_rng(0))

        def forward(self, ids):
            assert not tg.is_grad_enabled()
            return self.dropout(self.table(ids))

    model = Noisy().train()
    assert generate(model, [0], 20).tolist() == [0] + [1] * 20
    assert model.training
    assert model.dropout.training


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: generate(constant(), [[]], 1), ShapeError, r"got \(1, 0\)"),
        (lambda: generate(constant(), 3, 1), ShapeError, r"got \(\)"),
        (lambda: generate(constant(), [0.5], 1), DTypeError, "ids must be integers, got float64"),
        (lambda: generate(constant(), [0], -1), ValueError, "max_new_tokens must be an integer >= 0, got -1"),
        (lambda: generate(constant(), [0], 1, temperature=1.0), DTypeError, "rng must be a numpy.random.Generator"),
        (lambda: generate(constant(), [0], 1, temperature=-1.0), ValueError, "temperature must be >= 0"),
        (lambda: generate(constant(), [0], 1, top_k=3), ValueError, "need temperature > 0"),
        *(
            (lambda o=o: generate(constant(), [0], 1, temperature=1.0, rng=np.random.default_rng(0), **o), *error)
            for o, *error in [
                ({"top_k": 0}, ValueError, "top_k must be an integer >= 1, got 0"),
                ({"top_p": 0.0}, ValueError, "top_p must be > 0 and at most 1, got 0.0"),
                ({"top_p": 1.5}, ValueError, "got 1.5"),
            ]
        ),
        (lambda: generate(constant(LOGITS * np.nan), [0], 1), ValueError, "the model returned NaN logits"),
        *(
            (lambda o=o: generate(constant(LOGITS - np.inf), [0], 1, **o), ValueError, "all logits .* are -inf")
            for o in ({}, {"temperature": 1.0, "top_p": 0.5, "rng": np.random.default_rng(0)})
        ),
        (lambda: generate(nn.Lambda(lambda ids: (ids,)), [0], 1), ShapeError, "got a tuple"),
        (lambda: generate(nn.Lambda(lambda ids: np.zeros(3)), [0], 1), ShapeError, r"\(1, 1, 'V'\), got \(3,\)"),
    ],
)
def test_what_does_not_fit_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_caches_of_other_tokens_are_refused():
    model = decoder()
    caches = model.new_caches()
    generate(model, [1, 2, 3], 2, caches=caches)
    with pytest.raises(ValueError, match="equal lengths below 3, the number of tokens, got \\[4\\]"):
        generate(model, [1, 2, 3], 1, caches=caches)
