"""Differential equations: gradients of everything by one adjoint solve, and errors instead of lost gradients."""

from functools import partial

import numpy as np
import pytest
from scipy.linalg import expm

import tinygrad_edu as tg
from models import odeint as module
from models.odeint import odeint
from tinygrad_edu.errors import DTypeError, MappedValueError, NoGraphError, ShapeError
from tinygrad_edu.testing import check_vjp

END = np.array([0.0, 1.5])


def pendulum(t, y, p):
    """The slopes are in another order than y: keys decide, not positions."""
    return {"speed": tg.cos(p["w"] * t) - p["k"] * tg.sin(y["angle"]), "angle": y["speed"]}


def decay(t, y, rate):
    return -rate * y


@pytest.mark.thorough
def test_gradients_of_the_first_value_the_times_and_the_parameters():
    def swing(angle, speed, t, k, w):
        y = odeint(pendulum, {"angle": angle, "speed": speed}, t, {"k": k, "w": w}, 1e-10)
        return y["angle"], y["speed"]

    check_vjp(swing, [1.0], [0.1], [0.0, 0.4, 1.0], 1.3, 0.7, order=1, accuracy=1e-9)


@pytest.mark.thorough
def test_second_derivatives():
    check_vjp(lambda *about: odeint(decay, about[0], END, about[1], 1e-10)[-1], 2.0, 0.7, order=2, accuracy=1e-9)
    second = tg.grad(tg.grad(lambda rate: odeint(decay, np.array(2.0), END, rate)[-1]))(np.array(0.7))
    assert second == pytest.approx(2.0 * 1.5**2 * np.exp(-0.7 * 1.5), rel=1e-6)


def test_a_linear_equation_is_the_exponential_of_its_matrix_forward_and_backward_in_time():
    matrix, start = np.random.default_rng(0).normal(size=(3, 3)), np.array([1.0, -2.0, 0.5])
    for t in (np.array([0.0, 0.3, 1.0]), np.array([1.0, 0.2, -0.5])):
        y = odeint(lambda t, y, a: a @ y, start, t, matrix)
        np.testing.assert_allclose(y, [expm((each - t[0]) * matrix) @ start for each in t], rtol=1e-6)


@pytest.mark.parametrize("count", [1, 30])
def test_one_solve_backward_however_many_parameters(count, monkeypatch):
    solves, solve = [], module._solve
    monkeypatch.setattr(module, "_solve", lambda *about: solves.append(1) or solve(*about))
    rates = [tg.Tensor(np.full(4, 0.5), requires_grad=True) for _ in range(count)]
    y = odeint(lambda t, y, rates: -sum(rates) / count * y, np.ones(4), END, rates)
    assert len(solves) == 1
    y[-1].sum().backward()
    assert len(solves) == 2
    for rate in rates:
        np.testing.assert_allclose(rate.grad, -1.5 / count * np.exp(-0.75), rtol=1e-6)


def test_float32_is_kept():
    rate = tg.Tensor(np.array(0.5, np.float32), requires_grad=True)
    y = odeint(decay, np.ones(2, np.float32), END.astype(np.float32), rate)
    y[-1].sum().backward()
    assert (y.dtype, rate.grad.dtype) == (np.float32, np.float32)


@pytest.mark.thorough
def test_a_solution_that_cannot_be_followed_backward_is_an_error_and_more_times_help():
    def slope(times):
        return tg.grad(lambda rate: odeint(decay, np.array(1.0), times, rate)[-1])(np.array(4.0))

    with pytest.raises(ArithmeticError, match=r"backward to t = 0: it misses its value there by .* pass more times"):
        slope(np.array([0.0, 6.0]))
    assert slope(np.linspace(0, 6, 13)) == pytest.approx(-6 * np.exp(-24), rel=1e-3)


def test_wrong_functions_are_errors():
    solve = partial(odeint, y0=np.ones(2), t=END)
    captured = tg.Tensor(0.5, requires_grad=True)
    with pytest.raises(NoGraphError, match="not in parameters"):
        solve(lambda t, y, p: -captured * y, parameters=())
    with pytest.raises(ShapeError, match=r"of shape \(2,\), got \(1,\)"):
        solve(lambda t, y, p: -y[:1], parameters=())
    with pytest.raises(ShapeError, match=r"two or more times, got shape \(1,\)"):
        odeint(decay, np.ones(2), END[:1], 1.0)
    with pytest.raises(ShapeError, match="two or more times, got a list"):
        odeint(decay, np.ones(2), list(END), 1.0)
    with pytest.raises(DTypeError, match=r"Write 1\.0 instead of 1\."):
        odeint(decay, np.array([1, 2]), END, 1.0)
    with pytest.raises(DTypeError, match="got integers"):
        odeint(decay, np.ones(2), END, 1)
    with pytest.raises(ArithmeticError, match=r"between t = 0\.0 and 1\.5: .*\.$"):
        solve(lambda t, y, p: y * y, parameters=())  # infinite at t = 1
    with pytest.raises(MappedValueError):
        tg.vmap(lambda y: odeint(decay, y, END, 1.0))(np.ones((3, 2)))
