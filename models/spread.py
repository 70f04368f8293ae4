"""Trials of several seeds side by side: the mean and the spread of each number, as a table and as a picture."""

import csv
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from models.report import new_figure
from models.trials import Setting, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3  # panels in a row


class Row(NamedTuple):
    """Trials that differ in their seed alone.

    Attributes
    ----------
    setting : dict
        What they have in common.
    trials : list of Trial
    """

    setting: dict[str, Any]
    trials: list[Trial]

    @property
    def done(self) -> list[Trial]:
        """Those that did not fail."""
        return [trial for trial in self.trials if not trial.reason]

    def numbers(self, name: str) -> list[float]:
        """Return what one number came to in each trial that is done, and NaN where it was none."""
        if name == "seconds":
            return [trial.seconds for trial in self.done]
        values = [trial.value.get(name) for trial in self.done]
        return [float(value) if isinstance(value, Real) else math.nan for value in values]


def label(setting: Setting, names: Sequence[str]) -> str:
    """Return some of a setting in words."""
    return ", ".join(f"{name.replace('_', ' ')} {setting[name]}" for name in names)


def rows(trials: Sequence[Trial], seed: str = "seed") -> list[Row]:
    """Return trials by their setting without the seed, in the order in which they are given."""
    found: dict[str, Row] = {}
    for trial in trials:
        setting = {name: value for name, value in trial.setting.items() if name != seed}
        found.setdefault(repr(setting), Row(setting, [])).trials.append(trial)
    return list(found.values())


def metrics(table: Sequence[Row]) -> list[str]:
    """Return the names of the numbers that the trials came to."""
    return list(dict.fromkeys(name for row in table for trial in row.done for name in trial.value))


def spread(numbers: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation, with n - 1 in it, which is NaN for a single number."""
    if not all(map(math.isfinite, numbers)) or not numbers:
        return math.nan, math.nan
    return fmean(numbers), stdev(numbers) if len(numbers) > 1 else math.nan


def columns(table: Sequence[Row], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the cells of a table by the names of its columns: a line for each row.

    Parameters
    ----------
    table : sequence of Row
    names : sequence of str
        Of what tells the settings apart.
    """
    failed = [len(row.trials) - len(row.done) for row in table]
    return {
        **{name.replace("_", " "): [str(row.setting[name]) for row in table] for name in names},
        "trials": [str(len(row.done)) for row in table],
        **({"failed": [str(number) for number in failed]} if any(failed) else {}),
        **{
            name.replace("_", " "): [shown(name, row.numbers(name)) for row in table]
            for name in (*metrics(table), "seconds")
        },
    }


def shown(name: str, numbers: Sequence[float]) -> str:
    """Return mean and spread as text, an accuracy in percent.

    Examples
    --------
    >>> shown("test_accuracy", [0.97, 0.98, 0.99]), shown("loss", [0.5]), shown("loss", [])
    ('98.00 ± 1.00 %', '0.5', '')
    """
    if not numbers:
        return ""
    mean, deviation = spread(numbers)
    if name == "seconds":
        return f"{mean:.1f}" + f" ± {deviation:.1f}" * (len(numbers) > 1)
    if "accuracy" in name:
        return f"{100 * mean:.2f}" + f" ± {100 * deviation:.2f}" * (len(numbers) > 1) + " %"
    return f"{mean:.4g}" + f" ± {deviation:.2g}" * (len(numbers) > 1)


def write_table(folder: Path, table: Sequence[Row], names: Sequence[str]) -> None:
    """Write ``table.md`` to be read, and ``table.csv`` with the numbers as they are."""
    cells = columns(table, names)
    lines = [
        list(cells),
        ["---"] * len(names) + ["---:"] * (len(cells) - len(names)),
        *zip(*cells.values(), strict=True),
    ]
    (folder / "table.md").write_text("".join(f"| {' | '.join(line)} |\n" for line in lines), encoding="utf-8")
    numbers = (*metrics(table), "seconds")
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "trials", "failed", *(f"{n}_{what}" for n in numbers for what in ("mean", "std"))])
        for row in table:
            found = [value for name in numbers for value in spread(row.numbers(name))]
            counts = [len(row.done), len(row.trials) - len(row.done)]
            writer.writerow([*(row.setting[name] for name in names), *counts, *map(_cell, found)])


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Write a table with a line for each trial."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.setting))
    numbers = list(dict.fromkeys(name for trial in trials for name in trial.value or ()))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *numbers, "seconds", "reason"])
        for trial in trials:
            values: Mapping[str, Any] = trial.value or {}
            found = [values.get(name) for name in numbers]
            writer.writerow([*(trial.setting.get(name) for name in names), *found, trial.seconds or None, trial.reason])


def _cell(number: float) -> float | None:
    return number if math.isfinite(number) else None


def draw(path: Path, table: Sequence[Row], names: Sequence[str]) -> None:
    """Draw a panel for each number: a line for each setting, with a dot for each trial, the mean and the spread."""
    numbers = metrics(table)
    across = min(len(numbers), ACROSS) or 1
    down = -(-len(numbers) // across) or 1
    figure = new_figure(2 + 3.4 * across, down * (1 + 0.36 * len(table)))
    panels = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes in panels.flat[len(numbers) :]:
        axes.set_axis_off()
    for axes, name in zip(panels.flat, numbers, strict=False):
        draw_number(axes, table, name)
        axes.set_yticks(range(len(table)), [label(row.setting, names) for row in table])
    figure.savefig(path, dpi=110)


def draw_number(axes: "Axes", table: Sequence[Row], name: str) -> None:
    """Draw what one number came to, from the first setting at the top to the last."""
    scale, unit = (100, " [%]") if "accuracy" in name else (1, "")
    for height, row in enumerate(table):
        values = [scale * value for value in row.numbers(name)]
        mean, deviation = spread(values)
        heights = [height + 0.25 * (k / max(len(values) - 1, 1) - 0.5) for k in range(len(values))]
        axes.plot(values, heights, "o", color="tab:blue", markersize=4, alpha=0.45, markeredgewidth=0)
        axes.errorbar(mean, height, xerr=deviation, fmt="|", color="black", markersize=14, capsize=3, linewidth=1.2)
    axes.set(xlabel=name.replace("_", " ") + unit, ylim=(len(table) - 0.5, -0.5))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
