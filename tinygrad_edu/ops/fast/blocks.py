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

from tinygrad_edu.cores.blas import most_in_place
from tinygrad_edu.cores.threads import in_parts, shares, threads_of_shard
from tinygrad_edu.thresholds import SizeThreshold, plan

# For C-ordered x and F-ordered y, OpenBLAS sums across its registers and packs from this number of results on; products
# of at most _FEW_ROWS rows can be split by columns.
ACROSS, _FEW_ROWS = map(SizeThreshold, (1200, 32))
# Smallest number of multiplications for which looking for blocks pays off.
FEWEST = SizeThreshold(2**18)
# A grid pays off between these numbers of multiplications; beyond, packing takes a small part of the time.
_FEWEST_OF_GRID, _MOST = map(SizeThreshold, (2**23, 2**27))
# Minimum of m, k and n; and of k for C-ordered x and F-ordered y, where OpenBLAS sums across its registers.
_MIN_LENGTH, _SHORTEST_SUM = map(SizeThreshold, (32, 128))
# Rows of a block if both operands are C-ordered; it has as many columns as possible.
_ROWS = SizeThreshold(8)
# Number of multiplications from which threads share a product, and parts for each thread; no result depends on them.
_LARGE, _PARTS_PER_THREAD = map(SizeThreshold, (2**24, 2))


class BlockSize(NamedTuple):
    """Size of a block of the result."""

    rows: int
    columns: int


def block_of(x: ndarray, y: ndarray) -> BlockSize | None:
    """Return the block size for the product of two matrices, or None if one product is faster.

    Outside of shards, large products are not split: BLAS has its own threads.
    """
    if threads_of_shard() is None and x.size * y.shape[1] > most_in_place():
        return None
    return _block_size(x.shape, y.shape, x.strides, y.strides, x.dtype, y.dtype)


@plan
def _block_size(
    of_x: tuple[int, ...], of_y: tuple[int, ...], x_steps: tuple[int, ...], y_steps: tuple[int, ...],
    x_dtype: np.dtype[Any], y_dtype: np.dtype[Any],
) -> BlockSize | None:  # fmt: skip
    """Return the block size for matrices of these shapes, strides and dtypes, or None."""
    if x_dtype != y_dtype or x_dtype.char not in "fd" or not len(of_x) == len(of_y) == 2:
        return None
    orders = _memory_order(of_x, x_steps, x_dtype.itemsize), _memory_order(of_y, y_steps, y_dtype.itemsize)
    if None in orders or not most_in_place():
        return None
    (m, k), n = of_x, of_y[1]
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
    columns = ACROSS // m // 8 * 8
    return BlockSize(m, columns) if m <= _FEW_ROWS <= k and 0 < columns < n else None


def _grid_block_size(m: int, k: int, n: int, orders: tuple[str | None, str | None]) -> BlockSize | None:
    if not _FEWEST_OF_GRID <= m * k * n <= _MOST or min(m, k, n) < _MIN_LENGTH:
        return None
    if orders == ("C", "C"):  # OpenBLAS computes 64 columns at a time
        most = most_in_place() // (_ROWS * k)
        columns = n if n <= most else most // 64 * 64
        return BlockSize(_ROWS, columns) if columns else None
    too_short = orders == ("C", "F") and k < _SHORTEST_SUM
    return None if too_short or _MIN_LENGTH**2 * k > most_in_place() else BlockSize(_MIN_LENGTH, _MIN_LENGTH)


def product_in_blocks(x: ndarray, y: ndarray, block: BlockSize, out: ndarray) -> None:
    """Write x @ y for matrices (m, k) and (k, n) as a grid of products and the remainders."""
    (m, k), n = x.shape, y.shape[1]

    def fill(tiles: tuple[_Tile, ...]) -> None:
        for some, rows, of_them, columns in tiles:
            blocks = _as_grid(out[some, of_them], rows, columns)
            np.matmul(_as_grid(x[some], rows, k), _as_grid(y[:, of_them], k, columns), out=blocks)

    threads = threads_of_shard() or 1 if out.size * k >= _LARGE else 1
    parts = _tiles(m, n, block, 1 if threads == 1 else _PARTS_PER_THREAD * threads)
    in_parts(fill, parts)


class _Tile(NamedTuple):
    """Part of the result: a grid of blocks of one size."""

    some: slice
    rows: int
    of_them: slice
    columns: int


@plan
def _tiles(m: int, n: int, block: BlockSize, count: int) -> list[tuple[_Tile, ...]]:
    """Split a result into `count` parts of whole blocks, and each part into a grid and the remainders."""
    parts = shares(-(-m // block.rows), count)
    across = _split_evenly(0, n, block.columns)
    downs = [_split_evenly(part.start * block.rows, min(part.stop * block.rows, m), block.rows) for part in parts]
    return [tuple(_Tile(*some, *of_them) for some, of_them in product(down, across)) for down in downs]


def _split_evenly(start: int, stop: int, each: int) -> list[tuple[slice, int]]:
    """Split a range into equal blocks and a remainder; return the slice of each with its block length."""
    end = stop - (stop - start) % each
    found = [(slice(start, end), each), (slice(end, stop), stop - end)]
    return [(some, length) for some, length in found if some.start < some.stop]


def _as_grid(x: ndarray, rows: int, columns: int) -> Any:
    """View a matrix as a grid of blocks (m / rows, n / columns, rows, columns)."""
    height, width = x.shape
    return x.reshape(height // rows, rows, width // columns, columns).swapaxes(1, 2)
