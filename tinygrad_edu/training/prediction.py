"""Predict classes."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu._checks import integer
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_arrays, as_tensors, num_samples, take_samples
from tinygrad_edu.nn.sharding import WholeBatchNeeded
from tinygrad_edu.parallel import shards
from tinygrad_edu.parallel.sharded_model import ShardedModel
from tinygrad_edu.parallel.workers import ALONE, Workers, map_on_all
from tinygrad_edu.pytree import tree_map
from tinygrad_edu.training.arguments import check_arguments
from tinygrad_edu.training.evaluation import SHARD_SIZE, arrays_of, evaluating

__all__ = ["predict"]


def predict(
    model: Module, x: Any, threads: int | None = None, workers: Workers = ALONE, *, batch_size: int | None = None
) -> Any:
    """Return the most likely class of each sample of x, as integers (N,). The model's mode is restored.

    Parameters
    ----------
    model : Module
        Model that returns logits (N, C), or a pytree of them; the result is then such a pytree of classes. A single
        logit per sample, (N,) or (N, 1), is the logit of class 1 against class 0.
    x : (N, ...), or a tuple of inputs
        Inputs of the model: one array, or a tuple of arrays or pytrees of arrays.
    threads : int, optional
        Number of threads; by default, the number that this process may run.
    workers : Workers, default ALONE
        Processes with the same model and inputs, which share the samples. All of them get the classes.
    batch_size : int, optional
        Number of samples in a batch, by default all. It affects only models that do not declare
        ``couples_samples = False``.

    Raises
    ------
    DTypeError, ShapeError
        `x` is not such an array or tuple, or the model does not return logits for each sample.

    Warns
    -----
    WholeBatchWarning
        The model has no declaration and no `batch_size` is given, or the model violates its declaration.
    """
    check_arguments(model=model, x=x, workers=workers)
    inputs = as_arrays(x if isinstance(x, tuple) else (x,))
    try:
        signature(model.forward).bind(*inputs)
    except TypeError as error:
        raise DTypeError(f"predict: x has {len(inputs)} inputs for {type(model).__name__}: {error}.") from None
    count, sharded = num_samples(inputs), ShardedModel(model)
    size = max(count, 1) if batch_size is None else integer("batch_size", batch_size, 1)
    threads = workers.threads if threads is None else threads

    def classes(part: slice, cut: bool) -> Any:
        given = take_samples(inputs, part)
        out = sharded.output(given, part, np.random.default_rng(0)) if cut else model(*as_tensors(given))
        return tree_map(lambda logits: _predicted_classes(logits, part.stop - part.start), arrays_of(out))

    def of(parts: list[slice], cut: bool) -> list[Any]:
        return map_on_all(workers, lambda k: classes(parts[k], cut), len(parts), threads)

    def compute() -> list[Any]:
        if size > SHARD_SIZE and count > SHARD_SIZE and sharded.is_sharded():
            sharded.begin_batch(model.parameters())
            try:
                return of(shards(count, SHARD_SIZE), cut=True)
            except WholeBatchNeeded as signal:
                sharded.disable_sharding(str(signal))
        return of(shards(count, size), cut=False)

    with evaluating(model):
        found = workers.collective(compute)
    sharded.warn_once()
    return tree_map(lambda *parts: np.concatenate(parts), *found) if found else np.zeros(0, np.int64)


def _predicted_classes(logits: ndarray, count: int) -> ndarray:
    if logits.shape[:1] != (count,):
        raise ShapeError(f"predict: the model must return logits ({count}, C) for {count} samples, got {logits.shape}.")
    if logits.size == len(logits):  # one logit per sample: argmax would always return 0
        return (logits.reshape(-1) > 0).astype(np.int64)
    classes: ndarray = logits.argmax(axis=1)
    return classes
