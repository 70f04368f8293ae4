"""Cases of lesson 1: each difference is exact for polynomials, and the student's checker finds wrong gradients."""

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import case, demand
from tinygrad_edu.lessons.findings import is_numeric, type_and_shape
from tinygrad_edu.lessons.short_programs import numbers

STEPS = st.sampled_from([0.5, 0.25, 0.125])


FACTORS = {0.5: ", half of it", 2.0: ", twice as much", -1.0: ", with the other sign"}


def _check_slope(mine, name, h, coefficients, x):
    """Check a student's slope of a polynomial with these coefficients, in increasing order of powers."""

    def f(x):
        return sum(c * x**k for k, c in enumerate(coefficients))

    found, call = getattr(mine, name)(f, x, h), f"{name}(f, {x}, {h})"
    demand(is_numeric(found) and np.ndim(found) == 0, f"{call} must return a number, got {type_and_shape(found)}.")
    exact = sum(k * c * x ** (k - 1) for k, c in enumerate(coefficients) if k)
    factor = FACTORS.get(float(found / exact), "") if exact else ""
    demand(np.isclose(found, exact, rtol=1e-10, atol=1e-10), f"f has the slope {exact}, but {call} is {found}{factor}.")


@case("one_sided", a=numbers, b=numbers, x=numbers, h=STEPS | STEPS.map(lambda h: -h))
def lines(mine, a, b, x, h):
    """one_sided is exact for a line, a + b x, and for negative steps, too."""
    _check_slope(mine, "one_sided", h, (a, b), x)


@case("one_sided", h=STEPS | STEPS.map(lambda h: -h))
def of_one_side(mine, h):
    """one_sided evaluates f at x and at x + h, and nowhere else."""
    asked = []
    mine.one_sided(lambda x: asked.append(x) or 0.0, 2.0, h)
    demand(set(asked) == {2.0, 2.0 + h}, f"one_sided(f, 2.0, {h}) evaluated f at {sorted(set(asked))}.")


@case("central", a=numbers, b=numbers, c=numbers, x=numbers, h=STEPS)
def parabolas(mine, a, b, c, x, h):
    """central is exact for a parabola, a + b x + c x²."""
    _check_slope(mine, "central", h, (a, b, c), x)


@case("extrapolated", a=numbers, b=numbers, c=numbers, x=numbers, h=STEPS)
def quartics(mine, a, b, c, x, h):
    """extrapolated is exact up to the fourth power: x + a x² + b x³ + c x⁴."""
    _check_slope(mine, "extrapolated", h, (0, 1, a, b, c), x)


SMOOTH = {"sin": np.sin, "tanh": np.tanh, "square": np.square, "exp": np.exp, "line": lambda t: 0.3 * t + 0.1}


@case("has_kink", name=st.sampled_from(sorted(SMOOTH)), x=numbers)
def no_kink(mine, name, x):
    """has_kink finds no corner in sin, tanh, exp, x² and a line."""
    found = mine.has_kink(SMOOTH[name], x)
    demand(not found, f"has_kink({name}, {x}) is {found}, but {name} has no corner.")


@case("has_kink", x=numbers, bend=st.sampled_from([1e2, 1e4, 1e8, -1e8]))
def no_kink_in_a_bend(mine, x, bend):
    """has_kink finds no corner in a parabola, however strongly it bends."""
    found = mine.has_kink(lambda t: 1.0 + bend * (t - x) ** 2, x)
    demand(not found, f"has_kink is {found} for 1 + {bend:g} * (t - {x})² at t = {x}, but a parabola has no corner.")


@case("has_kink", x=numbers)
def a_small_kink(mine, x):
    """has_kink finds a small corner in a line."""
    found = mine.has_kink(lambda t: 1.0 + t + 1e-4 * abs(t - x), x)
    demand(found, f"has_kink is {found} for 1 + t + 1e-4 * abs(t - {x}) at t = {x}, where the slope jumps by 2e-4.")


@case("has_kink", name=st.sampled_from(sorted(SMOOTH)), x=numbers, size=st.sampled_from([0.01, 1.0, -1.0, 8.0]))
def a_kink(mine, name, x, size):
    """has_kink finds a corner of any size in a function that is smooth elsewhere."""
    found = mine.has_kink(lambda t: SMOOTH[name](t) + size * abs(t - x), x)
    demand(
        found,
        f"has_kink is {found} for {name}(t) + {size} * abs(t - {x}) at t = {x}, where the slope jumps.",
    )


def _softmax(x):
    powers = np.exp(x - np.max(x))
    return powers / np.sum(powers)


def _softmax_gradient(x, cotangent):
    out = _softmax(x)
    return out * (cotangent - np.sum(cotangent * out))


POINTS = st.lists(numbers, min_size=2, max_size=5).map(np.array)
SEEDS = st.integers(0, 99)


@case("error_of", x=POINTS, seed=SEEDS)
def right_gradients(mine, x, seed):
    """error_of is below 1e-6 for the correct gradient of softmax."""
    error = mine.error_of(_softmax, _softmax_gradient, x, np.random.default_rng(seed))
    demand(error < 1e-6, f"error_of is {error:.3g} for the correct gradient, but must be below 1e-6.")


@case("error_of", x=numbers, seed=SEEDS)
def a_strong_bend(mine, x, seed):
    """error_of is below 1e-10 for the correct gradient of a function that bends strongly: the slope is extrapolated."""
    error = mine.error_of(
        lambda t: 1 + (t - x) + 1e6 * (t - x) ** 3,
        lambda t, cotangent: cotangent * (1 + 3e6 * (t - x) ** 2),
        np.array([x]),
        np.random.default_rng(seed),
    )
    what = f"1 + (t - {x}) + 10⁶ (t - {x})³ at t = {x}"
    demand(error < 1e-10, f"error_of is {error:.3g} for the correct gradient of {what}, but must be below 1e-10.")


def _demand_found(mine, f, wrong, x, seed, at_least):
    error = mine.error_of(f, wrong, x, np.random.default_rng(seed))
    demand(error > at_least, f"error_of is {error:.3g} for this wrong gradient, but must be above {at_least:g}.")


@case("error_of", seed=SEEDS)
def softmax_of_zeros(mine, seed):
    """error_of is large for a softmax whose gradient is always 0, although the outputs always add up to 1."""
    _demand_found(mine, _softmax, lambda x, cotangent: 0 * x, np.array([1.0, 0.0, -1.0]), seed, 1e-3)


@case("error_of", x=POINTS, k=st.integers(0, 4), seed=SEEDS)
def one_wrong_element(mine, x, k, seed):
    """error_of finds a gradient of x³ + x that is wrong in one element."""
    factors = np.ones(len(x))
    factors[k % len(x)] = 1.5
    _demand_found(mine, lambda x: x**3 + x, lambda x, cotangent: factors * cotangent * (3 * x**2 + 1), x, seed, 1e-4)


@case("error_of", x=numbers, seed=SEEDS)
def a_thousandth_too_much(mine, x, seed):
    """error_of finds a gradient of x³ + x that is 0.1 % too large."""
    point = np.array([x])  # with several elements, the errors could cancel
    _demand_found(mine, lambda x: x**3 + x, lambda x, cotangent: 1.001 * cotangent * (3 * x**2 + 1), point, seed, 1e-4)
