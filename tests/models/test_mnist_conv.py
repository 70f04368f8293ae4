"""The main job on real images, from start to end: accuracy, results and errors."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from models import mnist_conv
from models.shared import digits, report, results, training

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "models.mnist_conv"]


def job(*options: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--quiet", *map(str, options)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.thorough
def test_the_default_job_classifies_96_2_percent_of_the_test_images_is_calibrated_and_says_how_it_was_made(tmp_path):
    result = job("--output", tmp_path)
    assert (result.returncode, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["test_accuracy"] >= 0.962
    assert summary["train_accuracy"] >= 0.98
    assert summary["test_cross_entropy"] <= 0.13
    losses = [float(row["loss"]) for row in history(tmp_path)]
    assert max(losses) == losses[0] > 3 * losses[-1]
    assert summary["epochs"] == summary["model_epoch"] == len(losses) == 90
    confidence, accuracy, count = np.array(summary["test_calibration"], float).T
    assert np.nansum(accuracy * count) / count.sum() == pytest.approx(summary["test_accuracy"])
    error = np.nansum(np.abs(confidence - accuracy) * count) / count.sum()
    assert 0.03 > error == pytest.approx(summary["test_calibration_error"])
    assert summary.keys() == {
        "end", "reason", "test_accuracy", "test_cross_entropy", "train_accuracy", "train_cross_entropy",
        "test_calibration", "test_calibration_error", "epochs", "model_epoch", "best_epoch", "seconds",
        "step_milliseconds", "seed", "options", "command", "versions", "files",
    }  # fmt: skip
    assert summary["files"].keys() == {"model.safetensors", "best.safetensors", "history.csv", *digits.PICTURES}
    assert summary["command"] == f"python -m models.mnist_conv --quiet --output {tmp_path}"
    assert summary["versions"]["numpy"] == np.__version__
    assert 0 < summary["step_milliseconds"] < 1000 * summary["seconds"]
    assert (summary["options"]["recipe"], summary["options"]["batch_size"]) == ("augmented", 64)


@pytest.fixture
def no_pictures(monkeypatch):
    for picture in ("curves", "kernels", "mistakes"):
        monkeypatch.setattr(report, f"draw_{picture}", lambda *about: None)


# Overflow, growth without overflow, and a useless result.
RATES = ["1e38", "1e30", "1e3"]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("rate", RATES)
def test_a_run_that_diverges_is_said_and_saves_its_last_and_best_finite_weights(rate, small, tmp_path, capsys):
    assert mnist_conv.main([*small, "--quiet", "--learning-rate", rate, "--output", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("diverged: the loss ")
    assert "try a smaller --learning-rate" in out
    assert (out.count("\n"), err) == (1, "")
    summary = results.read_summary(tmp_path)
    assert summary["end"] == "diverged"
    assert summary["reason"] in out
    assert ("op linear: result" in out and "Called in layer 4 (Linear) at File " in out) == (rate == "1e38")
    for name in (results.WEIGHTS, training.BEST):
        assert all(np.isfinite(array).all() for array in results.read_weights(tmp_path, name).values())
    assert summary["epochs"] == len(history(tmp_path)) <= 2


@pytest.mark.thorough
@pytest.mark.usefixtures("no_pictures")
def test_a_run_that_diverges_leaves_earlier_results_where_they_are(small, tmp_path, capsys):
    assert mnist_conv.main([*small, "--output", str(tmp_path)]) == 0
    good = (tmp_path / results.WEIGHTS).read_bytes()
    for rate in RATES[:2]:
        assert mnist_conv.main([*small, "--learning-rate", rate, "--output", str(tmp_path)]) == 1
        assert f"-> {tmp_path}/diverged (earlier results in {tmp_path} are kept)" in capsys.readouterr().out
        assert results.read_summary(tmp_path / "diverged")["options"]["learning_rate"] == float(rate)
        assert (tmp_path / results.WEIGHTS).read_bytes() == good
    assert results.read_summary(tmp_path)["end"] == "done"
    assert mnist_conv.main([*small, "--output", str(tmp_path / "diverged")]) == 0  # a good run may replace it
    assert results.read_summary(tmp_path / "diverged")["end"] == "done"


@pytest.fixture
def heard():
    """Let SIGINT act, which a shell ignores in a process that it starts with ``&``."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("no_pictures", "heard")
def test_a_stopped_run_is_resumed_to_the_bits_of_one_that_was_not(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "SECONDS", 0.0)
    options, steps, asked = [*small, "--epochs", "3"], count(), training.stopping.asked

    def interrupted_once():
        if next(steps) == 12:  # in the third epoch
            signal.raise_signal(signal.SIGINT)
        return asked()

    monkeypatch.setattr(training.stopping, "asked", interrupted_once)
    for folder, code in (("resumed", 130), ("whole", 0), ("resumed", 0)):
        resume = ["--resume", "--output", str(tmp_path / folder)]
        assert mnist_conv.main([*options, *resume]) == code
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in err.splitlines()] == ["1/3:", "2/3:", *["1/3:", "2/3:", "3/3:"], "3/3:"]
    assert out.startswith("stopped: ")
    for name in ("model.safetensors", "best.safetensors"):
        assert (tmp_path / "resumed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    a, b = ([{**row, "seconds": 0} for row in history(tmp_path / name)] for name in ("resumed", "whole"))
    assert a == b
    assert [row["epoch"] for row in a] == ["1", "2", "3"]
    for wrong, told in (
        ("--seed", "seed is 0 in the checkpoint, and 7 here"),
        ("--batch-size", "batch_size is 64 in the checkpoint, and 7 here"),
    ):
        assert mnist_conv.main([*options, *resume, wrong, "7"]) == 2
        assert f"its part settings does not match: {told}: use" in capsys.readouterr().err
    assert mnist_conv.main([*options, *resume]) == 0  # a finished run is not trained again
    assert capsys.readouterr().err == ""
    assert mnist_conv.main([*options, "--seed", "1", "--output", str(tmp_path / "other")]) == 0
    whole, other = (results.read_weights(tmp_path / name)["0.weight"] for name in ("whole", "other"))
    assert (whole != other).any()


@pytest.mark.thorough
@pytest.mark.usefixtures("heard")
def test_where_nothing_can_be_saved_one_line_says_so_and_the_old_results_stay(small, tmp_path):
    folder = tmp_path / "run"
    assert mnist_conv.main([*small, "--output", str(folder)]) == 0
    command = [*COMMAND, *small, "--epochs", "1000000", "--output", folder]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, **pipes) as process:
        assert process.stderr.readline().startswith(b"epoch 1/")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        process.send_signal(signal.SIGTERM)
        out, err = (stream.decode() for stream in process.communicate(timeout=120))
    assert process.returncode == 1
    *warned, last = [line for line in err.splitlines() if not line.startswith("epoch ")]
    assert last == f"models.mnist_conv: cannot save in {folder}: File too large; nor in a temporary folder."
    checkpoints = f"models.mnist_conv: cannot write a checkpoint to {folder / training.CHECKPOINTS}: File too"
    assert all(line.startswith(checkpoints) for line in warned)
    assert len(warned) <= 1  # the run may have been stopped before the next checkpoint
    assert out.endswith("-> nowhere\n")
    assert results.read_summary(folder)["end"] == "done"
    assert results.read_weights(folder)
