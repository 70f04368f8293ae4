"""Allreduce: bitwise the sum of the tree on each worker, with few bytes in few messages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import with_each
from tests.parallel.simulated import on_workers
from tinygrad_edu.parallel import allreduce
from tinygrad_edu.parallel.allreduce import allreduce_sum
from tinygrad_edu.parallel.tree_sum import TreeSum, shard_range

DTYPES = (np.float64, np.float32, np.float16)


def add(left, right):
    return [a + b for a, b in zip(left, right, strict=True)]


def pending(of_shards, part):
    """Return the blocks of some shards, and the sums of each."""
    total = TreeSum(len(of_shards), add)
    for k in part:
        total.push((0, k), of_shards[k])
    return total.pending


def summed(size, of_shards):
    """Return the workers and their results."""
    like = [np.empty_like(array) for array in of_shards[0]]

    def run(worker):
        own = pending(of_shards, shard_range(len(of_shards), size, worker.rank))
        own = [(block, [array.copy() for array in arrays]) for block, arrays in own]
        return allreduce_sum(worker, len(of_shards), own, like)

    return on_workers(size, run)


def nasty(seed, count, sizes):
    """Draw numbers of each dtype for each shard: of any magnitude, zeros of both signs, infinities."""
    rng = np.random.default_rng(seed)

    def array(size, dtype):
        numbers = rng.normal(size=size) * 2.0 ** rng.integers(-12, 4, size)
        numbers[rng.random(size) < 0.2] = -0.0
        numbers[rng.random(size) < 0.05] = 0.0
        numbers[rng.random(size) < 0.01] = np.inf
        return numbers.astype(dtype)

    return [[array(size, dtype) for size, dtype in zip(sizes, DTYPES, strict=True)] for _ in range(count)]


def require_the_tree(size, of_shards):
    ((_, wanted),) = pending(of_shards, range(len(of_shards)))
    for found in summed(size, of_shards)[1]:
        for array, other in zip(found, wanted, strict=True):
            assert (array.dtype, array.shape, array.tobytes()) == (other.dtype, other.shape, other.tobytes())


@given(
    st.integers(1, 20), st.integers(1, 40), st.tuples(*[st.sampled_from([0, 1, 2, 3, 17, 50])] * 3), st.integers(0, 99)
)
def test_on_any_number_of_workers_it_has_the_bits_of_the_one_tree(size, count, sizes, seed):
    require_the_tree(size, nasty(seed, count, sizes))


@with_each("size", [*range(1, 10), 13, 16, 17, 33])
@with_each("count", [1, 7, 11, 16, 100])
def test_on_up_to_33_workers_it_has_the_bits_of_the_one_tree(size, count):
    require_the_tree(size, nasty(size, count, (40, 7, 1)))


# --- Costs ---

ELEMENTS = 2048


def told(size, count):
    """Return the maximum over workers of bytes sent (in array sizes), messages, and rounds of waiting."""
    workers, _ = summed(size, [[np.full(ELEMENTS, 0.1)]] * count)
    return (
        max(worker.bytes for worker in workers) / (8 * ELEMENTS),
        max(worker.messages for worker in workers),
        max(worker.rounds for worker in workers),
    )


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("each", [1, 2, 8])
def test_of_powers_of_two_a_worker_sends_less_than_twice_the_array_to_one_partner_after_the_other(size, each):
    rounds = 2 * (size.bit_length() - 1)
    assert told(size, size * each) == (2 * (1 - 1 / size), rounds, rounds)


@with_each("size", [*range(2, 14), 17, 24, 31, 33])
@with_each("each", [1, 4])
def test_of_other_numbers_it_sends_little_more(size, each):
    times, messages, rounds = told(size, size * each)
    log = (size - 1).bit_length()
    assert times <= 2.5
    assert rounds <= 2 * log
    assert messages <= 6 * log


@pytest.mark.parametrize("size", [2, 3, 33, 64, 127, 1000, 1024])
def test_who_does_what_is_told_by_lists_of_a_few_times_the_workers(size):
    layout = allreduce._Layout(size, 4 * size)
    assert len(allreduce._segments(layout, 0, size, 10**6)) <= 4 * size
    for rank in range(0, size, max(size // 5, 1)):
        groups = allreduce._merges(layout, rank)
        assert len(groups) <= 2 * (size - 1).bit_length()
        rounds = [allreduce._plan(layout, group, rank, 10**6) for group in groups]
        pieces = sum(len(r.keep) + sum(map(len, (*r.send.values(), *r.receive.values()))) for r in rounds)
        assert pieces <= 16 * size
        assert sum(len({*r.send, *r.receive}) for r in rounds) <= 6 * len(groups)
