"""Multi-head attention, and its cache of keys and values."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor, TensorLike, shape_of, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import init
from tinygrad_edu.nn.layers.linear import Linear, require_sizes, shape_of_floats
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.randomness import stream
from tinygrad_edu.nn.sequences.rotary import RotaryEmbedding
from tinygrad_edu.nn.sharding import require_sample_axis
from tinygrad_edu.ops.networks.attention import attention_scores, dropped, masked_scores

__all__ = ["KeyValueCache", "MultiheadAttention"]


class KeyValueCache:
    """Keys and values of one attention layer, at the positions that it has processed.

    A decoder then computes new positions only. Pass one cache to each layer in each call; a new sequence needs new
    caches. With gradients enabled, the keys and values stay in the graph.

    Attributes
    ----------
    keys, values : Tensor or ndarray, shape (N, num_heads, S, head_dim), or None
        None before the first call. S is the number of positions.

    Examples
    --------
    >>> attention = MultiheadAttention(8, 2, batch_first=True, rng=np.random.default_rng(0))
    >>> words, cache = np.random.default_rng(1).random((1, 4, 8), np.float32), KeyValueCache()
    >>> whole, _ = attention(words, words, words, is_causal=True)
    >>> for k in range(4):
    ...     word = words[:, k : k + 1]
    ...     out, _ = attention(word, word, word, is_causal=True, cache=cache)
    >>> cache.length, np.allclose(out[:, 0], whole[:, 3], atol=1e-6)
    (4, True)
    """

    def __init__(self) -> None:
        self.keys: Any = None
        self.values: Any = None

    @property
    def length(self) -> int:
        """Number of positions."""
        return 0 if self.keys is None else self.keys.shape[2]

    def append(self, keys: TensorLike, values: TensorLike) -> tuple[Any, Any]:
        """Append keys and values, (N, num_heads, L, head_dim). Return those of all positions."""
        if self.keys is not None:
            old, new = self.keys.shape, shape_of(keys)
            if (old[:2], old[3]) != (new[:2], new[3]):
                raise ShapeError(
                    f"KeyValueCache: the keys must have shape ({old[0]}, {old[1]}, L, {old[3]}) as before, got {new}. "
                    f"Each layer and each batch of sequences needs a cache of its own."
                )
            keys, values = (ops.concatenate(pair, 2) for pair in ((self.keys, keys), (self.values, values)))
        self.keys, self.values = keys, values
        return keys, values


class MultiheadAttention(Module):
    """Multi-head attention.

    Queries, keys and values are projected into heads. Each head applies `scaled_dot_product_attention`. `out_proj`
    projects the concatenated outputs of the heads. From A. Vaswani et al., "Attention is all you need", NeurIPS 2017,
    section 3.2.2.

    Parameters
    ----------
    embed_dim : int
        Number of features of the queries and of the output.
    num_heads : int
        Number of heads. It must divide `embed_dim`.
    dropout : float, default 0.0
        Probability of dropping an attention weight in training, from 0 to 1.
    bias : bool, default True
        Whether the input and output projections have a bias.
    add_bias_kv : bool, default False
        Whether to append a learned key and value.
    add_zero_attn : bool, default False
        Whether to append a key and value of zeros.
    kdim, vdim : int, optional
        Numbers of features of the keys and of the values. Default: `embed_dim`.
    batch_first : bool, default False
        Whether inputs and outputs are (N, L, E) instead of (L, N, E).
    rng : numpy.random.Generator, optional
        Generator of the initial parameters and of dropout. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the parameters.
    rotary : RotaryEmbedding, optional
        Applied to the queries and keys of each head.

    Attributes
    ----------
    in_proj_weight : Tensor, shape (3 embed_dim, embed_dim), or None
        The stacked projections of query, key and value, if all have `embed_dim` features. Otherwise it is None, and
        `q_proj_weight`, `k_proj_weight` and `v_proj_weight`, (embed_dim, features), take its place.
    in_proj_bias : Tensor, shape (3 embed_dim,), or None
    bias_k, bias_v : Tensor, shape (1, 1, embed_dim), or None
    out_proj : Linear
        As in PyTorch, the input projections are initialized by `init.xavier_uniform`, the weight of `out_proj` as in
        `Linear`, `bias_k` and `bias_v` by `init.xavier_normal`, and the other biases with zeros.

    Raises
    ------
    DTypeError, ValueError
        A size is not an integer >= 1, `dropout` is not a probability, or a mask is neither boolean nor floating point.
    ShapeError
        `num_heads` does not divide `embed_dim`, or an input or mask has the wrong shape.

    Examples
    --------
    >>> attention = MultiheadAttention(8, 2, batch_first=True, rng=np.random.default_rng(0))
    >>> words = np.ones((5, 3, 8), np.float32)
    >>> out, weights = attention(words, words, words)
    >>> out.shape, weights.shape
    ((5, 3, 8), (5, 3, 3))
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
        add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
        rotary: RotaryEmbedding | None = None,
    ) -> None:  # fmt: skip
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        sizes = {name: getattr(self, name) for name in ("embed_dim", "num_heads", "kdim", "vdim")}
        require_sizes("MultiheadAttention", **sizes)
        if embed_dim % num_heads:
            raise ShapeError(f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}.")
        if not 0 <= dropout <= 1:
            raise ValueError(f"MultiheadAttention: dropout must be a probability from 0 to 1, got {dropout!r}.")
        self.head_dim = embed_dim // num_heads
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self.rng, self.rotary = init.generator_or_new(rng), rotary
        self._init_parameters(bias, add_bias_kv, dtype)

    def _init_parameters(self, bias: bool, add_bias_kv: bool, dtype: DTypeLike) -> None:
        """Initialize the parameters, in PyTorch's order."""
        e, same_dims = self.embed_dim, self.kdim == self.vdim == self.embed_dim
        self.q_proj_weight = None if same_dims else init.xavier_uniform((e, e), self.rng, dtype)
        self.k_proj_weight = None if same_dims else init.xavier_uniform((e, self.kdim), self.rng, dtype)
        self.v_proj_weight = None if same_dims else init.xavier_uniform((e, self.vdim), self.rng, dtype)
        self.in_proj_weight = init.xavier_uniform((3 * e, e), self.rng, dtype) if same_dims else None
        self.in_proj_bias = init.all_zeros((3 * e,), dtype) if bias else None
        self.bias_k = init.xavier_normal((1, 1, e), self.rng, dtype) if add_bias_kv else None
        self.bias_v = init.xavier_normal((1, 1, e), self.rng, dtype) if add_bias_kv else None
        self.out_proj = Linear(e, e, bias, rng=self.rng, dtype=dtype)
        if bias:
            self.out_proj.bias = init.all_zeros((e,), dtype)

    def forward(
        self, query: TensorLike, key: TensorLike, value: TensorLike, key_padding_mask: Any = None,
        need_weights: bool = True, attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False,
        *, cache: KeyValueCache | None = None,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Return the output for each query, and the attention weights.

        Parameters
        ----------
        query : (L, N, embed_dim), or (N, L, embed_dim) with `batch_first`; or (L, embed_dim)
        key, value : (S, N, kdim), (S, N, vdim), or as the query
        key_padding_mask : (N, S), or (S,) without a batch
            Boolean: True masks a key for all queries. Floating point: added to the scores of the key.
        need_weights : bool
            Whether to return the attention weights. False is faster.
        attn_mask : (L, S) or (N num_heads, L, S)
            As `key_padding_mask`, for each query and key. True masks, unlike in `scaled_dot_product_attention`.
        average_attn_weights : bool
            Whether to average the weights over the heads.
        is_causal : bool
            Whether to also mask the keys after the position of each query.
        cache : KeyValueCache, optional
            For self-attention. The queries are at the positions after those in the cache. The call appends its keys and
            values to the cache, and S counts all keys in it.

        Returns
        -------
        out : shape of the query
        weights : (N, L, S), or (N, num_heads, L, S), without N if there is no batch; or None

        Notes
        -----
        If all keys of a query are masked, its weights, output and gradients are NaN with `need_weights`. Without
        `need_weights`, the attention is 0, and the output is the bias of `out_proj`. Both are as in PyTorch. In
        PyTorch, however, `is_causal` is only a hint that `attn_mask` is causal, and the mask may then be ignored.
        """
        shapes = [shape_of_floats("MultiheadAttention", x) for x in (query, key, value)]
        require_sample_axis("MultiheadAttention", shapes[0], 0 if self.batch_first else 1, 3)
        self._check_shapes(*shapes)
        q, k, v = self._in_projection(*self._as_batch_first(query, key, value))
        n, _, length, _ = q.shape
        if cache is not None and k.shape[2] != length:
            raise ShapeError(
                f"MultiheadAttention: with a cache, query and key are the same new positions, got {length} queries and "
                f"{k.shape[2]} keys. Leave out the cache for attention to another sequence."
            )
        start = 0 if cache is None else cache.length
        if self.rotary is not None:
            q, k = self.rotary(q, start), self.rotary(k, start)
        if cache is not None:
            k, v = cache.append(k, v)
        keys = k.shape[2]
        keys_shape = (keys,) if np.ndim(key) == 2 else (n, keys)
        causal = np.tri(length, keys, start, dtype=bool) if is_causal else None
        mask = _merge_masks(attn_mask, key_padding_mask, causal, keys_shape, (n, self.num_heads, length, keys))
        heads, weights = self._attend(q, *self._extend_keys(k, v, mask), need_weights)
        out = self.out_proj(ops.reshape(ops.swapaxes(heads, 1, 2), (n, length, self.embed_dim)))
        if weights is not None and average_attn_weights:
            weights = ops.mean(weights, 1)
        if np.ndim(query) == 2:
            return out[0], None if weights is None else weights[0]
        return out if self.batch_first else ops.swapaxes(out, 0, 1), weights

    def _check_shapes(self, query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...]) -> None:
        batch = 0 if self.batch_first else 1
        matches = len(query) == len(key) in (2, 3) and key[:-1] == value[:-1]
        matches = matches and (len(query) == 2 or query[batch] == key[batch])
        if not matches or (query[-1], key[-1], value[-1]) != (self.embed_dim, self.kdim, self.vdim):
            shapes = (
                "(N, L, {}), (N, S, {}) and (N, S, {})" if self.batch_first else "(L, N, {}), (S, N, {}) and (S, N, {})"
            )
            raise ShapeError(
                f"MultiheadAttention: with batch_first={self.batch_first}, query, key and value must have shape "
                f"{shapes.format(self.embed_dim, self.kdim, self.vdim)}, or the same without N, got {query}, {key} and "
                f"{value}."
            )

    def _as_batch_first(self, *inputs: Any) -> list[Any]:
        """Return the inputs as (N, length, features). Identical inputs stay the same object."""
        batched = {}
        for x in inputs:
            if np.ndim(x) == 2:
                batched[id(x)] = ops.expand_dims(x, 0)
            else:
                batched[id(x)] = x if self.batch_first else ops.swapaxes(x, 0, 1)
        return [batched[id(x)] for x in inputs]

    def _in_projection(self, query: Any, key: Any, value: Any) -> Any:
        """Project the queries, keys and values. Return them by head, each (N, num_heads, length, head_dim)."""
        if self.in_proj_weight is not None and query is key is value:  # one product for all
            return self._split_heads(ops.linear(query, self.in_proj_weight, self.in_proj_bias), 3)
        weights: Any = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        if self.in_proj_weight is not None:
            weights = ops.split(self.in_proj_weight, 3)
        biases = [None] * 3 if self.in_proj_bias is None else ops.split(self.in_proj_bias, 3)
        projections = zip((query, key, value), weights, biases, strict=True)
        return [self._split_heads(ops.linear(*projection), 1)[0] for projection in projections]

    def _split_heads(self, x: Any, parts: int) -> Any:
        """Split (N, length, parts * embed_dim) into heads, (parts, N, num_heads, length, head_dim)."""
        n, length, _ = x.shape
        return ops.transpose(ops.reshape(x, (n, length, parts, self.num_heads, self.head_dim)), (2, 0, 3, 1, 4))

    def _extend_keys(self, k: Any, v: Any, mask: Any) -> tuple[Any, Any, Any]:
        """Append `bias_k` and `bias_v`, and zeros for `add_zero_attn`, as an unmasked key and value."""
        if self.bias_k is not None:
            k, v = (self._append_row(x, row) for x, row in ((k, self.bias_k), (v, self.bias_v)))
        if self.add_zero_attn:
            k, v = (ops.pad(x, {-2: (0, 1)}) for x in (k, v))
        added = (self.bias_k is not None) + self.add_zero_attn
        return k, v, mask if mask is None or not added else ops.pad(mask, {-1: (0, added)})

    def _append_row(self, x: Any, row: Any) -> Any:
        """Append a row (1, 1, embed_dim) to x (N, num_heads, S, head_dim)."""
        n, heads, _, width = x.shape
        rows = ops.broadcast_to(ops.reshape(row, (1, heads, 1, width)), (n, heads, 1, width))
        return ops.concatenate((x, rows), 2)

    def _attend(self, q: Any, k: Any, v: Any, mask: Any, need_weights: bool) -> tuple[Any, Any]:
        """Return the output of the attention, (N, num_heads, L, head_dim), and the weights if needed."""
        p, rng = self.dropout if self.training else 0.0, stream(self.rng)
        boolean = mask is not None and mask.dtype == bool
        if not need_weights:  # True masks a key here; in ops, False does
            return ops.scaled_dot_product_attention(q, k, v, ~mask if boolean else mask, p, rng=rng), None
        if boolean:  # added, as in PyTorch, so that a query without keys has a NaN gradient
            mask = np.where(mask, -np.inf, 0.0)
        scores = attention_scores(q, k, self.head_dim**-0.5)
        weights = dropped(ops.softmax(masked_scores(scores, mask), -1), p, rng)
        return ops.matmul(weights, v), weights


def _merge_masks(
    attn_mask: Any, key_padding_mask: Any, causal: Any, keys_shape: tuple[int, ...], scores_shape: tuple[int, ...]
) -> Any:
    """Merge all masks into one that broadcasts to the scores (N, num_heads, L, S). Return None without a mask."""
    n, heads, length, keys = scores_shape
    masks = []
    if attn_mask is not None:
        mask = _checked_mask("attn_mask", attn_mask, (length, keys), (n * heads, length, keys))
        masks.append(mask if mask.ndim == 2 else ops.reshape(mask, scores_shape))
    if key_padding_mask is not None:
        masks.append(ops.reshape(_checked_mask("key_padding_mask", key_padding_mask, keys_shape), (n, 1, 1, keys)))
    if causal is not None and not causal.all():
        masks.append(~causal)
    return reduce(_combine_masks, masks) if masks else None


def _checked_mask(name: str, mask: Any, *shapes: tuple[int, ...]) -> Any:
    """Return a boolean or floating-point mask, or raise if its dtype or shape is wrong."""
    mask = mask if hasattr(mask, "dtype") else np.asarray(mask)
    if mask.dtype.kind not in "bf":
        raise DTypeError(
            f"MultiheadAttention: {name} must be boolean (True masks a key) or floating point (added to the scores), "
            f"got {mask.dtype}. Convert integers by a comparison, such as mask == 0."
        )
    if mask.shape not in shapes:
        expected = " or ".join(map(str, shapes))
        raise ShapeError(f"MultiheadAttention: {name} must have shape {expected}, got {mask.shape}.")
    return values_of(mask) if mask.dtype == bool else mask


def _combine_masks(mask: Any, other: Any) -> Any:
    """Return the union of two masks."""
    if mask.dtype == other.dtype == bool:
        return mask | other
    added, other_added = (np.where(m, -np.inf, 0.0) if m.dtype == bool else m for m in (mask, other))
    return added + other_added
