"""Break each vjp of a file in every known way, and report the mutants that no test detects.

``python -m tinygrad_edu.testing.mutate my_ops.py`` runs `check_vjp` and `check_op` on every mutant of every op in the
file, with calls from `OP_CALLS`, or with arrays of any values. ``--tests tests/`` runs pytest instead, on mutants of
every function that looks like a vjp of any framework: a ``backward``, a ``softplus_grad``, or an argument of
``defvjp``. ``my_ops.py:softplus_grad`` selects one function.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tinygrad_edu.errors import DataError, MissingExtraError
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.shared.files import write_result
from tinygrad_edu.testing.mutate.score import AnyMutant, Fate, Results, print_report, score_of, to_dict
from tinygrad_edu.testing.mutate.sources import Source
from tinygrad_edu.testing.mutate.suites import Suite, changed_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the score and the survivors. Return 1 if too many survive, and 2 if the suite cannot run."""
    options = _parsed(arguments)
    path, _, names = options.file.partition(".py:")
    chosen = tuple(names.split(",")) if names else ()
    try:
        source = Source(Path(f"{path}.py" if names else path))
        results = _run_tests(source, chosen, options) if options.tests else _run_checks(source, chosen, options)
        if not isinstance(results, str):
            return int(_report(source.path, list(results), options) < options.fail_under)
    except (MissingExtraError, DataError, OSError, SyntaxError, re.error) as error:
        results = str(error)
    print(results, file=sys.stderr)
    return 2


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("python -m tinygrad_edu.testing.mutate", description=__doc__)
    parser.add_argument("file", help="file of ops or vjps; my_ops.py:one,two selects some of them")
    parser.add_argument("--tests", nargs="+", metavar="TEST", help="tests that pytest runs on each mutant")
    parser.add_argument("-k", metavar="REGEX", default="", help="only mutants whose line matches, such as tanh.x")
    parser.add_argument("--fail-under", type=float, default=100.0, metavar="PERCENT", help="lowest passing score (100)")
    parser.add_argument("--json", metavar="PATH", help="write both scores and every mutant to a JSON file")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel processes (1)")
    parser.add_argument(
        "--timeout", type=float, help="time limit of the tests in seconds (10 + 10 times their duration)"
    )
    return parser.parse_args(arguments)


def _report(path: Path, results: Results, options: argparse.Namespace) -> float:
    """Print the report, write the file, and return the score of the mutants whose condition was met."""
    print_report(results)
    summary = to_dict(path.name, results)
    if options.json is not None:
        write_result("the report", options.json, json.dumps(summary, indent=2, ensure_ascii=False).encode())
    return score_of(results).of_met


Fates = Iterator[tuple[AnyMutant, Fate]]


def _run_tests(source: Source, chosen: Sequence[str], options: argparse.Namespace) -> Fates | str:
    """Return each mutant of a file with the result of the tests, or an error message."""
    mutants = [m for m in changed_files(source, chosen) if re.search(options.k, str(m))]
    if not mutants:
        return f"{source.path} has no function that looks like a vjp; select one, as in {source.path}:softplus_grad."
    suite = Suite(options.tests, options.timeout)
    if error := suite.first_error(source):
        return f"{error}\nThe tests must pass for the unchanged file, or they cannot detect mutants."
    return _run_in_pool(ThreadPoolExecutor(options.jobs), suite.fate, mutants, mutants)


def _run_checks(source: Source, chosen: tuple[str, ...], options: argparse.Namespace) -> Fates | str:
    """Return each mutant of the ops of a file with the result of the checks, or an error message."""
    import tinygrad_edu.testing.strategies  # noqa: F401 - raises an error with the command that installs Hypothesis
    from tinygrad_edu.testing.mutate import ops

    ops.load(source.path)
    module = source.path.stem
    for op in ops.ops_of(module, chosen):
        if error := ops.first_error(op, ops.calls_of(op)):
            return (
                f"{type(error).__name__}: {error}\nThe checks must pass for the unchanged op {op.name}, or they cannot "
                f"detect mutants. If the op is correct, restrict its inputs in {source.path}:\n"
                f"    OP_CALLS[{op.__name__!r}] = one_input({op.__name__}, low=..., high=...)"
            )
    mutants = {n: m for n, m in enumerate(ops.mutants_of(module, chosen)) if re.search(options.k, str(m))}
    if not mutants:
        return f"{source.path} has no op with a vjp; for vjps that are plain functions, use --tests."
    if options.jobs == 1:
        return ((m, ops.fate_of(m)) for m in _progress(mutants.values(), len(mutants)))
    pool = ProcessPoolExecutor(options.jobs, get_context("spawn"), initializer=ops.load, initargs=(source.path,))
    return _run_in_pool(pool, partial(ops.nth_fate, module, chosen), list(mutants), list(mutants.values()))


def _run_in_pool(pool: Executor, judge: Callable[[Any], Fate], work: Sequence[Any], mutants: Sequence[Any]) -> Fates:
    with pool:
        yield from zip(mutants, _progress(pool.map(judge, work), len(work)), strict=True)


def _progress(results: Iterable[Any], total: int) -> Iterable[Any]:
    """Show a progress bar on a terminal, if rich is installed."""
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError:
        return results
    console = Console(stderr=True)
    return track(results, total=total, console=console, disable=not console.is_terminal, transient=True)


if __name__ == "__main__":
    sys.exit(main())
