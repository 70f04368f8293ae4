"""A pytest plugin, found through pytest's own entry point: how hard to look for a wrong gradient, and a fixed start.

``pytest --gradients ci`` draws 100 examples for each Hypothesis test, the same in every run, and prints what reproduces
a failure; ``dev`` draws 25 and ``nightly`` 2,000. Without the option, a suite keeps the profile that it has.
"""

import zlib
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


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile that was asked for."""
    name = config.getoption("--gradients")
    if name is None:
        return
    from hypothesis import HealthCheck, settings

    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings.register_profile(f"gradients-{name}", deadline=None, suppress_health_check=slow, **PROFILES[name])
    settings.load_profile(f"gradients-{name}")


@pytest.fixture
def gradient_rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Return a Generator for the checks, seeded by the name of the test: another in each, the same in every run."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))
