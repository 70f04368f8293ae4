"""Inconclusive checks: raise, or inside Hypothesis reject the example and count it."""

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
            f"{inconclusive} of {total} examples were inconclusive, and the limit is {limit:g}: this test proves "
            f"little. Draw inputs away from kinks and saturation, or set a higher limit for it, up to 1, with "
            f"@pytest.mark.max_inconclusive(limit)."
        )


def reject(error: Inconclusive) -> NoReturn:
    """Raise the error; inside a Hypothesis test, reject and count the example instead."""
    hypothesis = sys.modules.get("hypothesis")
    if hypothesis is not None and hypothesis.currently_in_test_context():
        examples["inconclusive"] += 1
        hypothesis.event("inconclusive" if type(error) is Inconclusive else "not differentiable here")
        hypothesis.reject()
    raise type(error)(f"{error} Move the point, or test what your convention promises there directly.")
