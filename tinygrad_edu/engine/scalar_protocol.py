"""Python's protocols for numbers and sequences: length, truth value, conversion to a number, format."""

from __future__ import annotations

import math
import operator

from numpy import ndarray

from tinygrad_edu.core import Node


class NumberProtocol:
    """Implements the protocols on the array of a tensor, as NumPy's arrays do."""

    __slots__ = ()

    _data: ndarray
    _node: Node | None

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-d tensor.")
        return len(self._data)

    def __float__(self) -> float:
        return float(self._data.item())

    def __int__(self) -> int:
        return int(self._data.item())

    def __complex__(self) -> complex:
        return complex(self._data.item())

    def __index__(self) -> int:
        return operator.index(self._data)

    def __floor__(self) -> int:
        return math.floor(self._data.item())  # type: ignore[no-any-return]

    def __ceil__(self) -> int:
        return math.ceil(self._data.item())  # type: ignore[no-any-return]

    def __trunc__(self) -> int:
        return math.trunc(self._data.item())  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                f"the truth value of a tensor of shape {self._data.shape} is ambiguous: compare elements and use "
                f"(t > 0).any() or .all()."
            )
        return bool(self._data.item())

    def __format__(self, form: str) -> str:
        if form and self._data.size != 1:
            raise TypeError(
                f"cannot format a tensor of shape {self._data.shape} with {form!r}, which needs one element: format "
                f"the elements separately, or use np.array2string(t.numpy(), precision=3)."
            )
        return format(self._data.item(), form) if form else str(self)
