"""The oscillation: its derivatives match the network, and training on the equation gives the solution."""

import numpy as np
import pytest

import tinygrad_edu as tg
from models import pinn

TIMES = np.linspace(0, pinn.END, 7)[:, None]


@pytest.fixture
def model():
    return pinn.Oscillation(np.random.default_rng(0)).astype(np.float64)


def test_the_exact_solution_fulfils_the_equation_and_begins_at_rest():
    model = pinn.Oscillation(np.random.default_rng(0))
    model.u = pinn.exact
    curve = model(tg.Tensor(TIMES))
    assert pinn.equation_loss(curve, np.zeros(len(TIMES))).item() < 1e-30
    np.testing.assert_allclose(curve.numpy()[0, :2], [1, 0], atol=1e-15)


def test_what_is_returned_are_the_curve_and_its_derivatives(model):
    h = 1e-4
    before, here, after = (model(tg.Tensor(TIMES + step)).numpy() for step in (-h, 0, h))
    np.testing.assert_allclose((after - before)[:, :2] / (2 * h), here[:, 1:], rtol=1e-6, atol=1e-6)
