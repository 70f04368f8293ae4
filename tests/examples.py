"""The number of Hypothesis examples of a test that draws fewer than its suite."""

from hypothesis import settings

CI = 25  # examples of each property in .ci/run


def share(number):
    """Return a number of examples for CI, or the same fraction of the examples of a smaller suite."""
    return min(number, number * settings.default.max_examples // CI)
