"""Every vjp is checked against finite differences, for drawn shapes, values, axes, strides and layouts."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import thorough
from tests.ops.missing import MISSING
from tinygrad_edu.testing import Call, check_jvp, check_linear, check_vjp
from tinygrad_edu.testing.strategies import OP_CALLS, arrays, calls, shapes
from tinygrad_edu.testing.strategies.op_calls.several import JOINING, SEVERAL

# Ops whose third derivative is checked, too.
SMOOTH = [
    "add", "subtract", "multiply", "divide", "power", "negative", "exp", "log", "sqrt", "square", "sin", "cos", "tanh",
    "sigmoid", "softmax", "log_softmax", "logsumexp", "softmax_cross_entropy", "sigmoid_cross_entropy", "matmul",
    "clamped_cross_entropy", "cross_entropy", "linear", "where", "keep", "drop", "tanh_gradient", "correlate", "prod",
    "cumprod", "recurrence", "logcumsumexp", "weighted_mean", "recurrent", "bilinear", "conv2d", "conv_transpose2d",
    "layer_norm", "group_norm", "batch_norm", "instance_norm", "rms_norm", "local_response_norm", "cosine_similarity",
    "divide_by_rms", "linear_without_bias", "scaled_dot_product_attention", "tan", "arcsin", "arccos", "arctan",
    "arctan2", "sinh", "cosh", "arcsinh", "arccosh", "arctanh", "sinc", "sinc_derivative", "exp2", "expm1", "log2",
    "log10", "log1p", "logaddexp", "rsqrt", "reciprocal", "cbrt", "hypot", "hypot_ratio", "lerp", "xlogy", "logit",
    "erf", "normal_cdf", "gelu", "gelu_exact", "gelu_tanh", "silu", "silu_from_sigmoid", "mish", "logsigmoid",
    "softplus", "tanhshrink", "one_minus_square", "glu", "softmin", "masked_fill", "einsum", "tensordot", "kron", "inv",
    "solve", "logabsdet", "cholesky_factor", "matrix_power", "svdvals", "eigenvalues", "row_norm", "channel_norm",
    "channel_norm_without_affine", "softplus_slope",
    "linear_with_bias", "affine_maps", "affine_images", "softmax_gradient", "logaddexp2", "cross", "vecdot", "vander",
    "cov", "cdist", "distances", "segment_prod",
    "erfc", "erfcx", "erfinv", "ndtri", "log_ndtr", "lgamma", "entr", "xlog1py", "bessel_of_order", "bessel_j0", "i1e",
    "attention_in_blocks", "alignment_scores", "expm",
    "triangular_factors", "solve_triangular", "substitute", "cholesky_solve",
]  # fmt: skip

# Ops that are linear in all inputs jointly.
LINEAR = [
    "add", "subtract", "negative", "where", "identity", "astype", "reshape", "transpose", "swapaxes", "expand_dims",
    "squeeze", "broadcast_to", "flip", "pad", "getitem", "scatter", "scatter_add", "scatter_slices", "sum", "mean",
    "im2col",
    "col2im",
    "avg_pool2d", "keep", "drop", "distribute_to_chosen", "mean_of_chosen", "dropout_by_bits", "cumsum", "take",
    "take_along_axis", "pad_constant", "ravel", "flatten", "moveaxis", "roll", "rot90", "fliplr", "flipud", "tile",
    "repeat", "diagonal", "trace", "diag", "diagflat", "tril", "triu", *JOINING, *SEVERAL, "index_select",
    "add_positions",
    "unfold", "fold", "avg_pool1d", "avg_pool3d", "interpolate", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d", "resample",
    "resample_transpose", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "center", "embedding", "lookup_rows",
    "scatter_add_rows", "take_flat", "scatter_add_flat", "positive", "deg2rad", "rad2deg", "take_diagonal",
    "put_diagonal", "diag_embed", "block_diag", "bincount", "segment_sum",
    "index_add", "affine_grid",
]  # fmt: skip

# Ops that are linear in each input separately.
BILINEAR = [
    "multiply", "matmul", "linear_without_bias", "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d",
    "correlate", "correlate_images", "correlate_kernels", "bmm", "dot", "inner", "vdot", "outer", "kron", "tensordot",
    "mean_product", "cross", "vecdot",
]  # fmt: skip


# Their first derivatives are rounded to multiples of 1e-16 beyond, which the slope of the second one cannot resolve.
SATURATED = {
    "softmax", "softmin", "log_softmax", "softmax_gradient", "logaddexp",
    "logaddexp2", "sigmoid", "tanh",
}  # fmt: skip


@pytest.mark.parametrize("name", thorough(OP_CALLS, quick=MISSING))
@given(data=st.data())
def test_derivatives(name, data):
    """Check forward mode, and reverse mode to second order."""
    call = data.draw(calls(name))
    check_jvp(call, *call.arrays)
    check_vjp(call, *call.arrays, order=2)


@pytest.mark.thorough
@pytest.mark.parametrize("name", SMOOTH)
@given(data=st.data())
def test_third_derivatives(name, data):
    call = data.draw(calls(name))
    most = max((np.max(np.abs(x), initial=0) for x in call.arrays), default=0)
    check_vjp(call, *call.arrays, order=3 if most <= 8 or name not in SATURATED else 2)


@pytest.mark.parametrize("name", thorough(LINEAR, quick=MISSING))
@given(data=st.data())
def test_linear_ops_have_exact_transposes(name, data):
    call = data.draw(calls(name))
    if name in ("add", "subtract"):
        assume(len(call.arrays) == 2)  # with a constant operand it is not linear
    if name in ("pad", "pad_constant"):
        call.settings["constant_values"] = 0
    check_linear(call, *call.arrays)


@pytest.mark.parametrize("name", thorough(BILINEAR, quick=MISSING))
@given(data=st.data())
def test_products_are_linear_in_each_argument(name, data):
    call = data.draw(calls(name))
    inputs = call.inputs[:2]
    for k in range(2):
        alone = Call(call.function, inputs, differentiable=[k], **call.settings)
        check_linear(alone, inputs[k])


@pytest.mark.thorough
@given(st.data(), shapes(1, 3), st.integers(1, 3))
def test_functions_of_a_list(data, shape, count):
    parts = [data.draw(arrays(shape)) for _ in range(count)]
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    check_vjp(lambda *x: tg.stack(x, axis), *parts)
    check_vjp(lambda *x: tg.concatenate(x, axis), *parts)
    check_vjp(lambda *x: tg.concatenate(x, None), *parts)
    check_linear(lambda *x: tg.stack(x, -axis - 1), *parts)


@pytest.mark.parametrize("name", ["multiply", "divide", "power", "maximum", "matmul", "where"])
def test_one_tensor_as_both_operands(name):
    x = np.array([[0.5, 1.25], [2.0, 0.75]])
    op = tg.ops.registry[name]
    if name == "where":
        check_vjp(lambda x: tg.where(np.array([True, False]), x, x), x)
    else:
        check_vjp(lambda x: op(x, x * 2.0 if name == "maximum" else x), x)


@pytest.mark.parametrize("mask", [True, False])
def test_second_derivative_through_a_mask_of_a_0d_tensor(mask):
    check_vjp(lambda x: (x * x)[np.array(mask)], np.array(0.5), order=2)
