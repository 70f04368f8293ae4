"""Random submodules that declare `unbiased`: wrong means and drop rates are detected, correct ones pass."""

import numpy as np
import pytest

from tests.testing.modules import made
from tinygrad_edu import nn
from tinygrad_edu.testing import LawBroken, check_module
from tinygrad_edu.testing.laws.module_call import ModuleCall
from tinygrad_edu.testing.laws.module_randomness import require_unbiased

X = np.random.default_rng(5).normal(size=(4, 3))


def mask(m, x):
    return (m.rng.random(x.shape) >= m.p).astype(x.dtype)


def dropped(m, x):
    return x * mask(m, x) / (1 - m.p)


def dropout(p=0.3, trained=dropped, evaluated=lambda m, x: x):
    """Return dropout as a student writes it, with one method for training and one for evaluation."""

    def forward(self, x):
        return (trained if self.training else evaluated)(self, x)

    return made(forward, unbiased=True, p=p, rng=np.random.default_rng(0))


def same_mask(m, x):
    m.rng = np.random.default_rng(0)
    return dropped(m, x)


def one_element(m, x):
    """Do not scale an element."""
    return dropped(m, x) * np.where(np.arange(x.shape[-1]) == 1, 1 - m.p, 1).astype(x.dtype)


def noise(mean):
    return lambda m, x: x + m.rng.normal(mean, 1, x.shape).astype(x.dtype)


class UnscaledDropout(nn.Dropout):
    def apply_mask(self, x):
        return super().apply_mask(x) * (1 - self.p)


class DropoutTwice(nn.Dropout1D):
    def apply_mask(self, x):
        return super().apply_mask(super().apply_mask(x))


def seeded(cls, *options):
    return cls(*options, rng=np.random.default_rng(0))


def unscaled(p=0.3):
    return dropout(p, lambda m, x: x * mask(m, x))


def masked_twice(p=0.3):
    return dropout(p, lambda m, x: dropped(m, dropped(m, x)))


def of_samples(p=0.3):
    """Drop whole samples."""
    return dropout(p, lambda m, x: x * mask(m, x[:, :1]) / (1 - m.p))


RIGHT = [
    dropout(), of_samples(), dropout(trained=noise(0.0)), seeded(nn.Dropout, 0.5), seeded(nn.Dropout, 1.0),
    seeded(nn.Dropout1D, 0.3), seeded(nn.AlphaDropout, 0.3), seeded(nn.RReLU),
    nn.Sequential(dropout(), seeded(nn.Linear, 3, 3), nn.ReLU(), dropout()),
]  # fmt: skip
OFF = "is not its result in evaluation"
APPLIED_TWICE = made(lambda self, x: self.dropout(self.dropout(self.layer(x))), layer=seeded(nn.Linear, 3, 3),
                     dropout=seeded(nn.Dropout, 0.5))  # fmt: skip
WRONG = {
    "unscaled": (unscaled(), r"the mean of 512 draws is not its result in evaluation: .* a ratio of 0\.\d+ over all"),
    "divided by p": (dropout(trained=lambda m, x: x * mask(m, x) / m.p), OFF),
    "kept with p": (dropout(trained=lambda m, x: x * (1 - mask(m, x)) / m.p),
                    r"it drops an element with probability 0\.7\d*, and its p is 0\.3"),
    "masked twice": (masked_twice(), r"it drops an element with probability 0\.5\d*, and its p is 0\.3"),
    "one element": (dropout(trained=one_element), OFF), "the same mask": (dropout(trained=same_mask), OFF),
    "in evaluation": (dropout(evaluated=dropped), "it draws random numbers in evaluation"),
    "scaled in evaluation": (dropout(evaluated=lambda m, x: x * (1 - m.p)), OFF),
    "noise with a mean": (dropout(trained=noise(0.5)), OFF),
    "a subclass of Dropout": (seeded(UnscaledDropout, 0.3), f"the mean of 512 draws {OFF}"),
    "a subclass of Dropout1D": (seeded(DropoutTwice, 0.3), r"it drops an element with probability 0\.5\d*, and its p"),
    "inside": (nn.Sequential(nn.Tanh(), unscaled()), r"its submodule '1' \(Part\) declares unbiased = True, but"),
    "applied twice": (APPLIED_TWICE, r"its submodule 'dropout' \(Dropout\) gets the result of its submodule 'dropout' "
                      r"\(Dropout\), so an element is dropped with probability 0\.7\d+\. Apply dropout once"),
    "two layers": (nn.Sequential(dropout(0.2), dropout(0.2)), "its submodule '1' .* gets the result of its submodule "
                   "'0' "),
}  # fmt: skip


@pytest.mark.parametrize("module", RIGHT, ids=lambda module: type(module).__name__)
def test_a_correct_mean(module):
    check_module(module, X)


@pytest.mark.parametrize(("module", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_mean(module, message):
    with pytest.raises(LawBroken, match=message):
        check_module(module, X)


def test_a_module_without_a_declaration_is_not_checked():
    module = unscaled()
    module.unbiased = False
    check_module(module, X)


@pytest.mark.parametrize("p", [1e-6, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.999, 1 - 1e-6])
@pytest.mark.parametrize("make", [nn.Dropout, nn.Dropout1D, dropout, of_samples])
def test_no_false_alarm_for_any_probability(make, p):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4)) * 10.0 ** rng.uniform(-3, 3, (2, 3, 4))
    assert [v.error for v in require_unbiased(ModuleCall.of(make(p), [x]), "independent", rng)] == [None]


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("make", [unscaled, masked_twice, UnscaledDropout, DropoutTwice])
def test_power(make, p):
    call, rng = ModuleCall.of(make(p), [X]), np.random.default_rng(0)
    assert [v.status for v in require_unbiased(call, "independent", rng)] == ["wrong"]
