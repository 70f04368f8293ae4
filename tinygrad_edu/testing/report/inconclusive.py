"""Inconclusive checks: raise an error, or reject and count the example inside a Hypothesis test."""

from __future__ import annotations

import sys
from collections import Counter
from typing import NoReturn

from tinygrad_edu.testing.failures import Inconclusive

# The numbers of conclusive and of inconclusive checks of the running test. The pytest plugin resets them.
examples: Counter[str] = Counter()


def require_conclusive(limit: float) -> None:
    """Raise `Inconclusive` if there are ten or more examples and a larger fraction than `limit` is inconclusive."""
    inconclusive, total = examples["inconclusive"], examples.total()
    if total >= 10 and inconclusive > limit * total:
        raise Inconclusive(
            f"{inconclusive} of {total} examples were inconclusive, more than the limit of {limit:g}. Draw inputs away "
            f"from kinks and saturation, or set a higher limit for this test, up to 1, with "
            f"@pytest.mark.max_inconclusive(limit)."
        )


def reject(error: Inconclusive) -> NoReturn:
    """Raise the error; inside a Hypothesis test, reject and count the example instead."""
    hypothesis = sys.modules.get("hypothesis")
    if hypothesis is not None and hypothesis.currently_in_test_context():
        examples["inconclusive"] += 1
        hypothesis.event("inconclusive" if type(error) is Inconclusive else "not differentiable here")
        hypothesis.reject()
    raise type(error)(f"{error} Choose another point, or test the expected value at this point directly.")
