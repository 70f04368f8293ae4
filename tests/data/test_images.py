"""Shifts equal a loop over the pixels; scaling and normalization are correct up to rounding."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import channel_statistics, load_embedded, normalize_channels, random_shift, to_float
from tinygrad_edu.errors import DataError, DTypeError, ShapeError

seeds = st.integers(0, 2**32 - 1)

# --- random_shift ---


def shifted(image, down, right):
    """Shift one image of shape (..., H, W), pixel by pixel."""
    out = np.zeros_like(image)
    height, width = image.shape[-2:]
    for row in range(height):
        for column in range(width):
            if 0 <= row + down < height and 0 <= column + right < width:
                out[..., row + down, column + right] = image[..., row, column]
    return out


@st.composite
def images(draw):
    """Images with or without channels, in every layout, with distinct nonzero pixels."""
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
    # Neighbours are equal with probability 1 / side**2, as by chance.
    agree = sum(a == b for a, b in pairwise(places.argmax(axis=1).tolist()))
    assert abs(agree - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("shape", [(0, 4, 4), (0, 1, 4, 4), (3, 0, 4, 4), (3, 0, 0), (2, 1, 0, 5)])
def test_nothing_to_shift_is_no_error(shape):
    moved = random_shift(np.zeros(shape, dtype=np.float32), 2, np.random.default_rng(0))
    assert (moved.shape, moved.dtype) == (shape, np.float32)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": np.zeros((28, 28))}, ShapeError, r"must have shape \(N, H, W\).*\(28, 28\).*image\[None\]"),
        ({"images": np.zeros((1, 1, 1, 2, 2))}, ShapeError, r"\(1, 1, 1, 2, 2\)"),
        ({"max_shift": -1}, ValueError, "max_shift must be an integer >= 0, got -1"),
        ({"max_shift": 1.5}, DTypeError, "max_shift must be an integer >= 0, got 1.5 of type float"),
        ({"rng": np.random}, DTypeError, "rng must be a numpy.random.Generator, got"),
    ],
)
def test_a_wrong_call_of_random_shift_says_what_is_wrong(change, error, message):
    call = {"images": np.zeros((2, 4, 4)), "max_shift": 1, "rng": np.random.default_rng(0)} | change
    with pytest.raises(error, match=message):
        random_shift(**call)


# --- to_float ---


def test_to_float_divides_every_byte_by_255_to_the_last_bit():
    every_byte = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    scaled = to_float(every_byte)
    assert (scaled.shape, scaled.dtype) == ((4, 1, 8, 8), np.float32)
    assert scaled.ravel().tolist() == [float(np.float32(byte / 255)) for byte in range(256)]
    assert to_float(every_byte[:0]).shape == (0, 1, 8, 8)


def test_to_float_will_not_scale_twice():
    with pytest.raises(DTypeError, match=r"to_float: images must be uint8, got float32"):
        to_float(np.zeros((1, 28, 28), dtype=np.float32))
    with pytest.raises(ShapeError, match=r"must have shape \(N, H, W\) or \(N, C, H, W\), got \(28, 28\)"):
        to_float(np.zeros((28, 28), dtype=np.uint8))


def test_to_float_leaves_channels_where_they_are():
    colours = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    np.testing.assert_array_equal(to_float(colours), to_float(colours.reshape(6, 2, 2)).reshape(2, 3, 2, 2))


# --- Channel statistics ---


@given(st.sampled_from([(5, 3), (1, 1, 1), (4, 2, 3), (2, 3, 2, 2), (1100, 2, 1, 1)]), seeds,
       st.sampled_from([np.uint8, np.float16, np.float32, np.float64]))  # fmt: skip
def test_statistics_are_numpys_in_double_precision(shape, seed, dtype):
    x = np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)
    mean, std = channel_statistics(x)
    columns = np.moveaxis(x.astype(float), 1, 0).reshape(shape[1], -1)
    np.testing.assert_allclose(mean, columns.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(std, columns.std(axis=1), rtol=1e-12, atol=1e-12)
    assert mean.dtype == std.dtype == np.float64


@given(st.sampled_from([(5, 3), (2, 3, 2, 2)]), seeds, st.sampled_from([np.float16, np.float32, np.float64]))
def test_normalized_channels_have_a_mean_of_0_and_a_deviation_of_1(shape, seed, dtype):
    x = np.random.default_rng(seed).uniform(3, 9, shape).astype(dtype)
    before, (mean, std) = x.copy(), channel_statistics(x)
    out = normalize_channels(x, mean, std)
    assert (out.dtype, out.shape) == (dtype, shape)
    np.testing.assert_array_equal(x, before)
    close = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(channel_statistics(out)[0], 0, atol=20 * close)
    np.testing.assert_allclose(channel_statistics(out)[1], 1, rtol=20 * close)
    spread = (-1, *(1,) * (x.ndim - 2))
    np.testing.assert_allclose(out, (x - mean.reshape(spread)) / std.reshape(spread), rtol=close, atol=close)


def test_the_statistics_of_the_digits_are_those_that_everyone_uses():
    mean, std = channel_statistics(to_float(load_embedded().x_test))
    assert (mean.shape, std.shape) == ((1,), (1,))
    np.testing.assert_allclose((mean[0], std[0]), (0.1325, 0.3105), atol=5e-5)


X = np.ones((4, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: channel_statistics(np.ones(3)), ShapeError, r"x must have shape \(N, C, ...\) .* got \(3,\)"),
        (lambda: channel_statistics(np.ones((0, 3))), ShapeError, r"not be empty, got \(0, 3\)"),
        (lambda: normalize_channels(X, *channel_statistics(X)), DataError, r"std\[0\] = 0.0\. .* std\[std == 0\] = 1"),
        (lambda: normalize_channels(X, [0, 0], [1, -1]), DataError, r"std\[1\] = -1.0"),
        (lambda: normalize_channels(X, [0, 0], [1, np.nan]), DataError, r"std\[1\] = nan"),
        (lambda: normalize_channels(X, [0], [1, 1]), ShapeError, r"\(1,\) and \(2,\)"),
        (lambda: normalize_channels(X, 0, 1), ShapeError, r"\(\) and \(\)"),
        (lambda: normalize_channels(X.astype(int), [0, 0], [1, 1]), DTypeError, "must be floating point, got int64"),
    ],
)
def test_a_wrong_call_of_the_statistics_says_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()
