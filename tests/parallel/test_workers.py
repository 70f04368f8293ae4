"""What workers tell each other: everybody hears all of it, after few rounds of messages."""

import pickle

import pytest

from tests.parallel.simulated import on_workers
from tinygrad_edu.parallel.workers import ALONE, any_of, gather

SIZES = range(1, 34)


@pytest.mark.parametrize("size", SIZES)
def test_everybody_gathers_what_each_gave_in_their_order(size):
    def told(rank):
        return {"rank": rank, "of any length": "x" * (7 * rank), "nothing": None}

    workers, found = on_workers(size, lambda worker: gather(worker, told(worker.rank)))
    assert found == [[told(rank) for rank in range(size)]] * size
    assert {worker.rounds for worker in workers} == {2 * (size - 1).bit_length()}  # how long it is, and then itself
    assert all(worker.messages == worker.rounds for worker in workers)


@pytest.mark.parametrize("size", SIZES)
def test_everybody_learns_whether_any_says_so(size):
    for says in range(size):
        assert on_workers(size, lambda worker, says=says: any_of(worker, worker.rank == says))[1] == [True] * size
    workers, found = on_workers(size, lambda worker: any_of(worker, False))
    assert found == [False] * size
    assert {worker.rounds for worker in workers} == {(size - 1).bit_length()}


@pytest.mark.parametrize("size", SIZES)
def test_nobody_tells_another_the_same_twice(size):
    """What goes from worker to worker is at most all that there is, each in the longest way to write it."""
    content = "x" * 1000
    workers, _ = on_workers(size, lambda worker: gather(worker, (worker.rank, content)))
    assert max(worker.bytes for worker in workers) <= size * len(pickle.dumps((size, content))) + 100 * size


def test_alone_there_is_nobody_to_tell():
    assert gather(ALONE, [1, 2]) == [[1, 2]]
    assert (any_of(ALONE, True), any_of(ALONE, False)) == (True, False)
    assert ALONE.threads >= 1
    ALONE.exchange({}, {})
