"""The file of each function. A file is imported at the first use of one of its functions."""

from importlib import import_module
from typing import Any


def _files(functions: dict[str, str]) -> dict[str, str]:
    """Return the file of each function, from the functions of each file."""
    return {name: file for file, names in functions.items() for name in names.split()}


# The file of each function of `tinygrad_edu.ops`, in reading order.
OPS_FILES = _files({
    "elementwise.arithmetic": (
        "abs add astype ceil copysign deg2rad divide floor floor_divide fmod multiply negative positive rad2deg "
        "reciprocal remainder round sign subtract trunc"
    ),
    "elementwise.selection": "clip fmax fmin lerp masked_fill maximum minimum nan_to_num where",
    "elementwise.powers": "cbrt exp exp2 expm1 hypot log log1p log2 log10 power rsqrt sqrt square xlogy",
    "elementwise.sigmoids": "logaddexp logaddexp2 logit logsigmoid sigmoid softplus",
    "elementwise.error_function": "erf",
    "elementwise.trigonometry": "arccos arccosh arcsin arcsinh arctan arctan2 arctanh cos cosh sin sinc sinh tan tanh",
    "elementwise.special": "digamma entr erfc erfcx erfinv lgamma log_ndtr ndtr ndtri polygamma xlog1py",
    "elementwise.bessel": "bessel_j0 bessel_j1 bessel_y0 bessel_y1 i0 i0e i1 i1e modified_bessel_k0 modified_bessel_k1",
    "shapes.shape": (
        "atleast_1d atleast_2d atleast_3d broadcast_arrays broadcast_to expand_dims flatten flip fliplr flipud "
        "moveaxis ravel reshape roll rot90 squeeze swapaxes transpose"
    ),
    "shapes.joining": "block column_stack concatenate dstack hstack stack vstack",
    "shapes.splitting": "array_split dsplit hsplit split unbind unstack vsplit",
    "indices.indexing": "getitem scatter_add",
    "indices.gather": "put_along_axis take take_along_axis",
    "indices.nondifferentiable": (
        "all any argmax argmin argsort count_nonzero digitize flatnonzero isclose isfinite isinf isnan logical_and "
        "logical_not logical_or logical_xor nonzero one_hot searchsorted tril_indices triu_indices"
    ),
    "indices.sorting": "kthvalue sort topk unique",
    "indices.segments": "index_add scatter_reduce segment_max segment_min segment_prod segment_sum",
    "reductions.scans": "cummax cummin cumprod cumsum diff logcumsumexp",
    "reductions.reduction": "amax amin logsumexp max mean min nanmean nansum prod ptp sum",
    "reductions.variance": "std var",
    "reductions.statistics": "average median nanmedian nanquantile percentile quantile",
    "reductions.calculus": "cumulative_trapezoid gradient interp trapezoid",
    "reductions.counting": "bincount histogram",
    "tiling.repeating": "meshgrid repeat tile",
    "tiling.padding": "pad",
    "products.products": "bilinear bmm dot inner kron linear matmul outer tensordot vdot",
    "products.einsum": "einsum",
    "products.vectors": "block_diag cross vander vecdot",
    "linear_algebra.diagonals": "diag diag_embed diagflat diagonal trace tril triu",
    "linear_algebra.covariance": "corrcoef cov",
    "linear_algebra.distances": "cdist pdist",
    "images.patches": "col2im fold im2col unfold",
    "images.convolution": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
    "images.pooling": "avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d",
    "images.interpolation": "channel_shuffle interpolate pixel_shuffle pixel_unshuffle",
    "images.adaptive_pooling": (
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
        "adaptive_max_pool3d"
    ),
    "images.sampling": "affine_grid grid_sample",
    "networks.activations": (
        "celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu mish prelu relu relu6 selu silu "
        "softshrink softsign tanhshrink threshold"
    ),
    "networks.softmax": "log_softmax softmax softmin",
    "networks.cross_entropies": "cross_entropy",
    "networks.normalization": (
        "batch_norm cosine_similarity group_norm instance_norm layer_norm local_response_norm normalize "
        "pairwise_distance renorm rms_norm"
    ),
    "networks.embeddings": "embedding",
    "networks.bags": "embedding_bag",
    "networks.attention": "scaled_dot_product_attention",
})  # fmt: skip
# The file of each function of `tinygrad_edu` alone: they create arrays or draw random numbers.
PACKAGE_FILES = _files({
    "creation": (
        "arange empty empty_like eye full full_like geomspace integers linspace logspace normal ones ones_like "
        "permutation tri uniform zeros zeros_like"
    ),
    "draws": "bernoulli dropout gumbel_softmax multinomial",
})  # fmt: skip
# Files without functions of their own in these tables.
_OTHER_FILES = ("linalg", "networks.dropout", "networks.recurrent")


def import_function(path: str) -> Any:
    """Import a function of a file, such as ``"elementwise.powers.exp"``."""
    file, _, name = path.rpartition(".")
    return getattr(import_module(f"tinygrad_edu.ops.{file}"), name)


def import_all() -> None:
    """Import all files."""
    for file in {*OPS_FILES.values(), *PACKAGE_FILES.values(), *_OTHER_FILES}:
        import_module(f"tinygrad_edu.ops.{file}")
