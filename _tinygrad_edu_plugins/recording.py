"""The checks of the running test, summed over the examples of Hypothesis by the name of the function under test.

`Report.conclude` calls `add` if this module is imported. It imports nothing, so that it is cheap to load.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

STATUSES = "wrong", "inconclusive", "right", "not checked"

checks: dict[str, Checks] = {}

_rank = STATUSES.index


class Checks:
    """The number of checks of one function by status, the verdicts and the time of each law, and the last failure."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.laws: dict[str, Counter[str]] = {}
        self.seconds: Counter[str] = Counter()
        self.failure: Any = None  # the report; Hypothesis's last failure is its smallest example

    def add(self, report: Any) -> None:
        """Add a `Report`."""
        self.counts[report.status] += 1
        self.seconds.update(report.seconds)
        for law in report.skipped:
            self.laws.setdefault(law, Counter())["left out"] += 1
        for verdict in report.verdicts:
            self.laws.setdefault(verdict.law, Counter())[verdict.status] += 1
        if report.error is not None and (self.failure is None or _rank(report.status) <= _rank(self.failure.status)):
            self.failure = report

    def to_dict(self, name: str) -> dict[str, Any]:
        """Return the sums and the failure as values of JSON. Rejected examples do not make a check inconclusive."""
        decided = [status for status in ("right", "inconclusive", "not checked") if self.counts[status]]
        message, _, code = str(self.failure.error if self.failure else "").partition("\nTo reproduce:\n")
        return {
            "name": name,
            "status": self.failure.status if self.failure else decided[0],
            "counts": dict(self.counts),
            "inconclusive": self.counts["inconclusive"] / self.counts.total(),
            "seconds": sum(self.seconds.values()),
            "laws": [{"law": law, "verdicts": dict(n), "seconds": self.seconds[law]} for law, n in self.laws.items()],
            "message": message,
            "code": code,
        }


def add(report: Any) -> None:
    """Add the report of a check to the running test."""
    checks.setdefault(report.name, Checks()).add(report)


def summaries() -> list[dict[str, Any]]:
    """Return the checks of the test as values of JSON: wrong, then inconclusive, right, and not checked."""
    sums = [each.to_dict(name) for name, each in checks.items()]
    return sorted(sums, key=lambda each: _rank(each["status"]))
