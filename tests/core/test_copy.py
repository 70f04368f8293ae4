"""The command that prints the core, and copies it: the copy passes its suite, trains, and mentions no other package."""

import os
import re
import subprocess
import sys

import pytest

from tinygrad_edu import core_copy
from tinygrad_edu.core_copy import CORE, copy, main


def test_the_command_prints_the_files_in_the_order_of_reading(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    files = re.findall(r"^# --- tinygrad_edu/core/(\w+\.py) -+$", printed, re.MULTILINE)
    assert files == [file.name for file in core_copy.reading_order()]
    assert files[:3] == ["__init__.py", "engine.py", "operators.py"]
    assert {*files} == {file.name for file in CORE.glob("*.py")} - {"__main__.py"}
    assert all(file.read_text() in printed for file in core_copy.reading_order())


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Return a folder with a copy that has the name of the folder."""
    folder = tmp_path_factory.mktemp("course") / "micro"
    assert main(["--copy", str(folder)]) == 0
    return folder


def run(folder, *command):
    """Run Python in a folder, without plugins of pytest. Return its output."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.thorough
def test_a_copy_passes_its_suite(copied):
    assert re.search(r"^\d{3} passed", run(copied, "-m", "pytest", "-q"), re.MULTILINE)


@pytest.mark.thorough
def test_a_copy_trains(copied):
    printed = run(copied, "train.py", "1")
    assert float(re.fullmatch(r"epoch 1: loss \d\.\d{3}, accuracy (\d\.\d{3})\n", printed)[1]) > 0.6


def test_a_copy_mentions_only_itself(copied):
    files = [file for file in copied.rglob("*") if file.suffix in (".py", ".md", ".toml", ".txt")]
    for file in files:
        text = file.read_text(encoding="utf-8").replace("the tinygrad_edu maintainers", "")  # of the licence
        assert "tinygrad_edu" not in text, file
        assert str(CORE.parent.parent) not in text, file
        assert "\n..." not in text, file


def test_a_copy_has_the_errors_that_the_core_raises(copied):
    errors = (copied / "micro" / "errors.py").read_text()
    defined = re.findall(r"^class (\w+)", errors, re.MULTILINE)
    code = "".join(file.read_text() for file in (copied / "micro").glob("*.py") if file.name != "errors.py")
    bases = {"TinygradError"}
    assert all(name in code for name in {*defined} - bases)
    assert errors.count('"""') == 2 * len(defined) + 2


def test_a_copy_has_the_licence_of_the_project(copied):
    licence = (CORE.parent.parent / "LICENSE").read_text().partition("---")[0]
    assert (copied / "LICENSE.txt").read_text().startswith(licence)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my-core", "'my-core' cannot be imported as a package. Choose a name such as my_engine, with --name."),
        ("class", "'class' cannot be imported"),
        ("1st", "'1st' cannot be imported"),
        ("kérn", "'kérn' cannot be imported"),
        ("a.b", "'a.b' cannot be imported"),
        ("_", "'_' cannot be imported"),
        ("numpy", "numpy is the name of another package. Choose another one, with --name."),
        ("heapq", "heapq is the name of another package."),
    ],
)
def test_a_name_that_is_none_is_refused(tmp_path, capsys, name, message):
    for arguments in (["--copy", str(tmp_path / name)], ["--copy", str(tmp_path / "micro"), "--name", name]):
        with pytest.raises(SystemExit):
            main(arguments)
        assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_folder_with_files_is_refused(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    for folder, message in ((tmp_path, "is not empty"), (tmp_path / "notes.txt", "is a file")):
        with pytest.raises(SystemExit):
            main(["--copy", str(folder), "--name", "micro"])
        assert f"{folder} {message}. Choose a new or an empty folder." in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_name_without_a_copy_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--name", "micro"])
    assert "--name is the name of a copy" in capsys.readouterr().err


@pytest.mark.thorough
def test_the_name_may_differ_from_that_of_the_folder(tmp_path):
    folder = tmp_path / "my-course"
    copy(folder, "core")
    others = {"train.py", "mnist_embedded.npz", "README.md", "LICENSE.txt", "MNIST_LICENSE.md", "pyproject.toml"}
    assert {file.name for file in folder.iterdir()} == {"core", "test_core.py", *others}
    assert run(folder, "-c", "import core; print(core.Tensor(1.0))") == "Tensor(1.)\n"
