"""The checks of a release's files, and its notes."""

from zipfile import ZipFile

import pytest

from tools.project import pyproject, version
from tools.release_check import expected, faults, first_program
from tools.release_notes import notes

EXTRAS = list(pyproject()["project"]["optional-dependencies"])
INFO = "tinygrad_edu-1.0.dist-info"
LICENSES = [f"{INFO}/licenses/{name}" for name in pyproject()["project"]["license-files"]]
MODULE, LICENSE = "tinygrad_edu/py.typed", LICENSES[1]


@pytest.mark.parametrize(
    ("without", "more", "extras", "fault"),
    [
        ("", [], EXTRAS, None),
        (MODULE, [], EXTRAS, f"{MODULE} is missing in the wheel."),
        (LICENSE, [], EXTRAS, f"{LICENSE} is missing in the wheel."),
        ("", ["tests/test_project.py"], EXTRAS, "tests/test_project.py does not belong in the wheel."),
        (
            "",
            ["tinygrad_edu/__pycache__/a"],
            EXTRAS,
            "tinygrad_edu/__pycache__/a does not belong in the wheel.",
        ),
        ("", [], EXTRAS[1:], f"The extra {EXTRAS[0]} is not in both the wheel and pyproject.toml."),
        ("", [], [*EXTRAS, "models"], "The extra models is not in both the wheel and pyproject.toml."),
    ],
)
def test_each_fault_of_a_wheel_is_found(without, more, extras, fault, tmp_path):
    with ZipFile(tmp_path / "a.whl", "w") as wheel:
        for name in ({*expected(), *LICENSES} - {without}) | {*more}:
            wheel.writestr(name, "")
        wheel.writestr(f"{INFO}/METADATA", "".join(f"Provides-Extra: {extra}\n" for extra in extras))
    assert faults(tmp_path / "a.whl") == ([fault] if fault else [])


def test_the_wheel_has_the_lessons_the_data_and_the_types():
    suffixes = {name.rpartition(".")[2] for name in expected()}
    assert {"py", "pyi", "typed", "md", "txt", "toml", "png", "npz", "html", "css", "js"} == suffixes


def test_the_first_program_is_a_whole_program():
    assert "import tinygrad_edu as tg" in first_program()
    compile(first_program(), "first.py", "exec")


def test_the_notes_are_the_section_of_the_tag():
    changelog = f"# Changelog\n\n## Unreleased\n\nNew.\n\n## {version()}\n\n### Added\n\n- One.\n\n## 0.0.1\n\nOld.\n"
    assert notes(f"v{version()}", changelog) == "### Added\n\n- One."
    with pytest.raises(ValueError, match=r"the tag v0\.0\.1 is not v"):
        notes("v0.0.1", changelog)
    with pytest.raises(ValueError, match=f"CHANGELOG.md has no section {version()}"):
        notes(f"v{version()}", "## Unreleased\n")
