"""Shards, their ranks, and the tree of their sum, which does not depend on the ranks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.parallel.tree_sum import TreeSum, blocks, shard_range, shards

counts, sizes = st.integers(1, 200), st.integers(1, 70)


# --- Shards ---


@pytest.mark.parametrize(("count", "size"), [(0, 32), (1, 32), (32, 32), (33, 32), (70, 32), (5, 1)])
def test_shards_cover_every_sample_once_in_order(count, size):
    parts = shards(count, size)
    assert [i for part in parts for i in range(count)[part]] == list(range(count))
    assert all(part.stop - part.start == size for part in parts[:-1])
    assert all(0 < part.stop - part.start <= size for part in parts)


# --- Assignment to ranks ---


@given(counts, sizes)
def test_each_shard_is_in_one_share_in_order_and_no_share_is_larger_than_it_must_be(count, workers):
    shares = [shard_range(count, workers, rank) for rank in range(workers)]
    assert [k for part in shares for k in part] == list(range(count))
    assert max(map(len, shares)) == -(-count // workers)
    assert shares[0].start == 0
    assert len(shares[0]) > 0


@given(st.integers(0, 7), sizes)
def test_a_share_is_one_block_where_all_can_be(level, workers):
    shares = [shard_range(workers << level, workers, rank) for rank in range(workers)]
    assert [blocks(part, workers << level) for part in shares[:-1]] == [[(level, k)] for k in range(workers - 1)]


@given(counts, st.data())
def test_the_blocks_of_some_shards_are_the_largest_that_fit(count, data):
    start = data.draw(st.integers(0, count - 1))
    part = range(start, data.draw(st.integers(start, count)))
    found = blocks(part, count)
    covered = [range(index << level, min((index + 1) << level, count)) for level, index in found]
    assert [k for block in covered for k in block] == list(part)
    for level, index in found:
        parent = range(index // 2 << level + 1, min((index // 2 + 1) << level + 1, count))
        assert level == (count - 1).bit_length() or not {*parent} <= {*part}


# --- The tree ---


def tree(count, low=0, size=None):
    """Return the sum of a block by its definition: left half plus right half, without shards beyond the last."""
    size = 1 << (count - 1).bit_length() if size is None else size
    if size == 1:
        return str(low)
    left, middle = tree(count, low, size // 2), low + size // 2
    return f"({left}+{tree(count, middle, size // 2)})" if middle < count else left


def add(left, right):
    return f"({left}+{right})"


def summed(count, part):
    """Return the blocks of some shards, each with the expression of its sum."""
    total = TreeSum(count, add)
    for k in part:
        total.push((0, k), str(k))
    return total.pending


def joined(count, groups):
    total = TreeSum(count, add)
    for block, value in (each for group in groups for each in group):
        total.push(block, value)
    return total.pending


@given(counts)
def test_the_shards_of_one_worker_are_added_in_the_one_tree(count):
    ((_, value),) = summed(count, range(count))
    assert value == tree(count)


@given(counts, st.data())
def test_the_tree_is_the_same_wherever_the_shards_are_cut_among_workers(count, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=12)))
    groups = [summed(count, range(*ends)) for ends in pairwise([0, *cuts, count])]
    ((_, value),) = joined(count, groups)
    assert value == tree(count)


@given(counts, sizes, st.randoms(use_true_random=False))
def test_nor_does_it_matter_which_neighbours_add_first(count, workers, random):
    """Neighbours add their sums, in any order, until one has the total, as in the rounds of an exchange."""
    groups = [summed(count, shard_range(count, workers, rank)) for rank in range(workers)]
    while len(groups) > 1:
        i = random.randrange(len(groups) - 1)
        groups[i : i + 2] = [joined(count, groups[i : i + 2])]
    assert groups[0] == [(((count - 1).bit_length(), 0), tree(count))]


@given(counts, st.data())
def test_few_blocks_wait(count, data):
    start = data.draw(st.integers(0, count - 1))
    part = range(start, data.draw(st.integers(start, count)))
    assert len(summed(count, part)) <= 2 * max(len(part).bit_length(), 1)


def test_the_sum_of_nothing_is_pending_nowhere():
    assert TreeSum(0, add).pending == []
    assert shard_range(0, 3, 1) == range(0)
    assert blocks(range(0), 5) == []
