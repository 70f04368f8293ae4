"""The HTML page of a pytest run: each test with its checks, failed tests first."""

from typing import Any

from tinygrad_edu.testing.report.html_page import entry, heading, html_page, preformatted, table
from tinygrad_edu.testing.verdict import STATUSES


def run_page(run: dict[str, Any]) -> str:
    """Return the page of a run, as the pytest plugin writes it to JSON."""
    counts = {status: run["checks"][status] for status in STATUSES if status in run["checks"]}
    facts = {"tests with checks": len(run["tests"]), "failed": run["failed"], "checks": sum(counts.values())}
    return html_page(
        "Gradient checks", {**facts, **counts, "seconds": f"{run['seconds']:.2f}"}, map(_entry, run["tests"])
    )


def _entry(test: dict[str, Any]) -> str:
    checks, outcome = test["checks"], test["outcome"]
    count, seconds = sum(sum(check["counts"].values()) for check in checks), test["seconds"]
    note = f"{count} {'check' if count == 1 else 'checks'}, {seconds:.2f} s"
    return entry(outcome, test["test"], note, map(_check, checks), is_open=outcome == "failed")


def _check(check: dict[str, Any]) -> str:
    share = f" ({100 * check['inconclusive']:.0f} % inconclusive)" if check["inconclusive"] else ""
    statuses = [status for status in (*STATUSES, "left out") if any(status in law["verdicts"] for law in check["laws"])]
    rows = [
        [law["law"], *(law["verdicts"].get(status, "") for status in statuses), f"{law['seconds']:.3f}"]
        for law in check["laws"]
    ]
    laws = table(["law", *statuses, "seconds"], rows)
    return (
        heading(f"{check['name']}: {check['status']}{share}", 3)
        + preformatted(check["message"])
        + laws
        + preformatted(check["code"])
    )
