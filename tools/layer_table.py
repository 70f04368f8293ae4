"""What PyTorch says of layers and losses: what each line of ``tests/nn/torch/layers/*.txt`` gives, and leaves.

``python -m tools.layer_table [NAME ...]`` computes them with the installed PyTorch in float64, and writes a
``NAME.json`` beside each text, so that the tests need no PyTorch. A line has what makes the module here, what makes it
in PyTorch, and the inputs, each with its kind and its shape, as in `tools.torch_table`; and, where that is not the
module of all of the inputs, how module `m` is called::

    nn.Conv2D(2, 3, kernel_size=2) | nn.Conv2d(2, 3, kernel_size=2) | x: normal 4 2 5 5
    nn.MSELoss("sum") | nn.MSELoss(reduction="sum") | x: normal 4 2, y: normal 4 2
    nn.LSTM(3, 2) | nn.LSTM(3, 2) | x: normal 5 4 3, h: normal 1 4 2, c: normal 1 4 2 | m(x, (h, c))

Parameters and buffers are drawn from the line, by `state_of`, in the order of the state dict: a line keeps its numbers
whatever stands beside it.
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
    """One line: a module here, the same in PyTorch, its inputs by name, and how it is called."""

    line: str
    ours: str
    theirs: str
    inputs: dict[str, Array]
    call: str

    def state_of(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Draw values for a state dict; those of a running variance are positive, and counters begin at 3."""
        draws = draws_of(f"{self.line} state")
        drawn = {name: 0.5 * draws.standard_normal(shape) for name, shape in shapes.items()}
        for name in drawn:
            if name.endswith("running_var"):
                drawn[name] = 0.5 + drawn[name] ** 2
            elif name.endswith("num_batches_tracked"):
                drawn[name] = np.array(3)
        return drawn

    def cotangents(self, shapes: list[tuple[int, ...]]) -> list[Array]:
        """Draw an array for each result that has a gradient."""
        draws = draws_of(f"{self.line} cotangents")
        return [np.asarray(draws.standard_normal(shape)) for shape in shapes]


def cases(name: str) -> Iterator[Case]:
    """Read the cases of a text: one for each line that is not empty and no comment."""
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
    """Return the tensors in nested tuples and lists, in order, without what is None."""
    if isinstance(value, tuple | list):
        return [result for part in value for result in results_in(part)]
    return [] if value is None else [value]


def _expected(case: Case) -> dict[str, Any]:
    """Compute a case with PyTorch: results, gradients and buffers in training, and then results in evaluation."""
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
    with torch.enable_grad():  # without it, PyTorch takes shortcuts that nest and pad
        return row | {"evaluated": [result.tolist() for result in results_in(eval(case.call, {**space, "m": module}))]}


def main() -> None:
    """Write the tables of all texts, or of those that are named."""
    for name in sys.argv[1:] or names():
        write_rows(FOLDER / f"{name}.json", computed(cases(name), _expected))


if __name__ == "__main__":
    main()
