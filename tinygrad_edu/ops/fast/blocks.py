"""Large matrix products, faster: in blocks that OpenBLAS multiplies where they lie.

OpenBLAS copies both factors into an order of its own before it multiplies. That is a tenth of the work where one of the
lengths is 128 or so, and up to a third where the factors lie by columns. On processors with AVX-512 it computes
products of up to a million multiplications without copies, as fast as the processor can. So a grid of them is faster
than the whole.
"""

from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.blas import allowed_threads, available_cores, multiplies_in_place
from tinygrad_edu.cores.threads import in_parts, shares, threads_of_shard

# OpenBLAS copies nothing where there are at most so many multiplications.
_WITHOUT_COPY = 1_000_000
# Nor where one factor lies by rows and the other by columns, so that it adds up across its registers, but for so many
# sums at most; so few rows leave it enough columns.
ACROSS, _FEW_ROWS = 1200, 32
# Of what OpenBLAS would not copy but for that, so many multiplications are worth the call.
FEWEST = 2**18
# Fewer multiplications are over before a grid pays; of more, the lengths are such that copies are little.
_FEWEST_OF_GRID, _MOST = 2**23, 2**27
# No length is less than that; and where the left factor lies by rows and the right one by columns, so that OpenBLAS
# adds up across its registers, sums are at least so long.
_SHORTEST, _SHORTEST_SUM = 32, 128
# From so many multiplications on threads share them, each so many parts. The bits are the same in any.
_LARGE, _SHARED = 2**24, 2


class BlockSize(NamedTuple):
    """How much of a product is computed at a time: so many rows of so many columns."""

    rows: int
    columns: int


def block_of(x: ndarray, y: ndarray) -> BlockSize | None:
    """Return how the product of two matrices is cut into blocks; None for one that is better left whole.

    Outside of shards, and where there are several cores, large ones are left to the threads of BLAS.
    """
    if x.dtype != y.dtype or x.dtype.char not in "fd" or x.ndim != 2 or y.ndim != 2:
        return None
    orders = _order(x), _order(y)
    if None in orders or not multiplies_in_place():
        return None
    if len(x) * y.size <= _WITHOUT_COPY:
        return _strip(len(x), x.shape[1], y.shape[1]) if orders == ("C", "F") else None
    left_to_blas = threads_of_shard() is None and allowed_threads(available_cores()) > 1
    return None if left_to_blas else _block(*x.shape, y.shape[1], orders)


def _order(x: ndarray) -> str | None:
    """Return whether a matrix lies by rows, "C", or by columns, "F"; None if BLAS does not read it as it lies."""
    rows, columns = x.strides
    if columns == x.itemsize and rows >= x.shape[1] * columns:
        return "C"
    return "F" if rows == x.itemsize and columns >= len(x) * rows else None


def _strip(m: int, k: int, n: int) -> BlockSize | None:
    columns = ACROSS // m // 8 * 8
    return BlockSize(m, columns) if m <= _FEW_ROWS <= k and columns < n else None


@lru_cache(1024)
def _block(m: int, k: int, n: int, orders: tuple[str, str]) -> BlockSize | None:
    if not _FEWEST_OF_GRID <= m * k * n <= _MOST or min(m, k, n) < _SHORTEST:
        return None
    if orders == ("C", "F") and k < _SHORTEST_SUM:
        return None
    # By rows OpenBLAS computes 64 columns at a time, and any number of rows; else no fewer rows than columns.
    columns, step = (64, 8) if orders == ("C", "C") else (32, 32)
    rows = min(32, _WITHOUT_COPY // (k * columns)) // step * step
    return BlockSize(rows, columns) if rows else None


def product_in_blocks(x: ndarray, y: ndarray, block: BlockSize, out: ndarray) -> None:
    """Write x @ y, of matrices (m, k) and (k, n), as a grid of products, and what is left beside the grid."""
    m, k, n = *x.shape, y.shape[1]

    def fill(part: slice) -> None:
        down, across = _cut(part.start, part.stop, block.rows), _cut(0, n, block.columns)
        for (some, rows), (of_them, columns) in product(down, across):
            blocks = _grid(out[some, of_them], rows, columns)
            np.matmul(_grid(x[some], rows, k), _grid(y[:, of_them], k, columns), out=blocks)

    threads = threads_of_shard() if m * k * n >= _LARGE else 1
    if not threads or threads == 1:
        fill(slice(0, m))
        return
    parts = shares(-(-m // block.rows), _SHARED * threads)
    in_parts(fill, [slice(part.start * block.rows, min(part.stop * block.rows, m)) for part in parts])


@lru_cache(1024)
def _cut(start: int, stop: int, each: int) -> tuple[tuple[slice, int], ...]:
    """Cut a part into pieces of one length, and a rest: each as where it is, with how long its pieces are."""
    end = stop - (stop - start) % each
    found = [(slice(start, end), each), (slice(end, stop), stop - end)]
    return tuple((some, length) for some, length in found if some.start < some.stop)


def _grid(x: ndarray, rows: int, columns: int) -> Any:
    """Return a matrix as a grid of blocks (m / rows, n / columns, rows, columns), as a view."""
    return x.reshape(len(x) // rows, rows, x.shape[1] // columns, columns).swapaxes(1, 2)
