"""Draw the pictures of the docs that show computed results: ``python docs/pictures.py``."""

import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu import data, jvp, matmul, tanh, vjp

IMAGES = Path(__file__).parent / "images"


def error_of_difference(dtype: Any, step: float, extrapolate: bool) -> float:
    """Return the mean relative error of a difference quotient of tanh at points in [0.2, 1.2]."""
    x = np.linspace(0.2, 1.2, 64, dtype=dtype)
    h = dtype(step)

    def central(h: Any) -> Any:
        return (np.tanh(x + h) - np.tanh(x - h)) / (2 * h)

    found = (4 * central(h / 2) - central(h)) / 3 if extrapolate else central(h)
    exact = 1 - np.tanh(x.astype(np.float64)) ** 2
    return float(np.mean(np.abs(found - exact) / exact))


def draw_steps() -> None:
    """Draw the error of a numeric derivative against its step."""
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.subplots()
    steps = 2.0 ** np.arange(-30, 0.5, 0.5)
    for dtype, color in ((np.float32, "tab:red"), (np.float64, "tab:blue")):
        for extrapolate in (False, True):
            axes.loglog(
                steps,
                [error_of_difference(dtype, step, extrapolate) for step in steps],
                color=color,
                linestyle="-" if extrapolate else ":",
                label=f"{dtype.__name__}, {'extrapolated' if extrapolate else 'central difference'}",
            )
    axes.set(xlabel="step h", ylabel="relative error of the derivative of tanh", ylim=(1e-15, 10))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(IMAGES / "steps.png", dpi=130)


def draw_augmented_digits() -> None:
    """Draw original digits, and below them rotated, elastically distorted, and both."""
    digits, rng = data.load_embedded().x_train[:12], np.random.default_rng(0)
    size = digits.shape[1:]
    turns = data.affine_field(len(digits), size, 10, rng, translate=0.05, scale=(0.9, 1.1), shear=10)
    bends = data.elastic_field(len(digits), size, alpha=40, sigma=4, rng=rng)
    rows = {"original": 0 * turns, "affine": turns, "elastic": bends, "both": turns + bends}
    figure = Figure(figsize=(7.5, 2.6), layout="constrained")
    for axes, (name, field) in zip(figure.subplots(len(rows)), rows.items(), strict=True):
        axes.imshow(np.hstack(list(data.displace(digits, field))), cmap="gray_r")
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.spines[:].set_visible(False)
    figure.savefig(IMAGES / "augmented_digits.png", dpi=130, bbox_inches="tight")


def draw_forward_against_reverse() -> None:
    """Draw the time of a whole Jacobian by jvps and by vjps, for more and more inputs and fewer and fewer outputs."""
    inputs = 2 ** np.arange(13)
    ticks = [f"{n}\n{4096 // n}" for n in inputs]
    seconds = np.array([seconds_of_jacobians(int(n), 4096 // int(n)) for n in inputs])
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for found, name, color in zip(
        seconds.T, ("jvp, one for each input", "vjp, one for each output"), ("tab:orange", "tab:blue"), strict=True
    ):
        axes.loglog(inputs, 1000 * found, marker="o", color=color, label=name)
    axes.set_xticks(inputs, ticks)
    axes.minorticks_off()
    axes.set(xlabel="inputs (above) and outputs (below)", ylabel="whole Jacobian [ms]")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
    figure.savefig(IMAGES / "forward_against_reverse.png", dpi=130)


def seconds_of_jacobians(n: int, m: int) -> tuple[float, float]:
    """Return the times of the Jacobian of three layers, from n numbers to m, by jvps and by vjps."""
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=shape) / np.sqrt(shape[1]) for shape in ((64, n), (64, 64), (m, 64))]

    def f(x: Any) -> Any:
        for weight in layers:
            x = tanh(matmul(weight, x))
        return x

    x = rng.normal(size=n)
    pullback = vjp(f, x)[1]
    by_columns = best_of_three(lambda: [jvp(f, (x,), (v,)) for v in np.eye(n)[:64]]) * max(1, n / 64)
    by_rows = best_of_three(lambda: [pullback(g) for g in np.eye(m)[:64]]) * max(1, m / 64)
    return by_columns, by_rows


def best_of_three(work: Callable[[], Any]) -> float:
    """Return the shortest time of some work, in seconds."""
    return min(timeit.repeat(work, number=1, repeat=3))


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    draw_forward_against_reverse()
    draw_steps()
    draw_augmented_digits()
