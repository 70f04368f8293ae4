"""Trials: a function of many settings, on any executor. What came of each is kept, and none that fails ends the others.

The executor is whatever has the form of `concurrent.futures.Executor`: threads, processes, MPI's, Dask's or Ray's.
"""

import hashlib
import itertools
import json
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from models import stopping
from models.console import one_line
from models.report import as_json
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.files import open_regular, write_whole

__all__ = ["FAILURE", "RECORD", "Setting", "Trial", "TrialError", "as_text", "folder_of", "grid", "known", "run"]

RECORD, FAILURE = "trial.json", "failure.txt"
LONGEST = 120  # letters of a name: systems allow about 250 bytes
LOOK = 0.2  # seconds from one look for Ctrl-C to the next

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """What came of one setting.

    Attributes
    ----------
    setting : mapping of str to object
        The keywords of the function.
    value : object
        What the function returned, as JSON has it. None where the trial failed.
    reason : str
        Why it failed, in one line; empty where it did not.
    seconds : float
        How long the function took.
    """

    setting: Setting
    value: Any = None
    reason: str = ""
    seconds: float = 0.0


class TrialError(TinygradError):
    """What a function of trials raises to say in its own words why this one failed."""


def grid(**values: Iterable[Any]) -> list[Setting]:
    """Return a setting for each choice of one value for each name, the last name changing fastest.

    Examples
    --------
    >>> grid(width=[8, 16], seed=range(2))
    [{'width': 8, 'seed': 0}, {'width': 8, 'seed': 1}, {'width': 16, 'seed': 0}, {'width': 16, 'seed': 1}]
    """
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def run(
    function: Callable[..., Any], settings: Sequence[Setting], executor: Callable[[], Executor], folder: Path
) -> Iterator[Trial]:
    """Call a function with each setting, and yield what came of it: first what is known, then the others as they end.

    A trial that is known, having returned before into the same folder, is not run again; one that failed is. Killed at
    any moment, the folder has what was yielded.

    Parameters
    ----------
    function : callable
        Called with the keywords of a setting. For processes it must be one that `pickle` can take there.
    settings : sequence of mappings
        Of names to what JSON can hold.
    executor : callable
        Returns a new executor: the class itself, often. Where one breaks, as a pool does that loses a process, those
        trials that it did not end are halved, and each half is run on a new one: what breaks it is alone at last, and
        is the only one that fails.
    folder : Path
        Of this function alone. It has a folder for each trial, called after its setting, with the file ``trial.json``,
        or ``failure.txt`` with the traceback.

    Raises
    ------
    ValueError
        Where two settings are called the same.
    OSError
        Where the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for trial in run(lambda x, y: x / y, grid(x=[7], y=[2, 0]), lambda: ThreadPoolExecutor(1), Path(folder)):
    ...         print(trial.setting, trial.value or trial.reason)
    {'x': 7, 'y': 2} 3.5
    {'x': 7, 'y': 0} ZeroDivisionError: division by zero
    """
    waiting = _places(settings, folder)
    for trial in known(settings, folder):
        del waiting[folder_of(folder, trial.setting)]
        yield trial
    if waiting:
        yield from _run(function, waiting, executor)


def known(settings: Sequence[Setting], folder: Path) -> list[Trial]:
    """Return those trials that have returned before, into this folder."""
    return [trial for place, setting in _places(settings, folder).items() if (trial := _read(place, setting))]


def folder_of(folder: Path, setting: Setting) -> Path:
    """Return the folder of a trial, called after its setting."""
    plain = ",".join(f"{name}={as_text(value)}" for name, value in setting.items()) or "trial"
    name = quote(plain, safe=" =,+@()")
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}~{hashlib.sha256(plain.encode()).hexdigest()[:12]}"
    return folder / name


def as_text(value: Any) -> str:
    """Return a value of a setting as text: the shortest that is the same number.

    Examples
    --------
    >>> as_text(9.0), as_text(1e-05), as_text("warp")
    ('9', '1e-05', 'warp')
    """
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def _places(settings: Sequence[Setting], folder: Path) -> dict[Path, Setting]:
    places: dict[Path, Setting] = {}
    for setting in settings:
        if (place := folder_of(folder, setting)) in places:
            raise ValueError(f"two trials are called {place.name}")
        places[place] = setting
    return places


def _run(
    function: Callable[..., Any], waiting: dict[Path, Setting], executor: Callable[[], Executor]
) -> Iterator[Trial]:
    left = yield from _on_one(function, waiting, executor)
    if len(waiting) == 1 and left:
        ((place, setting),) = waiting.items()
        yield _failed(place, setting, "the process that ran it died", "")
        return
    for half in (left[: len(left) // 2], left[len(left) // 2 :]):
        if half:
            yield from _run(function, {place: waiting[place] for place in half}, executor)


def _on_one(
    function: Callable[..., Any], waiting: dict[Path, Setting], executor: Callable[[], Executor]
) -> Generator[Trial, None, list[Path]]:
    """Yield the trials that one executor ends, and return those that it left when it broke."""
    pool = executor()
    running: dict[Future[tuple[Any, float]], Path] = {}
    left = dict.fromkeys(waiting)
    try:
        with suppress(BrokenExecutor):
            for place, setting in waiting.items():
                running[pool.submit(_timed, function, dict(setting))] = place
        while running:
            if stopping.asked():
                raise KeyboardInterrupt
            for future in wait(running, LOOK, FIRST_COMPLETED).done:
                place = running.pop(future)
                error = CancelledError() if future.cancelled() else future.exception()
                if not isinstance(error, BrokenExecutor):
                    del left[place]
                    yield _ended(place, waiting[place], future, error)
    finally:
        for future in running:
            future.cancel()
        pool.shutdown(wait=not running)
    return list(left)


def _timed(function: Callable[..., Any], setting: dict[str, Any]) -> tuple[Any, float]:
    """Return, where it runs, the value of a function and how many seconds it took."""
    begin = time.perf_counter()
    value = function(**setting)
    return value, time.perf_counter() - begin


def _ended(place: Path, setting: Setting, future: "Future[tuple[Any, float]]", error: BaseException | None) -> Trial:
    """Keep what came of a trial, and return it."""
    if error is not None:
        named = "" if isinstance(error, TrialError) else f"{type(error).__name__}: "
        reason = f"{named}{error}".removesuffix(": ")
        return _failed(place, setting, reason, "".join(traceback.format_exception(error)))
    value, seconds = future.result()
    trial = Trial(setting, as_json(value), "", round(seconds, 3))
    place.mkdir(parents=True, exist_ok=True)
    record = {"setting": as_json(dict(setting)), "value": trial.value, "seconds": trial.seconds}
    write_whole(place / RECORD, (json.dumps(record, indent=2) + "\n").encode())
    (place / FAILURE).unlink(missing_ok=True)
    return trial


def _failed(place: Path, setting: Setting, reason: str, told: str) -> Trial:
    place.mkdir(parents=True, exist_ok=True)
    write_whole(place / FAILURE, (told or f"{reason}\n").encode(errors="backslashreplace"))
    return Trial(setting, reason=one_line(" ".join(reason.split())))


def _read(place: Path, setting: Setting) -> Trial | None:
    """Return what is known of a trial, if its file is one and is about this setting."""
    try:
        with open_regular(place / RECORD) as file:
            record = json.load(file)
        if record["setting"] == as_json(dict(setting)):
            return Trial(setting, record["value"], "", float(record["seconds"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None
