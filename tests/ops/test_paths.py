"""The result of an op does not depend on thresholds or memory layouts; over special values, dtypes and sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.groups import in_groups
from tests.ops.rounding import assert_same
from tinygrad_edu.engine import Tensor, from_numpy, values_of
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.numeric.sampling import draw_signed
from tinygrad_edu.testing.strategies import NONDIFFERENTIABLE_CALLS, OP_CALLS, special_calls
from tinygrad_edu.testing.thresholds import lowered_thresholds
from tinygrad_edu.transforms import vjp


@np.errstate(all="ignore")
def results(call, arrange):
    """Return the result of a call, its gradients, and second derivatives along random directions."""
    rng = np.random.default_rng(0)
    arrays = [arrange(x) if x.ndim and x.size else x for x in call.arrays]
    out = call(*(from_numpy(x, requires_grad=True) for x in arrays))
    if not isinstance(out, Tensor) or not out.requires_grad:
        return [np.asarray(values_of(out))]
    g = draw_signed(rng, out.shape).astype(out.dtype)
    g = arrange(g) if g.ndim and g.size else g
    weights = [draw_signed(rng, x.shape).astype(x.dtype) for x in arrays]

    def weighted(*inputs):
        gradients = vjp(call, *inputs)[1](from_numpy(g))
        return sum((w * gradient).sum() for w, gradient in zip(weights, gradients, strict=True))

    gradients = vjp(call, *arrays)[1](g)
    total, pullback = vjp(weighted, *arrays)
    return [out.numpy(), *gradients, *pullback(np.ones((), total.dtype))]


@pytest.mark.parametrize("names", **in_groups([*OP_CALLS, *NONDIFFERENTIABLE_CALLS]))
@given(data=st.data(), seed=st.integers(0, 2**16), layout=st.sampled_from(["contiguous", *LAYOUTS]))
def test_a_result_depends_neither_on_thresholds_nor_on_layouts(names, data, seed, layout):
    call = data.draw(st.sampled_from(names).flatmap(special_calls))
    arrange = LAYOUTS.get(layout, np.asarray)
    try:
        wanted = results(call, lambda x: np.array(arrange(x), order="C"))
    except (np.linalg.LinAlgError, TypeError, ValueError, ZeroDivisionError) as error:  # special values, or float16
        with lowered_thresholds(seed), pytest.raises(type(error)):
            results(call, arrange)
        return
    with lowered_thresholds(seed):
        found = results(call, arrange)
    for one, other in zip(found, wanted, strict=True):
        assert_same(one, other, call.arrays)
