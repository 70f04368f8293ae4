"""Warnings where a gradient is lost, once at each place, with what to write instead."""

import dis
import math
import sys
import warnings
from functools import lru_cache
from types import CodeType

from tinygrad_edu.errors import LostGradientWarning


def warn_of_a_lost_gradient(message: str, depth: int) -> None:
    """Warn at the place that called the function `depth` calls above this one."""
    warnings.warn(message, LostGradientWarning, stacklevel=depth + 2)


def warn_of_a_plain_number() -> None:
    """Warn where ``__float__``, which calls this, was not called by float() but by what computes on with the number."""
    asking = sys._getframe(2)
    use = _scalar_use(asking.f_code, asking.f_lasti)
    if use is not None:
        warn_of_a_lost_gradient(
            f"{use} makes a plain number of a tensor that requires a gradient, and no gradient will flow through it: "
            f"use an op of tinygrad_edu, or say that you mean the number, with .item().",
            depth=2,
        )


def asked_by_a_test() -> bool:
    """Whether ``__array__``, which calls this, was called by NumPy's assertions: they compare, and compute nothing."""
    return str(sys._getframe(2).f_globals.get("__name__")).startswith("numpy.testing")


@lru_cache(1024)
def _scalar_use(code: CodeType, offset: int) -> str | None:
    """Describe the use of a scalar by an instruction: a function of `math`, an assignment, or None.

    A question, such as math.isnan, is no use.
    """
    before = [i for i in dis.get_instructions(code) if i.offset <= offset]
    now = before[-1]
    if now.opname == "STORE_SUBSCR":
        return "assigning to an element of an array"
    for each in before[:-1]:  # the name of a called function begins where the call does
        if each.positions is not None and now.positions is not None and each.positions[:1] == now.positions[:1]:
            name = each.argval
            at_start = each.positions.col_offset == now.positions.col_offset
            if at_start and isinstance(name, str) and hasattr(math, name) and not name.startswith("is"):
                return f"math.{name}"
    return None
