"""The original script, restated: its log digit for digit, its gradients against differences, each fault separately."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import mnist_by_hand as by_hand
from models.mnist_by_hand import CORRECT, ORIGINAL, Faults, Floats
from tinygrad_edu.data import load_embedded

LOG = Path(__file__).with_name("original_log_300_epochs.txt").read_text().splitlines()
IMAGES = 3


def alone(fault: str) -> Faults:
    return replace(CORRECT, **{fault: True})


@pytest.fixture(scope="module")
def digits():
    return load_embedded()


class Problem:
    """A few images, a fixed dropout mask, and parameters large enough for tanh to be nonlinear."""

    def __init__(self) -> None:
        digits, random = load_embedded(), np.random.default_rng(0)
        self.patches = by_hand.patches(digits.x_train[:IMAGES] / 255, CORRECT)
        self.labels = digits.y_train[:IMAGES]
        self.kernels = random.normal(0, 0.4, (9, by_hand.KERNELS))
        self.weights = random.normal(0, 0.02, (676 * by_hand.KERNELS, by_hand.DIGITS))
        self.mask = random.integers(0, 2, (IMAGES, 676 * by_hand.KERNELS)).astype(np.float64)

    def loss(self, kernels: Floats, weights: Floats) -> float:
        _, probabilities = by_hand.forward(self.patches, kernels, weights, self.mask, CORRECT)
        return float(-np.log(probabilities[np.arange(IMAGES), self.labels]).mean())

    def steps(self, faults: Faults) -> tuple[Floats, Floats]:
        hidden, probabilities = by_hand.forward(self.patches, self.kernels, self.weights, self.mask, faults)
        error = by_hand.output_error(probabilities, self.labels, IMAGES, faults)
        return by_hand.backward(self.patches, hidden, error, self.weights, self.mask, faults)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem()


def slope_at_zero(function: Callable[[float], float], step: float = 1e-3) -> float:
    """Return the derivative of a scalar function at 0: central differences with Richardson extrapolation."""

    def central(h: float) -> float:
        return (function(h) - function(-h)) / (2 * h)

    return (4 * central(step / 2) - central(step)) / 3


# The log


def test_two_epochs_print_the_log_of_the_original(capsys):
    by_hand.main(["--epochs", "2"])
    assert capsys.readouterr().out.splitlines() == LOG[:2]


@pytest.mark.slow
def test_all_epochs_print_the_log_of_the_original(digits):
    reports = by_hand.train(digits.x_train, digits.y_train, digits.x_test, digits.y_test, 300)
    assert [by_hand.log_line(*report) for report in reports] == LOG


# The correct gradient


def test_without_faults_the_kernel_step_is_minus_the_gradient(problem):
    kernel_step, _ = problem.steps(CORRECT)
    for index in np.ndindex(*problem.kernels.shape):
        unit = np.zeros_like(problem.kernels)
        unit[index] = 1
        numeric = slope_at_zero(lambda t, unit=unit: problem.loss(problem.kernels + t * unit, problem.weights))
        assert -kernel_step[index] == pytest.approx(numeric, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_without_faults_the_weight_step_is_minus_the_gradient(problem, seed):
    _, weight_step = problem.steps(CORRECT)
    direction = np.random.default_rng(seed).normal(size=weight_step.shape)
    numeric = slope_at_zero(lambda t: problem.loss(problem.kernels, problem.weights + t * direction), 1e-4)
    assert -np.sum(weight_step * direction) == pytest.approx(numeric, rel=1e-7)


def test_a_batch_taken_in_pieces_takes_the_step_of_the_whole(problem, monkeypatch):
    def steps(size: int):
        monkeypatch.setattr(by_hand, "TRAIN_PIECE", size)
        random = np.random.RandomState(5)
        return by_hand.batch_steps(problem.patches, problem.labels, problem.kernels, problem.weights, random, ORIGINAL)

    for in_pieces, whole in zip(steps(2), steps(IMAGES), strict=True):
        np.testing.assert_allclose(in_pieces, whole, rtol=1e-12, atol=1e-18)


# Each fault separately

FAULTY_STEPS = {  # functions of the correct steps of the kernels and the weights
    "double_division": lambda kernels, weights: (kernels / IMAGES, weights / IMAGES),
    "climbing_kernels": lambda kernels, weights: (-kernels, weights),
    "undoubled_backward": lambda kernels, weights: (kernels / 2, weights),
    "bare_exponential": lambda kernels, weights: (kernels, weights),
}


@pytest.mark.parametrize("fault", FAULTY_STEPS)
def test_a_fault_changes_the_steps_as_its_name_says(problem, fault):
    for found, wanted in zip(problem.steps(alone(fault)), FAULTY_STEPS[fault](*problem.steps(CORRECT)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-15)


def test_short_count_divides_by_images_that_were_not_seen(digits):
    data = digits.x_train, digits.y_train, digits.x_test[:10], digits.y_test[:10]
    ((_, _, faulty),) = by_hand.train(*data, 1)
    ((_, _, repaired),) = by_hand.train(*data, 1, replace(ORIGINAL, short_count=False))
    assert faulty * 1000 == pytest.approx(repaired * 896)


def test_bare_exponential_overflows():
    logits = np.array([[0.0, 710.0]])
    np.testing.assert_array_equal(by_hand.softmax(logits, CORRECT), [[np.exp(-710.0), 1.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isnan(by_hand.softmax(logits, ORIGINAL)[0, 1])
    ordinary = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(by_hand.softmax(ordinary, ORIGINAL), by_hand.softmax(ordinary, CORRECT), rtol=1e-15)


# The pieces


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_predictions_are_those_of_float64(digits, scale):
    random = np.random.default_rng(1)
    images = digits.x_test[:600] / 255
    kernels = scale * random.normal(size=(9, by_hand.KERNELS))
    weights = scale * random.normal(size=(676 * by_hand.KERNELS, by_hand.DIGITS))
    weights[:, 1] = weights[:, 0] + 1e-9 * random.normal(size=len(weights))  # too close for float32
    wanted = by_hand.evaluation_logits(images, kernels, weights, CORRECT).argmax(axis=1)
    np.testing.assert_array_equal(by_hand.predict(images, kernels, weights, CORRECT), wanted)
