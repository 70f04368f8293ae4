"""Sweeps: real programs with many seeds and options, their tables and picture; stopped, killed and resumed."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from statistics import fmean, stdev

import pytest
from matplotlib.image import imread

from models import sweep
from models.__main__ import programs
from models.shared import spread
from models.shared.groups import missing_group
from models.shared.trials import Trial, folder_of
from tests.models.test_trials import read, running, wait_until
from tinygrad_edu.errors.extras import missing_extra

PROJECT = Path(__file__).parents[2]
MPIEXEC = Path(sys.executable).with_name("mpiexec")


def swept(folder, *options, before=(), **environment):
    """Run a sweep of a tiny job to its end, and return the process."""
    return subprocess.run(
        [*before, *command(folder, *options)], cwd=PROJECT, env=os.environ | environment,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def command(folder, *options, epochs=("--epochs", "1")):
    return [sys.executable, "-m", "models.sweep", "pinn", *epochs, "--output", str(folder), *options]


def records(folder):
    return {path.parent.name: path for path in sorted(folder.glob("trials/*/trial.json"))}


def metric(path):
    return json.loads(path.read_text())["value"]["greatest_error"]


def table(folder, name="table.csv"):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


NOT_TRAINING = {"mnist_by_hand", "predict", "seven_findings", "sweep"}
GRID = ["--seeds", "2", "--grid", "learning_rate=0.01,1e-3"]
NAMES = [f"program=pinn,epochs=1,learning_rate={rate},seed={seed}" for rate in ("0.001", "0.01") for seed in (0, 1)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Run a sweep on processes, and return it and the folder of its results."""
    folder = tmp_path_factory.mktemp("sweep") / "a b"
    ran = swept(folder, *GRID)
    assert ran.returncode == 0, ran.stderr
    return ran, folder


@pytest.mark.thorough
def test_each_setting_is_a_row_with_the_mean_and_the_spread_of_what_its_trials_saved(undisturbed):
    ran, folder = undisturbed
    assert list(records(folder)) == NAMES
    assert [row["learning_rate"] for row in table(folder)] == ["0.01", "0.001"]
    for row in table(folder):
        saved = folder.glob(f"trials/*,learning_rate={row['learning_rate']},seed=*/summary.json")
        errors = [json.loads(path.read_text())["greatest_error"] for path in saved]
        assert (row["trials"], row["failed"]) == ("2", "0")
        assert float(row["greatest_error_mean"]) == pytest.approx(fmean(errors), rel=1e-12)
        assert float(row["greatest_error_std"]) == pytest.approx(stdev(errors), rel=1e-12)
        assert spread.shown("greatest_error", errors) in ran.stdout
        assert f"| {row['learning_rate']} | 2 | {spread.shown('greatest_error', errors)} |" in read(folder / "table.md")
    assert [row["seed"] for row in table(folder, "trials.csv")] == ["0", "1", "0", "1"]
    assert imread(folder / "spread.png").std() > 0.05
    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == [f"trial {k}/4" for k in range(1, 5)]
    assert ran.stdout.endswith(f"done: 4 of 4 trials -> {folder}\n")


@pytest.mark.thorough
def test_a_trial_is_the_program_itself_to_the_last_bit(undisturbed, tmp_path):
    options = ["--epochs", "1", "--learning-rate", "0.001", "--seed", "1", "--output", tmp_path]
    subprocess.run([sys.executable, "-m", "models.pinn", *options], cwd=PROJECT, check=True, capture_output=True)
    alone, trial = (json.loads((folder / "summary.json").read_text()) for folder in (tmp_path, place(undisturbed)))
    assert alone["files"]["model.safetensors"] == trial["files"]["model.safetensors"]


def place(undisturbed):
    return undisturbed[1] / "trials" / NAMES[1]


@pytest.mark.thorough
def test_one_that_fails_is_counted_with_its_reason_and_the_others_go_on(tmp_path):
    ran = swept(tmp_path, "--grid", "learning_rate=1e30,0.01", "--quiet")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout == f"done: 2 of 2 trials, 1 failed -> {tmp_path}\n"
    assert [(row["trials"], row["failed"]) for row in table(tmp_path)] == [("0", "1"), ("1", "0")]
    failed, done = table(tmp_path, "trials.csv")
    assert failed["reason"].startswith("diverged: ")
    assert (failed["greatest_error"], done["reason"]) == ("", "")
    assert "diverged" in read(tmp_path / "trials" / "program=pinn,epochs=1,learning_rate=1e+30,seed=0" / "log.txt")
    assert "| learning rate | trials | failed |" in read(tmp_path / "table.md")


TWO, LONG = ["--grid", "epochs=1,2000"], "trials/program=pinn,epochs=2000,seed=0"


def begun(folder, *before):
    """Start a sweep with a short first trial and a long second one; return it once the second one runs."""
    process = subprocess.Popen(
        [*before, *command(folder, *TWO, epochs=())], cwd=PROJECT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: records(folder) and "epoch 3/2000" in read(folder / LONG / "log.txt"))
    return process


RANKS = [MPIEXEC, "-n", "3"]


@pytest.mark.thorough
@pytest.mark.parametrize(("before", "number"), [([], signal.SIGINT), ([], signal.SIGTERM), (RANKS, signal.SIGINT)])
def test_a_sweep_that_is_stopped_keeps_what_is_over_and_ends_what_runs(before, number, tmp_path):
    with begun(tmp_path, *before) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out.endswith(f"stopped: 1 of 2 trials; run the same command to continue -> {tmp_path}\n")
    wait_until(lambda: not running(str(tmp_path)))
    assert list(records(tmp_path)) == ["program=pinn,epochs=1,seed=0"]
    assert [row["epochs"] for row in table(tmp_path)] == ["1"]


@pytest.mark.thorough
def test_a_sweep_that_is_killed_leaves_nothing_running_and_goes_on_to_the_same_numbers(undisturbed, tmp_path):
    with subprocess.Popen(command(tmp_path, *GRID), cwd=PROJECT, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: records(tmp_path))
        process.kill()
    wait_until(lambda: not running(str(tmp_path)))
    assert 0 < len(records(tmp_path)) < 4
    ran = swept(tmp_path, *GRID)
    assert ran.returncode == 0
    assert "trials are already done" in ran.stderr
    assert {name: metric(path) for name, path in records(tmp_path).items()} == {
        name: metric(records(undisturbed[1])[name]) for name in NAMES
    }


@pytest.mark.thorough
def test_a_trial_that_is_killed_fails_alone_and_goes_on_after_its_checkpoint(tmp_path):
    with begun(tmp_path) as process:
        folder = tmp_path / LONG
        wait_until(lambda: any(folder.glob("checkpoints/checkpoint-*")))
        for child in running(f"--output={folder}"):
            os.kill(child, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "epochs 2000, seed 0: failed: killed by SIGKILL" in err
    assert out.endswith(f"done: 2 of 2 trials, 1 failed -> {tmp_path}\n")
    with subprocess.Popen(process.args, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as again:
        wait_until(lambda: re.match("epoch (?!1/)", read(folder / "log.txt")))
        again.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(("name", "module"), [("mpi", "mpi4py.futures"), ("dask", "distributed"), ("ray", "ray")])
def test_a_missing_package_is_named_with_its_extra_or_group(name, module, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    assert sweep.main(["pinn", "--executor", name, "--output", str(tmp_path)]) == 2
    missing = missing_extra if name == "mpi" else missing_group
    message = missing(f"this executor requires {module}, which is not installed", name)
    assert capsys.readouterr().err == f"models.sweep: {message}\n"


@pytest.mark.parametrize("name", sorted({*programs()} - NOT_TRAINING))
def test_every_program_that_trains_can_be_swept(name):
    planned = sweep.plan(name, ["learning_rate=0.5,0.25"], 2, ["--epochs", "7"])
    assert planned.settings == [
        {"program": name, "epochs": 7, "learning_rate": rate, "seed": seed} for rate in (0.5, 0.25) for seed in (0, 1)
    ]
    assert planned.varied == ["learning_rate"]


def test_options_of_the_default_value_make_no_other_trial():
    def settings(*arguments):
        return [dict(list(setting.items())[1:]) for setting in sweep.plan("pinn", *arguments).settings]

    assert settings([], None, ["--epochs", "300"]) == [{"seed": 0}]
    assert settings([], None, ["--seed", "4"]) == [{"seed": 4}]
    assert settings(["seed=4,7"], None, []) == [{"seed": 4}, {"seed": 7}]


def test_a_trial_is_called_the_same_however_it_is_asked_for():
    asked = [
        sweep.plan("pinn", ["learning_rate=1", "epochs=7"], None, []),
        sweep.plan("pinn", ["epochs=07", "seed=0", "learning-rate=1.0"], None, []),
        sweep.plan("pinn", [], 1, ["--learning-rate", "1e0", "--epochs", "7"]),
    ]
    assert {folder_of(Path(), planned.settings[0]).name for planned in asked} == {
        "program=pinn,epochs=7,learning_rate=1,seed=0"
    }
    (other,) = sweep.plan("spirals", [], 1, ["--learning-rate", "1", "--epochs", "7"]).settings
    assert folder_of(Path(), other).name == "program=spirals,epochs=7,learning_rate=1,seed=0"


# --- On other executors ---


@pytest.mark.thorough
def test_the_ranks_of_an_mpi_job_find_the_same_numbers_and_tell_of_one_that_fails(undisturbed, tmp_path):
    ran = swept(tmp_path, *GRID[:-1], f"{GRID[-1]},1e30", before=RANKS)
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout.endswith(f"\ndone: 6 of 6 trials, 2 failed -> {tmp_path}\n")
    assert len(ran.stderr.splitlines()) == 6
    assert_same(undisturbed, tmp_path)


@pytest.mark.thorough
def test_ranks_that_share_no_trials_are_refused_once(tmp_path):
    ran = swept(tmp_path, "--executor", "processes", before=RANKS)
    assert ran.returncode in (2, 9)  # 9 if mpiexec ended other processes that were about to exit
    assert ran.stderr == "models.sweep: mpiexec started 3 processes, which need the executor mpi: drop --executor.\n"


@pytest.mark.clusters
@pytest.mark.parametrize("name", ["dask", "ray"])
def test_other_workers_find_the_same_numbers(name, undisturbed, tmp_path):
    ran = swept(tmp_path, *GRID, "--executor", name)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stderr.splitlines()) == 4
    assert_same(undisturbed, tmp_path)


def assert_same(undisturbed, folder):
    assert {name: metric(path) for name, path in records(folder).items()} == {
        name: metric(records(undisturbed[1])[name]) for name in NAMES
    }


# --- The table ---


def trials(values, **setting):
    return [Trial({**setting, "seed": seed}, {"loss": value}, "", 1.0) for seed, value in enumerate(values)]


def test_a_number_that_is_none_is_not_left_out_of_the_mean(tmp_path):
    rows = spread.rows(trials([1.0, None], a=1) + trials([2.0], a=2))
    assert spread.columns(rows, ["a"])["loss"] == ["nan", "2"]
    spread.write_table(tmp_path, rows, ["a"])
    assert [row["loss_mean"] for row in table(tmp_path)] == ["", "2.0"]


@pytest.mark.parametrize("setting", [{}, {"a": 1.5}, {"recipe": "tuned", "data": "x/y.npz"}])
@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [None, 1.0]])
def test_whatever_there_is_can_be_drawn(setting, values, tmp_path):
    found = [*trials(values, **setting), Trial({**setting, "seed": 9}, reason="killed")]
    spread.draw(tmp_path / "spread.png", spread.rows(found), list(setting))
    assert imread(tmp_path / "spread.png").shape[2] == 4
