"""Rules of normalization, windows and recurrent layers."""

from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.interop.onnx.graph import Graph
from tinygrad_edu.interop.onnx.operators.table import OPERATORS, Emitter, rule
from tinygrad_edu.nn.layers.pooling import unpooled
from tinygrad_edu.ops.elementwise.selection import extremes
from tinygrad_edu.ops.images import convolution, correlation, patches, pooling
from tinygrad_edu.ops.networks import normalization, recurrent
from tinygrad_edu.ops.sliding_windows import pair, per_axis

# --- Normalization ---


@rule(ops.layer_norm)
def _layer_norm(g: Graph, x: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    axes, dtype = len(normalized_shape) if isinstance(normalized_shape, tuple | list) else 1, g.step.out.dtype
    scale = np.ones(x.shape[-axes:], dtype) if weight is None else g.cast(weight, dtype)
    shift = None if bias is None else g.cast(bias, dtype)
    return g.add("LayerNormalization", g.cast(x, dtype), scale, shift, axis=-axes, epsilon=float(eps))


@rule(normalization.normalize_rows)
def _standardize(g: Graph, x: Any, eps: float) -> Any:
    return _layer_norm(g, x, x.shape[-1], None, None, eps)


@rule(normalization.normalize_by_running)
def _batch_norm(g: Graph, x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, eps: float) -> Any:
    inputs = [*_affine_inputs(g, x, weight, bias), *(g.cast(v, g.step.out.dtype) for v in (running_mean, running_var))]
    return g.add("BatchNormalization", *inputs, epsilon=float(eps))


@rule(ops.instance_norm)
def _instance_norm(
    g: Graph, x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, use_input_stats: bool,
    momentum: Any, eps: float,
) -> Any:  # fmt: skip
    if not use_input_stats:
        return _batch_norm(g, x, running_mean, running_var, weight, bias, eps)
    return g.add("InstanceNormalization", *_affine_inputs(g, x, weight, bias), epsilon=float(eps))


def _affine_inputs(g: Graph, x: Any, weight: Any, bias: Any) -> list[Any]:
    """Return x, the weight, by default 1, and the bias, by default 0, of each channel."""
    channels, dtype = x.shape[1], g.step.out.dtype
    weight = np.ones(channels) if weight is None else weight
    bias = np.zeros(channels) if bias is None else bias
    return [g.cast(value, dtype) for value in (x, weight, bias)]


# --- Windows ---


def _padded(sides: Any) -> list[int]:
    """Return ONNX's order of the padding: all before, then all after."""
    return [*(before for before, _ in sides), *(after for _, after in sides)]


def _conv(g: Graph, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    axes = len(weight.shape) - 2
    s, p, d = (per_axis(v, "", least, axes) for v, least in ((stride, 1), (padding, 0), (dilation, 1)))
    inputs = [g.cast(v, g.step.out.dtype) for v in (x, weight, bias) if v is not None]
    return g.add("Conv", *inputs, strides=s, pads=[*p, *p], dilations=d, group=groups)


def _transposed(
    g: Graph, x: Any, weight: Any, bias: Any, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    axes = len(weight.shape) - 2
    s, p, d = (per_axis(v, "", least, axes) for v, least in ((stride, 1), (padding, 0), (dilation, 1)))
    each = zip(size, x.shape[2:], weight.shape[2:], s, p, d, strict=True)
    extra = [length - ((n - 1) * step + gap * (k - 1) + 1 - 2 * q) for length, n, k, step, q, gap in each]
    inputs = [g.cast(v, g.step.out.dtype) for v in (x, weight, bias) if v is not None]
    return g.add("ConvTranspose", *inputs, strides=s, pads=[*p, *p], dilations=d, group=groups, output_padding=extra)


def _without_bias(emit: Emitter) -> Emitter:
    return lambda g, x, weight, *window, **settings: emit(g, x, weight, None, *window, **settings)


OPERATORS.update({
    correlation.affine_maps: _conv, correlation.correlate: _without_bias(_conv),
    convolution.convolve_volumes: _conv, correlation.affine_images: _transposed,
    correlation.correlate_images: _without_bias(_transposed), convolution.transpose_volumes: _transposed,
})  # fmt: skip


@rule(pooling.maxima)
def _max_pool(g: Graph, x: Any, windows: Any, return_indices: bool) -> Any:
    kernel, stride, border, dilation = windows
    if any(max(sides) >= k for sides, k in zip(border, kernel, strict=True)):  # ONNX Runtime takes smaller ones only
        if return_indices:
            g.step.refuse("has padding of at least the kernel size, and returns indices")
        sides = np.array(_padded(((0, 0), (0, 0), *border)), np.int64)
        x, border = g.add("Pad", x, sides, np.asarray(extremes(x.dtype)[0], x.dtype)), ((0, 0),) * len(kernel)
    settings = {"kernel_shape": kernel, "strides": stride, "pads": _padded(border), "dilations": dilation}
    if not return_indices:
        return g.add("MaxPool", x, **settings), None
    out, indices = g.add("MaxPool", x, outputs=2, **settings)
    return out, g.add("Mod", indices, np.array(np.prod(x.shape[2:]), np.int64))


@rule(pooling.window_means)
def _avg_pool(g: Graph, x: Any, kernel: Any, stride: Any) -> Any:
    return g.add("AveragePool", x, kernel_shape=kernel, strides=stride)


@rule(ops.grid_sample)
def _grid_sample(g: Graph, x: Any, grid: Any, mode: str, padding_mode: str, align_corners: bool) -> Any:
    method = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    settings: dict[str, Any] = {"mode": method, "padding_mode": padding_mode, "align_corners": int(align_corners)}
    return g.add("GridSample", *(g.cast(v, g.step.out.dtype) for v in (x, grid)), **settings)


@rule(unpooled)
def _max_unpool(g: Graph, x: Any, indices: Any, name: str, size: tuple[int, ...]) -> Any:
    leading = x.shape[: -len(size)]
    flat = [*leading, int(np.prod(x.shape[-len(size) :]))]
    blank = g.add("Expand", np.zeros((), x.dtype), g.integers([*leading, int(np.prod(size))]))
    positions = g.reshape(g.cast(indices, np.int64), flat)
    filled = g.add("ScatterElements", blank, positions, g.reshape(x, flat), axis=len(leading))
    return g.reshape(filled, [*leading, *size])


@rule(patches.col2im)
def _col2im(
    g: Graph, columns: Any, output_size: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    (h, w), kernel = pair(output_size, "", 1), pair(kernel_size, "", 1)
    s, p, d = pair(stride, "", 1), pair(padding, "", 0), pair(dilation, "", 1)
    window = np.array([h, w]), np.array(kernel)
    return g.add("Col2Im", columns, *window, strides=s, pads=[*p, *p], dilations=d)


# --- Recurrent layers ---


@rule(recurrent.over_sequence)
def _recurrent(
    g: Graph, kind: str, x: Any, states: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *w_hr: Any
) -> Any:
    if w_hr:
        g.step.refuse("has projections, and an LSTM of ONNX has none")
    op_type, axis = kind.split("_")[0], np.array([0], np.int64)
    settings: dict[str, Any] = {"hidden_size": w_hh.shape[1]} | _RECURRENT_SETTINGS.get(kind, {})
    zeros = np.zeros(w_hh.shape[0], x.dtype)
    weights = (w_ih, w_hh, zeros if b_ih is None else b_ih, zeros if b_hh is None else b_hh)
    w, r, *b = (_in_order_of_gates(g, v, op_type, w_hh.shape[1]) for v in weights)
    parts = [g.add("Unsqueeze", v, axis) for v in (w, r, g.add("Concat", *b, axis=0), *states)]
    y, *last = g.add(op_type, x, *parts[:3], None, *parts[3:], outputs=1 + len(states), **settings)
    return g.add("Squeeze", y, np.array([1], np.int64)), [g.add("Squeeze", state, axis) for state in last]


_RECURRENT_SETTINGS: dict[str, dict[str, Any]] = {
    "GRU": {"linear_before_reset": 1},
    "RNN_RELU": {"activations": ["Relu"]},
}
# PyTorch's gates are i, f, g, o and r, z, n; those of ONNX are i, o, f, g and z, r, n.
_ORDER_OF_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


def _in_order_of_gates(g: Graph, x: Any, op_type: str, hidden: int) -> Any:
    """Return a weight or bias with its gates in the order of ONNX."""
    if op_type not in _ORDER_OF_GATES:
        return g.name(x)
    rows = np.concatenate([np.arange(hidden) + gate * hidden for gate in _ORDER_OF_GATES[op_type]])
    return g.add("Gather", x, rows.astype(np.int64), axis=0)
