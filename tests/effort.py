"""How much of a test the quick suite runs: its examples and its parameters."""

from contextlib import contextmanager
from functools import wraps
from inspect import signature

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


@contextmanager
def named(*values):
    """Add values to the notes of an error, so that it names the step of a loop."""
    try:
        yield
    except BaseException as error:
        error.add_note(", ".join(map(str, values)))
        raise


def with_each(names, values):
    """Call a test with each of the values, as `parametrize` does, but as one test: for many calls that take no time."""
    names, values = names.split(", ") if isinstance(names, str) else names, list(values)

    def of_all(test):
        @wraps(test)
        def call(**given):
            for value in values:
                these = dict(zip(names, value if len(names) > 1 else [value], strict=True))
                with named(*(f"{name}: {value!r}" for name, value in these.items())):
                    test(**given, **these)

        parameters = signature(test).parameters.values()
        call.__signature__ = signature(test).replace(parameters=[p for p in parameters if p.name not in names])
        return call

    return of_all
