"""The main job on real images, from start to end: accuracy, results and errors."""

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import tinygrad_edu as tg
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


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Run the default job once."""
    folder = tmp_path_factory.mktemp("full")
    result = job("--output", folder)
    assert result.returncode == 0, result.stderr
    return folder, result


@pytest.mark.thorough
def test_the_default_job_classifies_96_2_percent_of_the_test_images_and_is_calibrated(full):
    folder, result = full
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["test_accuracy"] >= 0.962
    assert summary["train_accuracy"] >= 0.98
    assert summary["test_cross_entropy"] <= 0.13
    losses = [float(row["loss"]) for row in history(folder)]
    assert max(losses) == losses[0] > 3 * losses[-1]
    assert summary["epochs"] == len(losses) == 90
    assert len(result.stdout.splitlines()) == 1
    assert str(summary["test_accuracy"]) in result.stdout
    assert result.stderr == ""


@pytest.mark.thorough
def test_the_summary_says_how_it_was_made(full):
    summary = json.loads((full[0] / "summary.json").read_text())
    assert summary.keys() == {
        "end", "reason", "test_accuracy", "test_cross_entropy", "train_accuracy", "train_cross_entropy",
        "test_calibration", "test_calibration_error", "epochs", "model_epoch", "best_epoch", "seconds",
        "step_milliseconds", "seed", "options", "command", "versions", "files",
    }  # fmt: skip
    assert (summary["end"], summary["model_epoch"]) == ("done", 90)
    numbers = {"model.safetensors", "best.safetensors", "history.csv"}
    assert summary["files"].keys() == numbers | {*digits.PICTURES}
    assert summary["command"] == f"python -m models.mnist_conv --quiet --output {full[0]}"
    assert summary["versions"]["numpy"] == np.__version__
    assert 0 < summary["step_milliseconds"] < 1000 * summary["seconds"]
    assert summary["options"]["recipe"] == "augmented"
    assert summary["options"]["batch_size"] == 64


@pytest.mark.thorough
def test_the_saved_weights_give_the_accuracy_that_was_reported(full):
    weights = load_file(full[0] / "model.safetensors")
    assert {name: (a.shape, a.dtype) for name, a in weights.items()} == {
        "0.weight": ((16, 1, 3, 3), np.float32),
        "4.weight": ((10, 10816), np.float32),
    }
    model = mnist_conv.build(mnist_conv.RECIPES["augmented"], np.random.default_rng(1))
    model.load_state_dict(weights)
    images = tg.data.load_embedded()
    logits = model.eval()(tg.data.to_float(images.x_test))
    summary = json.loads((full[0] / "summary.json").read_text())
    assert float(np.mean(logits.numpy().argmax(axis=1) == images.y_test)) == summary["test_accuracy"]
    assert summary["test_cross_entropy"] == pytest.approx(tg.cross_entropy(logits, images.y_test).item(), rel=1e-5)
    confidence, accuracy, count = np.array(summary["test_calibration"], float).T
    assert count.sum() == len(images.y_test)
    assert np.nansum(accuracy * count) / count.sum() == pytest.approx(summary["test_accuracy"])
    error = np.nansum(np.abs(confidence - accuracy) * count) / count.sum()
    assert error < 0.03
    assert error == pytest.approx(summary["test_calibration_error"])


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_bits_and_another_gives_others(small, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert job(*small, "--seed", seed, "--output", tmp_path / name).returncode == 0
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    a, b = ([{**row, "seconds": 0} for row in history(tmp_path / name)] for name in "ab")
    assert a == b


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


def stopped(folder, options, number, spoil=lambda process: None):
    """Run a job without end, call a function after its first epoch, and stop the job."""
    command = [*COMMAND, *options, "--epochs", "1000000", "--output", folder]
    # A background job of a shell script ignores Ctrl-C, and so would its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = os.environ | {"TMPDIR": str(folder.parent)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, **pipes) as process:
        signal.signal(signal.SIGINT, before)
        assert process.stderr.readline().startswith(b"epoch 1/")
        spoil(process)
        process.send_signal(number)
        out, err = (stream.decode() for stream in process.communicate(timeout=120))
    lines = err.splitlines(keepends=True)
    return process.returncode, out, "".join(line for line in lines if not line.startswith("epoch "))


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


@pytest.mark.thorough
def test_results_that_cannot_be_saved_in_their_folder_are_saved_elsewhere(small, tmp_path):
    folder = tmp_path / "run"
    code, out, err = stopped(
        folder, small, signal.SIGINT, lambda process: shutil.rmtree(folder) or folder.write_text("mine")
    )
    refuge = next(tmp_path.glob("models.mnist_conv-*"))
    assert code == 1
    assert err == f"models.mnist_conv: cannot save in {folder}: File exists; the weights are in {refuge}.\n"
    assert out.startswith("stopped: ")
    assert out.endswith(f"-> {refuge}\n")
    assert results.read_weights(refuge)
    assert folder.read_text() == "mine"


@pytest.mark.thorough
def test_where_nothing_can_be_saved_one_line_says_so_and_the_old_results_stay(small, tmp_path):
    folder = tmp_path / "run"

    def fill(process):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))

    assert mnist_conv.main([*small, "--output", str(folder)]) == 0

    code, out, err = stopped(folder, small, signal.SIGTERM, fill)
    assert code == 1
    *warned, last = err.splitlines()
    assert last == f"models.mnist_conv: cannot save in {folder}: File too large; nor in a temporary folder."
    for line in warned:  # the run may have been stopped before the next checkpoint
        assert line.startswith(
            f"models.mnist_conv: cannot write a checkpoint to {folder / training.CHECKPOINTS}: File too"
        )
    assert len(warned) <= 1
    assert out.endswith("-> nowhere\n")
    assert results.read_summary(folder)["end"] == "done"
    assert results.read_weights(folder)
