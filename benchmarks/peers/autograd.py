"""Workloads in HIPS autograd, which has no convolution of batches: patches are extracted with its NumPy."""

import os
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp, value_and_grad
from autograd.scipy.special import logsumexp
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks import workloads

Run = Callable[[], tuple[float, ...]]


def threads() -> str:
    """Return the numbers of threads in use."""
    return f"BLAS {os.environ['OPENBLAS_NUM_THREADS']}"


def _patches(x: Any, k: int) -> Any:
    """Extract patches (N, C * k * k, L) of images (N, C, H, W): a strided copy, or slices if a gradient is needed."""
    n, c, height, width = x.shape
    rows, columns = height - k + 1, width - k + 1
    if isinstance(x, np.ndarray):
        windows = sliding_window_view(x, (rows, columns), axis=(2, 3))
        return np.ascontiguousarray(windows).reshape(n, c * k * k, rows * columns)
    cuts = [x[:, :, i : i + rows, j : j + columns] for i in range(k) for j in range(k)]
    return anp.reshape(anp.stack(cuts, 2), (n, c * k * k, rows * columns))


def _convolve(x: Any, w: Any) -> Any:
    n, _, height, width = x.shape
    out, _, k, _ = w.shape
    maps = anp.matmul(anp.reshape(w, (out, -1)), _patches(x, k))
    return anp.reshape(maps, (n, out, height - k + 1, width - k + 1))


def _cross_entropy(logits: Any, y: Any) -> Any:
    return anp.mean(logsumexp(logits, axis=1) - logits[np.arange(len(y)), y])


def _trainer(loss_of: Callable[[Any], Any], parameters: list[Any]) -> Run:
    """Return a training step."""
    both = value_and_grad(loss_of)

    def step() -> tuple[float, ...]:
        loss, gradients = both(parameters)
        for p, g in zip(parameters, gradients, strict=True):
            p -= workloads.LEARNING_RATE * g
        return (float(loss),)

    return step


def _mask(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Return a dropout mask of 0 and 2; autograd has no dropout."""
    return 2 * rng.integers(0, 2, shape, dtype=np.uint8).astype(np.float32)


def _mnist_logits(parameters: Any, x: Any, mask: Any) -> Any:
    kernels, weights = parameters
    hidden = anp.tanh(_convolve(x, kernels))
    hidden = hidden if mask is None else hidden * mask
    return anp.dot(anp.reshape(hidden, (len(x), -1)), weights.T)


def mnist_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 1."""
    m, rng = workloads.mnist(sizes), np.random.default_rng(0)

    def loss_of(parameters: Any) -> Any:
        mask = m["mask"] if fixed else _mask(rng, (len(m["x"]), 16, 26, 26))
        return _cross_entropy(_mnist_logits(parameters, m["x"], mask), m["y"])

    return _trainer(loss_of, [m["kernels"], m["weights"]])


def epoch(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 2, without dropout for the comparison."""
    x, y, x_test, y_test = workloads.digits(sizes)
    parameters = list(workloads.epoch_weights())
    velocities, rates, rng = [np.zeros_like(p) for p in parameters], workloads.rates(sizes), np.random.default_rng(0)

    def loss_of(parameters: Any, images: Any, labels: Any, mask: Any) -> Any:
        return _cross_entropy(_mnist_logits(parameters, images, mask), labels)

    both = value_and_grad(loss_of)

    def step(images: Any, labels: Any, rate: float) -> float:
        loss, gradients = both(parameters, images, labels, None if fixed else _mask(rng, (len(images), 16, 26, 26)))
        for p, velocity, g in zip(parameters, velocities, gradients, strict=True):
            velocity *= sizes["momentum"]
            velocity += g
            p -= rate * velocity
        return float(loss)

    def predict(images: Any) -> Any:
        return _mnist_logits(parameters, images, None).argmax(axis=1)

    def run() -> tuple[float, ...]:
        batches = workloads.epoch_batches(x, y, sizes, np.random.default_rng(0))
        losses = [step(*batch, rate) for batch, rate in zip(batches, rates, strict=True)]
        accuracies = workloads.accuracy(predict, x, y), workloads.accuracy(predict, x_test, y_test)
        return float(np.mean(losses)), *accuracies

    return run


def _pool(x: Any) -> Any:
    n, c, height, width = x.shape
    return anp.max(anp.max(anp.reshape(x, (n, c, height // 2, 2, width // 2, 2)), axis=5), axis=3)


def lenet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 3."""
    x, y, arrays = workloads.lenet(sizes)

    def loss_of(parameters: Any) -> Any:
        w1, b1, w2, b2, w3, b3, w4, b4 = parameters
        h = _pool(anp.maximum(_convolve(x, w1) + b1[:, None, None], 0))
        h = _pool(anp.maximum(_convolve(h, w2) + b2[:, None, None], 0))
        h = anp.maximum(anp.dot(anp.reshape(h, (len(x), -1)), w3.T) + b3, 0)
        return _cross_entropy(anp.dot(h, w4.T) + b4, y)

    return _trainer(loss_of, arrays)


def mlp_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 5."""
    x, y, arrays = workloads.mlp(sizes)

    def loss_of(parameters: Any) -> Any:
        *hidden, (w, b) = zip(parameters[::2], parameters[1::2], strict=True)
        h = x
        for weight, bias in hidden:
            h = anp.maximum(anp.dot(h, weight.T) + bias, 0)
        return _cross_entropy(anp.dot(h, w.T) + b, y)

    return _trainer(loss_of, arrays)


def convolution(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 4 and 4p."""
    if sizes["transposed"] or sizes["groups"] > 1 or sizes["stride"] > 1:
        raise NotImplementedError("only convolutions with stride 1 and one group, from patches.")
    a, padding = workloads.convolution(sizes), (sizes["padding"], sizes["padding"])

    def padded(both: Any) -> Any:
        return _convolve(anp.pad(both[0], ((0, 0), (0, 0), padding, padding), "constant"), both[1])

    def run() -> tuple[float, ...]:
        pullback, maps = make_vjp(padded)((a["x"], a["w"]))
        dx, dw = pullback(a["c"])
        if not fixed:
            return (0.0,)
        gradients = workloads.along(dx, a["along_x"]) + workloads.along(dw, a["along_w"])
        return (float(np.vdot(maps, a["c"])), *gradients)

    return run


def evaluation(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 12."""
    _, _, images, labels = workloads.digits(sizes)
    parameters = workloads.epoch_weights()
    return lambda: (workloads.accuracy(lambda x: _mnist_logits(parameters, x, None).argmax(axis=1), images, labels),)


def chain(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 6 and 7."""
    *arrays, turns = workloads.chain(sizes)

    def loss_of(leaves: Any) -> Any:
        x, w, b, v = leaves
        for _ in range(turns):
            x = anp.maximum(x * w + b, 0) * v
        return anp.sum(x)

    both = value_and_grad(loss_of)

    def run() -> tuple[float, ...]:
        loss, gradients = both(arrays)
        return (float(loss), *(float(g.sum()) for g in gradients))

    return run
