"""Two convolutions with normalization and pooling, on a thousand digits that are bent anew in each epoch."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models import digits, report
from models.console import program
from models.options import not_negative, positive, training_parser
from models.outcome import Outcome
from models.training import Training, train
from tinygrad_edu import cross_entropy, data, nn, optim, softmax
from tinygrad_edu.parallel import map_shards, shards
from tinygrad_edu.training import evaluating, fit

NAME = "models.mnist_lenet"
PICTURES = ("samples.png", *digits.PICTURES)
CHANNELS = (32, 64)
WEIGHT_DECAY = 1e-3
SHARD_SIZE = 128  # images that a core reads at a time
EVALUATE_EVERY = 20  # epochs: to read 11,000 images takes as long as two of them


def build(rng: np.random.Generator) -> nn.Sequential:
    """Return the network, from images (N, 1, 28, 28) with pixels of any range to logits (N, 10).

    Normalization would take a bias before it away again, so there is none. Pooling comes before it: it leaves a quarter
    of the numbers to normalize.
    """
    first, second = CHANNELS
    return nn.Sequential(
        nn.Conv2D(1, first, 5, bias=False, rng=rng), nn.MaxPool2D(2), nn.BatchNorm2D(first), nn.ReLU(),
        nn.Conv2D(first, second, 5, bias=False, rng=rng), nn.MaxPool2D(2), nn.BatchNorm2D(second), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.4, rng=rng), nn.Linear(second * 4 * 4, 10, rng=rng),
    )  # fmt: skip


def reader(options: Mapping[str, Any]) -> nn.Module:
    """Return the network of a run with these options, for `models.predict`."""
    return build(np.random.default_rng(0))


def optimizer(model: nn.Module, learning_rate: float) -> optim.SGD:
    """Return what takes the steps: momentum that looks ahead, and weights that shrink a little."""
    return optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY)


def schedule(learning_rate: float, steps: int) -> Callable[[int], float]:
    """Return the learning rate as a function of the step, of so many in all: it rises, and sinks to nearly 0."""
    if steps < 4:
        raise ValueError(
            f"{steps} steps are too few to rise and sink in; more --epochs or a smaller --batch-size helps"
        )
    return optim.schedules.one_cycle(learning_rate, steps)


def augment(images: ndarray, rng: np.random.Generator) -> ndarray:
    """Return training images as they are to be seen in an epoch."""
    return digits.warp(images, rng, degrees=12, translate=0.05, alpha=60)


def read(model: nn.Module, images: ndarray, views: int) -> ndarray:
    """Return what is read in images (N, 28, 28) and in so many views of each, turned a little, all taken together."""
    rng, total = np.random.default_rng(0), probabilities(model, images)
    for _ in range(views):
        total += probabilities(model, digits.warp(images, rng, degrees=10, translate=0.03))
    likeliest: ndarray = total.argmax(axis=1)
    return likeliest


def probabilities(model: nn.Module, images: ndarray) -> ndarray:
    """Return how likely each digit is in each of the images, (N, 10), by a network that is evaluated on all cores."""
    parts = shards(len(images), SHARD_SIZE)
    with evaluating(model):
        found = map_shards(lambda k: softmax(model(data.to_float(images[parts[k]]))).numpy(), len(parts))
        return np.concatenate(list(found))


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training. One seed gives the same bits on the same machine."""
    images = digits.load(options)
    rng = np.random.default_rng(options.seed)
    model = build(rng)
    batches = digits.loader(images, options.batch_size, rng, partial(augment, rng=rng))

    def draw(folder: Path, outcome: Outcome) -> None:
        samples = augment(images.x_train[:24], np.random.default_rng(options.seed))
        report.draw_samples(folder, samples, images.y_train[:24])
        digits.draw(folder, outcome, model, images)

    fitting = partial(
        fit, model, optimizer(model, options.learning_rate), cross_entropy, batches, options.epochs, rng=rng,
        schedule=schedule(options.learning_rate, options.epochs * len(batches)),
        evaluate_every=EVALUATE_EVERY, **digits.accuracies(images),
    )  # fmt: skip

    def figures() -> dict[str, float]:
        seen = read(model, images.x_test, options.views)
        return {f"test_accuracy_in_{options.views}_views": float(np.mean(seen == images.y_test))}

    names = ("epochs", "batch_size", "learning_rate", "data", "train_size", "seed")
    return Training(
        model, options.epochs, fitting, partial(digits.loss, model, images),
        {name: getattr(options, name) for name in names}, draw, PICTURES, figures if options.views else dict,
    )  # fmt: skip


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = training_parser(NAME, __doc__, 100, 0.1)
    add = parser.add_argument
    add("--batch-size", type=positive(int), default=50, help="images a step (default: %(default)s)")
    add("--views", type=not_negative, default=4, help="slightly turned, of each test image (default: %(default)s)")
    digits.add_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program, and return its exit code."""
    options = parse(arguments)
    return train(NAME, options, lambda: prepare(options))


if __name__ == "__main__":
    program(NAME, main)
