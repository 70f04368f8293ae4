"""Slices of a lazy batch: each reads and augments its own samples with its own generator."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import ShapeError

counts, sizes, seeds = st.integers(0, 40), st.integers(1, 50), st.integers(0, 2**32 - 1)


def samples(count):
    """Return samples with x = index and y = 10 * index."""
    numbers = np.arange(count)
    return np.stack([numbers, numbers], axis=1), numbers * 10


def shifted(x, y, *, rng):
    """Add a random number to each sample."""
    return x + rng.random(len(x))[:, None], y


def require_equal(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@given(counts, sizes, seeds, st.booleans(), st.data())
def test_any_parts_of_the_batches_together_are_the_batches(count, size, seed, drop_last, data):
    loader = DataLoader(*samples(count), batch_size=size, rng=np.random.default_rng(seed), drop_last=drop_last)
    order = loader.draw_order()
    start = data.draw(st.integers(0, len(loader)))
    wanted, lazy = list(loader.batches(order, start)), list(loader.lazy_batches(order, start))
    assert [len(batch) for batch in lazy] == [len(y) for _, y in wanted]
    for batch, whole in zip(lazy, wanted, strict=True):
        cut = data.draw(st.integers(0, len(batch)))
        parts = [batch.take(part, None) for part in (slice(cut), slice(cut, len(batch)))]
        require_equal([np.concatenate(both) for both in zip(*parts, strict=True)], whole)


def test_in_their_own_order_parts_are_views_and_else_copies():
    x, y = samples(10)
    rng = np.random.default_rng(0)
    for order, views in ((None, True), (np.random.default_rng(0).permutation(10), False)):
        for batch in DataLoader(x, y, batch_size=4).lazy_batches(order):
            taken = batch.take(slice(1, 3), rng)
            assert [np.shares_memory(a, b) for a, b in zip(taken, (x, y), strict=True)] == [views] * 2


class Stored:
    """A stored array that records which rows are read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, []

    def __getitem__(self, rows):
        taken = self.array[rows]
        self.read += taken.tolist()
        return taken


@pytest.mark.parametrize("order", [None, np.random.default_rng(0).permutation(20)])
def test_only_the_rows_of_a_part_are_read(order):
    stored = Stored(np.arange(20))
    batches = list(DataLoader(stored, batch_size=16).lazy_batches(order))
    assert stored.read == []
    taken = batches[0].take(slice(5, 9), None)
    assert sorted(stored.read) == sorted(taken.tolist())
    assert taken.tolist() == (stored.array if order is None else order)[5:9].tolist()


@given(seeds)
def test_what_is_random_in_a_part_is_drawn_from_the_generator_that_is_given(seed):
    x, y = samples(12)
    own = np.random.default_rng(1)
    (batch,) = DataLoader(x, y, batch_size=12, shuffle=False, rng=own, augment=shifted).lazy_batches(None)
    require_equal(
        batch.take(slice(3, 8), np.random.default_rng(seed)), shifted(x[3:8], y[3:8], rng=np.random.default_rng(seed))
    )
    assert own.random() == np.random.default_rng(1).random()


def test_a_transform_has_no_part_in_it():
    (batch,) = DataLoader([1, 2], batch_size=2, transform=lambda x: x * 10).lazy_batches(None)
    assert batch.take(slice(2), None).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("arrays", "augment", "wanted"),
    [
        (([1, 2, 3],), lambda x, rng: x * 10, [20, 30]),
        (([1, 2, 3], [4, 5, 6]), lambda x, y, rng: {"x": x + y}, {"x": [7, 9]}),
        (({"x": [1, 2, 3], "y": [4, 5, 6]},), lambda both, rng: (both["y"], both["x"]), ([5, 6], [2, 3])),
        (([1, 2, 3], [4, 5, 6]), lambda x, y, rng: ((x, {"y": y}), y), (([2, 3], {"y": [5, 6]}), [5, 6])),
    ],
)
def test_an_augmentation_gets_the_samples_in_their_form_and_may_return_another(arrays, augment, wanted):
    (batch,) = DataLoader(
        *arrays, batch_size=3, shuffle=False, rng=np.random.default_rng(0), augment=augment
    ).lazy_batches(None)
    assert repr(batch.take(slice(1, 3), np.random.default_rng(0))) == repr(as_arrays(wanted))


def as_arrays(nest):
    if isinstance(nest, list):
        return np.array(nest)
    if isinstance(nest, tuple):
        return tuple(map(as_arrays, nest))
    return {key: as_arrays(value) for key, value in nest.items()}


MORE = {
    "twice as many": (lambda x, y, rng: (np.concatenate([x, x]), np.concatenate([y, y])), "[(6,), (6,)]"),
    "fewer": (lambda x, y, rng: (x[1:], y[1:]), "[(2,), (2,)]"),
    "fewer labels": (lambda x, y, rng: (x, y[:1]), "[(3,), (1,)]"),
    "in a pytree": (lambda x, y, rng: ((x, [{"y": y[:2]}]), None), "[(3,), (2,)]"),
    "nothing": (lambda x, y, rng: None, "[]"),
    "a scalar": (lambda x, y, rng: (x, y.sum()), "[(3,), ()]"),
}


@pytest.mark.parametrize("kind", MORE)
def test_an_augmentation_returns_as_many_samples_as_it_gets(kind):
    augment, lengths = MORE[kind]
    loader = DataLoader(*samples(3), batch_size=3, rng=np.random.default_rng(0), augment=augment)
    with pytest.raises(ShapeError, match=re.escape(f"it got 3, and returned arrays of the lengths {lengths}")):
        list(loader)
