"""Kills: the main job is ended at random moments, and its folder holds the old results or the new ones, whole."""

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

from models import results
from tinygrad_edu import data
from tinygrad_edu.errors import DataError

PROJECT = Path(__file__).parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
NOTES = "notes.txt"  # somebody else's file among the results
LONGEST = 300


@dataclass
class Place:
    """Where one job after the other writes its results.

    Attributes
    ----------
    home : Path
        The parent of the results' folder.
    seconds : dict
        Of each of `MOMENTS`, how long it is.
    files : dict
        What the summary said of the files of the last whole set.
    seed : int
        Of that set.
    process : Popen
        The job that runs.
    earlier : set of Path
        What was hidden in the folder before it.
    shown : int or None
        The inode of the summary before it.
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


Event = Callable[[Place], bool]  # whether it has come
Killed = tuple[int, str, str]  # the exit code of a job, and what it printed
Fault = tuple[str, str]  # its kind, and a text


def campaign(count: int, seed: int, processes: int, say: Callable[[str], None]) -> Counter[str]:
    """Kill so many jobs by each signal; return the figures, and say what failed."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for all that a shell script runs in the background
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
    """Kill one job after the other; return the figures, and say what each left that is wrong."""
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
        for kind, what in faults:
            say(f"seed {seed}, {number.name} {moment} ({part:.1%}): {kind}: {what}; {killed}")
        if faults:
            place = begin(home)
    return figures


def begin(home: Path) -> Place:
    """Make a place with a good set of results, and measure how long the job takes."""
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
    """Leave the results as the last job left them, without what a killed one did not remove."""
    for left in hidden(place.folder):
        if left.resolve() != (place.folder / results.CURRENT).resolve():
            rmtree(left)


def as_plain_files(place: Place) -> None:
    """Put copies in the place of all results: files of their own, as where there are no links."""
    copytree(place.folder, place.home / "copy", ignore=lambda folder, names: [n for n in names if n.startswith(".")])
    rmtree(place.folder)
    (place.home / "copy").rename(place.folder)


def as_a_copy(place: Place) -> None:
    """Put a copy in the place of the folder, made by what follows links."""
    with suppress(shutil.Error):  # of a link that a killed run left, and that leads nowhere yet; all else is copied
        copytree(place.folder, place.home / "copy")
    rmtree(place.folder)
    (place.home / "copy").rename(place.folder)


SHAPES = (as_it_was_saved, as_plain_files, as_it_was_saved, as_a_copy)


def measure(place: Place, moment: str) -> float:
    """Run the job; return how long a moment is in it."""
    first, last = MOMENTS[moment]
    with job(place, place.seed) as process:
        wait(place, first)
        start = time.perf_counter()
        wait(place, last)
        seconds = time.perf_counter() - start
        process.communicate(timeout=LONGEST)
    return seconds


def kill(place: Place, seed: int, moment: str, part: float, number: signal.Signals) -> Killed:
    """Run the job, and send it a signal when some part of a moment is over; return its exit code and its output."""
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
    """Whether the program has said what it does at signals: before that, it is Python that begins."""
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


# Of each, its first and its last event. A kill comes anywhere in between.
MOMENTS = {
    "anywhere": (handles_signals, ends),
    "while it saves": (saves, ends),
    "while the new set takes its place": (has_sealed_the_new_set, shows_the_new_set),
}


def inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def hidden(folder: Path) -> set[Path]:
    """Return the folders inside that nobody is shown: sets of results, and what killed jobs left of them."""
    return {path for path in folder.glob(".*") if path.is_dir() and not path.is_symlink()}


def judge(place: Place, killed: Killed) -> list[Fault]:
    """Return what is wrong after a kill, as pairs of a kind and a text; note what the new set is."""
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
        faults.append(("other failures", f"the results are of seed {place.seed}, not of {expected}"))
    return faults


def folder_faults(folder: Path, before: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a folder of results, given what the summary of the set before it said of the files."""
    summary = results.read_summary(folder)
    if not summary:
        yield "broken files", "no summary"
        return
    shown = {path.name for path in folder.glob("[!.]*") if not path.is_dir()}  # and there are the checkpoints
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
            yield "mixtures", "the history is of another run"
    if not (folder / NOTES).exists():
        yield "other failures", f"{NOTES} is gone"
