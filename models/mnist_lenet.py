"""LeNet with batch normalization and max pooling, on a thousand randomly distorted digits."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from models.shared import Training, classifier, digits, program, train
from tinygrad_edu import cross_entropy, nn
from tinygrad_edu.training import Accuracy, Epoch, fit

NAME = "models.mnist_lenet"
CHANNELS = (32, 64)
EPOCHS = 100


def build(rng: np.random.Generator) -> nn.Sequential:
    """Return the network, from images (N, 1, 28, 28) with pixels of any range to logits (N, 10).

    The convolutions have no bias, since normalization would remove it. Pooling comes before normalization, which leaves
    a quarter of the elements to normalize.
    """
    first, second = CHANNELS
    return nn.Sequential(
        nn.Conv2D(1, first, 5, bias=False, rng=rng), nn.MaxPool2D(2), nn.BatchNorm2D(first), nn.ReLU(),
        nn.Conv2D(first, second, 5, bias=False, rng=rng), nn.MaxPool2D(2), nn.BatchNorm2D(second), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.2, rng=rng), nn.Linear(second * 4 * 4, 10, rng=rng),
    )  # fmt: skip


def prepare(options: argparse.Namespace, build: Callable[[np.random.Generator], nn.Module] = build) -> Training:
    """Return the network that `build` returns, and its training. One seed gives the same bits on the same machine."""
    images, rng = digits.load(options), np.random.default_rng(options.seed)
    model = build(rng)
    batches = digits.loader(images, options.batch_size, rng, classifier.augment)
    optimizer = classifier.optimizer(model, options.learning_rate, len(images.x_train))
    schedule = classifier.schedule(options.learning_rate, options.epochs * len(batches))

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, cross_entropy, batches, options.epochs, rng=rng, schedule=schedule,
            metrics={"accuracy": Accuracy(), "cross_entropy": cross_entropy},
            evaluate_on=digits.evaluation_sets(images), evaluate_every=classifier.EVALUATE_EVERY, **run,
        )  # fmt: skip

    return classifier.training(options, images, model, start)


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
