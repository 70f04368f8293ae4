"""A pytest plugin, found through pytest's own entry point: how hard to look for a wrong gradient, and a fixed start.

A test in which too large a part of the Hypothesis examples could not be told fails: it proves little. The part is a
half, or what ``gradients_not_told`` in the configuration, or the mark ``not_told`` of a test says.

``pytest --gradients ci`` draws 100 examples for each Hypothesis test, the same in every run, and prints what reproduces
a failure; ``dev`` draws 25 and ``nightly`` 2,000. Without the option, a suite keeps the profile that it has.
"""

import sys
import zlib
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest

PROFILES: dict[str, dict[str, Any]] = {
    "dev": {"max_examples": 25, "derandomize": False},
    "ci": {"max_examples": 100, "derandomize": True, "print_blob": True},
    "nightly": {"max_examples": 2000, "derandomize": False, "print_blob": True},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("tinygrad_edu").addoption(
        "--gradients", choices=PROFILES, help="how many examples Hypothesis draws: dev 25, ci 100, nightly 2,000"
    )
    parser.addini(
        "gradients_not_told", "the part of a test's examples that need not be told, from 0 to 1", default="0.5"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile that was asked for."""
    config.addinivalue_line("markers", "not_told(part): the part of the examples of this test that need not be told")
    name = config.getoption("--gradients")
    if name is None:
        return
    from hypothesis import HealthCheck, settings

    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings.register_profile(f"gradients-{name}", deadline=None, suppress_health_check=slow, **PROFILES[name])
    settings.load_profile(f"gradients-{name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test of which too many examples could not be told."""
    verdict = sys.modules.get("tinygrad_edu.testing.verdict")
    if verdict is not None:
        verdict.examples.clear()
    yield
    verdict = sys.modules.get("tinygrad_edu.testing.verdict")
    if verdict is not None:
        mark = item.get_closest_marker("not_told")
        verdict.require_told(float(mark.args[0] if mark else item.config.getini("gradients_not_told")))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print what reproduces a failure in a section of its own: pytest puts a margin before each line of a message."""
    reproduction = sys.modules.get("tinygrad_edu.testing.reproduction")
    lines = ""
    if reproduction is not None and call.excinfo is not None and item.config.getoption("showcapture") == "all":
        lines = reproduction.taken_from(call.excinfo.value)
    report = yield
    if lines:
        report.sections.append(("To reproduce", lines))
    return report


@pytest.fixture
def gradient_rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Return a Generator for the checks, seeded by the name of the test: another in each, the same in every run."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))
