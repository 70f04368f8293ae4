"""What each fast function gains over its plain twin: ``python -m benchmarks.fast_functions``.

One function at a time is replaced with its twin, in a process of its own, and the ops and workloads that call it are
timed in both processes, which alternate. The table has the largest ratios of the times without and with the function.
A function that gains less than 10 % everywhere, and loses nothing if it goes, should be deleted.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from benchmarks import ops, ours
from benchmarks.cores import available, pin
from benchmarks.statistics import median
from benchmarks.workloads import WORKLOADS
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.shared.speed.plain_mode import twin_name

SIZES = (10**3, 10**5, 10**6)
STEPS = [workload for workload in WORKLOADS if workload.key not in ("2", "7", "12")]  # they take too long
MORE = (  # ops without a cell in the table of `benchmarks.ops`
    ops.Case("dropout", lambda m, a: m.dropout(a.x, rng=np.random.default_rng(0))),
    ops.Case("max_pool2d", lambda m, a: m.max_pool2d(a.x.reshape(8, -1, 5, 25), (3, 3), stride=2)),
)
Run = Callable[[], Any]


def cases() -> Iterator[tuple[str, Callable[[], Run]]]:
    """Yield the name of each op at each size and of each workload, and a function that prepares its run."""
    for kind in (*ops.CASES.values(), MORE):
        for case in kind:
            for size in SIZES:
                yield f"{case.name}, {size:,}", lambda case=case, size=size: ops.our_passes(case, ops.inputs(size))[0]
    for workload in STEPS:
        yield workload.title, lambda workload=workload: getattr(ours, workload.function)(workload.sizes, fixed=True)


def twins() -> dict[CodeType, str]:
    """Return the names of the fast functions by their code, and by that of the methods of fast classes."""
    found = {}
    modules = [module for name, module in sys.modules.items() if name.startswith("tinygrad_edu.")]
    for value in {id(value): value for module in modules for value in vars(module).values()}.values():
        if hasattr(value, "plain") and hasattr(value, "__module__"):
            functions = [value] if isinstance(value, FunctionType) else vars(value).values()
            found |= {f.__code__: twin_name(value) for f in functions if isinstance(f, FunctionType)}
    return found


def called(prepare: Callable[[], Run]) -> set[CodeType]:
    """Return the code of all functions that a case calls, in its preparation, in its first run and later."""
    codes = set()

    def see(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            codes.add(frame.f_code)

    sys.setprofile(see)
    try:
        run = prepare()
        run()
        run()
    finally:
        sys.setprofile(None)
    return codes


def find() -> dict[str, list[str]]:
    """Return the cases that call each fast function."""
    codes = {name: called(prepare) for name, prepare in cases()}
    users: dict[str, list[str]] = {}
    for code, twin in twins().items():
        users.setdefault(twin, []).extend(name for name in codes if code in codes[name])
    return {twin: list(dict.fromkeys(names)) for twin, names in users.items()}


def timed(names: list[str], rounds: int) -> dict[str, float]:
    """Return the median processor time of each case in milliseconds."""
    chosen = {name: prepare() for name, prepare in cases() if name in names}
    return {
        name: median([row[0] for row in ops.measure([run], rounds, least=3.0)]) for name, run in chosen.items()
    }  # fmt: skip


def in_process(names: list[str], rounds: int, plain: str) -> dict[str, float]:
    """Return `timed` of a new process, in which one function is plain."""
    command = [sys.executable, "-m", "benchmarks.fast_functions", "--rounds", str(rounds), "--time", *names]
    environment = {**os.environ, "TINYGRAD_EDU_PLAIN": plain}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    times: dict[str, float] = json.loads(done.stdout)
    return times


def ratios(twin: str, names: list[str], rounds: int, pairs: int) -> dict[str, float]:
    """Return the median ratio of the times without and with a function, for each case."""
    found = [(in_process(names, rounds, twin), in_process(names, rounds, "")) for _ in range(pairs)]
    return {name: median([plain[name] / fast[name] for plain, fast in found]) for name in names}


def main() -> None:
    """Print the cases in which each function gains most."""
    parser = Parser("python -m benchmarks.fast_functions", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="functions whose names contain this")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in a process (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of processes (default: %(default)s)")
    parser.add_argument(
        "--most", type=int, default=24, help="cases of a function, evenly chosen (default: %(default)s)"
    )
    parser.add_argument("--time", nargs="*", help="print the times of these cases as JSON")
    given = parser.parse_args()
    pin(available()[-1:])
    with single_threaded_blas():
        if given.time is not None:
            print(json.dumps(timed(given.time, given.rounds)))
            return
        users = {twin: names for twin, names in find().items() if given.only in twin}
    print(f"{'function':<48}{'cases':>6}  greatest ratios of the times without and with it")
    for twin, names in sorted(users.items()):
        if not names:
            print(f"{twin:<48}{0:>6}")
            continue
        some = names[:: -(-len(names) // given.most)][::-1]
        try:
            best = sorted(ratios(twin, some, given.rounds, given.pairs).items(), key=lambda pair: -pair[1])
        except subprocess.CalledProcessError as error:  # a pair of functions, such as samples_last and samples_first
            print(f"{twin:<48}{len(names):>6}  cannot go alone: {error.stderr.splitlines()[-1]}", flush=True)
            continue
        shown = "; ".join(f"{ratio:.2f} {name}" for name, ratio in best[:3])
        print(f"{twin:<48}{len(names):>6}  {shown}; least {best[-1][1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
