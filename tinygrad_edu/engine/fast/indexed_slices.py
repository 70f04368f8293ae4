"""A gradient given at some indices, and zero elsewhere: that of an index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy import ndarray

from tinygrad_edu.engine.fast.scatter_add import add_at


class IndexedSlices:
    """A gradient that is given at some indices, and is zero elsewhere: the vjp of an index returns it.

    A loop over the slices of an array makes many. They are added up in one array, where dense gradients would need an
    array of zeros each. ``slices += g`` adds another gradient of any kind.

    Attributes
    ----------
    values, indices : list
        The slices, and the index of each. An element that an index names twice is added twice.
    shape : tuple of int
        Of the dense gradient.
    gather : callable
        Makes the dense gradient: ``gather(*values, indices=..., shape=...)``, a Tensor from Tensors.
    """

    __slots__ = ("gather", "indices", "shape", "values")

    def __init__(
        self, values: list[Any], indices: list[Any], shape: tuple[int, ...], gather: Callable[..., Any]
    ) -> None:
        self.values, self.indices, self.shape, self.gather = values, indices, shape, gather

    def __iadd__(self, g: Any) -> IndexedSlices:
        self.values += g.values if g.__class__ is IndexedSlices else [g]
        self.indices += g.indices if g.__class__ is IndexedSlices else [...]
        return self

    def add_to(self, total: ndarray) -> None:
        """Add each slice to an array at its index."""
        for value, index in zip(self.values, self.indices, strict=True):
            add_at(total, index, value)


def densify(g: Any) -> Any:
    """Return a gradient as one array or Tensor."""
    return g.gather(*g.values, indices=tuple(g.indices), shape=g.shape) if g.__class__ is IndexedSlices else g
