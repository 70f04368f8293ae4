"""Recurrent layers: second derivatives, dropout, padding, memory and errors. The table compares values with PyTorch."""

import gc
import tracemalloc

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import ShapeError

KINDS = ["RNN", "LSTM", "GRU"]


def made(kind, *sizes, **settings):
    return getattr(nn, kind)(*sizes, rng=np.random.default_rng(0), **settings)


def drawn(*shape, dtype=np.float64):
    return np.random.default_rng(1).standard_normal(shape).astype(dtype)


def copied(layer, cell, suffix="_l0"):
    """Copy the parameters of a layer into a cell, and return the cell."""
    cell.load_state_dict({name: getattr(layer, f"{name}{suffix}") for name in cell.state_dict()})
    return cell


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_in_a_loop_to_the_second_derivative(kind):
    layer = made(kind, 3, 2, dtype=np.float64)
    cell, x = copied(layer, made(f"{kind}Cell", 3, 2, dtype=np.float64)), drawn(4, 2, 3)

    def in_a_loop(x):
        state, shown = None, []
        for k in range(len(x)):
            state = cell(x[k], state)
            shown.append(state[0] if kind == "LSTM" else state)
        return tg.stack(shown)

    found, wanted = (tg.grad(lambda x, f=f: (f(x) ** 2).sum()) for f in (lambda x: layer(x)[0], in_a_loop))
    np.testing.assert_allclose(found(x).numpy(), wanted(x).numpy(), rtol=1e-12)
    direction = drawn(4, 2, 3)[::-1]
    pairs = [tg.hvp(lambda x, f=f: (f(x) ** 2).sum(), x, direction) for f in (lambda x: layer(x)[0], in_a_loop)]
    np.testing.assert_allclose(pairs[0].numpy(), pairs[1].numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_between_layers_and_only_in_training(kind):
    layer, x = made(kind, 3, 40, num_layers=2, dropout=0.5), drawn(4, 2, 3)
    first, second = made(kind, 3, 40), made(kind, 40, 40)
    for one, suffix in ((first, "_l0"), (second, "_l1")):
        names = [name.removesuffix("_l0") for name in one.state_dict()]
        one.load_state_dict({f"{name}_l0": getattr(layer, f"{name}{suffix}") for name in names})
    with nn.random_stream(np.random.default_rng(5)):
        found = layer(x)[0].numpy()
    dropped = nn.Dropout(0.5, np.random.default_rng(5))(first(x)[0])
    np.testing.assert_array_equal(found, second(dropped)[0].numpy())
    np.testing.assert_array_equal(layer.eval()(x)[0].numpy(), second(first(x)[0])[0].numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_of_padded_sequences_what_is_before_the_end_is_what_each_gives_alone(kind):
    layer, sequences = made(kind, 3, 2), [drawn(4, 3), drawn(2, 3), drawn(1, 3)]
    output = layer(nn.pad_sequence(sequences))[0].numpy()
    for n, x in enumerate(sequences):
        np.testing.assert_allclose(output[: len(x), n], layer(x)[0].numpy(), rtol=1e-5)


def test_sequences_are_padded_on_either_side_and_have_their_gradients():
    x, y = Tensor([[1.0], [2.0], [3.0]], requires_grad=True), Tensor([[4.0]], requires_grad=True)
    padded = nn.pad_sequence([x, y], padding_value=7.0, padding_side="left")
    assert padded.numpy().tolist() == [[[1], [7]], [[2], [7]], [[3], [4]]]
    padded.backward(np.arange(6.0).reshape(3, 2, 1))
    assert x.grad.tolist() == [[0], [2], [4]]
    assert y.grad.tolist() == [[5]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_of_the_parameters_is_that_of_all(kind, dtype):
    layer = made(kind, 3, 2, bidirectional=True).astype(dtype)
    x = Tensor(drawn(3, 2, 3, dtype=dtype), requires_grad=True)
    output, last = layer(x)
    output.sum().backward()
    assert {a.dtype for a in (output, x.grad, *(p.grad for p in layer.parameters()))} == {np.dtype(dtype)}
    assert (last[1] if kind == "LSTM" else last).dtype == dtype


@pytest.mark.parametrize("kind", KINDS)
def test_closed_and_open_gates_are_exact_and_warn_of_nothing(kind):
    layer = made(kind, 1, 1)
    layer.weight_ih_l0.assign(np.full(layer.weight_ih_l0.shape, 1000.0))
    for x in (-1.0, 1.0):
        assert np.isfinite(layer(np.full((3, 1, 1), x))[0].numpy()).all()


@pytest.mark.fast
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_saves_its_inputs_states_and_gates(kind):
    layer, x = made(kind, 8, 64), Tensor(drawn(32, 16, 8, dtype=np.float32))
    arrays = {"RNN": 1, "LSTM": 2 + 5, "GRU": 1 + 4}[kind]
    layer(x)
    gc.collect()
    tracemalloc.start()
    output = layer(x)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert output[0].shape == (32, 16, 64)
    weights = sum(p.size for p in layer.parameters())
    assert kept < 4 * 1.1 * (arrays * 32 * 16 * 64 + x.size + weights + 16 * 64 * 4)


def test_what_does_not_fit_is_refused_by_name():
    lstm, cell = made("LSTM", 3, 4, batch_first=True), made("LSTMCell", 3, 4)
    with pytest.raises(ShapeError, match=r"LSTM\(3, 4, batch_first=True\).*\(N, T, 3\).*\(5, 2, 4\)"):
        lstm(drawn(5, 2, 4))
    with pytest.raises(ShapeError, match="T >= 1 steps"):
        lstm(np.zeros((5, 0, 3)))
    with pytest.raises(ShapeError, match=r"a pair \(h, c\), got ndarray"):
        lstm(drawn(5, 2, 3), drawn(1, 5, 4))
    with pytest.raises(ShapeError, match=r"\(1, 5, 4\) and \(1, 5, 4\), got \(5, 1, 4\)"):
        lstm(drawn(5, 2, 3), (drawn(5, 1, 4), drawn(1, 5, 4)))
    with pytest.raises(ShapeError, match=r"LSTMCell.*\(2, 4\)"):
        cell(drawn(2, 4))
    with pytest.raises(ValueError, match="'tanh' or 'relu'"):
        made("RNN", 3, 4, nonlinearity="sin")
    with pytest.raises(ValueError, match="'right' or 'left'"):
        nn.pad_sequence([drawn(2)], padding_side="both")
    with pytest.raises(ShapeError, match="must be less than hidden_size=4, got 4"):
        made("LSTM", 3, 4, proj_size=4)
    for sizes in ((0, 4), (3, 0), (3, 4, 0)):
        with pytest.raises(ValueError, match="must be an integer >= 1, got 0"):
            made("GRU", *sizes)
    with pytest.warns(UserWarning, match="acts between layers") as noted:
        made("RNN", 3, 4, dropout=0.5)
    assert noted[0].filename == __file__


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_no_samples_has_no_states_and_gradients_of_0(kind):
    layer, x = made(kind, 3, 2), Tensor(np.ones((4, 0, 3), np.float32), requires_grad=True)
    out, _ = layer(x)
    out.sum().backward()
    assert (out.shape, x.grad.shape) == ((4, 0, 2), x.shape)
    assert all(not parameter.grad.any() for parameter in layer.parameters())


def test_a_repr_is_pytorchs():
    layer = nn.LSTM(3, 4, 2, bias=False, batch_first=True, dropout=0.5, bidirectional=True, proj_size=2)
    settings = "proj_size=2, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True"
    assert repr(layer) == f"LSTM(3, 4, {settings})"
    assert [len(of_a_direction) for of_a_direction in layer.all_weights] == [3] * 4
    assert repr(nn.RNNCell(3, 4, False, "relu")) == "RNNCell(3, 4, bias=False, nonlinearity=relu)"
    assert layer.flatten_parameters() is None
