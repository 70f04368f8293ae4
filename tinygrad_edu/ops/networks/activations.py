"""Elementwise activation functions, with PyTorch's options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import (
    NOT_COMPUTED,
    Array,
    Operand,
    Precomputed,
    Tensor,
    TensorLike,
    batched,
    op,
    shape_of,
    values_of,
)
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import abs, are_arrays, as_floating, multiply, scale_by, subtract
from tinygrad_edu.ops.elementwise.error_function import normal_cdf
from tinygrad_edu.ops.elementwise.powers import exp, square
from tinygrad_edu.ops.elementwise.selection import clip_by_scalars, drop, keep, selected, where
from tinygrad_edu.ops.elementwise.sigmoids import sigmoid, softplus, softplus_slope
from tinygrad_edu.ops.elementwise.trigonometry import tanh
from tinygrad_edu.ops.fast import elementwise as fast
from tinygrad_edu.ops.indices.indexing import getitem
from tinygrad_edu.ops.shapes.shape import reshape, shaped
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "prelu",
    "relu", "relu6", "selu", "silu", "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip

# --- Piecewise polynomial ---


def plain_relu_values(x: ndarray) -> ndarray:
    """Return max(x, 0), and NaN where x is NaN."""
    return np.maximum(x, x.dtype.type(0))


relu_values = faster_than(plain_relu_values)(fast.relu_values)


def plain_relu_vjp(g: ndarray, out: ndarray) -> ndarray:
    """Return g where the result of relu is not 0, and 0 elsewhere."""
    return np.where(out == 0, g.dtype.type(0), g)


relu_vjp = faster_than(plain_relu_vjp)(fast.relu_vjp)


@op(batching="elementwise")
def relu(x: Array) -> Array:
    """Return max(x, 0). The derivative is 0 at 0, and 1 at NaN."""
    return relu_values(x) if isinstance(x, ndarray) and x.dtype.kind == "f" else np.maximum(x, 0)


relu.vjps(x=lambda g, out: relu_vjp(g, out) if g.__class__ is ndarray else drop(g, out == fast.ZEROS[out.dtype]))


def plain_leaky_relu_values(x: Any, slope: Any) -> ndarray:
    """Return x where it is positive, and slope * x elsewhere."""
    return np.where(np.greater(x, 0), x, np.multiply(slope, x))


leaky_relu_values = faster_than(plain_leaky_relu_values)(fast.leaky_relu_values)


def plain_leaky_relu_slope(x: Any, slope: Any) -> ndarray:
    """Return 1 where x is positive, and the slope elsewhere."""
    return np.where(np.greater(x, 0), x.dtype.type(1), slope)


leaky_relu_slope = faster_than(plain_leaky_relu_slope)(fast.leaky_relu_slope)


@op(name="leaky_relu", broadcasts=True, batching="elementwise")
def leaky(x: Operand, slope: Operand) -> Array:
    """Return x where x > 0, and slope * x elsewhere."""
    return leaky_relu_values(x, slope)


def _leaky_x(g: Any, x: Any, slope: Any) -> Any:
    return where(x > 0, g, g * slope) if isinstance(slope, Tensor) else g * leaky_relu_slope(values_of(x), slope)


leaky.vjps(x=_leaky_x, slope=lambda g, x: drop(g * x, x > 0))


def leaky_relu(x: TensorLike, negative_slope: float = 0.01) -> Tensor | Array:
    """Return x where x > 0, and negative_slope * x elsewhere. The derivative at 0 is negative_slope."""
    return leaky(x, negative_slope)


def prelu(x: TensorLike, weight: TensorLike) -> Tensor | Array:
    """Return x where x > 0, and weight * x elsewhere: a leaky ReLU with learned slopes.

    Parameters
    ----------
    x : (N, C, ...) or any other shape
    weight : () or (1,), or (C,)
        One slope, or one for each channel (axis 1 of x). The derivative at 0 is the slope.

    Raises
    ------
    ShapeError
        If the number of slopes is neither 1 nor C.
    """
    x_shape, weight_shape = shape_of(x), shape_of(weight)
    channels = x_shape[1] if len(x_shape) > 1 else 1
    if weight_shape not in ((), (1,), (channels,)):
        raise ShapeError(
            f"prelu: weight must have shape () or (1,), or ({channels},) for the channels along axis 1 of x, "
            f"got {weight_shape} for x of shape {x_shape}."
        )
    is_scalar = weight_shape in ((), (1,))
    return leaky(x, reshape(weight, () if is_scalar else (channels, *[1] * (len(x_shape) - 2))))


@op(batching="elementwise")
def hardtanh(x: Array, /, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """Return x clipped to [min_val, max_val]. The derivative at both bounds is 0; `clip` has 1 there."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val must be <= max_val, got min_val={min_val} and max_val={max_val}.")
    return np.clip(x, min_val, max_val)


hardtanh.vjps(x=lambda g, x, min_val, max_val: drop(g, (x <= min_val) | (x >= max_val)))


def relu6(x: TensorLike) -> Tensor | Array:
    """Return min(max(x, 0), 6). The derivative is 0 at 0 and at 6."""
    return hardtanh(x, 0.0, 6.0)


@op(batching="elementwise")
def hardsigmoid(x: Array) -> Array:
    """Return (x + 3) / 6 clipped to [0, 1], a piecewise linear sigmoid. The derivative is 0 at -3 and at 3."""
    return np.clip(np.add(x, 3.0), 0, 6) / 6


hardsigmoid.vjps(x=lambda g, x: keep(g / 6, (x > -3) & (x < 3)))


@op(batching="elementwise")
def hardswish(x: Array) -> Array:
    """Return x * hardsigmoid(x), a `silu` without exponentials. The derivative is 0 at -3 and 1 at 3."""
    return x * (np.clip(np.add(x, 3.0), 0, 6) / 6)


def plain_hardswish_vjp(g: Any, x: Any) -> Any:
    """Return g * (x / 3 + 1 / 2) for -3 < x < 3, 0 below and g above, and for NaN."""
    return drop(where(x < 3, g * (x / 3 + 0.5), g), x <= -3)


hardswish_vjp = faster_than(plain_hardswish_vjp)(fast.hardswish_vjp)
hardswish.vjps(x=lambda g, x: (hardswish_vjp if are_arrays(g, x) else plain_hardswish_vjp)(g, x))


@op(batching="elementwise")
def threshold(x: Array, /, threshold: float, value: float) -> Array:
    """Return x where x > threshold, and `value` elsewhere. The derivative at the threshold is 0."""
    return selected(np.less_equal(x, threshold), value, x)


threshold.vjps(x=lambda g, x, threshold: drop(g, x <= threshold))


@batched("elementwise")
def hardshrink(x: TensorLike, lambd: float = 0.5) -> Tensor | Array:
    """Return 0 where -lambd <= x <= lambd, and x elsewhere. The derivative at both bounds is 0."""
    return keep(x, _out_of_bounds_mask(x, lambd))


@batched("elementwise")
def softshrink(x: TensorLike, lambd: float = 0.5) -> Tensor | Array:
    """Return 0 where -lambd <= x <= lambd, and x - sign(x) * lambd elsewhere. The derivative at both bounds is 0."""
    if lambd < 0:
        raise ValueError(f"softshrink: lambd must be >= 0, got {lambd}.")
    return keep(subtract(x, np.copysign(lambd, values_of(x))), _out_of_bounds_mask(x, lambd))


def _out_of_bounds_mask(x: Any, bound: float) -> Any:
    values = np.asarray(values_of(x))
    return ~((values >= -bound) & (values <= bound))


# --- Exponential, sigmoid and rational ---


def plain_nonpositive_values(x: ndarray) -> ndarray:
    """Return min(x, 0)."""
    return np.minimum(x, x.dtype.type(0))


nonpositive_values = faster_than(plain_nonpositive_values)(fast.nonpositive_values)


@op(name="elu", batching="elementwise")
def exponential_unit(x: Array, /, alpha: float = 1.0, rate: float = 1.0) -> Array:
    """Return x where x > 0, and alpha * (exp(rate * x) - 1) elsewhere."""
    x = as_floating(x)
    return relu(x) + scale_by(np.expm1(scale_by(nonpositive_values(x), rate)), alpha)


def _exponential_unit_x(g: Any, x: Any, alpha: float, rate: float) -> Any:
    negative = keep(x, x < 0)  # no overflow where x > 0
    slope = g * scale_by(exp(scale_by(negative, rate)), alpha * rate)
    return slope if alpha * rate == 1 else where(x <= 0, slope, g)  # where x > 0, exp(0) = 1


exponential_unit.vjps(x=_exponential_unit_x)


def elu(x: TensorLike, alpha: float = 1.0) -> Tensor | Array:
    """Return x where x > 0, and alpha * (exp(x) - 1) elsewhere. The derivative at 0 is alpha."""
    return exponential_unit(x, alpha)


def celu(x: TensorLike, alpha: float = 1.0) -> Tensor | Array:
    """Return x where x > 0, and alpha * (exp(x / alpha) - 1) elsewhere. The derivative at 0 is 1."""
    if alpha == 0:
        raise ZeroDivisionError("celu: alpha must be nonzero, got 0.")
    return exponential_unit(x, alpha, 1 / alpha)


# Klambauer et al., Self-Normalizing Neural Networks, 2017: these values preserve mean 0 and variance 1.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(x: TensorLike) -> Tensor | Array:
    """Return `elu` scaled so that layers preserve mean 0 and variance 1. The derivative at 0 is the left one, 1.758."""
    return multiply(exponential_unit(x, _SELU_ALPHA), _SELU_SCALE)


@batched("elementwise")
def silu(x: TensorLike) -> Tensor | Array:
    """Return x * sigmoid(x)."""
    return silu_from_sigmoid(x, _precompute(sigmoid, x))


def _precompute(function: Callable[[Any], Any], x: Any) -> Precomputed:
    """Compute a factor from the values of x, for an op to save; not from integers, which the op casts."""
    values = np.asarray(values_of(x))
    return Precomputed(factor=function(values)) if values.dtype.kind == "f" else NOT_COMPUTED


def _factor(function: Callable[[Any], Any], x: Any, computed: Precomputed) -> Any:
    """Return the factor, precomputed or as a differentiable function of a Tensor."""
    return computed["factor"] if computed and not isinstance(x, Tensor) else function(x)


def plain_silu_vjp(g: Any, x: Any, s: Any) -> Any:
    """Return g * s * (1 + x * (1 - s)), where s is sigmoid(x)."""
    return g * (s * (1 + x * (1 - s)))


silu_vjp = faster_than(plain_silu_vjp)(fast.silu_vjp)


@op(name="silu", batching="elementwise")
def silu_from_sigmoid(x: Array, /, computed: Precomputed = NOT_COMPUTED) -> Array:
    """Return x * sigmoid(x). The backward pass reuses sigmoid(x) if it is precomputed."""
    return x * _factor(sigmoid, x, computed)


def _silu_from_sigmoid_x(g: Any, x: Any, computed: Precomputed) -> Any:
    gate = _factor(softplus_slope, x, computed)
    return silu_vjp(g, x, gate) if are_arrays(g, gate) else g * (gate + x * (gate * softplus_slope(-x)))


silu_from_sigmoid.vjps(x=_silu_from_sigmoid_x)


def mish(x: TensorLike) -> Tensor | Array:
    """Return x * tanh(softplus(x))."""
    return multiply(x, tanh(softplus(x)))


@batched("elementwise")
def gelu(x: TensorLike, approximate: str = "none") -> Tensor | Array:
    """Return x * cdf(x), where cdf is the cumulative distribution function of the standard normal distribution.

    Parameters
    ----------
    x : array_like
    approximate : {"none", "tanh"}, default "none"
        "none" is exact and requires SciPy. "tanh" uses 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3))).

    Raises
    ------
    MissingExtraError
        If `approximate` is "none" and SciPy is not installed.
    """
    if approximate not in ("none", "tanh"):
        raise invalid_choice("gelu: approximate", approximate, ("none", "tanh"))
    if approximate == "tanh":
        return gelu_tanh(x, _precompute(_gelu_tanh_gate, x))
    return gelu_exact(x, _precompute(normal_cdf, x))


@op(name="gelu", batching="elementwise")
def gelu_exact(x: Array, /, computed: Precomputed = NOT_COMPUTED) -> Array:
    """Return x * normal_cdf(x). The backward pass reuses normal_cdf(x) if it is precomputed."""
    return x * _factor(normal_cdf, x, computed)


def plain_gelu_vjp(g: Any, x: Any, cdf: Any) -> Any:
    """Return g * (cdf + x * density), where cdf is normal_cdf(x), and the density its derivative."""
    return g * (cdf + x * (exp(x * x * -0.5) * fast.NORMAL_DENSITY))


gelu_vjp = faster_than(plain_gelu_vjp)(fast.gelu_vjp)


def _gelu_exact_x(g: Any, x: Any, computed: Precomputed) -> Any:
    cdf = _factor(normal_cdf, x, computed)
    vjp: Callable[..., Any] = gelu_vjp if are_arrays(g, cdf) else plain_gelu_vjp
    return vjp(g, x, cdf)


gelu_exact.vjps(x=_gelu_exact_x)


_GELU_SATURATION = 32.0  # beyond it the gate is 0 or 1, and a larger cube could overflow


def _gelu_tanh_gate(x: Any) -> Any:
    """Return 0.5 * (1 + tanh(u)) of the approximation. As sigmoid(2 * u), small values are accurate."""
    t = clip_by_scalars(x, -_GELU_SATURATION, _GELU_SATURATION)
    return sigmoid(t * (fast.GELU_LINEAR + fast.GELU_CUBIC * (t * t)))


@op(name="gelu", batching="elementwise")
def gelu_tanh(x: Array, /, computed: Precomputed = NOT_COMPUTED) -> Array:
    """Return the tanh approximation of `gelu`. The backward pass reuses its gate if it is precomputed."""
    return x * _factor(_gelu_tanh_gate, x, computed)


def plain_gelu_tanh_vjp(g: Any, x: Any, s: Any) -> Any:
    """Return g * (s + x * s * (1 - s) * du/dx), where s is sigmoid(u), the gate of the tanh approximation."""
    return g * (s + x * (s * (1 - s)) * (fast.GELU_LINEAR + 3 * fast.GELU_CUBIC * (x * x)))


gelu_tanh_vjp = faster_than(plain_gelu_tanh_vjp)(fast.gelu_tanh_vjp)


def _gelu_tanh_x(g: Any, x: Any, computed: Precomputed) -> Any:
    gate = _factor(_gelu_tanh_gate, x, computed)
    vjp: Callable[..., Any] = gelu_tanh_vjp if are_arrays(g, gate) else plain_gelu_tanh_vjp
    return vjp(g, clip_by_scalars(x, -_GELU_SATURATION, _GELU_SATURATION), gate)


gelu_tanh.vjps(x=_gelu_tanh_x)


@op(batching="elementwise")
def softsign(x: Array) -> Array:
    """Return x / (1 + |x|)."""
    return x / (1.0 + np.abs(x))


def _softsign_x(g: Any, x: Any) -> Any:
    size = 1 + abs(x)
    return g / size / size


softsign.vjps(x=_softsign_x)


@op(batching="elementwise")
def tanhshrink(x: Array) -> Array:
    """Return x - tanh(x), without cancellation near 0.

    For |x| <= 1 it is x * q / (1 + q), with q = x² / (3 + x² / (5 + x² / (7 + ...))), from Lambert's continued fraction
    tanh(x) = x / (1 + q).
    """
    clipped = np.clip(x, -1.0, 1.0)
    x_squared, denominator = clipped * clipped, 19.0
    for n in range(17, 1, -2):
        denominator = n + x_squared / denominator
    q = x_squared / denominator
    return np.where(clipped == x, clipped * (q / (1 + q)), x - np.tanh(x))


tanhshrink.vjps(x=lambda g, x: g * square(tanh(x)))


# --- Gates ---


def glu(x: TensorLike, axis: int = -1) -> Tensor | Array:
    """Return the first half of x along `axis`, times the sigmoid of the second half.

    Raises
    ------
    ShapeError
        If the length along `axis` is odd, or x is 0-d.
    """
    x = shaped(x)
    if not x.ndim:
        raise ShapeError("glu: x must have an axis to halve, got shape ().")
    axis = np.lib.array_utils.normalize_axis_index(axis, x.ndim)
    half, odd = divmod(x.shape[axis], 2)
    if odd:
        raise ShapeError(f"glu: axis {axis} of x must have an even length, got x of shape {x.shape}.")
    leading = (slice(None),) * axis
    return multiply(getitem(x, (*leading, slice(half))), sigmoid(getitem(x, (*leading, slice(half, None)))))
