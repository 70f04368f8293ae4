"""Steps in PyTorch: DistributedDataParallel with gloo, one thread per process. Never imports tinygrad_edu."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import distributed, nn

from benchmarks import workloads
from benchmarks.peers import pytorch

Run = Callable[[], float]
RANK, RANKS = (int(os.environ[name]) for name in ("PMI_RANK", "PMI_SIZE"))  # set by MPICH's mpiexec

torch.set_num_threads(1)
distributed.init_process_group("gloo", f"file://{os.environ['BENCHMARK_MEETING']}", rank=RANK, world_size=RANKS)


def gather(value: Any) -> list[Any]:
    """Return the values of all ranks."""
    found: list[Any] = [None] * RANKS
    distributed.all_gather_object(found, value)
    return found


def step(name: str, batch: int, fixed: bool = False) -> Run:
    """Return a training step of this rank's part of the batch, which returns the loss of that part."""
    if name == "lenet":
        sizes = {**workloads.LENET, "batch": batch}
        x, y, parameters = workloads.lenet(sizes)
        model = pytorch.lenet_network(sizes, parameters)
    elif name == "transformer":
        sizes = {**workloads.TRANSFORMER, "batch": batch}
        x, y, by_name = workloads.transformer(sizes)
        model = pytorch.transformer_network(sizes, by_name)
    else:
        m = workloads.mnist({"batch": batch})
        dropout = pytorch.FixedMask(m["mask"]) if fixed else nn.Dropout(0.5)
        model, x, y = pytorch.mnist_network(m["kernels"], m["weights"], dropout), m["x"], m["y"]
    part = slice(RANK * batch // RANKS, (RANK + 1) * batch // RANKS)
    run = pytorch.trainer(nn.parallel.DistributedDataParallel(model), x[part], y[part])
    return lambda: run()[0]
