"""Scaled dot-product attention."""

from __future__ import annotations

import math
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, Mapped, Tensor, TensorLike, anywhere, batched, op, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.elementwise.selection import keep, where
from tinygrad_edu.ops.fast.networks.attention import MIN_WEIGHTS, attention_gradients, attention_values
from tinygrad_edu.ops.networks.dropout import random_dropout
from tinygrad_edu.ops.networks.softmax import softmax
from tinygrad_edu.ops.products.packed_rows import Shapes, packed, recorded_vjp, unpacked
from tinygrad_edu.ops.products.products import matmul
from tinygrad_edu.ops.shapes.shape import broadcast_to, expand_dims, reshape, shaped, swapaxes
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: TensorLike, key: TensorLike, value: TensorLike, attn_mask: ArrayLike | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    rng: np.random.Generator | None = None,
) -> Tensor | Array:  # fmt: skip
    """Return softmax(scale * query @ key.T + mask) @ value, with the softmax over the keys.

    Parameters
    ----------
    query : (..., L, E)
    key, value : (..., S, E), (..., S, Ev)
        The axes before the last two broadcast.
    attn_mask : array_like, optional
        Broadcasts to (..., L, S). A boolean mask is True where a query attends to a key; a floating-point mask is added
        to the scores.
    dropout_p : float, default 0.0
        Dropout probability p of the weights, from 0 to 1; the others are divided by 1 - p. Requires `rng` if > 0.
    is_causal : bool, default False
        Whether query i attends to keys 0 to i only. Cannot be combined with `attn_mask`.
    scale : float, optional
        Factor of the scores, by default 1 / sqrt(E).
    enable_gqa : bool, default False
        Grouped-query attention: each head (axis -3) of key and value serves several heads of the query.
    rng : numpy.random.Generator, optional
        Source of randomness for the dropout.

    Returns
    -------
    (..., L, Ev)
        0 for a query whose scores are all -inf, for example because all keys are masked, as in PyTorch.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        If the shapes, the mask or an option is invalid.

    Notes
    -----
    With L * S >= 65,536, without dropout, and for float32 or float64 inputs with equal leading axes and a constant
    mask, the weights (..., L, S) are not saved: the backward pass computes them again, in blocks. NaN or infinity in a
    masked value makes the result NaN, as in PyTorch.

    The algorithm for long sequences is from T. Dao et al., "FlashAttention: Fast and memory-efficient exact attention
    with IO-awareness", NeurIPS 2022.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> tg.scaled_dot_product_attention(x, x, x, is_causal=True, scale=1.0)
    Tensor([[1.       , 0.       ],
            [0.2689414, 0.7310586]], shape=(2, 2), dtype=float32)
    """
    query, key, value = map(shaped, (query, key, value))
    _check_shapes(query.shape, key.shape, value.shape)
    if enable_gqa:
        key, value = _repeat_heads(key, query.shape), _repeat_heads(value, query.shape)
    if is_causal and attn_mask is not None:
        raise ValueError("scaled_dot_product_attention: give either attn_mask or is_causal=True, not both.")
    if is_causal:
        attn_mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)
    if dropout_p == 0:
        return attention(query, key, value, attn_mask, scale)
    return matmul(dropped(attention_weights(query, key, attn_mask, scale), dropout_p, rng), value)


def _check_shapes(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...]) -> None:
    if min(len(query), len(key), len(value)) < 2 or query[-1] != key[-1] or key[-2] != value[-2]:
        raise ShapeError(
            f"scaled_dot_product_attention: query, key and value must have shapes (..., L, E), (..., S, E) and "
            f"(..., S, Ev), got {query}, {key} and {value}."
        )


def _repeat_heads(x: Any, query: tuple[int, ...]) -> Any:
    """Repeat the heads of key or value to match the heads of the query."""
    if x.ndim < 3 or len(query) < 3 or not x.shape[-3] or query[-3] % x.shape[-3]:
        raise ShapeError(
            f"scaled_dot_product_attention: enable_gqa requires shapes (..., heads, L, E), where the heads of key and "
            f"value divide those of the query; got {x.shape} for query {query}."
        )
    *batch, heads, length, width = x.shape
    each = broadcast_to(expand_dims(x, -3), (*batch, heads, query[-3] // heads, length, width))
    return reshape(each, (*batch, query[-3], length, width))


def plain_attention(query: Any, key: Any, value: Any, mask: Any, scale: float) -> Any:
    """Return the attention, composed of ops that save the weights."""
    return matmul(attention_weights(query, key, mask, scale), value)


def attention_weights(query: Any, key: Any, mask: Any, scale: float) -> Any:
    """Return softmax(scale * query @ key.T + mask), of shape (..., L, S)."""
    return safe_softmax(masked_scores(attention_scores(query, key, scale), mask))


def attention_scores(query: Any, key: Any, scale: float) -> Any:
    """Return the attention scores, scale * query @ key.T, of shape (..., L, S)."""
    # Scale both operands by sqrt(|scale|), so that the product stays in the range of float16.
    return matmul(query * math.sqrt(abs(scale)), swapaxes(key, -1, -2) * math.copysign(math.sqrt(abs(scale)), scale))


def masked_scores(scores: Any, mask: Any) -> Any:
    """Return scores with -inf where a boolean mask is False, or plus a floating-point mask."""
    if mask is None:
        return scores
    mask = shaped(mask)
    if mask.dtype.kind not in "bf":
        raise DTypeError(
            f"scaled_dot_product_attention: attn_mask must be boolean or floating-point, got {mask.dtype}."
        )
    return where(values_of(mask), scores, -np.inf) if mask.dtype == bool else scores + mask


@batched("vectors")
def safe_softmax(scores: Any) -> Any:
    """Return the softmax over the last axis, or 0 if all scores are -inf."""
    highest = np.maximum.reduce(values_of(scores), axis=-1, keepdims=True, initial=-np.inf)
    blind = np.equal(highest, -np.inf)
    if not anywhere(blind):
        return softmax(scores, -1)
    return keep(softmax(where(blind, 0.0, scores), -1), ~blind)


def dropped(weights: Any, p: float, rng: np.random.Generator | None) -> Any:
    """Set weights to 0 with probability `p`, and divide the others by 1 - p."""
    if not 0 <= p <= 1:
        raise ValueError(f"scaled_dot_product_attention: dropout_p must be from 0 to 1, got {p!r}.")
    if p == 0:
        return weights
    if rng is None:
        raise ValueError("scaled_dot_product_attention: dropout_p > 0 requires rng, a numpy.random.Generator.")
    return random_dropout(weights, p, rng)


# --- Long sequences ---


def attention_of_row(row: Any, mask: Any, shapes: Shapes, scale: float) -> Any:
    """Return `plain_attention` of the parts of a row."""
    query, key, value = unpacked(row, shapes)
    return plain_attention(query, key, value, mask, scale)


@op(name="scaled_dot_product_attention")
def attention_in_blocks(row: Array, /, mask: Array, shapes: Shapes, scale: float) -> Array:
    """Return the attention of queries (B, L, E), keys (B, S, E) and values (B, S, Ev): (B, L, Ev).

    Only the row is saved.

    Parameters
    ----------
    row : 1-d
        The flattened and concatenated queries, keys and values.
    mask : (B or 1, L or 1, S or 1)
    shapes : tuple of tuple of int
        Shapes of the parts.
    scale : float
    """
    query, key, value = unpacked(row, shapes)
    return attention_values(query, key, value, mask, scale)


def _attention_in_blocks_row(g: Any, row: Any, mask: Any, shapes: Shapes, scale: float) -> Any:
    if isinstance(row, Tensor):  # a recorded pass
        return recorded_vjp(lambda row: attention_of_row(row, mask, shapes, scale), row, g)
    gradient, (query, key, value) = np.zeros_like(row), unpacked(row, shapes)
    attention_gradients(unpacked(gradient, shapes), g, query, key, value, mask, scale)
    return gradient


attention_in_blocks.vjps(row=_attention_in_blocks_row)


@faster_than(plain_attention)
def attention(query: Any, key: Any, value: Any, mask: Any, scale: float) -> Any:
    """Return `plain_attention`; for long sequences, without saving the weights."""
    parts = query, key, value
    *lead, length, keys = scores_shape = (*query.shape[:-1], key.shape[-2])
    if length * keys < MIN_WEIGHTS or not _fit(parts, mask, scores_shape):
        return plain_attention(*parts, mask, scale)
    heads = [reshape(x, (prod(lead), *x.shape[-2:])) for x in parts]
    shapes, mask = tuple(x.shape for x in heads), _mask_of_heads(mask, lead)
    out = attention_in_blocks(packed(heads), mask=mask, shapes=shapes, scale=scale)
    return reshape(out, (*lead, length, value.shape[-1]))


def _mask_of_heads(mask: Any, lead: list[int]) -> Array:
    """Return a mask that broadcasts to (*lead, L, S) as (B or 1, L or 1, S or 1), where B is the product of `lead`."""
    mask = np.True_ if mask is None else values_of(shaped(mask))
    mask = mask.reshape((1,) * (len(lead) + 2 - mask.ndim) + mask.shape)
    if prod(mask.shape[:-2]) > 1:
        mask = np.broadcast_to(mask, (*lead, *mask.shape[-2:]))
    return mask.reshape(-1, *mask.shape[-2:])


def _fit(parts: tuple[Any, ...], mask: Any, scores_shape: tuple[int, ...]) -> bool:
    """Return whether the inputs have equal leading axes and dtypes, and the mask is constant and fits the scores."""
    query = parts[0]
    if any(isinstance(x, Mapped) or x.dtype != query.dtype or x.shape[:-2] != query.shape[:-2] for x in parts):
        return False
    if query.dtype.char not in "fd":
        return False
    if mask is None:
        return True
    mask = shaped(mask)
    is_constant = not (isinstance(mask, Mapped) or getattr(mask, "requires_grad", False))
    ends = zip(mask.shape[::-1], scores_shape[::-1], strict=False)
    fits = mask.ndim <= len(scores_shape) and all(n in (1, full) for n, full in ends)
    return is_constant and fits and (mask.dtype == bool or mask.dtype == query.dtype)
