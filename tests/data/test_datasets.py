"""Data sets other than arrays: each sample is fetched with its batch, and has its own random stream."""

import collections
import gc
import itertools
import os
import re
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.data import DataLoader, Subset, WeightedRandomSampler, default_collate, random_split
from tinygrad_edu.errors import DataError, DTypeError, ForkedError, ShapeError

counts, sizes, workers = st.integers(0, 12), st.integers(1, 5), st.integers(0, 3)
seeds = st.integers(0, 2**32 - 1)


class Squares:
    """A map-style data set that raises no IndexError, and records the requested indices."""

    def __init__(self, count=10):
        self.count, self.asked = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        assert type(index) is int
        self.asked.append(index)
        return np.array([index, index]), index * index


class Noisy(Squares):
    """A data set with random samples."""

    def __getitem__(self, index, rng):
        return index, rng.random()


class Optional(Squares):
    """A data set whose samples are random if it gets an `rng`."""

    def __getitem__(self, index, rng=None):
        return index, 0.0 if rng is None else rng.random()


class Stream:
    """A stream of a given number of samples."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        yield from range(self.count)


class NoisyStream(Stream):
    """A stream with random samples."""

    def __iter__(self, rng):
        yield from ((index, rng.random()) for index in range(self.count))


def generator(seed=0):
    return np.random.default_rng(seed)


def listed(batches):
    return [[x.tolist() for x in batch] if isinstance(batch, tuple) else batch.tolist() for batch in batches]


def drawn(loader):
    """Return the samples of an epoch for each index, in order."""
    found = collections.defaultdict(list)
    for index, noise in loader:
        for key, each in zip(index.tolist(), noise.tolist(), strict=True):
            found[key].append(each)
    return dict(found)


# --- Batches ---


@given(counts, sizes, workers, st.none() | seeds, st.booleans())
def test_a_map_style_data_set_gives_the_batches_of_its_arrays(count, size, threads, seed, drop_last):
    def epochs(*arrays, **settings):
        rng = None if seed is None else generator(seed)
        loader = DataLoader(*arrays, batch_size=size, rng=rng, drop_last=drop_last, **settings)
        return len(loader), [[(x.tolist(), y.tolist()) for x, y in loader] for _ in range(2)]

    numbers = np.arange(count)
    arrays = np.stack([numbers, numbers], axis=1), numbers * numbers
    assert epochs(Squares(count), workers=threads) == epochs(*arrays) == epochs(*arrays, workers=threads)


@given(counts, sizes, workers, st.booleans())
def test_the_batches_of_a_stream_are_consecutive_samples_up_to_its_end(count, size, threads, drop_last):
    loader = DataLoader(Stream(count), batch_size=size, drop_last=drop_last, workers=threads)
    wanted = [list(range(count))[i : i + size] for i in range(0, count, size)]
    wanted = [batch for batch in wanted if len(batch) == size or not drop_last]
    assert listed(loader) == listed(loader) == wanted


def test_samples_are_fetched_when_their_batch_is():
    dataset = Squares()
    batches = iter(DataLoader(dataset, batch_size=3))
    assert dataset.asked == []
    next(batches)
    assert dataset.asked == [0, 1, 2]


def test_an_order_may_be_any_sequence_of_indices():
    for order in ([1, 0, 2], (1, 0, 2), np.array([1, 0, 2])):
        assert listed(DataLoader(np.arange(3), batch_size=2).batches(order)) == [[1, 0], [2]]
        assert [y.tolist() for _, y in DataLoader(Squares(3), batch_size=2).batches(order)] == [[1, 0], [4]]


@given(counts, sizes, workers, st.integers(0, 12), st.sampled_from([Squares, Noisy, Stream, NoisyStream]))
def test_an_epoch_goes_on_after_any_batch(count, size, threads, done, kind):
    def loader():
        return DataLoader(kind(count), batch_size=size, rng=generator(1), workers=threads)

    first, second = loader(), loader()
    order = first.draw_order()
    wanted = listed(first.batches(order))
    done = min(done, len(wanted))
    assert listed(second.batches(order, done)) == wanted[done:]


class Torchlike:
    """A tensor of another library."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        raise AssertionError("an array is not read sample by sample")


def test_what_numpy_makes_an_array_of_is_none():
    for source in ([1, 2], (range(1, 3)), np.array([1, 2]), Torchlike([1, 2]), memoryview(b"\1\2"), tg.Tensor([1, 2])):
        loader = DataLoader(source, batch_size=2)
        assert loader.dataset is None
        assert listed(loader) == [[1, 2]]
    assert listed(DataLoader(collections.deque([1, 2]), batch_size=2)) == [[1, 2]]


def test_the_shape_and_dtype_of_a_sample_make_no_array_of_a_data_set():
    dataset = Squares(4)
    dataset.shape, dataset.dtype = (2,), np.dtype(np.int64)
    assert DataLoader(dataset).dataset is dataset


def test_with_collate_a_list_is_a_data_set():
    pairs = [(np.zeros(2), 3), (np.ones(2), 4)]
    ((x, y),) = DataLoader(pairs, batch_size=2, collate=default_collate)
    assert (x.tolist(), y.tolist()) == ([[0, 0], [1, 1]], [3, 4])
    with pytest.raises(ShapeError, match=r"collate=tinygrad_edu\.data\.default_collate"):
        DataLoader(pairs)
    assert list(DataLoader(pairs, batch_size=2, collate=len)) == [2]


def test_augment_and_transform_come_after_the_samples_and_draw_in_the_order_of_the_batches():
    def epoch(*arrays, threads=0):
        loader = DataLoader(
            *arrays, batch_size=3, rng=generator(), workers=threads,
            augment=lambda x, y, rng: (x + rng.random(x.shape), y), transform=lambda x, y: (x - y.sum(), y),
        )  # fmt: skip
        return [x.tolist() for x, _ in loader], loader.rng.random()

    arrays = next(iter(DataLoader(Squares(), batch_size=10)))
    assert epoch(Squares()) == epoch(Squares(), threads=2) == epoch(*arrays) == epoch(*arrays, threads=2)


def test_parts_of_a_batch_are_augmented_from_the_generator_that_is_given():
    loader = DataLoader(Squares(), batch_size=6, rng=generator(), augment=lambda x, y, rng: (x, y + rng.random()))
    batch = next(loader.lazy_batches(np.arange(10)))
    x, y = batch.take(slice(1, 3), generator(5))
    assert (x.tolist(), (y - generator(5).random()).tolist()) == ([[1, 1], [2, 2]], [1, 4])


def test_an_augmentation_of_parts_needs_a_row_for_each_sample():
    loader = DataLoader(
        Squares(), batch_size=6, rng=generator(), augment=lambda x, rng: x, collate=lambda s: np.ones(4)
    )
    with pytest.raises(ShapeError, match=r"collate got 6 samples, and returned an array of shape \(4,\)"):
        next(loader.lazy_batches(np.arange(10))).take(slice(1, 3), generator())


# --- Random samples ---


@given(seeds, sizes, workers, st.booleans())
def test_a_sample_draws_from_a_stream_of_the_seed_the_epoch_and_the_index(seed, size, threads, shuffle):
    def epochs(**settings):
        loader = DataLoader(Noisy(8), rng=generator(seed), shuffle=shuffle, **settings)
        return [drawn(loader) for _ in range(2)]

    first, second = epochs(batch_size=size, workers=threads)
    assert [first, second] == epochs()
    numbers = {noise for epoch in (first, second) for (noise,) in epoch.values()}
    assert len(numbers) == 16


def test_a_sample_that_a_sampler_repeats_has_another_stream_each_time():
    found = drawn(DataLoader(Noisy(8), rng=generator(), sampler=[3, 5, 3, 3], batch_size=2))
    assert [len(set(found[3])), len(found[3]), len(found[5])] == [3, 3, 1]
    assert found[3][0] == drawn(DataLoader(Noisy(8), rng=generator(), sampler=[3]))[3][0]


def test_a_stream_of_random_samples_begins_each_epoch_with_another_seed():
    loader = DataLoader(NoisyStream(6), batch_size=4, rng=generator(), workers=1)
    first, second = drawn(loader), drawn(loader)
    assert first.keys() == second.keys()
    assert not {*map(tuple, first.values())} & {*map(tuple, second.values())}


def test_a_parameter_with_a_default_is_left_out_without_a_generator():
    assert set(drawn(DataLoader(Optional()))[0]) == {0.0}
    assert drawn(DataLoader(Optional(), rng=generator())) == drawn(DataLoader(Noisy(), rng=generator()))


# --- Errors ---


class Broken(Squares):
    """A data set in which one sample raises."""

    def __getitem__(self, index):
        if index == 5:
            raise KeyError("no such file")
        return index


class BrokenStream(Stream):
    """A stream that raises."""

    def __iter__(self):
        yield from range(5)
        raise KeyError("no such file")


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize(
    ("dataset", "place"), [(Broken(), "the sample of index 5"), (BrokenStream(9), "sample number 5 of the stream")]
)
def test_an_error_is_raised_at_its_batch_and_names_the_sample(dataset, place, threads):
    batches = iter(DataLoader(dataset, batch_size=2, workers=threads))
    assert listed(itertools.islice(batches, 2)) == [[0, 1], [2, 3]]
    with pytest.raises(KeyError, match="no such file") as raised:
        next(batches)
    assert raised.value.__notes__ == [f"In a DataLoader, at {place}."]


def test_samples_that_do_not_stack_name_the_leaf_and_the_indices():
    class Ragged(Squares):
        def __getitem__(self, index):
            return {"image": np.zeros(1 + (index == 7)), "label": 1}

    with pytest.raises(ShapeError, match=re.escape("sample['image']: sample 0 has shape (1,), but sample 1")) as raised:
        next(iter(DataLoader(Ragged(), batch_size=2, sampler=[4, 7], workers=1)))
    assert "the indices [4, 7]" in raised.value.__notes__[0]


def test_an_iterator_has_one_epoch():
    loader = DataLoader((number for number in range(3)), batch_size=2)
    assert listed(loader) == [[0, 1], [2]]
    with pytest.raises(DataError, match="a generator can be iterated once, but this is the second epoch"):
        iter(loader)


def test_a_stream_that_is_shorter_than_what_was_done_says_so():
    loader = DataLoader(Stream(3), batch_size=2)
    assert listed(loader.batches(None, start=2)) == []
    with pytest.raises(DataError, match="the stream ended after 3 samples, but this epoch continues after 6"):
        list(loader.batches(None, start=3))


TEN = WeightedRandomSampler(np.ones(10), 4, rng=generator())
MISTAKES = [
    (lambda: DataLoader(Squares(), np.zeros(10)), DTypeError, r"array 0 is a data set, a Squares.* options by name"),
    (lambda: DataLoader(np.zeros(10), Stream(2)), DTypeError, "array 1 is a data set, a Stream"),
    (lambda: DataLoader({"x": Squares()}), DTypeError, "x is a data set, a Squares"),
    (lambda: DataLoader(np.ones(2), np.ones(2), collate=len), DTypeError, "collate requires a single data set"),
    (lambda: DataLoader({"x": [1]}, collate=len), DTypeError, "collate requires a single data set"),
    (lambda: DataLoader(Noisy()), DTypeError, "rng must be a numpy.random.Generator, got None"),
    (lambda: DataLoader(Squares(), workers=-1), ValueError, "workers must be an integer >= 0"),
    (lambda: DataLoader(Squares(), workers=1.0), DTypeError, "workers must be an integer"),
    (lambda: DataLoader(Squares(), shuffle=True), DTypeError, "rng must be a numpy.random.Generator, got None"),
    (lambda: DataLoader(Squares(), sampler=TEN, shuffle=True, rng=generator()), DTypeError, "omit shuffle=True"),
    (lambda: DataLoader(Stream(2), shuffle=True, rng=generator()), DTypeError, "omit shuffle=True and"),
    (lambda: DataLoader(Stream(2), sampler=[0]), DTypeError, "a stream defines the order of the samples"),
    (lambda: DataLoader(Squares(), sampler=iter([0])), DTypeError, "sampler must .* got a list_iterator"),
    (lambda: DataLoader(Squares(), sampler=3), DTypeError, "sampler must .* got a int"),
    (lambda: DataLoader(Squares(9), sampler=TEN), DataError, "each of the 9 samples, got 10"),
    (lambda: list(DataLoader(Squares(), sampler=[10])), DataError, r"from 0 to 9, got \[10\]"),
    (lambda: list(DataLoader(Squares(), sampler=[-1])), DataError, r"from 0 to 9, got \[-1\]"),
    (lambda: list(DataLoader(Squares(), sampler=[0.5])), DataError, r"integers from 0 to 9, got \[0.5\]"),
    (lambda: len(DataLoader(Stream(2))), DTypeError, "over a stream has no length"),
    (lambda: DataLoader(Noisy(), rng=generator()).batches(None), DataError, "a result of draw_order.*, got N"),
    (lambda: DataLoader(Squares()).batches((None, np.ones(2))), DataError, "a result of draw_order"),
    (lambda: DataLoader(Stream(2)).batches([0, 1]), DataError, "a result of draw_order"),
    (lambda: WeightedRandomSampler([[1.0]], 1, rng=generator()), ShapeError, r"shape \(N,\), got \(1, 1\)"),
    (lambda: WeightedRandomSampler([1, -1], 1, rng=generator()), DataError, ">= 0"),
    (lambda: WeightedRandomSampler([0, 0], 1, rng=generator()), DataError, "not all 0"),
    (lambda: WeightedRandomSampler([np.nan], 1, rng=generator()), DataError, "finite"),
    (lambda: WeightedRandomSampler([1, 0], 2, False, rng=generator()), DataError, "without replacement: only 1 have"),
    (lambda: WeightedRandomSampler([1], 0, rng=generator()), ValueError, "num_samples must be an integer >= 1"),
    (lambda: WeightedRandomSampler([1], 1, rng=3), DTypeError, "rng must be a numpy.random.Generator, got 3"),
    (lambda: Subset(Squares(), [10]), DataError, "from 0 to 9"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), MISTAKES)
def test_a_wrong_call_says_what_is_wrong(call, error, message):
    with pytest.raises(error, match=re.compile(message)):
        call()


# --- Samplers and subsets ---


@given(seeds, st.lists(st.floats(0, 1.7e308), min_size=1, max_size=6).filter(any), st.integers(1, 20))
def test_a_weighted_sampler_draws_what_has_a_weight_and_a_seed_gives_it_again(seed, weights, count):
    def epochs():
        sampler = WeightedRandomSampler(weights, count, rng=generator(seed))
        return [list(sampler) for _ in range(2)]

    assert epochs() == epochs()
    assert all(weights[k] > 0 for epoch in epochs() for k in epoch)
    assert [len(epoch) for epoch in epochs()] == [count] * 2


def test_weights_are_the_frequencies_and_without_replacement_each_index_comes_once():
    sampler = WeightedRandomSampler([1, 0, 3], 4000, rng=generator())
    assert np.bincount(list(sampler)) / 1000 == pytest.approx([1, 0, 3], abs=0.1)
    assert sorted(WeightedRandomSampler([1, 2, 3], 3, replacement=False, rng=generator())) == [0, 1, 2]


@pytest.mark.parametrize("threads", [0, 2])
def test_a_sampler_draws_rows_of_arrays_too(threads):
    x = np.arange(10) * 10
    loader = DataLoader(x, batch_size=2, sampler=[7, 1, 7], workers=threads)
    assert (len(loader), listed(loader)) == (2, [[70, 10], [70]])
    assert "sampled 3 times by list" in repr(loader)


def test_a_sampler_that_draws_another_number_says_so():
    class Wrong:
        def __len__(self):
            return 2

        def __iter__(self):
            return itertools.repeat(0, self.drawn)

    for Wrong.drawn in (1, 3, 10**9):
        with pytest.raises(DataError, match="the sampler must draw 2 indices"):
            DataLoader(Squares(), sampler=Wrong()).draw_order()


@given(seeds)
def test_a_split_of_a_data_set_is_one_of_its_indices(seed):
    parts = random_split(Squares(9), lengths=[0.5, 0.5], rng=generator(seed))
    assert sorted(x for part in parts for (x, _), _ in [part[k] for k in range(len(part))]) == list(range(9))
    noisy = Subset(Noisy(9), [8, 2])
    assert drawn(DataLoader(noisy, rng=generator(seed), shuffle=False)).keys() == {8, 2}
    assert listed(DataLoader(Subset(Optional(9), [1]))) == [[[1], [0.0]]]


# --- Threads ---


def others():
    return [thread for thread in threading.enumerate() if thread.name == "tinygrad_edu data"]


def require_none_left():
    until = time.monotonic() + 10
    while others() and time.monotonic() < until:
        time.sleep(0.001)
    assert others() == []


class Watched(Squares):
    """A data set that counts concurrent fetches, and can be paused."""

    def __init__(self, count=64):
        super().__init__(count)
        self.together, self.go = threading.Barrier(3), threading.Event()

    def __getitem__(self, index):
        self.asked.append(index)
        if index < 6 and not self.go.is_set():
            self.together.wait(10)
        return index


def test_batches_are_fetched_at_once_and_no_more_than_two_for_each_worker():
    dataset = Watched()
    batches = iter(DataLoader(dataset, batch_size=2, workers=3))
    assert others() == []
    for taken in range(3):
        assert next(batches).tolist() == [2 * taken, 2 * taken + 1]
        wanted, until = 12 + 2 * taken, time.monotonic() + 10
        while len(dataset.asked) < wanted and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.03)
        assert len(dataset.asked) == wanted
    assert len(others()) == 3
    assert listed(batches) == [[i, i + 1] for i in range(6, 64, 2)]
    assert others() == []


@pytest.mark.parametrize("leave", ["break", "close", "collect", "error", "end"])
def test_threads_end_with_the_loop_however_it_is_left(leave):
    loader = DataLoader(Broken(5 if leave == "end" else 64), workers=3, batch_size=1 if leave == "error" else 2)
    batches = iter(loader)
    next(batches)
    if leave == "break":
        for _ in loader:
            break
        batches.close()
    elif leave == "close":
        batches.close()
    elif leave == "collect":
        cycle = [batches]
        cycle.append(cycle)
        del batches, cycle
        gc.collect()
    elif leave == "error":
        with pytest.raises(KeyError):
            list(batches)
    else:
        list(batches)
    require_none_left()


def test_a_loop_that_is_left_waits_for_no_sample_and_fetches_no_more():
    dataset = Watched()
    dataset.together = threading.Event()
    dataset.go.clear()
    loader = DataLoader(dataset, batch_size=32, workers=1, sampler=list(range(6, 38)) + [0] * 32)
    batches = iter(loader)
    next(batches)
    until = time.monotonic() + 10
    while 0 not in dataset.asked and time.monotonic() < until:
        time.sleep(0.001)
    batches.close()
    asked = len(dataset.asked)
    dataset.together.set()
    require_none_left()
    assert len(dataset.asked) == asked == 33


def test_workers_have_the_modes_of_the_loop():
    class Mode(Squares):
        def __getitem__(self, index):
            return (tg.Tensor([1.0], requires_grad=True) * 2).requires_grad

    with tg.no_grad():
        assert not any(batch.any() for batch in DataLoader(Mode(), workers=2))
    with pytest.raises(AssertionError):
        assert not any(batch.any() for batch in DataLoader(Mode(), workers=2))


def test_a_forked_process_says_that_it_has_no_workers_and_begins_others():
    loader = DataLoader(Squares(64), batch_size=2, workers=2)
    batches = iter(loader)
    next(batches)
    child = os.fork()
    if not child:
        code = 1
        try:
            next(batches)
        except ForkedError:
            batches.close()
            code = 0 if len(list(loader)) == 32 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(batches)) == 31


# --- Collating ---

Pair = collections.namedtuple("Pair", "x y")
NESTS = [
    ([1, 2], np.array([1, 2])),
    ([1.5, 2], np.array([1.5, 2.0])),
    ([True, False], np.array([True, False])),
    (["a", "bc"], np.array(["a", "bc"])),
    ([np.float32(1), np.float32(2)], np.array([1, 2], np.float32)),
    ([tg.Tensor([1.0]), tg.Tensor([2.0])], np.array([[1], [2]], np.float32)),
    ([np.zeros((2, 0)), np.zeros((2, 0))], np.zeros((2, 2, 0))),
    ([(1, [2]), (3, [4])], (np.array([1, 3]), [np.array([2, 4])])),
    ([{"a": {"b": 1}}, {"a": {"b": 2}}], {"a": {"b": np.array([1, 2])}}),
    ([Pair(1, 2), Pair(3, 4)], Pair(np.array([1, 3]), np.array([2, 4]))),
    ([(), ()], ()),
]


@pytest.mark.parametrize(("samples", "wanted"), NESTS)
def test_samples_are_stacked_leaf_by_leaf(samples, wanted):
    found = default_collate(samples)
    assert repr(found) == repr(wanted)
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([np.zeros(2), np.zeros(3)], ShapeError, r"sample 0 has shape \(2,\), but sample 1 has shape \(3,\)"),
        ([(1, [2]), (1, [2, 3])], ShapeError, r"at sample\[1\]: sample 0 has 1 parts, but sample 1 has 2 parts"),
        ([{"a": 1}, {"b": 1}], ShapeError, "sample 0 has the keys 'a', but sample 1 has the keys 'b'"),
        ([1, (1, 2)], ShapeError, "sample 0 has one value, but sample 1 has 2 parts"),
        ([(1, None), (1, None)], DTypeError, r"sample\[1\] must be .*, got a NoneType"),
        ([{"a": object()}], DTypeError, r"sample\['a'\] must be .*, got a object"),
        ([Squares()], DTypeError, "sample must be .*, got a Squares"),
        ([1, "a"], DTypeError, "mix the dtypes <U1, int64 at sample"),
        ([], ShapeError, "expected at least 1 sample, got 0"),
    ],
)  # fmt: skip
def test_samples_that_are_not_alike_name_the_leaf(samples, error, message):
    with pytest.raises(error, match=message):
        default_collate(samples)
