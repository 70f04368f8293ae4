"""A non-finite loss or gradient: the error names the op that returned it, its inputs, and the line."""

import re

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.errors import NonFiniteLossError
from tinygrad_edu.training import Steps, fit

X, Y = np.random.default_rng(1).normal(size=(150, 2)).astype(np.float32), np.arange(150) % 2

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def line():
    return nn.Linear(2, 2, rng=np.random.default_rng(0))


def spoiled(value, row=100):
    x = X.copy()
    x[row, 1] = value
    return x


def failure(batches, model=None, loss=nn.cross_entropy, lr=0.1, **settings):
    """Return the error of a training, and its random generator."""
    model, rng = model or line(), np.random.default_rng(3)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    with pytest.raises(NonFiniteLossError) as caught:
        list(fit(model, optimizer, loss, batches, 3, rng=rng, **settings))
    return caught.value, rng


def of_negative_numbers(out, y):
    return tg.log(-abs(out)).mean()  # the line


def of_large_numbers(out, y):
    return tg.exp(1000 * abs(out)).mean()  # the line


def with_a_steep_slope(out, y):
    return tg.sqrt((0.0 * out) ** 2).mean()  # the line


class Layer(nn.Module):
    def forward(self, x):
        return tg.log(x - 1000.0)  # the line


CASES = {
    "log of a negative": (
        {"loss": of_negative_numbers}, "the loss became nan in epoch 1, batch 1",
        r"^op log: result\[0, 0\] is nan, of x\[0, 0\] = -\d", "in of_negative_numbers",
    ),
    "overflow of exp": (
        {"loss": of_large_numbers}, "the loss became inf in epoch 1, batch 1",
        r"^op exp: result\[.*\] is inf, of x\[.*\] = \d{3}", "in of_large_numbers",
    ),
    "in a layer": (
        {"model": nn.Sequential(line(), Layer())}, "the loss became nan in epoch 1, batch 1",
        r"^op log: result\[0, 0\] is nan(?s:.*)Called in layer 1 \(Layer\) at", "in forward",
    ),
    "only the gradient": (
        {"loss": with_a_steep_slope},
        "the gradient of weight became infinite or NaN in epoch 1, batch 1, with a loss of 0",
        r"^op sqrt: gradient of x\[0, 0\] is inf, of g\[0, 0\] = ", "in with_a_steep_slope",
    ),
    "a high learning rate": (
        {"lr": 1e38}, "the loss became inf in epoch 2, batch 1",
        r"^op cross_entropy: result is inf", "in failure",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shards", [{}, {"shard_size": 64}])
@pytest.mark.parametrize(("settings", "what", "cause", "place"), CASES.values(), ids=CASES)
def test_the_first_op_that_made_it_is_named_with_what_went_in_and_the_line(
    settings, what, cause, place, shards, monkeypatch
):
    monkeypatch.setattr("tinygrad_edu.parallel.workers.available_cores", lambda: 2)
    error, _ = failure([(X, Y)], **settings, **shards)
    assert error.problem == what
    assert re.search(cause, error.cause), error.cause
    assert re.search(rf'File "{re.escape(__file__)}", line \d+, {place}', error.cause)
    assert ("# the line" in error.cause) == (place != "in failure")
    in_shard = shards and ("model" in settings or "lr" in settings)  # other losses get the joined outputs
    assert ("In a shard: rows 0 to 63 of the batch." in error.cause) == bool(in_shard)
    assert str(error).startswith(f"{what}, and the step was not taken.")
    assert "a smaller learning rate" in str(error)


def test_what_a_batch_holds_already_is_said_with_its_place():
    good = (X, Y)
    error, _ = failure([good, (spoiled(np.nan), Y)])
    assert error.problem == "the loss became nan in epoch 1, batch 2"
    assert error.cause == "the batch is not finite: 1 of 300 elements of x of batch 2, x[100, 1] is nan."
    assert "Check the data" in str(error)
    error, _ = failure([good, good, (spoiled(np.inf), Y)], accumulate=3, shard_size=64)
    assert error.problem.endswith("in epoch 1, batches 1 to 3")
    assert "elements of x of batch 3, x[100, 1] is inf.\nop " in error.cause  # inf may be intended, as in a mask
    assert "In a shard: rows 64 to 127 of the batch." in error.cause
    points = np.zeros((150, 2), np.float32)
    points[7] = np.nan
    model = nn.Bilinear(2, 2, 2, rng=np.random.default_rng(0))
    nested = (X, X, {"point": points})
    error, _ = failure([nested], model=model, loss=lambda out, y: nn.mse_loss(out, y["point"]))
    assert "2 of 300 elements of y.point of batch 1, y.point[7, 0] is nan." in error.cause


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.PromotionWarning")
def test_weights_that_were_so_before_the_step_are_named():
    model, rates = line(), iter([0.1, 1e39, 0.1])
    error, _ = failure([(X.astype(np.float64), Y)], model=model, schedule=lambda step: next(rates))
    assert error.problem == "the loss became nan in epoch 3, batch 1"
    assert error.cause.startswith("the weights are not finite after the previous step: 4 of 4 elements of weight")


@pytest.mark.parametrize("own", [np.random.default_rng(5), None])
def test_it_is_looked_for_with_the_same_random_numbers_and_leaves_the_rest_as_it_was(own):
    seen, twin = [], np.random.default_rng(3 if own is None else 5)

    def loss(out, y):
        seen.append(out.numpy().copy())
        return tg.log(out).mean()  # log of dropped elements

    dropout = nn.Sequential(nn.BatchNorm1D(2), nn.Lambda(lambda x: abs(x) + 1), nn.Dropout(0.5, own))
    dropout.w = tg.Tensor(1.0, requires_grad=True)
    error, rng = failure([(X, Y)], model=dropout, loss=loss)
    first, again = seen
    np.testing.assert_array_equal(first, again)
    dropped = tuple(map(int, np.argwhere(first == 0)[0]))
    assert error.cause.startswith(f"op log: result{list(dropped)} is -inf, of x{list(dropped)} = 0.0")
    assert dropout[0].num_batches_tracked.item() == 1
    nn.Dropout(0.5, twin)(X)  # one call
    assert (own or rng).bit_generator.state == twin.bit_generator.state


def test_a_gradient_that_is_not_finite_leaves_the_weights_alone():
    model = line()
    before = model.state_dict()
    failure([(X, Y)], model=model, loss=with_a_steep_slope, max_norm=1.0)
    np.testing.assert_equal(model.state_dict(), before)


def test_what_no_op_makes_is_said_to_be_so():
    """The gradient of each shard is finite, but their sum is not."""
    most = float(np.finfo(np.float32).max)
    model = nn.Lambda(lambda x: x * model.w)
    model.w = tg.Tensor(np.zeros(2, np.float32), requires_grad=True)
    batch = abs(X[:128]) / abs(X[:128]).mean(axis=0) * np.float32(1.5), Y[:128]
    error, _ = failure([batch], model=model, loss=lambda out, y: (out.mean(axis=0) * most).sum(), shard_size=64)
    assert error.problem.startswith("the gradient of w became infinite")
    assert error.cause.startswith("no op returns a non-finite number when the step is repeated")


def test_while_all_is_finite_nothing_is_computed_twice():
    calls = []
    model = nn.Sequential(line(), nn.Lambda(lambda x: calls.append(len(x)) or x))
    steps = Steps(model, optim.SGD(model.parameters(), lr=0.1), nn.cross_entropy, np.random.default_rng(0))
    list(steps.run([(X[:9], Y[:9])] * 3))
    assert calls == [9] * 3
