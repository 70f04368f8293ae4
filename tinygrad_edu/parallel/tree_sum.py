"""How a batch is cut into shards, who computes which, and in which order their sums are added: pairwise, in one tree.

A block is 2**level shards that begin at a multiple of their number; its sum is the sum of its left half plus that of
its right half. Whoever has both halves can add them, before anybody has the rest; so one process comes to the same bits
as a thousand, each with some of the shards. Beyond the last shard there is nothing to add.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from tinygrad_edu._checks import whole_number

__all__ = ["PairwiseSum", "ShardBlock", "blocks", "shards", "share"]

ShardBlock = tuple[int, int]  # level and index: the shards from index * 2**level to before (index + 1) * 2**level
Value = TypeVar("Value")


def shards(count: int, size: int) -> list[slice]:
    """Cut `count` samples into slices of `size`, at least 1; the last may be shorter.

    Raises
    ------
    DTypeError, DataError
        Where `size` is not a whole number, or less than 1.

    Examples
    --------
    >>> shards(70, 32)
    [slice(0, 32, None), slice(32, 64, None), slice(64, 70, None)]
    """
    size = whole_number("size", size, 1)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def share(count: int, workers: int, rank: int) -> range:
    """Return which of the shards one of the workers computes: consecutive ones, the first worker has the first.

    None has more than the shards divided by the workers, rounded up; as far as that allows, a share is one block, whose
    sum is one number for each parameter.

    Examples
    --------
    >>> [list(share(5, 3, rank)) for rank in range(3)]
    [[0, 1], [2, 3], [4]]
    >>> [len(share(16, 3, rank)) for rank in range(3)]
    [6, 6, 4]
    """
    most, unit = _over(count, workers), 1
    while 2 * unit <= most and 2 * unit * _over(_over(count, 2 * unit), workers) <= most:
        unit *= 2
    start, stop = (unit * _over(_over(count, unit) * edge, workers) for edge in (rank, rank + 1))
    return range(min(start, count), min(stop, count))


def _over(a: int, b: int) -> int:
    """Return a / b, rounded up."""
    return -(-a // b)


def blocks(part: range, count: int) -> list[ShardBlock]:
    """Return the largest blocks that make up some consecutive ones of `count` shards.

    Examples
    --------
    >>> blocks(range(0, 7), 8)
    [(2, 0), (1, 2), (0, 6)]
    >>> blocks(range(0, 7), 7)
    [(3, 0)]
    """
    total: PairwiseSum[None] = PairwiseSum(count, lambda left, right: None)
    for k in part:
        total.push((0, k), None)
    return [block for block, _ in total.pending]


class PairwiseSum(Generic[Value]):
    """Adds the values of blocks, which come in the order of their shards, as soon as two are halves of a block.

    Parameters
    ----------
    count : int
        How many shards there are.
    add : callable
        Of the values of two halves; it may change the left one.

    Attributes
    ----------
    pending : list of (ShardBlock, value)
        The blocks that wait for their other half; after the last shard, where all came, the sum is the only one.

    Examples
    --------
    >>> total = PairwiseSum(6, lambda a, b: f"({a}+{b})")
    >>> for k in range(6):
    ...     total.push((0, k), str(k))
    >>> total.pending
    [((3, 0), '(((0+1)+(2+3))+(4+5))')]
    """

    def __init__(self, count: int, add: Callable[[Value, Value], Value]) -> None:
        self.count, self.root, self.add = count, max(count - 1, 0).bit_length(), add
        self.pending: list[tuple[ShardBlock, Value]] = []

    def push(self, block: ShardBlock, value: Value) -> None:
        """Take the next block."""
        level, index = block
        while level < self.root:
            if index % 2 and self.pending and self.pending[-1][0] == (level, index - 1):
                value = self.add(self.pending.pop()[1], value)
            elif index % 2 or (index + 1) << level < self.count:
                break
            level, index = level + 1, index // 2
        self.pending.append(((level, index), value))
