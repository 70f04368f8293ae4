"""Evaluation of generated digits: whether a classifier reads them as intended, and whether they are new and varied."""

from pathlib import Path

import numpy as np
from numpy import ndarray

from models import mnist_lenet
from models.shared import classifier, digits, reading
from tinygrad_edu import cross_entropy, data, nn
from tinygrad_edu.training import fit, predict

JUDGE_EPOCHS, JUDGE_BATCH, JUDGE_RATE = 20, 50, 0.1


def judge(run: Path | None) -> nn.Module:
    """Return a digit classifier: the model of a run, or a LeNet trained here, always the same.

    The classifier is independent of the model that it judges.

    Raises
    ------
    DataError, StateDictError
        The folder does not contain a run of a digit classifier.
    """
    if run is not None:
        return reading.load(run)
    rng = np.random.default_rng(0)
    model = mnist_lenet.build(rng)
    batches = digits.loader(data.load_embedded(), JUDGE_BATCH, rng, classifier.augment)
    schedule = classifier.schedule(JUDGE_RATE, JUDGE_EPOCHS * len(batches))
    steps = classifier.optimizer(model, JUDGE_RATE)
    for _ in fit(model, steps, cross_entropy, batches, JUDGE_EPOCHS, rng=rng, schedule=schedule):
        pass
    return model


def figures(reader: nn.Module, made: ndarray, labels: ndarray, images: data.Digits) -> dict[str, float]:
    """Return the accuracy on generated digits (N, 28, 28), and their distances to training digits and to each other.

    The same distances of N test digits show the values to expect of new, varied digits.
    """
    held_out, their_labels = images.x_test[: len(made)], images.y_test[: len(made)]
    return {
        "read_as_intended": accuracy(reader, made, labels),
        "judge_accuracy": accuracy(reader, images.x_test, images.y_test),
        "to_nearest_training_digit": to_nearest(made, images.x_train),
        "to_nearest_training_digit_of_test": to_nearest(held_out, images.x_train),
        "to_others_of_the_kind": to_others(made, labels),
        "to_others_of_the_kind_of_test": to_others(held_out, their_labels),
    }


def accuracy(reader: nn.Module, images: ndarray, labels: ndarray) -> float:
    """Return the fraction of images that the classifier reads as their labels."""
    return float(np.mean(predict(reader, data.to_float(images), shard_size=digits.SHARD_SIZE) == labels))


def to_nearest(images: ndarray, others: ndarray) -> float:
    """Return the mean distance from each image to the nearest of the others."""
    return float(distances(images, others).min(axis=1).mean())


def to_others(images: ndarray, labels: ndarray) -> float:
    """Return the mean distance between two images with the same label, over all such pairs."""
    same = np.equal.outer(labels, labels) & ~np.eye(len(labels), dtype=bool)
    return float(distances(images, images)[same].mean())


def distances(a: ndarray, b: ndarray) -> ndarray:
    """Return the Euclidean distance of each image of a from each of b, with pixels in [0, 1]."""
    x, y = (data.to_float(images).reshape(len(images), -1) for images in (a, b))
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    found: ndarray = np.sqrt(np.maximum(squares, 0))
    return found


def tiled(images: ndarray) -> ndarray:
    """Return images (rows, columns, H, W) tiled into one picture, dark on light."""
    rows, columns, height, width = images.shape
    return 255 - images.swapaxes(1, 2).reshape(rows * height, columns * width)
