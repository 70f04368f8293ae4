"""Summaries: rows, counts and shapes, and an unchanged model."""

from functools import partial
from threading import Lock

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn import Conv2D, Dropout, Flatten, Linear, Module, Sequential, Tanh, random_stream, summary
from tinygrad_edu.nn.randomness import current_stream


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


class Tagger(Module):
    """A module with all kinds of inputs, functions, a buffer, a frozen parameter, and outputs in a list and a dict."""

    def __init__(self):
        self.table, self.shift = Linear(3, 4, bias=False), tg.ones(4)
        self.acts = {"first": tg.relu, "more": [(np.tanh, Linear(1, 1)), partial(tg.sum, axis=1)]}
        self.cell = Linear(4, 4)
        self.cell.bias.requires_grad = False
        self.spare = tg.gelu

    def forward(self, ids, state, scale=1):
        h = self.table.weight.T[ids] + self.shift
        for _ in range(2):
            h = self.acts["first"](self.cell(h))
        h = self.acts["more"][0][0](h) * scale + state["h"][0]
        return [self.acts["more"][1](h), None], {"h": h}


def test_functions_kinds_of_inputs_and_of_results_and_buffers_are_shown():
    model = Tagger()
    before = repr(model)
    assert str(summary(model, np.array([[0, 2]]), {"h": ((2, 4), None)}, scale=2)).splitlines() == [
        "Name           Layer   Output shape                      Parameters  Frozen  Buffers",
        "-------------  ------  --------------------------------  ----------  ------  -------",
        "               Tagger  [[(1, 4), None], {h: (1, 2, 4)}]           0       0        4",
        "table          Linear  not called                                12       0        0",
        "acts.first     relu    2 x (1, 2, 4)                              0       0        0",
        "acts.more.0.0  tanh    (1, 2, 4)                                  0       0        0",
        "acts.more.0.1  Linear  not called                                 2       0        0",
        "acts.more.1    sum     (1, 4)                                     0       0        0",
        "cell           Linear  2 x (1, 2, 4)                             20       4        0",
        "spare          gelu    not called                                 0       0        0",
        "Total: 34 parameters, 30 of them trainable, 4 frozen. Buffers: 4 elements.",
    ]
    assert repr(model) == before
    assert before.splitlines()[2:4] == ["  (acts.first): relu", "  (acts.more.0.0): tanh"]


class Counting(Dropout):
    """Count calls in a buffer, and draw random numbers in evaluation, too."""

    def __init__(self):
        super().__init__(0.5, rng=np.random.default_rng(0))
        self.calls = Tensor(0, dtype=int)

    def forward(self, x):
        self.calls.assign(self.calls.numpy() + 1)
        return x + current_stream(self.rng).normal(size=x.shape).astype(x.dtype)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_as_it_was(training):
    model = small_net().append(Counting()).train(training)
    model[2].eval()
    model[0].register_forward_hook(lambda module, inputs, out: None)

    def everything():
        here = [(list(vars(module)), module.training, module._hooks) for module in model.modules()]
        numbers = {name: array.tolist() for name, array in model.state_dict().items()}
        return here, numbers, model[-1].rng.bit_generator.state, shared.bit_generator.state

    shared = np.random.default_rng(1)
    before = everything()
    with random_stream(shared):
        summary(model, (1, 4, 4))
    assert everything() == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_shared_parameters_count_once_and_frozen_ones_are_not_trainable():
    shared = Linear(4, 4)
    head = Linear(4, 2, bias=False)
    head.weight.requires_grad = False
    tied = Linear(4, 4, bias=False)
    tied.weight = shared.weight
    found = summary(Sequential(shared, Tanh(), shared, tied, head), (4,))
    assert [(row.name, row.output, row.parameters) for row in found.rows] == [
        ("0", "2 x (1, 4)", 20), ("1", "(1, 4)", 0), ("3", "(1, 4)", 0), ("4", "(1, 2)", 8)
    ]  # fmt: skip
    assert (found.total, found.trainable, found.frozen, found.buffers) == (28, 20, 8, 0)


def test_a_custom_module_shows_its_own_parameters_every_shape_and_what_it_does_not_use():
    class Custom(Module):
        def __init__(self):
            self.scale = Tensor(np.ones((1, 6)), requires_grad=True)
            self.act = Tanh()
            self.spare = Linear(1, 1)

        def forward(self, x):
            return self.act(self.act(x * self.scale)[:, :2])

    assert summary(Custom(), (6,)).rows == [
        ("", "Custom", "(1, 2)", 6, 0, 0),
        ("act", "Tanh", "(1, 6), (1, 2)", 0, 0, 0),
        ("spare", "Linear", "not called", 2, 0, 0),
    ]


def test_the_zeros_have_the_dtype_of_the_parameters():
    seen = []

    class Spy(Linear):
        def forward(self, x):
            seen.append(x.dtype)
            return super().forward(x)

    summary(Spy(2, 2, dtype=np.float64), (2,))
    summary(Spy(2, 2, dtype=np.float64).requires_grad_(False), (2,))
    assert seen == [np.float64, np.float64]


@pytest.mark.parametrize("given", [784, "784", (1, 2.0)])
def test_a_number_is_not_a_shape(given):
    with pytest.raises(ShapeError, match=r"the shape of one sample, such as \(784,\), got"):
        summary(Linear(784, 10), given)


def test_a_shape_that_does_not_fit_is_the_layers_error():
    with pytest.raises(ShapeError, match="Linear"):
        summary(Linear(784, 10), (28, 28))


def test_a_model_that_cannot_be_copied_says_so():
    model = small_net()
    model.lock = Lock()
    with pytest.raises(TypeError) as caught:
        summary(model, (1, 4, 4))
    assert caught.value.__notes__ == ["summary calls a copy of the model, but this Sequential cannot be copied."]
