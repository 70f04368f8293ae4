"""Result of a training run: its epochs, its last and best weights, and the reason why it ended."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.training import Epoch
from tinygrad_edu.training.fields import from_fields, require_same_arrays


@dataclass(frozen=True)
class Weights:
    """The weights after an epoch. Epoch 0 is before training.

    Attributes
    ----------
    epoch : int
    loss : float
        Training loss of the epoch.
    arrays : dict of str to ndarray
        All values are finite.
    """

    epoch: int
    loss: float
    arrays: dict[str, ndarray]


@dataclass
class Outcome:
    """Result of a run so far.

    Attributes
    ----------
    first : float
        Loss before training.
    last, best : Weights
        Weights of the last finite epoch, and of the epoch with the lowest loss.
    history : list of Epoch
        All finished epochs; `fit` appends them.
    end : {"done", "stopped", "diverged"}
    reason : str
        Reason why a run diverged.
    figures : dict
        Further numbers of a finished run.
    """

    first: float
    last: Weights
    best: Weights
    history: list[Epoch] = field(default_factory=list)
    end: str = "done"
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def begin(cls, arrays: dict[str, ndarray], loss: float) -> "Outcome":
        """Return the outcome before the first epoch, for initial weights and their loss."""
        untrained = Weights(0, math.inf, arrays)
        return cls(loss, untrained, untrained)

    def add(self, epoch: Epoch, arrays: dict[str, ndarray]) -> bool:
        """Record a finished epoch and its weights. Return whether training may continue."""
        if not all(np.isfinite(array).all() for array in arrays.values()):
            self.diverge(f"the weights became infinite or NaN in epoch {epoch.epoch}")
        else:
            self.last = Weights(epoch.epoch, epoch.loss, arrays)
            self.best = min(self.best, self.last, key=lambda weights: weights.loss)
        return self.end != "diverged"

    def state_dict(self) -> dict[str, Any]:
        """Return the content of a checkpoint. Diverged runs write none."""
        return {"last": dict(vars(self.last)), "best": dict(vars(self.best))}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Load the output of `state_dict`.

        Raises
        ------
        StateDictError
            The content is invalid or belongs to another model.
        """
        weights = [from_fields(Weights, saved.get(name), f"the outcome's {name}") for name in ("last", "best")]
        for each in weights:
            require_same_arrays("the outcome", each.arrays, self.last.arrays)
        self.last, self.best = weights

    def judge(self, loss: float) -> None:
        """Record that the run diverged if the loss of the last weights is over ten times the initial loss, or NaN."""
        if self.end != "diverged" and not loss <= 10 * self.first:
            self.diverge(
                f"the loss after epoch {self.last.epoch} is {loss:.3g}, and was {self.first:.3g} before training"
            )

    def diverge(self, reason: str) -> None:
        """Record that the run diverged."""
        self.end, self.reason = "diverged", reason
