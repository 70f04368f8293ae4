"""In-place changes: a gradient that would be wrong raises an error with the op, and all others are correct."""

import threading

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor
from tinygrad_edu.engine import memory
from tinygrad_edu.errors import LeafInPlaceError, StaleValueError

IN_PLACE = {
    "+=": lambda t: t.__iadd__(2.0),
    "-=": lambda t: t.__isub__(2.0),
    "*=": lambda t: t.__imul__(2.0),
    "/=": lambda t: t.__itruediv__(2.0),
    "//=": lambda t: t.__ifloordiv__(2.0),
    "%=": lambda t: t.__imod__(2.0),
    "**=": lambda t: t.__ipow__(2.0),
    "@=": lambda t: t.__imatmul__(2 * np.eye(2)),
}
UNRECORDED = {
    "data -=": lambda t: setattr(t, "data", t.data.__isub__(1.0)),
    "data =": lambda t: setattr(t, "data", np.full((2, 2), 7.0)),
    "assign": lambda t: t.assign(np.full((2, 2), 7.0)),
    "data[...] =": lambda t: t.data.__setitem__(..., 7.0),
    "data[0] -=": lambda t: t.data[0].__isub__(1.0),
    "data.T.flat =": lambda t: np.copyto(t.data.T.reshape(2, 2), 7.0),
    "data.sort": lambda t: t.data[::-1, ::-1].sort(),
    "data.put": lambda t: t.data.put([0, 3], 7.0),
    "data.fill": lambda t: t.data.T.fill(7.0),
    "np.put": lambda t: np.put(t.data, [0, 3], 7.0),
    "np.fill_diagonal": lambda t: np.fill_diagonal(t.data, 7.0),
    "np.add.at": lambda t: np.add.at(t.data, ..., 1.0),
    "np.negative(out=data)": lambda t: np.negative(t.data, out=t.data),
    "np.clip(out=data)": lambda t: np.clip(t.data, 2.0, 3.0, out=t.data),
    "np.sum(out=data)": lambda t: np.sum(np.ones((2, 2)), axis=0, out=t.data[0]),
    "np.matmul(out=data)": lambda t: np.matmul(np.ones((2, 2)), np.ones((2, 2)), out=t.data),
    "np.take(out=data)": lambda t: np.take(np.arange(9.0), np.full((2, 2), 8), out=t.data),
}
VIEWS = {
    "itself": lambda t: t,
    "T": lambda t: t.T,
    "a slice": lambda t: t[:, :],
    "a reversed slice": lambda t: t[::-1],
    "reshape": lambda t: t.reshape(2, 2),
    "expand_dims and squeeze": lambda t: tg.squeeze(tg.expand_dims(t, 0), 0),
    "swapaxes": lambda t: t.swapaxes(0, 1),
    "flip": lambda t: t.flip(0),
    "detach": lambda t: t.detach(),
    "a view of a view": lambda t: t.T[::-1].T,
}


def values():
    return np.array([[1.5, 2.5], [3.5, 4.5]])


@with_each("view", VIEWS)
@with_each("change", [*IN_PLACE, *UNRECORDED, "setitem"])
def test_every_way_to_change_a_saved_leaf_is_caught(view, change):
    w = Tensor(values(), requires_grad=True)
    loss = (w * w).sum()
    with tg.no_grad():
        seen = VIEWS[view](w)
        if change == "setitem":
            seen[0] = 9.0
        else:
            (IN_PLACE | UNRECORDED)[change](seen)
    with pytest.raises(StaleValueError, match=r"op multiply: the vjp of [xy] saved [xy]"):
        loss.backward()
    assert w.grad is None


@with_each("view", VIEWS)
@with_each("change", [*UNRECORDED, "setitem"])
def test_every_way_to_change_a_saved_constant_is_caught(view, change):
    w, c = Tensor(values(), requires_grad=True), Tensor(values())
    loss = (w * c).sum()
    seen = VIEWS[view](c)
    if change == "setitem":
        seen[0] = 9.0
    else:
        UNRECORDED[change](seen)
    with pytest.raises(StaleValueError, match="op multiply: the vjp of x saved y"):
        loss.backward()


@pytest.mark.parametrize("f", [
    tg.softplus, tg.silu, tg.cumsum, lambda x: tg.stack([x, x]), tg.instance_norm,
    lambda x: tg.batch_norm(x, None, None, training=True),
])  # fmt: skip
def test_a_result_that_pytorch_does_not_save_may_change(f):
    x, gradients = Tensor(np.arange(12, dtype=np.float32).reshape(2, 2, 3) ** 2, requires_grad=True), []
    for change in (0, 1):
        out, x.grad = f(x), None
        loss = (out * np.cos(np.arange(out.size)).reshape(out.shape)).sum()
        out += change
        loss.backward()
        gradients.append(x.grad)
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("change", ["+=", "-=", "*=", "/=", "**=", "@="])
def test_an_operator_in_place_has_the_gradient_of_the_operator(change):
    w, cotangent = Tensor(values(), requires_grad=True), np.array([[0.3, -1.2], [2.0, 0.7]])
    h = tg.sin(w)
    IN_PLACE[change](h)
    (h * 1.5).backward(cotangent)
    wanted = Tensor(values(), requires_grad=True)
    apart = {"+=": tg.add, "-=": tg.subtract, "*=": tg.multiply, "/=": tg.divide, "**=": tg.power, "@=": tg.matmul}
    (apart[change](tg.sin(wanted), 2 * np.eye(2) if change == "@=" else 2.0) * 1.5).backward(cotangent)
    np.testing.assert_allclose(w.grad, wanted.grad, rtol=1e-12)


@pytest.mark.parametrize(
    "other",
    [lambda a: a, lambda a: a.T, lambda a: a[::-1], lambda a: a[0], lambda a: a.detach(), lambda a: a.detach().T],
    ids=["itself", "T", "reversed", "a row", "detach", "detach.T"],
)
@pytest.mark.parametrize("operator", ["iadd", "isub", "imul", "itruediv", "ipow"])
def test_an_operand_that_shares_the_memory_is_read_before_it_changes(operator, other):
    w, cotangent = Tensor(values(), requires_grad=True), np.array([[0.3, -1.2], [2.0, 0.7]])
    a = w * 1.0
    getattr(a, f"__{operator}__")(other(a))
    a.backward(cotangent)
    v = Tensor(values(), requires_grad=True)
    b = v * 1.0
    getattr(b, f"__{operator[1:]}__")(other(b)).backward(cotangent)
    np.testing.assert_allclose(w.grad, v.grad, rtol=1e-12)


def test_a_recorded_change_of_elements_is_refused():
    w, c = Tensor(values(), requires_grad=True), Tensor(values())
    with pytest.raises(LeafInPlaceError, match=r"where\(\) or concatenate\(\)"):
        w[0] = 1.0
    with pytest.raises(LeafInPlaceError, match="cannot be recorded"):
        (w * 2)[0] = 1.0
    with pytest.raises(LeafInPlaceError, match="cannot be recorded"):
        c[0] = w[0]
    np.testing.assert_array_equal(c.numpy(), values())


def test_a_gradient_does_not_enter_a_constant_that_others_see():
    w, c = Tensor(values(), requires_grad=True), Tensor(values())
    seen = c.T
    with pytest.raises(StaleValueError, match=r"add in place cannot record a gradient .* t = t \+ other"):
        c += w
    np.testing.assert_array_equal(seen.numpy(), values().T)


@pytest.mark.parametrize("view", [name for name in VIEWS if name not in ("itself", "detach")])
def test_a_view_made_before_a_recorded_change_is_refused_after_it(view):
    a = Tensor(values(), requires_grad=True) * 1.0
    seen = VIEWS[view](a)
    a *= 10
    with pytest.raises(StaleValueError, match=r"op sum: its argument x \(made by .*changed in place"):
        seen.sum()


@pytest.mark.parametrize("view", [name for name in VIEWS if name not in ("itself", "detach")])
def test_a_tensor_whose_view_changed_is_refused_after_it(view):
    a = Tensor(values(), requires_grad=True) * 1.0
    seen = VIEWS[view](a)
    seen *= 10
    with pytest.raises(StaleValueError, match=r"op sum: its argument x \(made by multiply"):
        a.sum()


def test_a_thread_that_is_slow_to_note_a_change_does_not_hide_the_later_one_of_another(monkeypatch):
    slow_has_its_time, slow_may_go_on = threading.Event(), threading.Event()
    times = iter([10**9, 10**9 + 1])

    class Clock:
        def __next__(self):
            time = next(times)
            if time == 10**9:
                slow_has_its_time.set()
                slow_may_go_on.wait(10)
            return time

    monkeypatch.setattr(memory, "clock", Clock())
    monkeypatch.setattr(memory, "last_version", [0])
    slow, quick = (threading.Thread(target=memory.writing(memory.Storage()).note) for _ in range(2))
    slow.start()
    slow_has_its_time.wait(10)
    quick.start()
    quick.join(0.1)
    slow_may_go_on.set()
    slow.join()
    quick.join()
    assert memory.last_version == [10**9 + 1]


def test_in_place_keeps_the_dtype_of_the_tensor_and_of_its_gradient():
    w = Tensor([1.0, 2.0], requires_grad=True)
    h = w * 1
    h *= Tensor(np.array([3.0, 4.0]))  # float64
    assert h.dtype == np.float32
    h.sum().backward()
    assert w.grad.dtype == np.float32
    np.testing.assert_array_equal(w.grad, [3, 4])
