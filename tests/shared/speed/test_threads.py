"""Shards on threads: order of results, errors, contexts and forks, on any number of threads."""

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

from tinygrad_edu.parallel import map_shards
from tinygrad_edu.shared.speed import threads as threads_module
from tinygrad_edu.shared.speed.threads import map_ahead, map_parts

THREADS = [1, 2, 5]
# Without the GIL, an array of another thread is freed when that thread next runs, not with its last reference.
THREADS_THAT_FREE_AT_ONCE = THREADS if getattr(sys, "_is_gil_enabled", lambda: True)() else [1]


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
def test_an_exception_comes_out_and_the_next_call_works(threads):
    with pytest.raises(ZeroDivisionError):
        list(map_shards(lambda k: 1 // (k - 3), 7, threads))
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

    class Interrupted(threads_module.SimpleQueue):
        def put(self, item):
            super().put(item)
            if isinstance(item, int) and in_the_main_thread():  # not in the call of a helper
                interrupted.set()
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threads_module, "SimpleQueue", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(map_shards(lambda k: in_the_main_thread() or interrupted.wait(10), 4, threads))
    assert list(map_shards(lambda k: k, 4, threads)) == [0, 1, 2, 3]


@pytest.mark.parametrize("threads", THREADS_THAT_FREE_AT_ONCE)
def test_results_are_let_go_as_they_are_taken(threads):
    taken = []
    for result in map_shards(lambda k: np.zeros(1), 20, threads):
        taken.append(weakref.ref(result))
        del result
        assert sum(ref() is not None for ref in taken) < threads  # other threads may still return their last results


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


@pytest.mark.thorough
def test_a_map_inside_a_shard_ends():
    """Threads that wait for their own pool would deadlock. It runs in a subprocess, which can be ended."""
    program = """
from tinygrad_edu.parallel import map_shards
print(list(map_shards(lambda k: sum(map_shards(lambda j: 10 * k + j, 4, 2)), 4, 2)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=10)
    assert result.stdout == "[6, 46, 86, 126]\n"


def test_the_parts_of_an_op_run_on_the_threads_that_its_shard_has():
    both = threading.Barrier(2, timeout=10)
    assert sorted(next(map_shards(lambda k: map_parts(lambda part: both.wait(), "ab"), 1, threads=2))) == [0, 1]

    def on(k):
        return {threading.get_ident(), *map_parts(lambda part: threading.get_ident(), range(9))}

    assert [len(idents) for idents in map_shards(on, 4, threads=2)] == [1, 1, 1, 1]


def test_another_thread_of_the_shard_computes_the_next_results():
    second_has_begun = threading.Event()

    def negate(k):
        if k == 1:
            second_has_begun.set()
        return -k

    def first_two(_):
        results = map_ahead(negate, range(5))
        return next(results), second_has_begun.wait(10), next(results)

    assert next(map_shards(first_two, 1, threads=2)) == (0, True, -1)
    assert next(map_shards(lambda _: list(map_ahead(negate, range(5))), 1, threads=3)) == [0, -1, -2, -3, -4]


def test_another_thread_of_the_shard_computes_results_while_the_items_are_made():
    first_is_computed = threading.Event()

    def made():
        yield 0
        yield first_is_computed.wait(10)

    def compute(item):
        first_is_computed.set()
        return item

    assert next(map_shards(lambda _: list(map_ahead(compute, made())), 1, threads=2)) == [0, True]


def test_an_error_in_the_items_comes_out():
    computed = []

    def made():
        yield 1
        yield 1 // 0

    with pytest.raises(ZeroDivisionError):
        next(map_shards(lambda _: list(map_ahead(computed.append, made())), 1, threads=2))
    assert computed in ([], [1])  # nothing is computed after the error
    assert next(map_shards(lambda _: list(map_ahead(abs, [-1, -2])), 1, threads=2)) == [1, 2]


@pytest.mark.parametrize("large", [True, False])
def test_results_are_computed_one_by_one_without_other_threads_and_for_little_work(large):
    computed = []
    results = map_ahead(computed.append, range(5), large)
    next(results)
    assert computed == [0]
    of_shard = next(map_shards(lambda _: map_ahead(lambda k: threading.get_ident(), range(5), large), 1, 1))
    assert {*of_shard} == {threading.get_ident()}


def test_the_parts_of_an_op_run_on_one_thread_without_threadpoolctl(monkeypatch):
    monkeypatch.setattr(threads_module, "blas_can_be_limited", lambda: False)
    monkeypatch.setattr(threads_module, "available_cores", lambda: 2)
    assert set(map_parts(lambda part: threading.get_ident(), range(9))) == {threading.get_ident()}


# --- Forks ---

FORKS = """
import os, signal, sys, threading, time
import numpy as np
import threadpoolctl
import tinygrad_edu as tg
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

def during(work, child):
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
with single_threaded_blas():
    pass  # releases the control of this thread
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
# When another thread makes the first module or op of that name, it waits for the fork, which may wait for it.
MADE_ELSEWHERE = """
begun = threading.Event()
del sys.modules["threadpoolctl"]
def wait(event, arguments):
    if event == "exec" and {!r} in arguments[0].co_filename and threading.current_thread() is thread:
        begun.set()
        time.sleep(1)
sys.addaudithook(wait)
thread = threading.Thread(target=lambda: {})
thread.start()
assert begun.wait(10)
forked(lambda: {})
"""
GO_ON = "map_shards cannot continue in a forked process, which lacks the threads of the other shards"
FORKED = {
    "with its own threads": (OWN_THREADS, "[True, True]"),
    "during maps": ("during(squares, squares)", "[0, 1, 4, 9]"),
    "during training": ("during(step, step)", "2"),
    "during draws of the same generator": ("during(lambda: dropout(ones), lambda: dropout(ones).size)", "100000"),
    "with its own draws": (RENEWED_ONCE, "100000"),
    "in a map": (BEGUN_BEFORE.format(1, False), GO_ON),
    "in a completed map": (BEGUN_BEFORE.format(2, True), GO_ON),
    "in a discarded map": (DROPPED, "(None, [0, 1, 4, 9])"),
    "in a shard": ("print(list(map_shards(lambda k: k or forked(squares), 2, 2)))", "[0, 1, 4, 9]\n[0, 1]"),
    "in a shard of a helper": (BY_A_HELPER, "[0, 1]"),
    "while another thread limits": (LIMITED_ELSEWHERE, "{2}\n{1}"),
    "while another thread imports": (MADE_ELSEWHERE.format("threadpoolctl", "squares()", "squares()"), "[0, 1, 4, 9]"),
}


def run_forking(program):
    run = subprocess.run([sys.executable, "-c", FORKS + program], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not available")
@pytest.mark.parametrize(
    ("program", "shown"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.thorough] * bool(k % 3))
        for k, (name, case) in enumerate(FORKED.items())
    ],
)
def test_a_forked_process_goes_on_without_the_threads_that_it_has_not(program, shown):
    assert shown in run_forking(program)


@pytest.mark.thorough
@pytest.mark.fast
@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not available")
def test_a_process_that_is_forked_while_another_thread_generates_a_call_goes_on():
    assert "0.0" in run_forking(MADE_ELSEWHERE.format("op tanh", "tg.tanh(0)", "float(tg.tanh(0))"))
