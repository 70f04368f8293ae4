"""The training loop: one function for an epoch, one for the accuracy, one that runs epochs and reports them."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import from_numpy, no_grad
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import Module
from tinygrad_edu.ops import cross_entropy
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.parallel import map_shards, sharded_value_and_grad, shards

__all__ = ["Epoch", "accuracy", "fit", "predict", "train_epoch"]

Batches = Iterable[tuple[ndarray, ndarray]]


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes
    ----------
    epoch : int
        From 1.
    loss : float
        The mean over the epoch's batches, as trained on: with dropout and augmentation.
    train_accuracy, test_accuracy : float
        In [0, 1], after the epoch, without dropout and augmentation.
    learning_rate : float
        Of the epoch's last step.
    steps : int
        How many batches there were.
    seconds : float
        Spent on training steps, without evaluation.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    learning_rate: float
    steps: int
    seconds: float


def train_epoch(
    model: Module,
    optimizer: Optimizer,
    batches: Batches,
    learning_rate: Callable[[int], float],
    rng: np.random.Generator,
    step: int = 0,
) -> list[float]:
    """Take one step of the optimizer for each batch, and return the loss of each.

    Parameters
    ----------
    model : Module
        From images to logits.
    optimizer : Optimizer
        Over the model's parameters.
    batches : iterable of (x, y)
        Images as the model takes them, and integer labels (N,).
    learning_rate : callable
        From the number of the step to its learning rate.
    rng : numpy.random.Generator
        Seeds what dropout draws.
    step : int
        The number of the first step.
    """
    model.train()
    parameters, losses = model.parameters(), []
    for number, (x, y) in enumerate(batches, step):
        optimizer.lr = learning_rate(number)
        value, gradients = sharded_value_and_grad(model, cross_entropy, x, y, rng)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        losses.append(value)
    return losses


def predict(model: Module, x: ndarray, threads: int | None = None) -> ndarray:
    """Return the most likely class of each of the images x, as integers (N,). The model is left in its mode.

    Parameters
    ----------
    model : Module
        From images to logits. One logit an image, (N,) or (N, 1), is that of class 1 against class 0.
    x : (N, ...)
        Images as the model takes them.
    threads : int, optional
        As many as there are cores, unless given.
    """
    slices = shards(len(x), 128)  # larger than in training: there is no way back that wants them in the cache
    with no_grad(), _evaluating(model):
        classes = list(map_shards(lambda k: _classes(model(from_numpy(x[slices[k]])).data), len(slices), threads))
    return np.concatenate(classes) if classes else np.zeros(0, np.int64)


def _classes(logits: ndarray) -> ndarray:
    if logits.size == len(logits):  # one each, with which argmax would find the class 0 for all
        return (logits.reshape(-1) > 0).astype(np.int64)
    classes: ndarray = logits.argmax(axis=1)
    return classes


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Put a model into evaluation mode inside, and each of its modules back into its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def accuracy(model: Module, x: ndarray, y: ndarray) -> float:
    """Return the share of the images x (N, ...) whose most likely class is their label y (N,)."""
    classes = predict(model, x)
    if np.shape(y) != classes.shape:
        raise ShapeError(
            f"accuracy() got labels of shape {np.shape(y)} for classes of shape {classes.shape}: each image needs one; "
            "reshape the labels."
        )
    return float(np.mean(classes == y))


def fit(
    model: Module,
    optimizer: Optimizer,
    epochs: int,
    batches: Batches,
    learning_rate: Callable[[int], float],
    rng: np.random.Generator,
    train: tuple[ndarray, ndarray],
    test: tuple[ndarray, ndarray],
) -> Iterator[Epoch]:
    """Train for `epochs`, and yield each as it ends: a loop over it can show it, keep it, or stop.

    Parameters
    ----------
    model, optimizer, learning_rate, rng
        As in `train_epoch`.
    epochs : int
    batches : iterable of (x, y)
        Looped over once an epoch: a `data.DataLoader`, or a list.
    train, test : (x, y)
        What the accuracies are measured on.

    Raises
    ------
    DTypeError
        `batches` is a generator, which the first epoch would leave empty.
    """
    if isinstance(batches, Iterator):
        raise DTypeError(
            f"fit() loops over the batches once an epoch, and a {type(batches).__name__} is empty after the first: "
            "give a tinygrad_edu.data.DataLoader, or a list."
        )
    step = 0
    for epoch in range(1, epochs + 1):
        begin = time.perf_counter()
        losses = train_epoch(model, optimizer, batches, learning_rate, rng, step)
        seconds = time.perf_counter() - begin
        step += len(losses)
        yield Epoch(
            epoch=epoch,
            loss=float(np.mean(losses)),
            train_accuracy=accuracy(model, *train),
            test_accuracy=accuracy(model, *test),
            learning_rate=optimizer.lr,
            steps=len(losses),
            seconds=seconds,
        )
