"""The oscillation: its derivatives match the network, and training on the equation gives the solution."""

import numpy as np
import pytest
from PIL import Image

import tinygrad_edu as tg
from models import pinn
from models.shared import results

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


@pytest.mark.thorough
def test_a_small_run_draws_its_solution(tmp_path, capsys):
    assert pinn.main(["--epochs", "2", "--quiet", "--output", str(tmp_path)]) == 0
    summary = results.read_summary(tmp_path)
    assert str(summary["greatest_error"]) in capsys.readouterr().out
    weights = pinn.Oscillation(np.random.default_rng(1))
    weights.load_state_dict(results.read_weights(tmp_path))
    t = np.linspace(0, pinn.END, 1001, dtype=np.float32)[:, None]
    error = np.abs(weights(tg.Tensor(t)).numpy()[:, 0] - pinn.exact(t[:, 0])).max()
    assert summary["greatest_error"] == pytest.approx(error, rel=1e-5)
    with Image.open(tmp_path / "solution.png") as picture:
        assert min(picture.size) > 400
