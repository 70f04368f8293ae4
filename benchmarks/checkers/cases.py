"""Wrong programs and their correct counterparts, each checked by one call of a checker."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.testing import Inconclusive

Check = Callable[..., None]  # check_torch, check_jax, check_keras or check_module


class Case(NamedTuple):
    """A wrong program, its correct counterpart, and the arguments of their check. `settings` may contain options."""

    name: str
    check: Check
    wrong: Any
    right: Any
    inputs: Sequence[Any]
    settings: dict[str, Any]

    def verdict(self) -> tuple[str, str]:
        """Check both programs; return caught, missed, ALARM or inconclusive, and the message."""
        right, why = self.outcome(self.right)
        if right != "passed":
            return "ALARM" if right == "refused" else right, f"correct counterpart: {why}"
        wrong, why = self.outcome(self.wrong)
        return {"refused": "caught", "passed": "missed"}.get(wrong, wrong), why

    def outcome(self, program: Any) -> tuple[str, str]:
        """Check a program; return passed, refused or inconclusive, and the message."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                self.check(program() if isinstance(program, type) else program, *self.inputs, **self.settings)
        except Inconclusive as error:
            return "inconclusive", str(error)
        except Exception as error:
            return "refused", f"{type(error).__name__}: {error}"
        return "passed", ""


def lines(groups: dict[str, Sequence[Case]], only: str = "", why: bool = False) -> Iterator[str]:
    """Yield a line for each case, and the totals of each group."""
    for group, cases in groups.items():
        counts = Counter[str]()
        for case in (case for case in cases if re.search(only, f"{group}: {case.name}")):
            found, said = case.verdict()
            counts[found] += 1
            yield f"{f'{group}: {case.name}':<88}{found}"
            if why and said:
                yield "       " + said.partition("\n")[0][:300]
        yield f"{group}: " + (", ".join(f"{count} {found}" for found, count in counts.items()) or "none")
