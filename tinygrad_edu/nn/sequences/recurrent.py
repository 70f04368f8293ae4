"""Recurrent layers RNN, LSTM and GRU, and their cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Tensor, TensorLike, to_array
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.caller import warn_caller
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.nn import init
from tinygrad_edu.nn.layers.dropout import Dropout
from tinygrad_edu.nn.layers.linear import require_sizes, shape_of_floats
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sequences.packing import PackedSequence
from tinygrad_edu.nn.sharding import refuse_in_shard, require_sample_axis
from tinygrad_edu.ops.networks.recurrent import KINDS, over_sequence

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import OverSteps

States = TypeVar("States")

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "pad_sequence"]


def _mode(layer: str, nonlinearity: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise invalid_choice(f"{layer}: nonlinearity", nonlinearity, ("tanh", "relu"))
    return f"RNN_{nonlinearity.upper()}"


def _init_parameters(
    module: Any, suffix: str, inputs: int, proj_size: int, rng: np.random.Generator, dtype: DTypeLike
) -> None:
    """Initialize the parameters of one direction of a layer. Their names end with the suffix."""
    gates, shown = KINDS[module.mode].gates * module.hidden_size, proj_size or module.hidden_size
    biases = (gates,) if module.bias else None
    shapes = {"weight_ih": (gates, inputs), "weight_hh": (gates, shown), "bias_ih": biases, "bias_hh": biases}
    if proj_size:
        shapes["weight_hr"] = (shown, module.hidden_size)
    for name, shape in shapes.items():
        drawn = None if shape is None else init.uniform(shape, 1 / math.sqrt(module.hidden_size), rng, dtype)
        setattr(module, f"{name}{suffix}", drawn)


def _states_or_zeros(layer: str, hx: Any, shapes: Sequence[tuple[int, ...]], dtype: Any) -> list[Any]:
    """Return the given states, or raise for wrong shapes. Return zeros if no states are given."""
    if hx is None:
        return [np.zeros(shape, dtype) for shape in shapes]
    if len(shapes) == 1:
        hx = (hx,)
    if not isinstance(hx, tuple | list) or len(hx) != len(shapes):
        raise ShapeError(f"{layer}: the initial states must be a pair (h, c), got {type(hx).__name__}.")
    given_shapes = [np.shape(state) for state in hx]
    if given_shapes != list(shapes):
        raise ShapeError(
            f"{layer}: the initial states for this input must have shape {' and '.join(map(str, shapes))}, "
            f"got {' and '.join(map(str, given_shapes))}."
        )
    return [state if hasattr(state, "dtype") else np.asarray(state, dtype) for state in hx]


# --- Layers over sequences ---


class _RNNBase(Module, Generic[States]):
    """Base class of RNN, LSTM and GRU: stacked layers in one or two directions, and their parameters."""

    __call__: OverSteps[States]
    mode: str
    proj_size = 0
    _returns = "(output, h)"  # for the error of a layer that gets the tuple

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.bidirectional = batch_first, bidirectional
        self.dropout, self.rng = Dropout(dropout).p, init.generator_or_new(rng)
        self._check_settings()
        for layer in range(num_layers):
            inputs = (self.proj_size or hidden_size) * len(self._suffixes(layer)) if layer else input_size
            for suffix in self._suffixes(layer):
                _init_parameters(self, suffix, inputs, self.proj_size, self.rng, dtype)

    def _check_settings(self) -> None:
        name, proj = type(self).__name__, self.proj_size
        sizes = ("input_size", "hidden_size", "num_layers", *(("proj_size",) if proj != 0 else ()))
        require_sizes(name, **{size: getattr(self, size) for size in sizes})
        if proj >= self.hidden_size:
            raise ShapeError(f"{name}: proj_size must be less than hidden_size={self.hidden_size}, got {proj}.")
        if self.dropout > 0 and self.num_layers == 1:
            problem = f"{name}: dropout={self.dropout} acts between layers, so it has no effect with num_layers=1"
            warn_caller(f"{problem}. Add a Dropout layer after it.", UserWarning)

    def _suffixes(self, layer: int) -> list[str]:
        """Return the suffixes of the parameter names of a layer, one for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 2 if self.bidirectional else 1]

    def _parameters_of(self, suffix: str) -> list[Any]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", *(("weight_hr",) if self.proj_size else ()))
        return [getattr(self, f"{name}{suffix}") for name in names]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each direction of each layer."""
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        return [[weight for weight in self._parameters_of(suffix) if weight is not None] for suffix in suffixes]

    def flatten_parameters(self) -> None:
        """Do nothing. PyTorch's method makes the parameters contiguous in GPU memory."""

    def forward(self, x: TensorLike, hx: Any = None) -> tuple[Tensor, States]:
        """Return the states of the last layer at all steps, and the last states of all layers.

        Parameters
        ----------
        x : (T, N, input_size), with `batch_first` (N, T, input_size); or one sequence, (T, input_size); or packed
            A `PackedSequence` has data (sum of the lengths, input_size).
        hx : (layers * directions, N, size), for one sequence (layers * directions, size); optional
            Initial states, with the directions of a layer in succession. For an LSTM, a pair (h, c). Default: zeros.

        Returns
        -------
        output : (T, N, directions * size), (N, T, directions * size), (T, directions * size), or a PackedSequence
        h_n : as `hx`
            Of a packed sequence, the state after its last step.
        """
        if isinstance(x, PackedSequence):
            return self._forward_packed(x, hx)
        shape = shape_of_floats(name := type(self).__name__, x)
        require_sample_axis(name, shape, 0 if self.batch_first else 1, 3)
        x = x if hasattr(x, "dtype") else to_array(x)
        self._check_input(x.shape)
        alone = x.ndim == 2
        x = ops.expand_dims(x, 1) if alone else ops.swapaxes(x, 0, 1) if self.batch_first else x
        output, last = self._forward_layers(x, self._initial_states(hx, x.shape[1], alone))
        if alone:
            output, last = ops.squeeze(output, 1), [ops.squeeze(state, 1) for state in last]
        elif self.batch_first:
            output = ops.swapaxes(output, 0, 1)
        states: Any = last[0] if len(last) == 1 else tuple(last)
        return output, states

    def _forward_packed(self, x: PackedSequence, hx: Any) -> Any:
        shape = shape_of_floats(name := type(self).__name__, x.data)
        refuse_in_shard(f"{name}: a packed sequence has no sample axis")
        if len(shape) != 2 or shape[1] != self.input_size:
            raise ShapeError(
                f"{name}({self.extra_repr()}): the data of the packed sequence must have shape "
                f"(sum of the lengths, {self.input_size}), got {shape}."
            )
        first = self._initial_states(hx, int(x.batch_sizes[0]), alone=False)
        if x.sorted_indices is not None:
            first = [state[:, x.sorted_indices] for state in first]
        output, last = self._forward_layers(x.data, first, x)
        if x.unsorted_indices is not None:
            last = [state[:, x.unsorted_indices] for state in last]
        return x._replace(data=output), last[0] if len(last) == 1 else tuple(last)

    def _check_input(self, shape: tuple[int, ...]) -> None:
        time = 1 if self.batch_first and len(shape) == 3 else 0
        if len(shape) not in (2, 3) or shape[-1] != self.input_size or shape[time] == 0:
            raise ShapeError(
                f"{type(self).__name__}({self.extra_repr()}): the input must have shape "
                f"{'(N, T' if self.batch_first else '(T, N'}, {self.input_size}), or (T, {self.input_size}) for one "
                f"sequence, with T >= 1 steps, got {shape}."
            )

    def _initial_states(self, hx: Any, samples: int, alone: bool) -> list[Any]:
        first, sizes = self.num_layers * len(self._suffixes(0)), (self.proj_size or self.hidden_size, self.hidden_size)
        batch = () if alone else (samples,)
        shapes = [(first, *batch, size) for size in sizes[: KINDS[self.mode].states]]
        states = _states_or_zeros(type(self).__name__, hx, shapes, self._parameters_of("_l0")[0].dtype)
        return [ops.expand_dims(state, 1) for state in states] if alone else states

    def _forward_layers(
        self, x: Any, states: list[Any], packed: PackedSequence | None = None
    ) -> tuple[Any, list[Any]]:  # fmt: skip
        last: list[list[Any]] = []
        backwards = None if packed is None else packed.reversal()
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                x = Dropout(self.dropout, rng=self.rng)(x)
            directions = []
            for suffix in self._suffixes(layer):
                first, reverse = [state[len(last)] for state in states], suffix.endswith("reverse")
                steps = _reversed(x, backwards) if reverse else x
                output, ended = _run(self.mode, steps, first, self._parameters_of(suffix), packed)
                last.append(ended)
                directions.append(_reversed(output, backwards) if reverse else output)
            x = ops.concatenate(directions, axis=-1) if len(directions) > 1 else directions[0]
        return x, [ops.stack(states) for states in zip(*last, strict=True)]

    def extra_repr(self) -> str:
        """Return the sizes, and the options that differ from their defaults."""
        changed = self._non_defaults(
            proj_size=0, num_layers=1, bias=True, batch_first=False, dropout=0, bidirectional=False
        )
        return f"{self.input_size}, {self.hidden_size}{changed}"


def _reversed(x: Any, backwards: Any) -> Any:
    """Reverse the steps (T, N, ...), or the rows of packed sequences by their permutation."""
    return ops.flip(x, 0) if backwards is None else x[backwards]


def _run(
    mode: str, x: Any, states: list[Any], parameters: list[Any], packed: PackedSequence | None
) -> tuple[Any, list[Any]]:  # fmt: skip
    """Return the states h after all steps, and the last states of each sequence."""
    if packed is None:
        return over_sequence(mode, x, states, *parameters)
    outputs, ended, row = [], [], 0
    for n, steps in groupby(packed.batch_sizes.tolist()):  # sequences that end leave the batch
        count = len(list(steps))
        ended.append([state[n:] for state in states])
        part = ops.reshape(x[row : row + count * n], (count, n, -1))
        output, states = over_sequence(mode, part, [state[:n] for state in states], *parameters)
        outputs.append(ops.reshape(output, (count * n, -1)))
        row += count * n
    last = [ops.concatenate(parts) for parts in zip(states, *reversed(ended), strict=True)]
    return ops.concatenate(outputs), last


class RNN(_RNNBase[Tensor]):
    """Elman RNN of one or more layers: the state at each step is tanh(W_ih x + b_ih + W_hh h + b_hh).

    Parameters
    ----------
    input_size : int
        Number of features of an input.
    hidden_size : int
        Number of features of a state.
    num_layers : int, default 1
        Number of stacked layers. The input of each is the sequence of states of the previous layer.
    nonlinearity : {"tanh", "relu"}, default "tanh"
        Function of the new state.
    bias : bool, default True
        Whether to add the biases b_ih and b_hh.
    batch_first : bool, default False
        Whether inputs and outputs are (N, T, ...) instead of (T, N, ...). States are (layers, N, ...) in both cases.
    dropout : float, default 0.0
        Probability of dropping a state between layers in training; see `Dropout`.
    bidirectional : bool, default False
        Whether each layer also processes the sequence in reverse, with separate parameters. The states of both
        directions are concatenated along the last axis.
    rng : numpy.random.Generator, optional
        Generator of the initial parameters and of dropout. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    weight_ih_l0 : Tensor, shape (hidden_size, input_size)
    weight_hh_l0 : Tensor, shape (hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0 : Tensor, shape (hidden_size,), or None
        The parameters of the first layer. Those of the second end with ``_l1``, those of the reverse direction with
        ``_l0_reverse``. All are drawn from [-a, a) for a = 1 / sqrt(hidden_size), as in PyTorch.
    all_weights : list of list of Tensor
        The parameters of each direction of each layer.

    Raises
    ------
    DTypeError
        A size is not an integer.
    ShapeError
        The input or a state has the wrong shape.
    ValueError
        A size is less than 1, `nonlinearity` is unknown, or `dropout` is not a probability.

    Notes
    -----
    Pad sequences of different lengths at the end with `pad_sequence`. The padding does not change the outputs before
    it, so the last state of a sequence is ``output[length - 1]``. It does change ``h_n`` and all outputs of the reverse
    direction. `pack_padded_sequence` avoids both: each direction of a packed sequence ends at its own last step.

    Each direction of a layer saves its input, the input's contribution to the gates, and the states.

    Examples
    --------
    >>> rnn = RNN(3, 4, num_layers=2, rng=np.random.default_rng(0))
    >>> output, h_n = rnn(np.ones((5, 2, 3)))
    >>> output.shape, h_n.shape
    ((5, 2, 4), (2, 2, 4))
    >>> bool((output[-1].numpy() == h_n[-1].numpy()).all())
    True
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.nonlinearity, self.mode = nonlinearity, _mode("RNN", nonlinearity)
        settings = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(input_size, hidden_size, *settings, rng=rng, dtype=dtype)


class LSTM(_RNNBase[tuple[Tensor, Tensor]]):
    """Long short-term memory (LSTM) of one or more layers.

    With i, f, g, o = W_ih x + b_ih + W_hh h + b_hh, the cell state is c = sigmoid(f) * c + sigmoid(i) * tanh(g), and
    the hidden state h = sigmoid(o) * tanh(c), times W_hr with a projection. The weights have four times as many rows as
    in `RNN`, for i, f, g and o in this order. (S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural
    Computation 9, 1997; forget gate: F. Gers and others, 2000; projection: H. Sak and others, 2014.)

    Parameters
    ----------
    proj_size : int, default 0
        Size of the projected hidden state, less than `hidden_size`. 0 is no projection.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : Tensor
        As in `RNN`.
    weight_hr_l0 : Tensor, shape (proj_size, hidden_size)
        Only with a projection.

    Examples
    --------
    >>> lstm = LSTM(3, 4, bidirectional=True, rng=np.random.default_rng(0))
    >>> output, (h_n, c_n) = lstm(np.ones((5, 2, 3)))
    >>> output.shape, h_n.shape, c_n.shape
    ((5, 2, 8), (2, 2, 4), (2, 2, 4))
    """

    mode = "LSTM"
    _returns = "(output, (h, c))"

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.proj_size = proj_size
        settings = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(input_size, hidden_size, *settings, rng=rng, dtype=dtype)


class GRU(_RNNBase[Tensor]):
    """Gated recurrent unit (GRU) of one or more layers.

    With r, z, n = W_ih x + b_ih and r', z', n' = W_hh h + b_hh, the candidate is n = tanh(n + sigmoid(r + r') * n') and
    the state n + sigmoid(z + z') * (h - n). The weights have three times as many rows as in `RNN`, for r, z and n in
    this order. (K. Cho and others, "Learning phrase representations using RNN encoder-decoder", EMNLP 2014; r is
    applied after the product with h, as in PyTorch.)

    Examples
    --------
    >>> gru = GRU(3, 4, batch_first=True, rng=np.random.default_rng(0))
    >>> output, h_n = gru(np.ones((2, 5, 3)))
    >>> output.shape, h_n.shape
    ((2, 5, 4), (1, 2, 4))
    """

    mode = "GRU"


@overload
def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor: ...
@overload
def pad_sequence(
    sequences: Sequence[TensorLike], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor | Array: ...
def pad_sequence(
    sequences: Sequence[TensorLike], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor | Array:
    """Pad sequences to the length of the longest, and stack them.

    Parameters
    ----------
    sequences : sequence of (T, ...)
        Arrays or Tensors whose shapes are equal except for the first axis.
    batch_first : bool, default False
    padding_value : float, default 0.0
    padding_side : "right" or "left", default "right"
        Whether to pad at the end or at the start.

    Returns
    -------
    (T, N, ...), or with `batch_first` (N, T, ...)

    Examples
    --------
    >>> pad_sequence([np.array([1.0, 2.0, 3.0]), np.array([4.0])], batch_first=True)
    array([[1., 2., 3.],
           [4., 0., 0.]])
    """
    if padding_side not in ("right", "left"):
        raise invalid_choice("pad_sequence: padding_side", padding_side, ("right", "left"))
    longest, filled = max(len(x) for x in sequences), []
    for x in sequences:
        width = (0, longest - len(x)) if padding_side == "right" else (longest - len(x), 0)
        filled.append(ops.pad(x, (width, *[(0, 0)] * (np.ndim(x) - 1)), constant_values=padding_value))
    return ops.stack(filled, 0 if batch_first else 1)


# --- Cells: one step ---


class _RNNCellBase(Module, Generic[States]):
    """Base class of the cells: one step of a layer."""

    mode: str
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        require_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        _init_parameters(self, "", input_size, 0, init.generator_or_new(rng), dtype)

    def forward(self, x: TensorLike, hx: Any = None) -> States:
        """Map (N, input_size), or one sample without N, to the next state (N, hidden_size).

        `hx` is the current state, zeros by default. For an LSTMCell, both states are pairs (h, c).
        """
        shape = shape_of_floats(name := type(self).__name__, x)
        require_sample_axis(name, shape, 0, 2)
        if len(shape) not in (1, 2) or shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}({self.extra_repr()}): the input must have shape (N, {self.input_size}), "
                f"or ({self.input_size},) for one sample, got {shape}."
            )
        kind = KINDS[self.mode]
        shapes = [(*shape[:-1], self.hidden_size)] * kind.states
        states = _states_or_zeros(type(self).__name__, hx, shapes, self.weight_ih.dtype)
        after = kind.step(ops.linear(x, self.weight_ih, self.bias_ih), *states, self.weight_hh, b_hh=self.bias_hh)
        state: States = after[0] if kind.states == 1 else after
        return state

    def extra_repr(self) -> str:
        """Return the sizes, and the options that differ from their defaults."""
        nonlinearity = ", nonlinearity=relu" if "RELU" in self.mode else ""
        return f"{self.input_size}, {self.hidden_size}{self._non_defaults(bias=True)}{nonlinearity}"


class RNNCell(_RNNCellBase[Tensor]):
    """One step of a single-layer `RNN`.

    Parameters
    ----------
    input_size : int
        Number of features of an input.
    hidden_size : int
        Number of features of a state.
    bias : bool, default True
        Whether to add the biases b_ih and b_hh.
    nonlinearity : {"tanh", "relu"}, default "tanh"
        Function of the new state.
    rng : numpy.random.Generator, optional
        Generator of the initial parameters. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    weight_ih : Tensor, shape (hidden_size, input_size)
    weight_hh : Tensor, shape (hidden_size, hidden_size)
    bias_ih, bias_hh : Tensor, shape (hidden_size,), or None

    Examples
    --------
    >>> cell, h = RNNCell(3, 4, rng=np.random.default_rng(0)), None
    >>> for x in np.ones((5, 2, 3)):
    ...     h = cell(x, h)
    >>> h.shape
    (2, 4)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.nonlinearity, self.mode = nonlinearity, _mode("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype)


class LSTMCell(_RNNCellBase[tuple[Tensor, Tensor]]):
    """One step of a single-layer `LSTM`, from (h, c) to (h, c).

    Examples
    --------
    >>> h, c = LSTMCell(3, 4, rng=np.random.default_rng(0))(np.ones((2, 3)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    mode = "LSTM"


class GRUCell(_RNNCellBase[Tensor]):
    """One step of a single-layer `GRU`.

    Examples
    --------
    >>> GRUCell(3, 4, rng=np.random.default_rng(0))(np.ones((2, 3))).shape
    (2, 4)
    """

    mode = "GRU"
