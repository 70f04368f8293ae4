"""The loss of a batch and its gradient, computed in shards if the model's samples are independent.

Shards run on threads and ranks, and are small, so that the cache of a core can hold their activations. The forward pass
runs in shards, the loss runs on their concatenated outputs, and its gradient is split for the backward pass of each
shard. A loss that declares a denominator is computed in each shard, without concatenation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu._checks import generator, integer
from tinygrad_edu.cores.threads import map_shards
from tinygrad_edu.engine import Node, Tensor, backward_pass, clock, enable_grad, run_hooks
from tinygrad_edu.errors import AnomalyError, NonScalarBackwardError, ShapeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.additive import denominator_of
from tinygrad_edu.nn.batching import as_tensors, inputs_and_target
from tinygrad_edu.nn.randomness import loss_stream, random_stream, stream_of, stream_seeds
from tinygrad_edu.nn.sample_independence import Loss
from tinygrad_edu.nn.sharding import WholeBatchNeeded
from tinygrad_edu.parallel.allreduce import allreduce_sum
from tinygrad_edu.parallel.batches import ArrayBatch, SampledBatch
from tinygrad_edu.parallel.joined import Detached, detached, has_ops_between, join, shard_cotangents
from tinygrad_edu.parallel.packed import PackedSums
from tinygrad_edu.parallel.shard_sums import Gradients, ShardSum, add_gradients, add_shards, in_c_order
from tinygrad_edu.parallel.sharded_model import ShardedModel
from tinygrad_edu.parallel.tree_sum import TreeSum, shard_range, shards
from tinygrad_edu.parallel.workers import ALONE, Workers, allgather, run_on_all

__all__ = ["LossGradient", "after_hooks", "scalar", "sharded_value_and_grad"]


def sharded_value_and_grad(
    model: Module,
    loss: Callable[[Any, Any], Any],
    x: Any,
    y: Any,
    rng: np.random.Generator,
    *,
    shard_size: int = 64,
    threads: int | None = None,
    workers: Workers | None = None,
) -> tuple[float, Gradients]:
    """Return the value and the gradients of ``loss(model(x), y)``, computed in shards and equal up to rounding.

    A model that declares ``couples_samples = False`` runs in shards, any other model on the whole batch. The gradients
    of the shards are added in the order of one tree (see `tree_sum`), and each shard has its own random stream, so the
    bits depend on the shard size, but not on the number of threads or workers.

    Parameters
    ----------
    model : Module
    loss : callable
        Function of the model's output and the labels that returns a Tensor of one element. It is called once, with the
        outputs of all shards. A loss that declares a denominator, as the means of `nn` do, is called in each shard.
    x : (N, ...), or a tuple of inputs
        Inputs of the model, with N >= 1: one array, or a tuple of inputs, each an array or a pytree of arrays with N
        rows. Wrap a single pytree input in a tuple.
    y : (N, ...)
        Labels: an array or a pytree of arrays.
    rng : numpy.random.Generator
        Draws the seeds of the random streams, which `nn.Dropout` uses.
    shard_size : int, default 64
        Number of samples in a shard.
    threads : int, optional
        Number of threads. Default: `Workers.threads`, this process's share of the cores.
    workers : Workers, optional
        Processes that share the shards of this batch, with the same weights: ``parallel.world()``. All of them get the
        result. If the batch is not sharded, each worker computes all of it.

    Returns
    -------
    value : float
    gradients : list of (ndarray or None)
        One for each of ``model.parameters()``, or None if the parameter is frozen or the loss does not depend on it.

    Raises
    ------
    ShapeError
        The arrays of the batch are empty or have different lengths.
    NonScalarBackwardError
        The loss is not a Tensor of one element.
    DTypeError, ValueError
        `rng` is not a Generator, or `shard_size` or `threads` is not an integer of at least 1.
    MissingExtraError
        threadpoolctl is not installed.

    Warns
    -----
    WholeBatchWarning
        The model has no declaration or violates it in a shard; the batch is then computed whole.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Linear(3, 2, rng=rng)
    >>> x, y = rng.random((64, 3)).astype(np.float32), rng.integers(0, 2, 64)
    >>> value, (weight, bias) = sharded_value_and_grad(model, nn.cross_entropy, x, y, rng)
    >>> whole = nn.cross_entropy(model(x), y)
    >>> whole.backward()
    >>> bool(np.allclose(weight, model.weight.grad)), bool(np.allclose(value, whole.item()))
    (True, True)
    """
    batch = ArrayBatch(x if isinstance(x, tuple) else (x,), y)
    parameters = model.parameters()
    compute = LossGradient(model, loss, shard_size, ALONE if workers is None else workers)
    total = compute(batch, parameters, rng, threads=threads)
    return total.value, after_hooks(parameters, total.gradients)


def after_hooks(tensors: Iterable[Tensor], gradients: Iterable[ndarray | None]) -> Gradients:
    """Apply the tensors' gradient hooks to their total gradients."""
    return [_apply_hooks(t._node, g) for t, g in zip(tensors, gradients, strict=True)]


def _apply_hooks(node: Node | None, g: ndarray | None) -> ndarray | None:
    if g is None or node is None or not node.vjps.hooks:
        return g
    return np.array(run_hooks(node, g, ndarray))  # copy: a hook may keep a reference to its result


class LossGradient:
    """Computes the loss and its gradient for one batch per call.

    Parameters
    ----------
    model, loss, shard_size, workers
        As in `sharded_value_and_grad`.
    """

    def __init__(self, model: Module, loss: Loss, shard_size: int, workers: Workers = ALONE) -> None:
        self.model, self.loss, self.workers = ShardedModel(model), loss, workers
        self.shard_size = integer("shard_size", shard_size, 1)
        self._additive: bool | None = None

    def __call__(
        self,
        batch: SampledBatch,
        tensors: Sequence[Tensor],
        rng: np.random.Generator,
        *,
        threads: int | None = None,
        workers: Workers | None = None,
        accumulating: bool = False,
    ) -> ShardSum:
        """Return the loss of a batch and its gradients with respect to tensors, before their hooks run.

        Parameters
        ----------
        batch : SampledBatch
        tensors : list of Tensor
        rng : numpy.random.Generator
        threads, workers : optional
            Override the values of this object.
        accumulating : bool
            Whether the batch is one of several in a step. If so, a batch with denominator 0, whose mean is NaN, is
            skipped.
        """
        if not len(batch):
            raise ShapeError("the batch has 0 samples and 0 labels; expected at least 1 sample.")
        workers = self.workers if workers is None else workers
        threads = workers.threads if threads is None else threads
        slices, state = shards(len(batch), self.shard_size), generator(rng).bit_generator.state
        if len(slices) > 1 and self.model.is_sharded():
            self.model.begin_batch([*tensors, *(self.loss.buffers() if isinstance(self.loss, Module) else [])])
            sharded = _Batch(self, batch, tensors, slices, stream_seeds(rng, len(slices)))
            result = workers.collective(lambda: self._compute_shards(sharded, threads, workers))
            if isinstance(result, ShardSum):
                return result
            if result is not None:
                self.model.disable_sharding(result)
            rng.bit_generator.state = state  # draw the same numbers as without shards
        whole = _Batch(self, batch, tensors, [slice(len(batch))], stream_seeds(rng, 1))
        result = self._compute_whole(whole, accumulating, threads, workers)
        self.model.warn_once()
        return result

    def _compute_whole(self, batch: _Batch, accumulating: bool, threads: int, workers: Workers) -> ShardSum:
        """Compute the whole batch in one piece, on every rank."""
        computed: list[ShardSum] = []

        def compute() -> ShardSum:
            if not computed:  # if a rank is lost, repeat only the messages: a forward pass may change the model
                computed.extend(map_shards(lambda k: batch.computed(accumulating), 1, threads))
            return computed[0]

        result = workers.collective(lambda: run_on_all(workers, compute))
        return result._replace(gradients=in_c_order(result.gradients))

    def _compute_shards(self, batch: _Batch, threads: int, workers: Workers) -> ShardSum | str | None:
        """Compute a batch in shards. Return None if this batch must be computed whole, or a reason if all must."""
        try:
            additive = self._is_additive(batch.batch, workers)
            return batch.additive(threads, workers) if additive else batch.joined(threads, workers)
        except WholeBatchNeeded as signal:
            return str(signal)

    def _is_additive(self, batch: SampledBatch, workers: Workers) -> bool:
        """Return whether the loss is additive. If a shard then has no denominator, the batch is computed whole."""
        if isinstance(batch, ArrayBatch):
            return denominator_of(self.loss, batch.target) is not None
        if self._additive is None:  # a lazy batch: try the first sample of the run
            first = run_on_all(workers, lambda: inputs_and_target(batch.take(slice(1), np.random.default_rng(0))))
            self._additive = denominator_of(self.loss, first[1]) is not None
        return self._additive


class _Batch:
    """Forward and backward pass of one batch, given the samples of each shard and the seeds of its random stream."""

    def __init__(
        self, owner: LossGradient, batch: SampledBatch, tensors: Sequence[Tensor], slices: list[slice], seeds: ndarray
    ) -> None:
        self.model, self.loss = owner.model, owner.loss
        self.batch, self.tensors, self.slices, self.seeds = batch, tensors, slices, seeds
        self.nodes = [t._node for t in tensors]
        self.leaves = frozenset(node for node in self.nodes if node is not None)

    # --- The whole batch ---

    def computed(self, accumulating: bool) -> ShardSum:
        """Compute the batch in one piece."""
        stream = stream_of(self.seeds[0])
        inputs, target = inputs_and_target(self.batch.take(self.slices[0], stream))
        denominator = denominator_of(self.loss, target)
        if accumulating and denominator == 0:
            return ShardSum(np.nan, [None] * len(self.nodes), 0)
        with random_stream(stream), enable_grad():
            out = self.model.model(*as_tensors(inputs))
        result = self._loss(out, target)
        gradients = self._leaf_gradients(self._backward(result, 1.0))
        return ShardSum(result.item(), gradients, len(self.batch) if denominator is None else denominator)

    def _loss(self, out: Any, target: Any) -> Tensor:
        """Compute the loss of the whole batch, with its own random stream."""
        with random_stream(loss_stream(self.seeds[0])), enable_grad():
            return scalar(self.loss(out, target))

    def _backward(self, result: Tensor, scale: float) -> dict[Node, ndarray]:
        """Return the gradient of the scaled loss for each leaf, without running the hooks of the leaves."""
        node = result._node
        if node is None:
            return {}
        return backward_pass([(node, np.full(result.shape, scale, result.dtype))], unhooked=self.leaves)

    def _leaf_gradients(self, gradients: dict[Node, ndarray]) -> Gradients:
        return [None if node is None else gradients.get(node) for node in self.nodes]

    # --- A loss with a denominator: shards are computed separately ---

    def additive(self, threads: int, workers: Workers) -> ShardSum | None:
        """Return the sum over the shards. A thread finishes a shard's backward pass before it begins the next shard.

        Return None if the denominator of a shard is 0: its mean is NaN, but the mean of the batch is not.
        """
        is_total_known = isinstance(self.batch, ArrayBatch)
        total = denominator_of(self.loss, self.batch.target) if isinstance(self.batch, ArrayBatch) else len(self.batch)
        if total is None or not total > 0:
            return None
        result = self._sum_shards(lambda k: self._additive_shard(k, total), threads, workers)
        if not result.weight > 0:
            return None
        if is_total_known or result.weight == total:
            return result
        scale = total / result.weight  # the total denominator is known only now
        gradients: Gradients = [None if g is None else np.multiply(g, scale, out=g) for g in result.gradients]
        return ShardSum(result.value * scale, gradients, result.weight)

    def _additive_shard(self, k: int, total: float) -> ShardSum:
        part, stream = self.slices[k], stream_of(self.seeds[k])
        inputs, target = inputs_and_target(self.batch.take(part, stream))
        denominator = denominator_of(self.loss, target)
        if denominator is None or not denominator > 0:
            return ShardSum(np.nan, [None] * len(self.nodes), np.nan)
        with _note_rows(part), enable_grad():
            out = self.model.output(inputs, part, stream)
            with self.model.in_shard("the loss of its output for a shard", stream):
                result = scalar(self.loss(out, target))
            scale = denominator / total
            return ShardSum(scale * result.item(), self._leaf_gradients(self._backward(result, scale)), denominator)

    # --- Any other loss: computed on the joined outputs ---

    def joined(self, threads: int, workers: Workers) -> ShardSum:
        """Return the loss of the joined outputs, and the sum of the gradients of the shards."""
        own = shard_range(len(self.slices), workers.size, workers.rank)
        outputs, own_pairs = run_on_all(workers, lambda: self._outputs(own, threads))
        last = next(clock)
        pairs = [part for rank_pairs in allgather(workers, own_pairs) for part in rank_pairs]

        def loss() -> tuple[Any, float, dict[Node, ndarray]]:
            joined_output = join(self.model.name, [out for out, _ in pairs])
            with self.model.loss_errors():
                result = self._loss(joined_output, self._joined_target([target for _, target in pairs]))
                if result._node is not None and has_ops_between(result._node, self.model.begin, last):
                    raise WholeBatchNeeded(
                        f"{self.model.name}: the loss uses tensors from the forward pass other than its output"
                    )
                # Backward pass inside the check: on a rank without a shard, the tensor may have a freed graph.
                return joined_output, result.item(), self._backward(result, 1.0)

        joined_output, value, gradients = run_on_all(workers, lambda: next(map_shards(lambda k: loss(), 1, threads)))

        def backward(k: int) -> ShardSum:
            out = outputs[k - own.start]
            outputs[k - own.start] = None  # the backward pass frees its graph
            cotangents = shard_cotangents(joined_output, gradients, out, self.slices[k])
            return ShardSum(0.0, self._leaf_gradients(backward_pass(cotangents, unhooked=self.leaves)), 0.0)

        total = self._sum_shards(backward, threads, workers)
        sums = add_gradients(total.gradients, self._leaf_gradients(gradients))  # the loss may have parameters
        return ShardSum(value, in_c_order(sums), len(self.batch))

    def _outputs(self, own: range, threads: int) -> tuple[list[Any], list[tuple[Detached, Any]]]:
        """Return the outputs of this rank's shards, and pairs of detached output and target."""
        pairs = list(map_shards(lambda i: self._output_and_target(own[i]), len(own), threads))
        return [out for out, _ in pairs], [(detached(out), target) for out, target in pairs]

    def _output_and_target(self, k: int) -> tuple[Any, Any]:
        stream = stream_of(self.seeds[k])
        inputs, target = inputs_and_target(self.batch.take(self.slices[k], stream))
        with _note_rows(self.slices[k]), enable_grad():
            out = self.model.output(inputs, self.slices[k], stream)
        return out, None if isinstance(self.batch, ArrayBatch) else target

    def _joined_target(self, parts: list[Any]) -> Any:
        if isinstance(self.batch, ArrayBatch):
            return self.batch.target
        return join("the target", [detached(part) for part in parts])

    def _sum_shards(self, compute_shard: Callable[[int], ShardSum], threads: int, workers: Workers) -> ShardSum:
        """Compute this rank's shards, and return the sum over the shards of all ranks."""
        count = len(self.slices)
        own = shard_range(count, workers.size, workers.rank)
        total: TreeSum[ShardSum] = TreeSum(count, add_shards)

        def compute() -> None:
            for k, part in zip(own, map_shards(lambda i: compute_shard(own[i]), len(own), threads), strict=True):
                total.push((0, k), part)

        run_on_all(workers, compute)
        if workers.size == 1:
            result = total.pending[0][1]
            return result._replace(gradients=in_c_order(result.gradients))
        layout = PackedSums([t.numpy() for t in self.tensors])
        packed = [(block, layout.pack(part)) for block, part in total.pending]
        return layout.unpack(allreduce_sum(workers, count, packed, layout.like))


def scalar(result: Any) -> Tensor:
    """Return the loss, or raise unless it is a Tensor of one element."""
    if not isinstance(result, Tensor) or result.size != 1:
        problem = f"has shape {result.shape}" if isinstance(result, Tensor) else f"is a {type(result).__name__}"
        raise NonScalarBackwardError(f"the loss {problem}; expected a Tensor of one element.")
    return result


@contextmanager
def _note_rows(part: slice) -> Iterator[None]:
    try:
        yield
    except AnomalyError as error:
        error.add_note(f"In a shard: rows {part.start} to {part.stop - 1} of the batch.")
        raise
