"""Differentiable: a function with its derivatives at a point, and what a function under test must obey to have one."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import LAYOUTS, copy_with_layout_of
from tinygrad_edu.testing.failures import CheckFailed, LawBroken, NotDeterministic
from tinygrad_edu.testing.verdict import NotApplicable

# Maps a cotangent of each result to a gradient of each input. The cotangent of an unused result is None.
ResultPullback = Callable[[Sequence[Array | None]], list[Array]]
# Takes arrays, and the positions of the inputs that need a gradient; the gradients of the others are not used.
RecordFunction = Callable[[Sequence[Array], Collection[int]], tuple[list[Array], ResultPullback]]


@dataclass(frozen=True)
class Differentiable:
    """A function of any framework with its derivatives at a point, for `laws.functions.run_laws`.

    All arrays are real NumPy arrays. `record`, `push` and `batched` raise `NotApplicable` if the framework lacks a
    feature; any other error of a derivative breaks a law.
    """

    name: str
    names: tuple[str, ...]  # of the inputs
    arrays: tuple[Array, ...]
    value: Callable[[Sequence[Array]], list[Array]]
    record: RecordFunction
    dtypes: Sequence[Sequence[Any]] = ()  # the narrow dtypes, one for each input, to compare with the wide ones
    layouts: Mapping[str, Callable[[Array], Array]] = field(default_factory=lambda: LAYOUTS)
    is_random: bool = False  # it draws random numbers, in an order that may depend on the layouts of inputs
    draws_by_dtype: bool = False  # it draws random numbers, others in each dtype
    selects_inputs: bool = False  # `record` computes the gradients of some inputs only
    keeps_graphs: bool = False  # a pullback may be called after a later `record`
    shared: frozenset[int] = frozenset()  # the inputs with the same values in all graphs, such as a module's parameters
    accuracy: float = 0.0  # the declared relative error of the results
    # (arrays, tangents) -> tangents of the results; the tangents of shared inputs are zero.
    push: Callable[[Sequence[Array], Sequence[Array]], list[Array]] | None = None
    # (batches of the inputs that are not shared, a batch of cotangents) -> batches of the results, and of the gradients
    # in one or several ways: of a batch of functions, or of the function of a batch.
    batched: Callable[[Sequence[Array], Sequence[Array]], tuple[list[Array], dict[str, list[Array]]]] | None = None

    def evaluate(
        self,
        arrays: Sequence[Array],
        cotangents: Sequence[Array | None],
        needs: Collection[int] | None = None,
        where: str = "",
    ) -> tuple[list[Array], list[Array]]:
        """Return copies of the results and the gradients. `where` describes the call for messages."""
        results, pullback = self.recorded(arrays, needs, where)
        with errors_as(LawBroken, f"{self.name}: the gradient cannot be computed{where}"):
            return copies(results), copies(pullback(cotangents))

    def recorded(
        self, arrays: Sequence[Array], needs: Collection[int] | None = None, where: str = ""
    ) -> tuple[list[Array], ResultPullback]:
        """Record a call. Raise `NotApplicable` if the function itself rejects the arrays."""
        inputs = range(len(arrays)) if needs is None else needs
        try:
            return self.record(arrays, inputs)
        except Exception:
            with errors_as(NotApplicable, f"{self.name} raises an error{where}"):
                self.value(arrays)
        with errors_as(LawBroken, f"{self.name}: the gradient cannot be computed{where}"):
            return self.record(arrays, inputs)


@contextmanager
def errors_as(kind: type[Exception], text: str) -> Iterator[None]:
    """Turn the errors of a function under test into an error of this kind, which begins with `text`.

    A NotImplementedError means that the framework lacks a derivative, and becomes `NotApplicable`.
    """
    try:
        yield
    except (CheckFailed, NotApplicable):
        raise
    except Exception as error:
        line = str(error).strip().partition("\n")[0].rstrip(".")
        used = NotApplicable if isinstance(error, NotImplementedError) else kind
        raise used(f"{text}: {type(error).__name__}: {line}.") from error


# --- Requirements: a function must be deterministic and must not write into its inputs ---


def copies(arrays: Sequence[Array]) -> list[Array]:
    """Return copies of arrays with the same memory layouts, for a call of a function that may write into them."""
    return [copy_with_layout_of(x, x) for x in arrays]


def require_unwritten(name: str, names: Sequence[str], arrays: Sequence[Array], before: Sequence[Array]) -> None:
    """Raise `LawBroken` if a call changed its inputs: `arrays` differ from `before`, their copies."""
    for label, x, original in zip(names, arrays, before, strict=True):
        if not np.array_equal(x, original, equal_nan=True):
            raise LawBroken(
                f"{name} writes into its input {label}, which changes the caller's array. Compute on a copy, or avoid "
                f"item assignment and in-place operators such as +=."
            )


def require_deterministic(name: str, f: Callable[..., Any], arrays: Sequence[Array]) -> Array:
    """Return f(*arrays); raise `NotDeterministic` if a second call returns a different result."""
    first, second = np.array(f(*copies(arrays))), np.asarray(f(*copies(arrays)))
    require_same(name, first, second)
    return first


def require_same(name: str, first: Array, second: Array) -> None:
    """Raise `NotDeterministic` if the results of two calls with the same inputs differ."""
    if not np.array_equal(first, second, equal_nan=first.dtype.kind in "fc"):
        raise NotDeterministic(
            f"{name} is not deterministic: the results of two calls with the same inputs differ in "
            f"{np.sum(first != second)} of {first.size} elements. Draw random numbers outside the function, or create "
            f"its Generator in each call with the same seed."
        )
