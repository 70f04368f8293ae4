"""A random program in the making: its tensors, what the oracle knows of each, and how a step is run and judged."""

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
LARGEST = 20.0  # beyond it, a tensor is not computed with: rounding would hide what is wrong
SHAPES = ((), (3,), (2,), (2, 3), (3, 2), (3, 3), (1, 3), (2, 1, 3), (0, 3))
INTERRUPTIONS = (interruptions.Interrupt, KeyboardInterrupt)
DTYPES = ((np.float64,), (np.float64,), (np.float32,), (np.float32, np.float64))


class UnexplainedError(Exception):
    """Something that nobody can explain: an error of Python's or NumPy's, say."""


class SilentlyWrongError(UnexplainedError):
    """A gradient that is not the oracle's, and nobody was told."""


@dataclass(eq=False)
class Handle:
    """A tensor of a program and what the oracle knows of it.

    A `foreign` one has memory that was written to since it was computed: its history is not that of its values. The
    memory of a `common` one belongs to several threads, which only read it.
    """

    tensor: tg.Tensor
    jacobian: Array | None
    columns: slice | None = None  # of a leaf
    foreign: bool = False
    common: bool = False

    def __post_init__(self) -> None:
        self.bits = self.tensor.numpy().tobytes()

    def read(self) -> Known:
        return Known(self.tensor.numpy().astype(np.float64), self.jacobian)


class Program:
    """One random program. Its steps are functions of it.

    Attributes
    ----------
    random : Random
        From which all is drawn.
    signals : bool
        Whether real ones may interrupt it: in the main thread only.
    dtypes : tuple of dtype
        Of the tensors.
    handles : list of Handle
    changes : list of callable
        Each changes an object that an op was given.
    columns : int
        How many elements the leaves have so far.
    scale : float
        The largest number on the way, for which gradients are compared.
    places : list of str
        Where acts were interrupted.
    interrupted : bool
        Whether the last act was.
    owed : ndarray
        What the gradients of the leaves that are common must grow by, in the end.
    figures : Counter
        Of backward passes by their outcome, and of acts that were interrupted or refused.
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
        """Make the first leaves, and a constant."""
        for _ in range(self.random.randint(1, 3)):
            self.add_leaf(tg.Tensor(self.values(self.random.choice(SHAPES)), requires_grad=True))
        self.handles.append(Handle(tg.Tensor(self.values(self.random.choice(SHAPES))), None))
        return self

    def go_on_from(self, other: Self) -> Self:
        """Begin with the tensors of another program, which are from now on only read."""
        self.dtypes, self.columns, self.scale = other.dtypes, other.columns, other.scale
        self.handles = [Handle(x.tensor, x.jacobian, x.columns, x.foreign, common=True) for x in other.handles]
        return self

    def values(self, shape: tuple[int, ...]) -> Array:
        """Return numbers away from 0, which is a kink of some ops, and all different."""
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
        """Whether nobody else reads the memory of a tensor."""
        return not any(np.shares_memory(handle.tensor.numpy(), x.tensor.numpy()) for x in self.handles if x.common)

    def owned(self, ways: dict[str, statements.Way], before: Any, after: Any) -> Any:
        """Make an object that its owner will change, in one of several ways."""
        thing, change = ways[self.random.choice(list(ways))](before, after)
        self.changes.append(change)
        return thing

    def run(self, act: Act, allowed: tuple[type[Exception], ...] = (), chance: float = 0.25) -> Any:
        """Do what a user would do, interrupted by some chance; return its result.

        It is None where the act was interrupted or refused.
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
            self.figures["refused acts"] += 1
        except UnexplainedError:
            raise
        except Exception as error:
            self.demand(False, f"{type(error).__name__} is no error of ours: {error}", error)
        return None

    def in_its_mode(self, act: Act) -> Any:
        """Do it in this context, which is its own, and look whether the gradient mode is put back."""
        excused = False
        try:
            return act()
        except INTERRUPTIONS as error:
            self.places.append(str(error))
            excused = self.places[-1] == "the entry of Mode.__exit__"  # the one place that `with` leaves open
            raise
        finally:
            self.demand(tg.is_grad_enabled() or excused, "the gradient mode was not put back")

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
        """Run the forward of an op, and keep the result with its Jacobian; look at its values where they are given."""
        result = self.run(act)
        if values is not None and result is not None:
            self.demand(np.allclose(result.numpy(), values, 1e-5, 0), f"the values are {result}, not {values}")
        if isinstance(result, tg.Tensor) and result.size <= MOST and (np.abs(result.numpy()) < LARGEST).all():
            foreign = any(x.foreign for x in operands if x.jacobian is not None)
            self.handles.append(Handle(result, jacobian, foreign=foreign))
            self.note_scale(jacobian)

    def compute_moved(self, act: Act, operands: Sequence[Handle], move: Callable[..., Any]) -> None:
        """Run the forward of an op that moves elements, where NumPy can do that at all."""
        try:
            jacobian = moved([x.read() for x in operands], move)
        except (ValueError, IndexError, TypeError):
            return
        self.compute(act, operands, jacobian)

    def note_scale(self, jacobian: Array | None) -> None:
        self.scale = max([self.scale, *np.abs(jacobian if jacobian is not None else 0).flat])

    def look(self, written: Handle | None = None) -> None:
        """Find by their bits the tensors that were written to. A computed one has lost its history by that."""
        for handle in self.handles:
            bits = handle.tensor.numpy().tobytes()
            if bits != handle.bits:
                handle.bits = bits
                handle.foreign |= handle.jacobian is not None and handle.columns is None and handle is not written

    def forget_what_is_large(self) -> None:
        """Go on with numbers that can be computed with."""
        large = [x for x in self.handles if not (np.abs(x.tensor.numpy()) < LARGEST).all()]
        for x in large:
            if x.columns:
                x.tensor.assign(self.values(x.tensor.shape))
        self.look()
        self.handles = [x for x in self.handles if x.columns or x not in large]


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing of interruptions that come where Python cannot raise them: in the end of a generator, say."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda told: None if isinstance(told.exc_value, INTERRUPTIONS) else before(told)
    try:
        yield
    finally:
        sys.unraisablehook = before
