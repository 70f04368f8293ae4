"""Strategies for modules: random nested layers, with a matching input."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.strategies.arrays import arrays

_SMOOTH = ("Tanh", "Sigmoid", "Softmax", "LogSoftmax")


@st.composite
def modules(draw: Any, images: bool | None = None) -> tuple[Any, Array]:
    """Draw a Sequential with nested Sequentials and Residuals, and a float64 batch for it.

    Parameters
    ----------
    images : bool, optional
        Whether the batch has images (N, C, H, W), with convolutions and pooling as the first layers, or vectors (N,
        features). Default: either.
    """
    from tinygrad_edu import nn

    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    samples = draw(st.integers(1, 3))
    layers: list[Any] = []
    if draw(st.booleans()) if images is None else images:
        shape = (draw(st.integers(1, 2)), draw(st.integers(2, 5)), draw(st.integers(2, 5)))
        x = draw(arrays((samples, *shape), -2.0, 2.0, layouts=False))
        layers, shape = _convolutional(draw, nn, rng, shape)
        layers.append(nn.Flatten())
        features = int(np.prod(shape))
    else:
        features = draw(st.integers(1, 4))
        x = draw(arrays((samples, features), -2.0, 2.0, layouts=False))
    for _ in range(draw(st.integers(0, 2))):
        out = draw(st.integers(1, 4))
        block = nn.Residual if out == features and draw(st.booleans()) else nn.Sequential
        layers.append(block(nn.Linear(features, out, bias=draw(st.booleans()), rng=rng), _activation(draw, nn, rng)))
        features = out
    return nn.Sequential(*layers), x


def _activation(draw: Any, nn: Any, rng: np.random.Generator) -> Any:
    kind = draw(st.sampled_from((*_SMOOTH, "ReLU", "Dropout")))
    return nn.Dropout(draw(st.sampled_from((0.5, 0.25))), rng=rng) if kind == "Dropout" else getattr(nn, kind)()


def _convolutional(
    draw: Any, nn: Any, rng: np.random.Generator, shape: tuple[int, int, int]
) -> tuple[list[Any], tuple[int, int, int]]:
    """Draw up to two convolutions and a pooling layer that fit, and their output shape."""
    layers: list[Any] = []
    channels, height, width = shape
    for _ in range(draw(st.integers(0, 2))):
        out, kernel = draw(st.integers(1, 2)), draw(st.integers(1, min(2, height, width)))
        stride, padding = draw(st.integers(1, 2)), draw(st.integers(0, 1))
        groups = draw(st.sampled_from([1, channels])) if out % channels == 0 else 1
        layers += [nn.Conv2D(channels, out, kernel, stride=stride, padding=padding, groups=groups, rng=rng),
                   _activation(draw, nn, rng)]  # fmt: skip
        height, width = ((n + 2 * padding - kernel) // stride + 1 for n in (height, width))
        channels = out
    if min(height, width) >= 2 and draw(st.booleans()):
        layers.append(draw(st.sampled_from((nn.MaxPool2D, nn.AvgPool2D)))(2))
        height, width = height // 2, width // 2
    return layers, (channels, height, width)
