"""Write ``docs/core.md``, a reading path through the core: ``python -m tools.core_page``."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent
PAGE = PROJECT / "docs" / "core.md"
TEXT = """# The core in {total} lines

A training step of a small convolutional network executes {total} lines in {count} files of this package. They contain
the essential parts: tensors, ops with their derivatives, the graph, the backward pass, layers, a loss and an optimizer.
The remaining code makes them faster, safer or more observable, or adds ops and layers.

An environment variable enables *plain mode*, in which the step executes only these lines:

```sh
TINYGRAD_EDU_PLAIN=1 python train.py  # slow, with the same results up to rounding
python -m tinygrad_edu.core --code    # prints the lines
```

In plain mode, each function of a folder `fast` is replaced by the plain function that its decorator `@faster_than`
names. A convolution is then
[the product of the kernel matrix with `im2col(x)`](../tinygrad_edu/ops/patches.py), the call of an op is
[a loop over its inputs](../tinygrad_edu/engine/recorder.py), and the backward pass is
[one function](../tinygrad_edu/engine/backward.py). You can step through all of it with a debugger. The test suite runs
in both modes.

The files in the order in which a step enters them:

| file | lines | subject |
|---|---|---|
{rows}

The step is `Conv2D`, `Tanh`, `Dropout`, `Flatten`, `Linear`, `cross_entropy`, `backward` and `SGD` with its defaults.
Only executed lines count; lines that raise errors or belong to other options do not.
[How the engine works](engine.md) explains the lines.
"""


def core() -> dict[str, list[int]]:
    """Return the executed lines by file, from a process in plain mode."""
    code = "import json; from tinygrad_edu.core import core; print(json.dumps(core()))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TINYGRAD_EDU_PLAIN": "1"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines: dict[str, list[int]] = json.loads(run.stdout)
    return lines


def page(lines: dict[str, list[int]]) -> str:
    """Return the page for executed lines."""
    rows = [
        f"| [{file}](../tinygrad_edu/{file}) | {len(numbers)} | {_first_line(PROJECT / 'tinygrad_edu' / file)} |"
        for file, numbers in lines.items()
    ]
    return TEXT.format(total=sum(map(len, lines.values())), count=len(lines), rows="\n".join(rows))


def _first_line(file: Path) -> str:
    doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return doc.partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(page(core()), encoding="utf-8")
