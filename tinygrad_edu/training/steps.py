"""Steps of an optimizer: the gradient of one batch or of several together, clipped, and what is averaged after it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu._checks import generator, whole_number
from tinygrad_edu.errors import NonFiniteLossError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.coupling import Loss
from tinygrad_edu.nn.samples import samples
from tinygrad_edu.optim import MovingAverage, Optimizer, clip_grad_norm
from tinygrad_edu.parallel import sharded_value_and_grad
from tinygrad_edu.training.batches import Batch, Batches, inputs_and_target
from tinygrad_edu.training.diagnosis import all_finite, diagnosed
from tinygrad_edu.transforms.trees import tree_leaves

__all__ = ["Steps", "TrainingStep"]

Gradients = list[ndarray | None]


class TrainingStep(NamedTuple):
    """What one step of the optimizer came to.

    Attributes
    ----------
    number : int
        Of the step, from 0.
    loss : float
        Before the step, the mean over its samples.
    samples, batches : int
        How many it was of.
    """

    number: int
    loss: float
    samples: int
    batches: int


@dataclass
class Steps:
    """How a model is trained, one step of the optimizer after the other: `over` some batches.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Over the model's parameters.
    loss : callable
        A function or a module, of the model's output and the target of a batch: the mean over its samples.
    rng : numpy.random.Generator
        Seeds what dropout draws.
    schedule : callable, optional
        From the number of the step to its learning rate.
    max_norm : float, optional
        What the norm of all gradients together is clipped to.
    accumulate : int
        How many batches make a step, which is that of one batch as large as all of them, to rounding. At the end of an
        epoch, fewer are left for the last one.
    average : MovingAverage, optional
        Updated after each step.
    shard_size : int
        How many samples of a batch a core computes at a time. Of large samples, as of long sequences, few are enough.

    Notes
    -----
    A batch is computed in shards on all cores, see `parallel.sharded_value_and_grad`. The batches of one step are
    weighted by their elements that count: for labels, those that are not the loss's `ignore_index`.

    Examples
    --------
    >>> from tinygrad_edu import nn, optim
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Linear(2, 1, rng=rng)
    >>> x = rng.random((64, 2)).astype(np.float32)
    >>> batches = [(x, x @ np.array([[1.0], [2.0]], np.float32))]
    >>> steps = Steps(model, optim.SGD(model.parameters(), lr=0.5), nn.mse_loss, rng)
    >>> losses = [step.loss for epoch in range(200) for step in steps.over(batches)]
    >>> losses[0] > 0.1, losses[-1] < 1e-4
    (True, True)
    """

    model: Module
    optimizer: Optimizer
    loss: Loss
    rng: np.random.Generator
    schedule: Callable[[int], float] | None = None
    max_norm: float | None = None
    accumulate: int = 1
    average: MovingAverage | None = None
    shard_size: int = 64

    def __post_init__(self) -> None:
        generator(self.rng)
        whole_number("accumulate", self.accumulate, 1)
        whole_number("shard_size", self.shard_size, 1)

    def over(self, batches: Batches, first: int = 0, epoch: int = 1, done: int = 0) -> Iterator[TrainingStep]:
        """Take the steps of some batches, in training mode, and yield each when it is done.

        Parameters
        ----------
        batches : iterable of tuple
            The inputs of the model, and last the target.
        first : int
            The number of the first step.
        epoch, done : int
            The number of the epoch, and how many of its batches are done already: what an error tells.

        Raises
        ------
        NonFiniteLossError
            The loss, or a gradient, is not finite: the step is not taken. It is computed once more, in
            `detect_anomaly`, and the message says which op made the first such number, of what, and your line that
            called the op; or that the batch, or the weights, held it already.
        """
        self.model.train()
        remaining = iter(batches)
        for number in count(first):
            together = list(islice(remaining, self.accumulate))
            if not together:
                return
            if self.schedule is not None:
                self.optimizer.lr = self.schedule(number)
            loss = self._take(together, epoch, done + 1)
            done += len(together)
            yield TrainingStep(number, loss, sum(map(samples, together)), len(together))

    def _take(self, together: list[Batch], epoch: int, first: int) -> float:
        stream = self.rng.bit_generator.state
        loss, gradients = self._value_and_grad(together)
        if not (math.isfinite(loss) and all_finite(gradients)):
            self.rng.bit_generator.state = stream
            raise self._not_finite(loss, gradients, together, epoch, first)
        parameters = self.model.parameters()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        if self.max_norm is not None:
            clip_grad_norm(parameters, self.max_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        return loss

    def _not_finite(
        self, loss: float, gradients: Gradients, together: list[Batch], epoch: int, first: int
    ) -> NonFiniteLossError:
        """Return the error for a step that is not taken; the random stream is where it was before."""
        last = first + len(together) - 1
        place = f"epoch {epoch}, " + (f"batch {first}" if first == last else f"batches {first} to {last}")
        what = f"the loss became {loss} in {place}"
        if math.isfinite(loss):
            name = next(
                name
                for (name, _), g in zip(self.model.named_parameters(), gradients, strict=True)
                if not all_finite([g])
            )
            what = f"the gradient of {name} became infinite or NaN in {place}, of a loss of {loss:.6g}"
        cause, help = diagnosed(self.model, together, first, lambda: self._value_and_grad(together, threads=1))
        looked = "and the step was not taken. The cause, looked for with detect_anomaly():"
        return NonFiniteLossError(f"{what}, {looked}\n{cause}\n{help}", what, cause)

    def _value_and_grad(self, together: list[Batch], threads: int | None = None) -> tuple[float, Gradients]:
        """Return the loss and the gradients of several batches, as if they were one."""
        weights = [_counted(self.loss, batch) for batch in together] if len(together) > 1 else []
        if not any(weights):
            return self._of_batch(together[0], threads)
        loss, total = 0.0, list[ndarray | None]()
        for weight, batch in zip(weights, together, strict=True):
            if weight:  # of labels that are all ignored, the mean is NaN
                value, gradients = self._of_batch(batch, threads)
                share = weight / sum(weights)
                loss += share * value
                parts = [None if g is None else share * g for g in gradients]
                total = [_sum(a, b) for a, b in zip(total, parts, strict=True)] if total else parts
        return loss, total

    def _of_batch(self, batch: Batch, threads: int | None) -> tuple[float, Gradients]:
        inputs, target = inputs_and_target(batch)
        return sharded_value_and_grad(
            self.model, self.loss, tuple(inputs), target, self.rng, shard_size=self.shard_size, threads=threads
        )


def _sum(a: ndarray | None, b: ndarray | None) -> ndarray | None:
    return a + b if a is not None and b is not None else a if b is None else b


def _counted(loss: Loss, batch: Batch) -> int:
    """Return over how many elements of the target a loss takes the mean."""
    target = np.asarray(next(tree_leaves(batch[-1])))
    ignored = target == getattr(loss, "ignore_index", -100) if target.dtype.kind in "iu" else np.False_
    return int(target.size - np.sum(ignored))
