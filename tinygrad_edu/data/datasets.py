"""Map-style data sets, which are indexed, and streams, which are iterated."""

from __future__ import annotations

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
from tinygrad_edu.shared.pytree import tree_map

Collate = Callable[[list[Any]], Any]
Indices = NDArray[np.intp] | None
Seed = NDArray[np.uint64] | None


@dataclass
class Fetched:
    """A fetched batch, or the end of a stream if `count` is 0.

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
        """Return rows of every array, as views. If all rows are taken, return the batch unchanged.

        Raises
        ------
        ShapeError
            An array does not have one row per sample.
        """
        if (rows.start, rows.stop) == (0, self.count):
            return self.batch
        return tree_map(lambda leaf: self._rows(leaf, rows), self.batch)

    def _rows(self, leaf: Any, rows: slice) -> Any:
        if np.shape(leaf)[:1] != (self.count,):
            raise ShapeError(
                f"collate got {self.count} samples, and returned an array of shape {np.shape(leaf)}. With `augment`, "
                f"every array must have one row per sample. Use `transform` to change whole batches."
            )
        return leaf[rows]


Read = Callable[[range, Stopped], Fetched]


class ArrayRows:
    """Arrays whose rows are prefetched, a batch at a time."""

    takes_rng = needs_rng = False

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def reader(self, indices: Indices, seed: Seed, start: int, size: int) -> Read:
        """Return a function that reads the rows at some positions of an order. It is thread-safe."""

        def read(places: range, stopped: Stopped) -> Fetched:
            rows = slice(places.start, places.stop)
            return Fetched(self.samples.take(rows if indices is None else indices[rows]), len(places))

        return read


class MapDataset:
    """A map-style data set: sample `index` is ``dataset[index]``.

    Attributes
    ----------
    takes_rng, needs_rng : bool
        Whether `__getitem__` has a parameter `rng`, and whether that parameter has no default.
    """

    def __init__(self, dataset: Any, collate: Collate) -> None:
        self.dataset, self._collate = dataset, collate
        self.takes_rng, self.needs_rng = _rng_parameter(type(dataset).__getitem__)

    def __len__(self) -> int:
        return len(self.dataset)

    def reader(self, indices: Indices, seed: Seed, start: int, size: int) -> Read:
        """Return a function that fetches the samples at some positions of an order. It is thread-safe."""
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
    """A stream: an object with `__iter__` only, which yields the samples of an epoch in its own order.

    Attributes
    ----------
    takes_rng, needs_rng : bool
        Whether `__iter__` has a parameter `rng`, and whether that parameter has no default.
    """

    def __init__(self, dataset: Iterable[Any], collate: Collate) -> None:
        self.dataset, self._collate, self._started = dataset, collate, False
        self.takes_rng, self.needs_rng = _rng_parameter(type(dataset).__iter__)

    def __len__(self) -> int:
        raise DTypeError("a DataLoader over a stream has no length: its epoch ends with the stream.")

    def reader(self, indices: Indices, seed: Seed, start: int, size: int) -> Read:
        """Return a function that reads the next samples of an epoch, `size` at a time, after the first `start`.

        Raises
        ------
        DataError
            The stream is an iterator that an earlier epoch has exhausted.
        """
        if self._started and isinstance(self.dataset, Iterator):
            raise DataError(
                f"a {type(self.dataset).__name__} can be iterated once, but this is the second epoch of its "
                f"DataLoader. Pass an object whose `__iter__` returns a new iterator each time, such as a class with a "
                f"generator function `__iter__`."
            )
        self._started = True
        left = self._samples(seed, start, size)

        def read(places: range, stopped: Stopped) -> Fetched:
            samples = [sample for _, sample in zip(places, left, strict=False) if not stopped()]
            return _to_batch(self._collate, samples, f"samples {places.start} and later of the stream", stopped)

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
                f"the stream ended after {number} samples, but this epoch continues after {start}. A stream must "
                f"yield the same samples in every run."
            )


def samples_from(arrays: tuple[Any, ...], collate: Collate | None) -> ArrayRows | MapDataset | StreamDataset:
    """Return the source of a loader's samples. With `collate`, a list or an array is a map-style data set.

    Raises
    ------
    DTypeError
        `collate` is given with several arrays, or a dict of arrays.
    """
    source = arrays[0] if len(arrays) == 1 else None
    indexed = hasattr(type(source), "__len__") and hasattr(type(source), "__getitem__")
    if is_map_style(source) or (collate is not None and indexed and not isinstance(source, Mapping)):
        return MapDataset(source, collate or default_collate)
    if isinstance(source, Iterable) and not indexed and not hasattr(source, "__array__"):
        return StreamDataset(source, collate or default_collate)
    if collate is not None:
        raise DTypeError(
            "DataLoader: collate requires a single data set, because a batch of several arrays needs no collation. "
            "Pass a function of a whole batch as transform=."
        )
    return ArrayRows(Samples(*arrays))


def _rng_parameter(function: Any) -> tuple[bool, bool]:
    try:
        found = inspect.signature(function).parameters.get("rng")
    except ValueError:  # a C function without a signature
        found = None
    return found is not None, found is not None and found.default is inspect.Parameter.empty


def _stream(seed: NDArray[np.uint64], index: int, repeat: int) -> np.random.Generator:
    """Return the random stream of a sample. Its range of Philox's counter holds 2**128 numbers."""
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
    with _note_place(f"while collating the batch of {which}"):
        return Fetched(collate(samples), len(samples))


@contextmanager
def _note_place(place: str) -> Iterator[None]:
    """Add a note with the index or number of the sample to an error."""
    try:
        yield
    except Exception as error:
        error.add_note(f"In a DataLoader, {place}.")
        raise
