"""State of a random program: its tensors, their Jacobians from the oracle, and the execution of steps."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from random import Random
from typing import Any, Self

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.errors import TinygradError
from tools.campaign import interruptions, statements
from tools.campaign.interruptions import Act
from tools.campaign.oracle import COLUMNS, Array, Known, moved

MOST = 60
LARGEST = 20.0  # tensors with larger values are not used: rounding would hide wrong gradients
SHAPES = ((), (3,), (2,), (2, 3), (3, 2), (3, 3), (1, 3), (2, 1, 3), (0, 3))
INTERRUPTIONS = (interruptions.Interrupt, KeyboardInterrupt)
DTYPES = ((np.float64,), (np.float64,), (np.float32,), (np.float32, np.float64))


class UnexplainedError(Exception):
    """An unexpected result or exception, for example one raised by Python or NumPy."""


class SilentlyWrongError(UnexplainedError):
    """A wrong gradient without an error."""


@dataclass(eq=False)
class Handle:
    """A tensor of a program and its Jacobian.

    `foreign` is whether its storage was written to after it was computed, so that its graph does not match its values.
    `common` is whether several threads read its storage.
    """

    tensor: tg.Tensor
    jacobian: Array | None
    columns: slice | None = None  # for a leaf
    foreign: bool = False
    common: bool = False

    def __post_init__(self) -> None:
        self.bits = self.tensor.numpy().tobytes()

    def read(self) -> Known:
        return Known(self.tensor.numpy().astype(np.float64), self.jacobian)


class Program:
    """One random program. Steps are functions that take it as argument.

    Attributes
    ----------
    random : Random
        The source of all random choices.
    signals : bool
        Whether real signals may interrupt it, which only the main thread supports.
    dtypes : tuple of dtype
        Dtypes of the tensors.
    handles : list of Handle
    changes : list of callable
        Functions that change objects which were passed to ops.
    columns : int
        Number of elements of all leaves.
    scale : float
        The largest element of a Jacobian, which scales the tolerance of gradients.
    places : list of str
        Locations of interruptions.
    interrupted : bool
        Whether the last act was interrupted.
    owed : ndarray
        Expected total of the gradients of common leaves.
    figures : Counter
        Counts of backward passes by outcome, and of interrupted or rejected acts.
    """

    def __init__(self, seed: int | str, signals: bool = True) -> None:
        self.random, self.signals = Random(seed), signals
        self.dtypes = self.random.choice(DTYPES)
        self.handles: list[Handle] = []
        self.changes: list[Act] = []
        self.places: list[str] = []
        self.figures: Counter[str] = Counter()
        self.columns, self.scale, self.owed, self.interrupted = 0, 1.0, np.zeros(COLUMNS), False

    def begin(self) -> Self:
        """Create the first leaves and a constant."""
        for _ in range(self.random.randint(1, 3)):
            self.add_leaf(tg.Tensor(self.values(self.random.choice(SHAPES)), requires_grad=True))
        self.handles.append(Handle(tg.Tensor(self.values(self.random.choice(SHAPES))), None))
        return self

    def go_on_from(self, other: Self) -> Self:
        """Start with the tensors of another program, which are read-only from now on."""
        self.dtypes, self.columns, self.scale = other.dtypes, other.columns, other.scale
        self.handles = [Handle(x.tensor, x.jacobian, x.columns, x.foreign, common=True) for x in other.handles]
        return self

    def values(self, shape: tuple[int, ...]) -> Array:
        """Return random numbers that are distinct and not near 0, a kink of some ops."""
        count = int(np.prod(shape))
        numbers = [self.random.choice((-1, 1)) * self.random.uniform(0.3, 2.0) for _ in range(count)]
        return np.array(numbers, self.random.choice(self.dtypes)).reshape(shape)

    def add_leaf(self, tensor: tg.Tensor) -> None:
        columns = slice(self.columns, self.columns + tensor.size)
        if columns.stop <= COLUMNS:
            self.columns = columns.stop
            self.handles.append(Handle(tensor, np.eye(COLUMNS)[columns], columns))

    def pick(self, wanted: Callable[[Handle], Any] = lambda handle: True) -> Any:
        found = [handle for handle in self.handles if wanted(handle)]
        return self.random.choice(found) if found else None

    def may_write(self, handle: Handle) -> bool:
        """Return whether no other thread reads the storage of a tensor."""
        return not any(np.shares_memory(handle.tensor.numpy(), x.tensor.numpy()) for x in self.handles if x.common)

    def owned(self, ways: dict[str, statements.Way], before: Any, after: Any) -> Any:
        """Create an object in one of several ways, and schedule a later change of its values."""
        thing, change = ways[self.random.choice(list(ways))](before, after)
        self.changes.append(change)
        return thing

    def run(self, act: Act, allowed: tuple[type[Exception], ...] = (), chance: float = 0.25) -> Any:
        """Run an act of a user, interrupted with a probability of `chance`.

        Return its result, or None if it was interrupted or raised an allowed error.
        """
        interrupt = None
        if self.random.random() < chance:
            interrupt = interruptions.draw(self.random, self.signals)
        self.interrupted = False
        refusals: tuple[type[Exception], ...] = (TinygradError, *allowed)
        try:
            return copy_context().run(self.in_its_mode, (lambda: interrupt(act)) if interrupt else act)
        except INTERRUPTIONS:
            self.interrupted = True
            self.figures["interrupted"] += 1
        except refusals:
            self.figures["rejected acts"] += 1
        except UnexplainedError:
            raise
        except Exception as error:
            self.demand(False, f"unexpected {type(error).__name__}: {error}", error)
        return None

    def in_its_mode(self, act: Act) -> Any:
        """Run an act in the current context; check that it restores the gradient mode."""
        excused = False
        try:
            return act()
        except INTERRUPTIONS as error:
            self.places.append(str(error))
            excused = self.places[-1] == "the entry of Mode.__exit__"  # the only location that `with` cannot protect
            raise
        finally:
            self.demand(tg.is_grad_enabled() or excused, "the gradient mode was not restored")

    def demand(
        self,
        truth: Any,
        otherwise: str,
        cause: BaseException | None = None,
        kind: type[BaseException] = UnexplainedError,
    ) -> None:
        if not truth:
            raise kind(f"{otherwise}; interrupted in: {self.places[-3:]}") from cause

    def demand_gradients(self, truth: Any, otherwise: str) -> None:
        self.demand(truth, otherwise, kind=SilentlyWrongError)

    def compute(
        self, act: Act, operands: Sequence[Handle], jacobian: Array | None, values: Array | None = None
    ) -> None:
        """Run an op and store its result and Jacobian; check its values if `values` is given."""
        result = self.run(act)
        if values is not None and result is not None:
            self.demand(np.allclose(result.numpy(), values, 1e-5, 0), f"wrong values: expected {values}, got {result}")
        if isinstance(result, tg.Tensor) and result.size <= MOST and (np.abs(result.numpy()) < LARGEST).all():
            foreign = any(x.foreign for x in operands if x.jacobian is not None)
            self.handles.append(Handle(result, jacobian, foreign=foreign))
            self.note_scale(jacobian)

    def compute_moved(self, act: Act, operands: Sequence[Handle], move: Callable[..., Any]) -> None:
        """Run an op that moves elements, unless NumPy raises for the same move."""
        try:
            jacobian = moved([x.read() for x in operands], move)
        except (ValueError, IndexError, TypeError):
            return
        self.compute(act, operands, jacobian)

    def note_scale(self, jacobian: Array | None) -> None:
        self.scale = max([self.scale, *np.abs(jacobian if jacobian is not None else 0).flat])

    def look(self, written: Handle | None = None) -> None:
        """Find tensors that were written to, by comparing their bits. A computed one becomes foreign."""
        for handle in self.handles:
            bits = handle.tensor.numpy().tobytes()
            if bits != handle.bits:
                handle.bits = bits
                handle.foreign |= handle.jacobian is not None and handle.columns is None and handle is not written

    def forget_what_is_large(self) -> None:
        """Drop tensors with large values; give large leaves new values."""
        large = [x for x in self.handles if not (np.abs(x.tensor.numpy()) < LARGEST).all()]
        for x in large:
            if x.columns:
                x.tensor.assign(self.values(x.tensor.shape))
        self.look()
        self.handles = [x for x in self.handles if x.columns or x not in large]


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress reports of interruptions where Python cannot raise them, such as the end of a generator."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda report: None if isinstance(report.exc_value, INTERRUPTIONS) else before(report)
    try:
        yield
    finally:
        sys.unraisablehook = before
