"""RotaryEmbedding: rotations as complex products, differences of positions, and errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import nn
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.testing import check_module, check_vjp, check_vmap

RNG = np.random.default_rng(0)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000), st.sampled_from([10000.0, 50.0]), st.data())
def test_pairs_are_complex_numbers_on_a_circle(half, length, start, base, data):
    x = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))).standard_normal((2, length, 2 * half))
    positions, k = start + np.arange(length), np.arange(half)
    turned = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(1j * positions[:, None] / base ** (k / half))
    found = nn.RotaryEmbedding(2 * half, base)(x, start)
    np.testing.assert_allclose(found[..., ::2] + 1j * found[..., 1::2], turned, rtol=1e-10, atol=1e-12)


def test_scores_depend_on_the_distance_of_the_positions():
    rotary, (query, key) = nn.RotaryEmbedding(6), RNG.standard_normal((2, 1, 6))
    scores = [(rotary(query, p + 3) @ rotary(key, p).T).item() for p in (0, 1, 100)]
    np.testing.assert_allclose(scores, scores[0], rtol=1e-9)
    assert abs(scores[0] - (rotary(query, 2) @ rotary(key, 0).T).item()) > 1e-3


def test_rotations_are_a_module_with_a_derivative():
    rotary, x = nn.RotaryEmbedding(4), RNG.standard_normal((2, 3, 4))
    check_module(rotary, x.astype(np.float32))
    check_vjp(lambda x: rotary(x, 7), x)
    check_vmap(rotary, x)
    assert rotary(x.astype(np.float32)).dtype == np.float32
    assert rotary(x[:, 2:], 2).tolist() == rotary(x)[:, 2:].tolist()
    assert repr(nn.RotaryEmbedding(4, 50.0)) == "RotaryEmbedding(4, base=50.0)"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.RotaryEmbedding(3), ValueError, "dim must be an even integer >= 2, got 3"),
        (lambda: nn.RotaryEmbedding(4.0), DTypeError, "dim must be an integer"),
        (lambda: nn.RotaryEmbedding(4, 0.0), ValueError, "base must be > 0, got 0.0"),
        (lambda: nn.RotaryEmbedding(4)(np.zeros((3, 2))), ShapeError, r"shape \(..., L, 4\), got \(3, 2\)"),
        (lambda: nn.RotaryEmbedding(4)(np.zeros(4)), ShapeError, r"got \(4,\)"),
        (lambda: nn.RotaryEmbedding(4)(np.zeros((3, 4)), -1), ValueError, "start must be >= 0, got -1"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
