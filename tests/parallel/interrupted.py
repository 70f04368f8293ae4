"""Trains on several workers, with checkpoints: ``python interrupted.py FOLDER [RANK EVENT COUNT]...``.

A named rank kills itself before its COUNT-th event: an exchange with others, a change of files, or a millisecond tick.
Each rank has its own folder, as on separate machines. A rank that hangs is ended by a timeout.
"""

import faulthandler
import os
import signal
import sys
from pathlib import Path
from threading import Timer

import numpy as np

from tinygrad_edu import data, nn, optim
from tinygrad_edu.nn.weights.saving import write_arrays
from tinygrad_edu.parallel import world
from tinygrad_edu.training import Accuracy, Checkpoints, fit

FILE_EVENTS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree", "os.scandir"}


def train(home, workers):
    """Resume from the last checkpoint, train to the end, and write the results."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.Tanh(), nn.Dropout(0.3, rng=rng), nn.Linear(8, 3, rng=rng))
    x = np.random.default_rng(2).normal(size=(90, 4)).astype(np.float32)
    y = np.argmax(x[:, :3], axis=1)
    y[17] = -100  # the batch with this label is computed whole
    loader = data.DataLoader(
        x, y, batch_size=30, rng=rng, augment=lambda x, y, rng: (x + rng.normal(size=x.shape).astype(np.float32), y)
    )
    optimizer, history = optim.Adam(model.parameters(), lr=0.01), []
    told = {"metrics": {"accuracy": Accuracy()}, "evaluate_on": {"train": [(x, y % 3)]}}
    for _ in fit(
        model, optimizer, nn.cross_entropy, loader, 3, rng=rng, shard_size=4, max_norm=0.5, workers=workers,
        history=history, checkpoints=Checkpoints(home / str(workers.rank), every_steps=1), resume=True, **told,
    ):  # fmt: skip
        pass
    epochs = [[epoch.loss, epoch.metrics["train_accuracy"], epoch.steps] for epoch in history]
    last = {"drawn": rng.random(3), "epochs": np.array(epochs)}
    write_arrays(home / f"end{workers.rank}.safetensors", {**model.state_dict(), **last})


def kill_before(workers, kind, number):
    """Make this process kill itself before its COUNT-th event."""
    if kind == "millisecond":
        later = Timer(number / 1000, os.kill, (os.getpid(), signal.SIGKILL))
        later.daemon = True
        later.start()
    exchange, count = workers.exchange, 0

    def noted(event):
        nonlocal count
        count += event == kind
        if event == kind and count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def noted_exchange(sent, received):
        noted("exchange")
        exchange(sent, received)

    workers.exchange = noted_exchange
    sys.addaudithook(lambda event, arguments: noted("file" if event in FILE_EVENTS else event))


if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)
    home, *kills = sys.argv[1:]
    workers = world()
    for rank, event, number in zip(*[iter(kills)] * 3, strict=True):
        if int(rank) == workers.rank:
            kill_before(workers, event, int(number))
    train(Path(home), workers)
