"""Trials: calls of a function with many settings on any executor. Results are saved; a failure ends only its own trial.

Any `concurrent.futures.Executor` works: threads, processes, MPI, Dask or Ray.
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

from models.shared import stopping
from models.shared.console import one_line
from models.shared.report import as_json
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.shared.files import open_regular, write_whole

__all__ = ["FAILURE", "RECORD", "Setting", "Trial", "TrialError", "as_text", "folder_of", "grid", "known", "run"]

RECORD, FAILURE = "trial.json", "failure.txt"
LONGEST = 120  # characters of a name; file systems allow about 250 bytes
LOOK = 0.2  # seconds between checks for Ctrl-C

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """Result of one setting.

    Attributes
    ----------
    setting : mapping of str to object
        Keyword arguments of the function.
    value : object
        Return value of the function as JSON data. None if the trial failed.
    reason : str
        Reason for a failure, in one line; empty otherwise.
    seconds : float
        Running time of the function.
    """

    setting: Setting
    value: Any = None
    reason: str = ""
    seconds: float = 0.0


class TrialError(TinygradError):
    """Error that a function of trials raises with its own reason for a failure."""


def grid(**values: Iterable[Any]) -> list[Setting]:
    """Return the settings for all combinations of values, the last name changing fastest.

    Examples
    --------
    >>> grid(width=[8, 16], seed=range(2))
    [{'width': 8, 'seed': 0}, {'width': 8, 'seed': 1}, {'width': 16, 'seed': 0}, {'width': 16, 'seed': 1}]
    """
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def run(
    function: Callable[..., Any], settings: Sequence[Setting], executor: Callable[[], Executor], folder: Path
) -> Iterator[Trial]:
    """Call a function with each setting, and yield the results: first the saved ones, then the others as they finish.

    A trial with a result in the folder is not run again, but a failed trial is. After a kill at any moment, the folder
    contains all trials that were yielded.

    Parameters
    ----------
    function : callable
        Called with the keyword arguments of a setting. For processes it must be picklable.
    settings : sequence of mappings
        Settings with values that JSON can represent.
    executor : callable
        Returns a new executor, for example a class. If an executor breaks, such as a process pool that loses a
        process, its unfinished trials are split into halves, each run on a new executor. In the
        end, a trial that breaks its executor runs on its own, and only it fails.
    folder : Path
        Folder of this function only. It contains a folder per trial, named after its setting, with ``trial.json``, or
        ``failure.txt`` with the traceback.

    Raises
    ------
    ValueError
        If two settings have the same name.
    OSError
        If the folder cannot be written.

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
    """Return the trials with results in this folder."""
    return [trial for place, setting in _places(settings, folder).items() if (trial := _read(place, setting))]


def folder_of(folder: Path, setting: Setting) -> Path:
    """Return the folder of a trial, named after its setting."""
    plain = ",".join(f"{name}={as_text(value)}" for name, value in setting.items()) or "trial"
    name = quote(plain, safe=" =,+@()")
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}~{hashlib.sha256(plain.encode()).hexdigest()[:12]}"
    return folder / name


def as_text(value: Any) -> str:
    """Return a value of a setting as text; floats have the shortest form that is exact.

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
            raise ValueError(f"two trials have the same name: {place.name}.")
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
    """Yield the trials that one executor finishes, and return those left unfinished when it broke."""
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
    """Return the function's value and its running time in seconds, measured where it runs."""
    begin = time.perf_counter()
    value = function(**setting)
    return value, time.perf_counter() - begin


def _ended(place: Path, setting: Setting, future: "Future[tuple[Any, float]]", error: BaseException | None) -> Trial:
    """Save the result of a trial, and return it."""
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
    """Return the saved result of a trial, or None if its file is invalid or has another setting."""
    try:
        with open_regular(place / RECORD) as file:
            record = json.load(file)
        if record["setting"] == as_json(dict(setting)):
            return Trial(setting, record["value"], "", float(record["seconds"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None
