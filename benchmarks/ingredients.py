"""``python -m benchmarks.ingredients``: effect of each ingredient, from the original recipe to LeNet on several views.

Each rung of the ladder adds one ingredient to the rung below; a second table removes single ingredients from the top
rung. All rungs train on the embedded 1,000 digits. Finished trials are stored in the output folder, so an interrupted
run resumes. Rungs that differ only in the evaluation (averaged weights, views) share one training.
"""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from models import mnist_conv, mnist_lenet
from models.shared import classifier, digits
from models.shared.options import positive
from tinygrad_edu import cross_entropy, data, nn, no_grad, optim
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.training import fit

VIEWS = 4
ORIGINAL, TUNED, AUGMENTED = (mnist_conv.RECIPES[name] for name in ("original", "tuned", "augmented"))


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained; the defaults are the original script's."""

    network: str = "one convolution"
    kernel_bound: float = ORIGINAL.kernel_bound
    weight_bound: float = ORIGINAL.weight_bound
    epochs: int = ORIGINAL.epochs
    batch_size: int = ORIGINAL.batch_size
    rate: float = ORIGINAL.learning_rate
    schedule: str = "constant"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    images: str = "as they are"
    shuffle: bool = False
    dropout: float = 0.5


class Reading(NamedTuple):
    """Evaluation of the trained weights on the test images."""

    averaged: bool = False
    views: bool = False


class Rung(NamedTuple):
    """Name, recipe and evaluation of a row of the tables."""

    name: str
    recipe: Recipe
    reading: Reading = Reading()


def ladder() -> list[Rung]:
    """Return the rungs from below, each with one ingredient more."""
    original = Recipe()
    kernels = replace(original, kernel_bound=TUNED.kernel_bound, weight_bound=TUNED.weight_bound)
    momentum = replace(
        kernels, epochs=TUNED.epochs, batch_size=TUNED.batch_size, rate=TUNED.learning_rate, schedule="cosine",
        momentum=TUNED.momentum, shuffle=True,
    )  # fmt: skip
    shifts = replace(momentum, images="shifted")
    bent = replace(
        shifts, images="bent a little", epochs=AUGMENTED.epochs, batch_size=AUGMENTED.batch_size,
        rate=AUGMENTED.learning_rate, dropout=AUGMENTED.dropout,
    )  # fmt: skip
    pooled = replace(
        bent, network="two convolutions", epochs=100, batch_size=50, rate=0.1, schedule="one_cycle", nesterov=True,
        weight_decay=classifier.WEIGHT_DECAY, images="bent", dropout=0.2,
    )  # fmt: skip
    normalized = replace(pooled, network="two convolutions, normalized")
    return [
        Rung("the original recipe", original),
        Rung("larger initial kernels", kernels),
        Rung("momentum, and a decaying learning rate", momentum),
        Rung("shifted images", shifts),
        Rung("rotated and distorted images", bent),
        Rung("two convolutions with pooling", pooled),
        Rung("normalization", normalized),
        Rung("averaged weights", normalized, Reading(averaged=True)),
        Rung(f"{VIEWS} views", normalized, Reading(averaged=True, views=True)),
    ]


def without() -> list[Rung]:
    """Return the top rung without single ingredients."""
    top, pooled = ladder()[-1], ladder()[5].recipe
    recipe, all_of_it = top.recipe, top.reading
    constant = replace(recipe, schedule="constant", rate=0.03)
    return [
        Rung("without views", recipe, Reading(averaged=True)),
        Rung("without averaged weights", recipe, Reading(views=True)),
        Rung("without a decaying learning rate", constant, all_of_it),
        Rung("without decaying rate and averaging", constant, Reading(views=True)),
        Rung("without momentum", replace(recipe, momentum=0.0, nesterov=False), all_of_it),
        Rung("without normalization", pooled, all_of_it),
        Rung("without dropout", replace(recipe, dropout=0.0), all_of_it),
        Rung("without distortion: rotated only", replace(recipe, images="turned"), all_of_it),
        Rung("without rotation and distortion: shifted only", replace(recipe, images="shifted"), all_of_it),
        Rung("without augmentation", replace(recipe, images="as they are"), all_of_it),
    ]


# --- One trial ---


def build(recipe: Recipe, rng: np.random.Generator) -> nn.Sequential:
    """Return the network of a recipe."""
    if recipe.network == "one convolution":
        changes = {name: getattr(recipe, name) for name in ("kernel_bound", "weight_bound", "dropout")}
        return mnist_conv.build(replace(ORIGINAL, **changes), rng)
    layers = list(mnist_lenet.build(rng))
    if recipe.network == "two convolutions":
        layers = [layer for layer in layers if not isinstance(layer, nn.BatchNorm2D)]
    return nn.Sequential(*(nn.Dropout(recipe.dropout, rng=rng) if isinstance(x, nn.Dropout) else x for x in layers))


def augmentation(recipe: Recipe) -> Callable[[ndarray, np.random.Generator], ndarray]:
    """Return the augmentation of a recipe, a function of images and a generator."""
    return {
        "as they are": lambda images, rng: images,
        "shifted": lambda images, rng: data.random_shift(images, max_shift=2, rng=rng),
        "bent a little": mnist_conv.AUGMENTATIONS[AUGMENTED.augmentation],
        "turned": partial(digits.warp, degrees=12, translate=0.05),
        "bent": classifier.augment,
    }[recipe.images]


def schedule(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """Return the learning rate as a function of the step."""
    make = {
        "constant": lambda: optim.schedules.constant(recipe.rate),
        "cosine": lambda: optim.schedules.cosine(recipe.rate, steps),
        "one_cycle": lambda: optim.schedules.one_cycle(recipe.rate, steps),
    }
    return make[recipe.schedule]()


def trial(recipe: Recipe, seed: int, readings: list[Reading]) -> dict[Reading, float]:
    """Train once, and return the test accuracy of each evaluation."""
    images, rng = data.load_embedded(), np.random.default_rng(seed)
    model = build(recipe, rng)
    settings = {"momentum": recipe.momentum, "nesterov": recipe.nesterov, "weight_decay": recipe.weight_decay}
    optimizer = optim.SGD(model.parameters(), lr=recipe.rate, **settings)
    batches = digits.loader(images, recipe.batch_size, rng, augmentation(recipe), recipe.shuffle)
    average = optim.MovingAverage(model.parameters(), decay=0.99)
    rates = schedule(recipe, recipe.epochs * len(batches))
    for _ in fit(
        model, optimizer, cross_entropy, batches, recipe.epochs, rng=rng, schedule=rates,
        on_step=lambda step: average.update(),
    ):  # fmt: skip
        pass
    found = {}
    for reading in sorted(readings):  # averaged weights last, because they need other statistics
        with average.swap() if reading.averaged else nullcontext():
            if reading.averaged:
                renew_statistics(model, batches)
            seen = classifier.read(model, images.x_test, VIEWS if reading.views else 0)
        found[reading] = float(np.mean(seen == images.y_test))
    return found


def renew_statistics(model: nn.Module, batches: data.DataLoader, epochs: int = 3) -> None:
    """Recompute the running statistics of the normalization layers for the current weights."""
    model.train()
    with no_grad():
        for _ in range(epochs):
            for x, _ in batches:
                model(x)


# --- All trials ---


class Trials:
    """Finished trials, appended to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, dict[str, Any]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            found = json.loads(line)
            self.done[_key(found["recipe"], found["seed"])] = found

    def run(self, recipe: Recipe, seed: int, readings: list[Reading]) -> None:
        """Run a trial, unless it is finished already."""
        names = [_named(reading) for reading in readings]
        key = _key(asdict(recipe), seed)
        if key in self.done and all(name in self.done[key]["accuracies"] for name in names):
            return
        found = trial(recipe, seed, readings)
        accuracies = {_named(reading): accuracy for reading, accuracy in found.items()}
        self.done[key] = {"recipe": asdict(recipe), "seed": seed, "accuracies": accuracies}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(self.done[key]) + "\n")

    def of(self, rung: Rung, seed: int) -> float | None:
        """Return the accuracy of a rung, or None if its trial is not finished."""
        found = self.done.get(_key(asdict(rung.recipe), seed), {"accuracies": {}})
        accuracy: float | None = found["accuracies"].get(_named(rung.reading))
        return accuracy


def _key(recipe: dict[str, Any], seed: int) -> str:
    return json.dumps([recipe, seed], sort_keys=True)


def _named(reading: Reading) -> str:
    return ("averaged" if reading.averaged else "last") + " in views" * reading.views


class Line(NamedTuple):
    """Row of a table: the accuracies of a rung over the seeds, in percent."""

    part: str
    name: str
    seeds: int
    mean: float
    lowest: float
    highest: float


def lines(trials: Trials, seeds: int) -> Iterator[Line]:
    """Yield a line for each rung that has a finished trial."""
    for part, rungs in (("ladder", ladder()), ("without", without())):
        for rung in rungs:
            found = [100 * each for seed in range(seeds) if (each := trials.of(rung, seed)) is not None]
            if found:
                yield Line(part, rung.name, len(found), sum(found) / len(found), min(found), max(found))


def table(found: list[Line], part: str) -> str:
    """Return the lines of a part as a Markdown table."""
    rows = [line for line in found if line.part == part]
    gains = ["", *(f"{line.mean - before.mean:+.2f}" for before, line in pairwise(rows))]
    head = "| added ingredient | test accuracy | gain | lowest to highest |"
    if part == "without":
        top = [line for line in found if line.part == "ladder"][-1]
        gains = [f"{line.mean - top.mean:+.2f}" for line in rows]
        head = "| all ingredients | test accuracy | change | lowest to highest |"
    body = [
        f"| {name} | {mean:.2f} % | {gain} | {lowest:.2f} to {highest:.2f} |"
        for (_, name, _, mean, lowest, highest), gain in zip(rows, gains, strict=True)
    ]
    return "\n".join([head, "|---|---|---|---|", *body])


def read(path: Path) -> list[Line]:
    """Return the lines of a CSV file that `write` made."""
    with path.open(newline="") as file:
        _, *rows = csv.reader(file)
    return [Line(part, name, int(seeds), *map(float, numbers)) for part, name, seeds, *numbers in rows]


def write(folder: Path, found: list[Line]) -> None:
    """Write the lines as CSV, and draw them."""
    with (folder / "ingredients.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Line._fields)
        writer.writerows([*line[:3], *(f"{x:.4g}" for x in line[3:])] for line in found)
    draw(folder / "ingredients.png", found)


def draw(path: Path, found: list[Line]) -> None:
    """Draw the test error of each rung on a logarithmic scale, where each halving has the same width."""
    from matplotlib.figure import Figure

    parts = [[line for line in found if line.part == part] for part in ("ladder", "without")]
    parts = [part for part in parts if part]
    figure = Figure(figsize=(8, 0.6 + 0.34 * len(found) + 0.5 * len(parts)), layout="constrained")
    grid = figure.subplots(len(parts), squeeze=False, sharex=True, height_ratios=[len(part) for part in parts]).ravel()
    for axes, part in zip(grid, parts, strict=True):
        _panel(axes, part)
    grid[-1].set_xlabel("misclassified test images [%]")
    figure.savefig(path, dpi=120)


def _panel(axes: Any, part: list[Line]) -> None:
    errors = [100 - line.mean for line in part]
    places = range(len(part))[::-1]
    spread = [[e - (100 - line.highest) for e, line in zip(errors, part, strict=True)],
              [100 - line.lowest - e for e, line in zip(errors, part, strict=True)]]  # fmt: skip
    ladder = part[0].part == "ladder"
    axes.hlines(places, 1, errors, color="tab:blue" if ladder else "tab:gray", alpha=0.5, linewidth=5)
    axes.errorbar(errors, places, xerr=np.maximum(spread, 0), fmt="o", color="black", markersize=4, capsize=2)
    for place, line in zip(places, part, strict=True):
        axes.annotate(f"{100 - line.mean:.2f} %", (100 - line.lowest, place), xytext=(8, 0), textcoords="offset points",
                      va="center", fontsize=8)  # fmt: skip
    names = [("+ " if ladder and k else "") + line.name for k, line in enumerate(part)]
    axes.set_yticks(places, names, fontsize=8)
    axes.set(xscale="log", xlim=(1, 20), ylim=(-0.6, len(part) - 0.4))
    axes.set_title("one added ingredient per line" if ladder else "one ingredient left out", fontsize=9, loc="left")
    axes.set_xticks([1, 2, 5, 10], ["1", "2", "5", "10"])
    axes.set_xticks([], minor=True)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def planned(part: str) -> dict[Recipe, list[Reading]]:
    """Return the recipes to train, without duplicates, and the evaluations of each."""
    rungs = {"ladder": ladder(), "without": without(), "all": [*ladder(), *without()]}[part]
    together: dict[Recipe, list[Reading]] = {}
    for rung in [*ladder(), *without()]:
        readings = together.setdefault(rung.recipe, [])
        readings += [rung.reading] * (rung.reading not in readings)
    return {recipe: together[recipe] for recipe in dict.fromkeys(rung.recipe for rung in rungs)}


def main(arguments: list[str] | None = None) -> None:
    parser = Parser("benchmarks.ingredients", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--seeds", type=positive(int), default=3, help="trials of each recipe (default: %(default)s)")
    add("--part", choices=("all", "ladder", "without"), default="all", help="table to compute (default: both)")
    add("--output", type=Path, default=Path("runs/ingredients"), help="output folder (default: %(default)s)")
    options = parser.parse_args(arguments)
    trials = Trials(options.output / "trials.jsonl")
    for seed in range(options.seeds):
        for recipe, readings in planned(options.part).items():
            trials.run(recipe, seed, readings)
            print(f"seed {seed}: {trials.done[_key(asdict(recipe), seed)]}", flush=True)
    found = list(lines(trials, options.seeds))
    write(options.output, found)
    print("\n\n".join(table(found, part) for part in ("ladder", "without") if any(line.part == part for line in found)))


if __name__ == "__main__":
    main()
