"""Recurrent layers over a whole sequence: a loop over the steps in NumPy, and one product for all other work.

The plain version is `by_steps` in ``ops/recurrent.py``, composed of single steps. Here, the ``states`` functions write
the states and the activated gates step by step, and the ``gradients`` functions run from the last step to the first.
They write the local derivatives of all gates into the array of the gradient. Gates that were not saved are recomputed
for all steps at once. Each gate is contiguous, (gates, T, N, H).

The weights are copied once into blocks of columns, so small that BLAS multiplies without a copy of its own at each
step: for 16 samples and 1,024 units, in less than half the time.

References: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; K. Cho et al.,
"Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
"""

from collections.abc import Callable, Iterable
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


def _project_all(x: ndarray, weight: ndarray, gates: int, out: ndarray) -> None:
    """Write x @ weight.T of each gate, for the states x of all steps."""
    product(_rows(x), _by_gate(weight, gates).swapaxes(1, 2), out=_rows(out))


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


def rnn_states(
    activation: Callable[..., Any],
    out: list[ndarray],
    gates: Iterable[ndarray],
    pre: ndarray,
    h: ndarray,
    w_hh: ndarray,
) -> None:
    """Write the state after each step: (T, N, H). No gates are written."""
    project = _projection(w_hh, 1, len(h))
    for state, a in zip(out[0], pre[0], strict=True):
        project(h, state[None])
        state += a
        activation(state, out=state)
        h = state


def rnn_gates(pre: ndarray, *_: Any) -> ndarray:
    """Return no gates."""
    return pre[:0]


def rnn_gradients(
    slope: Callable[..., Any], out: list[ndarray], g: list[ndarray], states: list[ndarray], gates: ndarray,
    *inputs: ndarray,
) -> None:  # fmt: skip
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


def _activate_lstm_gates(negated: ndarray) -> None:
    """Replace minus the inputs of i, f, g and o with 1 / sigmoid of i, f and o, and -tanh of g."""
    np.tanh(negated[2], out=negated[2])
    _one_plus_exp(negated[:2])
    _one_plus_exp(negated[3])


@np.errstate(over="ignore")
def lstm_gates(pre: ndarray, states: list[ndarray], h: ndarray, c: ndarray, w_hh: ndarray, *w_hr: ndarray) -> ndarray:
    """Return the activated gates i, f, g and o of all steps, and tanh(c), as `lstm_states` writes them."""
    activated = np.empty((5, *pre.shape[1:]), pre.dtype)
    gates = activated[:4]
    _project_all(_previous_states(states[0], h), -w_hh, 4, gates)
    gates -= pre
    _activate_lstm_gates(gates)
    np.tanh(states[1], out=activated[4])
    return activated


@np.errstate(over="ignore")
def lstm_states(
    out: list[ndarray], gates: Iterable[ndarray], pre: ndarray, h: ndarray, c: ndarray, w_hh: ndarray,
    w_hr: ndarray | None = None,
) -> None:  # fmt: skip
    """Write the states (T, N, H or projection size), the cells (T, N, H) and the activated gates after each step."""
    project, buffer = _projection(-w_hh, 4, len(h)), np.empty_like(c)
    for state, cell, a, activated in zip(*out, pre.swapaxes(0, 1), gates, strict=True):
        negated, (i, f, candidate, o, tanh_c) = activated[:4], activated
        project(h, negated)
        negated -= a
        _activate_lstm_gates(negated)
        np.divide(c, f, out=cell)
        cell -= np.divide(candidate, i, out=buffer)
        np.tanh(cell, out=tanh_c)
        if w_hr is None:
            np.divide(tanh_c, o, out=state)
        else:
            np.matmul(np.divide(tanh_c, o, out=buffer), w_hr.T, out=state)
        h, c = state, cell


def lstm_gradients(
    out: list[ndarray], g: list[ndarray], states: list[ndarray], gates: ndarray, *inputs: ndarray
) -> None:
    """Write the gradients of pre, h, c, w_hh and, with a projection, w_hr."""
    _, h, c, w_hh, *w_hr = inputs
    f, dh_dc = _put_lstm_slopes(gates, _previous_states(states[1], c), out[0])
    d_states = _lstm_bptt(out, g, f, dh_dc, w_hh, *w_hr)
    _put_weight_gradient(out[0], _previous_states(states[0], h), out[3])
    if w_hr:
        _put_weight_gradient(d_states, gates[4] / gates[3], out[4])


def _put_lstm_slopes(gates: ndarray, previous_c: ndarray, slopes: ndarray) -> tuple[ndarray, ndarray]:
    """Write the derivatives with respect to the gates; return s(f) and the derivative of h with respect to c."""
    (i, f), candidate, o, tanh_c = np.reciprocal(gates[:2]), np.negative(gates[2]), np.reciprocal(gates[3]), gates[4]
    for slope, gate, factor in ((slopes[0], i, candidate), (slopes[1], f, previous_c), (slopes[3], o, tanh_c)):
        np.subtract(1, gate, out=slope)
        slope *= gate
        slope *= factor
    np.multiply(i, _one_minus_square(candidate, slopes[2]), out=slopes[2])
    o *= _one_minus_square(tanh_c, candidate)
    return f, o


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
    """Replace the projected states of r, z and n with the activated gates, and write n' into the last array."""
    reset_update, (r, _, n, projected) = gates[:2], gates
    projected[...] = n
    reset_update += pre[:2]
    np.negative(reset_update, out=reset_update)
    _sigmoid_of_negative(reset_update)
    n *= r
    n += pre[2]
    np.tanh(n, out=n)


@np.errstate(over="ignore")
def gru_gates(pre: ndarray, states: list[ndarray], h: ndarray, w_hh: ndarray, b_hh: ndarray) -> ndarray:
    """Return r, z, n and n' of all steps, (4, T, N, H)."""
    gates = np.empty((4, *pre.shape[1:]), pre.dtype)
    _project_all(_previous_states(states[0], h), w_hh, 3, gates[:3])
    gates[:3] += b_hh.reshape(3, 1, 1, -1)
    _activate_gru_gates(gates, pre)
    return gates


@np.errstate(over="ignore")
def gru_states(
    out: list[ndarray], gates: Iterable[ndarray], pre: ndarray, h: ndarray, w_hh: ndarray, b_hh: ndarray
) -> None:
    """Write the state after each step, (T, N, H), and r, z, n and n' of each step (4, N, H)."""
    project, bias = _projection(w_hh, 3, len(h)), b_hh.reshape(3, 1, -1)
    for state, a, step in zip(out[0], pre.swapaxes(0, 1), gates, strict=True):
        project(h, step[:3])
        step[:3] += bias
        _activate_gru_gates(step, a)
        _, z, n, _ = step
        np.subtract(h, n, out=state)
        state *= z
        state += n
        h = state


def gru_gradients(
    out: list[ndarray], g: list[ndarray], states: list[ndarray], gates: ndarray, *inputs: ndarray
) -> None:
    """Write the gradients of pre, h, w_hh and b_hh."""
    pre, h, w_hh, _ = inputs
    previous, (r, z, n, projected) = _previous_states(states[0], h), gates
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
