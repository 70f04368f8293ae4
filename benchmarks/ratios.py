"""Ratios of the peers' times to ours as rows of a CSV file, and their table in Markdown."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers import LOWER_BOUND, OURS
from benchmarks.table import SCALES
from benchmarks.workloads import WORKLOADS

SHORT = {
    "1": "MNIST network, training step",
    "2": "MNIST network, epoch",
    "3": "LeNet, training step",
    "4": "Convolution, 32 to 64 channels",
    "4s": "Convolution with stride 2",
    "4p": "Convolution with 1x1 kernels",
    "4d": "Depthwise convolution",
    "4t": "Transposed convolution",
    "5": "MLP, training step",
    "6": "Small ops of 10 elements, each",
    "6s": "Small ops of one element, each",
    "9": "ResNet, training step",
    "10": "LSTM, training step",
    "11": "Transformer, training step",
    "12": "MNIST network, evaluation of 10,000 images",
    "13": "ResNet-18, training step",
    "14": "Transformer of 10 million parameters, training step",
    "15": "LSTM of 1,024 units, training step",
}


class Ratio(NamedTuple):
    """Median time of a peer in a workload, and its ratio to ours.

    Attributes
    ----------
    workload, peer : str
    cores : int
    seconds : float or None
        Median time of one unit of the workload; None if the file does not have it.
    ratio : float
    """

    workload: str
    cores: int
    peer: str
    seconds: float | None
    ratio: float


def of(report: dict[str, Any]) -> list[Ratio]:
    """Return the ratios of a report. Peers whose numbers differ from ours are left out."""
    return [
        Ratio(workload["key"], run["cores"], result["peer"], result["median"] / workload["count"], result["ratio"])
        for run in report["runs"]
        for workload in run["workloads"]
        for result in workload["results"]
        if result["ratio"] and result["status"] == "ok"
    ]


def write(path: Path, rows: Iterable[Ratio]) -> None:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Ratio._fields)
        writer.writerows(
            (*row[:3], "" if row.seconds is None else f"{row.seconds:.4g}", f"{row.ratio:.4g}") for row in rows
        )


def read(path: Path) -> list[Ratio]:
    """Read a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Ratio(row["workload"], int(row["cores"]), row["peer"],
                  float(row["seconds"]) if row["seconds"] else None, float(row["ratio"]))
            for row in csv.DictReader(file)
        ]  # fmt: skip


def table(rows: Sequence[Ratio]) -> str:
    """Return a table with a line per workload and a column per peer; a cell has one number for each set of cores."""
    found = {(row.workload, row.peer, row.cores): row for row in rows}
    cores = sorted({row.cores for row in rows})
    peers = [peer for peer in dict.fromkeys(row.peer for row in rows) if peer not in (OURS, LOWER_BOUND)]
    units = {workload.key: workload.unit for workload in WORKLOADS}

    def cell(key: str, peer: str) -> str:
        cells = [found.get((key, peer, many)) for many in cores]
        if peer == OURS:
            return " / ".join(_time(row, units[key]) for row in cells) + f" {units[key]}"
        return " / ".join(f"{row.ratio:.2f}" if row else "" for row in cells).strip(" /")

    heads = ["", OURS, *peers, LOWER_BOUND]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for key in dict.fromkeys(row.workload for row in rows):
        cells = " | ".join(cell(key, peer) for peer in heads[1:])
        lines.append(f"| {key} {SHORT.get(key, '')} | {cells} |")
    return "\n".join(lines)


def _time(row: Ratio | None, unit: str) -> str:
    if row is None or row.seconds is None:
        return "?"
    number = row.seconds * SCALES[unit]
    return f"{number:.0f}" if number >= 100 else f"{number:#.2g}".rstrip(".")
