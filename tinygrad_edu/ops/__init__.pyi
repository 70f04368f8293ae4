"""Types of the functions of `tinygrad_edu.ops`. Written by ``python -m tools.stubs``."""
# mypy: disable-error-code="overload-overlap"
# A sequence of arrays is also a sequence of Tensors and arrays. The first overload that accepts the arguments applies.

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_edu.core.arrays import Axis
from tinygrad_edu.engine import Array, Op, PlainArrayLike, Tensor
from tinygrad_edu.ops import methods as methods
from tinygrad_edu.ops import on_demand as on_demand
from tinygrad_edu.ops.images.adaptive_pooling import OutputSize
from tinygrad_edu.ops.sliding_windows import Pair, Row, Triple

class _Abs(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

abs: _Abs

class _Add(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

add: _Add

class _Astype(Op):
    @overload
    def __call__(self, x: Tensor, /, dtype: Any) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, dtype: Any) -> Array: ...

astype: _Astype

class _Ceil(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

ceil: _Ceil

class _Copysign(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

copysign: _Copysign

class _Deg2Rad(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

deg2rad: _Deg2Rad

class _Divide(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

divide: _Divide

class _Floor(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

floor: _Floor

class _FloorDivide(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

floor_divide: _FloorDivide

class _Fmod(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

fmod: _Fmod

class _Multiply(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

multiply: _Multiply

class _Negative(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

negative: _Negative

class _Positive(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

positive: _Positive

class _Rad2Deg(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

rad2deg: _Rad2Deg

class _Reciprocal(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

reciprocal: _Reciprocal

class _Remainder(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

remainder: _Remainder

class _Round(Op):
    @overload
    def __call__(self, x: Tensor, /, decimals: int = 0) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, decimals: int = 0) -> Array: ...

round: _Round

class _Sign(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

sign: _Sign

class _Subtract(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

subtract: _Subtract

class _Trunc(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

trunc: _Trunc

@overload
def clip(
    x: Tensor, min: Tensor | PlainArrayLike | None = None, max: Tensor | PlainArrayLike | None = None
) -> Tensor: ...
@overload
def clip(x: PlainArrayLike, min: Tensor, max: Tensor | PlainArrayLike | None = None) -> Tensor: ...
@overload
def clip(x: PlainArrayLike, min: PlainArrayLike | None, max: Tensor) -> Tensor: ...
@overload
def clip(x: PlainArrayLike, min: PlainArrayLike | None = None, *, max: Tensor) -> Tensor: ...
@overload
def clip(x: PlainArrayLike, min: PlainArrayLike | None = None, max: PlainArrayLike | None = None) -> Array: ...
@overload
def fmax(x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def fmax(x: PlainArrayLike, y: Tensor) -> Tensor: ...
@overload
def fmax(x: PlainArrayLike, y: PlainArrayLike) -> Array: ...
@overload
def fmin(x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def fmin(x: PlainArrayLike, y: Tensor) -> Tensor: ...
@overload
def fmin(x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

class _Lerp(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike, weight: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor, weight: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike, weight: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike, weight: PlainArrayLike) -> Array: ...

lerp: _Lerp

@overload
def masked_fill(x: Tensor, mask: ArrayLike, value: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def masked_fill(x: PlainArrayLike, mask: ArrayLike, value: Tensor) -> Tensor: ...
@overload
def masked_fill(x: PlainArrayLike, mask: ArrayLike, value: PlainArrayLike) -> Array: ...

class _Maximum(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

maximum: _Maximum

class _Minimum(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

minimum: _Minimum

class _NanToNum(Op):
    @overload
    def __call__(
        self, x: Tensor, /, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> Tensor: ...
    @overload
    def __call__(
        self, x: PlainArrayLike, /, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> Array: ...

nan_to_num: _NanToNum

class _Where(Op):
    @overload
    def __call__(self, condition: Tensor, x: Tensor | PlainArrayLike, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, condition: PlainArrayLike, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, condition: PlainArrayLike, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, condition: PlainArrayLike, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

where: _Where

class _Cbrt(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

cbrt: _Cbrt

class _Exp(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

exp: _Exp

class _Exp2(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

exp2: _Exp2

class _Expm1(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

expm1: _Expm1

class _Hypot(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

hypot: _Hypot

class _Log(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

log: _Log

class _Log1P(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

log1p: _Log1P

class _Log2(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

log2: _Log2

class _Log10(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

log10: _Log10

class _Power(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

power: _Power

class _Rsqrt(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

rsqrt: _Rsqrt

class _Sqrt(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

sqrt: _Sqrt

class _Square(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

square: _Square

class _Xlogy(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

xlogy: _Xlogy

class _Logaddexp(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

logaddexp: _Logaddexp

class _Logaddexp2(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

logaddexp2: _Logaddexp2

class _Logit(Op):
    @overload
    def __call__(self, x: Tensor, /, eps: float | None = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, eps: float | None = None) -> Array: ...

logit: _Logit

class _Logsigmoid(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

logsigmoid: _Logsigmoid

class _Sigmoid(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

sigmoid: _Sigmoid

class _Softplus(Op):
    @overload
    def __call__(self, x: Tensor, /, beta: float = 1.0, threshold: float = 20.0) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, beta: float = 1.0, threshold: float = 20.0) -> Array: ...

softplus: _Softplus

class _Erf(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

erf: _Erf

class _Arccos(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

arccos: _Arccos

class _Arccosh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

arccosh: _Arccosh

class _Arcsin(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

arcsin: _Arcsin

class _Arcsinh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

arcsinh: _Arcsinh

class _Arctan(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

arctan: _Arctan

class _Arctan2(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

arctan2: _Arctan2

class _Arctanh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

arctanh: _Arctanh

class _Cos(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

cos: _Cos

class _Cosh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

cosh: _Cosh

class _Sin(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

sin: _Sin

class _Sinc(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

sinc: _Sinc

class _Sinh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

sinh: _Sinh

class _Tan(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

tan: _Tan

class _Tanh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

tanh: _Tanh

class _Digamma(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

digamma: _Digamma

class _Entr(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

entr: _Entr

class _Erfc(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

erfc: _Erfc

class _Erfcx(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

erfcx: _Erfcx

class _Erfinv(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

erfinv: _Erfinv

class _Lgamma(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

lgamma: _Lgamma

class _LogNdtr(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

log_ndtr: _LogNdtr

@overload
def ndtr(x: Tensor) -> Tensor: ...
@overload
def ndtr(x: PlainArrayLike) -> Array: ...

class _Ndtri(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

ndtri: _Ndtri

@overload
def polygamma(n: int, x: Tensor) -> Tensor: ...
@overload
def polygamma(n: int, x: PlainArrayLike) -> Array: ...

class _Xlog1Py(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

xlog1py: _Xlog1Py

@overload
def bessel_j0(x: Tensor) -> Tensor: ...
@overload
def bessel_j0(x: PlainArrayLike) -> Array: ...
@overload
def bessel_j1(x: Tensor) -> Tensor: ...
@overload
def bessel_j1(x: PlainArrayLike) -> Array: ...
@overload
def bessel_y0(x: Tensor) -> Tensor: ...
@overload
def bessel_y0(x: PlainArrayLike) -> Array: ...
@overload
def bessel_y1(x: Tensor) -> Tensor: ...
@overload
def bessel_y1(x: PlainArrayLike) -> Array: ...
@overload
def i0(x: Tensor) -> Tensor: ...
@overload
def i0(x: PlainArrayLike) -> Array: ...
@overload
def i0e(x: Tensor) -> Tensor: ...
@overload
def i0e(x: PlainArrayLike) -> Array: ...
@overload
def i1(x: Tensor) -> Tensor: ...
@overload
def i1(x: PlainArrayLike) -> Array: ...
@overload
def i1e(x: Tensor) -> Tensor: ...
@overload
def i1e(x: PlainArrayLike) -> Array: ...
@overload
def modified_bessel_k0(x: Tensor) -> Tensor: ...
@overload
def modified_bessel_k0(x: PlainArrayLike) -> Array: ...
@overload
def modified_bessel_k1(x: Tensor) -> Tensor: ...
@overload
def modified_bessel_k1(x: PlainArrayLike) -> Array: ...
@overload
def atleast_1d(x: Tensor, /) -> Tensor: ...
@overload
def atleast_1d(x: PlainArrayLike, /) -> Array: ...
@overload
def atleast_1d(*arrays: Tensor) -> tuple[Tensor, ...]: ...
@overload
def atleast_1d(*arrays: Array | float | Sequence[Any]) -> tuple[Array, ...]: ...
@overload
def atleast_1d(*arrays: Tensor | PlainArrayLike) -> tuple[Tensor | Array, ...]: ...
@overload
def atleast_2d(x: Tensor, /) -> Tensor: ...
@overload
def atleast_2d(x: PlainArrayLike, /) -> Array: ...
@overload
def atleast_2d(*arrays: Tensor) -> tuple[Tensor, ...]: ...
@overload
def atleast_2d(*arrays: Array | float | Sequence[Any]) -> tuple[Array, ...]: ...
@overload
def atleast_2d(*arrays: Tensor | PlainArrayLike) -> tuple[Tensor | Array, ...]: ...
@overload
def atleast_3d(x: Tensor, /) -> Tensor: ...
@overload
def atleast_3d(x: PlainArrayLike, /) -> Array: ...
@overload
def atleast_3d(*arrays: Tensor) -> tuple[Tensor, ...]: ...
@overload
def atleast_3d(*arrays: Array | float | Sequence[Any]) -> tuple[Array, ...]: ...
@overload
def atleast_3d(*arrays: Tensor | PlainArrayLike) -> tuple[Tensor | Array, ...]: ...
@overload
def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]: ...
@overload
def broadcast_arrays(*arrays: Array | float | Sequence[Any]) -> tuple[Array, ...]: ...
@overload
def broadcast_arrays(*arrays: Tensor | PlainArrayLike) -> tuple[Tensor | Array, ...]: ...

class _BroadcastTo(Op):
    @overload
    def __call__(self, x: Tensor, /, shape: Any) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, shape: Any) -> Array: ...

broadcast_to: _BroadcastTo

class _ExpandDims(Op):
    @overload
    def __call__(self, x: Tensor, /, axis: Any) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axis: Any) -> Array: ...

expand_dims: _ExpandDims

@overload
def flatten(x: Tensor, /, start_axis: int = 0, end_axis: int = -1) -> Tensor: ...
@overload
def flatten(x: PlainArrayLike, /, start_axis: int = 0, end_axis: int = -1) -> Array: ...

class _Flip(Op):
    @overload
    def __call__(self, x: Tensor, /, axis: Any = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axis: Any = None) -> Array: ...

flip: _Flip

@overload
def fliplr(x: Tensor, /) -> Tensor: ...
@overload
def fliplr(x: PlainArrayLike, /) -> Array: ...
@overload
def flipud(x: Tensor, /) -> Tensor: ...
@overload
def flipud(x: PlainArrayLike, /) -> Array: ...

class _Moveaxis(Op):
    @overload
    def __call__(self, x: Tensor, /, source: Any, destination: Any) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, source: Any, destination: Any) -> Array: ...

moveaxis: _Moveaxis

@overload
def ravel(x: Tensor, /, order: Literal["C", "F"] = "C") -> Tensor: ...
@overload
def ravel(x: PlainArrayLike, /, order: Literal["C", "F"] = "C") -> Array: ...

class _Reshape(Op):
    @overload
    def __call__(self, x: Tensor, /, shape: Any, order: Literal["C", "F"] = "C") -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, shape: Any, order: Literal["C", "F"] = "C") -> Array: ...

reshape: _Reshape

class _Roll(Op):
    @overload
    def __call__(self, x: Tensor, /, shift: Any, axis: Any = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, shift: Any, axis: Any = None) -> Array: ...

roll: _Roll

class _Rot90(Op):
    @overload
    def __call__(self, x: Tensor, /, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array: ...

rot90: _Rot90

class _Squeeze(Op):
    @overload
    def __call__(self, x: Tensor, /, axis: Any = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axis: Any = None) -> Array: ...

squeeze: _Squeeze

class _Swapaxes(Op):
    @overload
    def __call__(self, x: Tensor, /, axis1: int, axis2: int) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axis1: int, axis2: int) -> Array: ...

swapaxes: _Swapaxes

class _Transpose(Op):
    @overload
    def __call__(self, x: Tensor, /, axes: Sequence[int] | None = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axes: Sequence[int] | None = None) -> Array: ...

transpose: _Transpose

@overload
def block(arrays: Tensor | list[Tensor] | list[list[Tensor]]) -> Tensor: ...
@overload
def block(arrays: Array | list[Array] | list[list[Array]]) -> Array: ...
@overload
def block(arrays: Any) -> Array | Tensor: ...
@overload
def column_stack(arrays: Tensor | Sequence[Tensor]) -> Tensor: ...
@overload
def column_stack(arrays: Array | Sequence[Array | float | Sequence[Any]]) -> Array: ...
@overload
def column_stack(arrays: Sequence[Tensor | PlainArrayLike]) -> Tensor: ...
@overload
def concatenate(
    arrays: Tensor | Sequence[Tensor],
    axis: int | None = 0,
    *,
    dtype: DTypeLike | None = None,
    casting: Any = "same_kind",
) -> Tensor: ...
@overload
def concatenate(
    arrays: Array | Sequence[Array | float | Sequence[Any]],
    axis: int | None = 0,
    *,
    dtype: DTypeLike | None = None,
    casting: Any = "same_kind",
) -> Array: ...
@overload
def concatenate(
    arrays: Sequence[Tensor | PlainArrayLike],
    axis: int | None = 0,
    *,
    dtype: DTypeLike | None = None,
    casting: Any = "same_kind",
) -> Tensor: ...
@overload
def dstack(arrays: Tensor | Sequence[Tensor]) -> Tensor: ...
@overload
def dstack(arrays: Array | Sequence[Array | float | Sequence[Any]]) -> Array: ...
@overload
def dstack(arrays: Sequence[Tensor | PlainArrayLike]) -> Tensor: ...
@overload
def hstack(
    arrays: Tensor | Sequence[Tensor], *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor: ...
@overload
def hstack(
    arrays: Array | Sequence[Array | float | Sequence[Any]],
    *,
    dtype: DTypeLike | None = None,
    casting: Any = "same_kind",
) -> Array: ...
@overload
def hstack(
    arrays: Sequence[Tensor | PlainArrayLike], *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor: ...
@overload
def stack(
    arrays: Tensor | Sequence[Tensor], axis: int = 0, *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor: ...
@overload
def stack(
    arrays: Array | Sequence[Array | float | Sequence[Any]],
    axis: int = 0,
    *,
    dtype: DTypeLike | None = None,
    casting: Any = "same_kind",
) -> Array: ...
@overload
def stack(
    arrays: Sequence[Tensor | PlainArrayLike],
    axis: int = 0,
    *,
    dtype: DTypeLike | None = None,
    casting: Any = "same_kind",
) -> Tensor: ...
@overload
def vstack(
    arrays: Tensor | Sequence[Tensor], *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor: ...
@overload
def vstack(
    arrays: Array | Sequence[Array | float | Sequence[Any]],
    *,
    dtype: DTypeLike | None = None,
    casting: Any = "same_kind",
) -> Array: ...
@overload
def vstack(
    arrays: Sequence[Tensor | PlainArrayLike], *, dtype: DTypeLike | None = None, casting: Any = "same_kind"
) -> Tensor: ...
@overload
def array_split(x: Tensor, /, indices_or_sections: Any, axis: int = 0) -> list[Tensor]: ...
@overload
def array_split(x: PlainArrayLike, /, indices_or_sections: Any, axis: int = 0) -> list[Array]: ...
@overload
def dsplit(x: Tensor, /, indices_or_sections: Any) -> list[Tensor]: ...
@overload
def dsplit(x: PlainArrayLike, /, indices_or_sections: Any) -> list[Array]: ...
@overload
def hsplit(x: Tensor, /, indices_or_sections: Any) -> list[Tensor]: ...
@overload
def hsplit(x: PlainArrayLike, /, indices_or_sections: Any) -> list[Array]: ...
@overload
def split(x: Tensor, /, indices_or_sections: Any, axis: int = 0) -> list[Tensor]: ...
@overload
def split(x: PlainArrayLike, /, indices_or_sections: Any, axis: int = 0) -> list[Array]: ...
@overload
def unbind(x: Tensor, /, axis: int = 0) -> tuple[Tensor, ...]: ...
@overload
def unbind(x: PlainArrayLike, /, axis: int = 0) -> tuple[Array, ...]: ...
@overload
def unstack(x: Tensor, /, axis: int = 0) -> tuple[Tensor, ...]: ...
@overload
def unstack(x: PlainArrayLike, /, axis: int = 0) -> tuple[Array, ...]: ...
@overload
def vsplit(x: Tensor, /, indices_or_sections: Any) -> list[Tensor]: ...
@overload
def vsplit(x: PlainArrayLike, /, indices_or_sections: Any) -> list[Array]: ...

class _Getitem(Op):
    @overload
    def __call__(self, x: Tensor, /, index: Any) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, index: Any) -> Array: ...

getitem: _Getitem

@overload
def scatter_add(x: Tensor, index: Any, shape: Any) -> Tensor: ...
@overload
def scatter_add(x: PlainArrayLike, index: Any, shape: Any) -> Array: ...
@overload
def put_along_axis(x: Tensor, indices: ArrayLike, values: Tensor | PlainArrayLike, axis: int | None) -> Tensor: ...
@overload
def put_along_axis(x: PlainArrayLike, indices: ArrayLike, values: Tensor, axis: int | None) -> Tensor: ...
@overload
def put_along_axis(x: PlainArrayLike, indices: ArrayLike, values: PlainArrayLike, axis: int | None) -> Array: ...
@overload
def take(x: Tensor, indices: ArrayLike, axis: int | None = None, mode: str = "raise") -> Tensor: ...
@overload
def take(x: PlainArrayLike, indices: ArrayLike, axis: int | None = None, mode: str = "raise") -> Array: ...
@overload
def take_along_axis(x: Tensor, indices: ArrayLike, axis: int | None = -1) -> Tensor: ...
@overload
def take_along_axis(x: PlainArrayLike, indices: ArrayLike, axis: int | None = -1) -> Array: ...
@overload
def all(x: ArrayLike, axis: None = None, keepdims: Literal[False] = False) -> np.bool: ...
@overload
def all(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array: ...
@overload
def any(x: ArrayLike, axis: None = None, keepdims: Literal[False] = False) -> np.bool: ...
@overload
def any(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array: ...
@overload
def argmax(x: ArrayLike, axis: None = None, keepdims: Literal[False] = False) -> np.intp: ...
@overload
def argmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array: ...
@overload
def argmin(x: ArrayLike, axis: None = None, keepdims: Literal[False] = False) -> np.intp: ...
@overload
def argmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array: ...
def argsort(
    x: ArrayLike, axis: int | None = -1, descending: bool = False, stable: bool | None = None, kind: str | None = None
) -> Array: ...
@overload
def count_nonzero(x: ArrayLike, axis: None = None, keepdims: Literal[False] = False) -> np.intp: ...
@overload
def count_nonzero(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array: ...
def digitize(x: ArrayLike, bins: ArrayLike, right: bool = False) -> Array | np.intp: ...
def flatnonzero(x: ArrayLike) -> Array: ...
def isclose(x: ArrayLike, y: ArrayLike, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Array: ...
def isfinite(x: ArrayLike) -> Array: ...
def isinf(x: ArrayLike) -> Array: ...
def isnan(x: ArrayLike) -> Array: ...
def logical_and(x: ArrayLike, y: ArrayLike) -> Array: ...
def logical_not(x: ArrayLike) -> Array: ...
def logical_or(x: ArrayLike, y: ArrayLike) -> Array: ...
def logical_xor(x: ArrayLike, y: ArrayLike) -> Array: ...
def nonzero(x: ArrayLike) -> tuple[Array, ...]: ...
def one_hot(labels: ArrayLike, num_classes: int | None = None, dtype: DTypeLike = ...) -> Array: ...
def searchsorted(x: ArrayLike, v: ArrayLike, side: str = "left", sorter: Any = None) -> Array: ...
def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, Array]: ...
def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, Array]: ...
@overload
def kthvalue(x: Tensor, k: int, axis: int = -1, keepdims: bool = False) -> tuple[Tensor, Array]: ...
@overload
def kthvalue(x: PlainArrayLike, k: int, axis: int = -1, keepdims: bool = False) -> tuple[Array, Array]: ...
@overload
def sort(
    x: Tensor, axis: int | None = -1, descending: bool = False, stable: bool | None = None, kind: str | None = None
) -> Tensor: ...
@overload
def sort(
    x: PlainArrayLike,
    axis: int | None = -1,
    descending: bool = False,
    stable: bool | None = None,
    kind: str | None = None,
) -> Array: ...
@overload
def topk(x: Tensor, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Tensor, Array]: ...
@overload
def topk(
    x: PlainArrayLike, k: int, axis: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Array, Array]: ...
@overload
def unique(
    x: Tensor,
    return_index: Literal[False] = False,
    return_inverse: Literal[False] = False,
    return_counts: Literal[False] = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Tensor: ...
@overload
def unique(
    x: PlainArrayLike,
    return_index: Literal[False] = False,
    return_inverse: Literal[False] = False,
    return_counts: Literal[False] = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Array: ...
@overload
def unique(
    x: Tensor,
    return_index: Literal[True],
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Tensor, *tuple[Array, ...]]: ...
@overload
def unique(
    x: PlainArrayLike,
    return_index: Literal[True],
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Array, *tuple[Array, ...]]: ...
@overload
def unique(
    x: Tensor,
    return_index: bool,
    return_inverse: Literal[True],
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Tensor, *tuple[Array, ...]]: ...
@overload
def unique(
    x: Tensor,
    return_index: bool = False,
    *,
    return_inverse: Literal[True],
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Tensor, *tuple[Array, ...]]: ...
@overload
def unique(
    x: PlainArrayLike,
    return_index: bool,
    return_inverse: Literal[True],
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Array, *tuple[Array, ...]]: ...
@overload
def unique(
    x: PlainArrayLike,
    return_index: bool = False,
    *,
    return_inverse: Literal[True],
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Array, *tuple[Array, ...]]: ...
@overload
def unique(
    x: Tensor,
    return_index: bool,
    return_inverse: bool,
    return_counts: Literal[True],
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Tensor, *tuple[Array, ...]]: ...
@overload
def unique(
    x: Tensor,
    return_index: bool = False,
    return_inverse: bool = False,
    *,
    return_counts: Literal[True],
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Tensor, *tuple[Array, ...]]: ...
@overload
def unique(
    x: PlainArrayLike,
    return_index: bool,
    return_inverse: bool,
    return_counts: Literal[True],
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Array, *tuple[Array, ...]]: ...
@overload
def unique(
    x: PlainArrayLike,
    return_index: bool = False,
    return_inverse: bool = False,
    *,
    return_counts: Literal[True],
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> tuple[Array, *tuple[Array, ...]]: ...
@overload
def unique(
    x: Tensor,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Tensor | tuple[Tensor, *tuple[Array, ...]]: ...
@overload
def unique(
    x: PlainArrayLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Array | tuple[Array, *tuple[Array, ...]]: ...
@overload
def index_add(
    x: Tensor, axis: int, indices: ArrayLike, source: Tensor | PlainArrayLike, *, alpha: float = 1
) -> Tensor: ...
@overload
def index_add(x: PlainArrayLike, axis: int, indices: ArrayLike, source: Tensor, *, alpha: float = 1) -> Tensor: ...
@overload
def index_add(
    x: PlainArrayLike, axis: int, indices: ArrayLike, source: PlainArrayLike, *, alpha: float = 1
) -> Array: ...
@overload
def scatter_reduce(
    x: Tensor, axis: int, indices: ArrayLike, src: Tensor | PlainArrayLike, reduce: str, include_self: bool = True
) -> Tensor: ...
@overload
def scatter_reduce(
    x: PlainArrayLike, axis: int, indices: ArrayLike, src: Tensor, reduce: str, include_self: bool = True
) -> Tensor: ...
@overload
def scatter_reduce(
    x: PlainArrayLike, axis: int, indices: ArrayLike, src: PlainArrayLike, reduce: str, include_self: bool = True
) -> Array: ...
@overload
def segment_max(data: Tensor, segment_ids: ArrayLike, num_segments: int | None = None) -> Tensor: ...
@overload
def segment_max(data: PlainArrayLike, segment_ids: ArrayLike, num_segments: int | None = None) -> Array: ...
@overload
def segment_min(data: Tensor, segment_ids: ArrayLike, num_segments: int | None = None) -> Tensor: ...
@overload
def segment_min(data: PlainArrayLike, segment_ids: ArrayLike, num_segments: int | None = None) -> Array: ...
@overload
def segment_prod(data: Tensor, segment_ids: ArrayLike, num_segments: int | None = None) -> Tensor: ...
@overload
def segment_prod(data: PlainArrayLike, segment_ids: ArrayLike, num_segments: int | None = None) -> Array: ...
@overload
def segment_sum(data: Tensor, segment_ids: ArrayLike, num_segments: int | None = None) -> Tensor: ...
@overload
def segment_sum(data: PlainArrayLike, segment_ids: ArrayLike, num_segments: int | None = None) -> Array: ...
@overload
def cummax(x: Tensor, axis: int | None = None) -> Tensor: ...
@overload
def cummax(x: PlainArrayLike, axis: int | None = None) -> Array: ...
@overload
def cummin(x: Tensor, axis: int | None = None) -> Tensor: ...
@overload
def cummin(x: PlainArrayLike, axis: int | None = None) -> Array: ...

class _Cumprod(Op):
    @overload
    def __call__(self, x: Tensor, /, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axis: int | None = None, dtype: DTypeLike | None = None) -> Array: ...

cumprod: _Cumprod

class _Cumsum(Op):
    @overload
    def __call__(self, x: Tensor, /, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axis: int | None = None, dtype: DTypeLike | None = None) -> Array: ...

cumsum: _Cumsum

@overload
def diff(
    x: Tensor,
    n: int = 1,
    axis: int = -1,
    prepend: Tensor | PlainArrayLike | None = None,
    append: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def diff(
    x: PlainArrayLike, n: int, axis: int, prepend: Tensor, append: Tensor | PlainArrayLike | None = None
) -> Tensor: ...
@overload
def diff(
    x: PlainArrayLike, n: int = 1, axis: int = -1, *, prepend: Tensor, append: Tensor | PlainArrayLike | None = None
) -> Tensor: ...
@overload
def diff(x: PlainArrayLike, n: int, axis: int, prepend: PlainArrayLike | None, append: Tensor) -> Tensor: ...
@overload
def diff(
    x: PlainArrayLike, n: int = 1, axis: int = -1, prepend: PlainArrayLike | None = None, *, append: Tensor
) -> Tensor: ...
@overload
def diff(
    x: PlainArrayLike,
    n: int = 1,
    axis: int = -1,
    prepend: PlainArrayLike | None = None,
    append: PlainArrayLike | None = None,
) -> Array: ...

class _Logcumsumexp(Op):
    @overload
    def __call__(self, x: Tensor, /, axis: int | None = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axis: int | None = None) -> Array: ...

logcumsumexp: _Logcumsumexp

class _Amax(Op):
    @overload
    def __call__(
        self,
        x: Tensor,
        /,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        initial: float | None = None,
        where: Any = True,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        x: PlainArrayLike,
        /,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        initial: float | None = None,
        where: Any = True,
    ) -> Array: ...

amax: _Amax

class _Amin(Op):
    @overload
    def __call__(
        self,
        x: Tensor,
        /,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        initial: float | None = None,
        where: Any = True,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        x: PlainArrayLike,
        /,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        initial: float | None = None,
        where: Any = True,
    ) -> Array: ...

amin: _Amin

class _Logsumexp(Op):
    @overload
    def __call__(self, x: Tensor, /, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, axis: Axis = None, keepdims: bool = False) -> Array: ...

logsumexp: _Logsumexp

@overload
def max(
    x: Tensor, /, axis: Axis = None, keepdims: bool = False, *, initial: float | None = None, where: Any = True
) -> Tensor: ...
@overload
def max(
    x: PlainArrayLike, /, axis: Axis = None, keepdims: bool = False, *, initial: float | None = None, where: Any = True
) -> Array: ...

class _Mean(Op):
    @overload
    def __call__(self, x: Tensor, /, axis: Axis = None, keepdims: bool = False, *, where: Any = True) -> Tensor: ...
    @overload
    def __call__(
        self, x: PlainArrayLike, /, axis: Axis = None, keepdims: bool = False, *, where: Any = True
    ) -> Array: ...

mean: _Mean

@overload
def min(
    x: Tensor, /, axis: Axis = None, keepdims: bool = False, *, initial: float | None = None, where: Any = True
) -> Tensor: ...
@overload
def min(
    x: PlainArrayLike, /, axis: Axis = None, keepdims: bool = False, *, initial: float | None = None, where: Any = True
) -> Array: ...
@overload
def nanmean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
@overload
def nanmean(x: PlainArrayLike, axis: Axis = None, keepdims: bool = False) -> Array: ...
@overload
def nansum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
@overload
def nansum(x: PlainArrayLike, axis: Axis = None, keepdims: bool = False) -> Array: ...

class _Prod(Op):
    @overload
    def __call__(
        self,
        x: Tensor,
        /,
        axis: Axis = None,
        keepdims: bool = False,
        dtype: DTypeLike | None = None,
        *,
        initial: float | None = None,
        where: Any = True,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        x: PlainArrayLike,
        /,
        axis: Axis = None,
        keepdims: bool = False,
        dtype: DTypeLike | None = None,
        *,
        initial: float | None = None,
        where: Any = True,
    ) -> Array: ...

prod: _Prod

@overload
def ptp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
@overload
def ptp(x: PlainArrayLike, axis: Axis = None, keepdims: bool = False) -> Array: ...

class _Sum(Op):
    @overload
    def __call__(
        self,
        x: Tensor,
        /,
        axis: Axis = None,
        keepdims: bool = False,
        dtype: DTypeLike | None = None,
        *,
        initial: float | None = None,
        where: Any = True,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        x: PlainArrayLike,
        /,
        axis: Axis = None,
        keepdims: bool = False,
        dtype: DTypeLike | None = None,
        *,
        initial: float | None = None,
        where: Any = True,
    ) -> Array: ...

sum: _Sum

class _Std(Op):
    @overload
    def __call__(
        self, x: Tensor, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True
    ) -> Tensor: ...
    @overload
    def __call__(
        self, x: PlainArrayLike, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True
    ) -> Array: ...

std: _Std

class _Var(Op):
    @overload
    def __call__(
        self, x: Tensor, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True
    ) -> Tensor: ...
    @overload
    def __call__(
        self, x: PlainArrayLike, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True
    ) -> Array: ...

var: _Var

@overload
def average(
    x: Tensor,
    axis: Axis = None,
    weights: Tensor | PlainArrayLike | None = None,
    returned: Literal[False] = False,
    keepdims: bool = False,
) -> Tensor: ...
@overload
def average(
    x: PlainArrayLike, axis: Axis, weights: Tensor, returned: Literal[False] = False, keepdims: bool = False
) -> Tensor: ...
@overload
def average(
    x: PlainArrayLike, axis: Axis = None, *, weights: Tensor, returned: Literal[False] = False, keepdims: bool = False
) -> Tensor: ...
@overload
def average(
    x: PlainArrayLike,
    axis: Axis = None,
    weights: PlainArrayLike | None = None,
    returned: Literal[False] = False,
    keepdims: bool = False,
) -> Array: ...
@overload
def average(
    x: Tensor, axis: Axis, weights: Tensor | PlainArrayLike | None, returned: Literal[True], keepdims: bool = False
) -> tuple[Tensor, Array | Tensor]: ...
@overload
def average(
    x: Tensor,
    axis: Axis = None,
    weights: Tensor | PlainArrayLike | None = None,
    *,
    returned: Literal[True],
    keepdims: bool = False,
) -> tuple[Tensor, Array | Tensor]: ...
@overload
def average(
    x: PlainArrayLike, axis: Axis, weights: Tensor, returned: Literal[True], keepdims: bool = False
) -> tuple[Tensor, Array | Tensor]: ...
@overload
def average(
    x: PlainArrayLike, axis: Axis = None, *, weights: Tensor, returned: Literal[True], keepdims: bool = False
) -> tuple[Tensor, Array | Tensor]: ...
@overload
def average(
    x: PlainArrayLike, axis: Axis, weights: PlainArrayLike | None, returned: Literal[True], keepdims: bool = False
) -> tuple[Array, Array | Tensor]: ...
@overload
def average(
    x: PlainArrayLike,
    axis: Axis = None,
    weights: PlainArrayLike | None = None,
    *,
    returned: Literal[True],
    keepdims: bool = False,
) -> tuple[Array, Array | Tensor]: ...
@overload
def average(
    x: Tensor,
    axis: Axis = None,
    weights: Tensor | PlainArrayLike | None = None,
    returned: bool = False,
    keepdims: bool = False,
) -> Tensor | tuple[Tensor, Array | Tensor]: ...
@overload
def average(
    x: PlainArrayLike, axis: Axis, weights: Tensor, returned: bool = False, keepdims: bool = False
) -> Tensor | tuple[Tensor, Array | Tensor]: ...
@overload
def average(
    x: PlainArrayLike, axis: Axis = None, *, weights: Tensor, returned: bool = False, keepdims: bool = False
) -> Tensor | tuple[Tensor, Array | Tensor]: ...
@overload
def average(
    x: PlainArrayLike,
    axis: Axis = None,
    weights: PlainArrayLike | None = None,
    returned: bool = False,
    keepdims: bool = False,
) -> Array | tuple[Array, Array | Tensor]: ...
@overload
def median(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
@overload
def median(x: PlainArrayLike, axis: Axis = None, keepdims: bool = False) -> Array: ...
@overload
def nanmedian(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
@overload
def nanmedian(x: PlainArrayLike, axis: Axis = None, keepdims: bool = False) -> Array: ...
@overload
def nanquantile(
    x: Tensor, q: Tensor | PlainArrayLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor: ...
@overload
def nanquantile(
    x: PlainArrayLike, q: Tensor, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor: ...
@overload
def nanquantile(
    x: PlainArrayLike, q: PlainArrayLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Array: ...
@overload
def percentile(
    x: Tensor, q: Tensor | PlainArrayLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor: ...
@overload
def percentile(
    x: PlainArrayLike, q: Tensor, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor: ...
@overload
def percentile(
    x: PlainArrayLike, q: PlainArrayLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Array: ...
@overload
def quantile(
    x: Tensor, q: Tensor | PlainArrayLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor: ...
@overload
def quantile(
    x: PlainArrayLike, q: Tensor, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor: ...
@overload
def quantile(
    x: PlainArrayLike, q: PlainArrayLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Array: ...
@overload
def cumulative_trapezoid(
    y: Tensor,
    x: Tensor | PlainArrayLike | None = None,
    dx: Tensor | PlainArrayLike = 1.0,
    axis: int = -1,
    initial: float | None = None,
) -> Tensor: ...
@overload
def cumulative_trapezoid(
    y: PlainArrayLike, x: Tensor, dx: Tensor | PlainArrayLike = 1.0, axis: int = -1, initial: float | None = None
) -> Tensor: ...
@overload
def cumulative_trapezoid(
    y: PlainArrayLike, x: PlainArrayLike | None, dx: Tensor, axis: int = -1, initial: float | None = None
) -> Tensor: ...
@overload
def cumulative_trapezoid(
    y: PlainArrayLike, x: PlainArrayLike | None = None, *, dx: Tensor, axis: int = -1, initial: float | None = None
) -> Tensor: ...
@overload
def cumulative_trapezoid(
    y: PlainArrayLike,
    x: PlainArrayLike | None = None,
    dx: PlainArrayLike = 1.0,
    axis: int = -1,
    initial: float | None = None,
) -> Array: ...
@overload
def gradient(
    f: Tensor, *varargs: Tensor | PlainArrayLike, axis: Any = None, edge_order: int = 1
) -> Tensor | tuple[Tensor, ...]: ...
@overload
def gradient(
    f: PlainArrayLike, *varargs: Tensor, axis: Any = None, edge_order: int = 1
) -> Tensor | tuple[Tensor, ...]: ...
@overload
def gradient(
    f: PlainArrayLike, *varargs: Array | float | Sequence[Any], axis: Any = None, edge_order: int = 1
) -> Array | tuple[Array, ...]: ...
@overload
def interp(
    x: Tensor,
    xp: Tensor | PlainArrayLike,
    fp: Tensor | PlainArrayLike,
    left: Tensor | PlainArrayLike | None = None,
    right: Tensor | PlainArrayLike | None = None,
    period: float | None = None,
) -> Tensor: ...
@overload
def interp(
    x: PlainArrayLike,
    xp: Tensor,
    fp: Tensor | PlainArrayLike,
    left: Tensor | PlainArrayLike | None = None,
    right: Tensor | PlainArrayLike | None = None,
    period: float | None = None,
) -> Tensor: ...
@overload
def interp(
    x: PlainArrayLike,
    xp: PlainArrayLike,
    fp: Tensor,
    left: Tensor | PlainArrayLike | None = None,
    right: Tensor | PlainArrayLike | None = None,
    period: float | None = None,
) -> Tensor: ...
@overload
def interp(
    x: PlainArrayLike,
    xp: PlainArrayLike,
    fp: PlainArrayLike,
    left: Tensor,
    right: Tensor | PlainArrayLike | None = None,
    period: float | None = None,
) -> Tensor: ...
@overload
def interp(
    x: PlainArrayLike,
    xp: PlainArrayLike,
    fp: PlainArrayLike,
    left: PlainArrayLike | None,
    right: Tensor,
    period: float | None = None,
) -> Tensor: ...
@overload
def interp(
    x: PlainArrayLike,
    xp: PlainArrayLike,
    fp: PlainArrayLike,
    left: PlainArrayLike | None = None,
    *,
    right: Tensor,
    period: float | None = None,
) -> Tensor: ...
@overload
def interp(
    x: PlainArrayLike,
    xp: PlainArrayLike,
    fp: PlainArrayLike,
    left: PlainArrayLike | None = None,
    right: PlainArrayLike | None = None,
    period: float | None = None,
) -> Array: ...
@overload
def trapezoid(
    y: Tensor, x: Tensor | PlainArrayLike | None = None, dx: Tensor | PlainArrayLike = 1.0, axis: int = -1
) -> Tensor: ...
@overload
def trapezoid(y: PlainArrayLike, x: Tensor, dx: Tensor | PlainArrayLike = 1.0, axis: int = -1) -> Tensor: ...
@overload
def trapezoid(y: PlainArrayLike, x: PlainArrayLike | None, dx: Tensor, axis: int = -1) -> Tensor: ...
@overload
def trapezoid(y: PlainArrayLike, x: PlainArrayLike | None = None, *, dx: Tensor, axis: int = -1) -> Tensor: ...
@overload
def trapezoid(
    y: PlainArrayLike, x: PlainArrayLike | None = None, dx: PlainArrayLike = 1.0, axis: int = -1
) -> Array: ...
@overload
def bincount(x: ArrayLike, weights: Tensor, minlength: int = 0) -> Tensor: ...
@overload
def bincount(x: ArrayLike, weights: PlainArrayLike | None = None, minlength: int = 0) -> Array: ...
@overload
def histogram(
    a: ArrayLike, bins: Any, range: tuple[float, float] | None, density: bool | None, weights: Tensor
) -> tuple[Tensor, Array]: ...
@overload
def histogram(
    a: ArrayLike,
    bins: Any = 10,
    range: tuple[float, float] | None = None,
    density: bool | None = None,
    *,
    weights: Tensor,
) -> tuple[Tensor, Array]: ...
@overload
def histogram(
    a: ArrayLike,
    bins: Any = 10,
    range: tuple[float, float] | None = None,
    density: bool | None = None,
    weights: PlainArrayLike | None = None,
) -> tuple[Array, Array]: ...
@overload
def meshgrid(*arrays: Tensor, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Tensor, ...]: ...
@overload
def meshgrid(
    *arrays: Array | float | Sequence[Any], copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Array, ...]: ...
@overload
def meshgrid(
    *arrays: Tensor | PlainArrayLike, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Tensor | Array, ...]: ...

class _Repeat(Op):
    @overload
    def __call__(self, x: Tensor, /, repeats: Any, axis: int | None = None) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, repeats: Any, axis: int | None = None) -> Array: ...

repeat: _Repeat

class _Tile(Op):
    @overload
    def __call__(self, x: Tensor, /, reps: Any) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, reps: Any) -> Array: ...

tile: _Tile

@overload
def pad(
    x: Tensor, /, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, reflect_type: str = "even"
) -> Tensor: ...
@overload
def pad(
    x: PlainArrayLike,
    /,
    pad_width: Any,
    mode: str = "constant",
    *,
    constant_values: Any = 0,
    reflect_type: str = "even",
) -> Array: ...
@overload
def bilinear(
    x1: Tensor,
    x2: Tensor | PlainArrayLike,
    weight: Tensor | PlainArrayLike,
    bias: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def bilinear(
    x1: PlainArrayLike, x2: Tensor, weight: Tensor | PlainArrayLike, bias: Tensor | PlainArrayLike | None = None
) -> Tensor: ...
@overload
def bilinear(
    x1: PlainArrayLike, x2: PlainArrayLike, weight: Tensor, bias: Tensor | PlainArrayLike | None = None
) -> Tensor: ...
@overload
def bilinear(x1: PlainArrayLike, x2: PlainArrayLike, weight: PlainArrayLike, bias: Tensor) -> Tensor: ...
@overload
def bilinear(
    x1: PlainArrayLike, x2: PlainArrayLike, weight: PlainArrayLike, bias: PlainArrayLike | None = None
) -> Array: ...
@overload
def bmm(x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def bmm(x: PlainArrayLike, y: Tensor) -> Tensor: ...
@overload
def bmm(x: PlainArrayLike, y: PlainArrayLike) -> Array: ...
@overload
def dot(x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def dot(x: PlainArrayLike, y: Tensor) -> Tensor: ...
@overload
def dot(x: PlainArrayLike, y: PlainArrayLike) -> Array: ...
@overload
def inner(x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def inner(x: PlainArrayLike, y: Tensor) -> Tensor: ...
@overload
def inner(x: PlainArrayLike, y: PlainArrayLike) -> Array: ...
@overload
def kron(x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def kron(x: PlainArrayLike, y: Tensor) -> Tensor: ...
@overload
def kron(x: PlainArrayLike, y: PlainArrayLike) -> Array: ...
@overload
def linear(x: Tensor, weight: Tensor | PlainArrayLike, bias: Tensor | PlainArrayLike | None = None) -> Tensor: ...
@overload
def linear(x: PlainArrayLike, weight: Tensor, bias: Tensor | PlainArrayLike | None = None) -> Tensor: ...
@overload
def linear(x: PlainArrayLike, weight: PlainArrayLike, bias: Tensor) -> Tensor: ...
@overload
def linear(x: PlainArrayLike, weight: PlainArrayLike, bias: PlainArrayLike | None = None) -> Array: ...

class _Matmul(Op):
    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike) -> Array: ...

matmul: _Matmul

@overload
def outer(x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def outer(x: PlainArrayLike, y: Tensor) -> Tensor: ...
@overload
def outer(x: PlainArrayLike, y: PlainArrayLike) -> Array: ...
@overload
def tensordot(x: Tensor, y: Tensor | PlainArrayLike, axes: Any = 2) -> Tensor: ...
@overload
def tensordot(x: PlainArrayLike, y: Tensor, axes: Any = 2) -> Tensor: ...
@overload
def tensordot(x: PlainArrayLike, y: PlainArrayLike, axes: Any = 2) -> Array: ...
@overload
def vdot(x: Tensor, y: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def vdot(x: PlainArrayLike, y: Tensor) -> Tensor: ...
@overload
def vdot(x: PlainArrayLike, y: PlainArrayLike) -> Array: ...
@overload
def einsum(subscripts: str, /, *operands: Tensor, optimize: bool | str | list[Any] = True) -> Tensor: ...
@overload
def einsum(
    subscripts: str, /, *operands: Array | float | Sequence[Any], optimize: bool | str | list[Any] = True
) -> Array: ...
@overload
def einsum(
    subscripts: str, /, *operands: Tensor | PlainArrayLike, optimize: bool | str | list[Any] = True
) -> Tensor: ...
@overload
def einsum(*operands: Any, optimize: Any = True) -> Array | Tensor: ...
@overload
def block_diag(*arrays: Tensor) -> Tensor: ...
@overload
def block_diag(*arrays: Array | float | Sequence[Any]) -> Array: ...
@overload
def block_diag(*arrays: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def cross(
    a: Tensor, b: Tensor | PlainArrayLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor: ...
@overload
def cross(
    a: PlainArrayLike, b: Tensor, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor: ...
@overload
def cross(
    a: PlainArrayLike, b: PlainArrayLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array: ...
@overload
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor: ...
@overload
def vander(x: PlainArrayLike, N: int | None = None, increasing: bool = False) -> Array: ...
@overload
def vecdot(x1: Tensor, x2: Tensor | PlainArrayLike, axis: int = -1) -> Tensor: ...
@overload
def vecdot(x1: PlainArrayLike, x2: Tensor, axis: int = -1) -> Tensor: ...
@overload
def vecdot(x1: PlainArrayLike, x2: PlainArrayLike, axis: int = -1) -> Array: ...
@overload
def diag(x: Tensor, /, k: int = 0) -> Tensor: ...
@overload
def diag(x: PlainArrayLike, /, k: int = 0) -> Array: ...
@overload
def diag_embed(x: Tensor, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Tensor: ...
@overload
def diag_embed(x: PlainArrayLike, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Array: ...
@overload
def diagflat(x: Tensor, /, k: int = 0) -> Tensor: ...
@overload
def diagflat(x: PlainArrayLike, /, k: int = 0) -> Array: ...

class _Diagonal(Op):
    @overload
    def __call__(self, x: Tensor, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array: ...

diagonal: _Diagonal

@overload
def trace(x: Tensor, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None) -> Tensor: ...
@overload
def trace(
    x: PlainArrayLike, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None
) -> Array: ...
@overload
def tril(x: Tensor, /, k: int = 0) -> Tensor: ...
@overload
def tril(x: PlainArrayLike, /, k: int = 0) -> Array: ...
@overload
def triu(x: Tensor, /, k: int = 0) -> Tensor: ...
@overload
def triu(x: PlainArrayLike, /, k: int = 0) -> Array: ...
@overload
def corrcoef(x: Tensor, y: Tensor | PlainArrayLike | None = None, rowvar: bool = True) -> Tensor: ...
@overload
def corrcoef(x: PlainArrayLike, y: Tensor, rowvar: bool = True) -> Tensor: ...
@overload
def corrcoef(x: PlainArrayLike, y: PlainArrayLike | None = None, rowvar: bool = True) -> Array: ...
@overload
def cov(
    m: Tensor,
    y: Tensor | PlainArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: Tensor | PlainArrayLike | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Tensor: ...
@overload
def cov(
    m: PlainArrayLike,
    y: Tensor,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: Tensor | PlainArrayLike | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Tensor: ...
@overload
def cov(
    m: PlainArrayLike,
    y: PlainArrayLike | None,
    rowvar: bool,
    bias: bool,
    ddof: int | None,
    fweights: ArrayLike | None,
    aweights: Tensor,
    *,
    dtype: DTypeLike | None = None,
) -> Tensor: ...
@overload
def cov(
    m: PlainArrayLike,
    y: PlainArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    *,
    aweights: Tensor,
    dtype: DTypeLike | None = None,
) -> Tensor: ...
@overload
def cov(
    m: PlainArrayLike,
    y: PlainArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: PlainArrayLike | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Array: ...
@overload
def cdist(x1: Tensor, x2: Tensor | PlainArrayLike, p: float = 2.0) -> Tensor: ...
@overload
def cdist(x1: PlainArrayLike, x2: Tensor, p: float = 2.0) -> Tensor: ...
@overload
def cdist(x1: PlainArrayLike, x2: PlainArrayLike, p: float = 2.0) -> Array: ...
@overload
def pdist(x: Tensor, p: float = 2.0) -> Tensor: ...
@overload
def pdist(x: PlainArrayLike, p: float = 2.0) -> Array: ...

class _Col2Im(Op):
    @overload
    def __call__(
        self,
        columns: Tensor,
        /,
        output_size: tuple[int, int],
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        columns: PlainArrayLike,
        /,
        output_size: tuple[int, int],
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
    ) -> Array: ...

col2im: _Col2Im

@overload
def fold(
    columns: Tensor, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Tensor: ...
@overload
def fold(
    columns: PlainArrayLike,
    output_size: Pair,
    kernel_size: Pair,
    dilation: Pair = 1,
    padding: Pair = 0,
    stride: Pair = 1,
) -> Array: ...

class _Im2Col(Op):
    @overload
    def __call__(
        self, x: Tensor, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
    ) -> Tensor: ...
    @overload
    def __call__(
        self, x: PlainArrayLike, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
    ) -> Array: ...

im2col: _Im2Col

@overload
def unfold(x: Tensor, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Tensor: ...
@overload
def unfold(x: PlainArrayLike, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Array: ...
@overload
def conv1d(
    x: Tensor,
    weight: Tensor | PlainArrayLike,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Row = 1,
    padding: Row | str = 0,
    dilation: Row = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv1d(
    x: PlainArrayLike,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Row = 1,
    padding: Row | str = 0,
    dilation: Row = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv1d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: Tensor,
    stride: Row = 1,
    padding: Row | str = 0,
    dilation: Row = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv1d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: PlainArrayLike | None = None,
    stride: Row = 1,
    padding: Row | str = 0,
    dilation: Row = 1,
    groups: int = 1,
) -> Array: ...
@overload
def conv2d(
    x: Tensor,
    weight: Tensor | PlainArrayLike,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv2d(
    x: PlainArrayLike,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv2d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: Tensor,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv2d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: PlainArrayLike | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array: ...
@overload
def conv3d(
    x: Tensor,
    weight: Tensor | PlainArrayLike,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Triple = 1,
    padding: Triple | str = 0,
    dilation: Triple = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv3d(
    x: PlainArrayLike,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Triple = 1,
    padding: Triple | str = 0,
    dilation: Triple = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv3d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: Tensor,
    stride: Triple = 1,
    padding: Triple | str = 0,
    dilation: Triple = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv3d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: PlainArrayLike | None = None,
    stride: Triple = 1,
    padding: Triple | str = 0,
    dilation: Triple = 1,
    groups: int = 1,
) -> Array: ...
@overload
def conv_transpose1d(
    x: Tensor,
    weight: Tensor | PlainArrayLike,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Row = 1,
    padding: Row = 0,
    output_padding: Row = 0,
    groups: int = 1,
    dilation: Row = 1,
) -> Tensor: ...
@overload
def conv_transpose1d(
    x: PlainArrayLike,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Row = 1,
    padding: Row = 0,
    output_padding: Row = 0,
    groups: int = 1,
    dilation: Row = 1,
) -> Tensor: ...
@overload
def conv_transpose1d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: Tensor,
    stride: Row = 1,
    padding: Row = 0,
    output_padding: Row = 0,
    groups: int = 1,
    dilation: Row = 1,
) -> Tensor: ...
@overload
def conv_transpose1d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: PlainArrayLike | None = None,
    stride: Row = 1,
    padding: Row = 0,
    output_padding: Row = 0,
    groups: int = 1,
    dilation: Row = 1,
) -> Array: ...
@overload
def conv_transpose2d(
    x: Tensor,
    weight: Tensor | PlainArrayLike,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor: ...
@overload
def conv_transpose2d(
    x: PlainArrayLike,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor: ...
@overload
def conv_transpose2d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: Tensor,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor: ...
@overload
def conv_transpose2d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: PlainArrayLike | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Array: ...
@overload
def conv_transpose3d(
    x: Tensor,
    weight: Tensor | PlainArrayLike,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Triple = 1,
    padding: Triple = 0,
    output_padding: Triple = 0,
    groups: int = 1,
    dilation: Triple = 1,
) -> Tensor: ...
@overload
def conv_transpose3d(
    x: PlainArrayLike,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    stride: Triple = 1,
    padding: Triple = 0,
    output_padding: Triple = 0,
    groups: int = 1,
    dilation: Triple = 1,
) -> Tensor: ...
@overload
def conv_transpose3d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: Tensor,
    stride: Triple = 1,
    padding: Triple = 0,
    output_padding: Triple = 0,
    groups: int = 1,
    dilation: Triple = 1,
) -> Tensor: ...
@overload
def conv_transpose3d(
    x: PlainArrayLike,
    weight: PlainArrayLike,
    bias: PlainArrayLike | None = None,
    stride: Triple = 1,
    padding: Triple = 0,
    output_padding: Triple = 0,
    groups: int = 1,
    dilation: Triple = 1,
) -> Array: ...
@overload
def avg_pool1d(
    x: Tensor,
    kernel_size: Row,
    stride: Row | None = None,
    padding: Row = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor: ...
@overload
def avg_pool1d(
    x: PlainArrayLike,
    kernel_size: Row,
    stride: Row | None = None,
    padding: Row = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array: ...
@overload
def avg_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor: ...
@overload
def avg_pool2d(
    x: PlainArrayLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array: ...
@overload
def avg_pool3d(
    x: Tensor,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor: ...
@overload
def avg_pool3d(
    x: PlainArrayLike,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array: ...
@overload
def max_pool1d(
    x: Tensor,
    kernel_size: Row,
    stride: Row | None = None,
    padding: Row = 0,
    dilation: Row = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Tensor: ...
@overload
def max_pool1d(
    x: PlainArrayLike,
    kernel_size: Row,
    stride: Row | None = None,
    padding: Row = 0,
    dilation: Row = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Array: ...
@overload
def max_pool1d(
    x: Tensor,
    kernel_size: Row,
    stride: Row | None,
    padding: Row,
    dilation: Row,
    ceil_mode: bool,
    return_indices: Literal[True],
) -> tuple[Tensor, Array]: ...
@overload
def max_pool1d(
    x: Tensor,
    kernel_size: Row,
    stride: Row | None = None,
    padding: Row = 0,
    dilation: Row = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Tensor, Array]: ...
@overload
def max_pool1d(
    x: PlainArrayLike,
    kernel_size: Row,
    stride: Row | None,
    padding: Row,
    dilation: Row,
    ceil_mode: bool,
    return_indices: Literal[True],
) -> tuple[Array, Array]: ...
@overload
def max_pool1d(
    x: PlainArrayLike,
    kernel_size: Row,
    stride: Row | None = None,
    padding: Row = 0,
    dilation: Row = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Array, Array]: ...
@overload
def max_pool1d(
    x: Tensor,
    kernel_size: Row,
    stride: Row | None = None,
    padding: Row = 0,
    dilation: Row = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Array]: ...
@overload
def max_pool1d(
    x: PlainArrayLike,
    kernel_size: Row,
    stride: Row | None = None,
    padding: Row = 0,
    dilation: Row = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]: ...
@overload
def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Tensor: ...
@overload
def max_pool2d(
    x: PlainArrayLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Array: ...
@overload
def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
    return_indices: Literal[True],
) -> tuple[Tensor, Array]: ...
@overload
def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Tensor, Array]: ...
@overload
def max_pool2d(
    x: PlainArrayLike,
    kernel_size: Pair,
    stride: Pair | None,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
    return_indices: Literal[True],
) -> tuple[Array, Array]: ...
@overload
def max_pool2d(
    x: PlainArrayLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Array, Array]: ...
@overload
def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Array]: ...
@overload
def max_pool2d(
    x: PlainArrayLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]: ...
@overload
def max_pool3d(
    x: Tensor,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    dilation: Triple = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Tensor: ...
@overload
def max_pool3d(
    x: PlainArrayLike,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    dilation: Triple = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Array: ...
@overload
def max_pool3d(
    x: Tensor,
    kernel_size: Triple,
    stride: Triple | None,
    padding: Triple,
    dilation: Triple,
    ceil_mode: bool,
    return_indices: Literal[True],
) -> tuple[Tensor, Array]: ...
@overload
def max_pool3d(
    x: Tensor,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    dilation: Triple = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Tensor, Array]: ...
@overload
def max_pool3d(
    x: PlainArrayLike,
    kernel_size: Triple,
    stride: Triple | None,
    padding: Triple,
    dilation: Triple,
    ceil_mode: bool,
    return_indices: Literal[True],
) -> tuple[Array, Array]: ...
@overload
def max_pool3d(
    x: PlainArrayLike,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    dilation: Triple = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Array, Array]: ...
@overload
def max_pool3d(
    x: Tensor,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    dilation: Triple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Array]: ...
@overload
def max_pool3d(
    x: PlainArrayLike,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    dilation: Triple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]: ...
@overload
def channel_shuffle(x: Tensor, groups: int) -> Tensor: ...
@overload
def channel_shuffle(x: PlainArrayLike, groups: int) -> Array: ...
@overload
def interpolate(
    x: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor: ...
@overload
def interpolate(
    x: PlainArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array: ...
@overload
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor: ...
@overload
def pixel_shuffle(x: PlainArrayLike, upscale_factor: int) -> Array: ...
@overload
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor: ...
@overload
def pixel_unshuffle(x: PlainArrayLike, downscale_factor: int) -> Array: ...
@overload
def adaptive_avg_pool1d(x: Tensor, output_size: OutputSize) -> Tensor: ...
@overload
def adaptive_avg_pool1d(x: PlainArrayLike, output_size: OutputSize) -> Array: ...
@overload
def adaptive_avg_pool2d(x: Tensor, output_size: OutputSize) -> Tensor: ...
@overload
def adaptive_avg_pool2d(x: PlainArrayLike, output_size: OutputSize) -> Array: ...
@overload
def adaptive_avg_pool3d(x: Tensor, output_size: OutputSize) -> Tensor: ...
@overload
def adaptive_avg_pool3d(x: PlainArrayLike, output_size: OutputSize) -> Array: ...
@overload
def adaptive_max_pool1d(x: Tensor, output_size: OutputSize, return_indices: Literal[False] = False) -> Tensor: ...
@overload
def adaptive_max_pool1d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: Literal[False] = False
) -> Array: ...
@overload
def adaptive_max_pool1d(x: Tensor, output_size: OutputSize, return_indices: Literal[True]) -> tuple[Tensor, Array]: ...
@overload
def adaptive_max_pool1d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: Literal[True]
) -> tuple[Array, Array]: ...
@overload
def adaptive_max_pool1d(
    x: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Tensor | tuple[Tensor, Array]: ...
@overload
def adaptive_max_pool1d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: bool = False
) -> Array | tuple[Array, Array]: ...
@overload
def adaptive_max_pool2d(x: Tensor, output_size: OutputSize, return_indices: Literal[False] = False) -> Tensor: ...
@overload
def adaptive_max_pool2d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: Literal[False] = False
) -> Array: ...
@overload
def adaptive_max_pool2d(x: Tensor, output_size: OutputSize, return_indices: Literal[True]) -> tuple[Tensor, Array]: ...
@overload
def adaptive_max_pool2d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: Literal[True]
) -> tuple[Array, Array]: ...
@overload
def adaptive_max_pool2d(
    x: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Tensor | tuple[Tensor, Array]: ...
@overload
def adaptive_max_pool2d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: bool = False
) -> Array | tuple[Array, Array]: ...
@overload
def adaptive_max_pool3d(x: Tensor, output_size: OutputSize, return_indices: Literal[False] = False) -> Tensor: ...
@overload
def adaptive_max_pool3d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: Literal[False] = False
) -> Array: ...
@overload
def adaptive_max_pool3d(x: Tensor, output_size: OutputSize, return_indices: Literal[True]) -> tuple[Tensor, Array]: ...
@overload
def adaptive_max_pool3d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: Literal[True]
) -> tuple[Array, Array]: ...
@overload
def adaptive_max_pool3d(
    x: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Tensor | tuple[Tensor, Array]: ...
@overload
def adaptive_max_pool3d(
    x: PlainArrayLike, output_size: OutputSize, return_indices: bool = False
) -> Array | tuple[Array, Array]: ...
@overload
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor: ...
@overload
def affine_grid(theta: PlainArrayLike, size: Sequence[int], align_corners: bool = False) -> Array: ...
@overload
def grid_sample(
    x: Tensor,
    grid: Tensor | PlainArrayLike,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Tensor: ...
@overload
def grid_sample(
    x: PlainArrayLike, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> Tensor: ...
@overload
def grid_sample(
    x: PlainArrayLike,
    grid: PlainArrayLike,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Array: ...
@overload
def celu(x: Tensor, alpha: float = 1.0) -> Tensor: ...
@overload
def celu(x: PlainArrayLike, alpha: float = 1.0) -> Array: ...
@overload
def elu(x: Tensor, alpha: float = 1.0) -> Tensor: ...
@overload
def elu(x: PlainArrayLike, alpha: float = 1.0) -> Array: ...
@overload
def gelu(x: Tensor, approximate: str = "none") -> Tensor: ...
@overload
def gelu(x: PlainArrayLike, approximate: str = "none") -> Array: ...
@overload
def glu(x: Tensor, axis: int = -1) -> Tensor: ...
@overload
def glu(x: PlainArrayLike, axis: int = -1) -> Array: ...
@overload
def hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor: ...
@overload
def hardshrink(x: PlainArrayLike, lambd: float = 0.5) -> Array: ...

class _Hardsigmoid(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

hardsigmoid: _Hardsigmoid

class _Hardswish(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

hardswish: _Hardswish

class _Hardtanh(Op):
    @overload
    def __call__(self, x: Tensor, /, min_val: float = -1.0, max_val: float = 1.0) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, min_val: float = -1.0, max_val: float = 1.0) -> Array: ...

hardtanh: _Hardtanh

@overload
def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor: ...
@overload
def leaky_relu(x: PlainArrayLike, negative_slope: float = 0.01) -> Array: ...
@overload
def mish(x: Tensor) -> Tensor: ...
@overload
def mish(x: PlainArrayLike) -> Array: ...
@overload
def prelu(x: Tensor, weight: Tensor | PlainArrayLike) -> Tensor: ...
@overload
def prelu(x: PlainArrayLike, weight: Tensor) -> Tensor: ...
@overload
def prelu(x: PlainArrayLike, weight: PlainArrayLike) -> Array: ...

class _Relu(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

relu: _Relu

@overload
def relu6(x: Tensor) -> Tensor: ...
@overload
def relu6(x: PlainArrayLike) -> Array: ...
@overload
def selu(x: Tensor) -> Tensor: ...
@overload
def selu(x: PlainArrayLike) -> Array: ...
@overload
def silu(x: Tensor) -> Tensor: ...
@overload
def silu(x: PlainArrayLike) -> Array: ...
@overload
def softshrink(x: Tensor, lambd: float = 0.5) -> Tensor: ...
@overload
def softshrink(x: PlainArrayLike, lambd: float = 0.5) -> Array: ...

class _Softsign(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

softsign: _Softsign

class _Tanhshrink(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

tanhshrink: _Tanhshrink

class _Threshold(Op):
    @overload
    def __call__(self, x: Tensor, /, threshold: float, value: float) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, /, threshold: float, value: float) -> Array: ...

threshold: _Threshold

@overload
def log_softmax(x: Tensor, axis: int = -1, dtype: DTypeLike | None = None) -> Tensor: ...
@overload
def log_softmax(x: PlainArrayLike, axis: int = -1, dtype: DTypeLike | None = None) -> Array: ...
@overload
def softmax(x: Tensor, axis: int = -1, dtype: DTypeLike | None = None) -> Tensor: ...
@overload
def softmax(x: PlainArrayLike, axis: int = -1, dtype: DTypeLike | None = None) -> Array: ...
@overload
def softmin(x: Tensor, axis: int = -1, dtype: DTypeLike | None = None) -> Tensor: ...
@overload
def softmin(x: PlainArrayLike, axis: int = -1, dtype: DTypeLike | None = None) -> Array: ...
@overload
def cross_entropy(
    input: Tensor,
    target: PlainArrayLike,
    weight: Tensor | PlainArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor: ...
@overload
def cross_entropy(
    input: PlainArrayLike,
    target: PlainArrayLike,
    weight: Tensor,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor: ...
@overload
def cross_entropy(
    input: PlainArrayLike,
    target: PlainArrayLike,
    weight: PlainArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array: ...
@overload
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | PlainArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor: ...
@overload
def cross_entropy(
    input: PlainArrayLike,
    target: Tensor,
    weight: Tensor | PlainArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array | Tensor: ...
@overload
def batch_norm(
    x: Tensor,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: Tensor | PlainArrayLike | None = None,
    bias: Tensor | PlainArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def batch_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def batch_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: PlainArrayLike | None,
    bias: Tensor,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def batch_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: PlainArrayLike | None = None,
    *,
    bias: Tensor,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def batch_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: PlainArrayLike | None = None,
    bias: PlainArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Array: ...
@overload
def cosine_similarity(x1: Tensor, x2: Tensor | PlainArrayLike, axis: int = 1, eps: float = 1e-08) -> Tensor: ...
@overload
def cosine_similarity(x1: PlainArrayLike, x2: Tensor, axis: int = 1, eps: float = 1e-08) -> Tensor: ...
@overload
def cosine_similarity(x1: PlainArrayLike, x2: PlainArrayLike, axis: int = 1, eps: float = 1e-08) -> Array: ...
@overload
def group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | PlainArrayLike | None = None,
    bias: Tensor | PlainArrayLike | None = None,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def group_norm(
    x: PlainArrayLike, num_groups: int, weight: Tensor, bias: Tensor | PlainArrayLike | None = None, eps: float = 1e-05
) -> Tensor: ...
@overload
def group_norm(
    x: PlainArrayLike, num_groups: int, weight: PlainArrayLike | None, bias: Tensor, eps: float = 1e-05
) -> Tensor: ...
@overload
def group_norm(
    x: PlainArrayLike, num_groups: int, weight: PlainArrayLike | None = None, *, bias: Tensor, eps: float = 1e-05
) -> Tensor: ...
@overload
def group_norm(
    x: PlainArrayLike,
    num_groups: int,
    weight: PlainArrayLike | None = None,
    bias: PlainArrayLike | None = None,
    eps: float = 1e-05,
) -> Array: ...
@overload
def instance_norm(
    x: Tensor,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: Tensor | PlainArrayLike | None = None,
    bias: Tensor | PlainArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def instance_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def instance_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    *,
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def instance_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: PlainArrayLike | None,
    bias: Tensor,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def instance_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: PlainArrayLike | None = None,
    *,
    bias: Tensor,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def instance_norm(
    x: PlainArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: PlainArrayLike | None = None,
    bias: PlainArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Array: ...
@overload
def layer_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | PlainArrayLike | None = None,
    bias: Tensor | PlainArrayLike | None = None,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def layer_norm(
    x: PlainArrayLike,
    normalized_shape: int | Sequence[int],
    weight: Tensor,
    bias: Tensor | PlainArrayLike | None = None,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def layer_norm(
    x: PlainArrayLike,
    normalized_shape: int | Sequence[int],
    weight: PlainArrayLike | None,
    bias: Tensor,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def layer_norm(
    x: PlainArrayLike,
    normalized_shape: int | Sequence[int],
    weight: PlainArrayLike | None = None,
    *,
    bias: Tensor,
    eps: float = 1e-05,
) -> Tensor: ...
@overload
def layer_norm(
    x: PlainArrayLike,
    normalized_shape: int | Sequence[int],
    weight: PlainArrayLike | None = None,
    bias: PlainArrayLike | None = None,
    eps: float = 1e-05,
) -> Array: ...
@overload
def local_response_norm(x: Tensor, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> Tensor: ...
@overload
def local_response_norm(
    x: PlainArrayLike, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0
) -> Array: ...
@overload
def normalize(x: Tensor, p: float = 2.0, axis: Any = 1, eps: float = 1e-12) -> Tensor: ...
@overload
def normalize(x: PlainArrayLike, p: float = 2.0, axis: Any = 1, eps: float = 1e-12) -> Array: ...
@overload
def pairwise_distance(
    x1: Tensor, x2: Tensor | PlainArrayLike, p: float = 2.0, eps: float = 1e-06, keepdims: bool = False
) -> Tensor: ...
@overload
def pairwise_distance(
    x1: PlainArrayLike, x2: Tensor, p: float = 2.0, eps: float = 1e-06, keepdims: bool = False
) -> Tensor: ...
@overload
def pairwise_distance(
    x1: PlainArrayLike, x2: PlainArrayLike, p: float = 2.0, eps: float = 1e-06, keepdims: bool = False
) -> Array: ...
@overload
def renorm(x: Tensor, p: float, axis: int, maxnorm: float) -> Tensor: ...
@overload
def renorm(x: PlainArrayLike, p: float, axis: int, maxnorm: float) -> Array: ...
@overload
def rms_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | PlainArrayLike | None = None,
    eps: float | None = None,
) -> Tensor: ...
@overload
def rms_norm(
    x: PlainArrayLike, normalized_shape: int | Sequence[int], weight: Tensor, eps: float | None = None
) -> Tensor: ...
@overload
def rms_norm(
    x: PlainArrayLike,
    normalized_shape: int | Sequence[int],
    weight: PlainArrayLike | None = None,
    eps: float | None = None,
) -> Array: ...
@overload
def embedding(
    indices: ArrayLike,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Tensor: ...
@overload
def embedding(
    indices: ArrayLike,
    weight: PlainArrayLike,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Array: ...
@overload
def embedding_bag(
    input: ArrayLike,
    weight: Tensor,
    offsets: ArrayLike | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: Literal["mean", "sum", "max"] = "mean",
    *,
    per_sample_weights: Tensor | PlainArrayLike | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor: ...
@overload
def embedding_bag(
    input: ArrayLike,
    weight: PlainArrayLike,
    offsets: ArrayLike | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: Literal["mean", "sum", "max"] = "mean",
    *,
    per_sample_weights: Tensor,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor: ...
@overload
def embedding_bag(
    input: ArrayLike,
    weight: PlainArrayLike,
    offsets: ArrayLike | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: Literal["mean", "sum", "max"] = "mean",
    *,
    per_sample_weights: PlainArrayLike | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array: ...
@overload
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor | PlainArrayLike,
    value: Tensor | PlainArrayLike,
    attn_mask: ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: np.random.Generator | None = None,
) -> Tensor: ...
@overload
def scaled_dot_product_attention(
    query: PlainArrayLike,
    key: Tensor,
    value: Tensor | PlainArrayLike,
    attn_mask: ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: np.random.Generator | None = None,
) -> Tensor: ...
@overload
def scaled_dot_product_attention(
    query: PlainArrayLike,
    key: PlainArrayLike,
    value: Tensor,
    attn_mask: ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: np.random.Generator | None = None,
) -> Tensor: ...
@overload
def scaled_dot_product_attention(
    query: PlainArrayLike,
    key: PlainArrayLike,
    value: PlainArrayLike,
    attn_mask: ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: np.random.Generator | None = None,
) -> Array: ...

registry: dict[str, Op]
