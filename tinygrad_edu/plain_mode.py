"""Plain mode: run the readable function instead of its faster equivalent."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

_Fast = TypeVar("_Fast", bound=Callable[..., Any])

# Read from the environment at import, when every function is chosen.
PLAIN = os.environ.get("TINYGRAD_EDU_PLAIN", "") not in ("", "0")


def faster_than(plain: Callable[..., Any]) -> Callable[[_Fast], _Fast]:
    """Declare a function as a faster equivalent of `plain`. In plain mode, return `plain` instead.

    The attribute ``plain`` of a fast function is its plain equivalent. The tests compare both.

    Examples
    --------
    >>> def plain_double(x):
    ...     return x + x
    >>> @faster_than(plain_double)
    ... def double(x):
    ...     return 2 * x
    >>> double(3)
    6
    """

    def choose(fast: Any) -> Any:
        fast.plain = plain
        return plain if PLAIN else fast

    return choose
