"""Elementwise functions: selection by a mask, ReLU and leaky ReLU, sigmoid, softplus, logaddexp, and vjps."""

import math
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.shared.speed.thresholds import SizeThreshold


class _ScalarByDtype(dict[Any, ndarray]):
    """A number as a 0-d array of each dtype: on small arrays NumPy is twice as fast with it as with a Python number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def __missing__(self, dtype: Any) -> ndarray:
        array = self[dtype] = np.asarray(self.number, dtype)
        array.flags.writeable = False
        return array


ZEROS, _INFINITIES = _ScalarByDtype(0), _ScalarByDtype(np.inf)


def masked(x: ndarray, mask: Any) -> ndarray:
    """Return `plain_masked`; for large arrays with bitwise operations, ten times as fast as ``np.where``."""
    if (x.size < _LARGE and np.size(mask) < _LARGE) or not _has_integer_view(x.dtype):
        return np.where(mask, x, ZEROS[x.dtype])
    return _apply_bit_mask(x, np.negative(_mask_as_int8(mask)))


def zeroed(x: ndarray, mask: Any) -> ndarray:
    """Return `plain_zeroed`; for large arrays as `masked`, for small ones as a copy with zeros assigned."""
    if x.size >= _LARGE and _has_integer_view(x.dtype):
        return _apply_bit_mask(x, np.subtract(_mask_as_int8(mask), 1))
    if mask.__class__ is not ndarray or mask.dtype is not _BOOL or mask.shape != x.shape or 0 in x.strides:
        return np.where(mask, ZEROS[x.dtype], x)  # np.where chooses the layout of the result from both
    out = x.copy("K")
    out[mask] = ZEROS[x.dtype]
    return out


def selected(mask: Any, x: Any, y: Any) -> ndarray:
    """Return `plain_selected`; for large arrays with bitwise operations, which have no branches to predict."""
    if mask.__class__ is not ndarray or mask.size < _LARGE_CHOICE or mask.dtype is not _BOOL:
        return np.where(mask, x, y)
    dtype = np.result_type(x, y)
    if not _has_integer_view(dtype):
        return np.where(mask, x, y)
    x, y = (np.asarray(operand, dtype).view(_INTEGERS[dtype.itemsize]) for operand in (x, y))
    out = _apply_bit_mask(np.bitwise_xor(x, y), np.negative(_mask_as_int8(mask)))  # x ^ y where the mask is True
    return np.bitwise_xor(out, y, out=out).view(dtype)


def _has_integer_view(dtype: np.dtype[Any]) -> bool:
    """Return whether elements of the dtype can be viewed as integers of the same size."""
    return dtype.itemsize in _INTEGERS and not dtype.hasobject


def _mask_as_int8(mask: Any) -> Any:
    return np.asarray(mask, bool).view(np.int8)


def _apply_bit_mask(x: Any, bits: Any) -> Any:
    """Return x where `bits` is -1, and 0 where `bits` is 0."""
    integers = _INTEGERS[x.itemsize]
    wide = bits.astype(integers)  # in one call; bitwise_and would cast 8,192 elements at a time
    same_layout = (wide.shape, wide.strides) == (x.shape, x.strides)
    return np.bitwise_and(x.view(integers), wide, out=wide if same_layout else None).view(x.dtype)


def leaky_relu_values(x: Any, slope: Any) -> ndarray:
    """Return `plain_leaky_relu_values`; for a scalar slope in (0, 1] as max(x, slope * x)."""
    if not _is_unit_interval_slope(x, slope) or slope == 0:  # 0 * inf is NaN
        return np.where(np.greater(x, 0), x, np.multiply(slope, x))
    out = np.multiply(slope, x)
    return np.maximum(x, out, out=out)


def leaky_relu_slope(x: Any, slope: Any) -> ndarray:
    """Return `plain_leaky_relu_slope`; for a scalar slope in [0, 1] by clipping (x > 0) to [slope, 1]."""
    if not _is_unit_interval_slope(x, slope):
        return np.where(np.greater(x, 0), x.dtype.type(1), slope)
    out = np.greater(x, 0).astype(x.dtype)
    return out.clip(slope, 1, out=out)


def _is_unit_interval_slope(x: Any, slope: Any) -> bool:
    is_float_array = x.__class__ is ndarray and x.ndim > 0 and x.dtype.kind == "f"
    return is_float_array and isinstance(slope, float | int) and 0 <= slope <= 1


# At least 2: for 0-d arrays NumPy returns scalars, which cannot be written into.
_LARGE, _LARGE_CHOICE = SizeThreshold(1000, least=2), SizeThreshold(4000, least=2)
_INTEGERS: dict[int, Any] = {2: np.int16, 4: np.int32, 8: np.int64}
_MAGNITUDE_BITS: dict[int, Any] = {size: integer(np.iinfo(integer).max) for size, integer in _INTEGERS.items()}
_BOOL = np.dtype(bool)


def sigmoid_values(x: Any) -> Any:
    """Return `plain_sigmoid_values`; for large arrays exp(x) / (exp(x) + 1), if that does not overflow."""
    if np.size(x) < _LARGE or x.dtype.char not in _MAX_INPUT or not x.max(initial=0) < _MAX_INPUT[x.dtype.char]:
        e = np.exp(-1.0 * np.abs(x))
        return np.maximum(e, np.greater_equal(x, 0)) / (1 + e)
    e = np.exp(x)
    out = e + 1
    return np.divide(e, out, out=out)


_MAX_INPUT = {"f": 88.0, "d": 709.0}  # exp(x) overflows above


def softplus_values(x: Any) -> Any:
    """Return `plain_softplus_values`; for large arrays max(x, 0) + log(1 + exp(-|x|)), eight times as fast."""
    if np.size(x) < _LARGE or x.dtype.char not in "fd":
        return np.logaddexp(0, x)
    out = np.abs(x)
    np.negative(out, out=out)
    np.log1p(np.exp(out, out=out), out=out)
    out += relu_values(x)
    return out


def logaddexp_values(x: Any, y: Any) -> Any:
    """Return `plain_logaddexp_values`; for large arrays max(x, y) + log(1 + exp(-|x - y|)), eight times as fast."""
    dtype = np.result_type(x, y)
    if dtype.char not in "fd" or max(np.size(x), np.size(y)) < _LARGE:
        return np.logaddexp(x, y)
    maximum = np.maximum(x, y)
    with np.errstate(invalid="ignore"):
        out = np.subtract(x, y)
    np.negative(np.abs(out, out=out), out=out)
    np.log1p(np.exp(out, out=out), out=out)
    out += maximum
    infinite = np.isinf(maximum)  # inf - inf is NaN
    return selected(infinite, maximum, out) if infinite.any() else out


def relu_values(x: ndarray) -> ndarray:
    """Return `plain_relu_values`; for large arrays x clipped to [0, inf], three times as fast."""
    zero = ZEROS[x.dtype]
    return x.clip(zero, _INFINITIES[x.dtype]) if x.size > _LARGE else np.maximum(x, zero)


def nonpositive_values(x: ndarray) -> ndarray:
    """Return `plain_nonpositive_values`; for large arrays x clipped to [-inf, 0], three times as fast."""
    zero = ZEROS[x.dtype]
    return x.clip(-_INFINITIES[x.dtype], zero) if x.size > _LARGE else np.minimum(x, zero)


def relu_vjp(cotangent: ndarray, out: ndarray) -> ndarray:
    """Return `plain_relu_vjp`; for large arrays with bitwise operations: all bits of 0 except the sign are 0.

    For small arrays, checking dtypes would take most of the time.
    """
    dtype = out.dtype
    if out.size < _LARGE and 0 not in cotangent.strides:
        slope, zero = cotangent.copy("K"), ZEROS[dtype]
        slope[out == zero] = zero
        return slope
    if not _has_integer_view(dtype) or cotangent.dtype != dtype:
        return np.where(out == 0, cotangent.dtype.type(0), cotangent)
    integers = _INTEGERS[dtype.itemsize]
    bits = np.bitwise_and(out.view(integers), _MAGNITUDE_BITS[dtype.itemsize])  # >= 0, and 0 for -0.0
    np.negative(bits, out=bits)
    np.right_shift(bits, 8 * dtype.itemsize - 1, out=bits)  # copies the sign to all bits: -1 or 0
    return np.bitwise_and(bits, cotangent.view(integers), out=bits).view(dtype)


def silu_vjp(cotangent: ndarray, x: ndarray, sigmoid: ndarray) -> ndarray:
    """Return `plain_silu_vjp`, computed in place in one array."""
    slope = 1 - sigmoid
    slope *= x
    slope += 1
    slope *= sigmoid
    slope *= cotangent
    return slope


def hardswish_vjp(cotangent: ndarray, x: ndarray) -> ndarray:
    """Return `plain_hardswish_vjp` without masks: of the clipped x, only the bounds divided by 3 are integers but 0."""
    third = np.asarray(x.clip(-3, 3))
    third /= 3
    out = np.asarray(np.trunc(third))
    out *= -0.5
    out += third
    out += 0.5
    with np.errstate(invalid="ignore"):
        out *= cotangent
    if np.isnan(out.min(initial=0)):  # x is NaN, or an infinity times 0
        return np.where(x <= -3, out.dtype.type(0), np.where(x < 3, cotangent * (x / 3 + 0.5), cotangent))
    return out


NORMAL_DENSITY = 1 / math.sqrt(2 * math.pi)  # at 0


def gelu_vjp(cotangent: ndarray, x: ndarray, cdf: ndarray) -> ndarray:
    """Return `plain_gelu_vjp`, computed in place in one array."""
    slope = np.asarray(x * x)
    slope *= -0.5
    np.exp(slope, out=slope)
    slope *= NORMAL_DENSITY
    slope *= x
    slope += cdf
    slope *= cotangent
    return slope


# The tanh approximation of gelu is x * sigmoid(GELU_LINEAR * x + GELU_CUBIC * x ** 3): D. Hendrycks and K. Gimpel,
# "Gaussian error linear units (GELUs)", 2016.
GELU_LINEAR = 2 * math.sqrt(2 / math.pi)
GELU_CUBIC = GELU_LINEAR * 0.044715


def gelu_tanh_vjp(cotangent: ndarray, x: ndarray, gate: ndarray) -> ndarray:
    """Return `plain_gelu_tanh_vjp`, computed in place in two arrays."""
    rest = 1 - gate
    rest *= gate
    rest *= x
    slope = x * x
    slope *= 3 * GELU_CUBIC
    slope += GELU_LINEAR
    slope *= rest
    slope += gate
    slope *= cotangent
    return slope


def tanh_vjp(cotangent: Any, t: Any) -> Any:
    """Return the vjp of tanh; for large arrays in chunks that stay in the cache."""
    if t.size <= _CHUNK_LENGTH:
        return cotangent * (1 - t * t)
    operands: list[Any] = [cotangent, t, None]
    access: Any = [["readonly"], ["readonly"], ["writeonly", "allocate"]]  # NumPy's annotation has one list for all
    with np.nditer(operands, ["external_loop", "buffered"], access, buffersize=_CHUNK_LENGTH) as chunks:
        for g, chunk, slope in chunks:
            np.multiply(chunk, chunk, out=slope)
            np.subtract(1, slope, out=slope)
            np.multiply(slope, g, out=slope)
        return chunks.operands[2]


# Elements per chunk: three chunks fit into a core's cache, and there are few calls.
_CHUNK_LENGTH = SizeThreshold(2**18)
