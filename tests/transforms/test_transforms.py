"""The transforms: derivatives of any order and of nested arguments, composed with each other and with backward()."""

import collections
import gc
import re
import weakref

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor
from tinygrad_edu.errors import (
    DTypeError,
    IntegerGradientError,
    LeafInPlaceError,
    NonScalarBackwardError,
    ShapeError,
)


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("computed", [False, True])
def test_an_argument_changed_in_place_has_the_right_gradient_or_is_refused(requires_grad, computed):
    def f(x):
        x *= 2
        return (x * x).sum()

    x = Tensor([1.0, 2.0], requires_grad=requires_grad)
    x = x * 1 if computed else x
    try:
        gradient = tg.grad(f)(x).numpy()
    except LeafInPlaceError:
        gradient = np.array([8.0, 16.0])
    np.testing.assert_array_equal(gradient, [8, 16])
    assert x.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("f", [lambda x, y: (x + y).sum(), lambda x, y: ((x + y) // 2).sum(),
                               lambda x, y: (tg.sin(x + y) * 2).sum()])  # fmt: skip
def test_no_two_gradients_share_memory(f, recording):
    with tg.enable_grad() if recording else tg.no_grad():
        gx, gy = tg.grad(f, (0, 1))(Tensor([1.0, 2.0]), Tensor([3.0, 4.0]))
    assert gx is not gy
    assert not np.shares_memory(gx.data, gy.data)
    with tg.no_grad():
        gx *= 10  # and is writable


def test_no_two_recorded_gradients_share_memory():
    w = Tensor([2.0, 2.0], requires_grad=True)
    gx, gy = tg.grad(lambda x, y: (w * (x + y)).sum(), (0, 1))(Tensor([1.0, 2.0]), Tensor([3.0, 4.0]))
    assert gx.requires_grad
    with tg.no_grad():
        gx *= 10
    assert gy.numpy().tolist() == [2, 2]
    gy.sum().backward()
    assert w.grad.tolist() == [1, 1]


def test_a_named_tuple_stays_one():
    pair = collections.namedtuple("pair", "a b")
    g = tg.grad(lambda p: (p.a * p.b).sum())(pair(Tensor([1.0]), Tensor([2.0])))
    assert (g.a.item(), g.b.item()) == (2, 1)


def test_a_jvp_of_an_integer_result_is_zero():
    _, (square, whole) = tg.jvp(lambda x: (x * x, x.astype(int)), (2.5,), (1.0,))
    assert (float(square), float(whole)) == (5, 0)


# --- Closed forms ---

RNG = np.random.default_rng(0)
M = RNG.normal(size=(3, 3))
X, V = RNG.normal(size=3), RNG.normal(size=3)


@pytest.mark.parametrize(("order", "wanted"), [(1, np.cos), (2, lambda x: -np.sin(x)), (3, lambda x: -np.cos(x)),
                                               (4, np.sin), (5, np.cos)])  # fmt: skip
def test_derivatives_of_any_order(order, wanted):
    f = tg.sin
    for _ in range(order):
        f = tg.grad(f)
    np.testing.assert_allclose(float(f(X[0])), wanted(X[0]), rtol=1e-12)


@pytest.mark.parametrize(("shape", "out"), [((), ()), ((2,), (2,)), ((2, 3), ()), ((2, 3), (3,)), ((0,), (0,))])
def test_a_jacobian_has_the_shape_of_the_result_and_then_of_the_argument(shape, out):
    x = Tensor(np.ones(shape))
    found = tg.jacobian(lambda x: tg.reshape(x, -1)[: int(np.prod(out))].reshape(out) * 2)(x)
    assert found.shape == (*out, *shape)
    flat = found.numpy().reshape(int(np.prod(out)), x.size)
    np.testing.assert_array_equal(flat, 2 * np.eye(x.size)[: len(flat)])


# --- Nested and composed: a derivative inside a function of the outer variable ---


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: tg.grad(f),
        lambda f: lambda x: tg.jvp(f, (x,), (1.0,))[1],
        lambda f: lambda x: tg.vjp(f, x)[1](1.0)[0],
        lambda f: tg.jacobian(f),
        lambda f: lambda x: tg.value_and_grad(f)(x)[1],
    ],
    ids=["grad", "jvp", "vjp", "jacobian", "value_and_grad"],
)
@pytest.mark.parametrize(
    "outer",
    [
        lambda f: tg.grad(f),
        lambda f: lambda x: tg.jvp(f, (x,), (1.0,))[1],
        lambda f: lambda x: tg.vjp(f, x)[1](1.0)[0],
        lambda f: tg.jacobian(f),
    ],
    ids=["grad", "jvp", "vjp", "jacobian"],
)
def test_every_derivative_of_every_derivative(outer, derivative):
    second = outer(derivative(lambda x: x * x * x * x))
    assert float(second(2.0)) == 48
    confused = outer(lambda x: x * derivative(lambda y: x * x * y * y)(1.0))  # x * 2 x^2
    assert float(confused(2.0)) == 24


def test_hvp_is_the_hessian_times_the_vector_where_it_is_not_constant():
    def f(x):
        return (tg.exp(x) * (M @ tg.sin(x))).sum()

    np.testing.assert_allclose(tg.hvp(f, X, V), tg.hessian(f)(X) @ V, rtol=1e-10)
    np.testing.assert_allclose(tg.hessian(f)(X), tg.jacobian(tg.grad(f))(X), rtol=1e-10)
    third = tg.grad(lambda x: (tg.hvp(f, x, V) * V).sum())(X)
    wanted = np.einsum("ijk,i,j->k", tg.jacobian(tg.hessian(f))(X), V, V)
    np.testing.assert_allclose(third, wanted, rtol=1e-9)


# --- Arguments ---


def test_structured_arguments_give_gradients_of_their_structure():
    parameters = {"w": [Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], "b": (Tensor(5.0),), "more": {}}

    def f(p, scale):
        first, second = p["w"]
        return ((first * second).sum() + p["b"][0] * 2) * scale

    gradient = tg.grad(f)(parameters, 10.0)
    assert gradient.keys() == parameters.keys()
    assert [g.numpy().tolist() for g in gradient["w"]] == [[30, 40], [10, 20]]
    assert (type(gradient["b"]), gradient["b"][0].item(), gradient["more"]) == (tuple, 20, {})


@pytest.mark.parametrize(
    ("argnums", "wanted"), [(0, 15), (1, 10), (2, 6), (-1, 6), ((0,), [15]), ((2, 0), [6, 15]), ([-1, 1], [6, 10])]
)
def test_argnums_choose_the_arguments_and_their_order(argnums, wanted):
    gradient = tg.grad(lambda x, y, z: x * y * z, argnums)(2.0, 3.0, 5.0)
    assert isinstance(gradient, Tensor if isinstance(argnums, int) else tuple)
    assert (float(gradient) if isinstance(argnums, int) else [float(g) for g in gradient]) == wanted


@pytest.mark.parametrize("of", [tg.grad, tg.value_and_grad])
@pytest.mark.parametrize("argnums", [(0, 0), (0, -2), [1, -1], (np.int64(1), 1)])
def test_an_argument_that_is_named_twice_is_refused(of, argnums):
    with pytest.raises(ValueError, match="must not contain an argument twice"):
        of(lambda x, y: x * y, argnums)(2.0, 3.0)


@pytest.mark.parametrize("of", [tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian])
@pytest.mark.parametrize("argnums", [2, -3, 0.0, "x"])
def test_a_position_of_no_argument_is_named(of, argnums):
    with pytest.raises(ValueError, match=re.escape(f"arguments, got {argnums!r}.")):
        of(lambda x, y: x * y, argnums)(2.0, 3.0)


MIXED = [
    lambda x, w: (x**w).sum(), lambda x, w: (w * x) ** 2.0, lambda x, w: tg.where(x > 0, w, x) ** w,
    lambda x, w: tg.maximum(x, w) / x, lambda x, w: tg.stack([x, w]).mean() * w, lambda x, w: x.astype(w.dtype) ** x,
]  # fmt: skip


@with_each("f", MIXED)
@with_each("dtypes", [(np.float32, np.float64), (np.float64, np.float32)])
@with_each("k", [0, 1])
def test_both_floats_in_one_function_have_every_product(f, dtypes, k):
    def products(dtypes):
        args = [Tensor(np.array(v, t)) for v, t in zip((1.25, 2.5), dtypes, strict=True)]
        one = lambda v: f(*(v if i == k else a for i, a in enumerate(args))).sum()  # noqa: E731
        return tg.jvp(one, (args[k],), (Tensor(1.0),))[1], tg.grad(one)(args[k]), tg.hvp(one, args[k], Tensor(1.0))

    direction, gradient, second = products(dtypes)
    assert (gradient.dtype, second.dtype) == (dtypes[k], dtypes[k])
    for found, wanted in zip((direction, gradient, second), products((np.float64, np.float64)), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5)


def test_keywords_reach_the_function():
    assert float(tg.grad(lambda x, *, power: x**power)(2.0, power=3)) == 12
    assert tg.jacobian(lambda x, *, by: x * by)([1.0, 2.0], by=3.0).numpy().tolist() == [[3, 0], [0, 3]]


def test_arguments_that_are_not_asked_for_may_be_anything():
    gradient = tg.grad(lambda x, name, labels: x * len(name) + int(labels[0]))(2.0, "four", np.array([7]))
    assert float(gradient) == 4


@pytest.mark.parametrize("x", [Tensor(np.array([1, 2])), np.array([1, 2]), np.array([True])])
def test_integers_have_no_derivative(x):
    for transform in (tg.grad(tg.sum), tg.jacobian(tg.sum), lambda x: tg.vjp(tg.sum, x)):
        with pytest.raises(IntegerGradientError):
            transform(x)


LOST = {
    "float": lambda x: float(x.sum()),
    "float64": lambda x: x.sum().item() * np.float64(2),
    "bool": lambda x: x.sum() > 0,
    "ndarray": lambda x: {"loss": x.numpy() ** 2},
    "int": lambda x: (3, [4]),
    "None": lambda x: None,
}
TRANSFORMS = [
    lambda f, x: tg.grad(f)(x), lambda f, x: tg.value_and_grad(f)(x), lambda f, x: tg.vjp(f, x),
    lambda f, x: tg.jvp(f, (x,), (x,)), lambda f, x: tg.jacobian(f)(x), lambda f, x: tg.hvp(f, x, x),
]  # fmt: skip


@pytest.mark.parametrize("kind", LOST)
def test_a_result_without_a_tensor_is_refused(kind):
    for transform in TRANSFORMS:
        with pytest.raises(DTypeError, match=f"must return a Tensor, got .*{kind}"):
            transform(LOST[kind], X)


@pytest.mark.parametrize("dtype", [np.int64, bool])
def test_the_gradient_of_an_integer_is_refused(dtype):
    for transform in (TRANSFORMS[0], TRANSFORMS[1], TRANSFORMS[-1]):
        with pytest.raises(DTypeError, match=f"got one of dtype {np.dtype(dtype)}, which has no gradient"):
            transform(lambda x: x.sum().astype(dtype), X)


def test_a_structure_of_another_shape_is_a_shape_error():
    x = {"a": Tensor([1.0]), "b": Tensor([2.0])}
    with pytest.raises(ShapeError, match="a dict with keys"):
        tg.jvp(lambda x: x["a"] * x["b"], (x,), ({"a": [1.0]},))
    with pytest.raises(ShapeError, match="expected length 2"):
        tg.vjp(lambda x: (x, x), 1.0)[1]((1.0,))


# --- Several arguments, several results, and auxiliary data ---


def weighted(p, x):
    return {"sum": (p["w"] * x).sum(), "terms": [p["w"] * x * x, p["b"] * 2]}


P, Y = {"w": Tensor(np.array([2.0, 3.0])), "b": Tensor(np.array(5.0))}, Tensor(np.array([7.0, 11.0]))


def test_a_jacobian_is_nested_as_the_result_then_the_arguments():
    found = tg.jacobian(weighted, (1, 0))(P, Y)
    by_y, by_p = found["terms"][0]
    np.testing.assert_array_equal(by_y.numpy(), np.diag(2 * P["w"].numpy() * Y.numpy()))
    np.testing.assert_array_equal(by_p["w"].numpy(), np.diag(Y.numpy() ** 2))
    assert (by_p["b"].shape, found["terms"][1][1]["b"].item()) == ((2,), 2)
    assert tg.jacobian(weighted)(P, Y)["sum"]["w"].numpy().tolist() == Y.numpy().tolist()
    assert [type(tg.jacobian(tg.multiply, argnums)(Y, Y)) for argnums in (0, (0,), [0])] == [Tensor, tuple, tuple]


def test_a_hessian_by_nests_is_nested_as_the_jacobian_of_the_jacobian():
    found = tg.hessian(lambda p, x: (p["w"] * x * x).sum() * p["b"], (1, 0))(P, Y)
    np.testing.assert_array_equal(found[0][0].numpy(), np.diag(2 * P["w"].numpy() * 5))
    np.testing.assert_array_equal(found[0][1]["b"].numpy(), 2 * (P["w"] * Y).numpy())
    np.testing.assert_array_equal(found[1]["w"][0].numpy(), np.diag(2 * 5 * Y.numpy()))
    np.testing.assert_array_equal(found[1]["w"][1]["b"].numpy(), Y.numpy() ** 2)


def with_aux(x):
    return (x * x * x).sum(), {"cube": x * x * x, "name": "aux", "none": None}


AUX = {
    "vjp": lambda: tg.vjp(with_aux, 2.0, has_aux=True)[::2],
    "jvp": lambda: tg.jvp(with_aux, (2.0,), (1.0,), has_aux=True)[1:],
    "grad": lambda: tg.grad(with_aux, has_aux=True)(2.0),
    "value_and_grad": lambda: tg.value_and_grad(with_aux, has_aux=True)(2.0)[0],
    "hvp": lambda: tg.hvp(with_aux, 2.0, 1.0, has_aux=True),
    "jacobian": lambda: tg.jacobian(with_aux, has_aux=True)(2.0),
    "hessian": lambda: tg.hessian(with_aux, has_aux=True)(2.0),
}
FIRST = {"vjp": 8, "jvp": 12, "grad": 12, "value_and_grad": 8, "hvp": 12, "jacobian": 12, "hessian": 12}


@pytest.mark.parametrize("name", AUX)
def test_every_transform_returns_what_stands_beside_the_result(name):
    first, aux = AUX[name]()
    assert first.item() == FIRST[name]
    assert (aux["cube"].item(), aux["name"], aux["none"]) == (8, "aux", None)
    assert not aux["cube"].requires_grad


@pytest.mark.parametrize("result", [lambda x: x, lambda x: (x, x, x), lambda x: [x, x]])
def test_without_a_pair_has_aux_is_an_error(result):
    for name in ("grad", "value_and_grad", "jacobian", "hessian"):
        with pytest.raises(DTypeError, match=r"has_aux=True: the function must return a pair .* got a"):
            getattr(tg, name)(result, has_aux=True)(2.0)
    with pytest.raises(NonScalarBackwardError, match="has_aux=True"):
        tg.grad(with_aux)(2.0)


def test_backward_goes_through_aux_only_to_what_is_outside():
    w, x = Tensor([2.0], requires_grad=True), Tensor([3.0])
    gradient, (product, _) = tg.grad(lambda x: ((x * x).sum(), (w * x, x * x)), has_aux=True)(x)
    assert not gradient.requires_grad
    product.backward()
    assert w.grad == [3]
    with tg.no_grad():
        _, (product, _) = tg.grad(lambda x: ((x * x).sum(), (w * x, x * x)), has_aux=True)(x)
    assert not product.requires_grad


def test_a_model_s_own_outputs_pass_as_aux_without_a_trace_of_history():
    births, w = [], Tensor(np.ones(10))
    for _ in range(3):
        gradient, output = tg.grad(lambda w: ((w * w).sum(), w * w), has_aux=True)(w)
        w = w - 0.1 * gradient
        births.append(weakref.ref(output.data))
    gc.disable()
    try:
        del output
        assert [birth() for birth in births] == [None] * 3
    finally:
        gc.enable()


# --- Independent arguments ---


def test_the_gradient_by_an_argument_that_does_not_matter_is_zero():
    gradients = tg.grad(lambda x, y, z: (x * x).sum(), (0, 1, 2))(Tensor([3.0]), Tensor(np.ones((2, 2))), Tensor(1.0))
    assert [g.numpy().tolist() for g in gradients] == [[6], [[0, 0], [0, 0]], 0]
    assert [g.dtype for g in gradients] == [np.float32, np.float64, np.float32]


def test_second_derivatives_that_vanish_are_zero():
    assert tg.hessian(lambda x: (x * 3).sum())([1.0, 2.0]).numpy().tolist() == [[0, 0], [0, 0]]
    assert tg.hvp(lambda x: (x * 3).sum(), [1.0, 2.0], [1.0, 1.0]).numpy().tolist() == [0, 0]
    assert float(tg.grad(tg.grad(tg.grad(lambda x: x * x)))(2.0)) == 0
    assert tg.jacobian(lambda x: tg.floor_divide(x, 1.0))([1.5]).numpy().tolist() == [[0]]


def test_of_a_constant_function_every_derivative_is_zero():
    constant = Tensor([7.0, 8.0])
    assert tg.jacobian(lambda x: constant)([1.0, 2.0, 3.0]).numpy().tolist() == np.zeros((2, 3)).tolist()
    assert tg.jvp(lambda x: constant, (1.0,), (1.0,))[1].numpy().tolist() == [0, 0]
    assert tg.grad(lambda x: constant.sum())([1.0]).numpy().tolist() == [0]


# --- Combination with backward() and gradient modes ---


def test_a_transform_works_under_no_grad_and_what_it_returns_is_not_recorded():
    w = Tensor([2.0], requires_grad=True)
    with tg.no_grad():
        value, slope = tg.value_and_grad(lambda x: (w * x * x).sum())(w)
        second = tg.grad(lambda x: tg.grad(lambda x: x * x * x)(x) * 2)(3.0)
        product, (_, direction) = tg.hvp(lambda x: (w * x * x).sum(), w, [1.0]), tg.jvp(lambda x: w * x, (1.0,), (1.0,))
        matrix = tg.hessian(lambda x: (w * x * x * x).sum())(w)
    assert [t.item() for t in (value, slope, second, product, direction, matrix)] == [8, 8, 36, 4, 2, 24]
    assert not any(t.requires_grad for t in (value, slope, second, product, direction, matrix))
