"""Random programs: their derivatives, and their repr."""

import numpy as np
import pytest
from hypothesis import given

import tinygrad_edu as tg
from tinygrad_edu.ops import registry
from tinygrad_edu.testing import check_jvp, check_vjp
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.strategies import STEPS, Program, programs

# Ops that no program contains: ops with jumps and kinks that would have to be avoided, copies, orders and signs that
# may tie, and ops that only other functions and vjps call.
NOT_IN_PROGRAMS = {
    "floor_divide", "remainder", "fmod", "floor", "ceil", "round", "trunc", "copysign", "hardsigmoid", "hardswish",
    "threshold", "nan_to_num", "astype", "identity", "rad2deg", "svdvals", "eigenvalues", "sign_of_det",
    "undifferentiable",
    "triangular_factors", "extremum_flat", "scatter_add_flat", "add_positions",
    "log_ndtr_slope", "xlog1py", "polygamma_of_order",
    "affine_images", "alignment_scores", "attention_in_blocks", "affine_maps", "linear_with_bias", "cofactors",
    "distances", "erfcx", "substitute",
    "cofactors_jvp", "col2im", "correlate_images", "correlate_kernels", "drop", "dropout_by_bits", "linear_by_sample",
    "correlate_by_sample", "images_by_sample", "kernels_by_sample",
    "eigenpairs", "cumulative_extremum", "hypot_ratio", "keep", "linear", "linear_without_bias", "mean_of_chosen",
    "normal_cdf",
    "one_minus_square", "orthogonal_triangular", "put_diagonal", "recurrence", "resample", "resample_transpose",
    "scatter_add_rows", "scatter_slices", "lookup_rows", "recurrent", "distribute_to_chosen", "sinc_derivative",
    "singular_triplets", "softmax_gradient", "softplus_slope",
    "take_flat",
    "tanh_gradient",
}  # fmt: skip


def test_every_op_is_a_step_of_programs():
    assert set(registry) - NOT_IN_PROGRAMS <= set(STEPS)


@pytest.mark.thorough
@given(programs())
def test_derivatives_of_programs(program):
    check_vjp(program, *program.arrays, order=2)


@given(programs())
def test_forward_derivatives_of_programs(program):
    check_jvp(program, *program.arrays)


@given(programs())
def test_programs_on_tensors_compute_what_they_compute_on_arrays(program):
    on_arrays = program(*(x.copy() for x in program.arrays))
    on_tensors = program(*(tg.Tensor(x, requires_grad=True) for x in program.arrays))
    for array, tensor in zip(tuples(on_arrays), tuples(on_tensors), strict=True):
        np.testing.assert_array_equal(tensor.numpy(), array)


@given(programs())
def test_the_repr_of_a_program_is_code(program):
    space = {"Program": Program, "np": np, **LAYOUTS}
    again = eval(repr(program), space)
    assert repr(again) == repr(program)
    for left, right in zip(again.arrays, program.arrays, strict=True):
        np.testing.assert_array_equal(left, right)


def tuples(result):
    return result if isinstance(result, tuple) else (result,)
