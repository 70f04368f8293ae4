"""The gradient of a batch in shards: each stays in the cache from its forward to the end of its backward.

The cost of a small network is memory traffic, not arithmetic: activations that stay in a core's cache are nearer by,
and memory does not grow with the batch. Shards on threads are the same idea on more cores, and on workers on machines.
"""

import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy import ndarray

from tinygrad_edu._checks import generator, whole_number
from tinygrad_edu.cores.blas import single_threaded_blas
from tinygrad_edu.cores.threads import map_shards
from tinygrad_edu.engine import Tensor, enable_grad, walk
from tinygrad_edu.errors import AnomalyError, NonScalarBackwardError, ShapeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.coupling import can_be_cut, counted_elements, ignores, kind_of_samples
from tinygrad_edu.nn.randomness import random_stream, stream_of, stream_seeds
from tinygrad_edu.nn.samples import as_inputs, inputs_and_target, samples, some_samples
from tinygrad_edu.parallel.pairwise import PairwiseSum, shards, share
from tinygrad_edu.parallel.reducing import sum_over_workers
from tinygrad_edu.parallel.workers import ALONE, Workers
from tinygrad_edu.transforms.trees import tree_leaves

__all__ = ["ArrayBatch", "BatchSum", "Cuttable", "gradient_of_batch", "sharded_value_and_grad"]

Gradients = list[ndarray | None]


class Cuttable(Protocol):
    """A batch of which parts can be taken, each by who computes it."""

    def __len__(self) -> int:
        """Return how many samples there are."""

    def take(self, part: slice, rng: np.random.Generator) -> Any:
        """Return some samples, inputs and last the target; what is random in them is drawn from `rng`."""

    def kind(self, count: int) -> Hashable:
        """Return what the samples are, as far as the first `count` tell: the same for batches that are cut alike."""


class BatchSum(NamedTuple):
    """What came of a batch.

    Attributes
    ----------
    value : float
        The mean loss.
    gradients : list of (ndarray or None)
    counted : float
        Over how many elements of the target the mean is.
    """

    value: float
    gradients: Gradients
    counted: float


class ArrayBatch:
    """A batch of arrays that are all there.

    Raises
    ------
    ShapeError
        They are of different lengths.
    """

    def __init__(self, inputs: tuple[Any, ...], target: Any) -> None:
        self._inputs, self._target, self._count = inputs, target, samples(inputs)
        labels = samples(target)
        if self._count != labels:
            shapes = ", ".join(str(np.shape(leaf)) for leaf in tree_leaves((inputs, target)))
            raise ShapeError(
                f"a batch of {self._count} samples with {labels} labels; it needs one for each. Its arrays have the "
                f"shapes {shapes}."
            )

    def __len__(self) -> int:
        return self._count

    def take(self, part: slice, rng: np.random.Generator | None) -> tuple[Any, ...]:
        """Return some samples, without a copy."""
        return (*some_samples(self._inputs, part), some_samples(self._target, part))

    def kind(self, count: int) -> Hashable:
        """Return what the samples are."""
        return kind_of_samples(self._inputs, count)


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
    """Return the mean loss of a batch and its gradient, computed shard by shard.

    Each shard's forward and backward run to the end before its thread begins the next. The gradients are added in the
    order of one tree, see `pairwise`, and every shard draws from a random stream of its own, so the bits depend neither
    on the number of threads nor on that of the workers. They do depend on the size of the shards.

    Parameters
    ----------
    model : Module
        A model of which one module has ``couples_samples`` set runs unsharded. That no other one couples samples is
        tried out, the first time, on copies of the model; one that cannot be copied runs unsharded, with a warning.
    loss : callable
        Of the model's output and the labels of a shard: the mean over its samples, as a tensor of one element.
    x : (N, ...), or a tuple of inputs
        What the model is called with, N at least 1: one array, or a tuple of several inputs, each of them an array or a
        nest of lists, tuples and dicts of arrays with N rows. A single input that is a nest stands in a tuple, too.
    y : (N, ...)
        The labels: an array, or a nest of them.
    rng : numpy.random.Generator
        Draws the seeds of the streams that `nn.Dropout` draws from.
    shard_size : int
        How many samples make a shard. Smaller ones stay nearer by in memory; each costs some time whatever its size.
    threads : int, optional
        As many as this process may run, unless given.
    workers : Workers, optional
        Processes that compute the same batch on the same weights, each some of its shards: ``parallel.world()``. All of
        them get the result. What runs unsharded, each computes alone.

    Returns
    -------
    value : float
    gradients : list of (ndarray or None)
        One for each of ``model.parameters()``; None where the loss does not depend on it.

    Raises
    ------
    ShapeError
        Where the arrays of the batch are empty or of different lengths.
    CoupledSamplesError
        Where the batch would be cut, and a module couples samples, or writes into what it keeps, and does not say so,
        or the loss is not a mean.
    NonScalarBackwardError
        Where the loss is not one element.
    DTypeError, DataError
        Where `rng` is not a Generator, or `shard_size` or `threads` is not a whole number, or less than 1.
    MissingExtraError
        Where threadpoolctl is not installed.

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
    found = gradient_of_batch(
        model, loss, batch, rng, shard_size=shard_size, threads=threads, workers=ALONE if workers is None else workers
    )
    return found.value, found.gradients


def gradient_of_batch(
    model: Module,
    loss: Callable[[Any, Any], Any],
    batch: Cuttable,
    rng: np.random.Generator,
    *,
    shard_size: int,
    threads: int | None,
    workers: Workers,
    among_others: bool = False,
) -> BatchSum:
    """Return the mean loss of a batch and its gradient, as `sharded_value_and_grad` does of arrays.

    Where `among_others`, a batch of which no element counts is not computed, for its mean would be NaN.
    """
    shard_size = whole_number("shard_size", shard_size, 1)
    generator(rng)
    if not len(batch):
        raise ShapeError("a batch of 0 samples with 0 labels has no mean loss: it needs one sample at least.")
    slices = shards(len(batch), shard_size)

    def few() -> tuple[tuple[Any, ...], Any]:
        inputs, target = inputs_and_target(batch.take(slice(max(shard_size, 2)), np.random.default_rng(0)))
        return tuple(inputs), target

    kind = batch.kind(shard_size)
    cut = len(slices) > 1 and can_be_cut(model, loss, kind, few, shard_size, single_threaded_blas())
    before = rng.bit_generator.state
    threads = workers.threads if threads is None else threads
    if cut:
        step = _Step(model, loss, batch, slices, stream_seeds(rng, len(slices)))
        found = workers.together(lambda: step.in_shards(threads, workers))
        if found is not None:
            return found
        rng.bit_generator.state = before  # what is drawn depends on the batch alone, not on what was tried before it
    return _Step(model, loss, batch, slices, stream_seeds(rng, 1)).whole(among_others, threads)


class _Step:
    """One batch, on its way through a model and back.

    Parameters
    ----------
    slices : list of slice
        Its shards.
    seeds : (S, 4)
        Of their random streams.
    """

    def __init__(
        self, model: Module, loss: Callable[[Any, Any], Any], batch: Cuttable, slices: list[slice], seeds: ndarray
    ) -> None:
        self.model, self.loss, self.batch, self.slices, self.seeds = model, loss, batch, slices, seeds
        self.leaves = [(parameter, parameter._node) for parameter in model.parameters()]  # frozen ones have no node
        self.ignores = False  # whether any shard that was looked at has labels that do not count

    def whole(self, among_others: bool, threads: int) -> BatchSum:
        """Compute the batch as one shard, of which ops share parts among the threads."""
        stream = stream_of(self.seeds[0])
        batch = self.batch.take(slice(len(self.batch)), stream)
        if among_others and not counted_elements(self.loss, batch[-1]):
            return BatchSum(math.nan, [None for _ in self.leaves], 0)
        return _contiguous(next(map_shards(lambda k: self._computed(batch, 1.0, stream), 1, threads)))

    def in_shards(self, threads: int, workers: Workers) -> BatchSum | None:
        """Compute the shards of this worker, and add up those of all. Return None where some labels do not count."""
        count = len(self.slices)
        own = share(count, workers.size, workers.rank)
        total: PairwiseSum[BatchSum] = PairwiseSum(count, _add)
        for k, part in zip(own, map_shards(lambda i: self._shard(own[i]), len(own), threads), strict=True):
            total.push((0, k), part)
        if workers.size == 1:
            found = _contiguous(total.pending[0][1])
        else:
            layout = _Layout([parameter.numpy() for parameter, _ in self.leaves])
            packed = [(block, layout.pack(part)) for block, part in total.pending]
            found = layout.unpack(sum_over_workers(workers, count, packed, layout.like))
        return None if math.isnan(found.counted) else found

    def _shard(self, k: int) -> BatchSum:
        """Return the share of a shard in the mean of the batch."""
        part, stream = self.slices[k], stream_of(self.seeds[k])
        samples = self.batch.take(part, stream)
        self.ignores = self.ignores or ignores(self.loss, inputs_and_target(samples)[1])
        if self.ignores:
            return BatchSum(math.nan, [None for _ in self.leaves], math.nan)
        try:
            return self._computed(samples, (part.stop - part.start) / len(self.batch), stream)
        except AnomalyError as error:
            error.add_note(f"In a shard: rows {part.start} to {part.stop - 1} of the batch.")
            raise

    def _computed(self, samples: tuple[Any, ...], share: float, stream: np.random.Generator) -> BatchSum:
        """Return the loss of some samples and its gradients, each times the share of the batch that they are."""
        inputs, target = inputs_and_target(samples)
        with random_stream(stream), enable_grad():
            result = self.loss(self.model(*as_inputs(inputs)), target)
        if not isinstance(result, Tensor) or result.size != 1:
            what = f"has shape {result.shape}" if isinstance(result, Tensor) else f"is a {type(result).__name__}"
            raise NonScalarBackwardError(
                f"sharded_value_and_grad: the loss of a shard {what}; it is a Tensor of one element."
            )
        node = result._node
        found = walk([(node, np.full(result.shape, share, result.dtype))]) if node is not None else {}
        gradients = [None if node is None else found.get(node) for _, node in self.leaves]
        return BatchSum(share * result.item(), gradients, counted_elements(self.loss, target))


def _add(left: BatchSum, right: BatchSum) -> BatchSum:
    """Return the sum of two parts. The gradients of the left one are written to."""
    gradients = [_added(a, b) for a, b in zip(left.gradients, right.gradients, strict=True)]
    return BatchSum(left.value + right.value, gradients, left.counted + right.counted)


def _added(total: ndarray | None, part: ndarray | None) -> ndarray | None:
    if total is None or part is None:
        return part if total is None else total
    total += part
    return total


def _contiguous(found: BatchSum) -> BatchSum:
    """Return gradients in C order, as workers get them: a matrix product of another layout has other bits."""
    return found._replace(gradients=[None if g is None else np.asarray(g, order="C") for g in found.gradients])


class _Layout:
    """How the sum of a block lies in flat arrays: its numbers, and the gradients in one array of each dtype.

    Parameters
    ----------
    parameters : list of ndarray
        What the gradients are of.

    Attributes
    ----------
    like : list of ndarray
        Arrays of these sizes and dtypes.
    """

    def __init__(self, parameters: list[ndarray]) -> None:
        self._parameters = parameters
        self._dtypes = list(dict.fromkeys(parameter.dtype for parameter in parameters))
        sizes = [sum(p.size for p in parameters if p.dtype == dtype) for dtype in self._dtypes]
        self.like = [np.empty(2 + len(parameters)), *map(np.empty, sizes, self._dtypes)]

    def _views(self, flat: list[ndarray]) -> list[ndarray]:
        """Return the part of the flat arrays that is a parameter's, for each of them."""
        ends, found = dict.fromkeys(self._dtypes, 0), list[ndarray]()
        for p in self._parameters:
            start, ends[p.dtype] = ends[p.dtype], ends[p.dtype] + p.size
            found.append(flat[self._dtypes.index(p.dtype)][start : ends[p.dtype]].reshape(p.shape))
        return found

    def pack(self, part: BatchSum) -> list[ndarray]:
        """Return the flat arrays of a block."""
        # Whoever adds 0.0 to -0.0 gets 0.0; -0.0 leaves all numbers as they are, as a gradient that is missing does.
        flat = [np.full_like(array, -0.0) for array in self.like[1:]]
        for view, gradient in zip(self._views(flat), part.gradients, strict=True):
            if gradient is not None:
                view[...] = gradient
        there = [float(gradient is not None) for gradient in part.gradients]
        return [np.array([part.value, part.counted, *there]), *flat]

    def unpack(self, arrays: list[ndarray]) -> BatchSum:
        """Return the sum that lies in flat arrays."""
        (value, counted, *there), *flat = arrays
        gradients = [view if n else None for view, n in zip(self._views(flat), there, strict=True)]
        return BatchSum(float(value), gradients, float(counted))
