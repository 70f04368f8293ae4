"""Workloads in micrograd, which supports scalars only: an op on ten elements is ten of its ops."""

import sys
from collections.abc import Callable
from typing import Any

from micrograd.engine import Value

from benchmarks import workloads

# Its backward pass recurses once per op of a chain.
sys.setrecursionlimit(20_000)


def threads() -> str:
    """Return the numbers of threads in use."""
    return "Python 1"


def chain(sizes: workloads.Sizes, fixed: bool) -> Callable[[], tuple[float, ...]]:
    """Workloads 6 and 7; a chain of 100,000 ops exceeds the recursion limit."""
    *arrays, turns = workloads.chain(sizes)

    def run() -> tuple[float, ...]:
        x, w, b, v = leaves = [[Value(float(element)) for element in a] for a in arrays]
        losses = []
        for k in range(len(x)):
            y: Any = x[k]
            for _ in range(turns):
                y = (y * w[k] + b[k]).relu() * v[k]
            y.backward()
            losses.append(y.data)
        return (sum(losses), *(sum(element.grad for element in leaf) for leaf in leaves))

    return run
