"""Batches of samples, to be looped over once an epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu._checks import generator, whole_number
from tinygrad_edu.data.lazy_batch import Augment, LazyBatch
from tinygrad_edu.data.samples import Samples
from tinygrad_edu.errors import DataError
from tinygrad_edu.names import OurKeywords

__all__ = ["DataLoader"]

Order = NDArray[np.intp]


class DataLoader(OurKeywords):
    """The batches of an epoch: each loop over this object takes every sample once, `batch_size` at a time.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...), or one dict of them
        Whose rows are the samples, of any dtype: images and their labels, say. Of a `FileRows`, or a data set of h5py's
        or zarr's, rows are read when a batch of them is taken.
    batch_size : int
        Samples in a batch; the last batch has what is left over.
    shuffle : bool, optional
        Whether each loop has a new order of the samples; by default where there is an `rng`. In their own order,
        batches are views of the arrays.
    rng : numpy.random.Generator, optional
        Draws the orders, each when its loop begins, and what is random in `augment`, and nothing else.
    drop_last : bool
        Leave out a last batch that is smaller than `batch_size`.
    augment : callable, optional
        Of the arrays of some samples (of the dict, where there is one) and a generator, ``rng=``, to arrays of as many
        samples, which the loop is to get instead: what changes each sample alone. `fit` has each core, and each of
        several workers, augment the samples that it computes.
    transform : callable, optional
        Of the arrays of a batch, after that, to what the loop is to get instead: what looks at a batch as a whole.

    Attributes
    ----------
    batch_size, shuffle, rng, drop_last, augment, transform
        As they were given.

    Raises
    ------
    ShapeError
        The arrays differ in length.
    DataError
        `batch_size` is less than 1.
    DTypeError
        `batch_size` is not a whole number, or `rng` is not a Generator where an order is to be drawn.

    Notes
    -----
    One array gives arrays, several give tuples, a dict gives dicts. A loop in a loop over the same object does not
    disturb it.

    One seed gives the same batches, if neither `augment` nor `transform` draws from another generator. In `fit`, what
    is augmented is drawn from a stream of its own for each shard. To go on where an epoch was left,
    keep its order and how many of its batches are done: ``batches(order, done)`` are the others, and the state of the
    generator, ``rng.bit_generator.state``, is what the transform and the next epochs draw from.

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
    ) -> None:
        self._samples = Samples(*arrays)
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.shuffle = rng is not None if shuffle is None else shuffle
        self.rng = generator(rng) if self.shuffle or augment is not None or rng is not None else None
        self.drop_last, self.augment, self.transform = drop_last, augment, transform

    def __len__(self) -> int:
        whole, left_over = divmod(len(self._samples), self.batch_size)
        return whole + (left_over > 0 and not self.drop_last)

    def __repr__(self) -> str:
        order = "in a new order each time" if self.shuffle else "in their order"
        return f"DataLoader({len(self._samples)} samples {order}, batch_size={self.batch_size}: {len(self)} batches)"

    def __iter__(self) -> Iterator[Any]:
        return self._taken(self._lazy(self.draw_order(), 0))

    def draw_order(self) -> Order | None:
        """Draw an order for an epoch: the rows of the samples as `batches` is to take them. None is their own order."""
        return generator(self.rng).permutation(len(self._samples)) if self.shuffle else None

    def batches(self, order: Order | None, start: int = 0) -> Iterator[Any]:
        """Return the batches of an epoch whose order is known, without the first `start`.

        Parameters
        ----------
        order : ndarray of int, shape (N,), or None
            From `draw_order`; None is the order of the samples.
        start : int
            From 0 to the number of batches.

        Raises
        ------
        DataError
            `order` does not hold the number of each sample once, or there are no `start` batches.

        Examples
        --------
        >>> loader = DataLoader(np.arange(6), batch_size=2, rng=np.random.default_rng(0))
        >>> order = loader.draw_order()
        >>> [batch.tolist() for batch in loader.batches(order)]
        [[3, 2], [5, 4], [0, 1]]
        >>> [batch.tolist() for batch in loader.batches(order, start=2)]
        [[0, 1]]
        """
        return self._taken(self.lazy_batches(order, start))

    def lazy_batches(self, order: Order | None, start: int = 0) -> Iterator[LazyBatch]:
        """Return the same batches before their samples are taken, for who takes some of them only.

        Neither `transform` nor the generator of this loader has a part in what is taken of them.

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
        count = len(self._samples)
        if order is not None and not np.array_equal(np.sort(order), np.arange(count)):
            raise DataError(f"an order holds each number from 0 to {count - 1} once, one for each sample; got {order}.")
        return self._lazy(order, whole_number("start", start, 0, len(self)))

    def _lazy(self, order: Order | None, start: int) -> Iterator[LazyBatch]:
        for i in range(start, len(self)):
            rows = range(len(self._samples))[i * self.batch_size : (i + 1) * self.batch_size]
            yield LazyBatch(self._samples, rows if order is None else order[rows.start : rows.stop], self.augment)

    def _taken(self, batches: Iterator[LazyBatch]) -> Iterator[Any]:
        for batch in batches:
            taken: Any = batch.take(slice(len(batch)), self.rng)
            if self.transform is None:
                yield taken
            else:
                yield self.transform(*taken) if isinstance(taken, tuple) else self.transform(taken)
