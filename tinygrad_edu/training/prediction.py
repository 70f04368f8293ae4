"""Predict classes."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_arrays, as_tensors, num_samples, take_samples
from tinygrad_edu.parallel import shards
from tinygrad_edu.parallel.sharded_model import ShardedModel
from tinygrad_edu.parallel.workers import ALONE, Workers, map_on_all, require_shards, run_on_all
from tinygrad_edu.shared.pytree import tree_map
from tinygrad_edu.training.arguments import check_arguments
from tinygrad_edu.training.evaluation import arrays_of, evaluating

__all__ = ["predict"]


def predict(
    model: Module, x: Any, threads: int | None = None, workers: Workers = ALONE, *, shard_size: int | None = None
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
        Number of threads that compute shards; by default, the number that this process may run.
    workers : Workers, default ALONE
        Processes with the same model and inputs, which share the shards. All of them get the classes. Several require
        `shard_size`.
    shard_size : int, optional
        Declares that the samples are independent in the model, as in `fit`, and computes them in shards of this
        size. By default, the model is called once, with all samples.

    Raises
    ------
    DTypeError, ShapeError
        `x` is not such an array or tuple, or the model does not return logits for each sample.
    ShardError
        With `shard_size`: as in `fit`.
    """
    check_arguments(model=model, x=x, workers=workers)
    inputs = as_arrays(x if isinstance(x, tuple) else (x,))
    try:
        signature(model.forward).bind(*inputs)
    except TypeError as error:
        raise DTypeError(f"predict: x has {len(inputs)} inputs for {type(model).__name__}: {error}.") from None
    require_shards("predict", shard_size, workers)
    count, sharded = num_samples(inputs), ShardedModel(model)
    threads = workers.threads if threads is None else threads

    def classes(out: Any, part: slice) -> Any:
        return tree_map(lambda logits: _predicted_classes(logits, part.stop - part.start), arrays_of(out))

    def of_shard(part: slice) -> Any:
        return classes(sharded.output(take_samples(inputs, part), part, np.random.default_rng(0)), part)

    def compute() -> list[Any]:
        if shard_size is None:
            return [classes(model(*as_tensors(inputs)), slice(0, count))] if count else []
        parts = shards(count, integer("shard_size", shard_size, 1))
        sharded.begin_batch(model.parameters())
        found = map_on_all(workers, lambda k: of_shard(parts[k]), len(parts), threads)
        run_on_all(workers, sharded.require_unchanged)
        return found

    with evaluating(model):
        found = workers.collective(compute)
    return tree_map(lambda *parts: np.concatenate(parts), *found) if found else np.zeros(0, np.int64)


def _predicted_classes(logits: ndarray, count: int) -> ndarray:
    if logits.shape[:1] != (count,):
        raise ShapeError(f"predict: the model must return logits ({count}, C) for {count} samples, got {logits.shape}.")
    if logits.size == len(logits):  # one logit per sample: argmax would always return 0
        return (logits.reshape(-1) > 0).astype(np.int64)
    classes: ndarray = logits.argmax(axis=1)
    return classes
