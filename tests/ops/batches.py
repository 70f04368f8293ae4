"""Table of the batch axes of each op: axes of the inputs and the result whose samples are independent."""

from typing import NamedTuple

import numpy as np

from tinygrad_edu.testing.strategies.op_calls.elementwise import ACTIVATIONS, ELEMENTWISE


class Batch(NamedTuple):
    """A batch axis: its position in each input (None for an input shared by all samples) and in the result.

    None for the result means that the result is summed over the samples.
    """

    inputs: tuple[int | None, ...]
    out: int | None


def shape_of(x):
    return x.shape if isinstance(x, np.ndarray) else ()


def along(k, of_inputs, ndim):
    """Return the batch along axis `k` of a result with `ndim` axes that the inputs broadcast to."""
    back = ndim - k
    inputs = tuple(len(shape) - back if len(shape) >= back and shape[-back] != 1 else None for shape in of_inputs)
    return Batch(inputs, k)


def elementwise(call):
    """Return all axes: every element of the result depends on one element of each input."""
    return broadcast(call, [shape_of(x) for x in call.inputs])


def broadcast(call, shapes):
    """Return the batch axes of broadcast inputs; `shapes` are the leading axes of the inputs, without other axes."""
    ndim = len(np.broadcast_shapes(*shapes))
    return [along(k, shapes, ndim) for k in range(ndim)]


def before_last(core, inputs=1):
    """Return a function that finds, for a call, the broadcast axes before the last `core` axes of the first inputs."""

    def find(call):
        if any(x.ndim < core for x in call.inputs[:inputs]):
            return []  # a vector instead of a matrix, or no batch
        shapes = [x.shape[: x.ndim - core] for x in call.inputs[:inputs]]
        return broadcast(call, [*shapes, *[()] * (len(call.inputs) - inputs)])

    return find


def first_axis(inputs=1, least=0, when=lambda call: True):
    """Return a function that finds, for a call, axis 0 of the first inputs if they have at least `least` axes."""

    def find(call):
        axes = tuple(0 if k < inputs else None for k in range(len(call.inputs)))
        return [Batch(axes, 0)] if call.inputs[0].ndim >= least and when(call) else []

    return find


def across_axis(call):
    """Return the axes that are not in the setting `axis`; all samples along them use the same formula."""
    axis, first = call.settings.get("axis"), call.inputs[0]
    if axis is None or any(isinstance(value, np.ndarray) for value in call.settings.values()):
        return []
    taken = {a % first.ndim for a in (axis if isinstance(axis, tuple | list) else (axis,))}
    kept = [k for k in range(first.ndim) if k not in taken]
    places = kept if call.settings.get("keepdims", True) else range(len(kept))
    before = np.ndim(call.settings.get("q", 0))  # leading axes of the result
    shapes = [shape_of(x) for x in call.inputs]
    return [along(k, shapes, first.ndim)._replace(out=before + place) for k, place in zip(kept, places, strict=True)]


def index_add(call):
    """Return the batch axes of a sum: those of `across_axis`, and the first summed axis, which the result lacks."""
    axis, ndim = call.settings.get("axis"), call.inputs[0].ndim
    over = range(ndim) if axis is None else sorted(a % ndim for a in np.atleast_1d(np.asarray(axis, int)))
    inputs = tuple(0 if axis is None else over[0] for _ in call.inputs) if len(over) else ()
    return [*across_axis(call), *([Batch(inputs, None)] if inputs and not call.settings.get("keepdims") else [])]


def layers_before(call):
    """Return the axes before the normalized ones."""
    shape = call.inputs[1]
    return before_last(1 if isinstance(shape, int) else len(shape))(call)


def samples_of_losses(call):
    """Return axis 0 for losses without a reduction."""
    return first_axis(2)(call) if call.settings["reduction"] == "none" else []


def attention(call):
    """Return axis 0 of queries, keys and values, and of a mask with as many axes."""
    if call.inputs[0].ndim < (4 if call.settings["enable_gqa"] else 3):
        return []  # no batch axis: with enable_gqa axis -3 has the heads
    mask = [0 if x.ndim == call.inputs[0].ndim else None for x in call.inputs[3:]]
    return [Batch((0, 0, 0, *mask), 0)]


# --- The table ---

NO_ELEMENTS = {"leaky", "prelu", "glu"}
ALONG_AN_AXIS = [
    "glu", "softmax", "softmin", "log_softmax", "softmax_gradient", "quantile",
    "percentile", "sort", "topk", "kthvalue", "average", "weighted_mean", "median", "prod", "nanmean", "mean",
    "logsumexp", "max", "min", "amax", "amin", "ptp", "std", "var", "cumprod", "diff", "cumulative_extremum", "cumsum",
    "logcumsumexp", "cummax", "cummin", "recurrence", "normalize", "p_norm", "vector_norm",
    "norm",
]  # fmt: skip
OF_MATRICES = [
    "inv", "logabsdet", "sign_of_det", "cofactors", "cholesky_factor", "det", "matrix_power", "svdvals",
    "pseudo_inverse", "pinv", "eigenvalues", "orthogonal_triangular", "matrix_norm", "cond", "expm",
    "triangular_factors",
]  # fmt: skip
OF_IMAGES = [
    "im2col", "col2im", "correlate", "correlate_images", "affine_maps", "affine_images",
    "window_max", "max_pool2d", "avg_pool2d", "interpolate", "group_norm", "local_response_norm", "instance_norm",
]  # fmt: skip
OF_BATCHED_IMAGES = ["unfold", "conv2d", "conv_transpose2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"]
OF_BATCHED_VOLUMES = [
    "conv3d", "conv_transpose3d", "max_pool3d", "avg_pool3d", "adaptive_max_pool3d", "adaptive_avg_pool3d",
]  # fmt: skip
OF_BATCHED_ROWS = [
    "conv1d", "conv_transpose1d", "max_pool1d", "avg_pool1d", "adaptive_max_pool1d", "adaptive_avg_pool1d", "fold",
]  # fmt: skip

BATCHES = {
    **{name: elementwise for name in {**ELEMENTWISE, **ACTIVATIONS} if name not in NO_ELEMENTS},
    **dict.fromkeys(["sigmoid_cross_entropy", "clamped_cross_entropy"], elementwise),
    **dict.fromkeys(ALONG_AN_AXIS, across_axis),
    **dict.fromkeys(["sum", "nansum"], index_add),
    **dict.fromkeys(OF_MATRICES, before_last(2)),
    **dict.fromkeys(["matmul", "bmm", "solve", "substitute", "distances", "cofactors_jvp"], before_last(2, 2)),
    **dict.fromkeys(["linear", "linear_with_bias", "linear_without_bias"], before_last(1)),
    **dict.fromkeys(["bilinear", "pairwise_distance"], before_last(1, 2)),
    **dict.fromkeys(["layer_norm", "rms_norm"], layers_before),
    **dict.fromkeys(OF_IMAGES, first_axis()),
    **dict.fromkeys(OF_BATCHED_IMAGES, first_axis(least=4)),
    **dict.fromkeys(OF_BATCHED_ROWS, first_axis(least=3)),
    **dict.fromkeys(OF_BATCHED_VOLUMES, first_axis(least=5)),
    "correlate_kernels": lambda call: [Batch((0, 0), None)],
    "batch_norm": first_axis(when=lambda call: not call.settings["training"]),
    **dict.fromkeys(["softmax_cross_entropy", "cross_entropy"], samples_of_losses),
    "scaled_dot_product_attention": attention,
}
