"""The report of a check: its order, its table and its JSON, the laws that it leaves out, and the check that fails."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings

from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.testing import Report, Verdict, check_gradient, run_check, strategies
from tinygrad_edu.testing.failures import CheckFailed, GradientMismatch, Inconclusive, NotDeterministic
from tinygrad_edu.testing.verdict import STATUSES, NotApplicable


def raises(error):
    def law():
        raise error

    return law


WRONG, UNSURE = GradientMismatch("f: the gradient is wrong.\n  details"), Inconclusive("f: no verdict.")
LAWS = {
    "right": lambda: None,
    "not checked": raises(NotApplicable("no cotangent")),
    "inconclusive": lambda: [Verdict("inconclusive", "x", UNSURE, {"error": np.float32("inf")})],
    "wrong": raises(WRONG),
}


def report_of(*laws, skip=()):
    report = Report("f", skip)
    for law in laws:
        report.run(law, LAWS[law])
    return report


def test_the_worst_verdict_comes_first_and_its_error_is_raised():
    report = report_of(*LAWS)
    assert [verdict.status for verdict in report.verdicts] == [*STATUSES]
    with pytest.raises(GradientMismatch) as caught:
        report.conclude()
    assert caught.value is WRONG
    assert caught.value.report is report
    assert report.error is WRONG


def test_a_table_shows_each_verdict_with_the_time_of_its_law():
    report = report_of(*LAWS, skip="right")
    rows = [re.split(r"  +", line) for line in str(report).splitlines()]
    assert rows[0][0].startswith("f: wrong, ")
    assert rows[1] == ["status", "law", "subject", "seconds", "details"]
    assert [row[:2] for row in rows[2:]] == [*([status, status] for status in STATUSES if status != "right"),
                                             ["left out", "right"]]  # fmt: skip
    assert [row[-1] for row in rows[2:5]] == ["the gradient is wrong.", "no verdict. error inf", "no cotangent"]
    assert all(re.fullmatch(r"\d+\.\d{3}", row[-2]) for row in rows[2:5])


def test_json_has_every_verdict_and_no_number_that_is_not_finite():
    report = report_of(*LAWS)
    read = json.loads(report.to_json(), parse_constant=pytest.fail)
    assert read == report.to_dict()
    assert [verdict["status"] for verdict in read["verdicts"]] == [*STATUSES]
    assert read["verdicts"][0]["message"] == "f: the gradient is wrong."
    assert [verdict["error"] for verdict in read["verdicts"]] == ["GradientMismatch", "Inconclusive", None, None]
    assert read["verdicts"][1]["numbers"] == {"error": "inf"}
    assert set(read["seconds"]) == {*LAWS}
    assert math.isfinite(sum(read["seconds"].values()))


@pytest.mark.parametrize("laws", [["right"], ["right", "not checked"], ["right", "inconclusive"]])
def test_an_unknown_law_is_an_error_that_lists_the_laws(laws):
    with pytest.raises(VJPDefinitionError, match=r"skip must name laws .*, got 'rihgt'\. Its laws: 'right'.*\.$"):
        report_of(*laws, skip={"rihgt"}).conclude()
    with pytest.raises(GradientMismatch):  # the check may have ended before that law
        report_of(*laws, "wrong", skip={"rihgt"}).conclude()


JUMP = lambda: (np.sign, lambda x, g: 0 * g, np.zeros(2))  # noqa: E731


def test_run_check_returns_the_report_of_any_check():
    assert run_check(check_gradient, np.sin, lambda x, g: g * np.cos(x), np.ones(2)).status == "right"
    wrong = run_check(check_gradient, np.sin, lambda x, g: -g * np.cos(x), np.ones(2))
    assert wrong.status == "wrong"
    assert "its sign is flipped" in str(wrong)
    assert "To reproduce" not in str(wrong)
    jump = run_check(check_gradient, *JUMP())
    assert jump.status == "inconclusive"
    assert isinstance(jump.error, Inconclusive)
    with pytest.raises(ZeroDivisionError):
        run_check(check_gradient, lambda x: 1 // 0, np.cos, 1.0)


def test_run_check_raises_a_failure_without_a_report():
    with pytest.raises(NotDeterministic):
        run_check(raises(NotDeterministic("before the first law")))


@pytest.mark.tinygrad_edu_max_inconclusive(1.0)
def test_an_inconclusive_example_of_hypothesis_is_rejected_and_has_no_error():
    seen = []

    @settings(max_examples=5, database=None, deadline=None)
    @given(strategies.arrays((2,), low=1.0))
    def test(x):
        report = report_of("right", "inconclusive")
        seen.append(report)
        report.conclude()

    with pytest.raises(Exception, match=r"Unable to satisfy|filter|assumption") as caught:
        test()
    assert not isinstance(caught.value, CheckFailed)
    assert seen
    assert all(report.error is None for report in seen)
