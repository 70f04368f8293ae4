"""The rules that the checkers are compared on: ours catches every wrong one, and lets every right one pass."""

import json

import pytest

from benchmarks import checkers
from benchmarks.checkers import CHECKERS, RIGHT, WRONG, Checker, lines, main, run, verdict

OURS = CHECKERS[0]


@pytest.fixture(scope="module")
def check():
    return OURS.make()


@pytest.mark.parametrize("rule", WRONG, ids=lambda rule: rule.name)
def test_a_wrong_rule_is_caught(check, rule):
    found = verdict(OURS, check, rule)
    assert found["found"] == "refused"
    assert found["said"].startswith(("GradientMismatch: op declared", "WrongGradientError: op declared"))


@pytest.mark.parametrize("rule", RIGHT, ids=lambda rule: rule.name)
def test_a_right_rule_gives_no_alarm(check, rule):
    found = verdict(OURS, check, rule)
    assert found["found"] == ("declined" if rule.name == "kink at a distance of 1e-7" else "passed"), found["said"]


def test_the_names_tell_the_rules_apart():
    assert len({rule.name for rule in (*WRONG, *RIGHT)}) == len(WRONG) + len(RIGHT)


def test_a_missing_peer_is_listed():
    def absent():
        raise ImportError

    missing = run(Checker("nobody", "no-such-package", absent))
    assert missing == {"checker": "nobody", "status": "not installed"}
    assert list(lines([missing]))[-1] == "nobody: not installed"


def test_the_command_prints_a_table_and_writes_json(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checkers, "WRONG", WRONG[:2])
    monkeypatch.setattr(checkers, "RIGHT", RIGHT[2:4])
    assert main(["--peers", "ours", "--json", str(tmp_path / "checkers.json")]) == 0
    (report,) = json.loads((tmp_path / "checkers.json").read_text())
    assert (report["caught"], report["of_wrong"], report["false_alarms"], report["declined"]) == (2, 2, 0, 0)
    assert report["median_ms"] > 0
    assert "sign flipped                                caught" in capsys.readouterr().out
