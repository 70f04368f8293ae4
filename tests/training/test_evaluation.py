"""Evaluation: in evaluation mode, in shards, and without changing the model."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.training import Accuracy, evaluate, predict


class Modes(nn.Module):
    """Predict the index of the largest entry of a row, and record the modes of the calls."""

    def __init__(self):
        self.inside = nn.Dropout(0.5, rng=np.random.default_rng(0))
        self.w = tg.Tensor(1.0, requires_grad=True)
        self.see = (seen := set()).add
        self.seen = lambda: seen

    def forward(self, x):
        out = self.inside(x) * self.w
        self.see((self.training, self.inside.training, tg.is_grad_enabled(), out.requires_grad))
        return out


class Reshape(nn.Module):
    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        return x.reshape(self.shape)


ROWS = np.eye(5, dtype=np.float32)[np.arange(200) % 5]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("settings", [{}, {"shard_size": 64}, {"shard_size": 64, "threads": 2}], ids=repr)
def test_predictions_are_made_in_evaluation_mode_and_leave_the_model_in_its_own(training, settings):
    model = Modes().train(training)
    classes = predict(model, ROWS, **settings)
    assert classes.tolist() == [k % 5 for k in range(200)]
    assert classes.dtype.kind == "i"
    assert model.seen() == {(False, False, False, False)}
    assert (model.training, model.inside.training) == (training, training)


def test_a_part_that_was_frozen_in_evaluation_mode_stays_so():
    model = Modes().train()
    model.inside.eval()
    predict(model, ROWS)
    assert (model.training, model.inside.training) == (True, False)


def test_a_model_that_fails_is_left_in_its_mode():
    model = Modes().train()
    with pytest.raises(tg.errors.TinygradError):
        predict(model, np.full((3, 2), "word"))
    assert model.training
    assert model.inside.training


def test_predictions_of_nothing_are_none():
    classes = predict(Modes(), ROWS[:0])
    assert (classes.shape, classes.dtype.kind) == ((0,), "i")


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_logit_is_that_of_class_1_against_class_0(shape):
    model = Reshape(shape)
    logits = np.array([[-2.0], [0.5], [3.0], [-0.1]], np.float32)
    assert predict(model, logits).tolist() == [0, 1, 1, 0]
    assert accuracy(model, logits, np.array([0, 1, 0, 0])) == 0.75
    assert accuracy(model, logits[:1], np.array([0])) == 1.0


def accuracy(model, x, y):
    return evaluate(model, [(x, y)], {"accuracy": Accuracy()})["accuracy"]


def test_labels_that_would_broadcast_are_refused():
    with pytest.raises(tg.errors.ShapeError, match=r"labels must have shape \(200,\), got \(200, 1\)"):
        accuracy(Modes(), ROWS, np.zeros((200, 1), int))


def test_samples_that_depend_on_each_other_are_evaluated_together():
    model = nn.BatchNorm1D(5, track_running_stats=False)
    x = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    x[:150] += 3
    wanted = model(x).numpy().argmax(axis=1)
    assert (predict(model, x) == wanted).all()
    assert accuracy(model, x, wanted) == 1


class Two(nn.Module):
    """A model of two inputs, one of them a pytree, whose output is a pytree."""

    def forward(self, x, more):
        return {"sum": x + more["a"], "parts": (x, more["a"][:, 0])}


@pytest.mark.parametrize("settings", [{}, {"shard_size": 64}, {"shard_size": 64, "threads": 2}], ids=repr)
def test_several_inputs_and_nests_are_predicted_and_measured(settings):
    more = {"a": 2 * ROWS[::-1].copy()}
    found = predict(Two(), (ROWS, more), **settings)
    wanted = np.arange(200) % 5
    assert (found["sum"] == more["a"].argmax(axis=1)).all()
    assert (found["parts"][0] == wanted).all()
    assert (found["parts"][1] == (more["a"][:, 0] > 0)).all()

    class OfTheSum(Accuracy):
        def sums(self, outputs, targets):
            return super().sums(outputs["sum"], targets["label"])

    target = {"label": found["sum"]}
    assert evaluate(Two(), [(ROWS, more, target)], {"accuracy": OfTheSum()}, **settings) == {"accuracy": 1.0}
