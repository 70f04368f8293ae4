"""Pictures that are computed each time: errors of finite differences, distorted digits, and times of Jacobians."""

import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu import data, jvp, matmul, tanh, vjp


def error_of_difference(dtype: Any, step: float, extrapolate: bool) -> float:
    """Return the mean relative error of a finite difference of tanh over points in [0.2, 1.2]."""
    x = np.linspace(0.2, 1.2, 64, dtype=dtype)
    h = dtype(step)

    def central(h: Any) -> Any:
        return (np.tanh(x + h) - np.tanh(x - h)) / (2 * h)

    found = (4 * central(h / 2) - central(h)) / 3 if extrapolate else central(h)
    exact = 1 - np.tanh(x.astype(np.float64)) ** 2
    return float(np.mean(np.abs(found - exact) / exact))


def draw_steps(path: Path) -> None:
    """Draw the error of a numerical derivative against the step size."""
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
    axes.set(xticks=10.0 ** np.arange(-8, 1, 2), yticks=10.0 ** np.arange(-15, 2, 2))  # automatic ones vary by version
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=130)


def draw_augmented_digits(path: Path) -> None:
    """Draw digits: original, with affine and with elastic distortion, and with both."""
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
    figure.savefig(path, dpi=130, bbox_inches="tight")


def draw_forward_against_reverse(path: Path, numbers: Path) -> None:
    """Draw the times of Jacobians by jvps and by vjps, for growing numbers of inputs and falling numbers of outputs."""
    inputs, outputs, *seconds = np.loadtxt(numbers, delimiter=",", skiprows=1).T
    ticks = [f"{n:.0f}\n{m:.0f}" for n, m in zip(inputs, outputs, strict=True)]
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for found, name, color in zip(
        seconds, ("jvp, one for each input", "vjp, one for each output"), ("tab:orange", "tab:blue"), strict=True
    ):
        axes.loglog(inputs, 1000 * found, marker="o", color=color, label=name)
    axes.set_xticks(inputs, ticks)
    axes.minorticks_off()
    axes.set(xlabel="inputs (above) and outputs (below)", ylabel="whole Jacobian [ms]")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
    figure.savefig(path, dpi=130)


def seconds_of_jacobians(n: int, m: int) -> tuple[float, float]:
    """Return the seconds of the Jacobian of three layers, n inputs and m outputs, by jvps and by vjps."""
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
    """Return the seconds of the fastest of three runs."""
    return min(timeit.repeat(work, number=1, repeat=3))


def main() -> None:
    """Measure the times of Jacobians, and print them as CSV."""
    print("inputs,outputs,jvp_seconds,vjp_seconds")
    for n in 2 ** np.arange(13):
        by_columns, by_rows = seconds_of_jacobians(int(n), 4096 // int(n))
        print(f"{n},{4096 // n},{by_columns:.4g},{by_rows:.4g}", flush=True)


if __name__ == "__main__":
    main()
