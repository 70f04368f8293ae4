"""The command ``python -m tinygrad_edu.core``: print the core in the order of reading, or copy it.

A copy is a package of its own, with its suite, a program that trains, and a licence. It needs NumPy, and pytest for the
suite.
"""

from __future__ import annotations

import ast
import keyword
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tinygrad_edu.shared.display.command_line import Parser

HERE = Path(__file__).parent
CORE = HERE.parent / "core"
DIGITS = [HERE.parent / "data" / name for name in ("mnist_embedded.npz", "MNIST_LICENSE.md")]
# The other files of this folder are the templates of a copy. They run here, too, with `tinygrad_edu.core`.
TEMPLATES = ("train.py", "README.md", "LICENSE.txt", "pyproject.toml")
TAKEN = {*sys.stdlib_module_names, "numpy", "pytest", "tinygrad_edu"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = Parser("python -m tinygrad_edu.core", description=__doc__)
    parser.add_argument("--copy", type=Path, metavar="FOLDER", help="a new or empty folder, for a copy")
    parser.add_argument("--name", help="the name of the copied package (default: the name of the folder)")
    options = parser.parse_args(arguments)
    if options.copy is None:
        if options.name:
            parser.error("--name is the name of a copy, which needs --copy FOLDER.")
        print(*sources(), sep="\n")
        return 0
    folder, name = options.copy, options.name or options.copy.resolve().name
    if problem := problem_of_name(name) or problem_of_folder(folder):
        parser.error(problem)
    copy(folder, name)
    print(f"{folder} has the package {name}. Its README.md has the commands to train with it and to test it.")
    return 0


def reading_order() -> list[Path]:
    """Return the files of the core in the order of the imports in its ``__init__.py``. The checks come last."""
    first = CORE / "__init__.py"
    imports = [each.module or "" for each in ast.parse(read(first)).body if isinstance(each, ast.ImportFrom)]
    order = [first, *(CORE / f"{module.rpartition('.')[2]}.py" for module in imports)]
    return [*order, *sorted({*CORE.glob("*.py")} - {*order, CORE / "__main__.py"})]


def definitions(text: str) -> dict[str, ast.FunctionDef | ast.ClassDef]:
    """Return each function, class and method of a source by name, such as ``Call.run``; of overloads the first."""
    found: dict[str, ast.FunctionDef | ast.ClassDef] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.setdefault(node.name, node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}": part for part in node.body if isinstance(part, ast.FunctionDef)}
    return found


def first_line(node: ast.FunctionDef | ast.ClassDef) -> int:
    """Return the first line of a definition, with its decorators."""
    return min(part.lineno for part in (node, *node.decorator_list))


def sources() -> Iterator[str]:
    """Yield the source of each file, below a line with its name."""
    for file in reading_order():
        yield f"{f'# --- {file.relative_to(HERE.parent.parent).as_posix()} '.ljust(120, '-')}\n\n{read(file)}"


def problem_of_name(name: str) -> str:
    """Return why a package cannot have a name, or an empty text."""
    if not re.fullmatch("[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?", name) or keyword.iskeyword(name):
        return f"{name!r} cannot be imported as a package. Choose a name such as my_engine, with --name."
    return f"{name} is the name of another package. Choose another one, with --name." if name in TAKEN else ""


def problem_of_folder(folder: Path) -> str:
    """Return why a copy cannot be written to a folder, or an empty text."""
    if folder.exists() and not folder.is_dir():
        return f"{folder} is a file. Choose a new or an empty folder."
    return (
        f"{folder} is not empty. Choose a new or an empty folder." if folder.exists() and any(folder.iterdir()) else ""
    )


def copy(folder: Path, name: str) -> None:
    """Write the core as the package `name` into a folder, with its suite, a program, the digits and a licence."""
    files = {f"{name}/{file.name}": read(file) for file in reading_order()}
    files |= {f"{name}/errors.py": errors(), f"test_{name}.py": read(HERE / "suite.py")}
    files |= {file: read(HERE / file) for file in TEMPLATES}
    (folder / name).mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(renamed(text, name), encoding="utf-8")
    for source in DIGITS:
        shutil.copy(source, folder)


def renamed(text: str, name: str) -> str:
    """Return a text for a copy: other names of the packages, and the digits beside the program."""
    text = text.replace("from tinygrad_edu import core", f"import {name} as core").replace("../data/", "")
    return text.replace("tinygrad_edu.core", name).replace("tinygrad_edu.errors", f"{name}.errors")


def errors() -> str:
    """Return the source of the errors that the core raises, and of their base classes, without examples."""
    module = ast.parse(read(HERE.parent / "errors" / "__init__.py"))
    classes = {each.name: each for each in module.body if isinstance(each, ast.ClassDef)}
    used = {name for file in reading_order() for name in imported_errors(file)}
    for name in reversed(classes):  # bases come first
        if name in used:
            used |= {base.id for base in classes[name].bases if isinstance(base, ast.Name)}
    parts = [f'"""{ast.get_docstring(module)}"""']
    for name in filter(used.__contains__, classes):
        bases = ", ".join(map(ast.unparse, classes[name].bases))
        summary = (ast.get_docstring(classes[name]) or "").partition("\n\n")[0]
        parts.append(f'class {name}({bases}):\n    """{summary}"""')
    return "\n\n\n".join(parts) + "\n"


def imported_errors(file: Path) -> Iterator[str]:
    """Yield the names that a file imports from the errors."""
    for each in ast.walk(ast.parse(read(file))):
        if isinstance(each, ast.ImportFrom) and each.module == "tinygrad_edu.errors":
            yield from (alias.name for alias in each.names)


def read(file: Path) -> str:
    """Return the text of a file."""
    return file.read_text(encoding="utf-8")
