"""The campaign: a short run of each part finds nothing, and a broken engine is found."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tools.campaign import programs

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
