"""Attention in blocks of queries, without an array of all weights: the backward pass computes them again.

The plain version is `plain_attention` in ``ops/networks/attention.py``, which saves the weights, (B, L, S). Here, the
weights of a block stay in the cache of a core, and keys that no query of a block attends to are skipped, as for causal
attention.

Reference: T. Dao et al., "FlashAttention: Fast and memory-efficient exact attention with IO-awareness", NeurIPS 2022.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.shared.speed.threads import even_slices, map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

# Number of weights of a head from which attention is computed in blocks; weights of a block.
MIN_WEIGHTS, _BLOCK = map(SizeThreshold, (2**16, 2**16))
# Number of weights from which threads share the heads; parts for the threads.
_LARGE, _PARTS = map(SizeThreshold, (2**18, 8))


class QueryBlock(NamedTuple):
    """Some queries, the keys that they may attend to, and the mask of their scores, or None."""

    queries: tuple[slice, slice]
    keys: tuple[slice, slice]
    mask: ndarray | None


def _blocks(heads: slice, mask: ndarray, length: int, keys: int, skips: bool) -> Iterator[QueryBlock]:
    """Yield the blocks of some heads, without keys at either end that no query sees if `skips` is True.

    The mask is (B or 1, L or 1, S or 1).
    """
    rows, count = max(1, min(length, _BLOCK // keys)), max(1, _BLOCK // (length * keys))
    for head in range(heads.start, heads.stop, count):
        some = slice(head, min(head + count, heads.stop))
        for row in range(0, length, rows):
            part = slice(row, min(row + rows, length))
            block_mask = _along(_along(mask, 0, some), 1, part)
            visible = block_mask if block_mask.dtype == bool else block_mask != -np.inf
            seen = np.flatnonzero(visible.any(axis=(0, 1))) if skips else np.array([0, keys - 1])
            if seen.size:
                reach = slice(int(seen[0]), int(seen[-1]) + 1) if block_mask.shape[2] > 1 else slice(0, keys)
                block_mask = _along(block_mask, 2, reach)
                sees_all = block_mask.dtype == bool and block_mask.all()
                yield QueryBlock((some, part), (some, reach), None if sees_all else block_mask)


def _along(mask: ndarray, axis: int, part: slice) -> ndarray:
    """Return a part of a mask, or all of it along an axis of length 1, which broadcasts."""
    return mask if mask.shape[axis] == 1 else mask[(slice(None),) * axis + (part,)]


def _can_skip(mask: ndarray, *arrays: ndarray) -> bool:
    """Return whether masked keys change no result: 0 times NaN or infinity is NaN."""
    return not np.isnan(mask).any() and all(np.isfinite(x).all() for x in arrays)


def _exponentials(query: ndarray, key: ndarray, mask: ndarray | None, scale: float) -> tuple[ndarray, ndarray]:
    """Return exp(scores - maximum) and its sum over the keys: their quotient is the weights. 0 and 1 without keys."""
    scores = (query * query.dtype.type(scale)) @ key.swapaxes(1, 2)
    if mask is not None and mask.dtype == bool:
        np.copyto(scores, -np.inf, where=~mask)
    elif mask is not None:
        scores += mask
    highest = scores.max(axis=-1, keepdims=True)
    blind = highest == -np.inf
    scores -= np.where(blind, 0, highest)
    np.exp(scores, out=scores)
    return scores, scores.sum(axis=-1, keepdims=True) + blind


def _for_heads(function: Callable[[slice], None], query: ndarray, key: ndarray) -> None:
    """Call a function for parts of the heads, on several threads if there are many weights."""
    num_weights = len(query) * query.shape[1] * key.shape[1]
    map_parts(function, even_slices(len(query), _PARTS), num_weights >= _LARGE)


def attention_values(query: ndarray, key: ndarray, value: ndarray, mask: ndarray, scale: float) -> ndarray:
    """Return the attention of queries (B, L, E), keys (B, S, E) and values (B, S, Ev): (B, L, Ev)."""
    out, skips = np.zeros((*query.shape[:2], value.shape[2]), value.dtype), _can_skip(mask, query, key, value)

    def fill(heads: slice) -> None:
        for queries, keys, block_mask in _blocks(heads, mask, query.shape[1], key.shape[1], skips):
            e, total = _exponentials(query[queries], key[keys], block_mask, scale)
            np.divide(e @ value[keys], total, out=out[queries])

    _for_heads(fill, query, key)
    return out


def attention_gradients(
    gradients: list[ndarray], g: ndarray, query: ndarray, key: ndarray, value: ndarray, mask: ndarray, scale: float
) -> None:
    """Add the gradients of queries, keys and values to three arrays of zeros, given the upstream gradient.

    The weights are p = e / total. The gradient of the scores, p * (g_p - sum(p * g_p)) with g_p = g @ value.T, is
    e * (d - sum(e * d) / total) with d = g_p / total.
    """
    (g_query, g_key, g_value), skips = gradients, _can_skip(mask, g, query, key, value)

    def fill(heads: slice) -> None:
        for queries, keys, block_mask in _blocks(heads, mask, query.shape[1], key.shape[1], skips):
            e, total = _exponentials(query[queries], key[keys], block_mask, scale)
            g_total = g[queries] / total
            g_value[keys] += e.swapaxes(1, 2) @ g_total
            d = g_total @ value[keys].swapaxes(1, 2)
            d -= np.vecdot(e, d)[..., None] / total
            d *= e
            if block_mask is not None:  # masked scores, and queries without keys, get 0 even from NaN
                np.copyto(d, 0, where=~block_mask if block_mask.dtype == bool else ~e.any(axis=-1, keepdims=True))
            np.matmul(d, key[keys], out=g_query[queries])
            g_key[keys] += d.swapaxes(1, 2) @ query[queries]
        g_query[heads] *= query.dtype.type(scale)
        g_key[heads] *= query.dtype.type(scale)

    _for_heads(fill, query, key)
