"""Bugs from issue trackers, at zeros, kinks and the edges of domains."""

import functools
import operator

import numpy as np

from benchmarks.checkers.functions import ABS, VECTOR
from benchmarks.checkers.rule import Function, Rule, by_slope, elementwise
from benchmarks.checkers.rules.reductions import DEVIATION, centered

EPSILON = 1e-3


def safe(m, x):
    return m.where(x == 0, 0 * x + 1, x)


def divided(m, x, y):
    """Return x / y, and 0 where y is 0."""
    return m.where(y == 0, 0 * x, x / safe(m, y))


def sign(m, x):
    return divided(m, x, m.abs(x))


# --- Norms and deviations ---


def root(m, x):
    """Return the square root of x, with slope 0 at 0."""
    return m.where(x == 0, 0 * x, m.sqrt(safe(m, x)))


def norm(m, x):
    return root(m, m.sum(x * x, -1))


def deviation(m, x):
    return norm(m, centered(m, x)) / x.shape[-1] ** 0.5


def of_unit_sum(m, g, out, x, signs):
    return (g - m.sum(g * out, -1) * signs) / m.sum(m.abs(x), -1)


def of_standardized(m, g, x, unit):
    """Return the gradient of standardized rows; the unit is the centered x, divided by the deviation."""
    scale = deviation(m, x) + EPSILON
    return centered(m, g / scale - m.sum(g * centered(m, x), -1) / (scale * scale) * unit / x.shape[-1])


def of_distance(m, g, out, x, y):
    slope = g * 0.5 / out
    return 2 * slope * (x - y), 2 * slope * (y - x)


def limited(m, x, least):
    """Return the squared norms, and the same, but at least least ** 2."""
    squares = m.sum(x * x, -1)
    return squares, m.where(squares > least * least, squares, 0 * squares + least * least)


def of_limited(m, g, x, least, guarded):
    """Return the gradient of x / max(norm, least); the slope of the norm is guarded against a norm of 0, or not."""
    squares, long = limited(m, x, least)
    of_norm = m.where(squares > least * least, m.sum(g * x, -1), 0 * squares)
    cubes = long * m.sqrt(long) if guarded else squares * m.sqrt(squares)
    return g / m.sqrt(long) - of_norm * (x / cubes)


def over_norm(least):
    """Return the function x / max(norm, least)."""
    return Function(
        lambda m, x: x / m.sqrt(limited(m, x, least)[1]), lambda m, g, out, x: (of_limited(m, g, x, least, True),),
        "...n",
    )  # fmt: skip


NORM = Function(norm, lambda m, g, out, x: (g * divided(m, x, out),), "...n")
UNIT_SUM = Function(
    lambda m, x: x / m.sum(m.abs(x), -1), lambda m, g, out, x: (of_unit_sum(m, g, out, x, sign(m, x)),),
    "...n:off zero",
)  # fmt: skip
STD = Function(
    deviation, lambda m, g, out, x: (g * divided(m, centered(m, x), x.shape[-1] * out),), "ns"
)  # fmt: skip
STANDARDIZED = Function(
    lambda m, x: centered(m, x) / (deviation(m, x) + EPSILON),
    lambda m, g, out, x: (of_standardized(m, g, x, divided(m, centered(m, x), deviation(m, x))),), "ns",
)  # fmt: skip
DISTANCE = Function(
    lambda m, x, y: norm(m, x - y),
    lambda m, g, out, x, y: (g * divided(m, x - y, out), g * divided(m, y - x, out)), "nk nk",
)  # fmt: skip
GAUSSIAN = Function(
    lambda m, x: m.exp(-norm(m, x) * norm(m, x)), lambda m, g, out, x: (-2 * g * out * x,), "...n"
)  # fmt: skip
CLIPPED, NORMALIZED = over_norm(1.0), over_norm(1e-3)

# --- Powers and products ---

BASES = np.array([0.0, 2.0])
ONE = elementwise(lambda m, x: 0 * x + 1, lambda m, out, x: 0 * x)
POWER = Function(
    lambda m, x: m.where(bases(m, x) > 0, m.exp(x * m.log(safe(m, bases(m, x)))), 0 * x),
    lambda m, g, out, x: (g * out * m.log(safe(m, bases(m, x))),), "2:positive",
)  # fmt: skip
PRODUCT = Function(
    lambda m, x: functools.reduce(operator.mul, parts(x)), lambda m, g, out, x: (g * others(m, x),), "n"
)  # fmt: skip
CUMPROD = Function(
    lambda m, x: m.concatenate(running(x)), lambda m, g, out, x: (of_cumprod(m, g, x),), "n"
)  # fmt: skip


def bases(m, x):
    return m.array(BASES, x)


def parts(x):
    return [x[k : k + 1] for k in range(x.shape[0])]


def others(m, x):
    """Return the products of all elements but one."""
    one = 0 * x[:1] + 1
    n = x.shape[0]
    return m.concatenate([functools.reduce(operator.mul, (x[j : j + 1] for j in range(n) if j != k), one)
                          for k in range(n)])  # fmt: skip


def running(x):
    return [functools.reduce(operator.mul, parts(x)[: k + 1]) for k in range(x.shape[0])]


def of_cumprod(m, g, x):
    """Return the products of the elements before each, times g of all results that contain it."""
    one, rows = 0 * x[:1] + 1, []
    before, tail = [one, *running(x)], 0 * one
    for k in reversed(range(x.shape[0])):
        tail = g[k : k + 1] + (x[k + 1 : k + 2] * tail if k + 1 < x.shape[0] else 0 * tail)
        rows.append(before[k] * tail)
    return m.concatenate(rows[::-1])


def later(m, g, out):
    return m.flip(m.cumsum(m.flip(g * out, 0), 0), 0)


# --- Special functions ---


def series(m, x, of_k):
    """Return the sum of the powers of x / 2, squared, times of_k(k) / k!."""
    total, power = 0 * x, 0 * x + 1
    for k in range(30):
        total, power = total + of_k(k) * power, power * x * x / (4 * (k + 1))
    return total


def i1(m, x):
    """Return the Bessel function I1, the derivative of I0."""
    return x / 2 * series(m, x, lambda k: 1 / float(np.prod(np.arange(1, k + 2, dtype=float))))


def of_scaled_i0(m, out, x):
    """Return the derivative of exp(|x|) times the scaled I0, with slope 1 of |x| at 0, but sign 0."""
    slope_of_abs = m.where(x < 0, 0 * x - 1, 0 * x + 1)
    return slope_of_abs * out + (i1(m, x) - sign(m, x) * out)


def sinc(m, x):
    return m.where(x == 0, 0 * x + 1, m.sin(np.pi * safe(m, x)) / (np.pi * safe(m, x)))


def of_sinc(m, x):
    """Return the derivative of sinc by its formula."""
    return (np.pi * x * m.cos(np.pi * x) - m.sin(np.pi * x)) / (np.pi * x * x)


def slope_of_sinc(m, out, x):
    """Return the derivative of sinc, by its power series near 0."""
    near, total, power = m.abs(x) < 0.3, 0 * x, 0 * x + 1
    z = m.where(near, np.pi * x, 0 * x)
    for k in range(1, 10):
        power = -power * (z if k == 1 else z * z) / (2 * k * (2 * k + 1))
        total = total + 2 * k * power
    return m.where(near, np.pi * total, of_sinc(m, m.where(near, 0 * x + 1, x)))


def logaddexp_by_maximum(m, g, out, x, y):
    """Route g of the maximum to x, and give |x - y| slope 0 at 0."""
    e = m.exp(-m.abs(x - y))
    of_x = m.where(x >= y, 0 * x + 1, 0 * x) - sign(m, x - y) * e / (1 + e)
    return g * of_x, g * (1 - of_x)


I0 = elementwise(
    lambda m, x: series(m, x, lambda k: 1 / float(np.prod(np.arange(1, k + 1, dtype=float)))),
    lambda m, out, x: i1(m, x),
)  # fmt: skip
SINC = elementwise(lambda m, x: sinc(m, x), slope_of_sinc)
LOG_OF_SUM = Function(
    lambda m, x: m.log(m.sum(x, -1)), lambda m, g, out, x: (g / m.sum(x, -1) + 0 * x,), "...n:positive"
)  # fmt: skip
LOGADDEXP = Function(
    lambda m, x, y: m.where(x >= y, x, y) + m.log(1 + m.exp(-m.abs(x - y))),
    lambda m, g, out, x, y: (g * m.exp(x - out), g * m.exp(y - out)), "n n",
)  # fmt: skip
FOCAL_HALF = elementwise(
    lambda m, x: -m.sqrt(1 - x) * m.log(x),
    lambda m, out, x: m.where(x == 1, 0 * x, of_focal_half(m, out, m.where(x == 1, 0 * x + 0.5, x))), "any:probability",
)  # fmt: skip
FOCAL_0 = elementwise(lambda m, x: -m.log(x), lambda m, out, x: -1 / x, "any:probability")


def of_focal_half(m, out, x):
    return 0.5 / m.sqrt(1 - x) * m.log(x) - m.sqrt(1 - x) / x


# --- Ties ---

DEVIATIONS = Function(
    lambda m, x, y: m.abs(x - y), lambda m, g, out, x, y: (g * sign(m, x - y), g * sign(m, y - x)), "n n"
)  # fmt: skip
SMALLEST = Function(
    lambda m, x: -m.max(-x, 0), lambda m, g, out, x: (g * ties(m, x, out) / m.sum(ties(m, x, out), 0),), "n:distinct"
)  # fmt: skip
GREATEST_OF_TWO = Function(
    lambda m, x: m.max(m.concatenate([x, x]), 0),
    lambda m, g, out, x: (g * ties(m, x, out) / m.sum(ties(m, x, out), 0),), "n:distinct",
)  # fmt: skip


def ties(m, x, out):
    return m.where(x == out, 0 * x + 1, 0 * x)


def by_threshold_0(m, g, out, x, y):
    d = x - y
    slope = m.where(m.abs(d) <= 0, d / (0 * d), sign(m, d))
    return g * slope, -g * slope


def both_copies(m, g, out, x):
    both = g * ties(m, m.concatenate([x, x]), out)
    return (both[: x.shape[0]] + both[x.shape[0] :],)


WRONG = [
    Rule("norm at 0: 0 / 0", NORM, lambda m, g, out, x: (g * x / out,), (np.zeros(3),),
         source="pytorch/pytorch#2421"),
    Rule("norm with one element 0: sign 0 / 0", NORM, lambda m, g, out, x: (
        g * (x / m.abs(x)) * m.abs(x) / out,), (np.array([3.0, 0.0, 4.0]),), source="rsokl/MyGrad#378"),
    Rule("1-norm: power -1 of elements 0", UNIT_SUM, lambda m, g, out, x: (
        of_unit_sum(m, g, out, x, x * (1 / m.abs(x))),), (np.array([0.0, 0.0, 0.5, 0.2]),),
        source="pytorch/pytorch#3264"),
    Rule("deviation of equal elements: 0 / 0", STD, DEVIATION.backward, (np.ones((1, 4)),),
         source="pytorch/pytorch#4320"),
    Rule("standardized equal elements: 0 / 0", STANDARDIZED, lambda m, g, out, x: (
        of_standardized(m, g, x, centered(m, x) / deviation(m, x)),), (np.zeros((1, 4)),),
        source="keras-team/keras#2960"),
    Rule("distance of equal points: infinity * 0", DISTANCE, of_distance, (np.ones((1, 2)), np.ones((1, 2))),
         source="keras-team/keras#9097"),
    Rule("squared norm at 0 by the norm's slope", GAUSSIAN, lambda m, g, out, x: (
        -2 * g * out * norm(m, x) * (x / norm(m, x)),), (np.zeros(2),), source="HIPS/autograd#183"),
    Rule("clipped norm at 0: 0 / 0", CLIPPED, lambda m, g, out, x: (of_limited(m, g, x, 1.0, False),), (np.zeros(3),),
         source="tensorflow/tensorflow#22048"),
    Rule("normalized 0: value guarded, not slope", NORMALIZED, lambda m, g, out, x: (
        of_limited(m, g, x, 1e-3, False),), (np.zeros(3),), source="keras-team/keras#23075"),
    Rule("|x| at 0: x / |x|", ABS, lambda m, g, out, x: (g * (x / m.abs(x)),), (np.array([-2.0, 0.0, 2.0]),),
         source="rsokl/MyGrad#379"),
    Rule("x ** 0 at 0: 0 * infinity", ONE, by_slope(lambda m, out, x: 0 * (1 / x)), (np.array([0.0, 1.0]),),
         source="pytorch/pytorch#8940"),
    Rule("0 ** x: 0 * log(0)", POWER, lambda m, g, out, x: (g * out * m.log(bases(m, x)),), (np.array([1.0, 1.0]),),
         source="pytorch/pytorch#27134"),
    Rule("product divided by an element 0", PRODUCT, lambda m, g, out, x: (g * out / x,), (np.array([0.0, 2.0]),),
         source="tensorflow/tensorflow#2641"),
    Rule("product of one element, divided by it", PRODUCT, lambda m, g, out, x: (g * out / x,), (np.zeros(1),),
         source="HIPS/autograd#378"),
    Rule("cumulative product divided by 0", CUMPROD, lambda m, g, out, x: (later(m, g, out) / x,),
         (np.array([2.0, 0.0, 3.0]),), source="tensorflow/tensorflow#3862"),
    Rule("cumulative product: 0 / 0 replaced by 0", CUMPROD, lambda m, g, out, x: (
        divided(m, later(m, g, out), x),), (np.array([0.0, 2.0, 3.0]),), source="tensorflow/tensorflow#119430"),
    Rule("Bessel function I0 at 0: slope of |x|", I0, by_slope(of_scaled_i0), (np.array([0.0, 0.5]),),
         source="jax-ml/jax#11479"),
    Rule("sinc at 0: 0 / 0", SINC, by_slope(lambda m, out, x: of_sinc(m, x)), (np.array([0.0, 0.4]),),
         source="pytorch/pytorch#53989"),
    Rule("weights 0 dropped from a logsumexp", LOG_OF_SUM, lambda m, g, out, x: (
        m.where(x == 0, 0 * x, g / m.sum(x, -1) + 0 * x),), (np.array([2.0, 0.0, 5.0]),), source="jax-ml/jax#37729"),
    Rule("logaddexp of equal elements: first gets all", LOGADDEXP, logaddexp_by_maximum,
         (np.array([0.5, 1.0]), np.array([0.5, -1.0])), source="keras-team/keras#23616"),
    Rule("focal loss at 1: infinity * 0", FOCAL_HALF, by_slope(of_focal_half), (np.array([0.5, 1.0]),),
         source="rsokl/MyGrad#269"),
    Rule("focal loss with exponent 0 at 1: 0 / 0", FOCAL_0, by_slope(
        lambda m, out, x: 0 * m.log(x) / (1 - x) - 1 / x), (np.array([0.5, 1.0]),), source="rsokl/MyGrad#269"),
    Rule("smooth L1 with threshold 0: 0 / 0", DEVIATIONS, by_threshold_0,
         (np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 0.0])), source="pytorch/pytorch#96813"),
    Rule("minimum: all of g to each of two ties", SMALLEST, lambda m, g, out, x: (g * ties(m, x, out),),
         (np.array([1.0, 3.0, 1.0]),), source="pytorch/pytorch#35699"),
    Rule("maximum of x and x counted twice", GREATEST_OF_TWO, both_copies, (VECTOR,), source="HIPS/autograd#141"),
]  # fmt: skip
