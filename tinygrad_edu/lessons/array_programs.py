"""Random programs on arrays, as source code that runs on the tensors of an engine and on NumPy arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_edu.engine import Array
from tinygrad_edu.lessons.short_programs import exact_arrays
from tinygrad_edu.testing.strategies import broadcastable

# The functions of a program on arrays, as defined in textbooks.
NUMPY_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh,
    "exp": np.exp,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "logsumexp": lambda x: np.log(np.sum(np.exp(x), axis=-1, keepdims=True)),
    "correlate": lambda x, w: np.einsum("ncyxij, kcij -> nkyx", sliding_window_view(x, w.shape[2:], (2, 3)), w),
}
_MOST_ELEMENTS, _LARGEST = 24, 20.0


@dataclass(frozen=True, repr=False)
class ArrayProgram:
    """A function of arrays or of tensors, as lines of Python code.

    Attributes
    ----------
    inputs : tuple of ndarray
    lines : tuple of str
        The assignments.
    names : tuple of str
        Names of the values, the inputs first.
    """

    inputs: tuple[Array, ...]
    lines: tuple[str, ...]
    names: tuple[str, ...]

    def of(self, functions: Mapping[str, Any], all_of_them: bool = False) -> Callable[..., Any]:
        """Compile the program with an engine's functions into a function that returns the last value, or all values."""
        space = {name: functions[name] for name in NUMPY_FUNCTIONS}
        exec(self._source(f"[{', '.join(self.names)}]" if all_of_them else self.names[-1]), space)
        return space["program"]  # type: ignore[no-any-return]

    def _source(self, result: str) -> str:
        head = f"def program({', '.join(self.names[: len(self.inputs)])}):"
        return "\n    ".join((head, *self.lines, f"return {result}"))

    def __repr__(self) -> str:
        given = [f"{name} = {x!r}" for name, x in zip(self.names, self.inputs, strict=False)]
        return "\n".join([self._source(self.names[-1]), *given])


# --- Steps. V is any value, often the newest; W is a value that broadcasts with V; NEW is the result ---

_ANY = ("tanh(V)", "exp(tanh(V))", "sigmoid(V)", "softplus(V)", "V ** 3", "V + 1.5", "2.0 * V", "1.0 - V")
_PAIRS = ("V + W", "V - W", "V * W", "V / (W * W + 1.0)")
_IN_PLACE = ("NEW += W", "NEW *= W")


def _steps(shape: tuple[int, ...]) -> st.SearchStrategy[str]:
    """Draw an expression of V, a value of this shape."""
    axes, size = tuple(range(len(shape))), prod(shape)
    found = [st.sampled_from(_ANY), st.sampled_from([(size,), (1, size), shape[::-1]]).map("V.reshape({})".format)]
    one = st.sampled_from([None, *axes])
    found.append(st.tuples(one, st.booleans()).map(lambda drawn: "V.sum(axis={}, keepdims={})".format(*drawn)))
    if axes:
        found += [st.just("logsumexp(V)"), st.permutations(axes).map(tuple).map("V.transpose({})".format)]
    if len(axes) == 2:
        image = f"V.reshape({(1, 1, *shape)})"
        found += [st.just("V @ V.transpose((1, 0))"), st.just(f"correlate({image}, {image})")]
        found.append(st.just(f"correlate({image}, {image}.sum(axis=3, keepdims=True))"))
    return st.one_of(found)


def _lines(draw: Any, values: dict[str, Array]) -> Sequence[str]:
    names = list(values)
    v = draw(st.sampled_from([names[-1], *names[::-1]]))
    kind = draw(st.sampled_from(["one", "pair", "in place"]))
    if kind == "one":
        return [f"NEW = {draw(_steps(values[v].shape))}".replace("V", v)]
    w = draw(st.sampled_from([name for name in names if _fits(values[v], values[name], kind == "in place")]))
    if kind == "pair":
        return [f"NEW = {draw(st.sampled_from(_PAIRS))}".replace("V", v).replace(" W", f" {w}").replace("(W", f"({w}")]
    return [f"NEW = {v} * 1.0", draw(st.sampled_from(_IN_PLACE)).replace(" W", f" {w}")]


def _fits(x: Array, y: Array, in_place: bool) -> bool:
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return shape == x.shape if in_place else prod(shape) <= max(_MOST_ELEMENTS, x.size)


@st.composite
def array_programs(draw: Any, in_place: bool = True) -> ArrayProgram:
    """Draw a program with one or two input arrays and up to six steps; sizes and values stay small."""
    shapes = draw(broadcastable(draw(st.integers(1, 2)), max_dims=2, empty=False))
    inputs = [draw(exact_arrays(*shape)) for shape in shapes]
    values, lines = {f"x{k}": x for k, x in enumerate(inputs)}, []
    for _ in range(draw(st.integers(1, 6))):
        new = f"v{len(values)}"
        written = [line.replace("NEW", new) for line in _lines(draw, values)]
        space: dict[str, Any] = {**NUMPY_FUNCTIONS, **values}
        exec("\n".join(written), space)
        value = np.asarray(space[new])
        tame = value.size <= _MOST_ELEMENTS and np.max(np.abs(value), initial=0) < _LARGEST
        if tame and (in_place or len(written) == 1):
            values[new] = value
            lines += written
    return ArrayProgram(tuple(inputs), tuple(lines), tuple(values))
