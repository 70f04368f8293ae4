"""Mistakes with axes: transposition, broadcasting, stacks of matrices, einsum, and the order of elements."""

import numpy as np

from benchmarks.checkers.functions import (
    BLOCK,
    CUBE,
    MATMUL,
    MULTIPLY,
    OTHER,
    ROW,
    SOFTMAX,
    SQUARE,
    STACKED,
    TALL,
    VECTOR,
)
from benchmarks.checkers.rule import Function, Rule, summed_to

UNSUMMED = Function(MULTIPLY.forward, MULTIPLY.backward, "nk 1k")
SHARED = Function(
    lambda m, x, y: x @ y,
    lambda m, g, out, x, y: (g @ m.transpose(y, (1, 0)), m.sum(m.transpose(x, (0, 2, 1)) @ g, 0)[0]),
    "bnk km",
)
TRACE = Function(
    lambda m, x, y: m.einsum("ij,ji->", x, y),
    lambda m, g, out, x, y: (g * m.transpose(y, (1, 0)), g * m.transpose(x, (1, 0))),
    "nn nn",
)
ROWS_BY_VECTORS = Function(
    lambda m, x, y: m.einsum("bij,bj->bi", x, y),
    lambda m, g, out, x, y: (m.einsum("bi,bj->bij", g, y), m.einsum("bi,bij->bj", g, x)),
    "bnn bn",
)
OUTER = Function(
    lambda m, x, y: m.einsum("i,j->ij", x, y),
    lambda m, g, out, x, y: (m.einsum("ij,j->i", g, y), m.einsum("ij,i->j", g, x)),
    "n n",
)
ROLLED_AXES = Function(
    lambda m, x: m.transpose(x, (1, 2, 0)) * 1.0, lambda m, g, out, x: (m.transpose(g, (2, 0, 1)),), "nnn"
)
FLAT = Function(lambda m, x: m.reshape(x * 1.0, (-1,)), lambda m, g, out, x: (m.reshape(g, x.shape),), "nn")
JOINED = Function(
    lambda m, x, y: m.concatenate([x, y]), lambda m, g, out, x, y: (g[: x.shape[0]], g[x.shape[0] :]), "n n"
)
FLIPPED = Function(lambda m, x: m.flip(x, 0) * 1.0, lambda m, g, out, x: (m.flip(g, 0),), "n")
ROLLED = Function(
    lambda m, x: m.concatenate([x[-1:], x[:-1]]), lambda m, g, out, x: (m.concatenate([g[1:], g[:1]]),), "n"
)
LOWER = Function(lambda m, x: m.tril(x), lambda m, g, out, x: (m.tril(g),), "nn")
DIAGONAL = Function(
    lambda m, x: m.einsum("ii->i", x) * 1.0,
    lambda m, g, out, x: (m.array(np.eye(x.shape[0]), g) * m.reshape(g, (-1, 1)),),
    "nn",
)
REPEATED = Function(
    lambda m, x: m.reshape(m.einsum("i,j->ij", x, m.array(np.ones(3), x)), (-1,)),
    lambda m, g, out, x: (m.sum(m.reshape(g, (-1, 3)), 1)[:, 0],),
    "n",
)
COLUMN = SQUARE[:, :1]


def taken_from_the_first_row(m, g, out, x, y):
    return g * y, m.reshape((g * x)[0], y.shape)


WRONG = [
    Rule("transposition dropped", MATMUL, lambda m, g, out, x, y: (g @ y, m.transpose(x, (1, 0)) @ g), (SQUARE, OTHER)),
    Rule("factors of a product swapped", MATMUL, lambda m, g, out, x, y: (
        m.transpose(y, (1, 0)) @ g, g @ m.transpose(x, (1, 0))), (SQUARE, OTHER)),
    Rule("gradient transposed", MATMUL, lambda m, g, out, x, y: (
        g @ m.transpose(y, (1, 0)), m.transpose(g, (1, 0)) @ x), (SQUARE, OTHER)),
    Rule("all axes of a stack transposed", STACKED, lambda m, g, out, x, y: (
        g @ m.transpose(y, (2, 1, 0)), m.transpose(x, (0, 2, 1)) @ g), (CUBE, BLOCK)),
    Rule("mean instead of sum over a stack", SHARED, lambda m, g, out, x, y: (
        g @ m.transpose(y, (1, 0)), m.sum(m.transpose(x, (0, 2, 1)) @ g, 0)[0] / x.shape[0]), (CUBE, SQUARE[:3])),
    Rule("first matrix of a stack only", SHARED, lambda m, g, out, x, y: (
        g @ m.transpose(y, (1, 0)), (m.transpose(x, (0, 2, 1)) @ g)[0]), (CUBE, SQUARE[:3])),
    Rule("trace of a product not transposed", TRACE, lambda m, g, out, x, y: (g * y, g * x), (SQUARE, OTHER)),
    Rule("einsum over the wrong letter", ROWS_BY_VECTORS, lambda m, g, out, x, y: (
        m.einsum("bi,bj->bij", g, y), m.einsum("bj,bij->bi", g, x)), (CUBE, SQUARE[:3, :3])),
    Rule("factors of an outer product swapped", OUTER, lambda m, g, out, x, y: (
        m.einsum("ij,i->j", g, y), m.einsum("ij,j->i", g, x)), (VECTOR, np.exp(VECTOR))),
    Rule("sum over the wrong axis", SOFTMAX, lambda m, g, out, x: (out * (g - m.sum(g * out, 0)),), (SQUARE,)),
    Rule("mean instead of sum over the broadcast axis", MULTIPLY, lambda m, g, out, x, y: (
        summed_to(m, g * y, x), summed_to(m, g * x, y) / summed_to(m, 0 * g + 1, y)), (TALL, ROW)),
    Rule("not summed over the broadcast axis", UNSUMMED, lambda m, g, out, x, y: (g * y, g * x), (TALL, ROW),
         right_in=("PyTorch",)),
    Rule("summed over the wrong broadcast axis", Function(MULTIPLY.forward, MULTIPLY.backward, "nn n1"),
         lambda m, g, out, x, y: (g * y, m.transpose(m.sum(g * x, 0), (1, 0))), (SQUARE, COLUMN)),
    Rule("first row instead of the sum", UNSUMMED, taken_from_the_first_row, (TALL, ROW)),
    Rule("permutation of axes not inverted", ROLLED_AXES, lambda m, g, out, x: (m.transpose(g, (1, 2, 0)),), (CUBE,)),
    Rule("reshaped in column order", FLAT, lambda m, g, out, x: (
        m.transpose(m.reshape(g, x.shape), (1, 0)),), (SQUARE,)),
    Rule("parts of a concatenation exchanged", JOINED, lambda m, g, out, x, y: (g[y.shape[0] :], g[: y.shape[0]]),
         (VECTOR, np.exp(VECTOR))),
    Rule("not flipped back", FLIPPED, lambda m, g, out, x: (g + 0.0,), (VECTOR,)),
    Rule("roll not inverted", ROLLED, lambda m, g, out, x: (m.concatenate([g[-1:], g[:-1]]),), (VECTOR,)),
    Rule("gradient not masked to the triangle", LOWER, lambda m, g, out, x: (g + 0.0,), (SQUARE,)),
    Rule("upper triangle instead of lower", LOWER, lambda m, g, out, x: (m.transpose(m.tril(g), (1, 0)),), (SQUARE,)),
    Rule("diagonal mirrored", DIAGONAL, lambda m, g, out, x: (
        m.flip(m.array(np.eye(x.shape[0]), g), 1) * m.reshape(g, (-1, 1)),), (SQUARE,)),
    Rule("repeat treated as tile", REPEATED, lambda m, g, out, x: (
        m.sum(m.reshape(g, (3, -1)), 0)[0],), (VECTOR,)),
]  # fmt: skip
