"""Views of complex arrays as real arrays with a last axis of 2: the real and the imaginary parts."""

import numpy as np

from tinygrad_edu.engine import Array


def is_complex(x: Array) -> bool:
    """Whether an array is complex."""
    return x.dtype.kind == "c"


def as_real(x: Array) -> Array:
    """Return a complex array as a view with one more axis, of length 2, and a real array as it is.

    Examples
    --------
    >>> as_real(np.array([1 + 2j, 3]))
    array([[1., 2.],
           [3., 0.]])
    """
    return x[..., None].view(x.real.dtype) if is_complex(x) else x


def as_complex(x: Array) -> Array:
    """Return the complex array that `as_real` views as x, with a copy if the memory of x does not suit.

    Examples
    --------
    >>> as_complex(np.array([[1.0, 2.0], [3.0, 0.0]]))
    array([1.+2.j, 3.+0.j])
    """
    pairs = x if x.strides[-1] == x.itemsize else np.ascontiguousarray(x)
    if pairs.ctypes.data % (2 * pairs.itemsize):  # PyTorch crashes for complex numbers at such an address
        pairs = pairs.copy()
    return pairs.view(np.result_type(x.dtype, np.complex64))[..., 0]
