"""Mistakes with indices, windows and padding."""

import numpy as np

from benchmarks.checkers.functions import VECTOR
from benchmarks.checkers.rule import Function, Rule


def spread(m, g, index, n):
    """Add each element of g at the index that it was taken from."""
    return m.array(np.eye(n)[index].T, g) @ g


def assigned(m, g, index, n):
    """Assign each element of g at its index; the last of several wins."""
    last = {place: k for k, place in enumerate(index)}
    kept = np.array([last[place] == k for k, place in enumerate(index)], np.float64)
    return spread(m, m.array(kept, g) * g, index, n)


def repeated(n):
    return np.array([0, n - 1, 0, n // 2])


def shuffled(n):
    return np.roll(np.arange(n), 1) if n < 4 else np.array([2, 0, 1, *range(3, n)])


def stripes(n):
    return np.arange(0, n, 2)


def windows(n):
    return np.concatenate([np.arange(k, k + 3) for k in range(n - 2)])


def padded(n):
    return np.array([0, *range(n), n - 1])


def square_of(index):
    """Return a function that squares the elements at index(n), for n elements."""
    return Function(
        lambda m, x: x[index(x.shape[0])] * x[index(x.shape[0])],
        lambda m, g, out, x: (spread(m, 2 * g * x[index(x.shape[0])], index(x.shape[0]), x.shape[0]),),
        "s",
    )


TAKEN, PERMUTED, STRIPES, WINDOWS, EDGES = map(square_of, (repeated, shuffled, stripes, windows, padded))
TAIL = Function(lambda m, x: x[1:] * x[1:], lambda m, g, out, x: (m.concatenate([0 * x[:1], 2 * g * x[1:]]),), "n")
LAST = Function(lambda m, x: x[-1:] * x[-1:], lambda m, g, out, x: (m.concatenate([0 * x[:-1], 2 * g * x[-1:]]),), "n")
SORTED = Function(
    lambda m, x: order(m, x) @ x * counting(m, x),
    lambda m, g, out, x: (m.transpose(order(m, x), (1, 0)) @ (g * counting(m, x)),),
    "n:distinct",
)
PADDED = Function(
    lambda m, x: m.concatenate([0 * x[:1], x * x, 0 * x[:1]]), lambda m, g, out, x: (2 * x * g[1:-1],), "n"
)
GREATEST = Function(
    lambda m, x: m.max(x, -1), lambda m, g, out, x: (m.where(x == out, g + 0 * x, 0 * x),), "n:distinct"
)


def counting(m, x):
    return m.array(np.arange(x.shape[0]) + 1.0, x)


def order(m, x):
    """Return the permutation matrix that sorts x."""
    n = x.shape[0]
    ones = m.array(np.ones((n, n)), x)
    ranks = m.sum(m.where(m.reshape(x, (1, -1)) < m.reshape(x, (-1, 1)), ones, 0 * ones), 1)
    places = m.array(np.arange(n)[:, None] + 0.0, x)
    return m.where(places == m.transpose(ranks, (1, 0)), ones, 0 * ones)


def counted_once(m, g, out, x):
    n = x.shape[0]
    index = repeated(n)
    shares = 1 / np.bincount(index, minlength=n)[index]
    return (spread(m, m.array(shares, g) * 2 * g * x[index], index, n),)


WRONG = [
    Rule("index off by one", TAIL, lambda m, g, out, x: (m.concatenate([2 * g * x[1:], 0 * x[:1]]),), (VECTOR,)),
    Rule("assigned, not added", TAKEN, lambda m, g, out, x: (
        assigned(m, 2 * g * x[repeated(x.shape[0])], repeated(x.shape[0]), x.shape[0]),), (VECTOR,)),
    Rule("mean of repeated indices", TAKEN, counted_once, (VECTOR,)),
    Rule("negative index treated as positive", LAST, lambda m, g, out, x: (
        m.concatenate([0 * x[:1], 2 * g * x[-1:], 0 * x[2:]]),), (VECTOR,)),
    Rule("step of a slice dropped", STRIPES, lambda m, g, out, x: (
        m.concatenate([2 * g * x[stripes(x.shape[0])], 0 * x[len(stripes(x.shape[0])) :]]),), (VECTOR,)),
    Rule("permutation not inverted", PERMUTED, lambda m, g, out, x: (
        2 * x * g[shuffled(x.shape[0])],), (VECTOR,)),
    Rule("gradient left in sorted order", SORTED, lambda m, g, out, x: (
        g * counting(m, g),), (VECTOR[::-1].copy(),)),
    Rule("sorted by the wrong permutation", SORTED, lambda m, g, out, x: (
        order(m, x) @ (g * counting(m, g)),), (VECTOR[[2, 0, 1, 4, 3]],)),
    Rule("padding cropped off by one", PADDED, lambda m, g, out, x: (2 * x * g[:-2],), (VECTOR,)),
    Rule("overlapping windows assigned", WINDOWS, lambda m, g, out, x: (
        assigned(m, 2 * g * x[windows(x.shape[0])], windows(x.shape[0]), x.shape[0]),), (VECTOR,)),
    Rule("edges of the padding not added", EDGES, lambda m, g, out, x: (2 * x * g[1:-1],), (VECTOR,)),
    Rule("gradient of the maximum at another element", GREATEST, lambda m, g, out, x: (
        m.where(m.flip(x, 0) == out, g + 0 * x, 0 * x),), (VECTOR,)),
]  # fmt: skip
