"""The entry point of the pytest plugin: loads `pytest_hooks`, or nothing if pluggy is too old for it."""

from inspect import signature

import pytest

# pluggy < 1.2 has no `wrapper` hooks, and pytest_hooks would break suites that do not use tinygrad_edu.
_supported = "wrapper" in signature(pytest.hookimpl.__call__).parameters
pytest_plugins = ["_tinygrad_edu_plugins.pytest_hooks"] if _supported else []
