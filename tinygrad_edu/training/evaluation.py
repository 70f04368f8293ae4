"""Evaluate the metrics of a model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import no_grad, values_of
from tinygrad_edu.errors import DTypeError, NonScalarBackwardError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_arrays, as_tensors, inputs_and_target, num_samples
from tinygrad_edu.nn.losses.additive import Loss, denominator_of
from tinygrad_edu.nn.randomness import loss_stream, random_stream, stream_of, stream_seeds
from tinygrad_edu.parallel import shards, single_threaded_blas
from tinygrad_edu.parallel.batches import SampledBatch
from tinygrad_edu.parallel.joined import detached, join
from tinygrad_edu.parallel.sharded_model import ShardedModel
from tinygrad_edu.parallel.tree_sum import TreeSum
from tinygrad_edu.parallel.workers import ALONE, Workers, map_on_all, require_shards, run_on_all
from tinygrad_edu.shared.pytree import tree_map
from tinygrad_edu.training.arguments import argument_error, check_arguments, check_batches, takes
from tinygrad_edu.training.batches import Batches, as_sampled_batch, has_order, is_one_batch, remaining_batches
from tinygrad_edu.training.metrics import Metric

__all__ = ["Metrics", "arrays_of", "as_metric", "evaluate", "evaluating"]

Metrics = Mapping[str, Metric | Loss]
Totals = dict[str, ndarray]


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Context manager: set evaluation mode and disable gradients. On exit, restore the mode of each module.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    >>> with evaluating(model):
    ...     logits = model(np.ones((1, 3), np.float32))
    >>> logits.requires_grad, model.training
    (False, True)
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(
    model: Module,
    batches: Batches,
    metrics: Metrics,
    threads: int | None = None,
    workers: Workers = ALONE,
    *,
    shard_size: int | None = None,
) -> dict[str, Any]:
    """Return the metrics of a model over all samples of some batches. The model's mode is restored.

    Parameters
    ----------
    model : Module
    batches : iterable of tuple
        Tuples of the inputs of the model, with the target last: arrays or pytrees of arrays with N rows. ``[(x, y)]``
        or ``(x, y)`` is a whole test set as one batch.
    metrics : dict of str to Metric or callable
        Metrics by name. A callable is a loss, such as `nn.cross_entropy`: a function of the output and the target of a
        batch that returns a number or a Tensor of one element. Its value is the mean over the batches, weighted by
        denominators if the loss has one, see `nn.additive`, and otherwise by numbers of samples.
    threads : int, optional
        Number of threads that compute shards; by default, the number that this process may run. The bits do not depend
        on it.
    workers : Workers, default ALONE
        Processes that evaluate the same model, each on some of the shards. All of them get the metrics. Several require
        `shard_size`.
    shard_size : int, optional
        Declares that the samples are independent in the model, as in `fit`, and computes batches in shards of this
        size. By default, batches are computed whole: a model can couple samples in evaluation, too.

    Returns
    -------
    dict
        The value of each metric, by name.

    Raises
    ------
    DTypeError, ShapeError
        A batch is not such a tuple, its arrays differ in length, or a metric is neither a `Metric` nor a function.
    ShardError
        With `shard_size`: as in `fit`.
    NonScalarBackwardError
        A function returns neither a Tensor of one element nor a number.

    Notes
    -----
    Layers that draw random numbers in evaluation draw the same ones in each evaluation.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.training import Accuracy
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 0])
    >>> found = evaluate(nn.Identity(), [(x, y)], {"accuracy": Accuracy(), "loss": nn.cross_entropy})
    >>> found["accuracy"], round(found["loss"], 4)
    (0.75, 0.9937)
    """
    check_arguments(model=model, metrics=metrics, workers=workers)
    if not is_one_batch(batches):
        check_batches("batches", batches)
    require_shards("evaluate", shard_size, workers)
    run = _Evaluation(model, {name: as_metric(name, each) for name, each in metrics.items()}, shard_size, workers)
    given: Any = [batches] if is_one_batch(batches) else batches
    order = given.draw_order() if has_order(given) else None
    kept = list(given) if isinstance(given, Iterator) else given  # `compute` may be repeated

    def compute() -> list[Totals]:
        rng = np.random.default_rng(0)
        count = workers.threads if threads is None else threads
        return [
            run.sums(batch, rng, count) for batch in map(as_sampled_batch, remaining_batches(kept, order)) if len(batch)
        ]

    with evaluating(model):
        totals = workers.collective(compute)
    if metrics and not totals:
        raise DTypeError("evaluate: expected at least 1 batch, got none.")
    return {name: each.value(reduce(np.add, [sums[name] for sums in totals])) for name, each in run.metrics.items()}


def as_metric(name: str, metric: Any) -> Metric:
    """Return a metric, or a function as a metric. Raise DTypeError for other values."""
    if isinstance(metric, Metric):
        return metric
    if not takes(2)(metric):
        expected = "an instance of a Metric, such as Accuracy(), or a function of outputs and targets"
        raise argument_error(f"metrics[{name!r}]", f"{expected}, such as nn.cross_entropy", metric)
    return LossValue(metric, name)


@dataclass
class LossValue(Metric):
    """A loss or another function as a metric: its mean over batches.

    Attributes
    ----------
    loss : callable
    name : str
        Name of the metric in messages.
    """

    loss: Loss
    name: str

    def sums(self, outputs: Any, targets: Any) -> ndarray:
        """Return the loss times its weight, and the weight: the denominator, or else the number of samples.

        The outputs are Tensors, not arrays as for other metrics.
        """
        denominator = denominator_of(self.loss, targets)
        weight = num_samples(targets) if denominator is None else denominator
        return np.array([weight * self._number(self.loss(outputs, targets)) if weight else 0.0, weight])

    def _number(self, value: Any) -> float:
        number = np.asarray(values_of(value))
        if number.size != 1 or number.dtype.kind not in "fiub":
            found = f"shape {number.shape}" if number.dtype.kind in "fiub" else f"a {type(value).__name__}"
            raise NonScalarBackwardError(
                f"the metric {self.name} must return a number or a Tensor of one element, got {found}."
            )
        return float(number.item())


class _Evaluation:
    """Computes the metrics of a model, batch by batch."""

    def __init__(self, model: Module, metrics: dict[str, Metric], shard_size: int | None, workers: Workers) -> None:
        losses = [metric.loss for metric in metrics.values() if isinstance(metric, LossValue)]
        self.model, self.metrics, self.workers = ShardedModel(model, *losses), metrics, workers
        self.shard_size = None if shard_size is None else integer("shard_size", shard_size, 1)

    def sums(self, batch: SampledBatch, rng: np.random.Generator, threads: int) -> Totals:
        """Return the sums of a batch, computed in shards or whole."""
        if self.shard_size is None:
            return self._batch_sums(batch, rng)
        parts = shards(len(batch), self.shard_size)
        self.model.begin_batch(self.model.model.parameters())
        return self._sum_shards(batch, parts, stream_seeds(rng, len(parts)), threads)

    def _batch_sums(self, batch: SampledBatch, rng: np.random.Generator) -> Totals:
        """Return the sums of a whole batch."""
        seeds = stream_seeds(rng, 1)
        stream = stream_of(seeds[0])
        inputs, target = inputs_and_target(batch.take(slice(len(batch)), stream))
        with random_stream(stream):
            out = self.model.model(*as_tensors(inputs))
        with random_stream(loss_stream(seeds[0])):
            target = as_arrays(target)
            sums = self._other_sums(self.metrics, out, target)  # before the losses, which may write into the output
            return sums | self._loss_sums(self.metrics, out, target)

    def _sum_shards(
        self, batch: SampledBatch, parts: list[slice], seeds: ndarray, threads: int, names: Collection[str] = ()
    ) -> Totals:
        """Return the sums over the shards of a batch. The named losses get the joined outputs of all shards."""
        of_shards = map_on_all(
            self.workers, lambda k: self._shard_sums(batch, parts, seeds, k, names), len(parts), threads
        )
        run_on_all(self.workers, self.model.require_unchanged)
        missing = {name for sums, _ in of_shards for name in self.metrics.keys() - sums.keys()}
        if any(rest is None for _, rest in of_shards) and missing:  # a loss has no denominator for some targets
            return self._sum_shards(batch, parts, seeds, threads, missing)
        total: TreeSum[Totals] = TreeSum(len(parts), _add)
        for k, (sums, _) in enumerate(of_shards):
            total.push((0, k), {name: each for name, each in sums.items() if name not in missing})
        rest = [each for _, each in of_shards]
        return total.pending[0][1] | run_on_all(self.workers, lambda: self._joined_loss_sums(missing, rest, seeds))

    def _shard_sums(
        self, batch: SampledBatch, parts: list[slice], seeds: ndarray, k: int, names: Collection[str]
    ) -> tuple[Totals, Any]:
        """Return the sums of a shard, and its output and target if a loss requires the whole batch."""
        stream = stream_of(seeds[k])
        inputs, target = inputs_and_target(batch.take(parts[k], stream))
        target = as_arrays(target)
        out = self.model.output(inputs, parts[k], stream)
        now = [name for name, each in self.metrics.items() if name not in names and not _needs_batch(each, target)]
        sums = self._other_sums(now, out, target)
        if len(sums) < len(now):
            with self.model.in_shard(parts[k], stream):
                sums |= self._loss_sums(now, out, target)
        return sums, (detached(out), target) if len(now) < len(self.metrics) else None

    def _joined_loss_sums(self, names: Collection[str], rest: list[Any], seeds: ndarray) -> Totals:
        """Return the sums of the losses that require the outputs of all shards."""
        if not names:
            return {}
        outputs, targets = zip(*rest, strict=True)
        out, target = join("the model", list(outputs)), join("the targets", [detached(each) for each in targets])
        with random_stream(loss_stream(seeds[0])), single_threaded_blas():
            return self._loss_sums(names, out, target)

    def _loss_sums(self, names: Collection[str], out: Any, target: Any) -> Totals:
        metrics = {name: self.metrics[name] for name in names}
        return {name: each.sums(out, target) for name, each in metrics.items() if isinstance(each, LossValue)}

    def _other_sums(self, names: Collection[str], out: Any, target: Any) -> Totals:
        others = {name: self.metrics[name] for name in names if not isinstance(self.metrics[name], LossValue)}
        if not others:
            return {}
        outputs, targets = arrays_of(out), arrays_of(target)
        return {name: each.sums(outputs, targets) for name, each in others.items()}


def _needs_batch(metric: Metric, target: Any) -> bool:
    return isinstance(metric, LossValue) and denominator_of(metric.loss, target) is None


def _add(a: Totals, b: Totals) -> Totals:
    return {name: a[name] + b[name] for name in a}


def arrays_of(nest: Any) -> Any:
    """Return the values of the tensors in a pytree."""
    return tree_map(lambda leaf: np.asarray(values_of(leaf)), nest)
