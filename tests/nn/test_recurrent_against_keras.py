"""Recurrent layers against Keras's own on the JAX backend: values, and gradients under random cotangents.

Keras has one bias where PyTorch has two, but for its GRU, and the update gate before the reset gate.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.nn.test_against_keras import agree, built, drawn, few, seeds, sizes, theirs
from tinygrad_edu import nn


def gates_of_keras(weight, kind):
    """Return a weight or bias of ours with the gates in the order of Keras, and the outputs on the last axis."""
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
    rest = [variable.value for variable in other.non_trainable_variables]  # a seed, for dropout that is not there

    def stateless(x, *parameters):
        return other.stateless_call(list(parameters), rest, x)[0]

    agree(lambda x: layer(x)[0], stateless, [x], seed, layer.parameters(), translate)
