"""Two settings of the C allocator, made once at import: keep the memory of large temporaries."""

import ctypes

# The parameters of glibc's mallopt(3): from which size on an array is mapped by itself, where its memory goes back to
# the system when the array is freed; and how much free memory at the end of all others does not go back either.
_MMAP_THRESHOLD, _LARGEST_KEPT = -3, 32 * 1024 * 1024  # the greatest that there may be
_TRIM_THRESHOLD, _ALL_KEPT = -1, 512 * 1024 * 1024


def keep_large_buffers() -> None:
    """Let freed arrays of up to 32 MiB, and 512 MiB of them, be used again instead of going back to the system.

    What went back is mapped afresh, and its first touch costs a page fault for each 4 KiB: on the MNIST network that is
    most of a training step. Of a larger network all arrays are freed in the end of a step, and from 64 MiB on glibc
    would give them back together. Elsewhere (musl, macOS, Windows) this does nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # there is no such library, or it has no such function
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    mallopt(_TRIM_THRESHOLD, _ALL_KEPT)
