"""Sharded computation of a batch on threads and processes, whose number does not change the result."""

from tinygrad_edu.parallel.gradients import sharded_value_and_grad
from tinygrad_edu.parallel.mpi import world
from tinygrad_edu.parallel.tree_sum import shards
from tinygrad_edu.parallel.workers import ALONE, Workers
from tinygrad_edu.shared.speed.blas import available_cores, single_threaded_blas
from tinygrad_edu.shared.speed.threads import map_shards

__all__ = [
    "ALONE", "Workers", "available_cores", "map_shards", "sharded_value_and_grad", "shards", "single_threaded_blas",
    "world",
]  # fmt: skip
