"""Measurement in rounds, in which all configurations of the same work alternate, and the rows of the results."""

import csv
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.cores import available
from benchmarks.peers import Peer
from benchmarks.scaling.job import OVER_TCP, Job
from benchmarks.scaling.paper import TO_DRAW, expected_latest
from benchmarks.statistics import median
from models.shared.groups import missing_group

BATCHES = {"mnist": 128, "lenet": 128, "transformer": 32}  # images or texts per step
SHARD_SIZES = {"mnist": 32, "lenet": 16, "transformer": 4}
PYTORCH = Peer("PyTorch DDP", "benchmarks.scaling.ddp", ("torch",))
OPERATIONS = 3 * 2 * 32 * 28 * 28 * 64 * 32 * 9  # workload 4: forward and two gradients, 2 per multiply-add


@dataclass(frozen=True)
class Row:
    """One line of the file of results.

    Attributes
    ----------
    part : {"step", "evaluation", "weak", "exchange", "gather", "shards", "latest", "convolution", "cores"}
    work, side : str
        Network, and framework or, for exchanges, transport ("memory" or "TCP").
    processes, threads : int
        Number of processes, and threads per process.
    size : int
        Images or texts of a batch, exchanged elements (for "gather", of each worker), or number of shards for "latest".
    shard_size : int
        Images per shard; 0 without shards.
    milliseconds, best : float
        Median and minimum.
    ratio : float
        Median over the rounds of the time divided by the time of the first configuration in the same round.
    """

    part: str
    work: str
    side: str
    processes: int
    threads: int
    size: int
    shard_size: int
    milliseconds: float = 0.0
    best: float = 0.0
    ratio: float = 1.0


@dataclass(frozen=True)
class Plan:
    """Sizes of the measurement.

    Attributes
    ----------
    rounds : int
    seconds : float
        Duration of each configuration in a round.
    processes : int
        Largest number of processes.
    images : int
        Images of an evaluation.
    elements : tuple of int
        Numbers of exchanged elements.
    networks : tuple of str
    """

    rounds: int = 7
    seconds: float = 0.2
    processes: int = 4
    images: int = 10_000
    elements: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    networks: tuple[str, ...] = ("mnist", "lenet", "transformer")


QUICK = Plan(rounds=2, seconds=0.1, images=2_000, elements=(1_000, 30_000, 1_000_000))


class Way(NamedTuple):
    """A configuration of some work: the row of its result, the job, and the arguments of the job."""

    row: Row
    job: Job
    given: dict[str, Any]


def _row(part: str, work: str, job: Job, threads: int, size: int, shard_size: int = 0) -> Row:
    side = {"ours": "ours", "ddp": PYTORCH.name}[job.side]
    return Row(part, work, side, job.ranks, threads, size, shard_size)


def in_turn(ways: Sequence[Way], plan: Plan) -> Iterator[Row]:
    """Run each configuration once per round, and yield the rows."""
    found: list[list[list[float]]] = [[] for _ in ways]
    for _ in range(plan.rounds):
        for way, times in zip(ways, found, strict=True):
            times.append(way.job.seconds(seconds=plan.seconds, **way.given)[0])
    middles = [[median(times) for times in rounds] for rounds in found]
    for way, rounds, own in zip(ways, found, middles, strict=True):
        times = [time for each in rounds for time in each]
        ratio = median([a / b for a, b in zip(own, middles[0], strict=True)])
        yield replace(way.row, milliseconds=1e3 * median(times), best=1e3 * min(times), ratio=ratio)


class Jobs(NamedTuple):
    """Our jobs and PyTorch's by number of processes, and our job over TCP."""

    ours: list[Job]
    pytorch: list[Job]
    over_tcp: Job


def steps(jobs: Jobs, name: str, plan: Plan) -> Iterator[Row]:
    """Measure a training step on threads, on processes, and in PyTorch on one and two processes."""
    ways, cut, batch = [], SHARD_SIZES[name], BATCHES[name]
    for job, threads in [(jobs.ours[0], 1), (jobs.ours[0], 2), *((job, 1) for job in jobs.ours[1:])]:
        given = {"work": "step", "name": name, "batch": batch, "shard_size": cut, "threads": threads}
        ways.append(Way(_row("step", name, job, threads, batch, cut), job, given))
    for job in jobs.pytorch:
        given = {"work": "step", "name": name, "batch": batch}
        ways.append(Way(_row("step", name, job, 1, batch), job, given))
    _compare(ways)
    yield from in_turn(ways, plan)


def _compare(ways: Sequence[Way]) -> None:
    """Compare the losses of three steps: ours must be equal in all bits, the mean of PyTorch's to 1e-4."""
    first = None
    for way in ways:
        losses = np.array(way.job.losses(times=3, fixed=True, **way.given))
        first = losses[0] if first is None else first
        if not (np.all(losses == first) if way.job.side == "ours" else np.allclose(losses.mean(axis=0), first, 1e-4)):
            raise SystemExit(f"{way.row}: got losses {losses.tolist()} by rank, expected {first}.")


def evaluations(jobs: Jobs, name: str, plan: Plan) -> Iterator[Row]:
    """Measure an evaluation of images on threads and on processes."""
    if name == "transformer":
        return
    ways = []
    for job, threads in ((jobs.ours[0], 1), (jobs.ours[0], 2), *((job, 1) for job in jobs.ours[1:2])):
        given = {"work": "evaluation", "name": name, "images": plan.images, "threads": threads}
        ways.append(Way(_row("evaluation", name, job, threads, plan.images), job, given))
    yield from in_turn(ways, plan)


def weak(jobs: Jobs, name: str, plan: Plan) -> Iterator[Row]:
    """Measure a step with as many images or texts for each process."""
    ways, cut = [], SHARD_SIZES[name]
    for job in jobs.ours:
        size = BATCHES[name] * job.ranks
        given = {"work": "step", "name": name, "batch": size, "shard_size": cut, "threads": 1}
        ways.append(Way(_row("weak", name, job, 1, size, cut), job, given))
    yield from in_turn(ways, plan)


def exchanges(jobs: Jobs, plan: Plan) -> Iterator[Row]:
    """Measure the allreduce and the allgather without a step."""
    for elements in plan.elements:
        ways = []
        for job, carrier in (*((job, "memory") for job in jobs.ours[1:]), (jobs.over_tcp, "TCP")):
            row = Row("exchange", "", carrier, job.ranks, 1, elements, 0)
            ways.append(Way(row, job, {"work": "exchange", "elements": elements}))
            ways.append(Way(replace(row, part="gather"), job, {"work": "gathering", "elements": elements}))
        yield from in_turn(ways, plan)


def pieces(jobs: Jobs, name: str, plan: Plan) -> Iterator[Row]:
    """Measure steps with several numbers and sizes of shards, and compute the expected time of the slowest shard."""
    ways = []
    for count in (2, 4, 8):
        for size in (SHARD_SIZES[name] * k // 4 for k in (1, 2, 4, 8)):
            given = {"work": "step", "name": name, "batch": count * size, "shard_size": size, "threads": 1}
            ways.append(Way(_row("shards", name, jobs.ours[0], 1, count * size, size), jobs.ours[0], given))
    yield from in_turn(ways, plan)
    given = {"work": "shard", "name": name, "size": SHARD_SIZES[name]}
    times = [time for rank in jobs.ours[1].seconds(seconds=plan.rounds * plan.seconds, **given) for time in rank]
    for workers in TO_DRAW:
        latest = 1e3 * expected_latest(times, workers)
        row = _row("latest", name, jobs.ours[1], 1, workers, SHARD_SIZES[name])
        yield replace(row, milliseconds=latest, best=1e3 * min(times))


def convolution(jobs: Jobs, plan: Plan) -> Iterator[Row]:
    """Measure a convolution with a known number of operations on one core."""
    yield from in_turn([Way(_row("convolution", "", jobs.ours[0], 1, 32), jobs.ours[0], {"work": "convolution"})], plan)


def measure(plan: Plan) -> Iterator[Row]:
    """Yield all rows."""
    yield Row("cores", "", "", len(available()), 1, 0, 0)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ours = [stack.enter_context(Job("ours", ranks)) for ranks in range(1, plan.processes + 1)]
        over_tcp = stack.enter_context(Job("ours", 2, **OVER_TCP))
        theirs = [
            stack.enter_context(Job("ddp", ranks, BENCHMARK_MEETING=f"{folder}/{ranks}"))
            for ranks in (() if PYTORCH.missing() else (1, 2))
        ]
        if not theirs:
            print(f"PyTorch is skipped. {missing_group('It is not installed', 'benchmarks')}", file=sys.stderr)
        jobs = Jobs(ours, theirs, over_tcp)
        for name in plan.networks:
            for part in (steps, weak, evaluations, pieces):
                print(f"{name}: {part.__name__}", file=sys.stderr)
                yield from part(jobs, name, plan)
        print("exchanges", file=sys.stderr)
        yield from exchanges(jobs, plan)
        yield from convolution(jobs, plan)


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the file of results."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Row))
        for row in rows:
            writer.writerow(f"{value:.5g}" if isinstance(value, float) else value for value in astuple(row))


def read(path: Path) -> list[Row]:
    """Read the file of results."""
    kinds: list[Any] = [field.type for field in fields(Row)]
    with path.open(newline="") as file:
        return [Row(*(kind(text) for kind, text in zip(kinds, line, strict=True))) for line in [*csv.reader(file)][1:]]
