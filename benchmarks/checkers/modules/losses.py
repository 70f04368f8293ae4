"""Losses, gates and residuals with a wrong denominator, order or gradient."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.modules.contract import case, draw, equals, parameter, softmax
from tinygrad_edu import nn

X = draw(6, 4)
LABELS = np.array([0, 3, -1, 2, -1, 1])


class Masked(nn.Module):
    """Mean cross-entropy over the labels that are not -1."""

    def forward(self, x: Any, labels: Any) -> Any:
        labels = getattr(labels, "numpy", lambda: labels)()
        kept = np.flatnonzero(labels >= 0)
        return -tg.sum(tg.log_softmax(x, axis=1)[kept, labels[kept]]) / self.count(labels)

    def count(self, labels: Any) -> int:
        return int(np.sum(labels >= 0))


class DividedByAll(Masked):
    def count(self, labels: Any) -> int:
        return len(labels)


class TwoSoftmaxes(Masked):
    """The logits pass two softmaxes."""

    def forward(self, x: Any, labels: Any) -> Any:
        return super().forward(tg.softmax(x, axis=1), labels)


def masked(module: Any, x: Any, labels: Any) -> Any:
    kept = labels >= 0
    return -np.mean(np.log(softmax(x)[kept, labels[kept]]))


class Residual(nn.Module):
    """A residual block."""

    def __init__(self) -> None:
        self.weight = parameter(4, 4)

    def forward(self, x: Any) -> Any:
        return x + tg.tanh(x @ self.weight)


class DetachedResidual(Residual):
    def forward(self, x: Any) -> Any:
        return x.detach() + tg.tanh(x @ self.weight)


class DetachedBranch(Residual):
    def forward(self, x: Any) -> Any:
        return x + tg.tanh(x.detach() @ self.weight)


class ForgottenResidual(Residual):
    def forward(self, x: Any) -> Any:
        return tg.tanh(x @ self.weight)


class GatedUnit(nn.Module):
    """The first half of a projection, times the sigmoid of the second."""

    def __init__(self) -> None:
        self.weight = parameter(4, 6)

    def halves(self, y: Any) -> Any:
        return y[:, :3], y[:, 3:]

    def forward(self, x: Any) -> Any:
        a, b = self.halves(x @ self.weight)
        return a * tg.sigmoid(b)


class ExchangedHalves(GatedUnit):
    def halves(self, y: Any) -> Any:
        return y[:, 3:], y[:, :3]


class Interleaved(GatedUnit):
    def halves(self, y: Any) -> Any:
        return y[:, ::2], y[:, 1::2]


def gated(module: Any, x: Any) -> Any:
    y = x @ module.weight.numpy()
    return y[:, :3] / (1 + np.exp(-y[:, 3:]))


CASES = [
    case("loss divided by all labels", DividedByAll, Masked, X, LABELS, contract=equals(masked)),
    case("softmax before the loss", TwoSoftmaxes, Masked, X, LABELS, contract=equals(masked)),
    case("residual without a gradient", DetachedResidual, Residual, X),
    case("branch without a gradient", DetachedBranch, Residual, X),
    case("residual forgotten", ForgottenResidual, Residual, X,
         contract=equals(lambda module, x: x + np.tanh(x @ module.weight.numpy()))),
    case("halves of a gate exchanged", ExchangedHalves, GatedUnit, X, contract=equals(gated)),
    case("halves of a gate interleaved", Interleaved, GatedUnit, X, contract=equals(gated)),
]  # fmt: skip
