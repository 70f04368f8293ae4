"""Recurrent layers over a whole sequence: a loop over the steps in NumPy, and one product for all other work.

The plain version is `by_steps` in ``ops/recurrent.py``, composed of single steps. Here, the ``states`` functions write
the states and the activated gates step by step, and the ``gradients`` functions run from the last step to the first.
The inputs of the gates, and the local derivatives of the gates, are computed for several steps at once. In a shard,
another thread computes the inputs of later steps meanwhile.

The weights are copied once into blocks of columns, so small that BLAS multiplies without a copy of its own at each
step: for 16 samples and 1,024 units, in less than half the time.

References: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; K. Cho et al.,
"Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.blas import most_in_place
from tinygrad_edu.cores.threads import even_slices, map_ahead, map_parts
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.thresholds import SizeThreshold


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


def _rows(x: ndarray) -> ndarray:
    """Merge the axes of steps and samples: (..., T, N, size) -> (..., T * N, size)."""
    return x.reshape(*x.shape[:-3], -1, x.shape[-1])


def _by_gate(weight: ndarray, gates: int) -> ndarray:
    """Return a weight (gates * H, K) as (gates, H, K)."""
    return weight.reshape(gates, -1, weight.shape[-1])


# --- Inputs of the gates, and gradients of the parameters ---

# Smallest number of rows (steps times samples) for which inputs of the gates are computed at once, and number of
# multiplications from which threads share a product, and number of parts.
_ROWS, _LARGE, _PARTS = map(SizeThreshold, (512, 2**24, 2))


def _chunks(steps: int, samples: int) -> list[slice]:
    """Split the steps into slices of about `_ROWS` rows."""
    return even_slices(steps, max(1, steps * samples // _ROWS))


def _gate_inputs(x: ndarray, w_ih: ndarray, b_ih: ndarray, gates: int, negate: bool = False) -> Iterator[ndarray]:
    """Yield x @ w_ih.T + b_ih of each gate, or its negative, for one step after the other: (gates, N, H)."""
    weights, bias = _by_gate(w_ih, gates).swapaxes(1, 2), b_ih.reshape(gates, 1, 1, -1)

    def compute(steps: slice) -> ndarray:
        inputs = np.empty((gates, *x[steps].shape[:2], bias.shape[-1]), x.dtype)
        product(_rows(x[steps]), weights, out=_rows(inputs))
        return np.subtract(-bias, inputs, out=inputs) if negate else np.add(inputs, bias, out=inputs)

    for inputs in map_ahead(compute, _chunks(*x.shape[:2])):
        yield from inputs.swapaxes(0, 1)


def _put_weight_gradient(g: ndarray, x: ndarray, out: ndarray) -> None:
    """Write the gradient of a weight, summed over all steps, given its inputs x and the upstream gradient g."""
    product(_rows(g).swapaxes(-1, -2), _rows(x), out=out.reshape(*g.shape[:-3], g.shape[-1], x.shape[-1]))


def _put_bias_gradient(g: ndarray, out: ndarray) -> None:
    """Write the sum of g over all steps and samples. A product with ones is faster than a sum."""
    rows = _rows(g)
    np.matmul(np.ones(rows.shape[-2], g.dtype), rows, out=out.reshape(len(g), -1))


def _put_x_gradient(g: ndarray, w_ih: ndarray, out: ndarray) -> None:
    """Write the sum over gates of g @ w_ih."""
    (first, *others), (first_weight, *weights), rows = _rows(g), _by_gate(w_ih, len(g)), _rows(out)
    product(first, first_weight, out=rows)
    for gate, weight in zip(others, weights, strict=True):
        rows += product(gate, weight)


def _put_input_gradients(
    g: ndarray, x: ndarray, w_ih: ndarray, out: tuple[ndarray, ndarray, ndarray], x_requires_grad: bool,
    *others: Callable[[], None],
) -> None:  # fmt: skip
    """Write the gradients of x, w_ih and b_ih, given those of the gates' inputs, and call the other functions."""
    d_x, d_w_ih, d_b_ih = out
    tasks: list[Callable[[], None]] = [
        partial(_put_weight_gradient, g, x, d_w_ih), *others, partial(_put_bias_gradient, g, d_b_ih)
    ]  # fmt: skip
    if x_requires_grad:
        tasks.insert(0, partial(_put_x_gradient, g, w_ih, d_x))
    else:
        d_x[...] = 0
    for _ in map_ahead(lambda task: task(), tasks, g.size * x.shape[-1] >= _LARGE):
        pass


# --- Products at each step ---

Product = Callable[[ndarray, ndarray], object]
# Blocks have a multiple of this many columns, at least two times as many.
_COLUMNS = SizeThreshold(8)


def _block_columns(samples: int, length: int, width: int) -> int:
    """Return the number of columns of a block for products (samples, length) @ (length, width).

    It divides the width. All columns if BLAS copies nothing, or if no divisor is suitable.
    """
    most = most_in_place() // max(1, samples * length)
    if samples < 2 or most >= width:  # BLAS copies nothing
        return width
    return max((n for n in range(2 * _COLUMNS, most + 1, _COLUMNS) if width % n == 0), default=width)


def _in_blocks(matrices: ndarray, columns: int) -> ndarray:
    """Return matrices (gates, K, M) as blocks of columns, each contiguous: (gates, blocks, K, columns)."""
    gates, length, width = matrices.shape
    return np.ascontiguousarray(matrices.reshape(gates, length, width // columns, columns).swapaxes(1, 2))


def _multiply(x: ndarray, blocks: ndarray, out: ndarray) -> None:
    """Write x @ blocks, (gates, blocks, N, columns); for large weights on several threads."""

    def fill(part: slice) -> None:
        np.matmul(x, blocks[:, part], out=out[:, part])

    map_parts(fill, even_slices(blocks.shape[1], _PARTS), out.size * blocks.shape[2] >= _LARGE)


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
        gate_rows = rows.reshape(samples, gates, length).swapaxes(0, 1)

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


# --- RNN: h = activation(x @ w_ih.T + b_ih + h @ w_hh.T) ---


def rnn_states(
    activation: Callable[..., Any], out: list[ndarray], gates: Iterable[ndarray], x: ndarray, h: ndarray,
    w_ih: ndarray, b_ih: ndarray, w_hh: ndarray,
) -> None:  # fmt: skip
    """Write the state after each step: (T, N, H). No gates are written."""
    project = _projection(w_hh, 1, len(h))
    for state, inputs in zip(out[0], _gate_inputs(x, w_ih, b_ih, 1), strict=True):
        project(h, state[None])
        state += inputs[0]
        activation(state, out=state)
        h = state


def rnn_gradients(
    slope: Callable[..., Any], out: list[ndarray], g: list[ndarray], states: list[ndarray], gates: ndarray,
    x_requires_grad: bool, *inputs: ndarray,
) -> None:  # fmt: skip
    """Write the gradients of all inputs; `slope` is the derivative of the activation, given its output."""
    (x, h, w_ih, _, w_hh), (d_x, d_h, d_w_ih, d_b, d_w_hh) = inputs, out
    d_gates, back_project = np.empty_like(states[0][None]), _back_projection(w_hh, 1, len(h))
    d_gates[0], d_h[...] = slope(states[0]), 0
    for k in reversed(range(len(x))):
        d_h += g[0][k]
        d_gates[0, k] *= d_h
        back_project(d_gates[:, k], d_h)
    of_w_hh = partial(_put_weight_gradient, d_gates, _previous_states(states[0], h), d_w_hh)
    _put_input_gradients(d_gates, x, w_ih, (d_x, d_w_ih, d_b), x_requires_grad, of_w_hh)


# --- LSTM: i, f, g, o = x @ w_ih.T + b_ih + h @ w_hh.T;  c = s(f) * c + s(i) * tanh(g);  h = s(o) * tanh(c), @ w_hr.T


def _activate_lstm_gates(negated: ndarray) -> None:
    """Replace minus the inputs of i, f, g and o with 1 / sigmoid of i, f and o, and -tanh of g."""
    np.tanh(negated[2], out=negated[2])
    _one_plus_exp(negated[:2])
    _one_plus_exp(negated[3])


@np.errstate(over="ignore")
def lstm_states(
    out: list[ndarray], gates: Iterable[ndarray], x: ndarray, h: ndarray, c: ndarray, w_ih: ndarray, b_ih: ndarray,
    w_hh: ndarray, w_hr: ndarray | None = None,
) -> None:  # fmt: skip
    """Write the states (T, N, H or projection size), the cells, and the activated gates and tanh(c) of each step."""
    project, buffer = _projection(w_hh, 4, len(h)), np.empty_like(c)
    for state, cell, activated, inputs in zip(*out, gates, _gate_inputs(x, w_ih, b_ih, 4, negate=True), strict=True):
        negated, (i, f, candidate, o, tanh_c) = activated[:4], activated
        project(h, negated)
        np.subtract(inputs, negated, out=negated)
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
    out: list[ndarray], g: list[ndarray], states: list[ndarray], gates: ndarray, x_requires_grad: bool,
    *inputs: ndarray,
) -> None:  # fmt: skip
    """Write the gradients of all inputs."""
    (x, h, c, w_ih, _, w_hh, *w_hr), (d_x, d_h, d_c, d_w_ih, d_b, d_w_hh, *d_w_hr) = inputs, out
    d_gates, d_states = _lstm_bptt([d_h, d_c], g, gates, _previous_states(states[1], c), w_hh, *w_hr)
    others = [partial(_put_weight_gradient, d_gates, _previous_states(states[0], h), d_w_hh)]
    if w_hr:
        others.append(partial(_put_weight_gradient, d_states, gates[4] / gates[3], d_w_hr[0]))
    _put_input_gradients(d_gates, x, w_ih, (d_x, d_w_ih, d_b), x_requires_grad, *others)


def _put_lstm_slopes(gates: ndarray, previous_c: ndarray, slopes: ndarray) -> tuple[ndarray, ndarray]:
    """Write the derivatives of the cell with respect to i, f and g, and of h before the projection to o.

    Return s(f) and the derivative of h with respect to c.
    """
    (i, f), candidate, o, tanh_c = 1 / gates[:2], -gates[2], 1 / gates[3], gates[4]
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
    out: list[ndarray], g: list[ndarray], gates: ndarray, previous_c: ndarray, w_hh: ndarray, *w_hr: ndarray
) -> tuple[ndarray, ndarray]:
    """Write the gradients of h and c; return those of the gates' inputs and of the state after each step."""
    (d_h, d_c), slopes, d_states = out, np.empty_like(gates[:4], order="C"), np.empty_like(g[0])
    back_project, chunks = _back_projection(w_hh, 4, len(d_c)), _chunks(*previous_c.shape[:2])[::-1]
    d_h[...], d_c[...] = 0, 0
    for steps in chunks:
        forget, dh_dc = _put_lstm_slopes(gates[:, steps], previous_c[steps], slopes[:, steps])
        for k in reversed(range(steps.start, steps.stop)):
            d_gates, d_state, dh_dc_step = slopes[:, k], d_states[k], dh_dc[k - steps.start]
            np.add(d_h, g[0][k], out=d_state)
            d_hidden = np.matmul(d_state, w_hr[0]) if w_hr else d_state
            d_c += g[1][k]
            d_c += np.multiply(d_hidden, dh_dc_step, out=dh_dc_step)
            d_gates[:3] *= d_c
            d_gates[3] *= d_hidden
            back_project(d_gates, d_h)
            d_c *= forget[k - steps.start]
    return slopes, d_states


# --- GRU: r, z, n = x @ w_ih.T + b_ih;  r', z', n' = h @ w_hh.T + b_hh;  n = tanh(n + s(r + r') * n')
# ---      h = n + s(z + z') * (h - n)


@np.errstate(over="ignore")
def gru_states(
    out: list[ndarray], gates: Iterable[ndarray], x: ndarray, h: ndarray, w_ih: ndarray, b_ih: ndarray,
    w_hh: ndarray, b_hh: ndarray,
) -> None:  # fmt: skip
    """Write the state after each step, (T, N, H), and the activated gates r, z and n, and n' of each step."""
    project, bias = _projection(w_hh, 3, len(h)), b_hh.reshape(3, 1, -1)
    for state, activated, inputs in zip(out[0], gates, _gate_inputs(x, w_ih, b_ih, 3), strict=True):
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
    (x, h, w_ih, _, w_hh, _), (d_x, d_h, d_w_ih, d_b_ih, d_w_hh, d_b_hh) = inputs, out
    previous, (r, z, n, projected_n) = _previous_states(states[0], h), gates
    slopes, dh_dn = np.empty_like(gates[:3], order="C"), (1 - z) * (1 - n * n)
    np.multiply(dh_dn, r, out=slopes[2])
    np.multiply(slopes[2] * projected_n, 1 - r, out=slopes[0])
    np.multiply((previous - n) * z, 1 - z, out=slopes[1])
    d_states = _gru_bptt(d_h, g[0], slopes, z, w_hh)
    d_inputs = slopes.copy()
    np.multiply(dh_dn, d_states, out=d_inputs[2])  # the reset gate does not multiply the input part of n
    others = partial(_put_weight_gradient, slopes, previous, d_w_hh), partial(_put_bias_gradient, slopes, d_b_hh)
    _put_input_gradients(d_inputs, x, w_ih, (d_x, d_w_ih, d_b_ih), x_requires_grad, *others)


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
