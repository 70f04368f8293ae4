"""Warped images equal a loop over the pixels; fields have the documented bounds and spread."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinygrad_edu.data import (
    affine_field,
    displace,
    elastic_field,
    load_embedded,
    random_affine,
    random_elastic,
    random_shift,
)
from tinygrad_edu.errors import DataError, DTypeError, ShapeError

DTYPES = (np.uint8, np.int64, np.float16, np.float32, np.float64)
seeds = st.integers(0, 2**32 - 1)
rng = np.random.default_rng


@st.composite
def images(draw):
    """Images with or without channels, in several layouts."""
    count, height, width = draw(st.integers(0, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    channels = draw(st.sampled_from([(), (1,), (3,)]))
    dtype = draw(st.sampled_from(DTYPES))
    batch = rng(draw(seeds)).integers(0, 256, (count, *channels, height, width)).astype(dtype)
    return draw(st.sampled_from([batch, batch[::-1, ..., ::-1], np.asfortranarray(batch)]))


def size(batch):
    return batch.shape[-2:]


def pixel(image, row, column):
    inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
    return float(image[row, column]) if inside else 0.0


def read(image, row, column):
    """Return an interpolated value of one image of shape (H, W)."""
    top, left = math.floor(row), math.floor(column)
    down, right = row - top, column - left
    above = (1 - right) * pixel(image, top, left) + right * pixel(image, top, left + 1)
    below = (1 - right) * pixel(image, top + 1, left) + right * pixel(image, top + 1, left + 1)
    return (1 - down) * above + down * below


# --- displace ---


@given(images(), st.data())
def test_a_displaced_image_is_what_a_loop_over_the_pixels_reads(batch, data):
    numbers = st.integers(-24, 24).map(lambda eighths: eighths / 8) | st.sampled_from([1e30, -1e30])
    one = data.draw(arrays(np.float32, (2, *size(batch)), elements=numbers))
    field = np.stack([np.roll(one, k, axis=2) for k in range(len(batch))] or [one])[: len(batch)]
    before = batch.copy()
    found = displace(batch, field)
    assert (found.shape, found.dtype) == (batch.shape, batch.dtype)
    np.testing.assert_array_equal(batch, before)
    for image, moves, displaced in zip(batch, field, found, strict=True):
        for row, column in np.ndindex(size(batch)):
            place = row + float(moves[0, row, column]), column + float(moves[1, row, column])
            wanted = [read(plane, *place) for plane in image.reshape(-1, *size(batch))]
            seen = displaced.reshape(-1, *size(batch))[:, row, column].astype(float)
            tolerance = 0.5 if batch.dtype.kind != "f" else 0.1 if batch.dtype == np.float16 else 1e-4
            np.testing.assert_allclose(seen, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(150, 28, 28), (3, 2, 200, 300), (2, 0, 4), (2, 0, 4, 4)])
def test_a_batch_is_its_images_one_by_one(shape):
    batch, size = rng(0).random(shape, np.float32), shape[-2:]
    field = rng(1).normal(size=(shape[0], 2, *size)).astype(np.float32)
    each = [displace(batch[k : k + 1], field[k : k + 1]) for k in range(len(batch))]
    np.testing.assert_array_equal(displace(batch, field), np.concatenate(each))


@given(images(), seeds)
def test_nothing_drawn_leaves_the_same_bits_in_memory_of_its_own(batch, seed):
    for same in (random_affine(batch, 0, rng(seed)), random_elastic(batch, 0, 4, rng(seed))):
        assert same.tobytes() == batch.tobytes()
        assert not np.shares_memory(same, batch)


@given(images(), st.integers(0, 6), seeds)
def test_a_move_by_whole_pixels_is_a_shift(batch, far, seed):
    offsets = rng(seed).integers(0, 2 * far, size=(2, len(batch)), endpoint=True) - far
    field = np.broadcast_to(offsets.T[..., None, None], (len(batch), 2, *size(batch))).astype(np.float32)
    np.testing.assert_array_equal(displace(batch, field), random_shift(batch, far, rng(seed)))


@given(st.sampled_from(DTYPES), st.integers(1, 6), st.integers(-4, 4), seeds)
def test_quarter_turns_are_those_of_numpy(dtype, side, quarters, seed):
    batch = rng(seed).integers(0, 256, (2, side, side)).astype(dtype)
    turned = random_affine(batch, (90 * quarters, 90 * quarters), rng(seed))
    np.testing.assert_allclose(turned, np.rot90(batch, -quarters, axes=(1, 2)), rtol=0, atol=2e-3)


def test_upright_lines_lean_to_the_right():
    line = np.zeros((1, 5, 5), np.uint8)
    line[:, :, 2] = 9
    leaning = random_affine(line, 0, rng(0), shear=(45, 45))
    np.testing.assert_array_equal(leaning[0], 9 * np.eye(5)[::-1])


def test_digits_stay_what_they_are():
    digits = load_embedded().x_train[:200].astype(np.float32) / 255
    turned = random_affine(digits, 10, rng(0), translate=0.03, shear=5)
    larger = random_affine(digits, 0, rng(0), scale=(1.2, 1.2))
    bent = random_elastic(digits, 34, 4, rng(0))
    for found, share, spread in ((turned, 1, 0.01), (larger, 1.44, 0.03), (bent, 1, 0.1)):
        ink = found.sum(axis=(1, 2)) / digits.sum(axis=(1, 2))
        np.testing.assert_allclose(ink, share, atol=4 * spread)
        assert abs(ink.mean() - share) < spread
        assert 0 <= found.min() <= found.max() <= 1
        assert found.max(axis=(1, 2)).mean() > 0.95 * digits.max(axis=(1, 2)).mean()  # strokes are not blurred away


# --- The fields ---


def numbers_of(field):
    """Recover the angles, shears, scale factors and shifts of affine fields of images of odd sizes."""
    middle = field[:, :, field.shape[2] // 2, field.shape[3] // 2]
    by_row, by_column = field[:, :, -1, 0] - field[:, :, 0, 0], field[:, :, 0, -1] - field[:, :, 0, 0]
    read = np.stack([by_row / (field.shape[2] - 1), by_column / (field.shape[3] - 1)], axis=2) + np.eye(2)
    image = np.linalg.inv(read)  # images of unit steps down and right
    turn, factor = np.arctan2(image[:, 0, 1], image[:, 1, 1]), np.hypot(image[:, 0, 1], image[:, 1, 1])
    lean = np.arctan(-(image[:, 1, 0] / factor + np.sin(turn)) / np.cos(turn))
    return np.rad2deg(turn), np.rad2deg(lean), factor, -(image @ middle[..., None])[..., 0]


def test_affine_numbers_are_uniform_in_their_ranges():
    field = affine_field(4000, (9, 21), (-20, 40), rng(0), translate=(0.1, 0.2), scale=(0.5, 1.25), shear=(-5, 15))
    turn, lean, factor, moves = numbers_of(field)
    ranges = ((-20, 40), (-5, 15), (0.5, 1.25), (-1.8, 1.8), (-2.1, 2.1))
    found = (turn, lean, factor, *moves.T)
    for values, (low, high) in zip(found, ranges, strict=True):
        parts = np.histogram(values, bins=np.linspace(low - 1e-4, high + 1e-4, 11))[0]
        np.testing.assert_allclose(parts, 400, atol=100)  # five standard deviations
    assert np.abs(np.corrcoef(found) - np.eye(5)).max() < 0.08


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_elastic_fields_are_blurred_noise(sigma):
    field = elastic_field(4000, (12, 20), 30.0, sigma, rng(0)).astype(np.float64)
    offsets = np.arange(-100, 101)
    blur = np.exp(-0.5 * (offsets / sigma) ** 2)
    blur /= blur.sum()
    alike = np.correlate(blur, blur, "full")[len(blur) - 1 :]  # correlation by distance along an axis
    for down, right in ((0, 0), (3, 0), (0, 5), (2, 2)):
        wanted = 15**2 / 3 * alike[down] * alike[right]
        for row, column in ((0, 0), (5, 7)):  # at the edge and inside
            seen = (field[:, :, row, column] * field[:, :, row + down, column + right]).mean()
            assert abs(seen - wanted) < 0.1 * 15**2 / 3 * alike[0] ** 2
    assert abs(np.mean(field[:, 0] * field[:, 1])) < 0.01 * 15**2 / 3 * alike[0] ** 2


@pytest.mark.parametrize(
    "draw", [lambda r: affine_field(3, (6, 5), 30, r), lambda r: elastic_field(3, (6, 5), 9, 2, r)]
)
def test_one_seed_gives_one_set_of_fields_and_each_image_another(draw):
    field = draw(rng(0))
    assert (field.shape, field.dtype) == ((3, 2, 6, 5), np.float32)
    np.testing.assert_array_equal(field, draw(rng(0)))
    for other in (field[[1, 2, 0]], draw(rng(1))):
        assert not np.isclose(field, other).all(axis=(1, 2, 3)).any()


IMAGES, FIELD = np.zeros((2, 4, 4), np.uint8), np.zeros((2, 2, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: displace(IMAGES[0], FIELD), ShapeError, r"got \(4, 4\) and .*image\[None\]"),
        (lambda: displace(IMAGES, FIELD[:1]), ShapeError, r"and \(1, 2, 4, 4\)"),
        (lambda: displace(IMAGES > 0, FIELD), DTypeError, "got bool and"),
        (lambda: displace(IMAGES, FIELD.astype(int)), DTypeError, "and int64"),
        (lambda: displace(IMAGES, FIELD * np.nan), DataError, "field must not hold NaN"),
        (lambda: random_affine(IMAGES, -5, rng(0)), DataError, "degrees must be a range .* got -5"),
        (lambda: random_affine(IMAGES, (5, 1), rng(0)), DataError, "degrees must be a range"),
        (lambda: random_affine(IMAGES, (1, 2, 3), rng(0)), DataError, "degrees must be a range"),
        (lambda: random_affine(IMAGES, np.inf, rng(0)), DataError, "degrees must be a range"),
        (lambda: random_affine(IMAGES, 0, rng(0), scale=(0.0, 0.0)), DataError, "scale above 0"),
        (lambda: random_affine(IMAGES, 0, rng(0), shear=(90, 95)), DataError, "shear must be below 90"),
        (lambda: random_affine(IMAGES, 0, rng(0), translate=-0.1), DataError, "translate must be"),
        (lambda: random_affine(IMAGES, 0, rng(0), translate=(1, 2, 3)), DataError, "translate must be"),
        (lambda: random_affine(IMAGES, 5, 0), DTypeError, "rng must be a numpy.random.Generator"),
        (lambda: random_affine(IMAGES[0, 0], 5, rng(0)), ShapeError, "size must be"),
        (lambda: random_elastic(IMAGES, -1, 4, rng(0)), DataError, "alpha must be >= 0"),
        (lambda: random_elastic(IMAGES, 34, 0, rng(0)), DataError, "sigma > 0"),
        (lambda: elastic_field(-1, (4, 4), 34, 4, rng(0)), ValueError, "count"),
        (lambda: elastic_field(1, (4, 0.5), 34, 4, rng(0)), DTypeError, "the width"),
    ],
)
def test_what_is_wrong_is_said(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
