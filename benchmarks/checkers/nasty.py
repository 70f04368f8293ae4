"""Error rates of our checker for correct and wrong gradients of difficult functions.

A family is a function and a distribution of its inputs. Its gradient is correct, or multiplied by a wrong factor. The
verdict on each draw is *right*, *wrong* or *inconclusive*. Ideally, no correct gradient is called wrong, few are
inconclusive, and no wrong gradient is called right. The totals separate families by their slope at the drawn points.
"""

import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers import hard_programs, subjects  # noqa: F401 - they add families
from benchmarks.checkers.families import FAMILIES, Family
from benchmarks.checkers.programs import NETWORKS
from tinygrad_edu.testing import Inconclusive, check_gradient, check_vjp

FACTORS = (1.0, -1.0, 1.1, 1.001)
WORDS = ("right", "inconclusive", "wrong")
SLOPES = {"exists": "has a slope", "zero": "slope 0, or below the rounding error", "none": "no slope"}


@tg.op
def scaled(x, /, factor):
    return np.array(x)


scaled.vjps(x=lambda g, factor: g * factor)


def drawn(family: Family, factor: float, seed: int) -> tuple[str, str]:
    """Check a draw of a family; return the verdict and the message."""
    arrays = [np.asarray(x) for x in family.draw(np.random.default_rng(seed))]
    return verdict(family.f, arrays, factor, seed, family.gradient)


def verdict(
    f: Callable[..., Any], arrays: Sequence[Any], factor: float, seed: int, gradient: Callable[..., Any] | None = None
) -> tuple[str, str]:
    """Check a gradient multiplied by `factor`; return the verdict and the message."""
    rng = np.random.default_rng(seed)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if gradient is None:
                check_vjp(lambda *xs: f(*(scaled(x, factor) for x in xs)), *arrays, order=1, rng=rng)
            else:
                check_gradient(f, _scaled_gradient(gradient, factor), *arrays, rng=rng)
    except Inconclusive as error:
        found, why = "inconclusive", str(error)
    except Exception as error:
        found, why = "wrong", f"{type(error).__name__}: {error}"
    else:
        return "right", ""
    return found, why.partition("\nTo reproduce")[0]


def _scaled_gradient(gradient: Callable[..., Any], factor: float) -> Callable[..., Any]:
    """Multiply a gradient, and keep its signature."""

    @wraps(gradient)
    def scaled_gradient(*arguments: Any) -> Any:
        found = gradient(*arguments)
        return tuple(factor * np.asarray(g) for g in found) if isinstance(found, tuple) else factor * np.asarray(found)

    return scaled_gradient


def judged(name: str, draws: int) -> tuple[dict[float, Counter[str]], list[float], str]:
    """Check draws of a family, every fourth with all factors; return verdicts, times and the first failure."""
    counts, times, said = {factor: Counter[str]() for factor in FACTORS}, [], ""
    for seed in range(draws):
        for factor in FACTORS if seed % 4 == 0 else FACTORS[:1]:
            start = time.perf_counter()
            found, why = drawn(FAMILIES[name], factor, seed)
            times.append(time.perf_counter() - start)
            counts[factor][found] += 1
            if factor == 1.0 and found != "right":
                said = said or f"seed {seed}: {why}"
    return counts, times, said


def lines(draws: int, only: str = "", why: bool = False) -> Iterator[str]:
    """Yield a line for each family, with right/inconclusive/wrong for each factor, and the totals."""
    totals, times = {(slope, factor): Counter[str]() for slope in SLOPES for factor in FACTORS}, []
    of_networks = Counter[str]()
    names = [name for name in FAMILIES if re.search(only, name)]
    for name in names:
        counts, took, said = judged(name, draws)
        times += took
        for factor in FACTORS:
            totals[FAMILIES[name].slope, factor] += counts[factor]
        of_networks += counts[1.0] if name in NETWORKS else Counter()
        yield f"{name:<68}" + "   ".join("/".join(f"{counts[factor][w]:3}" for w in WORDS) for factor in FACTORS)
        if why and said:
            yield "       " + said[:600].replace("\n", "\n       ")
    yield from (f"{SLOPES[slope]}, factor {factor:g}: {shares(n)}" for (slope, factor), n in totals.items() if n)
    yield f"networks with kinks, up to 32 x 512, factor 1: {shares(of_networks)}"
    yield f"{len(names)} families, {1e3 * np.median(times or [0]):.2f} ms per check (median)"


def shares(counts: Counter[str]) -> str:
    """Return the share of each verdict."""
    total = max(counts.total(), 1)
    return ", ".join(f"{100 * counts[w] / total:.2f} % {w}" for w in WORDS) + f", of {counts.total()}"
