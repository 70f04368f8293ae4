"""Cases of lesson 10: values and gradients for numbers of all sizes."""

import math

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import apart, case, check_engine, demand, demand_equal, new_leaf
from tinygrad_edu.lessons.small_arrays import small_arrays
from tinygrad_edu.testing.strategies import labels

ROWS = st.tuples(st.integers(1, 3), st.integers(1, 4)).flatmap(lambda shape: small_arrays(shape))
# Their exponentials overflow or underflow.
EXTREME = st.lists(st.sampled_from([-1e4, -1000.0, -700.0, 0.0, 1.0, 710.0, 1000.0, 1e4]), min_size=1, max_size=4)


@case("logsumexp", x=ROWS)
def values_of_logsumexp(mine, x):
    """logsumexp is log(sum(exp(x))) along the last axis, with keepdims."""
    demand_equal("logsumexp(x)", mine.logsumexp(x), np.log(np.exp(x).sum(axis=-1, keepdims=True)))


@case("logsumexp", x=EXTREME)
def large_logsumexp(mine, x):
    """logsumexp is stable for numbers whose exponentials overflow or underflow."""
    largest = max(x)
    wanted = largest + math.log(sum(math.exp(each - largest) for each in x))
    demand_equal(f"logsumexp({x})", mine.logsumexp(np.array([x])), [[wanted]])


@case("logsumexp_vjp", x=ROWS)
def gradient_of_logsumexp(mine, x):
    """The gradient of logsumexp is correct and differentiable."""
    check_engine(mine.lesson09_second_order, mine.logsumexp, x)
    out, pullback = mine.lesson09_second_order.vjp(mine.logsumexp, x)
    g = pullback(np.ones(out.shape))  # has no node if it was computed by NumPy
    demand(getattr(g, "node", None) is not None, "the gradient of logsumexp has no node: use ops in its vjp.")


@case("logsumexp_vjp", x=EXTREME)
def large_gradient(mine, x):
    """The gradient of logsumexp is finite and adds up to 1, even for large x."""
    row = new_leaf(mine.lesson09_second_order, [x])
    mine.logsumexp(row).sum().backward()
    demand(np.all(np.isfinite(row.grad)), f"the gradient of logsumexp({x}) is {row.grad.tolist()}.")
    demand_equal(f"the sum of the gradient of logsumexp({x})", row.grad.sum(), 1.0)


@case("log_softmax", x=ROWS)
def values_of_log_softmax(mine, x):
    """log_softmax is the logarithm of the softmax, and its gradient is correct."""
    powers = np.exp(x)
    demand_equal("log_softmax(x)", mine.log_softmax(x), np.log(powers / powers.sum(axis=-1, keepdims=True)))
    check_engine(mine.lesson09_second_order, mine.log_softmax, x)


@case("log_softmax")
def impossible_classes(mine):
    """log_softmax of a very unlikely class is finite, while log(softmax(x)) would be -inf."""
    demand_equal("log_softmax([0, 1000])", mine.log_softmax(np.array([0.0, 1000.0])), [-1000.0, 0.0])


@st.composite
def _labelled(draw):
    x = draw(ROWS)
    return x, draw(labels((len(x),), x.shape[1]))


LABELLED = apart(_labelled(), "x", "labels")


@case("put", **LABELLED)
def picked(mine, x, labels):
    """put is the transpose of pick: each is the other's vjp."""
    check_engine(mine.lesson09_second_order, lambda x: mine.pick(x, labels), x)
    check_engine(mine.lesson09_second_order, lambda g: mine.put(g, labels, shape=x.shape), np.ones(len(x)))


@case("cross_entropy", **LABELLED)
def values_of_cross_entropy(mine, x, labels):
    """cross_entropy is the mean of -log(probability of the label), and its gradient is correct."""
    powers = np.exp(x)
    chances = (powers / powers.sum(axis=-1, keepdims=True))[np.arange(len(x)), labels]
    demand_equal("cross_entropy(x, labels)", mine.cross_entropy(x, labels), -np.log(chances).mean())
    check_engine(mine.lesson09_second_order, lambda x: mine.cross_entropy(x, labels), x)


@case("cross_entropy")
def wrong_and_sure(mine):
    """cross_entropy of a confident wrong prediction is large, and not infinite or NaN."""
    demand_equal(
        "cross_entropy of [[0, 2000]] and label 0", mine.cross_entropy(np.array([[0.0, 2000.0]]), np.array([0])), 2000.0
    )
    found = mine.cross_entropy(np.array([[0.0, -np.inf]]), np.array([0]))
    demand_equal("cross_entropy of [[0, -inf]] and label 0", found, 0.0)


@case("sigmoid", x=EXTREME)
def sigmoid_of_all_sizes(mine, x):
    """sigmoid is correct for numbers of all sizes, without overflow."""
    wanted = [1 / (1 + math.exp(-each)) if each > -700 else math.exp(each) for each in x]
    with np.errstate(over="raise", invalid="raise"):
        found = mine.sigmoid(np.array(x))
    demand_equal(f"sigmoid({x})", found, wanted)


@case("softplus", x=EXTREME)
def softplus_of_all_sizes(mine, x):
    """softplus is correct for numbers of all sizes, without overflow."""
    with np.errstate(over="raise", invalid="raise"):
        found = mine.softplus(np.array(x))
    demand_equal(f"softplus({x})", found, [max(each, 0) + math.log1p(math.exp(-abs(each))) for each in x])


@case("softplus")
def tiny_softplus(mine):
    """softplus(-40) is 4.2e-18, although 1 + exp(-40) rounds to 1."""
    found = float(mine.softplus(np.array(-40.0)))
    demand(abs(found / math.exp(-40.0) - 1) < 1e-9, f"softplus(-40) is {found}, expected {math.exp(-40.0)}.")


@case("sigmoid")
def tiny_sigmoid(mine):
    """sigmoid(-40) is 4.2e-18, and sigmoid(-600) is 2.7e-261."""
    for x in (-40.0, -600.0):
        found = float(mine.sigmoid(np.array(x)))
        demand(abs(found / math.exp(x) - 1) < 1e-9, f"sigmoid({x:.0f}) is {found}, expected {math.exp(x)}.")


@case("softplus", x=ROWS)
def gradient_of_softplus(mine, x):
    """The gradients of softplus and of sigmoid are correct."""
    check_engine(mine.lesson09_second_order, mine.softplus, x)
    check_engine(mine.lesson09_second_order, mine.sigmoid, x)
