"""Collective operations of workers: results on all ranks, after few rounds of messages."""

import pickle

import numpy as np
import pytest

from tests.effort import with_each
from tests.parallel.simulated import on_workers
from tinygrad_edu.errors import WorkersDifferError
from tinygrad_edu.parallel.workers import allgather, allreduce_any, require_equal

SIZES = range(1, 34)


@with_each("size", SIZES)
def test_everybody_gathers_what_each_gave_in_their_order(size):
    def told(rank):
        return {"rank": rank, "of any length": "x" * (7 * rank), "nothing": None}

    workers, found = on_workers(size, lambda worker: allgather(worker, told(worker.rank)))
    assert found == [[told(rank) for rank in range(size)]] * size
    assert {worker.rounds for worker in workers} == {2 * (size - 1).bit_length()}  # the length, then the value
    assert all(worker.messages == worker.rounds for worker in workers)


@pytest.mark.parametrize("size", SIZES)
def test_everybody_learns_whether_any_says_so(size):
    one_says = lambda worker: [allreduce_any(worker, worker.rank == says) for says in range(size)]  # noqa: E731
    assert on_workers(size, one_says)[1] == [[True] * size] * size
    workers, found = on_workers(size, lambda worker: allreduce_any(worker, False))
    assert found == [False] * size
    assert {worker.rounds for worker in workers} == {(size - 1).bit_length()}


@with_each("size", SIZES)
def test_nobody_tells_another_the_same_twice(size):
    """The bytes sent by a worker are at most the sum of all values, each in its largest encoding."""
    content = "x" * 1000
    workers, _ = on_workers(size, lambda worker: allgather(worker, (worker.rank, content)))
    assert max(worker.bytes for worker in workers) <= size * len(pickle.dumps((size, content))) + 100 * size


ALIKE = {"weight": np.zeros((2, 3), np.float32), "none": None, "numbers": [1, 0.5, np.zeros(0), np.float64(3)]}


@pytest.mark.parametrize("size", [1, 2, 5])
def test_what_all_have_alike_is_all_right(size):
    on_workers(size, lambda worker: require_equal(worker, {"the weights": ALIKE, "the order": [None]}))


@pytest.mark.parametrize("other", [{"weight": np.full((2, 3), -0.0, np.float32)}, {"numbers": [1, 0.25]}])
def test_what_some_have_otherwise_is_refused_on_all_by_its_name(other):
    def told(worker):
        own = {**ALIKE, **other} if worker.rank in (1, 3) else ALIKE
        with pytest.raises(WorkersDifferError, match="the weights differ between rank 0 and rank 1, 3") as caught:
            require_equal(worker, {"the order": [2, 1], "the weights": own})
        return str(caught.value)

    assert len(set(on_workers(5, told)[1])) == 1
