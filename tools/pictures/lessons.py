"""Pictures of the lessons."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

BLUE, RED, GREY = "tab:blue", "tab:red", "0.6"


def save(figure: Figure, path: Path) -> None:
    """Write a picture."""
    figure.savefig(path, dpi=130, bbox_inches="tight", facecolor="white")


def bare(axes: Any, width: float, height: float) -> None:
    """Set limits and equal units, and hide the axes."""
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.axis("off")


def draw_differences(path: Path) -> None:
    """Plot the errors of three finite differences against the step."""
    x, steps = 1.0, 10.0 ** np.arange(-14, 0.01, 0.1)

    def central(h: Any) -> Any:
        return (np.tanh(x + h) - np.tanh(x - h)) / (2 * h)

    found = {
        "one-sided": (np.tanh(x + steps) - np.tanh(x)) / steps,
        "central": central(steps),
        "extrapolated": (4 * central(steps / 2) - central(steps)) / 3,
    }
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, slopes), color in zip(found.items(), (RED, "tab:orange", BLUE), strict=True):
        axes.loglog(steps, np.abs(slopes - (1 - np.tanh(x) ** 2)), color=color, label=name, linewidth=1.2)
    axes.set(xlabel="step h", ylabel="error of the slope of tanh at 1", ylim=(1e-17, 1))
    axes.set(xticks=10.0 ** np.arange(-14, 1, 2), yticks=10.0 ** np.arange(-16, 1, 2))  # automatic ones vary by version
    axes.text(2e-14, 3e-9, "rounding", color="0.3")
    axes.text(0.003, 0.05, "curvature", color="0.3")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False)
    save(figure, path)


PLACES = {"x": (1.0, 0.6), "a": (1.0, 2.1), "c": (3.0, 2.1), "d": (2.0, 3.6)}
EDGES = (("d", "a"), ("d", "c"), ("c", "a"), ("a", "x"))


def draw_order(path: Path) -> None:
    """Draw the same graph visited level by level, and in topological order."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    late = {("d", "a"): "1", ("d", "c"): "1", ("c", "a"): "1, too late", ("a", "x"): "1"}
    orders = {
        "level by level": ("dacx", late, RED),
        "topological order": ("dcax", late | {("c", "a"): "1", ("a", "x"): "2"}, BLUE),
    }
    for axes, (title, (order, gradients, color)) in zip(figure.subplots(1, 2), orders.items(), strict=True):
        bare(axes, 4.4, 4.4)
        axes.set_title(title, fontsize=11)
        for edge in EDGES:
            wrong = "," in gradients[edge] or (color == RED and edge == ("a", "x"))
            draw_edge(axes, *edge, gradients[edge], RED if wrong else "0.3")
        for name, (x, y) in PLACES.items():
            axes.add_patch(Circle((x, y), 0.32, facecolor="white", edgecolor="0.2", linewidth=1.4, zorder=3))
            axes.text(x, y, name, ha="center", va="center", fontsize=13, zorder=4)
            axes.text(
                x + (0.42 if name == "c" else -0.42),
                y + 0.28,
                str(order.index(name) + 1),
                color=color,
                ha="center",
                fontsize=10,
                zorder=4,
            )
    save(figure, path)


def draw_edge(axes: Any, start: str, end: str, gradient: str, color: str) -> None:
    """Draw an arrow from a result to one of its inputs, labelled with the contribution."""
    (x, y), (to_x, to_y) = PLACES[start], PLACES[end]
    arrow = FancyArrowPatch(
        (x, y), (to_x, to_y), shrinkA=19, shrinkB=19, arrowstyle="-|>", mutation_scale=14, color=color
    )
    axes.add_patch(arrow)
    level = y == to_y
    axes.text(
        (x + to_x) / 2 + (0 if level else 0.14 if to_x >= x else -0.14), (y + to_y) / 2 + (0.14 if level else 0.1),
        gradient, color=color, ha="center" if level else "left" if to_x >= x else "right", fontsize=11,
    )  # fmt: skip


def draw_broadcasting(path: Path) -> None:
    """Draw a row that is broadcast to three rows, and the gradients of three rows that are summed to one."""
    figure = Figure(figsize=(7, 2.5), layout="constrained")
    axes = figure.subplots()
    bare(axes, 15.5, 5.4)
    rng = np.random.default_rng(3)
    rows = rng.integers(1, 9, (3, 4))
    row = rng.integers(1, 9, (1, 4))
    draw_grid(axes, 0, 1.6, row, BLUE, "b, shape (4,)")
    draw_grid(axes, 5, 0.6, np.repeat(row, 3, axis=0), BLUE, "copied, shape (3, 4)")
    axes.annotate("", (4.8, 2.1), (4.2, 2.1), arrowprops={"arrowstyle": "-|>", "color": "0.3"})
    draw_grid(axes, 11.5, 0.6, rows, RED, "gradients of the rows")
    figure_sum = rows.sum(axis=0, keepdims=True)
    draw_grid(axes, 11.5, -1.4, figure_sum, RED, "")
    axes.annotate("", (13.5, -0.3), (13.5, 0.5), arrowprops={"arrowstyle": "-|>", "color": "0.3"})
    axes.text(11.2, -0.9, "gradient of b: the sum", ha="right", va="center", fontsize=10, color="0.2")
    axes.set(ylim=(-1.8, 5.0))
    save(figure, path)


def draw_grid(axes: Any, x: float, y: float, values: Any, color: str, title: str) -> None:
    """Draw a matrix, its first row on top, and a title above."""
    for i, line in enumerate(values[::-1]):
        for j, value in enumerate(line):
            axes.add_patch(Rectangle((x + j, y + i), 1, 1, facecolor=color, alpha=0.12))
            axes.add_patch(Rectangle((x + j, y + i), 1, 1, fill=False, edgecolor=color, linewidth=1))
            axes.text(x + j + 0.5, y + i + 0.47, str(value), ha="center", va="center", fontsize=10)
    axes.text(x + len(values[0]) / 2, y + len(values) + 0.3, title, ha="center", va="bottom", fontsize=10, color="0.2")


FORM = {"image": (4, BLUE), "kernel": (2, "tab:orange"), "map": (3, RED)}
# For each row of the picture: the inputs, the output, and the element of the output that is shown.
PARTS = (
    (("image", "kernel"), "map", (1, 1)),
    (("map", "image"), "kernel", (0, 1)),
    (("map", "kernel"), "image", (1, 2)),
)


def meetings(out: str, at: tuple[int, int]) -> list[dict[str, tuple[int, int]]]:
    """Return the products of the form that contain one element: for each, the position in every grid."""
    places = np.ndindex(3, 3, 2, 2)
    products = [{"map": (y, x), "kernel": (i, j), "image": (y + i, x + j)} for y, x, i, j in places]
    return [product for product in products if product[out] == at]


def draw_convolution(path: Path) -> None:
    """Draw the elements of image, kernel and map whose products form one element of the third, numbered by product."""
    figure = Figure(figsize=(7.6, 5.6), layout="constrained")
    for axes, (given, out, at) in zip(figure.subplots(3, 1), PARTS, strict=True):
        bare(axes, 16.5, 5.2)
        axes.set(ylim=(-0.1, 5.2))
        met = meetings(out, at)
        for x, name in zip((0.2, 6.2, 12.2), (*given, out), strict=True):
            size, color = FORM[name]
            title = f"one element of the {name}" if name == out else name
            numbers = {product[name]: str(k) for k, product in enumerate(met, 1)} if name != out else {at: "Σ"}
            draw_marked(axes, x + (4 - size) / 2, (4 - size) / 2, size, numbers, color, title)
        axes.text(5.2, 2, "·", ha="center", va="center", fontsize=18, color="0.3")
        axes.annotate("", (11.9, 2), (10.7, 2), arrowprops={"arrowstyle": "-|>", "color": "0.3"})
    save(figure, path)


def draw_marked(
    axes: Any, x: float, y: float, size: int, marks: dict[tuple[int, int], str], color: str, title: str
) -> None:
    """Draw a square grid whose marked cells are filled; row 0 is on top."""
    for row, column in np.ndindex(size, size):
        corner = (x + column, y + size - 1 - row)
        mark = marks.get((row, column), "")
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=color, alpha=0.3 if mark else 0.06))
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=color, linewidth=1))
        axes.text(corner[0] + 0.5, corner[1] + 0.47, mark, ha="center", va="center", fontsize=11)
    axes.text(x + size / 2, y + size + 0.2, title, ha="center", va="bottom", fontsize=10, color="0.2")
