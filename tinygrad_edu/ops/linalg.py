"""Linear algebra, public as ``tg.linalg``, with NumPy's names. Matrices are in the last two axes.

A matrix that is singular or cannot be decomposed raises NumPy's ``LinAlgError`` with a note that names the op.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from tinygrad_edu.engine import Array, Tensor, TensorLike
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.hints import add_hints, getattr_with_hints
from tinygrad_edu.ops.linear_algebra.decompositions import cholesky, eigh, eigvalsh, qr, svd, svdvals
from tinygrad_edu.ops.linear_algebra.determinants import det, slogdet
from tinygrad_edu.ops.linear_algebra.inverses import inv, matrix_power, pinv, solve
from tinygrad_edu.ops.linear_algebra.lu_decomposition import lu
from tinygrad_edu.ops.linear_algebra.matrix_exponential import expm
from tinygrad_edu.ops.linear_algebra.norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from tinygrad_edu.ops.linear_algebra.systems import cholesky_solve, lstsq, solve_triangular, tensorinv, tensorsolve
from tinygrad_edu.ops.products.products import matmul

__all__ = [
    "LinAlgError", "cholesky", "cholesky_solve", "cond", "det", "eigh", "eigvalsh", "expm", "inv", "lstsq", "lu",
    "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vector_norm",
]  # fmt: skip
__getattr__ = getattr_with_hints("tg.linalg", __all__)


def multi_dot(arrays: Sequence[TensorLike]) -> Tensor | Array:
    """Return the product of two or more matrices, computed in the order that takes the fewest multiplications.

    The first may be a 1-d row vector, and the last a 1-d column vector.
    """
    arrays = list(arrays)
    dims = [np.ndim(x) for x in arrays]
    if len(arrays) < 2 or not set(dims[1:-1]) <= {2} or not {dims[0], dims[-1]} <= {1, 2}:
        raise ShapeError(
            f"multi_dot: expected two or more matrices, 1-d only at the ends, got arrays with {dims} axes."
        )
    shapes = [np.shape(x) for x in arrays]
    ends = (shapes[0][0] if dims[0] == 2 else 1), (shapes[-1][1] if dims[-1] == 2 else 1)
    lengths = (ends[0], *(shape[0] for shape in shapes[1:]), ends[1])
    return _multiply_chain(arrays, 0, len(arrays), _optimal_splits(lengths))


def _multiply_chain(arrays: list[Any], start: int, end: int, cuts: dict[tuple[int, int], int]) -> Any:
    if end - start == 1:
        return arrays[start]
    cut = cuts[start, end]
    return matmul(_multiply_chain(arrays, start, cut, cuts), _multiply_chain(arrays, cut, end, cuts))


@lru_cache(256)
def _optimal_splits(lengths: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """Return the best split of each subchain of matrices; matrix k has shape (lengths[k], lengths[k + 1])."""
    count = len(lengths) - 1
    costs, cuts = {(k, k + 1): 0 for k in range(count)}, {}
    for size in range(2, count + 1):
        for start in range(count - size + 1):
            end = start + size
            options = {
                cut: costs[start, cut] + costs[cut, end] + lengths[start] * lengths[cut] * lengths[end]
                for cut in range(start + 1, end)
            }
            costs[start, end], cuts[start, end] = min((cost, cut) for cut, cost in options.items())
    return cuts


add_hints(globals())
