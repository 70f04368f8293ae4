"""Evaluation: what a model answers, and the metrics of its answers, in shards on all cores."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import no_grad, values_of
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.samples import as_inputs, samples, some_samples
from tinygrad_edu.parallel import map_shards, shards
from tinygrad_edu.training.batches import Batch, Batches, cut, inputs_and_target
from tinygrad_edu.training.metrics import Metric
from tinygrad_edu.transforms.trees import tree_map

__all__ = ["evaluate", "evaluating", "predict"]

SHARD_SIZE = 128  # larger than in training: there is no way back that wants them in the cache


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
    model: Module, batches: Batches, metrics: Mapping[str, Metric], threads: int | None = None
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
        As many as there are cores, unless given. The bits do not depend on it.

    Returns
    -------
    dict
        The value of each metric, by its name.

    Raises
    ------
    DTypeError, ShapeError
        A batch is no such tuple, or its arrays differ in length; or a metric is a function and no `Metric`.

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
    totals: dict[str, ndarray] = {}
    with evaluating(model):
        for batch in batches:
            for sums in _sums(model, batch, metrics, threads):
                totals = {name: totals[name] + more if totals else more for name, more in sums.items()}
    if metrics and not totals:
        raise DTypeError("evaluate: there are no batches, and so nothing to measure.")
    return {name: metric.value(totals[name]) for name, metric in metrics.items()}


def _sums(
    model: Module, batch: Batch, metrics: Mapping[str, Metric], threads: int | None
) -> Iterator[dict[str, ndarray]]:
    inputs_and_target(batch)  # or it says what a batch is
    parts = cut(batch, _shard_size(model, samples(batch)))

    def of_shard(k: int) -> dict[str, ndarray]:
        inputs, target = inputs_and_target(parts[k])
        outputs, targets = _arrays(model(*as_inputs(inputs))), _arrays(target)
        return {name: metric.sums(outputs, targets) for name, metric in metrics.items()}

    return map_shards(of_shard, len(parts), threads)


def _shard_size(model: Module, count: int) -> int:
    """Return how many samples are computed together: all of them, where one depends on the others."""
    return max(count, 1) if any(module.couples_samples for module in model.modules()) else SHARD_SIZE


def _arrays(nest: Any) -> Any:
    return tree_map(lambda leaf: np.asarray(values_of(leaf)), nest)


def predict(model: Module, x: Any, threads: int | None = None) -> Any:
    """Return the most likely class of each of the images x, as integers (N,). The model is left in its mode.

    Parameters
    ----------
    model : Module
        From images to logits (N, C), or to a nest of them: then the classes are such a nest, too. One logit an image,
        (N,) or (N, 1), is that of class 1 against class 0.
    x : (N, ...), or a tuple of inputs
        Images as the model takes them: one array, or a tuple of several inputs, each of them an array or a nest.
    threads : int, optional
        As many as there are cores, unless given.
    """
    inputs = x if isinstance(x, tuple) else (x,)
    count = samples(inputs)
    slices = shards(count, _shard_size(model, count))

    def of_shard(k: int) -> Any:
        return tree_map(_classes, _arrays(model(*as_inputs(some_samples(inputs, slices[k])))))

    with evaluating(model):
        classes = list(map_shards(of_shard, len(slices), threads))
    return tree_map(lambda *parts: np.concatenate(parts), *classes) if classes else np.zeros(0, np.int64)


def _classes(logits: ndarray) -> ndarray:
    if logits.size == len(logits):  # one each, with which argmax would find the class 0 for all
        return (logits.reshape(-1) > 0).astype(np.int64)
    classes: ndarray = logits.argmax(axis=1)
    return classes
