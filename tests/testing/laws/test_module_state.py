"""State dicts of modules: they must have each value that a training call changes and later results depend on."""

from operator import setitem

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.testing.modules import made
from tinygrad_edu import nn
from tinygrad_edu.testing import LawBroken, check_module

X = np.random.default_rng(5).normal(size=(4, 3))


def centered(read, keep, **attributes):
    """Return a module that subtracts the mean of the batch in training, and in evaluation the running mean it keeps."""

    def forward(self, x):
        if not self.training:
            return x - read(self).astype(x.dtype)
        mean = x.mean(axis=0)
        keep(self, 0.9 * read(self) + 0.1 * mean.numpy())
        return x - mean

    return made(forward, **attributes)


def keep(m, name, value):
    """Change an attribute: assign to a Tensor, or replace another value."""
    held = getattr(m, name)
    held.assign(value) if isinstance(held, tg.Tensor) else setattr(m, name, value)


def in_an_attribute(**attributes):
    return centered(lambda m: np.asarray(m.mean), lambda m, mean: keep(m, "mean", mean), **attributes)


def in_an_array():
    return in_an_attribute(mean=np.zeros(3))


def in_a_list(place, **attributes):
    """Keep the mean in the list that `place` finds in the module."""
    return centered(lambda m: place(m)[0], lambda m, mean: setitem(place(m), 0, mean), **attributes)


SHARED = [np.zeros(3)]


def not_persistent():
    module = in_an_attribute()
    module.register_buffer("mean", np.zeros(3), persistent=False)
    return module


def warmup(self, x):
    """Scale by the number of training calls so far, up to 10."""
    before = float(self.calls)
    if self.training:
        keep(self, "calls", before + 1)
    return x * min(before, 10)


def initialized(is_ready):
    """Return a module that sets the offset to minus the mean of the first batch."""

    def forward(self, x):
        if not self.is_ready:
            self.offset.assign(-x.numpy().mean(axis=0))
            keep(self, "is_ready", True)
        return x + self.offset

    return made(forward, offset=tg.Tensor(np.zeros(3, np.float32), requires_grad=True), is_ready=is_ready)


def delayed(self, x):
    """Subtract the running mean in training, too, and then update it."""
    out = x - self.mean.numpy().astype(x.dtype)
    if self.training:
        self.mean.assign(0.9 * self.mean.numpy() + 0.1 * x.numpy().mean(axis=0))
    return out


def lazy(self, x):
    """Create the weight in the first call."""
    if self.weight is None:
        self.weight = tg.Tensor(np.ones(x.shape[1], x.dtype), requires_grad=True)
    return x * self.weight


def cached(self, x):
    """Keep a table for each number of samples."""
    return x + self.tables.setdefault(len(x), np.arange(3.0)).astype(x.dtype)


class Uncopied(nn.Tanh):
    def __deepcopy__(self, memo):
        raise TypeError("a lock")


COMPLETE = {
    "a buffer": in_an_attribute(mean=tg.Tensor(np.zeros(3))), "a counter": made(warmup, calls=tg.Tensor(0.0)),
    "a flag": initialized(tg.Tensor(False)),
    "delayed": made(delayed, mean=tg.Tensor(np.zeros(3))), "lazy": made(lazy, weight=None),
    "cached": made(cached, tables={}), "normalization": nn.BatchNorm1D(3),
    "dropout": nn.Sequential(*(cls(*options, rng=np.random.default_rng(0))
                               for cls, *options in ((nn.Linear, 3, 3), (nn.Dropout, 0.5)))),
}  # fmt: skip
INCOMPLETE = {
    "an array": (in_an_array(), r"\(eval\): after calls .* lacks a value that a call changes: mean\. Make it a buffer"),
    "a dict": (in_a_list(lambda m: m.statistics["mean"], statistics={"mean": [np.zeros(3)]}),
               r"\(eval\): after calls .* lacks a value that a call changes: statistics\."),
    "a buffer": (not_persistent(), r"\(eval\): after calls .* lacks a value that a call changes: mean\."),
    "a global": (in_a_list(lambda m: SHARED),
                 r"calls in training mode change the results of a copy of the module\. Keep state in b"),
    "inside": (nn.Sequential(nn.Tanh(), in_an_array()), r"lacks a value that a call changes: 1\.mean\."),
    "initialization": (initialized(False), r"lacks a value that a call changes: is_ready\."),
    "a counter": (made(warmup, calls=0.0), r"\(eval\): after calls .* lacks a value that a call changes: calls\."),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_state_dict(name):
    check_module(COMPLETE[name], X)


@pytest.mark.parametrize(("module", "message"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_an_incomplete_state_dict(module, message):
    with pytest.raises(LawBroken, match=message) as caught:
        check_module(module, X)
    assert caught.value.report.verdicts[0].law == "state"


def test_a_single_sample():
    with pytest.raises(LawBroken, match="lacks a value that a call changes: mean"):
        check_module(in_an_array(), X[:1])


def test_a_module_that_cannot_be_copied():
    report = check_module(Uncopied(), X)
    assert [(v.law, v.status) for v in report.verdicts if v.status != "right"] == [
        ("unbiased", "not checked"), ("state", "not checked")]  # fmt: skip
