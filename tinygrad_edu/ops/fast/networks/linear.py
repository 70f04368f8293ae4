"""Linear layers with the samples innermost in memory and the bias added in place."""

import math

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.products import product


def linear_values(x: ndarray, weight: ndarray, bias: ndarray | None = None) -> ndarray:
    """Return x @ weight.T + bias. For x of shape (N, in) the result has the samples innermost, as in `conv2d`.

    OpenBLAS is faster in that layout, twice as fast for few samples, and elementwise ops, the loss and the gradients
    keep it. For sequences the features stay innermost, because layers such as layer norm normalize them.
    """
    if x.ndim == 2:
        out = np.empty((len(x), len(weight)), np.result_type(x, weight), "F")
        product(weight, x.T, out.T)
    else:
        rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        out = product(rows, weight.T).reshape(*x.shape[:-1], len(weight))
    if bias is None:
        return out
    return np.add(out, bias, out=out if np.result_type(out, bias) == out.dtype else None)
