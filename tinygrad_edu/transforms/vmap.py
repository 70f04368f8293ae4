"""vmap: a function of one sample as a function of many, which computes all samples at once.

The batching rule of an op is next to the op, as ``@op(batching=...)``. `engine.batching` has the general rules, and
`ops.images.convolution_by_sample` those of convolutions.
"""

from __future__ import annotations

from functools import update_wrapper
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import (
    Function,
    Level,
    Tensor,
    hidden,
    is_mapped_by,
    levels_of,
    open_levels,
    opened,
    peeled,
    require_open,
    spread,
)
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.elementwise import trigonometry  # noqa: F401 (batching of core ops)
from tinygrad_edu.ops.images import patches  # noqa: F401 (batching of core ops)
from tinygrad_edu.ops.indices import indexing  # noqa: F401 (batching of core ops)
from tinygrad_edu.ops.networks import softmax  # noqa: F401 (batching of core ops)
from tinygrad_edu.ops.shapes.shape import moveaxis
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.transforms.argnums import require_function
from tinygrad_edu.transforms.linearize import ARRAYS, is_in_outer_transform, join_numbers

__all__ = ["vmap"]


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0, randomness: str = "error") -> Function:
    """Return a function that applies `f` to each sample of its arguments, and stacks the results.

    f sees Tensors without the axis of the samples. It runs once: each op computes all samples. The results are arrays
    if all arguments are arrays, as for the other transforms.

    Parameters
    ----------
    f : callable
        Takes and returns pytrees of Tensors.
    in_axes : int, None or pytree of them, default 0
        Axis of the samples in each positional argument. None means that all samples share the argument. A tuple or list
        has one entry for each argument; an entry may be a nest with the structure of its argument, or of the first
        levels of it. Keyword arguments are shared.
    out_axes : int or pytree of int, default 0
        Axis of the samples in each result.
    randomness : {"error", "same", "different"}, default "error"
        What a random function does in f: raise, draw the same numbers for all samples, or other numbers for each.

    Raises
    ------
    ShapeError
        Raised by the returned function: the arguments have different numbers of samples, or none, or a structure that
        does not match `in_axes`.
    MappedValueError
        Raised by the returned function: f needs a number, a truth value or an array, writes to a Tensor that is not
        mapped, or draws random numbers although `randomness` is ``"error"``.

    Warns
    -----
    LoopWarning
        An op or function without a batching rule runs once for each sample. Issued once for each of them.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> dot = lambda x, y: (x * y).sum()
    >>> vmap(dot, in_axes=(0, None))(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), tg.Tensor([1.0, 10.0])).tolist()
    [21.0, 43.0]
    >>> vmap(tg.grad(dot))(np.ones((2, 3)), np.full((2, 3), 5.0)).shape
    (2, 3)
    """
    require_function(f)
    if randomness not in ("error", "same", "different"):
        raise invalid_choice("vmap: randomness", randomness, ("error", "same", "different"))

    def function(*args: Any, **kwargs: Any) -> Any:
        args = tuple(join_numbers(x) if isinstance(x, list) else x for x in args)
        axes = _axes_of_arguments(args, in_axes)
        level = Level(_count_samples(args, axes), randomness)
        inputs = tree_map(lambda x, axis: _mapped_argument(x, axis, level), args, axes)
        with opened((*open_levels(), level)):
            out = f(*inputs, **kwargs)
        results = tree_map(lambda x, axis: _result(x, axis, level), out, _full_tree(out_axes, out, "out_axes"))
        got_arrays = all(isinstance(x, ARRAYS) for x in tree_leaves(args))
        return tree_map(_detached, results) if got_arrays and not is_in_outer_transform() else results

    return update_wrapper(function, f) if hasattr(f, "__name__") else function


def _detached(x: Any) -> Any:
    """Return the array of a Tensor through which no gradient can flow."""
    return x._data if isinstance(x, Tensor) and not x.requires_grad else x


class _Shared:
    """The axis of an argument that all samples share. It is not None, which is a pytree without leaves."""


_SHARED = _Shared()


def _axes_of_arguments(args: tuple[Any, ...], in_axes: Any) -> tuple[Any, ...]:
    """Return the axis of each leaf of the arguments."""
    if isinstance(in_axes, tuple | list):
        if len(in_axes) != len(args):
            raise ShapeError(f"vmap: in_axes has {len(in_axes)} entries for {len(args)} positional arguments.")
        return tuple(
            _full_tree(axis, x, f"in_axes[{k}]") for k, (axis, x) in enumerate(zip(in_axes, args, strict=True))
        )
    return tuple(_full_tree(in_axes, x, "in_axes") for x in args)


def _full_tree(axes: Any, tree: Any, name: str) -> Any:
    """Return axes with the structure of a tree. An axis stands for all leaves below it."""
    if axes is None or isinstance(axes, int | np.integer):
        return tree_map(lambda _: _SHARED if axes is None else int(axes), tree)
    if isinstance(axes, dict) and isinstance(tree, dict) and axes.keys() == tree.keys():
        return {key: _full_tree(axes[key], part, f"{name}[{key!r}]") for key, part in tree.items()}
    if isinstance(axes, tuple | list) and isinstance(tree, tuple | list) and len(axes) == len(tree):
        pairs = enumerate(zip(axes, tree, strict=True))
        parts = [_full_tree(axis, part, f"{name}[{k}]") for k, (axis, part) in pairs]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    raise ShapeError(
        f"vmap: {name} must be an integer, None, or a nest like the value, got {axes!r} for a {type(tree).__name__}."
    )


def _count_samples(args: tuple[Any, ...], axes: tuple[Any, ...]) -> int:
    """Return the number of samples, the same for each mapped leaf."""
    sizes: list[int] = []

    def count(x: Any, axis: Any) -> None:
        if axis is _SHARED:
            return
        shape = np.shape(x)
        if not -len(shape) <= axis < len(shape):
            raise ShapeError(
                f"vmap: an argument of shape {shape} has no axis {axis}. Pass None in in_axes to share it."
            )
        sizes.append(shape[axis])

    tree_map(count, args, axes)
    if not sizes:
        raise ShapeError("vmap: no argument is mapped; in_axes must give an axis of at least one array.")
    if len(set(sizes)) > 1:
        raise ShapeError(f"vmap: the mapped axes have different lengths, {sorted(set(sizes))}.")
    if not sizes[0]:
        raise ShapeError("vmap: the mapped axis has length 0, so f has no sample to run on.")
    return sizes[0]


def _mapped_argument(x: Any, axis: Any, level: Level) -> Any:
    if axis is _SHARED:
        return Tensor(x) if isinstance(x, np.ndarray) else x
    tensor = x if isinstance(x, Tensor) else Tensor(x)
    position = normalize_axis_index(axis, tensor.ndim)
    return hidden(moveaxis(tensor, position, 0) if position else tensor, level)


def _result(x: Any, axis: Any, level: Level) -> Any:
    """Return a result with its samples along `axis`; a result that is the same for all samples is broadcast."""
    if axis is _SHARED:
        if is_mapped_by(x, level):
            raise ShapeError("vmap: out_axes is None for a result that differs between the samples. Pass an integer.")
        return x
    if not isinstance(x, Tensor | np.ndarray | np.generic | int | float):
        return x
    value = x if isinstance(x, Tensor) else Tensor(x)
    stacked = peeled(value if is_mapped_by(value, level) else spread(value, (level,)))
    require_open(levels_of(stacked), "vmap")
    position = normalize_axis_index(axis, stacked.ndim)
    return moveaxis(stacked, 0, position) if position else stacked
