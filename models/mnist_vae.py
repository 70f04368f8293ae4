"""A variational autoencoder: it maps digits to points in the plane, and generates a digit from any point."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import Outcome, Training, chosen, digits, loss_of, program, report, train, training_parser
from tinygrad_edu import Tensor, data, exp, nn, optim, sigmoid
from tinygrad_edu.training import Epoch, Mean, evaluating, fit

NAME = "models.mnist_vae"
PICTURES = ("curves.png", "plane.png")
WIDE, NARROW, LATENT = 512, 256, 2
EPOCHS, BATCH, LEARNING_RATE = 200, 100, 0.003
EVALUATE_EVERY = 20
SIDE = 20  # generated digits along each side of the picture


class Autoencoder(nn.Module):
    """Variational autoencoder: an encoder to normal distributions in the plane, and a decoder from points to images."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(784, WIDE, rng=rng), nn.ReLU(), nn.Linear(WIDE, NARROW, rng=rng), nn.ReLU(),
            nn.Linear(NARROW, 2 * LATENT, rng=rng),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, NARROW, rng=rng), nn.ReLU(), nn.Linear(NARROW, WIDE, rng=rng), nn.ReLU(),
            nn.Linear(WIDE, 784, rng=rng), nn.Unflatten(1, (1, 28, 28)),
        )  # fmt: skip

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the log variance of each image's distribution, both (N, 2)."""
        numbers: Tensor = self.encoder(images)
        return numbers[:, :LATENT], numbers[:, LATENT:]

    def forward(self, images: Tensor, noise: ndarray | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of the reconstructed images (N, 1, 28, 28), then means and log variances.

        The point is the mean plus the noise times the standard deviation, so that gradients flow through both. The
        default noise is drawn from a standard normal distribution.
        """
        mean, log_variance = self.encode(images)
        if noise is None:
            noise = nn.current_stream(self.rng).standard_normal(mean.shape, dtype=mean.dtype)
        return self.decoder(mean + exp(log_variance / 2) * noise), mean, log_variance


def nats(outputs: Sequence[Tensor], images: ndarray) -> Tensor:
    """Return the negative evidence lower bound of each image (N,) in nats, which the training minimizes.

    It is the cross-entropy of the pixels, taken as probabilities of white, plus the KL divergence of the image's
    distribution from the standard normal (D. Kingma, M. Welling, "Auto-encoding variational Bayes", 2013, appendix B).
    """
    logits, mean, log_variance = outputs
    pixels = nn.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(axis=(1, 2, 3))
    divergence = (mean**2 + exp(log_variance) - log_variance - 1).sum(axis=1) / 2
    bound: Tensor = pixels + divergence
    return bound


def mean_nats(outputs: Sequence[Tensor], images: ndarray) -> Tensor:
    """Return the loss: the mean of `nats` over the images."""
    return nats(outputs, images).mean()


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training on randomly distorted images."""
    images, rng = digits.load(options), np.random.default_rng(options.seed)
    model = Autoencoder(rng)
    loader = batches(images, rng)
    optimizer = optim.Adam(model.parameters(), lr=options.learning_rate)
    schedule = optim.schedules.cosine(options.learning_rate, options.epochs * len(loader))

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, mean_nats, loader, options.epochs, rng=rng, schedule=schedule,
            metrics={"nats": Mean(nats)}, evaluate_on={"test": [held_out(images)]}, evaluate_every=EVALUATE_EVERY,
            shard_size=digits.SHARD_SIZE, **run,
        )  # fmt: skip

    def draw(folder: Path, outcome: Outcome) -> None:
        report.draw_losses(folder, outcome.history, "test_nats", "nats an image")
        draw_plane(folder / "plane.png", means(model, images), images.y_test, generated(model))

    some = data.to_float(images.x_train[: digits.SOME])
    settings = chosen(options, "epochs", "learning_rate", "data", "train_size", "seed")
    return Training(
        model, options.epochs, start, lambda: loss_of(model, mean_nats, some, some), settings, draw, PICTURES
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = training_parser(NAME, __doc__, EPOCHS, LEARNING_RATE)
    digits.add_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


def batches(images: data.Digits, rng: np.random.Generator) -> data.DataLoader:
    """Return the training batches; each batch has the images as inputs and as targets."""

    def bent(x: ndarray) -> tuple[ndarray, ndarray]:
        x = data.to_float(digits.warp(x, rng, degrees=6, translate=0.03, alpha=20))
        return x, x

    return data.DataLoader(images.x_train, batch_size=BATCH, rng=rng, transform=bent)


def held_out(images: data.Digits) -> tuple[ndarray, ndarray, ndarray]:
    """Return the test batch: all test images, fixed noise, and the images again as targets."""
    x = data.to_float(images.x_test)
    return x, np.random.default_rng(0).standard_normal((len(x), LATENT), dtype=np.float32), x


def generated(model: Autoencoder) -> ndarray:
    """Return a picture in [0, 1] of one digit for each of SIDE x SIDE equally probable cells of the plane."""
    steps = [NormalDist().inv_cdf((k + 0.5) / SIDE) for k in range(SIDE)]
    points = np.array([(x, y) for y in steps for x in steps], np.float32)
    with evaluating(model):
        found: ndarray = sigmoid(model.decoder(points)).numpy().reshape(SIDE, SIDE, 28, 28)
    return found[::-1].transpose(0, 2, 1, 3).reshape(SIDE * 28, SIDE * 28)


def means(model: Autoencoder, images: data.Digits) -> ndarray:
    """Return the means (N, 2) of the test digits."""
    parts = np.array_split(data.to_float(images.x_test), 50)
    with evaluating(model):
        return np.concatenate([model.encode(Tensor(part))[0].numpy() for part in parts])


def draw_plane(path: Path, points: ndarray, labels: ndarray, picture: ndarray) -> None:
    """Draw points (N, 2) with their labels (N,), and next to them the digits generated on a grid of the plane.

    Both axes are quantiles of the standard normal distribution, so that equal areas are equally probable.
    """
    figure = report.new_figure(13, 6.8)
    dots, made = figure.subplots(1, 2)
    quantile = np.vectorize(NormalDist().cdf)
    report.scatter_digits(dots, quantile(points), labels)
    made.imshow(picture, cmap="gray_r", vmin=0, vmax=1, extent=(0, 1, 0, 1))
    marks = (-2, -1, 0, 1, 2)
    for axes, title in ((dots, f"{len(points):,} test digits"), (made, "generated")):
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=title)
        axes.set_xticks(quantile(marks), marks)
        axes.set_yticks(quantile(marks), marks)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    program(NAME, main)
