"""Arrays in, arrays out: the type of each result, with and without a gradient that flows through it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor, nn
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.testing import check_gradient, check_vjp

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


def test_arguments_that_are_not_differentiated_do_not_matter():
    value, gradient = tg.value_and_grad(lambda x, y: (x * y).sum())(X, Tensor(V))
    assert (type(value), type(gradient)) == (np.float64, np.ndarray)


def test_results_that_are_no_tensors_stay_as_they_are():
    label = np.array([1])
    out, _, (name, same, none) = tg.vjp(lambda x: ({"x": x, "three": 3.0}, ("aux", label, None)), X, has_aux=True)
    assert (type(out["x"]), out["three"], name, none) == (np.ndarray, 3.0, "aux", None)
    assert same is label


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


def test_a_derivative_that_does_not_depend_on_the_outer_variable_is_zero():
    slope = tg.grad(lambda b: (tg.grad(lambda x: (V * x + b).sum())(X) ** 2).sum())
    np.testing.assert_array_equal(slope(X), 0)
    matrix = tg.jacobian(lambda b: tg.jacobian(lambda x: x + b)(X))
    np.testing.assert_array_equal(matrix(X), np.zeros((3, 3, 3)))


def test_a_gradient_penalty():
    """The first argument of the inner gradient is an array that the outer one does not differentiate."""

    def penalty(w, b):
        slope = tg.grad(lambda x: (tg.tanh(w * x + b) ** 2).sum())(X)
        return (slope * slope).sum()

    check_vjp(penalty, V, X, order=2)
    check_gradient(penalty, tg.grad(penalty, (0, 1)), V, X, cotangent=False)
    w = Tensor(V, requires_grad=True)
    penalty(w, X).backward()
    np.testing.assert_allclose(w.grad, tg.grad(penalty)(V, X))


def test_the_derivative_of_a_module_by_its_input_reaches_its_weights():
    layer = nn.Linear(3, 3, rng=np.random.default_rng(0)).astype(np.float64)
    check_vjp(
        lambda w: tg.grad(lambda x: (tg.sin(nn.functional_call(layer, {"weight": w}, x))).sum())(X),
        layer.weight.numpy().copy(),
    )
    slope = tg.grad(lambda x: tg.sin(layer(x)).sum())(X)
    (slope * slope).sum().backward()
    assert np.all(layer.weight.grad != 0)


@tg.custom_vjp
def product(x, c):
    return x * x * c


product.defvjp(lambda x, c: (x * x * c, (x, c)), lambda saved, g: (2 * g * saved[0] * saved[1], g * saved[0] ** 2))


def slope(w):
    return tg.grad(lambda x: (w * x * x).sum())(X)  # 2 w X


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda x: (tg.grad(lambda x: product(x, Tensor(V)).sum())(x) ** 2).sum(), 8 * X * V**2),
        (lambda x: tg.vjp(lambda c: product(x, c), V)[1](V)[0].sum() + slope(x).sum(), 2 * X * V + 2 * X),
        (lambda x: tg.checkpoint(slope)(x).sum(), 2 * X),
        (lambda x: tg.checkpoint(lambda x: slope(x * x))(x).sum(), 4 * X**2),
        (lambda x: ThreadPoolExecutor(1).submit(slope, x).result().sum(), 2 * X),
    ],
    ids=["custom_vjp", "custom_vjp of an argument", "checkpoint", "checkpoint of an argument", "thread"],
)
def test_a_transform_inside_of(f, wanted):
    gradient = tg.grad(f)(X)
    assert type(gradient) is np.ndarray
    np.testing.assert_allclose(gradient, wanted)


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
