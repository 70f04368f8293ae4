"""Workers in the threads of one process, that tell each other through queues, and count what they say."""

import threading
from queue import SimpleQueue


class SimulatedWorkers:
    """One of several workers. `messages`, `bytes` and `rounds` are what it sent, and how often it waited for others.

    Parameters
    ----------
    rank, size : int
    letters : dict of (int, int) to SimpleQueue
        From a rank to a rank.
    """

    threads, timeout = 1, 20

    def __init__(self, rank, size, letters):
        self.rank, self.size, self.letters = rank, size, letters
        self.messages = self.bytes = self.rounds = 0

    def exchange(self, sent, received):
        """Send bytes, and take in others, of which none may be left over or missing."""
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
        """Return what is computed: nobody is lost."""
        return compute()


def on_workers(size, function):
    """Call a function of a worker on each of several, at once. Return the workers, and what came of each."""
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
