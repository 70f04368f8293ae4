"""Hooks and retained gradients: a hook receives each complete gradient once, and its result replaces the gradient."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor
from tinygrad_edu.engine import Storage, wrap
from tinygrad_edu.errors import DTypeError, LostGradientWarning, NoGraphError, WrongGradientError
from tinygrad_edu.testing.strategies import programs


def leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


# h is used twice, before and after the registration of the hook, as a whole and in slices.
USES = {
    "once": lambda h: h.sum(),
    "twice": lambda h: (h * h + 3 * h).sum(),
    "in parts": lambda h: h[0] * h[1] + h[1],
    "as a whole and in parts": lambda h: h[0] * 2 + (h * h).sum(),
    "as the end": lambda h: h,
}


@with_each("use", USES)
@with_each("late", [False, True])
@with_each("kind", ["leaf", "computed"])
def test_a_hook_sees_the_whole_gradient_once_and_what_it_returns_goes_on(use, late, kind):
    twin = leaf(2.0, -3.0)
    (USES[use](twin)).backward(np.ones(()) if use != "as the end" else [1.0, 5.0])
    x, seen = leaf(2.0, -3.0), []
    h = x if kind == "leaf" else x * 1.0

    def hook(g):
        seen.append(g.copy())
        return -2 * g

    if not late:
        h.register_hook(hook)
    out = USES[use](h)
    if late:
        h.register_hook(hook)
    h.retain_grad()
    out.backward(np.ones(()) if use != "as the end" else [1.0, 5.0])
    np.testing.assert_array_equal(seen, [twin.grad])
    np.testing.assert_array_equal(x.grad, -2 * twin.grad)
    np.testing.assert_array_equal(h.grad, -2 * twin.grad)
    assert not np.shares_memory(h.grad, x.grad) or h is x
    assert h.grad.flags.writeable
    assert h.grad.base is None


def test_hooks_are_called_in_their_order_until_they_are_removed():
    x, order = leaf(1.0), []
    y = x * 2
    first = y.register_hook(lambda g: order.append("first"))
    with y.register_hook(lambda g: order.append("second") or g + 1):
        y.register_hook(lambda g: order.append(g.item()))
        y.backward([1.0], retain_graph=True)
    assert order == ["first", "second", 2.0]
    first.remove()
    first.remove()
    y.backward([1.0])
    assert order == ["first", "second", 2.0, 1.0]
    assert x.grad == 2 * 2 + 2


def test_retained_gradients_add_up_as_those_of_leaves_do_and_can_be_forgotten():
    x = leaf(1.0, 2.0)
    y = x * x
    assert not y.retains_grad
    y.retain_grad()
    assert (y.retains_grad, x.retains_grad, y.grad) == (True, False, None)
    y.sum().backward(retain_graph=True)
    y.retain_grad()  # a second time changes nothing
    (2 * y).sum().backward()
    np.testing.assert_array_equal(y.grad, [3, 3])
    y.zero_grad()
    assert y.grad is None
    y.grad = [1.0, 2.0]
    assert y.grad.tolist() == [1, 2]


def test_a_hook_cannot_write_into_a_gradient():
    for tensor in (leaf(1.0, 2.0), leaf(1.0, 2.0) * 1):
        tensor.register_hook(lambda g: g.fill(0))
        with pytest.raises(ValueError, match="read-only") as caught:
            tensor.backward([1.0, 1.0])
        assert "In a hook on the gradient of " in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda g: 1.0, "of op multiply returned a float; it must return"),
        (lambda g: g[:1], r"returned float64 of shape \(1,\); expected float64 of shape \(2,\)"),
        (lambda g: g.astype(np.float32), r"returned float32 of shape"),
        (lambda g: Tensor(g), "returned a Tensor"),
        (lambda g: np.array([1, 2]), "returned int64"),
    ],
)
def test_what_is_no_gradient_of_the_tensor_is_refused(returned, message):
    x = leaf(1.0, 2.0)
    y = x * 2
    y.register_hook(returned)
    with pytest.raises(WrongGradientError, match=message):
        y.sum().backward()
    assert x.grad is None


def test_where_no_gradient_flows_there_is_nothing_to_hook():
    with tg.no_grad():
        computed = leaf(1.0) * 2
    for tensor in (Tensor(1.0), leaf(1.0).detach(), computed):
        with pytest.raises(NoGraphError, match=r"register_hook\(\) on a tensor without a gradient"):
            tensor.register_hook(print)
        with pytest.raises(NoGraphError, match=r"retain_grad\(\)"):
            tensor.retain_grad()
        assert not tensor.retains_grad
    with pytest.raises(DTypeError, match="a hook must be callable"):
        leaf(1.0).register_hook(None)


def test_the_grad_of_a_computed_tensor_says_what_to_do_and_is_none():
    y = leaf(1.0) * 2
    with pytest.warns(
        LostGradientWarning, match=r"computed by op multiply has no .grad.* Call t.retain_grad\(\).*tape.steps"
    ):
        assert y.grad is None
    with pytest.raises(NoGraphError, match="retain_grad"):
        y.grad = [1.0]


def test_each_walk_of_a_second_derivative_calls_the_hook():
    kinds = []

    def f(x):
        h = x * x
        h.register_hook(lambda g: kinds.append(type(g)) or 2 * g)
        return h * h

    assert float(tg.grad(f)(3.0)) == 2 * 4 * 3**3
    assert kinds == [np.ndarray]
    # The inner pass gives 8 h x. In the outer pass its derivative with respect to h, 8 x, is doubled, too.
    assert float(tg.grad(tg.grad(f))(3.0)) == 8 * 3**2 + 2 * 8 * 3 * 2 * 3
    assert kinds == [np.ndarray, Tensor, np.ndarray]


def test_the_arguments_of_a_transform_have_hooks_too():
    def f(x):
        x.register_hook(lambda g: 10 * g)
        return (x * x).sum()

    assert tg.grad(f)(Tensor([3.0])).tolist() == [60.0]
    assert tg.vjp(f, Tensor([3.0]))[1](1.0)[0].tolist() == [60.0]


def test_hooks_hold_no_graph():
    x = leaf(1.0, 2.0)
    y = x * x
    y.retain_grad()
    y.register_hook(lambda g: None)
    alive = weakref.ref(y._node.saved["x"])
    gc.disable()
    try:
        loss = y.sum()
        loss.backward()
        del y, loss, x
        assert alive() is None
    finally:
        gc.enable()


@given(programs())
def test_hooks_that_return_nothing_change_nothing(program):
    """With a hook on each node and retained gradients, the gradients of a program are bitwise equal."""
    for array, other in zip(gradients(program, False), gradients(program, True), strict=True):
        np.testing.assert_array_equal(array, other)


def gradients(program, hooked):
    leaves = [Tensor(x, requires_grad=True) for x in program.arrays]
    with np.errstate(all="ignore"):
        results = program(*leaves)
        results = results if isinstance(results, tuple) else (results,)
        total = sum((tg.sum(out * np.cos(np.arange(out.size)).reshape(out.shape)) for out in results), Tensor(0.0))
        for node in nodes_behind(total) if hooked else ():
            tensor = wrap(np.empty(node.shape, node.dtype), node, Storage())
            tensor.register_hook(lambda g: None)
            tensor.retain_grad()
        if total.requires_grad:
            total.backward()
    return [x.grad for x in leaves if x.grad is not None]


def nodes_behind(tensor):
    stack, seen = [tensor._node], {None}
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += node.parents.values()
            yield node
