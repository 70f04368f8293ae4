"""Inputs of an op in one 1-d array, whose gradients are computed together: an op has one vjp per input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod
from typing import Any

from tinygrad_edu.engine import Tensor, backward_pass, enable_grad, from_numpy, leaf, wrap
from tinygrad_edu.ops.shapes.joining import concatenate

Shapes = tuple[tuple[int, ...], ...]


def packed(parts: Sequence[Any]) -> Any:
    """Flatten and concatenate several arrays into a 1-d array."""
    return concatenate(parts, axis=None)


def unpacked(row: Any, shapes: Shapes) -> list[Any]:
    """Split a 1-d array into arrays of these shapes: the inverse of `packed`."""
    ends = accumulate(map(prod, shapes))
    return [row[end - prod(shape) : end].reshape(shape) for end, shape in zip(ends, shapes, strict=True)]


def recorded_vjp(f: Callable[[Any], Any], row: Tensor, g: Any) -> Any:
    """Return the vjp of a function of ops as a differentiable Tensor, by a recorded backward pass."""
    row = row if row.requires_grad else wrap(row._data, leaf(row._data), row._storage)
    start: Any = row._node
    with enable_grad():
        out = f(row)
    g = g if isinstance(g, Tensor) else from_numpy(g)
    return backward_pass([(out._node, g)], frozenset({start}), wrap_saved=wrap)[start]
