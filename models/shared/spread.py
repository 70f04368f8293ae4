"""Mean and standard deviation over trials with different seeds, as a table and as a picture."""

import csv
import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from numbers import Real
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from models.shared.report import new_figure
from models.shared.trials import Setting, Trial, as_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3  # panels per row
SMALL = 7  # decimal places from which numbers are written in scientific notation


class Row(NamedTuple):
    """Trials that differ only in their seed.

    Attributes
    ----------
    setting : dict
        Their common setting.
    trials : list of Trial
    """

    setting: dict[str, Any]
    trials: list[Trial]

    @property
    def done(self) -> list[Trial]:
        """The trials that did not fail."""
        return [trial for trial in self.trials if not trial.reason]

    def numbers(self, name: str) -> list[float]:
        """Return one metric of each finished trial, NaN where it is not a number."""
        if name == "seconds":
            return [trial.seconds for trial in self.done]
        values = [trial.value.get(name) for trial in self.done]
        return [float(value) if isinstance(value, Real) else math.nan for value in values]


def label(setting: Setting, names: Sequence[str]) -> str:
    """Return the named items of a setting as text."""
    return ", ".join(f"{name.replace('_', ' ')} {as_text(setting[name])}" for name in names)


def rows(trials: Sequence[Trial], seed: str = "seed") -> list[Row]:
    """Group trials by their setting without the seed, in order of first occurrence."""
    found: dict[str, Row] = {}
    for trial in trials:
        setting = {name: value for name, value in trial.setting.items() if name != seed}
        found.setdefault(repr(setting), Row(setting, [])).trials.append(trial)
    return list(found.values())


def metrics(table: Sequence[Row]) -> list[str]:
    """Return the names of the metrics of the trials."""
    return list(dict.fromkeys(name for row in table for trial in row.done for name in trial.value))


def spread(numbers: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation (n - 1), which is NaN for a single number."""
    if not all(map(math.isfinite, numbers)) or not numbers:
        return math.nan, math.nan
    return fmean(numbers), stdev(numbers) if len(numbers) > 1 else math.nan


def columns(table: Sequence[Row], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the cells of a table by column name, one line per row.

    Parameters
    ----------
    table : sequence of Row
    names : sequence of str
        Options that differ between the settings.
    """
    failed = [len(row.trials) - len(row.done) for row in table]
    return {
        **{name.replace("_", " "): [as_text(row.setting[name]) for row in table] for name in names},
        "trials": [str(len(row.done)) for row in table],
        **({"failed": [str(number) for number in failed]} if any(failed) else {}),
        **{
            name.replace("_", " "): [shown(name, row.numbers(name)) for row in table]
            for name in (*metrics(table), "seconds")
        },
    }


def shown(name: str, numbers: Sequence[float]) -> str:
    """Return mean and standard deviation as text, with accuracies in percent.

    Examples
    --------
    >>> shown("test_accuracy", [0.97, 0.98, 0.99]), shown("loss", [0.5]), shown("loss", [])
    ('98.00 ± 1.00 %', '0.5', '')
    >>> shown("loss", [0.4996, 0.5004]), shown("perplexity", [99.0, 123.0])
    ('0.50000 ± 0.00057', '111 ± 17')
    """
    if not numbers:
        return ""
    mean, deviation = spread(numbers)
    if name == "seconds":
        return f"{mean:.1f}" + f" ± {deviation:.1f}" * (len(numbers) > 1)
    if "accuracy" in name:
        return f"{100 * mean:.2f}" + f" ± {100 * deviation:.2f}" * (len(numbers) > 1) + " %"
    if not deviation > 0:
        return f"{mean:.4g}" + " ± 0" * (deviation == 0)
    digits = max(0, 1 - math.floor(math.log10(deviation)))  # shows the deviation with two significant digits
    form = f".{digits}f" if digits < SMALL else ".2e"
    return f"{mean:{form}} ± {deviation:{form}}"


def write_table(folder: Path, table: Sequence[Row], names: Sequence[str]) -> None:
    """Write ``table.md`` with formatted numbers, and ``table.csv`` with unrounded ones."""
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
    """Write a CSV table with a line for each trial."""
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
    """Draw a panel for each metric: a line per setting, with a dot per trial, the mean and the standard deviation."""
    numbers = metrics(table)
    across = min(len(numbers), ACROSS) or 1
    down = -(-len(numbers) // across) or 1
    figure = new_figure(2 + 3.4 * across, down * (0.9 + 0.4 * len(table)))
    panels = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes, name in zip_longest(panels.flat, numbers):
        if name:
            draw_number(axes, table, name)
        else:
            axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_yticks(range(len(table)), [label(row.setting, names) for row in table])
    figure.savefig(path, dpi=110)


def draw_number(axes: "Axes", table: Sequence[Row], name: str) -> None:
    """Draw one metric, with the first setting at the top."""
    scale, unit = (100, " [%]") if "accuracy" in name else (1, "")
    for height, row in enumerate(table):
        values = [scale * value for value in row.numbers(name)]
        mean, deviation = spread(values)
        axes.plot(values, [height + 0.14] * len(values), "o", color="tab:blue", alpha=0.4, ms=5, mew=0)
        axes.errorbar(mean, height - 0.14, xerr=deviation, fmt="D", color="black", ms=4, capsize=3, lw=1.2)
    axes.set(xlabel=name.replace("_", " ") + unit, ylim=(len(table) - 0.5, -0.5))
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=5)
    axes.ticklabel_format(axis="x", scilimits=(-3, 5))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
