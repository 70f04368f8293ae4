"""Recurrent layers over a whole sequence: a loop over the steps in NumPy, and all that can wait in one product.

The plain twin is `by_steps` in ``ops/recurrent.py``, composed of the same step one after the other. Here, ``states``
are written step by step; ``gradients`` are found from the last step to the first. Nothing but the states is kept for
that: the gates of all steps are computed again, at once, and what they multiply the gradient with is written where the
gradient will be. (S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; K. Cho et
al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.products import product


def _sigmoid(x: ndarray) -> None:
    """Replace x by 1 / (1 + exp(-x)): where exp overflows, that is 0."""
    np.negative(x, out=x)
    with np.errstate(over="ignore"):
        np.exp(x, out=x)
    np.add(x, 1, out=x)
    np.reciprocal(x, out=x)


def _columns(x: ndarray, count: int) -> list[ndarray]:
    """Return the columns of each gate, as views."""
    width = x.shape[-1] // count
    return [x[..., k * width : (k + 1) * width] for k in range(count)]


def _before(states: ndarray, first: ndarray) -> ndarray:
    """Return the state before each step."""
    return np.concatenate([first[None], states[:-1]])


def _rows(x: ndarray) -> ndarray:
    """Return the vectors of all steps and samples as the rows of one matrix."""
    return x.reshape(-1, x.shape[-1])


def _map(x: ndarray, weight: ndarray) -> ndarray:
    """Return x @ weight.T of all steps at once."""
    return product(_rows(x), weight.T).reshape(*x.shape[:-1], len(weight))


def _add_up(g: ndarray, x: ndarray, out: ndarray) -> None:
    """Write the gradient of a weight that maps x, of all steps, to something that has the gradient g."""
    product(_rows(g).T, _rows(x), out=out)


# --- RNN: h = bend(pre + h @ w_hh.T) ---


def rnn_states(bend: Callable[..., Any], out: list[ndarray], pre: ndarray, h: ndarray, w_hh: ndarray) -> None:
    """Write the state after each step: (T, N, H)."""
    for state, a in zip(out[0], pre, strict=True):
        np.matmul(h, w_hh.T, out=state)
        state += a
        bend(state, out=state)
        h = state


def rnn_gradients(
    slope: Callable[..., Any], out: list[ndarray], g: list[ndarray], states: list[ndarray], *given: ndarray
) -> None:
    """Write the gradients of pre, h and w_hh; `slope` is that of the bend, by what it gave."""
    _, h, w_hh = given
    d_pre, d_h, d_w = out
    d_pre[...] = slope(states[0])
    d_h[...] = 0
    for k in reversed(range(len(d_pre))):
        d_h += g[0][k]
        d_pre[k] *= d_h
        np.matmul(d_pre[k], w_hh, out=d_h)
    _add_up(d_pre, _before(states[0], h), d_w)


# --- LSTM: i, f, g, o = pre + h @ w_hh.T;  c = s(f) * c + s(i) * tanh(g);  h = s(o) * tanh(c), or that @ w_hr.T ---


def _bend_lstm(gates: ndarray) -> list[ndarray]:
    """Replace the gates by their sigmoids, and g by its tanh; return the four."""
    columns = _columns(gates, 4)
    bent = np.tanh(columns[2])
    _sigmoid(gates)
    columns[2][...] = bent
    return columns


def lstm_states(
    out: list[ndarray], pre: ndarray, h: ndarray, c: ndarray, w_hh: ndarray, w_hr: ndarray | None = None
) -> None:
    """Write the states (T, N, H or the size of the projection) and the cells (T, N, H) after each step."""
    gates, shown = np.empty_like(pre[0]), np.empty_like(c)
    for state, cell, a in zip(*out, pre, strict=True):
        np.matmul(h, w_hh.T, out=gates)
        gates += a
        i, f, g, o = _bend_lstm(gates)
        np.multiply(f, c, out=cell)
        cell += np.multiply(i, g, out=shown)
        np.tanh(cell, out=shown)
        if w_hr is None:
            np.multiply(o, shown, out=state)
        else:
            np.matmul(np.multiply(o, shown, out=shown), w_hr.T, out=state)
        h, c = state, cell


def lstm_gradients(out: list[ndarray], g: list[ndarray], states: list[ndarray], *given: ndarray) -> None:
    """Write the gradients of pre, h, c, w_hh and, with a projection, w_hr."""
    pre, h, c, w_hh, *w_hr = given
    d_pre, d_h, d_c, d_w, *d_hr = out
    before = _before(states[0], h)
    gates = _map(before, w_hh)
    gates += pre
    _, f, _, o = _bend_lstm(gates)
    bent = np.tanh(states[1])
    by_gate, by_cell = d_pre.reshape(*d_pre.shape[:2], 4, c.shape[-1]), o * (1 - bent * bent)
    _write_lstm_slopes(by_gate, gates, _before(states[1], c), bent)
    d_h[...], d_c[...], totals = 0, 0, np.empty_like(g[0])
    for k in reversed(range(len(pre))):
        total = np.add(d_h, g[0][k], out=totals[k])
        shown = np.matmul(total, w_hr[0]) if w_hr else total
        d_c += g[1][k]
        d_c += shown * by_cell[k]
        by_gate[k, :, :3] *= d_c[:, None]
        by_gate[k, :, 3] *= shown
        np.matmul(d_pre[k], w_hh, out=d_h)
        d_c *= f[k]
    _add_up(d_pre, before, d_w)
    if w_hr:
        _add_up(totals, o * bent, d_hr[0])


def _write_lstm_slopes(out: ndarray, gates: ndarray, c: ndarray, bent: ndarray) -> None:
    """Write what the gradients of i, f and g are to that of the cell, and that of o to what is shown of it."""
    i, f, g, o = _columns(gates, 4)
    for k, (by, gate) in enumerate(((g, i), (c, f), (None, g), (bent, o))):
        if by is None:
            np.multiply(i, 1 - gate * gate, out=out[:, :, k])
        else:
            np.multiply(by * gate, 1 - gate, out=out[:, :, k])


# --- GRU: r, z, n = pre;  r', z', n' = h @ w_hh.T + b_hh;  n = tanh(n + s(r + r') * n');  h = n + s(z + z') * (h - n)


def _bend_gru(gates: ndarray, pre: ndarray) -> list[ndarray]:
    """Replace the gates of the states by r, z and n, with those of the inputs added; return the three."""
    r, z, n = _columns(gates, 3)
    width = 2 * n.shape[-1]
    both = gates[..., :width]
    both += pre[..., :width]
    _sigmoid(both)
    n *= r
    n += pre[..., width:]
    np.tanh(n, out=n)
    return [r, z, n]


def gru_states(out: list[ndarray], pre: ndarray, h: ndarray, w_hh: ndarray, b_hh: ndarray) -> None:
    """Write the state after each step: (T, N, H)."""
    gates = np.empty_like(pre[0])
    for state, a in zip(out[0], pre, strict=True):
        np.matmul(h, w_hh.T, out=gates)
        gates += b_hh
        _, z, n = _bend_gru(gates, a)
        np.subtract(h, n, out=state)
        state *= z
        state += n
        h = state


def gru_gradients(out: list[ndarray], g: list[ndarray], states: list[ndarray], *given: ndarray) -> None:
    """Write the gradients of pre, h, w_hh and b_hh."""
    pre, h, w_hh, b_hh = given
    d_pre, d_h, d_w, d_b = out
    before = _before(states[0], h)
    gates = _map(before, w_hh)
    gates += b_hh
    of_state = _columns(gates, 3)[2].copy()
    r, z, n = _bend_gru(gates, pre)
    by_n = (1 - z) * (1 - n * n)
    d_gates, totals = np.empty_like(pre), np.empty_like(g[0])
    by_gate = d_gates.reshape(*pre.shape[:2], 3, h.shape[-1])
    by_gate[:, :, 2] = by_n * r
    np.multiply(by_gate[:, :, 2] * of_state, 1 - r, out=by_gate[:, :, 0])
    np.multiply((before - n) * z, 1 - z, out=by_gate[:, :, 1])
    d_h[...] = 0
    for k in reversed(range(len(pre))):
        total = np.add(d_h, g[0][k], out=totals[k])
        by_gate[k] *= total[:, None]
        np.matmul(d_gates[k], w_hh, out=d_h)
        d_h += total * z[k]
    _write_gru_inputs(d_pre, d_gates, by_n * totals)
    _add_up(d_gates, before, d_w)
    np.add.reduce(_rows(d_gates), axis=0, out=d_b)


def _write_gru_inputs(out: ndarray, d_gates: ndarray, d_n: ndarray) -> None:
    """Write the gradient of the inputs' gates: that of the states', but for n, which r lets through to the latter."""
    out[...] = d_gates
    _columns(out, 3)[2][...] = d_n
