"""Declaring an op: a few lines from outside the package, and a mistake in them is named at once or at backward."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import MissingRuleError, RuleDefinitionError, WrongGradientError

LOCALS_OF_THE_WRITTEN_OUT_CALL = [
    "node", "cell", "tensor", "op", "forward", "rules", "edges", "tick", "kept", "Tensor", "Node", "make",
    "ndarray", "asarray", "shape_of", "error", "plain", "follow", "explain", "share", "FLOAT32", "is_grad_enabled",
]  # fmt: skip


def declare(source, **vjps):
    """Make an op of the source of its forward, as a user's file would."""
    space = {}
    exec(source, space)
    made = tg.op(space["f"])
    made.vjps(**{name: eval(rule) for name, rule in vjps.items()})
    return made


@pytest.mark.parametrize("name", LOCALS_OF_THE_WRITTEN_OUT_CALL)
def test_an_input_may_have_any_name(name):
    f = declare(
        f"def f({name}, b): return {name} * b", **{name: "lambda g, b: g * b", "b": f"lambda g, {name}: g * {name}"}
    )
    x, y = Tensor([3.0], requires_grad=True), Tensor([5.0], requires_grad=True)
    f(x, y).backward()
    assert (x.grad, y.grad) == ([5.0], [3.0])


@pytest.mark.parametrize("name", [*LOCALS_OF_THE_WRITTEN_OUT_CALL, "x_data", "x_node", "x_cell", "default_x"])
def test_a_setting_may_have_any_name(name):
    f = declare(f"def f(x, *, {name}=2): return x * {name}", x=f"lambda g, {name}: g * {name}")
    x = Tensor([3.0], requires_grad=True)
    f(x).backward()
    assert x.grad == [2.0]
    x.zero_grad()
    f(x, **{name: 4}).backward()
    assert x.grad == [4.0]


@pytest.mark.parametrize("parameters", ["out", "x, x_shape", "x, _y", "x, **k"])
def test_a_name_that_a_rule_could_not_tell_apart_is_refused(parameters):
    with pytest.raises(RuleDefinitionError, match="'f'"):
        declare(f"def f({parameters}): ...")


def test_a_rule_that_returns_a_tensor_to_the_walk_on_arrays_is_named():
    scale = Tensor([2.0, 2.0])

    @tg.op
    def double(x):
        return x * 2

    double.vjps(x=lambda g: g * scale)
    with pytest.raises(WrongGradientError, match="op double: the rule of x returned a Tensor"):
        (double(Tensor([1.0, 1.0], requires_grad=True)) * 3).sum().backward()


def test_the_missing_rule_is_named_also_where_one_tensor_is_both_inputs():
    @tg.op
    def product(x, y):
        return x * y

    product.vjps(x=lambda g, y: g * y)
    w = Tensor([1.0], requires_grad=True)
    with pytest.raises(MissingRuleError, match="op product has no rule for its argument y"):
        product(w, w).backward()


def test_a_saved_index_is_no_longer_its_owners():
    x, index = Tensor([1.0, 2.0, 3.0], requires_grad=True), np.array([0, 1])
    taken = tg.getitem(x, index)
    index[:] = 2
    taken.backward(np.array([5.0, 7.0]))
    np.testing.assert_array_equal(x.grad, [5, 7, 0])


def test_a_saved_setting_is_no_longer_its_owners():
    x, axes, cotangent = Tensor(np.zeros((2, 2, 2)), requires_grad=True), [1, 2, 0], np.arange(8.0).reshape(2, 2, 2)
    turned = tg.transpose(x, axes)
    axes[:] = [0, 1, 2]
    turned.backward(cotangent)
    np.testing.assert_array_equal(x.grad, cotangent.transpose(2, 0, 1))


def test_the_result_of_an_op_that_returns_its_input_is_watched_as_a_view():
    @tg.op
    def same(x):
        return x

    same.vjps(x=lambda g: g)
    w, c = Tensor([1.0], requires_grad=True), Tensor([3.0])
    loss = (w * c).sum()
    seen = same(c)
    seen += 1
    with pytest.raises(tg.errors.StaleValueError):
        loss.backward()


@pytest.mark.parametrize("first", [True, False])
def test_what_a_rule_returns_is_never_written_into(first):
    """A rule may return an array that somebody else holds: a constant, or what it saved."""
    zeros = np.zeros(2, np.float32)

    @tg.op
    def floor(x):
        return np.floor(x)

    floor.vjps(x=lambda g: zeros)
    x = Tensor([1.5, 2.5], requires_grad=True)
    (x * 3 + floor(x) if first else floor(x) + x * 3).sum().backward()
    np.testing.assert_array_equal(zeros, [0, 0])
    np.testing.assert_array_equal(x.grad, [3, 3])
    x.zero_grad()
    floor(x).sum().backward()
    assert not np.shares_memory(x.grad, zeros)
    x.zero_grad()


def test_a_nameless_function_is_no_op_and_the_error_says_so():
    with pytest.raises(tg.errors.RuleDefinitionError, match="name"):
        tg.op(lambda x: x * 2)


def test_a_forward_with_open_keywords_is_no_op_and_the_error_says_so():
    def f(x, **settings):
        return x

    with pytest.raises(tg.errors.RuleDefinitionError, match="settings"):
        tg.op(f)
