"""custom_vjp: joint derivatives of every order, one backward per walk, and clear errors."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.errors import NoGraphError, ShapeError, StaleValueError, VJPDefinitionError, WrongGradientError
from tinygrad_edu.testing import check_jvp, check_vjp

X, Y = np.linspace(-1, 1, 4), np.linspace(1, 2, 4)


def polar():
    """Return a function of a dict and a constant, with two results of different shapes and an integer."""

    @tg.custom_vjp
    def polar(params, power=2):
        return {"wave": tg.sin(params["angle"]) * params["size"], "total": tg.sum(params["size"] ** power)}, power

    polar.calls = 0

    def forward(params, power):
        wave = tg.sin(params["angle"])
        return ({"wave": wave * params["size"], "total": tg.sum(params["size"] ** power)}, power), (wave, params, power)

    def backward(residuals, g):
        polar.calls += 1
        (wave, params, power), g = residuals, g[0]
        size = g["wave"] * wave + g["total"] * power * params["size"] ** (power - 1)
        return {"angle": g["wave"] * params["size"] * tg.cos(params["angle"]), "size": size}, None

    polar.defvjp(forward, backward)
    return polar


def results(f):
    return lambda angle, size: tuple(f({"angle": angle, "size": size}, 3)[0].values())


def test_all_orders_and_the_forward_derivative_are_right():
    check_vjp(results(polar()), X, Y, order=3)
    check_jvp(results(polar()), X, Y)


@pytest.mark.parametrize("retain_graph", [True, False])
def test_backward_runs_once_per_walk(retain_graph):
    f, angle, size = polar(), tg.Tensor(X, requires_grad=True), tg.Tensor(Y, requires_grad=True)
    wave, total = results(f)(angle, size)
    loss = (wave * wave).sum() + total
    for k in range(1 + retain_graph):
        loss.backward(retain_graph=retain_graph)
        assert f.calls == k + 1
    expected = 2 * np.sin(X) * Y**2 * np.cos(X)
    np.testing.assert_allclose(angle.grad, expected * (1 + retain_graph))


def test_results_of_several_dtypes():
    @tg.custom_vjp
    def both(x, y):
        return x * 2, y * 3

    both.defvjp(lambda x, y: ((x * 2, y * 3), None), lambda _, g: (g[0] * 2, g[1] * 3))
    x, y = tg.Tensor(X.astype(np.float32), requires_grad=True), tg.Tensor(Y, requires_grad=True)
    a, b = both(x, y)
    assert (a.dtype, b.dtype) == (np.float32, np.float64)
    (a.sum() + b.sum()).backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, 2)
    np.testing.assert_array_equal(y.grad, 3)


def simple(backward, forward=lambda x: (tg.exp(x), tg.exp(x))):
    @tg.custom_vjp
    def exponential(x):
        return tg.exp(x)

    exponential.defvjp(forward, backward)
    return exponential


def test_without_a_gradient_f_itself_is_called():
    f = simple(abs)
    f.defvjp(lambda *_: 1 / 0, lambda *_: 1 / 0)
    np.testing.assert_array_equal(f(X), np.exp(X))
    assert not f(tg.Tensor(X)).requires_grad
    with tg.no_grad():
        assert not f(tg.Tensor(X, requires_grad=True)).requires_grad


def test_a_default_is_an_argument_like_any_other():
    @tg.custom_vjp
    def scaled(x, c=2.0):
        return c * x

    scaled.defvjp(lambda x, c: (c * x, c), lambda c, g: (g * c, None))
    np.testing.assert_array_equal(tg.grad(lambda x: scaled(x).sum())(X), np.full(4, 2.0))


WEIGHT, LAYER = tg.Tensor(2.0, requires_grad=True), nn.Linear(4, 4)
COMPUTED = tg.exp(WEIGHT)
CAPTURES = {
    "WEIGHT": lambda x: (x * WEIGHT, None),
    "COMPUTED": lambda x: (x, COMPUTED),
    "LAYER.weight": lambda x: (LAYER(x), None),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_captured_tensor_is_named(name):
    with pytest.raises(NoGraphError, match=f"custom_vjp exponential: forward uses {name} that requires a gradient"):
        simple(abs, CAPTURES[name])(tg.Tensor(X.astype(np.float32), requires_grad=True))


FAULTS = {
    "a tuple of 1 cotangents, one for each argument .x., got 2": lambda y, g: (g, g),
    "got a Tensor": lambda y, g: g,
    r"a cotangent of x with shape \(4,\) and dtype float64, got \(2,\)": lambda y, g: (g[:2],),
    "got .* and float32": lambda y, g: (g.astype(np.float32),),
}


@pytest.mark.parametrize("said", FAULTS)
def test_a_wrong_cotangent_is_named(said):
    with pytest.raises(WrongGradientError, match=f"custom_vjp exponential: backward must return .*{said}"):
        simple(FAULTS[said])(tg.Tensor(X, requires_grad=True)).sum().backward()


def test_a_cotangent_of_another_structure_is_an_error():
    f = polar()
    f.defvjp(f.forward, lambda residuals, g: ({"angle": g[0]["wave"]}, None))
    with pytest.raises(ShapeError, match="size"):
        results(f)(tg.Tensor(X, requires_grad=True), Y)[0].sum().backward()


@pytest.mark.parametrize("residual", [lambda x: np.exp(x.detach().numpy()), lambda x: float(x.sum())])
def test_a_residual_made_with_numpy_has_a_first_derivative_and_a_clear_error_for_the_second(residual):
    f = simple(lambda y, g: (g * y,), lambda x: (tg.exp(x), residual(x)))
    first = tg.grad(lambda x: f(x).sum())
    assert np.all(np.isfinite(first(X)))
    with pytest.raises(WrongGradientError, match="second derivative needs the derivative of residuals"):
        tg.grad(lambda x: first(x).sum())(X)


def test_a_residual_changed_in_place_is_an_error():
    f = simple(lambda x, g: (g * tg.exp(x),), lambda x: (tg.exp(x), x))
    x = tg.Tensor(X, requires_grad=True)
    y = x * 1
    out = f(y)
    y.data[0] = 5
    with pytest.raises(
        StaleValueError, match=r"custom_vjp exponential: residuals, of shape .4,., was changed in place"
    ):
        out.sum().backward()


def test_an_undefined_derivative_and_a_lone_result_are_errors():
    x = tg.Tensor(X, requires_grad=True)
    with pytest.raises(VJPDefinitionError, match=r"call f.defvjp\(forward, backward\)"):
        tg.custom_vjp(named_f)(x)
    with pytest.raises(VJPDefinitionError, match=r"forward must return a pair \(result, residuals\)"):
        simple(abs, lambda x: x)(x)


def test_an_argument_without_a_position_is_refused():
    @tg.custom_vjp
    def f(x, *, power):
        return x**power

    f.defvjp(abs, abs)
    with pytest.raises(VJPDefinitionError, match="power can only be passed by keyword"):
        f(X, power=2)


def named_f(x):
    return x


named_f.__name__ = "f"
