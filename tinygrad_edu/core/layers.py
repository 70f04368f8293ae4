"""The layers of a convolutional network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.core.arithmetic import tanh
from tinygrad_edu.core.arrays import linear, reshape
from tinygrad_edu.core.functional import Pair, conv2d, dropout, pair, softmax
from tinygrad_edu.core.module import Module
from tinygrad_edu.core.tensor import Tensor


class Affine(Module):
    """Base class of layers with a weight, and perhaps a bias."""

    def _init_parameters(self, shape: tuple[int, ...], bias: bool, rng: Any, dtype: Any) -> None:
        """Draw both from [-a, a), where a is 1 / sqrt(the number of inputs of one output), as PyTorch does."""
        rng, a = np.random.default_rng(rng), 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = self._uniform(shape, a, rng, dtype)
        self.bias = self._uniform(shape[:1], a, rng, dtype) if bias else None

    @staticmethod
    def _uniform(shape: tuple[int, ...], a: float, rng: np.random.Generator, dtype: Any) -> Any:
        """Return a parameter drawn from [-a, a)."""
        return Tensor(rng.random(shape, dtype) * (2 * a) - a, requires_grad=True)


class Linear(Affine):
    """Each output is a weighted sum of the inputs, plus a bias: y = x @ weight.T + bias."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True,
        *, rng: np.random.Generator | None = None, dtype: Any = np.float32,
    ) -> None:  # fmt: skip
        self.in_features, self.out_features = in_features, out_features
        self._init_parameters((out_features, in_features), bias, rng, dtype)

    def forward(self, x: Any) -> Any:
        """Map (..., in_features) to (..., out_features)."""
        return linear(x, self.weight, self.bias)


class Conv2D(Affine):
    """Slide kernels over images. A size is an integer or a pair: vertical, horizontal."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
        dilation: Pair = 1, bias: bool = True, *, rng: np.random.Generator | None = None, dtype: Any = np.float32,
    ) -> None:  # fmt: skip
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding, self.dilation = map(pair, (kernel_size, stride, padding, dilation))
        self._init_parameters((out_channels, in_channels, *self.kernel_size), bias, rng, dtype)

    def forward(self, x: Any) -> Any:
        """Map images (N, in_channels, H, W) to feature maps (N, out_channels, rows, columns)."""
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation)


class Tanh(Module):
    """The hyperbolic tangent of each element."""

    def forward(self, x: Any) -> Any:
        return tanh(x)


class Softmax(Module):
    """Probabilities: positive numbers whose sum along an axis is 1."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return softmax(x, self.axis)


class Dropout(Module):
    """In training, set each element to 0 with probability p and divide the others by 1 - p."""

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        self.p, self.rng = p, np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        return dropout(x, self.p, self.rng) if self.training and self.p else x


class Flatten(Module):
    """Make one row of each sample: (N, ...) becomes (N, length)."""

    def forward(self, x: Any) -> Any:
        return reshape(x, (len(x), math.prod(x.shape[1:])))


class Sequential(Module):
    """Call layers in sequence: the output of each is the input of the next."""

    def __init__(self, *layers: Any) -> None:
        self.layers = {str(k): layer for k, layer in enumerate(layers)}

    def forward(self, x: Any) -> Any:
        for layer in self.layers.values():
            x = layer(x)
        return x
