"""Sizes, inputs and initial weights of the workloads, as NumPy arrays that are the same for every peer."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view

Sizes = dict[str, Any]

LEARNING_RATE = 0.05
EVALUATE = 500  # images per batch, for frameworks without a default
DIGITS = Path(__file__).parents[1] / "tinygrad_edu" / "data" / "mnist_embedded.npz"


@dataclass(frozen=True)
class Workload:
    """A workload.

    Attributes
    ----------
    key : str
        Number in the README.
    function : str
        Name of its function in the modules of the peers.
    title : str
    sizes : dict
    unit : {"ms", "s", "us/op"}
    steps : int
        Number of steps whose losses are compared; later losses depend on earlier gradients and updates.
    tolerance : float
        Absolute and relative tolerance of the comparison.
    fresh : bool
        Whether it runs in a new process, and its memory is measured.
    """

    key: str
    function: str
    title: str
    sizes: Sizes = field(default_factory=dict)
    unit: str = "ms"
    steps: int = 3
    tolerance: float = 1e-4
    fresh: bool = False

    @property
    def count(self) -> int:
        """Number of ops that the time is divided by, or 1."""
        return int(self.sizes.get("ops", 1))


PLAIN = {"stride": 1, "padding": 1, "groups": 1, "kernel": 3, "transposed": False}


def _maps(key: str, what: str, **sizes: Any) -> Workload:
    title = f"{what}, batch 32: forward and backward"
    return Workload(key, "convolution", title, {"batch": 32, **PLAIN, **sizes}, steps=1, tolerance=1e-3)


LENET = {"batch": 128, "channels": (6, 16), "kernel": 5, "hidden": 120}
TRANSFORMER = {"batch": 16, "length": 64, "size": 103, "width": 96, "heads": 4, "layers": 3}
TINY = 4  # ops in one iteration of the chain: relu(x * w + b) * v

WORKLOADS = [
    Workload("1", "mnist_step", "MNIST conv net: one training step, batch 128", {"batch": 128}),
    Workload("2", "epoch", "MNIST conv net: one epoch of the tuned recipe, evaluated on 10,000 images",
             {"batch": 32, "train": 1000, "test": 10_000, "momentum": 0.9, "rate": 0.03, "shift": 2},
             unit="s", steps=1, tolerance=2e-3),
    Workload("3", "lenet_step", "LeNet: one training step, batch 128", LENET),
    _maps("4", "Convolution, 32 to 64 channels, 3x3 on 28x28", inputs=32, outputs=64, side=28),
    _maps("4s", "Convolution with stride 2, 32 to 64 channels, 3x3 on 28x28", inputs=32, outputs=64, side=28, stride=2),
    _maps("4p", "Convolution, 32 to 64 channels, 1x1 on 28x28", inputs=32, outputs=64, side=28, kernel=1, padding=0),
    _maps("4d", "Depthwise convolution, 64 channels, 3x3 on 28x28", inputs=64, outputs=64, side=28, groups=64),
    _maps("4t", "Transposed convolution with stride 2, 64 to 32 channels, 4x4 on 14x14",
          inputs=64, outputs=32, side=14, kernel=4, stride=2, transposed=True),
    Workload("5", "mlp_step", "MLP 784-512-512-10: one training step, batch 128",
             {"batch": 128, "layers": (784, 512, 512, 10)}),
    Workload("6", "chain", "1,000 tiny ops of 10 elements, forward and backward",
             {"ops": 1000, "elements": 10}, unit="us/op", steps=1),
    Workload("6s", "chain", "1,000 ops of one element, forward and backward",
             {"ops": 1000, "elements": 1}, unit="us/op", steps=1),
    Workload("7", "chain", "A chain of 100,000 ops of 10 elements: time and peak memory",
             {"ops": 100_000, "elements": 10}, unit="us/op", steps=1, fresh=True),
    Workload("9", "resnet_step", "ResNet of 16, 32 and 64 channels on 28x28: one training step, batch 128",
             {"batch": 128, "channels": (16, 32, 64)}),
    Workload("10", "lstm_step", "LSTM of 64, 32 steps: one training step, batch 32",
             {"batch": 32, "steps": 32, "inputs": 64, "hidden": 64}),
    Workload("11", "transformer_step", "Character transformer, 3 layers of 96 on 64 characters: one step, batch 16",
             TRANSFORMER),
    Workload("12", "evaluation", "MNIST conv net: evaluation of 10,000 images", {"train": 0, "test": 10_000},
             steps=1, tolerance=2e-3),
    Workload("13", "resnet18_step", "ResNet-18 on 224x224: one training step and its memory, batch 8",
             {"batch": 8, "side": 224, "width": 64}, fresh=True),
    Workload("14", "transformer_step", "Transformer of 10 million parameters on 512 tokens: one step, memory, batch 4",
             {"batch": 4, "length": 512, "size": 103, "width": 320, "heads": 8, "layers": 8}, fresh=True),
    Workload("15", "lstm_step", "LSTM of 1,024, 64 steps: one training step and its memory, batch 16",
             {"batch": 16, "steps": 64, "inputs": 1024, "hidden": 1024}, fresh=True),
]  # fmt: skip

BATCHES = (32, 128, 512, 2048, 4096)
DEPTHS = (10, 32, 100, 316, 1000)
LENGTHS = (128, 256, 512, 1024, 2048)
STEPS = (32, 64, 128, 256, 512)
GROWTH = {
    "8b": ("batch", [Workload("8b", "mnist_step", f"MNIST step, batch {n}", {"batch": n}, steps=1, fresh=True)
                     for n in BATCHES]),
    "8d": ("depth", [Workload("8d", "mlp_step", f"MLP step, {n} layers of 64, batch 32",
                              {"batch": 32, "layers": (64,) * n + (10,)}, steps=1, fresh=True) for n in DEPTHS]),
    "8l": ("length", [Workload("8l", "transformer_step", f"Transformer step, 2 layers of 64 on {n} tokens, batch 2",
                               {"batch": 2, "length": n, "size": 103, "width": 64, "heads": 4, "layers": 2},
                               steps=1, fresh=True) for n in LENGTHS]),
    "8s": ("steps", [Workload("8s", "lstm_step", f"LSTM step, 64 units, {n} steps, batch 32",
                              {"batch": 32, "steps": n, "inputs": 64, "hidden": 64}, steps=1, fresh=True)
                     for n in STEPS]),
}  # fmt: skip


def _uniform(rng: np.random.Generator, bound: float, *shape: int) -> ndarray:
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def _labels(rng: np.random.Generator, count: int) -> ndarray:
    return rng.integers(0, 10, count)


def mnist(sizes: Sizes) -> dict[str, ndarray]:
    """Return images x, labels y, kernels, weights (10, 10816), and a fixed dropout mask for the comparison."""
    rng, n = np.random.default_rng(1), sizes["batch"]
    return {
        "x": rng.random((n, 1, 28, 28), dtype=np.float32),
        "y": _labels(rng, n),
        "kernels": _uniform(rng, 0.5, 16, 1, 3, 3),
        "weights": _uniform(rng, 1 / math.sqrt(10816), 10, 10816),
        "mask": (2 * rng.integers(0, 2, (1, 16, 26, 26))).astype(np.float32),
    }


def lenet(sizes: Sizes) -> tuple[ndarray, ndarray, list[ndarray]]:
    """Return images, labels, and the weights and biases of two convolutions and two linear layers."""
    rng, (one, two), k, hidden = np.random.default_rng(3), sizes["channels"], sizes["kernel"], sizes["hidden"]
    side = ((28 - k + 1) // 2 - k + 1) // 2
    shapes = [(one, 1, k, k), (two, one, k, k), (hidden, two * side * side), (10, hidden)]
    return (
        rng.random((sizes["batch"], 1, 28, 28), dtype=np.float32),
        _labels(rng, sizes["batch"]),
        list(_affine(rng, shapes)),
    )


def mlp(sizes: Sizes) -> tuple[ndarray, ndarray, list[ndarray]]:
    """Return inputs, labels, and the weight (out, in) and bias of each layer."""
    rng, layers = np.random.default_rng(5), sizes["layers"]
    shapes = list(zip(layers[1:], layers[:-1], strict=True))
    x = rng.random((sizes["batch"], layers[0]), dtype=np.float32)
    return x, _labels(rng, sizes["batch"]), list(_affine(rng, shapes))


def _affine(rng: np.random.Generator, shapes: list[tuple[int, ...]]) -> Iterator[ndarray]:
    for shape in shapes:
        fan_in = math.prod(shape[1:])
        yield _uniform(rng, math.sqrt(6 / fan_in), *shape)
        yield _uniform(rng, 1 / math.sqrt(fan_in), shape[0])


def convolution(sizes: Sizes) -> dict[str, ndarray]:
    """Return images x, kernels w, the cotangent c of the output, and directions for comparing the gradients."""
    rng, n, side, k = np.random.default_rng(4), sizes["batch"], sizes["side"], sizes["kernel"]
    channels, groups, far = (sizes["outputs"], sizes["inputs"]), sizes["groups"], maps_side(sizes)
    from_to = channels[::-1] if sizes["transposed"] else channels
    x_shape, w_shape = (n, sizes["inputs"], side, side), (from_to[0], from_to[1] // groups, k, k)
    return {
        "x": rng.standard_normal(x_shape, dtype=np.float32),
        "w": _uniform(rng, 0.06, *w_shape),
        "c": rng.standard_normal((n, sizes["outputs"], far, far), dtype=np.float32),
        "along_x": rng.standard_normal(x_shape, dtype=np.float32),
        "along_w": rng.standard_normal(w_shape, dtype=np.float32),
    }


def maps_side(sizes: Sizes) -> int:
    """Return the height and width of a convolution's output."""
    side, k, stride, padding = (int(sizes[name]) for name in ("side", "kernel", "stride", "padding"))
    return (side - 1) * stride + k - 2 * padding if sizes["transposed"] else (side + 2 * padding - k) // stride + 1


def along(gradient: ndarray, direction: ndarray) -> list[float]:
    """Return two numbers for comparing gradients: the norm, and the cosine with a direction, scaled to about 1."""
    g, d = gradient.ravel().astype(np.float64), direction.ravel().astype(np.float64)
    length = float(np.linalg.norm(g))
    return [length, float(g @ d) / (length * float(np.linalg.norm(d))) * math.sqrt(g.size)]


def resnet(sizes: Sizes) -> tuple[ndarray, ndarray, list[ndarray]]:
    """Return images, labels, and the parameters in PyTorch's order.

    Each of three stages is a convolution and a residual block of two convolutions, each after batch normalization and
    ReLU, as in `models.resnet_digits`; the first convolution of the second and the third stage has stride 2. The end is
    a batch normalization, ReLU, global average pooling and a linear layer. Normalizations start with ones and zeros.
    """
    rng, channels = np.random.default_rng(7), sizes["channels"]
    parameters, before = [], 1
    for here in channels:
        parameters.append(_kernels(rng, here, before))
        for _ in range(2):
            parameters += [np.ones(here, np.float32), np.zeros(here, np.float32), _kernels(rng, here, here)]
        before = here
    parameters += [np.ones(before, np.float32), np.zeros(before, np.float32)]
    x = rng.random((sizes["batch"], 1, 28, 28), dtype=np.float32)
    return x, _labels(rng, sizes["batch"]), [*parameters, *_affine(rng, [(10, before)])]


def _kernels(rng: np.random.Generator, outputs: int, inputs: int, side: int = 3) -> ndarray:
    return _uniform(rng, math.sqrt(6 / (side**2 * inputs)), outputs, inputs, side, side)


def resnet18(sizes: Sizes) -> tuple[ndarray, ndarray, list[ndarray]]:
    """Return images, labels, and the parameters of ResNet-18 in the order of torchvision."""
    rng, width = np.random.default_rng(10), sizes["width"]
    parameters = _normalized(rng, width, 3, 7)
    for before, here in ((1, 1), (1, 2), (2, 4), (4, 8)):
        parameters += _normalized(rng, here * width, before * width) + _normalized(rng, here * width, here * width)
        if before < here:
            parameters += _normalized(rng, here * width, before * width, 1)
        parameters += _normalized(rng, here * width, here * width) + _normalized(rng, here * width, here * width)
    x = rng.standard_normal((sizes["batch"], 3, sizes["side"], sizes["side"]), dtype=np.float32)
    return x, _labels(rng, sizes["batch"]), [*parameters, *_affine(rng, [(10, 8 * width)])]


def _normalized(rng: np.random.Generator, outputs: int, inputs: int, side: int = 3) -> list[ndarray]:
    """Return the kernels of a convolution, and the weight and bias of the batch normalization after it."""
    ones, zeros = np.ones(outputs, np.float32), np.zeros(outputs, np.float32)
    return [_kernels(rng, outputs, inputs, side), ones, zeros]


def lstm(sizes: Sizes) -> tuple[ndarray, ndarray, list[ndarray]]:
    """Return sequences (N, L, inputs), labels, and the parameters of LSTM and linear layer in PyTorch's order."""
    rng, hidden, inputs = np.random.default_rng(8), sizes["hidden"], sizes["inputs"]
    x = rng.standard_normal((sizes["batch"], sizes["steps"], inputs), dtype=np.float32)
    shapes = [(4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,), (10, hidden), (10,)]
    parameters = [_uniform(rng, 1 / math.sqrt(hidden), *shape) for shape in shapes]
    return x, _labels(rng, sizes["batch"]), parameters


def transformer(sizes: Sizes) -> tuple[ndarray, ndarray, dict[str, ndarray]]:
    """Return characters (N, L), the next characters, and the parameters of the network of `models.char_gpt` by name."""
    rng, width, size = np.random.default_rng(9), sizes["width"], sizes["size"]
    codes = rng.integers(0, size, (sizes["batch"], sizes["length"] + 1))
    shapes = {"characters.weight": (size, width), "places.weight": (sizes["length"], width)}
    for k in range(sizes["layers"]):
        own = {
            "self_attn.in_proj_weight": (3 * width, width), "self_attn.in_proj_bias": (3 * width,),
            "self_attn.out_proj.weight": (width, width), "self_attn.out_proj.bias": (width,),
            "linear1.weight": (4 * width, width), "linear1.bias": (4 * width,),
            "linear2.weight": (width, 4 * width), "linear2.bias": (width,),
            "norm1.weight": (width,), "norm1.bias": (width,), "norm2.weight": (width,), "norm2.bias": (width,),
        }  # fmt: skip
        shapes |= {f"layers.{k}.{name}": shape for name, shape in own.items()}
    shapes |= {"norm.weight": (width,), "norm.bias": (width,), "head.weight": (size, width), "head.bias": (size,)}
    parameters = {name: _uniform(rng, 1 / math.sqrt(width), *shape) for name, shape in shapes.items()}
    for name in (name for name in shapes if "norm" in name and "weight" in name):
        parameters[name] += np.float32(1)
    return codes[:, :-1], codes[:, 1:], parameters


ADAMW = {"lr": 3e-3, "betas": (0.9, 0.99), "weight_decay": 0.1}  # as in `models.char_gpt`


def chain(sizes: Sizes) -> tuple[ndarray, ndarray, ndarray, ndarray, int]:
    """Return x, w, b, v, all positive, and the number of iterations of the four ops x = relu(x * w + b) * v."""
    rng, n = np.random.default_rng(6), sizes["elements"]
    x, b = rng.uniform(1, 2, n), rng.uniform(0.001, 0.002, n)
    w, v = rng.uniform(0.95, 1.05, n), rng.uniform(0.9, 1.0, n)
    v = 0.999 / w * (1 - 0.001 * v)
    return *(a.astype(np.float32) for a in (x, w, b, v)), sizes["ops"] // TINY  # type: ignore[return-value]


def digits(sizes: Sizes) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Return the first training images and labels of MNIST, and test images and labels: uint8 (N, 28, 28) and (N,)."""
    with np.load(DIGITS) as file:
        train, test = slice(sizes["train"]), slice(sizes["test"])
        return file["x_train"][train], file["y_train"][train], file["x_test"][test], file["y_test"][test]


def to_float(images: ndarray) -> ndarray:
    """Convert uint8 images (N, 28, 28) to float32 (N, 1, 28, 28) in [0, 1]."""
    return np.divide(images[:, None], np.float32(255), dtype=np.float32)


def rates(sizes: Sizes, epochs: int = 40) -> list[float]:
    """Return the learning rates of the first epoch of a cosine schedule over all epochs."""
    steps = sizes["train"] // sizes["batch"]
    return [0.5 * sizes["rate"] * (1 + math.cos(math.pi * k / (epochs * steps))) for k in range(steps)]


def epoch_batches(x: ndarray, y: ndarray, sizes: Sizes, rng: np.random.Generator) -> Iterator[tuple[ndarray, ndarray]]:
    """Yield the batches of an epoch, shuffled and randomly shifted by up to `sizes["shift"]` pixels.

    This repeats functions of `tinygrad_edu.data`, because importing the package would change the peers' allocator.
    """
    n, far = sizes["batch"], sizes["shift"]
    order = rng.permutation(len(x))
    for start in range(0, len(x) - len(x) % n, n):
        part = order[start : start + n]
        padded = np.zeros((n, 28 + 2 * far, 28 + 2 * far), x.dtype)
        padded[:, far : far + 28, far : far + 28] = x[part]
        top, left = rng.integers(0, 2 * far, size=(2, n), endpoint=True)
        yield to_float(sliding_window_view(padded, (28, 28), axis=(1, 2))[np.arange(n), top, left]), y[part]


def accuracy(predict: Callable[[ndarray], Any], images: ndarray, labels: ndarray) -> float:
    """Return the accuracy of `predict`, which maps images (N, 1, 28, 28) to classes (N,)."""
    x = to_float(images)
    found = [np.asarray(predict(x[start : start + EVALUATE])) for start in range(0, len(x), EVALUATE)]
    return float(np.mean(np.concatenate(found) == labels))


def epoch_weights() -> tuple[ndarray, ndarray]:
    """Return the initial kernels and weights of workload 2."""
    rng = np.random.default_rng(2)
    return _uniform(rng, 1.0, 16, 1, 3, 3), _uniform(rng, 1 / math.sqrt(10816), 10, 10816)
