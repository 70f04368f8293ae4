"""Plain mode, in which plain twins run instead of the fast functions."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

_Fast = TypeVar("_Fast", bound=Callable[..., Any])

# Read from the environment at import, when every function is chosen: "1", or names of functions such as
# "ops.fast.powers.power_values,ops.fast.networks.linear.linear_values", to measure each gain.
_CHOSEN = os.environ.get("TINYGRAD_EDU_PLAIN", "")
PLAIN = _CHOSEN == "1"


def twin_name(fast: Callable[..., Any]) -> str:
    """Return the name of a fast function in the environment variable."""
    return f"{fast.__module__.removeprefix('tinygrad_edu.')}.{fast.__name__}"


def faster_than(plain: Callable[..., Any]) -> Callable[[_Fast], _Fast]:
    """Declare a function as a faster equivalent of its plain twin `plain`. In plain mode, return `plain` instead.

    A fast function has its plain twin in the attribute ``plain``. The tests compare the two.

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
        return plain if PLAIN or twin_name(fast) in _CHOSEN.split(",") else fast

    return choose
