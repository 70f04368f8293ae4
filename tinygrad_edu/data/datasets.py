"""Map-style data sets, which are indexed, and streams, which are iterated over."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.data.collating import default_collate
from tinygrad_edu.data.prefetching import Stopped
from tinygrad_edu.data.samples import Samples, is_map_style
from tinygrad_edu.errors import DataError, DTypeError, ShapeError
from tinygrad_edu.pytree import tree_map

__all__ = ["ArrayRows", "Collate", "Fetched", "Indices", "MapDataset", "Read", "Seed", "StreamDataset", "samples_from"]

Collate = Callable[[list[Any]], Any]
Indices = NDArray[np.intp] | None
Seed = NDArray[np.uint64] | None


@dataclass
class Fetched:
    """A batch that was fetched, or, with a count of 0, the end of a stream.

    Attributes
    ----------
    batch : Any
        The result of `collate`: a pytree of arrays.
    count : int
        Number of samples.
    """

    batch: Any
    count: int

    def take(self, rows: Any) -> Any:
        """Return rows of every array, as views; all rows are the batch as it is.

        Raises
        ------
        ShapeError
            An array has not one row for each sample.
        """
        if (rows.start, rows.stop) == (0, self.count):
            return self.batch
        return tree_map(lambda leaf: self._rows(leaf, rows), self.batch)

    def _rows(self, leaf: Any, rows: slice) -> Any:
        if np.shape(leaf)[:1] != (self.count,):
            raise ShapeError(
                f"collate joined {self.count} samples, and returned an array of the shape {np.shape(leaf)}. With "
                f"`augment`, every array needs one row for each sample; a `transform` gets whole batches instead."
            )
        return leaf[rows]


Read = Callable[[range, Stopped], Fetched]


class ArrayRows:
    """Arrays whose rows are read ahead, a batch at a time."""

    takes_rng = needs_rng = False

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def reader(self, indices: Indices, seed: Seed, start: int, size: int) -> Read:
        """Return the function that reads the rows at some places of an order. Several threads may call it."""

        def read(places: range, stopped: Stopped) -> Fetched:
            rows = slice(places.start, places.stop)
            return Fetched(self.samples.take(rows if indices is None else indices[rows]), len(places))

        return read


class MapDataset:
    """A map-style data set: sample `index` is ``dataset[index]``.

    Attributes
    ----------
    takes_rng, needs_rng : bool
        Whether its `__getitem__` has a parameter `rng`, and whether that has no default.
    """

    def __init__(self, dataset: Any, collate: Collate) -> None:
        self.dataset, self._collate = dataset, collate
        self.takes_rng, self.needs_rng = _rng_parameter(type(dataset).__getitem__)

    def __len__(self) -> int:
        return len(self.dataset)

    def reader(self, indices: Indices, seed: Seed, start: int, size: int) -> Read:
        """Return the function that fetches the samples at some places of an order. Several threads may call it."""
        repeats = None if indices is None or seed is None else _repeat_counts(indices)

        def sample(place: int) -> Any:
            index = place if indices is None else int(indices[place])
            with _note_place(f"at the sample of index {index}"):
                if seed is None:
                    return self.dataset[index]
                repeat = 0 if repeats is None else int(repeats[place])
                return self.dataset.__getitem__(index, rng=_stream(seed, index, repeat))

        def read(places: range, stopped: Stopped) -> Fetched:
            samples = [sample(place) for place in places if not stopped()]
            drawn = [*places] if indices is None else indices[places.start : places.stop].tolist()
            return _to_batch(self._collate, samples, f"the indices {drawn}", stopped)

        return read


class StreamDataset:
    """A stream: an object with `__iter__` alone, which gives the samples of an epoch in its own order.

    Attributes
    ----------
    takes_rng, needs_rng : bool
        Whether its `__iter__` has a parameter `rng`, and whether that has no default.
    """

    def __init__(self, dataset: Iterable[Any], collate: Collate) -> None:
        self.dataset, self._collate, self._started = dataset, collate, False
        self.takes_rng, self.needs_rng = _rng_parameter(type(dataset).__iter__)

    def __len__(self) -> int:
        raise DTypeError("a DataLoader over a stream has no length: its epoch ends where the stream does.")

    def reader(self, indices: Indices, seed: Seed, start: int, size: int) -> Read:
        """Return the function that reads the next samples of an epoch, without the first `start`, `size` at a time.

        Raises
        ------
        DataError
            The stream is an iterator, and an earlier epoch has used it up.
        """
        if self._started and isinstance(self.dataset, Iterator):
            raise DataError(
                f"a {type(self.dataset).__name__} gives its samples once, and this is the second epoch of a DataLoader "
                f"over it. Give an object whose `__iter__` returns a new iterator each time: a class with a generator "
                f"function `__iter__`."
            )
        self._started = True
        left = self._samples(seed, start, size)

        def read(places: range, stopped: Stopped) -> Fetched:
            samples = [sample for _, sample in zip(places, left, strict=False) if not stopped()]
            return _to_batch(self._collate, samples, f"the samples from number {places.start} of the stream", stopped)

        return read

    def _samples(self, seed: Seed, start: int, size: int) -> Iterator[Any]:
        dataset: Any = self.dataset
        samples = iter(dataset) if seed is None else dataset.__iter__(rng=_stream(seed, 0, 0))
        for number in count():
            with _note_place(f"at sample number {number} of the stream"):
                try:
                    sample = next(samples)
                except StopIteration:
                    break
            if number >= start:
                yield sample
        if number <= start - size:
            raise DataError(
                f"the stream ended after {number} samples, and this epoch goes on after {start}. A stream gives "
                f"the same samples in every run."
            )


def samples_from(arrays: tuple[Any, ...], collate: Collate | None) -> ArrayRows | MapDataset | StreamDataset:
    """Return what a loader takes samples from. Where there is a `collate`, a list or an array is a map-style data set.

    Raises
    ------
    DTypeError
        `collate` was given with several arrays, or a dict of them.
    """
    source = arrays[0] if len(arrays) == 1 else None
    indexed = hasattr(type(source), "__len__") and hasattr(type(source), "__getitem__")
    if is_map_style(source) or (collate is not None and indexed and not isinstance(source, Mapping)):
        return MapDataset(source, collate or default_collate)
    if isinstance(source, Iterable) and not indexed and not hasattr(source, "__array__"):
        return StreamDataset(source, collate or default_collate)
    if collate is not None:
        raise DTypeError(
            "DataLoader: collate joins the samples of one data set, and rows of several arrays are joined already. "
            "Pass a function of a whole batch as transform=."
        )
    return ArrayRows(Samples(*arrays))


def _rng_parameter(function: Any) -> tuple[bool, bool]:
    try:
        found = inspect.signature(function).parameters.get("rng")
    except ValueError:  # of a function in C that does not tell
        found = None
    return found is not None, found is not None and found.default is inspect.Parameter.empty


def _stream(seed: NDArray[np.uint64], index: int, repeat: int) -> np.random.Generator:
    """Return the random stream of a sample. The counter of Philox sets streams apart by 2**128 numbers each."""
    return np.random.Generator(np.random.Philox(key=seed, counter=np.array([0, 0, index, repeat], np.uint64)))


def _repeat_counts(indices: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the number of earlier occurrences of each index: a sampler can draw an index several times."""
    places = np.argsort(indices, kind="stable")
    ordered = indices[places]
    found = np.empty_like(places)
    found[places] = np.arange(len(indices)) - np.searchsorted(ordered, ordered)
    return found


def _to_batch(collate: Collate, samples: list[Any], which: str, stopped: Stopped) -> Fetched:
    if not samples or stopped():
        return Fetched(None, 0)
    with _note_place(f"where the batch of {which} is collated"):
        return Fetched(collate(samples), len(samples))


@contextmanager
def _note_place(place: str) -> Iterator[None]:
    """Add a note with the place to an error."""
    try:
        yield
    except Exception as error:
        error.add_note(f"In a DataLoader, {place}.")
        raise
