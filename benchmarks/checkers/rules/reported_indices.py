"""Bugs from issue trackers in indices, axes, broadcasting, memory layouts and in-place writes."""

import numpy as np

from benchmarks.checkers.functions import CUBE, NORM, OTHER, RELU, SQUARE, SQUARED, TALL, VECTOR
from benchmarks.checkers.rule import Function, Rule
from benchmarks.checkers.rules.axes import FLAT
from benchmarks.checkers.rules.indices import assigned, spread

TWICE, SEGMENTS = np.array([0, 0]), np.array([0, 0, 1, 1])
GATHERED = Function(lambda m, x: x[TWICE] * 1.0, lambda m, g, out, x: (spread(m, g, TWICE, x.shape[0]),), "n")
COPIED = Function(  # rows written to the same place
    lambda m, x: x[-1:] * 1.0, lambda m, g, out, x: (m.concatenate([0 * x[:-1], g]),), "nk"
)  # fmt: skip
SEGMENT_PRODUCT = Function(
    lambda m, x: x[::2] * x[1::2], lambda m, g, out, x: (g[SEGMENTS] * x[np.array([1, 0, 3, 2])],), "4"
)  # fmt: skip
SEGMENT_SUM = Function(  # of elements with the indices 0 to 3 to two segments
    lambda m, x: x[:2] * 1.0, lambda m, g, out, x: (m.concatenate([g, 0 * g]),), "4"
)  # fmt: skip
DIAGONAL_SCATTER = Function(
    lambda m, x, y: off_diagonal(m, x) * x + diagonal(m, x) * y,
    lambda m, g, out, x, y: (off_diagonal(m, g) * g, m.sum(diagonal(m, g) * g, 0)[0]), "nn n",
)  # fmt: skip


def diagonal(m, x):
    return m.array(np.eye(x.shape[0]), x)


def off_diagonal(m, x):
    return m.array(1 - np.eye(x.shape[0]), x)


# --- Axes and broadcasting ---

BROADCAST_DOT = Function(
    lambda m, x, y: m.sum(x * y, 0),
    lambda m, g, out, x, y: (g * y + 0 * x, g * m.sum(x, 0)), "n 1",
)  # fmt: skip
ROW_NORMS = Function(NORM.forward, NORM.backward, "nn:off zero")
CONTRACTED = Function(  # of axis 0 of x with axis 1 of y
    lambda m, x, y: y @ x, lambda m, g, out, x, y: (m.transpose(y, (1, 0)) @ g, m.einsum("i,j->ij", g, x)), "n nn"
)  # fmt: skip
ROLLED_AND_FLAT = Function(
    lambda m, x: m.reshape(m.transpose(x, (1, 2, 0)), (-1,)) * 1.0,
    lambda m, g, out, x: (m.transpose(m.reshape(g, [x.shape[k] for k in (1, 2, 0)]), (2, 0, 1)),), "nkm",
)  # fmt: skip

# --- Memory layouts ---

PADDED_POOL = Function(  # averages of two along axis 0, with a padding of 1
    lambda m, x: m.array(pairs(x.shape[0], 1), x) @ x,
    lambda m, g, out, x: (m.array(pairs(x.shape[0], 1).T, g) @ g,), "nk",
)  # fmt: skip
PAIRS_POOL = Function(
    lambda m, x: m.max(in_pairs(m, x), 2)[:, :, 0],
    lambda m, g, out, x: (m.reshape(g[:, :, None] * winners(m, out, x), x.shape),), "n4:distinct",
)  # fmt: skip


def pairs(n, padding):
    """Return the matrix of averages of two neighbours; each row is a window."""
    places = np.arange(n + 1)[:, None] - padding
    return 0.5 * ((np.arange(n) == places) | (np.arange(n) == places + 1))


def in_pairs(m, x):
    return m.reshape(x, (-1, 2, 2))


def winners(m, out, x):
    return m.where(in_pairs(m, x) == out[:, :, None], 0 * in_pairs(m, x) + 1, 0 * in_pairs(m, x))


def read_in_memory_order(m, g, out, x):
    if m.is_contiguous(x):
        return FLAT.backward(m, g, out, x)
    return (m.transpose(m.reshape(g, tuple(x.shape)[::-1]), (1, 0)),)


def pooled_without_padding(m, g, out, x):
    return (m.array(pairs(x.shape[0], int(m.is_contiguous(x))).T, g) @ g,)


def winners_in_memory_order(m, g, out, x):
    won = winners(m, out, x)
    if not m.is_contiguous(x):
        won = m.reshape(m.transpose(won, (1, 0, 2)), won.shape)
    return (m.reshape(g[:, :, None] * won, x.shape),)


# --- Cotangents ---

ISRLU = Function(
    lambda m, x: x * inverse_root(m, x),
    lambda m, g, out, x: (g * inverse_root(m, x) * inverse_root(m, x) * inverse_root(m, x),), "any",
)  # fmt: skip


def inverse_root(m, x):
    low = m.where(x < 0, x, 0 * x)
    return 1 / m.sqrt(1 + low * low)


def masked_in_place(m, g, out, x):
    masked = m.where(x > 0, g, 0 * g)
    m.fill(g, m.constant(masked))
    return (masked,)


WRONG = [
    Rule("gather: repeated indices overwrite", GATHERED, lambda m, g, out, x: (
        assigned(m, g, TWICE, x.shape[0]),), (np.array([0.1]),), source="pytorch/pytorch#1631"),
    Rule("index copy: overwritten rows get g, too", COPIED, lambda m, g, out, x: (0 * x + g,), (TALL,),
         source="pytorch/pytorch#473"),
    Rule("product by segments: other factors ignored", SEGMENT_PRODUCT, lambda m, g, out, x: (g[SEGMENTS] + 0 * x,),
         (VECTOR[:4],), source="jax-ml/jax#9296"),
    Rule("sum by segments: index out of range clipped", SEGMENT_SUM, lambda m, g, out, x: (
        g[np.array([0, 1, 1, 1])],), (VECTOR[:4],), source="jax-ml/jax#8634"),
    Rule("diagonal scatter: gradient of x dropped", DIAGONAL_SCATTER, lambda m, g, out, x, y: (
        0 * x, DIAGONAL_SCATTER.backward(m, g, out, x, y)[1]), (SQUARE, OTHER[0]), source="pytorch/pytorch#182012"),
    Rule("einsum: axis of length 1 not broadcast back", BROADCAST_DOT, lambda m, g, out, x, y: (
        g * y, g * m.sum(x, 0)), (np.array([2.0, 3.0]), np.array([2.0])), source="HIPS/autograd#376"),
    Rule("norms of rows: g and norms along columns", ROW_NORMS, lambda m, g, out, x: (
        m.transpose(g, (1, 0)) * x / m.transpose(out, (1, 0)),), (SQUARE,), source="HIPS/autograd#42"),
    Rule("tensordot: axes ignored", CONTRACTED, lambda m, g, out, x, y: (
        m.transpose(y, (1, 0)) @ g, m.einsum("i,j->ij", x, g)), (OTHER[0], SQUARE), source="HIPS/autograd#466"),
    Rule("fused reshape: axes not permuted back", ROLLED_AND_FLAT, lambda m, g, out, x: (m.reshape(g, x.shape),),
         (CUBE,), source="jax-ml/jax#865"),
    Rule("reshape of a strided array", FLAT, read_in_memory_order, (np.asfortranarray(TALL),),
         source="pytorch/pytorch#30303"),
    Rule("average pool of channels last: no padding", PADDED_POOL, pooled_without_padding,
         (np.asfortranarray(TALL),), source="pytorch/pytorch#188344"),
    Rule("max pool: strided indices read as contiguous", PAIRS_POOL, winners_in_memory_order,
         (np.asfortranarray(SQUARE[:3]),), source="pytorch/pytorch#197888"),
    Rule("g masked in place", RELU, masked_in_place, (VECTOR,), source="pytorch/pytorch#75312"),
    Rule("g not used", ISRLU, lambda m, g, out, x: (
        inverse_root(m, x) * inverse_root(m, x) * inverse_root(m, x) + 0 * g,), (VECTOR,),
        source="pytorch/pytorch#4355"),
    Rule("one of two uses of x", SQUARED, lambda m, g, out, x: (g * x,), (VECTOR,), source="rsokl/MyGrad#93"),
]  # fmt: skip
