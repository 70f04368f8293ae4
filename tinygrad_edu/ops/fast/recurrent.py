"""Recurrent layers over a whole sequence: a loop over the steps in NumPy, and one product for all other work.

The plain version is `by_steps` in ``ops/recurrent.py``, composed of single steps. Here, the ``states`` functions write
the states step by step, and the ``gradients`` functions run from the last step to the first. Only the states are saved:
the gates of all steps are recomputed at once, and their local derivatives are written into the array of the gradient.
Each gate is contiguous, (gates, T, N, H).

The weights are copied once into blocks of columns, so small that BLAS multiplies without a copy of its own at each
step: for 16 samples and 1,024 units, in less than half the time.

References: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; K. Cho et al.,
"Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.blas import most_in_place
from tinygrad_edu.cores.threads import in_parts, shares
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.thresholds import SizeThreshold


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


def _by_gate(weight: ndarray, gates: int) -> ndarray:
    """Return a weight (gates * H, K) as (gates, H, K)."""
    return weight.reshape(gates, -1, weight.shape[-1])


def _project_all(x: ndarray, weight: ndarray, gates: int) -> ndarray:
    """Return x @ weight.T of each gate, for the states x of all steps."""
    matrices = _by_gate(weight, gates).swapaxes(1, 2)
    return product(_rows(x), matrices).reshape(gates, *x.shape[:-1], matrices.shape[-1])


# --- Products at each step ---

Product = Callable[[ndarray, ndarray], object]
# Blocks have a multiple of this many columns; number of multiplications from which threads share a product.
_COLUMNS, _LARGE = map(SizeThreshold, (16, 2**24))


def _block_columns(samples: int, length: int, width: int) -> int:
    """Return the number of columns of a block for products (samples, length) @ (length, width)."""
    most = most_in_place() // max(1, samples * length)
    if samples < 2 or most >= width:  # BLAS copies nothing
        return width
    return max((n for n in range(_COLUMNS, most + 1, _COLUMNS) if width % n == 0), default=width)


def _in_blocks(matrices: ndarray, columns: int) -> ndarray:
    """Return matrices (gates, K, M) as blocks of columns, each contiguous: (gates, blocks, K, columns)."""
    gates, length, width = matrices.shape
    return np.ascontiguousarray(matrices.reshape(gates, length, width // columns, columns).swapaxes(1, 2))


def _multiply(x: ndarray, blocks: ndarray, out: ndarray) -> None:
    """Write x @ blocks, (gates, blocks, N, columns); for large weights on several threads."""

    def fill(part: slice) -> None:
        np.matmul(x, blocks[:, part], out=out[:, part])

    in_parts(fill, shares(blocks.shape[1], 2), out.size * blocks.shape[2] >= _LARGE)


def _projection(weight: ndarray, gates: int, samples: int) -> Product:
    """Return a function of a state h (N, K) and `out` that writes h @ weight.T of each gate, (gates, N, H)."""
    matrices = _by_gate(weight, gates).swapaxes(1, 2)
    _, length, width = matrices.shape
    columns = _block_columns(samples, length, width)
    if columns == width:
        contiguous = np.ascontiguousarray(matrices)
        return lambda h, out: np.matmul(h, contiguous, out=out)
    blocks = _in_blocks(matrices, columns)
    products = np.empty((gates, width // columns, samples, columns), weight.dtype)

    def project(h: ndarray, out: ndarray) -> None:
        _multiply(h, blocks, products)
        out.reshape(gates, samples, -1, columns)[...] = products.swapaxes(1, 2)

    return project


def _back_projection(weight: ndarray, gates: int, samples: int) -> Product:
    """Return a function of gradients g (gates, N, H) and `out` that writes the sum over gates of g @ weight, (N, K)."""
    matrices = _by_gate(weight, gates)
    _, length, width = matrices.shape
    columns = _block_columns(samples, length, width)
    if columns == width:
        rows = np.empty((samples, len(weight)), weight.dtype)  # one product for all gates
        gate_rows = rows.reshape(samples, gates, -1).swapaxes(0, 1)

        def multiply(g: ndarray, out: ndarray) -> None:
            gate_rows[...] = g
            np.matmul(rows, weight, out=out)

        return multiply
    blocks = _in_blocks(matrices, columns)
    products = np.empty((gates, width // columns, samples, columns), weight.dtype)

    def multiply_blocks(g: ndarray, out: ndarray) -> None:
        _multiply(g[:, None], blocks, products)
        np.add.reduce(products, axis=0, out=out.reshape(samples, -1, columns).swapaxes(0, 1))

    return multiply_blocks


def _put_weight_gradient(g: ndarray, x: ndarray, out: ndarray) -> None:
    """Write the gradient of a weight, summed over all steps, given its inputs x and the upstream gradient g."""
    product(_rows(g).swapaxes(-1, -2), _rows(x), out=out.reshape(*g.shape[:-3], g.shape[-1], x.shape[-1]))


# --- RNN: h = activation(pre + h @ w_hh.T) ---


def rnn_states(activation: Callable[..., Any], out: list[ndarray], pre: ndarray, h: ndarray, w_hh: ndarray) -> None:
    """Write the state after each step: (T, N, H)."""
    project = _projection(w_hh, 1, len(h))
    for state, a in zip(out[0], pre[0], strict=True):
        project(h, state[None])
        state += a
        activation(state, out=state)
        h = state


def rnn_gradients(
    slope: Callable[..., Any], out: list[ndarray], g: list[ndarray], states: list[ndarray], *inputs: ndarray
) -> None:
    """Write the gradients of pre, h and w_hh; `slope` is the derivative of the activation, given its output."""
    _, h, w_hh = inputs
    d_pre, d_h, d_w = out[0][0], *out[1:]
    d_pre[...] = slope(states[0])
    back_project = _back_projection(w_hh, 1, len(d_h))
    d_h[...] = 0
    for k in reversed(range(len(d_pre))):
        d_h += g[0][k]
        d_pre[k] *= d_h
        back_project(d_pre[None, k], d_h)
    _put_weight_gradient(d_pre, _previous_states(states[0], h), d_w)


# --- LSTM: i, f, g, o = pre + h @ w_hh.T;  c = s(f) * c + s(i) * tanh(g);  h = s(o) * tanh(c), @ w_hr.T if given ---


@np.errstate(over="ignore")
def lstm_states(
    out: list[ndarray], pre: ndarray, h: ndarray, c: ndarray, w_hh: ndarray, w_hr: ndarray | None = None
) -> None:
    """Write the states (T, N, H or projection size) and the cells (T, N, H) after each step."""
    project, gates, buffer = _projection(-w_hh, 4, len(h)), np.empty_like(pre[:, 0]), np.empty_like(c)
    i, f, candidate, o = gates
    for state, cell, a in zip(*out, pre.swapaxes(0, 1), strict=True):
        project(h, gates)
        gates -= a
        np.tanh(candidate, out=buffer)  # the gates are negated
        _one_plus_exp(gates)
        np.divide(c, f, out=cell)
        cell -= np.divide(buffer, i, out=buffer)
        np.tanh(cell, out=buffer)
        if w_hr is None:
            np.divide(buffer, o, out=state)
        else:
            np.matmul(np.divide(buffer, o, out=buffer), w_hr.T, out=state)
        h, c = state, cell


@np.errstate(over="ignore")
def lstm_gradients(out: list[ndarray], g: list[ndarray], states: list[ndarray], *inputs: ndarray) -> None:
    """Write the gradients of pre, h, c, w_hh and, with a projection, w_hr."""
    pre, h, c, w_hh, *w_hr = inputs
    previous, tanh_c = _previous_states(states[0], h), np.tanh(states[1])
    gates, slopes = _project_all(previous, w_hh, 4), out[0]  # slopes are written into the gradient of pre
    gates += pre
    i, f, candidate, o = gates
    np.tanh(candidate, out=candidate)
    for part in (gates[:2], o):
        _sigmoid_of_negative(np.negative(part, out=part))
    for k, factor, gate in ((0, candidate, i), (1, _previous_states(states[1], c), f), (3, tanh_c, o)):
        slope = np.subtract(1, gate, out=slopes[k])
        slope *= gate
        slope *= factor
    np.multiply(i, _one_minus_square(candidate, slopes[2]), out=slopes[2])
    hidden = o * tanh_c if w_hr else tanh_c
    o *= _one_minus_square(tanh_c, candidate)
    d_states = _lstm_bptt(out, g, f, o, w_hh, *w_hr)
    _put_weight_gradient(out[0], previous, out[3])
    if w_hr:
        _put_weight_gradient(d_states, hidden, out[4])


def _one_minus_square(x: ndarray, out: ndarray) -> ndarray:
    np.multiply(x, x, out=out)
    return np.subtract(1, out, out=out)


def _lstm_bptt(
    out: list[ndarray], g: list[ndarray], f: ndarray, dh_dc: ndarray, w_hh: ndarray, *w_hr: ndarray
) -> ndarray:
    """Write the gradients of pre, h and c, and return the gradient of the state after each step.

    On entry the array for the gradient of pre holds local derivatives: of the cell with respect to i, f and g, and of
    h = s(o) * tanh(c) (before the projection) with respect to o. `dh_dc` holds the derivative of h with respect to c.
    """
    d_h, d_c, d_states = *out[1:3], np.empty_like(g[0])
    d_h[...], d_c[...] = 0, 0
    back_project = _back_projection(w_hh, 4, len(d_c))
    steps = zip(out[0].swapaxes(0, 1), *g, d_states, dh_dc, f, strict=True)
    for slopes, g_h, g_c, d_state, dh_dc_step, forget in reversed(list(steps)):
        np.add(d_h, g_h, out=d_state)
        d_hidden = np.matmul(d_state, w_hr[0]) if w_hr else d_state
        d_c += g_c
        d_c += np.multiply(d_hidden, dh_dc_step, out=dh_dc_step)
        slopes[:3] *= d_c
        slopes[3] *= d_hidden
        back_project(slopes, d_h)
        d_c *= forget
    return d_states


# --- GRU: r, z, n = pre;  r', z', n' = h @ w_hh.T + b_hh;  n = tanh(n + s(r + r') * n');  h = n + s(z + z') * (h - n)


def _activate_gru_gates(gates: ndarray, pre: ndarray) -> None:
    """Add the projected inputs to the projected states and apply the activations of r, z and n, in place."""
    reset_update, n = gates[:2], gates[2]
    reset_update += pre[:2]
    np.negative(reset_update, out=reset_update)
    _sigmoid_of_negative(reset_update)
    n *= gates[0]
    n += pre[2]
    np.tanh(n, out=n)


@np.errstate(over="ignore")
def gru_states(out: list[ndarray], pre: ndarray, h: ndarray, w_hh: ndarray, b_hh: ndarray) -> None:
    """Write the state after each step: (T, N, H)."""
    project, bias, gates = _projection(w_hh, 3, len(h)), b_hh.reshape(3, 1, -1), np.empty_like(pre[:, 0])
    _, z, n = gates
    for state, a in zip(out[0], pre.swapaxes(0, 1), strict=True):
        project(h, gates)
        gates += bias
        _activate_gru_gates(gates, a)
        np.subtract(h, n, out=state)
        state *= z
        state += n
        h = state


def gru_gradients(out: list[ndarray], g: list[ndarray], states: list[ndarray], *inputs: ndarray) -> None:
    """Write the gradients of pre, h, w_hh and b_hh."""
    pre, h, w_hh, b_hh = inputs
    previous = _previous_states(states[0], h)
    gates = _project_all(previous, w_hh, 3)
    gates += b_hh.reshape(3, 1, 1, -1)
    projected = gates[2].copy()
    with np.errstate(over="ignore"):
        _activate_gru_gates(gates, pre)
    r, z, n = gates
    slopes, dh_dn = np.empty_like(pre), (1 - z) * (1 - n * n)
    np.multiply(dh_dn, r, out=slopes[2])
    np.multiply(slopes[2] * projected, 1 - r, out=slopes[0])
    np.multiply((previous - n) * z, 1 - z, out=slopes[1])
    d_states = _gru_bptt(out[1], g[0], slopes, z, w_hh)
    out[0][:2] = slopes[:2]
    np.multiply(dh_dn, d_states, out=out[0][2])  # the reset gate does not multiply the input part of n
    _put_weight_gradient(slopes, previous, out[2])
    np.add.reduce(_rows(slopes), axis=1, out=out[3].reshape(3, -1))


def _gru_bptt(d_h: ndarray, g: ndarray, slopes: ndarray, z: ndarray, w_hh: ndarray) -> ndarray:
    """Write the gradient of h, and return the gradient of the state after each step.

    `slopes` holds the derivatives of each state with respect to its gates, and is replaced with the gates' gradients.
    """
    d_states, back_project = np.empty_like(g), _back_projection(w_hh, 3, len(d_h))
    d_h[...] = 0
    for k in reversed(range(len(g))):
        d_state = np.add(d_h, g[k], out=d_states[k])
        slopes[:, k] *= d_state
        back_project(slopes[:, k], d_h)
        d_h += d_state * z[k]
    return d_states
