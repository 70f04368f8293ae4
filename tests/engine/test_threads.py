"""Four threads at once: no two gradients share memory, no value is wrong, and each node has its own number."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from threading import Barrier

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import nn, optim
from tinygrad_edu.engine import clock
from tinygrad_edu.engine.fast import backward
from tinygrad_edu.errors import GraphFreedError
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.tape.reading import nodes_behind

THREADS, TURNS, SHAPE = 4, 5, (4, 3)
CONSTANT = np.arange(12.0).reshape(SHAPE)  # an array that all threads use


@pytest.fixture(autouse=True)
def _frequent_switches():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(work):
    """Call ``work(k)`` for each thread k, all at the same time, and return the results."""
    start = Barrier(THREADS, timeout=10)

    def begin(k):
        start.wait()
        return work(k)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def numbers(seed, shape=SHAPE):
    """Return an array of small integers as floats, whose sums are exact in any order."""
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(float)


def leaf(seed):
    return tg.Tensor(numbers(seed), requires_grad=True)


# --- Programs whose gradients are, or could be, shared arrays ---


@tg.op
def constant_slope(x):
    return np.floor(x)


@tg.op
def saved_slope(x):
    return x * x / 2


constant_slope.vjps(x=lambda g: CONSTANT)
saved_slope.vjps(x=lambda g, x: x)


@tg.custom_vjp
def swapped(x, y):
    return x + y


swapped.defvjp(lambda x, y: (x + y, None), lambda residuals, g: (g, g * 2.0))


def hooked(x, y):
    h = x + y
    h.register_hook(lambda g: CONSTANT)
    return h.T


def retained(x, y):
    h = x + y
    h.retain_grad()
    out = h.reshape(-1)
    out.retain_grad()
    return out


PROGRAMS = {
    "one leaf": lambda x, y: x,
    "sum": lambda x, y: x + y,
    "twice": lambda x, y: x + x,
    "three times": lambda x, y: x + y + x + x,
    "difference": lambda x, y: x - y.T.T,
    "views": lambda x, y: x.T.reshape(2, 6) + y.reshape(2, 6),
    "broadcast": lambda x, y: tg.broadcast_to(x, (2, *SHAPE)) + y,
    "a row": lambda x, y: x + y[0],
    "slices": lambda x, y: x[:2] + x[2:] + y[1:3],
    "joined": lambda x, y: tg.concatenate([x, y, x]),
    "stacked": lambda x, y: tg.stack([x, y]),
    "a constant": lambda x, y: constant_slope(x) + constant_slope(y),
    "a saved value": lambda x, y: saved_slope(x) + saved_slope(y),
    "a hook": hooked,
    "a retained gradient": retained,
    "custom_vjp": lambda x, y: swapped(x, y) * 1.0,
    "checkpoint": lambda x, y: tg.checkpoint(lambda x, y: x + y)(x, y) * 1.0,
}


def saved_arrays(out):
    """Return the arrays that the graph of a result keeps."""
    saved = chain.from_iterable((node.saved or {}).values() for node in nodes_behind([out._node]))
    return [value for value in saved if isinstance(value, np.ndarray)]


def gradients_behind(out):
    """Return the gradients that a backward pass from a result stored."""
    nodes = nodes_behind([out._node])
    return [node.grad for node in nodes if getattr(node, "grad", None) is not None]


def assert_own_memory(gradients, others):
    """Raise unless each gradient has memory of its own. Arrays in one block count as shared even without overlap."""
    assert not [pair for pair in combinations(gradients, 2) if np.may_share_memory(*pair)]
    assert not [(g, other) for g in gradients for other in others if np.may_share_memory(g, other)]


def check_separate_graphs(program, retain_graph):
    """Run a program in each thread, on leaves of its own, and check the gradients of all threads together."""

    def work(k):
        gradients, others = [], [CONSTANT]
        for turn in range(TURNS):
            x, y = leaf((k, turn, 0)), leaf((k, turn, 1))
            out = program(x, y)
            cotangent = numbers(turn, out.shape)
            out.backward(cotangent, retain_graph=retain_graph)
            gradients += gradients_behind(out)
            others += [x.numpy(), y.numpy(), out.numpy(), cotangent, *saved_arrays(out)]
        return gradients, others

    gradients, others = (list(chain.from_iterable(parts)) for parts in zip(*in_threads(work), strict=True))
    assert len(gradients) >= THREADS * TURNS
    assert_own_memory(gradients, others)


@with_each("retain_graph", [False, True])
@with_each("name", PROGRAMS)
def test_gradients_of_separate_graphs_share_no_memory(name, retain_graph):
    check_separate_graphs(PROGRAMS[name], retain_graph)


@pytest.mark.parametrize("one_graph", [False, True], ids=["shared leaves", "a shared graph"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_of_shared_leaves_are_complete_and_share_no_memory(name, one_graph):
    x, y = leaf(0), leaf(1)
    shared = PROGRAMS[name](x, y)
    cotangents = [numbers(k, shared.shape) for k in range(THREADS)]

    def work(k):
        out = shared if one_graph else PROGRAMS[name](x, y)
        for _ in range(TURNS):
            out.backward(cotangents[k], retain_graph=True)
        return out

    outs = in_threads(work)
    gradients = list({id(g): g for out in outs for g in gradients_behind(out)}.values())
    saved = chain.from_iterable(map(saved_arrays, outs))
    assert_own_memory(gradients, [CONSTANT, x.numpy(), y.numpy(), *cotangents, *saved])

    again = leaf(0), leaf(1)
    out = PROGRAMS[name](*again)
    for cotangent in cotangents * TURNS:
        out.backward(cotangent, retain_graph=True)
    for t, alone in zip((x, y), again, strict=True):
        np.testing.assert_array_equal(t.grad, alone.grad)


def test_passes_through_one_call_of_a_custom_vjp_do_not_mix_their_gradients():
    all_inside = Barrier(THREADS, timeout=10)

    @tg.custom_vjp
    def added(x, y):
        return x + y

    def backward(residuals, g):
        all_inside.wait()
        return g, g * 2.0

    added.defvjp(lambda x, y: (x + y, None), backward)
    x, y = leaf(0), leaf(1)
    out, cotangents = added(x, y) * 1.0, [numbers(k) for k in range(THREADS)]
    in_threads(lambda k: out.backward(cotangents[k], retain_graph=True))
    np.testing.assert_array_equal(x.grad, sum(cotangents))
    np.testing.assert_array_equal(y.grad, 2 * sum(cotangents))


@pytest.mark.thorough
def test_a_graph_that_is_freed_during_a_pass_gives_its_gradient_or_an_error():
    outcomes = set()
    for place in range(2000):
        x = leaf(0)
        y = (x * CONSTANT / 100.0).exp()
        leaf(1).data += 0.0  # a later write makes the pass check the versions of saved values
        try:
            ran = freed_at(place, y._node, lambda y=y: y.backward(numbers(2)))
        except GraphFreedError:
            outcomes.add("an error")
            continue
        expected = numbers(2) * np.exp(numbers(0) * CONSTANT / 100.0) * CONSTANT / 100.0
        np.testing.assert_allclose(x.grad, expected, 1e-12)
        outcomes.add("its gradient")
        if ran <= place:
            break
    assert outcomes == {"an error", "its gradient"}


def freed_at(place, node, act):
    """Call ``act()`` and free the saved values of a node at one place, as another thread can. Count the places."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        frame.f_trace_opcodes = True
        if event == "opcode":
            if count == place:
                node.saved = None
            count += 1
        return trace

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.fast
@pytest.mark.parametrize("free_threaded", [False, True])
def test_without_the_interpreter_lock_every_contribution_is_copied(monkeypatch, free_threaded):
    made = []

    @tg.op
    def doubled(x):
        return 2 * x

    def vjp(g):
        contribution = 2 * g
        made.append(contribution.ctypes.data)
        return contribution

    doubled.vjps(x=vjp)
    monkeypatch.setattr(backward, "_FREE_THREADED", free_threaded)
    x = leaf(0)
    doubled(x).backward(np.ones(SHAPE))
    assert (x.grad.ctypes.data in made) is not free_threaded


# --- Models ---


def images(rng):
    layers = nn.Conv2D(1, 4, 3, rng=rng), nn.BatchNorm2D(4), nn.GELU(), nn.MaxPool2D(2), nn.Dropout(0.3, rng=rng)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(36, 5, rng=rng)), (8, 1, 8, 8)


def attention(rng):
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True, rng=rng)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(40, 5, rng=rng)), (8, 5, 8)


def wide_layers(rng):
    return nn.Sequential(nn.Linear(300, 300, rng=rng), nn.Softplus(), nn.Linear(300, 5, rng=rng)), (64, 300)


def sequences(rng):
    layers = nn.Conv1D(6, 8, 3, groups=2, rng=rng), nn.LayerNorm(5), nn.Tanh(), nn.AvgPool1D(2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 5, rng=rng)), (8, 6, 7)


MODELS = (images, attention, wide_layers, sequences)


def trained(build):
    """Return the bits of the parameters after a few steps."""
    rng = np.random.default_rng(0)
    model, shape = build(rng)
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    x, labels = rng.random(shape, np.float32), rng.integers(0, 5, shape[0])
    for _ in range(TURNS):
        optimizer.zero_grad()
        nn.cross_entropy(model(x), labels).backward()
        optimizer.step()
    return [p.numpy().tobytes() for p in model.parameters()]


def test_models_that_train_at_the_same_time_have_the_bits_of_each_alone():
    with single_threaded_blas():  # the number of BLAS threads can change the last bits
        assert in_threads(lambda k: trained(MODELS[k])) == [trained(build) for build in MODELS]


# --- Numbers of nodes ---


def test_each_node_has_its_own_number_and_is_newer_than_its_inputs():
    x = leaf(0)

    def work(k):
        numbers, t = [], x
        for _ in range(300):
            t = t * 1.0
            numbers.append(t._node.time)
            numbers.append(next(clock))
        return numbers

    found = in_threads(work)
    assert all(a < b for numbers in found for a, b in zip([x._node.time, *numbers], numbers, strict=False))
    assert len(set(chain.from_iterable(found))) == THREADS * 600
