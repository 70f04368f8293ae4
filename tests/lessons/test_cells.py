"""Lessons in a notebook: the code is read from the cells, and the results are those of the command."""

import json
import re
import sys

import pytest

from tinygrad_edu import lessons
from tinygrad_edu.errors import LessonError
from tinygrad_edu.lessons import cells
from tinygrad_edu.lessons.__main__ import main
from tinygrad_edu.lessons.lesson import LESSONS

ORDER = LESSONS[2]


class Notebook:
    """Runs cells in one namespace, as IPython does, with their texts in the list ``In``."""

    def __init__(self):
        self.variables = {"In": [""], "lessons": lessons}

    def run(self, text):
        self.variables["In"].append(text)
        exec(compile(text, f"<cell {len(self.variables['In'])}>", "exec"), self.variables)


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "_IMPORTER", cells._Importer())
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    lessons.start(tmp_path / "engine")
    yield Notebook()
    cells._forget_imports()


@pytest.mark.thorough
def test_the_exercise_as_handed_out_is_incomplete_and_then_passes(notebook, capsys, tmp_path):
    notebook.run(ORDER.exercise)
    notebook.run("lessons.check(3)")
    out = capsys.readouterr().out
    line = next(k for k, line in enumerate(ORDER.exercise.splitlines(), 1) if 'Error("order")' in line)
    assert f"The hole order is still open.\n    lesson03_order.py, line {line}, in order" in out
    assert out.startswith("lesson03_order.py is now the code of cell [1], with the same lines.\n")
    assert "A hint on order: lessons.hint(3)" in out
    lessons.hint(3)
    assert "On order, hint 1 of" in capsys.readouterr().out
    notebook.run(ORDER.solution)
    notebook.run("lessons.check(3)")
    assert "All 8 cases pass." in capsys.readouterr().out
    assert json.loads((tmp_path / "engine" / "progress.json").read_text())[ORDER.name]["cases"] == len(ORDER.cases)
    assert main(["--folder", str(tmp_path / "engine"), "status"]) == 0
    assert re.search(r"^ 3 +Why the order matters +passed$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.thorough
def test_the_last_cell_that_defines_a_function_counts(notebook, capsys):
    notebook.run(ORDER.exercise)
    notebook.run("def order(root):\n    return [root]\n")
    notebook.variables["In"].append("def order(:")  # with a syntax error
    notebook.run("lessons.check(3)")
    out = capsys.readouterr().out
    assert out.startswith("lesson03_order.py is now the code of cells [1], [2], one after the other.\n")
    assert "still open" not in out
    assert "WRONG  The order contains every value" in out


@pytest.mark.thorough
def test_check_may_be_called_in_the_cell_of_the_code(notebook, capsys):
    notebook.run(f"{ORDER.solution}\nlessons.check(\n    3,\n)\n")
    assert "All 8 cases pass." in capsys.readouterr().out


@pytest.mark.thorough
def test_an_import_gives_the_students_code_once_it_has_passed(notebook, capsys):
    scalars = LESSONS[1]
    notebook.run("from lesson02_scalars import Value")
    assert not hasattr(notebook.variables["Value"], "own")
    notebook.run(f"{scalars.solution}\nValue.own = True\n")
    notebook.run("lessons.check(2)\nfrom lesson02_scalars import Value as Own")
    assert notebook.variables["Own"].own


def test_errors_say_how_to_begin(notebook, tmp_path, monkeypatch):
    with pytest.raises(LessonError, match="no cell defines a function of lesson03_order"):
        notebook.run("lessons.check(3)")
    with pytest.raises(LessonError, match="does not accept puzzles"):
        notebook.run("lessons.check('puzzles')")
    with pytest.raises(LessonError, match="got 40"):
        notebook.run("lessons.check(40)")
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(LessonError, match=r"call lessons\.start\('my_engine'\) first"):
        lessons.status()


def test_hints_and_solutions_are_those_of_the_command(notebook, capsys):
    for _ in ORDER.hints["paths"]:
        lessons.hint(3, "paths")
    assert "To see the solution: lessons.solution(3, 'paths')" in capsys.readouterr().out
    lessons.solution(3, "paths")
    assert capsys.readouterr().out.startswith("count = dict.fromkeys(values, 0)\n")
