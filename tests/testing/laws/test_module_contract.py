"""Contracts of modules: each wrong module fails with the named law, and its correct counterpart passes."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.testing.modules import made
from tinygrad_edu import nn
from tinygrad_edu.errors import DataError
from tinygrad_edu.testing import LawBroken, check_module, run_check

TIMES, SIZE = 5, 4
X = np.random.default_rng(5).normal(size=(2, TIMES, SIZE))
TOKENS = np.array([[0, 3, 1, 2, 3], [2, 0, 1, 1, 3]])


def parameter(*shape, seed=0):
    return tg.Tensor(np.random.default_rng(seed).normal(size=shape) / 2, requires_grad=True, dtype=np.float32)


def law_of(module, *inputs, **contract):
    """Return the law that a module breaks, or "" if it passes."""
    report = run_check(check_module, module, *inputs, **contract)
    return report.verdicts[0].law if report.status == "wrong" else ""


# --- Causality, with floating-point inputs and with tokens ---


def attention(offset=0, scale=SIZE**-0.5, axis=-1, mask=-1e9):
    """Return causal attention. Keys up to the time of the query plus `offset` are visible."""

    def forward(self, x):
        scores = x @ self.query @ tg.swapaxes(x @ self.key, 1, 2) * scale
        visible = np.tril(np.ones((TIMES, TIMES), bool), offset)
        return tg.softmax(tg.where(visible, scores, mask), axis=axis) @ (x @ self.value)

    names = ("query", "key", "value")
    return made(forward, **{name: parameter(SIZE, SIZE, seed=k) for k, name in enumerate(names)})


def plain_attention(m, x):
    scores = x @ m.query.numpy() @ np.swapaxes(x @ m.key.numpy(), 1, 2) / SIZE**0.5
    e = np.where(np.tril(np.ones((TIMES, TIMES), bool)), np.exp(scores), 0)
    return e / e.sum(axis=-1, keepdims=True) @ (x @ m.value.numpy())


def shifted(by):
    """Return a running sum of the inputs up to a time plus `by`."""
    return made(lambda self, x: np.tril(np.ones((TIMES, TIMES)), by).astype(x.dtype) @ x)


def language(by=0):
    """Return the running mean of the embeddings of tokens."""

    def forward(self, tokens):
        weights = np.tril(np.ones((TIMES, TIMES)), by) / np.arange(1, TIMES + 1)[:, None]
        return weights.astype(self.table.dtype) @ tg.tanh(self.table[tokens.numpy()])

    return made(forward, table=parameter(4, SIZE))


def convolution(left):
    def forward(self, x):
        return self.conv(tg.pad(x, {-1: (left, 2 - left)}))

    return made(forward, conv=nn.Conv1D(SIZE, 3, 3, rng=np.random.default_rng(0)))


CHANNELS = X.swapaxes(1, 2)
# name: (the law that is broken, the module, its input, the contract)
CAUSAL = {
    "attention": ("", attention(), X, 1),
    "attention to the next time": ("causal (train)", attention(1), X, 1),
    "attention without the present": ("causal (train)", attention(-1), X, 1),
    "a small mask": ("causal (train)", attention(mask=-15.0), X, 1),
    "softmax over the queries": ("causal (train)", attention(axis=-2), X, 1),
    "a sum": ("", shifted(0), X, 1),
    "a sum of earlier inputs": ("present", shifted(-1), X, 1),
    "later inputs in evaluation": (
        "causal (eval)", made(lambda self, x: x * 1.0 if self.training else x[:, ::-1] + x), X, 1),
    "tokens": ("", language(), TOKENS, 1),
    "next tokens": ("causal (train)", language(1), TOKENS, 1),
    "earlier tokens": ("present", language(-1), TOKENS, 1),
    "equal tokens": ("", language(1), np.ones((2, TIMES), int), 1),
    "a convolution": ("", convolution(2), CHANNELS, 2),
    "a convolution along the last axis": ("", convolution(2), CHANNELS, -1),
    "a centered convolution": ("causal (train)", convolution(1), CHANNELS, 2),
    "a recurrence": ("", nn.GRU(SIZE, 2, batch_first=True, rng=np.random.default_rng(0)), X, 1),
    "two directions": (
        "causal (train)",
        nn.GRU(SIZE, 2, batch_first=True, bidirectional=True, rng=np.random.default_rng(0)), X, 1),
    "a dict with a mask": ("", made(lambda self, x: {"y": tg.cumsum(x, 1), "mask": np.tri(TIMES)}), X, 1),
    "zeros by chance": ("", made(lambda self, x: tg.relu(x[..., :1])), X, 1),
}  # fmt: skip


@pytest.mark.parametrize(("law", "module", "x", "axis"), CAUSAL.values(), ids=CAUSAL)
def test_causality(law, module, x, axis):
    assert law_of(module, x, causal=axis) == law


def test_the_message_names_the_times():
    with pytest.raises(LawBroken, match="along axis 1: the result at time 0 depends on the input at time 1"):
        check_module(attention(1), X, causal=1)
    with pytest.raises(LawBroken, match=r"the result at time 0 along axis 1 does not depend.*skip=\('present',\)"):
        check_module(shifted(-1), X, causal=1)
    check_module(shifted(-1), X, causal=1, skip=("present",))


def test_a_mask_is_not_a_sequence():
    module = made(lambda self, x, mask: tg.softmax(tg.where(mask, x @ tg.swapaxes(x, 1, 2), -1e9)) @ x)
    check_module(module, X, np.tri(TIMES, dtype=bool), causal=1)
    assert law_of(module, X, np.tri(TIMES, k=1, dtype=bool), causal=1) == "causal (train)"


def test_an_axis_that_the_module_lacks():
    with pytest.raises(DataError, match=r"causal=1.*inputs have the shapes \[\(2, 5, 4\)\], and the results \[\(2,"):
        check_module(made(lambda self, x: x.sum(axis=(1, 2))), X, causal=1)
    with pytest.raises(DataError, match="causal=3"):
        check_module(nn.Tanh(), X, causal=3)


# --- A reference ---


def normalization(axis=-1, eps=1e-5, sign=1):
    """Return layer normalization over an axis, with a weight and a bias."""

    def forward(self, x):
        centered = x - x.mean(axis=axis, keepdims=True)
        y = centered / tg.sqrt((centered**2).mean(axis=axis, keepdims=True) + eps) * self.weight
        return y + sign * self.bias

    ones = np.ones(SIZE, np.float32)
    return made(forward, **{name: tg.Tensor(k * ones, requires_grad=True) for k, name in enumerate(("bias", "weight"))})


def normalized(m, x):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return y * m.weight.numpy() + m.bias.numpy()


def returning(*keys):
    """Return a module with a result of these keys."""
    return made(lambda self, x: {key: x * k for k, key in enumerate(keys, 1)})


# name: (whether the module equals the reference, the module, the reference)
REFERENCES = {
    "attention": (True, attention(), plain_attention),
    "another scale": (False, attention(scale=1 / SIZE), plain_attention),
    "another axis": (False, attention(axis=1), plain_attention),
    "normalization": (True, normalization(), normalized),
    "normalization over another axis": (False, normalization(1), normalized),
    "another epsilon": (False, normalization(eps=1e-6), normalized),
    "a bias of the wrong sign, 0 here": (False, normalization(sign=-1), normalized),
    "in float32": (True, nn.Tanh(), lambda m, x: np.tanh(x.astype(np.float32))),
    "of Tensors": (True, nn.Tanh(), lambda m, x: tg.tanh(x)),
    "of another shape": (False, nn.Tanh(), lambda m, x: np.tanh(x)[:1]),
    "a dict": (True, returning("a", "b"), lambda m, x: {"b": 2 * x, "a": x}),
    "a dict of other names": (True, returning("a", "b"), lambda m, x: (x, 2 * x)),
    "a part": (True, returning("a", "b"), lambda m, x: {"a": None, "b": 2 * x}),
    "a wrong part": (False, returning("a", "b"), lambda m, x: {"a": None, "b": x}),
    "too little": (False, returning("a", "b"), lambda m, x: 2 * x),
    "in training only": (False, made(lambda self, x: x * 2 if self.training else x * 3), lambda m, x: 2 * x),
}  # fmt: skip


@pytest.mark.parametrize(("is_equal", "module", "reference"), REFERENCES.values(), ids=REFERENCES)
def test_a_reference(is_equal, module, reference):
    assert law_of(module, X, reference=lambda x: reference(module, x)) == ("" if is_equal else "reference")


def test_the_message_of_a_reference():
    wrong = made(lambda self, x: tg.where(x == X[1, 2, 3].astype(x.dtype), 0 * x, x))
    with pytest.raises(LawBroken, match=r"differs from the reference: at \(1, 2, 3\), 0 instead of -?\d"):
        check_module(wrong, X, reference=lambda x: x, skip=("slope (train)", "slope (eval)"))
    module = normalization(sign=-1)
    with pytest.raises(LawBroken, match="differs from the reference, after a change of bias: at"):
        check_module(module, X, reference=lambda x: normalized(module, x))
    with pytest.raises(LawBroken, match=r"has an array .* at \['a'\], .* at \['b'\], and the result of the refer"):
        check_module(returning("a", "b"), X, reference=lambda x: x)


def test_a_reference_with_copies_of_the_parameters():
    """The copies do not follow the change of a parameter, which is then left out."""
    module = normalization()
    copied = made(None, weight=tg.Tensor(module.weight.numpy().copy()), bias=module.bias)
    check_module(module, X, reference=lambda x: normalized(copied, x))


# --- Parameters ---


class Tied(nn.Module):
    """A table of embeddings that is also the weight of the head."""

    def __init__(self, tie=True):
        self.table = parameter(4, SIZE)
        self.head = [self.table if tie else tg.Tensor(self.table.numpy().copy(), requires_grad=True)]

    def forward(self, tokens):
        return tg.tanh(self.table[tokens.numpy()]) @ self.head[0].T


class UntiedInForward(Tied):
    def forward(self, tokens):
        self.head[0] = tg.Tensor(self.table.numpy().copy(), requires_grad=True)
        return super().forward(tokens)


class UntiedByLoading(Tied):
    def load_state_dict(self, state_dict, strict=True):
        for owner, key, name in ((vars(self), "table", "table"), (self.head, 0, "head.0")):
            owner[key] = tg.Tensor(state_dict[name], requires_grad=True)


class UntiedCopy(Tied):
    def __deepcopy__(self, memo):
        return type(self)(tie=False)


TIES = {"tied": (Tied(), ""), "a copy": (Tied(tie=False), "ties"), "in the forward": (UntiedInForward(), "ties"),
        "by loading": (UntiedByLoading(), "ties"), "by copying": (UntiedCopy(), "ties")}  # fmt: skip


@pytest.mark.parametrize(("module", "law"), TIES.values(), ids=TIES)
@pytest.mark.parametrize("ties", [("table", "head.0"), [("table", "head.0")]])
def test_ties(module, law, ties):
    assert law_of(module, TOKENS, ties=ties) == law


def test_modules_that_are_one():
    layer = nn.Linear(SIZE, SIZE, rng=np.random.default_rng(0))
    model = made(lambda self, x: self.second(self.first(x)), first=layer, second=layer)
    check_module(model, X, ties=[("first.weight", "second.weight"), ("first.bias", "second.bias")])


class Pair(nn.Module):
    """Two layers. The second runs in training, in evaluation or never."""

    def __init__(self, second_in=()):
        self.first, self.second = (nn.Linear(SIZE, 1, rng=np.random.default_rng(k)) for k in range(2))
        self.second_in = second_in

    def forward(self, x):
        return self.first(x) + self.second(x) if self.training in self.second_in else self.first(x)


SECOND = ("second.weight", "second.bias")
USES = {
    "never": (Pair(), (), "parameters"), "never, as stated": (Pair(), SECOND, ""),
    "never, half stated": (Pair(), "second.bias", "parameters"), "in training": (Pair([True]), (), ""),
    "in evaluation": (Pair([False]), (), ""),
    "in training, against the statement": (Pair([True]), SECOND, "parameters"),
    "never, frozen": (Pair().requires_grad_(False), (), ""),
    "a gradient of 0": (made(lambda self, x: x * (0 * self.w), w=parameter(SIZE)), (), ""),
}  # fmt: skip


@pytest.mark.parametrize(("module", "unused", "law"), USES.values(), ids=USES)
def test_unused_parameters(module, unused, law):
    assert law_of(module, X, unused=unused) == law


def test_the_names_of_unused_parameters():
    with pytest.raises(LawBroken, match=r"depends on second.weight, second.bias, .*unused=\('second.weight', 'sec"):
        check_module(Pair(), X)


@pytest.mark.parametrize("contract", [{"unused": ["third.weight"]}, {"ties": [("first.weight", "third.weight")]}])
def test_names_that_the_module_lacks(contract):
    with pytest.raises(DataError, match=r"names 'third.weight', which is not a parameter of Pair; expected one of"):
        check_module(Pair(), X, **contract)
