"""Mistakes in layers: convolution, pooling, attention, recurrence."""

import numpy as np

from benchmarks.checkers.functions import CUBE, OTHER, SOFTMAX, SQUARE, VECTOR
from benchmarks.checkers.rule import Function, Rule

rng = np.random.default_rng(1)
SIGNAL, KERNEL = rng.normal(size=9), np.array([0.5, -1.0, 2.0])


def taps(n, k, stride=1, padding=0, dilation=1):
    """Return the inputs of each tap of each window, as ones at [window, tap, input]."""
    windows = (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1
    seen = stride * np.arange(windows)[:, None] + dilation * np.arange(k) - padding
    return np.float64(seen[:, :, None] == np.arange(n))


def convolution(stride=1, padding=0, dilation=1):
    """Return the convolution of a signal x with a kernel y."""

    def of(m, x, y):
        return m.array(taps(x.shape[0], y.shape[0], stride, padding, dilation), x)

    return Function(
        lambda m, x, y: m.einsum("wkn,k,n->w", of(m, x, y), y, x),
        lambda m, g, out, x, y: (
            m.einsum("wkn,w,k->n", of(m, x, y), g, y), m.einsum("wkn,w,n->k", of(m, x, y), g, x)
        ),
        "s k",
    )  # fmt: skip


def told_otherwise(of_inputs, of_kernel):
    """Return a vjp of a convolution with wrong windows, functions of n, k and the number of windows."""

    def backward(m, g, out, x, y):
        n, k, windows = x.shape[0], y.shape[0], g.shape[0]
        first, second = (m.array(of(n, k, windows), g) for of in (of_inputs, of_kernel))
        return m.einsum("wkn,w,k->n", first, g, y), m.einsum("wkn,w,n->k", second, g, x)

    return backward


def dense(n, k, windows):
    return taps(n, k, padding=k)[k : k + windows]


def shifted(n, k, windows):
    return taps(n, k, padding=2)[:windows]


PLAIN, STRIDED, PADDED, DILATED = (
    convolution(), convolution(stride=2), convolution(padding=1), convolution(dilation=2),
)  # fmt: skip


def grouped(m, x, y):
    """Convolve x (4, n) in two groups with kernels y (group, out, in) of one element, (2, 2, 2)."""
    return m.reshape(m.einsum("goc,gcn->gon", y, m.reshape(x, (2, 2, -1))), (4, -1))


GROUPED = Function(
    grouped,
    lambda m, g, out, x, y: (
        m.reshape(m.einsum("goc,gon->gcn", y, m.reshape(g, (2, 2, -1))), (4, -1)),
        m.einsum("gon,gcn->goc", m.reshape(g, (2, 2, -1)), m.reshape(x, (2, 2, -1))),
    ),
    "4n 222",
)
BIASED = Function(lambda m, x, y: x + m.reshape(y, (-1, 1)), lambda m, g, out, x, y: (g + 0 * x, m.sum(g, 1)[:, 0]),
                  "nn n")  # fmt: skip

# --- Pooling ---


def wrapped(n):
    """Return windows of three from each element; the last element repeats, so it has ties with itself."""
    return np.minimum(np.arange(n)[:, None] + np.arange(3), n - 1)


def winners(m, x, out):
    seen = x[wrapped(x.shape[0])]
    return m.where(seen == out, 0 * seen + 1, 0 * seen)


def pooled_back(m, shares, x):
    """Add the shares of all windows to their elements."""
    n = x.shape[0]
    return m.einsum("wkn,wk->n", m.array(np.float64(wrapped(n)[:, :, None] == np.arange(n)), shares), shares)


MAX_POOL = Function(
    lambda m, x: m.max(x[wrapped(x.shape[0])], 1),
    lambda m, g, out, x: (pooled_back(m, g * winners(m, x, out) / m.sum(winners(m, x, out), 1), x),),
    "n:distinct",
)


def counted(n):
    """Return the matrix of means over windows of three, or two at the edges."""
    near = np.float64(abs(np.arange(n)[:, None] - np.arange(n)) <= 1)
    return near / near.sum(1, keepdims=True)


AVERAGE_POOL = Function(
    lambda m, x: m.array(counted(x.shape[0]), x) @ x,
    lambda m, g, out, x: (m.transpose(m.array(counted(x.shape[0]), g), (1, 0)) @ g,), "n",
)  # fmt: skip


def assigned_windows(m, g, out, x):
    """Assign each element the share of its last window instead of the sum."""
    n = x.shape[0]
    shares = g * winners(m, x, out) / m.sum(winners(m, x, out), 1)
    of_windows = m.einsum("wkn,wk->wn", m.array(np.float64(wrapped(n)[:, :, None] == np.arange(n)), shares), shares)
    total = of_windows[0]
    for k in range(1, n):
        total = m.where(of_windows[k] == 0, total, of_windows[k])
    return (total,)


# --- Attention: queries, keys and values ---


def weights(m, x, y):
    return SOFTMAX.forward(m, x @ m.transpose(y, (1, 0)) / x.shape[-1] ** 0.5)


def attended(m, g, x, y, z, scores_back, scale=1.0):
    """Return the gradients of attention; scores_back(p, d) maps the gradient d of the weights p to the scores."""
    p, d = weights(m, x, y), x.shape[-1] ** 0.5
    scores = scores_back(p, g @ m.transpose(z, (1, 0))) / d
    return scores @ y, scale * m.transpose(scores, (1, 0)) @ x, m.transpose(p, (1, 0)) @ g


ATTENTION = Function(
    lambda m, x, y, z: weights(m, x, y) @ z,
    lambda m, g, out, x, y, z: attended(m, g, x, y, z, lambda p, d: p * (d - m.sum(p * d, -1))), "nn nn nn",
)  # fmt: skip


def of_values_not_transposed(m, g, out, x, y, z):
    return *ATTENTION.backward(m, g, out, x, y, z)[:2], weights(m, x, y) @ g


# --- Recurrence: h = tanh(h w + x), over the rows of x ---


def states(m, x, y):
    h, all_of_them = 0 * x[0], []
    for k in range(x.shape[0]):
        h = m.tanh(h @ y + x[k])
        all_of_them.append(h)
    return all_of_them


def through_time(m, g, x, y, reach=99, kernel_reach=99, slope=lambda h, a: 1 - h * h):
    """Backpropagate through time; gradients of rows before the last `reach` steps are zero."""
    h = states(m, x, y)
    back, rows, kernel = g, [], 0 * y
    for k in reversed(range(x.shape[0])):
        before = h[k - 1] if k else 0 * h[0]
        a = back * slope(h[k], before @ y + x[k])
        near = len(rows) < reach
        rows.append(m.reshape(a if near else 0 * a, (1, -1)))
        if len(rows) <= kernel_reach:
            kernel = kernel + m.reshape(before, (-1, 1)) * m.reshape(a, (1, -1))
        back = y @ a
    return m.concatenate(rows[::-1]), kernel


RECURRENT = Function(lambda m, x, y: states(m, x, y)[-1], lambda m, g, out, x, y: through_time(m, g, x, y), "nn nn")
MASK = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
DROPPED = Function(
    lambda m, x: x * x * m.array(MASK / 0.6, x), lambda m, g, out, x: (2 * x * g * m.array(MASK / 0.6, g),), "5"
)

WRONG = [
    Rule("kernel flipped", PLAIN, lambda m, g, out, x, y: (
        PLAIN.backward(m, g, out, x, m.flip(y, 0))[0], PLAIN.backward(m, g, out, x, y)[1]), (SIGNAL, KERNEL)),
    Rule("kernel's gradient flipped", PLAIN, lambda m, g, out, x, y: (
        PLAIN.backward(m, g, out, x, y)[0], m.flip(PLAIN.backward(m, g, out, x, y)[1], 0)), (SIGNAL, KERNEL)),
    Rule("stride ignored", STRIDED, told_otherwise(dense, lambda n, k, w: taps(n, k, 2)), (SIGNAL, KERNEL)),
    Rule("stride ignored for the kernel", STRIDED, told_otherwise(lambda n, k, w: taps(n, k, 2), dense),
         (SIGNAL, KERNEL)),
    Rule("padding off by one", PADDED, told_otherwise(shifted, lambda n, k, w: taps(n, k, padding=1)),
         (SIGNAL, KERNEL)),
    Rule("dilation dropped", DILATED, told_otherwise(dense, lambda n, k, w: taps(n, k, dilation=2)), (SIGNAL, KERNEL)),
    Rule("kernels of groups transposed", GROUPED, lambda m, g, out, x, y: (
        GROUPED.backward(m, g, out, x, m.transpose(y, (0, 2, 1)))[0], GROUPED.backward(m, g, out, x, y)[1]),
        (SQUARE, CUBE[:2, :2, :2])),
    Rule("groups exchanged", GROUPED, lambda m, g, out, x, y: (
        GROUPED.backward(m, g, out, x, m.flip(y, 0))[0], GROUPED.backward(m, g, out, x, y)[1]),
        (SQUARE, CUBE[:2, :2, :2])),
    Rule("gradient of the bias: mean instead of sum", BIASED, lambda m, g, out, x, y: (
        g + 0 * x, m.sum(g, 1)[:, 0] / x.shape[1]), (SQUARE, KERNEL[[0, 1, 2, 0]])),
    Rule("max pool: ties get the full gradient", MAX_POOL, lambda m, g, out, x: (
        pooled_back(m, g * winners(m, x, out), x),), (VECTOR,)),
    Rule("max pool: assigned, not added", MAX_POOL, assigned_windows, (VECTOR[[0, 4, 1, 2, 3]],)),
    Rule("average pool: padding counted", AVERAGE_POOL, lambda m, g, out, x: (
        m.array(np.float64(counted(x.shape[0]) > 0) / 3, g) @ g,), (VECTOR,)),
    Rule("average pool: not transposed", AVERAGE_POOL, lambda m, g, out, x: (
        m.array(counted(x.shape[0]), g) @ g,), (VECTOR,)),
    Rule("dropout: not rescaled", DROPPED, lambda m, g, out, x: (2 * x * g * m.array(MASK, g),), (VECTOR,)),
    Rule("dropout: another mask", DROPPED, lambda m, g, out, x: (
        2 * x * g * m.array(MASK[::-1] / 0.6, g),), (VECTOR,)),
    Rule("attention: scale of the keys", ATTENTION, lambda m, g, out, x, y, z: attended(
        m, g, x, y, z, lambda p, d: p * (d - m.sum(p * d, -1)), scale=2.0), (SQUARE, OTHER, SQUARE + OTHER)),
    Rule("attention: second term of softmax dropped", ATTENTION, lambda m, g, out, x, y, z: attended(
        m, g, x, y, z, lambda p, d: p * d), (SQUARE, OTHER, SQUARE + OTHER)),
    Rule("attention: values not transposed", ATTENTION, of_values_not_transposed, (SQUARE, OTHER, SQUARE + OTHER)),
    Rule("recurrence: truncated after two steps", RECURRENT, lambda m, g, out, x, y: through_time(
        m, g, x, y, reach=2), (SQUARE, OTHER)),
    Rule("recurrence: kernel from the last step only", RECURRENT, lambda m, g, out, x, y: through_time(
        m, g, x, y, kernel_reach=1), (SQUARE, OTHER)),
    Rule("recurrence: slope of another function", RECURRENT, lambda m, g, out, x, y: through_time(
        m, g, x, y, slope=lambda h, a: h * (1 - h)), (SQUARE, OTHER)),
]  # fmt: skip
