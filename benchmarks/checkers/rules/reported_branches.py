"""Bugs from issue trackers in branches that are not taken, in saturation, and in regions of the domain."""

import numpy as np

from benchmarks.checkers.functions import RELU, VECTOR
from benchmarks.checkers.rule import Function, Rule, by_slope, elementwise, everywhere, summed_to
from benchmarks.checkers.rules.reported_zeros import SINC, norm, of_sinc

# --- Branches that are not taken ---

DIVISORS, TARGETS = np.array([0.0, 2.0]), np.array([np.nan, 1.0, 2.0])
SELECTED = np.array([1.0, 0.0])
EXP_OR_LINEAR = Function(
    lambda m, x: m.where(x <= 0, m.exp(m.where(x <= 0, x, 0 * x)), 1 + x),
    lambda m, g, out, x: (m.where(x <= 0, g * m.exp(m.where(x <= 0, x, 0 * x)), g),), "any",
)  # fmt: skip
LINEAR_OR_ROOT = Function(
    lambda m, x: m.where(x >= 0, x, m.sqrt(negative(m, x))),
    lambda m, g, out, x: (m.where(x >= 0, g, -0.5 * g / m.sqrt(negative(m, x))),), "any:off zero",
)  # fmt: skip
MASKED_QUOTIENT = Function(  # x / divisors, and 0 where a divisor is 0
    lambda m, x: x * m.array(np.array([0.0, 0.5]), x), lambda m, g, out, x: (g * m.array(np.array([0.0, 0.5]), x),), "2"
)  # fmt: skip
MASKED_ERROR = Function(
    lambda m, x: m.sum(errors(m, x) * errors(m, x), 0), lambda m, g, out, x: (2 * g * errors(m, x),), "3"
)  # fmt: skip
LONG_ROWS = Function(
    lambda m, x: m.where(norm(m, x) > 0.5, norm(m, x), 0 * norm(m, x) + 1),
    lambda m, g, out, x: (m.where(norm(m, x) > 0.5, g * x / out, 0 * x),), "nk",
)  # fmt: skip
MASKED_LOGSUMEXP = Function(lambda m, x: x[:1] + 0.0, lambda m, g, out, x: (g * m.array(SELECTED, x),), "2")


def negative(m, x):
    return m.where(x >= 0, 0 * x + 1, -x)


def divisors(m, x):
    return m.array(DIVISORS, x)


def present(m, x):
    return m.array(np.float64(~np.isnan(TARGETS)), x)


def errors(m, x):
    """Return the differences from the targets, and 0 where a target is missing."""
    return present(m, x) * (x - m.array(np.nan_to_num(TARGETS), x))


def of_selected(m, g, out, x):
    """Return the softmax of the selected elements, with all exponentials relative to the selected maximum."""
    e = m.exp(x - x[:1]) * m.array(SELECTED, x)
    return (g * e / m.sum(e, 0),)


# --- Saturation and regions ---

HARD_SIGMOID = elementwise(
    lambda m, x: m.where(x < -3, 0 * x, m.where(x > 3, 0 * x + 1, x / 6 + 0.5)),
    lambda m, out, x: m.where(m.abs(x) < 3, 0 * x + 1 / 6, 0 * x),
)  # fmt: skip
SOFTPLUS = elementwise(
    lambda m, x: m.where(3 * x > 1, x, m.log(1 + m.exp(3 * x)) / 3),
    lambda m, out, x: m.where(3 * x > 1, 0 * x + 1, 1 / (1 + m.exp(-3 * x))),
)  # fmt: skip
NEGATIVE_LEAKY = elementwise(
    lambda m, x: m.where(x > 0, x, -2 * x), lambda m, out, x: m.where(x > 0, 0 * x + 1, 0 * x - 2), "any:off zero"
)  # fmt: skip
NEGATIVE_ELU = elementwise(
    lambda m, x: m.where(x > 0, x, -2 * (m.exp(m.where(x > 0, 0 * x, x)) - 1)),
    lambda m, out, x: m.where(x > 0, 0 * x + 1, out - 2), "any:off zero",
)  # fmt: skip
GELU = elementwise(
    lambda m, x: x * left_tail(m, x), lambda m, out, x: left_tail(m, x) + x * density(m, x), "any:left tail"
)  # fmt: skip
SILU = Function(
    lambda m, x, y: x * sigmoid(m, x * y),
    lambda m, g, out, x, y: (of_silu(m, g, x, y), summed_to(m, of_beta(m, g, x, y), y)), "nk 1k",
)  # fmt: skip
REMAINDER = Function(
    lambda m, x, y: x - y * truncated(m, x / y),
    lambda m, g, out, x, y: (g, -g * truncated(m, x / y)), "n n:off zero",
)  # fmt: skip
MOD = Function(
    lambda m, x, y: x - y * floored(m, x / y),
    lambda m, g, out, x, y: (g + 0 * x, summed_to(m, -g * floored(m, x / y), y)), "nk 1k:positive",
)  # fmt: skip
DIGAMMA = elementwise(
    lambda m, x: m.log(x + 40) - digamma_series(x + 40) - sum(1 / (x + k) for k in range(40)),
    lambda m, out, x: trigamma_series(x + 40) + sum(1 / ((x + k) * (x + k)) for k in range(40)), "any:positive",
)  # fmt: skip
CROSS_ENTROPY = Function(
    lambda m, x, y: -m.sum(y * log_softmax(m, x), -1),
    lambda m, g, out, x, y: (g * (m.exp(log_softmax(m, x)) * m.sum(y, -1) - y), -g * log_softmax(m, x)), "nk nk",
)  # fmt: skip
LOGCUMSUMEXP = Function(
    lambda m, x: m.concatenate(running_logsumexp(m, x)),
    lambda m, g, out, x: (m.sum(m.reshape(g, (-1, 1)) * shares(m, out, x), 0)[0],), "n",
)  # fmt: skip


def density(m, x):
    return m.exp(-x * x / 2) / (2 * np.pi) ** 0.5


def left_tail(m, x):
    """Return the normal probability below x, for x <= -5, by a continued fraction."""
    fraction = -x
    for k in range(20, 0, -1):
        fraction = -x + k / fraction
    return density(m, x) / fraction


def sigmoid(m, x):
    return 1 / (1 + m.exp(-x))


def of_silu(m, g, x, y):
    return g * sigmoid(m, x * y) * (1 + x * y * sigmoid(m, -x * y))


def of_beta(m, g, x, y):
    """Return the gradient of the factor y, not summed."""
    return g * x * x * sigmoid(m, x * y) * sigmoid(m, -x * y)


def truncated(m, q):
    """Return q without its fraction, for |q| <= 30."""
    return sum(m.where(q >= k, 0 * q + 1, 0 * q) - m.where(q <= -k, 0 * q + 1, 0 * q) for k in range(1, 31))


def floored(m, q):
    whole = truncated(m, q)
    return m.where(q < whole, whole - 1, whole)


def digamma_series(z):
    w = 1 / (z * z)
    return 0.5 / z + w * (1 / 12 - w * (1 / 120 - w / 252))


def trigamma_series(z):
    """Return the asymptotic series of the trigamma function, for large z."""
    w = 1 / (z * z)
    return 1 / z + w / 2 + w / z * (1 / 6 - w * (1 / 30 - w / 42))


def log_softmax(m, x):
    top = m.constant(m.max(x, -1))
    return x - top - m.log(m.sum(m.exp(x - top), -1))


def running_logsumexp(m, x):
    sums = [x[:1]]
    for k in range(1, x.shape[0]):
        last, x_k = sums[-1], x[k : k + 1]
        sums.append(m.where(last > x_k, last, x_k) + m.log(1 + m.exp(-m.abs(last - x_k))))
    return sums


def shares(m, out, x):
    """Return the shares of the elements of x, columns, in the sums, rows."""
    lower = m.array(np.tri(x.shape[0]), x)
    return lower * m.exp(lower * (m.reshape(x, (1, -1)) - m.reshape(out, (-1, 1))))


# --- Averages over windows of three; the last one overhangs ---

WINDOWS = np.array([[1.0, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
AVERAGES = WINDOWS / WINDOWS.sum(1, keepdims=True)
AVERAGED = Function(
    lambda m, x: m.array(AVERAGES, x) @ x, lambda m, g, out, x: (m.array(AVERAGES.T, g) @ g,), "5"
)  # fmt: skip

NEGATIVE_HALVES = np.array([-16.5, -19.5, -22.5])
LOGITS = np.array([[0.1, 0.9], [-0.5, 0.3]])

WRONG = [
    Rule("float32 exp of 100 in the other branch", EXP_OR_LINEAR, lambda m, g, out, x: (
        m.where(x <= 0, g, 0 * g) * m.exp(x) + m.where(x <= 0, 0 * g, g),), (np.array([100.0, -1.0]),),
        source="pytorch/pytorch#68425"),
    Rule("root of a negative in the other branch", LINEAR_OR_ROOT, lambda m, g, out, x: (
        m.where(x >= 0, g, 0 * g) - m.where(x >= 0, 0 * g, g) * 0.5 / m.sqrt(-x),), (np.array([1.0, -2.0]),),
        source="HIPS/autograd#802"),
    Rule("sinc at 0: masked after 0 / 0", SINC, lambda m, g, out, x: (
        m.where(x == 0, 0 * g, g) * of_sinc(m, x),), (np.array([0.0, 0.4]),), source="tensorflow/tensorflow#127226"),
    Rule("division by 0 masked after it", MASKED_QUOTIENT, lambda m, g, out, x: (
        m.where(divisors(m, x) == 0, 0 * g, g) / divisors(m, x),), (np.array([0.0, 1.0]),),
        source="pytorch/pytorch#16317"),
    Rule("squared error with NaN masked after it", MASKED_ERROR, lambda m, g, out, x: (
        2 * g * present(m, x) * (x - m.array(TARGETS, x)),), (np.array([0.5, 2.0, 1.0]),),
        source="pytorch/pytorch#89543"),
    Rule("length of a masked row 0", LONG_ROWS, lambda m, g, out, x: (
        m.where(norm(m, x) > 0.5, g, 0 * g) * (x / norm(m, x)),),
        (np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]),), source="jax-ml/jax#383"),
    Rule("float32 logsumexp of a masked 100", MASKED_LOGSUMEXP, of_selected, (np.array([0.0, 100.0]),),
         source="jax-ml/jax#23842"),
    Rule("hard sigmoid: slope in the flat part", HARD_SIGMOID, by_slope(
        lambda m, out, x: m.where(x < 3, 0 * x + 1 / 6, 0 * x)), (np.array([-4.6, -3.4, -2.9]),),
        source="pytorch/pytorch#51408"),
    Rule("softplus: threshold applied to the result", SOFTPLUS, by_slope(
        lambda m, out, x: m.where(3 * out > 1, 0 * x + 1, 1 - m.exp(-3 * out))), (np.array([0.2736, -0.5, 0.6]),),
        source="pytorch/pytorch#55587"),
    Rule("leaky relu: sign of x from the result", NEGATIVE_LEAKY, by_slope(
        lambda m, out, x: m.where(out > 0, 0 * x + 1, 0 * x - 2)), (VECTOR,), source="pytorch/pytorch#31938"),
    Rule("ELU: sign of x from the result", NEGATIVE_ELU, by_slope(
        lambda m, out, x: m.where(out > 0, 0 * x + 1, out - 2)), (VECTOR,), source="pytorch/pytorch#47671"),
    Rule("GELU of -9: 1 + erf cancels", GELU, by_slope(
        lambda m, out, x: 0.5 * (1 + (2 * left_tail(m, x) - 1)) + x * density(m, x)), (np.array([-9.0, -5.5]),),
        source="pytorch/pytorch#189234"),
    Rule("SiLU: factors of columns get the total", SILU, lambda m, g, out, x, y: (
        of_silu(m, g, x, y), 0 * y + everywhere(m, m.sum, of_beta(m, g, x, y))),
        (np.array([[0.5, -1.0], [2.0, 0.3]]), np.array([[1.5, 0.7]])), source="tensorflow/tensorflow#127690"),
    Rule("relu clipped at NaN: no gradient", RELU, lambda m, g, out, x: (
        m.where(x < float("nan"), m.where(x > 0, g, 0 * g), 0 * g),), (VECTOR,), source="tensorflow/tensorflow#22687"),
    Rule("remainder of x < 0: floor for truncation", REMAINDER, lambda m, g, out, x, y: (
        g, -g * floored(m, x / y)), (np.array([-19.0, 19.0]), np.array([3.0, 3.0])), source="jax-ml/jax#11466"),
    Rule("divisor of mod: mean instead of sum", MOD, lambda m, g, out, x, y: (
        g + 0 * x, summed_to(m, -g * floored(m, x / y), y) / x.shape[0]),
        (np.array([[5.5, 4.2], [7.1, 0.4]]), np.array([[2.0, 1.5]])), source="tensorflow/tensorflow#8386"),
    Rule("digamma of x < 0 by the series for large x", DIGAMMA, by_slope(lambda m, out, x: trigamma_series(x)),
         (NEGATIVE_HALVES,), source="jax-ml/jax#37635"),
    Rule("labels assumed to sum to 1", CROSS_ENTROPY, lambda m, g, out, x, y: (
        g * (m.exp(log_softmax(m, x)) - y), -g * log_softmax(m, x)), (LOGITS, np.array([[0.0, 0.0], [0.0, 1.0]])),
        source="tensorflow/tensorflow#60314"),
    Rule("logcumsumexp: exp(-out) of -800 overflows", LOGCUMSUMEXP, lambda m, g, out, x: (
        m.flip(m.cumsum(m.flip(g * m.exp(-out), 0), 0), 0) * m.exp(x),), (np.array([-800.0, -799.0, -801.0]),),
        source="pytorch/pytorch#36308"),
    Rule("overhanging window divided by the full size", AVERAGED, lambda m, g, out, x: (
        m.array(WINDOWS.T / 3, g) @ g,), (VECTOR,), source="pytorch/pytorch#198119"),
]  # fmt: skip
