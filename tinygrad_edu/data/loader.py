"""DataLoader: iterate over batches of samples."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.data.datasets import ArrayRows, Collate, Indices, Read, Seed, StreamDataset, samples_from
from tinygrad_edu.data.lazy_batch import Augment, LazyBatch
from tinygrad_edu.data.prefetching import prefetch_map
from tinygrad_edu.data.samplers import Sampler, WeightedRandomSampler, require_indices
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.errors.checks import generator, integer
from tinygrad_edu.errors.hints import KeywordHints

if TYPE_CHECKING:
    from tinygrad_edu.data.batch_types import Batch, Options
else:
    Batch = TypeVar("Batch")

__all__ = ["DataLoader"]

_Array = NDArray[Any]
Order = Indices | tuple[Indices, NDArray[np.uint64]]


class DataLoader(KeywordHints, Generic[Batch]):
    """Iterable over batches: each iteration is an epoch, which takes every sample once, `batch_size` at a time.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...), one dict of them, or one data set
        Arrays of any dtype whose rows are the samples, such as images and labels. Rows of a `FileRows`, or of an h5py
        or zarr data set, are read when their batch is taken. Or one map-style data set, with `__len__` and
        `__getitem__`, whose sample `index` is ``dataset[index]``; or a stream, with `__iter__` only, whose end is the
        end of the epoch. See Notes.
    batch_size : int, default 1
        Number of samples in a batch; the last batch may be smaller.
    shuffle : bool, optional
        Whether each epoch has a new random order; by default, True if `rng` is given without a `sampler`. Without
        shuffling, batches are views of the arrays.
    rng : numpy.random.Generator, optional
        Draws the order at the start of each epoch, and the random numbers of `augment` and of a data set's samples.
    drop_last : bool, default False
        Drop the last batch if it is smaller than `batch_size`.
    augment : callable, optional
        Function of the arrays of some samples (or the dict of arrays) and a generator ``rng=``, which returns arrays of
        the same length. It must change each sample independently: in `fit`, each core and each worker augments the
        samples that it computes.
    transform : callable, optional
        Function of the arrays of a whole batch, applied after `augment`. Its result replaces the batch.
    collate : callable, optional
        Function that joins a list of samples of a data set into a batch; by default `default_collate`. With `collate`,
        a list or an array is a map-style data set.
    sampler : iterable of int, optional
        Draws the ``len(sampler)`` indices of each epoch: `WeightedRandomSampler`, a list, or a class with `__iter__`
        and `__len__`.
    workers : int, default 0
        Number of threads that fetch and collate batches in advance, at most two batches each. A stream is read by one
        thread. With 0, a batch is fetched when it is requested.

    Attributes
    ----------
    dataset : object or None
        The data set, or None for arrays.
    batch_size, shuffle, rng, drop_last, augment, transform, collate, sampler, workers
        The arguments.

    Raises
    ------
    ShapeError
        The arrays differ in length.
    ValueError
        `batch_size` is less than 1, or `workers` is less than 0.
    DataError
        The number of weights of a `WeightedRandomSampler` differs from the number of samples.
    DTypeError
        `batch_size` or `workers` is not an integer, a required `rng` is not a Generator, or ``shuffle=True`` is
        combined with a stream or a `sampler`.

    Notes
    -----
    One array yields arrays, several arrays yield tuples, and a dict yields dicts. Iterations can be nested.

    Equal seeds give equal batches, if nothing draws from another generator. In `fit`, each shard has its own random
    stream for augmentation. To resume an epoch, save its order, the number of batches done, and the generator's state
    ``rng.bit_generator.state``, which the transform and later epochs use; ``batches(order, done)`` yields the rest.

    A data set with random samples must draw only from the parameter `rng` of its `__getitem__` (or `__iter__` for a
    stream). It receives a random stream that depends on the seed of the loader's `rng`, the epoch and the index, but
    not on the batch, on `workers`, or on checkpoints. A sample that a sampler draws several times in an epoch gets
    another stream each time. A parameter with a default, ``rng=None``, is not passed if the loader has no `rng`. A
    checkpoint rejects a data set with its own generator.

    An error in a data set keeps its class, is raised at the position of its batch, and has a note with the index of the
    sample. With `workers`, `__getitem__` and `collate` are called on several threads at once.

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

    A data set that adds new noise to its samples in each epoch:

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

    @overload
    def __init__(self: DataLoader[_Array], x: _Array, /, **options: Unpack[Options]) -> None: ...
    @overload
    def __init__(
        self: DataLoader[tuple[_Array, _Array]], x: _Array, y: _Array, /, **options: Unpack[Options]
    ) -> None: ...
    @overload
    def __init__(
        self: DataLoader[tuple[_Array, ...]],
        x: _Array,
        y: _Array,
        z: _Array,
        /,
        *more: _Array,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(self: DataLoader[dict[str, _Array]], x: dict[str, _Array], /, **options: Unpack[Options]) -> None: ...
    @overload
    def __init__(
        self, *arrays: Any, transform: Callable[..., Batch] | None = None, collate: Collate | None = None,
        **options: Unpack[Options],
    ) -> None: ...  # fmt: skip
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
        for name, function in {"augment": augment, "transform": transform, "collate": collate}.items():
            if not (function is None or callable(function)):
                raise DTypeError(f"DataLoader: {name} must be a function, got {function!r}.")
        for name, flag in {"shuffle": shuffle, "drop_last": drop_last}.items():
            if not isinstance(flag, bool | int | np.bool_ | None):
                raise DTypeError(f"DataLoader: {name} must be True or False, got {flag!r}.")
        self.sampler, self.collate = sampler, collate
        self.shuffle = self._should_shuffle(shuffle, rng)
        needed = self.shuffle or augment is not None or self._source.needs_rng
        self.rng = generator(rng) if needed or rng is not None else None
        self._needs_seed = self.rng is not None and self._source.takes_rng
        self.drop_last, self.augment, self.transform = drop_last, augment, transform

    def _should_shuffle(self, shuffle: bool | None, rng: np.random.Generator | None) -> bool:
        """Return whether each epoch is shuffled. Raise if a stream or a sampler already defines the order."""
        stream = isinstance(self._source, StreamDataset)
        if self.sampler is not None:
            _require_sampler(self.sampler, None if stream else len(self._source))
        if (self.sampler is not None and shuffle) or (stream and (shuffle or self.sampler is not None)):
            given = "a stream" if stream else "the sampler"
            left_out = "shuffle=True and sampler" if stream else "shuffle=True"
            raise DTypeError(f"DataLoader: {given} defines the order of the samples; omit {left_out}.")
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
            return f"DataLoader(stream of samples, batch_size={self.batch_size})"
        order = "shuffled each epoch" if self.shuffle else "in order"
        order = order if self.sampler is None else f"sampled {len(self.sampler)} times by {type(self.sampler).__name__}"
        return f"DataLoader({len(self._source)} samples {order}, batch_size={self.batch_size}: {len(self)} batches)"

    def __iter__(self) -> Iterator[Batch]:
        return self.batches(self.draw_order())

    def draw_order(self) -> Order:
        """Draw the order of an epoch, an argument of `batches`.

        Returns
        -------
        None, ndarray of int, or tuple
            Indices of the samples; None means unshuffled. If the data set takes an ``rng``, a tuple of the indices and
            the seed of this epoch's random streams.

        Raises
        ------
        DataError
            The sampler does not draw ``len(sampler)`` indices, or draws an index that is out of range.
        """
        indices = self._draw_indices()
        return (indices, generator(self.rng).integers(2**64, size=2, dtype=np.uint64)) if self._needs_seed else indices

    def _draw_indices(self) -> Indices:
        if self.sampler is not None:
            drawn = np.asarray(list(islice(self.sampler, len(self.sampler) + 1)))
            if len(drawn) != len(self.sampler):
                raise DataError(
                    f"the sampler must draw {len(self.sampler)} indices, its length, but drew another number."
                )
            return require_indices(drawn, len(self._source))
        return generator(self.rng).permutation(len(self._source)) if self.shuffle else None

    def batches(self, order: Order, start: int = 0) -> Iterator[Any]:
        """Return the batches of an epoch with a given order, after the first `start` batches.

        Parameters
        ----------
        order : None, ndarray of int, shape (N,), or tuple
            Result of `draw_order`; None means unshuffled.
        start : int
            Number of batches to skip, at most all. The skipped samples of a stream are read.

        Raises
        ------
        DTypeError, ValueError
            `start` is not an integer, or is out of range.
        DataError
            `order` does not contain the index of each sample once, or another loader drew it; or the stream is an
            iterator that an earlier epoch has exhausted.

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
        """Return the batches of `batches` without reading their samples, for callers that take only some samples.

        Taking samples uses neither `transform` nor this loader's generator. A data set's samples are fetched with their
        batch.

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
            raise DataError(f"order must be a result of draw_order() of this DataLoader, got {order!r}.")
        if indices is None:
            return None, seed
        found, count = np.asarray(indices), len(self._source)
        if self.sampler is None and not np.array_equal(np.sort(found), np.arange(count)):
            raise DataError(f"order must hold each index from 0 to {count - 1} once, got {order}.")
        return require_indices(found, count), seed

    def _num_samples(self, indices: Indices) -> int:
        """Return the number of samples in an epoch, or an upper bound for a stream."""
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
    is_sized = hasattr(sampler, "__iter__") and hasattr(sampler, "__len__") and not isinstance(sampler, type)
    if isinstance(sampler, Iterator) or not is_sized:
        raise DTypeError(
            f"DataLoader: sampler must have `__iter__` and `__len__`, and be iterable more than once, got a "
            f"{type(sampler).__name__}. Use WeightedRandomSampler, a list of indices, or your own class."
        )
    if isinstance(sampler, WeightedRandomSampler) and count is not None and len(sampler.weights) != count:
        raise DataError(
            f"the sampler must have one weight for each of the {count} samples, got {len(sampler.weights)}."
        )
