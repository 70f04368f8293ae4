"""A physics-informed network: it learns the solution of u'' + 2 d u' + u = 0 from the equation alone."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import Outcome, Training, chosen, loss_of, program, report, train, training_parser
from tinygrad_edu import Tensor, concatenate, data, grad, nn, optim, sin, tanh
from tinygrad_edu.training import Epoch, Mean, evaluating, fit

NAME = "models.pinn"
DAMPING, END = 0.15, 12.0  # two periods
TIMES, BATCH = 640, 64
WIDTH, FREQUENCY = 32, 5.0
EPOCHS, LEARNING_RATE = 300, 0.01


def exact(t: ndarray) -> ndarray:
    """Return the exact solution with u(0) = 1 and u'(0) = 0. It is not used for training."""
    frequency = np.sqrt(1 - DAMPING**2)
    swing = np.cos(frequency * t) + DAMPING / frequency * np.sin(frequency * t)
    solution: ndarray = np.exp(-DAMPING * t) * swing
    return solution


class Oscillation(nn.Module):
    """A curve u given by a network, and its derivatives: maps times (..., 1) to u, u' and u'' (..., 3)."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.network = nn.Sequential(
            nn.Linear(1, WIDTH, rng=rng), nn.Lambda(sin),
            nn.Linear(WIDTH, WIDTH, rng=rng), nn.Lambda(sin),
            nn.Linear(WIDTH, 1, rng=rng),
        )  # fmt: skip
        # Initial frequencies of up to FREQUENCY; PyTorch's initial weights give almost a straight line.
        self.network[0].weight = nn.init.uniform((WIDTH, 1), FREQUENCY, rng)

    def u(self, t: Tensor) -> Tensor:
        """Return the curve. u(0) = 1 and u'(0) = 0 hold for all weights, since tanh(t)**2 is t**2 near 0."""
        u: Tensor = 1 + tanh(t) ** 2 * self.network(2 / END * t - 1)
        return u

    def forward(self, t: Tensor) -> Tensor:
        """Return the curve and its derivatives. `has_aux` passes on the lower ones, so each is computed once."""

        def value(t: Tensor) -> tuple[Tensor, Tensor]:
            u = self.u(t)
            return u.sum(), u  # each u depends only on its own t, so the gradient of the sum is each derivative

        def slope(t: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            du, u = grad(value, has_aux=True)(t)
            return du.sum(), (u, du)

        ddu, (u, du) = grad(slope, has_aux=True)(t)
        curve: Tensor = concatenate([u, du, ddu], axis=-1)
        return curve


def equation_loss(curve: Tensor, force: ndarray) -> Tensor:
    """Return the mean square of u'' + 2 d u' + u minus the force."""
    u, du, ddu = curve[..., 0], curve[..., 1], curve[..., 2]
    loss: Tensor = nn.mse_loss(ddu + 2 * DAMPING * du + u, force)
    return loss


def greatest_error(curves: ndarray, solutions: ndarray) -> ndarray:
    """Return the largest error of each curve (N, times, 3). Here a sample is a whole curve."""
    error: ndarray = np.abs(curves[..., 0] - solutions).max(axis=1)
    return error


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training at evenly spaced times, with zero force."""
    rng = np.random.default_rng(options.seed)
    model = Oscillation(rng)
    t, force = np.linspace(0, END, TIMES, dtype=np.float32)[:, None], np.zeros(TIMES, np.float32)
    t_test = np.linspace(0, END, 1001, dtype=np.float32)
    batches = data.DataLoader(t, force, batch_size=BATCH, rng=rng)
    optimizer = optim.Adam(model.parameters(), lr=options.learning_rate)
    schedule = optim.schedules.one_cycle(options.learning_rate, options.epochs * len(batches))

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, equation_loss, batches, options.epochs, rng=rng, schedule=schedule,
            metrics={"error": Mean(greatest_error)},
            evaluate_on={"greatest": [(t_test[None, :, None], exact(t_test)[None])]}, shard_size=64, **run,
        )  # fmt: skip

    def draw(folder: Path, outcome: Outcome) -> None:
        with evaluating(model):
            u = model(Tensor(t_test[:, None])).numpy()[:, 0]
        draw_solution(folder / "solution.png", t_test, u, outcome.history)

    settings = chosen(options, "epochs", "learning_rate", "seed")
    return Training(
        model, options.epochs, start, lambda: loss_of(model, equation_loss, t, force), settings, draw, ("solution.png",)
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return training_parser(NAME, __doc__, EPOCHS, LEARNING_RATE).parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


def draw_solution(path: Path, t: ndarray, u: ndarray, history: list[Epoch]) -> None:
    """Draw both curves, their difference below, and the error and loss over the epochs next to them."""
    figure = report.new_figure(10, 4.2)
    axes = figure.subplot_mosaic("AAC\nAAC\nBBC", width_ratios=[1, 1, 1.4])
    curves, difference, learning = axes["A"], axes["B"], axes["C"]
    curves.plot(t, exact(t), color="tab:orange", linewidth=4, alpha=0.5, label="exact solution")
    curves.plot(t, u, color="tab:blue", linewidth=1.2, label="network")
    curves.set(ylabel="u", xticklabels=[])
    curves.legend()
    difference.plot(t, u - exact(t), color="tab:red", linewidth=1)
    difference.set(xlabel="t", ylabel="difference")
    difference.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    epochs = [epoch.epoch for epoch in history]
    learning.semilogy(
        epochs, [epoch.metrics["greatest_error"] for epoch in history], color="tab:red", label="largest error"
    )
    learning.semilogy(epochs, [epoch.loss for epoch in history], color="tab:gray", label="loss: squared residual")
    learning.set(xlabel="epoch")
    learning.legend()
    for each in axes.values():
        each.grid(alpha=0.3)
        each.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    program(NAME, main)
