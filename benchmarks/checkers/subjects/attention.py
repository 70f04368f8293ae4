"""Attention, normalizations, gates, and softmax at low temperatures."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, normal, powers_of_ten

CAUSAL = np.tril(np.ones((6, 6)))
QKV = both(normal(6, 4), normal(6, 4), normal(6, 4))


def attention(q: Any, k: Any, v: Any, mask: Any = 0.0) -> Any:
    return tg.softmax(q @ k.T / 2 + mask, axis=1) @ v


def rotated(x: Any) -> Any:
    """Return rotary positions of a sequence."""
    angles = np.arange(6.0)[:, None] * np.array([1.0, 0.01])
    a, b = x[:, :2], x[:, 2:]
    return tg.concatenate([a * np.cos(angles) - b * np.sin(angles), a * np.sin(angles) + b * np.cos(angles)], axis=1)


def sparsemax(x: Any) -> Any:
    """Project x on the simplex."""
    ordered = np.sort(x.numpy())[::-1]
    count = int(np.sum(1 + np.arange(1, len(ordered) + 1) * ordered > np.cumsum(ordered)))
    chosen = np.argsort(-x.numpy(), kind="stable")[:count]
    return tg.maximum(0.0, x - (tg.sum(x[chosen]) - 1) / count)


def sinkhorn(x: Any) -> Any:
    """Return a doubly stochastic matrix after 20 normalizations."""
    for _ in range(20):
        x = x - tg.logsumexp(x, axis=1, keepdims=True)
        x = x - tg.logsumexp(x, axis=0, keepdims=True)
    return tg.exp(x)


add("attention: causal by -1e9", lambda q, k, v: attention(q, k, v, -1e9 * (1 - CAUSAL)), QKV)
add("attention: causal by -inf", lambda q, k, v: attention(q, k, v, np.where(CAUSAL, 0, -np.inf)), QKV)
add("attention: large logits", lambda q, k, v: attention(8 * q, k, v), QKV)
add("attention: linear, elu + 1", lambda q, k, v: (tg.elu(q) + 1) @ ((tg.elu(k) + 1).T @ v), QKV)
add("attention: rotary positions", lambda q, k, v: attention(rotated(q), rotated(k), v), QKV)
add("attention: cosine", lambda q, k, v: attention(10 * tg.normalize(q), tg.normalize(k), v), QKV)
add(
    "attention: relative slopes",
    lambda q, k, v: attention(q, k, v, -np.abs(np.subtract.outer(range(6), range(6)))),
    QKV,
)
for temperature in (1.0, 0.1, 0.01):
    add(f"attention: softmax at temperature {temperature}", lambda x, t=temperature: tg.softmax(x / t) @ x, normal(6))
add(
    "attention: Gumbel softmax at 0.1",
    lambda x: tg.softmax((x - np.log(-np.log(np.linspace(0.05, 0.95, 6)))) / 0.1),
    normal(6),
)
add("attention: sparsemax", sparsemax, normal(8, scale=0.3))
add("attention: Sinkhorn's normalization", sinkhorn, normal(5, 5, scale=2))
add("attention: layer norm of equal features", lambda x: tg.layer_norm(x, (6,)), normal(3, 6, scale=1e-4, offset=5))
add("attention: RMS norm of 1e-6", lambda x: tg.rms_norm(x, (6,)), normal(3, 6, scale=1e-6))
add(
    "attention: weight norm",
    lambda g, v: g * v / tg.sqrt(tg.sum(v * v, axis=1, keepdims=True)),
    both(normal(4, 1), normal(4, 5, scale=1e-3)),
)
add("attention: unit vectors from 1e-20", lambda x: x / tg.sqrt(tg.sum(x * x)), normal(5, scale=1e-20))
add(
    "attention: gated linear unit",
    lambda x, w: tg.silu(x @ w[:, :4]) * (x @ w[:, 4:]),
    both(normal(3, 5), normal(5, 8)),
)
add("attention: maxout of 4", lambda x: tg.max(tg.reshape(x, (6, 4)), axis=1), normal(24))
add("attention: hard swish", tg.hardswish, normal(12, scale=3))
add("attention: batch norm, one channel nearly constant", lambda x: tg.batch_norm(x, None, None, training=True),
    lambda rng: (rng.standard_normal((8, 3)) * [1.0, 1e-5, 1e3],))  # fmt: skip
add(
    "attention: mixture of experts, top 2 of 5",
    lambda x: tg.sum(tg.softmax(tg.topk(x, 2)[0]) * tg.topk(x, 2)[0]),
    normal(5),
)
add("attention: soft clipping of gradients", lambda x: x / tg.maximum(1.0, tg.norm(x)), powers_of_ten(-2, 2, 5))
add("attention: zeros into a softmax", lambda x: tg.softmax(x) * tg.exp(x), lambda rng: (np.zeros(5),))
add("attention: zeros into layer norm", lambda x: tg.layer_norm(x, (5,)), lambda rng: (np.zeros((2, 5)),))
