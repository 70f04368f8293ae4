"""Allreduce: sum arrays over workers in the order of the tree, by recursive halving and doubling.

In the reduce-scatter phase, neighbouring groups of workers merge in pairs: each worker exchanges elements with partners
in the other group and keeps the sums of a part of its elements. After the last merge, it holds the totals of its part.
The all-gather phase sends the totals back in the reverse order. A worker takes part in about log2(W) merges, most with
one or two partners; if W and the shard ranges are powers of two, it sends 2 (1 - 1/W) times the elements.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.parallel.tree_sum import ShardBlock, TreeSum, blocks, shard_range
from tinygrad_edu.parallel.workers import Workers

BlockSums = list[tuple[ShardBlock, list[ndarray]]]  # for each block, one flat array per dtype
RankSlices = dict[int, list[slice]]  # slices of an array, by the rank of the partner
Buffers = list[tuple[list[ndarray], list[RankSlices]]]  # arrays, and the slices of each to send or to fill


class _Layout(NamedTuple):
    """Number of workers and number of shards."""

    workers: int
    shards: int


class _Merge(NamedTuple):
    """Merge of two groups of workers: ranks low to middle - 1, and ranks middle to high - 1."""

    low: int
    middle: int
    high: int


class _Plan(NamedTuple):
    """Messages of one worker for one array in a merge."""

    before: int  # elements before the merge
    after: int  # elements after the merge
    keep: list[slice]  # slices of the array before the merge that the worker keeps
    send: RankSlices  # slices of the array before the merge that its partners keep
    receive: RankSlices  # slices of the array after the merge that its partners send


def allreduce_sum(workers: Workers, count: int, own: BlockSums, templates: list[ndarray]) -> list[ndarray]:
    """Return the sums of flat arrays over all shards, on every worker.

    Parameters
    ----------
    workers : Workers
    count : int
        The number of shards.
    own : list of (ShardBlock, list of ndarray)
        The sums of the blocks in this worker's `tree_sum.shard_range`.
    templates : list of ndarray
        Arrays with the sizes and dtypes of the flat arrays.
    """
    layout, merge_plans = _Layout(workers.size, count), list[list[_Plan]]()
    for merge in _merges(layout, workers.rank):
        other_blocks = _blocks_of(layout, *(merge[1:] if workers.rank < merge.middle else merge[:2]))
        merge_plans.append([_plan(layout, merge, workers.rank, array.size) for array in templates])
        own = _reduce_scatter(workers, count, own, other_blocks, merge_plans[-1], [array.dtype for array in templates])
    ((_, arrays),) = own
    for plans in reversed(merge_plans):
        arrays = _all_gather(workers, arrays, plans)
    return arrays


def _reduce_scatter(
    workers: Workers, count: int, own: BlockSums, other_blocks: list[ShardBlock], plans: list[_Plan], dtypes: list[Any]
) -> BlockSums:
    """Exchange elements with the other group, and return the block sums of both groups for the elements kept."""
    received = [
        (block, [np.empty(plan.after, dtype) for plan, dtype in zip(plans, dtypes, strict=True)])
        for block in other_blocks
    ]
    send, receive = [plan.send for plan in plans], [plan.receive for plan in plans]
    _transfer(workers, [(arrays, send) for _, arrays in own], [(arrays, receive) for _, arrays in received])
    kept = [
        (block, [_take_slices(array, plan) for array, plan in zip(arrays, plans, strict=True)]) for block, arrays in own
    ]
    total: TreeSum[list[ndarray]] = TreeSum(count, _add)
    for block, arrays in sorted(kept + received, key=lambda entry: entry[0][1] << entry[0][0]):
        total.push(block, arrays)
    return total.pending


def _take_slices(array: ndarray, plan: _Plan) -> ndarray:
    return np.concatenate([array[:0], *(array[part] for part in plan.keep)])


def _add(left: list[ndarray], right: list[ndarray]) -> list[ndarray]:
    return [np.add(a, b, out=a) for a, b in zip(left, right, strict=True)]


def _all_gather(workers: Workers, arrays: list[ndarray], plans: list[_Plan]) -> list[ndarray]:
    """Send this worker's totals to the other group. Return them with the totals received."""
    totals = [np.empty(plan.before, array.dtype) for plan, array in zip(plans, arrays, strict=True)]
    for total, array, plan in zip(totals, arrays, plans, strict=True):
        start = 0
        for part in plan.keep:
            total[part] = array[start : (start := start + part.stop - part.start)]
    _transfer(workers, [(arrays, [plan.receive for plan in plans])], [(totals, [plan.send for plan in plans])])
    return totals


def _transfer(workers: Workers, sources: Buffers, targets: Buffers) -> None:
    """Send each partner its slices of the sources in one message, and fill the slices of the targets."""
    sent = {rank: np.concatenate([part.view(np.uint8) for part in parts]) for rank, parts in _by_rank(sources)}
    expected = dict(_by_rank(targets))
    received = {rank: np.empty(sum(part.nbytes for part in parts), np.uint8) for rank, parts in expected.items()}
    workers.exchange(sent, received)
    for rank, parts in expected.items():
        start = 0
        for part in parts:
            part.view(np.uint8)[:] = received[rank][start : (start := start + part.nbytes)]


def _by_rank(buffers: Buffers) -> list[tuple[int, list[ndarray]]]:
    """Return the slices of all arrays for each partner, in the order of the arrays."""
    by_rank: dict[int, list[ndarray]] = {}
    for arrays, slices_of_arrays in buffers:
        for array, slices_of_ranks in zip(arrays, slices_of_arrays, strict=True):
            for rank, slices in slices_of_ranks.items():
                by_rank.setdefault(rank, []).extend(array[part] for part in slices)
    return list(by_rank.items())


# --- The plan, cached because it is the same for every step ---


@lru_cache(1024)
def _merges(layout: _Layout, rank: int) -> list[_Merge]:
    """Return the merges of a worker, smallest first."""
    merges, low, high = [], 0, layout.workers
    while high - low > 1:
        merges.append(_Merge(low, _middle(layout, low, high), high))
        low, high = merges[-1][:2] if rank < merges[-1].middle else merges[-1][1:]
    return merges[::-1]


@lru_cache(1024)
def _middle(layout: _Layout, low: int, high: int) -> int:
    """Return the rank at which to split a group: between large blocks, with at least a third of the group on each side.

    Each half then sends fewer block sums.
    """
    margin = max((high - low) // 3, 1)

    def size_of_blocks(rank: int) -> int:
        start = shard_range(layout.shards, layout.workers, rank).start
        return start & -start if start < layout.shards else layout.shards

    central = sorted(range(low + margin, high - margin + 1), key=lambda rank: abs(2 * rank - low - high))
    return max(central, key=size_of_blocks)


@lru_cache(1024)
def _blocks_of(layout: _Layout, low: int, high: int) -> list[ShardBlock]:
    """Return the shard blocks of the workers `low` to ``high - 1``."""
    first, last = (shard_range(layout.shards, layout.workers, rank) for rank in (low, high - 1))
    return blocks(range(first.start, last.stop), layout.shards)


@lru_cache(1024)
def _plan(layout: _Layout, merge: _Merge, rank: int, size: int) -> _Plan:
    """Return a worker's plan for an array of `size` elements in a merge."""
    keep: list[slice] = []
    send: RankSlices = {}
    receive: RankSlices = {}
    before = after = 0
    for start, cut, stop, left, right in _overlaps(layout, merge, size):
        if rank in (left, right):
            lower, upper = slice(before, before + cut - start), slice(before + cut - start, before + stop - start)
            kept, sent, partner = (lower, upper, right) if rank == left else (upper, lower, left)
            keep.append(kept)
            send.setdefault(partner, []).append(sent)
            length = kept.stop - kept.start
            receive.setdefault(partner, []).append(slice(after, after + length))
            before, after = upper.stop, after + length
    return _Plan(before, after, keep, send, receive)


def _overlaps(layout: _Layout, merge: _Merge, size: int) -> list[tuple[int, int, int, int, int]]:
    """Return (start, cut, stop, left, right): rank left keeps elements start:cut, and rank right keeps cut:stop."""
    low, middle, high = merge
    left_segments, right_segments = _segments(layout, low, middle, size), _segments(layout, middle, high, size)
    overlaps, i, j, start = [], 0, 0, 0
    while start < size:
        (_, left_stop, left), (_, right_stop, right) = left_segments[i], right_segments[j]
        stop = min(left_stop, right_stop)
        cut = start + (stop - start) * (middle - low) // (high - low)
        overlaps.append((start, cut, stop, left, right))
        i, j, start = i + (left_stop == stop), j + (right_stop == stop), stop
    return overlaps


@lru_cache(1024)
def _segments(layout: _Layout, low: int, high: int, size: int) -> list[tuple[int, int, int]]:
    """Return (start, stop, rank): the range of elements that each worker of a group keeps."""
    if high - low == 1:
        return [(0, size, low)]
    segments = []
    for start, cut, stop, left, right in _overlaps(layout, _Merge(low, _middle(layout, low, high), high), size):
        segments += [(start, cut, left), (cut, stop, right)]
    return [segment for segment in segments if segment[0] < segment[1]]
