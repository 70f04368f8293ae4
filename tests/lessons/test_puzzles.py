"""Tests of the vjp puzzles: solutions pass, open and wrong vjps fail, and other correct forms of a vjp pass."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lessons.puzzle_rules import OTHER_RIGHT_RULES, WRONG_RULES
from tinygrad_edu.lessons.__main__ import main
from tinygrad_edu.lessons.cases import Looking
from tinygrad_edu.lessons.judge import Code, judged, loaded
from tinygrad_edu.lessons.ladder import PUZZLES
from tinygrad_edu.lessons.puzzles.checks import check_rules

NAMES = list(PUZZLES.pieces)
DRAWN = {case.hole: case.drawn for case in PUZZLES.cases}
FEW = settings(max_examples=2, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


def outcomes(text, *names, examples=15):
    """Return the complaints on some puzzles, or on all."""
    found = judged(PUZZLES, {"puzzles": Code("mine.py", text)}, Looking(examples, shrinks=False), names or None)
    return {outcome.hole: outcome.complaint for outcome in found}


def with_rules(name, rules):
    """Return the code of one op only, with other vjps than the solution's."""
    head, *ops = re.split(r"^# \d+\. ", PUZZLES.with_holes((), {name: f"{name}.vjps({rules})\n"}), flags=re.MULTILINE)
    return f"{head}# {ops[NAMES.index(name)]}"


def test_there_are_thirty_each_with_a_case_a_line_on_the_page_and_hints():
    assert len(NAMES) == 30
    assert [case.title for case in PUZZLES.cases] == [f"{k}. {name}" for k, name in enumerate(NAMES, 1)]
    assert re.findall(r"^# (\d+)\. ", PUZZLES.solution, re.MULTILINE) == [str(k) for k in range(1, 31)]
    assert re.findall(r"^def (\w+)", PUZZLES.solution, re.MULTILINE) == NAMES
    assert list(PUZZLES.hints) == NAMES == list(WRONG_RULES)
    assert all(2 <= len(hints) <= 3 for hints in PUZZLES.hints.values())
    assert all(f"| {k} | `{name}` " in PUZZLES.page for k, name in enumerate(NAMES, 1))


@pytest.fixture(scope="module")
def solved():
    with loaded({"puzzles": Code("mine.py", PUZZLES.solution)}) as modules:
        yield modules["puzzles"]


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_can_be_differentiated_again(solved, name):
    op = getattr(solved, name)
    FEW(given(st.fixed_dictionaries(DRAWN[name]))(lambda drawn: check_rules(op, order=2, **drawn)))()


@pytest.mark.thorough
def test_what_is_open_fails_each_for_its_own_reason():
    open_ = PUZZLES.open_in(PUZZLES.exercise)
    assert list(open_) == NAMES
    lines = PUZZLES.exercise.splitlines()
    assert all(lines[line - 2] == f"# YOUR TURN: {name}" for name, line in open_.items())
    assert PUZZLES.open_in(PUZZLES.solution) == {}
    complaints = outcomes(PUZZLES.exercise)
    assert list(complaints) == NAMES
    assert all(complaints[name].startswith(f"op {name}: the vjp of ") for name in NAMES)


def test_a_line_that_was_deleted_fails_as_well():
    complaint = outcomes(PUZZLES.with_holes((), {"exp": ""}), "exp")["exp"]
    assert complaint.startswith("op exp has no vjp for its argument x ")


EACH = [(name, *each) for name in NAMES for each in WRONG_RULES[name]]
MARKED = [pytest.param(*each, marks=[] if k % 6 == 0 else pytest.mark.thorough) for k, each in enumerate(EACH)]


@pytest.mark.parametrize(("name", "wrong", "said"), MARKED)
def test_a_wrong_rule_is_found_and_shown(name, wrong, said):
    complaint = outcomes(with_rules(name, wrong), name)[name]
    assert said in complaint
    assert len(complaint.splitlines()) < 20
    assert "site-packages" not in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize(
    ("name", "right"), [(name, each) for name, rules in OTHER_RIGHT_RULES.items() for each in rules]
)
def test_another_right_rule_passes(name, right):
    assert outcomes(with_rules(name, right), name, examples=3) == {name: ""}


# --- The command ---


@pytest.fixture
def mine(tmp_path, monkeypatch, capsys):
    """Change to a folder with all lessons copied; return the path of the puzzles."""
    assert main(["start", str(tmp_path / "engine")]) == 0
    assert "also 30 vjp puzzles" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "engine")
    monkeypatch.setattr("tinygrad_edu.lessons.__main__.judged", _judged_fast)
    return Path("puzzles.py")


def _judged_fast(lesson, sources, looking, holes):
    return judged(lesson, sources, Looking(2), holes)


def said(capsys, *arguments, code=0):
    assert main([*map(str, arguments)]) == code
    out = capsys.readouterr()
    return out.out + out.err


def filled(mine, *names, **rules):
    """Solve some puzzles in a student's file, and write other vjps for others."""
    text = mine.read_text("utf-8")
    for name in (*names, *rules):
        piece = f"{name}.vjps({rules[name]})\n" if name in rules else PUZZLES.pieces[name]
        text = re.sub(rf"^{name}\.vjps\(.*\n", lambda _, piece=piece: piece, text, flags=re.MULTILINE)
    mine.write_text(text, "utf-8")


def test_a_student_begins_anywhere_and_is_told_what_is_next(mine, capsys):
    assert mine.read_text("utf-8") == PUZZLES.exercise
    assert (mine.parent / "puzzles.md").read_text("utf-8") == PUZZLES.page
    assert "0 of 30 are correct. Continue with add, in line " in said(capsys, "puzzles")
    filled(mine, "add", "solve", "exp")
    out = said(capsys, "puzzles")
    assert re.findall(r"(\w+) +\d+\. (\w+)", out) == [("ok", "add"), ("ok", "exp"), ("ok", "solve")]
    assert "3 of 30 are correct. Continue with subtract, in line " in out
    assert "3 of 30 cases" in said(capsys, "status")


@pytest.mark.thorough
def test_one_wrong_rule_hides_no_other(mine, capsys):
    filled(mine, "add", "exp", multiply="x=lambda g, y: g * y, y=lambda g, y: g * y")
    out = said(capsys, "puzzles", code=1)
    assert "ok     1. add\n  WRONG  3. multiply\n  ok     5. exp\n" in out
    assert "op multiply: the gradient of y is wrong" in out
    assert "The smallest failing example:\n        x = " in out
    assert "2 of 30 are correct. A hint on multiply: python -m tinygrad_edu.lessons hint puzzles multiply" in out
    assert "On multiply, hint 1 of 3" in said(capsys, "hint", "puzzles")


def test_one_puzzle_by_its_number_or_its_name(mine, capsys):
    filled(mine, "tanh")
    assert "ok     8. tanh\n\n1 of 30" in said(capsys, "puzzle", 8)
    assert "ok     8. tanh\n\n1 of 30" in said(capsys, "puzzles", "tanh")
    line = mine.read_text("utf-8").splitlines().index("exp.vjps(x=lambda g: ...)") + 1
    assert f"1 of 30 are correct. Continue with exp, in line {line} of puzzles.py." in said(capsys, "puzzle", 5, code=1)
    assert "On exp, hint 1 of 3" in said(capsys, "hint", "puzzles")
    assert "On log, hint 1 of 2" in said(capsys, "hint", "puzzles", 6)
    assert said(capsys, "solution", "puzzles", 8) == PUZZLES.pieces["tanh"]
    assert "1 of 30 cases" in said(capsys, "status")
    assert "puzzles has no hole 31" in said(capsys, "puzzle", 31, code=2)
    assert "got puzzle." in said(capsys, "hint", "puzzle", code=2)


@pytest.mark.parametrize("rules", ["x=lambda g: g, y=lambda g: ...", "x=lambda g: g, y=...", "x=lambda g: g,\n  y=..."])
def test_a_line_that_is_half_filled_is_open_and_hides_no_other(mine, capsys, rules):
    filled(mine, "exp", add=rules)
    line = mine.read_text("utf-8").splitlines().index("# YOUR TURN: add") + 2
    out = said(capsys, "puzzles")
    assert "ok     5. exp\n" in out
    assert f"1 of 30 are correct. Continue with add, in line {line} of puzzles.py." in out


@pytest.mark.parametrize("rules", ["x=lambda g, z: g", "w=lambda g: g", "x=lambda g: gg(g), y=g"])
def test_a_line_that_python_or_the_engine_refuses_is_shown(mine, capsys, rules):
    filled(mine, "add", divide=rules)
    out = said(capsys, "puzzles", code=1)
    assert "WRONG  The file can be imported" in out
    assert "divide.vjps" in out
    assert "hint puzzles divide" in out


def test_a_syntax_error_is_shown_with_a_caret_and_its_hole(mine, capsys):
    filled(mine, "add", divide="x=lambda g z: g, y=lambda g: g")
    line = mine.read_text("utf-8").splitlines().index("# YOUR TURN: divide") + 2
    out = said(capsys, "puzzles", code=1)
    place = f"    puzzles.py, line {line}\n        divide.vjps(x=lambda g z: g, y=lambda g: g)\n"
    assert f"{place}{'^':>32}\n    SyntaxError: invalid syntax\n\n0 of 30 are correct. A hint on divide: " in out
    mine.write_text(f"def f(:\n{mine.read_text('utf-8')}", "utf-8")
    assert said(capsys, "puzzles", code=1).endswith("SyntaxError: invalid syntax\n\n0 of 30 are correct.\n")


def test_all_thirty(mine, capsys):
    mine.write_text(said(capsys, "solution", "puzzles"), "utf-8")
    assert "30 of 30 are correct. All puzzles are solved." in said(capsys, "puzzles")
    assert re.search(r"vjp puzzles +passed\n", said(capsys, "status"))
    assert "The last check of puzzles passed, so it has no hint." in said(capsys, "hint", "puzzles", code=2)
    filled(mine, exp="x=lambda g, x: g * x")
    assert "29 of 30 are correct. A hint on exp" in said(capsys, "puzzle", "exp", code=1)
    assert "29 of 30 are correct. A hint on exp" in said(capsys, "puzzle", "add")
    assert re.search(r"vjp puzzles +29 of 30 cases\n", said(capsys, "status"))
