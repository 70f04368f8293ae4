"""A siamese network: it embeds digits in the plane, equal digits close together and different digits at a distance."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import Outcome, Training, chosen, loss_of, program, report, train, training_parser
from tinygrad_edu import Tensor, data, nn, optim, pairwise_distance, relu
from tinygrad_edu.training import Epoch, Mean, evaluating, fit

NAME = "models.siamese"
MARGIN = 1.0
EPOCHS, BATCH, LEARNING_RATE = 60, 100, 0.01
PAIRS = 1000  # for testing
CELLS = 40  # of the picture, along each side; each cell shows at most one digit


class Embedding(nn.Module):
    """Map images (..., 28, 28) to points in the plane (..., 2); all images go through the same network."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.network = nn.Sequential(
            nn.Conv2D(1, 16, 5, rng=rng), nn.ReLU(), nn.MaxPool2D(2),
            nn.Conv2D(16, 32, 5, rng=rng), nn.ReLU(), nn.MaxPool2D(2),
            nn.Flatten(), nn.Linear(512, 64, rng=rng), nn.ReLU(), nn.Linear(64, 2, rng=rng),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Return a point for each image."""
        points: Tensor = self.network(images.reshape(-1, 1, 28, 28)).reshape(*images.shape[:-2], 2)
        return points


class ContrastiveLoss(nn.Module):
    """Contrastive loss over all pairs of a batch; equal and different pairs have the same total weight.

    A pair of equal digits costs its squared distance. A pair of different digits costs the square of `MARGIN` minus its
    distance, or 0 if that is negative: R. Hadsell, S. Chopra and Y. LeCun, "Dimensionality reduction by learning an
    invariant mapping", CVPR 2006.
    """

    def forward(self, points: Tensor, labels: ndarray) -> Tensor:
        """Return the loss of points (N, 2). The labels must contain an equal and a different pair."""
        a, b = np.triu_indices(len(labels), 1)
        distance, same = pairwise_distance(points[a], points[b]), labels[a] == labels[b]
        loss: Tensor = (distance[same] ** 2).mean() / 2 + (relu(MARGIN - distance[~same]) ** 2).mean() / 2
        return loss


def pairs(images: ndarray, labels: ndarray, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Return pairs of images (PAIRS, 2, 28, 28), and whether their digits are equal, true for every other pair."""
    first, same = rng.permutation(len(labels))[:PAIRS], np.arange(PAIRS) % 2 == 0
    second = [rng.choice(np.flatnonzero((labels == labels[k]) == alike)) for k, alike in zip(first, same, strict=True)]
    return np.stack([images[first], images[second]], axis=1), same


def told_apart(points: ndarray, same: ndarray) -> ndarray:
    """Return whether each pair (N, 2, 2) is classified correctly: as equal if its distance is below MARGIN / 2."""
    right: ndarray = (np.linalg.norm(points[:, 0] - points[:, 1], axis=-1) < MARGIN / 2) == same
    return right


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training on randomly distorted images."""
    digits, rng = data.load_embedded(), np.random.default_rng(options.seed)
    model, loss, size = Embedding(rng), ContrastiveLoss(), (28, 28)
    x_test = as_floats(digits.x_test)

    def bent(x: ndarray, y: ndarray) -> tuple[ndarray, ndarray]:
        turns = data.affine_field(len(x), size, 10, rng, translate=0.06, scale=(0.9, 1.1), shear=8)
        bends = data.elastic_field(len(x), size, alpha=40, sigma=4, rng=rng)
        return as_floats(data.displace(x, turns + bends)), y

    batches = data.DataLoader(digits.x_train, digits.y_train, batch_size=BATCH, rng=rng, drop_last=True, transform=bent)
    optimizer = optim.Adam(model.parameters(), lr=options.learning_rate)
    schedule = optim.schedules.one_cycle(options.learning_rate, options.epochs * len(batches))
    test_pairs = pairs(x_test, digits.y_test, rng)

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, loss, batches, options.epochs, rng=rng, schedule=schedule,
            metrics={"pair_accuracy": Mean(told_apart)}, evaluate_on={"test": [test_pairs]}, shard_size=64, **run,
        )  # fmt: skip

    def draw(folder: Path, outcome: Outcome) -> None:
        with evaluating(model):
            points = np.concatenate([model(Tensor(part)).numpy() for part in np.split(x_test, 100)])
        draw_plane(folder / "plane.png", points, digits.x_test, digits.y_test)

    some = as_floats(digits.x_train[:200]), digits.y_train[:200]
    settings = chosen(options, "epochs", "learning_rate", "seed")
    return Training(model, options.epochs, start, lambda: loss_of(model, loss, *some), settings, draw, ("plane.png",))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return training_parser(NAME, __doc__, EPOCHS, LEARNING_RATE).parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


def as_floats(images: ndarray) -> ndarray:
    """Return uint8 images as floats (N, 28, 28), the inputs of the network."""
    return data.to_float(images)[:, 0]


def draw_plane(path: Path, points: ndarray, images: ndarray, labels: ndarray) -> None:
    """Draw a dot at each digit's point, and next to it the digits themselves where there is space."""
    figure = report.new_figure(13, 6.5)
    dots, pictures = figure.subplots(1, 2)
    report.scatter_digits(dots, points, labels)
    low, high = points.min(axis=0), points.max(axis=0)
    pictures.imshow(laid_out((points - low) / np.maximum(high - low, 1e-9), images, labels), interpolation="nearest")
    for axes in (dots, pictures):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    figure.savefig(path, dpi=110)


def laid_out(places: ndarray, images: ndarray, labels: ndarray) -> ndarray:
    """Return a picture with the first digit in each cell, in its colour. The positions, `places`, are in [0, 1]."""
    from matplotlib import colormaps

    canvas = np.ones((CELLS, 28, CELLS, 28, 3))
    columns, rows = np.minimum((places * CELLS).astype(int), CELLS - 1).T
    _, firsts = np.unique(rows * CELLS + columns, return_index=True)
    for k in firsts:
        ink, colour = images[k][..., None] / 255, np.array(colormaps[report.COLOURS](int(labels[k]))[:3])
        canvas[CELLS - 1 - rows[k], :, columns[k]] = 1 - ink * (1 - colour)
    return canvas.reshape(CELLS * 28, CELLS * 28, 3)


if __name__ == "__main__":
    program(NAME, main)
