"""The loss of a whole batch and its gradient, as in a loop by hand."""

from collections.abc import Sequence

import numpy as np

from tinygrad_edu.engine import Tensor, enable_grad
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_tensors, inputs_and_target
from tinygrad_edu.nn.losses.additive import Loss, denominator_of
from tinygrad_edu.nn.randomness import default_stream
from tinygrad_edu.parallel.batches import SampledBatch
from tinygrad_edu.parallel.gradients import in_order, leaf_gradients, require_samples, roots_of, scalar
from tinygrad_edu.parallel.shard_sums import ShardSum


def whole_gradient(
    model: Module, loss: Loss, batch: SampledBatch, tensors: Sequence[Tensor], rng: np.random.Generator,
    accumulating: bool = False,
) -> ShardSum:  # fmt: skip
    """Return the loss of a batch and its gradients with respect to tensors, before their hooks run.

    Parameters
    ----------
    model, loss
    batch : SampledBatch
    tensors : list of Tensor
    rng : numpy.random.Generator
        Layers that were created without a generator draw from it.
    accumulating : bool
        Whether the batch is one of several in a step. If so, a batch with denominator 0, whose mean is NaN, is skipped.
    """
    require_samples(batch)
    inputs, target = inputs_and_target(batch.take(slice(len(batch)), rng))
    denominator = denominator_of(loss, target)
    if accumulating and denominator == 0:
        return ShardSum(np.nan, [None] * len(tensors), 0)
    with default_stream(rng), enable_grad():
        result = scalar(loss(model(*as_tensors(inputs)), target))
    gradients = in_order(tensors, leaf_gradients(roots_of(result), tensors))
    return ShardSum(result.item(), gradients, len(batch) if denominator is None else denominator)
