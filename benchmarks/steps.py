"""Each optimization, timed before and after: ``python -m benchmarks.steps``.

Each line times two versions of the same computation, alternating in one process on one core, after comparing their
results. The last lines are whole training steps in new processes.
"""

import argparse
import ctypes
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks import ours, workloads
from benchmarks.cores import available, pin
from benchmarks.statistics import median
from benchmarks.timing import timed
from tinygrad_edu import nn
from tinygrad_edu.ops import col2im, conv2d, im2col, matmul
from tinygrad_edu.ops.elementwise.selection import drop
from tinygrad_edu.ops.elementwise.trigonometry import tanh_gradient
from tinygrad_edu.ops.fast.elementwise import relu_values
from tinygrad_edu.ops.fast.images.chwn import samples_first, samples_last
from tinygrad_edu.ops.fast.networks import normalization, softmax
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.images.correlation import correlate_images
from tinygrad_edu.ops.networks.activations import plain_relu_values
from tinygrad_edu.ops.networks.dropout import draw_bits, dropout_by_bits
from tinygrad_edu.ops.networks.normalization import center, divide_by_rms
from tinygrad_edu.ops.products.products import linear, plain_product
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.shared.display.command_line import Parser

TwoWays = tuple[Callable[[], Any], Callable[[], Any]]
SHARD = (32, 16, 26, 26)  # feature maps of a shard of 32 images
SHARD_SIZE = 64  # images per shard of a training step


@dataclass(frozen=True)
class Step:
    """One line of the report: milliseconds before and after."""

    name: str
    before: float
    now: float


def _draw(*shape: int) -> ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def rule_of_relu() -> TwoWays:
    """Vjp of relu: with `where`, or with bit operations."""
    g, mask = _draw(*SHARD), _draw(*SHARD)[::-1] <= 0
    return lambda: np.where(mask, 0.0, g), lambda: drop(g, mask)


def rule_of_tanh() -> TwoWays:
    """Vjp of tanh: with three temporary arrays, or one buffer in blocks that fit into the cache."""
    g, out = _draw(*SHARD), np.tanh(_draw(*SHARD))
    return lambda: g * (1 - out * out), lambda: tanh_gradient(g, out)


def dropout_of_bits() -> TwoWays:
    """Dropout: with a random number per element and a mask, or with a random bit and a lookup table."""
    rng, x, two = np.random.default_rng(0), np.ones(SHARD, np.float32), np.float32(2)
    return (
        lambda: x * ((rng.random(SHARD) >= 0.5) * two),
        lambda: dropout_by_bits(x, draw_bits(x.size, 0.5, rng), 2.0, (0, 1, 2, 3)),
    )


def logits() -> TwoWays:
    """Linear layer with many inputs: one product, or blocks that OpenBLAS does not copy."""
    x, weight = _draw(32, 10816), _draw(10, 10816)
    return lambda: x @ weight.T, lambda: linear(x, weight)


def gradient_of_weights() -> TwoWays:
    """Gradient (10, 10816) of its weight, in the same two versions."""
    g, x = _draw(32, 10), _draw(32, 10816)
    return lambda: g.T @ x, lambda: matmul(g.T, x)


def unlikely_classes() -> TwoWays:
    """Backward product with subnormal probabilities of 1e-40, or with 0 instead."""
    weight, g = _draw(10, 10816), np.full((32, 10), 1e-40, np.float32)
    return lambda: g @ weight, lambda: np.zeros_like(g) @ weight


def layout_of_a_gradient() -> TwoWays:
    """Update of a weight with a gradient in the transposed layout, or in the layout of the weight."""
    weight, g = _draw(512, 784), _draw(512, 784)
    turned = np.asfortranarray(g)

    def descend(gradient: ndarray) -> ndarray:
        np.subtract(weight, gradient * np.float32(0), out=weight)
        return weight

    return lambda: descend(turned), lambda: descend(g)


def _samples_last(x: ndarray) -> ndarray:
    """Return equal images (N, C, H, W) in the layout of the outputs of convolution, samples innermost."""
    return samples_first(samples_last(x))


def windows_of_images() -> TwoWays:
    """Windows of 5x5 kernels on small images: image by image, or with samples innermost."""
    x = _draw(64, 6, 12, 12)
    last = _samples_last(x)

    def image_by_image() -> ndarray:
        strips = np.lib.stride_tricks.sliding_window_view(x, 8, axis=3).transpose(0, 1, 4, 2, 3).copy()
        windows = np.lib.stride_tricks.sliding_window_view(strips, 8, axis=3).transpose(0, 1, 3, 2, 5, 4)
        return windows.copy().reshape(64, 150, 64)

    return image_by_image, lambda: im2col(last, 5)


def windows_added_up() -> TwoWays:
    """Sum of these windows into images, the backward pass, in the same two versions."""
    columns = _draw(64, 150, 64)
    last = _samples_last(columns)

    def image_by_image() -> ndarray:
        windows = columns.reshape(64, 6, 5, 5, 8, 8)
        strips, images = np.zeros((64, 6, 5, 12, 8), np.float32), np.zeros((64, 6, 12, 12), np.float32)
        for k in range(5):
            strips[:, :, :, k : k + 8] += windows[:, :, k]
        for k in range(5):
            images[:, :, :, k : k + 8] += strips[:, :, k]
        return images

    return image_by_image, lambda: col2im(last, (12, 12), 5)


def _of_all_windows(x: ndarray, weight: ndarray) -> ndarray:
    """Convolve with copies of all windows at once."""
    out, _, k, _ = weight.shape
    columns = samples_last(im2col(x, k))
    maps = product(weight.reshape(out, -1), columns.reshape(len(columns), -1))
    return samples_first(maps.reshape(out, x.shape[2] - k + 1, x.shape[3] - k + 1, len(x)))


def convolution_of_one_channel() -> TwoWays:
    """Convolution of one channel, as in LeNet: with copies of all windows, or with overlapping windows."""
    x, weight = _samples_last(_draw(64, 1, 28, 28)), _draw(6, 1, 5, 5)
    return lambda: _of_all_windows(x, weight), lambda: conv2d(x, weight)


def convolution_of_32_channels() -> TwoWays:
    """Convolution from 32 to 64 channels, in the same two versions."""
    x, weight = _samples_last(_draw(32, 32, 30, 30)), _draw(64, 32, 3, 3)
    return lambda: _of_all_windows(x, weight), lambda: conv2d(x, weight)


def its_gradient_of_the_images() -> TwoWays:
    """Gradient of its images: computed and summed per window, or per column of the kernels."""
    g, weight = _samples_last(_draw(32, 64, 28, 28)), _draw(64, 32, 3, 3)

    def of_all_windows() -> ndarray:
        windows = product(weight.reshape(64, 288).T, samples_last(g).reshape(64, -1))
        return col2im(samples_first(windows.reshape(288, 784, 32)), (30, 30), 3)

    return of_all_windows, lambda: correlate_images(g, weight, (30, 30), 1, 0, 1, 1)


def normalized_maps() -> TwoWays:
    """Batch normalization of 16 channels of 128 images: one op after another, or few passes over groups of channels."""
    maps, weight, bias = _samples_last(_draw(128, 16, 28, 28)), _draw(1, 16, 1), _draw(1, 16, 1)[:, ::-1]
    images, rows = maps.reshape(128, 16, 784), maps.transpose(2, 1, 3, 0).reshape(28, 16, -1)

    def in_parts() -> ndarray:
        out = normalization.channel_norm_values(rows, weight, bias, 1e-5, normalization.moments(rows))
        return out.reshape(28, 16, 28, 128).transpose(3, 1, 0, 2).reshape(images.shape)

    return lambda: divide_by_rms(center(images), 1e-5) * weight + bias, in_parts


def positive_part_of_maps() -> TwoWays:
    """Relu: with `maximum`, or with `clip`."""
    maps = _draw(*SHARD)
    return lambda: plain_relu_values(maps), lambda: relu_values(maps)


def gradient_of_a_bias() -> TwoWays:
    """Gradient of a bias: sum of the rows, or product with ones."""
    g, ones = _draw(1024, 384), np.ones(1024, np.float32)
    return lambda: np.add.reduce(g, axis=0), lambda: g.T @ ones


def product_in_blocks() -> TwoWays:
    """Product of a layer with 512 inputs and outputs, for 128 samples, samples innermost: at once, or in blocks."""
    weight, x = _draw(512, 512), _draw(512, 128)
    return lambda: plain_product(weight, x), lambda: product(weight, x)


def product_by_columns_in_blocks() -> TwoWays:
    """Product of the same size, with both factors in Fortran order."""
    weight, x = _draw(512, 512).T, _draw(128, 512).T
    return lambda: plain_product(weight, x), lambda: product(weight, x)


def rule_of_softmax() -> TwoWays:
    """Vjp of softmax: with temporary arrays, or in place with sums by BLAS."""
    g, p = _draw(16, 4, 64, 64), _draw(16, 4, 64, 64)[::-1].copy()
    return lambda: softmax.softmax_vjp.plain(g, p, -1), lambda: softmax.softmax_vjp(g, p, -1)


KERNELS = [
    rule_of_relu, rule_of_tanh, dropout_of_bits, logits, gradient_of_weights, unlikely_classes, layout_of_a_gradient,
    windows_of_images, windows_added_up, convolution_of_one_channel, convolution_of_32_channels,
    its_gradient_of_the_images, normalized_maps, positive_part_of_maps, gradient_of_a_bias, rule_of_softmax,
    product_in_blocks, product_by_columns_in_blocks,
]  # fmt: skip


def time_pair(pair: TwoWays, rounds: int) -> tuple[float, float]:
    """Return the median milliseconds of two alternating functions."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, times in zip(pair, found, strict=True):
            function()
            begin = time.perf_counter()
            for _ in range(5):
                function()
            times.append(1000 * (time.perf_counter() - begin) / 5)
    return median(found[0]), median(found[1])


def same(pair: TwoWays) -> bool:
    """Return whether both results agree; random masks must have the same values and nearly equal means."""
    before, now = (function() for function in pair)
    if np.allclose(before, now, atol=1e-3):
        return True
    return np.array_equal(np.unique(before), np.unique(now)) and bool(abs(before.mean() - now.mean()) < 0.01)


# --- Whole training steps in new processes, for options that are set at import or for a whole batch ---


# Parameters and values of mallopt(3) that return large arrays to the system: each when it is freed, as by default; or
# all free memory once it exceeds 64 MiB, by glibc's rule for the sizes that this package keeps.
EACH_GOES_BACK, ALL_GO_BACK = (-3, 2**17), (-1, 2**26)


def training_step(shard_size: int, rounds: int) -> dict[str, float]:
    """Return the median milliseconds and the page faults of a training step of 128 images."""
    m = workloads.mnist({"batch": 128})
    model = ours.mnist_network(m["kernels"], m["weights"], nn.Dropout(0.5, rng=np.random.default_rng(0)))
    return timed(ours.sharded_trainer(model, m["x"], m["y"], shard_size), rounds)


def resnet_step(rounds: int) -> dict[str, float]:
    """Return the median milliseconds and the page faults of workload 9, whose batch has no shards."""
    (sizes,) = (workload.sizes for workload in workloads.WORKLOADS if workload.key == "9")
    return timed(ours.resnet_step(sizes, fixed=False), rounds)


def _in_a_process(shard_size: int, rounds: int, mallopt: tuple[int, int] = (0, 0)) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.steps", "--training-step", *map(str, (shard_size, rounds, *mallopt))]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def training_steps(rounds: int) -> Iterator[Step]:
    """Yield the effects of the allocator and of the shard size on a whole training step."""
    now, whole = _in_a_process(SHARD_SIZE, rounds), _in_a_process(128, rounds)
    yield _kept("large arrays are reused", _in_a_process(SHARD_SIZE, rounds, EACH_GOES_BACK), now)
    yield _kept("the same in a ResNet step", _in_a_process(0, rounds, ALL_GO_BACK), _in_a_process(0, rounds))
    yield Step("batch of 128 in shards", whole["milliseconds"], now["milliseconds"])


def _kept(name: str, before: dict[str, float], now: dict[str, float]) -> Step:
    faults = f"{before['page_faults']:.0f} page faults per step, now {now['page_faults']:.0f}"
    return Step(f"{name} ({faults})", before["milliseconds"], now["milliseconds"])


def measure(rounds: int) -> Iterator[Step]:
    """Yield each optimization."""
    for make in KERNELS:
        pair = make()
        assert same(pair), make.__name__
        yield Step(make.__name__.replace("_", " "), *time_pair(pair, rounds))
    yield from training_steps(rounds)


def main() -> None:
    """Print the table, and optionally write it as JSON."""
    parser = Parser("python -m benchmarks.steps", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31, help="rounds per line (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--training-step", type=int, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    pin(available()[:1])
    if options.training_step:
        size, rounds, parameter, value = options.training_step
        if parameter:
            ctypes.CDLL(None).mallopt(parameter, value)
        print(json.dumps(training_step(size, rounds) if size else resnet_step(rounds)))
        return
    found = []
    print(f"{'':<72} {'before':>9} {'now':>9} {'ratio':>6}")
    with single_threaded_blas():
        for step in measure(options.rounds):
            found.append(asdict(step))
            print(
                f"{step.name:<72} {step.before:>6.3f} ms {step.now:>6.3f} ms {step.before / step.now:>6.2f}", flush=True
            )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
