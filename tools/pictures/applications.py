"""Pictures of the pages in docs/applications, drawn from the variables of each page's program."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu import Tensor, grad, stack, tape, vmap
from tools.pictures.numbers import ROOT

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def program(name: str, blocks: int | None = None) -> dict[str, Any]:
    """Run the Python blocks of a page, or the first of them, as one program, and return its variables."""
    page = ROOT / "docs" / "applications" / f"{name}.md"
    variables: dict[str, Any] = {"__name__": name}
    exec(compile("\n".join(_BLOCK.findall(page.read_text(encoding="utf-8"))[:blocks]), page, "exec"), variables)
    return variables


def _ops(result: Any) -> int:
    """Return the number of recorded ops."""
    return sum(row.op != "leaf" for row in tape.of(result).rows)


def _save(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def draw_implicit_layer(path: Path) -> None:
    """Draw the error of the gradient and the recorded ops of both layers, against the number of iterations."""
    found = program("implicit_layer")
    w, x, steps = found["w"], found["x"], np.array([1, 2, *range(5, 40, 5)])

    def layer(count: int) -> Callable[[Any], Any]:
        return lambda w: found["unrolled"](w, x, count)

    def gradient(f: Callable[[Any], Any]) -> Any:
        return grad(lambda w: (f(w) ** 2).sum())(w)

    weights = Tensor(w, requires_grad=True)
    exact = gradient(lambda w: found["layer"](w, x))
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.semilogy(steps, [np.abs(gradient(layer(k)) - exact).max() for k in steps], "o-", color="tab:red")
    left.set(xlabel="iterations", ylabel="difference of the gradients")
    right.plot(steps, [_ops(layer(k)(weights)) for k in steps], "o-", color="tab:red", label="recorded iterations")
    right.axhline(_ops(found["layer"](weights, x)), color="tab:blue", label="fixed_point")
    right.set(xlabel="iterations", ylabel="recorded ops")
    right.legend()
    _save(figure, path)


def draw_odeint(path: Path) -> None:
    """Draw the fit of the rates, and the calls of f for one gradient against the number of parameters."""
    found = program("odeint")
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    t = np.linspace(found["t"][0], found["t"][-1], 200)
    for rates, style, name in ((found["guess"], ":", "guess"), (found["found"], "-", "fit")):
        curves = found["odeint"](found["hunt"], found["start"], t, rates).numpy()
        left.plot(t, curves[:, 0], style, color="tab:blue", label=f"hares, {name}")
        left.plot(t, curves[:, 1], style, color="tab:orange", label=f"lynxes, {name}")
    left.plot(found["t"], found["counts"][:, 0], "o", color="tab:blue", markersize=4)
    left.plot(found["t"], found["counts"][:, 1], "o", color="tab:orange", markersize=4)
    left.set(xlabel="t", ylabel="count")
    left.legend(ncols=2, fontsize="small", loc="upper center")
    sides = np.array([1, 3, 10, 30])
    one_solve = found["calls"](1) / 2  # forward and backward
    right.loglog(sides**2, [found["calls"](n) for n in sides], "o-", color="tab:blue", label="adjoint")
    right.loglog(sides**2, one_solve * (sides**2 + 1), "--", color="tab:gray", label="finite differences")
    right.set(xlabel="parameters", ylabel="calls of f")
    right.legend()
    _save(figure, path)


def draw_private_training(path: Path) -> None:
    """Draw the lengths of the gradients of single samples, and the accuracy over the steps for each level of noise."""
    found = program("private_training")
    x, y, p = found["x"], found["y"], found["trained"][0][0]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    before = vmap(grad(found["loss"]), in_axes=(None, 0, 0))
    for each, name, color in ((before, "before", "tab:orange"), (found["each"], "clipped", "tab:blue")):
        gradients = each(p, x, y).values()
        lengths = np.sqrt(sum((g**2).reshape(len(g), -1).sum(axis=1) for g in gradients))
        left.plot(np.sort(lengths), color=color, label=name)
    left.set(xlabel="samples, sorted", ylabel="length of the gradient")
    left.legend()
    for noise, (_, accuracies) in found["trained"].items():
        right.plot(np.arange(1, len(accuracies) + 1), accuracies, label=f"noise {noise}")
    right.set(xlabel="step", ylabel="test accuracy", ylim=(0, 1))
    right.legend()
    _save(figure, path)


def draw_ensemble(path: Path) -> None:
    """Draw the curves of the networks, and the recorded ops of a loop and of one call."""
    found = program("ensemble")
    x, line, curves, spread, stacked = (found[name] for name in ("x", "line", "curves", "spread", "stacked"))
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
    mean = curves.mean(axis=0)
    left.plot(line, curves.T, color="tab:gray", linewidth=0.6, alpha=0.6)
    left.fill_between(line[:, 0], mean - 2 * spread, mean + 2 * spread, color="tab:blue", alpha=0.2)
    left.plot(line, mean, color="tab:blue", label="mean, and two standard deviations")
    left.plot(x, found["y"], "o", color="tab:orange", markersize=4, label="data")
    left.set(xlabel="x", ylim=(-3, 3))
    left.legend(loc="lower left")

    def parts(chosen: Any) -> dict[str, Tensor]:
        return {name: Tensor(p.numpy()[chosen], requires_grad=True) for name, p in stacked.items()}

    counts = [1, 5, 10, 15, 20]
    loops = [stack([found["predict"](parts(k), x) for k in range(count)]).sum() for count in counts]
    calls = [found["ensemble"](parts(slice(count)), x).sum() for count in counts]
    right.plot(counts, [_ops(each) for each in loops], "o-", color="tab:red", label="loop")
    right.plot(counts, [_ops(each) for each in calls], "o-", color="tab:blue", label="vmap")
    right.set(xlabel="networks", ylabel="recorded ops", xticks=counts)
    right.legend()
    _save(figure, path)


def draw_influence(path: Path) -> None:
    """Draw predicted against actual changes of the test loss, and the most harmful digits with their labels."""
    found = program("influence")
    predicted, actual = found["changes"][found["removed"]], found["actual"]
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplot_mosaic("AABCD\nAAEFG", gridspec_kw={"width_ratios": [1, 1, 0.8, 0.8, 0.8]})
    ends = np.array([min(actual.min(), predicted.min()), max(actual.max(), predicted.max())])
    axes["A"].plot(ends, ends, color="tab:gray", linewidth=1)
    is_wrong = np.isin(found["removed"], found["wrong"])
    axes["A"].plot(predicted[~is_wrong], actual[~is_wrong], "o", color="tab:blue", label="right label")
    axes["A"].plot(predicted[is_wrong], actual[is_wrong], "o", color="tab:red", label="wrong label")
    axes["A"].set(xlabel="predicted change of the test loss", ylabel="change after a new training")
    axes["A"].ticklabel_format(style="sci", scilimits=(0, 0))
    axes["A"].legend()
    digits = found["digits"]
    images = digits.x_train[np.isin(digits.y_train, (3, 5))]  # before their reduction to 7 x 7 pixels
    for key, sample in zip("BCDEFG", found["harmful"], strict=True):
        axes[key].imshow(images[sample], cmap="gray_r")
        label, color = 5 if found["y"][sample] > 0 else 3, "tab:red" if sample in found["wrong"] else "tab:blue"
        axes[key].set_title(f"label {label}", color=color)
        axes[key].set_axis_off()
    _save(figure, path)


def draw_maml(path: Path) -> None:
    """Draw a new task before and after one step, and the loss on new tasks against the number of steps."""
    found = program("maml")
    x, y, x_new, y_new = (each[6] for each in found["new"])  # a task far from the mean of all
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.4, 1])
    line = np.linspace(-4, 4, 161, dtype=np.float32)[:, None]
    for name, color in (("maml", "tab:blue"), ("plain", "tab:gray")):
        for steps, style in ((0, ":"), (1, "-")):
            p = found["adapted"](found[name], x, y, steps)
            label = f"{'MAML' if name == 'maml' else name}, {'one step' if steps else 'before'}"
            curve = found["nn"].functional_call(found["net"], p, line)
            left.plot(line, curve.numpy(), style, color=color, label=label)
    left.plot(x, y, "o", color="tab:orange", label="ten points")
    left.plot(x_new, y_new, "x", color="tab:orange", label="test points")
    left.set(xlabel="x", ylim=(-3, 4))
    left.legend(ncols=3, fontsize="small", loc="upper center")
    for (name, losses), color in zip(found["learned"].items(), ("tab:blue", "tab:gray"), strict=True):
        right.plot(found["steps"], losses, "o-", color=color, label=name)
    right.set(xlabel="inner steps", ylabel="loss on new tasks", ylim=(0, None))
    right.legend()
    _save(figure, path)
