"""Writes in place around custom_vjp and checkpoint: the derivative of the program without writes, or an error."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.errors import LeafInPlaceError, StaleValueError, WrongGradientError

X, V = np.array([-0.5, 0.3, 1.2]), np.array([1.5, -0.25, 0.75])


def logistic(x):
    return 1 / (1 + tg.exp(-x))


def custom(f, forward, backward):
    function = tg.custom_vjp(f)
    function.defvjp(forward, backward)
    return function


def twice(x):
    y = logistic(x)
    return y, y


def of_a_view(x):
    y = logistic(x)
    return y, {"rows": (y.reshape(3, 1), None)}


def of_an_array(x):
    y = 1 / (1 + np.exp(-x.numpy()))
    return tg.from_numpy(y), y


def filled(x):
    y = tg.zeros(x.shape, x.dtype)
    y.assign(logistic(x).numpy())
    return y, y


def slope(y, g):
    return (g * y * (1 - y),)


# Each function is the logistic function: (the function, whether it has second derivatives).
FUNCTIONS = {
    "ops": (logistic, True),
    "sigmoid": (tg.sigmoid, True),
    "the result is a residual": (custom(logistic, twice, slope), True),
    "a view of the result": (custom(logistic, of_a_view, lambda r, g: slope(r["rows"][0].reshape(3), g)), True),
    "an array of the result": (custom(logistic, of_an_array, slope), False),
    "a result written in the call": (custom(logistic, filled, slope), False),
    "the argument": (custom(logistic, lambda x: (logistic(x), x), lambda x, g: slope(logistic(x), g)), True),
    "two results": (
        (lambda f: lambda x: f(x)[0])(
            custom(
                lambda x: (logistic(x), x * 2),
                lambda x: ((logistic(x), x * 2), logistic(x)),
                lambda y, g: (slope(y, g[0])[0] + 2 * g[1],),
            )
        ),
        True,
    ),
    "checkpoint": (tg.checkpoint(logistic), True),
    "checkpoint of the first": (tg.checkpoint(custom(logistic, twice, slope)), True),
}


def in_place(name):
    def write(y):
        getattr(y, f"__i{name}__")(1.5)
        return y

    return write


def view(y):
    part = y[1:]
    part *= 3
    return y


# These read the argument in the backward pass, so a write to it is an error.
READ_ARGUMENTS = ("ops", "the argument", "checkpoint", "checkpoint of the first")

# Each write, and the same values without a write.
WRITES = {
    **{name: (in_place(name), lambda y, name=name: getattr(y, f"__{name}__")(1.5)) for name in
       ("add", "sub", "mul", "truediv")},
    "by itself": (lambda y: y.__imul__(y), lambda y: y * y),
    "of a view": (view, lambda y: tg.concatenate([y[:1], 3 * y[1:]])),
    "assign": (lambda y: y.assign(V), lambda y: tg.Tensor(V) + 0 * y),
    "data": (lambda y: y.data.fill(2.0), lambda y: tg.Tensor(V * 0 + 2) + 0 * y),
}  # fmt: skip


def derivatives(program, second):
    """Return the result of each transform: an array, or the class of the error."""

    def scalar(x):
        return (program(x) * tg.Tensor(V)).sum()

    def backward():
        x = tg.Tensor(X, requires_grad=True)
        scalar(x).backward()
        return x.grad

    calls = {"backward": backward, "grad": lambda: tg.grad(scalar)(X)}
    if second:
        calls |= {
            "jvp": lambda: tg.jvp(program, (X,), (V,))[1],
            "hvp": lambda: tg.hvp(scalar, X, V),
            "jacobian": lambda: tg.jacobian(program)(X),
            "hessian": lambda: tg.hessian(scalar)(X),
        }
    return {name: outcome(call) for name, call in calls.items()}


def outcome(call):
    try:
        return np.asarray(call())
    except (StaleValueError, LeafInPlaceError) as error:
        return type(error)


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.LoopWarning")
@pytest.mark.parametrize("target", ["result", "argument"])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_write_after_the_call_gives_the_right_derivative_or_an_error(kind, target):
    f, second = FUNCTIONS[kind]
    for name, (write, change) in WRITES.items():

        def written(x, write=write):
            h = x * 1.0
            y = f(h)
            write(h if target == "argument" else y)
            return y

        def unchanged(x, change=change):
            y = logistic(x * 1.0)
            return y if target == "argument" else change(y)

        expected = derivatives(unchanged, second)
        given = derivatives(written, second)
        if target == "argument" and kind not in READ_ARGUMENTS:
            assert isinstance(given["grad"], np.ndarray), name
        for transform, got in given.items():
            if isinstance(got, np.ndarray):
                np.testing.assert_allclose(got, expected[transform], atol=1e-12, err_msg=f"{name}, {transform}")


@pytest.mark.parametrize("order", [1, 2])
def test_arrays_that_a_call_keeps_may_change_afterwards(order):
    """Arguments, residuals and constants of an op are copied."""
    k = np.full(3, 2.0)
    closure = custom(lambda x: x * x * k, lambda x: (x * x * k, (x, k)), lambda r, g: (2 * g * r[0] * r[1],))
    argument = custom(
        lambda x, k: x * x * k, lambda x, k: (x * x * k, (x, k)), lambda r, g: (2 * g * r[0] * r[1], None)
    )
    saved = tg.checkpoint(lambda x, k: x * x * k)
    for f in (lambda x: argument(x, k), lambda x: saved(x, k), *((closure,) if order == 1 else ())):

        def total(x, f=f):
            k[:] = 2
            y = f(x)
            k[:] = 100
            return y.sum()

        if order == 1:
            np.testing.assert_array_equal(tg.grad(total)(X), 4 * X)
        else:
            np.testing.assert_array_equal(tg.hvp(total, X, V), 4 * V)


def test_a_result_that_is_an_argument_cannot_change_a_leaf():
    second = custom(lambda k, x: x, lambda k, x: (x, None), lambda _, g: (None, -g))
    for f in (second, tg.checkpoint(lambda k, x: x)):
        k, x = (tg.Tensor(X, requires_grad=True) for _ in range(2))
        y = f(k, x)
        with pytest.raises(LeafInPlaceError):
            y += 1
        np.testing.assert_array_equal(x, X)


RNG = np.random.default_rng(0)
DIFFER = r"residuals\[1\] differs from that of the first call"
# Residuals from which a second derivative cannot be computed, and others from which it can.
RESIDUALS = {
    "a random Tensor": (lambda x: x * RNG.random(), DIFFER),
    "a random integer": (lambda x: int(RNG.integers(2**40)), DIFFER),
    "complex numbers": (lambda x: np.fft.fft(x.numpy()), "needs the derivative"),
    "a complex number": (lambda x: complex(x[0].item(), 1), "needs the derivative"),
    "an integer": (lambda x: 3, None),
    "labels": (lambda x: np.array(["a", "b"]), None),
    "objects": (lambda x: np.array([slice(3)]), None),
}


@pytest.mark.parametrize("kind", RESIDUALS)
def test_the_second_call_of_forward_must_have_the_same_residuals(kind):
    residual, message = RESIDUALS[kind]
    f = custom(lambda x: x * x, lambda x: (x * x, (x, residual(x))), lambda r, g: (2 * g * r[0],))
    np.testing.assert_array_equal(tg.grad(lambda x: f(x).sum())(X), 2 * X)
    if message is None:
        np.testing.assert_array_equal(tg.hvp(lambda x: f(x).sum(), X, V), 2 * V)
        return
    with pytest.raises(WrongGradientError, match=message):
        tg.hvp(lambda x: f(x).sum(), X, V)


# --- checkpoint starts each replay from the same state ---


class Counting(nn.Module):
    """Reverses the gradient by a factor that is its state."""

    def __init__(self, state):
        super().__init__()
        self.factor, self.calls, self.state = tg.Tensor(0.0, dtype=np.float64), 0, state
        self.array, self.list, self.dict = np.zeros(()), [], {"n": tg.Tensor(0.0)}

    def forward(self, x):
        self.state(self)
        return REVERSED(x, self.total())

    def total(self):
        return float(self.factor) + int(self.calls) + float(self.array) + len(self.list) + float(self.dict["n"])


REVERSED = custom(lambda x, k: x * 1, lambda x, k: (x * 1, k), lambda k, g: (-k * g, None))
STATES = {
    "assigned": lambda m: m.factor.assign(m.factor.numpy() + 1),
    "data": lambda m: m.factor.data.__iadd__(1),
    "replaced": lambda m: setattr(m, "factor", m.factor + 1),
    "attribute": lambda m: setattr(m, "calls", m.calls + 1),
    "array": lambda m: setattr(m, "calls", np.add(m.calls, 1)),
    "array in place": lambda m: np.add(m.array, 1, out=m.array),
    "list": lambda m: m.list.append(0),
    "dict": lambda m: m.dict.update(n=m.dict["n"] + 1),
}


def gradients(model, x):
    """Return three gradients of one retained graph."""
    out, found = model(x), []
    for _ in range(3):
        x.grad = None
        out.sum().backward(retain_graph=True)
        found.append(x.grad.copy())
    return found


@pytest.mark.parametrize("kind", STATES)
def test_every_backward_pass_replays_the_state_of_the_call(kind):
    model, x = Counting(STATES[kind]), tg.Tensor(X, requires_grad=True)
    for step in (1, 2):  # the second step starts from the state that the first call left
        for gradient in gradients(tg.checkpoint(model), x):
            np.testing.assert_array_equal(gradient, -float(step))
        assert model.total() == step


def test_a_captured_constant_changed_before_the_backward_pass_is_an_error():
    """At x = 0 the result of the second call is the same, but not the derivative."""
    scale, x = tg.Tensor(V), tg.Tensor(0 * X, requires_grad=True)
    out = tg.checkpoint(lambda x: x * scale)(x)
    scale.assign(2 * V)
    with pytest.raises(StaleValueError, match="scale, of shape"):
        out.sum().backward()


def test_state_that_others_change_between_the_call_and_the_backward_pass_is_no_error():
    """A bound method reaches the whole model, but reads a part of it."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.norm = nn.Linear(3, 3, rng=np.random.default_rng(0)), nn.BatchNorm1D(3)

        def first(self, x):
            return tg.tanh(self.linear(x))

        def forward(self, x, wrap=tg.checkpoint):
            return self.norm(wrap(self.first)(x))

    x = tg.Tensor(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32), requires_grad=True)
    results = []
    for wrap in (tg.checkpoint, lambda f: f):
        x.grad = None
        (Model()(x, wrap) ** 3).sum().backward()
        results.append(x.grad)
    np.testing.assert_array_equal(*results)
