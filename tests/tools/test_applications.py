"""The pages in docs/applications: the functions of their programs, checked at random points."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.testing import check_vjp
from tools.pictures.applications import program


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def digits(rng):
    """Return the definitions of the page on private training, and parameters that give gradients of many lengths."""
    page = program("private_training", 1)
    return page, {"weight": rng.normal(size=(784, 10)), "bias": rng.normal(size=10)}


def test_the_loss_of_a_digit(digits):
    page, p = digits
    check_vjp(lambda w, b: page["loss"]({"weight": w, "bias": b}, page["x"][0], page["y"][0]), *p.values(), order=1)


def test_gradients_are_clipped_each_on_its_own(digits):
    page, p = digits
    x, y = page["x"][:20].astype(np.float64), page["y"][:20]
    found = page["each"](p, x, y)
    lengths = []
    for k in range(20):
        gradient = tg.grad(page["loss"])(p, x[k], y[k])
        lengths.append(np.sqrt(sum((g**2).sum() for g in gradient.values())))
        for name, g in gradient.items():
            np.testing.assert_allclose(found[name][k], g * min(1, page["CLIP"] / lengths[-1]), rtol=1e-12, atol=1e-15)
    assert min(lengths) < page["CLIP"] < max(lengths)
