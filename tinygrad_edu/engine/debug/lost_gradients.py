"""Warnings about lost gradients, once for each line of code, with the code to write instead."""

import dis
import math
import sys
import warnings
from functools import lru_cache
from types import CodeType

from tinygrad_edu.errors import LostGradientWarning


def warn_of_a_lost_gradient(message: str, depth: int) -> None:
    """Warn at the line that called the function `depth` calls above this one."""
    warnings.warn(message, LostGradientWarning, stacklevel=depth + 2)


def warn_of_a_plain_number() -> None:
    """Warn if ``__float__``, the caller, was not called by float() but by code that computes with the number."""
    frame = sys._getframe(2)
    use = _scalar_use(frame.f_code, frame.f_lasti)
    if use is not None:
        warn_of_a_lost_gradient(
            f"{use} converts a tensor that requires a gradient to a plain number, and the gradient is lost: "
            f"use an op of tinygrad_edu, or .item() to get the number on purpose.",
            depth=2,
        )


def called_by_numpy_testing() -> bool:
    """Return whether ``__array__``, the caller, was called by NumPy's assertions, which only compare values."""
    return str(sys._getframe(2).f_globals.get("__name__")).startswith("numpy.testing")


@lru_cache(1024)
def _scalar_use(code: CodeType, offset: int) -> str | None:
    """Describe the use of a scalar by an instruction: a function of `math`, an assignment, or None for any other.

    Predicates such as math.isnan do not count.
    """
    instructions = [i for i in dis.get_instructions(code) if i.offset <= offset]
    last = instructions[-1]
    if last.opname == "STORE_SUBSCR":
        return "assigning to an element of an array"
    for prev in instructions[:-1]:  # the name of the called function has the position of the call
        if prev.positions is not None and last.positions is not None and prev.positions[:1] == last.positions[:1]:
            name = prev.argval
            at_start = prev.positions.col_offset == last.positions.col_offset
            if at_start and isinstance(name, str) and hasattr(math, name) and not name.startswith("is"):
                return f"math.{name}"
    return None
