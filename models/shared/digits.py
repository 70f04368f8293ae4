"""Digits as training data: command-line options, batches, augmentation, accuracy and pictures."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import report
from models.shared.options import positive
from models.shared.outcome import Outcome
from models.shared.training import loss_of
from tinygrad_edu import cross_entropy, data
from tinygrad_edu.nn import Module
from tinygrad_edu.training import CalibrationCurve, evaluate, predict

PICTURES = ("curves.png", "kernels.png", "mistakes.png")
SOME = 1000  # images on which the loss is evaluated
SHARD_SIZE = 64  # images per shard, where the images are independent
EVALUATED = 10 * SHARD_SIZE  # images per batch of an evaluation, which bounds its memory


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the data to a parser."""
    add = parser.add_argument
    add("--train-size", type=positive(int), default=1000, help="number of training images (default: %(default)s)")
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
    """Apply a random affine and elastic distortion to each of the images (N, 28, 28).

    Parameters
    ----------
    images : ndarray of uint8
    rng : numpy.random.Generator
    degrees : float
        Largest rotation and shear; the scale changes by up to `degrees` percent.
    translate : float
        Largest shift, as a fraction of the width.
    alpha : float
        Strength of the elastic distortion, as in `data.elastic_field`.
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
    """Return the training batches: augmented images as floats. The last incomplete batch is dropped."""
    if batch_size > len(digits.x_train):
        raise ValueError(f"a batch of {batch_size} is larger than the {len(digits.x_train)} training images.")
    return data.DataLoader(
        digits.x_train, digits.y_train, batch_size=batch_size, shuffle=shuffle, rng=rng, drop_last=True,
        augment=lambda x, y, rng: (data.to_float(augment(x, rng)), y),
    )  # fmt: skip


def evaluation_sets(digits: data.Digits) -> dict[str, data.DataLoader]:
    """Return the training and the test images in large batches, for `evaluate_on` of `fit`."""
    sets = {"train": (digits.x_train, digits.y_train), "test": (digits.x_test, digits.y_test)}
    return {
        name: data.DataLoader(data.to_float(x), y, batch_size=EVALUATED, shuffle=False) for name, (x, y) in sets.items()
    }


def calibration(model: Module, digits: data.Digits) -> dict[str, Any]:
    """Return the calibration of a model on the test images: its expected error, and the curve."""
    test = [(data.to_float(digits.x_test), digits.y_test)]
    curve = evaluate(model, test, {"curve": CalibrationCurve(bins=10)}, shard_size=SHARD_SIZE)["curve"]
    confidence, accuracy, images = curve[curve[:, 2] > 0].T
    error = np.average(np.abs(confidence - accuracy), weights=images)
    return {"test_calibration_error": float(error), "test_calibration": curve}


def loss(model: Module, digits: data.Digits) -> float:
    """Return the cross-entropy of a model on some training images, in evaluation mode."""
    return loss_of(model, cross_entropy, data.to_float(digits.x_train[:SOME]), digits.y_train[:SOME])


def draw(folder: Path, outcome: Outcome, model: Module, images: data.Digits) -> None:
    """Draw the curves, the kernels of the first layer, and the misclassified test images."""
    report.draw_curves(folder, outcome.history, calibration(model, images)["test_calibration"])
    report.draw_kernels(folder, next(iter(outcome.last.arrays.values())))
    found = predict(model, data.to_float(images.x_test), shard_size=SHARD_SIZE)
    report.draw_mistakes(folder, images.x_test, images.y_test, found)
