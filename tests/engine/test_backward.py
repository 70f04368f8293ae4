"""The backward pass: each gradient is correct and computed once, no input array changes, and no memory is kept."""

import gc
import itertools
import subprocess
import sys
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn, optim
from tinygrad_edu.engine import values_of, wrap
from tinygrad_edu.engine.backward import DirectedPass
from tinygrad_edu.engine.fast.backward import FastPass
from tinygrad_edu.errors import WrongGradientError
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.tape.reading import nodes_behind
from tinygrad_edu.testing.strategies import OP_CALLS, calls, programs

# --- Arguments and results of backward() ---


def test_a_gradient_that_was_taken_away_is_not_added_to():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * 2).sum().backward()
    taken = x.grad
    (x * 2).sum().backward()
    assert taken.tolist() == [2, 2]


@pytest.mark.fast
def test_a_sum_of_contributions_is_made_once_and_then_added_to_in_place():
    contribution = np.ones(100_000, np.float32)

    @tg.op
    def total(x):
        return np.sum(x)

    total.vjps(x=lambda g: contribution)  # allocates nothing
    x = Tensor(np.zeros_like(contribution), requires_grad=True)
    loss = total(x) + total(x) + total(x) + total(x) + total(x)
    tracemalloc.start()
    try:
        loss.backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(x.grad, np.full_like(contribution, 5))
    assert peak < 1.5 * contribution.nbytes


def scaled(vjp):
    """Return a leaf after a backward pass through 2x with the given vjp; its gradient is all twos."""

    @tg.op
    def double(x):
        return x * 2

    double.vjps(x=vjp)
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    double(x).backward(np.ones((2, 3)))
    return x


@pytest.mark.fast
@pytest.mark.parametrize(
    "part", [np.asfortranarray, lambda made: made.T.copy().T, lambda made: made.ravel().reshape(2, 3)]
)
def test_a_gradient_that_nobody_else_holds_is_not_copied(part):
    where = []
    x = scaled(lambda g: [made := part(g * 2), where.append(made.ctypes.data)][0])
    assert where == [x.grad.ctypes.data]
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 2.0))


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("part", [lambda buffer: buffer, lambda buffer: buffer[:], lambda buffer: buffer.T.T])
def test_a_gradient_that_somebody_else_holds_is_copied(part):
    buffer = np.full((2, 3), 2.0)
    x = scaled(lambda g: part(buffer))
    assert not np.shares_memory(x.grad, buffer)
    np.testing.assert_array_equal(x.grad, buffer)


@pytest.mark.parametrize(
    "part", [lambda: np.ones((3, 3))[:2], lambda: np.ndarray((2, 3), float, np.ones((2, 3)), 0, (8, 8))]
)
def test_a_gradient_that_does_not_show_each_element_of_an_array_once_is_copied(part):
    assert scaled(lambda g: part()).grad.base is None


def test_a_gradient_is_a_plain_array_whatever_the_vjp_makes():
    assert type(scaled(lambda g: (g * 2).view(np.matrix).copy()).grad) is np.ndarray


def test_a_gradient_that_is_held_weakly_or_cannot_be_written_to_is_copied():
    cache, where = weakref.WeakValueDictionary(), []

    def remember(g):
        made = cache["twos"] = g * 2
        where.append(made.ctypes.data)
        return made

    assert where != [scaled(remember).grad.ctypes.data]
    assert "twos" not in cache
    assert scaled(lambda g: read_only(g * 2)).grad.flags.writeable
    assert scaled(lambda g: read_only((g * 2).T).T).grad.flags.writeable
    assert scaled(lambda g: np.broadcast_to(2.0, g.shape)).grad.strides == (24, 8)


# --- Only the needed vjps run ---


def counted(name, runs):
    """Make a product op whose vjps record their calls."""

    def product(x, y):
        return x * y

    product.__name__ = name
    made = tg.op(broadcasts=True)(product)
    made.vjps(x=lambda g, y: runs.append(f"{name}.x") or g * y, y=lambda g, x: runs.append(f"{name}.y") or g * x)
    return made


@pytest.mark.fast
def test_the_first_convolution_does_not_compute_the_gradient_of_its_images():
    images, kernels = Tensor(np.ones((2, 1, 4, 4))), Tensor(np.ones((3, 1, 2, 2)), requires_grad=True)
    (convolution,) = (node for node in graph(tg.conv2d(images, kernels)) if node.op)
    assert list(convolution.parents.values()) == [kernels._node]


def test_a_gradient_walks_only_towards_its_argument():
    runs = []
    product = counted("product", runs)
    outside = Tensor([2.0], requires_grad=True)
    early = product(outside, outside)
    assert tg.grad(lambda x: (product(x, early) * outside).sum())([3.0]).item() == 8
    assert runs == ["product.x"]
    assert outside.grad is None


# --- Only the values that vjps need are saved, and no longer than needed ---


@pytest.fixture
def uncollected():
    """Disable the cycle collector, so that only reference counts free objects."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def fresh():
    return Tensor(np.linspace(0.5, 1.5, 6).reshape(2, 3), requires_grad=True) * 1.0


@pytest.mark.parametrize(
    ("f", "keeps_x", "keeps_out"),
    [
        (lambda x: x + 1, False, False), (lambda x: -x, False, False), (lambda x: x * 2, False, False),
        (tg.sum, False, False), (lambda x: tg.mean(x, axis=0), False, False), (tg.exp, False, True),
        (tg.tanh, False, True), (tg.softmax, False, True), (tg.sqrt, False, True), (tg.relu, False, True),
        (tg.sin, True, False), (tg.square, True, False), (tg.log, True, False), (lambda x: x * x, True, False),
        (tg.max, True, True), (lambda x: x[[0, 0]], False, False), (lambda x: x @ np.ones((3, 2)), False, False),
        (lambda x: x.astype(np.float32), False, False), (lambda x: tg.pad(x, 1), False, False),
        (lambda x: tg.concatenate([x, x]), False, False), (lambda x: x**2, True, False),
    ],
)  # fmt: skip
def test_only_what_the_vjps_name_stays_alive_after_the_forward(f, keeps_x, keeps_out, uncollected):
    x = fresh()
    out = f(x)
    after = out + 1  # keeps the graph, but not the result
    arrays = weakref.ref(x._data), weakref.ref(out._data)
    del x, out
    assert [array() is not None for array in arrays] == [keeps_x, keeps_out]
    after.backward(np.ones(after.shape))
    assert [array() for array in arrays] == [None, None]


def test_a_saved_value_is_dropped_before_the_next_vjp_runs(uncollected):
    alive = []

    @tg.op
    def watch(x):
        return x * 1.0

    watch.vjps(x=lambda g: alive.append(late() is not None) or g)
    e = tg.exp(watch(Tensor([1.0, 2.0], requires_grad=True)))
    late = weakref.ref(e._data)
    loss = e.sum()
    del e
    assert late() is not None
    loss.backward()
    assert alive == [False]


def network(rng):
    return nn.Sequential(
        nn.Conv2D(1, 4, 3, bias=False, rng=rng), nn.Tanh(), nn.Dropout(0.5, rng=rng), nn.MaxPool2D(2), nn.Flatten(),
        nn.Linear(4 * 13 * 13, 10, rng=rng),
    )  # fmt: skip


def digits(rng, count=8):
    return rng.random((count, 1, 28, 28), np.float32), rng.integers(0, 10, count)


def test_a_training_step_and_its_derivatives_leave_no_reference_cycle(uncollected):
    rng = np.random.default_rng(0)
    model, (x, y) = network(rng), digits(rng)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step():
        loss = nn.cross_entropy(model(Tensor(x)), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        tg.hvp(lambda x: tg.tanh(x * x).sum(), [1.0, 2.0], [1.0, 0.0])
        tg.hessian(lambda x: tg.tanh(x * x).sum())([1.0, 2.0])

    step()  # objects made once, at the first call, do not count
    gc.collect()
    step()
    assert gc.collect() == 0


# --- float32 in, float32 everywhere ---


def graph(tensor):
    """Return all nodes of a tensor's graph."""
    stack, seen = [tensor._node], set()
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(node.parents.values())
    return seen


def arrays_in(value):
    if isinstance(value, np.ndarray | np.generic):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from arrays_in(part)


def arrays_saved_by(node):
    return list(arrays_in(list((node.saved or {}).values())))


@pytest.mark.parametrize("weights", [np.float32, np.float64])
def test_a_float32_program_holds_no_float64(weights):
    rng = np.random.default_rng(0)
    model, (x, y) = network(rng), digits(rng)
    for p in model.parameters():
        assert p.dtype == np.float32
        p.data = np.asarray(p.numpy(), weights)  # assigning keeps the tensor's dtype
    loss = nn.cross_entropy(model(Tensor(x) / 255 - np.float64(0.5)), y)
    loss = loss + 1e-4 * sum((p * p).sum() for p in model.parameters()) * np.ones(1) / np.sqrt(2)
    nodes = graph(loss)
    dtypes = [node.dtype for node in nodes] + [array.dtype for node in nodes for array in arrays_saved_by(node)]
    assert len(dtypes) >= 40
    assert dtypes.count(np.float64) == 0
    assert {dtype for dtype in dtypes if dtype.kind == "f"} == {np.dtype(np.float32)}
    loss.backward()
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}


# --- Shapes and dtypes of the output of a vjp ---


def broken(broadcasts, vjp):
    def double(x, y):
        return x * 2 + y * 0

    made = tg.op(broadcasts=broadcasts)(double)
    made.vjps(x=vjp)
    return made


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 1, 3), (2, 1, 1), ()])
def test_a_gradient_is_summed_over_many_rows(shape, dtype):
    g = np.arange(2 * 701 * 3, dtype=dtype).reshape(2, 701, 3) % 4
    row = tg.Tensor(np.zeros(shape, dtype), requires_grad=True)
    (np.zeros(g.shape, dtype) + row).backward(g)
    axes = tuple(axis for axis, n in enumerate((1,) * (3 - len(shape)) + shape) if n == 1)
    np.testing.assert_array_equal(row.grad, g.sum(axes, np.float64).reshape(shape).astype(dtype), strict=True)


@pytest.mark.parametrize(
    ("broadcasts", "vjp"),
    [
        (False, lambda g: np.ones((4, 3), np.float32)),  # which would broadcast back
        (False, lambda g: np.ones((1, 3), np.float32)),
        (False, lambda g: np.ones((), np.float32)),
        (True, lambda g: np.ones((), np.float32)),  # smaller than the input, so there is no axis to sum
        (True, lambda g: np.ones(4, np.float32)),
        (True, lambda g: np.ones((3, 1), np.float32)),
        (False, lambda g: np.ones(3, np.float64)),
        (True, lambda g: np.ones(3, np.float64)),  # not the dtype of the result either
        (True, lambda g: np.ones(3, np.float16)),
        (False, lambda g: np.ones(3, np.int32)),
        (True, lambda g: [1.0, 1.0, 1.0]),
    ],
)
def test_what_is_not_the_gradient_of_the_input_is_refused(broadcasts, vjp):
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    with pytest.raises(WrongGradientError, match="op double: the vjp of x returned"):
        broken(broadcasts, vjp)(x, 0.0).sum().backward()
    assert x.grad is None
    _, pullback = tg.vjp(lambda x: broken(broadcasts, vjp)(x, 0.0), x)
    with pytest.raises(WrongGradientError, match="op double: the vjp of x returned"):
        pullback(Tensor(np.ones(3, np.float32), requires_grad=True))


RECORDED = {"arrays": False, "Tensors": True}


@pytest.mark.fast  # in plain mode, several ops compute it
@pytest.mark.parametrize("requires_grad", RECORDED.values(), ids=RECORDED)
@pytest.mark.parametrize("source", ["vjp", "hook"])
def test_an_array_of_gradients_keeps_its_dtype_in_a_walk_of(source, requires_grad):
    """A float64 array is combined with a float32 Tensor in the next vjp; in float32 it would be infinite."""
    wide = np.array([1e50, -3e50])

    @tg.op
    def steps(z):
        return np.floor(z)

    steps.vjps(z=lambda g: wide if source == "vjp" else g)

    w = np.array([[1e-30], [2e-30]], np.float32)

    def f(x, b):
        z = tg.linear(x, Tensor(w), b)
        if source == "hook":
            z.register_hook(lambda g: wide)
        return steps(z)

    _, pullback = tg.vjp(f, np.ones(1, np.float32), np.zeros(2))
    gradients = pullback(Tensor(np.ones(2), requires_grad=requires_grad))
    assert [g.dtype for g in gradients] == [np.float32, np.float64]
    np.testing.assert_allclose(gradients[0], [-5e20], rtol=1e-6)
    np.testing.assert_array_equal(gradients[1], wide)


# --- 200,000 ops ---

IN_A_SMALL_STACK = """
import sys, threading
import tinygrad_edu as tg
from tinygrad_edu import grad

def chain(x, length):
    for _ in range(length // 2):
        x = -(x * 1.0)
    return x

def work():
    x = tg.Tensor(1.0, requires_grad=True)
    chain(x, 200_000).backward()  # and is dropped after it
    print(x.grad)
    chain(x, 200_000)  # is dropped without it
    print(float(grad(grad(lambda x: chain(x, 4_000) * x))(3.0)))

threading.stack_size(2 * 1024 * 1024)  # Python 3.13 needs one of it to drop any long chain of objects
sys.setrecursionlimit(60)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.thorough
def test_200_000_ops_need_neither_recursion_nor_stack():
    program = [sys.executable, "-c", IN_A_SMALL_STACK]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "1.0\n2.0\n", "")


# --- Many slices of one array ---


@pytest.mark.fast
@pytest.mark.parametrize("order", [1, 2])
def test_many_slices_of_an_array_cost_one_pass_over_it(order):
    """No array of zeros for each slice: that would be 4 MB for each of 500 slices."""
    x = Tensor(np.ones((500, 1000)), requires_grad=True)

    def f(x):
        return sum((row * row * float(k)).sum() for k, row in enumerate(x))

    gradient = f if order == 1 else lambda x: (tg.grad(f)(x) ** 2).sum()
    out = gradient(x)
    tracemalloc.start()
    try:
        out.backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (3 if order == 1 else 8) * x.numpy().nbytes
    k = np.arange(500.0)[:, None]
    np.testing.assert_allclose(x.grad, np.broadcast_to(2 * k if order == 1 else 8 * k**2, x.shape))


@pytest.mark.thorough
@pytest.mark.parametrize("lift", [False, True])
def test_parts_and_wholes_add_up_in_any_order(lift):
    uses = [
        lambda x: x[1] * 2.0, lambda x: x * 3.0, lambda x: x[[0, 0, 2]] * 5.0, lambda x: x[..., None][0] * 7.0,
        lambda x: x[x.numpy() > 0] * 11.0, lambda x: x * 13.0,
    ]  # fmt: skip
    expected = np.array([3.0 + 10 + 7 + 11 + 13, 2 + 3 + 11 + 13, 3 + 5 + 11 + 13])
    for order in itertools.permutations(uses):
        x = Tensor([1.0, 2.0, 3.0], requires_grad=True)

        def f(x, order=order):
            return sum(use(x * 1.0).sum() for use in order[:3]) + sum(use(x).sum() for use in order[3:])

        if lift:
            found = tg.grad(f)(x).numpy()
        else:
            f(x).backward()
            found = x.grad
        np.testing.assert_array_equal(found, expected)


# --- The plain and the fast backward pass ---


def repeats_an_index(node):
    """Return whether a node takes an element twice: the fast pass adds its slices one by one, in another order."""
    parts = tree_leaves([x for x in (node.saved or {}).values() if isinstance(x, tuple | list | np.ndarray)])
    arrays = [x for x in parts if isinstance(x, np.ndarray) and x.dtype.kind in "iu"]
    return any(len(np.unique(x)) < x.size for x in arrays)


def run(backward_pass, roots):
    """Return the gradients that a pass from these results finds."""
    for node, g in roots:
        backward_pass.kind = type(g)
        backward_pass.add(node, g)
    return backward_pass.run()


@given(programs() | st.sampled_from(sorted(OP_CALLS.keys() & tg.ops.registry.keys())).flatmap(calls), st.booleans())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_plain_backward_pass_equals_the_fast_one(program, is_recorded):
    leaves = [Tensor(x, requires_grad=True) for x in program.arrays]
    results = program(*leaves)
    results = [x for x in (results if isinstance(results, tuple) else (results,)) if getattr(x, "requires_grad", False)]
    if leaves:
        leaves[0].register_hook(lambda g: g * 2)
    for result in results:
        result.retain_grad()
    cotangents = [np.cos(np.arange(x.size)).reshape(x.shape).astype(x.dtype) for x in results]
    roots = [(x._node, Tensor(g) if is_recorded else g) for x, g in zip(results, cotangents, strict=True)]
    in_another_order = any(map(repeats_an_index, nodes_behind(node for node, _ in roots)))
    for targets in (None, frozenset(x._node for x in leaves[-1:])):
        found, wanted = (
            run(kind(True, targets, wrap if is_recorded else None), roots) for kind in (FastPass, DirectedPass)
        )
        assert found.keys() == wanted.keys()
        for node, g in wanted.items():
            assert type(found[node]) is type(g)
            ours, theirs = np.asarray(values_of(found[node])), np.asarray(values_of(g))
            if not in_another_order:
                np.testing.assert_array_equal(ours, theirs)
            unit = np.finfo(theirs.dtype).eps * np.max(np.abs(theirs), initial=0, where=np.isfinite(theirs))
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=8 * unit)


@pytest.mark.parametrize("kind", [FastPass, DirectedPass])
def test_an_error_in_a_vjp_has_the_same_note_in_both_passes(kind):
    @tg.op
    def fails(x):
        return np.exp(x)

    fails.vjps(x=lambda g, out: g / {}["missing"])
    out = fails(Tensor([1.0], requires_grad=True))
    with pytest.raises(KeyError) as caught:
        run(kind(), [(out._node, np.ones(1, np.float32))])
    assert caught.value.__notes__ == ["In the vjp of <op fails> for its argument x."]
