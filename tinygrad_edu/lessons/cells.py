"""The lessons in a notebook: the commands as functions, which read the student's code from the cells."""

import ast
import linecache
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tinygrad_edu.errors import LessonError
from tinygrad_edu.lessons.comparison import NARROW, side_by_side, side_by_side_html
from tinygrad_edu.lessons.folder import Folder
from tinygrad_edu.lessons.judge import solved
from tinygrad_edu.lessons.lesson import FINALE, LESSONS, Lesson
from tinygrad_edu.shared.display.html import Inline

_BY_NAME = {lesson.name: lesson for lesson in (*LESSONS, FINALE)}


class _Importer(MetaPathFinder, Loader):
    """Imports the code of a lesson: the student's if it has passed, the solution otherwise."""

    folder = Path()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return spec_from_loader(name, self) if name in _BY_NAME and self.folder.is_dir() else None

    def exec_module(self, module: ModuleType) -> None:
        lesson, folder = _BY_NAME[module.__name__], Folder(self.folder)
        file, text = folder.code(lesson) if folder.has_passed(lesson) else solved(lesson)
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), vars(module))


_IMPORTER = _Importer()


def start(folder: str | os.PathLike[str] = "my_engine") -> None:
    """Copy the lessons into a folder, or continue there, and let cells import the code of lessons.

    Parameters
    ----------
    folder : path, optional
        Existing code and progress in it are kept; the command line shares them. An import of a lesson, such as
        ``from lesson02_scalars import Value``, gives the code in it that has passed, and the solution otherwise.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from tinygrad_edu import lessons
    >>> with TemporaryDirectory() as folder:
    ...     lessons.start(folder)
    ...     from lesson02_scalars import Value
    >>> Value.__module__
    'lesson02_scalars'
    """
    path = Path(folder).resolve()
    Folder.start(path)
    _IMPORTER.folder = path
    if _IMPORTER not in sys.meta_path:
        sys.meta_path.insert(0, _IMPORTER)
    _forget_imports()


def check(lesson: int | str) -> None:
    """Check the code of a lesson in the cells of the notebook, and print the result.

    The code is that of the last cell that defines each function and class of the lesson. It is saved in the folder, as
    the file of the lesson.

    Parameters
    ----------
    lesson : int or str
        The number of the lesson, or "engine" for the finale.

    Raises
    ------
    LessonError
        `start` has not been called, or no cell defines a function of the lesson.
    """
    from tinygrad_edu.lessons.__main__ import lesson_of

    asked, folder = lesson_of(str(lesson)), Folder(_folder())
    if asked.name not in _BY_NAME:
        raise LessonError(f"lessons.check does not accept {asked.name}: solve them in {folder.path / asked.name}.py.")
    numbers, text = _cells_of(asked, sys._getframe(1))
    folder.save(asked, text)
    several = ", ".join(f"[{k}]" for k in numbers)
    same = f"cell {several}, with the same lines" if len(numbers) == 1 else f"cells {several}, one after the other"
    print(f"{asked.name}.py is now the code of {same}.")
    _run("check", lesson=asked.word)
    _forget_imports()


def hint(lesson: int | str, hole: str | None = None) -> None:
    """Print the next hint on a hole, by default the one that failed last."""
    _run("hint", lesson=str(lesson), hole=hole)


def solution(lesson: int | str, hole: str | None = None) -> None:
    """Print the solution of a lesson, or of one hole."""
    _run("solution", lesson=str(lesson), hole=hole)


def compare(lesson: int | str) -> Inline:
    """Return the saved code of a lesson beside the core of tinygrad_edu; a notebook shows both side by side.

    Parameters
    ----------
    lesson : int or str
        The number of the lesson, or "engine" for all lessons, in the order in which the core is read.

    Raises
    ------
    LessonError
        `start` has not been called, or the lesson builds nothing that is in the core.
    """
    from tinygrad_edu.lessons.__main__ import lesson_of

    asked, folder = lesson_of(str(lesson)), Folder(_folder())
    return Inline(side_by_side_html(asked, folder), side_by_side(asked, folder, width=NARROW))


def status() -> None:
    """Print the progress in each lesson."""
    _run("status")


def _run(command: str, **given: Any) -> None:
    from tinygrad_edu.lessons import __main__ as commands

    getattr(commands, f"_{command}")(Namespace(folder=_folder(), call=_call, **given))


def _call(command: str, lesson: str, *hole: str) -> str:
    """Return the call of a function of this module as text."""
    arguments = (lesson if lesson.isdecimal() else repr(lesson), *map(repr, hole))
    return f"lessons.{command}({', '.join(arguments)})"


def _folder() -> Path:
    if _IMPORTER not in sys.meta_path or not _IMPORTER.folder.is_dir():
        raise LessonError("no folder is open: call lessons.start('my_engine') first.")
    return _IMPORTER.folder


def _forget_imports() -> None:
    for name in _BY_NAME:
        sys.modules.pop(name, None)


def _cells_of(lesson: Lesson, caller: FrameType) -> tuple[list[int], str]:
    """Return the numbers and the text of the last cells that define the functions and classes of a lesson.

    The statement that calls `check` is left out.
    """
    cells: Sequence[str] = caller.f_globals.get("In", ())
    trees = [_tree(cell) for cell in cells]
    last = {name: k for k, tree in enumerate(trees) for name in _defined(tree)}
    numbers = sorted({last[name] for name in _defined(ast.parse(lesson.exercise)) if name in last})
    if not numbers:
        raise LessonError(
            f"no cell defines a function of {lesson.name}: run the cell with its code before lessons.check. Outside of "
            f"a notebook, use `python -m tinygrad_edu.lessons check {lesson.word}`."
        )
    lines = {k: cells[k].splitlines() for k in numbers}
    if caller.f_code.co_name == "<module>" and numbers[-1] == len(cells) - 1:
        for statement in trees[-1].body:
            begin, end = statement.lineno - 1, statement.end_lineno or statement.lineno
            if begin < caller.f_lineno <= end:
                lines[numbers[-1]][begin:end] = [""] * (end - begin)
    return numbers, "".join(f"{line}\n" for each in lines.values() for line in each)


def _tree(cell: str) -> ast.Module:
    try:
        return ast.parse(cell)
    except (SyntaxError, ValueError):  # the notebook has shown the error
        return ast.Module([], [])


def _defined(tree: ast.Module) -> set[str]:
    """Return the names of the functions and classes that a cell defines."""
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef)}
