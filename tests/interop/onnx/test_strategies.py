"""Calls that the strategies of all ops and functions draw compute the same in ONNX Runtime, or are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import thorough
from tests.interop.onnx.runtime import assert_runs
from tinygrad_edu import nn
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import ExportError
from tinygrad_edu.interop.onnx import export
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.testing.strategies import OP_CALLS, calls

# Ops and functions without a counterpart in ONNX, at least for some calls.
REFUSED = {
    "add_positions", "alignment_scores", "attention_in_blocks",
    "bessel_j0", "bessel_j1", "bessel_of_order", "bessel_y0", "bessel_y1",
    "bincount", "center", "cholesky_factor", "cholesky_solve", "clamped_cross_entropy", "clip_by_arrays", "cofactors",
    "cofactors_jvp", "cond", "correlate_by_sample", "correlate_kernels", "cross_entropy", "cummax", "cummin",
    "cumprod", "cumulative_extremum", "digamma", "distribute_to_chosen", "dropout_by_bits", "eigenpairs",
    "eigenvalues", "embedding_bag", "erfcx", "erfinv", "expm", "extremum_flat", "gelu_exact", "gelu_tanh",
    "getitem", "histogram",
    "hypot_ratio", "i0", "i0e", "i1", "i1e", "images_by_sample", "index_add", "interp", "inv", "kernels_by_sample",
    "lgamma", "linear_by_sample", "log_ndtr", "log_ndtr_slope", "logabsdet", "logcumsumexp", "lstsq", "lu",
    "matrix_norm", "matrix_power", "mean_of_chosen", "mean_product", "modified_bessel_k0", "modified_bessel_k1",
    "nanmedian", "nanquantile", "ndtri", "norm", "one_minus_square", "orthogonal_triangular", "pad", "pad_constant",
    "pinv", "polygamma", "polygamma_of_order", "pseudo_inverse", "put_diagonal", "recurrence", "recurrent",
    "resample_transpose", "scatter_add_flat", "scatter_add_rows", "scatter_reduce",
    "segment_max", "segment_min", "segment_prod", "segment_sum", "sigmoid_cross_entropy", "sign_of_det",
    "silu_from_sigmoid", "sinc_derivative", "singular_triplets", "softmax_cross_entropy", "softmax_gradient",
    "softplus_slope", "solve",
    "solve_triangular", "substitute", "svdvals", "take", "take_flat", "tanh_gradient", "tensorinv", "tensorsolve",
    "triangular_factors", "undifferentiable", "window_max", "xlog1py",
}  # fmt: skip


class Called(nn.Module):
    """A drawn call as a function of its arrays."""

    def __init__(self, call):
        vars(self)["call"] = call
        self.positions = [k for k, x in enumerate(call.inputs) if isinstance(x, np.ndarray) and x.dtype.kind in "fib"]

    def forward(self, *arrays):
        inputs = list(self.call.inputs)
        for k, x in zip(self.positions, arrays, strict=True):
            inputs[k] = x
        return self.call.function(*inputs, **self.call.settings)

    def inputs(self, dtype=np.float32):
        arrays = (self.call.inputs[k] for k in self.positions)
        return tuple(tg.Tensor(x.astype(dtype) if x.dtype.kind == "f" else x) for x in arrays)


@pytest.mark.parametrize("name", thorough(OP_CALLS, quick=[*OP_CALLS][::9]))
@settings(max_examples=2)
@given(data=st.data())
def test_a_drawn_call_computes_the_same(name, data, tmp_path_factory):
    assert_runs_or_is_refused(name, Called(data.draw(calls(name))), np.float32, 1e-4, tmp_path_factory)


@pytest.mark.thorough
@pytest.mark.parametrize("name", OP_CALLS)
@settings(max_examples=2)
@given(data=st.data())
def test_a_drawn_call_computes_the_same_in_float64(name, data, tmp_path_factory):
    assert_runs_or_is_refused(name, Called(data.draw(calls(name))), np.float64, 1e-9, tmp_path_factory)


def assert_runs_or_is_refused(name, model, dtype, tolerance, tmp_path_factory):
    inputs, path = model.inputs(dtype), tmp_path_factory.getbasetemp() / "drawn.onnx"
    try:
        with np.errstate(all="ignore"):
            wanted = [np.asarray(values_of(x)) for x in tree_leaves(model(*inputs))]
    except (ArithmeticError, ValueError):  # float32 has left the domain
        return
    if not inputs:
        return
    try:
        export(model, inputs, path, batch_axes=None)
    except ExportError as error:
        if name in REFUSED or (dtype == np.float64 and "ONNX Runtime does not run" in str(error)):
            return
        raise
    assert_runs(path, inputs, wanted, tolerance)
