"""Picture of the times of the peers as multiples of ours: a bar for each peer of each workload.

Every line has one bar, with its name at the left edge and its number at the right edge, so that labels cannot collide.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import LOWER_BOUND, OURS
from benchmarks.ratios import SHORT, Ratio

FRONT = ("1", "3", "9", "11", "10", "5", "4", "6")  # workloads of the picture of the front page
RANGE = (0.4, 16.0)  # bars beyond the limits are cut off
TICKS = {0.5: "½", 1: "1", 2: "2", 4: "4", 8: "8"}
FASTER, SLOWER = "#c2571a", "#2f6fb3"
INCHES = 0.235  # height of a line


def draw(rows: Sequence[Ratio], path: Path, workloads: Sequence[str] | None = None) -> None:
    """Draw the ratios of the smallest number of cores; the suffix of the path determines the format.

    Parameters
    ----------
    rows : sequence of Ratio
    path : Path
    workloads : sequence of str, optional
        Their keys, from above. Default: all.
    """
    from matplotlib.figure import Figure

    cores = min((row.cores for row in rows), default=1)
    keys = workloads or list(dict.fromkeys(row.workload for row in rows))
    shown = [row for row in rows if row.cores == cores and row.peer not in (OURS, LOWER_BOUND)]
    groups = {key: sorted((row for row in shown if row.workload == key), key=lambda row: row.ratio) for key in keys}
    groups = {key: group for key, group in groups.items() if group}
    lines = sum(len(group) + 1.35 for group in groups.values())
    figure = Figure(figsize=(7, INCHES * lines + 1.15), layout="constrained")
    axes = figure.subplots()
    height = 0.0
    for key, group in groups.items():
        axes.text(0, -height, SHORT.get(key, key), transform=axes.get_yaxis_transform(), va="center",
                  weight="bold", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
        for row in group:
            height += 1
            _bar(axes, -height, row)
        height += 1.35
    _finish(axes, height, cores)
    figure.savefig(path, dpi=200)


def _bar(axes: Any, place: float, row: Ratio) -> None:
    end = min(max(row.ratio, RANGE[0]), RANGE[1])
    color = FASTER if row.ratio < 1 else SLOWER
    axes.barh(place, end - 1, left=1, height=0.72, color=color)
    if end != row.ratio:
        axes.plot(end, place, marker="<" if row.ratio < 1 else ">", color=color, markersize=9, clip_on=False)
    beside = {"transform": axes.get_yaxis_transform(), "va": "center"}
    axes.text(-0.03, place, row.peer, ha="right", **beside)
    axes.text(1.11, place, f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:.1f}", ha="right", **beside)


def _finish(axes: Any, height: float, cores: int) -> None:
    axes.set(xscale="log", xlim=RANGE, ylim=(0.9 - height, 0.6), yticks=[])
    axes.set_xticks(list(TICKS), [f"{text} x" for text in TICKS.values()])
    axes.set_xticks([], minor=True)
    axes.axvline(1, color="0.2", linewidth=1)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    where = "one core" if cores == 1 else f"{cores} cores"
    axes.set_title(f"Time relative to ours on {where}", loc="left", fontsize=12)
    axes.set_xlabel("left of 1: faster than ours; right of 1: slower")
