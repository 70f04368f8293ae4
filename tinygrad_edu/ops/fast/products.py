"""The matrix product, faster where it is long and thin: in pieces.

OpenBLAS copies what it multiplies into an order of its own, unless there are at most a million multiplications. In a
long and thin product that copy is most of the work, and a stack of short products does without.
"""

from functools import lru_cache

import numpy as np
from numpy import ndarray

_WITHOUT_COPY = 1_000_000
_LONGEST_PIECE = 512
# How large the small factor may be for pieces to pay, where they stand side by side and where they are added up.
_THIN, _THIN_SUM = 5000, 1500


def plain_product(x: ndarray, y: ndarray, out: ndarray | None = None) -> ndarray:
    """Return x @ y, of matrices or stacks of them: (..., m, k), (..., k, n) -> (..., m, n); into `out`, if given."""
    return np.matmul(x, y, out=out)


def product(x: ndarray, y: ndarray, out: ndarray | None = None) -> ndarray:
    """Return `plain_product`; a long and thin one in half the time."""
    (m, k), n = x.shape[-2:], y.shape[-1]
    each = _piece(m, k, n) if k == y.shape[-2] else None
    if each is None:
        return plain_product(x, y, out)
    if out is None:
        stack = x.shape[:-2] if x.shape[:-2] == y.shape[:-2] else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        out = np.empty((*stack, m, n), np.result_type(x, y))
    if m > max(k, n):  # as the transpose of y.T @ x.T, which is wide
        _put_pieces_side_by_side(y.swapaxes(-1, -2), x.swapaxes(-1, -2), each, out.swapaxes(-1, -2))
    elif k > n:
        _add_up_pieces(x, y.swapaxes(-1, -2), each, out)
    else:
        _put_pieces_side_by_side(x, y, each, out)
    return out


@lru_cache(1024)
def _piece(m: int, k: int, n: int) -> int | None:
    """Return how long the pieces of a product are, without a rest if that can be; None for one better left whole."""
    thin, narrow, length = sorted((m, k, n))
    area = thin * narrow
    if area * length <= _WITHOUT_COPY or area > (_THIN_SUM if k == length else _THIN):
        return None
    longest = min(_LONGEST_PIECE, _WITHOUT_COPY // area)
    even = (each for each in range(longest, longest // 2, -1) if length % each == 0)
    return next(even, longest // 16 * 16)


def _pieces(x: ndarray, each: int) -> ndarray:
    """Return matrices (..., m, n) as a stack of those that were side by side (..., n / each, m, each), as a view."""
    return x.reshape(*x.shape[:-1], x.shape[-1] // each, each).swapaxes(-3, -2)


def _put_pieces_side_by_side(x: ndarray, y: ndarray, each: int, out: ndarray) -> None:
    """Write x @ y, with y cut along its columns."""
    if y.strides[-2] < y.strides[-1]:  # OpenBLAS wants both by columns
        x = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    cut = y.shape[-1] - y.shape[-1] % each  # the rest is a product of its own
    np.matmul(x[..., None, :, :], _pieces(y[..., :cut], each), out=_pieces(out[..., :cut], each))
    if cut < y.shape[-1]:
        np.matmul(x, y[..., cut:], out=out[..., cut:])


def _add_up_pieces(x: ndarray, y: ndarray, each: int, out: ndarray) -> None:
    """Write x @ y.T, with both cut along their common length."""
    cut = x.shape[-1] - x.shape[-1] % each
    products = np.matmul(_pieces(x[..., :cut], each), _pieces(y[..., :cut], each).swapaxes(-1, -2))
    np.add.reduce(products, axis=-3, dtype=out.dtype, out=out)
    if cut < x.shape[-1]:
        out += np.matmul(x[..., cut:], y[..., cut:].swapaxes(-1, -2))
