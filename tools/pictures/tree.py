"""Picture of the tree in which gradients are summed."""

from pathlib import Path

from matplotlib.figure import Figure

from tinygrad_edu.parallel.tree_sum import TreeSum, shard_range

SHARDS, WORKERS = 11, 3
COLOURS = ["#2f6fb3", "#c2571a", "#3c8a4e"]
TOGETHER = "#555555"

Place = tuple[float, float, str]  # x, y, and the colour of a worker or of several


def draw_tree(path: Path) -> None:
    """Draw the tree: leaves are shards, and each sum is above its two halves."""
    figure = Figure((7.2, 3.4), dpi=110)
    axes = figure.add_subplot()

    def add(left: Place, right: Place) -> Place:
        up = max(left[1], right[1]) + 1
        colour = left[2] if left[2] == right[2] else TOGETHER
        above = ((left[0] + right[0]) / 2, up, colour)
        for half in (left, right):
            axes.plot([half[0], above[0]], [half[1], up], color="#999999", linewidth=1.2, zorder=1)
        axes.scatter(*above[:2], s=190, color=colour, zorder=2)
        axes.annotate("+", above[:2], color="white", ha="center", va="center", fontsize=11, zorder=3)
        return above

    total: TreeSum[Place] = TreeSum(SHARDS, add)
    for worker in range(WORKERS):
        own = shard_range(SHARDS, WORKERS, worker)
        for shard in own:
            axes.scatter(shard, 0, s=260, marker="s", color=COLOURS[worker], zorder=2)
            axes.annotate(str(shard), (shard, 0), color="white", ha="center", va="center", fontsize=9, zorder=3)
            total.push((0, shard), (shard, 0, COLOURS[worker]))
        middle = (own.start + own.stop - 1) / 2
        axes.annotate(f"worker {worker}", (middle, -0.75), color=COLOURS[worker], ha="center", fontsize=10)
    axes.annotate("grey: the sum of several workers", (-0.2, 4), color=TOGETHER, va="center", fontsize=9)
    axes.set(xlim=(-0.7, SHARDS - 0.3), ylim=(-1.1, 4.5))
    axes.axis("off")
    figure.savefig(path, bbox_inches="tight", facecolor="white")
