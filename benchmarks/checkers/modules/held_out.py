"""Held out: modules with a subtle bug, and their correct counterparts."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.modules.contract import case, draw, equals, independent, parameter, softmax
from tinygrad_edu import nn

TIMES, SIZE = 6, 4
ROWS, SEQUENCE, IMAGES = draw(5, SIZE), draw(2, TIMES, SIZE), draw(2, 4, 4, 4)


class PreNorm(nn.Module):
    """A residual block that normalizes its branch."""

    def __init__(self) -> None:
        self.weight = parameter(SIZE, SIZE)

    def forward(self, x: Any) -> Any:
        return x + tg.tanh(tg.layer_norm(x, (SIZE,)) @ self.weight)


class ResidualOfNormalized(PreNorm):
    def forward(self, x: Any) -> Any:
        y = tg.layer_norm(x, (SIZE,))
        return y + tg.tanh(y @ self.weight)


def pre_norm(module: Any, x: Any) -> Any:
    y = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return x + np.tanh(y @ module.weight.numpy())


class Cross(nn.Module):
    """Attention from one sequence to another."""

    def __init__(self) -> None:
        self.key, self.value = parameter(SIZE, SIZE), parameter(SIZE, SIZE, seed=1)

    def forward(self, x: Any, memory: Any) -> Any:
        return tg.softmax(x @ tg.swapaxes(memory @ self.key, 1, 2), axis=-1) @ (memory @ self.value)


class KeyAsValue(Cross):
    def forward(self, x: Any, memory: Any) -> Any:
        return tg.softmax(x @ tg.swapaxes(memory @ self.value, 1, 2), axis=-1) @ (memory @ self.key)


def cross(module: Any, x: Any, memory: Any) -> Any:
    scores = x @ np.swapaxes(memory @ module.key.numpy(), 1, 2)
    return softmax(scores) @ (memory @ module.value.numpy())


class RunningMean(nn.Module):
    """The mean of the times up to each, times a weight."""

    def __init__(self) -> None:
        self.weight = parameter(SIZE)

    def forward(self, x: Any) -> Any:
        return self.weight * tg.cumsum(x, axis=1) / np.arange(1, TIMES + 1, dtype=np.float32)[:, None]


class WholeMean(RunningMean):
    def forward(self, x: Any) -> Any:
        return self.weight * (x - tg.mean(x, axis=1, keepdims=True))


class Differences(nn.Module):
    """The difference of each time and the one before."""

    def forward(self, x: Any) -> Any:
        return tg.concatenate([x[:, :1], x[:, 1:] - x[:, :-1]], axis=1)


class DifferencesAhead(nn.Module):
    def forward(self, x: Any) -> Any:
        return tg.concatenate([x[:, 1:] - x[:, :-1], x[:, -1:]], axis=1)


class Rolled(nn.Module):
    """The last time wraps around to the first."""

    def forward(self, x: Any) -> Any:
        return x - tg.roll(x, 1, axis=1)


class Window(nn.Module):
    """Sum of the last three times."""

    width = 3

    def forward(self, x: Any) -> Any:
        gaps = np.subtract.outer(np.arange(TIMES), np.arange(TIMES))
        return ((gaps >= 0) & (gaps < self.width)).astype(x.dtype) @ x


class WindowOfFour(Window):
    width = 4


def window(module: Any, x: Any) -> Any:
    return np.stack([x[:, max(0, t - 2) : t + 1].sum(axis=1) for t in range(TIMES)], axis=1)


class MovingScale(nn.Module):
    """Divide by a moving average of magnitudes."""

    def __init__(self) -> None:
        self.scale = tg.Tensor(np.ones((), np.float32))

    def forward(self, x: Any) -> Any:
        if self.training:
            self.scale.assign(0.5 * self.scale.numpy() + 0.5 * np.abs(x.numpy()).mean())
            return x
        return x / self.scale


class ScaleAsNumber(MovingScale):
    def __init__(self) -> None:
        self.number = 1.0

    def forward(self, x: Any) -> Any:
        if self.training:
            self.number = 0.5 * self.number + 0.5 * float(np.abs(x.numpy()).mean())
            return x
        return x / self.number


class ScaleInList(MovingScale):
    def __init__(self) -> None:
        self.history = {"seen": [1.0]}

    def forward(self, x: Any) -> Any:
        if self.training:
            self.history["seen"].append(float(np.abs(x.numpy()).mean()))
            return x
        return x / self.history["seen"][-1]


class Standardized(nn.Module):
    """A linear layer whose weight has mean 0."""

    def __init__(self) -> None:
        self.weight = parameter(SIZE, SIZE)

    def forward(self, x: Any) -> Any:
        return x @ (self.weight - tg.mean(self.weight))


class DetachedMean(Standardized):
    def forward(self, x: Any) -> Any:
        return x @ (self.weight - tg.mean(self.weight).detach())


class Triple(nn.Module):
    """Three layers with one weight."""

    def __init__(self) -> None:
        self.first = parameter(SIZE, SIZE)
        self.second = self.third = self.first

    def forward(self, x: Any) -> Any:
        return tg.tanh(tg.tanh(x @ self.first) @ self.second) @ self.third


class ThirdIsCopy(Triple):
    def __init__(self) -> None:
        super().__init__()
        self.third = tg.Tensor(self.first.numpy().copy(), requires_grad=True)


class Experts(nn.Module):
    """A mixture of three experts."""

    def __init__(self) -> None:
        self.router, self.experts = parameter(SIZE, 3), [parameter(SIZE, SIZE, seed=k) for k in range(3)]

    def forward(self, x: Any) -> Any:
        weights = tg.softmax(x @ self.router, axis=1)
        return sum(weights[:, k : k + 1] * (x @ self.experts[k]) for k in self.chosen())

    def chosen(self) -> Any:
        return range(3)


class TwoExperts(Experts):
    def chosen(self) -> Any:
        return range(2)


class SkippedPath(nn.Module):
    """Stochastic depth: drop the branch of a whole batch."""

    unbiased = True

    def __init__(self) -> None:
        self.weight, self.rng = parameter(SIZE, SIZE), np.random.default_rng(0)

    def factor(self) -> float:
        return float(self.rng.random() < 0.8) / 0.8

    def forward(self, x: Any) -> Any:
        return x + (self.factor() if self.training else 1.0) * tg.tanh(x @ self.weight)


class SkippedUnscaled(SkippedPath):
    def factor(self) -> float:
        return float(self.rng.random() < 0.8)


class Noise(nn.Module):
    """Gaussian noise in training."""

    unbiased = True
    mean = 0.0

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def forward(self, x: Any) -> Any:
        return x + self.rng.normal(self.mean, 0.3, x.shape).astype(x.dtype) if self.training else x


class NoiseWithMean(Noise):
    mean = 0.05


class Multiplied(Noise):
    """Multiplicative noise whose logarithm has mean 0."""

    def forward(self, x: Any) -> Any:
        return x * np.exp(self.rng.normal(0, 0.5, x.shape)).astype(x.dtype) if self.training else x


class MeanPool(nn.Module):
    """Average of 2 x 2 pixels."""

    def forward(self, x: Any) -> Any:
        return tg.avg_pool2d(x, 2)


class PaddedPool(nn.Module):
    """The padding counts as pixels, and the windows are shifted."""

    def forward(self, x: Any) -> Any:
        return tg.avg_pool2d(tg.pad(x, ((0, 0), (0, 0), (1, 0), (1, 0))), 2)[:, :, :2, :2]


def mean_pool(module: Any, x: Any) -> Any:
    return x.reshape(2, 4, 2, 2, 2, 2).mean(axis=(3, 5))


class Shuffle(nn.Module):
    """Move four channels to 2 x 2 pixels, as PyTorch orders them."""

    def forward(self, x: Any) -> Any:
        return tg.pixel_shuffle(x, 2)


class ShuffledColumnsFirst(nn.Module):
    def forward(self, x: Any) -> Any:
        return tg.reshape(tg.transpose(tg.reshape(x, (2, 1, 2, 2, 4, 4)), (0, 1, 4, 3, 5, 2)), (2, 1, 8, 8))


def shuffle(module: Any, x: Any) -> Any:
    out = np.zeros((2, 1, 8, 8))
    for k in range(4):
        out[:, 0, k // 2 :: 2, k % 2 :: 2] = x[:, k]
    return out


class Filter(nn.Module):
    """A correlation with a kernel over times."""

    def __init__(self) -> None:
        self.kernel = parameter(1, 1, 3)

    def forward(self, x: Any) -> Any:
        return tg.conv1d(tg.reshape(x, (-1, 1, SIZE)), self.kernel)


class FlippedFilter(Filter):
    def forward(self, x: Any) -> Any:
        return tg.conv1d(tg.reshape(x, (-1, 1, SIZE)), tg.flip(self.kernel, axis=2))


def correlated(module: Any, x: Any) -> Any:
    kernel = module.kernel.numpy()[0, 0]
    return np.stack([np.correlate(row, kernel, "valid") for row in x])[:, None]


class Steep(nn.Module):
    """Softplus of steepness 3."""

    def forward(self, x: Any) -> Any:
        return tg.softplus(3 * x) / 3


class SteepUnscaled(nn.Module):
    def forward(self, x: Any) -> Any:
        return tg.softplus(3 * x)


class Words(nn.Module):
    """An embedding whose row 0 counts as zeros."""

    def __init__(self) -> None:
        self.table = parameter(5, SIZE)

    def forward(self, tokens: Any) -> Any:
        tokens = getattr(tokens, "numpy", lambda: tokens)()
        return self.table[tokens] * (tokens != 0)[:, :, None].astype(self.table.dtype)


class WordsWithPadding(Words):
    def forward(self, tokens: Any) -> Any:
        return self.table[getattr(tokens, "numpy", lambda: tokens)()]


def words(module: Any, tokens: Any) -> Any:
    return np.where(tokens[:, :, None] == 0, 0, module.table.numpy()[tokens])


class Ranked(nn.Module):
    """Softmax over the features."""

    axis = 1

    def forward(self, x: Any) -> Any:
        return tg.softmax(x, axis=self.axis)


class RankedOverSamples(Ranked):
    axis = 0


class Grouped(nn.Module):
    """Normalization of two groups of channels."""

    def forward(self, x: Any) -> Any:
        return tg.group_norm(x, 2)


class GroupedInterleaved(nn.Module):
    """The groups are the even and the odd channels."""

    def forward(self, x: Any) -> Any:
        order = np.array([0, 2, 1, 3])
        return tg.group_norm(x[:, order], 2)[:, order]


def grouped(module: Any, x: Any) -> Any:
    parts = x.reshape(2, 2, 32)
    return ((parts - parts.mean(-1, keepdims=True)) / np.sqrt(parts.var(-1, keepdims=True) + 1e-5)).reshape(x.shape)


def causal(module: Any) -> Any:
    return {"causal": 1}


TOKENS = np.array([[0, 2, 1], [3, 0, 4]])
CASES = [
    case("held-out: residual of the normalized value", ResidualOfNormalized, PreNorm, ROWS, contract=equals(pre_norm)),
    case("held-out: key as value", KeyAsValue, Cross, SEQUENCE, draw(2, 3, SIZE, seed=5), contract=equals(cross)),
    case("held-out: mean of all times", WholeMean, RunningMean, SEQUENCE, contract=causal),
    case("held-out: differences ahead", DifferencesAhead, Differences, SEQUENCE, contract=causal),
    case("held-out: times wrap around", Rolled, Differences, SEQUENCE, contract=causal),
    case("held-out: window of four", WindowOfFour, Window, SEQUENCE, contract=equals(window)),
    case("held-out: moving scale as a number", ScaleAsNumber, MovingScale, ROWS),
    case("held-out: moving scale in a list", ScaleInList, MovingScale, ROWS),
    case("held-out: mean of a weight without a gradient", DetachedMean, Standardized, ROWS),
    case("held-out: third weight is a copy", ThirdIsCopy, Triple, ROWS,
         contract=lambda module: {"ties": [("first", "second", "third")]}),
    case("held-out: expert never chosen", TwoExperts, Experts, ROWS),
    case("held-out: stochastic depth unscaled", SkippedUnscaled, SkippedPath, ROWS),
    case("held-out: noise with a mean of 0.05", NoiseWithMean, Noise, ROWS),
    case("held-out: noise of a mean factor of 1.13", Multiplied, Noise, ROWS),
    case("held-out: pooling over padding", PaddedPool, MeanPool, IMAGES, contract=equals(mean_pool)),
    case("held-out: pixel shuffle, columns first", ShuffledColumnsFirst, Shuffle, IMAGES, contract=equals(shuffle)),
    case("held-out: flipped kernel", FlippedFilter, Filter, ROWS, contract=equals(correlated)),
    case("held-out: softplus unscaled", SteepUnscaled, Steep, ROWS,
         contract=equals(lambda module, x: np.logaddexp(0, 3 * x) / 3)),
    case("held-out: padding word not zero", WordsWithPadding, Words, TOKENS, contract=equals(words)),
    case("held-out: softmax over the samples", RankedOverSamples, Ranked, ROWS, contract=independent),
    case("held-out: interleaved groups", GroupedInterleaved, Grouped, IMAGES, contract=equals(grouped)),
]  # fmt: skip
