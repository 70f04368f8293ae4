"""Speed: plain mode, size thresholds, the allocator, and threads and BLAS on the cores."""
