"""Shards of a batch, their assignment to workers, and sums in the order of one binary tree.

A block is 2**level consecutive shards; the index of its first shard is a multiple of 2**level. The sum of a block is
the sum of its left half plus the sum of its right half. The tree fixes the order of additions, so the bits of the sum
do not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from tinygrad_edu.errors.checks import integer

__all__ = ["ShardBlock", "TreeSum", "blocks", "shard_range", "shards"]

ShardBlock = tuple[int, int]  # level and index: the shards index * 2**level to (index + 1) * 2**level - 1
Value = TypeVar("Value")


def shards(count: int, size: int) -> list[slice]:
    """Cut `count` samples into slices of `size`. The last slice may be shorter.

    Raises
    ------
    DTypeError, ValueError
        `size` is not an integer, or less than 1.

    Examples
    --------
    >>> shards(70, 32)
    [slice(0, 32, None), slice(32, 64, None), slice(64, 70, None)]
    """
    size = integer("size", size, 1)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def shard_range(count: int, workers: int, rank: int) -> range:
    """Return the consecutive shards that a worker computes.

    No worker computes more than ceil(count / workers) shards. Within that limit, the ranges begin and end at the edges
    of large blocks, because a worker sends one sum per block.

    Examples
    --------
    >>> [list(shard_range(5, 3, rank)) for rank in range(3)]
    [[0, 1], [2, 3], [4]]
    >>> [len(shard_range(16, 3, rank)) for rank in range(3)]
    [6, 6, 4]
    """
    limit, unit = _ceil_div(count, workers), 1
    while 2 * unit <= limit and 2 * unit * _ceil_div(_ceil_div(count, 2 * unit), workers) <= limit:
        unit *= 2
    start, stop = (unit * _ceil_div(_ceil_div(count, unit) * edge, workers) for edge in (rank, rank + 1))
    return range(min(start, count), min(stop, count))


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def blocks(part: range, count: int) -> list[ShardBlock]:
    """Split a range of the `count` shards into the largest possible blocks.

    Examples
    --------
    >>> blocks(range(0, 7), 8)
    [(2, 0), (1, 2), (0, 6)]
    >>> blocks(range(0, 7), 7)
    [(3, 0)]
    """
    total: TreeSum[None] = TreeSum(count, lambda left, right: None)
    for k in part:
        total.push((0, k), None)
    return [block for block, _ in total.pending]


class TreeSum(Generic[Value]):
    """Running sum over blocks, which adds two values as soon as both halves of a block are complete.

    Parameters
    ----------
    count : int
        Number of shards.
    add : callable
        Function that adds the values of two halves. It may change the left value in place.

    Attributes
    ----------
    pending : list of (ShardBlock, value)
        Blocks whose other half is missing. After all shards are pushed, only the total is left.

    Examples
    --------
    >>> total = TreeSum(6, lambda a, b: f"({a}+{b})")
    >>> for k in range(6):
    ...     total.push((0, k), str(k))
    >>> total.pending
    [((3, 0), '(((0+1)+(2+3))+(4+5))')]
    """

    def __init__(self, count: int, add: Callable[[Value, Value], Value]) -> None:
        self.count, self.root_level, self.add = count, max(count - 1, 0).bit_length(), add
        self.pending: list[tuple[ShardBlock, Value]] = []

    def push(self, block: ShardBlock, value: Value) -> None:
        """Add the next block. Blocks must be pushed in the order of their shards."""
        level, index = block
        while level < self.root_level:
            if index % 2 and self.pending and self.pending[-1][0] == (level, index - 1):
                value = self.add(self.pending.pop()[1], value)
            elif index % 2 or (index + 1) << level < self.count:
                break
            level, index = level + 1, index // 2
        self.pending.append(((level, index), value))
