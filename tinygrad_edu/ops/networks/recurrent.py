"""Steps of RNN, LSTM and GRU, and one op for all steps of a sequence.

The op has one flat input, the concatenation of the sequence, the initial states and the weights. An op has one vjp per
input, and a single pass backward in time computes the gradients of all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate, repeat
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import NOT_COMPUTED, Array, Mapped, Precomputed, Tensor, composite, op, values_of
from tinygrad_edu.engine.promotion import warn_of_float64
from tinygrad_edu.ops.elementwise.sigmoids import sigmoid
from tinygrad_edu.ops.elementwise.trigonometry import tanh
from tinygrad_edu.ops.fast.networks import recurrent as fast
from tinygrad_edu.ops.networks.activations import relu
from tinygrad_edu.ops.products.packed_rows import Shapes, packed, recorded_vjp, unpacked
from tinygrad_edu.ops.products.products import linear
from tinygrad_edu.ops.shapes.splitting import split
from tinygrad_edu.shared.speed.plain_mode import faster_than

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
    forward, backward : callable
        All steps at once; see ``ops/fast/networks/recurrent.py``.
    """

    gates: int
    states: int
    saved_gates: int
    step: Callable[..., Any]
    forward: Callable[..., None]
    backward: Callable[..., None]


def _rnn_kind(activation: Any, in_place: Callable[..., Any], slope: Callable[[ndarray], ndarray]) -> Kind:
    forward, backward = partial(fast.rnn_states, in_place), partial(fast.rnn_gradients, slope)
    return Kind(1, 1, 0, partial(rnn_step, activation), forward, backward)


KINDS = {
    "RNN_TANH": _rnn_kind(tanh, np.tanh, lambda h: 1 - h * h),
    "RNN_RELU": _rnn_kind(relu, lambda x, out: np.maximum(x, 0, out=out), lambda h: h != 0),  # the slope of NaN is 1
    "LSTM": Kind(4, 2, 5, lstm_step, fast.lstm_states, fast.lstm_gradients),
    "GRU": Kind(3, 1, 4, gru_step, fast.gru_states, fast.gru_gradients),
}


# --- All steps ---


def _state_shapes(kind: str, shapes: Shapes) -> Shapes:
    steps = shapes[0][0]
    return tuple((steps, *shape) for shape in shapes[1 : 1 + KINDS[kind].states])


def by_steps(row: Any, kind: str, shapes: Shapes, x_requires_grad: bool = True) -> Any:
    """Return the result of `recurrent`, composed of single steps."""
    layer, (x, *rest) = KINDS[kind], unpacked(row, shapes)
    states, (w_ih, b_ih, *weights), all_states = tuple(rest[: layer.states]), rest[layer.states :], []
    for pre in linear(x, w_ih, b_ih):
        states = layer.step(pre, *states, *weights)
        all_states.append(states)
    return packed([state for states_of_kind in zip(*all_states, strict=True) for state in states_of_kind])


@op
def recurrent(
    row: Array, /, kind: str, shapes: Shapes, x_requires_grad: bool = True, computed: Precomputed = NOT_COMPUTED
) -> Array:
    """Return the states of a recurrent layer after each step, flattened and concatenated.

    float16 is computed in float32.

    Parameters
    ----------
    row : 1-d
        The flattened and concatenated parts: the sequence x (T, N, I); the initial states, h and for an LSTM c; w_ih
        (gates * H, I), b_ih and w_hh; b_hh for a GRU, w_hr for an LSTM with projections.
    kind : "RNN_TANH", "RNN_RELU", "LSTM" or "GRU"
    shapes : tuple of tuple of int
        Shapes of the parts.
    x_requires_grad : bool, default True
        Whether the gradient of x is computed. If not, it is 0.
    computed : Precomputed, optional
        The result and the gates, if already computed. The backward pass recomputes the gates if they are not given.
    """
    if computed:
        return computed["states"]
    (one_step,) = _empty_gates(row, kind, shapes, steps=1)
    return _states(row, kind, shapes, repeat(one_step, shapes[0][0]))


def _states(row: ndarray, kind: str, shapes: Shapes, gates: Iterable[ndarray]) -> ndarray:
    """Return the result of `recurrent`, and write the gates of each step into the next of the arrays `gates`."""
    parts, state_shapes = unpacked(_upcast_float16(row), shapes), _state_shapes(kind, shapes)
    out = np.empty(sum(map(prod, state_shapes)), parts[0].dtype)
    KINDS[kind].forward(unpacked(out, state_shapes), gates, *parts)
    return out.astype(row.dtype, copy=False)


def _states_and_gates(row: ndarray, kind: str, shapes: Shapes) -> tuple[ndarray, ndarray]:
    """Return the result of `recurrent`, and the gates of all steps: (saved_gates, T, N, H)."""
    gates = _empty_gates(row, kind, shapes, shapes[0][0])
    return _states(row, kind, shapes, gates), gates.swapaxes(0, 1)


def _empty_gates(row: ndarray, kind: str, shapes: Shapes, steps: int) -> ndarray:
    """Return an array for the gates of some steps: (T, saved_gates, N, H)."""
    *_, (_, samples, hidden) = _state_shapes(kind, shapes)  # of an LSTM: of the cells
    return np.empty((steps, KINDS[kind].saved_gates, samples, hidden), _upcast_float16(row[:0]).dtype)


def _upcast_float16(x: ndarray) -> ndarray:
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _recurrent_row(
    g: Any, row: Any, out: Any, kind: str, shapes: Shapes, x_requires_grad: bool, computed: Precomputed
) -> Any:
    if isinstance(row, Tensor):  # a recorded pass: the plain twin is differentiable to any order
        return recorded_vjp(lambda row: by_steps(row, kind, shapes), row, g)
    gates = computed["gates"] if computed else _states_and_gates(row, kind, shapes)[1]
    gradient = np.empty(row.shape, _upcast_float16(row).dtype)
    upstream, states = (unpacked(_upcast_float16(x), _state_shapes(kind, shapes)) for x in (g, out))
    parts = unpacked(_upcast_float16(row), shapes)
    KINDS[kind].backward(unpacked(gradient, shapes), upstream, states, gates, x_requires_grad, *parts)
    return gradient.astype(row.dtype, copy=False)


recurrent.vjps(row=_recurrent_row)


@faster_than(by_steps)
def all_steps(row: Any, kind: str, shapes: Shapes, x_requires_grad: bool = True) -> Any:
    """Return `by_steps`, computed by the op `recurrent`, which saves the gates for its vjp."""
    if isinstance(row, Mapped):
        return by_steps(row, kind, shapes)
    if not getattr(row, "requires_grad", False):
        return recurrent(row, kind, shapes)
    states, gates = _states_and_gates(values_of(row), kind, shapes)
    return recurrent(row, kind, shapes, x_requires_grad, Precomputed(states=states, gates=gates))


@composite("a recurrent layer")
def over_sequence(
    kind: str, x: Any, states: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *w_hr: Any
) -> tuple[Any, list[Any]]:
    """Return the state h after each step of a sequence, (T, N, size), and the last of each state, (N, size).

    The op saves its inputs, the states and the gates for the backward pass.

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
    b_ih, b_hh = (np.zeros(len(w_hh), w_hh.dtype) if b is None else b for b in (b_ih, b_hh))
    # The reset gate of a GRU multiplies b_hh, too.
    biases, extra = (b_ih, (b_hh,)) if kind == "GRU" else (b_ih + b_hh, w_hr)
    parts = [x, *states, w_ih, biases, w_hh, *extra]
    shapes = tuple(tuple(part.shape) for part in parts)
    # Warn here: an op on the packed row could not name the shapes of the parts.
    if len({part.dtype for part in parts}) > 1:
        warn_of_float64("linear", [part for part in parts if isinstance(part, Tensor)])
    row = all_steps(packed(parts), kind, shapes, getattr(x, "requires_grad", False))
    state_shapes = _state_shapes(kind, shapes)
    return unpacked(row, state_shapes[:1])[0], _last_states(row, state_shapes)


def _last_states(row: Any, shapes: Shapes) -> list[Any]:
    """Return the last of each state. As slices of the row, their gradients are written to one array of zeros."""
    ends = accumulate(map(prod, shapes))
    return [row[end - prod(shape[1:]) : end].reshape(shape[1:]) for end, shape in zip(ends, shapes, strict=True)]
