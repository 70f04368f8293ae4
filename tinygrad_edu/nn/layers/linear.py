"""Linear and bilinear layers, and the default initialization of weights and biases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import core, ops
from tinygrad_edu.core import layers as core_layers
from tinygrad_edu.engine import Tensor, TensorLike, shape_of, to_array
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import require_sample_axis
from tinygrad_edu.ops.shapes.shape import holds_floats

__all__ = ["Bilinear", "Linear"]


def require_sizes(layer: str, **sizes: Any) -> None:
    """Raise an error that names the first size that is not an integer >= 1."""
    for name, size in sizes.items():
        integer(f"{layer}: {name}", size, 1)


def shape_of_floats(layer: str, x: Any) -> tuple[int, ...]:
    """Return the shape of an input. Raise for integers: pixels that are not scaled, or tokens without an embedding."""
    x = x if isinstance(x, (Tensor, np.ndarray, list, tuple)) else to_array(x)
    if getattr(getattr(x, "dtype", None), "kind", "f") in "iu":
        raise DTypeError(
            f"{layer}: the input must be floating point, got {x.dtype}. Scale images with "
            f"tinygrad_edu.data.to_float(images), pass token ids to nn.Embedding, and convert other numbers: "
            f"x.astype(np.float32)."
        )
    return shape_of(x)


class Affine(core_layers.Affine, Module):
    """Base class of layers with a weight and a bias, which `init.uniform` draws."""

    weight: Tensor
    bias: Tensor | None
    _uniform = staticmethod(init.uniform)

    def _init_parameters(
        self, shape: tuple[int, ...], bias: bool, rng: np.random.Generator | None, dtype: DTypeLike
    ) -> None:
        """Draw both, from a new generator by default."""
        super()._init_parameters(shape, bias, init.generator_or_new(rng), dtype)


class Linear(core.Linear, Affine):
    """Apply an affine map: y = x @ weight.T + bias.

    Parameters
    ----------
    in_features : int
        Length of the last axis of the input.
    out_features : int
        Length of the last axis of the output.
    bias : bool, default True
        Whether to add a learned bias.
    rng : numpy.random.Generator, optional
        Generator of the initial parameters. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), or None
        Both are drawn from [-a, a) for a = 1 / sqrt(in_features), as in PyTorch. See `init` for other distributions.

    Raises
    ------
    DTypeError, ValueError
        A size is not an integer >= 1, or the input holds integers.
    ShapeError
        The last axis of the input does not have the length `in_features`.

    Examples
    --------
    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        require_sizes("Linear", in_features=in_features, out_features=out_features)
        super().__init__(in_features, out_features, bias, rng=rng, dtype=dtype)

    def forward(self, x: TensorLike) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        if not holds_floats(x) or len(shape := x.shape) < 2 or shape[-1] != self.in_features:
            self._check_shape(shape_of_floats("Linear", x))
        return ops.linear(x, self.weight, self.bias)  # one op, where the core has three

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise for another number of features, and in a shard for an input without a sample axis."""
        require_sample_axis("Linear", shape, 0, 2)
        if shape[-1:] != (self.in_features,):
            raise ShapeError(
                f"Linear({self.in_features}, {self.out_features}): the last axis of the input must have length "
                f"{self.in_features}, got shape {shape}. To flatten images, use Flatten()."
            )

    def extra_repr(self) -> str:
        """Return the numbers of features."""
        bias_text = "" if self.bias is not None else ", bias=False"
        return f"in_features={self.in_features}, out_features={self.out_features}{bias_text}"


class Bilinear(Module):
    """Apply a bilinear map: y[k] = input1 @ weight[k] @ input2 + bias[k].

    Parameters
    ----------
    in1_features : int
        Length of the last axis of the first input.
    in2_features : int
        Length of the last axis of the second input.
    out_features : int
        Length of the last axis of the output.
    bias : bool, default True
        Whether to add a learned bias.
    rng : numpy.random.Generator, optional
        Generator of the initial parameters. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    weight : Tensor, shape (out_features, in1_features, in2_features)
    bias : Tensor, shape (out_features,), or None
        Both are drawn from [-a, a) for a = 1 / sqrt(in1_features), as in PyTorch.

    Raises
    ------
    DTypeError, ValueError
        A size is not an integer >= 1.
    ShapeError
        The last axes of the inputs do not have the lengths `in1_features` and `in2_features`.

    Examples
    --------
    >>> layer = Bilinear(3, 4, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3)), np.ones((5, 4))).shape
    (5, 2)
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        require_sizes("Bilinear", in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        rng, bound = init.generator_or_new(rng), 1 / math.sqrt(in1_features)
        self.weight = init.uniform((out_features, in1_features, in2_features), bound, rng, dtype)
        self.bias = init.uniform((out_features,), bound, rng, dtype) if bias else None

    def forward(self, input1: TensorLike, input2: TensorLike) -> Tensor:
        """Map (..., in1_features) and (..., in2_features) to (..., out_features)."""
        shape, _ = (shape_of_floats("Bilinear", x) for x in (input1, input2))
        require_sample_axis("Bilinear", shape, 0, 2)
        return ops.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the numbers of features."""
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"
        return f"{sizes}{'' if self.bias is not None else ', bias=False'}"
