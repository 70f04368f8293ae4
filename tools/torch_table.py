"""What PyTorch says: values, first and second gradients in float64 of every line of ``tests/ops/torch/*.txt``.

``python -m tools.torch_table [NAME ...]`` computes them with the installed PyTorch and writes a ``NAME.json`` beside
each text, so that the tests need no PyTorch. A line has three parts: what is written here, what is written in PyTorch,
and the inputs, each with its kind and its shape::

    tg.power(x, y) | torch.pow(x, y) | x: positive 3 4, y: normal 4

Everything drawn comes from the line itself, so a line keeps its numbers whatever stands beside it.
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
    """One line: an expression of ours, the same in PyTorch, and its inputs by name."""

    line: str
    ours: str
    theirs: str
    inputs: dict[str, Array]

    def cotangents(self, shapes: Sequence[Shape], round: int) -> list[Array]:
        """Draw an array for each shape: of the first round for the results, of the second for the gradients."""
        draws = draws_of(f"{self.line} {round}")
        return [draws.standard_normal(shape) for shape in shapes]


def draws_of(text: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(text.encode()))  # NumPy promises that this one's numbers never change


def _distinct(draws: np.random.RandomState, shape: Shape) -> Array:
    """Draw numbers that are at least 0.1 apart, and from 0."""
    count = int(np.prod(shape))
    places = draws.permutation(count) - count // 2 + 0.5
    return (0.25 * places + 0.05 * draws.uniform(-1, 1, count)).reshape(shape)


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
    # constants: no gradient flows to them
    "mask": lambda draws, shape: draws.uniform(size=shape) < 0.5,
    "below2": lambda draws, shape: draws.randint(0, 2, shape),
    "below3": lambda draws, shape: draws.randint(0, 3, shape),
    "below4": lambda draws, shape: draws.randint(0, 4, shape),
}


def declarations(text: str) -> dict[str, tuple[str, Shape]]:
    """Read ``x: positive 3 4, y: normal 4``: the kind and the shape of each input by its name."""
    declared = {}
    for declaration in text.split(","):
        name, kind, *lengths = declaration.replace(":", " ").split()
        declared[name] = kind, tuple(map(int, lengths))
    return declared


def cases(name: str) -> Iterator[Case]:
    """Read the cases of a text: one for each line that is not empty and no comment."""
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
    """Return a result, or several, as a list."""
    return list(result) if isinstance(result, tuple | list) else [result]


def _expected(case: Case) -> dict[str, Any]:
    """Compute a case with PyTorch: its values, and its first and second gradients by every floating-point input."""
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
    """Write a table, a line for each row, and say how large it is."""
    text = ",\n".join(f"{json.dumps(line)}: {json.dumps(row)}" for line, row in rows.items())
    path.write_text(f"{{\n{text}\n}}\n")
    print(f"{path.stem}: {len(rows)} rows, {len(text) // 1000} kB")


def computed(cases: Iterable[Any], compute: Callable[[Any], Any]) -> dict[str, Any]:
    """Return what is computed of each case, by its line."""
    rows = {}
    for case in cases:
        try:
            rows[case.line] = compute(case)
        except Exception as error:
            error.add_note(f"In the line: {case.line}")
            raise
    return rows


def expected(folder: Path, texts: Sequence[str]) -> dict[str, Any]:
    """Return what was computed of each line of the texts in a folder."""
    return {line: row for name in texts for line, row in json.loads((folder / f"{name}.json").read_text()).items()}


def assert_same(what: str, found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Compare arrays to the last digits of the largest number in each."""
    assert len(found) == len(expected), what
    for ours, theirs in zip(found, map(np.asarray, expected), strict=True):
        assert np.shape(ours) == theirs.shape, what
        largest = np.max(np.abs(theirs), initial=0, where=np.isfinite(theirs)) if theirs.size else 0
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * float(largest), err_msg=what)


def main() -> None:
    """Write the tables of all texts, or of those that are named."""
    for name in sys.argv[1:] or names():
        write_rows(FOLDER / f"{name}.json", computed(cases(name), _expected))


if __name__ == "__main__":
    main()
