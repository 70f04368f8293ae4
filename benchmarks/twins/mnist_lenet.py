"""LeNet's twin in PyTorch: the recipe of `models.mnist_lenet` without dropout, on the same bent digits."""

import time
from typing import Any

import numpy as np
import torch

from benchmarks.twins.steps import Comparison
from models import mnist_lenet
from tinygrad_edu import cross_entropy, data
from tinygrad_edu.nn import Module
from tinygrad_edu.optim.schedules import one_cycle
from tinygrad_edu.training import Steps

LEARNING_RATE, BATCH = 0.1, 50
Batches = list[tuple[np.ndarray, np.ndarray]]


def compare(steps: int = 100, dtype: type = np.float64) -> Comparison:
    """Return the losses of our steps and of PyTorch's, and the seconds that each took.

    In float64 they agree to rounding. In float32 they do so for a while; then rounding decides which of two numbers is
    the larger, or whether one is above zero, and PyTorch's differ from its own in float64 as much as from ours.
    """
    rng = np.random.default_rng(0)
    model = mnist_lenet.build(rng).astype(dtype)
    model[9].p = 0.0
    batches = drawn(steps, dtype, rng)
    theirs = twin(model)  # before ours is trained
    torch.set_num_threads(1)  # as ours, which normalization keeps from being cut into shards
    begin = time.perf_counter()
    losses = trained(model, batches)
    middle = time.perf_counter()
    their_losses = trained_there(theirs, batches)
    return Comparison(losses, their_losses, middle - begin, time.perf_counter() - middle)


def drawn(steps: int, dtype: type, rng: np.random.Generator) -> Batches:
    """Draw batches, with their images bent."""
    digits = data.load_embedded()
    rows = [rng.choice(len(digits.x_train), BATCH, replace=False) for _ in range(steps)]
    bent = [data.to_float(mnist_lenet.augment(digits.x_train[some], rng)).astype(dtype) for some in rows]
    return [(x, digits.y_train[some]) for x, some in zip(bent, rows, strict=True)]


def twin(model: Module) -> torch.nn.Module:
    """Return the same network, with the same weights."""
    first, second = mnist_lenet.CHANNELS
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, first, 5, bias=False), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(first), torch.nn.ReLU(),
        torch.nn.Conv2d(first, second, 5, bias=False), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(second),
        torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Identity(), torch.nn.Linear(second * 4 * 4, 10),
    )  # fmt: skip
    values = {name: torch.from_numpy(np.array(value)) for name, value in model.state_dict().items()}
    network.to(values["0.weight"].dtype).load_state_dict(values)
    return network


def trained(model: Module, batches: Batches) -> list[float]:
    """Train our network, a step a batch, and return the losses."""
    sgd, schedule = mnist_lenet.optimizer(model, LEARNING_RATE), one_cycle(LEARNING_RATE, len(batches))
    steps = Steps(model, sgd, cross_entropy, np.random.default_rng(0), schedule)
    return [step.loss for step in steps.over(batches)]


def trained_there(network: Any, batches: Batches) -> list[float]:
    """Train PyTorch's network likewise."""
    sgd = torch.optim.SGD(
        network.parameters(), lr=LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=mnist_lenet.WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(sgd, LEARNING_RATE, len(batches), cycle_momentum=False)
    losses = []
    for x, y in batches:
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(x)), torch.from_numpy(y).long())
        loss.backward()
        sgd.step()
        schedule.step()
        losses.append(loss.item())
    return losses
