"""Lower bound: forward, backward and update of the MNIST network in NumPy, in shards, with reused buffers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view
from threadpoolctl import threadpool_limits

from benchmarks import workloads
from benchmarks.cores import available

SHARD = 32
COLUMNS = 2704  # columns of the weights in a block that fits into the cache
POSITIONS = 26 * 26
# Eight elements of a mask for each value of a byte.
EIGHT = 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)

Run = Callable[[], tuple[float, ...]]


def threads() -> str:
    """Return the numbers of threads in use."""
    return f"shards on {len(available())} with BLAS 1; products only with BLAS {len(available())}"


class Shard:
    """Buffers of one shard of images, with the forward and the backward pass."""

    def __init__(self, count: int, seed: int) -> None:
        self.patches = np.empty((count, 3, 3, 26, 26), np.float32)
        self.flat_patches = self.patches.reshape(count, 9, POSITIONS)
        self.hidden = np.empty((count, 16, POSITIONS), np.float32)
        self.slope = np.empty_like(self.hidden)
        self.mask = np.empty(self.hidden.shape, np.float32)
        self.back = np.empty_like(self.hidden)
        self.weights_gradient, self.addend = (np.empty((10, 16 * POSITIONS), np.float32) for _ in range(2))
        self.kernels_gradient = np.zeros((16, 9), np.float32)
        self.first = True
        self.rng = np.random.default_rng(seed)

    def maps(self, x: ndarray, kernels: ndarray) -> None:
        """Fill `hidden` with tanh of the convolution of images (N, 28, 28)."""
        np.copyto(self.patches, sliding_window_view(x, (26, 26), axis=(1, 2)))
        np.matmul(kernels, self.flat_patches, out=self.hidden)
        np.tanh(self.hidden, out=self.hidden)

    def forget(self) -> None:
        """Reset the gradients."""
        self.first = True
        self.kernels_gradient[...] = 0

    def logits(self, weights: ndarray) -> ndarray:
        """Return `hidden` times the weights, per kernel, in a third of the time of a single product."""
        by_kernel = weights.reshape(10, 16, POSITIONS).transpose(1, 2, 0)
        return np.matmul(self.hidden.swapaxes(0, 1), by_kernel).sum(axis=0)

    def draw(self) -> None:
        """Draw a mask of 0 and 2 from one random bit per element."""
        count = self.mask.size // 8
        drawn = self.rng.integers(2**64, size=-(-count // 8), dtype=np.uint64).view(np.uint8)[:count]
        np.take(EIGHT, drawn, axis=0, out=self.mask.reshape(count, 8), mode="clip")  # "clip" avoids a copy

    def step(
        self, x: ndarray, y: ndarray, kernels: ndarray, weights: ndarray, batch: int, mask: ndarray | None
    ) -> tuple[float, ndarray, ndarray]:
        """Add to the gradients of kernels (16, 9) and weights (10, 10816); return the summed loss and both."""
        self.maps(x, kernels)
        if mask is None:
            self.draw()
            mask = self.mask
        # h = mask * t with t = tanh(z): dh/dz = mask * (1 - t * t) = mask - h * t.
        np.multiply(self.hidden, mask, out=self.back)
        self.hidden *= self.back
        np.subtract(mask, self.hidden, out=self.slope)
        self.hidden, self.back = self.back, self.hidden
        logits = self.logits(weights)
        loss = cross_entropy(logits, y, batch)
        self.go_back(logits, weights)
        return loss, self.kernels_gradient, self.weights_gradient

    def go_back(self, g: ndarray, weights: ndarray) -> None:
        """Backward pass from the gradient of the logits; add to the gradients of the shard."""
        target = self.weights_gradient if self.first else self.addend
        rows, back = self.hidden.reshape(len(g), -1), self.back.reshape(len(g), -1)
        for start in range(0, rows.shape[1], COLUMNS):
            part = slice(start, start + COLUMNS)
            np.matmul(g.T, rows[:, part], out=target[:, part])
            np.matmul(g, weights[:, part], out=back[:, part])
        self.back *= self.slope
        if not self.first:
            self.weights_gradient += self.addend
        self.first = False
        self.kernels_gradient += np.matmul(self.back, self.flat_patches.swapaxes(1, 2)).sum(axis=0)


def cross_entropy(logits: ndarray, y: ndarray, batch: int) -> float:
    """Return the summed loss of a shard, and write the gradient of the mean over the batch into the logits."""
    logits -= logits.max(axis=1, keepdims=True)
    here = np.arange(len(y)), y
    right = logits[here]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1)
    logits /= total[:, None]
    logits[here] -= 1
    logits /= batch
    return float(np.sum(np.log(total)) - np.sum(right))


class Network:
    """Parameters, and buffers per thread, which all shards of a thread use in turn."""

    def __init__(self, kernels: ndarray, weights: ndarray, batch: int, momentum: float = 0.0) -> None:
        cores = len(available())
        self.kernels, self.weights, self.momentum = kernels.reshape(16, 9).copy(), weights.copy(), momentum
        self.velocities = [np.zeros_like(self.kernels), np.zeros_like(self.weights)]
        threadpool_limits(1, "blas")
        self.size = max(1, min(SHARD, batch // cores))
        assert batch % self.size == 0, "the batch must be a multiple of the shard size"
        self.shards = [Shard(self.size, k) for k in range(cores)]
        self.pool = ThreadPoolExecutor(cores) if cores > 1 else None

    def each(self, function: Callable[[Shard, slice], Any], count: int) -> list[list[Any]]:
        """Apply a function to the shards of `count` samples; return the results of each thread."""

        def turn(k: int) -> list[Any]:
            found = []
            for start in range(k * self.size, count, self.size * len(self.shards)):
                part = slice(start, min(start + self.size, count))
                shard = self.shards[k] if part.stop - start == self.size else Shard(part.stop - start, k)
                found.append(function(shard, part))
            return found

        return list((self.pool.map if self.pool else map)(turn, range(len(self.shards))))

    def step(self, x: ndarray, y: ndarray, rate: float, mask: ndarray | None) -> float:
        """Take one training step, and return the mean loss; `mask` is a fixed mask, 1 for no dropout, or None."""
        for shard in self.shards:
            shard.forget()

        def one(shard: Shard, part: slice) -> tuple[float, ndarray, ndarray]:
            return shard.step(x[part, 0], y[part], self.kernels, self.weights, len(x), mask)

        threads = [parts for parts in self.each(one, len(x)) if parts]
        (_, kernels_gradient, weights_gradient), *others = [parts[-1] for parts in threads]
        for _, kernels_part, weights_part in others:
            kernels_gradient += kernels_part
            weights_gradient += weights_part
        self.update(self.kernels, self.velocities[0], kernels_gradient, rate)
        self.update(self.weights, self.velocities[1], weights_gradient, rate)
        return sum(loss for parts in threads for loss, _, _ in parts) / len(x)

    def update(self, parameter: ndarray, velocity: ndarray, gradient: ndarray, rate: float) -> None:
        """Update a parameter; overwrites the gradient."""
        if self.momentum:
            velocity *= self.momentum
            velocity += gradient
            np.multiply(velocity, rate, out=gradient)
        else:
            gradient *= rate
        parameter -= gradient

    def accuracy(self, x: ndarray, y: ndarray) -> float:
        """Return the accuracy on uint8 images (N, 28, 28)."""
        x = workloads.to_float(x)[:, 0]

        def right(shard: Shard, part: slice) -> int:
            shard.maps(x[part], self.kernels)
            return int(np.count_nonzero(shard.logits(self.weights).argmax(axis=1) == y[part]))

        return sum(map(sum, self.each(right, len(x)))) / len(x)


def mnist_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 1."""
    m = workloads.mnist(sizes)
    network = Network(m["kernels"], m["weights"], sizes["batch"])
    mask = m["mask"].reshape(16, POSITIONS) if fixed else None
    return lambda: (network.step(m["x"], m["y"], workloads.LEARNING_RATE, mask),)


def epoch(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 2, without dropout for the comparison."""
    x, y, x_test, y_test = workloads.digits(sizes)
    network = Network(*workloads.epoch_weights(), sizes["batch"], sizes["momentum"])
    mask, rates = np.ones((), np.float32) if fixed else None, workloads.rates(sizes)

    def run() -> tuple[float, ...]:
        batches = workloads.epoch_batches(x, y, sizes, np.random.default_rng(0))
        losses = [network.step(*batch, rate, mask) for batch, rate in zip(batches, rates, strict=True)]
        return float(np.mean(losses)), network.accuracy(x, y), network.accuracy(x_test, y_test)

    return run


def convolution(sizes: workloads.Sizes, fixed: bool) -> Run | None:
    """Workloads 4, 4s, 4p and 4t: the three matrix products only, row by row, on windows that fit into the cache.

    Products are computed in blocks that OpenBLAS does not copy; the rows are divided among threads.
    """
    if sizes["groups"] > 1:
        raise NotImplementedError("grouped convolutions have no matrix product here.")
    if fixed:
        return None
    threadpool_limits(1, "blas")
    cores, side = len(available()), sizes["side"] if sizes["transposed"] else workloads.maps_side(sizes)
    rows = [_products_of_a_row(sizes, side, np.random.default_rng(k)) for k in range(cores)]
    pool = ThreadPoolExecutor(cores)

    def own(k: int) -> None:
        for _ in range(k, side, cores):
            rows[k]()

    def run() -> tuple[float, ...]:
        list((pool.map if cores > 1 else map)(own, range(cores)))
        return (0.0,)

    return run


def _products_of_a_row(sizes: workloads.Sizes, columns: int, rng: np.random.Generator) -> Callable[[], None]:
    """Return a function that computes the products of one output row, forward and for both gradients.

    A transposed convolution is treated as a convolution from its outputs to its images.
    """
    inputs, outputs, batch, places = sizes["inputs"], sizes["outputs"], sizes["batch"], sizes["kernel"] ** 2
    if sizes["transposed"]:
        inputs, outputs = outputs, inputs
    met, given = (places * outputs, inputs) if sizes["stride"] == 1 else (outputs, places * inputs)

    def draw(*shape: int) -> ndarray:
        return rng.random(shape, np.float32)

    kernels, windows = draw(places * inputs, outputs).T, draw(columns, places * inputs, batch)
    maps, images = draw(columns, outputs, batch), draw(columns, given, batch)
    turned, seen, half = draw(met, given).T, draw(columns, met, batch), columns * batch // 2
    long, by_place = draw(2, places * inputs // 32, 32, half), draw(2, 1, half, outputs)
    gradient = draw(2, places * inputs // 32, 32, outputs)

    def products() -> None:
        np.matmul(kernels, windows, out=maps)
        np.matmul(turned, seen, out=images)
        np.matmul(long, by_place, out=gradient)

    return products


def evaluation(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 12."""
    _, _, images, labels = workloads.digits(sizes)
    network = Network(*workloads.epoch_weights(), SHARD * len(available()))
    return lambda: (network.accuracy(images, labels),)


def mlp_step(sizes: workloads.Sizes, fixed: bool) -> Run | None:
    """Workload 5: its eight matrix products only, samples innermost."""
    if fixed:
        return None
    threadpool_limits(len(available()), "blas")
    x, _, parameters = workloads.mlp(sizes)
    weights = parameters[::2]
    inputs = [x.T, *(np.empty((len(w), len(x)), np.float32) for w in weights[:-1])]
    back = [np.ones((len(w), len(x)), np.float32) for w in weights]
    gradients = [np.empty_like(w) for w in weights]

    def run() -> tuple[float, ...]:
        for w, h, out in zip(weights, inputs, [*inputs[1:], back[-1]], strict=True):
            np.matmul(w, h, out=out)
        for k, w in reversed(list(enumerate(weights))):
            np.matmul(back[k], inputs[k].T, out=gradients[k])
            if k:
                np.matmul(w.T, back[k], out=back[k - 1])
        return (0.0,)

    return run
