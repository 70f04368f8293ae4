"""Checks, which a reader may skip: each is one named call that raises, or returns what it was given to check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import (
    DTypeError,
    GraphFreedError,
    IntegerGradientError,
    MissingVJPError,
    NoGraphError,
    NonScalarBackwardError,
    ShapeError,
    StaleValueError,
    VJPDefinitionError,
    WrongGradientError,
)

Array = NDArray[Any]


def real_numbers(array: Array) -> Array:
    """Refuse everything but real numbers and booleans."""
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"a Tensor must hold real numbers or booleans, got dtype {array.dtype}.")
    return array


def floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Refuse a dtype without fractions, which has no derivatives."""
    if dtype.kind != "f":
        raise IntegerGradientError(
            f"a tensor of dtype {dtype} cannot require a gradient: the dtype must be floating point."
        )
    return dtype


def same_shape(where: str, values: Array, tensor: Any) -> Array:
    """Refuse values of another shape than a Tensor's."""
    if values.shape != tensor.shape:
        raise ShapeError(f"{where}: expected shape {tensor.shape}, got {values.shape}.")
    return values


def has_graph(tensor: Any) -> Any:
    """Refuse to start a backward pass where no op was recorded, or from a result that has changed."""
    if tensor._node is None:
        raise NoGraphError(
            "backward() on a tensor without a graph: no input had requires_grad=True, or it was computed under "
            "no_grad() or detached."
        )
    unchanged("backward()", [tensor])
    return tensor._node


def single_element(tensor: Any) -> None:
    """Refuse to start a backward pass from several elements without a gradient for each."""
    if tensor.size != 1:
        raise NonScalarBackwardError(
            f"backward() on a tensor of shape {tensor.shape} needs a gradient of that shape; or reduce the tensor to "
            f"one number first, with .sum() or .mean()."
        )


def unchanged(where: str, tensors: Iterable[Any]) -> None:
    """Refuse results that were written to after their call: their graph belongs to the values of before."""
    for tensor in tensors:
        node = tensor._node
        if node and node.op and tensor._storage.version > node.time:
            raise StaleValueError(
                f"{where}: a result of op {node.op.name}, of shape {node.shape}, was changed in place after it was "
                f"computed. Compute it again, or change a copy."
            )


def valid_saved(node: Any) -> dict[str, Any]:
    """Refuse the saved values of a node if they were freed, or one of them was written to after the call."""
    if node.saved is None:
        raise GraphFreedError(
            f"backward() a second time through op {node.op.name} (shape {node.shape}): its saved values were freed by "
            f"the first. Pass retain_graph=True to the first call, or compute the result again."
        )
    for name, storage in node.storages.items():
        if storage.version > node.time:
            raise StaleValueError(
                f"op {node.op.name} saved {name}, which has since been changed in place. Call backward() before the "
                f"change, or change a copy."
            )
    return node.saved


def setting(op: Any, name: str, value: Any) -> Any:
    """Refuse a setting that requires a gradient, which would be lost. Return the array of any other Tensor."""
    if getattr(value, "requires_grad", False):
        raise DTypeError(
            f"op {op.name}: {name} is a setting and gets no gradient, but the Tensor requires one. Pass its detach()."
        )
    return getattr(value, "_data", value)


def known_names(op: Any, where: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names in the declaration of a vjp that the op does not have."""
    for name in names:
        if name not in known:
            raise VJPDefinitionError(
                f"{where}: op {op.name} has nothing named {name!r}; expected one of {', '.join(known)}."
            )


def has_vjp(op: Any, x: str) -> None:
    """Refuse a gradient for an input without a vjp."""
    if x not in op.vjp_functions:
        raise MissingVJPError(
            f"op {op.name} has no vjp for its argument {x}: define one with {op.name}.vjps({x}=lambda g, ...: ...)."
        )


def fits(g: Any, node: Any, x: str) -> None:
    """Refuse the result of a vjp of another shape than its input x, unless the op broadcasts x to that shape."""
    shape = node.parents[x].shape
    if not hasattr(g, "shape") or (g.shape != shape and not (node.op.broadcasts and is_broadcast(shape, g.shape))):
        raise WrongGradientError(
            f"op {node.op.name}: the vjp of {x} returned a {type(g).__name__} of shape {np.shape(g)}; expected the "
            f"shape of {x}, {shape}. If the op broadcasts, declare it with @op(broadcasts=True)."
        )


def is_broadcast(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Return whether arrays of a shape broadcast to the shape of a result."""
    ends = zip(reversed(shape), reversed(result), strict=False)
    return len(shape) <= len(result) and all(n in (1, m) for n, m in ends)


def labels(labels: Array, logits: Any) -> Array:
    """Refuse labels that are not one class for each row of logits."""
    if labels.dtype.kind not in "iu" or len(logits.shape) != 2 or labels.shape != logits.shape[:1]:
        raise ShapeError(
            f"cross_entropy: expected logits (N, C) and N integer labels, got logits {logits.shape} and labels "
            f"{labels.shape} of dtype {labels.dtype}."
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"cross_entropy: labels must be from 0 to {logits.shape[1] - 1}.")
    return labels


def counts(counts: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    """Refuse a kernel that is larger than the padded images."""
    if min(counts) < 1:
        raise ShapeError(f"the kernel is larger than the images of size {size} with their padding.")
    return counts
