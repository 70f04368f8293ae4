"""Results of a training with any metrics: scalars, arrays, nested values, or no numbers at all."""

import csv
import errno
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.shared import board, options, results, training
from models.shared.groups import missing_group
from tinygrad_edu import data, nn, optim
from tinygrad_edu.errors import DataError
from tinygrad_edu.shared.files import folder_lock
from tinygrad_edu.training import Accuracy, ConfusionMatrix, Epoch, Metric, fit

PROJECT = Path(__file__).parents[2]
X = np.random.default_rng(1).normal(size=(40, 2)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(int)


class Nothing(Metric):
    """A metric with a given value."""

    def __init__(self, found):
        self.found = found

    def sums(self, outputs, targets):
        return np.zeros(1)

    def value(self, sums):
        return self.found


ODD = {
    "nan": (float("nan"), None),
    "by_class": (np.array([0.5, np.nan], np.float32), [0.5, None]),
    "nest": ({"a": (np.float32(0.25), np.int64(3)), 1: np.bool_(True)}, {"a": [0.25, 3], "1": True}),
    "word": ("yes", "yes"),
    "nothing": (None, None),
    "empty": (np.zeros((0, 2)), []),
}


def run(tmp_path, *more, epochs=4, draw=lambda folder, outcome: None, figures=dict, judge=None, **settings):
    """Train a line with the shared program, and return its exit code. `judge` returns the loss at the end."""
    parser = options.training_parser("models.test", None, epochs, 0.5)
    given = parser.parse_args(["--output", str(tmp_path), *more])

    def prepare(given):
        rng = np.random.default_rng(given.seed)
        model = nn.Linear(2, 2, rng=rng)
        loader = data.DataLoader(X, Y, batch_size=10, rng=rng)
        optimizer = optim.SGD(model.parameters(), lr=given.learning_rate)
        fitting = partial(fit, model, optimizer, nn.cross_entropy, loader, given.epochs, rng=rng, **settings)
        loss = partial(training.loss_of, model, nn.cross_entropy, X, Y)
        losses = iter([loss, judge or loss])
        chosen = {"learning_rate": given.learning_rate}
        return training.Training(model, given.epochs, fitting, lambda: next(losses)(), chosen, draw, (), figures)

    return training.train("models.test", given, prepare)


def test_metrics_of_any_kind_are_in_the_summary_and_in_the_history(tmp_path, capsys):
    metrics = {"accuracy": Accuracy(), "matrix": ConfusionMatrix(), **{k: Nothing(v) for k, (v, _) in ODD.items()}}
    assert run(tmp_path, metrics=metrics, evaluate_on={"test": [(X, Y)]}, evaluate_every=3) == 0
    out, err = capsys.readouterr()
    summary = json.loads((tmp_path / results.SUMMARY).read_text(), parse_constant=pytest.fail)
    assert np.sum(summary["test_matrix"]) == 40
    assert np.shape(summary["test_matrix"]) == (2, 2)
    assert {name: summary[f"test_{name}"] for name in ODD} == {name: wanted for name, (_, wanted) in ODD.items()}
    assert summary["options"]["output"] == str(tmp_path)
    with (tmp_path / training.HISTORY).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["test_matrix"] == "" for row in rows] == [True, True, False, False]
    assert json.loads(rows[3]["test_matrix"]) == summary["test_matrix"]
    assert float(rows[3]["test_accuracy"]) == summary["test_accuracy"]
    assert (rows[3]["test_by_class"], rows[3]["test_nan"]) == ("[0.5, null]", "nan")
    (line,) = out.splitlines()
    told = json.loads(line.removeprefix("done: ").partition(" -> ")[0])
    assert list(told) == ["test_accuracy", "test_nan", "test_word", "test_nothing", "epochs", "seconds"]
    assert "epoch 3/4: loss " in err
    assert Path(tmp_path / results.WEIGHTS).exists()


# --- TensorBoard ---


def read_back(folder):
    """Return the steps and values of each curve, as read by TensorBoard's own reader."""
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    curves = {tag: accumulator.Scalars(tag) for tag in accumulator.Tags()["scalars"]}
    times = [event.wall_time for event in curves.get("loss", [])]
    assert times == sorted(times)
    return {tag: {event.step: event.value for event in events} for tag, events in curves.items()}, len(times)


MEASURED = {
    "metrics": {"accuracy": Accuracy(), "matrix": ConfusionMatrix(), "nan": Nothing(float("nan"))},
    "evaluate_on": {"test": [(X, Y)]}, "evaluate_every": 2,
}  # fmt: skip


def test_tensorboard_reads_the_numbers_of_each_epoch(tmp_path):
    assert run(tmp_path, "--tensorboard", **MEASURED) == 0
    curves, count = read_back(tmp_path / board.FOLDER)
    with (tmp_path / training.HISTORY).open() as file:
        rows = list(csv.DictReader(file))
    assert curves.keys() == {"loss", "test_accuracy", "test_nan", "learning_rate"}
    assert count == 4
    for tag, steps in {"loss": [1, 2, 3, 4], "learning_rate": [1, 2, 3, 4], "test_accuracy": [2, 4]}.items():
        assert curves[tag] == pytest.approx({step: float(rows[step - 1][tag]) for step in steps}, rel=1e-6)
    assert list(curves["test_nan"]) == [2, 4]
    assert np.isnan(list(curves["test_nan"].values())).all()


def test_a_run_that_is_resumed_has_each_epoch_once(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SECONDS", 0.0)

    def stop_in(epoch):
        return {"schedule": lambda step: 0.5 if step < 4 * epoch - 2 else training.stopping._note(2, None) or 0.5}

    log = tmp_path / "run" / board.FOLDER
    assert run(tmp_path / "run", "--tensorboard", epochs=6, **stop_in(3), **MEASURED) == 130
    assert list(read_back(log)[0]["loss"]) == [1, 2]
    # One epoch after the last checkpoint, as after a kill:
    (path,) = log.iterdir()
    with path.open("ab") as file:
        board._write(file, [board._event(Epoch(3, 99.0, {}, 0.5, 4, 1.0), 2e9)])
    assert run(tmp_path / "run", "--resume", epochs=6, **stop_in(5), **MEASURED) == 130  # without the log
    assert run(tmp_path / "run", "--resume", "--tensorboard", epochs=6, **MEASURED) == 0
    assert run(tmp_path / "whole", "--tensorboard", epochs=6, **MEASURED) == 0
    resumed, whole = read_back(log), read_back(tmp_path / "whole" / board.FOLDER)
    np.testing.assert_equal(resumed, whole)
    assert list(resumed[0]["loss"]) == [1, 2, 3, 4, 5, 6]
    assert resumed[1] == 6
    before = list(log.iterdir())
    assert run(tmp_path / "run", "--resume", "--tensorboard", epochs=6, **MEASURED) == 0  # no epoch is left to train
    assert list(log.iterdir()) == before


def test_a_log_that_cannot_be_written_is_one_line_and_the_training_goes_on(tmp_path, capsys):
    (tmp_path / board.FOLDER).write_text("mine")
    assert run(tmp_path, "--tensorboard", "--quiet") == 0
    err = capsys.readouterr().err
    assert (
        err == f"models.test: cannot log to {tmp_path / board.FOLDER}: File exists; training continues without a log.\n"
    )
    assert (tmp_path / board.FOLDER).read_text() == "mine"
    assert results.read_summary(tmp_path)["epochs"] == 4


def test_without_the_extra_one_line_names_it_before_the_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    assert run(tmp_path, "--tensorboard") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(str(missing_group("which is not installed", "tensorboard")))
    assert not list(tmp_path.iterdir())
    assert run(tmp_path) == 0


# --- Failures at the end ---


def fail(*about):
    raise ZeroDivisionError("no luck")


class Unwritable:
    """A metric or figure that cannot be written to a file."""

    def __str__(self):
        return fail()


FAILURES = {
    "the loss at the end": {"judge": fail},
    "figures": {"figures": fail},
    "a figure": {"figures": lambda: {"odd": Unwritable()}},
    "a picture": {"draw": fail},
    "a metric": {"metrics": {"odd": Nothing(Unwritable())}, "evaluate_on": {"test": [(X, Y)]}},
}


@pytest.fixture
def refuge(tmp_path, monkeypatch):
    """Return the folder for temporary files."""
    (tmp_path / "refuge").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "refuge"))
    return tmp_path / "refuge"


@pytest.mark.parametrize("failure", FAILURES)
def test_whatever_fails_after_the_last_epoch_the_weights_are_saved(failure, tmp_path, refuge, capsys):
    assert run(tmp_path / "good", epochs=3) == 0
    assert run(tmp_path / "run", epochs=2) == 0
    old = results.read_summary(tmp_path / "run")
    capsys.readouterr()
    assert run(tmp_path / "run", "--quiet", epochs=3, **FAILURES[failure]) == 1
    out, err = capsys.readouterr()
    (saved,) = refuge.iterdir()
    *warned, last = err.splitlines()
    assert last == (
        f"models.test: cannot save in {tmp_path / 'run'}: ZeroDivisionError('no luck'); the weights are in {saved}."
    )
    told = "models.test: a checkpoint cannot store history.0.metrics.test_odd, a Unwritable"
    assert [line.startswith(told) for line in warned] == [True] * len(warned)
    assert bool(warned) == (failure == "a metric")
    assert out.startswith("done: {")
    assert out.endswith(f"-> {saved}\n")
    for name in (results.WEIGHTS, training.BEST):
        assert (saved / name).read_bytes() == (tmp_path / "good" / name).read_bytes()
        assert results.read_weights(saved, name)
    assert results.read_summary(tmp_path / "run") == old


def test_an_evaluation_that_fails_after_the_last_epoch_loses_no_weights(tmp_path, refuge, capsys):
    class Failing(Accuracy):
        def sums(self, outputs, targets):
            fail()

    assert run(tmp_path / "good", epochs=1) == 0
    capsys.readouterr()
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "run", epochs=1, metrics={"odd": Failing()}, evaluate_on={"test": [(X, Y)]})
    (saved,) = refuge.iterdir()
    assert capsys.readouterr().err == f"models.test: an error ended the training; the weights are in {saved}.\n"
    assert (saved / results.WEIGHTS).read_bytes() == (tmp_path / "good" / results.WEIGHTS).read_bytes()


def test_an_error_before_the_first_step_leaves_no_weights_anywhere(tmp_path, refuge):
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "run", schedule=fail)
    assert list(refuge.iterdir()) == []


def test_a_run_that_is_shorter_than_its_checkpoints_are_apart_is_resumed_at_its_end(tmp_path, capsys):
    assert run(tmp_path, epochs=2) == 0
    capsys.readouterr()
    assert run(tmp_path, "--resume", epochs=3) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["epoch 3/3"]


# --- Two programs ---

HOLD = """
import sys
from pathlib import Path
from models.shared import results
lock = results.prepare(Path(sys.argv[1]), [], 10)
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another(folder):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, folder], cwd=PROJECT, **pipes) as process:
        assert process.stdout.readline() == "locked\n"
        yield process.pid
        process.stdin.close()


@pytest.mark.thorough
def test_the_second_program_ends_before_it_trains_and_says_who_the_first_one_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(folder_lock, "GRACE", 0.0)
    steps = []
    with locked_by_another(tmp_path) as process:
        assert run(tmp_path, on_step=steps.append) == 2
        said = f"models.test: another program is writing into {tmp_path}: process {process} on "
        err = capsys.readouterr().err
        assert err.startswith(said)
        assert err.endswith("Wait until it ends, stop it, or choose another folder.\n")
        assert err.count("\n") == 1
        with pytest.raises(DataError, match="another program is writing into"):
            results.save(tmp_path, lambda staged: None, {})
    assert steps == []
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path, on_step=steps.append) == 0
    assert not (tmp_path / folder_lock.LOCK_FILE).exists()


@pytest.mark.thorough
def test_it_ends_so_too_where_another_one_saves_checkpoints(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(folder_lock, "GRACE", 0.0)
    with locked_by_another(tmp_path / training.CHECKPOINTS) as process:
        assert run(tmp_path) == 2
    assert f"{training.CHECKPOINTS}: process {process} on" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_program_whose_folder_another_one_takes_meanwhile_saves_elsewhere(tmp_path, refuge, monkeypatch, capsys):
    monkeypatch.setattr(folder_lock, "GRACE", 0.0)
    others = ExitStack()

    def move_away():
        (tmp_path / "run").rename(tmp_path / "away")
        others.enter_context(locked_by_another(tmp_path / "run"))
        return {}

    with others:
        assert run(tmp_path / "run", "--quiet", figures=move_away) == 1
        (saved,) = refuge.iterdir()
        assert capsys.readouterr().err.endswith(f"or choose another folder; the weights are in {saved}.\n")
    assert results.read_weights(saved)


def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch, capsys):
    def flock(handle, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert run(tmp_path, "--quiet", epochs=1) == 0
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == (
        f"models.test: {tmp_path} cannot be locked (No locks available), so a second program may write into it "
        f"at the same time."
    )
