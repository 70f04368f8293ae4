"""A float64 Tensor in a float32 model raises one warning, at the op that makes the rest of the model float64."""

import threading
import warnings

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn, tape
from tinygrad_edu.errors import PromotionWarning
from tinygrad_edu.testing import check_module

X = np.random.default_rng(0).standard_normal((4, 3))
X32 = X.astype(np.float32)


class Positions(nn.Module):
    """Adds a table to the output of a layer, and applies another layer."""

    def __init__(self, table, dtype=np.float32):
        self.first, self.last = nn.Linear(3, 3, dtype=dtype), nn.Linear(3, 2, dtype=dtype)
        self.table = table

    def forward(self, x):
        return self.last(self.first(x) + self.table)


def found(call, *inputs):
    """Return the warnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(*inputs)
    return [(each.category, str(each.message)) for each in caught]


TABLE = (
    "Positions: op add computed float64, because a float32 tensor of shape (4, 3) met a float64 Tensor of shape (4, 3)."
    " Float64 in Positions: table. The rest of the model is float64 too, at half the speed. Convert the float64 values "
    "once, where they are created: values.astype(np.float32)."
)


def test_a_table_is_named_once_for_each_model_with_the_line_that_met_it():
    nested = nn.Sequential(Positions(tg.from_numpy(X)))
    for model, said in (
        (Positions(Tensor(X)), TABLE),
        (nested, TABLE.replace("Positions: table", "Sequential: 0.table")),
    ):
        with pytest.warns(PromotionWarning) as caught:
            out = model(X32)
        assert [str(each.message) for each in caught] == [said]
        assert out.dtype == np.float64
        assert (caught[0].filename, caught[0].lineno) == (__file__, Positions.forward.__code__.co_firstlineno + 1)
        assert found(model, X32) == []


@pytest.mark.parametrize("how", [tg.detect_anomaly, tape.watch])
def test_it_is_named_where_ops_are_watched(how):
    with how():
        assert found(Positions(Tensor(X)), X32) == [(PromotionWarning, TABLE)]


MET = {
    "an input": (lambda: nn.Linear(3, 2), Tensor(X), "Linear: op", "parameter of shape (2, 3) met", "of shape (4, 3)"),
    "an input of a frozen layer": (
        lambda: nn.Linear(3, 2).requires_grad_(False), Tensor(X), "Linear: op", "parameter of shape (2, 3)", "(4, 3)"
    ),
    "an input of an inner layer": (
        lambda: nn.Sequential(nn.Tanh(), nn.LayerNorm(3)), Tensor(X), "LayerNorm: op", "parameter of shape (3,)"
    ),
    "a sequence": (
        lambda: nn.GRU(3, 2), Tensor(X[:, None]), "GRU: op linear", "parameter of shape (6, 3) met", "(4, 1, 3)"
    ),
    "a tensor without axes": (
        lambda: Positions(Tensor(np.float64(2))), X32, "Positions: op add", "tensor of shape (4, 3)", "of shape ()"
    ),
    "a parameter deep in the model": (
        lambda: nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 2, dtype=np.float64))), X32,
        "Linear: op linear", "tensor of shape (4, 3) met", "Float64 in Sequential: 1.1.weight, 1.1.bias."
    ),
    "what a parameter computed": (
        lambda: nn.Sequential(nn.Embedding(3, 4, dtype=np.float64), nn.Linear(4, 2)), np.arange(3),
        "Linear: op linear", "parameter of shape (2, 4) met", "Float64 in Sequential: 0.weight."
    ),
    "a computed tensor": (
        lambda: Positions(tg.sin(Tensor(X))), X32, "Positions: op add", "tensor of shape (4, 3)", "of shape (4, 3)"
    ),
    "a parameter": (
        lambda: Positions(Tensor(X, requires_grad=True)), X32, "Positions: op add", "tensor of shape (4, 3)", "(4, 3)"
    ),
}  # fmt: skip


@pytest.mark.fast  # in plain mode, several ops compute it
@pytest.mark.parametrize(("make", "x", "words"), [(make, x, words) for make, x, *words in MET.values()], ids=MET)
def test_what_was_met_is_named(make, x, words):
    ((category, message),) = found(make(), x)
    assert category is PromotionWarning
    assert all(each in message for each in words), message


@pytest.mark.fast  # in plain mode, several ops compute it
def test_in_evaluation_it_is_named_by_the_next_parameter_that_it_meets():
    model = Positions(Tensor(X))
    with tg.no_grad():
        ((_, message),) = found(model, X32)
    assert message.startswith("Linear: op")
    assert "a float32 parameter of shape (2, 3) met a float64 Tensor of shape (4, 3)" in message


SILENT = {
    "float32": (lambda: Positions(Tensor(X32)), Tensor(X32)),
    "an array as input": (lambda: Positions(Tensor(X32)), X),
    "an array as a table": (lambda: Positions(X), X32),
    "a number": (lambda: Positions(np.float64(0.5)), X32),
    "integers": (lambda: Positions(Tensor(np.ones((4, 3), int))), X32),
    "a float64 model": (lambda: Positions(Tensor(X), np.float64), Tensor(X)),
    "a float64 model of float32 inputs": (lambda: Positions(Tensor(X32), np.float64), Tensor(X32) * 2),
    "a float64 model of inputs with gradients": (
        lambda: Positions(Tensor(X32), np.float64), Tensor(X32, requires_grad=True) * 2
    ),
    "an explicit cast": (lambda: nn.Lambda(lambda x: (x * 2).astype(np.float64)), Tensor(X32, requires_grad=True)),
    "a model without parameters": (lambda: nn.Lambda(lambda x: x * Tensor(X)), Tensor(X32, requires_grad=True)),
}  # fmt: skip


@pytest.mark.parametrize(("make", "x"), SILENT.values(), ids=SILENT)
def test_what_is_no_mistake_is_not_named(make, x):
    assert found(make(), x) == []


def test_outside_of_modules_nothing_is_named():
    w = Tensor(X32, requires_grad=True)
    assert found(lambda: w * Tensor(X)) == []


def test_on_another_thread_it_is_named_too():
    model, caught = Positions(Tensor(X)), []
    thread = threading.Thread(target=lambda: caught.extend(found(model, X32)))
    thread.start()
    thread.join()
    assert caught == [(PromotionWarning, TABLE)]


@pytest.mark.parametrize("freeze", [False, True])
def test_a_check_of_a_float32_module_at_float64_inputs_says_nothing_and_spends_no_warning(freeze):
    model = Positions(tg.zeros(3))
    model.first.requires_grad_(not freeze)
    assert found(check_module, model, X) == []
    assert len(found(model, Tensor(X))) == 1
