"""Catalog of the tables of measured numbers in the pages, each between two comments."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks import ingredients, ratios
from benchmarks.scaling.measuring import BATCHES
from benchmarks.scaling.measuring import read as read_scaling
from benchmarks.scaling.report import SAMPLES, Report
from models import mnist_conv
from models.shared import spread
from models.shared.trials import Trial
from tools.pictures.numbers import FOLDER

END = "<!-- end -->"
NAMES = {"mnist_lenet": "LeNet"}
METHODS = {
    "in memory": "in memory",
    "mapped": "mapped",
    "mapped, released": "mapped, pages released after each batch",
    "FileRows": "`FileRows`",
}
LIBRARIES = {  # arrays, derivatives, modules
    "micrograd": ["scalars", "first", "one MLP"],
    "MyGrad": ["NumPy", "first", "layers"],
    "autograd": ["NumPy", "any order", ""],
    "tinygrad": ["its own, GPU", "any order", "yes"],
    "PyTorch": ["its own, GPU", "any order", "yes"],
}
WORKLOADS = {"conv net": "1", "LeNet": "3", "MLP": "5", "small op": "6", "LSTM": "10", "transformer": "11"}
RECIPES = {
    "augmented": " (the default): rotated, scaled and distorted images",
    "tuned": ": images shifted by up to two pixels",
    "original": ": unchanged images, the script's steps, correct gradients",
}


@dataclass(frozen=True)
class Table:
    """A table in a page, between ``<!-- table: name -->`` and ``<!-- end -->``.

    Attributes
    ----------
    page : str
        Path of the page from the root of the checkout.
    render : callable
        Returns the table in Markdown.
    numbers : tuple of str
        Files in docs/numbers/ that it is made from.
    """

    page: str
    render: Callable[[], str]
    numbers: tuple[str, ...]


def filled(name: str, text: str, table: str) -> str:
    """Return the text of a page with the current version of its table `name`.

    Raises
    ------
    ValueError
        The page has no such table.
    """
    begin = f"<!-- table: {name} -->\n"
    before, found, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"the page has no lines {begin.strip()} and {END} for the table {name}.")
    return f"{before}{begin}\n{table}\n\n{end}{after}"


def _markdown(head: list[str], rows: list[list[str]], align: str = "---") -> str:
    lines = [head, ["---", *[align] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _trials(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _short(number: float) -> str:
    """Return a number with two significant digits, or all digits before the point."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def _percent(value: str) -> str:
    return f"{100 * float(value):.2f} %"


def _ingredients(part: str) -> str:
    found = ingredients.read(FOLDER / "from_87_to_98.csv")
    counts = {line.seeds for line in found if line.part == part}
    return f"{ingredients.table(found, part)}\n\nTrials of each: {min(counts)}."


def _seven_findings() -> str:
    rows = _trials("seven_findings.csv")
    columns = ("test_accuracy", "best_test_accuracy", "train_accuracy")
    cells = [[row["variant"].replace("_", " "), *(_percent(row[column]) for column in columns)]
             for row in rows]  # fmt: skip
    epochs = rows[0]["epochs"]
    head = ["network", f"test, after {epochs} epochs", "test, best of any epoch", f"training, after {epochs} epochs"]
    return _markdown(head, cells)


def _recipes() -> str:
    trials, rows = _trials("mnist_conv_recipes.csv"), []
    for name, about in RECIPES.items():
        own = [row for row in trials if row["recipe"] == name]
        accuracy, entropy = (
            np.mean([float(row[key]) for row in own]) for key in ("test_accuracy", "test_cross_entropy")
        )
        epochs = str(mnist_conv.RECIPES[name].epochs)
        rows.append([f"`--recipe {name}`{about}", epochs, f"{100 * accuracy:.2f} %", f"{entropy:.3f}"])
    return _markdown(["recipe", "epochs", "test accuracy", "test cross-entropy"], rows)


def _seeds(*programs: str) -> str:
    """Return the accuracies of the first program by seed, and next to them those of the others."""
    columns, head = [], ["seed", "test accuracy", "with four views"]
    count = len(_trials(f"{programs[0]}_seeds.csv"))
    for program in programs:
        rows = _trials(f"{program}_seeds.csv")[:count]
        columns += [[_percent(row[name]) for row in rows] for name in ("test_accuracy", "test_accuracy_in_4_views")]
    head += [text for program in programs[1:] for text in (NAMES[program], "with views")]
    seeds = [row["seed"] + " (the default)" * (row["seed"] == "0") for row in _trials(f"{programs[0]}_seeds.csv")]
    return _markdown(head, [list(row) for row in zip(seeds, *columns, strict=True)])


def sweep_rows() -> list[spread.Row]:
    """Return the trials of the sweep over learning rates, a row for each rate."""
    trials = [
        Trial(
            {"learning_rate": float(row["learning_rate"]), "seed": int(row["seed"])},
            {name: float(row[name]) for name in ("train_accuracy", "test_accuracy")},
            row["reason"], float(row["seconds"]),
        )
        for row in _trials("sweeps.csv")
    ]  # fmt: skip
    return spread.rows(trials)


def _sweeps() -> str:
    columns = spread.columns(sweep_rows(), ["learning_rate"])
    del columns["seconds"]
    return _markdown(list(columns), [list(row) for row in zip(*columns.values(), strict=True)], "---:")


def _printed(name: str) -> str:
    """Return the table of a file that a command printed."""
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    return _markdown(head, rows)


def _libraries() -> str:
    checkers, times = _trials("checkers.csv"), ratios.read(FOLDER / "benchmarks.csv")
    (caught,) = (row for row in checkers if row[""] == "wrong vjps caught, total")
    caught = {column.partition(" ")[0]: cell for column, cell in caught.items()}
    step = {row.peer: f"{row.ratio:.2g}" for row in times if (row.workload, row.cores) == ("1", 1)}
    own = ["**tinygrad_edu**", "NumPy", "any order", "yes", f"**{caught['ours']}**", f"**{step['ours']}**"]
    rows = [[f"[{name}]", *cells, caught.get(name, ""), step.get(name, "")] for name, cells in LIBRARIES.items()]
    return _markdown(["", "arrays", "derivatives", "modules", "wrong vjps caught", "conv net"], [own, *rows])


def _pytorch() -> str:
    times = {row.workload: row.ratio for row in ratios.read(FOLDER / "benchmarks.csv")
             if (row.peer, row.cores) == ("PyTorch", 1)}  # fmt: skip
    return _markdown(["one core", *WORKLOADS], [["PyTorch", *(f"{times[key]:.2g}" for key in WORKLOADS.values())]])


def _reading() -> str:
    rows = {(row["method"], row["megabytes"]): row for row in _trials("reading.csv")}
    sizes = list(dict.fromkeys(megabytes for _, megabytes in rows))

    def cell(method: str, megabytes: str, when: str) -> str:
        row = rows[method, megabytes]
        time, increase = row[f"{when}milliseconds"], row[f"{when}increase"]
        return f"{_short(float(time))} ms, {int(increase):,} MB" if time else ""

    head = [
        "",
        *(f"{int(size):,} MiB, {place}" for place in ("in the system's cache", "on the disk") for size in sizes),
    ]
    lines = [[method, *(cell(method, size, when) for when in ("", "cold_") for size in sizes)] for method in METHODS]
    return _markdown(head, [[METHODS[line[0]], *line[1:]] for line in lines])


def _scaling() -> str:
    report = Report(read_scaling(FOLDER / "scaling.csv"))
    titles = {"mnist": "the MNIST net", "lenet": "a LeNet", "transformer": "a transformer"}

    def line(part: str, name: str, about: str) -> list[str]:
        rows = {(row.side, row.processes, row.threads): row.milliseconds for row in report.of(part, name)}
        ours = [f"{rows['ours', processes, threads]:.3g}" for processes, threads in ((1, 1), (1, 2), (2, 1))]
        theirs = [f"{rows[side, n, 1]:.3g}" for side in sorted({key[0] for key in rows} - {"ours"}) for n in (1, 2)]
        return [f"{titles[name]}, {about}", *ours, " and ".join(theirs)]

    head = ["", "1 thread", "2 threads", "2 processes", "PyTorch DDP on gloo, 1 and 2 processes"]
    steps = [line("step", name, f"a step of {BATCHES[name]} {SAMPLES[name]}") for name in report.names]
    evaluated = [name for name in report.names if report.of("evaluation", name)]
    evaluations = [line("evaluation", name, "10,000 images evaluated") for name in evaluated]
    return _markdown(head, steps + evaluations)


TABLES = {
    "libraries": Table("README.md", _libraries, ("checkers.csv", "benchmarks.csv")),
    "pytorch": Table("README.md", _pytorch, ("benchmarks.csv",)),
    "ladder": Table("docs/from_87_to_98.md", partial(_ingredients, "ladder"), ("from_87_to_98.csv",)),
    "without": Table("docs/from_87_to_98.md", partial(_ingredients, "without"), ("from_87_to_98.csv",)),
    "recipes": Table("docs/models/mnist_conv.md", _recipes, ("mnist_conv_recipes.csv",)),
    "lenet_seeds": Table("docs/models/mnist_lenet.md", partial(_seeds, "mnist_lenet"), ("mnist_lenet_seeds.csv",)),
    "resnet_seeds": Table(
        "docs/models/resnet_digits.md",
        partial(_seeds, "resnet_digits", "mnist_lenet"),
        ("resnet_digits_seeds.csv", "mnist_lenet_seeds.csv"),
    ),
    "vit_seeds": Table("docs/models/vit.md", partial(_seeds, "vit"), ("vit_seeds.csv",)),
    "seven_findings": Table("docs/seven_findings.md", _seven_findings, ("seven_findings.csv",)),
    "sweeps": Table("docs/sweeps.md", _sweeps, ("sweeps.csv",)),
    "reading": Table("docs/larger_than_memory.md", _reading, ("reading.csv",)),
    "checkers": Table("benchmarks/README.md", partial(_printed, "checkers.csv"), ("checkers.csv",)),
    "costs": Table("benchmarks/README.md", partial(_printed, "checker_costs.csv"), ("checker_costs.csv",)),
    "scaling": Table("docs/many_machines.md", _scaling, ("scaling.csv",)),
    "benchmarks": Table(
        "benchmarks/README.md", lambda: ratios.table(ratios.read(FOLDER / "benchmarks.csv")), ("benchmarks.csv",)
    ),
}
