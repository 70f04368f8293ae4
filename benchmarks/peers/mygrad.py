"""Workloads in MyGrad, without its memory guard, as its documentation recommends for speed."""

import os
from collections.abc import Callable
from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet.layers import conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks import workloads

Run = Callable[[], tuple[float, ...]]

mg.turn_memory_guarding_off()


def threads() -> str:
    """Return the numbers of threads in use."""
    return f"BLAS {os.environ['OPENBLAS_NUM_THREADS']}"


def _trainer(loss_of: Callable[[], Any], parameters: list[Any]) -> Run:
    """Return a training step."""

    def step() -> tuple[float, ...]:
        loss = loss_of()
        loss.backward()
        for p in parameters:
            p.data -= workloads.LEARNING_RATE * p.grad
            p.null_grad()
        return (loss.item(),)

    return step


def _mask(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Return a dropout mask of 0 and 2; MyGrad has no dropout."""
    return 2 * rng.integers(0, 2, shape, dtype=np.uint8).astype(np.float32)


def _mnist_logits(kernels: Any, weights: Any, x: Any, mask: Any) -> Any:
    hidden = mg.tanh(conv_nd(x, kernels, stride=1))
    hidden = hidden if mask is None else hidden * mask
    return mg.matmul(hidden.reshape(len(x), -1), weights.T)


def mnist_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 1."""
    m, rng = workloads.mnist(sizes), np.random.default_rng(0)
    kernels, weights = mg.tensor(m["kernels"]), mg.tensor(m["weights"])

    def loss_of() -> Any:
        mask = m["mask"] if fixed else _mask(rng, (len(m["x"]), 16, 26, 26))
        return softmax_crossentropy(_mnist_logits(kernels, weights, m["x"], mask), m["y"])

    return _trainer(loss_of, [kernels, weights])


def epoch(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 2, without dropout for the comparison."""
    x, y, x_test, y_test = workloads.digits(sizes)
    parameters = kernels, weights = [mg.tensor(a) for a in workloads.epoch_weights()]
    velocities, rates = [np.zeros_like(p.data) for p in parameters], workloads.rates(sizes)
    rng = np.random.default_rng(0)

    def step(images: Any, labels: Any, rate: float) -> float:
        mask = None if fixed else _mask(rng, (len(images), 16, 26, 26))
        loss = softmax_crossentropy(_mnist_logits(kernels, weights, images, mask), labels)
        loss.backward()
        for p, velocity in zip(parameters, velocities, strict=True):
            velocity *= sizes["momentum"]
            velocity += p.grad
            p.data -= rate * velocity
            p.null_grad()
        return float(loss.item())

    @mg.no_autodiff
    def predict(images: Any) -> Any:
        return np.asarray(_mnist_logits(kernels, weights, images, None)).argmax(axis=1)

    def run() -> tuple[float, ...]:
        batches = workloads.epoch_batches(x, y, sizes, np.random.default_rng(0))
        losses = [step(*batch, rate) for batch, rate in zip(batches, rates, strict=True)]
        accuracies = workloads.accuracy(predict, x, y), workloads.accuracy(predict, x_test, y_test)
        return float(np.mean(losses)), *accuracies

    return run


def lenet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 3."""
    x, y, arrays = workloads.lenet(sizes)
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters = [mg.tensor(a) for a in arrays]

    def loss_of() -> Any:
        h = max_pool(mg.maximum(conv_nd(x, w1, stride=1) + b1.reshape(-1, 1, 1), 0), (2, 2), 2)
        h = max_pool(mg.maximum(conv_nd(h, w2, stride=1) + b2.reshape(-1, 1, 1), 0), (2, 2), 2)
        h = mg.maximum(mg.matmul(h.reshape(len(x), -1), w3.T) + b3, 0)
        return softmax_crossentropy(mg.matmul(h, w4.T) + b4, y)

    return _trainer(loss_of, parameters)


def mlp_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 5."""
    x, y, arrays = workloads.mlp(sizes)
    parameters = [mg.tensor(a) for a in arrays]
    *hidden, (w, b) = zip(parameters[::2], parameters[1::2], strict=True)

    def loss_of() -> Any:
        h = x
        for weight, bias in hidden:
            h = mg.maximum(mg.matmul(h, weight.T) + bias, 0)
        return softmax_crossentropy(mg.matmul(h, w.T) + b, y)

    return _trainer(loss_of, parameters)


def convolution(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 4 and 4p; MyGrad requires strides that cover the images exactly, unlike the stride of 4s."""
    if sizes["transposed"] or sizes["groups"] > 1 or sizes["stride"] > 1:
        raise NotImplementedError("groups, transposed convolutions and this stride are not supported.")
    a = workloads.convolution(sizes)
    x, w = mg.tensor(a["x"]), mg.tensor(a["w"])

    def run() -> tuple[float, ...]:
        maps = conv_nd(x, w, stride=sizes["stride"], padding=sizes["padding"])
        maps.backward(a["c"])
        values: tuple[float, ...] = (0.0,)
        if fixed:
            gradients = workloads.along(x.grad, a["along_x"]) + workloads.along(w.grad, a["along_w"])
            values = (float(np.vdot(maps.data, a["c"])), *gradients)
        x.null_grad()
        w.null_grad()
        return values

    return run


def evaluation(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 12."""
    _, _, images, labels = workloads.digits(sizes)
    kernels, weights = (mg.tensor(a) for a in workloads.epoch_weights())

    @mg.no_autodiff
    def predict(images: Any) -> Any:
        return np.asarray(_mnist_logits(kernels, weights, images, None)).argmax(axis=1)

    return lambda: (workloads.accuracy(predict, images, labels),)


def chain(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 6 and 7."""
    *arrays, turns = workloads.chain(sizes)
    x0, w, b, v = leaves = [mg.tensor(a) for a in arrays]

    def run() -> tuple[float, ...]:
        x = x0
        for _ in range(turns):
            x = mg.maximum(x * w + b, 0) * v
        loss = x.sum()
        loss.backward()
        values = (loss.item(), *(float(leaf.grad.sum()) for leaf in leaves))
        for leaf in leaves:
            leaf.null_grad()
        return values

    return run
