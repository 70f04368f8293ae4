"""The original script's MNIST network on the engine: 16 convolution kernels of 3x3, tanh, dropout, a linear layer."""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import Training, chosen, digits, positive, program, train, training_parser
from tinygrad_edu import cross_entropy, data, nn, optim
from tinygrad_edu.training import Accuracy, Epoch, fit

NAME = "models.mnist_conv"
LINEAR_INPUTS = 16 * 26 * 26


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of the initialization and the training."""

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    schedule: str  # "cosine" or "constant"
    kernel_bound: float  # kernels are drawn uniformly from [-bound, bound)
    weight_bound: float  # the same for the weights of the linear layer
    dropout: float
    augmentation: str  # a name in AUGMENTATIONS
    shuffle: bool
    evaluate_every: int  # epochs; an evaluation on all images takes as long as an epoch of training


RECIPES = {
    # Kernels of up to 3 drive tanh out of its linear range; with small ones the network stays linear for many epochs.
    "augmented": Recipe(90, 64, 0.012, 0.9, "cosine", 3.0, 1 / math.sqrt(LINEAR_INPUTS), 0.2, "warp", True, 15),
    "tuned": Recipe(40, 32, 0.03, 0.9, "cosine", 3.0, 1 / math.sqrt(LINEAR_INPUTS), 0.5, "shift", True, 1),
    # The original script divides the gradient of the summed loss by 128 twice: its rate on the mean loss is 2 / 128.
    "original": Recipe(300, 128, 2 / 128, 0.0, "constant", 0.01, 0.1, 0.5, "none", False, 1),
}
RECIPES["seed"] = RECIPES["original"]  # its former name, kept for saved runs and commands

AUGMENTATIONS: dict[str, Callable[[ndarray, np.random.Generator], ndarray]] = {
    "warp": lambda images, rng: digits.warp(images, rng, degrees=15, translate=0.05, alpha=50),
    "shift": lambda images, rng: data.random_shift(images, max_shift=2, rng=rng),
    "none": lambda images, rng: images,
}


def build(recipe: Recipe, rng: np.random.Generator) -> nn.Sequential:
    """Return the network, from images (N, 1, 28, 28) to logits (N, 10). The loss computes the softmax."""
    convolution = nn.Conv2D(1, 16, 3, bias=False, rng=rng)
    linear = nn.Linear(LINEAR_INPUTS, 10, bias=False, rng=rng)
    convolution.weight = nn.init.uniform(convolution.weight.shape, recipe.kernel_bound, rng)
    linear.weight = nn.init.uniform(linear.weight.shape, recipe.weight_bound, rng)
    return nn.Sequential(convolution, nn.Tanh(), nn.Dropout(recipe.dropout, rng=rng), nn.Flatten(), linear)


def reader(options: Mapping[str, Any]) -> nn.Module:
    """Return the network of a run with these options, for `models.predict`."""
    return build(RECIPES[options["recipe"]], np.random.default_rng(0))


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training. One seed gives the same bits on the same machine."""
    changes = chosen(options, "epochs", "batch_size", "learning_rate")
    recipe = replace(RECIPES[options.recipe], **{name: value for name, value in changes.items() if value is not None})
    images, rng = digits.load(options), np.random.default_rng(options.seed)
    model = build(recipe, rng)
    batches = digits.loader(images, recipe.batch_size, rng, AUGMENTATIONS[recipe.augmentation], recipe.shuffle)
    optimizer = optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
    if recipe.schedule == "cosine":
        schedule = optim.schedules.cosine(recipe.learning_rate, recipe.epochs * len(batches))
    else:
        schedule = optim.schedules.constant(recipe.learning_rate)

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, cross_entropy, batches, recipe.epochs, rng=rng, schedule=schedule,
            metrics={"accuracy": Accuracy(), "cross_entropy": cross_entropy},
            evaluate_on=digits.evaluation_sets(images), evaluate_every=recipe.evaluate_every,
            shard_size=digits.SHARD_SIZE, **run,
        )  # fmt: skip

    return Training(
        model, recipe.epochs, start, lambda: digits.loss(model, images),
        settings=asdict(recipe) | chosen(options, "data", "train_size", "seed"),
        draw=lambda folder, outcome: digits.draw(folder, outcome, model, images), pictures=digits.PICTURES,
        figures=lambda: digits.calibration(model, images),
    )  # fmt: skip


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = training_parser(NAME, __doc__, "the recipe's, 90, 40 or 300", "the recipe's, 0.012, 0.03 or 2/128")
    add = parser.add_argument
    add("--recipe", choices=RECIPES, default="augmented",
        help="distorted or shifted images, or the original script's; seed means original "
        "(default: %(default)s)")  # fmt: skip
    add("--batch-size", type=positive(int), help="images per step (default: the recipe's, 64, 32 or 128)")
    digits.add_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


if __name__ == "__main__":
    program(NAME, main)
