"""The form of a pair: a factory that makes the right function, or the wrong one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PAIRS: list["Pair"] = []


@dataclass
class Pair:
    """A stranger's code in two versions, at a point where they differ.

    ``make(wrong)`` returns a function of the framework, or, for NumPy, a dict of ``f`` and its claims: ``grad``,
    ``vjp``, ``jvp``, ``jac`` or ``hess``.
    """

    name: str
    framework: str
    style: str
    args: tuple[Any, ...]
    make: Callable[[bool], Any]
    options: dict[str, Any] = field(default_factory=dict)


def pair(framework: str, style: str, name: str, *args: Any, **options: Any) -> Callable[[Callable[[bool], Any]], Any]:
    def add(make: Callable[[bool], Any]) -> Callable[[bool], Any]:
        PAIRS.append(Pair(name, framework, style, args, make, options))
        return make

    return add
