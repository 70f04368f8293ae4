"""Picture of the model up to 4,096 workers, with the measurements as dots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.scaling.measuring import BATCHES, SHARD_SIZES
from benchmarks.scaling.paper import MOST, TO_DRAW, Link, Work
from benchmarks.scaling.report import NETWORKS, RESNET_SHARD, TITLES, Report

COLORS = {"mnist": "tab:blue", "lenet": "tab:orange", "transformer": "tab:red", "resnet": "tab:green"}
STYLES = dict(zip(NETWORKS, ("--", ":"), strict=True))
_ONE = {name: BATCHES[name] // size for name, size in SHARD_SIZES.items()}
SHARED = _ONE | {"resnet": 4096 // RESNET_SHARD}  # shards of a batch of constant size
EACH = _ONE | {"resnet": 32 // RESNET_SHARD}  # shards per worker


def draw(report: Report, path: Path) -> None:
    """Write the picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), layout="constrained")
    (strong, speedup), (weak, efficiency) = figure.subplots(2, 2, sharex=True)
    for name, work in {**{name: report.work(name) for name in report.names}, "resnet": report.resnet()}.items():
        _panels(strong, speedup, report, "step", name, work)
        _panels(weak, efficiency, report, "weak", name, work)
    for axes, title, label in (
        (strong, "Strong scaling: 128 images or 32 texts in total; ResNet 4,096", "seconds per step"),
        (speedup, "Speedup, strong scaling", "speedup over one worker"),
        (weak, "Weak scaling: 128 images or 32 texts per worker; ResNet 32", "seconds per step"),
        (efficiency, "Efficiency, weak scaling", "samples per second per worker, relative"),
    ):
        _finish(axes, title, label)
    workers = range(1, 4097, 4095)
    speedup.plot(workers, workers, color="lightgray", zorder=0)
    efficiency.set(yscale="linear", ylim=(0, 1.05))
    efficiency.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for axes in (weak, efficiency):
        axes.set_xlabel("workers, one core each")
    figure.legend(handles=_legend(report), loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    figure.savefig(path, dpi=85)


def _panels(time: Any, gain: Any, report: Report, part: str, name: str, work: Work) -> None:
    """Draw the time of a step, and the speedup over one worker."""
    rows = report.ours(part, name)

    def line(workers: Sequence[int], link: Link, style: str, cores: int = MOST) -> None:
        steps = [work.step(_shards(part, name, many), many, link, cores) for many in workers]
        time.plot(workers, steps, style, color=COLORS[name], linewidth=1.2)
        gain.plot(workers, [steps[0] / step for step in steps], style, color=COLORS[name], linewidth=1.2)

    if rows:
        line([row.processes for row in rows], report.link("memory"), "-", report.cores)
    for title, network in NETWORKS.items():
        line(TO_DRAW, report.link("TCP").over(network), STYLES[title])
    for row in rows:
        fill = COLORS[name] if row.processes <= report.cores else "white"
        for axes, value in ((time, row.milliseconds / 1e3), (gain, 1 / row.ratio)):
            axes.plot(row.processes, value, "o", color=COLORS[name], markerfacecolor=fill, markersize=5)


def _shards(part: str, name: str, workers: int) -> int:
    return SHARED[name] if part == "step" else EACH[name] * workers


def _finish(axes: Any, title: str, label: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set(xscale="log", yscale="log", ylabel=label)
    axes.set_xticks([4**k for k in range(7)], [f"{4**k:,}" for k in range(7)])
    axes.minorticks_off()
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)


def _legend(report: Report) -> list[Any]:
    from matplotlib.lines import Line2D

    def entry(label: str, style: str = "", **how: Any) -> Line2D:
        return Line2D([], [], linestyle=style, label=label, **{"color": "0.3", **how})

    return [
        *(entry(TITLES[name] + " (assumed)" * (name == "resnet"), "-", color=color) for name, color in COLORS.items()),
        entry("predicted for this machine, from its components", "-"),
        *(entry(f"assumed network: {title}", style) for title, style in STYLES.items()),
        entry("measured", marker="o"),
        entry(f"measured, on {report.cores} cores", marker="o", markerfacecolor="white"),
    ]
