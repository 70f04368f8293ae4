"""The summary counts what is there, and leaves the model as it was."""

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn import Conv2D, Dropout, Flatten, Lambda, Linear, Module, Sequential, Tanh, summary


def small_net():
    return Sequential(Conv2D(1, 2, 3, bias=False), Tanh(), Dropout(0.5), Sequential(Flatten(), Linear(8, 3)))


def test_the_table_reads_well():
    assert str(summary(small_net(), (1, 4, 4))).splitlines() == [
        "Name  Layer    Output shape  Parameters",
        "----  -------  ------------  ----------",
        "0     Conv2D   (1, 2, 2, 2)          18",
        "1     Tanh     (1, 2, 2, 2)           0",
        "2     Dropout  (1, 2, 2, 2)           0",
        "3.0   Flatten  (1, 8)                 0",
        "3.1   Linear   (1, 3)                27",
        "Total: 45 parameters, 45 of them trainable.",
    ]


def test_a_model_that_keeps_its_last_activation_has_a_summary():
    model = small_net()
    model.last = model(np.ones((1, 1, 4, 4)))
    assert summary(model, (1, 4, 4)).total == 45


class Pair(Module):
    """Of two inputs, one of them of integers; with a buffer."""

    def __init__(self):
        self.table, self.shift, self.act = Linear(3, 4, bias=False), Tensor(np.ones(4)), Lambda(np.tanh)

    def forward(self, ids, x):
        return self.act(self.table.weight.T[ids] + self.shift), [self.table(x), None]


def test_several_inputs_integers_results_and_buffers_are_shown():
    assert str(summary(Pair(), np.array([[0, 2]]), (3,))).splitlines() == [
        "Name   Layer         Output shape                     Parameters  Buffers",
        "-----  ------------  -------------------------------  ----------  -------",
        "       Pair          [(1, 2, 4), [(1, 4), NoneType]]           0        4",
        "table  Linear        (1, 4)                                   12        0",
        "act    Lambda(tanh)  (1, 2, 4)                                 0        0",
        "Total: 12 parameters, 12 of them trainable. In buffers: 4 numbers.",
    ]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_as_it_was(training):
    model = small_net().train(training)
    model[2].eval()
    modes = [module.training for module in model.modules()]
    attributes = [list(vars(module)) for module in model.modules()]
    generator, state = model[2].rng.bit_generator.state, model.state_dict()
    summary(model, (1, 4, 4))
    assert [module.training for module in model.modules()] == modes
    assert [list(vars(module)) for module in model.modules()] == attributes
    assert model[2].rng.bit_generator.state == generator
    assert all(np.array_equal(state[name], array) for name, array in model.state_dict().items())


def test_shared_parameters_count_once_and_frozen_ones_are_not_trainable():
    shared = Linear(4, 4)
    head = Linear(4, 2, bias=False)
    head.weight.requires_grad = False
    tied = Linear(4, 4, bias=False)
    tied.weight = shared.weight
    found = summary(Sequential(shared, Tanh(), shared, tied, head), (4,))
    assert [(name, count) for name, _, _, count, _ in found.rows] == [("0", 20), ("1", 0), ("3", 0), ("4", 8)]
    assert (found.total, found.trainable) == (28, 20)


def test_a_custom_module_shows_its_own_parameters_every_shape_and_what_it_does_not_use():
    class Custom(Module):
        def __init__(self):
            self.scale = Tensor(np.ones((1, 6)), requires_grad=True)
            self.act = Tanh()
            self.spare = Linear(1, 1)

        def forward(self, x):
            return self.act(self.act(x * self.scale)[:, :2])

    assert summary(Custom(), (6,)).rows == [
        ("", "Custom", "(1, 2)", 6, 0),
        ("act", "Tanh", "(1, 6), (1, 2)", 0, 0),
        ("spare", "Linear", "not used", 2, 0),
    ]


def test_the_zeros_have_the_dtype_of_the_parameters():
    seen = []

    class Spy(Linear):
        def forward(self, x):
            seen.append(x.dtype)
            return super().forward(x)

    summary(Spy(2, 2, dtype=np.float64), (2,))
    assert seen == [np.float64]


@pytest.mark.parametrize("given", [784, "784", (1, 2.0)])
def test_a_number_is_not_a_shape(given):
    with pytest.raises(ShapeError, match=r"the shape of one sample, such as \(784,\), not"):
        summary(Linear(784, 10), given)


def test_a_shape_that_does_not_fit_is_the_layers_error():
    with pytest.raises(ShapeError, match="Linear"):
        summary(Linear(784, 10), (28, 28))
