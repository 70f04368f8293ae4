"""Compute the expected results of optimizers and schedules with PyTorch, for ``tests/optim/torch/*.txt``.

``python -m tools.optimizer_table`` runs 100 steps of each optimizer and 40 of each schedule with the installed PyTorch,
and writes a ``.json`` next to each text, so that the tests need no PyTorch. A line of ``optimizers.txt`` is the same
expression for our optimizer and PyTorch's; a line of ``schedules.txt`` has our expression and PyTorch's.

PyTorch's Muon computes its matrix in bfloat16 for parameters of any dtype. The expected results are computed by
PyTorch's code without that conversion.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from tinygrad_edu.engine import Array
from tools.torch_table import draws_of, write_rows

FOLDER = Path(__file__).parents[1] / "tests" / "optim" / "torch"
SHAPES = [(3, 2), (2,), (), (2, 4)]
WIDTHS = ("float64", "float32")
STEPS = 100


def lines(name: str) -> list[str]:
    """Return the lines of a text, except empty lines and comments."""
    return [line for line in (FOLDER / f"{name}.txt").read_text().splitlines() if line and not line.startswith("#")]


def steps(line: str, width: str, leaf: Callable[[Array], Any], values: Callable[[Any], Array], space: Any) -> list[Any]:
    """Run the optimizer of a line, and return the parameters after the first and after the last step.

    The gradient of a parameter p is c * (p - 1) + noise, with constants c > 0, so each step depends on the steps
    before it.
    """
    draws = draws_of(line)
    params = [leaf(draws.standard_normal(shape).astype(width)) for shape in SHAPES]
    slopes = [draws.uniform(0.3, 1, shape) for shape in SHAPES]
    noise = [[0.3 * draws.standard_normal(shape) for shape in SHAPES] for _ in range(STEPS)]
    optimizer = eval(line, {**space, "params": params, "matrices": [params[0], params[3]]})
    found = []
    for k in range(STEPS):
        for p, c, more in zip(params, slopes, noise[k], strict=True):
            p.grad = leaf(np.asarray(c * (values(p) - 1) + more, width))
        optimizer.step()
        if k in (0, STEPS - 1):
            found.append([values(p).tolist() for p in params])
    return found


def iterations(
    line: str, width: str, leaf: Callable[[Array], Any], values: Callable[[Any], Array], space: Any
) -> list[Any]:
    """Run three steps of the optimizer of a line, with a closure, and return the parameters after each.

    The loss is the sum of cosh(c * (p - 1)) over all elements, plus a tenth of the square of the sum of all elements.
    """
    draws = draws_of(line)
    params = [leaf(draws.standard_normal(shape).astype(width)) for shape in SHAPES]
    slopes = [draws.uniform(0.3, 2, shape).astype(width) for shape in SHAPES]
    optimizer = eval(line, {**space, "params": params})

    def closure() -> float:
        total, loss = sum(float(np.sum(values(p))) for p in params), 0.0
        for p, c in zip(params, slopes, strict=True):
            loss += float(np.sum(np.cosh(c * (values(p) - 1))))
            p.grad = leaf(np.asarray(c * np.sinh(c * (values(p) - 1)) + 0.2 * total, width))
        return loss + 0.1 * total**2

    found = []
    for _ in range(3):
        optimizer.step(closure)
        found.append([values(p).tolist() for p in params])
    return found


def metrics(line: str) -> list[float]:
    """Return a metric for each step of a schedule that needs one. The metrics decrease, with noise."""
    draws = draws_of(line)
    return [float(1 / (1 + k / 4) + 0.1 * draws.uniform(-1, 1)) for k in range(40)]


def _optimizers() -> dict[str, Any]:
    import torch

    def leaf(values: Array) -> Any:
        return torch.tensor(values, requires_grad=True)

    def values(p: Any) -> Array:
        return p.detach().numpy()  # type: ignore[no-any-return]

    with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):
        return {
            line: {width: steps(line, width, leaf, values, vars(torch.optim)) for width in WIDTHS}
            for line in lines("optimizers")
        }


def _lbfgs() -> dict[str, Any]:
    import torch

    def leaf(values: Array) -> Any:
        return torch.tensor(values, requires_grad=True)

    return {
        line: {
            width: iterations(line, width, leaf, lambda p: p.detach().numpy(), vars(torch.optim)) for width in WIDTHS
        }
        for line in lines("lbfgs")
    }


def _schedules() -> dict[str, list[float]]:
    import torch

    rows: dict[str, list[float]] = {}
    for line in lines("schedules"):
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
        with warnings.catch_warnings(action="ignore"):  # PyTorch's SequentialLR warns about its own order of calls
            scheduler = eval(line.split(" | ")[1], {**vars(torch.optim.lr_scheduler), "optimizer": optimizer})
            rows[line] = [optimizer.param_groups[0]["lr"]]
            for metric in metrics(line)[1:]:
                optimizer.step()
                scheduler.step(*[metric] * line.startswith("Plateau"))
                rows[line].append(optimizer.param_groups[0]["lr"])
    return rows


def main() -> None:
    """Write all tables."""
    for name, rows in {"optimizers": _optimizers(), "lbfgs": _lbfgs(), "schedules": _schedules()}.items():
        write_rows(FOLDER / f"{name}.json", rows)


if __name__ == "__main__":
    main()
