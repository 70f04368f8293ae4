"""Settings of the C allocator, which keep the memory of freed arrays for later ones."""

import ctypes
import os

__all__ = ["keep_large_buffers"]

# Parameters of glibc's mallopt(3): the size from which an array gets its own memory mapping, which is unmapped when the
# array is freed; and the amount of free memory that is kept at the top of the heap.
_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES = -3, 32 * 1024 * 1024  # the maximum that glibc accepts
_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES = -1, 512 * 1024 * 1024


def keep_large_buffers() -> None:
    """Reuse the memory of freed arrays of up to 32 MiB, 512 MiB in all, instead of returning it to the system.

    This setting of the whole process is made when `tinygrad_edu.nn` or `tinygrad_edu.optim` is imported. A program
    that trains with neither can call the function itself. With the environment variable
    ``TINYGRAD_EDU_KEEP_LARGE_BUFFERS=0``, and on systems without glibc (musl, macOS, Windows), it does nothing.

    Notes
    -----
    Returned memory is mapped again at the next use, and its first touch costs a page fault for each 4 KiB: on the MNIST
    network that is most of a training step. A larger network frees all its arrays at the end of a step, and by default
    glibc would return them if they exceed 64 MiB.
    """
    if os.environ.get("TINYGRAD_EDU_KEEP_LARGE_BUFFERS") == "0":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no C library, or one without mallopt
        return
    mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
