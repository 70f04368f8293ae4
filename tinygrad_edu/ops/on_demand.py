"""Functions that not every program uses: a file is imported at the first use of one of its functions."""

from importlib import import_module
from typing import Any

from tinygrad_edu.names import attribute_error


def _homes(files: dict[str, str]) -> dict[str, str]:
    return {name: file for file, names in files.items() for name in names.split()}


# The file of each function of `tinygrad_edu` and of `tinygrad_edu.linalg`.
OF_OPS = _homes({
    "cross_entropies": "cross_entropy",
    "patches": "col2im fold im2col unfold",
    "convolution": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
    "pooling": "avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d",
    "adaptive_pooling": (
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
        "adaptive_max_pool3d"
    ),
    "interpolation": "channel_shuffle interpolate pixel_shuffle pixel_unshuffle",
    "normalization": (
        "batch_norm cosine_similarity group_norm instance_norm layer_norm local_response_norm normalize "
        "pairwise_distance rms_norm"
    ),
    "embeddings": "embedding",
    "attention": "scaled_dot_product_attention",
    "bessel": "bessel_j0 bessel_j1 bessel_y0 bessel_y1 i0 i0e i1 i1e modified_bessel_k0 modified_bessel_k1",
    "calculus": "cumulative_trapezoid gradient interp trapezoid",
    "counting": "bincount histogram",
    "covariance": "corrcoef cov",
    "distances": "cdist pdist",
    "sampling": "affine_grid grid_sample",
    "segments": "index_add scatter_reduce segment_max segment_min segment_prod segment_sum",
    "special": "digamma entr erfc erfinv lgamma log_ndtr ndtr ndtri polygamma xlog1py",
    "vectors": "block_diag cross vander vecdot",
})  # fmt: skip
# Functions of `tinygrad_edu` alone, because they draw random numbers.
OF_DRAWS = _homes({"draws": "bernoulli dropout gumbel_softmax multinomial"})
OF_LINALG = _homes({
    "lu_decomposition": "lu",
    "matrix_exponential": "expm",
    "systems": "cholesky_solve lstsq solve_triangular tensorinv tensorsolve",
})  # fmt: skip


def imported(owner: str, name: str, homes: dict[str, str], known: list[str]) -> Any:
    """Return a function by its name, or raise the error for a missing attribute of `owner`, which has `known`."""
    if name not in homes:
        raise attribute_error(owner, name, known)
    return getattr(import_module(f"tinygrad_edu.ops.{homes[name]}"), name)


# Files of layers, without public functions.
_OF_LAYERS = ("dropout", "recurrent")


def import_all() -> None:
    """Import all files."""
    for file in {*OF_OPS.values(), *OF_LINALG.values(), *OF_DRAWS.values(), *_OF_LAYERS}:
        import_module(f"tinygrad_edu.ops.{file}")
