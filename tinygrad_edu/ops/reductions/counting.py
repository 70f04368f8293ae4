"""Counts of elements, and sums of their weights, by bin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, shape_of, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.ops.indices.indexing import scatter_add
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.shape import reshape

__all__ = ["bincount", "histogram"]


@batched()
def bincount(x: ArrayLike, weights: TensorLike | None = None, minlength: int = 0) -> Tensor | Array:
    """Count how often each number 0, 1, 2, ... occurs, or sum the weights of its occurrences.

    Parameters
    ----------
    x : array_like of int, 1-d
        Numbers >= 0.
    weights : array_like, optional
        A weight for each element of x. The weights receive gradients.
    minlength : int, default 0
        The least length of the result.

    Returns
    -------
    Tensor or ndarray
        An array of counts without weights. Its length is ``max(x) + 1`` or `minlength`, whichever is larger.

    Examples
    --------
    >>> import numpy as np
    >>> bincount([0, 2, 2], np.array([1.0, 2.0, 3.0]))
    array([1., 0., 5.])
    """
    numbers, minlength = np.asarray(values_of(x)), integer("bincount: minlength", minlength, 0)
    if numbers.ndim != 1 or (numbers.dtype.kind not in "iub" and numbers.size) or (numbers < 0).any():
        raise DTypeError(
            f"bincount: x must be a 1-d array of integers >= 0, got {numbers.dtype} of shape {numbers.shape}."
        )
    if weights is None:
        return np.bincount(numbers.astype(np.intp), minlength=minlength)
    if shape_of(weights) != numbers.shape:
        raise ShapeError(f"bincount: weights must have the shape of x, {numbers.shape}, got {shape_of(weights)}.")
    weights = weights if isinstance(weights, Tensor) else np.asarray(weights, np.float64)
    length = max(minlength, int(numbers.max(initial=-1)) + 1)
    return scatter_add(weights, numbers.astype(np.intp), (length,))


@batched()
def histogram(
    a: ArrayLike,
    bins: Any = 10,
    range: tuple[float, float] | None = None,
    density: bool | None = None,
    weights: TensorLike | None = None,
) -> tuple[Tensor | Array, Array]:
    """Return the number of elements in each bin, or the sum of their weights, and the edges of the bins.

    Parameters
    ----------
    a : array_like
        It receives no gradient.
    bins : int, sequence of float or str, default 10
        The number of bins, their edges, or NumPy's name of a rule. The last bin includes its right edge.
    range : (float, float), optional
        The outer edges. Default: the smallest and the largest element.
    density : bool, optional
        Whether to divide by the total and by the width of each bin.
    weights : array_like, optional
        A weight for each element of a. The weights receive gradients.

    Examples
    --------
    >>> counts, edges = histogram([1.0, 2.0, 4.0], bins=3)
    >>> counts.tolist(), edges.tolist()
    ([1, 1, 1], [1.0, 2.0, 3.0, 4.0])
    """
    values = np.ravel(values_of(a))
    if not isinstance(weights, Tensor):
        return np.histogram(
            values, bins, range, weights=None if weights is None else np.ravel(weights), density=density
        )
    if weights.shape != shape_of(a):
        raise ShapeError(f"histogram: weights must have the shape of a, {shape_of(a)}, got {weights.shape}.")
    edges = np.histogram_bin_edges(values, bins, range, values_of(weights).ravel())
    inside = np.flatnonzero((values >= edges[0]) & (values <= edges[-1]))
    index = np.minimum(np.searchsorted(edges, values[inside], side="right"), len(edges) - 1) - 1
    totals = scatter_add(reshape(weights, -1)[inside], index, (len(edges) - 1,))
    return totals / np.diff(edges) / sum(totals) if density else totals, edges
