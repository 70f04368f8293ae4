"""Workloads in this package, as its users write them: modules, a loss, backward, an optimizer."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks import workloads
from tinygrad_edu import data, nn, optim
from tinygrad_edu.parallel import available_cores, sharded_value_and_grad
from tinygrad_edu.training import Accuracy, Steps, evaluate

Run = Callable[[], tuple[float, ...]]
SHARD_SIZE = 64


def threads() -> str:
    """Return the numbers of threads in use."""
    return f"shards on {available_cores()} with BLAS 1; a whole batch with BLAS {available_cores()}"


class FixedMask(nn.Module):
    """Dropout with a fixed mask, so that losses are comparable."""

    def __init__(self, mask: Any) -> None:
        self.mask = tg.from_numpy(mask)

    def forward(self, x: Any) -> Any:
        """Multiply by the mask."""
        return x * self.mask


def sgd(model: nn.Module) -> optim.Optimizer:
    return optim.SGD(model.parameters(), lr=workloads.LEARNING_RATE)


def plain_trainer(model: nn.Module, x: Any, y: Any) -> Run:
    """Return a training step on the whole batch, as a loop by hand takes it."""
    optimizer = sgd(model)

    def step() -> tuple[float, ...]:
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(tg.from_numpy(x)), y)
        loss.backward()
        optimizer.step()
        return (loss.item(),)

    return step


def sharded_trainer(
    model: nn.Module, x: Any, y: Any, shard_size: int = SHARD_SIZE, optimizer: optim.Optimizer | None = None,
    **where: Any,
) -> Run:  # fmt: skip
    """Return a training step on a batch in shards, as in the training loop; `where` selects threads or workers."""
    parameters, rng, optimizer = model.parameters(), np.random.default_rng(0), optimizer or sgd(model)

    def step() -> tuple[float, ...]:
        loss, gradients = sharded_value_and_grad(model, tg.cross_entropy, x, y, rng, shard_size=shard_size, **where)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        return (loss,)

    return step


def mnist_network(kernels: Any, weights: Any, dropout: nn.Module) -> nn.Sequential:
    convolution = nn.Conv2D(1, 16, 3, bias=False)
    linear = nn.Linear(16 * 26 * 26, 10, bias=False)
    convolution.weight.data, linear.weight.data = kernels, weights
    return nn.Sequential(convolution, nn.Tanh(), dropout, nn.Flatten(), linear)


def mnist_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 1."""
    m = workloads.mnist(sizes)
    dropout = FixedMask(m["mask"]) if fixed else nn.Dropout(0.5, rng=np.random.default_rng(0))
    return sharded_trainer(mnist_network(m["kernels"], m["weights"], dropout), m["x"], m["y"])


def epoch(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 2, without dropout for the comparison."""
    x, y, x_test, y_test = workloads.digits(sizes)
    dropout = nn.Dropout(0.0 if fixed else 0.5, rng=np.random.default_rng(0))
    model = mnist_network(*workloads.epoch_weights(), dropout)
    optimizer = optim.SGD(model.parameters(), lr=sizes["rate"], momentum=sizes["momentum"])
    steps = Steps(
        model, optimizer, tg.cross_entropy, np.random.default_rng(0), schedule=workloads.rates(sizes).__getitem__,
        shard_size=SHARD_SIZE,
    )  # fmt: skip

    def run() -> tuple[float, ...]:
        rng = np.random.default_rng(0)
        loader = data.DataLoader(
            x, y, batch_size=sizes["batch"], rng=rng, drop_last=True,
            transform=lambda x, y: (data.to_float(data.random_shift(x, sizes["shift"], rng)), y),
        )  # fmt: skip
        losses = [step.loss for step in steps.run(loader)]
        sets = ((data.to_float(images), labels) for images, labels in ((x, y), (x_test, y_test)))
        return (float(np.mean(losses)), *(_accuracy(model, each) for each in sets))

    return run


def lenet_network(sizes: workloads.Sizes, parameters: list[Any]) -> nn.Module:
    (one, two), k, hidden = sizes["channels"], sizes["kernel"], sizes["hidden"]
    model = nn.Sequential(
        nn.Conv2D(1, one, k), nn.ReLU(), nn.MaxPool2D(2),
        nn.Conv2D(one, two, k), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(),
        nn.Linear(parameters[4].shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 10),
    )  # fmt: skip
    return _loaded(model, parameters)


def lenet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 3."""
    x, y, parameters = workloads.lenet(sizes)
    return sharded_trainer(lenet_network(sizes, parameters), x, y)


def mlp_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 5."""
    x, y, parameters = workloads.mlp(sizes)
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes["layers"][:-1], sizes["layers"][1:], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return plain_trainer(_loaded(nn.Sequential(*layers[:-1]), parameters), x, y)


def _loaded(model: nn.Module, parameters: list[Any]) -> nn.Module:
    for parameter, values in zip(model.parameters(), parameters, strict=True):
        parameter.data = values
    return model


def convolution(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 4, 4s, 4p, 4d and 4t, with the gradient of the images, as inside a network."""
    a, function = workloads.convolution(sizes), tg.conv_transpose2d if sizes["transposed"] else tg.conv2d
    settings = {name: sizes[name] for name in ("stride", "padding", "groups")}
    x, w = tg.Tensor(a["x"], requires_grad=True), tg.Tensor(a["w"], requires_grad=True)

    def run() -> tuple[float, ...]:
        x.grad = w.grad = None
        maps = function(x, w, **settings)
        maps.backward(a["c"])
        if not fixed:
            return (float(w.grad[0, 0, 0, 0]),)
        gradients = workloads.along(x.grad, a["along_x"]) + workloads.along(w.grad, a["along_w"])
        return (float(np.vdot(maps.data, a["c"])), *gradients)

    return run


def _block(channels: int) -> nn.Module:
    return nn.Residual(
        nn.BatchNorm2D(channels), nn.ReLU(), nn.Conv2D(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2D(channels), nn.ReLU(), nn.Conv2D(channels, channels, 3, padding=1, bias=False),
    )  # fmt: skip


def resnet_network(sizes: workloads.Sizes, parameters: list[Any]) -> nn.Module:
    one, two, three = sizes["channels"]
    model = nn.Sequential(
        nn.Conv2D(1, one, 3, padding=1, bias=False), _block(one),
        nn.Conv2D(one, two, 3, stride=2, padding=1, bias=False), _block(two),
        nn.Conv2D(two, three, 3, stride=2, padding=1, bias=False), _block(three),
        nn.BatchNorm2D(three), nn.ReLU(), nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(three, 10),
    )  # fmt: skip
    return _loaded(model, parameters)


def resnet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 9; batch normalization requires the whole batch."""
    x, y, parameters = workloads.resnet(sizes)
    return plain_trainer(resnet_network(sizes, parameters), x, y)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution without bias, and batch normalization."""
    convolution = nn.Conv2D(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2D(outputs))


class BasicBlock(nn.Module):
    """Residual block of ResNet-18."""

    def __init__(self, inputs: int, outputs: int) -> None:
        stride = outputs // inputs
        self.one, self.two = _convolution(inputs, outputs, 3, stride), _convolution(outputs, outputs, 3)
        self.downsample = _convolution(inputs, outputs, 1, stride) if stride > 1 else None

    def forward(self, x: Any) -> Any:
        """Map images to images."""
        shortcut = self.downsample(x) if self.downsample else x
        return tg.relu(self.two(tg.relu(self.one(x))) + shortcut)


def resnet18_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 13."""
    x, y, parameters = workloads.resnet18(sizes)
    one, two, three, four = (sizes["width"] * k for k in (1, 2, 4, 8))
    model = nn.Sequential(
        _convolution(3, one, 7, 2), nn.ReLU(), nn.MaxPool2D(3, 2, padding=1),
        BasicBlock(one, one), BasicBlock(one, one), BasicBlock(one, two), BasicBlock(two, two),
        BasicBlock(two, three), BasicBlock(three, three), BasicBlock(three, four), BasicBlock(four, four),
        nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(four, 10),
    )  # fmt: skip
    return plain_trainer(_loaded(model, parameters), x, y)


class LSTMClassifier(nn.Module):
    """LSTM, and a linear layer on its last state."""

    def __init__(self, inputs: int, hidden: int) -> None:
        self.lstm, self.linear = nn.LSTM(inputs, hidden, batch_first=True), nn.Linear(hidden, 10)

    def forward(self, x: Any) -> Any:
        """Map sequences (N, L, inputs) to logits (N, 10)."""
        states, _ = self.lstm(x)
        return self.linear(states[:, -1])


def lstm_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 10 and 15."""
    x, y, parameters = workloads.lstm(sizes)
    return sharded_trainer(_loaded(LSTMClassifier(sizes["inputs"], sizes["hidden"]), parameters), x, y)


class CharGPT(nn.Module):
    """Network of `models.char_gpt`."""

    def __init__(self, size: int, length: int, width: int, heads: int, layers: int) -> None:
        self.characters, self.places = nn.Embedding(size, width), nn.Embedding(length, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, size)

    def forward(self, codes: Any) -> Any:
        """Map characters (N, L) to logits (N, size, L)."""
        x = self.characters(codes) + self.places(np.arange(codes.shape[-1]))
        for layer in self.layers:
            x = layer(x, is_causal=True)
        return self.head(self.norm(x)).swapaxes(1, 2)


def transformer_network(sizes: workloads.Sizes, parameters: dict[str, Any]) -> nn.Module:
    model = CharGPT(**{name: sizes[name] for name in ("size", "length", "width", "heads", "layers")})
    model.load_state_dict(parameters)
    return model


def transformer_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 11 and 14, with the shard size of the training of `models.char_gpt`."""
    x, y, parameters = workloads.transformer(sizes)
    model = transformer_network(sizes, parameters)
    return sharded_trainer(
        model, x, y, shard_size=min(8, len(x) // 2), optimizer=optim.AdamW(model.parameters(), **workloads.ADAMW)
    )


def evaluation(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 12."""
    _, _, images, labels = workloads.digits(sizes)
    model = mnist_network(*workloads.epoch_weights(), nn.Dropout(0.5))
    return lambda: (_accuracy(model, (data.to_float(images), labels)),)


def _accuracy(model: nn.Module, batch: Any) -> float:
    found: float = evaluate(model, batch, {"accuracy": Accuracy()}, shard_size=SHARD_SIZE)["accuracy"]
    return found


def chain(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 6 and 7."""
    *arrays, turns = workloads.chain(sizes)
    x0, w, b, v = leaves = [tg.Tensor(a, requires_grad=True) for a in arrays]

    def run() -> tuple[float, ...]:
        for leaf in leaves:
            leaf.grad = None
        x = x0
        for _ in range(turns):
            x = tg.relu(x * w + b) * v
        loss = x.sum()
        loss.backward()
        return (loss.item(), *(float(leaf.grad.sum()) for leaf in leaves))

    return run
