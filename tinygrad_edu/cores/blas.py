"""How many cores there are, and matrix products on one thread each: shards take the cores themselves."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from threading import RLock, get_ident
from typing import Any

from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.thresholds import SizeThreshold

__all__ = [
    "SMALL", "allowed_threads", "available_cores", "blas_can_be_limited", "most_in_place", "single_threaded_blas",
]  # fmt: skip

# Where OpenBLAS has kernels for small products, by the name of the processor that it takes this one for; and how many
# multiplications those are at most.
_WITH_SMALL_KERNELS, SMALL = {"SkylakeX", "Cooperlake", "SapphireRapids"}, SizeThreshold(1_000_000)

# The number of BLAS threads belongs to the process: who limits it first notes what it was of each library, the last
# puts it back.
_limiting = RLock()  # a signal handler may come while its own thread holds it
_limited_by: dict[object, int] = {}  # who limits it, each with its thread
_before: dict[Any, int] = {}


def available_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed_threads(cores: int) -> int:
    """Return how many threads to run on so many cores: one on each, and no more than OMP_NUM_THREADS says."""
    if cores == 1:
        return 1
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list is of nested threads
    return min(int(told), cores) if told.isdecimal() and int(told) else cores


@cache
def _blas() -> Any:
    """Return what sets the number of threads of each BLAS library, or None without threadpoolctl."""
    with _limiting:  # or a process that is forked meanwhile waits for ever for this import to end
        try:
            from threadpoolctl import ThreadpoolController
        except ImportError:
            return None
        return ThreadpoolController()


def blas_can_be_limited() -> bool:
    """Return whether `single_threaded_blas` can do so: whether threadpoolctl is installed."""
    return _blas() is not None


@cache
def most_in_place() -> int:
    """Return up to how many multiplications of a product BLAS does with matrices as they lie; 0 if it copies them all.

    OpenBLAS does up to a million on processors with AVX-512. NumPy's wheels bring it, and without threadpoolctl nobody
    knows better.
    """
    libraries = _blas().lib_controllers if blas_can_be_limited() else ()
    kernels = [getattr(library, "architecture", None) for library in libraries if library.user_api == "blas"]
    return SMALL if not kernels or _WITH_SMALL_KERNELS.intersection(kernels) else 0


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep matrix products at one thread inside, and put back afterwards what was set before.

    Products as small as these are slower on several threads, and very slow where another program wants the cores.
    The number of BLAS threads can change the last bits of large matrix products, long dot products and linear solves;
    inside, the results do not depend on the number that was set before.

    Raises
    ------
    MissingExtraError
        Where threadpoolctl is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> with single_threaded_blas():
    ...     product = np.ones((300, 300)) @ np.ones((300, 300))
    >>> product[0, :3]
    array([300., 300., 300.])
    """
    if not blas_can_be_limited():
        raise MissingExtraError(
            "shards on threads need threadpoolctl, which keeps the matrix products of each at one thread: "
            "pip install 'tinygrad-edu[parallel]'"
        )
    this = object()
    try:
        with _limiting:
            if not _before:
                _before.update(_several_threads())
                _set_threads(dict.fromkeys(_before, 1))
            _limited_by[this] = get_ident()
        yield
    finally:  # also after a Ctrl-C half way through the above
        with _limiting:
            _limited_by.pop(this, None)
            _put_back()


def _put_back() -> None:
    if _before and not _limited_by:
        _set_threads(_before)
        _before.clear()


def _several_threads() -> dict[Any, int]:
    """Return the threads of each library that has more than one: to set them takes ten times as long as to ask."""
    libraries = [library for library in _blas().lib_controllers if library.user_api == "blas"]
    return {library: threads for library in libraries if (threads := library.num_threads) != 1}


def _set_threads(counts: Mapping[Any, int]) -> None:
    """Set them. From threadpoolctl 3.8 on, only the thread that first did can, until it lets go."""
    for library, threads in counts.items():
        _let_go(library)
        library.set_num_threads(threads)
        _let_go(library)


def _let_go(library: Any) -> None:
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread(force=True)


def _begin_again() -> None:
    """Forget, in a forked process, the limits of threads that are not there."""
    for this, thread in list(_limited_by.items()):
        if thread != get_ident():
            del _limited_by[this]
    _put_back()
    _limiting.release()


if hasattr(os, "register_at_fork"):  # no fork while another thread holds locks of the library
    os.register_at_fork(before=_limiting.acquire, after_in_parent=_limiting.release, after_in_child=_begin_again)
