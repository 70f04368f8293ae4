"""Long and thin matrix products in pieces that OpenBLAS multiplies without packing, as in `blocks`.

For long and thin products packing takes most of the time, and for wider ones a fifth, if the pieces are in the order in
which OpenBLAS reads them (x by columns, y by rows) and fit into the first-level cache.
"""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.blas import SMALL, most_in_place
from tinygrad_edu.ops.fast.blocks import ACROSS, FEWEST, block_of, product_in_blocks
from tinygrad_edu.ops.plain import plain_product
from tinygrad_edu.plain_mode import faster_than
from tinygrad_edu.thresholds import SizeThreshold, plan

_MAX_PIECE = SizeThreshold(512)
# Minimum rows or columns of a piece, and maximum columns.
_SHORT, _LONG = map(SizeThreshold, (16, 2048))
# Shorter rows are joined into one product if OpenBLAS would pack them.
_WIDE = SizeThreshold(128)
# Elements of windows that stay in the cache while all kernels are multiplied with them.
_CACHED_SIZE = SizeThreshold(2**14)
# Maximum size of the smaller operand for which pieces pay off, if they are joined and if they are summed.
_THIN, _THIN_SUM = map(SizeThreshold, (5000, 1500))
# Shortest and longest sums across registers in OpenBLAS. If both operands have at least _MANY rows, packing takes a
# small part of the time, and one product is faster.
_SHORTEST_SUM, _LONGEST_SUM, _MANY = map(SizeThreshold, (128, 1024, 128))


@faster_than(plain_product)
def product(x: ndarray, y: ndarray, out: ndarray | None = None) -> ndarray:
    """Return `plain_product`; for long and thin matrices in half the time, for larger ones in blocks."""
    (m, k), n = x.shape[-2:], y.shape[-1]
    fits = k == y.shape[-2]
    each = _piece_length(m, k, n) if fits else None
    block = block_of(x, y) if fits and each is None and m * k * n >= FEWEST else None
    if block is not None:
        out = np.empty((m, n), x.dtype) if out is None else out
        product_in_blocks(x, y, block, out)
        return out
    if each is None:
        return plain_product(x, y, out)
    if out is None:
        stack = x.shape[:-2] if x.shape[:-2] == y.shape[:-2] else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        out = np.empty((*stack, m, n), np.result_type(x, y))
    if m > max(k, n):  # as the transpose of y.T @ x.T, which has many columns
        _matmul_split_n(y.swapaxes(-1, -2), x.swapaxes(-1, -2), each, out.swapaxes(-1, -2))
    elif k > n:
        _matmul_split_k(x, y.swapaxes(-1, -2), each, out)
    else:
        _matmul_split_n(x, y, each, out)
    return out


@plan
def _piece_length(m: int, k: int, n: int) -> int | None:
    """Return the length of the pieces of a product, a divisor if possible; None if one product is faster."""
    thin, narrow, length = sorted((m, k, n))
    area = thin * narrow
    if area * length <= SMALL or area > (_THIN_SUM if k == length else _THIN):
        return None
    longest = min(_MAX_PIECE, most_in_place() // area)
    even = (each for each in range(longest, longest // 2, -1) if length % each == 0)
    return next(even, longest // 16 * 16) or None


def _split_columns(x: ndarray, each: int) -> ndarray:
    """Split the columns of matrices (..., m, n) into a stack (..., n / each, m, each), as a view."""
    return x.reshape(*x.shape[:-1], x.shape[-1] // each, each).swapaxes(-3, -2)


def _matmul_split_n(x: ndarray, y: ndarray, each: int, out: ndarray) -> None:
    """Write x @ y, with the columns of y split."""
    if y.strides[-2] < y.strides[-1]:  # then OpenBLAS is faster with x by columns, too
        x = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    cut = y.shape[-1] - y.shape[-1] % each  # the remainder is a separate product
    np.matmul(x[..., None, :, :], _split_columns(y[..., :cut], each), out=_split_columns(out[..., :cut], each))
    if cut < y.shape[-1]:
        np.matmul(x, y[..., cut:], out=out[..., cut:])


def _matmul_split_k(x: ndarray, y: ndarray, each: int, out: ndarray) -> None:
    """Write x @ y.T, with the contracted axis split."""
    cut = x.shape[-1] - x.shape[-1] % each
    products = np.matmul(_split_columns(x[..., :cut], each), _split_columns(y[..., :cut], each).swapaxes(-1, -2))
    np.add.reduce(products, axis=-3, dtype=out.dtype, out=out)
    if cut < x.shape[-1]:
        out += np.matmul(x[..., cut:], y[..., cut:].swapaxes(-1, -2))


# --- Stacks of products with one operand: kernels times the windows of each row ---


class Cut(NamedTuple):
    """Size of the pieces of a product (m, k) @ (k, columns * samples) that OpenBLAS multiplies without packing.

    Attributes
    ----------
    rows : int
        Number of the m rows in a piece.
    columns, samples : int
        Number of columns and samples in a piece: all samples of some columns, or some samples of one column.
    """

    rows: int
    columns: int
    samples: int


@plan
def cut(m: int, k: int, columns: int, samples: int) -> Cut:
    """Return the size of equal pieces of a product; the whole product if no size is suitable."""
    lengths = [(1, some) for some in _divisors(samples)] + [(some, samples) for some in _divisors(columns)]
    cuts = [Cut(rows, *some) for rows in _divisors(m) if rows >= min(m, _SHORT) for some in lengths]
    small = [c for c in cuts if _SHORT <= c[1] * c[2] <= _LONG and c[0] * k * c[1] * c[2] <= most_in_place()]

    def merit(c: Cut) -> tuple[int, int, int]:
        each = c.columns * c.samples
        return min(each, 2 * _SHORT), c.rows, each if k * each <= _CACHED_SIZE else -each

    return max(small, key=merit, default=Cut(m, columns, max(samples, 1)))


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


def plain_product_of_blocks(x: ndarray, blocks: ndarray, rows: int, out: ndarray) -> None:
    """Write the products of matrices with blocks: (G, m, k), (G, P, R, k, each) -> (G, P, R, m, each).

    The fast function multiplies `rows` rows of x at a time.
    """
    np.matmul(x[:, None, None], blocks, out=out)


@faster_than(plain_product_of_blocks)
def product_of_blocks(x: ndarray, blocks: ndarray, rows: int, out: ndarray) -> None:
    """Write `plain_product_of_blocks`, in pieces or as one product."""
    (groups, pieces, height, k, each), m = blocks.shape, x.shape[1]
    if each < _WIDE and (each < _SHORT or rows * k * each > most_in_place()):  # too short: join all rows
        together = product(x, blocks.transpose(0, 3, 1, 2, 4).reshape(groups, k, pieces * height * each))
        out[...] = together.reshape(groups, m, pieces, height, each).transpose(0, 2, 3, 1, 4)
        return
    x = x.reshape(groups, 1, 1, m // rows, rows, k)
    if rows > _SHORT:  # OpenBLAS reads columns faster
        x = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    np.matmul(x, blocks[:, :, :, None], out=out.reshape(groups, pieces, height, m // rows, rows, each))


# --- Sums of products: feature maps times the windows of each row ---


def plain_sum_of_products(x: ndarray, y: ndarray) -> ndarray:
    """Return the sum over S of the products x @ y.T: (G, J, S, m, k), (G, n, S, k) -> (G, J, m, n)."""
    return np.einsum("gjsmk,gnsk->gjmn", x, y)


@faster_than(plain_sum_of_products)
def sum_of_products(x: ndarray, y: ndarray) -> ndarray:
    """Return `plain_sum_of_products`, in pieces that OpenBLAS sums across its registers without packing."""
    (groups, shifts, stack, m, k), n = x.shape, y.shape[1]
    pieces = _sum_tile(m, n, k)
    if pieces is None:
        return np.add.reduce(product(x, y.transpose(0, 2, 3, 1)[:, None]), axis=2)
    rows, columns, each = pieces
    x = x.reshape(groups, shifts, stack, m // rows, rows, k // each, each).transpose(0, 2, 5, 1, 3, 4, 6)
    y = y.reshape(groups, n // columns, columns, stack, k // each, each).transpose(0, 3, 4, 1, 5, 2)
    products = np.matmul(x[:, :, :, :, :, None], y[:, :, :, None, None])
    total = np.add.reduce(products.reshape(groups, stack * (k // each), *products.shape[3:]), axis=1)
    return total.swapaxes(3, 4).reshape(groups, shifts, m, n)


@plan
def _sum_tile(m: int, n: int, k: int) -> tuple[int, int, int] | None:
    """Return the tile of m, n and k to multiply at a time; None if one product is faster or no tile fits."""
    if min(m, n) >= _MANY:
        return None
    areas = [(a, b) for a in _divisors(m) for b in _divisors(n) if a * b <= ACROSS]
    rows, columns = max(areas, key=lambda area: 1 / (1 / area[0] + 1 / area[1]))  # most products per element read
    longest = min(_LONGEST_SUM, most_in_place() // (rows * columns))
    each = max((each for each in _divisors(k) if each <= longest), default=0)
    return (rows, columns, each) if each >= _SHORTEST_SUM else None
