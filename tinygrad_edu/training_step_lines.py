"""The core: the lines that one training step of a small network executes in plain mode.

``python -m tinygrad_edu.core`` prints the files in the order in which the step enters them, and the number of executed
lines in each. ``--code`` also prints the lines, below the ``def`` line of their function, which has no line number.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_edu.command_line import Parser
from tinygrad_edu.nn import Conv2D, Dropout, Flatten, Linear, Sequential, Tanh, cross_entropy
from tinygrad_edu.optim import SGD
from tinygrad_edu.plain_mode import PLAIN

_PACKAGE = Path(__file__).parent


def training_step() -> Callable[[], None]:
    """Return a function that runs one training step of a small convolutional network for MNIST."""
    rng = np.random.default_rng(0)
    model = Sequential(
        Conv2D(1, 4, 3, rng=rng), Tanh(), Dropout(0.5, rng=rng), Flatten(), Linear(4 * 26 * 26, 10, rng=rng)
    )
    optimizer = SGD(model.parameters(), lr=0.1)
    images, labels = rng.standard_normal((8, 1, 28, 28), np.float32), rng.integers(0, 10, 8)

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


@cache  # a trace function is called for each line
def _name_in_package(file: str) -> str | None:
    path = Path(file)
    return path.relative_to(_PACKAGE).as_posix() if path.is_relative_to(_PACKAGE) else None


def executed_lines(function: Callable[[], Any]) -> dict[str, list[int]]:
    """Call a function and return the package's lines that it executes, by file, in order of the first call."""
    lines: dict[str, set[int]] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        file = _name_in_package(frame.f_code.co_filename)
        if file is None:
            return None
        if event == "line":
            lines.setdefault(file, set()).add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    lines.pop("core.py", None)
    return {file: sorted(numbers) for file, numbers in lines.items()}


def core() -> dict[str, list[int]]:
    """Return the lines that a step executes, after two steps that fill the caches."""
    step = training_step()
    step()
    step()
    return executed_lines(step)


def source_lines(file: str, numbers: list[int]) -> Iterator[str]:
    """Yield the numbered lines of a file, preceded by the first line of each function."""
    text = (_PACKAGE / file).read_text(encoding="utf-8")
    functions: dict[int, int] = {}
    for node in ast.walk(ast.parse(text)):  # outer functions first
        if isinstance(node, ast.FunctionDef):
            functions |= dict.fromkeys(range(node.lineno + 1, (node.end_lineno or 0) + 1), node.lineno)
    lines, last = text.splitlines(), 0
    for number in numbers:
        first = functions.get(number, 0)
        if first != last and first:
            yield f"\n        {lines[first - 1]}"
        yield f"  {number:4}  {lines[number - 1]}"
        last = first


def main(arguments: list[str] | None = None) -> int:
    """Print the core, in a subprocess if this process is not in plain mode."""
    parser = Parser("python -m tinygrad_edu.core", description=__doc__)
    parser.add_argument("--code", action="store_true", help="also print the lines")
    options = parser.parse_args(arguments)
    if not PLAIN:
        command = [sys.executable, "-m", "tinygrad_edu.core", *(["--code"] if options.code else [])]
        return subprocess.call(command, env={**os.environ, "TINYGRAD_EDU_PLAIN": "1"})
    lines = core()
    for file, numbers in lines.items():
        print(f"{len(numbers):4} lines  {file}")
        if options.code:
            print(*source_lines(file, numbers), "", sep="\n")
    print(f"{sum(map(len, lines.values())):4} lines in {len(lines)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
