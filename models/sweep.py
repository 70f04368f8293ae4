"""A sweep: run a training program with many seeds and options, and report means and standard deviations."""

import argparse
import io
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stderr
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import Any

from models import STOPPED
from models.__main__ import programs
from models.shared import child, folder_name, positive, program, results, spread, stopping
from models.shared.console import complain, note, say
from models.shared.executors import EXECUTORS, Workers
from models.shared.options import Parser
from models.shared.progress import counted, fitting_table, formatted
from models.shared.report import as_json, require_group
from models.shared.trials import Setting, Trial, TrialError, folder_of, grid, known, run
from tinygrad_edu.errors import DataError, TinygradError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.errors.hints import nearest
from tinygrad_edu.parallel import available_cores, mpi, world
from tinygrad_edu.parallel.workers import allgather

NAME = "models.sweep"
TRIALS, LOG = "trials", "log.txt"
FILES = ("trials.csv", "table.csv", "table.md", "spread.png")
OURS = ("output", "resume", "quiet")  # options of the program that a sweep sets itself
NOT_METRICS = ("epochs", "model_epoch", "best_epoch", "seconds", "step_milliseconds", "seed")


def trained(folder: Path, cores: int, /, program: str, **options: Any) -> dict[str, Real | None]:
    """Run a training program as a child process, and return the metrics in its summary.

    A trial that was killed continues from its last checkpoint.

    Parameters
    ----------
    folder : Path
        Parent of the results folders of the trials.
    cores : int
        Number of cores the program may use.
    program : str
    options
        Options of the program.
    """
    output = folder_of(folder, {"program": program, **options})
    output.mkdir(parents=True, exist_ok=True)
    command = [*arguments_of(options), f"--output={output}", "--resume"]
    if code := child.call(f"models.{program}", command, output / LOG, cores):
        raise TrialError(why(code, output / LOG))
    return metrics(results.read_summary(output))


def arguments_of(options: Setting) -> list[str]:
    """Return the command line for these options."""
    return [
        f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in options.items()
    ]  # fmt: skip


def metrics(summary: dict[str, Any]) -> dict[str, Real | None]:
    """Return the metrics in a summary; non-finite numbers are None."""
    return {
        name: value
        for name, value in summary.items()
        if (value is None or isinstance(value, Real)) and name not in NOT_METRICS
    }


def why(code: int, log: Path) -> str:
    """Return the reason why a program ended with this exit code."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), f"exit code {code}")
    return last.partition(": {")[0]  # drops the numbers of the closing line


@dataclass(frozen=True)
class Plan:
    """Trials of a sweep.

    Attributes
    ----------
    settings : sequence of Setting
        One per trial: the program, its varied and non-default options, and the seed.
    varied : sequence of str
        Names of the varied options, without the seed.
    """

    settings: Sequence[Setting]
    varied: Sequence[str]


def plan(name: str, grids: Sequence[str], seeds: int | None, fixed: Sequence[str]) -> Plan:
    """Return the trials of a program. The program's own parser reads each value.

    Raises
    ------
    DataError
        The program or option does not exist, or an option is given twice.
    """
    defaults, read = defaults_of(name), import_module(f"models.{name}").parse
    given = vars(read(list(fixed)))
    values = {option: [value] for option, value in given.items() if value != defaults[option]}
    varied = {}
    for option, texts in map(_split, grids):
        if option not in defaults or option in OURS:
            raise DataError(str(invalid_choice(f"models.{name}: the option of --grid", option, _varied(defaults))))
        if option in values or option in varied:
            raise DataError(f"{option} is given twice.")
        varied[option] = [vars(read(arguments_of({option: text})))[option] for text in texts]
    if seeds and "seed" in {**values, **varied}:
        raise DataError("seed is given twice: --seeds N means the seeds 0 to N - 1.")
    values.update(varied)
    values.setdefault("seed", list(range(seeds or 1)))
    if ours := [option for option in OURS if option in values]:
        raise DataError(f"a sweep sets {ours[0]} itself; to continue a sweep, run the same command again.")
    # The order makes equal trials share one folder.
    order = sorted(values, key=lambda option: (option == "seed", option))
    settings = [{"program": name, **{option: as_json(each[option]) for option in order}} for each in grid(**values)]
    return Plan(settings, [option for option in varied if option != "seed"])


def defaults_of(name: str) -> dict[str, Any]:
    """Return the options of a training program with their defaults."""
    found: dict[str, Any] = {}
    if name in programs():
        try:
            with redirect_stderr(io.StringIO()):
                found = vars(import_module(f"models.{name}").parse([]))
        except (AttributeError, SystemExit):  # it has no parser, or a required argument
            pass
    if "resume" not in found:
        closest = None if name in programs() else nearest(name, programs())
        hint = f"did you mean {closest}?" if closest else "python -m models lists all programs."
        raise DataError(f"{name} is not a training program; {hint}")
    return found


def _split(text: str) -> tuple[str, list[str]]:
    option, _, values = text.partition("=")
    texts = values.split(",")
    if not option or not all(texts):
        raise DataError(f"--grid must be NAME=VALUE,VALUE, an option and its values, got {text}.")
    return option.lstrip("-").replace("-", "_"), texts


def _varied(defaults: dict[str, Any]) -> list[str]:
    return sorted(set(defaults) - set(OURS))


def main(arguments: list[str] | None = None) -> int:
    """Run the sweep, and return its exit code: 1 if a trial failed."""
    options, fixed = read_command(arguments)
    output = options.output or Path("runs/sweep") / options.program
    try:
        require_group()
        if world().size > 1 and options.executor != "mpi":
            raise DataError(f"mpiexec started {world().size} processes, which need the executor mpi: drop --executor.")
        planned = plan(options.program, options.grid, options.seeds, fixed)
        with (
            prepared(output),
            EXECUTORS[options.executor](options.jobs, options.address) as workers,
            stopping.noted(),
        ):
            code = sweep(planned, workers, output, options.quiet) if workers else 0
        codes: list[int] = allgather(world(), code)
        return codes[0]  # on all ranks: mpiexec may return the exit code of any rank
    except (TinygradError, ValueError) as error:
        complain(NAME, " ".join(str(error).split()))
        return 2


def prepared(output: Path) -> AbstractContextManager[Any]:
    """Lock the output folder on the first rank and return the lock. If that fails, raise DataError on all ranks."""
    lock, problem = None, None
    if not world().rank:
        try:
            lock = results.prepare(output, (results.SUMMARY, *FILES), 1 << 20)
        except DataError as error:
            problem = str(error)
    if problem := allgather(world(), problem)[0]:
        raise DataError(problem)
    return lock or nullcontext()


def read_command(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; return the options of the sweep, and the arguments of the program."""
    parser = Parser(NAME, description=__doc__, epilog="All other options are the program's own.")
    add = parser.add_argument
    add("program", help="training program, such as spirals; python -m models lists them")
    add("--grid", action="append", default=[], metavar="NAME=VALUE,VALUE",
        help="option of the program and the values to try; several grids are combined")  # fmt: skip
    add("--seeds", type=positive(int), metavar="N", help="run each setting with the seeds 0 to N - 1 (default: 1)")
    add("--executor", choices=EXECUTORS, default="mpi" if world().size > 1 else "processes",
        help="runner of the trials (default: processes, or the ranks that mpiexec started)")  # fmt: skip
    add("--jobs", type=positive(int), help="trials at a time (default: one per core)")
    add("--address", help="address of a running Dask or Ray cluster (default: a new one on this machine)")
    add("--output", type=folder_name, help="folder for the results (default: runs/sweep/PROGRAM)")
    add("--quiet", action="store_true", help="print only the last line")
    return parser.parse_known_args(arguments)


def sweep(planned: Plan, workers: Workers, output: Path, quiet: bool) -> int:
    """Run the plan, save the tables and the picture, and return the exit code."""
    begin = time.perf_counter()
    over, end = collect(planned, workers, output / TRIALS, quiet)
    failed = sum(bool(trial.reason) for trial in over)
    if over:
        save(planned, over, output, {"end": end, "failed": failed, "seconds": round(time.perf_counter() - begin, 3)})
        if not quiet:
            show(spread.columns(spread.rows(over), planned.varied))
    counts = f"{len(over)} of {len(planned.settings)} trials" + f", {failed} failed" * bool(failed)
    say(f"{end}: {counts}{'; run the same command to continue' * (end == 'stopped')} -> {output}")
    if end == "stopped":
        mpi.abort(STOPPED)  # otherwise the other ranks would finish their trials
        return STOPPED
    return int(failed > 0)


def collect(planned: Plan, workers: Workers, folder: Path, quiet: bool) -> tuple[list[Trial], str]:
    """Run the trials without results; return all finished trials in the order of the plan, and how the sweep ended."""
    settings, end = planned.settings, "done"
    function = partial(trained, folder.absolute(), max(1, available_cores() // workers.at_once))
    over = known(settings, folder)
    coming: Iterator[Trial] = islice(run(function, settings, workers.executor, folder), len(over), None)
    if not quiet:
        if over:
            note(f"{len(over)} of {len(settings)} trials are already done")
        coming = counted(coming, len(over), len(settings), "trial", lambda trial: told(trial, planned.varied))
    try:
        for trial in coming:
            over.append(trial)
    except KeyboardInterrupt:
        end = "stopped"
    place = {folder_of(folder, setting): number for number, setting in enumerate(settings)}
    return sorted(over, key=lambda trial: place[folder_of(folder, trial.setting)]), end


def told(trial: Trial, varied: Sequence[str]) -> str:
    """Return one line about a finished trial."""
    setting = spread.label(trial.setting, [*varied, "seed"])
    if trial.reason:
        return f"{setting}: failed: {trial.reason}"
    numbers = [f"{name.replace('_', ' ')} {formatted(name, value)}" for name, value in trial.value.items()]
    return f"{setting}: {', '.join([*numbers, f'{trial.seconds:.1f} s'])}"


def save(planned: Plan, trials: Sequence[Trial], output: Path, summary: dict[str, Any]) -> None:
    """Write the results of the trials into the folder."""
    table = spread.rows(trials)

    def write(staged: Path) -> None:
        spread.write_trials(staged / "trials.csv", trials)
        spread.write_table(staged, table, planned.varied)
        spread.draw(staged / "spread.png", table, planned.varied)

    command = shlex.join(["python", "-m", NAME, *sys.argv[1:]])
    counts = {"trials": len(trials), "planned": len(planned.settings)}
    results.save(output, write, {**summary, **counts, "command": command})


def show(cells: dict[str, list[str]]) -> None:
    """Print a table, in a terminal with as many columns as fit."""
    from rich.console import Console

    wide = None if sys.stdout and sys.stdout.isatty() else 1000
    console = Console(file=io.StringIO(), width=wide)
    console.print(fitting_table(console, cells))
    for line in console.file.getvalue().splitlines():  # type: ignore[attr-defined]
        say(line.rstrip())


if __name__ == "__main__":
    program(NAME, main)
