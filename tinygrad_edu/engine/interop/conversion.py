"""Tensors from NumPy arrays and from tensors of other libraries, without a copy."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.memory import Storage
from tinygrad_edu.engine.tensor import Tensor, from_array
from tinygrad_edu.errors import DTypeError


def from_numpy(array: ndarray, requires_grad: bool = False) -> Tensor:
    """Make a Tensor that borrows the memory of `array`: nothing is copied.

    Changing `array` afterwards changes the tensor, and is not noticed; ``t.assign(values)`` is.

    Examples
    --------
    >>> a = np.zeros(2)
    >>> t = from_numpy(a)
    >>> a[0] = 7.0
    >>> t
    Tensor([7., 0.], shape=(2,), dtype=float64)
    """
    if not isinstance(array, ndarray) or array.dtype.kind not in "fiub" or not array.dtype.isnative:
        what = f"an array of dtype {array.dtype!r}" if isinstance(array, ndarray) else f"a {type(array).__name__}"
        raise DTypeError(
            f"from_numpy borrows the memory of an ndarray of real numbers or booleans in native byte order, not of "
            f"{what}; Tensor(values) copies, and takes more."
        )
    array = np.asarray(array)  # of a subclass, such as a memory map, the plain array on the same memory
    return from_array(array, requires_grad, Storage.new(shared=True))


def from_dlpack(x: Any) -> Tensor:
    """Make a Tensor that borrows the memory of another library's array or tensor, by way of DLPack.

    Parameters
    ----------
    x : object with ``__dlpack__``
        Of PyTorch, JAX, CuPy or NumPy, say; in the memory of the CPU, and of a dtype that NumPy has. Of a Tensor it is
        what `Tensor.detach` gives.

    Raises
    ------
    DTypeError
        For what has no such method, and for a Tensor that requires a gradient. Other libraries raise their own errors.

    Examples
    --------
    >>> a = np.zeros(2)
    >>> t = from_dlpack(a)
    >>> a[0] = 7.0
    >>> t
    Tensor([7., 0.], shape=(2,), dtype=float64)
    """
    if isinstance(x, Tensor):
        return x._detach_for_dlpack()
    if not hasattr(x, "__dlpack__"):
        raise DTypeError(f"from_dlpack borrows from an object that has __dlpack__, which a {type(x).__name__} has not.")
    return from_numpy(np.from_dlpack(x))
