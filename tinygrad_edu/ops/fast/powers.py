"""Powers with small integer exponents as products: NumPy takes five hundred times as long for x ** 3."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.plain import plain_power_values
from tinygrad_edu.plain_mode import faster_than

_SCALAR_TYPES = frozenset({int, float, bool})
# NumPy knows the exponents between -1 and 2 itself, and beyond 8 the roundings of the products add up.
_PRODUCT_EXPONENTS = frozenset({-8, -7, -6, -5, -4, -3, -2, 3, 4, 5, 6, 7, 8})


@faster_than(plain_power_values)
def power_values(x: Any, y: Any) -> Any:
    """Return `plain_power_values`; of floating-point numbers and a small whole exponent, as a product."""
    if x.__class__ is not ndarray:
        return plain_power_values(x, y)
    n = y
    if y.__class__ not in _SCALAR_TYPES:
        if y.ndim or np.result_type(x.dtype, y) != x.dtype:
            return x**y
        n = y.item()
    if n in _PRODUCT_EXPONENTS and x.dtype.kind == "f":
        return _power_by_squaring(x, int(n))
    return x**y


def _power_by_squaring(x: ndarray, n: int) -> Any:
    """Return x ** n by repeated squaring."""
    if x.dtype == np.float16:  # rounded once, as NumPy's power is
        return _power_by_squaring(x.astype(np.float32), n).astype(np.float16)
    if n < 0:
        x, n = np.reciprocal(x), -n  # before: the power itself may be too large, and 1 / x is not
    out = x if n & 1 else None
    while n := n >> 1:
        x = x * x
        if n & 1:
            out = x if out is None else out * x
    return out
