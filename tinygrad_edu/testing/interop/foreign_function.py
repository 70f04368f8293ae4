"""ForeignFunction: a function of another framework, checked order by order, in float64 if possible."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError, MissingExtraError, VJPDefinitionError
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.arrays.dtypes import as_complex, as_real, is_complex, unit_of
from tinygrad_edu.testing.claimed_gradient import is_pure
from tinygrad_edu.testing.claimed_tangent import ClaimedTangent, run_tangent_laws
from tinygrad_edu.testing.differentiable import Differentiable, ResultPullback
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.flat_function import FlatFunction, as_input, require_inputs
from tinygrad_edu.testing.laws.functions import run_laws
from tinygrad_edu.testing.laws.slope import slope_verdicts
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed, seeded
from tinygrad_edu.testing.verdict import NotApplicable, Report, first_line

ArrayFunction = Callable[..., Sequence[Any]]
ForeignPullback = Callable[[Sequence[Any]], Sequence[Any]]  # from cotangents, or None, to gradients


class Framework(Protocol):
    """The calls that a check makes to a framework. `f` takes inputs and returns a list of floating-point results."""

    layouts: Mapping[str, Callable[[Array], Array]]  # that its arrays can have
    conjugates: bool  # whether the gradient of a complex input x + iy is d/dx - i d/dy instead of d/dx + i d/dy

    is_random: bool  # whether f has drawn random numbers, in an order that may depend on memory layouts
    draws_by_dtype: bool  # whether f draws random numbers, others in each dtype

    def session(self, wide: bool) -> AbstractContextManager[None]:
        """Context of a check. It computes in the dtypes of loaded arrays, or, if not `wide`, in the function's own."""

    def load(self, arrays: Sequence[Array], needs: Collection[int]) -> list[Any]:
        """Convert arrays to inputs of f, which share their memory if possible; those in `needs` need a gradient."""

    def load_like(self, array: Array, result: Any) -> Any:
        """Convert the cotangent of a result."""

    def unload(self, value: Any) -> Array:
        """Convert an array of the framework to NumPy."""

    def vjp(
        self, f: ArrayFunction, inputs: Sequence[Any], needs: Collection[int], graph: bool
    ) -> tuple[Sequence[Any], ForeignPullback]:
        """Return the results, and the pullback for the inputs that need a gradient, differentiable with `graph`."""

    def jvp(self, f: ArrayFunction, inputs: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        """Return the tangents of the results. Raise `NotApplicable` if the framework has none."""

    def has_only_forward(self, error: Exception) -> bool:
        """Whether an error of a gradient says that a function has at most a forward derivative."""

    def batched(
        self, f: ArrayFunction, inputs: Sequence[Any], axes: Sequence[int | None], load: Callable[[Sequence[Any]], Any]
    ) -> tuple[Sequence[Any], dict[str, Sequence[Any]]]:
        """Return the results, and the gradients in one or several ways, of the function of a batch.

        The batch axis of an input is 0 or None; the gradients are those of the former. `load` converts the cotangents.
        A rule for batches must give the same along `batch_axes`, or it breaks a law. Raise `NotApplicable` if the
        function cannot be batched.
        """


@dataclass(frozen=True)
class ForeignFunction:
    """A function of another framework, and the inputs to check it at. Complex inputs are views by `as_real`."""

    name: str
    f: ArrayFunction  # takes arrays of the framework, and returns a list of the floating-point results
    arrays: tuple[Array, ...]  # the inputs in float64
    names: tuple[str, ...]
    dtypes: tuple[np.dtype[Any], ...]  # of the inputs, as given
    framework: Framework
    shared: frozenset[int] = frozenset()  # the parameters of a module
    wide: bool = True  # whether to compute in the dtypes of given arrays instead of `dtypes`
    accuracy: float = 0.0  # as in `check_gradient`

    def value(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the results as real arrays."""
        return self.unload(self.f(*self.load(arrays, range(len(arrays)))))

    def record(self, arrays: Sequence[Array], needs: Collection[int]) -> tuple[list[Array], ResultPullback]:
        """Return the results, and a function from cotangents to gradients; zeros for inputs that need none."""
        results, pull = self.framework.vjp(self.f, self.load(arrays, needs), needs, False)

        def pullback(cotangents: Sequence[Array | None]) -> list[Array]:
            found = dict(zip(needs, self.unload(pull(self.load_cotangents(cotangents, results)), True), strict=True))
            return [found[k] if k in found else np.zeros_like(x) for k, x in enumerate(arrays)]

        return self.unload(results), pullback

    def push(self, arrays: Sequence[Array], tangents: Sequence[Array]) -> list[Array]:
        """Return the tangents of the results as real arrays."""
        inputs = self.load(arrays, ())
        pairs = zip(self._complex(tangents), inputs, strict=True)
        return self.unload(self.framework.jvp(self.f, inputs, [self.framework.load_like(*pair) for pair in pairs]))

    def batched(
        self, batches: Sequence[Array], cotangents: Sequence[Array]
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        """Return the results and gradients for batches of the inputs that are not shared."""
        remaining = iter(batches)
        every = [x if k in self.shared else next(remaining) for k, x in enumerate(self.own(self.arrays))]
        axes = [None if k in self.shared else 0 for k in range(len(every))]
        inputs = self.load(every, [k for k, axis in enumerate(axes) if axis == 0])

        def load(results: Sequence[Any]) -> list[Any]:
            for g, x in zip(cotangents, self.unload(results), strict=True):
                if g.shape != x.shape:
                    raise LawBroken(
                        f"{self.name}: a result in a batch has shape {x.shape[1:]}, expected {g.shape[1:]}."
                    )
            return self.load_cotangents(cotangents, results)

        results, ways = self.framework.batched(self.f, inputs, axes, load)
        return self.unload(results), {way: self.unload(gradients, True) for way, gradients in ways.items()}

    def own(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        """Return arrays in the dtypes of the check."""
        pairs = zip(arrays, self.dtypes, strict=True)
        return tuple(arrays) if self.wide else tuple(x.astype(np.zeros(0, t).real.dtype) for x, t in pairs)

    def load(self, arrays: Sequence[Array], needs: Collection[int]) -> list[Any]:
        """Convert real arrays to inputs of f."""
        return self.framework.load(self._complex(self.own(arrays)), needs)

    def load_cotangents(self, cotangents: Sequence[Array | None], results: Sequence[Any]) -> list[Any]:
        """Convert real arrays to cotangents of results of the framework. None stays None."""
        loaded = []
        for g, result in zip(cotangents, results, strict=True):
            if g is not None and is_complex(self.framework.unload(result)):
                g = np.conj(as_complex(g)) if self.framework.conjugates else as_complex(g).copy()
            loaded.append(None if g is None else self.framework.load_like(g, result))
        return loaded

    def unload(self, values: Sequence[Any], are_gradients: bool = False) -> list[Array]:
        """Convert arrays of the framework to real arrays."""
        arrays = map(self.framework.unload, values)
        conjugates = are_gradients and self.framework.conjugates
        return [as_real(np.conj(x) if conjugates and is_complex(x) else x) for x in arrays]

    def _complex(self, arrays: Sequence[Array]) -> list[Array]:
        # A copy is aligned to complex numbers; PyTorch crashes for others.
        return [as_complex(x).copy() if t.kind == "c" else x for x, t in zip(arrays, self.dtypes, strict=True)]

    def derivative(self, n: int) -> ForeignFunction:
        """Return the function (inputs, cotangents) -> gradients, at random cotangents. Its derivative has order n."""
        count, f, rng = len(self.arrays), self.f, seeded(None)
        results = [self.framework.unload(x) for x in f(*self.load(self.arrays, range(count)))]
        cotangents = [draw_signed(rng, as_real(x).shape) for x in results]

        def gradients(*inputs: Any) -> Sequence[Any]:
            return self.framework.vjp(f, inputs[:count], range(count), True)[1](inputs[count:])

        names = (f"cotangent{n - 1}{'_' * bool(k)}{k or ''}" for k in range(len(results)))
        return replace(
            self, f=gradients, arrays=(*self.arrays, *cotangents), names=(*self.names, *names),
            name=f"{self.name.partition(', derivative')[0]}, derivative {n}",
            dtypes=(*self.dtypes, *(x.dtype for x in results)),
        )  # fmt: skip

    def differentiable(self, dtypes: Sequence[Any] = ()) -> Differentiable:
        """Return the function for the laws, which are tested in these dtypes, too."""
        return Differentiable(
            self.name, self.names, self.own(self.arrays), self.value, self.record,
            [[dtype] * len(self.arrays) for dtype in dtypes], self.framework.layouts, self.framework.is_random,
            self.framework.draws_by_dtype, selects_inputs=True, keeps_graphs=True, accuracy=self.accuracy,
            shared=self.shared, push=self.push, batched=self.batched,
        )  # fmt: skip


def check_foreign(foreign: ForeignFunction, order: int, rng: Rng | None, skip: Collection[str]) -> Report:
    """Check the derivatives up to an order, and the laws, in float64, or in the function's dtypes if it rejects it."""
    if order < 1:
        raise VJPDefinitionError(f"order must be an integer >= 1, got {order}.")
    require_inputs(foreign.name, foreign.arrays)
    errors: list[Exception] = []
    for wide in (True, False):
        subject = replace(foreign, wide=wide)
        with foreign.framework.session(wide):
            report = Report(foreign.name, skip)
            try:
                _try_once(subject)
            except Exception as refusal:
                if foreign.framework.has_only_forward(refusal) and _run_forward(report, subject, refusal, rng):
                    return report.conclude()
                errors.append(refusal)
                continue
            _run(report, subject, order, seeded(rng))
            return report.conclude()
    raise errors[0]


def _try_once(foreign: ForeignFunction) -> None:
    results, pullback = foreign.record(foreign.arrays, range(len(foreign.arrays)))
    if not results:
        raise DTypeError(f"{foreign.name} must return a floating-point array, got none.")
    pullback([np.ones_like(out) for out in results])


def _run(report: Report, foreign: ForeignFunction, order: int, rng: Rng) -> None:
    """Check the laws, and each derivative as a function of the inputs and of all lower-order cotangents."""

    def slopes() -> bool:
        f, count = foreign, len(foreign.arrays)
        for n in range(1, order + 1):
            f = foreign if n == 1 else f.derivative(n)
            if not report.run(_slope(n), slope_verdicts, f.differentiable(), rng, _slope(n), len(f.arrays) - count):
                return False
        return True

    run_laws(report, foreign.differentiable(_narrow_dtypes() if foreign.wide else ()), rng, slopes)


def _run_forward(report: Report, foreign: ForeignFunction, refusal: Exception, rng: Rng | None) -> bool:
    """Check the forward derivative of a function without a gradient. Return whether there is one."""
    count = len(foreign.arrays)
    zeros = [np.zeros_like(x) for x in foreign.arrays]
    try:
        foreign.push(foreign.arrays, zeros)
    except NotApplicable:
        return False
    point = ArrayTree(foreign.arrays, foreign.names, as_input)
    flat = FlatFunction(foreign.name, lambda *arrays: foreign.value(arrays), point, accuracy=foreign.accuracy)
    report.leave_out(_slope(1), f"there is only a forward derivative: {first_line(refusal)}")
    if is_pure(report, flat):
        push = ClaimedTangent(flat, lambda *values: foreign.push(values[:count], values[count:]), seeded(rng))
        run_tangent_laws(report, push)
    return True


_MOST_SHARED = 4


def batch_axes(ranks: Sequence[int]) -> list[tuple[int | None, ...]]:
    """Return axes of batches to try besides 0: each axis of each input, with different axes of the others.

    None is an input that all samples share: one at a time, and all but one.

    Examples
    --------
    >>> batch_axes([2, 2])
    [(0, 1), (1, 0), (1, 1), (None, 1), (1, None), (0, None), (None, 0)]
    """
    every, last = range(len(ranks)), tuple(rank - 1 for rank in ranks)
    turns = [tuple((k + turn) % rank for k, rank in enumerate(ranks)) for turn in range(max(ranks))]
    positions = every[:_MOST_SHARED] if len(ranks) > 1 else ()
    shared = [tuple(None if i == k else axis for i, axis in enumerate(last)) for k in positions]
    alone = [tuple(0 if i == k else None for i in every) for k in positions]
    return [axes for axes in dict.fromkeys([*turns, last, *shared, *alone]) if any(axis != 0 for axis in axes)]


def agree_roughly(x: Array, like: Array) -> bool:
    """Whether two arrays are equal up to the rounding of their dtype, or of parts in float32."""
    tolerance = max(unit_of(like.real.dtype), 2.0**-24) ** 0.5
    return x.shape == like.shape and np.allclose(x, like, tolerance, tolerance * largest(like), equal_nan=True)


def _slope(n: int) -> str:
    return "slope" if n == 1 else f"slope, derivative {n}"


def _narrow_dtypes() -> list[Any]:
    """Return float32, float16, and bfloat16 if ml_dtypes is installed."""
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        return [np.float32, np.float16]
    return [np.float32, np.float16, bfloat16]


def required(name: str, caller: str, install: str) -> Any:
    """Import a package; if it is not installed, raise a `MissingExtraError` with the step that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"{caller} requires {name}: {install}.") from error
