"""Comparison of gradient checkers: ours catches the wrong vjps, and passes the correct ones."""

import json

import pytest

from benchmarks.checkers import compare
from benchmarks.checkers.__main__ import main
from benchmarks.checkers.compare import run, said_of, summary
from benchmarks.checkers.drawn import DOMAINS, inputs, search
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


def test_a_real_bug_cites_its_source():
    sources = [rule.source for rule in WRONG if rule.source]
    assert len(set(sources)) >= 75
    assert {source.rstrip("0123456789") for source in sources} == {
        "pytorch/pytorch#", "jax-ml/jax#", "HIPS/autograd#", "rsokl/MyGrad#", "tensorflow/tensorflow#",
        "keras-team/keras#",
    }  # fmt: skip
    for kind, rules in KINDS.items():
        assert {bool(rule.source) for rule in rules} == {kind.startswith("real bugs")}


def test_the_names_tell_the_rules_apart():
    assert len({rule.name for rule in (*WRONG, *RIGHT)}) == len(WRONG) + len(RIGHT)


@pytest.mark.parametrize("draws", sorted({rule.function.draws for rule in WRONG}))
def test_what_is_drawn_are_as_many_inputs_as_there_are(draws):
    words, _, domain = draws.partition(":")
    counts = {len(rule.arrays) for rule in WRONG if rule.function.draws == draws}
    assert counts == {len(words.split())}
    assert domain in DOMAINS
    inputs(draws).validate()


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


@pytest.mark.thorough
def test_the_command_prints_a_table_and_writes_json(monkeypatch, tmp_path, capsys):
    reported = NAMES["gather: repeated indices overwrite"]
    monkeypatch.setattr(compare, "KINDS", {"wrong everywhere": [*KINDS["wrong everywhere"][:2], reported]})
    monkeypatch.setattr(compare, "RIGHT", RIGHT[2:4])
    assert main(["rules", "--peers", "ours", "--json", str(tmp_path / "checkers.json")]) == 0
    (report,) = json.loads((tmp_path / "checkers.json").read_text())
    assert [v["found"] for v in report["wrong"]["wrong everywhere"]] == ["caught"] * 3
    assert [v["source"] for v in report["wrong"]["wrong everywhere"]] == ["", "", "pytorch/pytorch#1631"]
    assert report["right"][0]["ms"] > 0
    printed = capsys.readouterr().out
    assert "sign flipped                                        caught" in printed
    assert "gather: repeated indices overwrite                  caught  pytorch/pytorch#1631" in printed
    assert "| wrong vjps caught, total | 3 of 3 |" in printed
