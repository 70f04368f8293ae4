"""Early stopping: stop when a metric has not improved for some epochs, and restore the best weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy import ndarray

from tinygrad_edu._checks import integer
from tinygrad_edu.nn import Module
from tinygrad_edu.training.fields import from_fields, require_same_arrays

__all__ = ["EarlyStopping"]


@dataclass(frozen=True)
class _SavedState:
    """The state of `EarlyStopping` in a checkpoint."""

    best: float
    calls: int
    best_call: int
    best_state: dict[str, ndarray] | None


class EarlyStopping:
    """Whether to stop, called once an epoch with a number that shall get better; it keeps the weights of the best.

    Parameters
    ----------
    model : Module
    patience : int
        How many calls in a row may be no better.
    mode : {"min", "max"}
        Whether a lower or a higher number is better.
    min_delta : float
        By how much it must be better to count.

    Attributes
    ----------
    best : float
        The best number so far.
    best_call : int
        The number of its call, from 1; 0 before there is one.
    best_state : dict of str to ndarray, or None
        The state of the model then.

    Notes
    -----
    NaN is never better. A checkpoint holds it as a part. Where averaged weights are evaluated, call it inside
    ``with average.swap():``, and it keeps those.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> stopping = EarlyStopping(nn.Linear(2, 1), patience=1)
    >>> [stopping(loss) for loss in (3.0, 2.0, 2.5, 1.0, 1.5, 1.2)]
    [False, False, False, False, False, True]
    >>> stopping.best, stopping.best_call
    (1.0, 4)
    >>> stopping.restore()
    """

    def __init__(
        self, model: Module, patience: int = 10, mode: Literal["min", "max"] = "min", min_delta: float = 0.0
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f'EarlyStopping: mode is "min" or "max", not {mode!r}.')
        self.model, self.patience = model, integer("patience", patience, 0)
        self.mode, self.min_delta = mode, float(min_delta)
        self.best = math.inf if mode == "min" else -math.inf
        self.calls = self.best_call = 0
        self.best_state: dict[str, ndarray] | None = None

    def __call__(self, value: float) -> bool:
        """Return whether to stop, after one more epoch and its number."""
        self.calls += 1
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.best_call, self.best_state = float(value), self.calls, self.model.state_dict()
        return self.calls - self.best_call > self.patience

    def restore(self) -> None:
        """Give the model the best state. Where no number was better than none, it keeps its own."""
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)

    def state_dict(self) -> dict[str, Any]:
        """Return all that it remembers: what to save."""
        return {"best": self.best, "calls": self.calls, "best_call": self.best_call, "best_state": self.best_state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises
        ------
        StateDictError
            An entry is missing, unknown or of another type. Then nothing was loaded.
        """
        saved = from_fields(_SavedState, state_dict, "EarlyStopping")
        if saved.best_state is not None:
            require_same_arrays("EarlyStopping", saved.best_state, self.model.state_dict())
        vars(self).update(vars(saved))
