"""The decision: right, wrong or inconclusive. A right gradient is never called wrong, nor a wrong one right."""

import contextlib
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from benchmarks.checkers.families import FAMILIES
from benchmarks.checkers.nasty import drawn, verdict
from tests.effort import thorough
from tests.testing.solvers import SOLVERS
from tests.testing.test_tensor_checks import broken
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.testing import Call, check_gradient, check_jvp, check_vjp, directional_derivative
from tinygrad_edu.testing.failures import GradientMismatch, Inconclusive, NotDeterministic, NotDifferentiableHere
from tinygrad_edu.testing.verdict import examples, require_conclusive


def marks_of(number, name):
    """Return the marks of a family: seven of eight of those by subject are slow, and most others thorough."""
    if ": " in name:
        return [pytest.mark.slow] if number % 8 else [pytest.mark.thorough] if number % 32 else []
    return [pytest.mark.thorough] if number % 16 != 5 else []


NAMES = [name for name in FAMILIES if not name.startswith("relu network 32 x 512")]


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks_of(k, name)) for k, name in enumerate(NAMES)])
def test_right_is_never_called_wrong_and_wrong_never_right(name):
    found, why = drawn(FAMILIES[name], 1.0, 7)
    assert found in ("right", "inconclusive"), why
    if FAMILIES[name].slope == "exists":
        assert drawn(FAMILIES[name], -1.0, 7)[0] in ("wrong", "inconclusive")


@pytest.mark.parametrize("name", thorough([name for name in FAMILIES if name.startswith(("relu", "LeNet"))]))
def test_networks_with_kinks_are_conclusive(name):
    assert drawn(FAMILIES[name], 1.0, 1) == ("right", "")


OF_ALL_SIZES = ("reciprocal", "log", "cbrt", "rsqrt", "tanh", "arctan", "arcsinh", "erf", "hardshrink", "elu", "abs")


@pytest.mark.thorough
@pytest.mark.parametrize("name", OF_ALL_SIZES)
@pytest.mark.parametrize("seed", thorough(range(3), quick=[0]))
def test_numbers_of_all_sizes_in_one_array(name, seed):
    """A step that suits the large numbers jumps over a pole or bend near the small numbers."""
    x = 10.0 ** np.random.default_rng(seed).permutation([-6, -3, 0, 1, 4, 7])
    f = getattr(tg, name, None) or getattr(tg.nn, name)
    assert verdict(f, [x], 1.0, seed)[0] in ("right", "inconclusive")
    assert verdict(f, [x], -1.0, seed)[0] in ("wrong", "inconclusive")


@pytest.mark.parametrize("seed", range(60, 80))
def test_a_square_of_what_cancels_to_0_has_no_slope(seed):
    """The result is 0, but the rounding error of its terms looks like a slope of 1e-17."""
    x = np.array([[0.0, 0.0], [3.0, -0.5]])
    y = np.array([[0.0, 0.0], [0.0, -0.5]])

    def product(x, y):
        return (x + y) * y + x

    def gradient(x, y, g):
        slope = 2 * g * product(x, y)
        return slope * (1 + y), slope * (x + 2 * y)

    check_gradient(lambda x, y: product(x, y) ** 2, gradient, x, y, rng=np.random.default_rng(seed))


def _ordered(order):
    """Return a sum in a given order of additions: 0.1 + 0.2 - 0.3 is 5.6e-17, and -0.3 + 0.2 + 0.1 is 2.8e-17."""
    return lambda a: sum(a[k] for k in order)


# Right gradients that consist of rounding errors, entirely or partly. f is linear, so no step size reveals them.
OF_ROUNDING = {
    "weighted mean of one": (
        Call("weighted_mean", [np.array([0.1]), np.array([1.5])], axis=None, keepdims=False), [[0.1], [1.5]]),
    "bilinear": (tg.bilinear, [[0.0], np.ones(3), [[[1.0] * 3], [[1.0] * 3], [[0.1, -0.1, 1e-8]]]]),
    "product over a divisor": (lambda a, b, c: (a * b / b - a) * c, [[-2.0, 0.3], [1e-3, 0.7], [-3.7e8, 4.7]]),
    "two products": (lambda a, b, c: a * b + a * c - a * (b + c), [[0.3, -1.2], [5e3, 0.1], [-1e4, 4.2e-7]]),
    "squares": (lambda a, b, c: ((a - b) * (a + b) - (a * a - b * b)) * c, [[3e-8, 0.7], [5e3, -9.3], [-1e4, 1e-8]]),
    "sine and cosine": (lambda x, c: (tg.sin(x) ** 2 + tg.cos(x) ** 2) * c, [[0.3, -2.3], [1e7, 1e-7]]),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", thorough(OF_ROUNDING, quick=[*OF_ROUNDING][::3]))
@pytest.mark.parametrize("seed", thorough(range(5), quick=[0]))
def test_what_rounding_leaves_is_not_wrong(name, seed):
    f, arrays = OF_ROUNDING[name]
    for check in (check_vjp, partial(check_vjp, order=3), check_jvp):
        with contextlib.suppress(Inconclusive):
            check(f, *map(np.asarray, arrays), rng=np.random.default_rng(seed))


@pytest.mark.thorough
@pytest.mark.parametrize("a", [[0.1, 0.2, -0.3], [7e-5, 1361.7, -1361.7], [1e-8, 1e8, -1e8], [-0.9, 0.9, -1, 3e-7, 1]])
def test_another_order_of_addition_is_not_wrong(a):
    here, there = _ordered(range(len(a))), _ordered(range(len(a))[::-1])
    x, a = np.array([1.5, -0.7]), np.array(a)

    def gradient(x, a, g):
        return there(a) * g, np.full(len(a), np.sum(x * g))

    def tangent(x, a, dx, da):
        return there(a) * dx + x * np.sum(da)

    with contextlib.suppress(Inconclusive):
        check_gradient(lambda x, a: x * here(a), gradient, x, a)
    with contextlib.suppress(Inconclusive):
        check_gradient(lambda x, a: x * here(a), None, x, a, jvp=tangent)
    with pytest.raises(GradientMismatch):
        check_gradient(lambda x, a: x * here(a), lambda x, a, g: (here(a) * g, np.full(len(a), 1.001 * x @ g)), x, a)


@pytest.mark.parametrize("size", [1e5, 1e12, 1e20])
def test_rounding_in_a_wrong_gradient_does_not_make_it_right(size):
    with pytest.raises((GradientMismatch, Inconclusive)):
        check_gradient(np.sin, lambda x, g: (size * g + 1.01 * g * np.cos(x)) - size * g, np.array([0.3, -1.2]))


def test_a_small_result_beside_a_large_one_is_seen():
    def f(x):
        return np.array([1e8 * np.sin(x[0]), 1e-8 * np.exp(x[1])])

    def gradient(x, g):
        return np.array([1e8 * np.cos(x[0]) * g[0], 0 * g[1]])

    with pytest.raises(GradientMismatch, match=r"with a cotangent that is even in all slopes: .* is wrong"):
        check_gradient(f, gradient, [0.4, 0.5])


@pytest.mark.parametrize("factor", [-1.0, 1.1])
def test_a_large_offset_excuses_no_wrong_gradient(factor):
    """Such gradients once passed: the rounding of 1e13 counted as the error, and differences within it as agreement."""
    x = np.array([0.3, -1.2, 0.8])
    with pytest.raises((GradientMismatch, Inconclusive)):
        check_gradient(lambda x: 1e13 + np.sum(np.sin(x)), lambda x: factor * np.cos(x), x)


@pytest.mark.parametrize("claim", [np.nan, np.inf, 1e300])
def test_a_claim_cannot_excuse_itself(claim):
    with pytest.raises(GradientMismatch):
        check_gradient(lambda x: np.sum(np.sin(x)), lambda x: x * 0 + claim, [0.3, 1.0])


def test_a_function_that_draws_is_called_that():
    rng = np.random.default_rng(0)
    with pytest.raises(NotDeterministic, match=r"<lambda> is not deterministic: .* differ in 3 of 3 elements"):
        check_vjp(lambda x: x * rng.random(3), np.ones(3))
    with pytest.raises(NotDeterministic):
        check_gradient(lambda x: np.sum(x * rng.random(3)), np.ones_like, np.ones(3))


def test_complex_numbers_are_refused():
    with pytest.raises(DTypeError, match="must return real numbers"):
        directional_derivative(lambda x: x * 1j, [1.0], [1.0])
    for x, direction in (([1j], [1.0]), ([1.0], [1j])):
        with pytest.raises(DTypeError, match="x and direction must be real"):
            directional_derivative(np.abs, x, direction)


def test_what_is_said_of_a_kink_is_true():
    with pytest.raises(NotDifferentiableHere, match=r"derivative 2: .* The one-sided slopes at x\[0\] have no limit: "):
        check_vjp(tg.relu, [0.0])
    with pytest.raises(Inconclusive, match="The rounding error of the function is too large: numeric"):
        check_gradient(lambda x: 1e13 + np.sum(np.sin(x)), np.cos, [0.3, -1.2, 0.8], rng=np.random.default_rng(2))


@pytest.mark.thorough
@given(st.floats(0.1, 3), st.integers(0, 9))
@settings(max_examples=50)
def test_float32_inside_is_seen(x, seed):
    """The result is float64, but computed in float32."""
    found = directional_derivative(lambda x: np.sin(x.astype(np.float32)).astype(np.float64), [x, 2 * x], [1.0, 0.7])
    assert found.unit == np.finfo(np.float32).eps
    assert np.all(np.abs(found.value - np.cos([x, 2 * x]) * [1.0, 0.7]) <= 8 * found.error)


def test_what_is_flat_is_no_narrow_dtype():
    for f in (np.ones_like, np.sign, lambda x: np.clip(x, 5, 6), lambda x: x * 0 + 0.1):
        assert directional_derivative(f, [0.25, 1.0], [1.0, 0.7]).unit == np.finfo(np.float64).eps


def test_too_many_inconclusive_examples_fail_a_test():
    before = examples.copy()
    try:
        examples.clear()
        examples.update({"conclusive": 6, "inconclusive": 6})
        require_conclusive(0.5)
        with pytest.raises(Inconclusive, match=r"6 of 12 examples were inconclusive, more than the limit of 0\.4\. "):
            require_conclusive(0.4)
    finally:
        examples.clear()
        examples.update(before)


# --- Zeros ---

ZEROS = np.zeros(3)
AT_ZERO = {
    "cube": (lambda x: x**3, lambda x: 3 * x * x), "fourth power": (lambda x: x**4, lambda x: 4 * x**3),
    "square": (lambda x: x**2, lambda x: 2 * x), "zero": (lambda x: 0 * x, lambda x: 0 * x),
    "cosine": (np.cos, lambda x: -np.sin(x)), "1 - cosine": (lambda x: 1 - np.cos(x), np.sin),
    "squared norm": (lambda x: np.linalg.norm(x) ** 2, lambda x: 2 * x),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", AT_ZERO)
def test_exactly_0_excuses_nothing(name):
    f, slope = AT_ZERO[name]
    check_gradient(f, lambda x, cotangent: cotangent * slope(x), ZEROS)
    for wrong in (5, 1e-3, np.nan):
        with pytest.raises(GradientMismatch):
            check_gradient(f, lambda x, cotangent, wrong=wrong: cotangent * (slope(x) + wrong), ZEROS)


# --- Inputs that f rejects ---


@pytest.mark.parametrize("x", [0.01, [0.01, 1.0]])
def test_a_step_where_the_function_raises_is_no_step(x):
    def f(x):
        assert np.all(x > 0)
        return np.sum(np.log(x))

    check_gradient(f, lambda x: 1 / x, x)
    with pytest.raises(GradientMismatch):
        check_gradient(f, lambda x: -1 / x, x)


# --- Narrow dtypes inside a rule ---


def rounded(x, dtype):
    return np.asarray(x).astype(dtype)


NARROW = {
    "all of it": lambda x, g, dtype: rounded(g, dtype) * rounded(np.cos(x), dtype),
    "the result": lambda x, g, dtype: rounded(g * np.cos(x), dtype),
    "the cotangent": lambda x, g, dtype: rounded(g, dtype) * np.cos(x),
}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("part", NARROW)
def test_a_narrow_dtype_inside_a_float64_rule_is_wrong(part, dtype):
    x = np.random.default_rng(1).normal(size=6)
    with pytest.raises(GradientMismatch, match=f"It is computed in {dtype}, and the function in float64"):
        check_gradient(np.sin, lambda x, g: NARROW[part](x, g, dtype).astype(np.float64), x)
    if dtype == "float32":
        check_gradient(
            lambda x: np.sin(rounded(x, dtype)).astype(np.float64),
            lambda x, g: NARROW[part](rounded(x, dtype), g, dtype).astype(np.float64),
            x,
        )


# --- Declared accuracy ---


@pytest.mark.thorough
@pytest.mark.parametrize("name", thorough(SOLVERS, quick=SOLVERS.keys() - {"fixed point", "Runge-Kutta"}))
def test_solvers_of_declared_accuracy(name):
    forward, vjp, draw = SOLVERS[name]
    x = draw(np.random.default_rng(0))

    def check(factor):
        @tg.op
        def solve(x):
            return forward(x)

        solve.vjps(x=lambda g, x: factor * vjp(g, x))
        return check_vjp(solve, x, order=1, accuracy=1e-6, rng=np.random.default_rng(0))

    assert check(1.0).status == "right"
    with pytest.raises((GradientMismatch, Inconclusive)):
        check(1.01)
    with pytest.raises(GradientMismatch):
        check(1.1)


@pytest.mark.parametrize(("accuracy", "factor"), [(1e-6, 1.001), (1e-4, 1.01), (1e-2, 1.5)])
def test_a_declared_accuracy_excuses_no_wrong_gradient_of_an_exact_function(accuracy, factor):
    x = np.array([0.3, -1.2, 0.8])
    check_vjp(tg.sin, x, order=1, accuracy=accuracy)
    wrong = broken("sin", x=lambda g, x: factor * g * tg.cos(x))
    with pytest.raises(GradientMismatch):
        check_vjp(wrong, x, order=1, accuracy=accuracy)


# --- Stairs ---


def narrow(dtype):
    return lambda x: x.astype(dtype).astype(np.float64)


# Functions with stairs, and their slopes.
STAIRS = {
    "floor": (np.floor, np.zeros_like, (1e2, 1e3, 1e4, 1e5)),
    "round": (np.rint, np.zeros_like, (1e2, 1e3, 1e4)),
    "16 stairs in 1": (lambda x: np.round(16 * x) / 16, np.zeros_like, (1, 10, 100)),
    "one digit": (lambda x: np.round(x, 1), np.zeros_like, (10, 1e3)),
    "clipped": (lambda x: (np.clip(np.rint(x / 0.05) + 3, -128, 127) - 3) * 0.05, np.zeros_like, (1, 3)),
    "sine and floor": (lambda x: np.sin(x) + np.floor(x), np.cos, (1, 1e2, 1e3)),
    "square and stairs": (lambda x: x * x + np.round(16 * x) / 16, lambda x: 2 * x, (1, 10)),
    "sawtooth": (lambda x: x % 1, np.ones_like, (1, 1e2)),
    "float32": (narrow(np.float32), np.ones_like, (1e3,)),
    "float16": (narrow(np.float16), np.ones_like, (1, 1e2)),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", thorough(STAIRS, quick=["floor", "sawtooth", "float16"]))
def test_the_slope_of_stairs_is_that_between_jumps_and_of_rounding_that_across_them(name):
    f, slope, scales = STAIRS[name]
    for scale in scales:
        x = scale * np.random.default_rng(3).normal(size=4)
        right, wrong = (verdict(f, [x], 1.0, 0, lambda x, g, e=e: g * (slope(x) + e))[0] for e in (0.0, 0.5))
        assert (right, wrong) == ("right", "wrong"), scale


@pytest.mark.parametrize("s", [0, 1])
def test_a_slope_of_0_is_wrong_where_a_term_is_rounded_to_float16(s):
    x = np.random.default_rng(s).normal(size=4)
    assert verdict(lambda x: np.tanh(narrow(np.float16)(np.sin(x))), [x], 1.0, s, lambda x, g: 0 * g)[0] == "wrong"


def test_stairs_inside_float32_may_be_rounding_unless_declared():
    def f(x):
        return np.floor(x.astype(np.float32)).astype(np.float64)

    x = 1e4 * np.random.default_rng(3).normal(size=4)
    with pytest.raises(Inconclusive, match="it has stairs, or it computes in a narrow dtype"):
        check_gradient(f, lambda x, g: 0 * g, x)
    check_gradient(f, lambda x, g: g, x, accuracy=1e-3)
    with pytest.raises(GradientMismatch):
        check_gradient(f, lambda x, g: 0 * g, x, accuracy=1e-3)


# --- Numbers at the ends of the range ---


@pytest.mark.parametrize("x", [[5e-324], [1e-310, 5e-324], [5e-324, 1.0], [2e-308, -5e-324]])
@pytest.mark.parametrize("name", ["square", "sin", "exp"])
def test_denormal_numbers_are_decided(name, x):
    f, slope = {"square": (np.square, lambda x: 2 * x), "sin": (np.sin, np.cos), "exp": (np.exp, np.exp)}[name]
    for seed in range(3):
        assert verdict(f, [np.array(x)], 1.0, seed, lambda x, g: g * slope(x)) == ("right", "")


@pytest.mark.parametrize("x", [[30.0, 1e4], [300.0, 1e4], [30.0, 800.0, 1e6]])
def test_a_slope_that_underflows_leaves_the_others_decided(x):
    for factor, expected in ((1.0, "right"), (1.01, "wrong")):
        assert verdict(lambda x: np.exp(-x), [np.array(x)], factor, 0, lambda x, g: -g * np.exp(-x))[0] == expected


def test_steps_larger_than_x_do_not_decide_that_a_slope_is_0():
    x = 1e-100 * np.array([0.3, -1.2])
    assert verdict(np.square, [x], 1.0, 0, lambda x, g: 2 * g * x)[0] == "right"
    assert verdict(np.square, [x], 0.999, 0, lambda x, g: 2 * g * x)[0] == "wrong"


@pytest.mark.thorough
def test_a_result_that_is_the_rounding_of_terms_that_cancel_is_decided():
    """The cosine distance has its least value where the arguments are equal."""

    def distance(x, y):
        return 1 - x @ y / (np.linalg.norm(x) * np.linalg.norm(y))

    def by_first(x, y):
        return (x * (x @ y) / (x @ x) - y) / (np.linalg.norm(x) * np.linalg.norm(y))

    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=3)
        check_gradient(distance, lambda x, y: (by_first(x, y), by_first(y, x)), x, x.copy())
        with pytest.raises(GradientMismatch):
            check_gradient(distance, lambda x, y: (x, 0 * y), x, x.copy())
