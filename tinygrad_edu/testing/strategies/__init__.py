"""Hypothesis strategies for gradient tests. They need the extra ``testing``."""

from tinygrad_edu.errors.extras import missing_extra

try:
    import hypothesis  # noqa: F401
except ImportError as error:
    raise missing_extra("tinygrad_edu.testing.strategies requires Hypothesis", "testing") from error

from tinygrad_edu.testing.strategies.arrays import arrays, axes, broadcastable, labels, masks, shapes, tensors
from tinygrad_edu.testing.strategies.calls import OP_CALLS, calls
from tinygrad_edu.testing.strategies.indices import indices
from tinygrad_edu.testing.strategies.modules import modules
from tinygrad_edu.testing.strategies.op_calls.common import one_input, two_inputs
from tinygrad_edu.testing.strategies.op_calls.reduction import NONDIFFERENTIABLE_CALLS
from tinygrad_edu.testing.strategies.programs import STEPS, Program, programs
from tinygrad_edu.testing.strategies.special import special_arrays, special_calls, special_values
from tinygrad_edu.testing.strategies.windows import WindowProblem, illegal_windows, windows

__all__ = [
    "NONDIFFERENTIABLE_CALLS", "OP_CALLS", "STEPS", "Program", "WindowProblem", "arrays", "axes", "broadcastable",
    "calls", "illegal_windows", "indices", "labels", "masks", "modules", "one_input", "programs", "shapes",
    "special_arrays", "special_calls", "special_values", "tensors", "two_inputs", "windows",
]  # fmt: skip
