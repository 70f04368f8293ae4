"""Arrays in, arrays out: the type of each result, with and without a gradient that flows through it."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor
from tinygrad_edu.shared.pytree import tree_leaves, tree_map

X, V = np.array([0.5, -1.0, 2.0]), np.array([1.0, 3.0, -2.0])


def cubes(x):
    return x * x * x


def total(x):
    return cubes(x).sum()


def with_aux(x):
    return total(x), (x * x, "aux")


DERIVATIVES = {  # functions of a point and a direction
    "grad": lambda x, v: tg.grad(total)(x),
    "value_and_grad": lambda x, v: tg.value_and_grad(total)(x)[1],
    "vjp": lambda x, v: tg.vjp(cubes, x)[1](v)[0],
    "hvp": lambda x, v: tg.hvp(total, x, v),
    "jvp": lambda x, v: tg.jvp(cubes, (x,), (v,))[1],
    "jacobian": lambda x, v: tg.jacobian(cubes)(x),
    "hessian": lambda x, v: tg.hessian(total)(x),
    "grad of grad": lambda x, v: tg.grad(lambda x: (tg.grad(total)(x) * v).sum())(x),
    "grad of jvp": lambda x, v: tg.grad(lambda v: tg.jvp(cubes, (x,), (v,))[1].sum())(v),
    "vjp of a pullback": lambda x, v: tg.vjp(tg.vjp(cubes, x)[1], v)[1]((v,))[0],
    "jvp of a pullback": lambda x, v: tg.jvp(tg.vjp(cubes, x)[1], (v,), (v,))[1][0],
}
VALUES = {
    "vjp": lambda x: tg.vjp(cubes, x)[0],
    "vjp of a scalar": lambda x: tg.vjp(total, x)[0],
    "vjp, aux": lambda x: tg.vjp(with_aux, x, has_aux=True)[2][0],
    "jvp": lambda x: tg.jvp(cubes, (x,), (x,))[0],
    "jvp, aux": lambda x: tg.jvp(with_aux, (x,), (x,), has_aux=True)[2][0],
    "value_and_grad": lambda x: tg.value_and_grad(total)(x)[0],
    "value_and_grad, aux": lambda x: tg.value_and_grad(with_aux, has_aux=True)(x)[0][1][0],
    "grad, aux": lambda x: tg.grad(with_aux, has_aux=True)(x)[1][0],
    "hvp, aux": lambda x: tg.hvp(with_aux, x, x, has_aux=True)[1][0],
    "jacobian, aux": lambda x: tg.jacobian(with_aux, has_aux=True)(x)[1][0],
    "hessian, aux": lambda x: tg.hessian(with_aux, has_aux=True)(x)[1][0],
}


@with_each("dtype", [np.float64, np.float32])
@with_each("name", DERIVATIVES)
def test_the_derivative_by_an_array_is_an_array_and_by_a_tensor_a_tensor(name, dtype):
    x, v = X.astype(dtype), V.astype(dtype)
    found, by_tensor = DERIVATIVES[name](x, v), DERIVATIVES[name](Tensor(x), Tensor(v))
    assert type(found) is np.ndarray
    assert type(by_tensor) is Tensor
    assert found.dtype == by_tensor.dtype == dtype
    assert found.flags.writeable
    assert not by_tensor.requires_grad
    np.testing.assert_array_equal(found, by_tensor)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_an_array_if_all_arguments_are_arrays(name):
    found, by_tensor = VALUES[name](X), VALUES[name](Tensor(X))
    assert type(found) is (np.ndarray if by_tensor.shape else np.float64)
    assert type(by_tensor) is Tensor
    np.testing.assert_array_equal(found, by_tensor)


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (np.array(2.0), np.ndarray), (np.float64(2), np.float64), (np.float32(2), np.float32),
        (Tensor(2.0), Tensor), (2.0, Tensor), (2, Tensor), ([2.0], Tensor), ((2.0,), Tensor), (X[::-1], np.ndarray),
        (Tensor(X).data, np.ndarray), (Tensor(X).numpy(), np.ndarray),
    ],
)  # fmt: skip
def test_a_gradient_has_the_type_of_its_argument(x, kind):
    value, gradient = tg.value_and_grad(lambda x: (x * x).sum())(x)
    assert type(gradient) is kind
    assert isinstance(value, Tensor if kind is Tensor else np.floating)
    np.testing.assert_array_equal(gradient, 2 * np.asarray(x))


def test_each_leaf_has_the_type_of_its_argument():
    point = {"array": X, "more": [Tensor(V), np.float64(3), 2.0], "none": None}
    kinds = {"array": np.ndarray, "more": [Tensor, np.float64, Tensor], "none": None}

    def f(point, y):
        first, second, third = point["more"]
        return point["array"] * first * y + second * third

    out, pullback = tg.vjp(f, point, Y := np.ones(3))
    assert type(out) is Tensor
    for found in (
        pullback(V)[0],
        tg.grad(lambda *args: f(*args).sum())(point, Y),
        tg.hvp(lambda point: (f(point, Y) ** 2).sum(), point, point),
    ):
        assert tree_map(type, found) == kinds
    assert [type(g) for g in tree_leaves(tg.jacobian(f, (1, 0))(point, Y))][:3] == [np.ndarray, np.ndarray, Tensor]


# --- A gradient flows through the result ---


def test_a_result_stays_a_tensor_if_it_depends_on_a_captured_parameter():
    w = Tensor(V, requires_grad=True)
    value, gradient = tg.value_and_grad(lambda x: (w * x * x).sum())(X)
    (value + (gradient * gradient).sum()).backward()
    np.testing.assert_allclose(w.grad, X**2 + 8 * V * X**2)
    (dependent, alone), pullback = tg.vjp(lambda x: (w + x * x, x * x), X)
    assert (type(dependent), type(alone)) == (Tensor, np.ndarray)
    assert type(pullback((V, V))[0]) is np.ndarray  # 4 v x
    _, direction = tg.jvp(lambda x: w * x, (X,), (V,))
    w.zero_grad()
    direction.sum().backward()
    np.testing.assert_array_equal(w.grad, V)


def test_a_cotangent_that_requires_a_gradient_keeps_the_graph():
    g = Tensor(V, requires_grad=True)
    (pulled,) = tg.vjp(cubes, X)[1](g)
    pulled.sum().backward()
    np.testing.assert_allclose(g.grad, 3 * X**2)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_under_no_grad_no_gradient_flows(name):
    w = Tensor(1.0, requires_grad=True)
    with tg.no_grad():
        assert type(DERIVATIVES[name](X, V)) is np.ndarray
        assert type(tg.value_and_grad(lambda x: (w * x).sum())(X)[0]) is np.float64


@pytest.mark.parametrize("name", DERIVATIVES)
def test_inside_of_an_outer_transform_results_are_tensors(name):
    kinds = []

    def f(y):
        inner = DERIVATIVES[name](X, V)
        kinds.append(type(inner))
        return (inner * y).sum()

    assert type(tg.grad(f)(np.float64(2))) is np.float64
    assert kinds == [Tensor]


def test_under_no_grad_inside_of_an_outer_transform_results_are_arrays():
    def loss(p):
        with tg.no_grad():  # a solver that works on arrays
            slope = tg.grad(lambda x: ((x - p) ** 2).sum())(X)
        assert type(slope) is np.ndarray
        return (slope * p).sum()

    np.testing.assert_allclose(tg.grad(loss)(V), 2 * (X - V))


@tg.custom_vjp
def product(x, c):
    return x * x * c


product.defvjp(lambda x, c: (x * x * c, (x, c)), lambda saved, g: (2 * g * saved[0] * saved[1], g * saved[0] ** 2))


def slope(w):
    return tg.grad(lambda x: (w * x * x).sum())(X)  # 2 w X


# --- Memory ---


def test_writing_to_a_result_changes_nothing_else():
    x = X.copy()
    out, pullback, aux = tg.vjp(lambda x: ((y := tg.tanh(x)), (x, y)), x, has_aux=True)
    (first,), wanted = pullback(V), V * (1 - np.tanh(X) ** 2)
    for result in (out, *aux, first):
        result[...] = 7
    np.testing.assert_array_equal(x, X)
    np.testing.assert_allclose(pullback(V)[0], wanted)


def test_gradients_in_other_layouts():
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for point in (x, x[:, ::-1], x.T, np.broadcast_to(1.0, (2, 2)), x.astype(">f8")):
        np.testing.assert_array_equal(tg.grad(lambda x: (x * x).sum())(point), 2 * point)
