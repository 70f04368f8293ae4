"""Outcome of a run: the last and the best finite weights, and the reason for its end."""

import math

import numpy as np
import pytest

from models.shared.outcome import Outcome
from tinygrad_edu.training import Epoch

GOOD = np.zeros(3)


def outcome(*epochs):
    """Return the outcome of epochs (loss, weights), with weights equal to the epoch, and the epoch where it stopped."""
    ran = Outcome.begin({"w": GOOD}, 2.5)
    for number, (loss, weights) in enumerate(epochs, 1):
        if not ran.add(Epoch(number, loss, {"test_accuracy": 0.5}, 0.1, 1, 1.0), {"w": weights}):
            return ran, number
    return ran, None


@pytest.mark.parametrize(
    ("epochs", "stopped_at", "last", "best"),
    [
        ([], None, 0, 0),
        ([(2.0, GOOD), (1.0, GOOD), (3.0, GOOD)], None, 3, 2),
        ([(2.0, GOOD), (3.0, GOOD), (1.0, np.array([1, np.nan, 1]))], 3, 2, 1),
        ([(2.0, np.array([1, np.inf, 1]))], 1, 0, 0),
    ],
)
def test_the_last_and_the_best_are_finite(epochs, stopped_at, last, best):
    ran, at = outcome(*epochs)
    assert (at, ran.last.epoch, ran.best.epoch) == (stopped_at, last, best)
    assert np.isfinite(ran.last.arrays["w"]).all()
    assert ran.end == ("diverged" if stopped_at else "done")
    assert (f"in epoch {stopped_at}" in ran.reason) == bool(stopped_at)


def test_a_checkpoint_of_it_has_its_weights():
    ran, other = outcome((2.0, GOOD), (3.0, GOOD + 1))[0], Outcome.begin({"w": GOOD + 2}, 2.5)
    other.load_state_dict(ran.state_dict())
    assert (other.last.epoch, other.best.epoch, other.best.loss) == (2, 1, 2.0)
    assert (other.last.arrays["w"] == GOOD + 1).all()
    assert other.end == "done"


@pytest.mark.parametrize(("loss", "end"), [(0.0, "done"), (25.0, "done"), (25.1, "diverged"), (math.nan, "diverged")])
def test_weights_of_no_use_are_a_divergence(loss, end):
    ran, _ = outcome((2.0, GOOD))
    ran.judge(loss)
    assert ran.end == end
    assert ("epoch 1" in ran.reason) == (end == "diverged")
