"""The wrong elements of a gradient are found among any number of elements, and the guesses about it are correct."""

import re

import numpy as np
import pytest

from tests.effort import thorough
from tinygrad_edu.testing import GradientMismatch, check_gradient
from tinygrad_edu.testing.report import mismatch, probes


@pytest.fixture(params=["fast", "slow"])
def speed(request, monkeypatch):
    """Explain the mismatches of fast functions, and those of slow ones, which allow few calls."""
    calls = {"fast": 2 * probes._MANY, "slow": probes._FEWEST}[request.param]
    monkeypatch.setattr(probes.Prober, "_affordable", lambda prober: calls)
    return request.param


def message_of(f, grad, *arrays):
    """Return the message for a wrong gradient."""
    with pytest.raises(GradientMismatch) as caught:
        check_gradient(f, grad, *arrays)
    return str(caught.value).partition("\nTo reproduce:")[0]


@pytest.mark.parametrize("size", thorough([10, 400, 402, 10_000], quick=[402]))
@pytest.mark.parametrize(("factor", "beside", "cancels"), [(1.001, 1, False), (2, 1000, False), (1.001, 1, True)])
def test_a_wrong_element_is_found_among_any_number(size, factor, beside, cancels, speed):
    x, at = np.random.default_rng(size).uniform(0.3, 1.0, (2, size // 2)), (1, size // 3)
    weights = np.full(x.shape, float(beside))
    weights[at] = 1

    def grad(x):
        g = weights * np.cos(x)
        wrong = g[at] * (factor - 1)
        g[at] += wrong
        if cancels:
            g[0, 0] -= wrong
        return g

    message = message_of(lambda x: np.sum(weights * np.sin(x)), grad, x)
    found = "at least 1" if cancels and speed == "slow" else 1 + cancels
    assert f"\n  Mismatched elements: {found} / {size}\n" in message
    assert f"at x[{at[0]}, {at[1]}]: " in message or (cancels and "at x[0, 0]: " in message)
    if found != "at least 1":
        assert f"wrong: {size - 1 - cancels} of {size} elements are correct, so a term or a case is missing." in message


@pytest.mark.thorough
@pytest.mark.usefixtures("speed")
@pytest.mark.parametrize("seed", range(4))
def test_a_factor_is_named_for_a_function_in_float32(seed):
    x = np.random.default_rng(seed).uniform(-1, 1, 3)
    message = message_of(lambda x: np.sin(x, dtype=np.float32), lambda x, g: 1.01 * g * np.cos(x), x)
    assert re.search("is wrong: it is 1.0(1|09|10)[0-9]* times the correct gradient", message)


@pytest.mark.thorough
@pytest.mark.usefixtures("speed")
def test_a_large_gradient_is_explained_as_a_small_one():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 60, 60))
    assert "a transpose of y is missing" in message_of(lambda x, y: x @ y, lambda x, y, v: (v @ y, x.T @ v), x, y)
    assert "the inputs are swapped" in message_of(lambda x, y: x * y, lambda x, y, v: (v * x, v * x), x, y)
    term = message_of(lambda x, y: x * y + x**2 / 4, lambda x, y, v: (v * y, v * x), x, y)
    assert "missing term: 0.5 times the cotangent times the input" in term


TWO = np.random.default_rng(2).uniform(0.5, 2.0, (2, 3, 4))
GUESSES = {
    "missing factor: the cotangent": (np.exp, lambda x, v: np.exp(x)),
    "missing factor: the input": (np.log, lambda x, v: v / x**2),
    "extra term: 0.001 times 1": (np.sin, lambda x, v: v * np.cos(x) + 1e-3),
    "missing term: the cotangent times the input": (lambda x: x**2 / 2 + np.sin(x), lambda x, v: v * np.cos(x)),
    "missing or extra term that is summed over axis 1": (lambda x: x - x.mean(1, keepdims=True), lambda x, v: v),
}  # fmt: skip


@pytest.mark.parametrize("words", GUESSES)
@pytest.mark.usefixtures("speed")
def test_a_simple_mistake_is_named(words):
    for x in TWO:
        assert f"the gradient of x is wrong: {words}" in message_of(*GUESSES[words], x)


@pytest.mark.parametrize("x", [np.ones(3), np.full((2, 1), 2.0), np.array([0.5, 0.5])])
def test_nothing_is_guessed_where_any_constant_would_fit(x):
    """For sin at equal points, every wrong gradient is a multiple of the correct one."""
    assert message_of(np.sin, lambda x, v: v * np.exp(x), x).startswith("sin: the gradient of x is wrong.\n")


class Counted:
    """A function that counts its calls, and raises an error after a number of them."""

    def __init__(self, f, most=np.inf):
        self.f, self.most, self.calls = f, most, 0

    def __call__(self, *arguments):
        self.calls += 1
        if self.calls > self.most:
            raise np.linalg.LinAlgError("did not converge")
        return self.f(*arguments)


@pytest.mark.thorough
@pytest.mark.parametrize("f", [np.sin, lambda x: np.sum(np.sin(x))], ids=["elements", "sum"])
@pytest.mark.parametrize("wrong", thorough([[16_000], [7, 16_000], [16_000, 16_001, 16_002]], quick=[[7, 16_000]]))
def test_the_explanation_of_a_slow_function_takes_at_most_200_calls(f, wrong, monkeypatch):
    x, f, before = np.random.default_rng(3).normal(size=20_000), Counted(f), []
    monkeypatch.setattr(probes, "_SECONDS", 0)
    monkeypatch.setattr(mismatch, "is_shrinking", lambda _: before.append(f.calls))

    def grad(x, cotangent):
        g = cotangent * np.cos(x)
        g[wrong] *= 2
        return g

    message = message_of(f, grad, x)
    assert f.calls - before[0] <= 200
    assert any(f"difference at x0[{at}]: " in message and "ratio 2" in message for at in wrong)
    if len(wrong) == 1:
        assert "wrong: 19999 of 20000 elements are correct, so a term or a case is missing." in message
    else:
        assert message.startswith("Counted: the gradient of x0 is wrong.\n  Mismatched elements: at least 1 / 20000\n")


@pytest.mark.thorough
@pytest.mark.usefixtures("speed")
@pytest.mark.parametrize("later", thorough(range(0, 200, 7), quick=range(0, 200, 70)))
def test_an_exception_in_the_explanation_does_not_replace_the_mismatch(later, monkeypatch):
    f = Counted(lambda x, y: np.sin(x) @ y)

    def allow_few(_):
        f.most = f.calls + later

    monkeypatch.setattr(mismatch, "is_shrinking", allow_few)
    x, y = TWO[0], TWO[1].T
    message = message_of(f, lambda x, y, v: (2 * (v @ y.T) * np.cos(x), np.sin(x).T @ v), x, y)
    assert message.startswith("Counted: the gradient of x0 is wrong")


@pytest.mark.parametrize("excess", [1e-3, 3e-6, 3e-8])
def test_numbers_are_printed_with_the_digits_in_which_they_differ(excess):
    x = np.array([0.5, 2.0, 3.0])
    message = message_of(lambda x: 4 * x, lambda x, v: (4 + 4 * excess) * v, x)
    assert f"wrong: it is {1 + excess:.12g} times the correct gradient." in message.replace("00001 times", " times")
    claimed, numeric = re.search(r"analytic (\S+), numeric (\S+) \(", message).groups()
    assert claimed != numeric
    assert float(re.search(r"ratio (\S+)$", message)[1]) != 1
