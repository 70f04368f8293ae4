"""Gradients of each of 256 samples: vmap, a loop and torch.func. ``python -m benchmarks.per_sample``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.cores import available, pin
from benchmarks.timing import timed
from tinygrad_edu import nn
from tinygrad_edu.shared.display.command_line import Parser

Parameters = Mapping[str, Any]
SAMPLES = 256


def mlp(rng: np.random.Generator) -> tuple[nn.Sequential, tuple[int, ...]]:
    """Return a network 64-64-10 and the shape of a sample."""
    return nn.Sequential(nn.Linear(64, 64, rng=rng), nn.ReLU(), nn.Linear(64, 10, rng=rng)), (64,)


def lenet(rng: np.random.Generator) -> tuple[nn.Sequential, tuple[int, ...]]:
    """Return LeNet-5 with maximum pooling and the shape of a sample."""
    layers = (
        nn.Conv2D(1, 6, 5, padding=2, rng=rng), nn.ReLU(), nn.MaxPool2D(2),
        nn.Conv2D(6, 16, 5, rng=rng), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(),
        nn.Linear(400, 120, rng=rng), nn.ReLU(), nn.Linear(120, 84, rng=rng), nn.ReLU(), nn.Linear(84, 10, rng=rng),
    )  # fmt: skip
    return nn.Sequential(*layers), (1, 28, 28)


NETWORKS: dict[str, Callable[[np.random.Generator], tuple[nn.Sequential, tuple[int, ...]]]] = {
    "MLP": mlp,
    "LeNet": lenet,
}


def runs(name: str, samples: int = SAMPLES) -> dict[str, Callable[[], list[Any]]]:
    """Return a function for each way, which returns the gradients of all samples by parameter."""
    rng = np.random.default_rng(0)
    model, shape = NETWORKS[name](rng)
    x, labels = rng.standard_normal((samples, *shape)).astype(np.float32), rng.integers(0, 10, samples)
    parameters = dict(model.named_parameters())

    def loss(p: Parameters, x: Any, label: Any) -> Any:
        return nn.cross_entropy(nn.functional_call(model, p, x[None]), label[None])

    gradient, images, targets = tg.grad(loss), tg.Tensor(x), tg.Tensor(labels, dtype=labels.dtype)
    mapped = tg.vmap(gradient, (None, 0, 0))

    def loop() -> list[Any]:
        rows = [gradient(parameters, image, label) for image, label in zip(images, targets, strict=True)]
        return [np.stack([row[name].numpy() for row in rows]) for name in parameters]

    return {
        "vmap": lambda: list(mapped(parameters, images, targets).values()),
        "loop": loop,
        **_torch_run(name, parameters, x, labels),
    }


def _torch_run(name: str, parameters: Parameters, x: Any, labels: Any) -> dict[str, Callable[[], list[Any]]]:
    """Return the run of torch.func, or nothing if PyTorch is not installed."""
    try:
        import torch
    except ImportError:
        return {}
    layers = torch.nn
    torch.set_num_threads(1)
    model = layers.Sequential(*_torch_layers(name, layers))
    own = {
        key: torch.from_numpy(values.numpy().copy())
        for (key, _), values in zip(model.named_parameters(), parameters.values(), strict=True)
    }

    def loss(p: Any, x: Any, label: Any) -> Any:
        return layers.functional.cross_entropy(torch.func.functional_call(model, p, (x[None],)), label[None])

    mapped = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))
    images, targets = torch.from_numpy(x), torch.from_numpy(labels)
    return {"torch": lambda: list(mapped(own, images, targets).values())}


def _torch_layers(name: str, layers: Any) -> list[Any]:
    if name == "MLP":
        return [layers.Linear(64, 64), layers.ReLU(), layers.Linear(64, 10)]
    pools = layers.ReLU(), layers.MaxPool2d(2)
    linear = layers.Linear(400, 120), layers.ReLU(), layers.Linear(120, 84), layers.ReLU(), layers.Linear(84, 10)
    first, second = layers.Conv2d(1, 6, 5, padding=2), layers.Conv2d(6, 16, 5)
    return [first, *pools, second, *pools, layers.Flatten(), *linear]


def measure(name: str, rounds: int, samples: int = SAMPLES) -> dict[str, float]:
    """Return the median milliseconds of each way."""
    return {way: timed(run, rounds)["milliseconds"] for way, run in runs(name, samples).items()}


def main(arguments: list[str] | None = None) -> None:
    """Print the times, and their ratios to that of vmap."""
    parser = Parser(prog="python -m benchmarks.per_sample", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each way")
    options = parser.parse_args(arguments)
    pin(available()[:1])
    for name in NETWORKS:
        found = measure(name, options.rounds)
        print(f"{name}: " + ", ".join(f"{way} {ms:.2f} ms ({ms / found['vmap']:.2f})" for way, ms in found.items()))


if __name__ == "__main__":
    main()
