"""Recurrent layers over a whole sequence: a loop over the steps in NumPy, and large products for all other work.

The plain version is `by_steps` in ``ops/networks/recurrent.py``, composed of single steps. Here, the ``states``
functions write the states and the activated gates step by step, and the ``gradients`` functions run from the last step
to the first.

References: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; K. Cho et al.,
"Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.networks.recurrent_products import (
    back_projection,
    by_gate,
    gate_inputs,
    projection,
    put_bias_gradient,
    put_input_gradients,
    put_parameter_gradients,
    put_weight_gradient,
)


def _one_plus_exp(x: ndarray) -> None:
    """Replace -x with 1 + exp(-x), the reciprocal of sigmoid(x). The callers ignore overflow in exp."""
    np.exp(x, out=x)
    x += 1


def _sigmoid_of_negative(x: ndarray) -> None:
    """Replace -x with sigmoid(x)."""
    _one_plus_exp(x)
    np.divide(1, x, out=x)  # np.reciprocal takes twice as long


def _previous_states(states: ndarray, first: ndarray) -> ndarray:
    """Return the state before each step."""
    return np.concatenate([first[None], states[:-1]])


# --- RNN: h = activation(x @ w_ih.T + b_ih + h @ w_hh.T) ---


def rnn_states(
    activation: Callable[..., Any], out: list[ndarray], gates: Iterable[ndarray], x: ndarray, h: ndarray,
    w_ih: ndarray, b_ih: ndarray, w_hh: ndarray,
) -> None:  # fmt: skip
    """Write the state after each step: (T, N, H). No gates are written."""
    project = projection(w_hh[None], len(h))
    for state, inputs in zip(out[0], gate_inputs(x, w_ih[None], b_ih[None]), strict=True):
        project(h, state[None])
        state += inputs[0]
        activation(state, out=state)
        h = state


def rnn_gradients(
    slope: Callable[..., Any], out: list[ndarray], g: list[ndarray], states: list[ndarray], gates: ndarray,
    x_requires_grad: bool, *inputs: ndarray,
) -> None:  # fmt: skip
    """Write the gradients of all inputs; `slope` is the derivative of the activation, given its output."""
    (x, h, w_ih, _, w_hh), (d_x, d_h, *d_parameters) = inputs, out
    previous, d_gates = _previous_states(states[0], h), np.empty_like(states[0][None])
    back_project = back_projection(w_hh, 1, len(h))
    d_gates[0], d_h[...] = slope(states[0]), 0

    def bptt(steps: slice) -> None:
        for k in reversed(range(steps.start, steps.stop)):
            np.add(d_h, g[0][k], out=d_h)
            d_gates[0, k] *= d_h
            back_project(d_gates[:, k], d_h)

    def put_hidden(steps: slice, out: list[ndarray]) -> None:
        put_weight_gradient(d_gates[:, steps], previous[steps], out[2])

    def put_inputs(steps: slice, out: list[ndarray]) -> None:
        put_input_gradients(d_gates[:, steps], x[steps], w_ih, x_requires_grad, d_x[steps], *out[:2])

    put_parameter_gradients(bptt, (put_hidden, put_inputs), x, h, d_parameters)


# --- LSTM: i, f, g, o = x @ w_ih.T + b_ih + h @ w_hh.T;  c = s(f) * c + s(i) * tanh(g);  h = s(o) * tanh(c), @ w_hr.T


_SIGMOIDS_FIRST = np.array([0, 1, 3, 2])


def _negated_lstm_gates(weight: ndarray) -> ndarray:
    """Return minus the weights of each gate, in the order i, f, o, g: the sigmoids first."""
    return -by_gate(weight, 4)[_SIGMOIDS_FIRST]


@np.errstate(over="ignore")
def lstm_states(
    out: list[ndarray], gates: Iterable[ndarray], x: ndarray, h: ndarray, c: ndarray, w_ih: ndarray, b_ih: ndarray,
    w_hh: ndarray, w_hr: ndarray | None = None,
) -> None:  # fmt: skip
    """Write the states (T, N, H or projection size), the cells, and the gates of each step.

    The gates are 1 / sigmoid of i, f and o, -tanh of g, and tanh(c): sigmoid takes a division that the state takes too.
    """
    w_ih, b_ih, w_hh = (_negated_lstm_gates(weight) for weight in (w_ih, b_ih, w_hh))
    project, buffer = projection(w_hh, len(h)), np.empty_like(c)
    for state, cell, activated, inputs in zip(*out, gates, gate_inputs(x, w_ih, b_ih), strict=True):
        negated, (i, f, o, candidate, tanh_c) = activated[:4], activated
        project(h, negated)
        negated += inputs
        _one_plus_exp(activated[:3])
        np.tanh(candidate, out=candidate)
        np.divide(c, f, out=cell)
        cell -= np.divide(candidate, i, out=buffer)
        np.tanh(cell, out=tanh_c)
        if w_hr is None:
            np.divide(tanh_c, o, out=state)
        else:
            np.matmul(np.divide(tanh_c, o, out=buffer), w_hr.T, out=state)
        h, c = state, cell


def lstm_gradients(
    out: list[ndarray], g: list[ndarray], states: list[ndarray], gates: ndarray, x_requires_grad: bool,
    *inputs: ndarray,
) -> None:  # fmt: skip
    """Write the gradients of all inputs."""
    (x, h, c, w_ih, _, w_hh, *w_hr), (d_x, d_h, d_c, *d_parameters) = inputs, out
    previous_h, previous_c = _previous_states(states[0], h), _previous_states(states[1], c)
    d_gates, d_states = np.empty_like(gates[:4], order="C"), np.empty_like(g[0])
    bptt = _lstm_bptt([d_h, d_c, d_gates, d_states], g, gates, previous_c, w_hh, *w_hr)

    def put_hidden(steps: slice, out: list[ndarray]) -> None:
        put_weight_gradient(d_gates[:, steps], previous_h[steps], out[2])
        if w_hr:
            put_weight_gradient(d_states[steps], gates[4, steps] / gates[2, steps], out[3])

    def put_inputs(steps: slice, out: list[ndarray]) -> None:
        put_input_gradients(d_gates[:, steps], x[steps], w_ih, x_requires_grad, d_x[steps], *out[:2])

    put_parameter_gradients(bptt, (put_hidden, put_inputs), x, h, d_parameters)


def _put_lstm_slopes(gates: ndarray, previous_c: ndarray, slopes: ndarray) -> tuple[ndarray, ndarray]:
    """Write the derivatives of the cell with respect to i, f and g, and of h before the projection to o.

    Return s(f) and the derivative of h with respect to c.
    """
    i, f, o, minus_g, tanh_c = gates.copy()  # contiguous: each array is read several times
    for gate in (i, f, o):
        np.divide(1, gate, out=gate)
    d_i, d_f, d_g, d_o = slopes
    minus_ig = np.multiply(i, minus_g, out=d_g)
    np.subtract(i, 1, out=d_i)
    d_i *= minus_ig  # i (1 - i) g
    minus_ig *= minus_g
    np.subtract(i, minus_ig, out=d_g)  # i (1 - g^2)
    np.subtract(1, f, out=d_f)
    d_f *= f
    d_f *= previous_c
    h = np.multiply(o, tanh_c, out=i)
    np.subtract(1, o, out=d_o)
    d_o *= h
    h *= tanh_c
    return f, np.subtract(o, h, out=o)  # o (1 - tanh(c)^2)


def _lstm_bptt(
    out: list[ndarray], g: list[ndarray], gates: ndarray, previous_c: ndarray, w_hh: ndarray, *w_hr: ndarray
) -> Callable[[slice], None]:
    """Return a function that goes back through some steps, from the gradients of h and c after them to those before.

    It writes the gradients of the gates' inputs and of the state after each step.
    """
    (d_h, d_c, slopes, d_states), back_project = out, back_projection(w_hh, 4, len(previous_c[0]))
    d_h[...], d_c[...] = 0, 0

    def bptt(steps: slice) -> None:
        forget, dh_dc = _put_lstm_slopes(gates[:, steps], previous_c[steps], slopes[:, steps])
        for k in reversed(range(steps.start, steps.stop)):
            d_gates, d_state, dh_dc_step = slopes[:, k], d_states[k], dh_dc[k - steps.start]
            np.add(d_h, g[0][k], out=d_state)
            d_hidden = np.matmul(d_state, w_hr[0]) if w_hr else d_state
            np.add(d_c, g[1][k], out=d_c)
            np.add(d_c, np.multiply(d_hidden, dh_dc_step, out=dh_dc_step), out=d_c)
            d_gates[:3] *= d_c
            d_gates[3] *= d_hidden
            back_project(d_gates, d_h)
            np.multiply(d_c, forget[k - steps.start], out=d_c)

    return bptt


# --- GRU: r, z, n = x @ w_ih.T + b_ih;  r', z', n' = h @ w_hh.T + b_hh;  n = tanh(n + s(r + r') * n')
# ---      h = n + s(z + z') * (h - n)


@np.errstate(over="ignore")
def gru_states(
    out: list[ndarray], gates: Iterable[ndarray], x: ndarray, h: ndarray, w_ih: ndarray, b_ih: ndarray,
    w_hh: ndarray, b_hh: ndarray,
) -> None:  # fmt: skip
    """Write the state after each step, (T, N, H), and the activated gates r, z and n, and n' of each step."""
    project, bias = projection(by_gate(w_hh, 3), len(h)), b_hh.reshape(3, 1, -1)
    for state, activated, inputs in zip(out[0], gates, gate_inputs(x, by_gate(w_ih, 3), by_gate(b_ih, 3)), strict=True):
        reset_update, (r, z, n, projected_n) = activated[:2], activated
        project(h, activated[:3])
        activated[:3] += bias
        projected_n[...] = n
        reset_update += inputs[:2]
        np.negative(reset_update, out=reset_update)
        _sigmoid_of_negative(reset_update)
        n *= r
        n += inputs[2]
        np.tanh(n, out=n)
        np.subtract(h, n, out=state)
        state *= z
        state += n
        h = state


def gru_gradients(
    out: list[ndarray], g: list[ndarray], states: list[ndarray], gates: ndarray, x_requires_grad: bool,
    *inputs: ndarray,
) -> None:  # fmt: skip
    """Write the gradients of all inputs."""
    (x, h, w_ih, _, w_hh, _), (d_x, d_h, *d_parameters) = inputs, out
    previous, (r, z, n, projected_n) = _previous_states(states[0], h), gates
    slopes, dh_dn = np.empty_like(gates[:3], order="C"), (1 - z) * (1 - n * n)
    np.multiply(dh_dn, r, out=slopes[2])
    np.multiply(slopes[2] * projected_n, 1 - r, out=slopes[0])
    np.multiply((previous - n) * z, 1 - z, out=slopes[1])
    d_states = np.empty_like(g[0])
    bptt = _gru_bptt([d_h, slopes, d_states], g[0], z, w_hh)

    def put_hidden(steps: slice, out: list[ndarray]) -> None:
        put_weight_gradient(slopes[:, steps], previous[steps], out[2])
        put_bias_gradient(slopes[:, steps], out[3])

    def put_inputs(steps: slice, out: list[ndarray]) -> None:
        d_inputs = slopes[:, steps].copy()
        # The reset gate does not multiply the input part of n.
        np.multiply(dh_dn[steps], d_states[steps], out=d_inputs[2])
        put_input_gradients(d_inputs, x[steps], w_ih, x_requires_grad, d_x[steps], *out[:2])

    put_parameter_gradients(bptt, (put_hidden, put_inputs), x, h, d_parameters)


def _gru_bptt(out: list[ndarray], g: ndarray, z: ndarray, w_hh: ndarray) -> Callable[[slice], None]:
    """Return a function that goes back through some steps, from the gradient of h after them to that before.

    It writes the gradient of the state after each step, and replaces `slopes`, the derivatives of each state with
    respect to its gates, with the gates' gradients.
    """
    (d_h, slopes, d_states), back_project = out, back_projection(w_hh, 3, len(z[0]))
    d_h[...] = 0

    def bptt(steps: slice) -> None:
        for k in reversed(range(steps.start, steps.stop)):
            d_state = np.add(d_h, g[k], out=d_states[k])
            slopes[:, k] *= d_state
            back_project(slopes[:, k], d_h)
            np.add(d_h, d_state * z[k], out=d_h)

    return bptt
