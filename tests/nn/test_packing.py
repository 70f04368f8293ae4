"""Packed sequences: each sequence as if it were alone, PyTorch's results, derivatives and errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.testing import check_vjp, check_vmap

RNG = np.random.default_rng(0)
X, LENGTHS = RNG.standard_normal((4, 3, 2)), np.array([2, 4, 1])
LAYERS = ["RNN", "LSTM", "GRU"]


def made(kind, bidirectional=True, num_layers=2, **options):
    return getattr(nn, kind)(
        2, 3, num_layers, bidirectional=bidirectional, rng=np.random.default_rng(1), dtype=np.float64, **options
    )


def states_in(states):
    return [state.numpy() for state in (states if isinstance(states, tuple) else (states,))]


@settings(max_examples=20)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.booleans(), st.integers(5, 7), st.booleans())
def test_padding_is_undone(lengths, batch_first, total, is_sorted):
    lengths = sorted(lengths, reverse=True) if is_sorted else lengths
    x = np.arange(1.0, 1 + 5 * len(lengths) * 2).reshape(5, len(lengths), 2)
    counted = np.arange(5)[:, None] < lengths
    packed = nn.pack_padded_sequence(x.swapaxes(0, 1) if batch_first else x, lengths, batch_first, is_sorted)
    assert len(packed.data) == sum(lengths)
    assert packed.batch_sizes.tolist() == [(np.array(lengths) > t).sum() for t in range(max(lengths))]
    padded, found = nn.pad_packed_sequence(packed, batch_first, -1.0, total)
    assert found.tolist() == lengths
    expected = np.full((total, len(lengths), 2), -1.0)
    expected[:5][counted] = x[counted]
    np.testing.assert_array_equal(padded.swapaxes(0, 1) if batch_first else padded, expected)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_packed_sequence_is_computed_as_if_it_were_alone(kind, batch_first):
    layer = made(kind, batch_first=batch_first)
    first = [RNG.standard_normal((4, 3, 3)) for _ in range(1 + (kind == "LSTM"))]
    given = tuple(first) if kind == "LSTM" else first[0]
    x = X.swapaxes(0, 1) if batch_first else X
    output, last = layer(nn.pack_padded_sequence(x, LENGTHS, batch_first, enforce_sorted=False), given)
    padded = nn.pad_packed_sequence(output, batch_first)[0].numpy()
    padded = padded.swapaxes(0, 1) if batch_first else padded
    for k, length in enumerate(LENGTHS):
        mine = tuple(state[:, k] for state in first)
        alone, ended = layer(X[:length, k], mine if kind == "LSTM" else mine[0])
        np.testing.assert_allclose(padded[:length, k], alone.numpy(), rtol=1e-12, atol=1e-14)
        assert not padded[length:, k].any()
        for state, expected in zip(states_in(last), states_in(ended), strict=True):
            np.testing.assert_allclose(state[:, k], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", LAYERS)
def test_derivatives_and_vmap_of_packed_steps(kind):
    layer = made(kind, num_layers=1, proj_size=2) if kind == "LSTM" else made(kind, num_layers=1)

    def f(x):
        output, last = layer(nn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False))
        return nn.pad_packed_sequence(output)[0], *(last if isinstance(last, tuple) else (last,))

    check_vjp(f, X)
    check_vmap(f, np.stack([X, X[::-1]]))


def test_padding_has_no_gradient_and_a_step_of_infinity_does_not_matter():
    layer, x = made("RNN", nonlinearity="relu"), X.copy()
    x[np.arange(4)[:, None] >= LENGTHS] = np.inf
    x = Tensor(x, requires_grad=True)
    output, last = layer(nn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False))
    (output.data.sum() + last.sum()).backward()
    assert not x.grad[np.arange(4)[:, None] >= LENGTHS].any()
    assert all(np.isfinite(p.grad).all() for p in layer.parameters())


def test_dropout_between_layers_of_packed_steps():
    layer = made("RNN", dropout=0.5)
    packed = nn.pack_padded_sequence(X, LENGTHS, enforce_sorted=False)
    drawn = [layer(packed)[0].data.numpy() for _ in range(2)]
    assert (drawn[0] != drawn[1]).any()
    layer.eval()
    assert (layer(packed)[0].data.numpy() == layer(packed)[0].data.numpy()).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.pack_padded_sequence(X, [1, 2, 1]), ValueError, r"must decrease, got \[1, 2, 1\].*=False to sort"),
        (lambda: nn.pack_padded_sequence(X, [4, 2, 0]), ValueError, r"from 1 to 4, got \[4, 2, 0\]"),
        (lambda: nn.pack_padded_sequence(X, [5, 2, 1]), ValueError, "from 1 to 4"),
        (lambda: nn.pack_padded_sequence(X, [4, 2]), ShapeError, r"lengths must have shape \(3,\), N >= 1, got \(2,\)"),
        (lambda: nn.pack_padded_sequence(X, [4.0, 2.0, 1.0]), DTypeError, "lengths must be integers, got float64"),
        (lambda: nn.pack_padded_sequence(np.ones(3), [3]), ShapeError, r"at least 2 axes, got shape \(3,\)"),
        (
            lambda: nn.pad_packed_sequence(nn.pack_padded_sequence(X, [4, 2, 1]), total_length=3),
            ValueError,
            "total_length must be an integer >= 4, got 3",
        ),
        (
            lambda: nn.GRU(5, 3)(nn.pack_padded_sequence(X, [4, 2, 1])),
            ShapeError,
            r"GRU\(5, 3\): the data .* \(sum of the lengths, 5\), got \(7, 2\)",
        ),
        (
            lambda: nn.GRU(2, 3)(nn.pack_padded_sequence(X, [4, 2, 1]), np.zeros((1, 2, 3))),
            ShapeError,
            "initial states",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
