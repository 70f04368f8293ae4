"""Write ``docs/functions.md``, a table of all public functions by file: ``python -m tools.functions_page``."""

import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from tinygrad_edu import ops
from tinygrad_edu.ops.on_demand import OF_DRAWS, OF_LINALG
from tools.site.reference import link

PAGE = Path(__file__).parent.parent / "docs" / "functions.md"
LINALG = ("inverses", "determinants", "decompositions", "norms", *dict.fromkeys(OF_LINALG.values()))
DRAWS = dict.fromkeys(OF_DRAWS.values())
BEGIN = """# The functions and their files

Each function is `tg.NAME`; NumPy's function of the same name accepts Tensors, too. Linear algebra is in `tg.linalg`.
Each file contains functions with their derivatives, or compositions of such functions. The files are in reading order:
no file uses a later one. [Coming from PyTorch](from_pytorch.md) lists functions with other names in PyTorch.

| file | subject | functions |
|---|---|---|
"""


def row(file: ModuleType) -> str:
    """Return the table row of a file: its name, the first line of its docstring, and its public functions."""
    name = file.__name__.rpartition(".")[2]
    subject = (file.__doc__ or "").partition("\n")[0].rstrip(".")
    functions = ", ".join(link(each, file) for each in file.__all__)
    return f"| [{name}](../tinygrad_edu/ops/{name}.py) | {subject} | {functions} |"


def files() -> list[ModuleType]:
    """Return the modules of all public functions, in reading order."""
    homes = dict.fromkeys(inspect.unwrap(getattr(ops, name)).__module__ for name in vars(ops)["__all__"])
    linalg, draws = ([import_module(f"tinygrad_edu.ops.{name}") for name in names] for names in (LINALG, DRAWS))
    return [*map(sys.modules.__getitem__, homes), *linalg, ops.linalg, ops.creation, *draws]


def page() -> str:
    """Return the whole page."""
    return BEGIN + "\n".join(map(row, files())) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
