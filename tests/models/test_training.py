"""What any training leaves behind, whatever its metrics are: numbers, arrays, nests of them, or no number at all."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models import options, results, training
from tinygrad_edu import data, nn, optim
from tinygrad_edu.training import Accuracy, ConfusionMatrix, Metric, fit

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
