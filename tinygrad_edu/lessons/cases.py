"""Cases of the lessons, and helpers for their checks and messages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from functools import wraps
from operator import itemgetter
from threading import Thread
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.errors import TinygradError
from tinygrad_edu.lessons.findings import Wrong, type_and_shape
from tinygrad_edu.lessons.graph_checks import check_graph
from tinygrad_edu.testing import check_gradient
from tinygrad_edu.testing.report.reproduction import Message


class Looking(NamedTuple):
    """Effort per case: the number of examples Hypothesis draws, and whether it shrinks a failing one."""

    examples: int = 40
    shrinks: bool = True


AS_FOR_STUDENTS = Looking()


@dataclass(frozen=True)
class Case:
    """One check of a student's code, created by the decorator `case`.

    Attributes
    ----------
    hole : str
        The hole of the exercise that the case checks.
    function : callable
        Takes the student's module and the drawn values. The first line of its docstring is the title.
    drawn : dict
        A Hypothesis strategy for each other parameter.
    """

    hole: str
    function: Callable[..., None]
    drawn: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """First line of the function's docstring, without the full stop."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0].rstrip(".")

    def run(self, mine: ModuleType, began: Callable[[dict[str, Any]], None], looking: Looking) -> None:
        """Run the case; call `began` with each example, and last with the smallest failing one."""
        if not self.drawn:
            began({})
            self.function(mine)
            return
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesis import strategies as st
        from hypothesis.errors import Flaky

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
                error.args = (told(error),)  # Hypothesis formats caught errors; building reproduction lines is slow
                raise

        try:
            judge()
        except Flaky:
            raise Wrong(
                "this example failed once and passed once: results must depend on the arguments only."
            ) from None


def keeps_arrays(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function that calls another one with copies of its arrays, and raises `Wrong` if they were changed."""

    @wraps(function)
    def call(mine: Any, **example: Any) -> None:
        copies = {name: x.copy() if isinstance(x, np.ndarray) else x for name, x in example.items()}
        try:
            function(mine, **copies)
        finally:
            arrays = {name: x for name, x in example.items() if isinstance(x, np.ndarray)}
            changed = [name for name, x in arrays.items() if x.tobytes() != copies[name].tobytes()]
            demand(not changed, f"the array {', '.join(changed)} was changed in place: compute with a copy of it.")

    return call


def case(hole: str, **drawn: Any) -> Callable[[Callable[..., None]], Case]:
    """Return a decorator that makes a `Case` of a function; `drawn` has strategies for its other parameters."""
    return lambda function: Case(hole, keeps_arrays(function), drawn)


def demand(condition: object, message: str) -> None:
    """Raise `Wrong` unless a condition holds."""
    if not condition:
        raise Wrong(message)


def demand_equal(what: str, found: Any, wanted: Any) -> None:
    """Raise `Wrong` unless a number or an array has the shape and, up to rounding, the values of `wanted`."""
    if np.asarray(found).dtype == object:
        raise Wrong(f"{what} is {type_and_shape(found)}, expected {_plain(wanted)}.")
    if np.shape(found) != np.shape(wanted):
        values = f":\n{found!r}" if np.size(found) <= 12 else "."
        raise Wrong(f"{what} has shape {np.shape(found)}, expected {np.shape(wanted)}{values}")
    right = np.isclose(np.asarray(found, float), wanted, rtol=1e-10, atol=1e-12, equal_nan=True)
    if not np.all(right) and (np.ndim(found) > 2 or np.size(found) > 12):
        at = tuple(int(k) for k in np.argwhere(~right)[0])
        raise Wrong(f"{what} is {_plain(found[at])} at {list(at)}, expected {_plain(np.asarray(wanted)[at])}.")
    if not np.all(right):
        raise Wrong(f"{what} is {_plain(found)}, expected {_plain(wanted)}.")


def _plain(x: Any) -> str:
    return repr(x.item() if isinstance(x, np.ndarray | np.generic) and np.ndim(x) == 0 else x)


def told(error: BaseException) -> str:
    """Return an error's message without the reproduction lines, which show code of the checks, not of the lesson."""
    message = error.args[0] if error.args else ""
    text = message.text if isinstance(message, Message) else str(error)
    return text.replace("<lambda>: ", "").replace("<lambda>", "the function")


def shown(example: dict[str, Any]) -> str:
    """Format an example as lines of code."""
    lines = [text if "\n" in (text := repr(x)) and hasattr(x, "steps") else f"{name} = {text}"
             for name, x in example.items()]  # fmt: skip
    return "\n".join(line for text in lines for line in text.splitlines() if line.strip())


def apart(drawn: Any, *names: str) -> dict[str, Any]:
    """Return a strategy by name for each part of a drawn tuple."""
    from hypothesis import strategies as st

    together = st.shared(drawn, key=names)
    return {name: together.map(itemgetter(k)) for k, name in enumerate(names)}


def raised(kind: type[BaseException], call: Callable[[], Any]) -> str:
    """Return the message of the error of this type that a call raises; "" if it raises none."""
    try:
        call()
    except kind as error:
        return str(error)
    return ""


def in_another_thread(call: Callable[[], Any]) -> Any:
    """Return the result of a call in another thread, or in an empty context if no thread can be started."""
    found: list[Any] = []
    other = Thread(target=lambda: found.append(call()))
    try:
        other.start()
    except RuntimeError:
        return Context().run(call)
    other.join()
    demand(found, "an error was raised in another thread.")
    return found[0]


def new_leaf(mine: Any, values: Any = (1.0, 2.0, 3.0)) -> Any:
    """Return a student's Tensor with a copy of the values and requires_grad=True."""
    return mine.Tensor(np.array(values, np.float64), requires_grad=True)


def check_engine(mine: Any, f: Callable[..., Any], *points: Any, plain: Any = None) -> None:
    """Check the gradients of a function that a student's engine computes.

    Parameters
    ----------
    mine : module
        The student's module, with a class Tensor.
    f : callable
        Function of Tensors that returns a Tensor.
    *points
        Arrays at which to check.
    plain : callable, optional
        The same function of arrays, if `f` does not accept arrays.
    """

    def gradient(*arguments: Any) -> tuple[Any, ...]:
        *inputs, cotangent = arguments
        return _gradients(f, [new_leaf(mine, x) for x in inputs], cotangent)

    check_gradient(plain or _named(f), _with_cotangent(gradient, len(points)), *points)


def _gradients(f: Callable[..., Any], leaves: list[Any], g: Any) -> tuple[Any, ...]:
    """Return the gradients of the leaves, zero for a leaf without one."""
    out = f(*leaves)
    if not isinstance(out, type(leaves[0])):
        raise Wrong(f"the result must be a {type(leaves[0]).__name__}, got {type_and_shape(out)}.")
    run_backward(out, g)
    for x in leaves:
        if x.grad is not None and np.asarray(x.grad).dtype == object:
            raise Wrong(f"the grad of an input must be a number or an array, got {type_and_shape(x.grad)}.")
    return tuple(0.0 * np.asarray(x.data) if x.grad is None else x.grad for x in leaves)


def run_backward(out: Any, g: Any) -> None:
    """Call `backward` of a student's result, and check the result of each vjp."""
    root = getattr(out, "node", out)
    demand(root is not None, "the result has no node, although an input requires a gradient.")
    if hasattr(root, "vjp"):  # not for tinygrad_edu's own engine, which the cases of the finale check, too
        check_graph(root)
    out.backward(g)


def check_second_order(grad: Callable[..., Any], f: Callable[..., Any], x: Any) -> None:
    """Check the gradient of the gradient of a scalar function, computed with a student's `grad`."""

    def pulled(x: Any, cotangent: Any) -> Any:
        return np.asarray(grad(lambda x: (grad(f)(x) * cotangent).sum())(x).data)

    check_gradient(lambda x: np.asarray(grad(f)(x).data), _with_cotangent(pulled, 1), x)


def _named(f: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a student's op in a function of the op's name, for the checker's messages; return other functions as is."""
    if hasattr(f, "__name__"):
        return f
    demand_vjps(f)

    def call(*inputs: Any) -> Any:
        return f(*inputs)

    call.__name__, call.__signature__ = f.name, inspect.signature(f.forward)  # type: ignore[attr-defined]
    return call


def demand_vjps(op: Any) -> None:
    """Raise `Wrong` unless a student's op has a vjp for each input."""
    missing = [name for name in op.inputs if name not in op.vjp_functions]
    demand(not missing, f"op {op.name} has no vjp for {', '.join(missing)}.")


def check_numbers(mine: Any, f: Callable[..., Any], g: float, *points: float, plain: Any = None) -> None:
    """Check the gradients of g * f for a function of a student's Values, as `check_engine` does for arrays."""

    def gradient(*inputs: float) -> tuple[Any, ...]:
        return _gradients(f, [*map(mine.Value, inputs)], g)

    check_gradient(scaled(plain or f, g), gradient, *points, cotangent=False)


def scaled(f: Callable[..., Any], g: float) -> Callable[..., Any]:
    """Return g times a function, with the function's name and signature."""

    @wraps(f, assigned=("__name__",))
    def times_g(*inputs: float) -> Any:
        return g * f(*inputs)

    times_g.__signature__ = inspect.signature(f)  # type: ignore[attr-defined]
    return times_g


def _with_cotangent(gradient: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Set the signature of a gradient function to `count` inputs and a cotangent."""
    names = [f"x{k}" for k in range(count)] + ["cotangent"]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names]
    gradient.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return gradient
