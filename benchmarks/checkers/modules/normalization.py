"""Normalization over wrong axes, without an epsilon, or with wrong statistics."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.modules.contract import case, draw, equals, independent
from tinygrad_edu import nn

X = draw(6, 4)
SEQUENCE = draw(3, 5, 4)


class LayerNorm(nn.Module):
    """Normalization of the last axis."""

    axis, epsilon, ddof = -1, 1e-5, 0

    def __init__(self) -> None:
        self.scale = tg.Tensor(1 + 0.1 * draw(4, seed=1), requires_grad=True)

    def forward(self, x: Any) -> Any:
        variance = tg.var(x, axis=self.axis, keepdims=True, ddof=self.ddof)
        return self.scale * (x - tg.mean(x, axis=self.axis, keepdims=True)) / tg.sqrt(variance + self.epsilon)


class OverTimes(LayerNorm):
    axis = 1


class OverSamples(LayerNorm):
    axis = 0


class WithoutEpsilon(LayerNorm):
    epsilon = 0.0


class SampleVariance(LayerNorm):
    ddof = 1


class EpsilonOutside(LayerNorm):
    """The epsilon is added to the standard deviation."""

    def forward(self, x: Any) -> Any:
        deviation = tg.std(x, axis=-1, keepdims=True)
        return self.scale * (x - tg.mean(x, axis=-1, keepdims=True)) / (deviation + self.epsilon)


class DetachedStatistics(LayerNorm):
    def forward(self, x: Any) -> Any:
        mean, deviation = tg.mean(x, axis=-1, keepdims=True), tg.std(x, axis=-1, keepdims=True)
        return self.scale * (x - mean.detach()) / deviation.detach()


def layer_norm(module: Any, x: Any) -> Any:
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return module.scale.numpy() * (x - x.mean(axis=-1, keepdims=True)) / deviation


class BatchNorm(nn.Module):
    """Batch normalization with running statistics."""

    def __init__(self) -> None:
        self.mean, self.variance = tg.Tensor(draw(4, seed=2)), tg.Tensor(1 + draw(4, seed=3) ** 2)

    def statistics(self, x: Any) -> Any:
        if not self.training:
            return self.mean, self.variance
        self.update(x)
        return tg.mean(x, axis=0), tg.var(x, axis=0)

    def update(self, x: Any) -> None:
        values = x.numpy()
        self.mean.assign(0.9 * self.mean.numpy() + 0.1 * values.mean(axis=0))
        self.variance.assign(0.9 * self.variance.numpy() + 0.1 * values.var(axis=0, ddof=1))

    def forward(self, x: Any) -> Any:
        mean, variance = self.statistics(x)
        return (x - mean) / tg.sqrt(variance + 1e-5)


class AlwaysBatch(BatchNorm):
    def statistics(self, x: Any) -> Any:
        return tg.mean(x, axis=0), tg.var(x, axis=0)


class OutsideStateDict(BatchNorm):
    """The running statistics are NumPy arrays, which a state dict does not contain."""

    def __init__(self) -> None:
        self.mean_values, self.variance_values = np.zeros(4, np.float32), np.ones(4, np.float32)

    def statistics(self, x: Any) -> Any:
        if not self.training:
            return self.mean_values, self.variance_values
        self.mean_values = (0.9 * self.mean_values + 0.1 * x.numpy().mean(axis=0)).astype(np.float32)
        self.variance_values = (0.9 * self.variance_values + 0.1 * x.numpy().var(axis=0, ddof=1)).astype(np.float32)
        return tg.mean(x, axis=0), tg.var(x, axis=0)


class NotPersistent(BatchNorm):
    def __init__(self) -> None:
        super().__init__()
        for name in ("mean", "variance"):
            self.register_buffer(name, tg.Tensor(np.ones(4, np.float32)), persistent=False)


class AfterOneBatch(nn.Module):
    """Normalize a batch with the running statistics of itself, with a momentum of 1."""

    ddof = 1

    def __init__(self) -> None:
        self.variance = tg.Tensor(np.ones(4, np.float32))

    def forward(self, x: Any) -> Any:
        self.variance.assign(x.numpy().var(axis=0, ddof=self.ddof))
        return x / tg.sqrt(tg.var(x, axis=0, ddof=self.ddof) + 1e-5)


class BiasedRunningVariance(AfterOneBatch):
    ddof = 0


def running(module: Any, x: Any) -> Any:
    return (x - module.mean.numpy()) / np.sqrt(module.variance.numpy() + 1e-5)


CASES = [
    case("layer norm over the times", OverTimes, LayerNorm, SEQUENCE, contract=equals(layer_norm)),
    case("layer norm over the samples", OverSamples, LayerNorm, X, contract=independent),
    case("layer norm without epsilon", WithoutEpsilon, LayerNorm, X, contract=equals(layer_norm)),
    case("layer norm with n - 1", SampleVariance, LayerNorm, X, contract=equals(layer_norm)),
    case("epsilon outside of the root", EpsilonOutside, LayerNorm, X, contract=equals(layer_norm)),
    case("statistics without a gradient", DetachedStatistics, LayerNorm, X),
    case("batch statistics in evaluation", AlwaysBatch, BatchNorm, X, contract=equals(running)),
    case("batch norm declared independent", AlwaysBatch, LayerNorm, X, contract=independent),
    case("running statistics outside of the state dict", OutsideStateDict, BatchNorm, X),
    case("running statistics that are not persistent", NotPersistent, BatchNorm, X),
    case("biased running variance", BiasedRunningVariance, AfterOneBatch, X,
         contract=equals(lambda module, x: x / np.sqrt(x.var(axis=0, ddof=1) + 1e-5))),
]  # fmt: skip
