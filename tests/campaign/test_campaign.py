"""Tests of the campaign: a short run of each part, and detection of planted faults."""

import csv
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from models.shared import report, results
from tinygrad_edu import data
from tinygrad_edu.errors import DataError
from tools.campaign import files, forks, kills, programs

PROJECT = Path(__file__).parents[2]
PROGRAMS = "0 silent wrong gradients, 0 other failures"
FORKS = "0 hangs, 0 other failures"
FILES = "0 wrong data, 0 obscure errors"
KILLS = "0 mixtures, 0 broken files, 0 tracebacks, 0 other failures"


@pytest.mark.parametrize(
    ("options", "zeros"),
    [
        ("programs --count 20 --processes 1", PROGRAMS),
        pytest.param("programs --count 100 --processes 1", PROGRAMS, marks=pytest.mark.thorough),
        pytest.param("numbers --count 200 --processes 1", "0 differences", marks=pytest.mark.thorough),
        pytest.param("forks --count 20", FORKS, marks=pytest.mark.thorough),
        pytest.param("files --count 1000", FILES, marks=pytest.mark.thorough),
        pytest.param("kills --count 2 --processes 1", KILLS, marks=pytest.mark.thorough),
    ],
)
def test_nothing_is_found(options, zeros):
    command = [sys.executable, "-m", "tools.campaign", *options.split()]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (zeros in run.stdout, run.returncode, run.stderr) == (True, 0, ""), run.stdout


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        ("checks", "valid_saved", lambda node: node.saved),
        ("engine", "unbroadcast", lambda g, shape: np.broadcast_to(g.mean(), shape).copy()),
        ("checks", "unchanged", lambda where, argument, tensor: None),
    ],
)
def test_a_broken_engine_is_found(module, name, broken, monkeypatch):
    monkeypatch.setattr(import_module(f"tinygrad_edu.core.{module}"), name, broken)
    figures, failed = programs.play_all(range(100))
    assert figures["silent wrong gradients"]
    assert all(line.startswith("seed ") for line in failed)


def write_set(folder, epochs=1):
    weights = {"w": files.WEIGHTS["w"] * epochs}
    for name in (results.WEIGHTS, "best.safetensors"):
        report.write_weights(folder / name, weights)
    with (folder / "history.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["epoch"], *([k] for k in range(epochs))])


@pytest.fixture
def place(tmp_path):
    """A folder with a new set of results after an old one, and the old summary's files."""
    folder = tmp_path / "results"
    results.save(folder, write_set, {"epochs": 1})
    (folder / kills.NOTES).write_text("ours")
    old = results.read_summary(folder)["files"]
    (tmp_path / "old").mkdir()
    write_set(tmp_path / "old")
    results.save(folder, lambda staged: write_set(staged, 2), {"epochs": 2})
    return folder, old


def faults(folder, old):
    return {kind for kind, _ in kills.folder_faults(folder, old)}


def test_a_whole_set_has_no_fault(place):
    assert faults(*place) == set()


@pytest.mark.parametrize("name", [results.WEIGHTS, "best.safetensors", "history.csv"])
def test_a_mixture_and_a_broken_file_are_found(place, name):
    folder, old = place
    (folder / name).write_bytes((folder.parent / "old" / name).read_bytes())
    assert "mixtures" in faults(folder, old)
    (folder / name).write_bytes(b"epoch\n1\n")
    assert "broken files" in faults(folder, old)
    (folder / name).unlink()
    if name != "history.csv":
        assert "mixtures" in faults(folder, old)


@pytest.mark.parametrize(
    ("load", "result"),
    [
        (lambda path: data.load_embedded(), "wrong data"),
        (lambda path: {}["x_train"], "obscure errors"),
        (lambda path: (_ for _ in ()).throw(DataError("a name: \x1b[31m")), "obscure errors"),
        (lambda path: (_ for _ in ()).throw(DataError("the file may be\n damaged")), "refused"),
    ],
)
def test_a_reader_that_takes_too_much_or_says_too_little_is_found(load, result, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "load_file", load)
    assert files.judge(tmp_path, archive=b"", right=files.digits)[0] == result


@pytest.mark.parametrize(
    ("is_right", "result"),
    [
        (signal.pause, "hangs"),
        (lambda: False, "other failures"),
        (lambda: 1 / 0, "other failures"),
        (lambda: True, "right"),
    ],
)
@pytest.mark.filterwarnings("ignore:os.fork", "ignore::pytest.PytestUnraisableExceptionWarning")  # JAX's, if installed
def test_a_child_that_hangs_or_fails_is_found(is_right, result, monkeypatch):
    monkeypatch.setattr(forks, "LONGEST", 1)
    monkeypatch.setattr(forks, "is_right", is_right)
    assert forks.outcome(forks.fork()) == result
