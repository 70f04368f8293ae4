"""The loss of a batch and its gradient, computed in shards.

Shards run on threads and ranks, and are small, so that the cache of a core can hold their activations. The forward pass
runs in shards, the loss runs on their concatenated outputs, and its gradient is split for the backward pass of each
shard. A loss that declares a denominator is computed in each shard, without concatenation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Node, Tensor, backward_pass, clock, enable_grad, run_hooks
from tinygrad_edu.engine.hooks import hooks_in
from tinygrad_edu.errors import LeafInPlaceError, NonScalarBackwardError, ShapeError
from tinygrad_edu.errors.checks import generator, integer
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import inputs_and_target
from tinygrad_edu.nn.losses.additive import Loss, denominator_of
from tinygrad_edu.nn.randomness import loss_stream, random_stream, stream_of, stream_seeds
from tinygrad_edu.nn.sharding import shard_error
from tinygrad_edu.parallel.allreduce import allreduce_sum
from tinygrad_edu.parallel.batches import ArrayBatch, SampledBatch
from tinygrad_edu.parallel.joined import Detached, detached, has_ops_between, join, shard_cotangents
from tinygrad_edu.parallel.shard_sums import Gradients, PackedSums, ShardSum, add_gradients, add_shards, in_c_order
from tinygrad_edu.parallel.sharded_model import ShardedModel
from tinygrad_edu.parallel.tree_sum import TreeSum, shard_range, shards
from tinygrad_edu.parallel.workers import ALONE, Workers, allgather, run_on_all
from tinygrad_edu.shared.speed.threads import map_shards

__all__ = [
    "ShardedGradient", "after_hooks", "in_order", "leaf_gradients", "require_samples", "roots_of", "scalar",
    "sharded_value_and_grad",
]  # fmt: skip


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

    The call declares that the samples are independent in this model: row i of its output depends only on row i of its
    inputs. `check_module` proves it, with ``samples="independent"``. The gradients of the shards are added in the order
    of one tree (see `tree_sum`), and each shard has its own random stream, so the bits depend on the shard size, but
    not on the number of threads or workers.

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
        result.

    Returns
    -------
    value : float
    gradients : list of (ndarray or None)
        One for each of ``model.parameters()``, or None if the parameter is frozen or the loss does not depend on it.

    Raises
    ------
    ShapeError
        The arrays of the batch are empty or have different lengths.
    ShardError
        A layer couples the samples or gets an input without a sample axis, the output does not have one row per sample,
        or a call changes an attribute or a buffer of the model or the loss.
    NonScalarBackwardError
        The loss is not a Tensor of one element.
    DTypeError, ValueError
        `rng` is not a Generator, or `shard_size` or `threads` is not an integer of at least 1.
    MissingExtraError
        threadpoolctl is not installed.

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
    compute = ShardedGradient(model, loss, shard_size, ALONE if workers is None else workers)
    total = compute(batch, parameters, rng, threads=threads)
    return total.value, after_hooks(parameters, total.gradients)


def after_hooks(tensors: Iterable[Tensor], gradients: Iterable[ndarray | None]) -> Gradients:
    """Apply the tensors' gradient hooks to their total gradients."""
    return [_apply_hooks(t._node, g) for t, g in zip(tensors, gradients, strict=True)]


def _apply_hooks(node: Node | None, g: ndarray | None) -> ndarray | None:
    if g is None or node is None or not hooks_in(node):
        return g
    return np.array(run_hooks(node, g, ndarray))  # copy: a hook may keep a reference to its result


class ShardedGradient:
    """Computes the loss and its gradient for one batch per call, in shards.

    Parameters
    ----------
    model, loss, shard_size, workers
        As in `sharded_value_and_grad`.
    """

    def __init__(self, model: Module, loss: Loss, shard_size: int, workers: Workers = ALONE) -> None:
        self.model, self.loss, self.workers = ShardedModel(model, loss), loss, workers
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
        require_samples(batch)
        workers = self.workers if workers is None else workers
        threads = workers.threads if threads is None else threads
        slices = shards(len(batch), self.shard_size)
        part = _Batch(self, batch, tensors, slices, stream_seeds(generator(rng), len(slices)))
        return workers.collective(lambda: self._compute(part, threads, workers, accumulating))

    def _compute(self, batch: _Batch, threads: int, workers: Workers, accumulating: bool) -> ShardSum:
        self.model.begin_batch(batch.tensors)
        result = batch.additive(threads, workers) if self._is_additive(batch.batch, workers) else None
        if result is None:  # also if a shard has no denominator
            result = batch.joined(threads, workers, accumulating)
        return result

    def _is_additive(self, batch: SampledBatch, workers: Workers) -> bool:
        """Return whether the loss is additive."""
        if isinstance(batch, ArrayBatch):
            return denominator_of(self.loss, batch.target) is not None
        if self._additive is None:  # a lazy batch: try the first sample of the run
            first = run_on_all(workers, lambda: inputs_and_target(batch.take(slice(1), np.random.default_rng(0))))
            self._additive = denominator_of(self.loss, first[1]) is not None
        return self._additive


class _Batch:
    """Forward and backward pass of one batch, given the samples of each shard and the seeds of its random stream."""

    def __init__(
        self,
        owner: ShardedGradient,
        batch: SampledBatch,
        tensors: Sequence[Tensor],
        slices: list[slice],
        seeds: ndarray,
    ) -> None:
        self.model, self.loss = owner.model, owner.loss
        self.batch, self.tensors, self.slices, self.seeds = batch, list(tensors), slices, seeds

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
        run_on_all(workers, self.model.require_unchanged)
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
            return ShardSum(np.nan, [None] * len(self.tensors), np.nan)
        with enable_grad():
            out = self.model.output(inputs, part, stream)
            with self.model.in_shard(part, stream):
                result = scalar(self.loss(out, target))
        scale = denominator / total
        gradients = in_order(self.tensors, leaf_gradients(roots_of(result, scale), self.tensors))
        return ShardSum(scale * result.item(), gradients, denominator)

    # --- Any other loss: computed on the joined outputs ---

    def joined(self, threads: int, workers: Workers, accumulating: bool) -> ShardSum:
        """Return the loss of the joined outputs, and the sum of the gradients of the shards."""
        own = shard_range(len(self.slices), workers.size, workers.rank)
        outputs, own_pairs = run_on_all(workers, lambda: self._outputs(own, threads))
        run_on_all(workers, self.model.require_unchanged)  # before the loss, which may keep a state
        last = next(clock)
        pairs = [part for rank_pairs in allgather(workers, own_pairs) for part in rank_pairs]
        target = self._joined_target([target for _, target in pairs])
        denominator = denominator_of(self.loss, target)
        if accumulating and denominator == 0:
            return ShardSum(np.nan, [None] * len(self.tensors), 0)

        def loss() -> tuple[Any, float, dict[Node, ndarray]]:
            joined_output = join(self.model.name, [out for out, _ in pairs])
            try:
                with random_stream(loss_stream(self.seeds[0])), enable_grad():
                    result = scalar(self.loss(joined_output, target))
            except LeafInPlaceError as error:
                raise shard_error(f"{self.model.name}: the loss changes the output in place") from error
            if result._node is not None and has_ops_between(result._node, self.model.begin, last):
                raise shard_error(f"{self.model.name}: the loss uses other tensors of the forward pass than its output")
            # Backward pass inside the check: on a rank without a shard, the tensor may have a freed graph.
            return joined_output, result.item(), leaf_gradients(roots_of(result), self.tensors)

        joined_output, value, gradients = run_on_all(workers, lambda: next(map_shards(lambda k: loss(), 1, threads)))

        def backward(k: int) -> ShardSum:
            out = outputs[k - own.start]
            outputs[k - own.start] = None  # the backward pass frees its graph
            cotangents = shard_cotangents(joined_output, gradients, out, self.slices[k])
            return ShardSum(0.0, in_order(self.tensors, leaf_gradients(cotangents, self.tensors)), 0.0)

        total = self._sum_shards(backward, threads, workers)
        sums = in_c_order(add_gradients(total.gradients, in_order(self.tensors, gradients)))  # the loss may have some
        return ShardSum(value, sums, len(self.batch) if denominator is None else denominator)

    def _outputs(self, own: range, threads: int) -> tuple[list[Any], list[tuple[Detached, Any]]]:
        """Return the outputs of this rank's shards, and pairs of detached output and target."""
        pairs = list(map_shards(lambda i: self._output_and_target(own[i]), len(own), threads))
        return [out for out, _ in pairs], [(detached(out), target) for out, target in pairs]

    def _output_and_target(self, k: int) -> tuple[Any, Any]:
        stream = stream_of(self.seeds[k])
        inputs, target = inputs_and_target(self.batch.take(self.slices[k], stream))
        with enable_grad():
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


def leaf_gradients(roots: Sequence[tuple[Node, ndarray]], tensors: Sequence[Tensor]) -> dict[Node, ndarray]:
    """Return the gradient of each leaf, given those of the roots, without running the hooks of the tensors."""
    return backward_pass(roots, unhooked=frozenset(t._node for t in tensors if t._node is not None))


def roots_of(loss: Tensor, scale: float = 1.0) -> list[tuple[Node, ndarray]]:
    """Return the node of a scaled loss and its gradient, or nothing for a constant."""
    return [] if loss._node is None else [(loss._node, np.full(loss.shape, scale, loss.dtype))]


def in_order(tensors: Sequence[Tensor], gradients: dict[Node, ndarray]) -> Gradients:
    """Return the gradient of each tensor, or None."""
    return [None if t._node is None else gradients.get(t._node) for t in tensors]


def require_samples(batch: SampledBatch) -> None:
    """Raise for an empty batch."""
    if not len(batch):
        raise ShapeError("the batch has 0 samples and 0 labels; expected at least 1 sample.")


def scalar(result: Any) -> Tensor:
    """Return the loss, or raise unless it is a Tensor of one element."""
    if not isinstance(result, Tensor) or result.size != 1:
        problem = f"has shape {result.shape}" if isinstance(result, Tensor) else f"is a {type(result).__name__}"
        raise NonScalarBackwardError(f"the loss {problem}; expected a Tensor of one element.")
    return result
