"""Calls with special values: NaN, infinities, signed zeros, the largest and smallest numbers, ties."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Shape, Strategy, arrays, laid_out, positions
from tinygrad_edu.testing.strategies.calls import calls

_TIE = "tie"  # replaced with the value of another element
_MOST_REPLACED = 3
_ONE_IN_FOUR = st.integers(0, 3)
_ANY_LAYOUT = st.sampled_from([*["contiguous"] * len(LAYOUTS), *LAYOUTS])  # much fast code needs contiguous arrays


def special_values(dtype: Any) -> list[float]:
    """Return the special values of a floating-point dtype.

    Examples
    --------
    >>> special_values(np.float16)
    [nan, inf, -inf, 0.0, -0.0, 6e-08, -6e-08, 6.104e-05, -6.104e-05, 12.0, -12.0, 22.0, -22.0, 65500.0, -65500.0]
    """
    limits = np.finfo(dtype)
    largest = np.log(float(limits.max))
    overflow_exp = np.ceil(largest), np.floor(2 * largest)  # the first of them with a reciprocal that is not 0
    magnitudes = [float(str(x)) for x in (limits.smallest_subnormal, limits.tiny, *overflow_exp, limits.max)]
    return [np.nan, np.inf, -np.inf, 0.0, -0.0, *(sign * x for x in magnitudes for sign in (1, -1))]


@st.composite
def special_arrays(
    draw: Any, shape: Shape | Strategy[Shape] | None = None, dtype: Any = np.float64, layouts: bool = True
) -> Array:
    """Draw an array with up to three special values, in any memory layout by default."""
    (x,) = _with_special_values(draw, [np.array(draw(arrays(shape, layouts=False)), dtype)])
    return laid_out(draw, x, _ANY_LAYOUT) if layouts else x


@st.composite
def special_calls(draw: Any, name: str, dtypes: tuple[Any, ...] = (np.float64, np.float32, np.float16)) -> Call:
    """Draw a call of an op with contiguous arrays of one dtype and up to three special values.

    Parameters
    ----------
    name : str
        A name in `OP_CALLS` or `NONDIFFERENTIABLE_CALLS`.
    dtypes : tuple of dtype, default (float64, float32, float16)
        Choices for the dtype of all differentiable inputs.
    """
    call, dtype = draw(calls(name)), draw(st.sampled_from(dtypes))
    with np.errstate(over="ignore"):
        drawn = [np.array(x, dtype, order="C") for x in call.arrays]
    special: Call = call.with_arrays(_with_special_values(draw, drawn))
    return special


def _with_special_values(draw: Any, inputs: list[Array]) -> list[Array]:
    """Replace up to three elements of contiguous arrays of one dtype in place, or all elements by few values."""
    nonempty = [x for x in inputs if x.size]
    if nonempty and draw(_ONE_IN_FOUR) == 3:
        x = draw(st.sampled_from(nonempty))
        few = np.array([*x.flat[:2], draw(st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0]))], x.dtype)
        x[...] = few[draw(positions(x.shape, len(few)))]
    for _ in range(draw(st.integers(0, _MOST_REPLACED)) if nonempty else 0):
        x = draw(st.sampled_from(nonempty))
        position, other = (draw(st.integers(0, x.size - 1)) for _ in range(2))
        value = draw(st.sampled_from([*special_values(x.dtype), _TIE]))
        x.flat[position] = x.flat[other] if value is _TIE else value
    return inputs
