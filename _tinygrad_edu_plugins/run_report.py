"""The report of a pytest run: for each test, its checks with their laws, times and failures.

The processes of xdist attach the checks to pytest's report of a test, which the main process receives.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from _tinygrad_edu_plugins import recording

Test = dict[str, Any]


class RunReport:
    """A plugin that collects the checks of each test, and writes them to JSON files."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = [Path(path).absolute() for path in paths]
        self.tests: dict[str, Test] = {}
        for path in self.paths:
            if path.suffix != ".json":
                raise pytest.UsageError(f"--tinygrad-edu-report: the file must end with .json, got {path.name}.")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise pytest.UsageError(f"--tinygrad-edu-report: cannot create {path.parent}: {error}.") from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Forget the checks of the last test."""
        recording.checks.clear()

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # before the code of a failure is moved out of its message
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the checks to the report of the test, also if they ran in a fixture."""
        is_last = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
        checks = recording.summaries() if is_last and self.paths else []
        if is_last and recording.checks:
            item.user_properties += _properties()
        report = yield
        if checks:
            report.tinygrad_edu_checks = checks  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the checks of a test; of a test that ran again, those of the last run."""
        checks = getattr(report, "tinygrad_edu_checks", None)
        if checks:
            facts = {"test": report.nodeid, "outcome": report.outcome, "seconds": report.duration}
            self.tests[report.nodeid] = {**facts, "checks": checks}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the files, except in the worker processes of xdist."""
        if self.paths and not hasattr(session.config, "workerinput"):
            run = _sorted_run(list(self.tests.values()))
            for path in self.paths:
                path.write_text(json.dumps(run, indent=2), "utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Name the files."""
        for path in self.paths:
            terminalreporter.write_sep("-", f"report of the gradient checks: {path}")


def _properties() -> list[tuple[str, object]]:
    """Return the properties of the running test for JUnit."""
    checks = recording.checks.values()
    counts = sum((each.counts for each in checks), Counter[str]())
    laws = dict.fromkeys(law for each in checks for law in each.laws)
    return [
        ("tinygrad_edu.checks", counts.total()),
        *((f"tinygrad_edu.{status.replace(' ', '_')}", counts[status]) for status in ("wrong", "inconclusive")),
        ("tinygrad_edu.laws", "; ".join(laws)),
    ]


def _sorted_run(tests: list[Test]) -> dict[str, Any]:
    """Return the tests, failed ones and wrong checks first, and the sums over all tests."""
    counts: Counter[str] = Counter()
    for test in tests:
        for check in test["checks"]:
            counts.update(check["counts"])
    rank = recording.STATUSES.index
    tests.sort(key=lambda test: (test["outcome"] != "failed", rank(test["checks"][0]["status"])))
    return {
        "tests": tests,
        "failed": sum(test["outcome"] == "failed" for test in tests),
        "checks": dict(counts),
        "seconds": sum(check["seconds"] for test in tests for check in test["checks"]),
    }
