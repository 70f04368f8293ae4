"""Workloads in PyTorch, eager, or with torch.compile if BENCHMARK_COMPILE is set."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the usual name)

from benchmarks import workloads
from benchmarks.cores import available

Run = Callable[[], tuple[float, ...]]

torch.set_num_threads(len(available()))
COMPILE = bool(os.environ.get("BENCHMARK_COMPILE"))


def threads() -> str:
    """Return the numbers of threads in use."""
    return f"torch {torch.get_num_threads()}"


class FixedMask(nn.Module):
    """Dropout with a fixed mask, so that losses are comparable."""

    def __init__(self, mask: Any) -> None:
        super().__init__()
        self.mask = torch.from_numpy(mask)

    def forward(self, x: Any) -> Any:
        """Multiply by the mask."""
        return x * self.mask


def _load(model: nn.Module, parameters: list[Any]) -> nn.Module:
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), parameters, strict=True):
            parameter.copy_(torch.from_numpy(values))
    return model


def _stepper(model: nn.Module, optimizer: Any) -> Callable[[Any, Any], Any]:
    """Return a training step; with torch.compile, the model and the loss are compiled."""

    def loss_of(x: Any, y: Any) -> Any:
        return F.cross_entropy(model(x), y)

    forward = torch.compile(loss_of) if COMPILE else loss_of

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = forward(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def trainer(model: nn.Module, x: Any, y: Any, optimizer: Any = None) -> Run:
    """Return a training step on a batch."""
    step = _stepper(model, optimizer or torch.optim.SGD(model.parameters(), lr=workloads.LEARNING_RATE))
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    return lambda: (step(x, y).item(),)


def mnist_network(kernels: Any, weights: Any, dropout: nn.Module) -> nn.Module:
    layers = (nn.Conv2d(1, 16, 3, bias=False), nn.Tanh(), dropout, nn.Flatten(), nn.Linear(10816, 10, bias=False))
    return _load(nn.Sequential(*layers), [kernels, weights])


def mnist_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 1."""
    m = workloads.mnist(sizes)
    model = mnist_network(m["kernels"], m["weights"], FixedMask(m["mask"]) if fixed else nn.Dropout(0.5))
    return trainer(model, m["x"], m["y"])


@torch.no_grad()
def _accuracy(predict: Any, images: Any, labels: Any) -> float:
    parts = torch.from_numpy(workloads.to_float(images)).split(workloads.EVALUATE)
    return float(np.mean(torch.cat([predict(part).argmax(1) for part in parts]).numpy() == labels))


def epoch(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 2, without dropout for the comparison."""
    x, y, x_test, y_test = workloads.digits(sizes)
    model = mnist_network(*workloads.epoch_weights(), nn.Dropout(0.0 if fixed else 0.5))
    optimizer = torch.optim.SGD(model.parameters(), lr=sizes["rate"], momentum=sizes["momentum"])
    step, predict, rates = (
        _stepper(model, optimizer),
        torch.compile(model) if COMPILE else model,
        workloads.rates(sizes),
    )

    def run() -> tuple[float, ...]:
        losses = []
        model.train()
        batches = workloads.epoch_batches(x, y, sizes, np.random.default_rng(0))
        for rate, (images, labels) in zip(rates, batches, strict=True):
            optimizer.param_groups[0]["lr"] = rate
            losses.append(step(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))).item())
        model.eval()
        return float(np.mean(losses)), _accuracy(predict, x, y), _accuracy(predict, x_test, y_test)

    return run


def lenet_network(sizes: workloads.Sizes, parameters: list[Any]) -> nn.Module:
    (one, two), k, hidden = sizes["channels"], sizes["kernel"], sizes["hidden"]
    model = nn.Sequential(
        nn.Conv2d(1, one, k), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(one, two, k), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(parameters[4].shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 10),
    )  # fmt: skip
    return _load(model, parameters)


def lenet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 3."""
    x, y, parameters = workloads.lenet(sizes)
    return trainer(lenet_network(sizes, parameters), x, y)


def mlp_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 5."""
    x, y, parameters = workloads.mlp(sizes)
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes["layers"][:-1], sizes["layers"][1:], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return trainer(_load(nn.Sequential(*layers[:-1]), parameters), x, y)


def convolution(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 4, 4s, 4p, 4d and 4t."""
    a, function = workloads.convolution(sizes), F.conv_transpose2d if sizes["transposed"] else F.conv2d
    settings = {name: sizes[name] for name in ("stride", "padding", "groups")}
    x, w, c = (torch.from_numpy(a[name]) for name in "xwc")
    x.requires_grad_()
    w.requires_grad_()

    def convolve(x: Any, w: Any) -> Any:
        return function(x, w, **settings)

    forward = torch.compile(convolve) if COMPILE else convolve

    def run() -> tuple[float, ...]:
        x.grad = w.grad = None
        maps = forward(x, w)
        maps.backward(c)
        if not fixed:
            return (float(w.grad[0, 0, 0, 0]),)
        gradients = [*workloads.along(x.grad.numpy(), a["along_x"]), *workloads.along(w.grad.numpy(), a["along_w"])]
        return (float((maps.detach() * c).sum()), *gradients)

    return run


class Block(nn.Sequential):
    """Residual block: the sum of its input and the output of its layers."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Return x + f(x)."""
        return x + super().forward(x)


def resnet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 9."""
    x, y, parameters = workloads.resnet(sizes)
    one, two, three = sizes["channels"]
    model = nn.Sequential(
        nn.Conv2d(1, one, 3, padding=1, bias=False), Block(one),
        nn.Conv2d(one, two, 3, stride=2, padding=1, bias=False), Block(two),
        nn.Conv2d(two, three, 3, stride=2, padding=1, bias=False), Block(three),
        nn.BatchNorm2d(three), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(three, 10),
    )  # fmt: skip
    return trainer(_load(model, parameters), x, y)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """Return a convolution without bias, and batch normalization."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Residual block of ResNet-18."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = outputs // inputs
        self.one, self.two = _convolution(inputs, outputs, 3, stride), _convolution(outputs, outputs, 3)
        self.downsample = _convolution(inputs, outputs, 1, stride) if stride > 1 else None

    def forward(self, x: Any) -> Any:
        """Map images to images."""
        shortcut = self.downsample(x) if self.downsample else x
        return F.relu(self.two(F.relu(self.one(x))) + shortcut)


def resnet18_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 13."""
    x, y, parameters = workloads.resnet18(sizes)
    one, two, three, four = (sizes["width"] * k for k in (1, 2, 4, 8))
    model = nn.Sequential(
        _convolution(3, one, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        BasicBlock(one, one), BasicBlock(one, one), BasicBlock(one, two), BasicBlock(two, two),
        BasicBlock(two, three), BasicBlock(three, three), BasicBlock(three, four), BasicBlock(four, four),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(four, 10),
    )  # fmt: skip
    return trainer(_load(model, parameters), x, y)


class LSTMClassifier(nn.Module):
    """LSTM, and a linear layer on its last state."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm, self.linear = nn.LSTM(inputs, hidden, batch_first=True), nn.Linear(hidden, 10)

    def forward(self, x: Any) -> Any:
        """Map sequences (N, L, inputs) to logits (N, 10)."""
        states, _ = self.lstm(x)
        return self.linear(states[:, -1])


def lstm_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 10 and 15."""
    x, y, parameters = workloads.lstm(sizes)
    return trainer(_load(LSTMClassifier(sizes["inputs"], sizes["hidden"]), parameters), x, y)


class CharGPT(nn.Module):
    """Network of `models.char_gpt`."""

    def __init__(self, size: int, length: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(size, width), nn.Embedding(length, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, size)
        self.mask = nn.Transformer.generate_square_subsequent_mask(length)

    def forward(self, codes: Any) -> Any:
        """Map characters (N, L) to logits (N, size, L)."""
        x = self.characters(codes) + self.places(torch.arange(codes.shape[1]))
        for layer in self.layers:
            x = layer(x, src_mask=self.mask, is_causal=True)
        return self.head(self.norm(x)).transpose(1, 2)


def transformer_network(sizes: workloads.Sizes, parameters: dict[str, Any]) -> nn.Module:
    model = CharGPT(**{name: sizes[name] for name in ("size", "length", "width", "heads", "layers")})
    model.load_state_dict({name: torch.from_numpy(values) for name, values in parameters.items()})
    return model


def transformer_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 11 and 14."""
    x, y, parameters = workloads.transformer(sizes)
    model = transformer_network(sizes, parameters)
    return trainer(model, x, y, torch.optim.AdamW(model.parameters(), **workloads.ADAMW))


def evaluation(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 12."""
    _, _, images, labels = workloads.digits(sizes)
    model = mnist_network(*workloads.epoch_weights(), nn.Dropout(0.5)).eval()
    predict = torch.compile(model) if COMPILE else model
    return lambda: (_accuracy(predict, images, labels),)


def chain(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 6 and 7; not offered with torch.compile, which would unroll the chain into one kernel."""
    if COMPILE:
        raise NotImplementedError("a compiled chain is one kernel, without a time per op.")
    *arrays, turns = workloads.chain(sizes)
    x0, w, b, v = leaves = [torch.from_numpy(a).requires_grad_() for a in arrays]

    def run() -> tuple[float, ...]:
        for leaf in leaves:
            leaf.grad = None
        x = x0
        for _ in range(turns):
            x = torch.relu(x * w + b) * v
        loss = x.sum()
        loss.backward()
        return (loss.item(), *(float(leaf.grad.sum()) for leaf in leaves))

    return run
