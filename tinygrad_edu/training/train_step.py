"""The training step: compute the gradients of one or more batches, clip them, and step the optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial, reduce
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import NonFiniteLossError, OptimizerWarning
from tinygrad_edu.errors.caller import warn_caller
from tinygrad_edu.errors.checks import generator, integer
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.losses.additive import Loss
from tinygrad_edu.optim import MovingAverage, Optimizer, clip_grad_norm
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.parallel.batches import SampledBatch
from tinygrad_edu.parallel.gradients import ShardedGradient, after_hooks
from tinygrad_edu.parallel.shard_sums import Gradients, ShardSum, add_shards
from tinygrad_edu.parallel.workers import ALONE, Workers, require_equal, require_shards
from tinygrad_edu.training.arguments import check_arguments
from tinygrad_edu.training.batches import Batches, as_sampled_batch, has_order, remaining_batches
from tinygrad_edu.training.nonfinite import all_finite, explain_nonfinite
from tinygrad_edu.training.rng_discovery import find_generators
from tinygrad_edu.training.whole_batch import whole_gradient

__all__ = ["Steps", "TrainingStep"]


class TrainingStep(NamedTuple):
    """Result of one optimizer step.

    Parameters
    ----------
    number : int
        Number of the step, from 0.
    loss : float
        Loss before the step.
    samples, batches : int
        Numbers of samples and of batches in the step.

    Examples
    --------
    >>> TrainingStep(0, 0.5, 64, 1).loss
    0.5
    """

    number: int
    loss: float
    samples: int
    batches: int


@dataclass
class Steps:
    """A training setup, whose method `run` takes optimizer steps over an iterable of batches.

    Parameters
    ----------
    model : Module
        The model to train.
    optimizer : Optimizer
        All its parameters are trained: parameters of the model, of the loss if it is a module, and any others.
    loss : callable
        Function or module of the model's output and the target of a batch, which returns a Tensor of one element. It is
        called once per batch. A loss with a denominator, see `nn.additive`, is called in each shard.
    rng : numpy.random.Generator
        Layers such as `nn.Dropout` that were created without a generator draw from it. With `shard_size`, it seeds the
        random stream of each shard, from which all layers draw.
    schedule : callable, optional
        Function of the step number that returns the learning rate.
    max_norm : float, optional
        Maximum norm of all gradients together; they are clipped to it.
    accumulate : int, default 1
        Number of batches in a step. The loss of a step is the mean over its batches: weighted by denominators if the
        loss has one, which equals the loss of one large batch, and otherwise by numbers of samples. The last step of an
        epoch may have fewer batches.
    average : MovingAverage, optional
        Updated after each step.
    shard_size : int, optional
        Declares that the samples are independent in the model, and computes each batch in shards of this size, on
        all cores. By default, batches are computed whole.
    workers : Workers, default ALONE
        Processes that take the same steps and share the shards of each batch, see `parallel.world`. Several require
        `shard_size`.

    Warns
    -----
    OptimizerWarning
        A parameter that gets a gradient is not in the optimizer, or the optimizer holds a parameter that is not in the
        model or the loss and gets no gradient.

    Notes
    -----
    A step updates the weights as ``loss(model(x), y).backward()`` and ``optimizer.step()`` do. Without `shard_size`,
    the bits are the same. With `shard_size`, the sums of the shards have other rounding errors, see
    `parallel.sharded_value_and_grad`; a `data.DataLoader` without a transform then lets each core read and augment the
    samples of its shards. Gradient hooks of parameters run once per step, on the gradients of all its batches.

    Examples
    --------
    >>> from tinygrad_edu import nn, optim
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Linear(2, 1, rng=rng)
    >>> x = rng.random((64, 2)).astype(np.float32)
    >>> batches = [(x, x @ np.array([[1.0], [2.0]], np.float32))]
    >>> steps = Steps(model, optim.SGD(model.parameters(), lr=0.5), nn.mse_loss, rng)
    >>> losses = [step.loss for epoch in range(200) for step in steps.run(batches)]
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
    shard_size: int | None = None
    workers: Workers = ALONE

    def __post_init__(self) -> None:
        check_arguments(model=self.model, optimizer=self.optimizer, loss=self.loss, schedule=self.schedule)
        check_arguments(max_norm=self.max_norm, average=self.average, workers=self.workers)
        generator(self.rng)
        integer("accumulate", self.accumulate, 1)
        require_shards("fit", self.shard_size, self.workers)
        self._gradient: Any = partial(whole_gradient, self.model, self.loss)
        if self.shard_size is not None:
            self._gradient = ShardedGradient(self.model, self.loss, self.shard_size, self.workers)
        self._warned = False

    def run(self, batches: Batches, first: int = 0, epoch: int = 1, done: int = 0) -> Iterator[TrainingStep]:
        """Take one step for every `accumulate` batches, in training mode, and yield the result of each.

        Parameters
        ----------
        batches : iterable of tuple
            Tuples of the inputs of the model, with the target last.
        first : int
            Number of the first step.
        epoch, done : int
            Number of the epoch, and number of its completed batches, for error messages.

        Raises
        ------
        NonFiniteLossError
            The loss or a gradient is not finite. The step is not taken, and is repeated in `detect_anomaly` to find the
            cause: the message names the op that returned the first non-finite number, its inputs, and the line in user
            code that called it, or an array of the batch or the weights that is not finite.
        WorkersDifferError
            The weights or the random state differ between workers.
        """
        weights = [self.model.state_dict(), [tensor.numpy() for tensor in self._trained_tensors()]]
        require_equal(self.workers, {"the weights": weights, "the random numbers": self.rng.bit_generator.state})
        self.model.train()
        order = batches.draw_order() if has_order(batches) else None
        remaining = remaining_batches(batches, order, lazy=self.shard_size is not None)
        idle, generators = self.others(), self._generators()
        for number in count(first):
            group = [as_sampled_batch(batch) for batch in islice(remaining, self.accumulate)]
            if not group:
                self._warn_about_idle(idle if number > first else ())
                return
            if self.schedule is not None:
                self.optimizer.apply_schedule(self.schedule, number)
            # All ranks must get the same bits from clipping and Muon.
            with single_threaded_blas() if self.shard_size is not None else nullcontext():
                loss = self._take_step(group, generators, epoch, done + 1)
            idle = [tensor for tensor in idle if tensor.grad is None]
            done += len(group)
            yield TrainingStep(number, loss, sum(map(len, group)), len(group))

    def _take_step(
        self, batches: list[SampledBatch], generators: list[np.random.Generator], epoch: int, first: int
    ) -> float:
        states = [rng.bit_generator.state for rng in generators]
        tensors = self._trained_tensors()
        loss, gradients = self._value_and_grad(batches, tensors)
        if not (math.isfinite(loss) and all_finite(gradients)):
            for rng, state in zip(generators, states, strict=True):
                rng.bit_generator.state = state
            raise self._nonfinite_error(loss, gradients, batches, epoch, first)
        for tensor, gradient in zip(tensors, gradients, strict=True):
            if tensor.requires_grad:
                tensor.grad = gradient
        self._warn_about_missing(tensors)
        if self.max_norm is not None:
            clip_grad_norm(tensors, self.max_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        return loss

    def _trained_tensors(self) -> list[Tensor]:
        """Return the parameters of the model, of the loss and of the optimizer, without duplicates."""
        of_loss = self.loss.parameters() if isinstance(self.loss, Module) else []
        return list(dict.fromkeys((*self.model.parameters(), *of_loss, *optimizer_parameters(self.optimizer))))

    def _generators(self) -> list[np.random.Generator]:
        """Return the generators that a step may draw from: the model's and the loss's own, unless it has shards."""
        if self.shard_size is not None:
            return [self.rng]
        held = [find_generators(part) for part in (self.model, self.loss)]
        return list({id(rng): rng for rng in (self.rng, *held[0].values(), *held[1].values())}.values())

    def others(self) -> list[Tensor]:
        """Return the optimizer's parameters that are not in the model or the loss."""
        names = parameter_names(self.model, self.loss)
        return [tensor for tensor in self._trained_tensors() if tensor not in names]

    def _warn_about_missing(self, tensors: list[Tensor]) -> None:
        """Warn once if the optimizer does not hold a tensor that got a gradient."""
        held = set(optimizer_parameters(self.optimizer))
        missing = [tensor for tensor in tensors if tensor.grad is not None and tensor not in held]
        if missing:
            names = parameter_names(self.model, self.loss)
            self._warn(
                f"the optimizer does not hold {', '.join(names[tensor] for tensor in missing)}, which got a gradient "
                f"but is not trained. Pass all parameters to the optimizer, or freeze the others with "
                f"requires_grad = False."
            )

    def _warn_about_idle(self, idle: Iterable[Tensor]) -> None:
        """Warn once if the optimizer holds parameters that got no gradient in an epoch."""
        shapes = [str(tensor.shape) for tensor in idle if tensor.requires_grad]
        if shapes:
            self._warn(
                f"the optimizer holds parameters of the shapes {', '.join(shapes)}, which are not in the model or the "
                f"loss and get no gradient. Pass the parameters of the trained model to the optimizer."
            )

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warn_caller(message, OptimizerWarning)

    def _nonfinite_error(
        self, loss: float, gradients: Gradients, batches: list[SampledBatch], epoch: int, first: int
    ) -> NonFiniteLossError:
        """Return the error for a step that is not taken. The states of the generators are restored."""
        last, tensors = first + len(batches) - 1, self._trained_tensors()
        place = f"epoch {epoch}, " + (f"batch {first}" if first == last else f"batches {first} to {last}")
        problem = f"the loss became {loss} in {place}"
        if math.isfinite(loss):
            names = parameter_names(self.model, self.loss)
            name = next(
                names.get(tensor, "a tensor that the optimizer holds")
                for tensor, g in zip(tensors, gradients, strict=True)
                if not all_finite([g])
            )
            problem = f"the gradient of {name} became infinite or NaN in {place}, with a loss of {loss:.6g}"
        whole = [batch.take(slice(len(batch)), np.random.default_rng(0)) for batch in batches]
        # Only on this worker: the others may not repeat the step.
        alone: dict[str, Any] = {} if self.shard_size is None else {"threads": 1, "workers": ALONE}
        again = partial(self._value_and_grad, batches, tensors, **alone)
        cause, help = explain_nonfinite(self.model, whole, first, again)
        looked = "and the step was not taken. The cause, found with detect_anomaly():"
        return NonFiniteLossError(f"{problem}, {looked}\n{cause}\n{help}", problem, cause)

    def _value_and_grad(self, batches: list[SampledBatch], tensors: list[Tensor], **by: Any) -> tuple[float, Gradients]:
        """Return the loss of the batches of a step, and its gradients after the hooks of the tensors."""
        found = (self._gradient(batch, tensors, self.rng, accumulating=len(batches) > 1, **by) for batch in batches)
        total = reduce(_mean, found)
        return total.value, after_hooks(tensors, total.gradients)


def parameter_names(model: Module, loss: Loss) -> dict[Tensor, str]:
    """Return the names of the parameters of a model and of its loss."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    of_loss = loss.named_parameters() if isinstance(loss, Module) else []
    return names | {parameter: f"loss.{name}" for name, parameter in of_loss if parameter not in names}


def optimizer_parameters(optimizer: Optimizer) -> list[Tensor]:
    """Return the parameters of all groups of an optimizer."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _mean(a: ShardSum, b: ShardSum) -> ShardSum:
    """Return the weighted mean of two batches. A batch of weight 0 has no mean, and is skipped."""
    if not (a.weight and b.weight):
        return a if a.weight else b
    weight = a.weight + b.weight
    return add_shards(_scale(a, a.weight / weight), _scale(b, b.weight / weight))


def _scale(part: ShardSum, share: float) -> ShardSum:
    return ShardSum(share * part.value, [None if g is None else share * g for g in part.gradients], part.weight)
