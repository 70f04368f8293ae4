"""Tests of the command ``python -m tinygrad_edu.lessons``, in a student's folder and in a second process."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tinygrad_edu.lessons import judge
from tinygrad_edu.lessons.__main__ import main
from tinygrad_edu.lessons.cases import Looking
from tinygrad_edu.lessons.lesson import LESSONS

ORDER = LESSONS[2]


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    """Change to a folder with all lessons copied."""
    assert main(["start", str(tmp_path / "engine")]) == 0
    monkeypatch.chdir(tmp_path / "engine")
    monkeypatch.setattr("tinygrad_edu.lessons.__main__.judged", partial(judge.judged, looking=Looking(3)))
    capsys.readouterr()
    return Path()


def said(capsys, *arguments, code=0):
    """Run the command, check its exit code and return its output."""
    assert main([*map(str, arguments)]) == code
    out = capsys.readouterr()
    return out.out + out.err


@pytest.mark.thorough
def test_a_student_in_processes_of_their_own(folder):
    def check():
        command = [sys.executable, "-m", "tinygrad_edu.lessons", "check", "3"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    red = check()
    assert (red.returncode, red.stderr) == (1, "")
    assert "The hole order is still open." in red.stdout
    (folder / f"{ORDER.name}.py").write_text(ORDER.solution)
    green = check()
    assert (green.returncode, green.stderr) == (0, "")
    assert "All 8 cases pass. Continue with lesson04_clock.md." in green.stdout


def test_start_copies_all_and_overwrites_nothing(folder, capsys):
    assert "lessons check 1" in said(capsys, "start", ".")
    for lesson in LESSONS:
        assert (folder / f"{lesson.name}.py").read_text() == lesson.exercise
        assert (folder / f"{lesson.name}.md").read_text() == lesson.page
        assert all((folder / picture.name).read_bytes() == picture.read_bytes() for picture in lesson.pictures)
    mine = folder / f"{ORDER.name}.py"
    mine.write_text("# mine")
    (folder / f"{LESSONS[0].name}.py").unlink()
    assert f"Copied 1 lessons to .; kept {len(LESSONS) - 1} that were there" in said(capsys, "start", ".")
    assert mine.read_text() == "# mine"


def test_the_pages_name_the_pictures_that_are_copied_beside_them(folder):
    for lesson in LESSONS:
        named = {part.split(")")[0] for part in lesson.page.split("](")[1:] if part.startswith("lesson")}
        assert named == {picture.name for picture in lesson.pictures}


def test_a_folder_without_lessons_says_how_to_make_one(tmp_path, capsys):
    assert "lessons start my_engine" in said(capsys, "--folder", tmp_path, "check", 1, code=2)


def test_numbers_and_holes_that_there_are_not(folder, capsys):
    assert "got 40" in said(capsys, "check", 40, code=2)
    assert "its holes are order, paths, backward" in said(capsys, "hint", 3, "number", code=2)
    assert "its holes are order, paths, backward" in said(capsys, "solution", 3, "number", code=2)
    assert main(["status"]) == 0


def test_hints_come_one_after_the_other_on_the_hole_that_the_check_stopped_at(folder, capsys):
    mine = folder / f"{ORDER.name}.py"
    mine.write_text(ORDER.with_holes({"paths"}))
    assert "A hint on paths" in said(capsys, "check", 3, code=1)
    count = len(ORDER.hints["paths"])
    for k in range(count):
        assert f"On paths, hint {k + 1} of {count}" in said(capsys, "hint", 3)
    assert "This is the last hint" in said(capsys, "hint", 3)
    assert "On order, hint 1 of" in said(capsys, "hint", 3, "order")
    assert said(capsys, "solution", 3, "paths").startswith("count = dict.fromkeys(values, 0)\n")


@pytest.mark.thorough
def test_status_knows_what_passed_and_what_has_changed_since(folder, capsys):
    mine = folder / f"{ORDER.name}.py"
    assert said(capsys, "status").count("  not started\n") == len(LESSONS) + 2  # with the finale and the puzzles
    mine.write_text(ORDER.with_holes({"backward"}))
    said(capsys, "check", 3, code=1)
    assert "4 of 8 cases" in said(capsys, "status")
    mine.write_text(ORDER.solution)
    said(capsys, "check", 3)
    assert "passed\n" in said(capsys, "status")
    mine.write_text(ORDER.solution + "\n")
    assert "changed since it passed" in said(capsys, "status")
    (folder / "progress.json").write_text("{")
    assert "cannot be read" in said(capsys, "status", code=2)


@pytest.mark.thorough
def test_a_lesson_stands_on_the_students_own_engine_where_that_has_passed(folder, capsys):
    scalars = LESSONS[1]
    (folder / f"{ORDER.name}.py").write_text(ORDER.solution)
    assert "(with the solutions of 2, which your code has not passed yet)" in said(capsys, "check", 3)
    own = scalars.solution + "\nfrom pathlib import Path\nPath('asked').touch()\n"
    (folder / f"{scalars.name}.py").write_text(own)
    said(capsys, "check", 2)
    Path("asked").unlink()
    assert "with the solutions" not in said(capsys, "check", 3)
    assert Path("asked").exists()
    assert json.loads(Path("progress.json").read_text())[ORDER.name]["cases"] == len(ORDER.cases)


FAULTS = {
    "def f(:\n": "    lesson03_order.py, line 1\n        def f(:\n              ^\n    SyntaxError: invalid syntax",
    "def f():\nreturn 3\n": "line 2\n        return 3\n        ^^^^^^\n    IndentationError: ",
    "import no_such_module\n": "line 1, in <module>\n        import no_such_module\n    ModuleNotFoundError",
    "exit()\n": "exits the program: remove it",
    "order = 3\n": "TypeError: 'int' object is not callable",
    "": "has no attribute",
    "def order(root):\n    return order(root)\n": "RecursionError",
    "def order(root):\n    exit()\n": "lesson03_order.py, line 2, in order\n        exit()\n    This line exits",
    "def order(root):\n    helper = {}\n    return helper['x']\n": (
        "lesson03_order.py, line 3, in order\n        return helper['x']\n    KeyError: 'x'"
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_of_the_students_is_their_own_line_and_no_traceback(fault, folder, capsys):
    value = "" if "import no_such" in fault else "\nfrom lesson02_scalars import Value\n"
    (folder / f"{ORDER.name}.py").write_text(fault + value)
    out = said(capsys, "check", 3, code=1)
    assert FAULTS[fault] in out
    assert "Traceback" not in out
    assert "site-packages" not in out
    assert len(out.splitlines()) < 15


@pytest.mark.parametrize("fault", ["def f(:\n", "import no_such_module\n"])
def test_an_error_outside_of_the_holes_has_no_hint(fault, folder, capsys):
    mine = folder / f"{ORDER.name}.py"
    mine.write_text(fault + ORDER.exercise)
    assert said(capsys, "check", 3, code=1).endswith("\n\n0 of 8 cases pass.\n")
    assert "name a hole: order, paths, backward." in said(capsys, "hint", 3, code=2)
    assert "On paths, hint 1 of" in said(capsys, "hint", 3, "paths")
    mine.write_text(ORDER.solution)
    said(capsys, "check", 3)
    assert "The last check of lesson03_order passed, so it has no hint." in said(capsys, "hint", 3, code=2)
    mine.write_text(ORDER.solution + "\n")
    assert "passed, so it has no hint." in said(capsys, "hint", 3, code=2)
    assert "On order, hint 1 of" in said(capsys, "hint", 3, "order")


def test_a_hint_is_on_the_hole_of_the_innermost_line_and_the_case_is_named(folder, capsys):
    code = {"order": ORDER.pieces["order"].replace("return done", "return done if len(done) < 60 else done[0] / 0")}
    (folder / f"{ORDER.name}.py").write_text(ORDER.with_holes((), code))
    out = said(capsys, "check", 3, code=1)
    line = ORDER.solution.splitlines().index("    return done") + 1
    assert f"lesson03_order.py, line {line}, in order\n        return done if len(done) < 60 else done[0] / 0\n" in out
    assert "A hint on order: python -m tinygrad_edu.lessons hint 3\n" in out
    assert out.endswith("The case is about backward: python -m tinygrad_edu.lessons hint 3 backward\n")


def test_ctrl_c_ends_the_command_in_one_line(folder, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_edu.lessons.__main__.judged", interrupted)
    assert said(capsys, "check", 3, code=130).endswith("stopped\n")
