"""Training loop of the programs: progress display, signals, checkpoints and results."""

import argparse
import json
import platform
import shlex
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

import tinygrad_edu as tg
from models import STOPPED
from models.shared import board, report, results, stopping
from models.shared.console import complain, say
from models.shared.outcome import Outcome
from models.shared.progress import shown
from tinygrad_edu.errors import (
    CheckpointWarning,
    DataError,
    NonFiniteLossError,
    StateDictError,
    TinygradError,
    UnlockedFolderWarning,
)
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.losses.additive import Loss
from tinygrad_edu.parallel import Workers, world
from tinygrad_edu.parallel.workers import allgather
from tinygrad_edu.shared.files import reason
from tinygrad_edu.training import Checkpoints, Epoch, evaluating

BEST = "best.safetensors"
HISTORY = "history.csv"
CHECKPOINTS = "checkpoints"
CODES = {"done": 0, "stopped": STOPPED, "diverged": 1}
SECONDS = 5.0  # between checkpoints; writing one after every epoch would take most of the time of a short run


@dataclass(frozen=True)
class Training:
    """A training, ready to start.

    Attributes
    ----------
    model : Module
    epochs : int
        Total number of epochs.
    start : callable
        Calls `tinygrad_edu.training.fit` and passes on the arguments that it receives: history, checkpoints, resume,
        `stop` and workers.
    loss : callable
        Returns the current loss of the model in evaluation mode.
    settings : dict
        Values that determine the trained weights; a checkpoint must have the same values.
    draw : callable
        Called with a folder and the outcome; draws the pictures.
    pictures : sequence of str
        Names of the pictures.
    figures : callable
        Returns further results of a finished training, by name.
    """

    model: Module
    epochs: int
    start: Callable[..., Iterator[Epoch]]
    loss: Callable[[], float]
    settings: dict[str, Any]
    draw: Callable[[Path, Outcome], None]
    pictures: Sequence[str]
    figures: Callable[[], dict[str, Any]] = dict


Prepare = Callable[[argparse.Namespace], Training]


class Settings:
    """The settings in a checkpoint, which reject a run with other settings."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def state_dict(self) -> dict[str, Any]:
        """Return the settings."""
        return self.settings

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Raise StateDictError unless the settings are the same."""
        for name, value in self.settings.items():
            if saved.get(name) != value:
                raise StateDictError(
                    f"{name} is {saved.get(name)} in the checkpoint, and {value} here: use the options of that run, or "
                    f"another --output."
                )


def loss_of(model: Module, loss: Loss, *batch: ndarray) -> float:
    """Return the loss of a model in evaluation mode on one batch: its inputs, and last its target."""
    *inputs, target = batch
    with evaluating(model):
        return float(loss(model(*inputs), target).item())


def train(name: str, options: argparse.Namespace, prepare: Prepare) -> int:
    """Run a training program, and return its exit code.

    Ranks started by mpiexec train together. Only the first rank prints and saves.

    The exit code is 0, 1 if training diverged or saving failed, 2 for invalid options, or 130 after Ctrl-C.

    Parameters
    ----------
    name : str
        Name of the program.
    options : argparse.Namespace
        Options of a parser from `options.training_parser`.
    prepare : callable
        Returns the training for the options, or raises an error if they are invalid.
    """
    begin, workers, versions = time.perf_counter(), world(), package_versions()
    with ExitStack() as held:
        held.enter_context(_warnings_as_lines(name))
        try:
            training = _prepared(options, prepare, workers, held)
            outcome, epochs = _begin(name, options, training, workers)
        except (TinygradError, ValueError, OSError) as error:
            complain(name, " ".join(str(error).split()))
            return 2
        # A run that diverges reports it once, at its end, without NumPy's warnings.
        with stopping.noted(), np.errstate(all="ignore"):
            with nullcontext() if workers.rank else _rescued(name, training, outcome):
                _run(options, training, outcome, epochs)
            if outcome.end == "stopped" and not outcome.history:
                say("stopped: before the end of the first epoch, so nothing is saved")
                return STOPPED

            def end() -> int:  # if the first rank is lost meanwhile, the next one runs this
                code = 0 if workers.rank else finish(name, options, training, outcome, versions, begin)
                return int(allgather(workers, code)[0])

            return workers.collective(end)


def package_versions() -> dict[str, str]:
    """Return the versions for the summary."""
    return {"python": platform.python_version(), "numpy": np.__version__, "tinygrad_edu": tg.__version__}


@contextmanager
def _warnings_as_lines(name: str) -> Iterator[None]:
    """Print each warning about files as one line."""
    with warnings.catch_warnings():
        for kind in (CheckpointWarning, UnlockedFolderWarning):
            warnings.simplefilter("default", kind)
        warnings.showwarning = lambda message, *about: complain(name, str(message))
        yield


def _prepared(options: argparse.Namespace, prepare: Prepare, workers: Workers, held: ExitStack) -> Training:
    """Return the training, or raise the first rank's error on all ranks.

    The first rank locks the output folder until `held` is closed.
    """
    training, problem = None, None
    try:
        report.require_group()
        if options.tensorboard:
            board.require_group()
        training = prepare(options)
        if not workers.rank:
            room = 2 * sum(array.nbytes for array in training.model.state_dict().values()) + (2 << 20)
            names = (results.SUMMARY, results.WEIGHTS, BEST, HISTORY, *training.pictures)
            held.enter_context(results.prepare(options.output, names, room))
    except (TinygradError, ValueError, OSError) as error:
        problem = str(error)
    problems = workers.collective(lambda: allgather(workers, problem))
    if training is None or any(problems):
        raise DataError(next(filter(None, problems)))
    return training


def _begin(
    name: str, options: argparse.Namespace, training: Training, workers: Workers
) -> tuple[Outcome, Iterator[Epoch]]:
    """Return the outcome of a training so far, and the iterator of its remaining epochs."""
    outcome = Outcome.begin(training.model.state_dict(), training.loss())
    checkpoints = Checkpoints(
        options.output / CHECKPOINTS, every_seconds=SECONDS, settings=Settings(training.settings), outcome=outcome
    )
    epochs = training.start(
        history=outcome.history,
        checkpoints=checkpoints,
        resume=options.resume,
        stop=stopping.asked,
        workers=workers,
    )
    if options.tensorboard and not workers.rank:
        epochs = board.logged(name, epochs, outcome.history, options.output / board.FOLDER)
    return outcome, epochs


@contextmanager
def _rescued(name: str, training: Training, outcome: Outcome) -> Iterator[None]:
    """Save the current weights if an error ends the training, for example in the last evaluation."""
    begin = outcome.last.arrays
    try:
        yield
    except Exception:
        outcome.end, outcome.last = "failed", replace(outcome.last, arrays=training.model.state_dict())
        trained = any(not np.array_equal(array, begin[key]) for key, array in outcome.last.arrays.items())
        if trained and (saved := rescue(name, outcome, {})):
            complain(name, f"an error ended the training; the weights are in {saved}.")
        raise


def _run(options: argparse.Namespace, training: Training, outcome: Outcome, epochs: Iterator[Epoch]) -> None:
    """Train until the end, a signal or a non-finite value."""
    try:
        for epoch in shown(epochs, len(outcome.history), training.epochs, options.quiet):
            if not outcome.add(epoch, training.model.state_dict()):
                break
    except NonFiniteLossError as error:
        cause = "; ".join(line.strip() for line in error.cause.replace(" at\n ", " at").splitlines())
        outcome.diverge(f"{error.problem}: {cause}")  # without its advice; the closing line names an option
    except KeyboardInterrupt:
        outcome.end = "stopped"


def summarize(
    name: str, options: argparse.Namespace, training: Training, outcome: Outcome, versions: dict[str, str], begin: float
) -> dict[str, Any]:
    """Return the content of ``summary.json``. Its metrics belong to ``model.safetensors``."""
    steps = sum(epoch.steps for epoch in outcome.history)
    summary = {
        "end": outcome.end,
        "reason": outcome.reason,
        **(outcome.history[outcome.last.epoch - 1].metrics if outcome.last.epoch else {}),
        **outcome.figures,
        "epochs": len(outcome.history),
        "model_epoch": outcome.last.epoch,
        "best_epoch": outcome.best.epoch,
        "seconds": round(time.perf_counter() - begin, 3),
        "step_milliseconds": round(1000 * sum(epoch.seconds for epoch in outcome.history) / max(steps, 1), 3),
        "seed": options.seed,
        "options": {**vars(options), **training.settings},
        "command": shlex.join(["python", "-m", name, *sys.argv[1:]]),
        "versions": versions,
    }
    return {name: report.as_json(value) for name, value in summary.items()}


def finish(
    name: str, options: argparse.Namespace, training: Training, outcome: Outcome, versions: dict[str, str], begin: float
) -> int:
    """Judge the outcome, save it, print the closing line, and return the exit code.

    If anything fails, the weights are saved to a temporary folder.
    """
    folder, summary = options.output, dict[str, Any]()

    def write(staged: Path) -> None:
        write_numbers(staged, outcome)
        training.draw(staged, outcome)

    try:
        training.model.load_state_dict(outcome.last.arrays)
        outcome.judge(training.loss())
        summary = summarize(name, options, training, outcome, versions, begin)
        if outcome.end == "done":
            outcome.figures = training.figures()
            summary = summarize(name, options, training, outcome, versions, begin)
        folder = place(options.output, outcome.end)
        results.save(folder, write, summary)
    except Exception as error:
        saved, code = rescue(name, outcome, summary), 1
        where = f"the weights are in {saved}" if saved else "nor in a temporary folder"
        complain(name, f"cannot save in {folder}: {_told(error)}; {where}.")
    else:
        saved, code = folder, CODES[outcome.end]
    say(closing_line(outcome, summary, options.output, saved))
    return code


def _told(error: Exception) -> str:
    """Return the reason of an error, with its type unless it is a TinygradError or an OSError."""
    return reason(error) if isinstance(error, TinygradError | OSError) else repr(error)


def write_numbers(folder: Path, outcome: Outcome) -> None:
    """Write the weights and the history into a folder."""
    report.write_history(folder / HISTORY, outcome.history)
    write_all_weights(folder, outcome)


def write_all_weights(folder: Path, outcome: Outcome) -> None:
    """Write the last and the best weights into a folder."""
    report.write_weights(folder / results.WEIGHTS, outcome.last.arrays)
    report.write_weights(folder / BEST, outcome.best.arrays)


def place(folder: Path, end: str) -> Path:
    """Return the folder for the results. A diverged run does not replace other results."""
    earlier = any((folder / name).exists() for name in (results.SUMMARY, results.WEIGHTS))
    if end == "diverged" and earlier and results.read_summary(folder).get("end") != "diverged":
        return folder / "diverged"
    return folder


def rescue(name: str, outcome: Outcome, summary: dict[str, Any]) -> Path | None:
    """Save the weights and the history in a temporary folder. Return the folder, or None if that fails."""
    with suppress(OSError):
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        for write in (write_numbers, write_all_weights):  # writing the history may be the part that fails
            with suppress(Exception):
                results.save(folder, partial(write, outcome=outcome), summary or {"end": outcome.end})
                return folder
        folder.rmdir()
    return None


def closing_line(outcome: Outcome, summary: dict[str, Any], output: Path, folder: Path | None) -> str:
    """Return one line on how the run ended, its results, and the folder of its files."""
    metrics = outcome.history[-1].metrics if outcome.history else ()
    names = [name for name in (*metrics, *outcome.figures, "epochs", "seconds") if name in summary]
    figures = {name: summary[name] for name in names if not isinstance(summary[name], list | dict)}
    advice = f"{outcome.reason}; try a smaller --learning-rate: " if outcome.end == "diverged" else ""
    kept = f" (earlier results in {output} are kept)" if folder == output / "diverged" else ""
    return f"{outcome.end}: {advice}{json.dumps(figures)} -> {folder or 'nowhere'}{kept}"
