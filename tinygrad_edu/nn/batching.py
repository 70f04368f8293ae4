"""Batches: pytrees of arrays with the samples on the first axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, from_numpy
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.shared.pytree import tree_leaves, tree_map


def num_samples(nest: Any) -> int:
    """Return the length of the first axis of all arrays. Raise ShapeError if the lengths differ."""
    lengths = {np.shape(leaf)[:1] for leaf in tree_leaves(nest)}
    if len(lengths) != 1 or not (length := lengths.pop()):
        found = list(dict.fromkeys(str(np.shape(leaf)) for leaf in tree_leaves(nest))) or ["none"]
        shapes = ", ".join([*found[:5], *["..."] * bool(found[5:])])
        hint = " A list is a pytree: convert lists of numbers with np.asarray." if "()" in found else ""
        raise ShapeError(
            f"the arrays of a batch must have the same length along axis 0, got the shapes {shapes}.{hint}"
        )
    return int(length[0])


def take_samples(nest: Any, part: slice | ndarray) -> Any:
    """Index the first axis of each array and Tensor. Other leaves stay as they are."""
    return tree_map(lambda leaf: leaf[part] if isinstance(leaf, Tensor | ndarray) else leaf, nest)


def as_arrays(nest: Any) -> Any:
    """Convert arrays of other libraries, such as PyTorch tensors, to NumPy arrays without a copy."""
    return tree_map(_as_array, nest)


def _as_array(leaf: Any) -> Any:
    if isinstance(leaf, Tensor | ndarray) or not hasattr(leaf, "__array__"):
        return leaf
    return np.asarray(leaf.detach().cpu() if hasattr(leaf, "detach") else leaf)


def as_tensors(nest: Any) -> Any:
    """Convert the arrays to Tensors without a copy."""
    return tree_map(lambda leaf: _as_tensor(leaf) if isinstance(leaf, ndarray) else leaf, nest)


def _as_tensor(array: ndarray) -> Tensor:
    tensor = from_numpy(array)
    tensor._role = None  # not state of a module that stores its input in an attribute
    return tensor


def inputs_and_target(batch: Any) -> tuple[list[Any], Any]:
    """Split a batch into the inputs of the model and the target."""
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        problem = f"has {len(batch)} part" if isinstance(batch, tuple | list) else f"is a {type(batch).__name__}"
        raise DTypeError(
            f"a batch must be a tuple (x, y) or (x1, x2, y) of the model's inputs and the target. This one {problem}. "
            f"Pass several arrays to the DataLoader, or a transform that returns a tuple, such as lambda x: (x, x)."
        )
    return list(batch[:-1]), batch[-1]
