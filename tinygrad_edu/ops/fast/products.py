"""Long and thin matrix products in pieces that OpenBLAS multiplies without packing, as in `blocks`.

For long and thin products packing takes most of the time, and for wider ones a fifth, if the pieces are in the order in
which OpenBLAS reads them (x by columns, y by rows) and fit into the first-level cache.
"""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.blocks import MAX_REGISTER_SUMS, MIN_MULTIPLICATIONS, block_size, product_in_blocks
from tinygrad_edu.shared.speed.blas import SMALL, most_in_place
from tinygrad_edu.shared.speed.plain_mode import faster_than
from tinygrad_edu.shared.speed.threads import even_slices, map_parts, threads_of_shard
from tinygrad_edu.shared.speed.thresholds import SizeThreshold, plan

_MAX_PIECE = SizeThreshold(512)
# Minimum rows or columns of a piece, and maximum columns.
_SHORT, _LONG = map(SizeThreshold, (16, 2048))
# Shorter rows are joined into one product if OpenBLAS would pack them.
_WIDE = SizeThreshold(128)
# Elements of windows that stay in the cache while all kernels are multiplied with them.
_CACHED_SIZE = SizeThreshold(2**14)
# Maximum size of the smallest matrix for which pieces pay off.
_THIN = SizeThreshold(5000)
# Shortest and longest sums across registers in OpenBLAS.
_SHORTEST_SUM, _LONGEST_SUM = map(SizeThreshold, (128, 1024))
# Multiplications and rows from which the threads of a shard share a product, and number of parts.
_SHARED, _MANY, _SHARED_PARTS = map(SizeThreshold, (2**24, 128, 4))


def product(x: ndarray, y: ndarray, out: ndarray | None = None) -> ndarray:
    """Return `plain_product`; for long and thin matrices in half the time, for larger ones in blocks."""
    (m, k), n = x.shape[-2:], y.shape[-1]
    if k != y.shape[-2]:
        return np.matmul(x, y, out=out)  # raises
    length = _piece_length(m, k, n)
    if length is None:
        return _product_without_pieces(x, y, out)
    out = _empty_product(x, y) if out is None else out
    if m > max(k, n):  # as the transpose of y.T @ x.T, which has many columns
        _matmul_split_n(y.swapaxes(-1, -2), x.swapaxes(-1, -2), length, out.swapaxes(-1, -2))
    elif k > n:
        _matmul_split_k(x, y.swapaxes(-1, -2), length, out)
    else:
        _matmul_split_n(x, y, length, out)
    return out


def _product_without_pieces(x: ndarray, y: ndarray, out: ndarray | None) -> ndarray:
    """Return `plain_product`, in blocks or on the threads of a shard if the operands are large."""
    (m, k), n = x.shape[-2:], y.shape[-1]
    block = block_size(x, y) if m * k * n >= MIN_MULTIPLICATIONS else None
    if block is not None:
        out = np.empty((m, n), x.dtype) if out is None else out
        product_in_blocks(x, y, block, out)
        return out
    # Outside of shards, BLAS has its own threads.
    is_shared = m >= _MANY and max(x.size * n, y.size * m) >= _SHARED and threads_of_shard() is not None
    return product_on_threads(x, y, out) if is_shared else np.matmul(x, y, out=out)


def product_on_threads(x: ndarray, y: ndarray, out: ndarray | None = None) -> ndarray:
    """Return `plain_product`, some rows or columns at a time, with the same bits on any number of threads.

    The longer side is split, because each part packs the other operand again.
    """
    result = _empty_product(x, y) if out is None else out
    splits_rows = x.shape[-2] >= y.shape[-1]

    def fill(part: slice) -> None:
        if splits_rows:
            np.matmul(x[..., part, :], y, out=result[..., part, :])
        else:
            np.matmul(x, y[..., part], out=result[..., part])

    map_parts(fill, even_slices(max(x.shape[-2], y.shape[-1]), _SHARED_PARTS))
    return result


def _empty_product(x: ndarray, y: ndarray) -> ndarray:
    """Return an array for the product of two stacks of matrices."""
    stack = x.shape[:-2] if x.shape[:-2] == y.shape[:-2] else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return np.empty((*stack, x.shape[-2], y.shape[-1]), np.result_type(x, y))


@plan
def _piece_length(m: int, k: int, n: int) -> int | None:
    """Return the length of the pieces of a product, a divisor if possible; None if one product is faster."""
    shortest, middle, longest = sorted((m, k, n))
    area = shortest * middle
    if area * longest <= SMALL or area > _THIN:
        return None
    max_length = min(_MAX_PIECE, most_in_place() // area)
    even = (length for length in range(max_length, max_length // 2, -1) if longest % length == 0)
    return next(even, max_length // 16 * 16) or None


def _split_columns(x: ndarray, width: int) -> ndarray:
    """Split the columns of matrices (..., m, n) into a stack (..., n / width, m, width), as a view."""
    return x.reshape(*x.shape[:-1], x.shape[-1] // width, width).swapaxes(-3, -2)


def _matmul_split_n(x: ndarray, y: ndarray, width: int, out: ndarray) -> None:
    """Write x @ y, with the columns of y split."""
    if y.strides[-2] < y.strides[-1]:  # then OpenBLAS is faster with x by columns, too
        x = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    split = y.shape[-1] - y.shape[-1] % width  # the remainder is a separate product
    np.matmul(x[..., None, :, :], _split_columns(y[..., :split], width), out=_split_columns(out[..., :split], width))
    if split < y.shape[-1]:
        np.matmul(x, y[..., split:], out=out[..., split:])


def _matmul_split_k(x: ndarray, y: ndarray, width: int, out: ndarray) -> None:
    """Write x @ y.T, with the contracted axis split."""
    split = x.shape[-1] - x.shape[-1] % width
    products = np.matmul(_split_columns(x[..., :split], width), _split_columns(y[..., :split], width).swapaxes(-1, -2))
    np.add.reduce(products, axis=-3, dtype=out.dtype, out=out)
    if split < x.shape[-1]:
        out += np.matmul(x[..., split:], y[..., split:].swapaxes(-1, -2))


# --- Stacks of products with one operand: kernels times the windows of each row ---


class TileSize(NamedTuple):
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
def tile_size(m: int, k: int, columns: int, samples: int) -> TileSize:
    """Return the size of equal pieces of a product; the whole product if no size is suitable."""
    sizes = [(1, size) for size in _divisors(samples)] + [(size, samples) for size in _divisors(columns)]
    tiles = [TileSize(rows, *size) for rows in _divisors(m) if rows >= min(m, _SHORT) for size in sizes]
    tiles = [t for t in tiles if _SHORT <= t[1] * t[2] <= _LONG and t[0] * k * t[1] * t[2] <= most_in_place()]

    def merit(tile: TileSize) -> tuple[int, int, int]:
        length = tile.columns * tile.samples
        return min(length, 2 * _SHORT), tile.rows, length if k * length <= _CACHED_SIZE else -length

    return max(tiles, key=merit, default=TileSize(m, columns, max(samples, 1)))


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


def plain_product_of_blocks(x: ndarray, blocks: ndarray, rows: int, out: ndarray) -> None:
    """Write the products of matrices with blocks: (G, m, k), (G, P, R, k, length) -> (G, P, R, m, length).

    The fast function multiplies `rows` rows of x at a time.
    """
    np.matmul(x[:, None, None], blocks, out=out)


@faster_than(plain_product_of_blocks)
def product_of_blocks(x: ndarray, blocks: ndarray, rows: int, out: ndarray) -> None:
    """Write `plain_product_of_blocks`, in pieces or as one product."""
    (groups, tiles, height, k, length), m = blocks.shape, x.shape[1]
    if length < _WIDE and (length < _SHORT or rows * k * length > most_in_place()):  # too short: join all rows
        joined = product(x, blocks.transpose(0, 3, 1, 2, 4).reshape(groups, k, tiles * height * length))
        out[...] = joined.reshape(groups, m, tiles, height, length).transpose(0, 2, 3, 1, 4)
        return
    x = x.reshape(groups, 1, 1, m // rows, rows, k)
    if rows > _SHORT:  # OpenBLAS reads columns faster
        x = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    np.matmul(x, blocks[:, :, :, None], out=out.reshape(groups, tiles, height, m // rows, rows, length))


# --- Sums of products: feature maps times the windows of each row ---


def plain_sum_of_products(x: ndarray, y: ndarray) -> ndarray:
    """Return the sum over S of the products x @ y.T: (G, J, S, m, k), (G, n, S, k) -> (G, J, m, n)."""
    return np.einsum("gjsmk,gnsk->gjmn", x, y)


@faster_than(plain_sum_of_products)
def sum_of_products(x: ndarray, y: ndarray) -> ndarray:
    """Return `plain_sum_of_products`, in pieces that OpenBLAS sums across its registers without packing."""
    (groups, shifts, stack, m, k), n = x.shape, y.shape[1]
    tile = _sum_tile(m, n, k)
    if tile is None:
        return np.add.reduce(product(x, y.transpose(0, 2, 3, 1)[:, None]), axis=2)
    rows, columns, depth = tile
    x = x.reshape(groups, shifts, stack, m // rows, rows, k // depth, depth).transpose(0, 2, 5, 1, 3, 4, 6)
    y = y.reshape(groups, n // columns, columns, stack, k // depth, depth).transpose(0, 3, 4, 1, 5, 2)
    products = np.matmul(x[:, :, :, :, :, None], y[:, :, :, None, None])
    total = np.add.reduce(products.reshape(groups, stack * (k // depth), *products.shape[3:]), axis=1)
    return total.swapaxes(3, 4).reshape(groups, shifts, m, n)


@plan
def _sum_tile(m: int, n: int, k: int) -> tuple[int, int, int] | None:
    """Return the tile of m, n and k to multiply at a time; None if one product is faster or no tile fits."""
    areas = [(a, b) for a in _divisors(m) for b in _divisors(n) if a * b <= MAX_REGISTER_SUMS]
    rows, columns = max(areas, key=lambda area: 1 / (1 / area[0] + 1 / area[1]))  # most products per element read
    longest = min(_LONGEST_SUM, most_in_place() // (rows * columns))
    depth = max((depth for depth in _divisors(k) if depth <= longest), default=0)
    return (rows, columns, depth) if depth >= _SHORTEST_SUM else None
