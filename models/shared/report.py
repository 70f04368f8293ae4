"""Output files of a training run: history, pictures and weights."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from models.shared.groups import missing_group
from tinygrad_edu.nn.weights.saving import encoded
from tinygrad_edu.training import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

COLUMNS = 8
COLOURS = "tab10"  # colours of the ten digits
FEW = 20  # curves with fewer points have markers
FEWEST = 10  # images in an interval of a calibration curve; the accuracy on fewer is mostly chance


def require_group(*more: str) -> None:
    """Raise an error that names the group if a module of the report, or one of `more`, cannot be imported."""
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401
        import rich.live  # noqa: F401
        import safetensors.numpy  # noqa: F401

        for name in more:
            import_module(name)
    except ImportError as error:
        raise missing_group(f"this program requires {error.name}, which is not installed", "models") from error


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write a CSV table with a line per epoch and a column per metric; cells of unmeasured metrics are empty.

    A metric that is not a scalar, such as a matrix, is written as JSON.
    """
    rows = [{**asdict(epoch), **{name: _cell(value) for name, value in epoch.metrics.items()}} for epoch in history]
    metrics = dict.fromkeys(name for epoch in history for name in epoch.metrics)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(
            file, ["epoch", "loss", *metrics, "learning_rate", "steps", "seconds"], extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)


def _cell(value: Any) -> Any:
    return value if isinstance(value, Real | str) else json.dumps(as_json(value))


def as_json(value: Any) -> Any:
    """Return a value for JSON: arrays as nested lists, NaN and infinities as null, unsupported types as text."""
    if isinstance(value, np.ndarray | np.generic):
        return as_json(value.tolist())
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def write_weights(path: Path, weights: dict[str, ndarray]) -> None:
    """Write a safetensors file."""
    path.write_bytes(encoded(weights))


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of a size in inches. It needs no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def draw_curves(folder: Path, history: Sequence[Epoch], calibration: ndarray | None = None) -> None:
    """Draw ``curves.png``: loss and accuracies over the epochs, and the rows of a `CalibrationCurve` if given."""
    panels = 2 if calibration is None else 3
    figure = new_figure(4.2 * panels, 3.6)
    loss, accuracy, *reliability = figure.subplots(1, panels)
    _draw_loss(loss, history)
    for name, color in (("train", "tab:orange"), ("test", "tab:blue")):
        _draw_metric(accuracy, history, f"{name}_accuracy", 100, "{:.2f} %", color)
    accuracy.set(xlabel="epoch", ylabel="accuracy [%]")
    accuracy.legend(loc="lower right", title="after the last epoch")
    if calibration is not None:
        _draw_calibration(reliability[0], calibration)
    for axes in (loss, accuracy, *reliability):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "curves.png", dpi=150)


def _draw_loss(axes: "Axes", history: Sequence[Epoch]) -> None:
    losses = [epoch.loss for epoch in history]
    axes.plot(
        [epoch.epoch for epoch in history], losses, color="tab:gray", marker="o" if len(history) < FEW else "",
        label="training",
    )  # fmt: skip
    axes.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
    _draw_metric(axes, history, "test_cross_entropy", 1, "{:.3f}", "tab:blue")
    axes.legend(loc="upper right")


def _draw_metric(axes: "Axes", history: Sequence[Epoch], name: str, factor: float, form: str, color: str) -> None:
    """Plot a metric of training or test over the epochs at which it was measured; the label has its last value."""
    measured = {epoch.epoch: factor * epoch.metrics[name] for epoch in history if name in epoch.metrics}
    values = [*measured.values()]
    label = name.partition("_")[0] + "".join(f": {form.format(value)}" for value in values[-1:])
    axes.plot([*measured], values, color=color, marker="o" if len(values) < FEW else "", label=label)


def _draw_calibration(axes: "Axes", curve: ndarray) -> None:
    """Draw the accuracy against the confidence, and the share of the images in each interval, both in percent."""
    confidence, accuracy, images = 100 * curve[:, 0], 100 * curve[:, 1], curve[:, 2]
    edges = np.linspace(0, 100, len(curve) + 1)
    axes.bar(edges[:-1], 100 * images / images.sum(), np.diff(edges), align="edge", color="tab:blue", alpha=0.15,
             label="share of the images")  # fmt: skip
    axes.plot([0, 100], [0, 100], color="tab:gray", linestyle=":", label="calibrated")
    filled = images >= FEWEST
    axes.plot(confidence[filled], accuracy[filled], color="tab:blue", marker="o", label="test images")
    axes.set(xlabel="confidence [%]", ylabel="accuracy [%]", xlim=(0, 100), ylim=(0, 102))
    axes.legend(loc="upper left")


def draw_losses(folder: Path, history: Sequence[Epoch], metric: str, unit: str) -> None:
    """Draw ``curves.png``: the training loss, and a metric in the same unit at the epochs where it was measured."""
    figure = new_figure(6.5, 3.6)
    axes = figure.subplots()
    measured = {epoch.epoch: epoch.metrics[metric] for epoch in history if epoch.metrics}
    label = metric.replace("_", " ") + "".join(f": {value:.2f}" for value in [*measured.values()][-1:])
    losses = [epoch.loss for epoch in history]
    axes.plot([epoch.epoch for epoch in history], losses, color="tab:gray", label="training")
    axes.plot([*measured], [*measured.values()], color="tab:blue", marker="o", label=label)
    lowest, highest = min(losses), max(losses)
    axes.set(xlabel="epoch", ylabel=unit, ylim=(None, min(highest, 1.5 * lowest)))  # cuts off the first epochs
    axes.legend()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "curves.png", dpi=110)


def draw_kernels(folder: Path, kernels: ndarray) -> None:
    """Draw ``kernels.png``: the learned kernels (out, 1, kh, kw) on one colour scale, white at zero."""
    bound = float(np.abs(kernels).max()) or 1.0
    figure = new_figure(8, 1.2 * -(-len(kernels) // COLUMNS))
    titles = [str(number) for number in range(len(kernels))]
    image = _tiles(figure.subplots(), kernels[:, 0], titles, cmap="RdBu_r", vmin=-bound, vmax=bound)
    figure.colorbar(image, shrink=0.8)
    figure.savefig(folder / "kernels.png", dpi=150)


def draw_samples(folder: Path, images: ndarray, labels: ndarray) -> None:
    """Draw ``samples.png``: training digits (N, 28, 28) with their labels."""
    figure = new_figure(8, 1.15 * -(-len(images) // COLUMNS))
    _tiles(figure.subplots(), images, [str(label) for label in labels], cmap="gray_r", vmin=0, vmax=255)
    figure.savefig(folder / "samples.png", dpi=150)


def draw_mistakes(folder: Path, images: ndarray, labels: ndarray, predicted: ndarray, most: int = 24) -> None:
    """Draw ``mistakes.png``: the first misclassified images (N, 28, 28), with labels and predictions."""
    wrong = np.flatnonzero(labels != predicted)
    shown = wrong[:most]
    figure = new_figure(8, 0.5 + 1.15 * -(-len(shown) // COLUMNS))
    note = f"; the first {most} are shown" if len(wrong) > most else ""
    figure.suptitle(f"{len(wrong)} of {len(labels):,} digits misclassified{note}")
    titles = [f"{labels[k]}, predicted {predicted[k]}" for k in shown]
    _tiles(figure.subplots(), images[shown], titles, cmap="gray_r", vmin=0, vmax=255)
    figure.savefig(folder / "mistakes.png", dpi=150)


def scatter_digits(axes: "Axes", points: ndarray, labels: ndarray) -> None:
    """Draw a dot in its digit's colour for each point (N, 2), and the digit where its dots are densest."""
    axes.scatter(points[:, 0], points[:, 1], s=2, c=labels, cmap=COLOURS, vmin=0, vmax=9, alpha=0.5)
    for digit in np.unique(labels):
        own = points[labels == digit]
        counts, x_edges, y_edges = np.histogram2d(own[:, 0], own[:, 1], bins=10)
        column, row = np.unravel_index(counts.argmax(), counts.shape)
        x, y = x_edges[column : column + 2].mean(), y_edges[row : row + 2].mean()
        axes.text(x, y, str(digit), fontsize=16, weight="bold", ha="center", va="center")


def _tiles(axes: "Axes", images: ndarray, titles: Sequence[str], **colours: Any) -> "AxesImage":
    """Show titled images (N, H, W) in rows of eight on one axes object; separate axes would take ten times as long."""
    n, height, width = images.shape
    tall, wide = height + -(-height // 3), width + -(-width // 6)
    canvas = np.full((max(1, -(-n // COLUMNS)) * tall, COLUMNS * wide), np.nan)
    for number, (image, title) in enumerate(zip(images, titles, strict=True)):
        bottom, left = (number // COLUMNS + 1) * tall, number % COLUMNS * wide
        canvas[bottom - height : bottom, left : left + width] = image
        axes.text(left + width / 2 - 0.5, bottom - height - 0.6, title, ha="center", va="bottom", fontsize=8)
    axes.axis("off")
    return axes.imshow(canvas, **colours)
