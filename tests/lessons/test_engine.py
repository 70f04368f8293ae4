"""The cases of the finale pass on tinygrad_edu itself, and a student can complete all lessons."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.engine import from_numpy
from tinygrad_edu.errors import GraphFreedError, StaleValueError
from tinygrad_edu.lessons import judge
from tinygrad_edu.lessons.__main__ import THE_END, main
from tinygrad_edu.lessons.cases import Looking
from tinygrad_edu.lessons.folder import Folder
from tinygrad_edu.lessons.lesson import FINALE, LESSONS
from tinygrad_edu.ops.images.correlation import correlate

# tinygrad_edu under the names of the lessons. Cases on lesson 7's recorder and on the network are left out.
REAL = SimpleNamespace(
    Tensor=lambda x, requires_grad=False: from_numpy(np.array(x, np.float64), requires_grad=requires_grad),
    no_grad=tg.no_grad, grad=tg.grad, hvp=tg.hvp, jvp=lambda f, x, u: tg.jvp(f, (x,), (u,))[1],
    tanh=tg.tanh, exp=tg.exp, sigmoid=tg.sigmoid, softplus=tg.softplus,
    logsumexp=partial(tg.logsumexp, axis=-1, keepdims=True), correlate=correlate,
    StaleValueError=StaleValueError, GraphFreedError=GraphFreedError,
    checkpoint=lambda f, *inputs: tg.checkpoint(f)(*inputs), vmap=tg.vmap, jacobian=tg.jacobian,
)  # fmt: skip
OWN = {"all_there", "every_op", "same_logits", "same_step", "reads_digits"}
GENERAL = [case for case in FINALE.cases if case.function.__name__ not in OWN]

THOROUGH, SLOW = (
    pytest.param(Looking(10), marks=pytest.mark.thorough),
    pytest.param(Looking(300), marks=pytest.mark.slow),
)


@pytest.mark.parametrize("looking", [Looking(1), THOROUGH, SLOW], ids=str)
@pytest.mark.parametrize("case", GENERAL, ids=lambda case: case.function.__name__)
def test_the_real_engine_passes(case, looking):
    assert judge.outcome_of(case, REAL, set(), looking).complaint == ""


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    """Change to a folder with all solutions."""
    assert main(["start", str(tmp_path)]) == 0
    for lesson in (*LESSONS, FINALE):
        (tmp_path / f"{lesson.name}.py").write_text(lesson.solution, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tinygrad_edu.lessons.__main__.judged", partial(judge.judged, looking=Looking(1)))
    capsys.readouterr()
    return tmp_path


def said(capsys, *arguments, code=0):
    assert main([*arguments]) == code
    return "".join(capsys.readouterr())


@pytest.mark.thorough
def test_the_road_ends_where_all_have_passed(folder, capsys):
    assert "Continue with lesson01_differences.md." in said(capsys, "status")
    for lesson in LESSONS[:-1]:
        Folder(folder).note(lesson, len(lesson.cases), None)
    out = said(capsys, "check", "engine")
    assert "(with the solutions of 14, which your code has not passed yet)" in out
    assert "Not passed yet, replaced by solutions: 14." in out
    assert "Continue with engine.md." in said(capsys, "check", "14")
    assert said(capsys, "status").endswith(f"\n\n{THE_END}\n")
    assert said(capsys, "check", "engine").endswith(f"{THE_END}\n")


@pytest.mark.thorough
def test_the_finale_has_hints_and_a_solution(folder, capsys):
    (folder / "engine.py").write_text(FINALE.with_holes({"step"}), "utf-8")
    assert "The hole step is still open." in said(capsys, "check", "engine", code=1)
    assert "On step, hint 1 of" in said(capsys, "hint", "engine")
    assert said(capsys, "solution", "engine") == FINALE.solution
    assert "`check` does not accept puzzles" in said(capsys, "check", "puzzles", code=2)
