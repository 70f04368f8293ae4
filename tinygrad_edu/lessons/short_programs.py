"""Small random programs on numbers that reuse their values; the repr is a Python function."""

import inspect
import math
import operator
import string
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

_BINARY = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_LETTERS = string.ascii_lowercase


@dataclass(frozen=True, repr=False)
class ShortProgram:
    """A function of numbers, of arrays, or of the values of a student's engine.

    Attributes
    ----------
    count : int
        Number of inputs.
    steps : tuple of (str, tuple of int)
        An operator or a method, and the indices of its operands among the earlier values.
    """

    count: int
    steps: tuple[tuple[str, tuple[int, ...]], ...]

    def values(self, *inputs: Any) -> list[Any]:
        """Return the inputs and the result of each step."""
        found = list(inputs)
        for name, places in self.steps:
            found.append(_computed(name, *(found[place] for place in places)))
        return found

    def __call__(self, *inputs: Any) -> Any:
        """Return the result of the last step."""
        return self.values(*inputs)[-1]

    @property
    def __name__(self) -> str:
        return "program"

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_ONLY
        return inspect.Signature([inspect.Parameter(name, kind) for name in _LETTERS[: self.count]])

    def __repr__(self) -> str:
        lines = [f"def program({', '.join(_LETTERS[: self.count])}):"]
        for k, (name, places) in enumerate(self.steps):
            x, y = _LETTERS[places[0]], _LETTERS[places[-1]]
            code = f"{x} {name} {y}" if name in _BINARY else f"{x}.{name}()"
            last = k == len(self.steps) - 1
            lines.append(f"    return {code}" if last else f"    {_LETTERS[self.count + k]} = {code}")
        return "\n".join(lines)


def _computed(name: str, x: Any, y: Any = None) -> Any:
    if name in _BINARY:
        return _BINARY[name](x, y)
    return getattr(x, name)() if hasattr(x, name) else getattr(np, name)(x)


@st.composite
def short_programs(
    draw: Any, methods: tuple[str, ...] = ("tanh",), operators: tuple[str, ...] = tuple(_BINARY)
) -> ShortProgram:
    """Draw a program with one or two inputs and up to six steps; each step uses the newest value."""
    count = draw(st.integers(1, 2))
    steps: list[tuple[str, tuple[int, ...]]] = []
    for k in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from((*operators, *methods)))
        newest = count + k - 1
        both = st.permutations((newest, draw(st.integers(0, newest)))).map(tuple)
        places = draw(both) if name in operators else (newest,)
        steps.append((name, places))
    return ShortProgram(count, tuple(steps))


numbers = st.integers(-64, 64).map(lambda n: n / 32)  # exact in float64, and short to print


def exact_arrays(*shape: int) -> st.SearchStrategy[Any]:
    """Draw arrays of multiples of 1/32; their sums are exact."""
    size = math.prod(shape)
    return st.lists(numbers, min_size=size, max_size=size).map(lambda drawn: np.reshape(drawn, shape))


cotangents = st.sampled_from([1.0, 2.0, -0.5])
