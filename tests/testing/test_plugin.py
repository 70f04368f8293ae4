"""The pytest plugin and Hypothesis's hook, in the test suite of another project, which runs in its own process."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.effort import thorough
from tinygrad_edu.errors.extras import remedy

PROJECT = Path(__file__).parents[2]
OPTION, REPORT = "--tinygrad-edu-gradients", "--tinygrad-edu-report"

# Each test counts its examples, and the last test writes the counts to a file.
SUITE = """
import json, pathlib, sys, unittest
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

counts = Counter()
ours = {"numpy", "tinygrad_edu", "_tinygrad_edu_plugins.recording", "_tinygrad_edu_plugins.run_report"}
before = sorted(ours & set(sys.modules))

def outer(test):
    import functools
    return functools.wraps(test)(lambda *arguments, **names: test(*arguments, **names))

@given(st.integers())
def test_plain(x):
    counts["plain"] += 1

@outer
@given(st.integers())
@settings(max_examples=10)
def test_few(x):
    counts["few"] += 1

@settings(max_examples=120)
@given(x=st.integers())
@pytest.mark.parametrize("part", [1, 2])
def test_many(x, part):
    counts["many"] += 1

class TestOld(unittest.TestCase):
    @settings(max_examples=10)
    @given(st.integers())
    def test_few(self, x):
        counts["in a class"] += 1

class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        counts["machine"] += 1

    @rule()
    def step(self):
        pass

TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=10, stateful_step_count=2)

@given(st.from_type(__import__("tinygrad_edu").Tensor))
def test_a_tensor_is_drawn_without_an_import(t):
    assert t.dtype.kind == "f"

@pytest.mark.parametrize("again", [0, 1])
def test_rng(tinygrad_edu_rng, again):
    counts[f"rng {again}"] = int(tinygrad_edu_rng.integers(10**9))

def test_zz(request):
    of = settings()
    seen = {"derandomize": of.derandomize, "deadline": of.deadline and of.deadline.total_seconds(), "before": before}
    pathlib.Path("counts.json").write_text(json.dumps({**counts, **seen}))
"""
THEIRS = """
from hypothesis import settings
settings.register_profile('theirs', max_examples=7, deadline=5000)
"""


def run(folder, *options, **variables):
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *options]
    # The settings of our own suite must not affect the other project's suite.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "CI")}
    # There Hypothesis finds which constants our modules have; it would read them all again in each new folder.
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(PROJECT / ".hypothesis")
    return subprocess.run(
        command, cwd=folder, env={**environment, **variables}, capture_output=True, text=True, check=False
    )


@functools.cache
def counts(*options, conftest="", addopts=""):
    """Return the number of examples of each test of the suite, and its other records."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "deep").mkdir()
        (folder / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")
        (folder / "deep" / "conftest.py").write_text(conftest)
        (folder / "deep" / "test_theirs.py").write_text(SUITE)
        if "--hypothesis-profile" in options:
            (folder / "conftest.py").write_text(THEIRS)
        result = run(folder, *options)
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads((folder / "counts.json").read_text())


LOADED = THEIRS + "settings.load_profile('theirs')\n"
OWN = {"few": 10, "in a class": 10, "machine": 10, "many": 240}
CI = {"plain": 100, "few": 100, "in a class": 100, "machine": 100, "many": 240, "derandomize": True}


RUNS = {
    "no option": ((), {"conftest": LOADED}, {"plain": 7, **OWN, "deadline": 5, "before": []}),
    "dev": ((OPTION, "dev"), {"conftest": LOADED}, {"plain": 25, **OWN, "derandomize": False, "deadline": 5}),
    "ci": ((OPTION, "ci"), {"conftest": LOADED}, {**CI, "deadline": 5}),
    "ci and a profile": ((f"{OPTION}=ci", "--hypothesis-profile", "theirs", "-n", "1"), {}, {**CI, "deadline": 5}),
    "ci in the configuration and a profile": (
        ("--hypothesis-profile", "theirs", "-n", "1"), {"addopts": f"{OPTION} ci"},
        {"plain": 7, **OWN, "deadline": 5, "derandomize": False}),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", thorough(RUNS, quick=["dev"]))
def test_a_profile_says_how_many_examples_and_the_suite_the_rest(name):
    options, files, expected = RUNS[name]
    found = counts(*options, **files)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.thorough
def test_nightly_raises_what_a_test_set(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "from hypothesis import given, settings, strategies as st\n"
        "@settings(max_examples=10)\n@given(st.integers())\ndef test_few(x):\n    print('drawn')\n"
    )
    assert run(tmp_path, OPTION, "nightly").stdout.count("drawn") == 2000


@pytest.mark.thorough
def test_the_generator_is_another_in_each_test_and_the_same_in_each_run():
    first, second = counts(conftest=LOADED), counts(OPTION, "dev", conftest=LOADED)
    assert first["rng 0"] != first["rng 1"]
    assert [first[f"rng {n}"] for n in (0, 1)] == [second[f"rng {n}"] for n in (0, 1)]


@pytest.mark.thorough
def test_without_hypothesis_the_option_says_so_in_one_line(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    (tmp_path / "hypothesis.py").write_text("raise ModuleNotFoundError('not installed')\n")
    asked, not_asked = (run(tmp_path, "-p", "no:hypothesispytest", *options) for options in ([OPTION, "ci"], []))
    assert asked.returncode == 4
    assert f"ERROR: {OPTION} requires Hypothesis: {remedy('testing')}." in asked.stderr
    assert "Traceback" not in asked.stdout + asked.stderr
    assert not_asked.returncode == 0


# Loaded with -p, after pytest's own hooks and before ours: a decorator without `wrapper`, as below pluggy 1.2.
OLD_PLUGGY = """
import pluggy

new = pluggy.HookimplMarker.__call__

def old(self, function=None, hookwrapper=False, optionalhook=False, tryfirst=False, trylast=False):
    return new(self, function, hookwrapper, optionalhook, tryfirst, trylast)

pluggy.HookimplMarker.__call__ = old
pluggy.__version__ = "1.0.0"
"""


@pytest.mark.thorough
@pytest.mark.parametrize(("plugins", "has_hooks"), [(["old_pluggy", "tinygrad_edu"], False), (["tinygrad_edu"], True)])
def test_an_old_pluggy_loads_no_hooks_and_stops_no_suite(tmp_path, plugins, has_hooks):
    (tmp_path / "old_pluggy.py").write_text(OLD_PLUGGY)
    (tmp_path / "test_it.py").write_text(
        "def test_it(pytestconfig):\n"
        "    plugins = pytestconfig.pluginmanager\n"
        "    assert plugins.hasplugin('tinygrad_edu')\n"
        f"    assert plugins.hasplugin('_tinygrad_edu_plugins.pytest_hooks') is {has_hooks}\n"
    )
    # Other installed plugins may need a new pluggy; -p loads an entry point by its name.
    loaded = run(tmp_path, *(f"-p{plugin}" for plugin in plugins), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    assert "1 passed" in loaded.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("first", thorough(["hypothesis", "tinygrad_edu"], quick=["hypothesis"]))
def test_the_import_of_hypothesis_imports_nothing_of_ours_and_still_knows_tensors(first):
    program = f"""
import sys, {first}
assert ("tinygrad_edu" in sys.modules) == ("numpy" in sys.modules) == ({first!r} == "tinygrad_edu")
import hypothesis, tinygrad_edu
from hypothesis import find, strategies as st
assert find(st.from_type(tinygrad_edu.Tensor), lambda t: True) is not None
"""
    subprocess.run([sys.executable, "-c", program], check=True)


INCONCLUSIVE = """
import unittest
import numpy as np, pytest
from hypothesis import given, settings, strategies as st
from tinygrad_edu.testing import check_gradient

mostly_a_jump = given(st.sampled_from([0.0, 0.0, 0.0, 1.0]), st.integers())

def look(x):
    check_gradient(np.sign, np.zeros_like, x)

@mostly_a_jump
def test_mostly_at_the_jump(x, _):
    look(x)

@pytest.mark.tinygrad_edu_max_inconclusive(0.95)
@mostly_a_jump
def test_which_is_meant(x, _):
    look(x)

class TestOld(unittest.TestCase):
    @mostly_a_jump
    def test_mostly_at_the_jump(self, x, _):
        look(x)

    def test_its_own_failure(self):
        mostly_a_jump(lambda x, _: look(x))()
        self.fail("of its own")

def test_its_own_failure():
    mostly_a_jump(lambda x, _: look(x))()
    raise RuntimeError("of its own, too")
"""


@pytest.mark.thorough
def test_a_test_of_too_many_inconclusive_examples_fails_and_masks_no_other_failure(tmp_path):
    (tmp_path / "test_it.py").write_text(INCONCLUSIVE)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntinygrad_edu_max_inconclusive = 0.6\naddopts = --strict-markers\n")
    (tmp_path / "conftest.py").write_text(
        "from hypothesis import HealthCheck, settings\n"
        "settings.register_profile('theirs', suppress_health_check=list(HealthCheck), derandomize=True,\n"
        "    max_examples=5)\n"
        "settings.load_profile('theirs')\n"
    )
    out = run(tmp_path).stdout
    assert "4 failed, 1 passed" in out
    assert out.count("were inconclusive, more than the limit of 0.6.") == 2
    assert "AssertionError: of its own" in out
    assert "RuntimeError: of its own, too" in out


def outcome(folder, name, configuration, test="def test_it():\n    pass\n"):
    """Return the exit code and the output of a run with one configuration file and one test."""
    (folder / name).write_text(configuration)
    (folder / "test_it.py").write_text(test)
    result = run(folder)
    return result.returncode, result.stdout + result.stderr


PASSED, FAILED, USAGE_ERROR = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
KEY = "tinygrad_edu_max_inconclusive"
VALUES = ["0", "1", "0.25", "half", "", "1.5", "-0.1", "nan", "inf", "50%"]


@pytest.mark.thorough
@pytest.mark.parametrize("value", thorough(VALUES, quick=["0.25", "half", "1.5"]))
def test_the_limit_of_the_configuration_is_a_number_from_0_to_1(tmp_path, value):
    code, out = outcome(tmp_path, "pytest.ini", f"[pytest]\n{KEY} = {value}\n")
    if value in ("0", "1", "0.25"):
        assert code == PASSED, out
    else:
        assert code == USAGE_ERROR
        assert re.search(f"ERROR: {KEY} in the configuration must be a number from 0 to 1: .*{re.escape(value)}", out)
        assert "Traceback" not in out


@pytest.mark.parametrize("value", thorough(["0.25", "1"]))
@pytest.mark.parametrize("table", ["pytest", "pytest.ini_options"])
def test_the_limit_may_be_a_number_in_toml(tmp_path, table, value):
    code, out = outcome(tmp_path, "pyproject.toml", f"[tool.{table}]\n{KEY} = {value}\n")
    assert code == PASSED, out


# The arguments of a mark, and how the error of a wrong one shows them.
MARKS = {
    "0": "", "limit=1": "", "": "nothing", "1.5": "(1.5,)", "'half'": "('half',)", "None": "(None,)",
    "0.5, 0.6": "(0.5, 0.6)", "part=1": "{'part': 1}",
}  # fmt: skip


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """Run a test with each mark, and return the output."""
    tests = (
        f"@pytest.mark.tinygrad_edu_max_inconclusive({arguments})\ndef test_{k}():\n    print('{k} ran')\n"
        for k, arguments in enumerate(MARKS)
    )
    code, out = outcome(
        tmp_path_factory.mktemp("marked"), "pytest.ini", "[pytest]\naddopts = --strict-markers -rA\n",
        "import pytest\n" + "".join(tests),
    )  # fmt: skip
    assert code == FAILED
    return out


@pytest.mark.parametrize("arguments", MARKS)
def test_the_limit_of_a_mark_is_a_number_from_0_to_1(marked, arguments):
    k, given = list(MARKS).index(arguments), MARKS[arguments]
    assert f"{'FAILED' if given else 'PASSED'} test_it.py::test_{k}" in marked
    assert (f"{k} ran" in marked) == (not given)
    said = f"@pytest.mark.{KEY} of test_it.py::test_{k} must have a number from 0 to 1, got {given}."
    assert (said in marked) == bool(given)


WRONG = """
import numpy as np, tinygrad_edu as tg
from hypothesis import Phase, given, settings
from tinygrad_edu.testing import check_gradient, check_op, check_vjp
from tinygrad_edu.testing.strategies import arrays

@tg.op
def cube(x):
    return x**3

cube.vjps(x=lambda g, x: g * x)

@settings(database=None, phases=[Phase.generate])
@given(arrays((2,), low=1.0))
def test_drawn(x):
    check_vjp(cube, x)

def test_plain():
    check_op(cube, np.full(2, 3.0), reference=np.square)

def test_gradient():
    check_gradient(np.sin, lambda x, g: np.sin(x) * g, np.ones(3))
"""


@pytest.mark.thorough
def test_a_failure_shows_the_line_of_the_test_and_what_can_be_pasted(tmp_path):
    (tmp_path / "test_it.py").write_text(WRONG)
    out = run(tmp_path).stdout
    assert "3 failed" in out
    for line in ("check_vjp(cube, x)", "check_op(cube, np.full(2", "check_gradient(np.sin, lambda"):
        assert f"\n>       {line}" in out
    assert "tinygrad_edu/testing/" not in out
    pasted = [part.split("\n_____")[0].split("\n=====")[0] for part in re.split(r"-+ To reproduce -+\n", out)[1:]]
    assert len(pasted) == 3
    again = subprocess.run([sys.executable, "-c", pasted[0]], capture_output=True, text=True, check=False).stderr
    assert re.search(r"\.GradientMismatch: (.*)", again)[1] in out


EXPLAINED = """
import numpy as np
from hypothesis import given, settings, strategies as st
from tinygrad_edu.testing import check_gradient

def wrong(x, g):
    return g * np.sin(x) if x > 3 else g * np.cos(x)

@settings(database=None)
@given(st.integers(0, 5))
def test_check(x):
    check_gradient(np.sin, wrong, float(x))

@settings(database=None)
@given(st.integers(0, 5))
def test_other(x):
    y = 2
    if x > 3:
        y = 3
    assert y == 2
"""


@pytest.mark.thorough
def test_hypothesis_explains_failures_of_other_assertions_only(tmp_path):
    (tmp_path / "test_it.py").write_text(EXPLAINED)
    check, other = run(tmp_path).stdout.split("___ test_other ___")
    assert "GradientMismatch: sin: the gradient of x is wrong" in check
    assert "Explanation" not in check
    assert "tinygrad_edu/testing" not in check
    assert re.search("Explanation:\n.*These lines were always and only run by failing test cases:\n.*test_it.py", other)


@pytest.mark.slow
def test_the_whole_trace_is_there_when_it_is_asked_for(tmp_path):
    (tmp_path / "test_it.py").write_text(WRONG)
    out = run(tmp_path, "--full-trace", "--show-capture=no", "-k", "gradient").stdout
    assert "tinygrad_edu/testing/decision.py" in out
    assert re.search(r"\nE +check_gradient\(f, grad, x\)\n", out)


REPORTED = """
import numpy as np, pytest, tinygrad_edu as tg
from hypothesis import Phase, given, settings
from tinygrad_edu.testing import check_gradient, check_vjp
from tinygrad_edu.testing.strategies import arrays

@settings(max_examples=20, deadline=None, database=None)
@given(arrays((2,), low=0.0, layouts=False))
def test_drawn(x):
    check_vjp(tg.relu, x)

@settings(max_examples=20, deadline=None, database=None, phases=[Phase.generate, Phase.shrink])
@given(arrays((2,), low=1.0))
def test_wrong(x):
    check_gradient(np.square, lambda x, g: g * x, x)

def test_jump():
    check_gradient(np.sign, lambda x, g: 0 * g, np.zeros(2))

def test_expected():
    with pytest.raises(AssertionError):
        check_gradient(np.square, lambda x, g: g * x, np.ones(2))

@pytest.fixture
def checked():
    check_gradient(np.sin, lambda x, g: -g * np.cos(x), np.ones(2))

def test_of_a_fixture(checked):
    pass

def test_without_a_check():
    pass
"""


@functools.cache
def reported(*options):
    """Return the report of a run as JSON, its output, and its XML for JUnit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_it.py").write_text(REPORTED)
        path = folder / "new" / "report.json"
        out = run(folder, *options, f"{REPORT}={path}", "--junitxml", "junit.xml").stdout
        assert "3 failed, 2 passed, 1 error" in out or "2 failed, 3 passed, 1 error" in out, out
        return json.loads(path.read_text("utf-8")), out, (folder / "junit.xml").read_text("utf-8")


@pytest.mark.thorough
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_report_has_the_checks_of_each_test(processes):
    run, out, _ = reported("-n", processes)
    checks = {test["test"].partition("::")[2]: test["checks"][0] for test in run["tests"]}
    assert {name: check["status"] for name, check in checks.items()} == {
        "test_wrong": "wrong", "test_of_a_fixture": "wrong", "test_jump": "inconclusive", "test_expected": "wrong",
        "test_drawn": "right",
    }  # fmt: skip
    assert [test["outcome"] for test in run["tests"]] == ["failed"] * 3 + ["passed"] * 2
    assert run["failed"] == 3
    drawn, wrong = checks["test_drawn"], checks["test_wrong"]
    assert drawn["counts"]["right"] == 20
    assert drawn["inconclusive"] == drawn["counts"]["inconclusive"] / sum(drawn["counts"].values()) > 0
    assert {"slope", "slope, derivative 2"} == {law["law"] for law in drawn["laws"]}
    assert 0 < sum(law["seconds"] for law in drawn["laws"]) == pytest.approx(drawn["seconds"])
    assert "np.array([1.0, 1.0])" in wrong["code"]  # the smallest example of Hypothesis, not the first
    assert subprocess.run([sys.executable, "-c", wrong["code"]], capture_output=True, check=False).returncode == 1
    assert "gradient of x is wrong" in wrong["message"]
    assert "To reproduce" not in wrong["message"]
    assert f"report of the gradient checks: {os.sep}" in out


@pytest.mark.thorough
def test_junit_has_the_checks_as_properties():
    tree = ElementTree.fromstring(reported("-n", "0")[2])
    names = ("checks", "wrong", "inconclusive", "laws")
    found = {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in tree.iter("testcase")
    }
    values = {name: [properties.get(f"tinygrad_edu.{key}") for key in names] for name, properties in found.items()}
    assert values["test_jump"][:3] == ["1", "0", "1"]
    assert values["test_expected"] == values["test_of_a_fixture"]
    assert values["test_expected"][:3] == ["1", "1", "0"]
    assert all("slope" in values[name][3].split("; ") for name in ("test_jump", "test_expected"))
    assert values["test_without_a_check"] == [None] * 4
    assert sorted(values["test_drawn"][3].split("; ")) == ["slope", "slope, derivative 2"]


@pytest.mark.thorough
@pytest.mark.parametrize("path", ["report.txt", "report", "test_it.py/report.json"])
def test_a_report_that_cannot_be_written_stops_the_run_at_once(tmp_path, path):
    (tmp_path / "test_it.py").write_text("def test_it():\n    print('it ran')\n")
    result = run(tmp_path, f"{REPORT}={path}")
    assert result.returncode == USAGE_ERROR
    assert f"{REPORT}: " in result.stderr
    assert "it ran" not in result.stdout
