"""Every line of ``torch/*.txt`` gives PyTorch's numbers: optimizers in float32 and float64, and schedules."""

import json

import numpy as np
import pytest

from tinygrad_edu import Tensor, optim
from tinygrad_edu.optim import schedules
from tools.optimizer_table import FOLDER, WIDTHS, iterations, lines, metrics, steps


def table(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def optimizers():
    return table("optimizers")


def compare(ours, theirs, tolerance):
    for mine, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, their, rtol=tolerance, atol=tolerance * np.max(np.abs(their)))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("line", lines("optimizers"))
def test_a_hundred_steps_are_pytorchs(line, width, optimizers):
    def leaf(values):
        return Tensor(values, requires_grad=True)

    first, last = steps(line, width, leaf, Tensor.numpy, vars(optim))
    compare(first, optimizers[line][width][0], 1e-12 if width == "float64" else 1e-6)
    compare(last, optimizers[line][width][1], 1e-12 if width == "float64" else 1e-5)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("line", lines("lbfgs"))
def test_three_steps_with_a_closure_are_pytorchs(line, width):
    def leaf(values):
        return Tensor(values, requires_grad=True)

    found = iterations(line, width, leaf, Tensor.numpy, vars(optim))
    for ours, theirs in zip(found, table("lbfgs")[line][width], strict=True):
        compare(ours, theirs, 1e-10 if width == "float64" else 1e-4)


@pytest.mark.parametrize("line", lines("schedules"))
def test_forty_learning_rates_are_pytorchs(line):
    schedule = eval(line.split(" | ")[0], vars(schedules))
    if line.startswith("Plateau"):
        rates = [schedule.lr, *map(schedule, metrics(line)[1:])]
    else:
        rates = [schedule(number) for number in range(40)]
    np.testing.assert_allclose(rates, table("schedules")[line], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["optimizers", "lbfgs", "schedules"])
def test_every_line_has_its_numbers(name):
    assert list(table(name)) == lines(name)
