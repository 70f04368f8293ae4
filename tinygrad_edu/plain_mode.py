"""Plain mode: run the readable function instead of its faster equivalent."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

_Fast = TypeVar("_Fast", bound=Callable[..., Any])

# Set by the environment when the package is imported; every function is chosen then.
PLAIN = os.environ.get("TINYGRAD_EDU_PLAIN", "") not in ("", "0")


def faster_than(plain: Callable[..., Any]) -> Callable[[_Fast], _Fast]:
    """Declare a function as a faster equivalent of `plain`. Plain mode replaces it by `plain`.

    The tests hold both equal: a fast function has its plain one as the attribute ``plain``.

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
