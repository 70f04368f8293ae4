"""Verdict and Report: the decisions of a check, law by law."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.testing.failures import CheckFailed, Inconclusive, NotDifferentiableHere

STATUSES = "wrong", "inconclusive", "right", "not checked"  # the worst first

# The numbers of conclusive and of inconclusive checks of the running test. The pytest plugin resets them.
examples: Counter[str] = Counter()

RECORDING = "_tinygrad_edu_plugins.recording"  # the pytest plugin imports this module if it reports checks


class NotApplicable(Exception):  # noqa: N818 - not an error
    """Raised by a law that cannot be tested for a function; the message gives the reason."""


@dataclass(frozen=True)
class Verdict:
    """The decision of one law about one input.

    Parameters
    ----------
    law : str
        The name of the law, such as "slope".
    subject : str, default ""
        The name of the input or parameter; empty for a law about the whole function.
    error : CheckFailed, optional
        The error that explains a verdict that is not right. Default: None, the law holds.
    numbers : mapping of str to float, default {}
        The numbers that were compared, such as "analytic", "numeric" and "error".
    reason : str, default ""
        Why the law could not be checked; empty if it was checked.

    Examples
    --------
    >>> Verdict("slope", "x").status
    'right'
    """

    law: str
    subject: str = ""
    error: CheckFailed | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""

    @property
    def status(self) -> str:
        """One of "wrong", "inconclusive", "right" and "not checked"."""
        if self.error is None:
            return "not checked" if self.reason else "right"
        return "inconclusive" if isinstance(self.error, Inconclusive) else "wrong"

    @property
    def message(self) -> str:
        """The first line of the error, or the reason; empty if the law holds."""
        text = self.error.args[0] if self.error and self.error.args else self.reason
        return str(getattr(text, "text", text)).partition("\n")[0]  # without the code that reproduces the failure

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as values of JSON. Numbers that are not finite become "nan", "inf" or "-inf"."""
        numbers = {name: x if math.isfinite(x) else str(x) for name, x in _floats(self.numbers).items()}
        texts = {"status": self.status, "law": self.law, "subject": self.subject}
        error = type(self.error).__name__ if self.error else None
        return {**texts, "error": error, "message": self.message, "numbers": numbers}

    def row(self, title: str, seconds: str) -> tuple[str, ...]:
        """Return the cells of the table of a report with this title."""
        numbers = ", ".join(f"{name} {x:.10g}" for name, x in _floats(self.numbers).items())
        details = " ".join(filter(None, (self.message.removeprefix(f"{title}: "), numbers)))
        return self.status, self.law, self.subject, seconds, details


def _floats(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(x) for name, x in numbers.items()}


def first_line(error: Exception) -> str:
    """Return the first line of an error, without its period."""
    return str(error).strip().partition("\n")[0].rstrip(".")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the first of the worst verdicts."""
    return min(verdicts, key=lambda verdict: STATUSES.index(verdict.status))


class Report:
    """The verdicts of a check, the worst first, and the time of each law.

    Every check returns its report. If a verdict is not right, the check raises an error, whose attribute ``report``
    is the report. `run_check` returns the report in both cases. Printed, a report is a table.

    Parameters
    ----------
    name : str
        The name of the function under test.
    skip : str or collection of str, default ()
        The names of laws to leave out. If the check has no law of such a name, `conclude` raises an error.

    Attributes
    ----------
    name : str
    seconds : dict of str to float
        The time of each law.
    skipped : list of str
        The laws that were left out.
    error : CheckFailed or None
        The error that `conclude` raised.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient
    >>> report = check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, [1.0, -2.0])
    >>> report.status, [verdict.law for verdict in report.verdicts if verdict.subject == "x"]
    ('right', ['slope'])
    >>> report.to_dict()["verdicts"][0]["law"]
    'no writes'
    """

    def __init__(self, name: str, skip: str | Collection[str] = ()) -> None:
        self.name = name
        self.skip = frozenset([skip] if isinstance(skip, str) else skip)
        self.seconds: dict[str, float] = {}
        self.skipped: list[str] = []
        self.error: CheckFailed | None = None
        self._verdicts: list[Verdict] = []

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts: wrong, then inconclusive, right, and not checked."""
        return sorted(self._verdicts, key=lambda verdict: STATUSES.index(verdict.status))

    @property
    def status(self) -> str:
        """The worst status of all verdicts; "not checked" if there is none."""
        return self.verdicts[0].status if self._verdicts else "not checked"

    def run(self, law: str, decide: Callable[..., Iterable[Verdict] | None], *arguments: Any) -> bool:
        """Run a law and keep its verdicts. Return whether none of them is wrong.

        ``decide(*arguments)`` returns verdicts, or None if the law holds. It may raise `CheckFailed` or
        `NotApplicable`.
        """
        if law in self.skip:
            self.skipped.append(law)
            return True
        start, first = time.perf_counter(), len(self._verdicts)
        try:
            for verdict in decide(*arguments) or ():
                self._verdicts.append(verdict)
            if len(self._verdicts) == first and Verdict(law) not in self._verdicts:
                self._verdicts.append(Verdict(law))
        except NotApplicable as reason:
            self._verdicts.append(Verdict(law, reason=str(reason)))
        except CheckFailed as error:
            self._verdicts.append(Verdict(law, error=error))
        self.seconds[law] = self.seconds.get(law, 0.0) + time.perf_counter() - start
        return all(verdict.status != "wrong" for verdict in self._verdicts[first:])

    def leave_out(self, law: str, reason: str) -> None:
        """Keep a verdict about a law that was not checked."""
        self._verdicts.append(Verdict(law, reason=reason))

    def conclude(self) -> Report:
        """Return the report if all verdicts are right; otherwise raise the error of the worst.

        Inside a Hypothesis test, an inconclusive check is rejected and counted instead.

        Raises
        ------
        VJPDefinitionError
            `skip` has a name that is not a law of this check. If a verdict is wrong, its error is raised instead,
            because the check may end before its last law.
        """
        is_rejected = self.status == "inconclusive" and is_in_hypothesis_test()
        if self.status == "wrong":
            self.error = self.verdicts[0].error
        else:
            self._require_known_skips()
            if self.status == "inconclusive" and not is_rejected:
                self.error = _inconclusive(self)
        if (recording := sys.modules.get(RECORDING)) is not None:
            recording.add(self)
        if is_rejected:
            _reject(self)
        if self.error is not None:
            self.error.report = self
            raise self.error
        examples["conclusive"] += 1
        return self

    def _require_known_skips(self) -> None:
        if unknown := self.skip.difference(self.skipped):
            names, laws = (", ".join(map(repr, group)) for group in (sorted(unknown), [*self.seconds, *self.skipped]))
            raise VJPDefinitionError(f"{self.name}: skip must name laws of this check, got {names}. Its laws: {laws}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the name, the status, the verdicts, and the laws with their times, as values of JSON."""
        return {
            "name": self.name,
            "status": self.status,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "seconds": self.seconds,
            "skipped": self.skipped,
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON, with an indent of two spaces."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"<Report: {self.status}>"

    def __str__(self) -> str:
        """Return a table with a row for each verdict. The first row of a law has its time in seconds."""
        untimed = dict(self.seconds)
        rows: list[tuple[str, ...]] = [("status", "law", "subject", "seconds", "details")]
        for verdict in self.verdicts:
            seconds = f"{untimed.pop(verdict.law):.3f}" if verdict.law in untimed else ""
            rows.append(verdict.row(self.name, seconds))
        rows += [("left out", law, "", "", "") for law in self.skipped]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([f"{self.name}: {self.status}, {sum(self.seconds.values()):.3f} s", *lines])


def run_check(check: Callable[..., Report], *arguments: Any, **options: Any) -> Report:
    """Run a check and return its report, also if it fails.

    Parameters
    ----------
    check : callable
        A check such as `check_vjp`.
    *arguments
        Its arguments.
    **options
        Its keyword arguments.

    Raises
    ------
    CheckFailed
        The check failed before it had a report. Errors that are not a `CheckFailed` propagate unchanged, and so does
        the rejection of an inconclusive example inside a Hypothesis test.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient
    >>> gradients = {"right": np.cos, "sign": lambda x: -np.cos(x)}
    >>> {name: run_check(check_gradient, lambda x: np.sum(np.sin(x)), g, [0.3]).status for name, g in gradients.items()}
    {'right': 'right', 'sign': 'wrong'}
    """
    try:
        return check(*arguments, **options)
    except CheckFailed as error:
        if error.report is None:
            raise
        report: Report = error.report
        return report


def require_conclusive(limit: float) -> None:
    """Raise `Inconclusive` if there are ten or more examples and a larger fraction than `limit` is inconclusive."""
    inconclusive, total = examples["inconclusive"], examples.total()
    if total >= 10 and inconclusive > limit * total:
        raise Inconclusive(
            f"{inconclusive} of {total} examples were inconclusive, more than the limit of {limit:g}. Draw inputs away "
            f"from kinks and saturation, or set a higher limit for this test, up to 1, with "
            f"@pytest.mark.tinygrad_edu_max_inconclusive(limit)."
        )


def is_in_hypothesis_test() -> bool:
    """Whether Hypothesis runs a test."""
    hypothesis = sys.modules.get("hypothesis")
    return hypothesis is not None and hypothesis.currently_in_test_context()


def _reject(report: Report) -> NoReturn:
    """Reject and count the example of a Hypothesis test."""
    import hypothesis

    examples["inconclusive"] += 1
    hypothesis.event("not differentiable here" if _kind(report) is NotDifferentiableHere else "inconclusive")
    hypothesis.reject()


def _inconclusive(report: Report) -> Inconclusive:
    """Return the error of an inconclusive report, with all reasons."""
    reasons = "\n".join(dict.fromkeys(str(v.error) for v in report.verdicts if v.error is not None))
    return _kind(report)(f"{reasons} Choose another point, or test the expected value at this point directly.")


def _kind(report: Report) -> type[Inconclusive]:
    errors = [v.error for v in report.verdicts if v.error is not None]
    return NotDifferentiableHere if all(isinstance(e, NotDifferentiableHere) for e in errors) else Inconclusive
