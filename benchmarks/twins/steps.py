"""Training steps of two models that are one and the same, ours and PyTorch's: their losses, and how long they took."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy import ndarray

from tinygrad_edu import nn, optim

Batches = Iterable[tuple[ndarray, ...]]  # the inputs of the model, and last the target


class Comparison(NamedTuple):
    """The loss of each step, and the seconds of all of them."""

    losses_ours: list[float]
    losses_theirs: list[float]
    seconds_ours: float
    seconds_theirs: float


def give_weights(theirs: torch.nn.Module, ours: nn.Module) -> None:
    """Write our weights into PyTorch's model, which has the same names for them."""
    theirs.load_state_dict({name: torch.from_numpy(values) for name, values in ours.state_dict().items()})


def losses(loss: Callable[..., Any], optimizer: Any, batches: Batches) -> tuple[list[float], float]:
    """Take a step for each batch. Return the loss before each, and the seconds of all."""
    found, begin = [], time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        value = loss(*batch)
        value.backward()
        optimizer.step()
        found.append(value.item())
    return found, time.perf_counter() - begin


def compare_adam(
    ours: nn.Module,
    loss: Any,
    theirs: torch.nn.Module,
    their_loss: Any,
    batches: list[tuple[ndarray, ...]],
    lr: float,
) -> Comparison:
    """Train both with Adam, ours first."""
    give_weights(theirs, ours)
    tensors = [tuple(torch.from_numpy(np.asarray(part)) for part in batch) for batch in batches]
    found, seconds = losses(lambda *x: loss(ours(*x[:-1]), x[-1]), optim.Adam(ours.parameters(), lr=lr), batches)
    other, other_seconds = losses(
        lambda *x: their_loss(theirs(*x[:-1]), x[-1]), torch.optim.Adam(theirs.parameters(), lr=lr), tensors
    )
    return Comparison(found, other, seconds, other_seconds)
