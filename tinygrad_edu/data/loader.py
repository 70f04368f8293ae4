"""DataLoader: batches of samples, iterated over once an epoch."""

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu._checks import generator, integer
from tinygrad_edu.data.datasets import ArrayRows, Collate, Indices, Read, Seed, StreamDataset, samples_from
from tinygrad_edu.data.lazy_batch import Augment, LazyBatch
from tinygrad_edu.data.prefetching import prefetch_map
from tinygrad_edu.data.samplers import Sampler, WeightedRandomSampler, require_indices
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.names import KeywordHints

__all__ = ["DataLoader"]

Order = Indices | tuple[Indices, NDArray[np.uint64]]


class DataLoader(KeywordHints):
    """The batches of an epoch: each loop over this object takes every sample once, `batch_size` at a time.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...), one dict of them, or one data set
        Arrays, whose rows are the samples, of any dtype: images and their labels, say. Of a `FileRows`, or a data set
        of h5py's or zarr's, rows are read when a batch of them is taken. Or one data set: an object with `__len__` and
        `__getitem__`, whose sample `index` is ``dataset[index]``, or a stream, an object with `__iter__` alone, whose
        end is the end of the epoch. See Notes.
    batch_size : int
        Samples in a batch; the last batch has what is left over.
    shuffle : bool, optional
        Whether each loop has a new order of the samples; by default where there is an `rng` and no `sampler`. In their
        own order, batches are views of the arrays.
    rng : numpy.random.Generator, optional
        Draws the orders, each when its loop begins, and what is random in `augment` and in the samples of a data set,
        and nothing else.
    drop_last : bool
        Leave out a last batch that is smaller than `batch_size`.
    augment : callable, optional
        Of the arrays of some samples (of the dict, where there is one) and a generator, ``rng=``, to arrays of as many
        samples, which the loop is to get instead: what changes each sample alone. `fit` has each core, and each of
        several workers, augment the samples that it computes.
    transform : callable, optional
        Of the arrays of a batch, after that, to what the loop is to get instead: what looks at a batch as a whole.
    collate : callable, optional
        Joins a list of the samples of a data set into a batch; by default `default_collate`. With `collate`, a list or
        an array is a data set, too.
    sampler : iterable of int, optional
        Draws the indices of each epoch, ``len(sampler)`` of them: `WeightedRandomSampler`, a list, or a class with
        `__iter__` and `__len__`.
    workers : int
        Number of threads that fetch and collate batches ahead of the loop, two batches each at most. A stream is read
        by one thread. With 0, a batch is fetched when the loop asks for it.

    Attributes
    ----------
    dataset : object or None
        The data set; None where there are arrays.
    batch_size, shuffle, rng, drop_last, augment, transform, collate, sampler, workers
        As they were given.

    Raises
    ------
    ShapeError
        The arrays differ in length.
    ValueError
        `batch_size` is less than 1, or `workers` is less than 0.
    DataError
        The number of weights of a `WeightedRandomSampler` differs from the number of samples.
    DTypeError
        `batch_size` or `workers` is not an integer, `rng` is not a Generator where something is to be drawn, or
        both a stream or a `sampler` and ``shuffle=True`` are given.

    Notes
    -----
    One array gives arrays, several give tuples, a dict gives dicts. A loop in a loop over the same object does not
    disturb it.

    One seed gives the same batches, if nothing draws from another generator. In `fit`, what is augmented is drawn from
    a stream of its own for each shard. To go on where an epoch was left, keep its order and how many of its batches are
    done: ``batches(order, done)`` are the others, and the state of the generator, ``rng.bit_generator.state``, is what
    the transform and the next epochs draw from.

    A data set with random samples has a parameter `rng` in its `__getitem__` (a stream, in its `__iter__`), and draws
    from nothing else. It gets the random stream of `rng`'s seed, the epoch and the index, so that a sample does not
    depend on the batch, on `workers`, or on a checkpoint before it. A sample that a sampler draws several times in an
    epoch has another stream each time. A parameter with a default, ``rng=None``, is left out where the loader has no
    `rng`. A checkpoint refuses a data set that draws from a generator of its own.

    An error of a data set keeps its class, is raised in the place of its batch, and has a note with the index of the
    sample. With `workers`, `__getitem__` and `collate` are called in several threads at once.

    Examples
    --------
    >>> x, y = np.array([[1.0], [2.0], [3.0]]), np.array([10, 20, 30])
    >>> loader = DataLoader(x, y, batch_size=2)
    >>> for x_batch, y_batch in loader:
    ...     print(x_batch.shape, y_batch)
    (2, 1) [10 20]
    (1, 1) [30]
    >>> shuffled = DataLoader(y, batch_size=3, rng=np.random.default_rng(0), transform=lambda y: y + 1)
    >>> [batch.tolist() for epoch in range(2) for batch in shuffled]
    [[31, 11, 21], [31, 21, 11]]

    A data set, whose samples are noisy in another way in each epoch:

    >>> class Noisy:
    ...     def __len__(self):
    ...         return 3
    ...
    ...     def __getitem__(self, index, rng):
    ...         return x[index] + rng.normal(size=1), y[index]
    >>> noisy = DataLoader(Noisy(), batch_size=2, rng=np.random.default_rng(0), workers=2)
    >>> [labels.tolist() for _, labels in noisy]
    [[30, 10], [20]]
    """

    def __init__(
        self,
        *arrays: Any,
        batch_size: int = 1,
        shuffle: bool | None = None,
        rng: np.random.Generator | None = None,
        drop_last: bool = False,
        augment: Augment | None = None,
        transform: Callable[..., Any] | None = None,
        collate: Collate | None = None,
        sampler: Sampler | None = None,
        workers: int = 0,
    ) -> None:
        self._source = samples_from(arrays, collate)
        self.dataset = None if isinstance(self._source, ArrayRows) else self._source.dataset
        self.batch_size, self.workers = integer("batch_size", batch_size, 1), integer("workers", workers, 0)
        self.sampler, self.collate = sampler, collate
        self.shuffle = self._should_shuffle(shuffle, rng)
        needed = self.shuffle or augment is not None or self._source.needs_rng
        self.rng = generator(rng) if needed or rng is not None else None
        self._needs_seed = self.rng is not None and self._source.takes_rng
        self.drop_last, self.augment, self.transform = drop_last, augment, transform

    def _should_shuffle(self, shuffle: bool | None, rng: np.random.Generator | None) -> bool:
        """Return whether each epoch has a new order, or raise if something else defines the order."""
        stream = isinstance(self._source, StreamDataset)
        if self.sampler is not None:
            _require_sampler(self.sampler, None if stream else len(self._source))
        if (self.sampler is not None and shuffle) or (stream and (shuffle or self.sampler is not None)):
            given = "a stream gives its samples" if stream else "the sampler draws the indices"
            left_out = "shuffle=True and sampler" if stream else "shuffle=True"
            raise DTypeError(f"DataLoader: {given} in an order of its own, so leave out {left_out}.")
        if shuffle is None:
            return rng is not None and self.sampler is None and not stream
        return shuffle

    def __len__(self) -> int:
        return self._num_batches(len(self._source) if self.sampler is None else len(self.sampler))

    def _num_batches(self, samples: int) -> int:
        whole, left_over = divmod(samples, self.batch_size)
        return whole + (left_over > 0 and not self.drop_last)

    def __repr__(self) -> str:
        if isinstance(self._source, StreamDataset):
            return f"DataLoader(a stream of samples, batch_size={self.batch_size})"
        order = "in a new order each time" if self.shuffle else "in their order"
        order = order if self.sampler is None else f"of which a {type(self.sampler).__name__} draws {len(self.sampler)}"
        return f"DataLoader({len(self._source)} samples {order}, batch_size={self.batch_size}: {len(self)} batches)"

    def __iter__(self) -> Iterator[Any]:
        return self.batches(self.draw_order())

    def draw_order(self) -> Order:
        """Draw an order for an epoch, as `batches` takes it.

        Returns
        -------
        None, ndarray of int, or tuple
            The indices of the samples; None is their own order. Where the data set takes an ``rng``, a tuple of that
            and the seed of this epoch's random streams.

        Raises
        ------
        DataError
            The sampler draws another number of indices than its length, or an index that no sample has.
        """
        indices = self._draw_indices()
        return (indices, generator(self.rng).integers(2**64, size=2, dtype=np.uint64)) if self._needs_seed else indices

    def _draw_indices(self) -> Indices:
        if self.sampler is not None:
            drawn = np.asarray(list(islice(self.sampler, len(self.sampler) + 1)))
            if len(drawn) != len(self.sampler):
                raise DataError(f"the sampler has the length {len(self.sampler)}, and does not draw as many indices.")
            return require_indices(drawn, len(self._source))
        return generator(self.rng).permutation(len(self._source)) if self.shuffle else None

    def batches(self, order: Order, start: int = 0) -> Iterator[Any]:
        """Return the batches of an epoch whose order is known, without the first `start`.

        Parameters
        ----------
        order : None, ndarray of int, shape (N,), or tuple
            From `draw_order`; None is the order of the samples.
        start : int
            From 0 to the number of batches. A stream is read up to there.

        Raises
        ------
        DataError
            `order` does not hold the number of each sample once, or is not one of this loader, or there are no `start`
            batches. Or the stream is an iterator, and an earlier epoch has used it up.

        Examples
        --------
        >>> loader = DataLoader(np.arange(6), batch_size=2, rng=np.random.default_rng(0))
        >>> order = loader.draw_order()
        >>> [batch.tolist() for batch in loader.batches(order)]
        [[3, 2], [5, 4], [0, 1]]
        >>> [batch.tolist() for batch in loader.batches(order, start=2)]
        [[0, 1]]
        """
        return self._take_batches(self.lazy_batches(order, start))

    def lazy_batches(self, order: Order, start: int = 0) -> Iterator[LazyBatch]:
        """Return the same batches before their samples are taken, for who takes some of them only.

        Neither `transform` nor the generator of this loader has a part in what is taken of them. The samples of a data
        set are fetched with their batch.

        Parameters
        ----------
        order, start
            As for `batches`.

        Raises
        ------
        DataError
            As for `batches`.

        Examples
        --------
        >>> loader = DataLoader(np.arange(6), np.arange(6) * 10, batch_size=4)
        >>> [batch.take(slice(1, 3), np.random.default_rng(0)) for batch in loader.lazy_batches(None)]
        [(array([1, 2]), array([10, 20])), (array([5]), array([50]))]
        """
        indices, seed = self._check_order(order)
        size, rows = self.batch_size, range(self._num_samples(indices))
        start = integer("start", start, 0, self._num_batches(len(rows)))
        places = (rows[i * size : (i + 1) * size] for i in range(start, self._num_batches(len(rows))))
        if not isinstance(self._source, ArrayRows) or self.workers:
            return self._fetch(self._source.reader(indices, seed, start * size, size), places)
        samples = self._source.samples
        drawn = (part if indices is None else indices[part.start : part.stop] for part in places)
        return (LazyBatch(samples, part, self.augment) for part in drawn)

    def _check_order(self, order: Order) -> tuple[Indices, Seed]:
        """Return the indices and the seed of an order, or raise if `draw_order` cannot have drawn it."""
        has_seed = isinstance(order, tuple) and len(order) == 2 and np.ndim(order[1]) == 1
        indices, seed = order if isinstance(order, tuple) and has_seed else (order, None)
        if has_seed != self._needs_seed or (isinstance(self._source, StreamDataset) and indices is not None):
            raise DataError(f"an order is what draw_order() of this DataLoader returned, and not {order!r}.")
        if indices is None:
            return None, seed
        found, count = np.asarray(indices), len(self._source)
        if self.sampler is None and not np.array_equal(np.sort(found), np.arange(count)):
            raise DataError(f"an order holds each number from 0 to {count - 1} once, one for each sample; got {order}.")
        return require_indices(found, count), seed

    def _num_samples(self, indices: Indices) -> int:
        """Return the number of samples of an epoch. For a stream, return an upper bound."""
        if indices is not None:
            return len(indices)
        return sys.maxsize if isinstance(self._source, StreamDataset) else len(self._source)

    def _fetch(self, read: Read, places: Iterator[range]) -> Iterator[LazyBatch]:
        threads = min(self.workers, 1) if isinstance(self._source, StreamDataset) else self.workers
        for fetched in prefetch_map(read, places, threads):
            if not fetched.count or (self.drop_last and fetched.count < self.batch_size):
                return
            yield LazyBatch(fetched, range(fetched.count), self.augment)

    def _take_batches(self, batches: Iterator[LazyBatch]) -> Iterator[Any]:
        for batch in batches:
            taken: Any = batch.take(slice(len(batch)), self.rng)
            if self.transform is None:
                yield taken
            else:
                yield self.transform(*taken) if isinstance(taken, tuple) else self.transform(taken)


def _require_sampler(sampler: Any, count: int | None) -> None:
    if isinstance(sampler, Iterator) or not (hasattr(sampler, "__iter__") and hasattr(sampler, "__len__")):
        raise DTypeError(
            f"DataLoader: a {type(sampler).__name__} is no sampler, which has `__iter__` and `__len__` and draws new "
            f"indices each time: WeightedRandomSampler, a list of indices, or a class of your own."
        )
    if isinstance(sampler, WeightedRandomSampler) and count is not None and len(sampler.weights) != count:
        raise DataError(f"the sampler has {len(sampler.weights)} weights, and there are {count} samples.")
