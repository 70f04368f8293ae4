"""The hooks and the fixture of the pytest plugin: Hypothesis's examples, a limit on inconclusive ones, and a report.

``pytest --tinygrad-edu-gradients ci`` draws 100 examples for each Hypothesis test, the same in every run, and prints
code to reproduce a failure; ``dev`` draws 25 and ``nightly`` 2,000. Without the option, a suite keeps its own profile.

The option sets the number of examples. The suite's own profiles, from a conftest of any folder or from
``--hypothesis-profile``, keep their deadline, database and health checks. If a test or a
``--hypothesis-profile`` sets a number of examples, ``ci`` and ``nightly`` raise a smaller number and keep a larger one.
If the configuration sets the option and the command line sets ``--hypothesis-profile``, the plugin ignores the option.

A test fails if too large a fraction of its Hypothesis examples is inconclusive. The limit is
0.5, or ``tinygrad_edu_max_inconclusive`` in the configuration, or the argument of the mark of the same name
on a test.

``--tinygrad-edu-report report.json`` writes the checks of each test to a JSON file. With ``--junitxml``, the tests have
properties such as ``tinygrad_edu.inconclusive``.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import numpy as np
    from hypothesis import settings

OPTION = "--tinygrad-edu-gradients"
REPORT = "--tinygrad-edu-report"
LIMIT_KEY = "tinygrad_edu_max_inconclusive"
LIMIT_MARK = "tinygrad_edu_max_inconclusive"
LIMIT_HELP = "largest fraction, from 0 to 1, of inconclusive examples"
PROFILES: dict[str, dict[str, Any]] = {
    "dev": {"max_examples": 25},
    "ci": {"max_examples": 100, "derandomize": True, "print_blob": True},
    "nightly": {"max_examples": 2000, "derandomize": False, "print_blob": True},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command-line option and the key of the configuration."""
    parser.getgroup("tinygrad_edu").addoption(
        OPTION, choices=PROFILES, help="how many examples Hypothesis draws: dev 25, ci 100, nightly 2,000"
    )
    parser.getgroup("tinygrad_edu").addoption(
        REPORT,
        action="append",
        default=[],
        metavar="PATH",
        help="write the checks of each test to a JSON file",
    )
    kind: Any = "float" if pytest.version_tuple >= (8, 4) else "string"  # older versions of pytest have no float type
    parser.addini(LIMIT_KEY, f"the {LIMIT_HELP} of each test", type=kind, default=0.5)


@pytest.hookimpl(trylast=True)  # after Hypothesis's own plugin and the conftest files loaded their profiles
def pytest_configure(config: pytest.Config) -> None:
    """Load the profile that the option selects, on top of the suite's own."""
    config.addinivalue_line("markers", f"{LIMIT_MARK}(limit): the {LIMIT_HELP} of this test")
    _configured_limit(config)
    if config.getoption(REPORT) or config.getoption("xmlpath", None):
        from _tinygrad_edu_plugins import run_report

        config.pluginmanager.register(run_report.RunReport(config.getoption(REPORT)))
    if _on_command_line(config, "--hypothesis-profile") and not _on_command_line(config, OPTION):
        config.option.tinygrad_edu_gradients = None  # the worker processes of xdist read it, too
    if config.getoption(OPTION) is None:
        return
    try:
        import hypothesis  # noqa: F401
    except ImportError:
        from tinygrad_edu.errors.extras import remedy

        raise pytest.UsageError(f"{OPTION} requires Hypothesis: {remedy('testing')}.") from None
    _load_profile(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the number of examples of each test, which was collected with the profile of its folder's conftest."""
    if config.getoption(OPTION) is None:
        return
    _load_profile(config)
    for item in items:
        _set_examples(config, item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test if too large a fraction of its examples is inconclusive."""
    limit = _limit_of(item)
    inconclusive = sys.modules.get("tinygrad_edu.testing.verdict")
    if inconclusive is not None:
        inconclusive.examples.clear()
    yield
    inconclusive = sys.modules.get("tinygrad_edu.testing.verdict")
    if inconclusive is not None:
        inconclusive.require_conclusive(limit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print code to reproduce a failure in a separate section, since pytest indents the lines of a message.

    Also remove Hypothesis's explanation of the failure of a check, which lists lines of the check.
    """
    reproduction = sys.modules.get("tinygrad_edu.testing.report.reproduction")
    lines = ""
    if reproduction is not None and call.excinfo is not None:
        reproduction.remove_explanation(call.excinfo.value)
        if item.config.getoption("showcapture") == "all":
            lines = reproduction.reproduction_lines(call.excinfo.value)
    report = yield
    if lines:
        report.sections.append(("To reproduce", lines))
    return report


@pytest.fixture
def tinygrad_edu_rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Return a Generator for gradient checks, seeded by the name of the test, so that runs are reproducible."""
    from numpy.random import default_rng

    return default_rng(zlib.crc32(request.node.nodeid.encode()))


def _configured_limit(config: pytest.Config) -> float:
    try:
        return _fraction(config.getini(LIMIT_KEY))
    except (TypeError, ValueError, pytest.UsageError) as error:
        problem = str(error).removesuffix(".")
        raise pytest.UsageError(f"{LIMIT_KEY} in the configuration must be a number from 0 to 1: {problem}.") from None


def _limit_of(item: pytest.Item) -> float:
    mark = item.get_closest_marker(LIMIT_MARK)
    if mark is None:
        return _configured_limit(item.config)
    with suppress(TypeError, ValueError):
        return _fraction(*mark.args, **mark.kwargs)
    given = mark.args or mark.kwargs or "nothing"
    mistake = f"@pytest.mark.{LIMIT_MARK} of {item.nodeid} must have a number from 0 to 1, got {given}."
    pytest.fail(mistake, pytrace=False)


def _fraction(limit: Any) -> float:
    if not 0 <= float(limit) <= 1:
        raise ValueError(f"got {limit!r}.")
    return float(limit)


def _on_command_line(config: pytest.Config, option: str) -> bool:
    return any(str(argument).startswith(option) for argument in config.invocation_params.args)


def _names_a_profile(config: pytest.Config) -> bool:
    return bool(config.getoption("--hypothesis-profile", None))


def _load_profile(config: pytest.Config) -> None:
    from hypothesis import settings

    ours = _on_top_of(settings.default, config, keep=_names_a_profile(config))
    settings.register_profile("tinygrad_edu", ours)
    settings.load_profile("tinygrad_edu")


def _on_top_of(theirs: Any, config: pytest.Config, keep: bool) -> settings:
    """Return settings with the number of examples of the profile, or with theirs if it is larger and `keep` is true."""
    from hypothesis import HealthCheck, settings

    profile = PROFILES[config.getoption(OPTION)]
    number = max(profile["max_examples"], theirs.max_examples if keep else 1)
    untouched = theirs.deadline == settings.get_profile("default").deadline
    return settings(
        theirs,
        deadline=None if untouched else theirs.deadline,
        suppress_health_check={*theirs.suppress_health_check, HealthCheck.too_slow, HealthCheck.data_too_large},
        **{**profile, "max_examples": number},
    )


def _set_examples(config: pytest.Config, item: Any) -> None:
    test: Any = getattr(item, "obj", None)
    if not getattr(test, "is_hypothesis_test", False):
        return
    if item.name == "runTest":  # a state machine, which has its settings in the class
        owner, attribute, own = item.cls, "settings", True
    else:  # below other decorators, as in Hypothesis's own plugin
        while getattr(getattr(test, "__wrapped__", None), "is_hypothesis_test", False):
            test = test.__wrapped__
        owner, attribute = getattr(test, "__func__", test), "_hypothesis_internal_use_settings"
        own = hasattr(test, "_hypothesis_internal_settings_applied")
    if not own or config.getoption(OPTION) != "dev":
        keep = own or _names_a_profile(config)
        setattr(owner, attribute, _on_top_of(getattr(owner, attribute), config, keep))
