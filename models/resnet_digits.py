"""A residual network on digits, trained as LeNet is."""

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np

from models import mnist_lenet
from models.shared import Training, classifier, program, train
from tinygrad_edu import nn

NAME = "models.resnet_digits"
CHANNELS = (32, 64)
EPOCHS = 100


def block(channels: int, rng: np.random.Generator) -> nn.Residual:
    """Return x + f(x), where f applies normalization, ReLU and convolution twice.

    The identity path has no other layer, forward or backward: K. He and others, "Identity mappings in deep residual
    networks", 2016.
    """
    return nn.Residual(
        nn.BatchNorm2D(channels), nn.ReLU(), nn.Conv2D(channels, channels, 3, padding=1, bias=False, rng=rng),
        nn.BatchNorm2D(channels), nn.ReLU(), nn.Conv2D(channels, channels, 3, padding=1, bias=False, rng=rng),
    )  # fmt: skip


def build(rng: np.random.Generator) -> nn.Sequential:
    """Return the network, from images (N, 1, 28, 28) with pixels of any range to logits (N, 10).

    It is LeNet with a block after each convolution. The blocks contain the normalization.
    """
    first, second = CHANNELS
    return nn.Sequential(
        nn.Conv2D(1, first, 5, bias=False, rng=rng), nn.MaxPool2D(2), block(first, rng),
        nn.Conv2D(first, second, 5, bias=False, rng=rng), nn.MaxPool2D(2), block(second, rng),
        nn.BatchNorm2D(second), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.4, rng=rng), nn.Linear(second * 4 * 4, 10, rng=rng),
    )  # fmt: skip


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training, which is that of LeNet."""
    return mnist_lenet.prepare(options, build)


def reader(options: Mapping[str, Any]) -> nn.Module:
    """Return the network of a run with these options, for `models.predict`."""
    return build(np.random.default_rng(0))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return classifier.parse(NAME, __doc__, EPOCHS, arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


if __name__ == "__main__":
    program(NAME, main)
