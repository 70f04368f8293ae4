"""Steps, evaluations and exchanges in this package, on the workers of mpiexec."""

from collections.abc import Callable
from typing import Any

import numpy as np

import benchmarks.ours
from benchmarks import workloads
from tinygrad_edu import nn
from tinygrad_edu.parallel import ALONE, Workers, single_threaded_blas, world
from tinygrad_edu.parallel.allreduce import allreduce_sum
from tinygrad_edu.parallel.workers import allgather
from tinygrad_edu.training import Accuracy, evaluate

Run = Callable[[], float]
RANK = world().rank


def gather(value: Any) -> list[Any]:
    """Return the values of all ranks."""
    return allgather(world(), value)


def network(name: str, batch: int, fixed: bool = True) -> tuple[nn.Module, Any, Any]:
    """Return a model and a batch; if `fixed`, with a fixed dropout mask."""
    if name == "lenet":
        sizes = {**workloads.LENET, "batch": batch}
        x, y, parameters = workloads.lenet(sizes)
        return benchmarks.ours.lenet_network(sizes, parameters), x, y
    if name == "resnet":
        sizes = {"batch": batch, "channels": (16, 32, 64)}
        x, y, parameters = workloads.resnet(sizes)
        return benchmarks.ours.resnet_network(sizes, parameters), x, y
    if name == "transformer":
        sizes = {**workloads.TRANSFORMER, "batch": batch}
        x, y, by_name = workloads.transformer(sizes)
        return benchmarks.ours.transformer_network(sizes, by_name), x, y
    m = workloads.mnist({"batch": batch})
    dropout = benchmarks.ours.FixedMask(m["mask"]) if fixed else nn.Dropout(0.5, rng=np.random.default_rng(0))
    return benchmarks.ours.mnist_network(m["kernels"], m["weights"], dropout), m["x"], m["y"]


def step(name: str, batch: int, shard_size: int, threads: int, fixed: bool = False) -> Run:
    """Return a training step."""
    return _step(name, batch, shard_size, threads, fixed, world())


def _step(name: str, batch: int, shard_size: int, threads: int, fixed: bool, workers: Workers) -> Run:
    model, x, y = network(name, batch, fixed)
    run = benchmarks.ours.sharded_trainer(model, x, y, shard_size, threads=threads, workers=workers)
    return lambda: run()[0]


def shard(name: str, size: int) -> Run:
    """Return a training step of one shard; all ranks take it at the same time, without an exchange."""
    return _step(name, size, size, 1, False, ALONE)


def evaluation(name: str, images: int, threads: int) -> Run:
    """Return an evaluation."""
    model, x, y = network(name, images)
    return lambda: evaluate(model, [(x, y)], {"accuracy": Accuracy()}, threads, world(), shard_size=64)["accuracy"]  # type: ignore[no-any-return]


def exchange(elements: int) -> Run:
    """Return an allreduce of `elements` float32 numbers over the workers, as at the end of a step."""
    workers, like = world(), [np.empty(elements, np.float32)]

    def run() -> float:
        own = [((0, workers.rank), [np.ones(elements, np.float32)])]
        return float(allreduce_sum(workers, workers.size, own, like)[0][-1])

    return run


def gathering(elements: int) -> Run:
    """Return an allgather of `elements` float32 numbers of each worker, as of the outputs of a loss on the batch."""
    workers, own = world(), np.ones(elements, np.float32)
    return lambda: float(allgather(workers, own)[-1][-1])


def convolution() -> Run:
    """Return workload 4, forward and backward, on one thread."""
    sizes = next(workload.sizes for workload in workloads.WORKLOADS if workload.function == "convolution")
    run = benchmarks.ours.convolution(sizes, False)

    def alone() -> float:
        with single_threaded_blas():
            return run()[0]

    return alone
