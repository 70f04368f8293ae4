"""Each epoch has every sample once, in an order that the seed reproduces; parts of a split do not overlap."""

import math
import re
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.data import DataLoader, WeightedRandomSampler, random_split
from tinygrad_edu.errors import DataError, DTypeError, ShapeError

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(0, 40)
sizes = st.integers(1, 50)


def samples(count):
    """Return samples with x = index and y = 10 * index."""
    numbers = np.arange(count)
    return np.stack([numbers, numbers], axis=1), numbers * 10


def generator(seed):
    return None if seed is None else np.random.default_rng(seed)


# --- An epoch ---


@given(counts, sizes, st.none() | seeds)
def test_each_epoch_holds_every_sample_once_with_its_own_target(count, size, seed):
    loader = DataLoader(*samples(count), batch_size=size, rng=generator(seed))
    for _ in range(3):
        seen = [np.zeros(0, dtype=int)]
        for x, y in loader:
            np.testing.assert_array_equal(y, x[:, 0] * 10)
            assert x.shape == (len(y), 2)
            seen.append(x[:, 0])
        assert sorted(np.concatenate(seen)) == list(range(count))


@given(counts, sizes, st.none() | seeds, st.booleans())
def test_only_the_last_batch_is_smaller_and_drop_last_drops_it(count, size, seed, drop_last):
    loader = DataLoader(*samples(count), batch_size=size, rng=generator(seed), drop_last=drop_last)
    lengths = [len(y) for _, y in loader]
    left_over = [count % size] if count % size and not drop_last else []
    assert lengths == [size] * (count // size) + left_over
    assert len(loader) == len(lengths)


@given(counts, sizes, st.booleans())
def test_in_their_own_order_the_batches_are_views(count, size, with_rng):
    x, y = samples(count)
    rng = np.random.default_rng(0) if with_rng else None
    found = list(DataLoader(x, y, batch_size=size, shuffle=False, rng=rng))
    assert [int(label) for _, labels in found for label in labels] == y.tolist()
    assert all(np.shares_memory(x, part) and np.shares_memory(y, labels) for part, labels in found)
    assert rng is None or rng.random() == np.random.default_rng(0).random()


def test_shuffled_batches_are_copies_and_the_samples_stay_as_they_are():
    x, y = samples(10)
    for part, labels in DataLoader(x, y, batch_size=4, rng=np.random.default_rng(0)):
        part[:], labels[:] = -1, -1
    np.testing.assert_array_equal(x, samples(10)[0])
    np.testing.assert_array_equal(y, samples(10)[1])


# --- Orders ---


@given(seeds)
def test_one_seed_gives_the_same_epochs_and_a_new_order_in_each(seed):
    def two_epochs():
        loader = DataLoader(*samples(40), batch_size=8, rng=np.random.default_rng(seed))
        return [[y.tolist() for _, y in loader] for _ in range(2)]

    first, second = two_epochs()
    assert [first, second] == two_epochs()
    assert first != second


def test_the_shuffle_reaches_every_order():
    loader = DataLoader(np.arange(3), batch_size=3, rng=np.random.default_rng(0))
    assert len({tuple(order) for _ in range(200) for order in loader}) == 6


def test_loops_in_loops_do_not_disturb_each_other():
    loader = DataLoader(np.arange(6), batch_size=2, rng=np.random.default_rng(0))
    outer, inner = [], []
    for batch in loader:
        outer += batch.tolist()
        inner.append(sorted(part for parts in loader for part in parts.tolist()))
    assert sorted(outer) == list(range(6))
    assert inner == [list(range(6))] * 3


@given(seeds, st.integers(0, 6))
def test_an_epoch_goes_on_where_it_was_left(seed, done):
    def noisy(x, y):
        return x + rng.normal(size=x.shape), y

    rng = np.random.default_rng(seed)
    loader = DataLoader(*samples(11), batch_size=2, rng=rng, transform=noisy, augment=shifted)
    order = loader.draw_order()
    whole = loader.batches(order)
    list(islice(whole, done))
    saved = rng.bit_generator.state
    wanted = [*whole, *loader]
    rng.bit_generator.state = saved
    for found, other in zip([*loader.batches(order, done), *loader], wanted, strict=True):
        for part, array in zip(found, other, strict=True):
            np.testing.assert_array_equal(part, array)


# --- Samples and transforms ---


def test_batches_have_the_form_of_what_was_given(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(3, 2))
    mapped[:] = 7
    (x, words, y), _ = DataLoader(mapped, ["a", "b", "c"], tg.Tensor([1.0, 2.0, 3.0]), batch_size=2)
    assert np.shares_memory(x, mapped)
    assert (words.tolist(), y.tolist(), y.dtype) == (["a", "b"], [1, 2], np.float32)
    assert [batch.tolist() for batch in DataLoader([1, 2, 3], batch_size=2)] == [[1, 2], [3]]
    (batch,) = DataLoader({"x": [[1], [2]], "y": [3, 4]}, batch_size=5)
    assert {name: part.tolist() for name, part in batch.items()} == {"x": [[1], [2]], "y": [3, 4]}


@pytest.mark.parametrize(
    ("arrays", "transform", "wanted"),
    [
        (([1, 2],), lambda x: x * 10, [10, 20]),
        (([1, 2], [3, 4]), lambda x, y: x * y, [3, 8]),
        (({"x": [1, 2], "y": [3, 4]},), lambda batch: batch["x"] + batch["y"], [4, 6]),
    ],
)
def test_a_transform_gets_the_batch_and_the_loop_what_it_returns(arrays, transform, wanted):
    (batch,) = DataLoader(*arrays, batch_size=2, transform=transform)
    assert batch.tolist() == wanted


def shifted(x, y, *, rng):
    """Add a random number to each sample."""
    return x + rng.random(len(x))[:, None], y


@given(counts, sizes, seeds)
def test_an_augmentation_draws_from_the_generator_of_the_loader_batch_after_batch(count, size, seed):
    own, rng = np.random.default_rng(seed), np.random.default_rng(seed)
    loader = DataLoader(*samples(count), batch_size=size, rng=own, augment=shifted)
    for _ in range(2):  # the second loop continues the random stream of the first
        order = rng.permutation(count)
        for (x, y), rows in zip(loader, np.split(order, range(size, count, size)) if count else [], strict=True):
            wanted, labels = shifted(*(array[rows] for array in samples(count)), rng=rng)
            np.testing.assert_array_equal(x, wanted, strict=True)
            np.testing.assert_array_equal(y, labels, strict=True)
    assert own.random() == rng.random()


def test_loops_in_loops_are_augmented_from_one_stream():
    rng = np.random.default_rng(0)
    loader = DataLoader(np.zeros((6, 1)), np.arange(6), batch_size=2, shuffle=False, rng=rng, augment=shifted)
    drawn = [x for outer in loader for x, _ in (outer, *loader)]
    assert len(np.unique(np.concatenate(drawn))) == 3 * (2 + 6)


def test_a_transform_comes_after_an_augmentation_and_sees_the_whole_batch():
    lengths = []

    def doubled(x, *, rng):
        lengths.append(len(x))
        return 2 * x

    loader = DataLoader(
        np.arange(5.0), batch_size=3, shuffle=False, rng=np.random.default_rng(0), augment=doubled,
        transform=lambda x: x - x.mean(),
    )  # fmt: skip
    assert [batch.tolist() for batch in loader] == [[-2, 0, 2], [-1, 1]]
    assert lengths == [3, 2]


def test_it_says_what_it_is():
    shuffled = DataLoader(np.arange(5), batch_size=np.int64(2), rng=np.random.default_rng(0))
    assert repr(shuffled) == "DataLoader(5 samples shuffled each epoch, batch_size=2: 3 batches)"
    assert repr(DataLoader([1])) == "DataLoader(1 samples in order, batch_size=1: 1 batches)"


FIVE = np.zeros((5, 2))
MISTAKES = [
    (lambda: DataLoader(FIVE, np.zeros(4)), ShapeError, "same length, .*: array 0 has 5, array 1 has 4"),
    (lambda: DataLoader({"x": FIVE, "y": []}), ShapeError, "x has 5, y has 0"),
    (lambda: DataLoader(FIVE, 32), ShapeError, "array 1 must have rows, got 32. Pass options by name"),
    (lambda: DataLoader((FIVE, FIVE)), DTypeError, r"array 0 is a tuple\. .* separate arguments: \*arrays"),
    (lambda: DataLoader([[1], [2, 3]]), ShapeError, "array 0 has rows of different shapes"),
    (lambda: DataLoader(tg.Tensor([1.0], requires_grad=True)), DTypeError, "requires a gradient"),
    (lambda: DataLoader(), DTypeError, "expected one or more arrays of samples, got none"),
    (lambda: DataLoader({}), DTypeError, "expected one or more arrays of samples, got none"),
    (lambda: DataLoader(FIVE, batch_size=0), ValueError, "batch_size must be an integer >= 1, got 0"),
    (lambda: DataLoader(FIVE, batch_size=2.0), DTypeError, "batch_size must be an integer >= 1, got 2.0"),
    (lambda: DataLoader(FIVE, batch_size=True), DTypeError, "got True of type bool"),
    (
        lambda: DataLoader(FIVE, rng=7),
        DTypeError,
        r"rng must be a numpy.random.Generator, got 7: create one .*default_rng",
    ),
    (lambda: DataLoader(FIVE, augment=shifted), DTypeError, "rng must be a numpy.random.Generator, got None"),
    (lambda: DataLoader(FIVE).lazy_batches([0, 1, 2]), DataError, "each index from 0 to 4 once"),
    (lambda: DataLoader(FIVE).lazy_batches(None, start=6), ValueError, "start must be an integer from 0 to 5, got 6"),
    (lambda: DataLoader(FIVE, shuffle=True), DTypeError, "rng must be a numpy.random.Generator, got None"),
    (lambda: DataLoader(FIVE).batches([0, 1, 2]), DataError, "each index from 0 to 4 once"),
    (lambda: DataLoader(FIVE).batches([0, 1, 2, 3, 3]), DataError, "each index from 0 to 4 once"),
    (lambda: DataLoader(FIVE).batches(None, start=6), ValueError, "start must be an integer from 0 to 5, got 6"),
    (lambda: random_split(FIVE, lengths=[2, 2], rng=np.random.default_rng(0)), DataError, "must be 5, .* with sum 4"),
    (
        lambda: random_split(FIVE, lengths=[0.8, 0.3], rng=np.random.default_rng(0)),
        DataError,
        "or 1, got .* with sum 1.1",
    ),
    (
        lambda: random_split(FIVE, lengths=[6, -1], rng=np.random.default_rng(0)),
        DataError,
        "lengths must be >= 0",
    ),
    (
        lambda: random_split(FIVE, lengths=[2.5, 2.5], rng=np.random.default_rng(0)),
        DTypeError,
        "must be an integer",
    ),
    (lambda: random_split(FIVE, lengths=[2, 3], rng=0), DTypeError, "rng must be a numpy.random.Generator, got 0"),
    (lambda: random_split(FIVE, lengths=[2, 3]), DTypeError, "rng must be a numpy.random.Generator, got None"),
    *(
        (
            call,
            DTypeError,
            r"by name as rng is: random_split\(dataset, lengths=\[0.8, 0.2\], rng=numpy.random.default_rng\(0\)\)",
        )
        for call in (
            lambda: random_split(FIVE, [0.8, 0.2]),
            lambda: random_split(FIVE, [0.8, 0.2], rng=np.random.default_rng(0)),
            lambda: random_split(FIVE, lengths=0.8, rng=np.random.default_rng(0)),
            lambda: random_split(FIVE, lengths=["all"], rng=np.random.default_rng(0)),
        )
    ),
    (lambda: DataLoader(FIVE, shuffle="yes"), DTypeError, "DataLoader: shuffle must be True or False, got 'yes'"),
    (lambda: DataLoader(FIVE, drop_last="no"), DTypeError, "DataLoader: drop_last must be True or False, got 'no'"),
    (lambda: DataLoader(FIVE, augment=3), DTypeError, "DataLoader: augment must be a function, got 3"),
    (lambda: DataLoader(FIVE, transform="flip"), DTypeError, "DataLoader: transform must be a function, got 'flip'"),
    (lambda: DataLoader([1, 2], collate=3), DTypeError, "collate must be a function, got 3|collate requires"),
    (lambda: DataLoader(FIVE, sampler=WeightedRandomSampler), DTypeError, "sampler must have"),
]


@pytest.mark.parametrize(("call", "error", "message"), MISTAKES)
def test_a_wrong_call_says_what_is_wrong_before_the_first_batch(call, error, message):
    with pytest.raises(error, match=re.compile(message)):
        call()


# --- Splits ---


@given(counts, st.lists(st.integers(1, 10), min_size=1, max_size=4), st.booleans(), seeds)
def test_the_parts_of_a_split_hold_every_sample_once(count, weights, whole, seed):
    shares = [weight / sum(weights) for weight in weights]
    lengths = [math.floor(count * share) for share in shares]
    for k in range(count - sum(lengths)):
        lengths[k] += 1  # the remainder is smaller than the number of parts
    parts = random_split(*samples(count), lengths=lengths if whole else shares, rng=np.random.default_rng(seed))
    assert [len(y) for _, y in parts] == lengths
    assert sorted(label for _, y in parts for label in y) == samples(count)[1].tolist()
    assert all((x[:, 0] * 10 == y).all() for x, y in parts)


def test_a_split_has_the_form_of_what_was_given():
    half, other = random_split([1, 2], lengths=[1, 1], rng=np.random.default_rng(0))
    assert sorted([half.item(), other.item()]) == [1, 2]
    (part,) = random_split({"x": [5, 5]}, lengths=[1.0], rng=np.random.default_rng(0))
    assert part["x"].tolist() == [5, 5]
