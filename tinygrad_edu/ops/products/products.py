"""Matrix and tensor products, and linear and bilinear maps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu import core
from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, aligned, extend, op, shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import multiply
from tinygrad_edu.ops.fast import products as fast
from tinygrad_edu.ops.fast.networks import linear as fast_linear
from tinygrad_edu.ops.shapes.shape import expand_dims, reshape, squeeze, swapaxes, transpose
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["bilinear", "bmm", "dot", "inner", "kron", "linear", "matmul", "outer", "tensordot", "vdot"]


def _matmul_samples(batch: MappedCall) -> Any:
    x, y = (x if isinstance(x, Tensor) else np.asarray(x) for x in batch.inputs)
    if not (batch.sample_ndim(0) and batch.sample_ndim(1)):
        return NotImplemented  # an error for each sample
    is_row, is_column = batch.sample_ndim(0) == 1, batch.sample_ndim(1) == 1
    x = expand_dims(x, -2) if is_row else x
    y = expand_dims(y, -1) if is_column else y
    if is_row and batch.mapped == [True, False] and y.ndim == 2:  # one product for all samples
        return batch.call(squeeze(x, -2), y)[..., 0] if is_column else batch.call(squeeze(x, -2), y)
    out = batch.with_inputs(*aligned([x, y], batch.mapped, batch.size)).on_leading()
    out = squeeze(out, -2) if is_row else out
    return squeeze(out, -1) if is_column else out


def plain_product(x: ndarray, y: ndarray, out: ndarray | None = None) -> ndarray:
    """Return x @ y for stacks of matrices: (..., m, k), (..., k, n) -> (..., m, n). Write into `out` if given."""
    return np.matmul(x, y, out=out)


product = faster_than(plain_product)(fast.product)


linear_values = faster_than(core.linear)(fast_linear.linear_values)

matmul = extend(
    core.matmul,
    batching=_matmul_samples,
    doc="""Return the matrix product x @ y: (..., n, k), (..., k, m) -> (..., n, m). The leading axes broadcast.

    A 1-d x is treated as a row, a 1-d y as a column; the added axis is removed from the result.
    """,
)


@matmul.replace_forward
@faster_than(matmul.forward)
def matmul_values(x: Array, y: Array) -> Array:
    """Return the matrix product of arrays."""
    if not (isinstance(x, ndarray) and isinstance(y, ndarray) and x.ndim > 1 and y.ndim > 1):
        return np.matmul(x, y)
    return _outer(x, y) if x.shape[-1] == y.shape[-2] == 1 else product(x, y)  # product() is slow for k = 1


def _outer(x: ndarray, y: ndarray) -> ndarray:
    """Return the products of columns and rows. NumPy multiplies contiguous operands five times as fast."""
    return np.multiply(np.ascontiguousarray(x), np.ascontiguousarray(y))


@faster_than(matmul.vjp_functions["x"])
def matmul_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    """Compute the vjp of x, without matrices for vectors."""
    if y.ndim == 1:
        return expand_dims(g, -1) * y
    if len(x_shape) == 1:
        return squeeze(matmul(expand_dims(g, -2), swapaxes(y, -1, -2)), -2)
    return matmul(g, swapaxes(y, -1, -2))


@faster_than(matmul.vjp_functions["y"])
def matmul_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    """Compute the vjp of y, without matrices for vectors, and for a stack by one product."""
    if len(y_shape) == 1:
        return g * x if x.ndim == 1 else matmul(reshape(g, -1), reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])))
    if x.ndim == 1:
        return expand_dims(x, -1) * expand_dims(g, -2)
    if len(y_shape) == 2 and x.ndim > 2:  # one product for the whole stack
        rows = math.prod(x.shape[:-1])
        x, g = reshape(x, (rows, x.shape[-1])), reshape(g, (rows, g.shape[-1]))
    return matmul(swapaxes(x, -1, -2), g)


matmul.vjps(x=matmul_x, y=matmul_y)


@op(name="linear", batching="first")
def linear_by_sample(x: Array, weight: Array) -> Array:
    """Return x @ weight.T for each sample: (n, rows, in), (n, out, in) -> (n, rows, out).

    Inside of ``vmap(grad(f))`` all samples have equal weights, with the stride 0: one product computes them.
    """
    if weight.strides[0] == 0:
        return linear_values(x, weight[0])
    return np.matmul(x, weight.swapaxes(1, 2))


linear_by_sample.vjps(
    x=lambda g, weight: linear_by_sample(g, swapaxes(weight, 1, 2)),
    weight=lambda g, x: matmul(swapaxes(g, 1, 2), x),
)


def _linear_of_samples(batch: MappedCall) -> Any:
    x, weight, *bias = batch.inputs
    if not any(batch.mapped[1:]):
        return batch.on_leading()
    if not batch.mapped[1]:
        out = linear_without_bias(x, weight)
    else:
        x = x if batch.mapped[0] else batch.spread().inputs[0]
        rows = reshape(x, (batch.size, math.prod(x.shape[1:-1]), x.shape[-1]))
        out = linear_by_sample(rows, weight)
        out = reshape(out, (*x.shape[:-1], out.shape[-1]))
    return out + _behind_samples(bias[0], batch) if bias else out


def _behind_samples(bias: Any, batch: MappedCall) -> Any:
    """Return a bias that broadcasts with a result (n, ..., out)."""
    if not batch.mapped[2]:
        return bias
    return reshape(bias, (batch.size, *[1] * (batch.sample_ndim() - 1), bias.shape[-1]))


@op(name="linear", batching=_linear_of_samples)
def linear_without_bias(x: Array, weight: Array) -> Array:
    """Return x @ weight.T: (..., in), (out, in) -> (..., out)."""
    return linear_values(x, weight)


def _rows(x: Any) -> Any:
    """Flatten the leading axes: (..., n) -> (rows, n)."""
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


linear_without_bias.vjps(
    x=lambda g, weight: linear_without_bias(g, weight.T),
    weight=lambda g, x: matmul(_rows(g).T, _rows(x)),
)


@op(name="linear", batching=_linear_of_samples)
def linear_with_bias(x: Array, weight: Array, bias: Array) -> Array:
    """Return x @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out)."""
    return linear_values(x, weight, bias)


linear_with_bias.vjps(
    **linear_without_bias.vjp_functions,
    bias=lambda g: matmul(_rows(g).T, np.ones(math.prod(g.shape[:-1]), g.dtype)),  # faster than a sum
)


@faster_than(core.linear)
def fused_linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x @ weight.T + bias, computed by one op."""
    return linear_without_bias(x, weight) if bias is None else linear_with_bias(x, weight, bias)


def linear(x: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> Tensor | Array:
    """Return x @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out).

    For a 1-d weight (in,) the result has shape (...).

    Raises
    ------
    ShapeError
        If the shapes do not match.
    """
    x_shape, weight_shape = shape_of(x), shape_of(weight)
    bias_fits = bias is None or shape_of(bias) == weight_shape[:1]
    if len(weight_shape) == 2 and x_shape[-1:] == weight_shape[1:] and bias_fits:
        return fused_linear(x, weight, bias)
    if len(weight_shape) not in (1, 2) or x_shape[-1:] != weight_shape[-1:]:
        raise ShapeError(
            f"linear: shape mismatch: x {x_shape} and weight {weight_shape}; expected (..., in) and (out, in) or (in,)."
        )
    if bias is not None and shape_of(bias) not in (weight_shape[:-1], (1,), ()):
        raise ShapeError(
            f"linear: bias for weight {weight_shape} must be {weight_shape[:-1]}, (1,) or (), got {shape_of(bias)}."
        )
    out = fused_linear(x, weight) if len(weight_shape) == 2 else matmul(x, weight)
    return out if bias is None else out + bias


def bilinear(x1: TensorLike, x2: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> Tensor | Array:
    """Return x1 @ weight[k] @ x2 + bias[k] for each output k.

    Shapes (..., n), (..., m), (out, n, m), (out,) -> (..., out).

    Raises
    ------
    ShapeError
        If the shapes do not match.
    """
    x1_shape, x2_shape, weight_shape = shape_of(x1), shape_of(x2), shape_of(weight)
    if len(weight_shape) != 3 or weight_shape[1:] != x1_shape[-1:] + x2_shape[-1:] or x1_shape[:-1] != x2_shape[:-1]:
        raise ShapeError(
            f"bilinear: shape mismatch: x1 {x1_shape}, x2 {x2_shape} and weight {weight_shape}; expected (..., n), "
            f"(..., m) and (out, n, m)."
        )
    if bias is not None and shape_of(bias) != weight_shape[:1]:
        raise ShapeError(f"bilinear: bias must have shape {weight_shape[:1]}, got {shape_of(bias)}.")
    out, n, m = weight_shape
    rows = reshape(transpose(weight, (0, 2, 1)), (out * m, n))
    halfway = reshape(fused_linear(x1, rows), (*x1_shape[:-1], out, m))
    result = squeeze(matmul(halfway, expand_dims(x2, -1)), -1)
    return result if bias is None else result + bias


def transposed(x: Any) -> Any:
    """Transpose each matrix of a stack: swap the last two axes."""
    return swapaxes(x, -1, -2)


def bmm(x: TensorLike, y: TensorLike) -> Tensor | Array:
    """Return the batched matrix product of two stacks: (b, n, k), (b, k, m) -> (b, n, m).

    Unlike `matmul`, it does not broadcast.
    """
    if len(shape_of(x)) != 3 or len(shape_of(y)) != 3 or shape_of(x)[0] != shape_of(y)[0]:
        raise ShapeError(
            f"bmm: shape mismatch: {shape_of(x)} and {shape_of(y)}; expected (b, n, k) and (b, k, m). Use matmul() to "
            f"broadcast."
        )
    return matmul(x, y)


def tensordot(x: TensorLike, y: TensorLike, axes: Any = 2) -> Tensor | Array:
    """Sum products over pairs of axes. The result has the remaining axes of x, then the remaining axes of y.

    Parameters
    ----------
    x, y : array_like
    axes : int or (int or sequence of int, int or sequence of int), default 2
        The axes of x and of y to sum over, in pairs. An integer n means the last n axes of x and the first n of y, in
        order.

    Raises
    ------
    ShapeError
        If two paired axes differ in length, or x and y are given different numbers of axes.
    """
    x_axes, y_axes = _contracted_axes(axes, len(shape_of(x)), len(shape_of(y)))
    x_lengths, y_lengths = [shape_of(x)[a] for a in x_axes], [shape_of(y)[a] for a in y_axes]
    if x_lengths != y_lengths:
        raise ShapeError(
            f"tensordot: paired axes must have equal lengths, got {x_lengths} for axes {x_axes} of x and {y_lengths} "
            f"for axes {y_axes} of y; the shapes are {shape_of(x)} and {shape_of(y)}."
        )
    x_kept = [a for a in range(len(shape_of(x))) if a not in x_axes]
    y_kept = [a for a in range(len(shape_of(y))) if a not in y_axes]
    shape = [shape_of(x)[a] for a in x_kept] + [shape_of(y)[a] for a in y_kept]
    n, k = math.prod(shape[: len(x_kept)]), math.prod(x_lengths)
    rows = reshape(transpose(x, (*x_kept, *x_axes)), (n, k))
    columns = reshape(transpose(y, (*y_axes, *y_kept)), (k, math.prod(shape[len(x_kept) :])))
    return reshape(matmul(rows, columns), tuple(shape))


def _contracted_axes(axes: Any, x_ndim: int, y_ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes of x and of y that `tensordot` sums over, as nonnegative integers."""
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(x_ndim, y_ndim):
            raise ShapeError(f"tensordot: cannot sum over {axes} axes; x has {x_ndim} axes and y has {y_ndim}.")
        axes = range(x_ndim - axes, x_ndim), range(axes)
    x_axes, y_axes = axes
    return normalize_axis_tuple(x_axes, x_ndim, "axes of x"), normalize_axis_tuple(y_axes, y_ndim, "axes of y")


def dot(x: TensorLike, y: TensorLike) -> Tensor | Array:
    """Return the sum of products over the last axis of x and the second-last axis of y, or the only axis of a 1-d y.

    For vectors and matrices this is x @ y; for stacks, each matrix of x is paired with each matrix of y. If an
    operand is 0-d, the result is x * y.
    """
    if len(shape_of(x)) == 0 or len(shape_of(y)) == 0:
        return multiply(x, y)
    if len(shape_of(x)) == 1 or len(shape_of(y)) < 3:
        return matmul(x, y)
    return tensordot(x, y, (-1, -2))


def vdot(x: TensorLike, y: TensorLike) -> Tensor | Array:
    """Return the dot product of x and y, both flattened."""
    return matmul(reshape(x, -1), reshape(y, -1))


def inner(x: TensorLike, y: TensorLike) -> Tensor | Array:
    """Return the sum of products over the last axes of x and y, or x * y if one is 0-d."""
    if len(shape_of(x)) == 0 or len(shape_of(y)) == 0:
        return multiply(x, y)
    return tensordot(x, y, (-1, -1))


def outer(x: TensorLike, y: TensorLike) -> Tensor | Array:
    """Return the outer product of x and y, both flattened: (n,), (m,) -> (n, m)."""
    return matmul(reshape(x, (-1, 1)), reshape(y, (1, -1)))


def kron(x: TensorLike, y: TensorLike) -> Tensor | Array:
    """Return the Kronecker product: x with each element replaced by its product with all of y.

    The length of each axis is the product of the two lengths; the array with fewer axes gets leading axes of length 1.
    """
    ndim = max(len(shape_of(x)), len(shape_of(y)))
    x_shape, y_shape = ((1,) * (ndim - len(shape_of(z))) + tuple(shape_of(z)) for z in (x, y))
    blocks = reshape(x, tuple(n for length in x_shape for n in (length, 1)))
    tiles = reshape(y, tuple(n for length in y_shape for n in (1, length)))
    return reshape(multiply(blocks, tiles), tuple(n * m for n, m in zip(x_shape, y_shape, strict=True)))
