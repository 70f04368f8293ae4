"""How much of a test the quick suite runs: its examples and its parameters."""

import pytest
from hypothesis import settings

from _tinygrad_edu_plugins.pytest_hooks import PROFILES

CI = PROFILES["dev"]["max_examples"]  # .ci/run selects this profile


def share(number):
    """Return a number of examples for CI, or the same fraction of the examples of a smaller suite, at least 1."""
    return max(1, min(number, number * settings.default.max_examples // CI))


def thorough(values, quick=()):
    """Return values as parameters of a test. Those that are not in `quick` have the mark `thorough`."""
    return [pytest.param(value, marks=[] if value in quick else pytest.mark.thorough) for value in values]
