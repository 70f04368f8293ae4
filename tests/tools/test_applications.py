"""The pages in docs/applications: the functions of their programs, checked at random points."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.testing import check_jvp, check_vjp
from tools.pictures.applications import program


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def digits(rng):
    """Return the definitions of the page on private training, and parameters that give gradients of many lengths."""
    page = program("private_training", 1)
    return page, {"weight": rng.normal(size=(784, 10)), "bias": rng.normal(size=10)}


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


@pytest.mark.thorough
def test_an_ensemble_has_the_derivatives_of_its_networks(rng):
    page = program("ensemble", 1)
    stacked = {name: rng.normal(size=(3, *p.shape[1:])) for name, p in page["stacked"].items()}
    x = rng.normal(size=(2, 1))
    check_vjp(lambda *p: page["ensemble"](dict(zip(stacked, p, strict=True)), x), *stacked.values())
    for k in range(3):
        alone = page["predict"]({name: p[k] for name, p in stacked.items()}, x)
        np.testing.assert_allclose(page["ensemble"](stacked, x)[k], alone, rtol=1e-12)


@pytest.mark.thorough
def test_influence_solves_with_the_hessian_and_multiplies_by_each_gradient():
    page = program("influence", 2)
    w, x, y = page["w"], page["x"], page["y"]
    check_vjp(page["objective"], 1.1 * w, order=2)  # at w, the gradient is 0
    check_jvp(lambda w: page["losses"](w, x, y), w)
    hessian = tg.hessian(page["objective"])(w)
    np.testing.assert_allclose(hessian @ page["s"], page["g"], rtol=1e-5, atol=1e-8)
    each = tg.vmap(tg.grad(page["losses"]), in_axes=(None, 0, 0))(w, x, y)
    np.testing.assert_allclose(page["changes"], each @ np.linalg.solve(hessian, page["g"]), rtol=1e-5, atol=1e-8)


def test_maml_differentiates_through_its_inner_step(rng):
    page = program("maml", 1)
    p = {name: w.astype(np.float64) for name, w in page["net"].state_dict().items()}
    x, y, x_new, y_new = (each[0].astype(np.float64) for each in page["tasks"](1))

    def meta_loss(*leaves):
        return page["meta_loss"](dict(zip(p, leaves, strict=True)), x, y, x_new, y_new)

    check_vjp(meta_loss, *p.values(), order=1)
    after = tg.grad(page["loss"])(page["adapted"](p, x, y), x_new, y_new)
    product = tg.hvp(lambda p: page["loss"](p, x, y), p, after)
    for name, gradient in tg.grad(page["meta_loss"])(p, x, y, x_new, y_new).items():
        np.testing.assert_allclose(gradient, after[name] - 0.1 * product[name], rtol=1e-9, atol=1e-12)
        assert not np.allclose(gradient, after[name], rtol=1e-3)  # the first-order gradient is another one
