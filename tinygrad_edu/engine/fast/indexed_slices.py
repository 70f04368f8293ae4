"""A gradient that is given at some indices and is zero elsewhere: the gradient of indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy import ndarray

from tinygrad_edu.engine.fast.scatter_add import add_at


class IndexedSlices:
    """A gradient that is given at some indices and is zero elsewhere. The vjp of indexing returns it.

    A loop over the slices of an array creates many of them. They are added to one array, whereas each dense gradient
    would need its own array of zeros. ``slices += g`` adds another gradient, dense or sliced.

    Attributes
    ----------
    values, indices : list
        The slices, and the index of each. An element that occurs twice in an index is added to twice.
    shape : tuple of int
        Shape of the dense gradient.
    gather : callable
        Returns the dense gradient: ``gather(*values, indices=..., shape=...)``, a Tensor for Tensors.
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
