"""At kinks and edges of domains, a gradient must lie between the one-sided slopes."""

import contextlib
from functools import partial

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.testing import Inconclusive, check_gradient, check_jvp, check_vjp, run_check

X, ZEROS, TIED = np.array([-1.0, 0.0, 2.0]), np.zeros(3), np.array([1.0, 1.0, -2.0])
AROUND_ONE = np.array([-1.0, 0.0, 1.0, 2.0])
SIGNS = np.array([1.0, -1.0, 2.0])


def status(check, *arguments, **options):
    with np.errstate(all="ignore"):
        return run_check(check, *arguments, rng=np.random.default_rng(0), **options).status


def relu(x):
    return np.maximum(x, 0)


def slope_of_relu(at_zero):
    return lambda x: np.where(x == 0, at_zero, x > 0)


def strict_power(x):
    assert np.all(x >= 0)
    return np.sum(x**1.5)


def clip(x):
    return np.clip(x, -1, 1)


@pytest.mark.parametrize(
    ("at_zero", "expected"),
    [(0, "right"), (1, "right"), (0.5, "right"), *((a, "wrong") for a in (7, -0.01, 1.01, np.nan, np.inf))],
)
def test_the_claim_of_relu_at_0_must_be_between_0_and_1(at_zero, expected):
    slope = slope_of_relu(at_zero)
    assert status(check_gradient, relu, lambda x, g: g * slope(x), X) == expected
    assert status(check_gradient, lambda x: np.sum(relu(x)), slope, X) == expected
    assert status(check_gradient, relu, slope, 0.0) == expected
    assert status(check_gradient, lambda x: relu(x) @ SIGNS, lambda x: SIGNS * slope(x), ZEROS) == expected
    assert status(check_gradient, relu, None, X, jvp=lambda x, u: u * slope(x)) == expected


def elementwise(f, slope, *arrays):
    return f, lambda x, g: g * slope(x), *arrays


# Functions with gradients, by the expected status.
CASES = {
    "right": {
        "abs": elementwise(np.abs, np.sign, ZEROS),
        "clip": elementwise(clip, lambda x: np.abs(x) <= 1, AROUND_ONE),
        "clip without its bounds": elementwise(clip, lambda x: np.abs(x) < 1, AROUND_ONE),
        "nested kinks": elementwise(lambda x: np.abs(relu(x) - relu(-2 * x)), np.zeros_like, ZEROS),
        "power at 0": elementwise(lambda x: x**1.5, lambda x: 1.5 * np.sqrt(x), np.array([0.0, 1.0, 2.0])),
        "power that raises below 0": (strict_power, lambda x: 1.5 * np.sqrt(x), np.array([0.0, 0.0, 2.0])),
        "edges on both sides": elementwise(
            lambda x: (1 - x * x) ** 1.5, lambda x: -3 * x * np.sqrt(1 - x * x), np.array([-1.0, 1.0, 0.5])),
        "norm at 0": (np.linalg.norm, np.zeros_like, ZEROS),
        "the first of tied maxima": (np.max, lambda x: np.array([1.0, 0.0, 0.0]), TIED),
        "half of each tied maximum": (np.max, lambda x: np.array([0.5, 0.5, 0.0]), TIED),
        "tied sort": (np.sort, lambda x, g: g[[1, 2, 0]], TIED),
        "tied sort, exchanged": (np.sort, lambda x, g: g[[2, 1, 0]], TIED),
        "5,000 kinks": (lambda x: np.sum(relu(x)), slope_of_relu(0), np.zeros(5000)),
        "smooth with a small jump of the curvature": elementwise(
            lambda x: np.abs(x) ** 1.5, lambda x: 1.5 * np.sign(x) * np.sqrt(np.abs(x)), ZEROS),
    },
    "wrong": {
        "abs": elementwise(np.abs, lambda x: np.sign(x) + 2, ZEROS),
        "clip": elementwise(clip, lambda x: np.where(x == 1, 2, np.abs(x) < 1), AROUND_ONE),
        "power at 0": elementwise(lambda x: x**1.5, lambda x: 1.5 * np.sqrt(x) + (x == 0), np.array([0.0, 1.0])),
        "NaN at 0": elementwise(lambda x: x**1.5, lambda x: np.where(x == 0, np.nan, 1.5 * np.sqrt(x)), X[1:]),
        "power that raises below 0": (strict_power, lambda x: 1.5 * np.sqrt(x) + (x == 0), np.array([0.0, 0.0, 2.0])),
        "norm at 0, NaN": (np.linalg.norm, lambda x: x * np.nan, ZEROS),
        "norm at 0": (np.linalg.norm, lambda x: 0 * x + 2, ZEROS),
        "all tied maxima": (np.max, lambda x: np.array([1.0, 1.0, 0.0]), TIED),
        "no tied maximum": (np.max, lambda x: np.zeros(3), TIED),
        "beside tied maxima": (np.max, lambda x: np.array([1.0, 0.0, 1.0]), TIED),
        "tied sort": (np.sort, lambda x, g: g[[2, 2, 0]], TIED),
        "one of 5,000 kinks": (
            lambda x: np.sum(relu(x)), lambda x: np.where(np.arange(5000) == 1234, 7, x > 0), np.zeros(5000)),
        "smooth elements among kinks": elementwise(
            relu, lambda x: np.where(np.arange(500) == 250, -1, x > 0), np.where(np.arange(500) % 2, 0.0, 1.5)),
        "a smooth input beside a kink": (
            lambda x, y: np.abs(x) + y**2, lambda x, y: (np.sign(x), -2 * y), 0.0, 3.0),
        "a smooth input beside a jump": (
            lambda x, y: np.sign(x) + y**2, lambda x, y: (0 * x, -2 * y), 0.0, 3.0),
        "a smooth element beside a jump": (
            lambda x: np.sign(x[0]) + x[1] ** 2, lambda x: np.array([0, -2 * x[1]]), np.array([0.0, 3.0])),
        "a factor of a kink": (
            lambda x, y: np.abs(x) @ y, lambda x, y: (np.sign(x) * y, 1.01 * np.abs(x)), X[1:], np.array([1.0, 3.0])),
    },
    "inconclusive": {
        "sign": elementwise(np.sign, np.zeros_like, X), "round": elementwise(np.round, np.zeros_like, X + 0.5),
        "a step": elementwise(np.floor, np.zeros_like, np.array(2.0)),
        "NaN": elementwise(lambda x: np.log(x - 1), np.zeros_like, np.array(0.5)),
        "a pole": elementwise(lambda x: 1 / x, np.zeros_like, np.array(0.0)),
        "one side of a jump": elementwise(lambda x: np.heaviside(x, 1.0), np.zeros_like, X),
        "infinite slope": elementwise(np.sqrt, lambda x: 0.5 / np.sqrt(x), X[1:]),
        "a jump beside a right input": (lambda x, y: np.sign(x) + y**2, lambda x, y: (0 * x, 2 * y), 0.0, 3.0),
    },
}  # fmt: skip


@pytest.mark.parametrize(("expected", "name"), [(expected, name) for expected in CASES for name in CASES[expected]])
def test_the_status_at_a_kink(expected, name):
    assert status(check_gradient, *CASES[expected][name]) == expected


# Functions of inputs that tie, with claims there that are right and that are wrong.
TIES = {
    "maximum": (np.maximum, [2.0, 2.0], [(0.5, 0.5), (1, 0), (0, 1)], [(0, 0), (1, 1), (0.5, 0)]),
    "minimum": (np.minimum, [1e6, 1e6], [(0.5, 0.5), (1, 0)], [(0, 0), (1, 1)]),
    "float32": (lambda x, y: np.maximum(np.float32(x), y), [1.25, 1.25], [(0.5, 0.5), (1, 0)], [(0, 0), (1, 1)]),
    "opposite signs": (lambda x, y: np.maximum(x, -y), [2.0, -2.0], [(0.5, -0.5), (0, -1)], [(0, 0), (1, -1)]),
    "distance": (lambda x, y: np.abs(x - y), [2.0, 2.0], [(0, 0), (1, -1)], [(1, 1), (1, 0)]),
    "relu of a sum": (lambda x, y: relu(x + y), [2.0, -2.0], [(0, 0), (1, 1)], [(1, 0), (0, 1)]),
    "hypot": (np.hypot, [0.0, 0.0], [(0, 0), (0.6, 0.8), (0.7071, 0.7071)], [(1, 1), (1, -1)]),
    "three": (lambda x, y, z: np.maximum(np.maximum(x, -y), z), [1.0, -1.0, 1.0],
              [(1, 0, 0), (0.3, -0.3, 0.4)], [(0, 0, 0), (1, -1, 1)]),
    "relus": (lambda x, y: relu(x) - relu(y), [0.0, 0.0], [(0, 0), (1, -1), (1, 0)], [(-1, 0), (1, -2)]),
}  # fmt: skip


def as_numbers(part, *arguments):
    return tuple(p * arguments[-1] for p in part)


def as_vectors(part, *arguments):
    return tuple(p * np.ones(3) for p in part)


@pytest.mark.parametrize(
    ("name", "part", "expected"),
    [
        pytest.param(name, part, ("right", "wrong")[k], marks=pytest.mark.thorough if j else [])
        for name, case in TIES.items()
        for k in range(2)
        for j, part in enumerate(case[2 + k])
    ],
)
def test_a_claim_at_a_tie_of_inputs_is_between_the_slopes_along_each_sum(name, part, expected):
    f, point = TIES[name][:2]
    array, vectors = np.array(part, float), [np.full(3, x) for x in point]
    assert status(check_gradient, f, partial(as_numbers, part), *point, cotangent=True) == expected
    assert status(check_gradient, lambda x: f(*x), lambda x: array, np.array(point)) == expected
    total, grad = (lambda *xs: np.sum(f(*xs))), partial(as_vectors, part)
    assert status(check_gradient, total, grad, *vectors, cotangent=False) == expected


@pytest.mark.thorough
def test_three_kinks_among_20000_elements_are_found():
    x = np.random.default_rng(0).normal(size=20_000)
    x[[77, 5000, 19000]] = 0
    assert status(check_gradient, lambda x: np.sum(relu(x)), slope_of_relu(0), x) == "right"
    wrong = np.where(np.arange(20_000) == 5000, -0.3, x > 0)
    assert status(check_gradient, lambda x: np.sum(relu(x)), lambda x: wrong, x) == "wrong"


def less_the_first(x):
    return tg.amax(x, -1) - x[..., 0]


def less_the_largest(x):
    return x - tg.amax(x, -1, keepdims=True)


@pytest.mark.parametrize("f", [less_the_first, less_the_largest, lambda x: tg.amax(x, -1) - tg.mean(x, -1)])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (5,)])
def test_rounding_of_the_shares_of_a_tie_is_not_wrong(f, shape):
    for seed in range(3):
        with contextlib.suppress(Inconclusive):
            check_vjp(f, np.full(shape, seed / 3), order=1, rng=np.random.default_rng(seed))


# Ops at their kinks.
OPS = {
    "relu": (tg.relu, X), "abs": (tg.abs, X), "maximum": (tg.maximum, [1.0, 2.0], [1.0, 3.0]), "norm": (tg.norm, ZEROS),
    "max": (lambda x: tg.max(x, axis=1), np.ones((3, 4))), "clip": (lambda x: tg.clip(x, -1, 1), AROUND_ONE),
    "max_pool2d": (lambda x: tg.max_pool2d(x, 2), np.ones((1, 1, 4, 4))),
    "relu of x @ w": (lambda x, w: tg.relu(x @ w), np.zeros((2, 3)), np.ones((3, 2))),
    "difference of relus": (lambda x, w: tg.sum(tg.relu(x @ w) * SIGNS[:2]), np.zeros((2, 3)), np.ones((3, 2))),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", OPS)
def test_our_conventions_are_between_the_slopes(name):
    assert status(check_vjp, *OPS[name], order=1) == "right"
    assert status(check_jvp, *OPS[name]) == "right"


def test_the_numbers_of_a_kink_are_the_slopes_on_both_sides():
    report = check_gradient(relu, slope_of_relu(0.5), 0.0)
    (verdict,) = [verdict for verdict in report.verdicts if verdict.law == "slope"]
    assert dict(verdict.numbers) == pytest.approx(
        {"analytic": 0.5, "left": 0, "right": 1, "error": 0, "allowed": 0}, abs=1e-6
    )


def sort_gradient(x, g):
    gradient = np.zeros(x.size)
    gradient[np.argsort(x, kind="stable")] = g
    return gradient


@pytest.mark.parametrize("factor", [1, 2, -1])
def test_a_gradient_of_three_tied_numbers_that_are_sorted_is_not_refused(factor):
    """If the middle one moves alone, no result has the slope that its gradient claims."""
    for seed in range(8):
        report = run_check(
            check_gradient, np.sort, lambda x, g: factor * sort_gradient(x, g), np.array([2.0, 1.0, 1.0, 1.0, 0.5]),
            rng=np.random.default_rng(seed),
        )  # fmt: skip
        assert report.status in (("right", "inconclusive") if factor == 1 else ("wrong", "inconclusive"))
    assert factor == 1 or status(check_gradient, np.sort, lambda x, g: factor * sort_gradient(x, g), X) == "wrong"
