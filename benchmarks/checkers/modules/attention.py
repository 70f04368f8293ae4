"""Attention with wrong masks, scales, axes, heads and positions."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.modules.contract import case, draw, equals, parameter, softmax
from tinygrad_edu import nn

TIMES, SIZE = 5, 4
X = draw(2, TIMES, SIZE)


class Attention(nn.Module):
    """Causal self-attention of one head."""

    def __init__(self) -> None:
        self.query, self.key, self.value = (parameter(SIZE, SIZE, seed=k) for k in range(3))

    def allowed(self) -> Any:
        return np.tril(np.ones((TIMES, TIMES), bool))

    def weights(self, scores: Any) -> Any:
        return tg.softmax(tg.where(self.allowed(), scores / SIZE**0.5, -1e9), axis=-1)

    def forward(self, x: Any) -> Any:
        return self.weights(x @ self.query @ tg.swapaxes(x @ self.key, 1, 2)) @ (x @ self.value)


class SeesNext(Attention):
    def allowed(self) -> Any:
        return np.tril(np.ones((TIMES, TIMES), bool), 1)


class HidesPresent(Attention):
    def allowed(self) -> Any:
        return np.tril(np.ones((TIMES, TIMES), bool), -1)


class SeesFuture(Attention):
    def allowed(self) -> Any:
        return np.triu(np.ones((TIMES, TIMES), bool))


class MaskedAfterwards(Attention):
    """The masked weights are set to 0 after the softmax, which has seen the future."""

    def weights(self, scores: Any) -> Any:
        return tg.softmax(scores / SIZE**0.5, axis=-1) * self.allowed()


class SmallMask(Attention):
    """A mask of -5 leaves a part of the future."""

    def weights(self, scores: Any) -> Any:
        return tg.softmax(scores / SIZE**0.5 + np.where(self.allowed(), 0, -5).astype(scores.dtype), axis=-1)


class DividedBySize(Attention):
    def weights(self, scores: Any) -> Any:
        return tg.softmax(tg.where(self.allowed(), scores / SIZE, -1e9), axis=-1)


class ScaledMask(Attention):
    """The scale multiplies the scores instead of dividing them."""

    def weights(self, scores: Any) -> Any:
        return tg.softmax(tg.where(self.allowed(), scores * SIZE**0.5, -1e9), axis=-1)


class OverQueries(Attention):
    def weights(self, scores: Any) -> Any:
        return tg.softmax(tg.where(self.allowed(), scores / SIZE**0.5, -1e9), axis=-2)


def attention(module: Any, x: Any) -> Any:
    query, key, value = (x @ w.numpy() for w in (module.query, module.key, module.value))
    scores = query @ np.swapaxes(key, 1, 2) / SIZE**0.5
    return softmax(np.where(np.tril(np.ones((TIMES, TIMES), bool)), scores, -np.inf)) @ value


class Heads(nn.Module):
    """Attention of two heads without a mask."""

    def __init__(self) -> None:
        self.projection = parameter(SIZE, 3 * SIZE)

    def split(self, x: Any) -> Any:
        return tg.swapaxes(tg.reshape(x, (*x.shape[:2], 2, SIZE // 2)), 1, 2)

    def forward(self, x: Any) -> Any:
        query, key, value = (self.split(part) for part in tg.split(x @ self.projection, 3, axis=2))
        weights = tg.softmax(query @ tg.swapaxes(key, 2, 3) / (SIZE // 2) ** 0.5, axis=-1)
        return tg.reshape(tg.swapaxes(weights @ value, 1, 2), x.shape)


class MixedHeads(Heads):
    """A reshape without the exchange of axes mixes times and heads."""

    def split(self, x: Any) -> Any:
        return tg.reshape(x, (x.shape[0], 2, x.shape[1], SIZE // 2))


def two_heads(module: Any, x: Any) -> Any:
    parts, results = np.split(x @ module.projection.numpy(), 3, axis=2), []
    for head in (slice(0, 2), slice(2, 4)):
        query, key, value = (part[:, :, head] for part in parts)
        results.append(softmax(query @ np.swapaxes(key, 1, 2) / 2**0.5) @ value)
    return np.concatenate(results, axis=2)


class Padded(nn.Module):
    """Mean over the times before each sample's length, which is given as integers."""

    def __init__(self) -> None:
        self.weight = parameter(SIZE, SIZE)

    def valid(self, lengths: Any) -> Any:
        return np.arange(TIMES) < lengths[:, None]

    def forward(self, x: Any, lengths: Any) -> Any:
        valid = self.valid(getattr(lengths, "numpy", lambda: lengths)())[:, :, None].astype(x.dtype)
        return tg.sum(tg.tanh(x @ self.weight) * valid, axis=1) / valid.sum(axis=1)


class PaddedByOne(Padded):
    def valid(self, lengths: Any) -> Any:
        return np.arange(TIMES) <= lengths[:, None]


class PaddedInverted(Padded):
    def valid(self, lengths: Any) -> Any:
        return np.arange(TIMES) >= lengths[:, None]


def padded(module: Any, x: Any, lengths: Any) -> Any:
    rows = zip(x, lengths, strict=True)
    return np.stack([np.tanh(row[:n] @ module.weight.numpy()).mean(axis=0) for row, n in rows])


class Positions(nn.Module):
    """Learned positions."""

    def __init__(self) -> None:
        self.table = parameter(TIMES + 1, SIZE)

    def rows(self, count: int) -> Any:
        return np.arange(count)

    def forward(self, x: Any) -> Any:
        return x + self.table[self.rows(x.shape[1])]


class PositionsFromOne(Positions):
    def rows(self, count: int) -> Any:
        return np.arange(1, count + 1)


class PositionsReversed(Positions):
    def rows(self, count: int) -> Any:
        return np.arange(count)[::-1].copy()


CAUSAL = lambda module: {"causal": 1}  # noqa: E731
by_positions = equals(lambda module, x: x + module.table.numpy()[: x.shape[1]])
CASES = [
    case("causal mask: sees the next time", SeesNext, Attention, X, contract=CAUSAL),
    case("causal mask: transposed", SeesFuture, Attention, X, contract=CAUSAL),
    case("causal mask: after the softmax", MaskedAfterwards, Attention, X, contract=CAUSAL),
    case("causal mask: not low enough", SmallMask, Attention, X, contract=CAUSAL),
    case("causal mask: hides the present", HidesPresent, Attention, X, contract=CAUSAL),
    case("scale 1 / size instead of 1 / sqrt(size)", DividedBySize, Attention, X, contract=equals(attention)),
    case("scale multiplied", ScaledMask, Attention, X, contract=equals(attention)),
    case("softmax over the queries", OverQueries, Attention, X, contract=equals(attention)),
    case("heads mixed with times", MixedHeads, Heads, X, contract=equals(two_heads)),
    case("padding mask off by one", PaddedByOne, Padded, X, np.array([2, 4]), contract=equals(padded)),
    case("padding mask inverted", PaddedInverted, Padded, X, np.array([2, 4]), contract=equals(padded)),
    case("positions from 1", PositionsFromOne, Positions, X, contract=by_positions),
    case("positions reversed", PositionsReversed, Positions, X, contract=by_positions),
]
