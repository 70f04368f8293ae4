"""The fixed point: first and second derivatives, one linear solve backward, and errors instead of lost gradients."""

import numpy as np
import pytest

import tinygrad_edu as tg
from models.fixed_point import fixed_point
from tinygrad_edu import tape
from tinygrad_edu.errors import MappedValueError, NoGraphError
from tinygrad_edu.testing import check_vjp

RNG = np.random.default_rng(0)
W, B, X = 0.2 * RNG.normal(size=(3, 3)), RNG.normal(size=3), RNG.normal(size=(2, 3))


def step(parameters, z):
    return tg.tanh(z @ parameters["w"] + parameters["b"] + parameters["x"])


def layer(w, b, x):
    return fixed_point(step, {"w": w, "b": b, "x": x}, np.zeros(x.shape, x.dtype))


@pytest.mark.thorough
def test_derivatives_of_a_batch():
    check_vjp(layer, W, B, X, order=2)


def test_the_square_root_by_newtons_method():
    def root(a):
        return fixed_point(lambda a, z: (z + a / z) / 2, a, np.ones(()))

    assert root(4.0) == pytest.approx(2)
    assert tg.grad(root)(np.array(4.0)) == pytest.approx(1 / 4)
    assert tg.grad(tg.grad(root))(np.array(4.0)) == pytest.approx(-1 / 32)


@pytest.mark.parametrize("size", [0.01, 0.2])  # few and many iterations
def test_the_backward_pass_solves_once_and_one_op_is_recorded(size, monkeypatch):
    solves, solve = [], tg.linalg.solve
    monkeypatch.setattr(tg.linalg, "solve", lambda *about: solves.append(1) or solve(*about))
    leaves = [tg.Tensor(x, requires_grad=True) for x in (size * RNG.normal(size=(3, 3)), B, X)]
    z = layer(*leaves)
    assert len(tape.of(z).rows) == len(leaves) + 1
    assert not solves
    (z**2).sum().backward()
    assert len(solves) == 1
    assert all(np.any(leaf.grad) for leaf in leaves)


def test_the_start_has_no_influence_and_float32_is_kept():
    for start in (np.zeros((2, 3)), RNG.normal(size=(2, 3))):
        np.testing.assert_allclose(fixed_point(step, {"w": W, "b": B, "x": X}, start), layer(W, B, X), atol=1e-14)
    narrow = [tg.Tensor(x.astype(np.float32), requires_grad=True) for x in (W, B, X)]
    z = layer(*narrow)
    assert z.dtype == np.float32
    z.sum().backward()
    assert {x.grad.dtype for x in narrow} == {np.dtype(np.float32)}


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_errors_of_long_sums_do_not_prevent_convergence(dtype):
    w = (0.9 * np.linalg.qr(RNG.normal(size=(300, 300)))[0]).astype(dtype)
    b = 1000 * RNG.normal(size=300).astype(dtype)
    z = fixed_point(lambda b, z: w @ z + b, b, np.zeros(300, dtype))
    expected = np.linalg.solve(np.eye(300) - w.astype(np.float64), b)
    np.testing.assert_allclose(z, expected, atol=1e4 * np.finfo(dtype).eps * np.abs(expected).max())


def test_a_function_that_does_not_converge_is_an_error():
    with pytest.raises(ArithmeticError, match=r"step 1000 changed z of shape \(2,\) by up to 2\. f must be a contr"):
        fixed_point(lambda a, z: a - z, np.ones(2) * 0, np.ones(2))


def test_a_captured_tensor_is_an_error_or_keeps_its_gradient():
    w, x = tg.Tensor(W, requires_grad=True), tg.Tensor(X, requires_grad=True)
    with pytest.raises(NoGraphError, match="requires a gradient and is not an argument"):
        fixed_point(lambda x, z: tg.tanh(z @ w + x), x, np.zeros((2, 3)))
    fixed_point(lambda x, z: tg.tanh(z @ w + x), X, np.zeros((2, 3))).sum().backward()
    expected = tg.grad(lambda w: layer(w, np.zeros(3), X).sum())(W)
    np.testing.assert_allclose(w.grad, expected, rtol=1e-10)


def test_vmap_raises():
    with pytest.raises(MappedValueError, match="float"):
        tg.vmap(layer, in_axes=(None, None, 0))(W, B, X)
