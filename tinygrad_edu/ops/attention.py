"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, anywhere, batched, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.classification import softmax
from tinygrad_edu.ops.dropout import random_dropout
from tinygrad_edu.ops.products import matmul
from tinygrad_edu.ops.selection import keep, where
from tinygrad_edu.ops.shape import broadcast_to, expand_dims, reshape, shaped, swapaxes

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
        to the scores. The result is 0 for a query whose keys are all masked, as in PyTorch.
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

    Raises
    ------
    ShapeError, DTypeError, ValueError
        If the shapes, the mask or an option is invalid.
    """
    query, key, value = map(shaped, (query, key, value))
    _check_shapes(query.shape, key.shape, value.shape)
    if enable_gqa:
        key, value = _repeat_heads(key, query.shape), _repeat_heads(value, query.shape)
    if is_causal and attn_mask is not None:
        raise ValueError("scaled_dot_product_attention: give either attn_mask or is_causal=True, not both.")
    if is_causal:
        attn_mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    scores = masked_scores(attention_scores(query, key, scale), attn_mask)
    weights = softmax(scores, -1) if attn_mask is None else safe_softmax(scores)
    return matmul(dropped(weights, dropout_p, rng), value)


def _check_shapes(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...]) -> None:
    if min(len(query), len(key), len(value)) < 2 or query[-1] != key[-1] or key[-2] != value[-2]:
        raise ShapeError(
            f"scaled_dot_product_attention: query, key and value must have shapes (..., L, E), (..., S, E) and "
            f"(..., S, Ev), got {query}, {key} and {value}."
        )


def _repeat_heads(x: Any, query: tuple[int, ...]) -> Any:
    """Repeat the heads of key or value to match the heads of the query."""
    if x.ndim < 3 or len(query) < 3 or query[-3] % x.shape[-3]:
        raise ShapeError(
            f"scaled_dot_product_attention: enable_gqa requires shapes (..., heads, L, E), where the heads of key and "
            f"value divide those of the query; got {x.shape} for query {query}."
        )
    *batch, heads, length, width = x.shape
    each = broadcast_to(expand_dims(x, -3), (*batch, heads, query[-3] // heads, length, width))
    return reshape(each, (*batch, query[-3], length, width))


def attention_scores(query: Any, key: Any, scale: float | None = None) -> Any:
    """Return the attention scores, scale * query @ key.T, of shape (..., L, S)."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
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
