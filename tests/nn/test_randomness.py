"""Random streams of layers."""

import itertools

import numpy as np
import pytest

from tests.effort import with_each
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import Conv2D, Dropout, Linear, init
from tinygrad_edu.nn.randomness import current_stream, random_stream, stream_of, stream_seeds


def test_layers_draw_from_the_stream_that_is_set_and_otherwise_from_their_own():
    own, other = np.random.default_rng(0), np.random.default_rng(1)
    assert current_stream(own) is own
    with random_stream(other):
        assert current_stream(own) is other
    assert current_stream(own) is own


def set_stream(rng):
    with random_stream(rng):
        pass


LAYERS = [lambda rng: Dropout(0.5, rng=rng), lambda rng: Linear(1, 1, rng=rng), lambda rng: Conv2D(1, 1, 1, rng=rng)]
DRAWS = [
    set_stream,
    lambda rng: init.uniform((2, 2), 1.0, rng),
    lambda rng: init.xavier_uniform((2, 2), rng),
    lambda rng: init.kaiming_uniform((2, 2), rng),
    lambda rng: init.kaiming_normal((2, 2), rng),
]
NO_GENERATORS = [0, np.random.RandomState(0), np.random, np.random.PCG64(0)]


@with_each(
    ("draw", "rng"), [*itertools.product(LAYERS, NO_GENERATORS), *itertools.product(DRAWS, [None, *NO_GENERATORS])]
)
def test_what_is_no_generator_is_refused(draw, rng):
    with pytest.raises(DTypeError, match=r"rng must be a numpy\.random\.Generator, got .*default_rng\(seed\)"):
        draw(rng)


def independent_streams(rng, count):
    return [stream_of(seed) for seed in stream_seeds(rng, count)]


def drawn(streams):
    return np.array([stream.random(1000) for stream in streams])


def test_streams_follow_from_the_state_of_their_generator():
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    first, second = drawn(independent_streams(rng, 3)), drawn(independent_streams(rng, 3))
    assert (first != second).all()
    rng.bit_generator.state = state
    np.testing.assert_array_equal(drawn(independent_streams(rng, 3)), first)


def test_streams_begin_apart_and_follow_sequences_of_their_own():
    states = [stream.bit_generator.state["state"] for stream in independent_streams(np.random.default_rng(0), 1000)]
    assert len({state["state"] for state in states}) == len({state["inc"] for state in states}) == 1000


def test_streams_are_uniform_and_uncorrelated():
    streams = drawn(independent_streams(np.random.default_rng(0), 100))
    for along in (streams, streams.T):  # within a stream, and across streams at the same position
        assert abs(along.mean(axis=1) - 0.5).max() < 6 * np.sqrt(1 / 12 / along.shape[1])
    correlations = np.corrcoef(streams) - np.eye(100)
    assert abs(correlations).max() < 6 / np.sqrt(1000)
