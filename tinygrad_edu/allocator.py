"""One hint to the C allocator, given once at import: keep the memory of large temporaries."""

import numpy as np

# The greatest size that glibc's malloc will learn to take from its heap (DEFAULT_MMAP_THRESHOLD_MAX, mallopt(3)).
_LARGEST_LEARNED = 32 * 1024 * 1024


def keep_large_buffers() -> None:
    """Let freed arrays of up to 32 MiB be used again instead of going back to the system.

    glibc maps every large array afresh, and its first touch costs a page fault for each 4 KiB: on the MNIST network
    that is most of a training step. It stops doing so for sizes up to the largest mapped block it has seen freed, so
    one block is asked for and freed here, untouched. Elsewhere (musl, macOS, Windows) this does nothing.
    """
    np.empty(_LARGEST_LEARNED - 2**16, np.uint8)
