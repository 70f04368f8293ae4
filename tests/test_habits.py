"""Habits from PyTorch work, or raise an error with the right call."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import nn

T = tg.Tensor([1.0, 2.0], requires_grad=True)
MODEL, RNG = nn.Linear(2, 3), np.random.default_rng(0)
ANSWERS = {
    "(T * T).sum().backward(create_graph=True)": r"TypeError: backward\(\) has no create_graph.*tg\.grad\(tg\.grad",
    "T.data.clamp_(0)": r"AttributeError: t\.data is a NumPy array, and has no 'clamp_'.*t\.assign\(values\)",
    "T.data.nonsense": "AttributeError: t.data is a NumPy array, and has no 'nonsense': see NumPy",
    "tg.optim.SGD(MODEL.parameters(), lr=tg.optim.schedules.constant(0.1))": r"ValueError: SGD: lr .*apply_schedule",
    "nn.functional_call(MODEL, {}, (np.ones((1, 2)),))": r"TypeError: functional_call: write functional_call\(model, p",
    "tg.max(T, T)": r"TypeError: max: the second argument is an axis; write tg\.maximum\(x, y\)",
    "T.min(0.0)": r"TypeError: min: the second argument is an axis; write tg\.minimum\(x, y\)",
    "tg.checkpoint(MODEL, T)": r"TypeError: checkpoint: .*write tg\.checkpoint\(f\)\(x\)",
    "tg.checkpoint(MODEL, T, use_reentrant=False)": r"TypeError: checkpoint: .*write tg\.checkpoint\(f\)\(x\)",
    "nn.init.xavier_uniform(MODEL.weight, RNG)": r"DTypeError: .*got a Tensor of shape \(3, 2\).*weight\.shape, rng\)",
    "nn.init.all_zeros(MODEL.bias)": r"DTypeError: .*got a Tensor of shape \(3,\).*weight\.shape, rng\)",
    "nn.init.gaussian(MODEL.weight.numpy(), 0.1, RNG)": r"DTypeError: .*got a ndarray of shape \(3, 2\)",
    "T.repeat(2, 2)": r"ShapeError: repeat: axis 2 is out of bounds.*tg\.tile\(x, \(2, 2\)\)",
    "MODEL.weight.repeat((2, 2))": r"ShapeError: .*2 repeats for 6 elements.*tg\.tile\(x, \(2, 2\)\)",
    "nn.init.filled(MODEL, 0.0)": r"DTypeError: nn\.init: the first argument is a shape, got a Linear\. ",
    "tg.norm(T, ord=2)": r"TypeError: .*'ord': write p=, or tg\.linalg\.norm\(x, ord\), the norm of NumPy\.$",
    "tg.split(T, split_size=1)": r"TypeError: .*write indices_or_sections=, with the number of parts or with positions",
    "tg.norm(T, 'l2')": r"ValueError: norm: p must be 'fro', 'nuc' or a number, got 'l2'",
    "T.norm('nuc')": r"ShapeError: norm: p='nuc' needs 2 axes, got 1 of shape \(2,\)",
    "tg.cross_entropy(np.ones((2, 3)), np.array([0.0, 1.0]))": r"ShapeError: .*Labels must be .*target\.astype\(int\)",
    "tg.cross_entropy(np.ones((2, 3)), tg.Tensor([0, 1.0]))": r"ShapeError: .*Labels must be .*target\.astype\(int\)",
}


@with_each("code", ANSWERS)
def test_a_habit_is_answered(code):
    with pytest.raises(Exception, match=ANSWERS[code].partition(": ")[2]) as caught:
        eval(code)
    assert type(caught.value).__name__ == ANSWERS[code].partition(": ")[0]


@pytest.mark.parametrize("decorate", [tg.no_grad, tg.no_grad()], ids=["no_grad", "no_grad()"])
def test_no_grad_decorates_with_and_without_parentheses(decorate):
    @decorate
    def double(x: tg.Tensor) -> tg.Tensor:
        """Double."""
        return 2 * x

    assert not double(T).requires_grad
    assert (double.__name__, double.__doc__) == ("double", "Double.")

    @tg.enable_grad
    def recorded():
        return 2 * T

    with tg.no_grad():
        assert recorded().requires_grad
    (T * T).sum().backward(create_graph=False)


def test_matplotlib_plots_tensors_that_require_gradients():
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, axes = plt.subplots()
    for x in (T, T * 2, tg.Tensor([1.0, 2.0])):
        (line,) = axes.plot(x)
        np.testing.assert_array_equal(line.get_ydata(), x.numpy())
    (line,) = axes.plot(T, T * 3)
    np.testing.assert_array_equal(line.get_xdata(), T.numpy())
    axes.hist(T * 3)
    axes.fill_between(T.numpy(), T.numpy())
    figure.canvas.draw()
    plt.close(figure)
