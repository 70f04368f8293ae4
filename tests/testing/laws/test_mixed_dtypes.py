"""check_dtypes detects errors that occur only in low-precision or mixed dtypes, at first and higher order."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.testing import Call, LawBroken
from tinygrad_edu.testing.laws.mixed_dtypes import check_dtypes

X, Y = np.array([0.5, -1.25, 2.0]), np.array([1.5, 0.75, -0.5])


def cubed_times(slope_of_double):
    """Return an op (x, y) -> x**3 y. Its vjp of x calls another op, which has the given vjp."""

    @tg.op
    def double(x):
        return x * 2

    @tg.op
    def cubed_times(x, y):
        return x * x * x * y

    double.vjps(x=slope_of_double)
    cubed_times.vjps(x=lambda g, x, y: 1.5 * g * double(x) * x * y, y=lambda g, x: g * x * x * x)
    return cubed_times


FAULTS = {
    "a wrong factor in float32": (lambda g: g * (2.1 if g.dtype == np.float32 else 2.0), "wrong in float32: at"),
    "a wrong factor in float16": (lambda g: g * (3.0 if g.dtype == np.float16 else 2.0), "wrong in float16: at"),
    "NaN in float32": (lambda g: g * (np.nan if g.dtype == np.float32 else 2.0), "got nan"),
    "float64": (lambda g: tg.astype(g * 2, np.float64), "op double: the vjp of x returned dtype float64"),
    "a wrong array": (lambda g, x_shape, x_dtype: np.full(x_shape, 2, np.float64), "the vjp of x returned dtype"),
}


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_second_order_is_found(fault, order):
    vjp, words = FAULTS[fault]
    dtype = np.float32 if "float16" not in fault else np.float16
    call = Call(cubed_times(vjp), [X.astype(dtype), Y.astype(dtype)])
    assert check_dtypes(call, order=1) == [1.0]
    with pytest.raises(LawBroken, match=words) as caught:
        check_dtypes(call, order)
    assert "op cubed_times, derivative 2" in str(caught.value)


@pytest.mark.parametrize("dtypes", [(np.float16, np.float64), (np.float32, np.float16), (np.float32, np.float32)])
def test_the_right_vjp_breaks_no_law(dtypes):
    call = Call(cubed_times(lambda g: g * 2), [x.astype(dtype) for x, dtype in zip((X, Y), dtypes, strict=True)])
    assert check_dtypes(call) == [1.0, 1.0, 1.0]


def test_what_overflows_is_not_compared():
    """1000 is in the range of float16, but the slope at it, -1e6, is not."""
    assert check_dtypes(Call("reciprocal", [np.array([1e-3, 1.0], np.float16)]), order=1) == [0.5]
