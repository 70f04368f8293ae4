"""Steps of RNN, LSTM and GRU, and one op for all steps of a sequence.

The op has one flat input, the concatenation of gate inputs, weights and initial states. An op has one vjp per input,
and a single pass backward in time computes the gradients of all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import (
    NOT_COMPUTED,
    Array,
    Mapped,
    MappedCall,
    Precomputed,
    Tensor,
    composite,
    op,
    values_of,
)
from tinygrad_edu.ops.activations import relu
from tinygrad_edu.ops.fast import recurrent as fast
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.packed_rows import Shapes, packed, recorded_vjp, unpacked
from tinygrad_edu.ops.products import linear, linear_with_bias, matmul
from tinygrad_edu.ops.shape import reshape, swapaxes, transpose
from tinygrad_edu.ops.sigmoids import sigmoid
from tinygrad_edu.ops.splitting import split
from tinygrad_edu.ops.trigonometry import tanh
from tinygrad_edu.plain_mode import faster_than
from tinygrad_edu.thresholds import SizeThreshold

# --- One step: gate inputs (N, gates * H) and previous states -> next states ---


def rnn_step(activation: Callable[[Any], Any], pre: Any, h: Any, w_hh: Any, b_hh: Any = None) -> tuple[Any]:
    """Return the next state of an RNN, activation(pre + linear(h)), in a tuple."""
    return (activation(pre + linear(h, w_hh, b_hh)),)


def lstm_step(pre: Any, h: Any, c: Any, w_hh: Any, w_hr: Any = None, b_hh: Any = None) -> tuple[Any, Any]:
    """Return the next state h and cell c of an LSTM. h is projected if w_hr is given."""
    i, f, g, o = split(pre + linear(h, w_hh, b_hh), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h if w_hr is None else linear(h, w_hr), c


def gru_step(pre: Any, h: Any, w_hh: Any, b_hh: Any = None) -> tuple[Any]:
    """Return the next state of a GRU. As in PyTorch, the reset gate multiplies linear(h), not h."""
    r, z, n = split(pre, 3, axis=-1)
    r_h, z_h, n_h = split(linear(h, w_hh, b_hh), 3, axis=-1)
    candidate = tanh(n + sigmoid(r + r_h) * n_h)
    return (candidate + sigmoid(z + z_h) * (h - candidate),)


class Kind(NamedTuple):
    """Kind of recurrent layer.

    Attributes
    ----------
    gates : int
        Number of gates, 1 for an RNN.
    states : int
        Number of states.
    saved_gates : int
        Number of arrays (T, N, H) that `forward` writes for `backward`.
    step : callable
        One step, composed of ops.
    forward, gates_of, backward : callable
        All steps at once; see ``ops/fast/recurrent.py``. `gates_of` recomputes what `forward` wrote.
    """

    gates: int
    states: int
    saved_gates: int
    step: Callable[..., Any]
    forward: Callable[..., None]
    gates_of: Callable[..., ndarray]
    backward: Callable[..., None]


def _rnn_kind(activation: Any, in_place: Callable[..., Any], slope: Callable[[ndarray], ndarray]) -> Kind:
    forward, backward = partial(fast.rnn_states, in_place), partial(fast.rnn_gradients, slope)
    return Kind(1, 1, 0, partial(rnn_step, activation), forward, fast.rnn_gates, backward)


KINDS = {
    "RNN_TANH": _rnn_kind(tanh, np.tanh, lambda h: 1 - h * h),
    "RNN_RELU": _rnn_kind(relu, lambda x, out: np.maximum(x, 0, out=out), lambda h: h != 0),  # the slope of NaN is 1
    "LSTM": Kind(4, 2, 5, lstm_step, fast.lstm_states, fast.lstm_gates, fast.lstm_gradients),
    "GRU": Kind(3, 1, 4, gru_step, fast.gru_states, fast.gru_gates, fast.gru_gradients),
}


# --- All steps ---


def _gates_of_samples(batch: MappedCall) -> Any:
    (m, _), gates = batch.sample_shape(), batch.settings["gates"]
    assert linear_with_bias.batching is not None
    out = linear_with_bias.batching(batch._replace(call=linear_with_bias, settings={}))
    out = out.reshape((-1, m, gates, out.shape[-1] // gates))
    return transpose(out, (0, 2, 1, 3))


@op(name="linear", batching=_gates_of_samples)
def affine_gates(x: Array, weight: Array, bias: Array, /, gates: int) -> Array:
    """Return linear(x, weight, bias), gates first: (M, I), (gates * H, I), (gates * H,) -> (gates, M, H)."""
    gate_weights = weight.reshape(gates, len(weight) // gates, weight.shape[1])
    out, bias = product(x, gate_weights.swapaxes(1, 2)), bias.reshape(gates, 1, -1)
    return np.add(out, bias, out=out if np.result_type(out, bias) == out.dtype else None)


def _affine_gates_x(g: Any, weight: Any) -> Any:
    gates, _, hidden = g.shape
    return matmul(g, reshape(weight, (gates, hidden, weight.shape[1]))).sum(axis=0)


def _affine_gates_weight(g: Any, x: Any) -> Any:
    gates, _, hidden = g.shape
    return reshape(matmul(swapaxes(g, 1, 2), x), (gates * hidden, x.shape[1]))


affine_gates.vjps(
    x=_affine_gates_x,
    weight=_affine_gates_weight,
    # A product with ones is faster than a sum.
    bias=lambda g, bias_shape: reshape(matmul(swapaxes(g, 1, 2), np.ones(g.shape[1], g.dtype)), bias_shape),
)


def _state_shapes(kind: str, shapes: Shapes) -> Shapes:
    steps = shapes[0][1]
    return tuple((steps, *shape) for shape in shapes[1 : 1 + KINDS[kind].states])


def by_steps(row: Any, kind: str, shapes: Shapes) -> Any:
    """Return the result of `recurrent`, composed of single steps."""
    layer, (pre, *rest), (gates, steps, samples, hidden) = KINDS[kind], unpacked(row, shapes), shapes[0]
    states, weights, all_states = tuple(rest[: layer.states]), rest[layer.states :], []
    for k in range(steps):
        gate_inputs = reshape(swapaxes(pre[:, k], 0, 1), (samples, gates * hidden))
        states = layer.step(gate_inputs, *states, *weights)
        all_states.append(states)
    return packed([state for states_of_kind in zip(*all_states, strict=True) for state in states_of_kind])


@op
def recurrent(row: Array, /, kind: str, shapes: Shapes, computed: Precomputed = NOT_COMPUTED) -> Array:
    """Return the states of a recurrent layer after each step, flattened and concatenated.

    float16 is computed in float32.

    Parameters
    ----------
    row : 1-d
        The flattened and concatenated parts: the gate inputs (gates, T, N, H); the initial states, h and for an LSTM c;
        the weight w_hh; b_hh for a GRU, w_hr for an LSTM with projections.
    kind : "RNN_TANH", "RNN_RELU", "LSTM" or "GRU"
    shapes : tuple of tuple of int
        Shapes of the parts.
    computed : Precomputed, optional
        The result and the gates, if already computed. The backward pass recomputes the gates if they are not given.
    """
    if computed:
        return computed["states"]
    (one_step,) = _empty_gates(row, kind, shapes, steps=1)
    return _states(row, kind, shapes, repeat(one_step, shapes[0][1]))


def _states(row: ndarray, kind: str, shapes: Shapes, gates: Iterable[ndarray]) -> ndarray:
    """Return the result of `recurrent`, and write the gates of each step into the next of the arrays `gates`."""
    parts, state_shapes = unpacked(_upcast_float16(row), shapes), _state_shapes(kind, shapes)
    out = np.empty(sum(map(prod, state_shapes)), parts[0].dtype)
    KINDS[kind].forward(unpacked(out, state_shapes), gates, *parts)
    return out.astype(row.dtype, copy=False)


def _empty_gates(row: ndarray, kind: str, shapes: Shapes, steps: int | None = None) -> ndarray:
    """Return an array for the gates of some steps, or all: (T, saved_gates, N, H)."""
    _, all_steps, samples, hidden = shapes[0]
    shape = (all_steps if steps is None else steps, KINDS[kind].saved_gates, samples, hidden)
    return np.empty(shape, _upcast_float16(row[:0]).dtype)


def _upcast_float16(x: ndarray) -> ndarray:
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _recurrent_row(g: Any, row: Any, out: Any, kind: str, shapes: Shapes, computed: Precomputed) -> Any:
    if isinstance(row, Tensor):  # a recorded pass: the plain twin is differentiable to any order
        return recorded_vjp(lambda row: by_steps(row, kind, shapes), row, g)
    return _fused_gradient(g, row, out, computed["gates"] if computed else None, kind, shapes)


def _fused_gradient(
    g: ndarray, row: ndarray, out: ndarray, gates: ndarray | None, kind: str, shapes: Shapes
) -> ndarray:
    layer, state_shapes = KINDS[kind], _state_shapes(kind, shapes)
    gradient = np.empty(row.shape, _upcast_float16(row).dtype)
    upstream, states = (unpacked(_upcast_float16(x), state_shapes) for x in (g, out))
    pre, *parts = unpacked(_upcast_float16(row), shapes)
    gates = layer.gates_of(pre, states, *parts) if gates is None else gates
    layer.backward(unpacked(gradient, shapes), upstream, states, gates, pre, *parts)
    return gradient.astype(row.dtype, copy=False)


recurrent.vjps(row=_recurrent_row)


# Elements of the gate inputs up to which the gates are saved, too; for more, recomputing them saves memory.
_MOST_SAVED = SizeThreshold(2**19)


@faster_than(by_steps)
def all_steps(row: Any, kind: str, shapes: Shapes) -> Any:
    """Return `by_steps`, computed by the op `recurrent`."""
    if isinstance(row, Mapped):
        return by_steps(row, kind, shapes)
    if not getattr(row, "requires_grad", False) or prod(shapes[0]) > _MOST_SAVED:
        return recurrent(row, kind, shapes)
    values = values_of(row)
    gates = _empty_gates(values, kind, shapes)
    return recurrent(
        row, kind, shapes, Precomputed(states=_states(values, kind, shapes, gates), gates=gates.swapaxes(0, 1))
    )


def over_time(
    kind: str, x: Any, states: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *w_hr: Any
) -> list[Any]:
    """Return each state after each step of a sequence: (T, N, size).

    The op saves x, the gate inputs and the states for the backward pass, and the gates of short sequences.

    Parameters
    ----------
    kind : "RNN_TANH", "RNN_RELU", "LSTM" or "GRU"
    x : (T, N, I)
        Inputs of at least one step.
    states : sequence of (N, size)
        Initial states: h, and for an LSTM c.
    w_ih, w_hh : (gates * H, I), (gates * H, size of h)
    b_ih, b_hh : (gates * H,), optional
    *w_hr : (size of h, H), optional
        Projection of an LSTM.
    """
    (*leading, inputs), gates, hidden, extra = x.shape, KINDS[kind].gates, w_hh.shape[0] // KINDS[kind].gates, w_hr
    b_ih, b_hh = (np.zeros(len(w_hh), w_hh.dtype) if b is None else b for b in (b_ih, b_hh))
    if kind == "GRU":  # the reset gate multiplies b_hh, too
        extra = (b_hh,)
    else:
        b_ih = b_ih + b_hh
    pre = affine_gates(reshape(x, (prod(leading), inputs)), w_ih, b_ih, gates)
    parts = [*states, w_hh, *extra]
    shapes = ((gates, *leading, hidden), *(tuple(p.shape) for p in parts))
    return unpacked(all_steps(packed([pre, *parts]), kind, shapes), _state_shapes(kind, shapes))


@composite("a recurrent layer")
def over_sequence(kind: str, x: Any, states: Sequence[Any], *parameters: Any) -> tuple[Any, list[Any]]:
    """Return the state h after each step, and the last of each state; the arguments are those of `over_time`."""
    after = over_time(kind, x, states, *parameters)
    return after[0], [state[-1] for state in after]
