"""One batch in many shards: the results of the whole, in order, in the same bits on any number of threads."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from contextvars import ContextVar

import numpy as np
import pytest
import threadpoolctl

import tinygrad_edu as tg
from tinygrad_edu import nn, parallel
from tinygrad_edu.errors import DataError, DTypeError, MissingExtraError, NonScalarBackwardError, ShapeError
from tinygrad_edu.parallel import map_shards, sharded_value_and_grad, shards, single_threaded_blas

THREADS = [1, 2, 5]
# Without Python's lock an array of another thread is freed when that thread next runs, not with its last reference.
THREADS_THAT_FREE_AT_ONCE = THREADS if getattr(sys, "_is_gil_enabled", lambda: True)() else [1]


def blas_threads():
    """Return to how many threads each BLAS library is set."""
    return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def two_blas_threads():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield blas_threads()


# --- Cutting ---


@pytest.mark.parametrize(("count", "size"), [(0, 32), (1, 32), (32, 32), (33, 32), (70, 32), (5, 1)])
def test_shards_cover_every_sample_once_in_order(count, size):
    parts = shards(count, size)
    assert [i for part in parts for i in range(count)[part]] == list(range(count))
    assert all(part.stop - part.start == size for part in parts[:-1])
    assert all(0 < part.stop - part.start <= size for part in parts)


# --- Mapping ---


@pytest.mark.parametrize("threads", THREADS)
def test_results_come_in_the_order_of_the_shards(threads):
    first_may_end = threading.Event()

    def square(k):
        if k == 0 and threads > 1:
            assert first_may_end.wait(10)  # the first ends after the second
        if k == 1:
            first_may_end.set()
        return k * k

    assert list(map_shards(square, 7, threads)) == [k * k for k in range(7)]
    assert list(map_shards(square, 0, threads)) == []


def test_shards_run_on_so_many_threads_at_the_same_time():
    together = threading.Barrier(3)
    assert sorted(map_shards(lambda k: together.wait(10), 3, 3)) == [0, 1, 2]


@pytest.mark.parametrize("threads", THREADS)
def test_an_exception_comes_out_and_the_next_call_works(threads, two_blas_threads):
    with pytest.raises(ZeroDivisionError):
        list(map_shards(lambda k: 1 // (k - 3), 7, threads))
    assert blas_threads() == two_blas_threads
    assert list(map_shards(lambda k: k, 3, threads)) == [0, 1, 2]


def in_the_main_thread():
    return threading.current_thread() is threading.main_thread()


def test_what_ends_a_program_comes_out_of_another_thread_too():
    both = threading.Barrier(2, timeout=10)

    def shard(k):
        both.wait()
        if not in_the_main_thread():
            sys.exit(3)

    with pytest.raises(SystemExit):
        list(map_shards(shard, 2, threads=2))
    assert list(map_shards(lambda k: k, 4, threads=2)) == [0, 1, 2, 3]


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_comes_out_of_a_shard_and_the_next_call_works(threads):
    interrupted = threading.Event()

    def shard(k):
        if not in_the_main_thread():
            return interrupted.wait(10)
        interrupted.set()
        return signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(map_shards(shard, 4, threads))
    finally:
        signal.signal(signal.SIGINT, before)
    assert list(map_shards(lambda k: k, 4, threads)) == [0, 1, 2, 3]


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_comes_out_even_where_a_result_is_handed_over(monkeypatch, threads):
    interrupted = threading.Event()

    class Interrupted(parallel.threads.SimpleQueue):
        def put(self, item):
            super().put(item)
            if isinstance(item, int) and in_the_main_thread():  # and so not with the call of a helper
                interrupted.set()
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(parallel.threads, "SimpleQueue", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(map_shards(lambda k: in_the_main_thread() or interrupted.wait(10), 4, threads))
    assert list(map_shards(lambda k: k, 4, threads)) == [0, 1, 2, 3]


def test_the_calling_thread_works_too():
    both = threading.Barrier(2, timeout=10)

    def who(k):
        both.wait()
        return threading.current_thread()

    assert threading.current_thread() in list(map_shards(who, 2, threads=2))


@pytest.mark.parametrize("threads", THREADS_THAT_FREE_AT_ONCE)
def test_results_are_let_go_as_they_are_taken(threads):
    taken = []
    for result in map_shards(lambda k: np.zeros(1), 20, threads):
        taken.append(weakref.ref(result))
        del result
        assert sum(ref() is not None for ref in taken) < threads  # another may still be handing its last one over


@pytest.mark.parametrize("threads", THREADS)
def test_every_shard_begins_in_the_context_of_the_caller(threads):
    name = ContextVar("name", default="of the caller")

    def rename(k):
        found = name.get()
        name.set(f"of shard {k}")
        return found

    assert list(map_shards(rename, 7, threads)) == ["of the caller"] * 7
    assert name.get() == "of the caller"


def test_nothing_runs_on_after_a_map_that_is_left_early():
    begun = []

    def slow(k):
        begun.append(k)
        time.sleep(0.001)

    results = map_shards(slow, 1000, threads=2)
    next(results)
    results.close()
    count = len(begun)
    time.sleep(0.05)
    assert len(begun) == count < 1000


def test_a_map_that_is_left_early_waits_for_what_others_have_begun():
    begun, ended = threading.Event(), []

    def shard(k):
        if in_the_main_thread():
            return begun.wait(10)
        begun.set()
        time.sleep(0.1)
        return ended.append(k)

    results = map_shards(shard, 2, threads=2)
    next(results)
    results.close()
    assert len(ended) == 1


@pytest.mark.parametrize("threads", THREADS)
def test_the_gradient_mode_of_the_caller_holds_in_every_thread(threads):
    for mode, wanted in ((tg.no_grad, False), (tg.enable_grad, True)):
        with mode():
            assert list(map_shards(lambda k: tg.is_grad_enabled(), 4, threads)) == [wanted] * 4
    assert tg.is_grad_enabled()


def test_a_mode_that_a_shard_sets_stays_in_it():
    def work(k):
        if k:
            return tg.is_grad_enabled()
        tg.no_grad().__enter__()
        return tg.is_grad_enabled()

    assert list(map_shards(work, 4, 2)) == [False, True, True, True]
    assert tg.is_grad_enabled()


def test_a_map_inside_a_shard_ends():
    """Threads that wait for threads of their own pool would wait for ever; in a process of its own, to be ended."""
    program = """
from tinygrad_edu.parallel import map_shards
print(list(map_shards(lambda k: sum(map_shards(lambda j: 10 * k + j, 4, 2)), 4, 2)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=10)
    assert result.stdout == "[6, 46, 86, 126]\n"


# --- Forks ---

FORKS = """
import os, signal, threading, time
import numpy as np
import threadpoolctl
from tinygrad_edu import nn
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.parallel import map_shards, single_threaded_blas, sharded_value_and_grad

def forked(child):
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        print(child(), flush=True)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def beside(work, child):
    def for_ever():
        while True:
            work()
    for _ in range(2):
        threading.Thread(target=for_ever, daemon=True).start()
    for _ in range(20):
        assert forked(child) == 0
    os._exit(0)

def squares():
    return list(map_shards(lambda k: k * k, 4, 2))

def refused(call):
    try:
        return call()
    except TinygradError as error:
        return error

def blas_threads():
    return {library["num_threads"] for library in threadpoolctl.threadpool_info()}

rng = np.random.default_rng(0)
dropout, ones, x = nn.Dropout(0.5), np.ones(100_000, np.float32), rng.normal(size=(50, 6)).astype(np.float32)
model = nn.Sequential(nn.Linear(6, 2), nn.Dropout(0.5))

def step():
    return len(sharded_value_and_grad(model, nn.cross_entropy, x, np.zeros(50, int), rng, shard_size=8, threads=2)[1])

"""
OWN_THREADS = """
squares()
both = threading.Barrier(2, timeout=10)
def child():
    thread = threading.Thread(target=squares)
    thread.start()
    thread.join()
    return list(map_shards(lambda k: both.wait() < 2, 2, 2))
forked(child)
"""
BEGUN_BEFORE = """
computed = []
results = map_shards(lambda k: computed.append(k), 9, {})
next(results)
while {} and len(computed) < 9:
    time.sleep(0.001)
forked(lambda: refused(lambda: next(results)))
"""
DROPPED = """
begun, goes_on = threading.Event(), threading.Event()
def shard(k):
    if threading.current_thread() is threading.main_thread():
        return begun.wait(10)
    begun.set()
    return goes_on.wait(10)
results = map_shards(shard, 2, 2)
next(results)
forked(lambda: (results.close(), squares()))
goes_on.set()
"""
RENEWED_ONCE = """
def child():
    dropout(ones)
    with dropout.rng.bit_generator.lock:
        return dropout(ones).size
forked(child)
"""
BY_A_HELPER = """
both = threading.Barrier(2, timeout=10)
def shard(k):
    both.wait()
    if threading.current_thread() is threading.main_thread():
        return 0
    pid = os.fork()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else signal.alarm(20)
print(sorted(map_shards(shard, 2, 2)))
"""
LIMITED_ELSEWHERE = """
threadpoolctl.threadpool_limits(2)
limited, goes_on = threading.Event(), threading.Event()
def limit():
    with single_threaded_blas():
        limited.set()
        goes_on.wait()
threading.Thread(target=limit).start()
limited.wait()
forked(blas_threads)
with single_threaded_blas():
    forked(blas_threads)
goes_on.set()
"""
GO_ON = "map_shards goes on in a forked process, without the threads that compute its other shards"
FORKED = {
    "has threads of its own": (OWN_THREADS, "[True, True]"),
    "beside maps": ("beside(squares, squares)", "[0, 1, 4, 9]"),
    "beside training": ("beside(step, step)", "2"),
    "beside draws of the same generator": ("beside(lambda: dropout(ones), lambda: dropout(ones).size)", "100000"),
    "with draws of its own": (RENEWED_ONCE, "100000"),
    "in a map": (BEGUN_BEFORE.format(1, False), GO_ON),
    "in a map of which all is computed": (BEGUN_BEFORE.format(2, True), GO_ON),
    "in a map that it drops": (DROPPED, "(None, [0, 1, 4, 9])"),
    "in a shard": ("print(list(map_shards(lambda k: k or forked(squares), 2, 2)))", "[0, 1, 4, 9]\n[0, 1]"),
    "in a shard of a helper": (BY_A_HELPER, "[0, 1]"),
    "while another thread limits": (LIMITED_ELSEWHERE, "{2}\n{1}"),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize(("program", "shown"), FORKED.values(), ids=FORKED)
def test_a_forked_process_goes_on_without_the_threads_that_it_has_not(program, shown):
    result = subprocess.run(
        [sys.executable, "-c", FORKS + program], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert shown in result.stdout, result.stderr


# --- Matrix products ---


@pytest.mark.parametrize("threads", THREADS)
def test_matrix_products_are_single_threaded_inside_and_as_before_afterwards(threads, two_blas_threads):
    inside = list(map_shards(lambda k: blas_threads(), 2, threads))
    assert {n for libraries in inside for n in libraries} == {1}
    assert blas_threads() == two_blas_threads


def test_a_map_that_is_left_early_puts_the_threads_back(two_blas_threads):
    results = map_shards(lambda k: k, 5, 2)
    assert next(results) == 0
    results.close()
    assert blas_threads() == two_blas_threads


def test_an_exception_puts_the_threads_back(two_blas_threads):
    with pytest.raises(ZeroDivisionError), single_threaded_blas():
        raise ZeroDivisionError
    assert blas_threads() == two_blas_threads


def test_two_that_overlap_put_the_threads_back(two_blas_threads):
    """As when two programs train in two threads: the first to begin is the first to end."""
    first, second = single_threaded_blas(), single_threaded_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}  # the second is still inside
    second.__exit__(None, None, None)
    assert blas_threads() == two_blas_threads


def test_any_thread_sets_them_and_any_puts_them_back(two_blas_threads):
    """Whichever thread set them first, and is alive: threadpoolctl would let that one alone set them."""
    entered, may_leave = threading.Event(), threading.Event()

    def other():
        with single_threaded_blas():
            seen.append(blas_threads())
            entered.set()
            may_leave.wait(10)

    seen, thread = [], threading.Thread(target=other)
    with single_threaded_blas():
        pass
    thread.start()
    entered.wait(10)
    with single_threaded_blas():
        may_leave.set()
        thread.join()
        seen.append(blas_threads())
    assert {n for libraries in seen for n in libraries} == {1}
    assert blas_threads() == two_blas_threads


def test_ctrl_c_just_when_the_threads_are_set_puts_them_back(monkeypatch, two_blas_threads):
    class Interrupted(threadpoolctl.ThreadpoolController):
        def limit(self, **settings):
            limited = super().limit(**settings)
            if set(blas_threads()) == {1}:
                raise KeyboardInterrupt
            return limited

    with monkeypatch.context() as patch:
        patch.setattr(parallel.blas, "_blas", Interrupted)
        with pytest.raises(KeyboardInterrupt), single_threaded_blas():
            pass
    assert blas_threads() == two_blas_threads
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
    assert blas_threads() == two_blas_threads


def test_without_threadpoolctl_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    parallel.blas._blas.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match=r"pip install 'tinygrad-edu\[parallel\]'"):
            list(map_shards(lambda k: k, 2))
    finally:
        parallel.blas._blas.cache_clear()


# --- The gradient of a batch ---


def batch(count=70):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 6)).astype(np.float32), rng.integers(0, 3, count)


def network(dropout=0.0):
    rng = np.random.default_rng(1)
    return nn.Sequential(nn.Linear(6, 5, rng=rng), nn.Tanh(), nn.Dropout(dropout, rng=rng), nn.Linear(5, 3, rng=rng))


def gradient(threads=None, dropout=0.0, shard_size=32, seed=3, count=70):
    return sharded_value_and_grad(
        network(dropout), nn.cross_entropy, *batch(count), np.random.default_rng(seed), shard_size=shard_size,
        threads=threads,
    )  # fmt: skip


@pytest.mark.parametrize("shard_size", [1, 7, 32, 70, 100])
def test_it_is_the_gradient_of_the_mean_over_the_whole_batch(shard_size):
    model = network()
    x, y = batch()
    whole = nn.cross_entropy(model(x), y)
    whole.backward()
    value, gradients = gradient(shard_size=shard_size)
    assert value == pytest.approx(whole.item(), rel=1e-5)
    for found, p in zip(gradients, model.parameters(), strict=True):
        np.testing.assert_allclose(found, p.grad, rtol=1e-4, atol=1e-6)
        assert found.dtype == p.dtype


def bits(result):
    value, gradients = result
    return value, [g.tobytes() for g in gradients]


def test_the_bits_do_not_depend_on_the_number_of_threads():
    results = [bits(gradient(threads, dropout=0.5, shard_size=8)) for threads in (1, 2, 3, None)]
    assert all(result == results[0] for result in results)


def test_the_same_generator_draws_the_same_and_another_draws_others():
    assert bits(gradient(dropout=0.5)) == bits(gradient(dropout=0.5))
    assert bits(gradient(dropout=0.5)) != bits(gradient(dropout=0.5, seed=4))


def test_every_shard_draws_for_itself():
    x = np.ones((4, 50), np.float32)
    seen = []

    class Watch(nn.Module):
        def __init__(self):
            self.dropout, self.w = nn.Dropout(0.5, rng=np.random.default_rng(0)), tg.Tensor(1.0, requires_grad=True)

        def forward(self, x):
            kept = self.dropout(x)
            seen.append(kept.numpy().copy())
            return kept * self.w

    sharded_value_and_grad(Watch(), lambda out, y: out.mean(), x, x, np.random.default_rng(0), shard_size=2, threads=1)
    assert len(seen) == 2
    assert (seen[0] != seen[1]).any()


def test_what_couples_samples_is_not_cut():
    class Centre(nn.Module):
        couples_samples = True

        def forward(self, x):
            return x - x.mean(axis=0)

    sizes = []
    model = nn.Sequential(nn.Linear(6, 3, rng=np.random.default_rng(0)), Centre())

    def loss(out, y):
        sizes.append(len(y))
        return nn.cross_entropy(out, y)

    sharded_value_and_grad(model, loss, *batch(), np.random.default_rng(0), shard_size=8)
    assert sizes == [70]


def test_it_leaves_no_gradient_on_the_parameters_and_works_under_no_grad():
    model = network()
    with tg.no_grad():
        _, gradients = sharded_value_and_grad(model, nn.cross_entropy, *batch(), np.random.default_rng(0))
    assert all(isinstance(g, np.ndarray) and g.any() for g in gradients)
    assert all(p.grad is None for p in model.parameters())


def test_a_parameter_that_does_not_matter_has_no_gradient():
    model = network()
    model.spare = tg.Tensor([1.0], requires_grad=True)
    _, gradients = sharded_value_and_grad(model, nn.cross_entropy, *batch(), np.random.default_rng(0))
    assert [g is None for g in gradients] == [p is model.spare for p in model.parameters()]
    value, gradients = sharded_value_and_grad(model, lambda out, y: tg.Tensor(2.0), *batch(), np.random.default_rng(0))
    assert (value, gradients) == (pytest.approx(2.0), [None] * 5)


@pytest.mark.parametrize("used_by", [0, 1, 2])
def test_a_parameter_that_matters_to_one_shard_alone_has_its_gradient(used_by):
    class Expert(nn.Module):
        def __init__(self):
            self.w = [tg.Tensor(1.0, requires_grad=True), tg.Tensor(1.0, requires_grad=True)]

        def forward(self, x):
            return x * self.w[0] * (self.w[1] if x[0].item() == used_by else 1.0)

    x = np.repeat(np.arange(3, dtype=np.float32), 2)
    _, gradients = sharded_value_and_grad(
        Expert(), lambda out, y: out.mean(), x, x, np.random.default_rng(0), shard_size=2, threads=1
    )
    np.testing.assert_allclose(gradients, [1.0, used_by / 3], rtol=1e-6)


def test_gradients_share_no_memory_with_each_other_or_the_model():
    model = network()
    _, first = sharded_value_and_grad(model, nn.cross_entropy, *batch(20), np.random.default_rng(0))
    _, second = sharded_value_and_grad(model, nn.cross_entropy, *batch(20), np.random.default_rng(0))
    arrays = [*first, *second, *(p.data for p in model.parameters())]
    assert not any(np.shares_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k])


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 2), (2, 3)])
def test_a_batch_that_does_not_fit_is_refused(x, y):
    with pytest.raises(ShapeError, match=f"a batch of {x} samples with {y} labels"):
        sharded_value_and_grad(network(), nn.cross_entropy, batch(x)[0], batch(y)[1], np.random.default_rng(0))


def test_a_loss_of_many_numbers_is_refused():
    with pytest.raises(NonScalarBackwardError, match=r"has shape \(64, 3\); it is a Tensor"):
        sharded_value_and_grad(network(), lambda out, y: out * 1.0, *batch(), np.random.default_rng(0))


def test_a_loss_that_is_a_plain_number_is_refused():
    with pytest.raises(NonScalarBackwardError, match="is a float; it is a Tensor of one element"):
        sharded_value_and_grad(network(), lambda out, y: out.mean().item(), *batch(), np.random.default_rng(0))


@pytest.mark.parametrize("number", ["shard_size", "threads"])
@pytest.mark.parametrize(
    ("value", "error"), [(0, DataError), (-3, DataError), (1.5, DTypeError), ("2", DTypeError), (True, DTypeError)]
)
def test_sizes_and_numbers_of_threads_are_whole_numbers_of_at_least_one(number, value, error):
    with pytest.raises(error, match=f"{number} must be"):
        gradient(**{number: value})
    with pytest.raises(error, match=f"{number.removeprefix('shard_')} must be"):  # by the call, not at the first result
        shards(5, value) if number == "shard_size" else map_shards(abs, 5, value)


def test_they_may_be_numbers_of_numpy():
    assert bits(gradient(np.int64(2), shard_size=np.uint8(32))) == bits(gradient(2))


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0), np.random])
def test_what_is_no_generator_is_refused(rng):
    with pytest.raises(DTypeError, match=r"rng is a numpy\.random\.Generator, not .*default_rng\(seed\)"):
        sharded_value_and_grad(network(), nn.cross_entropy, *batch(), rng)


def test_the_model_sees_each_sample_once():
    seen, model = [], network()

    def loss(out, y):
        seen.append(len(y))
        return nn.cross_entropy(out, y)

    for _ in range(2):  # the first time some are tried out before
        seen.clear()
        sharded_value_and_grad(model, loss, *batch(150), np.random.default_rng(0), threads=1)
    assert seen == [64, 64, 22]


# --- Batches of several inputs, and nests ---


class Pair(nn.Module):
    """A model of two inputs, one of them a nest with a gap, whose result is a nest."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.table = nn.Embedding(4, 3, rng=rng)
        self.layer, self.dropout = nn.Linear(6, 3, rng=rng), nn.Dropout(0.5, rng=rng)

    def forward(self, x, more):
        assert more["none"] is None
        return {"logits": self.layer(self.dropout(x)) + self.table(more["kinds"][0]), "points": (x * more["scale"],)}


def loss_of_a_pair(out, target):
    label, point = target
    return nn.cross_entropy(out["logits"], label) + nn.mse_loss(out["points"][0], point)


def pair_batch(count=70):
    rng, (x, label) = np.random.default_rng(2), batch(count)
    more = {"kinds": [rng.integers(0, 4, count)], "scale": rng.random((count, 1)).astype(np.float32), "none": None}
    return (x, more), (label, x[::-1].copy())


@pytest.mark.parametrize("shard_size", [1, 7, 32, 70, 100])
def test_any_nest_is_cut_and_has_the_gradient_of_the_whole(shard_size):
    model, (inputs, target), sizes = Pair().eval(), pair_batch(), []
    whole = loss_of_a_pair(model(*inputs), target)
    whole.backward()

    def loss(out, part):
        sizes.append(len(part[0]))
        return loss_of_a_pair(out, part)

    for _ in range(2):  # the first time some are tried out before
        sizes.clear()
        value, gradients = sharded_value_and_grad(
            model, loss, inputs, target, np.random.default_rng(0), shard_size=shard_size
        )
    assert sum(sizes) == 70
    assert max(sizes) == min(shard_size, 70)
    assert value == pytest.approx(whole.item(), rel=1e-5)
    for found, p in zip(gradients, model.parameters(), strict=True):
        np.testing.assert_allclose(found, p.grad, rtol=1e-4, atol=1e-6)


def test_of_nests_too_the_bits_do_not_depend_on_the_number_of_threads():
    results = [
        bits(
            sharded_value_and_grad(
                Pair(), loss_of_a_pair, *pair_batch(), np.random.default_rng(3), shard_size=8, threads=threads
            )
        )
        for threads in (1, 2, 3, None)
    ]
    assert all(result == results[0] for result in results)


def test_one_input_is_the_same_alone_and_in_a_tuple():
    x, y = batch()
    in_a_tuple = sharded_value_and_grad(
        network(0.5), nn.cross_entropy, (x,), y, np.random.default_rng(3), shard_size=32
    )
    assert bits(in_a_tuple) == bits(gradient(dropout=0.5))


@pytest.mark.parametrize(
    ("inputs", "target", "message"),
    [
        ((np.ones((3, 2)), np.ones((2, 2))), np.ones(3), r"one row for each sample; .* shapes \(3, 2\), \(2, 2\)"),
        ((np.ones((3, 2)), {"scale": 2.0}), np.ones(3), r"shapes \(3, 2\), \(\)"),
        ((np.ones((3, 2)),), (np.ones(3), np.ones(2)), r"shapes \(3,\), \(2,\)"),
        ((np.ones((3, 2)),), None, "shapes of nothing"),
        ((), np.ones(3), "shapes of nothing"),
    ],
)
def test_a_nest_that_is_no_batch_is_refused(inputs, target, message):
    with pytest.raises(ShapeError, match=message):
        sharded_value_and_grad(Pair(), loss_of_a_pair, inputs, target, np.random.default_rng(0))
