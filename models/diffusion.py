"""Flow matching on digits: a network learns the velocity from noise to image, and generates digits on request."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import (
    Outcome,
    Training,
    chosen,
    digits,
    folder_name,
    generated,
    loss_of,
    positive,
    program,
    train,
    training_parser,
)
from tinygrad_edu import Tensor, concatenate, cos, data, nn, optim, pixel_shuffle, pixel_unshuffle, silu, split
from tinygrad_edu.nn import mse_loss
from tinygrad_edu.parallel import map_shards, shards
from tinygrad_edu.training import Epoch, MeanSquaredError, evaluating, fit

NAME = "models.diffusion"
PICTURES = ("digits.png", "becoming.png", "becoming.gif")
CHANNELS = 32  # at half resolution; twice as many at a quarter
WIDTH = 128  # of the embedding of time and label
FREQUENCIES = np.pi * np.arange(32, dtype=np.float32)  # cosine series of a smooth function on [0, 1]
EPOCHS, BATCH, LEARNING_RATE = 150, 125, 3e-3
EVALUATE_EVERY = 10
ANY, FORGOTTEN = 10, 0.1  # label for "no digit requested", and how often it replaces the true label
STEPS, GUIDANCE = 20, 3.0  # Euler steps from noise to digit
EACH, SHARD_SIZE = 100, 50  # digits of each kind to evaluate, and digits per shard


class Block(nn.Module):
    """Residual block of two convolutions; the condition scales and shifts each channel between them."""

    def __init__(self, channels_in: int, channels: int, rng: np.random.Generator) -> None:
        self.first = nn.Conv2D(channels_in, channels, 3, padding=1, rng=rng)
        self.norm = nn.GroupNorm(8, channels)
        self.modulation = nn.Linear(WIDTH, 2 * channels, rng=rng)
        self.second = nn.Conv2D(channels, channels, 3, padding=1, rng=rng)
        self.past = nn.Identity() if channels_in == channels else nn.Conv2D(channels_in, channels, 1, rng=rng)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return images (N, channels, H, W) for images x and a condition (N, WIDTH)."""
        scale, shift = split(self.modulation(condition)[..., None, None], 2, axis=1)
        y: Tensor = self.past(x) + self.second(silu(self.norm(self.first(x)) * (1 + scale) + shift))
        return y


class Velocity(nn.Module):
    """U-Net that predicts the velocity of each pixel on the way from noise to a digit.

    It downsamples twice by a factor of two and upsamples again, with a skip connection at half resolution.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        fine, coarse = CHANNELS, 2 * CHANNELS
        self.time = nn.Sequential(
            nn.Linear(len(FREQUENCIES), WIDTH, rng=rng), nn.SiLU(), nn.Linear(WIDTH, WIDTH, rng=rng)
        )
        self.label = nn.Embedding(ANY + 1, WIDTH, rng=rng)
        self.enter = nn.Conv2D(4, fine, 3, padding=1, rng=rng)
        self.before = Block(fine, fine, rng)
        self.down = nn.Conv2D(fine, coarse, 2, stride=2, rng=rng)
        self.up = nn.ConvTranspose2D(coarse, fine, 2, stride=2, rng=rng)
        self.middle = nn.ModuleList([Block(coarse, coarse, rng) for _ in range(2)])
        self.after = Block(2 * fine, fine, rng)
        self.leave = nn.Conv2D(fine, 4, 3, padding=1, rng=rng)

    def forward(self, images: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """Return velocities (N, 1, 28, 28) for images of that shape, times (N,) in [0, 1], and labels (N,)."""
        condition = silu(self.time(cos(times[:, None] * FREQUENCIES)) + self.label(labels))
        fine = self.before(self.enter(pixel_unshuffle(images, 2)), condition)
        x = self.down(fine)
        for block in self.middle:
            x = block(x, condition)
        x = self.after(concatenate([fine, self.up(x)], axis=1), condition)
        velocity: Tensor = pixel_shuffle(self.leave(x), 2)
        return velocity


def on_the_way(images: ndarray, labels: ndarray, rng: np.random.Generator) -> tuple[ndarray, ...]:
    """Return a batch: interpolations between noise and digits, their times, their labels, and the velocities.

    Each path is straight, with constant velocity, from noise at time 0 to its digit at time 1: Y. Lipman et al., "Flow
    matching for generative modeling", 2022; X. Liu et al., "Flow straight and fast", 2022. Times are logit-normal: most
    are near the middle, where prediction is hardest (P. Esser et al., "Scaling rectified flow transformers", 2024).
    """
    x = scaled(images)
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    times = 1 / (1 + np.exp(-rng.standard_normal(len(x), dtype=np.float32)))
    known = np.where(rng.random(len(x)) < FORGOTTEN, ANY, labels)
    share = times[:, None, None, None]
    return (1 - share) * noise + share * x, times, known, x - noise


def scaled(images: ndarray) -> ndarray:
    """Return uint8 images (N, 28, 28) as network inputs (N, 1, 28, 28) in [-1, 1]."""
    return 2 * data.to_float(images) - 1


def draw_digits(model: nn.Module, labels: ndarray, guidance: float, rng: np.random.Generator) -> ndarray:
    """Generate digits with these labels (N,); return the images after each step, uint8 (STEPS + 1, N, 28, 28)."""
    noise = rng.standard_normal((len(labels), 1, 28, 28), dtype=np.float32)
    parts = shards(len(labels), SHARD_SIZE)
    with evaluating(model):
        ways = list(map_shards(lambda k: way(model, noise[parts[k]], labels[parts[k]], guidance), len(parts)))
    pixels = np.concatenate(ways, axis=1)[:, :, 0] * 127.5 + 127.5
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


def way(model: nn.Module, x: ndarray, labels: ndarray, guidance: float) -> ndarray:
    """Integrate the velocity from images x (N, 1, 28, 28) with Euler steps; return the images before and after each.

    Classifier-free guidance multiplies the effect of the label on the velocity by `guidance`: J. Ho and T. Salimans,
    "Classifier-free diffusion guidance", 2022.
    """
    stations = [x]
    for step in range(STEPS):
        times = np.full(len(x), step / STEPS, np.float32)
        asked, free = (model(x, times, each).numpy() for each in (labels, np.full_like(labels, ANY)))
        x = x + (free + guidance * (asked - free)) / STEPS
        stations.append(x)
    return np.stack(stations)


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training on randomly distorted digits."""
    images, judge, rng = digits.load(options), generated.judge(options.judge), np.random.default_rng(options.seed)
    model = Velocity(rng)
    held_out = on_the_way(images.x_test[: digits.SOME], images.y_test[: digits.SOME], rng)

    def bent(x: ndarray, y: ndarray) -> tuple[ndarray, ...]:
        return on_the_way(digits.warp(x, rng, degrees=8, translate=0.03, alpha=40), y, rng)

    batches = data.DataLoader(images.x_train, images.y_train, batch_size=BATCH, rng=rng, transform=bent)
    optimizer = optim.Adam(model.parameters(), lr=options.learning_rate)
    schedule = optim.schedules.one_cycle(options.learning_rate, options.epochs * len(batches))

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, mse_loss, batches, options.epochs, rng=rng, schedule=schedule,
            metrics={"loss": MeanSquaredError()}, evaluate_on={"test": [held_out]}, evaluate_every=EVALUATE_EVERY,
            shard_size=digits.SHARD_SIZE, **run,
        )  # fmt: skip

    def drawn(each: int) -> tuple[ndarray, ndarray]:
        labels = np.repeat(np.arange(10), each)
        return draw_digits(model, labels, options.guidance, np.random.default_rng(options.seed)), labels

    def figures() -> dict[str, float]:
        ways, labels = drawn(EACH)
        return generated.figures(judge, ways[-1], labels, images)

    def draw(folder: Path, outcome: Outcome) -> None:
        ways = drawn(10)[0].reshape(-1, 10, 10, 28, 28)
        draw_pictures(folder, ways[-1], ways[:, :, :2])

    settings = chosen(options, "epochs", "learning_rate", "data", "train_size", "seed")
    return Training(
        model, options.epochs, start, lambda: loss_of(model, mse_loss, *held_out), settings, draw, PICTURES, figures
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = training_parser(NAME, __doc__, EPOCHS, LEARNING_RATE)
    add = parser.add_argument
    add("--guidance", type=positive(float), default=GUIDANCE,
        help="guidance factor; 1 means no guidance (default: %(default)s)")  # fmt: skip
    add("--judge", type=folder_name, metavar="RUN",
        help="output folder of a digit classifier that judges the results (default: a LeNet trained here)")  # fmt: skip
    digits.add_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


def draw_pictures(folder: Path, made: ndarray, ways: ndarray) -> None:
    """Draw generated digits, ten of each kind (10, 10, 28, 28), and ways from noise (STEPS + 1, 10, 2, 28, 28)."""
    from PIL import Image  # a dependency of matplotlib

    def picture(images: ndarray, greys: int) -> Image.Image:  # few greys, since noise makes large files
        small = Image.fromarray(generated.tiled(images))
        return small.resize((2 * small.width, 2 * small.height), Image.Resampling.NEAREST).quantize(greys)

    picture(made, 32).save(folder / "digits.png")
    picture(ways[::2, :, 0].swapaxes(0, 1), 16).save(folder / "becoming.png")
    frames = [picture(station.swapaxes(0, 1), 8) for station in ways]
    durations = [*[120] * (len(frames) - 1), 3000]
    frames[0].save(folder / "becoming.gif", save_all=True, append_images=frames[1:], duration=durations, loop=0)


if __name__ == "__main__":
    program(NAME, main)
