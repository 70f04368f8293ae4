"""Calls with special values: NaN, infinities, zeros of both signs, the ends of the range, and ties."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.strategies.calls import calls

_TIE = "tie"  # stands for the value of another element
_MOST_REPLACED = 3


def special_values(dtype: Any) -> list[float]:
    """Return the special values of a floating-point dtype.

    Examples
    --------
    >>> special_values(np.float16)
    [nan, inf, -inf, 0.0, -0.0, 6e-08, -6e-08, 6.104e-05, -6.104e-05, 22.0, -22.0, 65504.0, -65504.0]
    """
    limits = np.finfo(dtype)
    overflows_exp = np.floor(2 * np.log(float(limits.max)))
    ends = [float(str(x)) for x in (limits.smallest_subnormal, limits.tiny, overflows_exp, limits.max)]
    return [np.nan, np.inf, -np.inf, 0.0, -0.0, *(sign * x for x in ends for sign in (1, -1))]


@st.composite
def special_calls(draw: Any, name: str, dtypes: tuple[Any, ...] = (np.float64, np.float32, np.float16)) -> Call:
    """Draw a call of an op with contiguous arrays of a dtype, in which special values replace some numbers.

    Parameters
    ----------
    name : str
        A name in `OP_CALLS`.
    dtypes : tuple of dtype
        The dtype of all floating-point inputs is one of these.
    """
    call, dtype = draw(calls(name)), draw(st.sampled_from(dtypes))
    with np.errstate(over="ignore"):
        arrays = [np.array(x, dtype, order="C") for x in call.arrays]
    filled = [x for x in arrays if x.size]
    for _ in range(draw(st.integers(0, _MOST_REPLACED)) if filled else 0):
        x = draw(st.sampled_from(filled))
        place, other = (draw(st.integers(0, x.size - 1)) for _ in range(2))
        value = draw(st.sampled_from([*special_values(dtype), _TIE]))
        x.flat[place] = x.flat[other] if value is _TIE else value
    return call.replaced(arrays)
