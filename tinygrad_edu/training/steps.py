"""Steps of an optimizer: the gradient of one batch or of several together, clipped, and what is averaged after it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import count, islice
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu._checks import generator, whole_number
from tinygrad_edu.errors import NonFiniteLossError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.coupling import Loss
from tinygrad_edu.optim import MovingAverage, Optimizer, clip_grad_norm
from tinygrad_edu.parallel.gradients import BatchSum, Cuttable, Gradients, gradient_of_batch
from tinygrad_edu.parallel.workers import ALONE, Workers, require_alike
from tinygrad_edu.training.batches import Batches, cuttable, has_order, untaken
from tinygrad_edu.training.diagnosis import all_finite, diagnosed

__all__ = ["Steps", "TrainingStep"]


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
    workers : Workers, optional
        Processes that take the same steps on the same weights, and share the shards of each batch: `parallel.world`.

    Notes
    -----
    A batch is computed in shards on all cores, see `parallel.sharded_value_and_grad`; of a `data.DataLoader` without a
    transform, each core takes and augments the samples that it computes. The batches of one step are weighted by their
    elements that count: for labels, those that are not the loss's `ignore_index`.

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
    workers: Workers = ALONE

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
        WorkersDifferError
            The workers have not all the same weights, or do not draw the same random numbers.
        """
        own = {"the weights": self.model.state_dict(), "the random numbers": self.rng.bit_generator.state}
        require_alike(self.workers, own)
        self.model.train()
        remaining = untaken(batches, batches.draw_order() if has_order(batches) else None)
        for number in count(first):
            together = [cuttable(batch) for batch in islice(remaining, self.accumulate)]
            if not together:
                return
            if self.schedule is not None:
                self.optimizer.apply_schedule(self.schedule, number)
            loss = self._take(together, epoch, done + 1)
            done += len(together)
            yield TrainingStep(number, loss, sum(map(len, together)), len(together))

    def _take(self, together: list[Cuttable], epoch: int, first: int) -> float:
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
        self, loss: float, gradients: Gradients, together: list[Cuttable], epoch: int, first: int
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
        whole = [batch.take(slice(len(batch)), np.random.default_rng(0)) for batch in together]
        # Each of the workers looks for itself: who finds it first would let the others wait.
        cause, help = diagnosed(self.model, whole, first, lambda: self._value_and_grad(together, 1, ALONE))
        looked = "and the step was not taken. The cause, looked for with detect_anomaly():"
        return NonFiniteLossError(f"{what}, {looked}\n{cause}\n{help}", what, cause)

    def _value_and_grad(
        self, together: list[Cuttable], threads: int | None = None, workers: Workers | None = None
    ) -> tuple[float, Gradients]:
        """Return the loss and the gradients of several batches, as if they were one."""
        found = (
            gradient_of_batch(
                self.model, self.loss, batch, self.rng,
                shard_size=self.shard_size, threads=threads, workers=workers or self.workers,
                among_others=len(together) > 1,
            )
            for batch in together
        )  # fmt: skip
        total = reduce(_mean, found)
        return total.value, total.gradients


def _mean(a: BatchSum, b: BatchSum) -> BatchSum:
    """Return the mean of two batches, each weighted by its elements that count; where none do, the mean is NaN."""
    if not (a.counted and b.counted):
        return a if a.counted else b
    counted = a.counted + b.counted
    first, second = a.counted / counted, b.counted / counted
    gradients = [_weighted(first, x, second, y) for x, y in zip(a.gradients, b.gradients, strict=True)]
    return BatchSum(first * a.value + second * b.value, gradients, counted)


def _weighted(first: float, a: ndarray | None, second: float, b: ndarray | None) -> ndarray | None:
    parts = [weight * g for weight, g in ((first, a), (second, b)) if g is not None]
    return sum(parts[1:], parts[0]) if parts else None
