"""The wrong elements of a gradient are found among any number of elements, and the guesses about it are correct."""

import numpy as np
import pytest

from tinygrad_edu.testing import GradientMismatch, check_gradient


def message_of(f, grad, *arrays):
    """Return the message for a wrong gradient."""
    with pytest.raises(GradientMismatch) as caught:
        check_gradient(f, grad, *arrays)
    return str(caught.value).partition("\nTo reproduce:")[0]


@pytest.mark.parametrize("size", [10, 400, 402, 10_000])
@pytest.mark.parametrize(("factor", "beside", "cancels"), [(1.001, 1, False), (2, 1000, False), (1.001, 1, True)])
def test_a_wrong_element_is_found_among_any_number(size, factor, beside, cancels):
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
    assert f"\n  Mismatched elements: {1 + cancels} / {size}\n" in message
    assert f"at x[{at[0]}, {at[1]}]: " in message or (cancels and "at x[0, 0]: " in message)
    assert f"wrong: {size - 1 - cancels} of {size} elements are correct, so a term or a case is missing." in message


def test_where_everything_is_wrong_not_everything_is_counted():
    x = np.random.default_rng(0).uniform(0.3, 1.0, 5000)
    message = message_of(lambda x: np.sum(x**3), lambda x: 2 * x**2, x)
    assert "is wrong: it is 0.66666667 times the correct gradient." in message
    assert "Mismatched elements: at least " in message


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
    "the input is used instead of the result": (np.exp, lambda x, v: v * x),
    "extra term: 0.001 times 1": (np.sin, lambda x, v: v * np.cos(x) + 1e-3),
    "missing term: the cotangent times the input": (lambda x: x**2 / 2 + np.sin(x), lambda x, v: v * np.cos(x)),
    "missing or extra term that is summed over axis 1": (lambda x: x - x.mean(1, keepdims=True), lambda x, v: v),
}  # fmt: skip


@pytest.mark.parametrize("words", GUESSES)
def test_a_simple_mistake_is_named(words):
    for x in TWO:
        assert f"the gradient of x is wrong: {words}" in message_of(*GUESSES[words], x)


@pytest.mark.parametrize("x", [np.ones(3), np.full((2, 1), 2.0), np.array([0.5, 0.5])])
def test_nothing_is_guessed_where_any_constant_would_fit(x):
    """For sin at equal points, every wrong gradient is a multiple of the correct one."""
    assert message_of(np.sin, lambda x, v: v * np.exp(x), x).startswith("sin: the gradient of x is wrong.\n")
