"""Kills: the main job is killed at random moments; its folder must hold the complete old or new results."""

import csv
import hashlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product, repeat
from pathlib import Path
from random import Random
from shutil import copytree, rmtree
from typing import Any

import numpy as np

from models.shared import results
from tinygrad_edu import data
from tinygrad_edu.errors import DataError

PROJECT = Path(__file__).parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
NOTES = "notes.txt"  # a file of the user among the results
LONGEST = 300


@dataclass
class Place:
    """A folder where successive jobs write their results.

    Attributes
    ----------
    home : Path
        The parent of the results folder.
    seconds : dict
        Durations of `MOMENTS`.
    files : dict
        Files of the last complete set, from its summary.
    seed : int
        Seed of that set.
    process : Popen
        The running job.
    earlier : set of Path
        Hidden folders before the job started.
    shown : int or None
        Inode of the summary before the job started.
    """

    home: Path
    seconds: dict[str, float] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    seed: int = 1
    process: subprocess.Popen[str] = field(init=False)
    earlier: set[Path] = field(default_factory=set)
    shown: int | None = None

    @property
    def folder(self) -> Path:
        return self.home / "results"


Event = Callable[[Place], bool]  # whether it has happened
Killed = tuple[int, str, str]  # the exit code, stdout and stderr of a job
Fault = tuple[str, str]  # its kind and a description


def campaign(count: int, seed: int, processes: int, say: Callable[[str], None]) -> Counter[str]:
    """Kill `count` jobs by each signal. Return the counts; report failures."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for background jobs of a shell script
        signal.signal(signal.SIGINT, signal.default_int_handler)
    figures = Counter({"mixtures": 0, "broken files": 0, "tracebacks": 0, "other failures": 0})
    tries = list(product(range(seed, seed + count), SIGNALS))
    with tempfile.TemporaryDirectory() as home, ThreadPoolExecutor(processes) as workers:
        several = [tries[k::processes] for k in range(processes)]
        homes = [Path(home) / str(k) for k in range(processes)]
        for more in workers.map(kill_all, homes, several, repeat(say)):
            figures.update(more)
    return figures


def kill_all(home: Path, tries: Sequence[tuple[int, signal.Signals]], say: Callable[[str], None]) -> Counter[str]:
    """Kill one job after another. Return the counts; report the faults of each."""
    place, figures = begin(home), Counter[str]()
    for seed, number in tries:
        random = Random(f"{seed} {number}")
        moment, part = list(MOMENTS)[seed % len(MOMENTS)], random.random()
        before = place.seed
        SHAPES[seed % len(SHAPES)](place)
        killed = kill(place, before + 1, moment, part, number)
        faults = judge(place, killed)
        left = "finished" if killed[0] == 0 else "left new results" if place.seed != before else "left the old ones"
        figures.update([f"by {number.name}", left, *(kind for kind, _ in faults)])
        for kind, text in faults:
            say(f"seed {seed}, {number.name} {moment} ({part:.1%}): {kind}: {text}; {killed}")
        if faults:
            place = begin(home)
    return figures


def begin(home: Path) -> Place:
    """Create a folder with a complete set of results, and measure the durations of `MOMENTS`."""
    rmtree(home, ignore_errors=True)
    home.mkdir()
    digits = data.load_embedded()
    few = {"x_train": 64, "y_train": 64, "x_test": 100, "y_test": 100}
    np.savez(home / "digits.npz", **{key: getattr(digits, key)[:count] for key, count in few.items()})
    place = Place(home)
    for moment in MOMENTS:
        place.seconds[moment] = measure(place, moment)
    (place.folder / NOTES).write_text("ours")
    place.files = results.read_summary(place.folder)["files"]
    return place


def as_it_was_saved(place: Place) -> None:
    """Keep the results, and remove hidden folders that killed jobs left."""
    for left in hidden(place.folder):
        if left.resolve() != (place.folder / results.CURRENT).resolve():
            rmtree(left)


def as_plain_files(place: Place) -> None:
    """Replace the results by plain files, as on a file system without links."""
    copytree(place.folder, place.home / "copy", ignore=lambda folder, names: [n for n in names if n.startswith(".")])
    rmtree(place.folder)
    (place.home / "copy").rename(place.folder)


def as_a_copy(place: Place) -> None:
    """Replace the folder by a copy made by a program that follows links."""
    with suppress(shutil.Error):  # a killed job may leave a dangling link; all else is copied
        copytree(place.folder, place.home / "copy")
    rmtree(place.folder)
    (place.home / "copy").rename(place.folder)


SHAPES = (as_it_was_saved, as_plain_files, as_it_was_saved, as_a_copy)


def measure(place: Place, moment: str) -> float:
    """Run the job; return the duration of a moment."""
    first, last = MOMENTS[moment]
    with job(place, place.seed) as process:
        wait(place, first)
        start = time.perf_counter()
        wait(place, last)
        seconds = time.perf_counter() - start
        process.communicate(timeout=LONGEST)
    return seconds


def kill(place: Place, seed: int, moment: str, part: float, number: signal.Signals) -> Killed:
    """Run the job; send a signal after a fraction `part` of a moment. Return its exit code and output."""
    with job(place, seed) as process:
        wait(place, MOMENTS[moment][0])
        time.sleep(part * place.seconds[moment])
        process.send_signal(number)
        return process.wait(LONGEST), *process.communicate()


@contextmanager
def job(place: Place, seed: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "models.mnist_conv", "--data", str(place.home / "digits.npz")]
    command += ["--train-size", "64", "--epochs", "2", "--batch-size", "16"]
    command += ["--seed", str(seed), "--output", str(place.folder), "--quiet"]
    place.earlier, place.shown = hidden(place.folder), inode(place.folder / results.SUMMARY)
    place.process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield place.process
    finally:
        place.process.kill()
        place.process.communicate()


def wait(place: Place, event: Event) -> None:
    while not event(place) and not ends(place):
        time.sleep(0.0003)


def handles_signals(place: Place) -> bool:
    """Return whether the job has installed its signal handlers; before, Python is still starting."""
    try:
        status = Path(f"/proc/{place.process.pid}/status").read_text()
    except OSError:
        return True
    handled = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
    return bool(int(handled, 16) >> (signal.SIGTERM - 1) & 1)


def saves(place: Place) -> bool:
    return any(hidden(place.folder) - place.earlier)


def has_sealed_the_new_set(place: Place) -> bool:
    return any((path / results.SUMMARY).exists() for path in hidden(place.folder) - place.earlier)


def shows_the_new_set(place: Place) -> bool:
    return inode(place.folder / results.SUMMARY) not in (None, place.shown)


def ends(place: Place) -> bool:
    return place.process.poll() is not None


# First and last event of each; a kill happens at any time between them.
MOMENTS = {
    "anywhere": (handles_signals, ends),
    "while it saves": (saves, ends),
    "while the new set takes its place": (has_sealed_the_new_set, shows_the_new_set),
}


def inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def hidden(folder: Path) -> set[Path]:
    """Return the hidden folders inside: sets of results, and incomplete sets of killed jobs."""
    return {path for path in folder.glob(".*") if path.is_dir() and not path.is_symlink()}


def judge(place: Place, killed: Killed) -> list[Fault]:
    """Return the faults after a kill, and record the new set in `place`."""
    code, out, err = killed
    faults = list(folder_faults(place.folder, place.files))
    if "Traceback" in err:
        faults.append(("tracebacks", err))
    elif code not in (0, 130, -signal.SIGKILL) or len(err.splitlines()) > 1:
        faults.append(("other failures", f"exit code {code}"))
    summary, old = results.read_summary(place.folder), place.seed
    place.seed, place.files = summary.get("seed", 0), summary.get("files", {})
    expected = {old + 1} if out.startswith(("done: ", "stopped: {")) else {old} if code == 130 else {old, old + 1}
    if place.seed not in expected:
        faults.append(("other failures", f"expected results of a seed in {expected}, got seed {place.seed}"))
    return faults


def folder_faults(folder: Path, before: dict[str, Any]) -> Iterator[Fault]:
    """Yield the faults of a folder of results; `before` has the files of the previous set, from its summary."""
    summary = results.read_summary(folder)
    if not summary:
        yield "broken files", "no summary"
        return
    shown = {path.name for path in folder.glob("[!.]*") if not path.is_dir()}  # directories hold checkpoints
    for name in sorted({*summary["files"], *shown} - {results.SUMMARY, NOTES}):
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest() if (folder / name).exists() else None
        if found != summary["files"].get(name, {}).get("sha256"):
            old = found in (None, before.get(name, {}).get("sha256"))
            yield "mixtures" if old else "broken files", name
    try:
        for name in (results.WEIGHTS, "best.safetensors"):
            results.read_weights(folder, name)
    except DataError as error:
        yield "broken files", str(error)
    with (folder / "history.csv").open() as file:
        if len(list(csv.DictReader(file))) != summary["epochs"]:
            yield "mixtures", "history.csv is from another run"
    if not (folder / NOTES).exists():
        yield "other failures", f"{NOTES} is missing"
