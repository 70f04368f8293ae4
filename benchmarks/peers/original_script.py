"""One epoch of the original script's loop: one slice for each patch position, test images one at a time."""

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from benchmarks import workloads

BATCH = 128
SIDE = 25  # the script stops one position short of the right and bottom edges


def threads() -> str:
    """Say how many threads may compute."""
    return "BLAS 1"


def _patches(images: ndarray) -> ndarray:
    """Cut (N, 28, 28) into (N * 625, 9), with one slice for each position."""
    cuts = []
    for top in range(SIDE):
        for left in range(SIDE):
            cuts.append(images[:, top : top + 3, left : left + 3].reshape(len(images), 1, 3, 3))  # noqa: PERF401
    return np.concatenate(cuts, axis=1).reshape(len(images) * SIDE * SIDE, 9)


def epoch(sizes: workloads.Sizes, fixed: bool) -> Callable[[], tuple[float, ...]] | None:
    """Workload 2, as the script does it: 7 batches of 128, float64, then 10,000 images one at a time."""
    if fixed:
        return None
    x, y, x_test, y_test = workloads.digits(sizes)
    images, test, targets = x / 255, x_test / 255, np.eye(10)[y]
    network = Network()

    def run() -> tuple[float, ...]:
        stops = range(BATCH, len(images) + 1, BATCH)
        right = sum(network.train(images[s - BATCH : s], targets[s - BATCH : s]) for s in stops)
        found = sum(int(network.predict(test[k : k + 1]) == y_test[k]) for k in range(len(test)))
        return 0.0, right / len(images), found / len(test)

    return run


class Network:
    """The script's network, initialized with its random numbers."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(1)
        self.kernels = 0.02 * self.random.random_sample((9, 16)) - 0.01
        self.weights = 0.2 * self.random.random_sample((SIDE * SIDE * 16, 10)) - 0.1

    def train(self, batch: ndarray, wanted: ndarray) -> int:
        """Take one step, and return how many of the images were classified right before."""
        patches = _patches(batch)
        hidden = np.tanh((patches @ self.kernels).reshape(len(batch), -1))
        mask = self.random.randint(2, size=hidden.shape)
        hidden *= mask * 2
        e = np.exp(hidden @ self.weights)
        found = e / e.sum(axis=1, keepdims=True)
        right = sum(int(np.argmax(found[k]) == np.argmax(wanted[k])) for k in range(len(batch)))
        error = (wanted - found) / (len(batch) * BATCH)
        back = error @ self.weights.T * (1 - hidden**2) * mask
        self.weights += 2 * (hidden.T @ error)
        self.kernels -= 2 * (patches.T @ back.reshape(-1, 16))
        return right

    def predict(self, image: ndarray) -> int:
        """Return the digit that one image (1, 28, 28) is taken for."""
        hidden = np.tanh((_patches(image) @ self.kernels).reshape(1, -1))
        return int(np.argmax(hidden @ self.weights))
