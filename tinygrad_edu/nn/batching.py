"""The samples of a batch: the first axis of every array in it, in whatever nest of lists, tuples and dicts they are."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, from_numpy
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.transforms.trees import tree_leaves, tree_map

__all__ = ["as_arrays", "as_inputs", "inputs_and_target", "samples", "some_samples"]


def samples(nest: Any) -> int:
    """Return how many samples there are: the length of the first axis of each array.

    Raises
    ------
    ShapeError
        The arrays differ in it, or there is none.
    """
    lengths = {np.shape(leaf)[:1] for leaf in tree_leaves(nest)}
    if len(lengths) != 1 or not (length := lengths.pop()):
        shapes = ", ".join(str(np.shape(leaf)) for leaf in tree_leaves(nest)) or "of nothing"
        raise ShapeError(f"the arrays of a batch have one row for each sample; these have the shapes {shapes}.")
    return int(length[0])


def some_samples(nest: Any, part: slice | ndarray) -> Any:
    """Return what belongs to some of the samples: of each array and tensor; what is neither stays as it is."""
    return tree_map(lambda leaf: leaf[part] if isinstance(leaf, Tensor | ndarray) else leaf, nest)


def as_arrays(nest: Any) -> Any:
    """Return a nest with the arrays of other libraries, PyTorch's tensors for example, as NumPy's, without a copy."""
    return tree_map(_as_array, nest)


def _as_array(leaf: Any) -> Any:
    if isinstance(leaf, Tensor | ndarray) or not hasattr(leaf, "__array__"):
        return leaf
    return np.asarray(leaf.detach().cpu() if hasattr(leaf, "detach") else leaf)


def as_inputs(nest: Any) -> Any:
    """Return the arrays of a nest as tensors, without a copy."""
    return tree_map(lambda leaf: _as_input(leaf) if isinstance(leaf, ndarray) else leaf, nest)


def _as_input(array: ndarray) -> Tensor:
    tensor = from_numpy(array)
    tensor._role = None  # a module that keeps its input does not have it in its state
    return tensor


def inputs_and_target(batch: Any) -> tuple[list[Any], Any]:
    """Return what the model is called with, and what its output is compared with."""
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        what = f"has {len(batch)} part" if isinstance(batch, tuple | list) else f"is a {type(batch).__name__}"
        raise DTypeError(
            f"a batch is a tuple (x, y), or (x1, x2, y): inputs of the model, and last the target. This one {what}. A "
            f"DataLoader makes such tuples of several arrays, or its transform does: lambda x: (x, x)."
        )
    return list(batch[:-1]), batch[-1]
