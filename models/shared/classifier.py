"""Training of digit classifiers on randomly distorted images, and prediction averaged over several views."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import digits, report
from models.shared.options import chosen, not_negative, positive, training_parser
from models.shared.outcome import Outcome
from models.shared.training import Training
from tinygrad_edu import data, nn, optim, softmax
from tinygrad_edu.parallel import map_shards, shards
from tinygrad_edu.training import Epoch, evaluating

PICTURES = ("samples.png", *digits.PICTURES)
WEIGHT_DECAY = 1e-3  # for a thousand images
SHARD_SIZE = 128  # images per shard
EVALUATE_EVERY = 20  # epochs; evaluation on 11,000 images takes as long as two epochs


def optimizer(model: nn.Module, learning_rate: float, images: int = 1000) -> optim.SGD:
    """Return SGD with Nesterov momentum and weight decay.

    The decay is a prior on the weights, which counts once for the whole data set; its share per image is 1 / images.
    """
    decay = WEIGHT_DECAY * 1000 / images
    return optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=decay)


def schedule(learning_rate: float, steps: int) -> Callable[[int], float]:
    """Return the one-cycle learning rate as a function of the step, for a total number of steps."""
    if steps < 4:
        raise ValueError(
            f"the learning-rate schedule needs at least 4 steps, got {steps}; increase --epochs or reduce --batch-size."
        )
    return optim.schedules.one_cycle(learning_rate, steps)


def augment(images: ndarray, rng: np.random.Generator) -> ndarray:
    """Return training images with new random distortions."""
    return digits.warp(images, rng, degrees=12, translate=0.05, alpha=50)


def read(model: nn.Module, images: ndarray, views: int) -> ndarray:
    """Return the predicted digits for images (N, 28, 28), from the summed probabilities of each image and its views."""
    rng, total = np.random.default_rng(0), probabilities(model, images)
    for _ in range(views):
        total += probabilities(model, digits.warp(images, rng, degrees=10, translate=0.03))
    likeliest: ndarray = total.argmax(axis=1)
    return likeliest


def probabilities(model: nn.Module, images: ndarray) -> ndarray:
    """Return the probability of each digit for each image, (N, 10), computed in evaluation mode on all cores."""
    parts = shards(len(images), SHARD_SIZE)
    with evaluating(model):
        found = map_shards(lambda k: softmax(model(data.to_float(images[parts[k]]))).numpy(), len(parts))
        return np.concatenate(list(found))


def training(
    options: argparse.Namespace, images: data.Digits, model: nn.Module, start: Callable[..., Iterator[Epoch]]
) -> Training:
    """Return the training of a classifier, with its pictures and its accuracy over several views."""

    def draw(folder: Path, outcome: Outcome) -> None:
        samples = augment(images.x_train[:24], np.random.default_rng(options.seed))
        report.draw_samples(folder, samples, images.y_train[:24])
        digits.draw(folder, outcome, model, images)

    def figures() -> dict[str, Any]:
        seen = read(model, images.x_test, options.views)
        in_views = {f"test_accuracy_in_{options.views}_views": float(np.mean(seen == images.y_test))}
        return digits.calibration(model, images) | (in_views if options.views else {})

    settings = chosen(options, "epochs", "batch_size", "learning_rate", "data", "train_size", "seed")
    return Training(model, options.epochs, start, lambda: digits.loss(model, images), settings, draw, PICTURES, figures)


def parse(
    name: str, description: str | None, epochs: int, arguments: list[str] | None, learning_rate: float = 0.1
) -> argparse.Namespace:
    """Parse the command line of a program that trains for `epochs` epochs by default."""
    parser = training_parser(name, description, epochs, learning_rate)
    add = parser.add_argument
    add("--batch-size", type=positive(int), default=50, help="images per step (default: %(default)s)")
    add("--views", type=not_negative, default=4, help="slightly rotated views per test image (default: %(default)s)")
    digits.add_options(parser)
    return parser.parse_args(arguments)
