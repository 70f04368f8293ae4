"""Comparison of this checkout with a commit: ``python -m benchmarks --against COMMIT``.

Both packages, the working tree and the commit, are copied to a temporary directory, with the benchmarks of this
checkout. Each round starts two new processes, because the memory layout makes the times of two processes of the same
program differ. They alternate in the order A B B A, then B A A B, to cancel drift and the effect of the order; the idle
process is stopped. Each turn counts its fastest run, because noise only adds time. On one core, times are processor
times, which other programs do not lengthen; on several cores, wall-clock times. The ratio of a round is the ratio of
the geometric means of both turns.

The interval consists of order statistics of these ratios (`statistics.interval_of_median`). It makes no assumption
about the distribution of the noise, except that it is the same for both sides. Each of the n lines of the table has an
error probability of at most 0.05 / n, so the whole table is wrong in at most one run of twenty (Bonferroni).
"""

import math
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any

import numpy as np

from benchmarks.peers import OURS, Peer
from benchmarks.processes import ROOT, Process, WorkerError, of_peer
from benchmarks.rounds import Plan, Say
from benchmarks.statistics import interval_of_median, median
from benchmarks.table import duration
from benchmarks.workloads import Workload

ROUNDS = 15  # the interval omits one ratio at each end, for a table of fifty lines
DOUBT = 0.05  # error probability of the whole table
LEAST = 0.01  # smaller relative differences are ignored
PACKAGE, BENCHMARKS = "tinygrad_edu", "benchmarks"
THIS, THAT = SIDES = "this", "that"  # of equal length, because the start of a program's stack depends on its paths
WIDTH = 58  # characters of a title in the table
SLOWER, FASTER, EQUAL = "slower", "faster", "inconclusive"


@dataclass
class Line:
    """Results of one workload.

    Attributes
    ----------
    workload : Workload
    seconds : dict
        Time of each side in each round.
    notes : list of str
        Reasons for a missing measurement, and differing results of the sides.
    fails : set of str
        Sides that cannot run the workload.
    """

    workload: Workload
    seconds: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})
    notes: list[str] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)

    @contextmanager
    def noting(self, side: str) -> Iterator[None]:
        """Record the failure of a side within the with block, and raise it again."""
        try:
            yield
        except WorkerError as error:
            self.fails.add(side)
            self.notes.append(f"{side} failed: {error}")
            raise

    def ratios(self) -> list[float]:
        """Return the ratios of this side's times to the other's."""
        return [a / b for a, b in zip(*(self.seconds[side] for side in SIDES), strict=True)]

    def report(self, doubt: float) -> dict[str, Any]:
        """Return the numbers and the verdict."""
        ratios = self.ratios()
        interval = interval_of_median(ratios, doubt)
        return {
            **asdict(self.workload), "count": self.workload.count, "seconds": self.seconds, "notes": self.notes,
            "ratio": median(ratios) if ratios else None, "interval": interval,
            "verdict": verdict(interval) if ratios else None, "fails": sorted(self.fails),
        }  # fmt: skip


def verdict(interval: tuple[float, float] | None) -> str:
    """Return the verdict for an interval of ratios."""
    if interval is None:
        return "too few rounds"
    low, high = interval
    return SLOWER if low > 1 + LEAST else FASTER if high < 1 / (1 + LEAST) else EQUAL


def commit(name: str) -> str:
    """Return the full name of a commit.

    Raises
    ------
    ValueError
        If git finds no such commit.
    """
    try:
        return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(f"git finds no commit {name!r} in this checkout.") from error


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


@contextmanager
def copies(name: str) -> Iterator[dict[str, Peer]]:
    """Copy this checkout and a commit to temporary directories, and yield a peer for each."""
    with TemporaryDirectory(prefix="benchmarks-") as directory:
        homes = {side: Path(directory) / side for side in SIDES}
        for home in homes.values():
            shutil.copytree(ROOT / BENCHMARKS, home / BENCHMARKS, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / PACKAGE, homes[THIS] / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        with tarfile.open(fileobj=BytesIO(_git("archive", name, PACKAGE))) as archive:
            archive.extractall(homes[THAT], filter="data")
        yield {
            side: Peer(f"{OURS}, {side}", f"{BENCHMARKS}.ours", is_peer=False, home=home)
            for side, home in homes.items()
        }


@contextmanager
def _started(peers: dict[str, Peer], cores: set[int], order: Sequence[str]) -> Iterator[dict[str, Process]]:
    processes: dict[str, Process] = {}
    try:
        for side in order:
            processes[side] = of_peer(peers[side], cores)
        yield processes
    finally:
        for process in processes.values():
            process.close()


def agree(line: Line, peers: dict[str, Peer], cores: set[int], plan: Plan) -> None:
    """Check that each side can run a workload, and that both compute the same."""
    workload, values = line.workload, {}
    with _started(peers, cores, SIDES) as processes:
        for side, process in processes.items():
            with suppress(WorkerError), line.noting(side):
                _prepare(process, workload, plan, fixed=True)
                values[side] = process.ask("values", plan.timeout, times=workload.steps)["values"]
    if not line.fails and not np.allclose(values[THIS], values[THAT], rtol=workload.tolerance, atol=workload.tolerance):
        line.notes.append("results differ: {} and {}".format(*(values[side] for side in SIDES)))


def _prepare(process: Process, workload: Workload, plan: Plan, fixed: bool) -> None:
    process.ask("prepare", plan.timeout, function=workload.function, sizes=workload.sizes, fixed=fixed)


def _one_round(line: Line, processes: dict[str, Process], order: Sequence[str], plan: Plan, clock: str) -> None:
    for side in order:
        with line.noting(side):
            _prepare(processes[side], line.workload, plan, fixed=False)
            processes[side].ask("measure", plan.timeout, seconds=0.0)
    logarithms = dict.fromkeys(order, 0.0)
    for side in (*order, *reversed(order)):
        with line.noting(side):
            found = processes[side].ask("measure", plan.timeout, seconds=plan.seconds)
        logarithms[side] += math.log(found[clock])
    for side, sum_of_two in logarithms.items():
        line.seconds[side].append(math.exp(sum_of_two / 2))


def measure(
    workloads: Sequence[Workload], name: str, core_sets: Sequence[set[int]], plan: Plan, say: Say = lambda text: None
) -> dict[str, Any]:
    """Measure this checkout and a commit in alternation, and return the report.

    Returns
    -------
    dict
        ``against``: the commit. ``runs``: for each set of cores, their number and a line for each workload with
        ``seconds``, ``ratio``, ``interval``, ``verdict``, ``notes`` and ``fails``.
    """
    with copies(name) as peers:
        found = [(len(cores), _run(workloads, peers, cores, plan, say)) for cores in core_sets]
    doubt = DOUBT / max(1, sum(len(lines) for _, lines in found))
    runs = [{"cores": count, "workloads": [line.report(doubt) for line in lines]} for count, lines in found]
    return {"against": name, "rounds": plan.rounds, "doubt": doubt, "runs": runs}


def _run(workloads: Sequence[Workload], peers: dict[str, Peer], cores: set[int], plan: Plan, say: Say) -> list[Line]:
    lines = [Line(workload) for workload in workloads]
    clock = "fastest_processor" if len(cores) == 1 else "fastest"
    for line in lines:
        say(f"  {line.workload.key}: comparing the results")
        agree(line, peers, cores, plan)
    for number in range(plan.rounds):
        say(f"  {len(cores)} core(s): round {number + 1} of {plan.rounds}")
        order = SIDES if number % 2 == 0 else SIDES[::-1]
        with suppress(WorkerError), _started(peers, cores, order) as processes:  # the next round starts new processes
            for line in (line for line in lines if not line.fails):
                _one_round(line, processes, order, plan, clock)
    return lines


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the report."""
    sure, fewest = 100 * (1 - report["doubt"]), 1 + math.ceil(-math.log2(report["doubt"]))
    if report["rounds"] < fewest:
        yield f"this number of lines requires at least {fewest} rounds"
    yield f"this checkout and {report['against'][:10]}, {report['rounds']} rounds: the ratio is this time / that time;"
    yield f"each interval has a confidence of {sure:.2f} %, so that the whole table has 95 %"
    for run in report["runs"]:
        yield f"\n=== {run['cores']} core{'s' * (run['cores'] > 1)}"
        yield f"  {'':<{WIDTH}} {'':>5} {'this':>8} {'that':>8} {'ratio':>6} {'interval':>16}"
        for row in run["workloads"]:
            yield from _line(row)


def _line(row: dict[str, Any]) -> Iterator[str]:
    title = shorten(f"{row['key']}. {row['title']}", WIDTH, placeholder=" ...")
    yield from (f"  {title}: {note}" for note in row["notes"])
    if row["ratio"] is None:
        return
    times = (f"{duration(median(row['seconds'][side]), row):>8}" for side in SIDES)
    between = "{:.3f} .. {:.3f}".format(*row["interval"]) if row["interval"] else "unknown"
    yield f"  {title:<{WIDTH}} {row['unit']:>5} {' '.join(times)} {row['ratio']:6.3f} {between:>16}  {row['verdict']}"


def is_worse(report: dict[str, Any]) -> bool:
    """Return whether this checkout is slower at some workload, or fails where the commit does not."""
    rows = [row for run in report["runs"] for row in run["workloads"]]
    return any(row["verdict"] == SLOWER or (THIS in row["fails"] and THAT not in row["fails"]) for row in rows)
