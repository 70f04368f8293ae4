"""Picture of a report: the times of the peers as multiples of ours, on a logarithmic scale.

Each row is a workload, each column a number of cores.
"""

from pathlib import Path
from typing import Any

from benchmarks.peers import OURS

# The same limits in all panels, for comparison; bars beyond them, such as compiled chains, are cut off.
RANGE = (0.2, 30.0)
TICKS = (0.25, 0.5, 1, 2, 5, 10, 20)


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the picture; the suffix of the path determines its format."""
    from matplotlib.figure import Figure

    runs, rows = report["runs"], list(zip(*(run["workloads"] for run in report["runs"]), strict=True))
    heights = [0.7 + 0.19 * max(_bars(workload) for workload in row) for row in rows] or [1.0]
    figure = Figure(figsize=(7.5 * max(1, len(runs)), sum(heights)), layout="constrained")
    grid = figure.subplots(len(heights), max(1, len(runs)), squeeze=False, height_ratios=heights)
    for line, row in zip(grid, rows, strict=False):
        for axes, run, workload in zip(line, runs, row, strict=True):
            _panel(axes, run["cores"], workload)
    figure.suptitle("Time as a multiple of ours: bars to the left are faster (medians; whiskers: quartiles)")
    figure.savefig(path, dpi=130)


def _bars(workload: dict[str, Any]) -> int:
    return sum(bool(result["ratio"]) for result in workload["results"])


def _color(result: dict[str, Any]) -> str:
    if result["status"] != "ok":
        return "tab:red"
    return "tab:orange" if result["peer"].startswith(OURS) else "tab:blue" if result["is_peer"] else "tab:gray"


def _panel(axes: Any, cores: int, workload: dict[str, Any]) -> None:
    if not _bars(workload):
        axes.axis("off")
        return
    ours = next(r["median"] for r in workload["results"] if r["ratio"] == 1)
    shown = sorted((r for r in workload["results"] if r["ratio"]), key=lambda r: -r["ratio"])
    for place, result in enumerate(shown):
        low, high = (q / ours for q in result["quartiles"])
        spread = [[max(0.0, result["ratio"] - low)], [max(0.0, high - result["ratio"])]]
        axes.barh(place, result["ratio"] - 1, left=1, color=_color(result), alpha=0.85)
        axes.errorbar(result["ratio"], place, xerr=spread, color="black", linewidth=1, capsize=2)
        end = min(max(high, 1), 0.8 * RANGE[1])
        axes.annotate(f" {result['ratio']:.2f}", (end, place), va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [r["peer"] for r in shown], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(*RANGE)
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS], fontsize=8)
    axes.set_xticks([], minor=True)
    axes.axvline(1, color="tab:orange", linewidth=1)
    axes.set_title(f"{workload['key']}. {workload['title']} ({cores} core{'s' * (cores > 1)})", fontsize=8, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
