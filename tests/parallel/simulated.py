"""Simulated workers: threads of one process that communicate through queues and count their messages."""

import threading
from queue import SimpleQueue


class SimulatedWorkers:
    """A simulated worker. It counts the `messages` and `bytes` that it sent, and its `rounds` of waiting.

    Parameters
    ----------
    rank, size : int
    letters : dict of (int, int) to SimpleQueue
        Message queues by (sender, receiver).
    """

    threads, timeout = 1, 20

    def __init__(self, rank, size, letters):
        self.rank, self.size, self.letters = rank, size, letters
        self.messages = self.bytes = self.rounds = 0

    def exchange(self, sent, received):
        """Send and receive bytes. Raise unless the sizes of messages and buffers are equal."""
        self.rounds += 1
        for rank, content in sent.items():
            assert (content.dtype, content.ndim, content.flags.c_contiguous) == ("u1", 1, True)
            self.letters[self.rank, rank].put(content.copy())
            self.messages, self.bytes = self.messages + 1, self.bytes + content.size
        for rank, room in received.items():
            content = self.letters[rank, self.rank].get(timeout=self.timeout)
            assert content.shape == room.shape
            room[:] = content

    def collective(self, compute):
        """Return ``compute()``, because no worker is lost."""
        return compute()


def on_workers(size, function):
    """Call a function on several workers in parallel. Return the workers and their results."""
    letters = {(a, b): SimpleQueue() for a in range(size) for b in range(size)}
    workers = [SimulatedWorkers(rank, size, letters) for rank in range(size)]
    found, errors = [None] * size, []

    def run(worker):
        try:
            found[worker.rank] = function(worker)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    assert all(queue.empty() for queue in letters.values())
    return workers, found
