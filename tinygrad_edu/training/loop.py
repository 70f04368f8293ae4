"""The training loop: runs epochs, yields each, and resumes from a checkpoint."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import (
    CheckpointError,
    CheckpointWarning,
    DataError,
    DTypeError,
    FitNotRunWarning,
    StateDictError,
)
from tinygrad_edu.errors.caller import warn_caller
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.losses.additive import Loss
from tinygrad_edu.optim import MovingAverage, Optimizer
from tinygrad_edu.parallel.workers import ALONE, Workers, allreduce_any, require_equal
from tinygrad_edu.training.arguments import check_arguments, check_batches
from tinygrad_edu.training.batches import Batches, has_order, is_one_batch, refuse_iterator, remaining_batches
from tinygrad_edu.training.checkpoint_state import has_generators
from tinygrad_edu.training.checkpoints import Checkpoints
from tinygrad_edu.training.evaluation import Metrics, as_metric, evaluate
from tinygrad_edu.training.fields import from_fields
from tinygrad_edu.training.train_step import Steps, TrainingStep

__all__ = ["Epoch", "Epochs", "fit"]


@dataclass(frozen=True)
class Epoch:
    """Result of one epoch.

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 1.
    loss : float
        Mean of the losses of the steps, weighted by their numbers of samples, with dropout and augmentation.
    metrics : dict
        Metrics after the epoch, in evaluation mode and with averaged weights, if there are any. ``"test_accuracy"`` is
        the metric ``accuracy`` on the batches ``test``. Empty if the epoch was not evaluated.
    learning_rate : float
        Learning rate of the last step.
    steps : int
        Number of steps.
    seconds : float
        Time of the training steps, without evaluation.

    Examples
    --------
    >>> Epoch(1, 0.5, {"accuracy": 0.75}, 0.1, 20, 1.5).metrics
    {'accuracy': 0.75}
    """

    epoch: int
    loss: float
    metrics: dict[str, Any]
    learning_rate: float
    steps: int
    seconds: float


@dataclass
class Progress:
    """Progress of a run.

    Attributes
    ----------
    epoch, step : int
        Numbers of completed epochs and steps.
    batches : int
        Number of completed batches of the current epoch, whose order is `order`.
    losses, samples : list
        Losses and numbers of samples of the steps of the current epoch.
    seconds : float
        Time of these steps.
    """

    epoch: int = 0
    step: int = 0
    batches: int = 0
    order: np.ndarray | tuple[Any, ...] | None = None
    losses: list[float] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, step: TrainingStep) -> None:
        """Add the result of a step."""
        self.step += 1
        self.batches += step.batches
        self.losses.append(step.loss)
        self.samples.append(step.samples)


def fit(
    model: Module,
    optimizer: Optimizer,
    loss: Loss,
    batches: Batches,
    epochs: int,
    *,
    rng: np.random.Generator,
    schedule: Callable[[int], float] | None = None,
    max_norm: float | None = None,
    accumulate: int = 1,
    average: MovingAverage | None = None,
    shard_size: int | None = None,
    workers: Workers = ALONE,
    metrics: Metrics | None = None,
    evaluate_on: Mapping[str, Batches] | None = None,
    evaluate_every: int = 1,
    on_step: Callable[[TrainingStep], None] | None = None,
    stop: Callable[[], bool] | None = None,
    history: list[Epoch] | None = None,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
) -> Epochs:
    """Train a model, and return an iterator that trains one epoch at a time and yields its result.

    Nothing is trained until you iterate: ``for epoch in fit(...)``, or ``list(fit(...))``. A step computes the bits of
    ``loss(model(x), y).backward(); optimizer.step()``. With `shard_size`, it uses all cores, see `Steps`.

    Parameters
    ----------
    model : Module
        The model to train.
    optimizer : Optimizer
        All its parameters are trained: parameters of the model, of the loss if it is a module, and any others.
    loss : callable
        Function or module of the model's output and the target of a batch, which returns a Tensor of one element. It is
        called once per batch. A loss with a denominator, see `nn.additive`, is called in each shard.
    batches : iterable of tuple
        Iterated once per epoch: a `data.DataLoader` or a list. A batch is the inputs of the model, then the target.
    epochs : int
        Total number of epochs, including epochs before a checkpoint.
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
        Declares that the samples are independent in the model: row i of its output depends only on row i of its inputs,
        as in evaluation and in PyTorch's DistributedDataParallel. Batches are then computed in shards of this
        size on all cores, in training and in evaluation. 64 is a good size, and less for large samples, such as long
        sequences. `check_module` proves the declaration, with ``samples="independent"``. By default, batches are
        computed whole.
    workers : Workers, default ALONE
        Processes that take the same steps and share the shards of each batch, see `parallel.world`. Each runs the same
        loop, and gets bitwise equal results. Several require `shard_size`.
    metrics : dict of str to Metric or loss, optional
        As in `evaluate`: ``{"accuracy": Accuracy(), "loss": nn.cross_entropy}``. Requires `evaluate_on`.
    evaluate_on : dict of str to iterable of tuple, optional
        Batches on which all metrics are evaluated after an epoch: ``{"test": [(x, y)]}``, ``{"test": (x, y)}`` or
        ``{"test": loader}``.
    evaluate_every : int, default 1
        Number of epochs between evaluations. The last epoch is always evaluated.
    on_step : callable, optional
        Called with the result of each step.
    stop : callable, optional
        Called after each step. If it returns True on any worker, all workers raise KeyboardInterrupt.
    history : list of Epoch, optional
        List to which each epoch is appended before it is yielded. Epochs before a checkpoint are restored to it.
    checkpoints : Checkpoints, optional
        Where to save. A checkpoint is written when the caller requests the next epoch, so it includes changes that the
        caller's loop body made to its own parts. After the last epoch, a checkpoint is always written, also before the
        epoch is yielded; if the caller stops there, a resumed run yields that epoch again. If writing fails, a
        CheckpointWarning is issued and training continues. With several workers, rank 0 writes and reads them.
    resume : bool, default False
        Resume from the last checkpoint, if there is one. The results are bitwise equal to an uninterrupted run; the
        remaining epochs are yielded.

    Returns
    -------
    Epochs
        Iterator over the epochs. It warns if it is deleted before the first epoch.

    Raises
    ------
    DTypeError, ValueError
        `batches` is an iterator, an argument is invalid, or `checkpoints` requires batches that can resume within an
        epoch.
    DataError
        `batches` is empty.
    ShardError
        With `shard_size`: a layer couples the samples or gets an input without a sample axis, the output does not have
        one row per sample, or a call changes an attribute or a buffer. The step is not taken.
    NonFiniteLossError
        The loss or a gradient became infinite or NaN. The message names the epoch, the batch, and the first op that
        returned such a number, with the line in user code that called it.
    WorkersDifferError
        The weights, random numbers or order of samples differ between workers.
    CheckpointError
        The last checkpoint is damaged or belongs to another run or a newer version, or another program uses the
        folder.
        Nothing is changed.

    Examples
    --------
    >>> from tinygrad_edu import data, nn, optim
    >>> from tinygrad_edu.training import Accuracy, EarlyStopping
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2)).astype(np.float32)
    >>> y = (x[:, 0] > x[:, 1]).astype(int)
    >>> model = nn.Linear(2, 2, rng=rng)
    >>> optimizer, stopping = optim.SGD(model.parameters(), lr=0.5), EarlyStopping(model, patience=2)
    >>> loader = data.DataLoader(x, y, batch_size=20, rng=rng)
    >>> settings = {"metrics": {"accuracy": Accuracy()}, "evaluate_on": {"train": [(x, y)]}}
    >>> for epoch in fit(model, optimizer, nn.cross_entropy, loader, 30, rng=rng, **settings):
    ...     if stopping(epoch.loss):
    ...         break
    >>> epoch.metrics["train_accuracy"] > 0.95
    True
    """
    epochs = integer("epochs", epochs, 0)
    steps = Steps(model, optimizer, loss, rng, schedule, max_norm, accumulate, average, shard_size, workers)
    measured: Any
    eval_sets: Any
    measured, eval_sets = ({} if given is None else given for given in (metrics, evaluate_on))
    check_arguments(metrics=measured, evaluate_on=eval_sets, on_step=on_step, stop=stop, history=history)
    check_arguments(checkpoints=checkpoints, resume=resume)
    eval_sets = {name: [each] if is_one_batch(each) else each for name, each in eval_sets.items()}
    check_batches("batches", batches)
    for name, each in eval_sets.items():
        check_batches(f"evaluate_on[{name!r}]", each)
    for name, each in {"the batches": batches, **eval_sets}.items():
        refuse_iterator(name, each)
    if measured and not eval_sets:
        raise DTypeError(
            "fit(): metrics requires evaluate_on, the batches on which they are evaluated, such as "
            'evaluate_on={"test": [(x, y)]}.'
        )
    evaluate_every = integer("evaluate_every", evaluate_every, 1)
    measured = {name: as_metric(name, each) for name, each in measured.items()}
    run = _Run(steps, batches, measured, eval_sets, evaluate_every, [] if history is None else history)
    if checkpoints is not None:
        run.use_checkpoints(checkpoints, resume)
    elif resume:
        raise DTypeError("fit(): resume=True requires checkpoints=Checkpoints(folder).")
    return Epochs(run.epochs(epochs, on_step, stop))


class Epochs(Iterator[Epoch]):
    """Iterator over the epochs of a training run, each of them trained when it is requested.

    Parameters
    ----------
    epochs : iterator of Epoch
        The epochs.

    Examples
    --------
    >>> from tinygrad_edu import nn, optim
    >>> model, batches = nn.Linear(1, 1), [(np.ones((4, 1), np.float32),) * 2]
    >>> epochs = fit(model, optim.SGD(model.parameters()), nn.mse_loss, batches, epochs=2, rng=np.random.default_rng(0))
    >>> type(epochs).__name__, [epoch.epoch for epoch in epochs]
    ('Epochs', [1, 2])
    """

    def __init__(self, epochs: Iterator[Epoch]) -> None:
        self._epochs, self._started = epochs, False

    def __next__(self) -> Epoch:
        self._started = True
        return next(self._epochs)

    def __del__(self) -> None:
        if not self._started:
            warnings.warn(
                "fit() was called, but nothing was trained: it trains while you iterate over its result. Write "
                "for epoch in fit(...), or list(fit(...)).",
                FitNotRunWarning,
                stacklevel=2,
            )


class _Tensors:
    """Checkpoint part for parameters that only the optimizer holds."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self._tensors = tensors

    def state_dict(self) -> dict[str, Any]:
        return {str(k): tensor.numpy().copy() for k, tensor in enumerate(self._tensors)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        shapes = [np.shape(values) for values in saved.values()]
        if shapes != [tensor.shape for tensor in self._tensors]:
            raise StateDictError(f"the optimizer held other parameters than the model, of shapes {shapes}.")
        for tensor, values in zip(self._tensors, saved.values(), strict=True):
            tensor.assign(values)


def _is_order(order: Any) -> bool:
    """Return whether a value can be the order of an epoch: indices, or indices and the seed of random samples."""
    if isinstance(order, tuple):
        return len(order) == 2 and _is_order(order[0]) and isinstance(order[1], np.ndarray) and _is_order(order[1])
    return order is None or (isinstance(order, np.ndarray) and order.dtype.kind in "iu")


@dataclass
class _Run:
    """A training run: its options, data and progress."""

    steps: Steps
    batches: Batches
    metrics: Metrics
    eval_sets: dict[str, Batches]
    evaluate_every: int
    history: list[Epoch]
    progress: Progress = field(default_factory=Progress)
    unseen: bool = False  # whether the caller's loop has not finished with the last epoch in the history
    checkpoints: Checkpoints | None = None
    saved: float = field(default_factory=time.monotonic)  # the time of the last checkpoint, or of the start

    def use_checkpoints(self, checkpoints: Checkpoints, resume: bool) -> None:
        """Add the parts of this run to the checkpoints, lock them, and load the last one if `resume`."""
        if checkpoints.every_steps and not (has_order(self.batches) or isinstance(self.batches, list)):
            raise DTypeError(
                f"fit(): checkpoints every {checkpoints.every_steps} steps require batches that can resume within an "
                f"epoch: a tinygrad_edu.data.DataLoader or a list, got a {type(self.batches).__name__}."
            )
        parts = {"fit": self, "model": self.steps.model, "optimizer": self.steps.optimizer, "rng": self.steps.rng}
        parts |= {"average": self.steps.average} if self.steps.average is not None else {}
        parts |= {"tensors": _Tensors(others)} if (others := self.steps.others()) else {}
        if isinstance(loss := self.steps.loss, Module) and (loss.state_dict() or has_generators(loss)):
            parts["loss"] = loss
        drawn = {"batches": self.batches, **{f"{name}_batches": each for name, each in self.eval_sets.items()}}
        parts |= {name: each for name, each in drawn.items() if has_generators(each)}
        self.checkpoints = checkpoints.with_parts(**parts).for_workers(self.steps.workers)
        self.checkpoints.lock()
        if resume:
            self.checkpoints.load()

    def state_dict(self) -> dict[str, Any]:
        """Return the progress, the history, and the number of samples in a shard, if any."""
        history = [asdict(epoch) for epoch in self.history]
        shards = {"shard_size": self.steps.shard_size}
        return {"progress": vars(self.progress), "history": history, "unseen": self.unseen, **shards}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore a state from `state_dict`."""
        progress = from_fields(Progress, saved["progress"], "the progress")
        counts = min(progress.epoch, progress.step, progress.batches), len(progress.losses) - len(progress.samples)
        if counts[0] < 0 or counts[1] or not _is_order(progress.order):
            raise StateDictError(f"{progress} is not a valid progress.")
        if has_order(self.batches) and progress.batches:
            self._remaining(progress)
        history = [from_fields(Epoch, epoch, "the history") for epoch in saved["history"]]
        if (shard_size := saved.get("shard_size")) != self.steps.shard_size:
            raise StateDictError(f"it was saved with shard_size={shard_size!r}, not {self.steps.shard_size!r}.")
        self.progress, self.history[:], self.unseen = progress, history, bool(history) and saved.get("unseen") is True

    def epochs(
        self, count: int, on_step: Callable[[TrainingStep], None] | None, stop: Callable[[], bool] | None
    ) -> Iterator[Epoch]:
        """Train until `count` epochs are complete, and yield each.

        The last epoch is saved before it is yielded, because the caller may stop there, and again afterwards.
        """
        try:
            while self.unseen or self.progress.epoch < count:
                if not self.unseen:
                    self._train(on_step, stop)
                    number = self.progress.epoch + 1
                    is_evaluated = number == count or number % self.evaluate_every == 0
                    self.history.append(self._finish_epoch(is_evaluated))
                    self.unseen = True
                    if number == count:
                        self._save(always=True)
                yield self.history[-1]
                self.unseen = False
                self._save(always=self.progress.epoch >= count)
        finally:
            if self.checkpoints is not None:
                self.checkpoints.unlock()

    def _train(self, on_step: Callable[[TrainingStep], None] | None, stop: Callable[[], bool] | None) -> None:
        """Take the remaining steps of the current epoch."""
        progress, every = self.progress, self.checkpoints.every_steps if self.checkpoints is not None else None
        last = time.perf_counter()
        for step in self.steps.run(self._batches(), progress.step, progress.epoch + 1, progress.batches):
            progress.add(step)
            progress.seconds += time.perf_counter() - last
            if on_step is not None:
                on_step(step)
            if every is not None and progress.step % every == 0:
                self._save()
            if stop is not None and self._any_rank_stops(stop):
                raise KeyboardInterrupt
            last = time.perf_counter()

    def _any_rank_stops(self, stop: Callable[[], bool]) -> bool:
        workers = self.steps.workers
        return workers.collective(lambda: allreduce_any(workers, stop()))

    def _batches(self) -> Iterator[Any]:
        """Return the remaining batches of this epoch, in a new order or in the order of a checkpoint."""
        if has_order(self.batches) and not self.progress.batches:
            self.progress.order = self.batches.draw_order()
        require_equal(self.steps.workers, {"the order of the samples": [self.progress.order]})
        return self._remaining(self.progress)

    def _remaining(self, progress: Progress) -> Iterator[Any]:
        lazy = self.steps.shard_size is not None
        return remaining_batches(self.batches, progress.order, progress.batches, lazy)

    def _finish_epoch(self, evaluated: bool) -> Epoch:
        """Return the result of the epoch, and begin the next one."""
        progress = self.progress
        if not progress.losses:
            raise DataError(
                "fit(): expected at least 1 batch, got none. A DataLoader with drop_last=True has none if batch_size "
                "exceeds the number of samples."
            )
        epoch = Epoch(
            epoch=progress.epoch + 1,
            loss=float(np.average(progress.losses, weights=progress.samples)),
            metrics=self._evaluate() if evaluated else {},
            learning_rate=self.steps.optimizer.param_groups[0]["lr"],
            steps=len(progress.losses),
            seconds=progress.seconds,
        )
        self.progress = Progress(progress.epoch + 1, progress.step)
        return epoch

    def _evaluate(self) -> dict[str, Any]:
        average = self.steps.average
        with average.swap() if average is not None else nullcontext():
            settings: Any = {"shard_size": self.steps.shard_size, "workers": self.steps.workers}
            found = {
                name: evaluate(self.steps.model, each, self.metrics, **settings)
                for name, each in self.eval_sets.items()
            }
        return {f"{name}_{metric}": value for name, values in found.items() for metric, value in values.items()}

    def _save(self, always: bool = False) -> None:
        if self.checkpoints is None:
            return
        if not always and time.monotonic() - self.saved < self.checkpoints.every_seconds:
            return
        self.saved = time.monotonic()
        if self.steps.workers.rank:
            return
        try:
            self.checkpoints.save()
        except (CheckpointError, DTypeError) as error:  # DTypeError: a value, such as a metric's, cannot be saved
            warn_caller(f"{error} Training continues without it.", CheckpointWarning)
