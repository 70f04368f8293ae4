"""Shards, their ranks, and the tree of their sum, which does not depend on the ranks."""

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
