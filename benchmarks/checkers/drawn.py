"""Wrong vjps under Hypothesis, with 100 examples that are the same in every run, as in the profile `ci`.

The strategies depend only on the shapes that a function accepts, not on the mistake.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from _tinygrad_edu_plugins.pytest_hooks import PROFILES
from benchmarks.checkers.frameworks import declare
from benchmarks.checkers.rule import Rule, twin
from benchmarks.checkers.rules import KINDS
from tinygrad_edu.testing import check_op, check_vjp
from tinygrad_edu.testing.strategies import arrays, broadcastable, shapes

Strategy = st.SearchStrategy
LONG = {"s": (7, 10)}  # letters of axes with other lengths than 1 to 4
DOMAINS: dict[str, dict[str, Any]] = {
    "": {},
    "positive": {"low": 0.125},
    "probability": {"low": 0.125, "high": 1.0},
    "left tail": {"low": -12.0, "high": -5.0},
    "off zero": {"away_from": (0.0,)},
    "distinct": {"distinct": True},
    "invertible": {"low": -1.0, "high": 1.0},
}


def inputs(draws: str) -> Strategy[Sequence[np.ndarray]]:
    """Return a strategy of inputs, from a word per input and an optional domain of the elements after a colon.

    ``"nk km"`` draws two matrices that can be multiplied: each letter is an axis, each digit an axis of that length.
    ``"any"`` has any shape, and two of them broadcast; ``"...n"`` has at least one axis and is not empty.
    """
    words, _, domain = draws.partition(":")
    drawn = _shapes_of(words.split()).flatmap(lambda all_of: st.tuples(*(arrays(s, **DOMAINS[domain]) for s in all_of)))
    return drawn.map(lambda xs: [x + 5 * np.eye(len(x)) for x in xs]) if domain == "invertible" else drawn


def _shapes_of(words: Sequence[str]) -> Strategy[Any]:
    if words[0] == "any":
        return st.tuples(shapes()) if len(words) == 1 else broadcastable(len(words))
    if words[0] == "...n":
        return st.tuples(shapes(min_dims=1, empty=False))
    letters = sorted({letter for word in words for letter in word if letter.isalpha()})
    lengths = st.fixed_dictionaries({letter: st.integers(*LONG.get(letter, (1, 4))) for letter in letters})
    return lengths.map(lambda n: [tuple(n.get(a) or int(a) for a in word) for word in words])


def search(rule: Rule) -> tuple[str, int, str]:
    """Search for an example that shows a vjp wrong; return the verdict, the number of examples, and the message."""
    op, tried = declare(rule), 0

    @settings(
        max_examples=PROFILES["ci"]["max_examples"], derandomize=True, database=None, deadline=None,
        phases=[Phase.generate, Phase.target], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(inputs(rule.function.draws))
    def examples(drawn: Sequence[np.ndarray]) -> None:
        nonlocal tried
        tried += 1
        check_vjp(op, *drawn)
        check_op(op, *drawn)

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            examples()
    except Unsatisfiable:
        return "inconclusive", tried, ""
    except Exception as error:  # any other exception is a rejection
        return "caught", tried, f"{type(error).__name__}: {error}"
    return "missed", tried, ""


def lines(of: Callable[[Rule], Rule] = lambda rule: rule, kinds: Sequence[str] = tuple(KINDS)) -> Iterator[str]:
    """Yield the unexpected verdicts and the counts; `of` selects the vjp or its correct counterpart."""
    found, start = [], time.perf_counter()
    for kind in kinds:
        for rule in KINDS[kind]:
            word, tried, said = search(of(rule))
            found.append((word, tried))
            if (word == "caught") == (of is twin):
                yield f"  {kind}: {rule.name}: {word}, {tried} examples. {said[:300]}".rstrip(". ")
    caught = [tried for word, tried in found if word == "caught"]
    yield (
        f"{len(caught)} of {len(found)} found, half of them within {np.median(caught or [0]):.0f} examples; "
        f"{sum(word == 'inconclusive' for word, _ in found)} inconclusive; {time.perf_counter() - start:.0f} s"
    )
