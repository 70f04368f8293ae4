"""A model and its training, as a user writes them. `test_types.py` checks the types."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import tinygrad_edu as tg
from tinygrad_edu import nn, optim

Array = NDArray[Any]
RNG = np.random.default_rng(0)


class Block(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(size), nn.Linear(size, size, rng=RNG)

    def forward(self, x: tg.Tensor, scale: float = 1.0) -> tg.Tensor:
        return x + scale * nn.Tanh()(self.linear(self.norm(x)))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(4) for _ in range(2))
        self.heads = nn.ModuleDict({"class": nn.Linear(4, 3, rng=RNG)})
        self.body = nn.Sequential(nn.Flatten(), nn.Dropout(0.1, rng=RNG), nn.ReLU())

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        for block in self.blocks:
            x = block(x, scale=0.5)
        return self.heads["class"](self.body(x))


class Frozen(Net):
    def forward(self, x: tg.Tensor) -> tg.Tensor:
        with tg.no_grad():
            return super().forward(x)


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, rng=RNG)

    def forward(self, x: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        out, (h, _) = self.lstm(x)
        return out, h


def accuracy(model: nn.Module, x: tg.Tensor, labels: Array) -> float:
    assert_type(model(x), Any)
    return float((Net()(x).argmax(axis=1) == labels).mean())


def train() -> None:
    images, labels = RNG.standard_normal((6, 4), np.float32), np.arange(6) % 3
    model, schedule = Net(), optim.schedules.cosine(0.1, 3)
    optimizer = optim.Adam(model.parameters(), lr=schedule(0))
    for x, y in tg.data.DataLoader(images, labels, batch_size=3, rng=RNG):
        assert_type(x, Array)
        optimizer.zero_grad()
        logits = model(tg.Tensor(x))
        loss = nn.cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        assert_type(logits, tg.Tensor)
        assert_type(loss, tg.Tensor)
        assert_type(loss.item(), float)
        assert_type(model.heads["class"].weight.grad, Array | None)
        assert_type(nn.CrossEntropyLoss()(logits, y), tg.Tensor)
    for batch in tg.data.DataLoader({"x": images}, batch_size=2):
        assert_type(batch, dict[str, Array])
    accuracy(model, tg.Tensor(images), labels)


x, image = tg.ones((2, 4)), tg.ones((1, 1, 4, 4))
array = x.numpy()
assert_type(Frozen()(x), tg.Tensor)
assert_type(Tagger()(x), tuple[tg.Tensor, tg.Tensor])
assert_type(nn.functional_call(Tagger(), {}, x), tuple[tg.Tensor, tg.Tensor])
assert_type(nn.Linear(4, 2)(array), tg.Tensor)
assert_type(nn.ReLU()(x), tg.Tensor)
assert_type(nn.ReLU()(array), Array)
assert_type(nn.BatchNorm1D(4)(x), tg.Tensor)
assert_type(nn.BatchNorm1D(4)(array), tg.Tensor | Array)
assert_type(nn.MaxPool2D(2)(image), tg.Tensor)
assert_type(nn.Conv2D(1, 2, 3)(image), tg.Tensor)
assert_type(nn.Identity()(2.5), float)
assert_type(nn.Residual(nn.Linear(4, 4))(x), tg.Tensor)
assert_type(nn.Sequential(nn.Linear(4, 3), nn.Tanh())(array), tg.Tensor)
assert_type(nn.Sequential(nn.Linear(4, 4), nn.GRU(4, 3))(x), tuple[tg.Tensor, tg.Tensor])
assert_type(nn.Sequential({"linear": nn.Linear(4, 3)})(x), tg.Tensor)
assert_type(nn.LSTM(4, 3)(x), tuple[tg.Tensor, tuple[tg.Tensor, tg.Tensor]])
packed = nn.pack_padded_sequence(tg.ones((3, 1, 4)), [3])
assert_type(nn.pad_packed_sequence(nn.GRU(4, 3)(packed)[0])[0], tg.Tensor | Array)
assert_type(nn.LSTMCell(4, 3)(x), tuple[tg.Tensor, tg.Tensor])
assert_type(nn.GRUCell(4, 3)(x), tg.Tensor)
assert_type(nn.MultiheadAttention(4, 2)(x, x, x), tuple[tg.Tensor, tg.Tensor | None])
assert_type(nn.TransformerEncoderLayer(4, 2, 8)(x), tg.Tensor)
assert_type(nn.MSELoss()(x, array), tg.Tensor)
assert_type(nn.MSELoss()(array, array), Array)
assert_type(nn.TripletMarginLoss()(array, array, x), tg.Tensor)
train()
