"""Wrong modules and framework functions are caught, their right twins pass, and campaigns count verdicts."""

import pytest

from benchmarks.checkers import campaign, framework_rules
from benchmarks.checkers.modules import GROUPS

MODULES = [case for cases in GROUPS.values() for case in cases]
UNSEEN = {"held-out: ignores the offset in the storage"}  # no law passes a slice of a torch tensor


def some(cases):
    """Return the cases as parameters; seven of eight are marked as slow."""
    return [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * bool(k % 8)) for k, case in enumerate(cases)]


@pytest.mark.parametrize("case", some(MODULES))
def test_a_module_with_a_bug_is_caught_and_its_right_twin_is_not(case):
    assert case.verdict()[0] == "caught"


@pytest.mark.peers
@pytest.mark.parametrize("framework", framework_rules.PACKAGES)
def test_a_wrong_framework_function_is_caught_and_its_right_twin_is_not(framework):
    groups = framework_rules.installed()
    for case in (*groups[framework], *groups[f"{framework}, held-out"]):
        assert case.verdict()[0] == ("missed" if case.name in UNSEEN else "caught"), case.name


def test_a_campaign_counts_verdicts_and_stops_in_time():
    def refuse():
        raise AssertionError("no")

    def unsupported():
        raise NotImplementedError

    samples = [("good", lambda: None), ("bad", refuse), ("other", unsupported)]
    assert list(campaign.lines(samples, 1))[2:] == [
        "3 functions, 3 samples: 1 passed, 1 refused, 1 not applicable",
        "1 functions refused: bad",
    ]
    assert next(campaign.lines(samples, -1)) == "stopped after -1 minutes"
