"""Attention over long sequences, which saves no weights."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.ops.fast.networks import attention
from tinygrad_edu.ops.networks.attention import plain_attention

LENGTH, KEYS = 300, 260
RNG = np.random.default_rng(0)
CAUSAL = np.tri(LENGTH, KEYS, dtype=bool)
MASKS = {
    "none": None,
    "causal": CAUSAL,
    "causal, as numbers": np.where(CAUSAL, 0.0, -np.inf),
    "a window": CAUSAL & ~np.tri(LENGTH, KEYS, -40, dtype=bool),
    "padding": np.arange(KEYS) < np.array([200, 30])[:, None, None, None],
    "a sample without keys": np.ones((2, 1, 1, KEYS), bool) & np.array([True, False])[:, None, None, None],
    "a distance": -abs(np.subtract.outer(np.arange(LENGTH), np.arange(KEYS))) * np.array([0.1, 0.2])[:, None, None],
    "random": RNG.random((2, 2, LENGTH, KEYS)) < 0.5,
}


def inputs():
    rng = np.random.default_rng(1)
    return [tg.Tensor(rng.standard_normal((2, 2, n, width)), requires_grad=True)
            for n, width in ((LENGTH, 5), (KEYS, 5), (KEYS, 4))]  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_long_sequences_equal_the_composition(name):
    assert LENGTH * KEYS >= attention.MIN_WEIGHTS
    mask, cotangent, found = MASKS[name], np.random.default_rng(2).standard_normal((2, 2, LENGTH, 4)), []
    for function in (tg.scaled_dot_product_attention, plain_attention):
        parts = inputs()
        out = function(*parts, mask, scale=0.7)
        out.backward(cotangent)
        found.append([out.numpy(), *(x.grad for x in parts)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12 * np.abs(other).max())


@pytest.mark.parametrize("length", [1, LENGTH])
@np.errstate(invalid="ignore")
def test_a_query_with_scores_of_minus_infinity_only_gets_0(length):
    query, key, value = np.ones((length, 1)), np.full((KEYS, 1), -np.inf), np.ones((KEYS, 2))
    np.testing.assert_array_equal(tg.scaled_dot_product_attention(query, key, value), np.zeros((length, 2)))


def test_queries_without_elements_have_equal_weights():
    value = np.arange(6.0).reshape(3, 2)
    found = tg.scaled_dot_product_attention(np.ones((2, 0)), np.ones((3, 0)), value)
    np.testing.assert_allclose(found, np.broadcast_to(value.mean(0), (2, 2)))


@pytest.mark.fast
def test_long_sequences_save_no_weights():
    query, key, value = inputs()
    out = tg.scaled_dot_product_attention(query, key, value, is_causal=True)
    nodes, saved = [out._node], 0
    for node in nodes:
        saved += sum(x.nbytes for x in (node.saved or {}).values() if isinstance(x, np.ndarray))
        nodes += [parent for parent in node.parents.values() if parent not in nodes]
    assert saved < 2 * 2 * LENGTH * KEYS * 8 / 4


def test_a_mask_with_a_gradient_gets_it():
    mask = tg.Tensor(np.zeros((LENGTH, KEYS)), requires_grad=True)
    tg.scaled_dot_product_attention(*inputs(), mask).sum().backward()
    assert np.abs(mask.grad).max() > 0


def test_a_mask_of_a_wrong_shape_is_an_error():
    with pytest.raises(tg.errors.ShapeError, match="could not be broadcast"):
        tg.scaled_dot_product_attention(*inputs(), np.ones((LENGTH, KEYS + 1), bool))
