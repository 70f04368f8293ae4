"""Recurrent and convolutional modules that read the wrong times or keep state between calls."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.modules.contract import case, draw, equals, parameter
from tinygrad_edu import nn

TIMES, SIZE = 5, 3
X = draw(2, TIMES, SIZE)


class Recurrence(nn.Module):
    """A tanh recurrence from a state of 0."""

    def __init__(self) -> None:
        self.inner, self.outer = parameter(SIZE, SIZE), parameter(SIZE, SIZE, seed=1)

    def start(self, x: Any) -> Any:
        return 0 * x[:, 0]

    def times(self) -> Any:
        return range(TIMES)

    def forward(self, x: Any) -> Any:
        h, results = self.start(x), {}
        for t in self.times():
            h = tg.tanh(h @ self.inner + x[:, t] @ self.outer)
            results[t] = h
        self.finish(h)
        return tg.stack([results[t] for t in range(TIMES)], axis=1)

    def finish(self, h: Any) -> None:
        """Do nothing; a stateful subclass keeps h."""


class Backwards(Recurrence):
    def times(self) -> Any:
        return reversed(range(TIMES))


class KeepsState(Recurrence):
    last = None

    def start(self, x: Any) -> Any:
        return 0 * x[:, 0] if self.last is None else self.last.astype(x.dtype)

    def finish(self, h: Any) -> None:
        self.last = h.numpy()


class Truncated(Recurrence):
    """The gradient ends at each time."""

    def forward(self, x: Any) -> Any:
        h, results = self.start(x), []
        for t in range(TIMES):
            h = tg.tanh(h.detach() @ self.inner + x[:, t] @ self.outer)
            results.append(h)
        return tg.stack(results, axis=1)


def recurrence(module: Any, x: Any) -> Any:
    h, results = np.zeros((x.shape[0], SIZE)), []
    for t in range(TIMES):
        h = np.tanh(h @ module.inner.numpy() + x[:, t] @ module.outer.numpy())
        results.append(h)
    return np.stack(results, axis=1)


class CausalConvolution(nn.Module):
    """A convolution over times, padded on the left."""

    before = 2

    def __init__(self) -> None:
        self.weight = parameter(SIZE, SIZE, 3)

    def forward(self, x: Any) -> Any:
        padded = tg.pad(tg.swapaxes(x, 1, 2), ((0, 0), (0, 0), (self.before, 2 - self.before)))
        return tg.swapaxes(tg.conv1d(padded, self.weight), 1, 2)


class Centered(CausalConvolution):
    before = 1


class Gates(nn.Module):
    """A gated update of a state of ones."""

    def __init__(self) -> None:
        self.gate, self.candidate = parameter(SIZE, SIZE), parameter(SIZE, SIZE, seed=1)

    def forward(self, x: Any) -> Any:
        z = tg.sigmoid(x @ self.gate)
        return z + (1 - z) * tg.tanh(x @ self.candidate)


class ExchangedGates(Gates):
    def forward(self, x: Any) -> Any:
        z = tg.sigmoid(x @ self.gate)
        return (1 - z) + z * tg.tanh(x @ self.candidate)


def gates(module: Any, x: Any) -> Any:
    z = 1 / (1 + np.exp(-x @ module.gate.numpy()))
    return z + (1 - z) * np.tanh(x @ module.candidate.numpy())


def causal(module: Any) -> Any:
    return {"causal": 1}


CASES = [
    case("recurrence from the last time", Backwards, Recurrence, X, contract=causal),
    case("state kept between calls", KeepsState, Recurrence, X, contract=equals(recurrence)),
    case("gradient through time cut", Truncated, Recurrence, X),
    case("centered instead of causal convolution", Centered, CausalConvolution, X, contract=causal),
    case("gates exchanged", ExchangedGates, Gates, draw(4, SIZE), contract=equals(gates)),
]
