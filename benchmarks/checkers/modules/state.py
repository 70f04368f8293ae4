"""Dropout, tied weights, unused parameters, caches and counters."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.modules.contract import case, draw, equals, parameter
from tinygrad_edu import nn

X = draw(6, 4)
TOKENS = np.array([[0, 2, 1], [3, 3, 4]])


class Dropout(nn.Module):
    """Inverted dropout, whose mean over draws is its input."""

    unbiased = True

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def mask(self, x: Any) -> Any:
        return (self.rng.random(x.shape) < 0.7).astype(x.dtype)

    def forward(self, x: Any) -> Any:
        return x * self.mask(x) / 0.7 if self.training else x


class Unscaled(Dropout):
    def forward(self, x: Any) -> Any:
        return x * self.mask(x) if self.training else x


class ScaledInEvaluation(Dropout):
    def forward(self, x: Any) -> Any:
        return x * self.mask(x) / 0.7 if self.training else 0.7 * x


class ScaledByP(Dropout):
    def forward(self, x: Any) -> Any:
        return x * self.mask(x) / 0.3 if self.training else x


class MaskedTwice(Dropout):
    def forward(self, x: Any) -> Any:
        return x * self.mask(x) * self.mask(x) / 0.7 if self.training else x


class AlwaysDrops(Dropout):
    def forward(self, x: Any) -> Any:
        return x * self.mask(x) / 0.7


class OneMaskForAll(Dropout):
    """The mask is drawn once and kept."""

    def mask(self, x: Any) -> Any:
        if not hasattr(self, "kept"):
            self.kept = super().mask(x)
        return self.kept.astype(x.dtype)


class Block(nn.Module):
    """A linear layer and dropout."""

    unbiased = True

    def __init__(self) -> None:
        self.weight, self.dropout = parameter(4, 4), nn.Dropout(0.3, rng=np.random.default_rng(0))

    def forward(self, x: Any) -> Any:
        return self.dropout(x @ self.weight)


class DropsTwice(Block):
    """Both draws are scaled, but half of the elements are dropped instead of 30 %."""

    def forward(self, x: Any) -> Any:
        return self.dropout(self.dropout(x @ self.weight))


class Language(nn.Module):
    """An embedding and a head with the same weight."""

    def __init__(self) -> None:
        self.embedding = parameter(5, 4)
        self.head = self.embedding

    def forward(self, tokens: Any) -> Any:
        tokens = getattr(tokens, "numpy", lambda: tokens)()
        return tg.tanh(self.embedding[tokens]) @ self.head.T


class UntiedCopy(Language):
    def __init__(self) -> None:
        super().__init__()
        self.head = tg.Tensor(self.embedding.numpy().copy(), requires_grad=True)


class UntiedByLoading(Language):
    def load_state_dict(self, state: Any, strict: bool = True) -> Any:
        self.embedding = tg.Tensor(np.array(state["embedding"]), requires_grad=True)
        self.head = tg.Tensor(np.array(state.get("head", state["embedding"])), requires_grad=True)


class Affine(nn.Module):
    """A linear layer with a bias."""

    def __init__(self) -> None:
        self.weight, self.bias = parameter(4, 3), parameter(3, seed=1)

    def forward(self, x: Any) -> Any:
        return x @ self.weight + self.bias


class ForgottenBias(Affine):
    def forward(self, x: Any) -> Any:
        return x @ self.weight


class BiasAsArray(Affine):
    """The bias is added as a NumPy array, without a gradient."""

    def forward(self, x: Any) -> Any:
        return x @ self.weight + self.bias.numpy()


class Counter(nn.Module):
    """A learning-rate warmup that counts its training calls in a buffer."""

    def __init__(self) -> None:
        self.count = tg.Tensor(np.zeros((), np.float32))

    def forward(self, x: Any) -> Any:
        if self.training:
            self.count.assign(self.count.numpy() + 1)
            return x
        return x * (1 + self.count.numpy()).astype(x.dtype)


class UnsavedCounter(Counter):
    def __init__(self) -> None:
        self.calls = 0

    def forward(self, x: Any) -> Any:
        if self.training:
            self.calls += 1
            return x
        return x * (1 + self.calls)


class CachedProduct(Affine):
    """The product is computed once for each shape."""

    def forward(self, x: Any) -> Any:
        self.cache = getattr(self, "cache", None) or {}
        if x.shape not in self.cache:
            self.cache[x.shape] = x.numpy() @ self.weight.numpy()
        return self.cache[x.shape] + self.bias


class WritesInput(Affine):
    def forward(self, x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            x.data[...] = np.clip(x.numpy(), -1, 1)
        return x @ self.weight + self.bias


def affine(module: Any, x: Any) -> Any:
    return x @ module.weight.numpy() + module.bias.numpy()


def tied(module: Any) -> Any:
    return {"ties": [("embedding", "head")]}


CASES = [
    case("dropout unscaled", Unscaled, Dropout, X),
    case("dropout scaled in evaluation, too", ScaledInEvaluation, Dropout, X),
    case("dropout divided by p", ScaledByP, Dropout, X),
    case("dropout masked twice, scaled once", MaskedTwice, Dropout, X),
    case("dropout in evaluation", AlwaysDrops, Dropout, X, contract=equals(lambda module, x: x)),
    case("dropout with one mask for all calls", OneMaskForAll, Dropout, X),
    case("dropout applied twice", DropsTwice, Block, X),
    case("untied copy", UntiedCopy, Language, TOKENS, contract=tied),
    case("untied by loading", UntiedByLoading, Language, TOKENS, contract=tied),
    case("bias forgotten", ForgottenBias, Affine, X),
    case("bias without a gradient", BiasAsArray, Affine, X),
    case("counter outside of the state dict", UnsavedCounter, Counter, X),
    case("cached product", CachedProduct, Affine, X, contract=equals(affine)),
    case("writes into its input", WritesInput, Affine, X),
]
