"""A value of the wrong kind raises an error with the argument and its valid kinds, before anything is trained."""

import functools

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import data, nn, optim
from tinygrad_edu.errors import DTypeError, NonScalarBackwardError, ShapeError
from tinygrad_edu.training import (
    Accuracy,
    Checkpoints,
    EarlyStopping,
    Epoch,
    Metric,
    Steps,
    evaluate,
    fit,
    generate,
    predict,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
LOADER = data.DataLoader(X, Y, batch_size=5)
MEASURED = {"metrics": {"acc": Accuracy()}, "evaluate_on": {"test": [(X, Y)]}}


def fitted(**changes):
    model = nn.Linear(3, 2, rng=np.random.default_rng(0))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    before = model.state_dict()
    call = {"model": model, "optimizer": optimizer, "loss": nn.cross_entropy, "batches": [(X, Y)], "epochs": 1}
    try:
        return list(fit(**{**call, "rng": np.random.default_rng(0), **changes}))[-1]
    except Exception:
        np.testing.assert_array_equal(model.weight.numpy(), before["weight"])  # raised before the first step
        raise


WRONG = {
    "model": [nn.Linear, abs, None, "net", X],
    "optimizer": [optim.SGD, "adam", None, 0.1],
    "loss": [nn.CrossEntropyLoss, "mse", None, 0.5, Accuracy(), lambda out: out, nn.MSELoss, [nn.mse_loss]],
    "batches": [X, (X, Y), [X, Y], tg.Tensor(X), {"x": X}, "mnist", None, 3, data.DataLoader, nn.Linear(3, 2)],
    "epochs": [2.5, "3", None, True],
    "rng": [0, None, np.random.RandomState(0), np.random],
    "schedule": [0.1, "cosine", [0.1], optim.schedules.Plateau, lambda: 0.1],
    "max_norm": ["1", True, [1.0]],
    "accumulate": [1.5, None],
    "average": [0.99, True, optim.MovingAverage],
    "shard_size": [1.5, "64", True],
    "workers": [4, None, "all"],
    "metrics": [[Accuracy()], Accuracy(), ["accuracy"], nn.cross_entropy, "accuracy"],
    "evaluate_on": [LOADER, (X, Y), [(X, Y)], X, "test", True],
    "evaluate_every": [1.5, "2"],
    "on_step": [3, "print", lambda: None],
    "stop": [True, "early", EarlyStopping(nn.Linear(3, 2))],
    "history": [True, {}, ()],
    "checkpoints": ["folder", Checkpoints, True],
    "resume": ["last", 2],
}


@pytest.mark.parametrize("argument", WRONG)
def test_fit_names_the_argument(argument):
    for value in WRONG[argument]:
        with pytest.raises(DTypeError, match=f"^{argument} must be .*, got "):
            fitted(**{**MEASURED, argument: value})


def test_evaluate_predict_and_the_others_name_the_argument():
    net, metrics = nn.Linear(3, 2), MEASURED["metrics"]
    calls = {
        "model": [
            *(functools.partial(f, nn.Linear, [(X, Y)], metrics) for f in (evaluate, generate)),
            lambda: predict(nn.Linear, X), lambda: EarlyStopping(nn.Linear),
            lambda: Steps("net", None, nn.mse_loss, RNG),
        ],
        "batches": [functools.partial(evaluate, net, each, metrics) for each in (X, [X, Y], {"t": LOADER}, None, "t")],
        "metrics": [functools.partial(evaluate, net, LOADER, each) for each in (None, Accuracy(), [Accuracy()], "a")],
        "workers": [lambda: evaluate(net, LOADER, metrics, 1, 2), lambda: predict(net, X, 1, 2)],
        "x": [
            functools.partial(predict, net, each)
            for each in ([(X, Y)], [X], LOADER, None, "x", X.tolist(), iter(X), data.Subset(X, [0]))
        ],
        "min_delta": [functools.partial(EarlyStopping, net, 1, "min", each) for each in ("0.1", None, True)],
        "value": [
            functools.partial(EarlyStopping(net), each)
            for each in (Epoch(1, 0.5, {}, 0.1, 1, 0.1), {"loss": 0.5}, None, "0.5", X)
        ],
    }  # fmt: skip
    for argument, wrong in calls.items():
        for call in wrong:
            with pytest.raises(DTypeError, match=f"^{argument} must be .*, got "):
                call()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fitted(metrics=MEASURED["metrics"]), DTypeError, "metrics requires evaluate_on"),
        (lambda: fitted(resume=True), DTypeError, "resume=True requires checkpoints"),
        *(
            (functools.partial(fitted, **{**MEASURED, "metrics": {"a": metric}}), DTypeError, message)
            for metric, message in (
                (Accuracy, r"^metrics\['a'\] must be an instance of a Metric, .* got the class Accuracy\.$"),
                (
                    lambda out: 1.0,
                    r"^metrics\['a'\] must be .*a function of outputs and targets, .* got <lambda>\(out\)",
                ),
            )
        ),
        (lambda: fitted(schedule=lambda: 0.1), DTypeError, r"^schedule must be .*, got <lambda>\(\)\.$"),
        (lambda: fitted(**{**MEASURED, "evaluate_on": {"t": X}}), DTypeError, r"^evaluate_on\['t'\] must be a list of"),
        (lambda: fitted(**{**MEASURED, "evaluate_on": {"t": None}}), DTypeError, r"^evaluate_on\['t'\] must be"),
        (lambda: fitted(**{**MEASURED, "evaluate_on": {"t": iter(LOADER)}}), DTypeError, "only once"),
        (lambda: fitted(batches=[(X.tolist(), Y.tolist())]), ShapeError, r"got the shapes \(\)\. .*np\.asarray"),
        (lambda: predict(nn.Linear(3, 2), (X, Y)), DTypeError, "x has 2 inputs for Linear: too many positional"),
        (lambda: predict(nn.Linear(3, 2), X[0]), ShapeError, r"logits \(3, C\) for 3 samples, got \(2,\)"),
        (lambda: predict(nn.Lambda(tg.sum), X), ShapeError, r"for 20 samples, got \(\)"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_said(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert len(str(caught.value)) < 400


class Half(Metric):
    """A metric whose value has a given type."""

    def __init__(self, kind):
        self.kind = kind

    def sums(self, outputs, targets):
        return np.ones(1)

    def value(self, sums):
        return self.kind(0.5)


@pytest.mark.parametrize("kind", [float, np.float32, np.float64, np.array, tg.Tensor, lambda x: np.array([x])])
def test_a_metric_may_return_any_number(kind):
    found = evaluate(nn.Linear(3, 2), LOADER, {"function": lambda out, target: kind(0.5), "metric": Half(kind)})
    assert found["function"] == found["metric"] == 0.5
    assert type(found["function"]) is float
    assert fitted(metrics={"half": lambda out, target: kind(0.5)}, evaluate_on={"test": (X, Y)}).metrics == {
        "test_half": 0.5
    }


@pytest.mark.parametrize(("returned", "found"), [(None, "a NoneType"), ("x", "a str"), (np.ones(3), r"shape \(3,\)")])
def test_a_metric_that_returns_no_number_is_named(returned, found):
    message = f"^the metric half must return a number or a Tensor of one element, got {found}"
    with pytest.raises(NonScalarBackwardError, match=message):
        evaluate(nn.Linear(3, 2), LOADER, {"half": lambda out, target: returned})


def test_what_is_right_is_accepted():
    schedule, seen = functools.partial(lambda rate, step: rate / (1 + step), 0.1), []
    changes = {
        "loss": nn.CrossEntropyLoss(), "schedule": schedule, "max_norm": np.float32(1.0), "on_step": seen.append,
        "stop": lambda: False, "history": [], "evaluate_on": {"test": LOADER, "train": (X, Y)},
    }  # fmt: skip
    epoch = fitted(**{**MEASURED, **changes})
    assert set(epoch.metrics) == {"test_acc", "train_acc"}
    assert (len(seen), changes["history"]) == (1, [epoch])
    assert predict(nn.Linear(3, 2), (X,)).shape == (20,)
