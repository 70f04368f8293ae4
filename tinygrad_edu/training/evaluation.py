"""Evaluation: what a model answers, and the metrics of its answers, in shards on all cores."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import no_grad, values_of
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.randomness import random_stream, stream_of, stream_seeds
from tinygrad_edu.nn.samples import as_inputs, inputs_and_target, samples, some_samples
from tinygrad_edu.parallel import map_shards, shards
from tinygrad_edu.parallel.gradients import Cuttable
from tinygrad_edu.parallel.pairwise import PairwiseSum, share
from tinygrad_edu.parallel.workers import ALONE, Workers, gather
from tinygrad_edu.training.batches import Batches, cuttable, has_order, untaken
from tinygrad_edu.training.metrics import Metric
from tinygrad_edu.transforms.trees import tree_map

__all__ = ["evaluate", "evaluating", "predict"]

Totals = dict[str, ndarray]

SHARD_SIZE = 96  # fewer calls than with 64, and what a layer leaves is nearer than with 128


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Put a model into evaluation mode inside, without gradients, and each of its modules back into its own afterwards.

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
    metrics: Mapping[str, Metric],
    threads: int | None = None,
    workers: Workers = ALONE,
) -> dict[str, Any]:
    """Return the metrics of a model over all samples of some batches. The model is left in its mode.

    Parameters
    ----------
    model : Module
    batches : iterable of tuple
        The inputs of the model, and last the target: arrays, or nests of them, whose first axis is the samples. They
        are cut into shards: ``[(x, y)]`` is all of a test set, as one batch.
    metrics : dict of str to Metric
        By the name that the result gets.
    threads : int, optional
        As many as this process may run, unless given. The bits do not depend on it.
    workers : Workers
        Processes that evaluate the same model, each on some of the shards; all of them get the metrics.

    Returns
    -------
    dict
        The value of each metric, by its name.

    Raises
    ------
    DTypeError, ShapeError
        A batch is no such tuple, or its arrays differ in length; or a metric is a function and no `Metric`.

    Notes
    -----
    What a model draws while it is evaluated, it draws from streams of their own for each shard, the same each time.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.training import Accuracy, F1Score
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 0])
    >>> evaluate(nn.Identity(), [(x, y)], {"accuracy": Accuracy(), "f1": F1Score(average="micro")})
    {'accuracy': 0.75, 'f1': 0.75}
    """
    for name, metric in metrics.items():
        if not isinstance(metric, Metric):
            raise DTypeError(
                f"evaluate: {name} is {metric!r}, which cannot be added up over batches. Give an instance of a Metric, "
                f"as Accuracy(), or the mean of a function of each sample, Mean(function)."
            )
    order = batches.draw_order() if has_order(batches) else None
    kept = list(batches) if isinstance(batches, Iterator) else batches  # they may be computed once more

    def compute() -> list[Totals]:
        rng, count = np.random.default_rng(0), workers.threads if threads is None else threads
        own = [
            _own_sums(model, batch, metrics, rng, count, workers)
            for batch in map(cuttable, untaken(kept, order))
            if len(batch)
        ]
        return [_added_up(list(of_batch)) for of_batch in zip(*gather(workers, own), strict=True)]

    with evaluating(model):
        totals = workers.together(compute)
    if metrics and not totals:
        raise DTypeError("evaluate: there are no batches, and so nothing to measure.")
    return {name: metric.value(reduce(np.add, [sums[name] for sums in totals])) for name, metric in metrics.items()}


def _own_sums(
    model: Module,
    batch: Cuttable,
    metrics: Mapping[str, Metric],
    rng: np.random.Generator,
    threads: int,
    workers: Workers,
) -> PairwiseSum[Totals]:
    """Return the sums over those shards of a batch that are this worker's."""
    parts = shards(len(batch), _shard_size(model, len(batch)))
    seeds, own = stream_seeds(rng, len(parts)), share(len(parts), workers.size, workers.rank)

    def of_shard(i: int) -> Totals:
        stream = stream_of(seeds[own[i]])
        inputs, target = inputs_and_target(batch.take(parts[own[i]], stream))
        with random_stream(stream):
            outputs = _arrays(model(*as_inputs(inputs)))
        return {name: metric.sums(outputs, _arrays(target)) for name, metric in metrics.items()}

    total: PairwiseSum[Totals] = PairwiseSum(len(parts), _add)
    for k, sums in zip(own, map_shards(of_shard, len(own), threads), strict=True):
        total.push((0, k), sums)
    return total


def _added_up(of_workers: list[PairwiseSum[Totals]]) -> Totals:
    """Return the sums over a batch, of those of each worker."""
    first, *others = of_workers
    for block, sums in (each for other in others for each in other.pending):
        first.push(block, sums)
    return first.pending[0][1]


def _add(a: Totals, b: Totals) -> Totals:
    return {name: a[name] + b[name] for name in a}


def _shard_size(model: Module, count: int) -> int:
    """Return how many samples are computed together: all of them, where one depends on the others."""
    return max(count, 1) if any(module.couples_samples for module in model.modules()) else SHARD_SIZE


def _arrays(nest: Any) -> Any:
    return tree_map(lambda leaf: np.asarray(values_of(leaf)), nest)


def predict(model: Module, x: Any, threads: int | None = None, workers: Workers = ALONE) -> Any:
    """Return the most likely class of each of the images x, as integers (N,). The model is left in its mode.

    Parameters
    ----------
    model : Module
        From images to logits (N, C), or to a nest of them: then the classes are such a nest, too. One logit an image,
        (N,) or (N, 1), is that of class 1 against class 0.
    x : (N, ...), or a tuple of inputs
        Images as the model takes them: one array, or a tuple of several inputs, each of them an array or a nest.
    threads : int, optional
        As many as this process may run, unless given.
    workers : Workers
        Processes that have the same model and images, and read some of them each; all of them get the classes.
    """
    inputs = x if isinstance(x, tuple) else (x,)
    count = samples(inputs)
    slices = shards(count, _shard_size(model, count))

    count_of_threads = workers.threads if threads is None else threads

    def of_shard(k: int) -> Any:
        return tree_map(_classes, _arrays(model(*as_inputs(some_samples(inputs, slices[k])))))

    def compute() -> list[Any]:
        own = share(len(slices), workers.size, workers.rank)
        found = list(map_shards(lambda i: of_shard(own[i]), len(own), count_of_threads))
        return [each for of_worker in gather(workers, found) for each in of_worker]

    with evaluating(model):
        classes = workers.together(compute)
    return tree_map(lambda *parts: np.concatenate(parts), *classes) if classes else np.zeros(0, np.int64)


def _classes(logits: ndarray) -> ndarray:
    if logits.size == len(logits):  # one each, with which argmax would find the class 0 for all
        return (logits.reshape(-1) > 0).astype(np.int64)
    classes: ndarray = logits.argmax(axis=1)
    return classes
