"""What the checks of a lesson are made of: a case, the examples that are drawn for it, and what is said of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.errors import TinygradError
from tinygrad_edu.testing import check_gradient
from tinygrad_edu.testing.report.reproduction import Message


class Looking(NamedTuple):
    """How hard to look: how many examples Hypothesis draws for a case, and whether it makes one that fails small."""

    examples: int = 40
    shrinks: bool = True


AS_FOR_STUDENTS = Looking()


class Wrong(TinygradError, AssertionError):  # noqa: N818 - what was found, as people read it
    """What a student's code did is not what it should do."""


@dataclass(frozen=True)
class Case:
    """One thing that is checked of a student's code. Made by the decorator `case`.

    Attributes
    ----------
    hole : str
        The hole of the exercise that it is about.
    function : callable
        Of the student's module, and of what is drawn. Its docstring says what holds.
    drawn : dict
        A strategy of Hypothesis for each other parameter.
    """

    hole: str
    function: Callable[..., None]
    drawn: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What holds, in a line."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0].rstrip(".")

    def run(self, mine: ModuleType, began: Callable[[dict[str, Any]], None], looking: Looking) -> None:
        """Check it; `began` is told of each example, and last of all of the smallest that fails."""
        if not self.drawn:
            began({})
            self.function(mine)
            return
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesis import strategies as st

        @settings(
            max_examples=looking.examples, derandomize=True, database=None, deadline=None, report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink)[: 1 + looking.shrinks], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(st.fixed_dictionaries(self.drawn))
        def judge(example: dict[str, Any]) -> None:
            began(example)
            try:
                self.function(mine, **example)
            except TinygradError as error:
                error.args = (told(error),)  # Hypothesis prints what it catches: the lines that repeat it cost time
                raise

        judge()


def case(hole: str, **drawn: Any) -> Callable[[Callable[..., None]], Case]:
    """Make a `Case` of a function of the student's module, and of what Hypothesis draws for its other parameters."""
    return lambda function: Case(hole, function, drawn)


def demand(condition: object, message: str) -> None:
    """Raise `Wrong` where a condition does not hold."""
    if not condition:
        raise Wrong(message)


def demand_equal(what: str, found: Any, wanted: Any) -> None:
    """Raise `Wrong` where a number or an array is not what it should be, to rounding, or has another shape."""
    if np.shape(found) != np.shape(wanted):
        raise Wrong(f"{what} has shape {np.shape(found)}, and must have {np.shape(wanted)}:\nit is {found!r}.")
    right = np.isclose(np.asarray(found, float), wanted, rtol=1e-10, atol=1e-12, equal_nan=True)
    if not np.all(right) and (np.ndim(found) > 2 or np.size(found) > 12):
        at = tuple(int(k) for k in np.argwhere(~right)[0])
        raise Wrong(f"{what} is {_plain(found[at])} at {list(at)}, and must be {_plain(np.asarray(wanted)[at])}.")
    if not np.all(right):
        raise Wrong(f"{what} is {_plain(found)}, and must be {_plain(wanted)}.")


def _plain(x: Any) -> str:
    return repr(x.item() if isinstance(x, np.ndarray | np.generic) and np.ndim(x) == 0 else x)


def told(error: BaseException) -> str:
    """Return what an error says, without the lines that repeat it: those are about the checks, not about a lesson."""
    message = error.args[0] if error.args else ""
    return (message.text if isinstance(message, Message) else str(error)).replace("<lambda>: ", "")


def shown(example: dict[str, Any]) -> str:
    """Return the lines that make an example."""
    lines = [text if "\n" in (text := repr(x)) and hasattr(x, "steps") else f"{name} = {text}"
             for name, x in example.items()]  # fmt: skip
    return "\n".join(line for text in lines for line in text.splitlines() if line.strip())


def raised(kind: type[BaseException], call: Callable[[], Any]) -> str:
    """Return the message of an error of a kind that a call raises; "" where it raises none."""
    try:
        call()
    except kind as error:
        return str(error)
    return ""


def new_leaf(mine: Any, values: Any = (1.0, 2.0, 3.0)) -> Any:
    """Return a student's Tensor of a copy of some values, which requires a gradient."""
    return mine.Tensor(np.array(values, np.float64), requires_grad=True)


def check_engine(mine: Any, f: Callable[..., Any], *points: Any, plain: Any = None) -> None:
    """Check the gradients of a function as a student's engine, a module with a Tensor, computes them.

    Parameters
    ----------
    mine : module
    f : callable
        Of Tensors, to one.
    *points
        The arrays.
    plain : callable, optional
        The same function of arrays, where `f` does not take them.
    """

    def gradient(*arguments: Any) -> tuple[Any, ...]:
        *inputs, cotangent = arguments
        return _gradients(f, [new_leaf(mine, x) for x in inputs], cotangent)

    check_gradient(plain or _named(f), _with_cotangent(gradient, len(points)), *points)


def _gradients(f: Callable[..., Any], leaves: list[Any], g: Any) -> tuple[Any, ...]:
    f(*leaves).backward(g)
    return tuple(x.grad for x in leaves)


def check_second_order(grad: Callable[..., Any], f: Callable[..., Any], x: Any) -> None:
    """Check the gradient of the gradient of a function to one number, as a student's `grad` computes it."""

    def pulled(x: Any, cotangent: Any) -> Any:
        return np.asarray(grad(lambda x: (grad(f)(x) * cotangent).sum())(x).data)

    check_gradient(lambda x: np.asarray(grad(f)(x).data), _with_cotangent(pulled, 1), x)


def _named(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return an op of a student's as a function of its name, for the checker to speak of; any function as it is."""
    if hasattr(f, "__name__"):
        return f

    def call(*inputs: Any) -> Any:
        return f(*inputs)

    call.__name__, call.__signature__ = f.name, inspect.signature(f.forward)  # type: ignore[attr-defined]
    return call


def check_numbers(mine: Any, f: Callable[..., Any], g: float, *points: float, plain: Any = None) -> None:
    """Check the gradients of g times `f`, a function of a student's Values to one, as `check_engine` does of arrays."""
    check_gradient(scaled(plain or f, g), lambda *inputs: _gradients(f, [*map(mine.Value, inputs)], g), *points)


def scaled(f: Callable[..., Any], g: float) -> Callable[..., Any]:
    """Return g times a function, under its name and with its parameters."""

    @wraps(f, assigned=("__name__",))
    def times_g(*inputs: float) -> Any:
        return g * f(*inputs)

    times_g.__signature__ = inspect.signature(f)  # type: ignore[attr-defined]
    return times_g


def _with_cotangent(gradient: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Say of a gradient of any number of inputs that it takes so many, and a cotangent."""
    names = [f"x{k}" for k in range(count)] + ["cotangent"]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names]
    gradient.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return gradient
