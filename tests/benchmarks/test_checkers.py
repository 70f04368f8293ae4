"""Comparison of gradient checkers: ours catches the wrong vjps, and passes the correct ones."""

import pytest

from benchmarks.checkers import compare
from benchmarks.checkers.compare import run, said_of, summary
from benchmarks.checkers.drawn import search
from benchmarks.checkers.frameworks import CHECKERS, Checker
from benchmarks.checkers.right import RIGHT
from benchmarks.checkers.rule import twin
from benchmarks.checkers.rules import KINDS, WRONG

OURS = CHECKERS[0]
NAMES = {rule.name: rule for rule in WRONG}
# Correct vjps at kinks: the second derivative does not exist.
KINKED = ["norm at 0: 0 / 0", "1-norm: power -1 of elements 0", "deviation of equal elements: 0 / 0",
          "distance of equal points: infinity * 0", "focal loss at 1: infinity * 0", "|x| at 0: x / |x|",
          "smooth L1 with threshold 0: 0 / 0", "minimum: all of g to each of two ties"]  # fmt: skip
# Prefixes of our checker's rejections; any other exception is not a verdict.
VERDICTS = ("GradientMismatch: op declared", "LawBroken: op declared", "WrongGradientError: op declared",
            "NotDeterministic: op declared", "StaleValueError: op")  # fmt: skip


@pytest.fixture(scope="module")
def check():
    return OURS.make()


def some(rules):
    """Return all vjps as parameters; seven of eight are marked as slow."""
    return [pytest.param(rule, id=rule.name, marks=[pytest.mark.slow] * bool(k % 8)) for k, rule in enumerate(rules)]


@pytest.mark.thorough
@pytest.mark.parametrize("rule", some(WRONG))
def test_a_wrong_rule_is_caught_and_its_right_twin_is_not(check, rule):
    found, said, _ = said_of(OURS, check, rule)
    assert found == "refused"
    assert said.startswith(VERDICTS)
    found, said, _ = said_of(OURS, check, twin(rule))
    assert found == ("inconclusive" if rule.name in KINKED else "passed"), said


@pytest.mark.parametrize("rule", some(RIGHT))
def test_a_right_rule_gives_no_alarm(check, rule):
    found, said, _ = said_of(OURS, check, rule)
    assert found == "passed", said


@pytest.mark.thorough
def test_hypothesis_finds_a_wrong_rule_and_not_its_twin():
    rule = NAMES["padding off by one"]
    found, examples, said = search(rule)
    assert (found, said.split(":")[0]) == ("caught", "GradientMismatch")
    assert examples < 20


def test_who_refuses_right_and_wrong_has_caught_nothing(monkeypatch):
    def refuse(rule):
        raise AssertionError

    monkeypatch.setattr(compare, "KINDS", {"axes": KINDS["axes"][:3]})
    monkeypatch.setattr(compare, "RIGHT", RIGHT[:2])
    report = run(Checker("no", "numpy", lambda: refuse))
    assert "| wrong vjps caught, total | 0 of 3 |" in list(summary([report]))
    assert "| correct vjps at difficult points rejected | 2 of 2 |" in list(summary([report]))
