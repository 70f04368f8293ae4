"""Recurrent layers compared with Keras on the JAX backend: values, and gradients for random cotangents.

Keras has one bias instead of PyTorch's two, except in its GRU, which has the update gate before the reset gate.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import nn

pytest.importorskip("jax", reason="needs the extra keras")

from tests.nn.test_against_keras import agree, built, drawn, few, pytestmark, seeds, sizes, theirs  # noqa: F401


def gates_of_keras(weight, kind):
    """Return a weight or bias in Keras's layout: gates in its order, and outputs on the last axis."""
    if kind == "GRU":
        weight = weight.reshape(3, -1, *weight.shape[1:])[[1, 0, 2]].reshape(weight.shape)
    return weight.T


@few
@given(st.sampled_from(["RNN", "LSTM", "GRU"]), sizes, sizes, sizes, sizes, seeds)
def test_recurrent_layers_are_those_of_keras(kind, samples, steps, n_in, hidden, seed):
    x = drawn((samples, steps, n_in), seed)
    layer = getattr(nn, kind)(n_in, hidden, batch_first=True, rng=np.random.default_rng(seed))
    if kind != "GRU":
        layer.bias_hh_l0.assign(np.zeros(layer.bias_hh_l0.shape))

    def translate(ours):
        w_ih, w_hh, b_ih, b_hh = (gates_of_keras(weight, kind) for weight in ours)
        return [w_ih, w_hh, np.stack([b_ih, b_hh]) if kind == "GRU" else b_ih]

    made = {"RNN": theirs.SimpleRNN, "LSTM": theirs.LSTM, "GRU": theirs.GRU}[kind](hidden, return_sequences=True)
    other = built(made, x.shape)
    rest = [variable.value for variable in other.non_trainable_variables]  # the seed of dropout, which is not used

    def stateless(x, *parameters):
        return other.stateless_call(list(parameters), rest, x)[0]

    agree(lambda x: layer(x)[0], stateless, [x], seed, layer.parameters(), translate)
