"""The seed's MNIST network on the engine: a 3x3 convolution with 16 kernels, tanh, dropout, and a linear layer."""

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy import ndarray

from models import report
from models.console import program
from models.options import positive, training_parser
from models.outcome import Outcome
from models.training import Training, loss_of, train
from tinygrad_edu import cross_entropy, data, nn, optim
from tinygrad_edu.training import Accuracy, fit, predict

NAME = "models.mnist_conv"
PICTURES = ("curves.png", "kernels.png", "mistakes.png")
LINEAR_INPUTS = 16 * 26 * 26


@dataclass(frozen=True)
class Recipe:
    """How the network is initialized and trained.

    Attributes
    ----------
    epochs, batch_size : int
    learning_rate : float
        At the first step.
    momentum : float
    schedule : {"cosine", "constant"}
        Of the learning rate.
    kernel_bound, weight_bound : float
        Kernels and weights are drawn evenly from [-bound, bound).
    shift : int
        Each training image is moved by up to so many pixels, anew in each epoch.
    shuffle : bool
        Whether the order of the images changes from epoch to epoch.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    schedule: str
    kernel_bound: float
    weight_bound: float
    shift: int
    shuffle: bool


RECIPES = {
    # Kernels of up to 3 drive tanh out of its straight middle; with small ones the network stays linear for long.
    "tuned": Recipe(40, 32, 0.03, 0.9, "cosine", 3.0, 1 / math.sqrt(LINEAR_INPUTS), 2, True),
    # The seed divides the gradient of the summed loss by 128 twice: its learning rate is 2 / 128 on the mean loss.
    "seed": Recipe(300, 128, 2 / 128, 0.0, "constant", 0.01, 0.1, 0, False),
}


def build(recipe: Recipe, rng: np.random.Generator) -> nn.Sequential:
    """Return the network, from images (N, 1, 28, 28) to logits (N, 10); softmax is part of the loss."""
    convolution = nn.Conv2D(1, 16, 3, bias=False, rng=rng)
    linear = nn.Linear(LINEAR_INPUTS, 10, bias=False, rng=rng)
    convolution.weight = nn.init.uniform(convolution.weight.shape, recipe.kernel_bound, rng)
    linear.weight = nn.init.uniform(linear.weight.shape, recipe.weight_bound, rng)
    return nn.Sequential(convolution, nn.Tanh(), nn.Dropout(0.5, rng=rng), nn.Flatten(), linear)


def loader(digits: data.Digits, recipe: Recipe, rng: np.random.Generator) -> data.DataLoader:
    """Return the batches, shuffled and shifted as the recipe says. A remainder is left out, as in the seed."""

    def prepared(x: ndarray, y: ndarray) -> tuple[ndarray, ndarray]:
        return data.to_float(data.random_shift(x, recipe.shift, rng) if recipe.shift else x), y

    return data.DataLoader(
        digits.x_train, digits.y_train,
        batch_size=recipe.batch_size, shuffle=recipe.shuffle, rng=rng, drop_last=True, transform=prepared,
    )  # fmt: skip


def schedule(recipe: Recipe, digits: data.Digits) -> Callable[[int], float]:
    """Return the learning rate as a function of the step."""
    if recipe.schedule == "constant":
        return optim.schedules.constant(recipe.learning_rate)
    return optim.schedules.cosine(recipe.learning_rate, recipe.epochs * (len(digits.x_train) // recipe.batch_size))


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training. One seed gives the same bits on the same machine."""
    recipe, digits = choose(options), load(options.data, options.train_size)
    rng = np.random.default_rng(options.seed)
    model = build(recipe, rng)
    x_test = data.to_float(digits.x_test)

    def draw(folder: Path, outcome: Outcome) -> None:
        report.draw_curves(folder, outcome.history)
        report.draw_kernels(folder, outcome.last.arrays["0.weight"])
        report.draw_mistakes(folder, digits.x_test, digits.y_test, predict(model, x_test))

    some = data.to_float(digits.x_train[:1000]), digits.y_train[:1000]  # a thousand images tell
    loss = partial(loss_of, model, cross_entropy, *some)
    fitting = partial(
        fit, model, optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum), cross_entropy,
        loader(digits, recipe, rng), recipe.epochs, rng=rng, schedule=schedule(recipe, digits),
        metrics={"accuracy": Accuracy()},
        evaluate_on={"train": [(data.to_float(digits.x_train), digits.y_train)], "test": [(x_test, digits.y_test)]},
    )  # fmt: skip
    chosen = {"data": options.data, "train_size": options.train_size, "seed": options.seed}
    return Training(model, recipe.epochs, fitting, loss, {**asdict(recipe), **chosen}, draw, PICTURES)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = training_parser(NAME, __doc__, "the recipe's, 40 or 300")
    add = parser.add_argument
    add("--recipe", choices=RECIPES, default="tuned", help="our recipe, or the seed's own (default: %(default)s)")
    add("--batch-size", type=positive(int), help="images a step (default: the recipe's, 32 or 128)")
    add("--learning-rate", type=positive(float), help="of the first step (default: the recipe's, 0.03 or 2/128)")
    add("--train-size", type=positive(int), default=1000, help="how many training images (default: %(default)s)")
    add("--data", default="embedded", metavar="SOURCE",
        help="embedded (the 1,000 + 10,000 images in the package), keras, or a path to an mnist.npz "
             "(default: %(default)s)")  # fmt: skip
    return parser.parse_args(arguments)


def load(source: str, train_size: int) -> data.Digits:
    """Load the digits from where the option says."""
    if source == "keras":
        train, test = data.load_keras("mnist")
        digits = data.Digits(*train, *test)
    else:
        digits = data.load_embedded() if source == "embedded" else data.load_file(source)
    return digits.take(train_size)


def choose(options: argparse.Namespace) -> Recipe:
    """Return the recipe with what the options change of it."""
    changes = {name: getattr(options, name) for name in ("epochs", "batch_size", "learning_rate")}
    recipe = replace(RECIPES[options.recipe], **{name: value for name, value in changes.items() if value is not None})
    if recipe.batch_size > options.train_size:
        raise ValueError(f"a batch of {recipe.batch_size} is larger than the {options.train_size} training images")
    return recipe


def main(arguments: list[str] | None = None) -> int:
    """Run the program, and return its exit code."""
    options = parse(arguments)
    return train(NAME, options, lambda: prepare(options))


if __name__ == "__main__":
    program(NAME, main)
