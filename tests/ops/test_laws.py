"""Every op and composed function has vjps for its floating-point inputs and passes `check_op`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import thorough
from tests.ops.missing import MISSING
from tinygrad_edu.engine import values_of
from tinygrad_edu.testing import check_op
from tinygrad_edu.testing.strategies import OP_CALLS, calls


def takes(call, dtype):
    """Return whether an op supports a dtype. NumPy's linear algebra rejects float16; 65,504 is the largest float16."""
    try:
        with np.errstate(over="ignore" if dtype == np.float64 else "raise", invalid="ignore"):
            arrays = [x.astype(dtype) for x in call.arrays]
            out = values_of(call(*map(tg.Tensor, arrays)))  # constants take the dtype, too
    except FloatingPointError:
        return False
    except TypeError as error:
        if "float16 is unsupported in linalg" in str(error):
            return False
        raise
    return dtype == np.float64 or all(np.all(np.isfinite(x)) for x in (*arrays, out))


def every_floating_point_input_has_a_vjp(op, inputs):
    for k, x in enumerate(inputs):
        argument = op.inputs[0] if op.variadic else op.inputs[k]
        assert np.asarray(x).dtype.kind != "f" or argument in op.vjp_functions, argument


@pytest.mark.parametrize("name", thorough(OP_CALLS, quick=MISSING))
@given(data=st.data())
def test_laws(name, data):
    """Check inputs in float64, float32 and float16; other arguments keep the dtype in which they were drawn."""
    call, dtype = data.draw(calls(name)), data.draw(st.sampled_from([np.float64, np.float32, np.float16]))
    if name in tg.ops.registry:
        every_floating_point_input_has_a_vjp(tg.ops.registry[name], call.inputs)
    if takes(call, dtype):
        check_op(call.with_arrays([x.astype(dtype) for x in call.arrays]))


@pytest.mark.fast  # plain mode composes the loss
@pytest.mark.parametrize("positions", [(), (4, 5)])
@pytest.mark.parametrize("of_labels", [True, False])
def test_the_gradient_of_a_cross_entropy_has_the_memory_order_of_the_logits(positions, of_labels):
    rng = np.random.default_rng(0)
    logits, probabilities = (np.moveaxis(rng.random((3, *positions, 6)), -1, 0) for _ in range(2))
    x = tg.Tensor(logits, requires_grad=True)
    tg.cross_entropy(x, rng.integers(0, 3, (6, *positions)) if of_labels else tg.from_numpy(probabilities)).backward()
    assert x.grad.strides == x.data.strides == logits.strides  # batch-last layout
