"""Batches hold every sample once; a shift is what a loop over the pixels would do."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import batches, one_hot, random_shift, to_float
from tinygrad_edu.errors import DataError, DTypeError, ShapeError

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(0, 40)
sizes = st.integers(1, 50)


def samples(count):
    """Give every sample its own number, in x and, times ten, in y."""
    numbers = np.arange(count)
    return np.stack([numbers, numbers], axis=1), numbers * 10


# --- batches ---


@given(counts, sizes, st.none() | seeds)
def test_batches_hold_every_sample_once_with_its_own_target(count, size, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    seen = [np.zeros(0, dtype=int)]
    for x, y in batches(*samples(count), size, rng):
        np.testing.assert_array_equal(y, x[:, 0] * 10)
        assert x.shape == (len(y), 2)
        seen.append(x[:, 0])
    assert sorted(np.concatenate(seen)) == list(range(count))


@given(counts, sizes, st.none() | seeds, st.booleans())
def test_only_the_last_batch_is_smaller_and_drop_last_drops_it(count, size, seed, drop_last):
    rng = None if seed is None else np.random.default_rng(seed)
    lengths = [len(y) for _, y in batches(*samples(count), size, rng, drop_last)]
    left_over = [count % size] if count % size and not drop_last else []
    assert lengths == [size] * (count // size) + left_over


@given(counts, sizes)
def test_without_rng_the_order_stays_and_the_batches_are_views(count, size):
    x, y = samples(count)
    found = list(batches(x, y, size))
    assert [int(label) for _, labels in found for label in labels] == y.tolist()
    assert all(np.shares_memory(x, part) and np.shares_memory(y, labels) for part, labels in found)


@given(seeds)
def test_one_seed_gives_one_order_and_a_new_one_in_each_epoch(seed):
    def two_epochs():
        rng = np.random.default_rng(seed)
        return [[y.tolist() for _, y in batches(*samples(40), 8, rng)] for _ in range(2)]

    first, second = two_epochs()
    assert [first, second] == two_epochs()
    assert first != second


def test_the_shuffle_reaches_every_order():
    rng = np.random.default_rng(0)
    orders = {tuple(np.concatenate([y for _, y in batches(*samples(3), 2, rng)])) for _ in range(200)}
    assert len(orders) == 6


def test_shuffled_batches_are_copies_and_the_samples_stay_as_they_are():
    x, y = samples(10)
    for part, labels in batches(x, y, 4, np.random.default_rng(0)):
        part[:], labels[:] = -1, -1
    np.testing.assert_array_equal(x, samples(10)[0])
    np.testing.assert_array_equal(y, samples(10)[1])


def test_no_samples_make_no_batches():
    assert list(batches(*samples(0), 3)) == []
    assert list(batches(*samples(0), 3, np.random.default_rng(0))) == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.zeros(4)}, ShapeError, "x has 5 samples and y has 4; give each sample in x one target"),
        ({"batch_size": 0}, DataError, "batch_size must be 1 or more; got 0"),
        ({"batch_size": -3}, DataError, "batch_size must be 1 or more; got -3"),
        ({"batch_size": 2.0}, DTypeError, "batch_size must be a whole number, 1 or more; got 2.0, a float"),
        ({"batch_size": True}, DTypeError, "batch_size must be a whole number, 1 or more; got True, a bool"),
        ({"rng": 7}, DTypeError, r"rng is a numpy.random.Generator, not 7: make one .*default_rng"),
    ],
)
def test_a_wrong_call_of_batches_says_what_is_wrong_before_the_first_batch(change, error, message):
    call = {"x": np.zeros((5, 2)), "y": np.zeros(5), "batch_size": 2} | change
    with pytest.raises(error, match=message):
        batches(**call)


def test_numpy_integers_are_whole_numbers():
    assert [len(y) for _, y in batches(*samples(5), np.int64(3))] == [3, 2]


# --- random_shift ---


def shifted(image, down, right):
    """Move one image of shape (..., H, W), pixel by pixel."""
    out = np.zeros_like(image)
    height, width = image.shape[-2:]
    for row in range(height):
        for column in range(width):
            if 0 <= row + down < height and 0 <= column + right < width:
                out[..., row + down, column + right] = image[..., row, column]
    return out


@st.composite
def images(draw):
    """Images with or without channels, in every layout; no two pixels are equal and none is 0."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=3, max_size=4)))
    dtype = draw(st.sampled_from([np.uint8, np.int64, np.float32, np.float64]))
    batch = np.arange(1, np.prod(shape) + 1).reshape(shape).astype(dtype)
    batch[batch == 0] = 255
    layout = draw(st.sampled_from(["C", "F", "reversed", "strided"]))
    if layout == "reversed":
        return batch[::-1, ..., ::-1, ::-1]
    if layout == "strided":
        return np.repeat(batch, 2, axis=-1)[..., ::2]
    return np.asarray(batch, order=layout)


@given(images(), st.integers(0, 6), seeds)
def test_a_shift_is_what_a_loop_over_the_pixels_would_do(batch, far, seed):
    before = batch.copy()
    moved = random_shift(batch, far, np.random.default_rng(seed))
    assert (moved.shape, moved.dtype) == (batch.shape, batch.dtype)
    assert not np.shares_memory(moved, batch)
    np.testing.assert_array_equal(batch, before)
    offsets = range(-far, far + 1)
    for image, found in zip(batch, moved, strict=True):
        assert any(np.array_equal(found, shifted(image, down, right)) for down in offsets for right in offsets)


@given(images(), seeds)
def test_a_shift_of_0_is_a_copy(batch, seed):
    np.testing.assert_array_equal(random_shift(batch, 0, np.random.default_rng(seed)), batch)


@given(images(), st.integers(0, 3), seeds)
def test_one_seed_gives_one_shift(batch, far, seed):
    first, second = (random_shift(batch, far, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("far", [1, 2])
def test_every_offset_is_equally_likely_and_drawn_anew_for_each_image(far):
    count, side = 20_000, 2 * far + 1
    points = np.zeros((count, side, side), dtype=np.uint8)
    points[:, far, far] = 1
    places = random_shift(points, far, np.random.default_rng(0)).reshape(count, -1)
    assert (places.sum(axis=1) == 1).all()
    drawn = np.bincount(places.argmax(axis=1), minlength=side**2)
    expected = count / side**2
    np.testing.assert_allclose(drawn, expected, atol=5 * np.sqrt(expected))
    # Neighbours agree as often as chance has it: one in side**2.
    agree = sum(a == b for a, b in pairwise(places.argmax(axis=1).tolist()))
    assert abs(agree - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("shape", [(0, 4, 4), (0, 1, 4, 4), (3, 0, 4, 4), (3, 0, 0), (2, 1, 0, 5)])
def test_nothing_to_shift_is_no_error(shape):
    moved = random_shift(np.zeros(shape, dtype=np.float32), 2, np.random.default_rng(0))
    assert (moved.shape, moved.dtype) == (shape, np.float32)


def test_an_image_can_leave_the_frame():
    moved = random_shift(np.ones((1000, 2, 2)), 9, np.random.default_rng(0))
    gone = (moved == 0).all(axis=(1, 2))
    assert gone.any()
    assert not gone.all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": np.zeros((28, 28))}, ShapeError, r"\(28, 28\).*needs \(N, H, W\).*image\[None\]"),
        ({"images": np.zeros((1, 1, 1, 2, 2))}, ShapeError, r"\(1, 1, 1, 2, 2\)"),
        ({"max_shift": -1}, DataError, "max_shift must be 0 or more; got -1"),
        ({"max_shift": 1.5}, DTypeError, "max_shift must be a whole number, 0 or more; got 1.5, a float"),
        ({"rng": np.random}, DTypeError, "rng is a numpy.random.Generator, not"),
    ],
)
def test_a_wrong_call_of_random_shift_says_what_is_wrong(change, error, message):
    call = {"images": np.zeros((2, 4, 4)), "max_shift": 1, "rng": np.random.default_rng(0)} | change
    with pytest.raises(error, match=message):
        random_shift(**call)


# --- to_float and one_hot ---


def test_to_float_divides_every_byte_by_255_to_the_last_bit():
    every_byte = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    scaled = to_float(every_byte)
    assert (scaled.shape, scaled.dtype) == ((4, 1, 8, 8), np.float32)
    assert scaled.ravel().tolist() == [float(np.float32(byte / 255)) for byte in range(256)]
    assert to_float(every_byte[:0]).shape == (0, 1, 8, 8)


def test_to_float_will_not_scale_twice():
    with pytest.raises(DTypeError, match=r"images is float32; to_float scales uint8, once"):
        to_float(np.zeros((1, 28, 28), dtype=np.float32))
    with pytest.raises(ShapeError, match=r"\(1, 1, 28, 28\); to_float needs \(N, H, W\), and adds the channel"):
        to_float(np.zeros((1, 1, 28, 28), dtype=np.uint8))


@given(st.lists(st.integers(0, 9), max_size=20), st.sampled_from([np.uint8, np.int64]))
def test_one_hot_has_a_single_one_in_the_label_s_column(labels, dtype):
    rows = one_hot(np.array(labels, dtype=dtype), 10)
    assert (rows.shape, rows.dtype) == ((len(labels), 10), np.float32)
    assert [[column for column, value in enumerate(row) if value == 1] for row in rows] == [[y] for y in labels]
    assert rows.sum() == len(labels)


@pytest.mark.parametrize(
    ("labels", "classes", "error", "message"),
    [
        ([0, 3], 3, DataError, r"labels\[1\] is 3; with 3 classes a label is from 0 to 2"),
        ([0, 1, -1], 3, DataError, r"labels\[2\] is -1"),
        ([[0], [1]], 3, ShapeError, r"labels has shape \(2, 1\).*ravel"),
        ([0.0], 3, DTypeError, r"labels is float64; one_hot needs integers"),
        ([0], 0, DataError, "classes must be 1 or more; got 0"),
        ([0], 3.0, DTypeError, "classes must be a whole number, 1 or more; got 3.0, a float"),
    ],
)
def test_a_wrong_call_of_one_hot_says_what_is_wrong(labels, classes, error, message):
    with pytest.raises(error, match=message):
        one_hot(np.array(labels), classes)
