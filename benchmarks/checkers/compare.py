"""Verdicts of each checker on wrong vjps, their correct counterparts, and correct vjps at difficult points."""

import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from benchmarks.checkers.frameworks import Check, Checker
from benchmarks.checkers.right import RIGHT
from benchmarks.checkers.rule import NotExpressible, Rule, twin
from benchmarks.checkers.rules import KINDS
from tinygrad_edu.testing import Inconclusive

CELLS = {"caught": "caught", "missed": "MISSED", "inconclusive": "INCONCLUSIVE", "alarm": "ALARM", "-": "-", "ok": "ok"}


def said_of(checker: Checker, check: Check, rule: Rule) -> tuple[str, str, float]:
    """Check one vjp; return the verdict, the message of the checker, and the milliseconds."""
    copied = replace(rule, arrays=[x.copy(order="K") for x in rule.arrays])
    np.random.seed(0)  # noqa: NPY002 - used by autograd and JAX
    said, found, start = "", "passed", time.perf_counter()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if checker.name in rule.right_in:
                raise NotExpressible
            check(copied)
    except NotExpressible:
        found = "-"
    except Inconclusive as error:
        found, said = "inconclusive", str(error)
    except Exception as error:  # any other exception is a rejection
        found, said = "refused", f"{type(error).__name__}: {error}"
    return found, said[:400], 1e3 * (time.perf_counter() - start)


def judge_right(checker: Checker, check: Check, rule: Rule) -> dict[str, Any]:
    """Check a correct vjp."""
    found, said, ms = said_of(checker, check, rule)
    return {"rule": rule.name, "found": {"passed": "ok", "refused": "alarm"}.get(found, found), "ms": ms, "said": said}


def judge_wrong(checker: Checker, check: Check, rule: Rule) -> dict[str, Any]:
    """Check a wrong vjp and its correct counterpart, and time the latter; if both are rejected, nothing is caught."""
    judged = {"rule": rule.name, "source": rule.source}
    found, said, _ = said_of(checker, check, rule)
    if found == "-":
        return judged | {"found": "-", "ms": 0.0, "said": ""}
    of_twin, said_of_twin, ms = said_of(checker, check, twin(rule))
    if of_twin == "refused":
        return judged | {"found": "alarm", "ms": ms, "said": said_of_twin}
    return judged | {"found": {"passed": "missed", "refused": "caught"}.get(found, found), "ms": ms, "said": said}


def run(checker: Checker) -> dict[str, Any]:
    """Check every vjp with one checker."""
    try:
        check = checker.make()
    except ImportError:
        return {"checker": checker.name, "status": "not installed"}
    said_of(checker, check, RIGHT[0])
    wrong = {kind: [judge_wrong(checker, check, rule) for rule in rules] for kind, rules in KINDS.items()}
    right = [judge_right(checker, check, rule) for rule in RIGHT]
    report = {"checker": checker.name, "status": "ok", "version": installed(checker.package)}
    return report | {"wrong": wrong, "right": right}


def installed(package: str) -> str:
    """Return the version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


# --- The table ---


def row(name: str, cells: Sequence[Any]) -> str:
    return f"  {name:<44}" + "".join(f"{cell:>14}" for cell in cells)


def lines(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table, a line per vjp."""
    ready = [r for r in results if r["status"] == "ok"]
    yield row("", [r["checker"] for r in ready])
    for kind, rules in KINDS.items():
        yield f"wrong: {kind}"
        for k, rule in enumerate(rules):
            cells = [CELLS[r["wrong"][kind][k]["found"]] for r in ready]
            yield f"{row(rule.name, cells)}  {rule.source}".rstrip()
    yield "correct"
    for k, rule in enumerate(RIGHT):
        yield row(rule.name, [CELLS[r["right"][k]["found"]] for r in ready])
    yield from (f"{r['checker']}: {r['status']}" for r in results if r["status"] != "ok")


def summary(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the Markdown table of counts, by kind of mistake."""
    ready = [r for r in results if r["status"] == "ok"]
    yield "| | " + " | ".join(f"{r['checker']} {r['version']}" for r in ready) + " |"
    yield "|---|" + "---|" * len(ready)
    for kind in KINDS:
        yield _cells(f"wrong vjps caught: {kind}", [caught(r["wrong"][kind]) for r in ready])
    every = [[v for found in r["wrong"].values() for v in found] for r in ready]
    yield _cells("wrong vjps caught, total", [caught(found) for found in every])
    yield _cells("correct counterparts rejected, too", [str(count(found, "alarm")) for found in every])
    yield _cells("correct vjps at difficult points rejected",
                 [f"{count(r['right'], 'alarm')} of {len(r['right'])}" for r in ready])  # fmt: skip
    yield _cells(
        "inconclusive", [str(count([*w, *r["right"]], "inconclusive")) for w, r in zip(every, ready, strict=True)]
    )
    times = [statistics.median(v["ms"] for v in found if v["found"] != "-") for found in every]
    yield _cells("time of a check of a correct vjp, median, ms", [f"{ms:.2g}" for ms in times])


def _cells(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


def caught(found: Sequence[dict[str, Any]]) -> str:
    """Return the number of caught vjps, of those that the framework can express."""
    return f"{count(found, 'caught')} of {len(found) - count(found, '-')}"


def count(found: Sequence[dict[str, Any]], word: str) -> int:
    return sum(v["found"] == word for v in found)
