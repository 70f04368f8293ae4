"""The operators and methods of a Tensor: ``x + y`` is ``add(x, y)``, and ``x.sum()`` is ``sum(x)``.

This file uses ops before their definition. A Tensor has operators, operators are ops, and ops take Tensors. So each
method looks its op up in the package when it runs.
"""

from __future__ import annotations

from typing import Any

from tinygrad_edu import core


class Operators:
    """Base class of Tensor."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return core.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return core.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return core.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return core.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return core.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return core.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return core.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return core.divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return core.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return core.power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return core.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return core.matmul(other, self)

    def __neg__(self) -> Any:
        return core.negative(self)

    def __getitem__(self, index: Any) -> Any:
        return core.getitem(self, index)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        return core.sum(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        return core.mean(self, axis, keepdims)

    def reshape(self, *shape: Any) -> Any:
        return core.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        return core.transpose(self, axes or None)

    @property
    def T(self) -> Any:  # noqa: N802 (NumPy's name)
        return core.transpose(self)
