"""Scaling: the model of the time of a step, and a comparison with PyTorch on two processes."""

import math

import numpy as np
import pytest

from benchmarks.scaling.job import Job
from benchmarks.scaling.paper import Link, Work, expected_latest, fit_gather, fit_link, fit_shards


@pytest.mark.peers
def test_pytorch_on_two_processes_takes_the_same_steps(tmp_path):
    with Job("ours", 2) as ours, Job("ddp", 2, BENCHMARK_MEETING=str(tmp_path / "meeting")) as theirs:
        for name in ("mnist", "lenet", "transformer"):
            given = {"work": "step", "times": 3, "name": name, "batch": 16, "fixed": True}
            found = np.mean(theirs.losses(**given), axis=0)
            assert found == pytest.approx(ours.losses(**given, shard_size=8, threads=1)[0], rel=1e-4)


def test_a_step_on_paper():
    work = Work(fixed=1.0, shard=2.0, latest={1: 2.0, 4: 2.5}, bytes=1000)
    link = Link(latency=0.25, per_byte=0.001)
    assert work.step(10, 1, link) == 1 + 10 * 2
    # The busiest of four workers has 3 of 10 shards; the slowest of four is 0.5 s late; 2 rounds, 3/4 of the bytes.
    exchange = 2 * 2 * 0.25 + 2 * 0.75 * 1000 * 0.001
    assert work.step(10, 4, link) == pytest.approx(1 + 3 * 2 + math.sqrt(3) * 0.5 + exchange)
    # On two cores, each core has five shards and two fixed times per step.
    assert work.step(10, 4, link, cores=2) == pytest.approx(2 + 5 * 2 + math.sqrt(5) * 0.5 + exchange)
    assert work.step(1, 4, Link(0, 0)) == 1 + 2  # one shard: no other worker is late


def test_the_slowest_of_some_that_were_measured():
    times = [1.0, 2.0, 4.0]
    assert expected_latest(times, 1) == pytest.approx(7 / 3)
    assert expected_latest(times, 2) == pytest.approx((1 * 1 + 2 * 3 + 4 * 5) / 9)  # the mean of the maxima of 9 pairs
    assert expected_latest(times, 4096) == pytest.approx(4)


def test_fits_find_what_times_were_made_of():
    link = Link(2e-5, 3e-10)
    workers, sizes = [2, 2, 3, 4], [4_000, 4_000_000, 40_000, 40_000_000]
    found = fit_link(workers, sizes, [link.exchange(w, size) for w, size in zip(workers, sizes, strict=True)])
    assert (found.latency, found.per_byte) == pytest.approx((2e-5, 3e-10))
    found = fit_gather(workers, sizes, [link.gather(w, size) for w, size in zip(workers, sizes, strict=True)])
    assert (found.latency, found.per_byte) == pytest.approx((2e-5, 3e-10))
    assert link.gather(4, 1000) == pytest.approx(2 * 2e-5 + 3 * 1000 * 3e-10)  # a worker receives from three others
    counts, cuts = [2, 4, 8], [8, 32, 16]
    seconds = [0.001 + 0.002 * count + 0.0001 * count * cut for count, cut in zip(counts, cuts, strict=True)]
    assert fit_shards(counts, cuts, seconds) == pytest.approx((0.001, 0.002, 0.0001))
