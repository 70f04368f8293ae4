"""The project's declarations agree: version, extras and groups, addresses, and the versions that CI tests."""

import os
import re
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import settings

import tinygrad_edu as tg
from tinygrad_edu.core_copy import reading_order
from tinygrad_edu.errors import extras
from tools.project import ROOT, pyproject, repository, site

PROJECT = pyproject()["project"]
EXTRAS, GROUPS = PROJECT["optional-dependencies"], pyproject()["dependency-groups"]
WORKFLOWS = ROOT / ".github" / "workflows"


def texts():
    """Yield each file that people read: its name and its text."""
    skipped = {".venv", ".git", "build", "dist", "runs", "site", "node_modules"}
    suffixes = {".cff", ".html", ".js", ".md", ".py", ".pyi", ".toml", ".yml"}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(set(folders) - skipped)  # the walk continues in these
        for path in (Path(folder, name) for name in sorted(files)):
            inside = path.relative_to(ROOT).as_posix()
            if path.suffix in suffixes or inside == ".ci/run":
                yield inside, path.read_text(encoding="utf-8")


TEXTS = dict(texts())
INSTALLATIONS = [
    (name, command)
    for name, text in TEXTS.items()
    if name != "tests/test_project.py"
    for command in re.findall(r"pip install[^\n`]*", text)
]


def test_the_version_is_that_of_the_citation_and_of_the_newest_entry_of_the_changelog():
    assert re.search(r"^version: (.*)$", TEXTS["CITATION.cff"], re.MULTILINE)[1] == tg.__version__
    assert re.search(r"^## (\d.*)$", TEXTS["CHANGELOG.md"], re.MULTILINE)[1] == tg.__version__


def test_no_text_installs_the_name_that_is_not_registered():
    assert len(INSTALLATIONS) > 20
    assert not [each for each in INSTALLATIONS if re.search(r"tinygrad[-_]edu", each[1])]


def test_each_command_names_extras_and_groups_that_exist_in_the_declared_form():
    for name, command in INSTALLATIONS:
        for extra in re.findall(r"\.\[([\w,]+)\]", command):
            assert set(extra.split(",")) <= {*EXTRAS}, (name, command)
            assert extras.INSTALL.format(extra).partition(" pip ")[2] in f"pip {command}".replace(" -q", ""), name
        assert {*re.findall(r"--group (\w+)", command)} <= {*GROUPS}, (name, command)


@pytest.mark.thorough
def test_each_error_names_an_extra_or_a_group_that_exists():
    def named(function):
        calls = chain.from_iterable(re.findall(rf"\b{function}\(([^()]*)\)", text) for text in TEXTS.values())
        return {re.findall(r"\"(\w+)\"", call)[-1] for call in calls if re.search(r"\"\w+\"", call)}

    assert named("missing_group") <= {*GROUPS}
    assert "models" in named("missing_group")
    assert named("(?:missing_extra|remedy)") <= {*EXTRAS}


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_takes_from_the_package_declared_extras_only(name):
    for requirement in filter(lambda each: isinstance(each, str), GROUPS[name]):
        if found := re.fullmatch(r"tinygrad-edu\[(.*)\]", requirement):
            assert set(found[1].split(",")) <= {*EXTRAS}


def test_every_address_of_the_repository_and_of_the_site_is_the_declared_one():
    found = {
        address
        for text in TEXTS.values()
        for address in re.findall(r"https://(?:github\.com|[\w-]+\.github\.io)/[\w/-]*tinygrad[-_]edu\b", text)
    }
    assert found <= {repository(), site().rstrip("/")} - {""}


def test_a_classifier_exists_for_each_python_in_ci():
    tested = re.search(r"python: (\[.*\])", TEXTS[".github/workflows/ci.yml"])[1]
    versions = set(re.findall(r"\"(3\.\d+)\"", tested))
    declared = {each.rpartition(" ")[2] for each in PROJECT["classifiers"] if ":: 3." in each}
    assert declared == versions
    assert PROJECT["requires-python"] == f">={min(versions, key=lambda each: int(each[2:]))}"
    free_threaded = re.findall(r"python-version: \"(3\.\d+)t\"", TEXTS[".github/workflows/ci.yml"])
    assert set(free_threaded) <= versions
    assert bool(free_threaded) == any("Free Threading" in each for each in PROJECT["classifiers"])


def test_actions_have_commits_and_no_address_has_a_token():
    for path in WORKFLOWS.glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        uses = re.findall(r"uses: (.*)", text)
        assert all(re.search(r"@(sha256:)?[0-9a-f]{40,64}( # v[\d.]+)?$", use) for use in uses)
        assert "@github.com" not in text


def test_the_citation_names_the_licences_of_the_package():
    assert re.findall(r"^  - (MIT|CC-.*)$", TEXTS["CITATION.cff"], re.MULTILINE) == PROJECT["license"].split(" AND ")


def test_the_readme_has_the_size_of_the_core_and_of_the_library():
    core, library = (
        [path for path in files if path.suffix == ".py"]
        for files in (reading_order(), (ROOT / "tinygrad_edu").rglob("*.py"))
    )
    found = re.search(
        r"The core: ([\d,]+) lines in (\d+) files; the whole library:\s+([\d,]+) lines in (\d+) files",
        TEXTS["README.md"],
    )
    lines, files, all_lines, all_files = (int(number.replace(",", "")) for number in found.groups())
    assert (lines, files) == (sum(map(lines_of, core)), len(core))
    assert all_lines == pytest.approx(sum(map(lines_of, library)), rel=0.05)
    assert all_files == pytest.approx(len(library), rel=0.05)


def lines_of(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_ci_runs_the_oldest_numpy_that_the_package_accepts():
    (numpy,) = PROJECT["dependencies"]
    assert f'"numpy=={numpy.removeprefix("numpy>=")}.*"' in TEXTS[".github/workflows/ci.yml"]


def test_the_quick_suite_draws_the_same_examples_in_every_run(pytestconfig):
    quick = "not thorough" in pytestconfig.option.markexpr
    assert settings.get_profile("quick").derandomize
    assert settings.default.derandomize or not quick or pytestconfig.option.tinygrad_edu_gradients == "nightly"


def test_ci_draws_more_examples_and_runs_the_thorough_tests():
    workflow = TEXTS[".github/workflows/ci.yml"]
    assert "python -m pytest --hypothesis-seed=0 --tinygrad-edu-gradients dev -m thorough\n" in workflow  # with Keras
    assert workflow.count("python -m pytest --tinygrad-edu-gradients ci\n") == 2
    assert workflow.count("python -m pytest --tinygrad-edu-gradients dev -m thorough\n") == 2  # `ci` draws nothing new


def test_ci_runs_plain_mode_and_the_script_a_part_of_it():
    plain, script = TEXTS[".github/workflows/ci.yml"].partition("\n  plain:\n")[2], TEXTS[".ci/run"]
    for folder in ("core", "engine", "nn", "ops", "optim", "transforms"):
        assert re.search(rf"-m pytest .*\btests/{folder}\b", plain)
    assert re.search(r"_PLAIN=1 \S+ -m pytest tests/core tests/engine tests/ops/test_torch_table.py", script)
