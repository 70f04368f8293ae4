"""Classification of three spirals in the plane, which no straight line separates, with an animation of the boundary."""

import argparse
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from models.shared import Outcome, Training, chosen, loss_of, program, report, train, training_parser
from tinygrad_edu import cross_entropy, data, nn, no_grad, optim, softmax
from tinygrad_edu.training import Accuracy, Checkpoints, Epoch, fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

NAME = "models.spirals"
PICTURES = ("curves.png", "boundary.png", "boundary.gif")
ARMS, TURNS, NOISE = 3, 1.5, 0.02
TRAIN, TEST, BATCH = 900, 3000, 60
WIDTH, EPOCHS, LEARNING_RATE = 48, 60, 0.03

EDGE, PIXELS = 1.15, 150  # of the square in the picture
COLOURS = np.array([[0.12, 0.47, 0.71], [1.0, 0.5, 0.05], [0.17, 0.63, 0.17]])
SHADES = 4  # levels of confidence; few levels give visible contours and small files


def spirals(count: int, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Return points (count, 2) near the arms of a spiral, and the index of each point's arm."""
    arm = np.arange(count) % ARMS
    radius = np.sqrt(rng.uniform(0.01, 1, count))  # the square root makes the density uniform over the disk
    angle = 2 * np.pi * (TURNS * radius + arm / ARMS)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (points + rng.normal(0, NOISE, points.shape)).astype(np.float32), arm


def build(rng: np.random.Generator) -> nn.Sequential:
    """Return the network, from points (N, 2) to logits (N, ARMS)."""
    return nn.Sequential(
        nn.Linear(2, WIDTH, rng=rng), nn.Tanh(),
        nn.Linear(WIDTH, WIDTH, rng=rng), nn.Tanh(),
        nn.Linear(WIDTH, ARMS, rng=rng),
    )  # fmt: skip


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training, which records the weights after every epoch for the animation."""
    rng = np.random.default_rng(options.seed)
    x, y = spirals(TRAIN, rng)
    x_test, y_test = spirals(TEST, rng)
    model = build(rng)
    batches = data.DataLoader(x, y, batch_size=BATCH, rng=rng)
    optimizer = optim.Adam(model.parameters(), lr=options.learning_rate)
    schedule = optim.schedules.cosine(options.learning_rate, options.epochs * len(batches))
    states = [model.state_dict()]

    def kept(epoch: Epoch) -> Epoch:
        states.append(model.state_dict())
        return epoch

    def start(checkpoints: Checkpoints, **run: Any) -> Iterator[Epoch]:
        epochs = fit(
            model, optimizer, cross_entropy, batches, options.epochs, rng=rng, schedule=schedule,
            metrics={"accuracy": Accuracy(), "cross_entropy": cross_entropy},
            evaluate_on={"train": [(x, y)], "test": [(x_test, y_test)]}, shard_size=64,
            checkpoints=checkpoints.with_parts(states=states), **run,
        )  # fmt: skip
        return map(kept, epochs)  # not a generator: `fit` must reject an invalid checkpoint at once

    def draw(folder: Path, outcome: Outcome) -> None:
        maps = [probabilities(model, state) for state in states[: outcome.last.epoch + 1]]
        report.draw_curves(folder, outcome.history)
        draw_stages(folder / "boundary.png", maps, x, y)
        animate(folder / "boundary.gif", maps, x, y)

    settings = chosen(options, "epochs", "learning_rate", "seed")
    return Training(model, options.epochs, start, lambda: loss_of(model, cross_entropy, x, y), settings, draw, PICTURES)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return training_parser(NAME, __doc__, EPOCHS, LEARNING_RATE).parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


def probabilities(model: nn.Module, state: dict[str, ndarray]) -> ndarray:
    """Return the probabilities (PIXELS, PIXELS, ARMS) of the network with these weights on a grid of the plane."""
    axis = np.linspace(-EDGE, EDGE, PIXELS, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    with no_grad():
        found: ndarray = softmax(nn.functional_call(model, state, plane)).numpy()
    return found.reshape(PIXELS, PIXELS, ARMS)


def shaded(found: ndarray) -> ndarray:
    """Return the colour (..., 3) of the most probable arm; lower confidence is paler."""
    sure = (found.max(axis=-1, keepdims=True) - 1 / ARMS) / (1 - 1 / ARMS)
    colours: ndarray = 1 - 0.5 * np.round(sure * SHADES) / SHADES * (1 - COLOURS[found.argmax(axis=-1)])
    return colours


def show(axes: "Axes", found: ndarray, x: ndarray, y: ndarray) -> "AxesImage":
    """Draw the predictions on the plane, and the training points."""
    image = axes.imshow(shaded(found), origin="lower", extent=(-EDGE, EDGE, -EDGE, EDGE), interpolation="nearest")
    axes.scatter(x[:, 0], x[:, 1], s=6, c=COLOURS[y], edgecolors="white", linewidths=0.25)
    axes.set_axis_off()
    return image


def draw_stages(path: Path, maps: list[ndarray], x: ndarray, y: ndarray) -> None:
    """Draw the plane before training, at two stages in between, and at the end."""
    figure = report.new_figure(11, 3)
    for axes, stage in zip(figure.subplots(1, 4), (0, 1 / 6, 1 / 3, 1), strict=True):
        epoch = round(stage * (len(maps) - 1))
        show(axes, maps[epoch], x, y)
        axes.set_title(f"after epoch {epoch}" if epoch else "before training")
    figure.savefig(path, dpi=110)


def animate(path: Path, maps: list[ndarray], x: ndarray, y: ndarray) -> None:
    """Draw an animation of the plane after each epoch, which shows the last epoch for two seconds."""
    from PIL import Image  # a dependency of matplotlib

    figure = report.new_figure(3.4, 3.7)
    axes = figure.subplots()
    image, frames = show(axes, maps[0], x, y), []
    for epoch, found in enumerate(maps):
        image.set_data(shaded(found))
        axes.set_title(f"epoch {epoch}")
        figure.savefig(frame := BytesIO(), dpi=75)
        frames.append(Image.open(frame).convert("RGB").quantize(128))
    durations = [*[100] * (len(frames) - 1), 2000]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)


if __name__ == "__main__":
    program(NAME, main)
