"""Draws the pictures of the docs that come from a computation: ``python docs/pictures.py``."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu import data

IMAGES = Path(__file__).parent / "images"


def error_of_difference(dtype: Any, step: float, extrapolate: bool) -> float:
    """Return the relative error of a difference of tanh, in the mean over points in [0.2, 1.2]."""
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
    """Draw digits as they are, and turned, bent, and both."""
    digits, rng = data.load_embedded().x_train[:12], np.random.default_rng(0)
    size = digits.shape[1:]
    turns = data.affine_field(len(digits), size, 10, rng, translate=0.05, scale=(0.9, 1.1), shear=10)
    bends = data.elastic_field(len(digits), size, alpha=40, sigma=4, rng=rng)
    rows = {"as they are": 0 * turns, "turned": turns, "bent": bends, "both": turns + bends}
    figure = Figure(figsize=(7.5, 2.6), layout="constrained")
    for axes, (name, field) in zip(figure.subplots(len(rows)), rows.items(), strict=True):
        axes.imshow(np.hstack(list(data.displace(digits, field))), cmap="gray_r")
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.spines[:].set_visible(False)
    figure.savefig(IMAGES / "augmented_digits.png", dpi=130, bbox_inches="tight")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    draw_steps()
    draw_augmented_digits()
