"""The checks detect wrong vjps, describe the mistake, raise no false alarms, and recognize kinks."""

import contextlib
import functools
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import share, thorough
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import MissingVJPError, WrongGradientError
from tinygrad_edu.testing import (
    Call,
    check_gradient,
    check_jvp,
    check_linear,
    check_op,
    check_vjp,
    directional_derivative,
)
from tinygrad_edu.testing.arrays.layouts import backwards
from tinygrad_edu.testing.failures import GradientMismatch, LawBroken, NotDifferentiableHere
from tinygrad_edu.testing.numeric.finite_differences import SAFETY

RNG = np.random.default_rng(7)
X, Y = RNG.uniform(0.5, 2.0, (3, 3)), RNG.uniform(0.5, 2.0, (3, 3))


def broken(name, **vjps):
    """Return a copy of an op with some vjps replaced."""
    right = tg.ops.registry[name]
    wrong = tg.op(broadcasts=right.broadcasts, promotes=right.promotes, name=right.name)(right.forward)
    wrong.__name__ = right.__name__  # not that of a faster forward
    wrong.vjps(**{**right.vjp_functions, **vjps})
    return wrong


# --- Wrong values: the errors of check_vjp, and their messages ---

buffers = {}
WRONG = {
    "sign flipped": (broken("sin", x=lambda g, x: -g * tg.cos(x)), [X], {}, "its sign is flipped"),
    "factor 2": (broken("exp", x=lambda g, out: 2 * g * out), [X], {}, "it is twice"),
    "factor 1/2": (broken("square", x=lambda g, x: g * x), [X], {}, "it is half"),
    "factor 0.999": (broken("tanh", x=lambda g, out: 0.999 * g * (1 - out * out)), [X], {}, "it is 0.999 times"),
    "factor 1.0001": (broken("log", x=lambda g, x: 1.0001 * g / x), [X], {}, "it is 1.0001 times"),
    "operands swapped": (
        broken("multiply", x=lambda g, x: g * x, y=lambda g, y: g * y), [X, Y], {}, "the inputs are swapped"),
    "transposition dropped": (
        broken("matmul", x=lambda g, y: g @ y), [X, Y], {}, "a transpose of y is missing"),
    "transposed": (broken("transpose", x=lambda g: g * 1.0), [X], {}, "it is transposed"),
    "in reverse": (broken("flip", x=lambda g: g * 1.0), [X], {"axis": 1}, "it is reversed along axis 1"),
    "out for x": (broken("square", x=lambda g, out: g * 2 * out), [X], {}, "extra factor: the input"),
    "term dropped": (
        broken("softmax", x=lambda g, out: g * out), [X], {"axis": 1},
        "missing or extra term that is summed over axis 1"),
    "wrong axis": (
        broken("sum", x=lambda g, x_shape: tg.broadcast_to(tg.reshape(g, (3, 1)), x_shape)), [X], {"axis": 0},
        "it is transposed"),
    "term too much": (broken("exp", x=lambda g, out: g * out + g), [X], {}, "extra term"),
    "zero": (broken("abs", x=lambda g: g * 0), [X], {}, "it is zero"),
    "case missing": (
        broken("relu", x=lambda g: g * 1.0), [X - 1.25], {}, "elements are correct, so a term or a case is missing"),
    "nan": (broken("sqrt", x=lambda g: g * np.nan), [X], {}, "it contains nan"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_vjp_is_caught_and_explained(kind):
    op, inputs, settings, words = WRONG[kind]
    call = Call(op, inputs, **settings)
    with pytest.raises(GradientMismatch, match=words) as caught:
        check_vjp(call, *call.arrays, order=1)
    assert str(caught.value).startswith(f"op {op.name}: the gradient of {op.inputs[0]} is wrong")


@pytest.mark.parametrize("kind", sorted(set(WRONG) - {"nan"}))
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=share(10))
def test_a_wrong_vjp_is_caught_at_every_point(kind, seed):
    op, inputs, given_settings, _ = WRONG[kind]
    rng = np.random.default_rng(seed)
    signed = -1 if kind == "case missing" else 1
    call = Call(op, [signed * rng.uniform(0.5, 2.0, x.shape) for x in inputs], **given_settings)
    with pytest.raises(GradientMismatch):
        check_vjp(call, *call.arrays, order=1, rng=rng)


def test_a_vjp_that_is_right_once_and_wrong_twice_is_caught_at_order_2():
    once = broken("sin", x=lambda g, x: g * np.cos(x.numpy() if isinstance(x, tg.Tensor) else x))
    check_vjp(once, X, order=1)
    with pytest.raises(GradientMismatch, match="op sin, derivative 2: the gradient of x is wrong: it is zero"):
        check_vjp(once, X, order=2)


@pytest.mark.parametrize("size", [1.0, 1e-8, 1e-14, 1e-30, 1e-100, 1e-200])
@pytest.mark.parametrize("factor", [1.0, 0.5, 1.001])
def test_the_second_derivative_of_a_small_function(size, factor):
    """A wrong derivative was once accepted: the terms of a gradient may be as large as its cotangent, as for tanh."""

    @tg.op
    def cube(x):
        return size * x**3

    @tg.op
    def slope(y, x):
        return 3 * size * y * x**2

    cube.vjps(x=slope)
    slope.vjps(y=slope, x=lambda g, y, x: factor * 6 * size * g * y * x)
    check_vjp(cube, X, order=1)
    with contextlib.nullcontext() if factor == 1 else pytest.raises(GradientMismatch, match="cube, derivative 2"):
        check_vjp(cube, X)


@pytest.mark.thorough
@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("factor", [1.0, 0.0, 1.0001, -1.0])
def test_a_gradient_that_is_wrong_as_a_function_of_the_cotangent(order, factor):
    passed = broken("identity", x=lambda g: factor * g)
    passed_on = broken("identity", x=lambda g: passed(g))
    at_order = passed if order == 2 else passed_on
    wrong = broken("sin", x=lambda g, x: at_order(g) * tg.cos(x))
    check_vjp(wrong, X, order=order - 1)
    expected = f"op sin, derivative {order}: the gradient of {'cotangent1' if order == 2 else 'x'} is wrong"
    with contextlib.nullcontext() if factor == 1 else pytest.raises(GradientMismatch, match=expected):
        check_vjp(wrong, X, order=3)


# Conditions on the cotangent that no random cotangent meets, because it has two signs and magnitudes from 0.5 to 1.5.
SHOWS_WHERE_G_IS = {
    "constant": lambda g: np.ptp(g) == 0, "one-hot": lambda g: np.count_nonzero(g) == 1,
    "partly zero": lambda g: 1 < np.count_nonzero(g) < g.size, "large": lambda g: np.max(np.abs(g)) > 100,
    "small": lambda g: np.max(np.abs(g)) < 1e-3,
}  # fmt: skip


def wrong_where(holds):
    return broken("sin", x=lambda g, x: g * tg.cos(x) * (1.003 if holds(g) else 1.0))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", SHOWS_WHERE_G_IS)
def test_a_vjp_that_is_wrong_for_some_cotangents_is_caught_and_says_for_which(kind):
    wrong = wrong_where(SHOWS_WHERE_G_IS[kind])
    with pytest.raises(GradientMismatch, match=f"^op sin, with a cotangent that is {kind}: the gradient of x is wrong"):
        check_vjp(wrong, X, order=1)
    with pytest.raises(GradientMismatch, match="with a cotangent that is"):
        check_gradient(np.sin, lambda x, g: wrong.vjp_functions["x"](g, x), X)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_vjp_that_is_wrong_for_cotangents_of_one_sign_is_caught_of_a_single_number(sign):
    wrong = broken("sum", x=lambda g, x_shape: tg.broadcast_to(g * (1.003 if sign * g > 0 else 1.0), x_shape))
    with pytest.raises(GradientMismatch):
        check_vjp(wrong, X, order=1)


# --- Broken laws: the errors of check_op ---


def mutate_g(g, y):
    g *= y
    return g


def mutate_x(g, x):
    x *= 1.5
    return g * 1.0


def into_one_buffer(g):
    """Return the same array in every call."""
    buffer = buffers.setdefault((g.shape, g.dtype), np.empty_like(g))
    buffer[...] = -g
    return buffer


def of_the_last_call():
    """Return an op whose vjp uses the input of the last call."""
    kept = {}

    @tg.op
    def exp_(x):
        kept["x"] = np.array(x)
        return np.exp(x)

    exp_.vjps(x=lambda g: g * np.exp(kept["x"]))
    return exp_


def by_memory(g):
    """Copy an array in memory order instead of element order."""
    return np.frombuffer(g.tobytes("A"), g.dtype).reshape(g.shape)


@tg.op
def kept_by_memory(x, mask):
    return x * by_memory(mask)


kept_by_memory.vjps(x=lambda g, mask: g * by_memory(mask))
kept = []
wrong_on_tensors = broken("exp", x=lambda g, out: g * out * (2.0 if isinstance(g, tg.Tensor) else 1.0))
LAWLESS = {
    "dtype widened": (broken("exp", x=lambda g, out: g.astype(np.float64) * out), [X], "float64"),
    "g mutated": (broken("multiply", x=mutate_g), [X, Y], "the gradient writes into its cotangent"),
    "input mutated": (broken("identity", x=mutate_x), [X], "writes into"),
    "not linear in g": (broken("negative", x=lambda g: -abs(g)), [X], "not linear in g"),
    "not zero for zero": (broken("negative", x=lambda g: -g + 1e-3), [X], "not linear in g|not zero for g = 0"),
    "aliasing": (broken("negative", x=into_one_buffer), [X], "is not the sum of 3 gradients"),
    "the last input": (of_the_last_call(), [X], "a later call of the function changes the gradient of x"),
    "layout": (broken("negative", x=lambda g: by_memory(-g)), [X], "differs between .* cotangents and contiguous ones"),
    "one tensor as two inputs": (broken("multiply", x=lambda g, x, y: g * y * (2 if x is y else 1)), [X, Y],
                                 "one Tensor passed as x and y is not the sum"),
    "values kept alive": (broken("exp", x=lambda g, x, out: kept.append(x) or g * out), [X], "still referenced"),
    "layout of a mask": (kept_by_memory, [X, X > 1], "the result differs between constants in the layout fortran and"),
    "wrong on Tensors": (wrong_on_tensors, [X], "different values for Tensors"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAWLESS)
def test_a_broken_law_is_named(kind):
    op, inputs, words = LAWLESS[kind]
    with pytest.raises(LawBroken, match=words):
        check_op(op, *(x.copy() for x in inputs))


SMOOTH_IN_ONE = ("exp", "log", "sqrt", "square", "sin", "tanh", "sigmoid", "arctan", "erf", "sum")
NARROW = {
    **dict.fromkeys(SMOOTH_IN_ONE, ([X / 2], {})),
    **dict.fromkeys(("multiply", "divide", "power", "matmul"), ([X, Y], {})),
    "softmax": ([X], {"axis": 1}),
    "correlate": ([X.reshape(1, 1, 3, 3), Y[:2, :2].reshape(1, 1, 2, 2)], {}),
}


def scaled_in(dtype, factor, vjp):
    @functools.wraps(vjp)
    def wrong(g, *saved, **given):
        return vjp(g * dtype(factor) if g.dtype == dtype else g, *saved, **given)

    return wrong


@pytest.mark.parametrize(("dtype", "factor"), [(np.float32, 1.003), (np.float32, 0.9999), (np.float16, 0.98)])
@pytest.mark.parametrize("name", NARROW)
def test_a_vjp_that_is_wrong_in_a_narrow_dtype_alone_is_named(name, dtype, factor):
    inputs, given_settings = NARROW[name]
    vjps = tg.ops.registry[name].vjp_functions
    wrong = broken(name, **{argument: scaled_in(dtype, factor, vjp) for argument, vjp in vjps.items()})
    with pytest.raises(LawBroken, match=f"the gradient of .* is wrong in {dtype.__name__}: at .* in float64"):
        check_op(wrong, *inputs, **given_settings)


@tg.op
def quotient_of_others(x, y):
    if np.array_equal(x, y):
        raise ValueError("equal")
    return x / y


quotient_of_others.vjps(x=lambda g, y: g / y, y=lambda g, x, y: -g * x / (y * y))
LAWFUL = {
    "float16 moves 0.02 by units of 2, to negative numbers": (tg.rsqrt, np.array([2.0, 0.02])),
    "the gradient for 4 g overflows, but 7 times the gradient does not": (
        tg.divide, np.array([50_000, 1, 1], np.float16), np.array([2.75, 1, 1], np.float16)),
    "two inputs that the op refuses to be alike": (quotient_of_others, X, Y),
    "a result of 9e-8, and the order of the additions depends on the layout": (
        tg.vdot, np.array([[[1, -1, 2], [0.2, -0.2, -2], [1e-8] * 3], *np.ones((2, 3, 3))]), np.eye(1, 27)[0]),
}  # fmt: skip


@pytest.mark.parametrize("why", LAWFUL)
def test_a_correct_op_breaks_no_law(why):
    check_op(*LAWFUL[why])


def test_a_forgotten_vjp_is_named_and_an_input_that_needs_none_is_not():
    product = broken("multiply")
    del product.vjp_functions["y"]
    for check in (lambda: check_op(product, X, Y), lambda: check_vjp(Call(product, [X, Y]), X, Y)):
        with pytest.raises(MissingVJPError, match=r"no vjp for its argument y: .*promotes=\('x',\)"):
            check()
    check_op(tg.ops.registry["where"], np.array([1.0, 0.0]), X[:2, :2], Y[:2, :2])


def test_a_wrong_forward_is_caught_by_its_reference():
    check_op(tg.sin, X, reference=np.sin)
    with pytest.raises(LawBroken, match="differs from the reference"):
        check_op(tg.sin, X, reference=np.cos)


def test_a_vjp_that_computes_something_else_on_tensors_is_caught():
    check_vjp(wrong_on_tensors, X, order=1)
    with pytest.raises(GradientMismatch, match="recorded"):
        check_vjp(wrong_on_tensors, X, order=2)


LAYOUTS_GIVEN = {
    "fortran": np.asfortranarray(X), "transposed": X.T, "reversed": X[::-1], "strided": np.repeat(X, 2, 0)[::2],
    "reversed and transposed": X[:, ::-1].T, "in float32": np.asfortranarray(X.astype(np.float32))[::-1],
    "rows of more": np.hstack([X, X])[:, :3], "0-d": np.array(2.0), "empty": np.ones((0, 3)).T,
    "backwards": backwards(X), "every second column": X[:, ::-2], "gaps": X[::2, 1:3],
}  # fmt: skip


def layout(x):
    return [np.sign(x.strides).tolist(), np.argsort(np.abs(x.strides)).tolist(), x.flags.c_contiguous, x.flags.forc]


@pytest.mark.parametrize("name", LAYOUTS_GIVEN)
def test_functions_get_copies_in_the_layout_that_is_given(name):
    x, seen = LAYOUTS_GIVEN[name], []

    def square(x):
        seen.append(values_of(x))
        return x * x

    check_vjp(square, x, order=1)
    check_gradient(square, lambda x, g: 2 * g * x, x, skip=["layouts", "later calls", "narrow dtypes"])
    assert len(seen) > 8
    assert all(layout(copy) == layout(x) and not np.shares_memory(copy, x) for copy in seen)


@tg.op
def squared_in_place(x):
    x *= x
    return x * 1


squared_in_place.vjps(x=lambda g, out: 2 * g * np.sqrt(out))
squared_with_a_vjp_that_writes = broken("square", x=lambda g, x: mutate_x(g, x) * 2 * x / 1.5)


@pytest.mark.parametrize("f", [squared_in_place, squared_with_a_vjp_that_writes])
def test_a_function_or_vjp_that_writes_into_its_input_is_named(f):
    with pytest.raises(LawBroken, match="writes into its input x"):
        check_vjp(lambda x: f(x), X, order=1)


# --- The other checks ---


def test_check_linear_refuses_what_is_not_linear_or_not_transposed():
    check_linear(lambda x: tg.sum(x, axis=1), X)
    with pytest.raises(GradientMismatch, match="is not linear"):
        check_linear(tg.square, X)
    with pytest.raises(GradientMismatch, match="differ"):
        check_linear(Call(broken("transpose", x=lambda g: g * 1.0), [X]), X)


def test_check_jvp_refuses_a_wrong_vjp():
    check_jvp(lambda x, y: tg.tanh(x @ y), X, Y)
    with pytest.raises(GradientMismatch, match="the forward derivative along x is wrong"):
        check_jvp(broken("exp", x=lambda g, out: 1.001 * g * out), X)


def test_errors_of_the_function_itself_come_through():
    with pytest.raises(WrongGradientError):
        check_vjp(broken("sum", x=lambda g: g * 1.0), X)


# --- No false alarms, and a reliable error estimate ---

SMOOTH = {
    "sin": (np.sin, np.cos), "exp": (np.exp, np.exp), "log": (np.log, lambda x: 1 / x),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2), "square": (np.square, lambda x: 2 * x),
    "fifth power": (lambda x: x**5, lambda x: 5 * x**4), "line": (lambda x: 3 * x + 100, lambda x: 3 + 0 * x),
    "wave on a hill": (lambda x: np.cos(7 * x) + 100, lambda x: -7 * np.sin(7 * x)),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
}  # fmt: skip


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_the_estimate_is_honest_and_sees_no_kink_in_a_smooth_function(name, scale):
    f, slope = SMOOTH[name]
    x = scale * np.random.default_rng(3).uniform(0.05, 1.0, 500)
    found = directional_derivative(f, x, np.ones_like(x))
    assert not found.kinks.any()
    assert np.all(np.abs(found.value - slope(x)) <= SAFETY * found.error + 1e-12 * np.abs(slope(x)))
    assert np.median(found.error) <= 1e-7 * np.max(np.abs(slope(x)))


@pytest.mark.thorough
@pytest.mark.parametrize("draws", thorough([10, 200], quick=[10]))
@pytest.mark.parametrize("name", thorough(SMOOTH, quick=[*SMOOTH][::3]))
def test_no_false_alarm_and_no_excuse(name, draws):
    f, slope = SMOOTH[name]
    excused = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        x = rng.uniform(0.05, 2.0, rng.integers(1, 6)) * 10.0 ** rng.integers(-1, 1)
        try:
            check_gradient(lambda x: np.sum(f(x)), slope, x, rng=rng)
        except NotDifferentiableHere:
            excused += 1
        with pytest.raises(GradientMismatch):
            check_gradient(lambda x: np.sum(f(x)), lambda x: 1.001 * slope(x), x, rng=rng)
    assert excused <= 1


# --- Kinks and jumps ---


@pytest.mark.parametrize("away", [1e-1, 1e-3, 1e-5])
def test_beside_a_kink_the_derivative_is_checked(away):
    check_gradient(lambda x: np.sum(np.abs(x)), np.sign, [away, -away])
    with pytest.raises(GradientMismatch):
        check_gradient(lambda x: np.sum(np.abs(x)), lambda x: -np.sign(x), [away, -away])


# --- Without Hypothesis ---


@pytest.mark.thorough
def test_the_checks_need_no_hypothesis_and_the_strategies_say_what_they_need():
    program = """
import sys
sys.modules["hypothesis"] = None
import numpy as np
from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.testing import check_gradient
check_gradient(lambda x: np.sum(x * x), lambda x: 2 * x, [1.0, 2.0])
try:
    import tinygrad_edu.testing.strategies
except MissingExtraError as error:
    assert ".[testing]" in str(error), error
else:
    raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.thorough
def test_no_false_alarm_where_all_terms_cancel():
    """Only rounding remains, and it depends on the layout."""
    settings = {"kernel_size": (1, 1), "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    maps = np.array([[[[2.5625]], [[-2.5625]]]])
    call = Call("correlate_kernels", [maps, np.zeros((1, 1, 1, 1))], **settings)
    for seed in range(20):
        check_op(call, rng=np.random.default_rng(seed))


def test_where_the_terms_of_a_value_cancel_a_wrong_value_is_found():
    @tg.op
    def summed(x):
        return np.ravel(x, "K") @ weights

    weights = 1 + 1e-9 * np.arange(27)
    summed.vjps(x=lambda g, x_shape, x_dtype: tg.reshape(g * weights.astype(x_dtype), x_shape))
    with pytest.raises(LawBroken, match=r"a result differs between .* inputs and contiguous ones"):
        check_op(summed, np.arange(-13.0, 14.0).reshape(3, 3, 3))


@pytest.mark.thorough
@pytest.mark.parametrize("x", thorough([4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 40.0], quick=[4.0, 10.0, 20.0]))
def test_no_false_alarm_where_tanh_is_saturated(x):
    for seed in range(20):
        check_vjp(tg.tanh, np.array([x]), order=3, rng=np.random.default_rng(seed))
    check_op(tg.tanh, np.array([x]))


def test_a_wrong_slope_of_a_small_gradient_is_found_all_the_same():
    with pytest.raises(GradientMismatch):
        check_vjp(broken("tanh", x=lambda g, out: g * (1 - 0.999 * out * out)), np.array([6.0]))


@pytest.mark.parametrize("f", [tg.tanh, lambda x: 0 * x + 1], ids=["curved", "constant"])
def test_no_point_is_evaluated_twice_except_the_point_of_the_check(f):
    points = Counter()

    def counted(x):
        points[x.numpy().tobytes()] += 1
        return f(x)

    x = np.array([0.3, -1.2])
    check_vjp(counted, x, order=1)
    assert points.pop(x.tobytes()) == 3  # recorded once, and computed twice to compare the results
    assert set(points.values()) == {1}
