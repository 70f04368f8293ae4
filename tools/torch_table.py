"""Compute the expected results of functions with PyTorch, for the lines of ``tests/ops/torch/*.txt``.

``python -m tools.torch_table [NAME ...]`` computes values and first and second gradients in float64 with the installed
PyTorch, and writes a ``NAME.json`` next to each text, so that the tests need no PyTorch. A line has three parts: our
expression, PyTorch's expression, and the inputs with their kinds and shapes::

    tg.power(x, y) | torch.pow(x, y) | x: positive 3 4, y: normal 4

All numbers are drawn from the text of the line, so other lines do not affect them.
"""

import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array

FOLDER = Path(__file__).parents[1] / "tests" / "ops" / "torch"
Shape = tuple[int, ...]


class Case(NamedTuple):
    """One line: our expression, PyTorch's expression, and the inputs by name."""

    line: str
    ours: str
    theirs: str
    inputs: dict[str, Array]

    def cotangents(self, shapes: Sequence[Shape], round: int) -> list[Array]:
        """Draw an array for each shape: in round 1 for the results, in round 2 for the gradients."""
        draws = draws_of(f"{self.line} {round}")
        return [draws.standard_normal(shape) for shape in shapes]


def draws_of(text: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(text.encode()))  # NumPy guarantees a stable stream for RandomState


def _distinct(draws: np.random.RandomState, shape: Shape) -> Array:
    """Draw numbers that differ by at least 0.15, with absolute values of at least 0.075."""
    count = int(np.prod(shape))
    ranks = draws.permutation(count) - count // 2 + 0.5
    return (0.25 * ranks + 0.05 * draws.uniform(-1, 1, count)).reshape(shape)


def _invertible(draws: np.random.RandomState, shape: Shape) -> Array:
    return draws.standard_normal(shape) + 2 * np.eye(shape[-1])


def _definite(draws: np.random.RandomState, shape: Shape) -> Array:
    """Draw symmetric positive definite matrices."""
    root = draws.standard_normal(shape)
    return root @ root.swapaxes(-1, -2) + np.eye(shape[-1])


KINDS: dict[str, Callable[[np.random.RandomState, Shape], Array]] = {
    "normal": lambda draws, shape: draws.standard_normal(shape),
    "positive": lambda draws, shape: draws.uniform(0.3, 3, shape),
    "unit": lambda draws, shape: draws.uniform(-0.9, 0.9, shape),
    "probability": lambda draws, shape: draws.uniform(0.05, 0.95, shape),
    "above1": lambda draws, shape: draws.uniform(1.2, 4, shape),
    "large": lambda draws, shape: 30 * draws.standard_normal(shape),
    "small": lambda draws, shape: 1e-6 * draws.standard_normal(shape),
    "distinct": _distinct,
    "invertible": _invertible,
    "definite": _definite,
    # constants without a gradient
    "mask": lambda draws, shape: draws.uniform(size=shape) < 0.5,
    "below2": lambda draws, shape: draws.randint(0, 2, shape),
    "below3": lambda draws, shape: draws.randint(0, 3, shape),
    "below4": lambda draws, shape: draws.randint(0, 4, shape),
    "starts": lambda draws, shape: np.array([0, 0]),  # of two bags; valid for any number of indices
}


def declarations(text: str) -> dict[str, tuple[str, Shape]]:
    """Parse ``x: positive 3 4, y: normal 4`` to the kind and shape of each input, by name."""
    declared = {}
    for declaration in text.split(","):
        name, kind, *lengths = declaration.replace(":", " ").split()
        declared[name] = kind, tuple(map(int, lengths))
    return declared


def cases(name: str) -> Iterator[Case]:
    """Read the cases of a text: one for each line except empty lines and comments."""
    for line in (FOLDER / f"{name}.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            ours, theirs, declared = (part.strip() for part in line.split(" | "))
            draws = draws_of(line)
            inputs = {name: KINDS[kind](draws, shape) for name, (kind, shape) in declarations(declared).items()}
            yield Case(line, ours, theirs, inputs)


def names() -> list[str]:
    """Return the names of the texts."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def parts(result: Any) -> list[Any]:
    """Return one or several results as a list."""
    return list(result) if isinstance(result, tuple | list) else [result]


def _expected(case: Case) -> dict[str, Any]:
    """Compute a case with PyTorch: values, and first and second gradients of every floating-point input."""
    import torch

    inputs = {name: torch.tensor(x) for name, x in case.inputs.items()}
    leaves = [x.requires_grad_() for x in inputs.values() if x.is_floating_point()]
    space = {"torch": torch, "F": torch.nn.functional, "np": np, **inputs}
    results = parts(eval(case.theirs, space))
    smooth = [r for r in results if r.requires_grad]

    def pulled(outputs: list[Any], round: int) -> list[Any]:
        drawn = case.cotangents([tuple(out.shape) for out in outputs], round)
        total = sum((out * torch.tensor(c)).sum() for out, c in zip(outputs, drawn, strict=True))
        if not getattr(total, "requires_grad", False):
            return [torch.zeros_like(leaf) for leaf in leaves]
        found = torch.autograd.grad(total, leaves, create_graph=round == 1, allow_unused=True)
        return [
            torch.zeros_like(x) if g is None or g._is_zerotensor() else g for x, g in zip(leaves, found, strict=True)
        ]

    first = pulled(smooth, 1)
    second = pulled(first, 2)
    return {
        "values": [r.tolist() for r in results],
        "first": [(g + 0).tolist() for g in first],
        "second": [(g + 0).tolist() for g in second],
    }


def write_rows(path: Path, rows: Mapping[str, Any]) -> None:
    """Write a table with one line for each row, and print its size."""
    text = ",\n".join(f"{json.dumps(line)}: {json.dumps(row)}" for line, row in rows.items())
    path.write_text(f"{{\n{text}\n}}\n")
    print(f"{path.stem}: {len(rows)} rows, {len(text) // 1000} kB")


def computed(cases: Iterable[Any], compute: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the results of all cases by line."""
    rows = {}
    for case in cases:
        try:
            rows[case.line] = compute(case)
        except Exception as error:
            error.add_note(f"In the line: {case.line}")
            raise
    return rows


def expected(folder: Path, texts: Sequence[str]) -> dict[str, Any]:
    """Return the stored results of all lines of the texts in a folder."""
    return {line: row for name in texts for line, row in json.loads((folder / f"{name}.json").read_text()).items()}


def two_samples(x: Array) -> Array:
    """Return an input, and a perturbed copy for `vmap`: smaller floats, or the same integers in another order."""
    return np.stack([x, x * (1 - 1 / 1024) if x.dtype.kind == "f" else np.roll(x, 1)])


def assert_same(title: str, found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Compare arrays with a tolerance of 1e-12, relative to each element and to the largest element."""
    assert len(found) == len(expected), title
    for ours, theirs in zip(found, map(np.asarray, expected), strict=True):
        assert np.shape(ours) == theirs.shape, title
        largest = np.max(np.abs(theirs), initial=0, where=np.isfinite(theirs)) if theirs.size else 0
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * float(largest), err_msg=title)


def main() -> None:
    """Write the tables of the named texts, by default of all texts."""
    for name in sys.argv[1:] or names():
        write_rows(FOLDER / f"{name}.json", computed(cases(name), _expected))


if __name__ == "__main__":
    main()
