"""Comparison with a commit, at small sizes: intervals, verdicts, and that each side runs its own package."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import against
from benchmarks.__main__ import core_sets
from benchmarks.processes import ROOT
from benchmarks.rounds import Plan
from benchmarks.statistics import interval_of_median
from benchmarks.workloads import WORKLOADS

TINY = [replace(w, sizes={**w.sizes, "ops": 40}) for w in WORKLOADS if w.key in ("6", "6s")]
PLAN = Plan(rounds=1, seconds=0.001, timeout=60.0)
checkout = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")


def test_an_interval_misses_the_median_as_seldom_as_it_says():
    rng = np.random.default_rng(0)
    samples = rng.lognormal(size=(4000, 15))  # skewed, with the median 1
    for doubt in (0.5, 0.1, 0.02):
        intervals = np.array([interval_of_median(sample, doubt) for sample in samples])
        missed = np.mean((intervals[:, 0] > 1) | (intervals[:, 1] < 1))
        assert missed <= 1.2 * doubt
    assert interval_of_median(range(against.ROUNDS), against.DOUBT / 50) == (1, 13)
    assert interval_of_median(range(5), 0.05) is None


@pytest.mark.thorough
@checkout
def test_each_side_runs_its_own_package_and_one_that_cannot_is_told():
    with against.copies("HEAD") as peers:
        homes = [peer.home for peer in peers.values()]
        (homes[1] / "tinygrad_edu" / "__init__.py").write_text("raise ImportError('an old version')")
        line = against.Line(TINY[0])
        against.agree(line, peers, core_sets("one")[0], PLAN)
    assert line.fails == {against.THAT}
    assert line.notes == ["that failed: ImportError: an old version"]
    assert not any(home.exists() for home in homes)
    report = {"runs": [{"workloads": [line.report(0.05)]}]}
    assert not against.is_worse(report)
    line.fails = {against.THIS}
    assert against.is_worse({"runs": [{"workloads": [line.report(0.05)]}]})
