"""Number of available cores, and a limit of one BLAS thread for shards, which use the cores themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from threading import RLock, get_ident
from typing import Any

from tinygrad_edu.errors import BusyBLASError
from tinygrad_edu.errors.extras import missing_extra
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

__all__ = [
    "SMALL", "allowed_threads", "available_cores", "blas_can_be_limited", "most_in_place", "single_threaded_blas",
]  # fmt: skip

# The processors, by OpenBLAS's names, for which it has kernels for small matrix products; and the largest number of
# multiplications of such a product.
_WITH_SMALL_KERNELS, SMALL = {"SkylakeX", "Cooperlake", "SapphireRapids"}, SizeThreshold(1_000_000)

# The number of BLAS threads belongs to the process: the first block that limits it saves the number of each library,
# and the last one restores it.
_lock = RLock()  # reentrant: a signal handler may run while its thread holds the lock
_open_blocks: dict[object, int] = {}  # the open blocks, each with its thread
_previous_threads: dict[Any, int] = {}


def available_cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed_threads(cores: int) -> int:
    """Return the number of threads for a number of cores: one for each, at most OMP_NUM_THREADS."""
    if cores == 1:
        return 1
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list sets nested levels
    return min(int(limit), cores) if limit.isdecimal() and int(limit) else cores


@cache
def _blas() -> Any:
    """Return the controller of the threads of each BLAS library, or None without threadpoolctl."""
    with _lock:  # a process forked during this import would wait forever for its lock
        try:
            from threadpoolctl import ThreadpoolController
        except ImportError:
            return None
        return ThreadpoolController()


def blas_can_be_limited() -> bool:
    """Return whether `single_threaded_blas` can limit the threads: whether threadpoolctl is installed."""
    return _blas() is not None


@cache
def most_in_place() -> int:
    """Return the largest number of multiplications of a product that BLAS computes without copying the matrices, or 0.

    OpenBLAS does so up to a million on processors with AVX-512. Without threadpoolctl, OpenBLAS is assumed, since
    NumPy's wheels contain it.
    """
    libraries = _blas().lib_controllers if blas_can_be_limited() else ()
    kernels = [getattr(library, "architecture", None) for library in libraries if library.user_api == "blas"]
    return SMALL if not kernels or _WITH_SMALL_KERNELS.intersection(kernels) else 0


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit matrix products to one thread in a block, and restore the previous number of threads afterwards.

    The small products of a shard are slower on several threads, and very slow if another program uses the cores. The
    number of BLAS threads can change the last bits of large matrix products, long dot products and linear solves; in
    the block, results do not depend on the number that was set before.

    Raises
    ------
    MissingExtraError
        threadpoolctl is not installed.
    BusyBLASError
        Another thread of the program controls the number of threads, in a block of ``threadpool_limits``.

    Examples
    --------
    >>> import numpy as np
    >>> with single_threaded_blas():
    ...     product = np.ones((300, 300)) @ np.ones((300, 300))
    >>> product[0, :3]
    array([300., 300., 300.])
    """
    if not blas_can_be_limited():
        raise missing_extra(
            "shards on threads need threadpoolctl, which limits the matrix products of each to one thread", "parallel"
        )
    block = object()
    try:
        with _lock:
            if not _previous_threads:
                _previous_threads.update(_multithreaded_libraries())
                _set_threads(dict.fromkeys(_previous_threads, 1))
                _require_single_threads()
            _open_blocks[block] = get_ident()
        yield
    finally:  # also after Ctrl-C in the lines above
        with _lock:
            _open_blocks.pop(block, None)
            _restore_threads()


def _restore_threads() -> None:
    if _previous_threads and not _open_blocks:
        _set_threads(_previous_threads)
        _previous_threads.clear()


def _multithreaded_libraries() -> dict[Any, int]:
    """Return the number of threads of each library with more than one. Setting is ten times as slow as reading."""
    libraries = [library for library in _blas().lib_controllers if library.user_api == "blas"]
    return {library: threads for library in libraries if (threads := library.num_threads) != 1}


def _set_threads(counts: Mapping[Any, int]) -> None:
    """Set the number of threads of each library.

    Since threadpoolctl 3.8, the first thread that sets it controls the library, and the calls of others do nothing.
    Releasing the control lets the thread of the last block restore the number.
    """
    for library, threads in counts.items():
        library.set_num_threads(threads)
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread()


def _require_single_threads() -> None:
    """Raise if another thread of the program controls the number of threads."""
    for library in _previous_threads:
        if library.num_threads != 1:
            raise BusyBLASError(
                f"single_threaded_blas: another thread limits {library.internal_api} with threadpoolctl, and keeps "
                f"{library.num_threads} threads. Leave its block of threadpool_limits first, or open it in this thread."
            )


def _reset_after_fork() -> None:
    """In a forked process, remove the limits that other threads of its parent set."""
    for block, thread in list(_open_blocks.items()):
        if thread != get_ident():
            del _open_blocks[block]
    _restore_threads()
    _lock.release()


if hasattr(os, "register_at_fork"):  # no fork while another thread holds locks of the library
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_reset_after_fork)
