"""Early stopping: stop when a metric has not improved for some epochs, and restore the best weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors.checks import integer, invalid_choice
from tinygrad_edu.nn import Module
from tinygrad_edu.training.arguments import check_arguments
from tinygrad_edu.training.fields import from_fields, require_same_arrays

__all__ = ["EarlyStopping"]


@dataclass(frozen=True)
class _SavedState:
    """State of `EarlyStopping` in a checkpoint."""

    best: float
    calls: int
    best_call: int
    best_state: dict[str, ndarray] | None


class EarlyStopping:
    """Stopping criterion, called once per epoch with the value of a metric. It keeps the best weights.

    Parameters
    ----------
    model : Module
        Model whose best weights are kept.
    patience : int, default 10
        Number of consecutive calls without improvement that are allowed.
    mode : {"min", "max"}, default "min"
        Whether lower or higher values are better.
    min_delta : float, default 0.0
        Minimum improvement that counts.

    Attributes
    ----------
    best : float
        The best value so far.
    best_call : int
        Number of the call with the best value, from 1, or 0 if there is none.
    best_state : dict of str to ndarray, or None
        State of the model at that call.

    Notes
    -----
    NaN never counts as an improvement. An instance can be a part of a checkpoint. If you evaluate averaged weights,
    call it inside ``with average.swap():``, so that it keeps the averaged weights.

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
            raise invalid_choice("EarlyStopping: mode", mode, ("min", "max"))
        check_arguments(model=model, min_delta=min_delta)
        self.model, self.patience = model, integer("patience", patience, 0)
        self.mode, self.min_delta = mode, float(min_delta)
        self.best = math.inf if mode == "min" else -math.inf
        self.calls = self.best_call = 0
        self.best_state: dict[str, ndarray] | None = None

    def __call__(self, value: float) -> bool:
        """Add the value of an epoch, and return whether to stop."""
        given: Any = value
        value = given.item() if isinstance(given, Tensor | ndarray) and given.size == 1 else given
        check_arguments(value=value)
        self.calls += 1
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.best_call, self.best_state = float(value), self.calls, self.model.state_dict()
        return self.calls - self.best_call > self.patience

    def restore(self) -> None:
        """Load the best state into the model, if there is one."""
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        return {"best": self.best, "calls": self.calls, "best_call": self.best_call, "best_state": self.best_state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a state from `state_dict`.

        Raises
        ------
        StateDictError
            An entry is missing, unknown or of another type. Nothing is loaded.
        """
        saved = from_fields(_SavedState, state_dict, "EarlyStopping")
        if saved.best_state is not None:
            require_same_arrays("EarlyStopping", saved.best_state, self.model.state_dict())
        vars(self).update(vars(saved))
