"""detect_anomaly names the first op or vjp that returns NaN or an infinity, with its line, and changes no result."""

import contextvars
import gc
import re
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import AnomalyError
from tinygrad_edu.parallel import map_shards, sharded_value_and_grad
from tinygrad_edu.testing.strategies import OP_CALLS, calls, programs

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns of some of it, too

ANOMALIES = {}  # programs by name, each with the start of its message; the message ends with the line marked "# here"


def makes(message):
    return lambda program: ANOMALIES.setdefault(program.__name__, (program, message)) and program


def leaf(*values, dtype=np.float32):
    return Tensor(np.array(values, dtype), requires_grad=True)


# --- In the forward ---


@makes("op log: result[1] is -inf, of x[1] = 0.0, and no input is infinite.")
def log_of_zero():
    tg.log(leaf(1.0, 0.0))  # here


@makes("op log: result[0, 1] is nan, of x[0, 1] = -2.0, and no input is NaN.")
def log_of_a_negative_number():
    tg.log(leaf([1.0, -2.0]))  # here


@makes("op divide: result[1, 0] is nan, of x[0] = 0.0, y[1, 0] = 0.0,")
def zero_over_zero():
    leaf(0.0, 1.0) / leaf([1.0, 1.0], [0.0, 1.0])  # here


@makes("op divide: result[0] is inf, of x = 1, y[0] = 0.0,")
def a_plain_number_over_zero():
    1 / leaf(0.0)  # here


@makes("op exp: result is inf, of x = 89.0,")
def an_exponential():
    tg.exp(Tensor(89.0))  # here


@makes("op power: result[0] is nan, of x[0] = -1.0, y = 0.5,")
def a_root_of_a_negative_number():
    leaf(-1.0) ** 0.5  # here


@makes("op matmul: result[0] is inf, and no input is infinite.\n  x: float32 of shape (1, 2), 1e+20\n")
def a_product_of_large_numbers():
    leaf([1e20, 1e20]) @ leaf(1e20, 1e20)  # here


@makes("op add: result[1] is nan, of x[1] = inf, y[1] = -inf,")
def infinities_that_are_subtracted():
    Tensor([1.0, np.inf]) + Tensor([1.0, -np.inf])  # here


@makes("op log: result[1] is -inf, of x[1] = 0.0,")
def an_infinity_beside_a_nan():
    tg.log(Tensor([np.nan, 0.0]))  # here


@makes("op softmax: result[0] is nan, of x[0] = -inf,")
def a_softmax_of_nothing():
    tg.softmax(tg.full(2, -np.inf))  # here


@makes("op multiply: result[0] is inf, of x[0] = 6e+04, y = 2,")
def half_precision():
    leaf(60000, dtype=np.float16) * 2  # here


@makes("op astype: result[0] is inf, of x[0] = 1e+10,")
def a_cast_to_half_precision():
    leaf(1.0, 1e10)[1:].astype(np.float16)  # here


@makes("op multiply: result[0] is inf, of x[0] = 3e+38, y = 2,")
def in_place_and_unrecorded():
    x = Tensor([3e38])
    with tg.no_grad():
        x *= 2  # here


@makes("op mean: result is nan, and no input is NaN.\n  x: float32 of shape (0,)\n  axis: None\n")
def a_mean_of_nothing():
    tg.mean(Tensor(np.zeros(0, np.float32)))  # here


@tg.op
def total(*arrays):
    return sum(arrays)


@makes("op total: result is inf, and no input is infinite.\n  arrays0: float32 of shape (), 1e+38\n")
def more_arrays_than_are_written_out():
    total(*[Tensor(1e38)] * 20)  # here


# --- In the backward pass: the line is that of the forward pass ---


@makes("op sqrt: gradient of x[0] is inf, of g[0] = 3.0, out[0] = 0.0, and no input is infinite.\n  g: float32")
def the_slope_of_a_root():
    root = tg.sqrt(leaf(0.0, 1.0))  # here
    (3 * root).sum().backward()


@makes("op sqrt: gradient of x[0] is nan, of g[0] = 0.0, out[0] = 0.0,")
def the_branch_that_where_did_not_take():
    x = leaf(0.0, 1.0)
    root = tg.sqrt(x)  # here
    tg.where(x.numpy() > 0, root, 0.0).sum().backward()


@makes("op power: gradient of x[1] is inf, of g[1] = 1.0, x[1] = 0.0, y = 0.5,")
def the_slope_of_a_power():
    power = leaf(1.0, 0.0) ** 0.5  # here
    power.sum().backward()


@makes("op norm_composed_of_squares: gradient of x[0] is nan, of g = 1.0, x[0] = 0.0, out = 0.0,")
def a_norm_at_zero():
    norm = norm_composed_of_squares(leaf(0.0, 0.0))  # here
    norm.backward()


@tg.op
def norm_composed_of_squares(x):
    return np.sqrt(np.square(x).sum())


norm_composed_of_squares.vjps(x=lambda g, x, out: g * x / out)


@makes("op multiply: unbroadcast gradient of y[0] is inf, and no input is infinite.\n  gradient of y: float32")
def a_gradient_that_is_cast():
    product = leaf(1e6) * leaf(1.0, dtype=np.float16)  # here
    product.sum().backward()


@makes("the sum of the gradients of the result of op multiply, float16 of shape (1,), is infinite,")
def a_sum_of_gradients():
    x = leaf(1e-3, dtype=np.float16) * 1  # here
    (x * 60000 + x * 60000).sum().backward()


@makes("op power: gradient of x is inf, of g = 1.5, x = 0.0, y = 0.5,")
def the_second_derivative():
    def f(x):
        return x**1.5  # here

    tg.grad(tg.grad(f))(0.0)


@tg.op
def positive_part(x):
    return np.where(x > 0, x, 0)


positive_part.vjps(x=lambda g, x: tg.where(x > 0, g * x / x, 0.0))


@makes("op divide: result is nan, of x = 0.0, y = 0.0,")
def what_a_vjp_computes_on_tensors_and_does_not_use():
    def f(x):
        return positive_part(x)  # here

    tg.grad(tg.grad(f))(0.0)


@with_each("name", ANOMALIES)
def test_the_op_the_numbers_and_the_line_are_named(name):
    program, begins = ANOMALIES[name]
    with pytest.raises(AnomalyError) as caught, tg.detect_anomaly():
        program()
    message = str(caught.value)
    assert message.startswith(begins)
    assert re.search(rf'\n  File "{re.escape(__file__)}", line \d+, in \w+\n    .*  # here$', message)


def test_without_the_forward_inside_the_line_is_not_known():
    root = tg.sqrt(leaf(0.0)).sum()
    with pytest.raises(AnomalyError, match=r"op sqrt: gradient of x\[0\] is inf") as caught, tg.detect_anomaly():
        root.backward()
    assert str(caught.value).endswith(
        "Unknown call site: run the forward pass inside of detect_anomaly(), too, to see it."
    )


def test_the_sum_of_the_gradients_of_a_leaf_is_looked_at():
    x = leaf(1e-3, dtype=np.float16)
    with pytest.raises(AnomalyError, match=r"of a leaf, float16 of shape \(1,\), is .* no summand is\.$"):
        tg.detect_anomaly()(lambda: (x * 60000 + x * 60000).sum().backward())()


def test_an_op_that_another_vjp_called_is_named_with_both():
    with pytest.raises(AnomalyError, match="Called by the vjp of op power for x, which was called at\n"):
        tg.detect_anomaly()(tg.grad(lambda x: tg.grad(lambda x: (x**1.5).sum())(x).sum()))(leaf(0.0))


class Net(nn.Module):
    def __init__(self, bias):
        self.body = nn.Sequential(nn.Linear(2, 3, rng=np.random.default_rng(0)), nn.Lambda(tg.sqrt))
        self.body[0].bias.assign(np.full(3, bias))
        self.last = None

    def forward(self, x):
        self.last = self.body(x * 0)
        return tg.log(x).sum() + self.last.sum()


@pytest.mark.parametrize(
    ("x", "bias", "layer"),
    [(1.0, -1.0, "in layer body.1 (Lambda)"), (1.0, 0.0, "in layer body.1 (Lambda)"), (0.0, 1.0, "in Net")],
)
def test_the_layer_is_named(x, bias, layer):
    net = Net(bias)
    with pytest.raises(AnomalyError, match=re.escape(f"\nCalled {layer} at\n")):
        tg.detect_anomaly()(lambda: net(Tensor([[x, 1.0]])).backward())()


# --- Not an anomaly, and no side effects ---


@tg.op
def from_a_start(x, *, start=0.0):
    return x + start


from_a_start.vjps(x=lambda g: g)

ORDINARY = {
    "a mask": lambda x: tg.softmax(tg.where(np.array([True, False]), x, -np.inf)),
    "an infinite setting": lambda x: tg.clip(x, -np.inf, np.inf),
    "a user's infinite setting": lambda x: from_a_start(x, start=np.inf),
    "large logits": lambda x: nn.cross_entropy((x * 1e5).reshape(1, 2), np.array([0])),
    "a norm at 0": lambda x: tg.norm(x * 0),
    "given NaN": lambda x: tg.log(x * np.nan),
    "given infinities": lambda x: tg.maximum(x, np.inf) * 2,
    "integers": lambda x: (tg.arange(3) * 2, x)[1],
    "an index": lambda x: x[[0, 0, 1]],
}


@pytest.mark.parametrize("name", ORDINARY)
def test_what_was_given_is_no_anomaly(name):
    with tg.detect_anomaly():
        x = leaf(1.0, 2.0)
        ORDINARY[name](x).sum().backward()


def left_by(program, arrays, order):
    """Return the bytes of a program's results and gradients, and whether all of them are finite."""
    inputs = [Tensor(x, requires_grad=True) for x in arrays]

    def slopes(*inputs):
        results = program(*inputs)
        return sum((y * np.cos(y.numpy())).sum() for y in (results if isinstance(results, tuple) else (results,)))

    for _ in range(order):
        slopes = squares_of_gradients(slopes, len(arrays))
    value = slopes(*inputs)
    if value.requires_grad:
        value.backward()
    left = [value.numpy(), *(x.grad for x in inputs if x.grad is not None)]
    return [x.tobytes() for x in left], all(np.isfinite(x).all() for x in left)


def squares_of_gradients(f, count):
    return lambda *inputs: sum((g * g).sum() for g in tg.grad(f, tuple(range(count)))(*inputs))


OPS = sorted(OP_CALLS.keys() & tg.ops.registry.keys())


@given(programs() | st.sampled_from(OPS).flatmap(calls), st.integers(0, 1))
def test_what_is_finite_leaves_the_same_bits_inside_and_outside(program, order):
    outside, finite = left_by(program, program.arrays, order)
    try:
        with tg.detect_anomaly():
            inside, _ = left_by(program, program.arrays, order)
    except AnomalyError:
        assert not finite
    else:
        assert inside == outside
        assert finite


def test_slices_that_meet_other_gradients_leave_the_same_bits():
    """A duplicate index adds twice, and the sum of three numbers depends on their order."""
    numbers = np.random.default_rng(0).standard_normal((3, 100))

    def gradient():
        x = Tensor(np.ones((1, 100)), requires_grad=True)
        ((x * numbers[0]).sum() + (x[[0, 0]] * numbers[1:]).sum()).backward()
        return x.grad.tobytes()

    with tg.detect_anomaly():
        inside = gradient()
    assert inside == gradient()


# --- Scope of the mode ---


def detects():
    try:
        tg.log(Tensor(0.0))
    except AnomalyError:
        return True
    return False


def test_it_holds_inside_alone_whatever_else_is_open_there():
    with tg.detect_anomaly():
        assert detects()
        assert tg.is_grad_enabled()
        with tg.no_grad():
            assert detects()
            assert not tg.is_grad_enabled()
            with tg.enable_grad(), tg.detect_anomaly():
                assert tg.is_grad_enabled()
            assert detects()
        with pytest.raises(AnomalyError):
            tg.log(Tensor(0.0))
        assert detects()
    assert not detects()


def test_shards_on_threads_are_looked_at():
    with tg.detect_anomaly():
        assert list(map_shards(lambda k: detects(), 4, threads=2)) == [True] * 4
    model = nn.Sequential(nn.Linear(2, 2, bias=False, rng=np.random.default_rng(0)), nn.Lambda(tg.log))
    x, y = np.zeros((8, 2), np.float32), np.zeros(8, int)
    with pytest.raises(AnomalyError, match=r"(?s)op log: result.*\nCalled in layer 1 \(Lambda\)"), tg.detect_anomaly():
        sharded_value_and_grad(model, nn.cross_entropy, x, y, np.random.default_rng(0), shard_size=2, threads=2)


def test_a_thread_without_a_line_of_the_user_says_so(monkeypatch):
    with tg.detect_anomaly():
        context, caught = contextvars.copy_context(), []
    monkeypatch.setattr(threading, "excepthook", lambda failed: caught.append(failed.exc_value))
    thread = threading.Thread(target=context.run, args=(tg.log, Tensor(0.0)))
    thread.start()
    thread.join()
    assert str(caught[0]).endswith("\nCalled from no line outside of this package.")


def test_what_is_noted_keeps_nothing_alive():
    gc.disable()
    try:
        with tg.detect_anomaly():
            net = Net(bias=1.0)
            net(Tensor([[1.0, 1.0]]))
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()
