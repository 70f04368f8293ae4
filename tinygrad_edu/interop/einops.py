"""Functions of einops, which reshape and reduce by a pattern, for Tensors and arrays."""

from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors.extras import missing_extra

try:
    from einops import einsum, pack, parse_shape, rearrange, reduce, repeat, unpack
except ImportError as error:
    raise missing_extra("tinygrad_edu.interop.einops requires einops", "einops") from error
try:
    from einops._backends import AbstractBackend  # private: pyproject.toml bounds the version
except ImportError as error:
    raise missing_extra(
        "tinygrad_edu.interop.einops finds no AbstractBackend in this version of einops", "einops"
    ) from error

__all__ = ["einsum", "pack", "parse_shape", "rearrange", "reduce", "repeat", "unpack"]


class _Backend(AbstractBackend):  # einops finds the subclasses of this class
    """The operations on Tensors that einops composes."""

    framework_name = "tinygrad_edu"

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, Tensor)

    def from_numpy(self, x: Any) -> Tensor:
        return Tensor(x)

    def to_numpy(self, x: Any) -> Any:
        return x.numpy()

    def arange(self, start: int, stop: int) -> Tensor:
        return Tensor(np.arange(start, stop))

    def stack_on_zeroth_dimension(self, tensors: list[Any]) -> Any:
        return ops.stack(tensors)

    def add_axes(self, x: Any, n_axes: int, pos2len: dict[int, int]) -> Any:
        """Return a view with new axes, instead of a copy for each of their positions."""
        for position in pos2len:
            x = ops.expand_dims(x, position)
        return ops.broadcast_to(x, tuple(pos2len.get(axis, length) for axis, length in enumerate(x.shape)))

    def concat(self, tensors: list[Any], axis: int) -> Any:
        return ops.concatenate(tensors, axis)

    def is_float_type(self, x: Any) -> bool:
        return bool(x.dtype.kind == "f")

    def einsum(self, pattern: str, *x: Any) -> Any:
        return ops.einsum(pattern, *x)
