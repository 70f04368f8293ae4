"""What any training leaves behind, whatever its metrics are: numbers, arrays, nests of them, or no number at all."""

import csv
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models import board, options, results, training
from tinygrad_edu import data, nn, optim
from tinygrad_edu.training import Accuracy, ConfusionMatrix, Epoch, Metric, fit

X = np.random.default_rng(1).normal(size=(40, 2)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(int)


class Nothing(Metric):
    """A metric whose value is what it is told."""

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


def run(tmp_path, *more, epochs=4, **settings):
    """Train a line by the program that all share, and return its exit code."""
    parser = options.training_parser("models.test", None, epochs, 0.5)
    given = parser.parse_args(["--output", str(tmp_path), *more])

    def prepare():
        rng = np.random.default_rng(given.seed)
        model = nn.Linear(2, 2, rng=rng)
        loader = data.DataLoader(X, Y, batch_size=10, rng=rng)
        optimizer = optim.SGD(model.parameters(), lr=given.learning_rate)
        fitting = partial(fit, model, optimizer, nn.cross_entropy, loader, given.epochs, rng=rng, **settings)
        loss = partial(training.loss_of, model, nn.cross_entropy, X, Y)
        chosen = {"learning_rate": given.learning_rate}
        return training.Training(model, given.epochs, fitting, loss, chosen, lambda folder, outcome: None, ())

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


# --- What TensorBoard reads ---


def read_back(folder):
    """Return what TensorBoard's own reader finds: the steps and the values of each curve."""
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
    # One epoch that no checkpoint knows of, as after a kill:
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
    assert run(tmp_path / "run", "--resume", "--tensorboard", epochs=6, **MEASURED) == 0  # nothing is left to train
    assert list(log.iterdir()) == before


def test_a_log_that_cannot_be_written_is_one_line_and_the_training_goes_on(tmp_path, capsys):
    (tmp_path / board.FOLDER).write_text("mine")
    assert run(tmp_path, "--tensorboard", "--quiet") == 0
    err = capsys.readouterr().err
    assert err == f"models.test: cannot log to {tmp_path / board.FOLDER}: File exists; the training goes on without.\n"
    assert (tmp_path / board.FOLDER).read_text() == "mine"
    assert results.read_summary(tmp_path)["epochs"] == 4


def test_without_the_extra_one_line_names_it_before_the_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    assert run(tmp_path, "--tensorboard") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("which is not installed: pip install 'tinygrad-edu[tensorboard]'")
    assert not list(tmp_path.iterdir())
    assert run(tmp_path) == 0
