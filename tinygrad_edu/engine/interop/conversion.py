"""Tensors from NumPy arrays and from tensors of other libraries, without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.core import Storage
from tinygrad_edu.engine.memory import share
from tinygrad_edu.engine.tensor import Tensor, from_array
from tinygrad_edu.errors import DTypeError


def from_numpy(array: ndarray, requires_grad: bool = False) -> Tensor:
    """Make a Tensor that shares the memory of `array`, without a copy.

    A later change of `array` changes the tensor and is not detected; ``t.assign(values)`` is detected.

    Examples
    --------
    >>> a = np.zeros(2)
    >>> t = from_numpy(a)
    >>> a[0] = 7.0
    >>> t
    Tensor([7., 0.], shape=(2,), dtype=float64)
    """
    if not isinstance(array, ndarray) or array.dtype.kind not in "fiub" or not array.dtype.isnative:
        kind = f"an array of dtype {array.dtype!r}" if isinstance(array, ndarray) else f"a {type(array).__name__}"
        raise DTypeError(
            f"from_numpy: array must be an ndarray of real numbers or booleans in native byte order, got "
            f"{kind}; Tensor(values) copies, and accepts more."
        )
    array = np.asarray(array)  # a subclass, such as a memory map, becomes a plain array on the same memory
    return from_array(array, requires_grad, share(Storage()))


def from_dlpack(x: Any) -> Tensor:
    """Make a Tensor that shares the memory of another library's array or tensor, by DLPack.

    Parameters
    ----------
    x : object with ``__dlpack__``
        An array or tensor, such as of PyTorch, JAX, CuPy or NumPy, in CPU memory and with a dtype of NumPy. For a
        Tensor, the result is that of `Tensor.detach`.

    Raises
    ------
    DTypeError
        `x` has no ``__dlpack__``, or is a Tensor that requires a gradient. Other libraries raise errors of their own.

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
        raise DTypeError(f"from_dlpack: x must have a method __dlpack__, got a {type(x).__name__}.")
    return from_numpy(np.from_dlpack(x))
