"""Large matrix products in blocks that OpenBLAS multiplies without copying the operands.

OpenBLAS packs both operands before it multiplies, except for products of up to a million multiplications on processors
with AVX-512. For lengths near 128 packing takes a tenth of the time, and up to a third for column-major operands. For
the sizes of a shard, a grid of small products, shared by the shard's threads, is therefore faster than one product. On
processors where OpenBLAS always packs, products are not split.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.shared.speed.blas import most_in_place
from tinygrad_edu.shared.speed.threads import even_slices, map_parts, threads_of_shard
from tinygrad_edu.shared.speed.thresholds import SizeThreshold, plan

# For C-ordered x and F-ordered y, OpenBLAS sums across its registers and packs from this number of results on; products
# of at most _FEW_ROWS rows can be split by columns.
MAX_REGISTER_SUMS, _FEW_ROWS = map(SizeThreshold, (1200, 32))
# Smallest number of multiplications for which looking for blocks pays off.
MIN_MULTIPLICATIONS = SizeThreshold(2**18)
# A grid pays off between these numbers of multiplications; beyond, packing takes a small part of the time.
_MIN_GRID_MULTIPLICATIONS, _MAX_GRID_MULTIPLICATIONS = SizeThreshold(2**23), SizeThreshold(2**27, least=2**12)
# Minimum of m, k and n; and of k for C-ordered x and F-ordered y, where OpenBLAS sums across its registers. For shorter
# sums, a small y is copied.
_MIN_LENGTH, _MIN_SUM_LENGTH = map(SizeThreshold, (32, 128))
# Rows of a block if both operands are C-ordered; it has as many columns as possible.
_ROWS = SizeThreshold(8)
# Number of multiplications from which threads share a product, and parts for each thread; no result depends on them.
_LARGE, _PARTS_PER_THREAD = map(SizeThreshold, (2**24, 2))


class BlockSize(NamedTuple):
    """Size of a block of the result.

    Attributes
    ----------
    rows, columns : int
    copies_y : bool
        Whether y is copied to C order first.
    """

    rows: int
    columns: int
    copies_y: bool


def block_size(x: ndarray, y: ndarray) -> BlockSize | None:
    """Return the block size for the product of two matrices, or None if one product is faster.

    Outside of shards, large products are not split: BLAS has its own threads.
    """
    if threads_of_shard() is None and x.size * y.shape[1] > most_in_place():
        return None
    return _plan_block_size(x.shape, y.shape, x.strides, y.strides, x.dtype, y.dtype)


@plan
def _plan_block_size(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...], x_strides: tuple[int, ...], y_strides: tuple[int, ...],
    x_dtype: np.dtype[Any], y_dtype: np.dtype[Any],
) -> BlockSize | None:  # fmt: skip
    """Return the block size for matrices of these shapes, strides and dtypes, or None."""
    if x_dtype != y_dtype or x_dtype.char not in "fd" or not len(x_shape) == len(y_shape) == 2:
        return None
    orders = _memory_order(x_shape, x_strides, x_dtype.itemsize), _memory_order(y_shape, y_strides, y_dtype.itemsize)
    if None in orders or not most_in_place():
        return None
    (m, k), n = x_shape, y_shape[1]
    if m * k * n <= most_in_place():
        return _strip_size(m, k, n) if orders == ("C", "F") else None
    return _grid_block_size(m, k, n, orders)


def _memory_order(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> str | None:
    """Return the memory order of a matrix, "C" or "F"; None if BLAS cannot read it without a copy."""
    rows, columns = strides
    if columns == itemsize and rows >= shape[1] * itemsize:
        return "C"
    return "F" if rows == itemsize and columns >= shape[0] * itemsize else None


def _strip_size(m: int, k: int, n: int) -> BlockSize | None:
    columns = MAX_REGISTER_SUMS // m // 8 * 8
    return BlockSize(m, columns, False) if m <= _FEW_ROWS <= k and 0 < columns < n else None


def _grid_block_size(m: int, k: int, n: int, orders: tuple[str | None, str | None]) -> BlockSize | None:
    if not _MIN_GRID_MULTIPLICATIONS <= m * k * n <= _MAX_GRID_MULTIPLICATIONS or min(m, k, n) < _MIN_LENGTH:
        return None
    is_short_sum = orders == ("C", "F") and k < _MIN_SUM_LENGTH
    copies_y = is_short_sum and n <= m
    if orders == ("C", "C") or copies_y:  # OpenBLAS computes 64 columns at a time
        max_columns = most_in_place() // (_ROWS * k)
        columns = n if n <= max_columns else max_columns // 64 * 64
        return BlockSize(_ROWS, columns, copies_y) if columns else None
    return None if is_short_sum or _MIN_LENGTH**2 * k > most_in_place() else BlockSize(_MIN_LENGTH, _MIN_LENGTH, False)


def product_in_blocks(x: ndarray, y: ndarray, block: BlockSize, out: ndarray) -> None:
    """Write x @ y for matrices (m, k) and (k, n) as a grid of products and the remainders."""
    (m, k), n = x.shape, y.shape[1]
    y = np.ascontiguousarray(y) if block.copies_y else y

    def fill(tiles: tuple[_Tile, ...]) -> None:
        for row_slice, rows, column_slice, columns in tiles:
            blocks = _as_grid(out[row_slice, column_slice], rows, columns)
            np.matmul(_as_grid(x[row_slice], rows, k), _as_grid(y[:, column_slice], k, columns), out=blocks)

    threads = threads_of_shard() or 1 if out.size * k >= _LARGE else 1
    parts = _tiles(m, n, block, 1 if threads == 1 else _PARTS_PER_THREAD * threads)
    map_parts(fill, parts)


class _Tile(NamedTuple):
    """Part of the result: a grid of blocks of one size."""

    row_slice: slice
    rows: int
    column_slice: slice
    columns: int


@plan
def _tiles(m: int, n: int, block: BlockSize, count: int) -> list[tuple[_Tile, ...]]:
    """Split a result into `count` parts of whole blocks, and each part into a grid and the remainders."""
    parts = even_slices(-(-m // block.rows), count)
    column_parts = _split_evenly(0, n, block.columns)
    row_parts = [_split_evenly(part.start * block.rows, min(part.stop * block.rows, m), block.rows) for part in parts]
    return [tuple(_Tile(*row, *column) for row, column in product(row_part, column_parts)) for row_part in row_parts]


def _split_evenly(start: int, stop: int, length: int) -> list[tuple[slice, int]]:
    """Split a range into equal blocks and a remainder; return the slice of each with its block length."""
    end = stop - (stop - start) % length
    parts = [(slice(start, end), length), (slice(end, stop), stop - end)]
    return [(part, size) for part, size in parts if part.start < part.stop]


def _as_grid(x: ndarray, rows: int, columns: int) -> Any:
    """View a matrix as a grid of blocks (m / rows, n / columns, rows, columns)."""
    height, width = x.shape
    return x.reshape(height // rows, rows, width // columns, columns).swapaxes(1, 2)
