"""Recurrent layers over a whole sequence: a loop over the steps in NumPy, and one product for all other work.

The plain version is `by_steps` in ``ops/recurrent.py``, composed of single steps. Here, the ``states`` functions write
the states step by step, and the ``gradients`` functions run from the last step to the first. Only the states are saved:
the gates of all steps are recomputed at once, and their local derivatives are written into the array of the gradient.
Each gate is contiguous, (gates, T, N, H).

References: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; K. Cho et al.,
"Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.products import product


def _one_plus_exp(x: ndarray) -> None:
    """Replace -x with 1 + exp(-x), the reciprocal of sigmoid(x). The callers ignore overflow in exp."""
    np.exp(x, out=x)
    x += 1


def _sigmoid_of_negative(x: ndarray) -> None:
    """Replace -x with sigmoid(x)."""
    _one_plus_exp(x)
    np.reciprocal(x, out=x)


def _previous_states(states: ndarray, first: ndarray) -> ndarray:
    """Return the state before each step."""
    return np.concatenate([first[None], states[:-1]])


def _rows(x: ndarray) -> ndarray:
    """Merge the axes of steps and samples: (..., T, N, size) -> (..., T * N, size)."""
    return x.reshape(*x.shape[:-3], -1, x.shape[-1])


def _gate_weights(weight: ndarray, gates: int) -> ndarray:
    """Return weight.T of each gate, contiguous, which is fastest for products with few rows."""
    return np.ascontiguousarray(weight.reshape(gates, -1, weight.shape[-1]).swapaxes(1, 2))


def _project(x: ndarray, by_gates: ndarray) -> ndarray:
    """Return the product of the states of all steps with the weights of each gate."""
    return product(_rows(x), by_gates).reshape(len(by_gates), *x.shape[:-1], by_gates.shape[-1])


def _put_weight_gradient(g: ndarray, x: ndarray, out: ndarray) -> None:
    """Write the gradient of a weight, summed over all steps, given its inputs x and the upstream gradient g."""
    product(_rows(g).swapaxes(-1, -2), _rows(x), out=out.reshape(*g.shape[:-3], g.shape[-1], x.shape[-1]))


# --- RNN: h = bend(pre + h @ w_hh.T) ---


def rnn_states(bend: Callable[..., Any], out: list[ndarray], pre: ndarray, h: ndarray, w_hh: ndarray) -> None:
    """Write the state after each step: (T, N, H)."""
    weight = _gate_weights(w_hh, 1)[0]
    for state, a in zip(out[0], pre[0], strict=True):
        np.matmul(h, weight, out=state)
        state += a
        bend(state, out=state)
        h = state


def rnn_gradients(
    slope: Callable[..., Any], out: list[ndarray], g: list[ndarray], states: list[ndarray], *given: ndarray
) -> None:
    """Write the gradients of pre, h and w_hh; `slope` is the derivative of the activation, given its output."""
    _, h, w_hh = given
    d_pre, d_h, d_w = out[0][0], *out[1:]
    d_pre[...] = slope(states[0])
    d_h[...] = 0
    for k in reversed(range(len(d_pre))):
        d_h += g[0][k]
        d_pre[k] *= d_h
        np.matmul(d_pre[k], w_hh, out=d_h)
    _put_weight_gradient(d_pre, _previous_states(states[0], h), d_w)


# --- LSTM: i, f, g, o = pre + h @ w_hh.T;  c = s(f) * c + s(i) * tanh(g);  h = s(o) * tanh(c), @ w_hr.T if given ---


@np.errstate(over="ignore")
def lstm_states(
    out: list[ndarray], pre: ndarray, h: ndarray, c: ndarray, w_hh: ndarray, w_hr: ndarray | None = None
) -> None:
    """Write the states (T, N, H or projection size) and the cells (T, N, H) after each step."""
    weight, gates, shown = _gate_weights(-w_hh, 4), np.empty_like(pre[:, 0]), np.empty_like(c)
    i, f, new, o = gates
    for state, cell, a in zip(*out, pre.swapaxes(0, 1), strict=True):
        np.matmul(h, weight, out=gates)
        gates -= a
        np.tanh(new, out=shown)  # the gates are negated
        _one_plus_exp(gates)
        np.divide(c, f, out=cell)
        cell -= np.divide(shown, i, out=shown)
        np.tanh(cell, out=shown)
        if w_hr is None:
            np.divide(shown, o, out=state)
        else:
            np.matmul(np.divide(shown, o, out=shown), w_hr.T, out=state)
        h, c = state, cell


@np.errstate(over="ignore")
def lstm_gradients(out: list[ndarray], g: list[ndarray], states: list[ndarray], *given: ndarray) -> None:
    """Write the gradients of pre, h, c, w_hh and, with a projection, w_hr."""
    pre, h, c, w_hh, *w_hr = given
    before, bent = _previous_states(states[0], h), np.tanh(states[1])
    gates, slopes = _project(before, _gate_weights(-w_hh, 4)), out[0]  # slopes are written into the gradient of pre
    gates -= pre
    i, f, new, o = gates
    np.negative(np.tanh(new, out=new), out=new)
    _sigmoid_of_negative(gates[:2])
    _sigmoid_of_negative(o)
    for k, by, gate in ((0, new, i), (1, _previous_states(states[1], c), f), (3, bent, o)):
        slope = np.subtract(1, gate, out=slopes[k])
        slope *= gate
        slope *= by
    np.multiply(i, _one_minus_square(new, slopes[2]), out=slopes[2])
    shown = o * bent if w_hr else bent
    o *= _one_minus_square(bent, new)
    totals = _lstm_bptt(out, g, f, o, w_hh, *w_hr)
    _put_weight_gradient(out[0], before, out[3])
    if w_hr:
        _put_weight_gradient(totals, shown, out[4])


def _one_minus_square(x: ndarray, out: ndarray) -> ndarray:
    np.multiply(x, x, out=out)
    return np.subtract(1, out, out=out)


def _lstm_bptt(
    out: list[ndarray], g: list[ndarray], f: ndarray, of_cell: ndarray, w_hh: ndarray, *w_hr: ndarray
) -> ndarray:
    """Write the gradients of pre, h and c, and return the gradient of the state after each step.

    On entry the array for the gradient of pre holds local derivatives: of the cell with respect to i, f and g, and of
    h = s(o) * tanh(c) (before the projection) with respect to o. `of_cell` holds the derivative of h with respect to c.
    """
    d_h, d_c, totals = *out[1:3], np.empty_like(g[0])
    d_h[...], d_c[...] = 0, 0
    rows = np.empty((len(d_c), len(w_hh)), w_hh.dtype)  # of one step: one product for all gates
    gates_of_rows = rows.reshape(len(d_c), 4, -1).swapaxes(0, 1)
    steps = zip(out[0].swapaxes(0, 1), *g, totals, of_cell, f, strict=True)
    for slopes, g_h, g_c, total, to_cell, forget in reversed(list(steps)):
        np.add(d_h, g_h, out=total)
        shown = np.matmul(total, w_hr[0]) if w_hr else total
        d_c += g_c
        d_c += np.multiply(shown, to_cell, out=to_cell)
        slopes[:3] *= d_c
        slopes[3] *= shown
        gates_of_rows[...] = slopes
        np.matmul(rows, w_hh, out=d_h)
        d_c *= forget
    return totals


# --- GRU: r, z, n = pre;  r', z', n' = h @ w_hh.T + b_hh;  n = tanh(n + s(r + r') * n');  h = n + s(z + z') * (h - n)


def _activate_gru_gates(gates: ndarray, pre: ndarray) -> None:
    """Add the projected inputs to the projected states and apply the activations of r, z and n, in place."""
    both, n = gates[:2], gates[2]
    both += pre[:2]
    np.negative(both, out=both)
    _sigmoid_of_negative(both)
    n *= gates[0]
    n += pre[2]
    np.tanh(n, out=n)


@np.errstate(over="ignore")
def gru_states(out: list[ndarray], pre: ndarray, h: ndarray, w_hh: ndarray, b_hh: ndarray) -> None:
    """Write the state after each step: (T, N, H)."""
    weight, bias, gates = _gate_weights(w_hh, 3), b_hh.reshape(3, 1, -1), np.empty_like(pre[:, 0])
    _, z, n = gates
    for state, a in zip(out[0], pre.swapaxes(0, 1), strict=True):
        np.matmul(h, weight, out=gates)
        gates += bias
        _activate_gru_gates(gates, a)
        np.subtract(h, n, out=state)
        state *= z
        state += n
        h = state


def gru_gradients(out: list[ndarray], g: list[ndarray], states: list[ndarray], *given: ndarray) -> None:
    """Write the gradients of pre, h, w_hh and b_hh."""
    pre, h, w_hh, b_hh = given
    before = _previous_states(states[0], h)
    gates = _project(before, _gate_weights(w_hh, 3))
    gates += b_hh.reshape(3, 1, 1, -1)
    of_state = gates[2].copy()
    with np.errstate(over="ignore"):
        _activate_gru_gates(gates, pre)
    r, z, n = gates
    slopes, of_n = np.empty_like(pre), (1 - z) * (1 - n * n)
    np.multiply(of_n, r, out=slopes[2])
    np.multiply(slopes[2] * of_state, 1 - r, out=slopes[0])
    np.multiply((before - n) * z, 1 - z, out=slopes[1])
    totals = _gru_bptt(out[1], g[0], slopes, z, w_hh)
    out[0][:2] = slopes[:2]
    np.multiply(of_n, totals, out=out[0][2])  # the reset gate does not multiply the input part of n
    _put_weight_gradient(slopes, before, out[2])
    np.add.reduce(_rows(slopes), axis=1, out=out[3].reshape(3, -1))


def _gru_bptt(d_h: ndarray, g: ndarray, slopes: ndarray, z: ndarray, w_hh: ndarray) -> ndarray:
    """Write the gradient of h, and return the gradient of the state after each step.

    `slopes` holds the derivatives of each state with respect to its gates, and is replaced with the gates' gradients.
    """
    totals, rows = np.empty_like(g), np.empty((len(d_h), len(w_hh)), w_hh.dtype)
    gates_of_rows = rows.reshape(len(d_h), 3, -1).swapaxes(0, 1)
    d_h[...] = 0
    for k in reversed(range(len(g))):
        total = np.add(d_h, g[k], out=totals[k])
        slopes[:, k] *= total
        gates_of_rows[...] = slopes[:, k]
        np.matmul(rows, w_hh, out=d_h)
        d_h += total * z[k]
    return totals
