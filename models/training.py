"""What all programs that train do: show it, stop at a signal, go on after a checkpoint, and save what came of it."""

import argparse
import json
import platform
import shlex
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models import STOPPED, board, report, results, stopping
from models.console import complain, say
from models.outcome import Outcome
from models.progress import shown
from tinygrad_edu.errors import CheckpointWarning, DataError, NonFiniteLossError, StateDictError, TinygradError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.coupling import Loss
from tinygrad_edu.parallel import Workers, world
from tinygrad_edu.parallel.workers import gather
from tinygrad_edu.training import Checkpoints, Epoch, evaluating

BEST = "best.safetensors"
HISTORY = "history.csv"
CHECKPOINTS = "checkpoints"
CODES = {"done": 0, "stopped": STOPPED, "diverged": 1}
SECONDS = 5.0  # from one checkpoint to the next: of a job of few seconds, the disk would take most


@dataclass(frozen=True)
class Training:
    """What a program trains, ready to begin.

    Attributes
    ----------
    model : Module
    epochs : int
        How many in all.
    fit : callable
        `tinygrad_edu.training.fit` of all but the history, the checkpoints, the workers, and what stops it.
    loss : callable
        Returns the loss of the model as it is, evaluated: whether it learned anything.
    settings : dict
        All that another choice of would train other weights, and so what a checkpoint must share.
    draw : callable
        Of a folder and what came of the training: draws the pictures.
    pictures : sequence of str
        Their names.
    figures : callable
        Returns what else there is to tell of a model that was trained to the end, by name.
    """

    model: Module
    epochs: int
    fit: Callable[..., Iterator[Epoch]]
    loss: Callable[[], float]
    settings: dict[str, Any]
    draw: Callable[[Path, Outcome], None]
    pictures: Sequence[str]
    figures: Callable[[], dict[str, Any]] = dict


class Settings:
    """The part of a checkpoint by which it knows a run of other settings."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def state_dict(self) -> dict[str, Any]:
        """Return the settings."""
        return self.settings

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Raise unless the settings are the same."""
        for name, value in self.settings.items():
            if saved.get(name) != value:
                raise StateDictError(
                    f"{name} is {saved.get(name)} there, and {value} here: give the options of that run, or another "
                    f"--output"
                )


def loss_of(model: Module, loss: Loss, *batch: ndarray) -> float:
    """Return the loss of a model on one batch, its inputs and last its target, evaluated."""
    *inputs, target = batch
    with evaluating(model):
        return float(loss(model(*inputs), target).item())


def train(name: str, options: argparse.Namespace, prepare: Callable[[], Training]) -> int:
    """Run a program that trains, and return its exit code.

    Where mpiexec started it on several ranks, they train together, and the first alone says and saves anything.

    It is 0, 1 where training diverged or its results could not be saved, 2 for wrong options, 130 after Ctrl-C.

    Parameters
    ----------
    name : str
        Of the program.
    options : argparse.Namespace
        With those of `options.training_parser`.
    prepare : callable
        Returns what is to be trained, or raises an error for options that cannot be.
    """
    begin, workers = time.perf_counter(), world()
    try:
        training = _prepared(options, prepare, workers)
        outcome, epochs = _begin(name, options, training, workers)
    except (TinygradError, ValueError, OSError) as error:
        complain(name, " ".join(str(error).split()))
        return 2
    # What overflows in a run that diverges is said once, at its end.
    with stopping.noted(), np.errstate(all="ignore"):
        _run(name, options, training, outcome, epochs)
        if outcome.end == "stopped" and not outcome.history:
            say("stopped: before the end of the first epoch, so nothing is saved")
            return STOPPED

        def end() -> int:  # where the first is lost meanwhile, the next one does it
            code = CODES[outcome.end]
            if not workers.rank:
                if outcome.end == "done":
                    outcome.figures = training.figures()
                summary = summarize(name, options, training, outcome, time.perf_counter() - begin)
                code = finish(name, training, outcome, summary, options.output)
            return int(gather(workers, code)[0])  # or the next one saves it

        return workers.together(end)


def _prepared(options: argparse.Namespace, prepare: Callable[[], Training], workers: Workers) -> Training:
    """Return what is to be trained, or raise the same error on all ranks: of the first that has one."""
    training, problem = None, None
    try:
        report.require_extra()
        if options.tensorboard:
            board.require_extra()
        training = prepare()
        if not workers.rank:
            room = 2 * sum(array.nbytes for array in training.model.state_dict().values()) + (2 << 20)
            results.prepare(options.output, (results.SUMMARY, results.WEIGHTS, BEST, HISTORY, *training.pictures), room)
    except (TinygradError, ValueError, OSError) as error:
        problem = str(error)
    problems = workers.together(lambda: gather(workers, problem))
    if training is None or any(problems):
        raise DataError(next(filter(None, problems)))
    return training


def _begin(
    name: str, options: argparse.Namespace, training: Training, workers: Workers
) -> tuple[Outcome, Iterator[Epoch]]:
    """Return the outcome of a training so far, and the epochs that are still to come."""
    outcome = Outcome.begin(training.model.state_dict(), training.loss())
    checkpoints = Checkpoints(
        options.output / CHECKPOINTS, every_seconds=SECONDS, settings=Settings(training.settings), outcome=outcome
    )
    epochs = training.fit(
        history=outcome.history,
        checkpoints=checkpoints,
        resume=options.resume,
        stop=stopping.asked,
        workers=workers,
    )
    if options.tensorboard and not workers.rank:
        epochs = board.logged(name, epochs, outcome.history, options.output / board.FOLDER)
    return outcome, epochs


def _run(name: str, options: argparse.Namespace, training: Training, outcome: Outcome, epochs: Iterator[Epoch]) -> None:
    """Train until the end, a signal or a number that is not finite."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", CheckpointWarning)
        warnings.showwarning = lambda message, *about: complain(name, str(message))
        try:
            for epoch in shown(epochs, len(outcome.history), training.epochs, options.quiet):
                if not outcome.add(epoch, training.model.state_dict()):
                    break
        except NonFiniteLossError as error:
            cause = "; ".join(line.strip() for line in error.cause.replace(" at\n ", " at").splitlines())
            outcome.diverge(f"{error.what}: {cause}")  # without its advice, which is given in terms of the options
        except KeyboardInterrupt:
            outcome.end = "stopped"
    training.model.load_state_dict(outcome.last.arrays)
    outcome.judge(training.loss())


def summarize(
    name: str, options: argparse.Namespace, training: Training, outcome: Outcome, seconds: float
) -> dict[str, Any]:
    """Return the content of ``summary.json``. Metrics are those of ``model.safetensors``."""
    steps = sum(epoch.steps for epoch in outcome.history)
    summary = {
        "end": outcome.end,
        "reason": outcome.reason,
        **(outcome.history[outcome.last.epoch - 1].metrics if outcome.last.epoch else {}),
        **outcome.figures,
        "epochs": len(outcome.history),
        "model_epoch": outcome.last.epoch,
        "best_epoch": outcome.best.epoch,
        "seconds": round(seconds, 3),
        "step_milliseconds": round(1000 * sum(epoch.seconds for epoch in outcome.history) / max(steps, 1), 3),
        "seed": options.seed,
        "options": {**vars(options), **training.settings},
        "command": shlex.join(["python", "-m", name, *sys.argv[1:]]),
        "versions": {
            "python": platform.python_version(), "numpy": np.__version__, "tinygrad_edu": version("tinygrad-edu"),
        },
    }  # fmt: skip
    return {name: report.as_json(value) for name, value in summary.items()}


def finish(name: str, training: Training, outcome: Outcome, summary: dict[str, Any], output: Path) -> int:
    """Save what the run came to, say so in one line, and return the exit code."""
    folder, code = place(output, outcome.end), CODES[outcome.end]

    def write(staged: Path) -> None:
        write_numbers(staged, outcome)
        training.draw(staged, outcome)

    try:
        results.save(folder, write, summary)
    except Exception as error:  # whatever it is, the weights are not to be lost with it
        saved, code = rescue(name, outcome, summary), 1
        where = f"the weights are in {saved}" if saved else "nor where temporary files go"
        complain(name, f"cannot save in {folder}: {getattr(error, 'strerror', None) or error}; {where}")
    else:
        saved = folder
    say(closing_line(outcome, summary, output, saved))
    return code


def write_numbers(folder: Path, outcome: Outcome) -> None:
    """Write the weights and the history into the folder."""
    report.write_history(folder / HISTORY, outcome.history)
    report.write_weights(folder / results.WEIGHTS, outcome.last.arrays)
    report.write_weights(folder / BEST, outcome.best.arrays)


def place(folder: Path, end: str) -> Path:
    """Return where the results go: those of a run that diverged never where there are others."""
    earlier = any((folder / name).exists() for name in (results.SUMMARY, results.WEIGHTS))
    if end == "diverged" and earlier and results.read_summary(folder).get("end") != "diverged":
        return folder / "diverged"
    return folder


def rescue(name: str, outcome: Outcome, summary: dict[str, Any]) -> Path | None:
    """Save the numbers alone where temporary files go. Return the folder, if there is room."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        results.save(folder, lambda staged: write_numbers(staged, outcome), summary)
    except OSError:
        return None
    return folder


def closing_line(outcome: Outcome, summary: dict[str, Any], output: Path, folder: Path | None) -> str:
    """Return in one line how the run ended, what it reached, and where its results are."""
    metrics = outcome.history[-1].metrics if outcome.history else ()
    names = [name for name in (*metrics, *outcome.figures, "epochs", "seconds") if name in summary]
    figures = {name: summary[name] for name in names if not isinstance(summary[name], list | dict)}
    advice = f"{outcome.reason}; try a smaller --learning-rate: " if outcome.end == "diverged" else ""
    kept = f" (what was in {output} is kept)" if folder == output / "diverged" else ""
    return f"{outcome.end}: {advice}{json.dumps(figures)} -> {folder or 'nowhere'}{kept}"
