"""Random programs, as a whole: their derivatives, and that they are what their repr says."""

import numpy as np
from hypothesis import given

import tinygrad_edu as tg
from tinygrad_edu.ops import registry
from tinygrad_edu.testing import check_jvp, check_vjp
from tinygrad_edu.testing.literals import LAYOUTS
from tinygrad_edu.testing.strategies import STEPS, Program, programs

# What no line of a program is: jumps everywhere or a copy; and what layers, functions and rules are made of.
NOT_IN_PROGRAMS = {
    "floor_divide", "remainder", "astype", "identity", "col2im", "keep", "linear", "tanh_gradient", "correlate_images",
    "correlate_kernels", "share_out", "mean_of_chosen", "dropout", "added_up",
}  # fmt: skip


def test_every_op_is_a_step_of_programs():
    assert set(registry) - NOT_IN_PROGRAMS <= set(STEPS)


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
