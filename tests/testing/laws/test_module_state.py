"""State dicts of modules: they must have each value that a training call changes and later results depend on."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.testing import LawBroken, check_module

X = np.random.default_rng(5).normal(size=(4, 3))


class Centered(nn.Module):
    """Subtract the mean of the batch in training, and a running mean in evaluation, which subclasses keep."""

    def forward(self, x):
        if self.training:
            mean = x.mean(axis=0)
            self.keep(0.9 * self.running() + 0.1 * mean.numpy())
            return x - mean
        return x - self.running().astype(x.dtype)


class InABuffer(Centered):
    def __init__(self):
        self.mean = tg.Tensor(np.zeros(3))

    def running(self):
        return self.mean.numpy()

    def keep(self, mean):
        self.mean.assign(mean)


class NotPersistent(InABuffer):
    def __init__(self):
        self.register_buffer("mean", np.zeros(3), persistent=False)


class InAnArray(Centered):
    def __init__(self):
        self.mean = np.zeros(3)

    def running(self):
        return self.mean

    def keep(self, mean):
        self.mean = mean


class InADict(InAnArray):
    def __init__(self):
        self.statistics = {"mean": [np.zeros(3)]}

    def running(self):
        return self.statistics["mean"][0]

    def keep(self, mean):
        self.statistics["mean"][0] = mean


SHARED = {"mean": [np.zeros(3)]}


class InAGlobal(InADict):
    def __init__(self):
        pass

    @property
    def statistics(self):
        return SHARED


class Warmup(nn.Module):
    """Scale by the number of training calls so far, up to 10, in training only."""

    def __init__(self, is_saved):
        self.calls = tg.Tensor(0.0) if is_saved else 0.0

    def forward(self, x):
        before = float(self.calls)
        if self.training:
            if isinstance(self.calls, float):
                self.calls += 1
            else:
                self.calls.assign(before + 1)
        return x * min(before, 10)


class Initialized(nn.Module):
    """Set the offset to minus the mean of the first batch."""

    def __init__(self, is_saved):
        self.offset = tg.Tensor(np.zeros(3, np.float32), requires_grad=True)
        self.is_ready = tg.Tensor(False) if is_saved else False

    def forward(self, x):
        if not self.is_ready:
            self.offset.assign(-x.numpy().mean(axis=0))
            if isinstance(self.is_ready, bool):
                self.is_ready = True
            else:
                self.is_ready.assign(True)
        return x + self.offset


class Delayed(InABuffer):
    """Subtract the running mean in training, too, and then update it."""

    def forward(self, x):
        out = x - self.running().astype(x.dtype)
        if self.training:
            self.keep(0.9 * self.running() + 0.1 * x.numpy().mean(axis=0))
        return out


class Lazy(nn.Module):
    """Create the weight in the first call."""

    weight = None

    def forward(self, x):
        if self.weight is None:
            self.weight = tg.Tensor(np.ones(x.shape[1], x.dtype), requires_grad=True)
        return x * self.weight


class Cached(nn.Module):
    """Keep a table for each number of samples."""

    def __init__(self):
        self.tables = {}

    def forward(self, x):
        return x + self.tables.setdefault(len(x), np.arange(3.0)).astype(x.dtype)


class Uncopied(nn.Tanh):
    def __deepcopy__(self, memo):
        raise TypeError("a lock")


COMPLETE = [
    InABuffer(), Warmup(True), Initialized(True), Delayed(), Lazy(), Cached(), nn.BatchNorm1D(3),
    nn.Sequential(nn.Linear(3, 3, rng=np.random.default_rng(0)), nn.Dropout(0.5, rng=np.random.default_rng(0))),
]  # fmt: skip
INCOMPLETE = {
    "an array": (InAnArray(), r"\(eval\): after calls .* lacks a value that a call changes: mean\. Make it a buffer"),
    "a dict": (InADict(), r"\(eval\): after calls .* lacks a value that a call changes: statistics\."),
    "a buffer": (NotPersistent(), r"\(eval\): after calls .* lacks a value that a call changes: mean\."),
    "a global": (InAGlobal(), r"calls in training mode change the results of a copy of the module\. Keep state in b"),
    "inside": (nn.Sequential(nn.Tanh(), InAnArray()), r"lacks a value that a call changes: 1\.mean\."),
    "initialization": (Initialized(False), r"lacks a value that a call changes: is_ready\."),
}


@pytest.mark.parametrize("module", COMPLETE, ids=lambda module: type(module).__name__)
def test_a_complete_state_dict(module):
    check_module(module, X)


@pytest.mark.parametrize(("module", "message"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_an_incomplete_state_dict(module, message):
    with pytest.raises(LawBroken, match=message) as caught:
        check_module(module, X)
    assert caught.value.report.verdicts[0].law == "state"


def test_a_single_sample():
    with pytest.raises(LawBroken, match="lacks a value that a call changes: mean"):
        check_module(InAnArray(), X[:1])


def test_a_module_that_cannot_be_copied():
    report = check_module(Uncopied(), X)
    assert [(v.law, v.status) for v in report.verdicts if v.status != "right"] == [
        ("unbiased", "not checked"), ("state", "not checked")]  # fmt: skip
