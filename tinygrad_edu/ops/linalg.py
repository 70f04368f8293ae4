"""The matrix product, of vectors, matrices and stacks of matrices."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze, swapaxes, transpose
from tinygrad_edu.recorder import Array, op

# OpenBLAS copies what it multiplies into an order of its own, unless there are at most a million multiplications. In a
# long and thin product that copy is most of the work.
_WITHOUT_COPY = 1_000_000
_LONGEST_PIECE = 512
# How large the small factor may be for that to pay, where the pieces stand side by side and where they are added up.
_THIN, _THIN_SUM = 5000, 1500


def product(x: Array, y: Array, out: Array | None = None) -> Array:
    """Return x @ y, of matrices or stacks of them; a long and thin product as a stack of short ones, in half the time.

    Parameters
    ----------
    x, y : (..., m, k), (..., k, n)
        The axes before the last two broadcast.
    out : (..., m, n), optional
        Where the result goes.
    """
    (m, k), n = x.shape[-2:], y.shape[-1]
    each = _piece(m, k, n) if k == y.shape[-2] else 0
    if not each:
        return np.matmul(x, y, out=out)
    if out is None:
        stack = x.shape[:-2] if x.shape[:-2] == y.shape[:-2] else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        out = np.empty((*stack, m, n), np.result_type(x, y))
    if m > max(k, n):
        product(y.swapaxes(-1, -2), x.swapaxes(-1, -2), out.swapaxes(-1, -2))
    elif k > n:
        _add_up_pieces(x, y.swapaxes(-1, -2), each, out)
    else:
        if y.strides[-2] < y.strides[-1]:  # OpenBLAS wants both by columns
            x = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
        cut = n - n % each  # the rest is a product of its own
        np.matmul(x[..., None, :, :], _pieces(y[..., :cut], each), out=_pieces(out[..., :cut], each))
        if cut < n:
            np.matmul(x, y[..., cut:], out=out[..., cut:])
    return out


@lru_cache(1024)
def _piece(m: int, k: int, n: int) -> int:
    """Return how long the pieces of a product are, without a rest if that can be; 0 for one better left whole."""
    thin, narrow, length = sorted((m, k, n))
    area = thin * narrow
    if area * length <= _WITHOUT_COPY or area > (_THIN_SUM if k == length else _THIN):
        return 0
    longest = min(_LONGEST_PIECE, _WITHOUT_COPY // area)
    even = (each for each in range(longest, longest // 2, -1) if length % each == 0)
    return next(even, longest // 16 * 16)


def _pieces(x: Array, each: int) -> Array:
    """Return matrices (..., m, n) as a stack of those that were side by side (..., n / each, m, each), as a view."""
    return x.reshape(*x.shape[:-1], x.shape[-1] // each, each).swapaxes(-3, -2)


def _add_up_pieces(x: Array, y: Array, each: int, out: Array) -> None:
    """Write x @ y.T, with both cut along their common length."""
    cut = x.shape[-1] - x.shape[-1] % each
    products = np.matmul(_pieces(x[..., :cut], each), _pieces(y[..., :cut], each).swapaxes(-1, -2))
    np.add.reduce(products, axis=-3, dtype=out.dtype, out=out)
    if cut < x.shape[-1]:
        out += np.matmul(x[..., cut:], y[..., cut:].swapaxes(-1, -2))


@op(broadcasts=True)
def matmul(x: Array, y: Array) -> Array:
    """Return x @ y: the last axis of x times the next to last of y; the axes before them broadcast.

    Shapes (n, k) @ (k, m) -> (n, m); a 1-d operand is a row on the left and a column on the right, and its axis is
    left out of the result.
    """
    return product(x, y) if np.ndim(x) > 1 and np.ndim(y) > 1 else np.matmul(x, y)


def _matmul_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    if y.ndim == 1:
        return expand_dims(g, -1) * y
    if len(x_shape) == 1:
        return squeeze(matmul(expand_dims(g, -2), swapaxes(y, -1, -2)), -2)
    return matmul(g, swapaxes(y, -1, -2))


def _matmul_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    if len(y_shape) == 1:
        return expand_dims(g, -1) * x
    if x.ndim == 1:
        return expand_dims(x, -1) * expand_dims(g, -2)
    if len(y_shape) == 2 and x.ndim > 2:  # one product for the whole stack
        rows = math.prod(x.shape[:-1])
        x, g = reshape(x, (rows, x.shape[-1])), reshape(g, (rows, g.shape[-1]))
    return matmul(swapaxes(x, -1, -2), g)


matmul.vjps(x=_matmul_x, y=_matmul_y)


@op
def linear(x: Array, weight: Array) -> Array:
    """Return x @ weight.T: (..., in), (out, in) -> (..., out).

    The samples are innermost in memory, as in the images that `conv2d` makes: OpenBLAS is faster that way round, twice
    as fast for few samples, and elementwise ops, the loss and the gradients keep the layout. The gradient of the weight
    has the weight's own, so that the optimizer reads both in one direction.
    """
    return product(weight, _rows(x).T).T.reshape(*x.shape[:-1], len(weight))


def _rows(x: Any) -> Any:
    """Return the vectors along the last axis as the rows of one matrix."""
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


linear.vjps(
    x=lambda g, weight: linear(g, transpose(weight)),
    weight=lambda g, x: matmul(transpose(_rows(g)), _rows(x)),
)
