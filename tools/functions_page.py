"""Write ``docs/functions.md`` anew, every public function by its file: ``python -m tools.functions_page``."""

import inspect
import sys
from pathlib import Path
from types import ModuleType

from tinygrad_edu import ops

PAGE = Path(__file__).parent.parent / "docs" / "functions.md"
LINALG = ("inverses", "determinants", "decompositions", "norms")
BEGIN = """# The functions, and where they are

Each is `tg.NAME`, and where NumPy has it also `np.NAME` of a Tensor; those of linear algebra are in `tg.linalg`. In its
file a function stands beside its derivative, or is composed of others that do. The files are in reading order: none
uses one below it. What is called otherwise in PyTorch is on [its own page](from_pytorch.md).

| file | subject | functions |
|---|---|---|
"""


def row(file: ModuleType) -> str:
    """Return the line of a file: its name, what it says of itself, and what it offers."""
    name = file.__name__.rpartition(".")[2]
    subject = (file.__doc__ or "").partition("\n")[0].rstrip(".")
    return (
        f"| [{name}](../tinygrad_edu/ops/{name}.py) | {subject} | {', '.join(f'`{each}`' for each in file.__all__)} |"
    )


def page() -> str:
    """Return the whole page."""
    homes = dict.fromkeys(inspect.unwrap(getattr(ops, name)).__module__ for name in vars(ops)["__all__"])
    files = [*map(sys.modules.__getitem__, homes), *(getattr(ops, name) for name in LINALG), ops.linalg, ops.creation]
    return BEGIN + "\n".join(map(row, files)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
