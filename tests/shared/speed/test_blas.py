"""Matrix products on one thread while shards run, with the previous number restored in all cases."""

import re
import sys
import threading

import pytest
import threadpoolctl

from tinygrad_edu.errors import BusyBLASError, MissingExtraError
from tinygrad_edu.errors.extras import remedy
from tinygrad_edu.parallel import map_shards, single_threaded_blas
from tinygrad_edu.shared.speed import blas

THREADS = [1, 2, 5]


def blas_threads():
    """Return the number of threads of each BLAS library."""
    return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def two_blas_threads():
    blas._blas.cache_clear()  # another test may have loaded a BLAS library since: SciPy and PyTorch have their own
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield blas_threads()


@pytest.mark.parametrize("threads", THREADS)
def test_matrix_products_are_single_threaded_inside_and_as_before_afterwards(threads, two_blas_threads):
    inside = list(map_shards(lambda k: blas_threads(), 2, threads))
    assert {n for libraries in inside for n in libraries} == {1}
    assert blas_threads() == two_blas_threads


def test_two_that_overlap_put_the_threads_back(two_blas_threads):
    """Two trainings in two threads: the first to begin is the first to end."""
    first, second = single_threaded_blas(), single_threaded_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}  # the second block is still open
    second.__exit__(None, None, None)
    assert blas_threads() == two_blas_threads


def test_any_thread_sets_them_and_any_puts_them_back(two_blas_threads):
    """threadpoolctl would let only the thread that set the number first set it again."""
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


def test_the_limit_of_another_thread_is_not_overruled(two_blas_threads):
    """In its block of `threadpool_limits`, the main thread controls OpenBLAS."""

    def other():
        with pytest.raises(
            BusyBLASError, match="another thread limits openblas with threadpoolctl, and keeps 2 threads"
        ):
            single_threaded_blas().__enter__()
        seen.append(blas_threads())

    seen, thread = [], threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [two_blas_threads]
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
    assert blas_threads() == two_blas_threads


def test_ctrl_c_just_when_the_threads_are_set_puts_them_back(monkeypatch, two_blas_threads):
    set_threads = blas._set_threads

    def interrupted(counts):
        set_threads(counts)
        if set(blas_threads()) == {1}:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(blas, "_set_threads", interrupted)
        with pytest.raises(KeyboardInterrupt), single_threaded_blas():
            pass
    assert blas_threads() == two_blas_threads
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
    assert blas_threads() == two_blas_threads


def test_without_threadpoolctl_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    blas._blas.cache_clear()
    try:
        assert blas.most_in_place.__wrapped__() > 0
        with pytest.raises(MissingExtraError, match=re.escape(remedy("parallel"))):
            list(map_shards(lambda k: k, 2))
    finally:
        blas._blas.cache_clear()
