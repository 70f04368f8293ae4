"""Compute the expected results of layers and losses with PyTorch, for the lines of ``tests/nn/torch/layers/*.txt``.

``python -m tools.layer_table [NAME ...]`` computes them with the installed PyTorch in float64, and writes a
``NAME.json`` next to each text, so that the tests need no PyTorch. A line has our constructor call, PyTorch's
constructor call, and the inputs with their kinds and shapes, as in `tools.torch_table`. A fourth part is the call of
the module `m`, unless `m` takes all inputs in order::

    nn.Conv2D(2, 3, kernel_size=2) | nn.Conv2d(2, 3, kernel_size=2) | x: normal 4 2 5 5
    nn.MSELoss("sum") | nn.MSELoss(reduction="sum") | x: normal 4 2, y: normal 4 2
    nn.LSTM(3, 2) | nn.LSTM(3, 2) | x: normal 5 4 3, h: normal 1 4 2, c: normal 1 4 2 | m(x, (h, c))

`state_of` draws parameters and buffers from the text of the line, in the order of the state dict, so other lines do not
affect them.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tools.torch_table import KINDS, computed, declarations, draws_of, write_rows

FOLDER = Path(__file__).parents[1] / "tests" / "nn" / "torch" / "layers"


class Case(NamedTuple):
    """One line: our module, PyTorch's module, the inputs by name, and the call of the module."""

    line: str
    ours: str
    theirs: str
    inputs: dict[str, Array]
    call: str

    def state_of(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Draw values for a state dict. Running variances are positive, and counters are 3."""
        draws = draws_of(f"{self.line} state")
        drawn = {name: 0.5 * draws.standard_normal(shape) for name, shape in shapes.items()}
        for name in drawn:
            if name.endswith("running_var"):
                drawn[name] = 0.5 + drawn[name] ** 2
            elif name.endswith("num_batches_tracked"):
                drawn[name] = np.array(3)
        return drawn

    def cotangents(self, shapes: list[tuple[int, ...]]) -> list[Array]:
        """Draw a cotangent for each result that requires a gradient."""
        draws = draws_of(f"{self.line} cotangents")
        return [np.asarray(draws.standard_normal(shape)) for shape in shapes]


def cases(name: str) -> Iterator[Case]:
    """Read the cases of a text: one for each line except empty lines and comments."""
    for line in (FOLDER / f"{name}.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            ours, theirs, declared, *call = (part.strip() for part in line.split(" | "))
            draws = draws_of(line)
            inputs = {
                name: np.asarray(KINDS[kind](draws, shape)) for name, (kind, shape) in declarations(declared).items()
            }
            yield Case(line, ours, theirs, inputs, call[0] if call else f"m({', '.join(inputs)})")


def names() -> list[str]:
    """Return the names of the texts."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def results_in(value: Any) -> list[Any]:
    """Return the tensors in nested tuples and lists, in order, without None."""
    if isinstance(value, tuple | list):
        return [result for part in value for result in results_in(part)]
    return [] if value is None else [value]


def _expected(case: Case) -> dict[str, Any]:
    """Compute a case with PyTorch: results, gradients and buffers in training, then results in evaluation mode."""
    import torch

    inputs: Any = {name: torch.tensor(x, requires_grad=x.dtype.kind == "f") for name, x in case.inputs.items()}
    space = {"torch": torch, "nn": torch.nn, "np": np, **inputs}
    module = eval(case.theirs, space).double()
    shapes = {name: tuple(values.shape) for name, values in module.state_dict().items()}
    module.load_state_dict({name: torch.tensor(x) for name, x in case.state_of(shapes).items()})
    results = results_in(eval(case.call, {**space, "m": module}))
    smooth = [result for result in results if result.requires_grad]
    drawn = case.cotangents([tuple(result.shape) for result in smooth])
    total: Any = sum((out * torch.tensor(c)).sum() for out, c in zip(smooth, drawn, strict=True))
    if smooth:
        total.backward()
    parameters = dict(module.named_parameters())
    wanted = {name: x for name, x in (*inputs.items(), *parameters.items()) if x.requires_grad}
    row = {
        "state": {name: list(shape) for name, shape in shapes.items()},
        "results": [result.tolist() for result in results],
        "gradients": {name: None if x.grad is None else x.grad.tolist() for name, x in wanted.items()},
        "buffers": {name: x.tolist() for name, x in module.state_dict().items() if name not in parameters},
    }
    module.eval()
    with torch.enable_grad():  # without gradients, PyTorch uses fast paths with nested tensors and padding
        return row | {"evaluated": [result.tolist() for result in results_in(eval(case.call, {**space, "m": module}))]}


def main() -> None:
    """Write the tables of the named texts, by default of all texts."""
    for name in sys.argv[1:] or names():
        write_rows(FOLDER / f"{name}.json", computed(cases(name), _expected))


if __name__ == "__main__":
    main()
