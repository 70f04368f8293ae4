"""Training steps of the same model in this package and in PyTorch: losses and times."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy import ndarray

from models.shared import classifier
from tinygrad_edu import cross_entropy, data, nn, optim
from tinygrad_edu.training import Steps

BATCH, HIGHEST = 50, 0.1  # of the classifiers: images per step, and the learning rate
Batches = Iterable[tuple[ndarray, ...]]  # the inputs of the model, then the target


class Comparison(NamedTuple):
    """Losses of the steps, and the total seconds."""

    losses_ours: list[float]
    losses_theirs: list[float]
    seconds_ours: float
    seconds_theirs: float


def give_weights(theirs: torch.nn.Module, ours: nn.Module) -> None:
    """Copy our weights into PyTorch's model, which has the same parameter names."""
    theirs.load_state_dict({name: torch.from_numpy(values) for name, values in ours.state_dict().items()})


def losses(loss: Callable[..., Any], optimizer: Any, batches: Batches) -> tuple[list[float], float]:
    """Take a step for each batch; return the loss before each step, and the total seconds."""
    found, begin = [], time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        value = loss(*batch)
        value.backward()
        optimizer.step()
        found.append(value.item())
    return found, time.perf_counter() - begin


def compare_steps(
    ours: nn.Module,
    loss: Any,
    theirs: torch.nn.Module,
    their_loss: Any,
    batches: list[tuple[ndarray, ...]],
    optimizer: str = "Adam",
    **settings: float,
) -> Comparison:
    """Train both with the optimizer of this name in both packages."""
    give_weights(theirs, ours)
    tensors = [tuple(torch.from_numpy(np.asarray(part)) for part in batch) for batch in batches]
    steps, their_steps = (
        getattr(room, optimizer)(model.parameters(), **settings)
        for room, model in ((optim, ours), (torch.optim, theirs))
    )
    found, seconds = losses(lambda *x: loss(ours(*x[:-1]), x[-1]), steps, batches)
    other, other_seconds = losses(lambda *x: their_loss(theirs(*x[:-1]), x[-1]), their_steps, tensors)
    return Comparison(found, other, seconds, other_seconds)


def compare_classifiers(
    build: Callable[[np.random.Generator], nn.Module], theirs: torch.nn.Module, steps: int, dtype: type
) -> Comparison:
    """Train both with the recipe of `models.shared.classifier`, without dropout, on equally distorted digits."""
    rng = np.random.default_rng(0)
    ours = build(rng).astype(dtype)
    for layer in ours.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    batches = bent_digits(steps, dtype, rng)
    give_weights(theirs.to(torch.from_numpy(batches[0][0]).dtype), ours)
    torch.set_num_threads(1)  # like ours, because batch normalization prevents shards
    begin = time.perf_counter()
    schedule = optim.schedules.one_cycle(HIGHEST, steps)
    trained = Steps(ours, classifier.optimizer(ours, HIGHEST), cross_entropy, rng, schedule)
    found = [step.loss for step in trained.run(batches)]
    middle = time.perf_counter()
    return Comparison(found, _classified(theirs, batches), middle - begin, time.perf_counter() - middle)


def bent_digits(steps: int, dtype: type, rng: np.random.Generator) -> list[tuple[ndarray, ndarray]]:
    """Return a batch of distorted digits for each step."""
    digits = data.load_embedded()
    rows = [rng.choice(len(digits.x_train), BATCH, replace=False) for _ in range(steps)]
    bent = [data.to_float(classifier.augment(digits.x_train[some], rng)).astype(dtype) for some in rows]
    return [(x, digits.y_train[some]) for x, some in zip(bent, rows, strict=True)]


def _classified(network: Any, batches: list[tuple[ndarray, ndarray]]) -> list[float]:
    """Train PyTorch's network with the recipe, and return the losses."""
    sgd = torch.optim.SGD(
        network.parameters(), lr=HIGHEST, momentum=0.9, nesterov=True, weight_decay=classifier.WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(sgd, HIGHEST, len(batches), cycle_momentum=False)
    losses = []
    for x, y in batches:
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(x)), torch.from_numpy(y).long())
        loss.backward()
        sgd.step()
        schedule.step()
        losses.append(loss.item())
    return losses
