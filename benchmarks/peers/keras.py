"""Workloads in Keras, with ``train_on_batch``; single ops belong to its backend and are not offered.

Images are channels-last, Keras's default, on JAX, and channels-first, the backend's order, on PyTorch.
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
    """Return the numbers of threads in use."""
    if BACKEND == "torch":
        return f"torch {torch.get_num_threads()}"
    return f"XLA {1 if 'multi_thread_eigen=false' in os.environ.get('XLA_FLAGS', '') else len(available())}"


class FixedMask(keras.layers.Layer):
    """Dropout with a fixed mask, so that losses are comparable."""

    def __init__(self, mask: Any) -> None:
        super().__init__()
        self.mask = keras.ops.convert_to_tensor(mask)

    def call(self, x: Any) -> Any:
        """Multiply by the mask."""
        return x * self.mask

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape of the input."""
        return shape


def _images(x: Any) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if LAST else x


def _rows(weights: Any, maps: tuple[int, int, int]) -> Any:
    """Convert a linear layer's weights to Keras's layout, for feature maps flattened in the order of the backend."""
    ordered = weights.reshape(-1, *maps)
    return (np.moveaxis(ordered, 1, -1) if LAST else ordered).reshape(len(weights), -1).T


def _kernels(kernels: Any) -> Any:
    return kernels.transpose(2, 3, 1, 0)


def _compiled(layers: list[Any], shape: Any, weights: list[Any], momentum: float = 0.0) -> Any:
    model = keras.Sequential([keras.Input(shape), *layers])
    return _loaded(model, weights, keras.optimizers.SGD(workloads.LEARNING_RATE, momentum=momentum))


def _loaded(model: Any, weights: list[Any], optimizer: Any) -> Any:
    model.set_weights(weights)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
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
    """Workload 2, without dropout for the comparison."""
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
            model.reset_metrics()  # otherwise train_on_batch returns the mean of all losses
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


def resnet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 9."""
    x, y, parameters = workloads.resnet(sizes)
    layers, axis = keras.layers, -1 if LAST else 1

    def convolution(x: Any, channels: int, stride: int = 1) -> Any:
        return layers.Conv2D(channels, 3, strides=stride, use_bias=False)(layers.ZeroPadding2D(1)(x))

    def normalized(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization(axis=axis, momentum=0.9, epsilon=1e-5)(x))

    h = given = keras.Input((28, 28, 1) if LAST else (1, 28, 28))
    for stride, channels in zip((1, 2, 2), sizes["channels"], strict=True):
        h = convolution(h, channels, stride)
        inner = convolution(normalized(h), channels)
        h = layers.Add()([h, convolution(normalized(inner), channels)])
    h = layers.Dense(10)(layers.GlobalAveragePooling2D()(normalized(h)))
    model = keras.Model(given, h)
    return _trainer(_loaded(model, _resnet_weights(parameters), _sgd()), _images(x), y)


def _sgd() -> Any:
    return keras.optimizers.SGD(workloads.LEARNING_RATE)


def _resnet_weights(parameters: list[Any]) -> list[Any]:
    """Convert PyTorch's parameters to Keras's list, which includes the statistics of each normalization."""
    *convolutions, weight, bias = parameters
    found = []
    for position, values in enumerate(convolutions):
        found.append(_kernels(values) if values.ndim == 4 else values)
        if values.ndim == 1 and convolutions[position - 1].ndim == 1:
            found += [np.zeros_like(values), np.ones_like(values)]
    return [*found, weight.T, bias]


def lstm_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 10. Keras has one bias for PyTorch's two, so its updates of their sum are half as large."""
    x, y, (w_x, w_h, b_x, b_h, w, b) = workloads.lstm(sizes)
    stack = [keras.layers.LSTM(sizes["hidden"]), keras.layers.Dense(10)]
    return _trainer(_compiled(stack, x.shape[1:], [w_x.T, w_h.T, b_x + b_h, w.T, b]), x, y)


class TransformerLayer(keras.layers.Layer):
    """PyTorch's encoder layer with ``norm_first=True`` and causal attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        layers = keras.layers
        self.parts = [
            layers.MultiHeadAttention(heads, width // heads), layers.Dense(4 * width, activation="relu"),
            layers.Dense(width), layers.LayerNormalization(epsilon=1e-5), layers.LayerNormalization(epsilon=1e-5),
        ]  # fmt: skip

    def call(self, x: Any) -> Any:
        """Map (N, L, width) to the same shape."""
        attention, one, two, norm1, norm2 = self.parts
        h = norm1(x)
        x = x + attention(h, h, h, use_causal_mask=True)
        return x + two(one(norm2(x)))


class Embedded(keras.layers.Layer):
    """Sum of the embeddings of a character and its position."""

    def __init__(self, size: int, length: int, width: int) -> None:
        super().__init__()
        self.characters, self.places = keras.layers.Embedding(size, width), keras.layers.Embedding(length, width)

    def call(self, codes: Any) -> Any:
        """Map (N, L) to (N, L, width)."""
        return self.characters(codes) + self.places(keras.ops.arange(codes.shape[1]))


def transformer_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 11."""
    x, y, parameters = workloads.transformer(sizes)
    width, heads = sizes["width"], sizes["heads"]
    stack = [
        Embedded(sizes["size"], sizes["length"], width),
        *(TransformerLayer(width, heads) for _ in range(sizes["layers"])),
        keras.layers.LayerNormalization(epsilon=1e-5), keras.layers.Dense(sizes["size"]),
    ]  # fmt: skip
    model = keras.Sequential([keras.Input((sizes["length"],), dtype="int32"), *stack])
    settings = workloads.ADAMW
    (one, two), rate, decay = settings["betas"], settings["lr"], settings["weight_decay"]
    optimizer = keras.optimizers.AdamW(rate, weight_decay=decay, beta_1=one, beta_2=two, epsilon=1e-8)
    return _trainer(_loaded(model, _transformer_weights(parameters, heads, sizes["layers"]), optimizer), x, y)


def _transformer_weights(parameters: dict[str, Any], heads: int, layers: int) -> list[Any]:
    """Convert PyTorch's parameters to Keras's list: transposed weights; queries, keys and values by head."""
    found = [parameters["characters.weight"], parameters["places.weight"]]
    for k in range(layers):
        own = {name.removeprefix(f"layers.{k}."): values for name, values in parameters.items()}
        three = (np.split(own[f"self_attn.in_proj_{name}"], 3) for name in ("weight", "bias"))
        for weight, bias in zip(*three, strict=True):
            found += [weight.T.reshape(len(weight), heads, -1), bias.reshape(heads, -1)]
        weight, bias = own["self_attn.out_proj.weight"], own["self_attn.out_proj.bias"]
        found += [weight.T.reshape(heads, -1, len(weight)), bias]
        rest = ("linear1", "linear2", "norm1", "norm2")
        found += [own[f"{name}.{kind}"].T for name in rest for kind in ("weight", "bias")]
    return [*found, *(parameters[f"{name}.{kind}"].T for name in ("norm", "head") for kind in ("weight", "bias"))]


def evaluation(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 12."""
    _, _, images, labels = workloads.digits(sizes)
    model = _mnist(*workloads.epoch_weights(), keras.layers.Dropout(0.5))
    return lambda: (workloads.accuracy(lambda x: model.predict_on_batch(_images(x)).argmax(axis=1), images, labels),)
