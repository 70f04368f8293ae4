"""Score: the fates of mutants, their two scores, and the report of a run as text and JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tinygrad_edu.testing.mutate.faults import NOT_MET


class AnyMutant(Protocol):
    """A mutant, whose text is the vjp and the kind of change, with a colon between them."""

    def shown(self) -> str:
        """Return code that recreates the mutant."""


class Fate(NamedTuple):
    """The result of the checks or tests for a mutant."""

    error: str  # the name of the error that kills it, such as "GradientMismatch"; NOT_MET; empty if it survives
    by: str = ""  # the law or the test that kills it
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """One of "survived", `NOT_MET` and "killed"."""
        return self.error if self.error == NOT_MET else "killed" if self.error else "survived"


OUTCOMES = "survived", NOT_MET, "killed"


@dataclass(frozen=True)
class Score:
    """The number of mutants of each status."""

    counts: Counter[str]

    @property
    def of_met(self) -> float:
        """The killed mutants in per cent, without those whose condition was never met."""
        return 100 * self.counts["killed"] / max(self.counts.total() - self.counts[NOT_MET], 1)

    @property
    def of_all(self) -> float:
        """The killed mutants in per cent of all."""
        return 100 * self.counts["killed"] / max(self.counts.total(), 1)

    def __str__(self) -> str:
        total, unmet = self.counts.total(), self.counts[NOT_MET]
        line = f"score {self.of_met:.1f} %: {self.counts['killed']} of {total - unmet} mutants killed"
        return f"{line}; {self.of_all:.1f} % of all {total}: the condition of {unmet} was never met" if unmet else line


Results = Sequence[tuple[AnyMutant, Fate]]


def score_of(results: Results) -> Score:
    """Return the score of a run."""
    return Score(Counter(fate.status for _, fate in results))


def print_report(results: Results) -> None:
    """Print the survivors, the errors for each vjp, and the score."""
    for mutant, fate in results:
        if fate.status == "survived":
            print(f"SURVIVED {mutant}\n{mutant.shown()}")
    errors_by_vjp: dict[str, Counter[str]] = {}
    for mutant, fate in results:
        errors_by_vjp.setdefault(_vjp_and_kind(mutant)[0], Counter())[fate.error or "survived"] += 1
        if fate.status == NOT_MET:
            print(f"{NOT_MET}: {mutant}")
    for vjp, errors in errors_by_vjp.items():
        print(f"{vjp}: " + ", ".join(f"{count} {error}" for error, count in errors.most_common()))
    print(score_of(results))


def to_dict(file: str, results: Results) -> dict[str, Any]:
    """Return the report as values of JSON: both scores, and each mutant, survivors first."""
    score = score_of(results)
    return {
        "file": file,
        "score": score.of_met,
        "score_of_all": score.of_all,
        "counts": {status: score.counts[status] for status in OUTCOMES},
        "mutants": sorted(map(_mutant, *zip(*results, strict=True)), key=lambda m: OUTCOMES.index(m["status"])),
    }


def _mutant(mutant: AnyMutant, fate: Fate) -> dict[str, Any]:
    vjp, kind = _vjp_and_kind(mutant)
    facts = {"vjp": vjp, "kind": kind, "status": fate.status, **fate._asdict()}
    return {**facts, "code": "" if fate.status == "killed" else mutant.shown()}


def _vjp_and_kind(mutant: AnyMutant) -> tuple[str, str]:
    vjp, _, kind = str(mutant).partition(": ")
    return vjp, kind
