"""Workloads in tinygrad (the compiler; unrelated to this project): each step is captured by its TinyJit."""

from collections.abc import Callable
from typing import Any

import numpy as np
from tinygrad import Tensor, TinyJit
from tinygrad.helpers import NUM_CPU_THREADS, Context
from tinygrad.nn.optim import SGD

from benchmarks import workloads

Run = Callable[[], tuple[float, ...]]


def threads() -> str:
    """Return the numbers of threads in use."""
    return f"kernels on {NUM_CPU_THREADS.value}"


def _parameter(values: Any) -> Tensor:
    return Tensor(values).clone().realize().is_param_(True)


def _trainer(loss_of: Callable[[], Any], parameters: list[Tensor]) -> Run:
    """Return a training step."""
    optimizer = SGD(parameters, lr=workloads.LEARNING_RATE)

    @TinyJit
    def step() -> Any:
        with Context(TRAINING=1):
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    return lambda: (float(step().item()),)


def mnist_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 1."""
    m = workloads.mnist(sizes)
    kernels, weights = parameters = [_parameter(m["kernels"]), _parameter(m["weights"])]
    x, y, mask = (Tensor(m[name]).realize() for name in ("x", "y", "mask"))

    def loss_of() -> Any:
        hidden = x.conv2d(kernels).tanh()
        hidden = hidden * mask if fixed else hidden.dropout(0.5)
        return (hidden.flatten(1) @ weights.T).sparse_categorical_crossentropy(y)

    return _trainer(loss_of, parameters)


def epoch(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 2, without dropout for the comparison."""
    x, y, x_test, y_test = workloads.digits(sizes)
    kernels, weights = parameters = [_parameter(a) for a in workloads.epoch_weights()]
    optimizer = SGD(parameters, lr=sizes["rate"], momentum=sizes["momentum"])
    rates = [Tensor([rate], dtype="float32").realize() for rate in workloads.rates(sizes)]

    def logits(images: Any, training: bool) -> Any:
        hidden = images.conv2d(kernels).tanh()
        return (hidden.dropout(0.5) if training and not fixed else hidden).flatten(1) @ weights.T

    @TinyJit
    def step(images: Any, labels: Any, rate: Any) -> Any:
        with Context(TRAINING=1):
            optimizer.zero_grad()
            optimizer.lr.assign(rate)
            loss = logits(images, True).sparse_categorical_crossentropy(labels)
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    @TinyJit
    def predict(images: Any) -> Any:
        return logits(images, False).argmax(axis=1).realize()

    def accuracy(images: Any, labels: Any) -> float:
        images, n = workloads.to_float(images), workloads.EVALUATE
        found = [predict(Tensor(images[i : i + n]).realize()).numpy() for i in range(0, len(images), n)]
        return float(np.mean(np.concatenate(found) == labels))

    def run() -> tuple[float, ...]:
        losses = []
        batches = workloads.epoch_batches(x, y, sizes, np.random.default_rng(0))
        for rate, (images, labels) in zip(rates, batches, strict=True):
            given = Tensor(images).realize(), Tensor(labels.astype(np.int32)).realize()
            losses.append(step(*given, rate).item())
        return float(np.mean(losses)), accuracy(x, y), accuracy(x_test, y_test)

    return run


def lenet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 3."""
    x, y, arrays = workloads.lenet(sizes)
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters = [_parameter(a) for a in arrays]
    images, labels = Tensor(x).realize(), Tensor(y).realize()

    def loss_of() -> Any:
        h = images.conv2d(w1, b1).relu().max_pool2d(2)
        h = h.conv2d(w2, b2).relu().max_pool2d(2).flatten(1)
        h = (h @ w3.T + b3).relu()
        return (h @ w4.T + b4).sparse_categorical_crossentropy(labels)

    return _trainer(loss_of, parameters)


def mlp_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 5."""
    x, y, arrays = workloads.mlp(sizes)
    parameters = [_parameter(a) for a in arrays]
    rows, labels = Tensor(x).realize(), Tensor(y).realize()
    *hidden, (w, b) = zip(parameters[::2], parameters[1::2], strict=True)

    def loss_of() -> Any:
        h = rows
        for weight, bias in hidden:
            h = (h @ weight.T + bias).relu()
        return (h @ w.T + b).sparse_categorical_crossentropy(labels)

    return _trainer(loss_of, parameters)


def convolution(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 4, 4s, 4p, 4d and 4t."""
    a, function = workloads.convolution(sizes), Tensor.conv_transpose2d if sizes["transposed"] else Tensor.conv2d
    settings = {name: sizes[name] for name in ("stride", "padding", "groups")}
    x, w, c = (Tensor(a[name]).realize() for name in "xwc")

    @TinyJit
    def both() -> Any:
        maps = function(x, w, **settings)
        gradients = maps.gradient(x, w, gradient=c)
        return maps.realize(*gradients), *gradients

    def run() -> tuple[float, ...]:
        maps, dx, dw = both()
        values = dw.numpy()
        if not fixed:
            return (float(values[0, 0, 0, 0]),)
        gradients = workloads.along(dx.numpy(), a["along_x"]) + workloads.along(values, a["along_w"])
        return (float(np.vdot(maps.numpy(), a["c"])), *gradients)

    return run
