"""What a training run came to: its epochs, the weights that are worth keeping, and why it ended."""

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
    """The weights after an epoch; epoch 0 is before the first.

    Attributes
    ----------
    epoch : int
    loss : float
        Of the epoch, in training.
    arrays : dict of str to ndarray
        All finite.
    """

    epoch: int
    loss: float
    arrays: dict[str, ndarray]


@dataclass
class Outcome:
    """What a run has come to so far.

    Attributes
    ----------
    first : float
        The loss before training.
    last, best : Weights
        Of the last epoch that was finite, and of the one with the lowest loss.
    history : list of Epoch
        All whole epochs: `fit` adds them.
    end : {"done", "stopped", "diverged"}
    reason : str
        What a run that diverged came upon.
    figures : dict
        What else there is to tell of a run that is done.
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
        """Return the outcome of no epoch at all, of weights with a loss."""
        untrained = Weights(0, math.inf, arrays)
        return cls(loss, untrained, untrained)

    def add(self, epoch: Epoch, arrays: dict[str, ndarray]) -> bool:
        """Note a whole epoch and the weights after it. Return whether it makes sense to go on."""
        if not all(np.isfinite(array).all() for array in arrays.values()):
            self.diverge(f"the weights became infinite or NaN in epoch {epoch.epoch}")
        else:
            self.last = Weights(epoch.epoch, epoch.loss, arrays)
            self.best = min(self.best, self.last, key=lambda weights: weights.loss)
        return self.end != "diverged"

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint is to hold: of a run that diverged there is none."""
        return {"last": dict(vars(self.last)), "best": dict(vars(self.best))}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises
        ------
        StateDictError
            It is not that, or it is of another model.
        """
        weights = [from_fields(Weights, saved.get(name), f"the outcome's {name}") for name in ("last", "best")]
        for each in weights:
            require_same_arrays("the outcome", each.arrays, self.last.arrays)
        self.last, self.best = weights

    def judge(self, loss: float) -> None:
        """Say that the run diverged if the last weights, finite as they are, have ten times the loss of the first."""
        if self.end != "diverged" and not loss <= 10 * self.first:
            self.diverge(
                f"the loss after epoch {self.last.epoch} is {loss:.3g}, and was {self.first:.3g} before training"
            )

    def diverge(self, reason: str) -> None:
        """Note that the run diverged."""
        self.end, self.reason = "diverged", reason
