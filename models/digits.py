"""Digits, as programs train on them: the options that choose them, their batches, how well a model reads them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models import report
from models.options import positive
from models.outcome import Outcome
from models.training import loss_of
from tinygrad_edu import cross_entropy, data
from tinygrad_edu.nn import Module
from tinygrad_edu.training import Accuracy, predict

PICTURES = ("curves.png", "kernels.png", "mistakes.png")
SOME = 1000  # as many images tell whether a model learned anything


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options that say which digits there are to be."""
    add = parser.add_argument
    add("--train-size", type=positive(int), default=1000, help="how many training images (default: %(default)s)")
    add("--data", default="embedded", metavar="SOURCE",
        help="embedded (the 1,000 + 10,000 images in the package), keras, or a path to an mnist.npz "
             "(default: %(default)s)")  # fmt: skip


def load(options: argparse.Namespace) -> data.Digits:
    """Load the digits that the options choose."""
    if options.data == "keras":
        train, test = data.load_keras("mnist")
        digits = data.Digits(*train, *test)
    else:
        digits = data.load_embedded() if options.data == "embedded" else data.load_file(options.data)
    return digits.take(options.train_size)


def warp(images: ndarray, rng: np.random.Generator, degrees: float, translate: float, alpha: float = 0.0) -> ndarray:
    """Change each of some images (N, 28, 28) a little, in its own way.

    Parameters
    ----------
    images : ndarray of uint8
    rng : numpy.random.Generator
    degrees : float
        An image is turned and sheared by up to so many, and enlarged or shrunk by up to so many percent.
    translate : float
        How far it is moved at most, in widths.
    alpha : float
        How strongly it is bent, as in `data.elastic_field`.
    """
    size, factor = images.shape[1:], degrees / 100
    field = data.affine_field(
        len(images), size, degrees, rng, translate=translate, scale=(1 - factor, 1 + factor), shear=degrees
    )
    if alpha:
        field += data.elastic_field(len(images), size, alpha, 4.0, rng)
    return data.displace(images, field)


def loader(
    digits: data.Digits,
    batch_size: int,
    rng: np.random.Generator,
    augment: Callable[[ndarray, np.random.Generator], ndarray] = lambda images, rng: images,
    shuffle: bool = True,
) -> data.DataLoader:
    """Return the batches to train on: images changed by `augment`, as floats. A remainder is left out."""
    if batch_size > len(digits.x_train):
        raise ValueError(f"a batch of {batch_size} is larger than the {len(digits.x_train)} training images")
    return data.DataLoader(
        digits.x_train, digits.y_train, batch_size=batch_size, shuffle=shuffle, rng=rng, drop_last=True,
        augment=lambda x, y, rng: (data.to_float(augment(x, rng)), y),
    )  # fmt: skip


def accuracies(digits: data.Digits) -> dict[str, Any]:
    """Return what lets `fit` measure how many of the training and of the test images are read right."""
    sets = {"train": (digits.x_train, digits.y_train), "test": (digits.x_test, digits.y_test)}
    return {
        "metrics": {"accuracy": Accuracy()},
        "evaluate_on": {name: [(data.to_float(x), y)] for name, (x, y) in sets.items()},
    }


def loss(model: Module, digits: data.Digits) -> float:
    """Return the cross-entropy of a model that is evaluated on some of the training images."""
    return loss_of(model, cross_entropy, data.to_float(digits.x_train[:SOME]), digits.y_train[:SOME])


def draw(folder: Path, outcome: Outcome, model: Module, images: data.Digits) -> None:
    """Draw the curves, the kernels of a model's first layer, and the test images that it misreads."""
    report.draw_curves(folder, outcome.history)
    report.draw_kernels(folder, outcome.last.arrays["0.weight"])
    report.draw_mistakes(folder, images.x_test, images.y_test, predict(model, data.to_float(images.x_test)))
