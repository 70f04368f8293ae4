"""Ops and functions with a vjp that no line of PyTorch's table calls.

The quick suite proves the others by the table alone, and the thorough one by drawn calls, too.
"""

MISSING = [
    "lgamma", "digamma", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_k0",
    "modified_bessel_k1", "clip_by_arrays", "scatter_add", "recurrence", "dropout_by_bits",
    "softmax_cross_entropy", "sigmoid_cross_entropy", "clamped_cross_entropy", "cofactors_jvp",
    "correlate_by_sample", "images_by_sample", "kernels_by_sample", "distribute_to_chosen", "mean_of_chosen",
    "resample_transpose", "channel_shuffle", "linear_by_sample", "scatter_add_rows", "recurrent",
    "attention_in_blocks", "interp", "histogram", "alignment_scores",
]  # fmt: skip
