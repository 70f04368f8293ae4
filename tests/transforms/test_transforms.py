"""The transforms: derivatives of any order, of structured arguments, composed with each other and with backward()."""

import collections
import gc
import weakref

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import LeafInPlaceError, TinygradError


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
        gx *= 10  # and may be changed


def test_a_pulled_back_cotangent_is_not_the_cotangent_itself():
    _, pullback = tg.vjp(lambda x: x + 1, Tensor([1.0, 2.0]))
    cotangent = Tensor([1.0, 1.0])
    (g,) = pullback(cotangent)
    with tg.no_grad():
        g *= 10
    assert cotangent.numpy().tolist() == [1, 1]


@pytest.mark.parametrize("f", [lambda x: x + 1, lambda x: x, lambda x: x * x])
def test_float64_cotangents_give_float32_gradients_of_float32(f):
    x = Tensor([1.0, 2.0])
    (g,) = tg.vjp(f, x)[1](Tensor(np.ones(2)))
    _, direction = tg.jvp(f, (x,), (Tensor(np.ones(2)),))
    assert (g.dtype, direction.dtype) == (np.float32, np.float32)


def test_a_negative_argnum_counts_from_the_end_as_in_python():
    x, y = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    np.testing.assert_array_equal(tg.grad(lambda *a: (a[0] * a[1]).sum(), -1)(x, y).numpy(), [1, 2])
    np.testing.assert_array_equal(tg.jacobian(lambda a, b: a * b, -1)(x, y).numpy(), [[1, 0], [0, 2]])


def test_a_named_tuple_stays_one():
    pair = collections.namedtuple("pair", "a b")
    g = tg.grad(lambda p: (p.a * p.b).sum())(pair(Tensor([1.0]), Tensor([2.0])))
    assert (g.a.item(), g.b.item()) == (2, 1)


def test_plain_lists_are_one_tensor_for_every_transform():
    x, v, f = [1.0, 2.0], [1.0, 0.0], lambda x: x * x
    np.testing.assert_array_equal(tg.jvp(f, (x,), (v,))[1].numpy(), [2, 0])
    np.testing.assert_array_equal(tg.vjp(f, x)[1](v)[0].numpy(), [2, 0])


def test_a_jvp_of_several_results_of_which_one_is_a_constant():
    out, direction = tg.jvp(lambda x: {"square": x * x, "three": 3.0}, (2.0,), (1.0,))
    assert float(direction["square"]) == 4
    assert float(direction["three"]) == 0
    assert float(out["three"]) == 3


def test_a_jvp_of_an_integer_result_is_zero():
    _, (square, whole) = tg.jvp(lambda x: (x * x, x.astype(int)), (2.5,), (1.0,))
    assert (float(square), float(whole)) == (5, 0)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: tg.jacobian(lambda x: {"a": x})(Tensor([1.0])),
        lambda: tg.jacobian(lambda x: 3.0)(Tensor([1.0])),
        lambda: tg.hessian(lambda p: (p["a"] * p["a"]).sum())({"a": Tensor([1.0])}),
        lambda: tg.vjp(lambda x: {"u": x, "v": x}, Tensor([1.0]))[1]({"u": Tensor([1.0])}),
    ],
    ids=["jacobian of a dict", "jacobian of a float", "hessian by a dict", "cotangent without a key"],
)
def test_a_structure_that_does_not_fit_is_an_error_of_ours(mistake):
    with pytest.raises(TinygradError):
        mistake()


def test_a_loop_of_gradients_of_plain_tensors_keeps_no_history():
    w, births = Tensor(np.ones(10)), []
    for _ in range(3):
        w = w - 0.1 * tg.grad(lambda w: (w * w * w).sum())(w)
        births.append(weakref.ref(w.data))
        assert not w.requires_grad
    gc.disable()
    try:
        del w
        assert [birth() for birth in births] == [None] * 3
    finally:
        gc.enable()


def test_an_op_without_a_rule_on_a_path_that_nobody_asked_for_does_no_harm():
    @tg.op
    def without_a_rule(x):
        return x * 1

    def f(x):
        return (x * without_a_rule(Tensor([3.0], requires_grad=True))).sum()

    assert tg.grad(f)(Tensor([2.0])).item() == 3
