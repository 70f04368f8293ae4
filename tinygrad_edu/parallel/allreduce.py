"""The sum over the shards of several workers, in the order of the one tree: by halving, and then doubling back.

Two groups of neighbours, each with the sums of its own shards, exchange parts of them, so that each worker goes on with
the sums of both for some of the elements; then two such groups become one, and so on. At the end each worker has the
whole sum of its elements, and the same messages, in reverse, tell it to the others. Each takes part in some log2(W)
groups and has two partners in most of them, the nearest first. Where W and the shares are powers of two, a worker sends
2 (1 - 1/W) times the elements.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.parallel.tree_sum import PairwiseSum, ShardBlock, blocks, share
from tinygrad_edu.parallel.workers import Workers

__all__ = ["sum_over_workers"]

BlockSums = list[tuple[ShardBlock, list[ndarray]]]  # of some blocks: one flat array for each dtype
Pieces = dict[int, list[slice]]  # of an array, by the rank of a partner
Side = list[tuple[list[ndarray], list[Pieces]]]  # of a message: arrays, and their pieces


class _Team(NamedTuple):
    """How many workers there are, and how many shards."""

    workers: int
    shards: int


class _Group(NamedTuple):
    """The workers from `low` to before `high`, in two halves that meet at `middle`."""

    low: int
    middle: int
    high: int


class _Round(NamedTuple):
    """What a worker does with one array where the two halves of a group become one.

    Attributes
    ----------
    before, after : int
        How many elements it has, and how many it goes on with.
    kept : list of slice
        Which of those it has these are.
    given, taken : Pieces
        Which of those it has its partners go on with, and which of those it goes on with they had, too.
    """

    before: int
    after: int
    kept: list[slice]
    given: Pieces
    taken: Pieces


def sum_over_workers(workers: Workers, count: int, own: BlockSums, like: list[ndarray]) -> list[ndarray]:
    """Return the sums of some flat arrays over `count` shards, of which each worker has added up its own blocks.

    Parameters
    ----------
    workers : Workers
    count : int
    own : list of (ShardBlock, list of ndarray)
        Of the shards that are this worker's `pairwise.share`.
    like : list of ndarray
        Arrays of the same sizes and dtypes, which all workers have.
    """
    team, walked = _Team(workers.size, count), list[list[_Round]]()
    for group in _groups(team, workers.rank):
        theirs = _blocks_of(team, *(group[1:] if workers.rank < group.middle else group[:2]))
        walked.append([_round(team, group, workers.rank, array.size) for array in like])
        own = _halve(workers, count, own, theirs, walked[-1], [array.dtype for array in like])
    ((_, arrays),) = own
    for rounds in reversed(walked):
        arrays = _double(workers, arrays, rounds)
    return arrays


def _halve(
    workers: Workers, count: int, own: BlockSums, theirs: list[ShardBlock], rounds: list[_Round], dtypes: list[Any]
) -> BlockSums:
    """Exchange parts with the other half of a group. Return the blocks of both, of what this worker goes on with."""
    got = [(block, [np.empty(r.after, dtype) for r, dtype in zip(rounds, dtypes, strict=True)]) for block in theirs]
    given, taken = [r.given for r in rounds], [r.taken for r in rounds]
    _transfer(workers, [(arrays, given) for _, arrays in own], [(arrays, taken) for _, arrays in got])
    kept = [(block, [_kept(array, r) for array, r in zip(arrays, rounds, strict=True)]) for block, arrays in own]
    total: PairwiseSum[list[ndarray]] = PairwiseSum(count, _add)
    for block, arrays in sorted(kept + got, key=lambda each: each[0][1] << each[0][0]):
        total.push(block, arrays)
    return total.pending


def _kept(array: ndarray, r: _Round) -> ndarray:
    return np.concatenate([array[:0], *(array[piece] for piece in r.kept)])


def _add(left: list[ndarray], right: list[ndarray]) -> list[ndarray]:
    return [np.add(a, b, out=a) for a, b in zip(left, right, strict=True)]


def _double(workers: Workers, arrays: list[ndarray], rounds: list[_Round]) -> list[ndarray]:
    """Tell the other half of a group the sums that this worker has. Return them beside those that it is told."""
    whole = [np.empty(r.before, array.dtype) for r, array in zip(rounds, arrays, strict=True)]
    for into, array, r in zip(whole, arrays, rounds, strict=True):
        start = 0
        for piece in r.kept:
            into[piece] = array[start : (start := start + piece.stop - piece.start)]
    _transfer(workers, [(arrays, [r.taken for r in rounds])], [(whole, [r.given for r in rounds])])
    return whole


def _transfer(workers: Workers, sources: Side, targets: Side) -> None:
    """Send each partner its pieces of the sources, in one message, and fill the pieces of the targets."""
    sent = {rank: np.concatenate([piece.view(np.uint8) for piece in pieces]) for rank, pieces in _by_rank(sources)}
    awaited = dict(_by_rank(targets))
    received = {rank: np.empty(sum(piece.nbytes for piece in pieces), np.uint8) for rank, pieces in awaited.items()}
    workers.exchange(sent, received)
    for rank, pieces in awaited.items():
        start = 0
        for piece in pieces:
            piece.view(np.uint8)[:] = received[rank][start : (start := start + piece.nbytes)]


def _by_rank(side: Side) -> list[tuple[int, list[ndarray]]]:
    """Return, for each partner, the pieces of all arrays in their order."""
    found: dict[int, list[ndarray]] = {}
    for arrays, pieces_of_each in side:
        for array, pieces in zip(arrays, pieces_of_each, strict=True):
            for rank, slices in pieces.items():
                found.setdefault(rank, []).extend(array[piece] for piece in slices)
    return list(found.items())


# --- Who does what: the same for every step, and so worked out once ---


@lru_cache(1024)
def _groups(team: _Team, rank: int) -> list[_Group]:
    """Return the groups that a worker is in, the smallest first."""
    found, low, high = [], 0, team.workers
    while high - low > 1:
        found.append(_Group(low, _middle(team, low, high), high))
        low, high = found[-1][:2] if rank < found[-1].middle else found[-1][1:]
    return found[::-1]


@lru_cache(1024)
def _middle(team: _Team, low: int, high: int) -> int:
    """Return where the halves of a group meet, neither of them less than a third: where the largest blocks do.

    The sum of a half is then of fewer blocks.
    """
    margin = max((high - low) // 3, 1)

    def size_of_blocks(rank: int) -> int:
        start = share(team.shards, team.workers, rank).start
        return start & -start if start < team.shards else team.shards

    central = sorted(range(low + margin, high - margin + 1), key=lambda rank: abs(2 * rank - low - high))
    return max(central, key=size_of_blocks)


@lru_cache(1024)
def _blocks_of(team: _Team, low: int, high: int) -> list[ShardBlock]:
    """Return the blocks of the shards of some workers together."""
    first, last = (share(team.shards, team.workers, rank) for rank in (low, high - 1))
    return blocks(range(first.start, last.stop), team.shards)


@lru_cache(1024)
def _round(team: _Team, group: _Group, rank: int, size: int) -> _Round:
    """Return what a worker does with an array of `size` elements where the halves of a group become one."""
    kept: list[slice] = []
    given: Pieces = {}
    taken: Pieces = {}
    before = after = 0
    for start, cut, stop, left, right in _overlaps(team, group, size):
        if rank in (left, right):
            lower, upper = slice(before, before + cut - start), slice(before + cut - start, before + stop - start)
            mine, other, partner = (lower, upper, right) if rank == left else (upper, lower, left)
            kept.append(mine)
            given.setdefault(partner, []).append(other)
            length = mine.stop - mine.start
            taken.setdefault(partner, []).append(slice(after, after + length))
            before, after = upper.stop, after + length
    return _Round(before, after, kept, given, taken)


def _overlaps(team: _Team, group: _Group, size: int) -> list[tuple[int, int, int, int, int]]:
    """Return from where, up to where and before where the same two have elements, the first goes on with the lower."""
    low, middle, high = group
    lefts, rights = _parts(team, low, middle, size), _parts(team, middle, high, size)
    found, i, j, start = [], 0, 0, 0
    while start < size:
        (_, left_stop, left), (_, right_stop, right) = lefts[i], rights[j]
        stop = min(left_stop, right_stop)
        cut = start + (stop - start) * (middle - low) // (high - low)
        found.append((start, cut, stop, left, right))
        i, j, start = i + (left_stop == stop), j + (right_stop == stop), stop
    return found


@lru_cache(1024)
def _parts(team: _Team, low: int, high: int, size: int) -> list[tuple[int, int, int]]:
    """Return which elements each of a group goes on with: from, to before, and its rank."""
    if high - low == 1:
        return [(0, size, low)]
    found = []
    for start, cut, stop, left, right in _overlaps(team, _Group(low, _middle(team, low, high), high), size):
        found += [(start, cut, left), (cut, stop, right)]
    return [part for part in found if part[0] < part[1]]
