"""A campaign: check many functions of a framework, which should all pass, within a time limit."""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tinygrad_edu.testing import Inconclusive

Sample = tuple[str, Callable[[], None]]  # the name of a function, and its check at one point


def lines(samples: Iterable[Sample], minutes: float, why: bool = False) -> Iterator[str]:
    """Yield a line for each sample that does not pass, and the totals of functions and samples."""
    counts, functions, end = Counter[str](), dict[str, Counter[str]](), time.monotonic() + 60 * minutes
    for number, (name, check) in enumerate(samples):
        if time.monotonic() > end:
            yield f"stopped after {minutes:g} minutes"
            break
        found, said = outcome(check)
        counts[found] += 1
        functions.setdefault(name, Counter())[found] += 1
        if found != "passed":
            yield f"{name:<44}sample {number:<6}{found}"
            if why:
                yield "       " + said.partition("\nTo reproduce")[0][:700].replace("\n", "\n       ")
    wrong = [name for name, verdicts in functions.items() if verdicts["refused"]]
    yield f"{len(functions)} functions, {counts.total()} samples: " + ", ".join(f"{n} {f}" for f, n in counts.items())
    yield f"{len(wrong)} functions refused: {', '.join(wrong)}"


def outcome(check: Callable[[], None]) -> tuple[str, str]:
    """Run a check; return passed, inconclusive, refused or not applicable, and the message."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            check()
    except Inconclusive as error:
        return "inconclusive", str(error)
    except AssertionError as error:
        return "refused", f"{type(error).__name__}: {error}"
    except Exception as error:  # the function itself does not support the call
        return "not applicable", f"{type(error).__name__}: {error}"
    return "passed", ""
