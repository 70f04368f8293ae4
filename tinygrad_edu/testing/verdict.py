"""Verdict and Report: the decisions of a check, law by law."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinygrad_edu.testing.failures import CheckFailed, Inconclusive, NotDifferentiableHere

STATUSES = "wrong", "inconclusive", "right", "not checked"  # the worst first

# The numbers of conclusive and of inconclusive checks of the running test. The pytest plugin resets them.
examples: Counter[str] = Counter()


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


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the first of the worst verdicts."""
    return min(verdicts, key=lambda verdict: STATUSES.index(verdict.status))


class Report:
    """The verdicts of a check, the worst first, and the time of each law.

    Every check returns its report. If a verdict is not right, the check raises an error, whose attribute ``report``
    is the report.

    Parameters
    ----------
    name : str
        The name of the function under test.
    skip : collection of str, default ()
        The names of laws to leave out.

    Attributes
    ----------
    name : str
    seconds : dict of str to float
        The time of each law.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import check_gradient
    >>> report = check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, [1.0, -2.0])
    >>> report.status, [(v.law, v.subject) for v in report.verdicts][-1]
    ('right', ('slope', 'x'))
    """

    def __init__(self, name: str, skip: Collection[str] = ()) -> None:
        self.name = name
        self.skip = frozenset(skip)
        self.seconds: dict[str, float] = {}
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
            return True
        start, first = time.perf_counter(), len(self._verdicts)
        try:
            for verdict in decide(*arguments) or ():
                self._verdicts.append(verdict)
            if len(self._verdicts) == first:
                self._verdicts.append(Verdict(law))
        except NotApplicable as reason:
            self._verdicts.append(Verdict(law, reason=str(reason)))
        except CheckFailed as error:
            self._verdicts.append(Verdict(law, error=error))
        self.seconds[law] = self.seconds.get(law, 0.0) + time.perf_counter() - start
        return all(verdict.status != "wrong" for verdict in self._verdicts[first:])

    def conclude(self) -> Report:
        """Return the report if all verdicts are right; otherwise raise the error of the worst.

        Inside a Hypothesis test, an inconclusive check is rejected and counted instead.
        """
        if self.status == "wrong":
            error = self.verdicts[0].error
            assert error is not None
            error.report = self
            raise error
        if self.status == "inconclusive":
            _reject(self)
        examples["conclusive"] += 1
        return self

    def __repr__(self) -> str:
        return f"<Report: {self.status}>"


def require_conclusive(limit: float) -> None:
    """Raise `Inconclusive` if there are ten or more examples and a larger fraction than `limit` is inconclusive."""
    inconclusive, total = examples["inconclusive"], examples.total()
    if total >= 10 and inconclusive > limit * total:
        raise Inconclusive(
            f"{inconclusive} of {total} examples were inconclusive, more than the limit of {limit:g}. Draw inputs away "
            f"from kinks and saturation, or set a higher limit for this test, up to 1, with "
            f"@pytest.mark.max_inconclusive(limit)."
        )


def _reject(report: Report) -> None:
    """Raise the error for an inconclusive report; inside a Hypothesis test, reject and count the example instead."""
    reasons = [v.error for v in report.verdicts if v.error is not None]
    kind = NotDifferentiableHere if all(isinstance(e, NotDifferentiableHere) for e in reasons) else Inconclusive
    hypothesis = sys.modules.get("hypothesis")
    if hypothesis is not None and hypothesis.currently_in_test_context():
        examples["inconclusive"] += 1
        hypothesis.event("inconclusive" if kind is Inconclusive else "not differentiable here")
        hypothesis.reject()
    text = "\n".join(dict.fromkeys(map(str, reasons)))
    error = kind(f"{text} Choose another point, or test the expected value at this point directly.")
    error.report = report
    raise error
