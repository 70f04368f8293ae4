"""Random submodules that declare `unbiased`: wrong means and drop rates are detected, correct ones pass."""

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.testing import LawBroken, check_module
from tinygrad_edu.testing.laws.module_call import ModuleCall
from tinygrad_edu.testing.laws.module_randomness import require_unbiased

X = np.random.default_rng(5).normal(size=(4, 3))


class Mask(nn.Module):
    """Dropout as a student writes it; subclasses have mistakes."""

    unbiased = True

    def __init__(self, p=0.3):
        self.p, self.rng = p, np.random.default_rng(0)

    def mask(self, x):
        return (self.rng.random(x.shape) >= self.p).astype(x.dtype)

    def dropped(self, x):
        return x * self.mask(x) / (1 - self.p)

    def forward(self, x):
        return self.dropped(x) if self.training else x


class Samples(Mask):
    """Drop whole samples."""

    def mask(self, x):
        return super().mask(x[:, :1])


class Unscaled(Mask):
    def dropped(self, x):
        return x * self.mask(x)


class DividedByP(Mask):
    def dropped(self, x):
        return x * self.mask(x) / self.p


class KeptWithP(Mask):
    def dropped(self, x):
        return x * (1 - self.mask(x)) / self.p


class MaskedTwice(Mask):
    def dropped(self, x):
        return super().dropped(super().dropped(x))


class OneElement(Mask):
    """An element is not scaled."""

    def mask(self, x):
        return np.where(np.arange(x.shape[-1]) == 1, 1 - self.p, 1).astype(x.dtype) * super().mask(x)


class SameMask(Mask):
    def mask(self, x):
        self.rng = np.random.default_rng(0)
        return super().mask(x)


class AlsoInEvaluation(Mask):
    def forward(self, x):
        return self.dropped(x)


class ScaledInEvaluation(Mask):
    def forward(self, x):
        return self.dropped(x) if self.training else x * (1 - self.p)


class Noise(Mask):
    mean = 0.0

    def dropped(self, x):
        return x + self.rng.normal(self.mean, 1, x.shape).astype(x.dtype)


class NoiseWithMean(Noise):
    mean = 0.5


class UnscaledDropout(nn.Dropout):
    def apply_mask(self, x):
        return super().apply_mask(x) * (1 - self.p)


class DropoutTwice(nn.Dropout1D):
    def apply_mask(self, x):
        return super().apply_mask(super().apply_mask(x))


class Twice(nn.Module):
    """Dropout of the result of dropout."""

    def __init__(self):
        self.layer = nn.Linear(3, 3, rng=np.random.default_rng(0))
        self.dropout = nn.Dropout(0.5, rng=np.random.default_rng(0))

    def forward(self, x):
        return self.dropout(self.dropout(self.layer(x)))


def seeded(cls, *options):
    return cls(*options, rng=np.random.default_rng(0))


RIGHT = [
    Mask(), Samples(), Noise(), seeded(nn.Dropout, 0.5), seeded(nn.Dropout, 1.0), seeded(nn.Dropout1D, 0.3),
    seeded(nn.AlphaDropout, 0.3), seeded(nn.RReLU),
    nn.Sequential(Mask(), nn.Linear(3, 3, rng=np.random.default_rng(0)), nn.ReLU(), Mask()),
]  # fmt: skip
WRONG = {
    "unscaled": (Unscaled(), r"the mean of 512 draws is not its result in evaluation: .* a ratio of 0\.\d+ over all"),
    "divided by p": (DividedByP(), r"is not its result in evaluation"),
    "kept with p": (KeptWithP(), r"it drops an element with probability 0\.7\d*, and its p is 0\.3"),
    "masked twice": (MaskedTwice(), r"it drops an element with probability 0\.5\d*, and its p is 0\.3"),
    "one element": (OneElement(), r"is not its result in evaluation"),
    "the same mask": (SameMask(), r"is not its result in evaluation"),
    "in evaluation": (AlsoInEvaluation(), "it draws random numbers in evaluation"),
    "scaled in evaluation": (ScaledInEvaluation(), "is not its result in evaluation"),
    "noise with a mean": (NoiseWithMean(), "is not its result in evaluation"),
    "a subclass of Dropout": (seeded(UnscaledDropout, 0.3), "the mean of 512 draws is not its result in evaluation"),
    "a subclass of Dropout1D": (seeded(DropoutTwice, 0.3), r"it drops an element with probability 0\.5\d*, and its p"),
    "inside": (nn.Sequential(nn.Tanh(), Unscaled()), r"its submodule '1' \(Unscaled\) declares unbiased = True, but"),
    "applied twice": (Twice(), r"its submodule 'dropout' \(Dropout\) gets the result of its submodule 'dropout' \("
                      r"Dropout\), so an element is dropped with probability 0\.7\d+\. Apply dropout once"),
    "two layers": (nn.Sequential(Mask(0.2), Mask(0.2)), "its submodule '1' .* gets the result of its submodule '0' "),
}  # fmt: skip


@pytest.mark.parametrize("module", RIGHT, ids=lambda module: type(module).__name__)
def test_a_correct_mean(module):
    check_module(module, X)


@pytest.mark.parametrize(("module", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_mean(module, message):
    with pytest.raises(LawBroken, match=message):
        check_module(module, X)


def test_a_module_without_a_declaration_is_not_checked():
    class Undeclared(Unscaled):
        unbiased = False

    check_module(Undeclared(), X)


@pytest.mark.parametrize("p", [1e-6, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.999, 1 - 1e-6])
@pytest.mark.parametrize("cls", [nn.Dropout, nn.Dropout1D, Mask, Samples])
def test_no_false_alarm_for_any_probability(cls, p):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4)) * 10.0 ** rng.uniform(-3, 3, (2, 3, 4))
    assert [v.error for v in require_unbiased(ModuleCall.of(cls(p), [x]), "independent", rng)] == [None]


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("cls", [Unscaled, MaskedTwice, UnscaledDropout, DropoutTwice])
def test_power(cls, p):
    call, rng = ModuleCall.of(cls(p), [X]), np.random.default_rng(0)
    assert [v.status for v in require_unbiased(call, "independent", rng)] == ["wrong"]
