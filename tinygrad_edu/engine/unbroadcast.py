"""Unbroadcasting: the gradient from a vjp in the shape and the dtype of its input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.fast.indexed_slices import IndexedSlices, densify
from tinygrad_edu.engine.node import Node
from tinygrad_edu.errors import WrongGradientError


def match_input(node: Node, k: int, kind: type[Any], contribution: Any) -> Any:
    """Return the gradient from a vjp in the shape and the dtype of its input.

    Other shapes and dtypes are errors, unless the op declares broadcasting or promotion. `kind` is the class of all
    gradients in this pass: ndarray or Tensor. If it is Tensor, wrap an array, since a bare array would be promoted.
    """
    op, parent, argument = node.vjps.op, node.links[k], node.vjps.names[k]
    assert op is not None
    if isinstance(contribution, IndexedSlices):
        contribution = densify(contribution)
    if isinstance(contribution, np.generic):
        contribution = np.asarray(contribution)
    where = f"op {op.name}: the vjp of {argument}"
    if not isinstance(contribution, ndarray | kind):
        raise WrongGradientError(
            f"{where} returned a {type(contribution).__name__}; expected an array, or a Tensor for Tensors."
        )
    if contribution.shape != parent.shape:
        contribution = _unbroadcast_to(contribution, parent.shape, op.broadcasts, f"{where} returned", argument)
    if contribution.dtype != parent.dtype:
        is_promoted = op.promoted(k)
        if not is_promoted or contribution.dtype != node.dtype:
            hint = "" if is_promoted else f" If {argument} is promoted, name it in @op(promotes=...)."
            raise WrongGradientError(
                f"{where} returned dtype {contribution.dtype}; expected the dtype of {argument}, {parent.dtype}.{hint}"
            )
        contribution = contribution.astype(parent.dtype)
    return contribution if kind is ndarray or isinstance(contribution, kind) else kind(contribution)


def _unbroadcast_to(g: Any, shape: tuple[int, ...], broadcasts: bool, where: str, argument: str) -> Any:
    if broadcasts and _is_broadcast_of(g.shape, shape):
        return unbroadcast(g, shape)
    hint = "" if broadcasts else " If the op broadcasts, declare it with @op(broadcasts=True)."
    raise WrongGradientError(f"{where} shape {g.shape}; expected the shape of {argument}, {shape}.{hint}")


def _is_broadcast_of(shape: tuple[int, ...], source: tuple[int, ...]) -> bool:
    tail = shape[len(shape) - len(source) :]
    return len(shape) >= len(source) and all(n in (1, m) for n, m in zip(source, tail, strict=True))


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` (array or Tensor) over the axes along which `shape` was broadcast: the transpose of broadcasting."""
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1 and g.shape[extra + i] != 1)
    if g.dtype == np.float16:  # NumPy accumulates in float16 along some axes, where 2048 + 1 is 2048
        return g.sum(axis=axes, dtype=np.float32).astype(np.float16).reshape(shape)
    return g.sum(axis=axes).reshape(shape)
