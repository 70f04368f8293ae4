"""Trains with checkpoints and is killed at random moments until it ends: ``python killed.py HOME SEED KILLS``.

Prints ``same`` if the weights, history and random stream are bitwise equal to those of an uninterrupted run.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from random import Random

import numpy as np

from tinygrad_edu import data, nn, optim
from tinygrad_edu.nn.weights.saving import write_arrays
from tinygrad_edu.training import Accuracy, Checkpoints, EarlyStopping, fit

CALLS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree", "os.scandir"}


def train(home):
    """Resume from the last checkpoint, train to the end, and write the results."""
    rng, noise = np.random.default_rng(0), np.random.Generator(np.random.MT19937(1))
    model = nn.Sequential(
        nn.Linear(4, 8, rng=rng), nn.BatchNorm1D(8), nn.Tanh(), nn.Dropout(0.3, rng=rng), nn.Linear(8, 3, rng=rng)
    )
    x = np.random.default_rng(2).normal(size=(90, 4)).astype(np.float32)
    y = np.argmax(x[:, :3], axis=1)

    def noisy(x, y):
        return x + noise.normal(scale=0.1, size=x.shape).astype(np.float32), y

    loader = data.DataLoader(x, y, batch_size=4, rng=rng, transform=noisy)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    average, stopping = optim.MovingAverage(model.parameters(), 0.9), EarlyStopping(model, patience=50)
    plateau = optim.schedules.Plateau(0.01, patience=0, threshold=0.1)
    checkpoints = Checkpoints(home / "checkpoints", every_steps=2, stopping=stopping, plateau=vars(plateau))
    history = []
    for epoch in fit(
        model, optimizer, nn.cross_entropy, loader, 4,
        rng=rng, schedule=lambda step: plateau.lr / (1 + step / 100), max_norm=1.0, accumulate=2, average=average,
        metrics={"accuracy": Accuracy()}, evaluate_on={"train": [(x, y)]},
        history=history, checkpoints=checkpoints, resume=True,
    ):  # fmt: skip
        stopping(epoch.loss)
        plateau(epoch.loss)
    told = [(epoch.epoch, epoch.loss, epoch.metrics, epoch.learning_rate, epoch.steps) for epoch in history]
    with average.swap():
        averages = {f"average.{name}": array for name, array in model.state_dict().items()}
    stopping.restore()
    last = {
        "drawn": rng.random(3),
        "noise": noise.random(3),
        "told": np.frombuffer(json.dumps(told).encode(), np.uint8),
    }
    write_arrays(home / "end.safetensors", {**model.state_dict(), **averages, **last})


def child(home, before_call=0):
    """Start a training process that is killed before its n-th call that changes files, unless n is 0."""
    process = os.fork()
    if process:
        return process
    calls = 0

    def kill(event, arguments):
        nonlocal calls
        if event in CALLS:
            calls += 1
            if calls == before_call:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    try:
        train(home)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)


def main(home, seed, kills):
    undisturbed, disturbed, random = home / "undisturbed", home / "disturbed", Random(seed)
    undisturbed.mkdir()
    disturbed.mkdir()
    begin = time.perf_counter()
    assert os.waitpid(child(undisturbed), 0)[1] == 0
    seconds = time.perf_counter() - begin
    left = kills
    while left:
        if left % 2:
            process = child(disturbed, random.randint(1, 60))
        else:
            process = child(disturbed)
            time.sleep(random.random() * 4 * seconds / kills)
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        assert status in (0, signal.SIGKILL), status
        left -= status == signal.SIGKILL
        if not status:  # the run ended before it was killed; start a new run
            (disturbed / "end.safetensors").unlink()
            for path in (disturbed / "checkpoints").iterdir():
                path.rename(home / f"{path.name}-{time.perf_counter_ns()}")
    assert os.waitpid(child(disturbed), 0)[1] == 0
    a, b = ((folder / "end.safetensors").read_bytes() for folder in (undisturbed, disturbed))
    print("same" if a == b else "different")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
