"""Functions as compositions of functions that ONNX has."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.errors import MappedValueError
from tinygrad_edu.ops.elementwise import error_function, selection, special
from tinygrad_edu.ops.images import interpolation, patches
from tinygrad_edu.ops.indices.positions import index_select
from tinygrad_edu.ops.linear_algebra import diagonals, distances, norms
from tinygrad_edu.ops.networks import activations, attention, normalization
from tinygrad_edu.ops.reductions import statistics
from tinygrad_edu.ops.sliding_windows import window_of


def _expm1(x: Any) -> Any:
    return ops.where(np.less(ops.abs(x), 1), 2 * ops.sinh(x / 2) * ops.exp(x / 2), ops.exp(x) - 1)


def _log1p(x: Any) -> Any:
    return ops.where(np.less(ops.abs(x), 0.5), 2 * ops.arctanh(x / (x + 2)), ops.log(x + 1))


def _hypot(x: Any, y: Any) -> Any:
    largest = ops.maximum(ops.abs(x), ops.abs(y))
    scale = ops.where(np.logical_or(np.equal(largest, 0), np.isinf(largest)), 1.0, largest)  # squares may overflow
    return scale * ops.sqrt((x / scale) ** 2 + (y / scale) ** 2)


def _distance(x: Any, y: Any) -> Any:
    """Return |x - y|, 0 for equal infinities."""
    return ops.where(np.equal(x, y), 0.0, ops.abs(x - y))


def _has_minus(x: Any) -> Any:
    """Return whether numbers are negative, or -0."""
    return np.logical_or(np.less(x, 0), np.less(1 / x, 0))


def _floating(*values: Any) -> np.dtype[Any]:
    """Return the dtype of the result of a function of real numbers."""
    floating = [v.dtype for v in values if getattr(v, "dtype", np.dtype(int)).kind == "f"]
    return np.result_type(*floating or [np.float32])


def _xlogy(x: Any, y: Any) -> Any:
    is_zero = np.equal(x, 0)
    if isinstance(y, int | float):
        return ops.where(is_zero, 0.0, x * float(np.log(y)))
    return ops.where(is_zero, 0.0, x * ops.log(ops.where(is_zero, 1.0, ops.astype(y, _floating(x, y)))))


def _copysign(x: Any, y: Any) -> Any:
    size = ops.abs(ops.astype(x, _floating(x, y)))
    return ops.where(_has_minus(y), -size, size)


def _arctan2(y: Any, x: Any) -> Any:
    angle = ops.arctan(y / x)
    beyond = ops.astype(ops.where(_has_minus(y), -1.0, 1.0), angle.dtype) * math.pi
    upright = ops.sign(y) * (math.pi / 2)
    return ops.where(np.equal(x, 0), upright, ops.where(np.less(x, 0), angle + beyond, angle))


def _sinc(x: Any) -> Any:
    angle = ops.where(np.equal(x, 0), 1.0, math.pi * x)
    return ops.where(np.equal(x, 0), 1.0, ops.sin(angle) / angle)


def _logit(x: Any, eps: float | None) -> Any:
    p = x if eps is None else ops.clip(x, eps, 1 - eps)
    return ops.log(p / (1 - p))


def _softplus(x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    smooth = (ops.relu(scaled) + ops.log1p(ops.exp(-ops.abs(scaled)))) / beta
    return ops.where(np.greater(scaled, threshold), x, smooth)


def _nan_to_num(x: Any, nan: float, posinf: float | None, neginf: float | None) -> Any:
    limits = np.finfo(x.dtype)
    x = ops.where(np.isnan(x), nan, x)
    x = ops.where(np.equal(x, np.inf), limits.max if posinf is None else posinf, x)
    return ops.where(np.equal(x, -np.inf), limits.min if neginf is None else neginf, x)


def _clip(x: Any, min: Any, max: Any) -> Any:
    if not any(hasattr(bound, "dtype") for bound in (min, max)):
        return selection.clip_by_scalars(x, min, max)
    x = x if min is None else ops.maximum(x, min)
    return x if max is None else ops.minimum(x, max)


def _exponential_unit(x: Any, alpha: float, rate: float) -> Any:
    return ops.relu(x) + alpha * _expm1(rate * ops.minimum(x, 0.0))


# --- Reductions and normalization ---


def _var(x: Any, axis: Any, ddof: float, keepdims: bool) -> Any:
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    centred = x - ops.mean(x, axes, keepdims=True)
    if ddof == 0:
        return ops.mean(centred * centred, axes, keepdims)
    return ops.sum(centred * centred, axes, keepdims) / (math.prod(x.shape[a] for a in axes) - ddof)


def _nanmean(x: Any, axis: Any, keepdims: bool) -> Any:
    missing = np.isnan(x)
    counts = ops.astype(np.logical_not(missing), x.dtype)
    return ops.sum(ops.where(missing, 0.0, x), axis, keepdims) / ops.sum(counts, axis, keepdims)


def _weighted_mean(x: Any, weights: Any, axis: Any, keepdims: bool) -> Any:
    whole = ops.broadcast_to(weights, np.broadcast_shapes(x.shape, weights.shape))
    return ops.sum(x * weights, axis, keepdims) / ops.sum(whole, axis, keepdims)


def _center(x: Any) -> Any:
    return x - ops.mean(x, _row_axes(x), keepdims=True)


def _divide_by_rms(x: Any, eps: float) -> Any:
    return x / ops.sqrt(ops.mean(x * x, _row_axes(x), keepdims=True) + eps)


def _row_axes(x: Any) -> tuple[int, ...]:
    return (1,) if x.ndim == 2 else (0, 2)


def _p_norm(x: Any, p: float, axis: Any, keepdims: bool) -> Any:
    size = ops.abs(x)
    if p == 0:
        return ops.sum(ops.astype(np.not_equal(x, 0), x.dtype), axis, keepdims)
    if p == 1:
        return ops.sum(size, axis, keepdims)
    if p == 2:
        return ops.sqrt(ops.sum(x * x, axis, keepdims))
    return ops.sum(size**p, axis, keepdims) ** (1 / p)


def _safe_softmax(scores: Any) -> Any:
    blind = np.equal(ops.amax(scores, -1, keepdims=True), -np.inf)
    return ops.where(blind, 0.0, ops.softmax(ops.where(blind, 0.0, scores), -1))


# --- Selection and rearrangement ---


def _roll(x: Any, shift: Any, axis: Any) -> Any:
    if axis is None:
        return ops.reshape(_roll(ops.reshape(x, -1), shift, 0), x.shape)
    for amount, a in np.broadcast(shift, axis):
        positions = (np.arange(x.shape[a]) - amount) % x.shape[a]
        x = index_select(x, positions, int(a) % x.ndim)
    return x


def _rot90(x: Any, k: int, axes: tuple[int, int]) -> Any:
    order = list(range(x.ndim))
    order[axes[0]], order[axes[1]] = order[axes[1]], order[axes[0]]
    for _ in range(k % 4):
        x = ops.flip(ops.transpose(x, order), axes[0])
    return x


def _repeat(x: Any, repeats: Any, axis: int | None) -> Any:
    x, axis = (ops.reshape(x, -1), 0) if axis is None else (x, axis % x.ndim)
    return index_select(x, np.repeat(np.arange(x.shape[axis]), repeats), axis)


def _diagonal(x: Any, offset: int, axis1: int, axis2: int) -> Any:
    x = ops.moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    positions = np.diagonal(np.arange(rows * columns).reshape(rows, columns), offset)
    return index_select(ops.reshape(x, (*x.shape[:-2], rows * columns)), positions, x.ndim - 2)


def _resample(x: Any, index: Any, weights: Any, axis: int) -> Any:
    out, axis = 0, axis % x.ndim
    for positions, factors in zip(index, weights, strict=True):
        factors = factors.astype(x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))
        out = out + index_select(x, positions, axis) * factors
    return out


def _im2col(x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    n, c, h, w = x.shape
    window = window_of((h, w), kernel_size, stride, padding, dilation)
    sides = [(inside.start, padded - inside.stop) for inside, padded in zip(window.inside, window.padded, strict=True)]
    x = ops.pad(x, ((0, 0), (0, 0), *sides))
    rows, columns = (
        np.stack([np.arange(length)[tap] for tap in taps])
        for length, taps in zip(window.padded, window.taps, strict=True)
    )
    positions = rows[:, None, :, None] * window.padded[1] + columns[None, :, None, :]
    pixels = index_select(ops.reshape(x, (n, c, math.prod(window.padded))), positions.ravel(), 2)
    return ops.reshape(pixels, (n, c * len(rows) * len(columns), math.prod(window.size)))


def _one_hot(labels: Any, num_classes: int | None, dtype: Any) -> Any:
    if num_classes in (None, -1):
        raise MappedValueError("one_hot inside of onnx.export needs num_classes, which would depend on the labels.")
    return ops.astype(np.equal(ops.expand_dims(labels, -1), np.arange(num_classes)), dtype)


def _ravel_multi_index(indices: Any, shape: tuple[int, ...]) -> Any:
    flat = 0
    for index, length in zip(indices, shape, strict=True):
        flat = flat * length + index
    return flat


def _unravel_index(flat: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    steps = np.cumprod([1, *shape[:0:-1]])[::-1]
    return tuple(flat // step % length for step, length in zip(steps.tolist(), shape, strict=True))


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    ops.positive: lambda x: x + 0,
    ops.square: lambda x: x * x,
    ops.rsqrt: lambda x: 1 / ops.sqrt(x),
    ops.cbrt: lambda x: ops.sign(x) * ops.abs(x) ** (1 / 3),
    ops.hypot: _hypot,
    ops.exp2: lambda x: ops.exp(x * math.log(2)),
    ops.expm1: _expm1,
    ops.log2: lambda x: ops.log(x) / math.log(2),
    ops.log10: lambda x: ops.log(x) / math.log(10),
    ops.log1p: _log1p,
    ops.xlogy: _xlogy,
    ops.trunc: lambda x: ops.sign(x) * ops.floor(ops.abs(x)),
    ops.copysign: _copysign,
    ops.deg2rad: lambda x: x * (math.pi / 180),
    ops.rad2deg: lambda x: x * (180 / math.pi),
    ops.arctan2: _arctan2,
    ops.sinc: lambda x: ops.where(
        np.equal(x, 0), 1.0, ops.sin(math.pi * x) / ops.where(np.equal(x, 0), 1.0, math.pi * x)
    ),
    ops.logsigmoid: lambda x: -ops.softplus(-x),
    ops.logit: _logit,
    ops.softplus: _softplus,
    ops.hardshrink: lambda x, lambd: ops.where(np.less_equal(ops.abs(x), lambd), 0.0, x),
    ops.softshrink: lambda x, lambd: ops.sign(x) * ops.relu(ops.abs(x) - lambd),
    ops.logaddexp: lambda x, y: ops.maximum(x, y) + ops.log1p(ops.exp(-_distance(x, y))),
    ops.logaddexp2: lambda x, y: ops.maximum(x, y) + ops.log1p(ops.exp2(-_distance(x, y))) / math.log(2),
    ops.lerp: lambda x, y, weight: x + weight * (y - x),
    ops.nan_to_num: _nan_to_num,
    ops.hardsigmoid: lambda x: ops.clip(x + 3, 0.0, 6.0) / 6,
    ops.hardswish: lambda x: x * (ops.clip(x + 3, 0.0, 6.0) / 6),
    ops.hardtanh: lambda x, min_val, max_val: ops.clip(x, min_val, max_val),
    ops.threshold: lambda x, threshold, value: ops.where(np.less_equal(x, threshold), value, x),
    ops.tanhshrink: lambda x: x - ops.tanh(x),
    ops.silu: lambda x: x * ops.sigmoid(x),
    activations.leaky: lambda x, slope: ops.where(np.greater(x, 0), x, x * slope),
    activations.exponential_unit: _exponential_unit,
    selection.keep: lambda x, mask: ops.where(mask, x, 0),
    selection.drop: lambda x, mask: ops.where(mask, 0, x),
    ops.clip: _clip,
    error_function.normal_cdf: lambda x: 0.5 * (1 + ops.erf(x * math.sqrt(0.5))),
    special.erfc: lambda x: 1 - ops.erf(x),
    ops.entr: lambda x: -ops.xlogy(x, x),
    ops.var: _var,
    ops.std: lambda x, axis, ddof, keepdims: ops.sqrt(_var(x, axis, ddof, keepdims)),
    statistics.weighted_mean: _weighted_mean,
    norms.p_norm: _p_norm,
    distances.distances: lambda x1, x2, p: norms.vector_norm(
        ops.expand_dims(x1, -2) - ops.expand_dims(x2, -3), axis=-1, ord=p
    ),
    ops.nanmean: _nanmean,
    ops.normalize: lambda x, p=2.0, axis=1, eps=1e-12: (
        x / ops.clip(norms.vector_norm(x, axis=axis, keepdims=True, ord=p), eps)
    ),
    statistics.lerp_between: lambda x, y, weight: x + (y - x) * weight,
    statistics.take_ranks: lambda rows, ranks: ops.sort(rows, axis=-1)[..., np.asarray(ranks)],
    normalization.divide_by_rms: _divide_by_rms,
    normalization.row_norm: lambda x, eps, computed: _divide_by_rms(_center(x), eps),
    normalization.channel_norm_without_affine: lambda x, eps, computed: _divide_by_rms(_center(x), eps),
    normalization.channel_norm: lambda x, weight, bias, eps, computed: _divide_by_rms(_center(x), eps) * weight + bias,
    attention.safe_softmax: _safe_softmax,
    ops.roll: _roll,
    ops.rot90: _rot90,
    ops.repeat: _repeat,
    diagonals.diagonal: _diagonal,
    interpolation.resample: _resample,
    patches.im2col: _im2col,
    ops.one_hot: _one_hot,
    np.unravel_index: _unravel_index,
    np.ravel_multi_index: _ravel_multi_index,
}
