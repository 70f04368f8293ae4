"""Write ``docs/functions.md``, a table of all public functions by file: ``python -m tools.functions_page``."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from tinygrad_edu.ops.on_demand import OPS_FILES, PACKAGE_FILES
from tools.site.reference import link

PAGE = Path(__file__).parent.parent / "docs" / "functions.md"
LINALG = ["inverses", "determinants", "decompositions", "norms", "lu_decomposition", "matrix_exponential", "systems"]
BEGIN = """# The functions and their files

Each function is `tg.NAME`; NumPy's function of the same name accepts Tensors, too. Linear algebra is in `tg.linalg`.
Each file contains functions with their derivatives, or compositions of such functions. The files are in reading order:
no file uses a later one. [Coming from PyTorch](from_pytorch.md) lists functions with other names in PyTorch.

| file | subject | functions |
|---|---|---|
"""


def row(file: ModuleType) -> str:
    """Return the table row of a file: its name, the first line of its docstring, and its public functions."""
    name, path = file.__name__.removeprefix("tinygrad_edu.ops."), file.__name__.replace(".", "/")
    subject = (file.__doc__ or "").partition("\n")[0].rstrip(".")
    functions = ", ".join(link(each, file) for each in file.__all__)
    return f"| [{name}](../{path}.py) | {subject} | {functions} |"


def files() -> list[ModuleType]:
    """Return the modules of all public functions, in reading order."""
    names = list(dict.fromkeys([*OPS_FILES.values(), *PACKAGE_FILES.values()]))
    k = names.index("linear_algebra.diagonals") + 1
    names[k:k] = [*(f"linear_algebra.{name}" for name in LINALG), "linalg"]
    return [import_module(f"tinygrad_edu.ops.{name}") for name in names]


def page() -> str:
    """Return the whole page."""
    return BEGIN + "\n".join(map(row, files())) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
