"""Checks, which a reader may skip: each is one named call that raises, or returns the value that it checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

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


def real_numbers(array: Any) -> Any:
    """Refuse everything but real numbers and booleans."""
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"a Tensor must hold real numbers or booleans, got dtype {array.dtype}.")
    return array


def floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Refuse a dtype without fractions, which has no derivatives."""
    if dtype.kind != "f":
        raise IntegerGradientError(f"a tensor of dtype {dtype} cannot require a gradient: make it floating point.")
    return dtype


def same_shape(where: str, values: Any, tensor: Any) -> Any:
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
    unchanged("backward()", "tensor", tensor)
    return tensor._node


def single_element(tensor: Any) -> None:
    """Refuse to start a backward pass from several elements without a gradient for each."""
    if tensor.size != 1:
        raise NonScalarBackwardError(
            f"backward() on a tensor of shape {tensor.shape} needs a gradient of that shape; or reduce the tensor to "
            f"one number first, with .sum() or .mean()."
        )


def unchanged(where: str, argument: str, tensor: Any) -> None:
    """Refuse a result that was written to after its call: its graph belongs to the values of before."""
    node = tensor._node
    if node and node.op and tensor._storage.version > node.time:
        raise StaleValueError(
            f"{where}: its {argument} (made by {node.op.name}, shape {node.shape}) shares memory that was changed in "
            f"place after it was computed, so its gradient belongs to other values. Compute it again, or change a copy."
        )


def valid_saved(node: Any) -> dict[str, Any]:
    """Refuse the saved values of a node if they were freed, or one of them was written to after the call."""
    if (saved := node.saved) is None:  # read once: it may be freed at any time
        raise GraphFreedError(
            f"backward() a second time through op {node.op.name} (shape {node.shape}): its saved values were freed by "
            f"the first. Compute the result again, or pass retain_graph=True to the first call. In a training loop, "
            f"two causes are usual: a state from the step before (use h.detach()), or a parameter that an op changed "
            f"where it was made (make it from its final values, Tensor(values, requires_grad=True))."
        )
    for name in saved:
        if name in node.storages and node.storages[name].version > node.time:
            raise stale_value(node, name)
    return saved


def stale_value(node: Any, name: str) -> StaleValueError:
    """Return the error for a saved value that was written to."""
    x = next(x for x in node.parents if name in node.op.vjp_arguments[x])
    return StaleValueError(
        f"op {node.op.name}: the vjp of {x} saved {name if name != 'out' else 'its result'}, which has since been "
        f"changed in place. Call backward() before the change, or change a copy: t = t + 1 makes one, t += 1 does not."
    )


def setting(op: Any, name: str, value: Any) -> Any:
    """Refuse a setting that requires a gradient, which would be lost."""
    if getattr(value, "requires_grad", False):
        raise DTypeError(
            f"op {op.name}: {name} is a setting and gets no gradient, but the Tensor requires one. Pass its detach()."
        )
    return value


def known_names(op: Any, where: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names in the declaration of a vjp that the op does not have."""
    for name in names:
        if name not in known:
            raise VJPDefinitionError(f"{where}: op {op.name} has no {name!r}; expected one of {', '.join(known)}.")


def has_vjp(op: Any, x: str, g: Any) -> None:
    """Refuse a gradient for an input without a vjp."""
    if x not in op.vjp_functions:
        raise MissingVJPError(
            f"op {op.name} has no vjp for its argument {x} (a gradient of shape {g.shape} reached it): define one with "
            f"{op.name}.vjps({x}=lambda g, ...: ...), or detach() the argument."
        )


def fits(g: Any, node: Any, x: str) -> None:
    """Refuse the result of a vjp of another shape than its input x, unless the op broadcasts x to that shape."""
    op, shape = node.op, node.parents[x].shape
    if not hasattr(g, "shape"):
        raise WrongGradientError(f"op {op.name}: the vjp of {x} returned a {type(g).__name__}; expected an array.")
    if g.shape != shape and not (op.broadcasts and is_broadcast(shape, g.shape)):
        advice = "" if op.broadcasts else " If the op broadcasts, declare it with @op(broadcasts=True)."
        raise WrongGradientError(
            f"op {op.name}: the vjp of {x} returned shape {g.shape}; expected the shape of {x}, {shape}.{advice}"
        )


def is_broadcast(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Return whether arrays of a shape broadcast to the shape of a result."""
    ends = zip(reversed(shape), reversed(result), strict=False)
    return len(shape) <= len(result) and all(n in (1, m) for n, m in ends)


def labels(labels: Any, logits: Any) -> Any:
    """Refuse labels that are not one class for each row of logits."""
    if labels.dtype.kind not in "iu" or len(logits.shape) != 2 or labels.shape != logits.shape[:1]:
        raise ShapeError(
            f"cross_entropy: expected logits (N, C) and N integer labels, got logits {logits.shape} and labels "
            f"{labels.shape} of dtype {labels.dtype}."
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"cross_entropy: labels must be from 0 to {logits.shape[1] - 1}.")
    return labels


def window_counts(counts: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    """Refuse a kernel that is larger than the padded images."""
    if min(counts) < 1:
        raise ShapeError(f"the kernel is larger than the images of size {size} with their padding.")
    return counts
