"""Error rates of our checker for correct and wrong gradients of difficult functions.

A family is a function and a distribution of its inputs. Its gradient is correct, or multiplied by a wrong factor. The
verdict on each draw is *right*, *wrong* or *inconclusive*. Ideally, no correct gradient is called wrong, few are
inconclusive, and no wrong gradient is called right.
"""

import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers import hard_programs  # noqa: F401 - adds its families
from benchmarks.checkers.families import FAMILIES
from benchmarks.checkers.programs import NETWORKS
from tinygrad_edu.testing import GradientMismatch, Inconclusive, check_vjp

FACTORS = (1.0, -1.0, 1.1, 1.001)
WORDS = ("right", "inconclusive", "wrong")


@tg.op
def scaled(x, /, factor):
    return np.array(x)


scaled.vjps(x=lambda g, factor: g * factor)


def verdict(f: Callable[..., Any], arrays: Sequence[Any], factor: float, seed: int) -> tuple[str, str]:
    """Check a gradient multiplied by `factor`; return the verdict and the message."""
    rng = np.random.default_rng(seed)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            check_vjp(lambda *xs: f(*(scaled(x, factor) for x in xs)), *arrays, order=1, rng=rng)
    except GradientMismatch as error:
        return "wrong", str(error).split("To reproduce")[0]
    except Inconclusive as error:
        return "inconclusive", str(error)
    return "right", ""


def judged(name: str, draws: int) -> tuple[dict[float, Counter[str]], list[float], str]:
    """Check draws of a family, every fourth with all factors; return verdicts, times and the first failure."""
    f, draw = FAMILIES[name]
    counts, times, said = {factor: Counter[str]() for factor in FACTORS}, [], ""
    for seed in range(draws):
        arrays = [np.asarray(x) for x in draw(np.random.default_rng(seed))]
        for factor in FACTORS if seed % 4 == 0 else FACTORS[:1]:
            start = time.perf_counter()
            found, why = verdict(f, arrays, factor, seed)
            times.append(time.perf_counter() - start)
            counts[factor][found] += 1
            if factor == 1.0 and found != "right":
                said = said or f"seed {seed}: {why}"
    return counts, times, said


def lines(draws: int, only: str = "", why: bool = False) -> Iterator[str]:
    """Yield a line for each family, with right/inconclusive/wrong for each factor, and the totals."""
    totals, times = {factor: Counter[str]() for factor in FACTORS}, []
    of_networks = Counter[str]()
    names = [name for name in FAMILIES if re.search(only, name)]
    for name in names:
        counts, took, said = judged(name, draws)
        times += took
        for factor in FACTORS:
            totals[factor] += counts[factor]
        of_networks += counts[1.0] if name in NETWORKS else Counter()
        yield f"{name:<45}" + "   ".join("/".join(f"{counts[factor][w]:3}" for w in WORDS) for factor in FACTORS)
        if why and said:
            yield "       " + said[:600].replace("\n", "\n       ")
    yield from (f"factor {factor:g}: {shares(total)}" for factor, total in totals.items())
    yield f"networks with kinks, up to 32 x 512, factor 1: {shares(of_networks)}"
    yield f"{len(names)} families, {1e3 * np.median(times or [0]):.2f} ms per check (median)"


def shares(counts: Counter[str]) -> str:
    """Return the share of each verdict."""
    total = max(counts.total(), 1)
    return ", ".join(f"{100 * counts[w] / total:.2f} % {w}" for w in WORDS) + f", of {counts.total()}"
