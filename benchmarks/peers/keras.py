"""Keras's side, on the backend of its process: the trainings through ``train_on_batch``. Single ops are its backend's.

On JAX the images are channels-last, Keras's own order; on PyTorch channels-first, which that backend computes in.
"""

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks import workloads
from benchmarks.cores import available

Run = Callable[[], tuple[float, ...]]

BACKEND = keras.backend.backend()
LAST = BACKEND == "jax"
keras.config.set_image_data_format("channels_last" if LAST else "channels_first")
if BACKEND == "torch":
    import torch

    torch.set_num_threads(len(available()))


def threads() -> str:
    """Say how many threads may compute."""
    if BACKEND == "torch":
        return f"torch {torch.get_num_threads()}"
    return f"XLA {1 if 'multi_thread_eigen=false' in os.environ.get('XLA_FLAGS', '') else len(available())}"


class FixedMask(keras.layers.Layer):
    """Dropout whose mask does not change: it makes the losses comparable."""

    def __init__(self, mask: Any) -> None:
        super().__init__()
        self.mask = keras.ops.convert_to_tensor(mask)

    def call(self, x: Any) -> Any:
        """Multiply with the mask."""
        return x * self.mask

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape of the input."""
        return shape


def _images(x: Any) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if LAST else x


def _rows(weights: Any, maps: tuple[int, int, int]) -> Any:
    """Return a linear layer's weights as Keras has them, for maps flattened in the order of this backend."""
    ordered = weights.reshape(-1, *maps)
    return (np.moveaxis(ordered, 1, -1) if LAST else ordered).reshape(len(weights), -1).T


def _kernels(kernels: Any) -> Any:
    return kernels.transpose(2, 3, 1, 0)


def _compiled(layers: list[Any], shape: Any, weights: list[Any], momentum: float = 0.0) -> Any:
    model = keras.Sequential([keras.Input(shape), *layers])
    model.set_weights(weights)
    model.compile(
        optimizer=keras.optimizers.SGD(workloads.LEARNING_RATE, momentum=momentum),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _trainer(model: Any, x: Any, y: Any) -> Run:
    return lambda: (float(model.train_on_batch(x, y)),)


def _mnist(kernels: Any, weights: Any, dropout: Any, momentum: float = 0.0) -> Any:
    layers = keras.layers
    stack = [
        layers.Conv2D(16, 3, activation="tanh", use_bias=False),
        dropout,
        layers.Reshape((10816,)),
        layers.Dense(10, use_bias=False),
    ]
    shape = (28, 28, 1) if LAST else (1, 28, 28)
    return _compiled(stack, shape, [_kernels(kernels), _rows(weights, (16, 26, 26))], momentum)


def mnist_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 1."""
    m = workloads.mnist(sizes)
    dropout = FixedMask(_images(m["mask"])) if fixed else keras.layers.Dropout(0.5)
    return _trainer(_mnist(m["kernels"], m["weights"], dropout), _images(m["x"]), m["y"])


def epoch(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 2; the comparison leaves dropout out."""
    x, y, x_test, y_test = workloads.digits(sizes)
    model = _mnist(*workloads.epoch_weights(), keras.layers.Dropout(0.0 if fixed else 0.5), sizes["momentum"])
    rates = workloads.rates(sizes)

    def predict(images: Any) -> Any:
        return model.predict_on_batch(_images(images)).argmax(axis=1)

    def run() -> tuple[float, ...]:
        losses = []
        batches = workloads.epoch_batches(x, y, sizes, np.random.default_rng(0))
        for rate, (images, labels) in zip(rates, batches, strict=True):
            model.optimizer.learning_rate = rate
            model.reset_metrics()  # else the loss that comes back is the mean so far
            losses.append(float(model.train_on_batch(_images(images), labels)))
        accuracies = workloads.accuracy(predict, x, y), workloads.accuracy(predict, x_test, y_test)
        return float(np.mean(losses)), *accuracies

    return run


def lenet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 3."""
    x, y, (w1, b1, w2, b2, w3, b3, w4, b4) = workloads.lenet(sizes)
    (one, two), k, hidden = sizes["channels"], sizes["kernel"], sizes["hidden"]
    side, layers = ((28 - k + 1) // 2 - k + 1) // 2, keras.layers
    stack = [
        layers.Conv2D(one, k, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(two, k, activation="relu"), layers.MaxPooling2D(2),
        layers.Reshape((w3.shape[1],)), layers.Dense(hidden, activation="relu"), layers.Dense(10),
    ]  # fmt: skip
    weights = [_kernels(w1), b1, _kernels(w2), b2, _rows(w3, (two, side, side)), b3, w4.T, b4]
    return _trainer(_compiled(stack, (28, 28, 1) if LAST else (1, 28, 28), weights), _images(x), y)


def mlp_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 5."""
    x, y, parameters = workloads.mlp(sizes)
    inputs, *hidden, classes = sizes["layers"]
    stack = [*(keras.layers.Dense(n, activation="relu") for n in hidden), keras.layers.Dense(classes)]
    return _trainer(_compiled(stack, (inputs,), [p.T for p in parameters]), x, y)
