"""Command line of the benchmarks: measure, print the report, and optionally write and draw it."""

import argparse
import json
import os
import platform
import signal
import string
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_info

from benchmarks import against, ratios, rounds, table
from benchmarks.cores import available
from benchmarks.peers import LOWER_BOUND, OURS, PEERS, Peer, ours_on
from benchmarks.workloads import GROWTH, WORKLOADS, Sizes, Workload
from tinygrad_edu.shared.display.command_line import Parser, invalid_names

GROWTH_PEERS = (OURS, "PyTorch")
PACKAGES = ("numpy", "torch", "jax", "keras", "mygrad", "autograd", "tinygrad", "micrograd")
KEYS = [workload.key for workload in WORKLOADS] + list(GROWTH)
ROUNDS = 7
T = TypeVar("T")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _number(key: str) -> str:
    return key.rstrip(string.ascii_letters)


def _keys(text: str) -> list[str]:
    wanted = set(_names(text))
    if unknown := wanted - {*KEYS, *map(_number, KEYS)}:
        raise argparse.ArgumentTypeError(invalid_names(sorted(unknown), KEYS))
    return [key for key in KEYS if {key, _number(key)} & wanted]


def _peers(text: str) -> list[str]:
    known = [peer.name for peer in PEERS]
    if unknown := {*_names(text)} - {*known}:
        raise argparse.ArgumentTypeError(invalid_names(sorted(unknown), known))
    return _names(text)


def _rounds(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, got {text!r}.")
    return int(text)


def _file(text: str) -> Path:
    if not Path(text).parent.is_dir():  # checked before the measurement
        raise argparse.ArgumentTypeError(f"directory {Path(text).parent} does not exist.")
    return Path(text)


def _told(function: Callable[[str], T]) -> Callable[[str], T]:
    """Turn the ValueError of an argument's parser into an argparse error."""

    def read(text: str) -> T:
        try:
            return function(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _parser() -> argparse.ArgumentParser:
    parser = Parser("python -m benchmarks", description="Compare this package with other frameworks.")
    add = parser.add_argument
    only = f"workloads to measure, of {','.join(KEYS)} (8 means 8b to 8s)"
    add("--only", type=_keys, default=KEYS, metavar="KEYS", help=only)
    add("--peers", type=_peers, metavar="NAMES", help=f"of {', '.join(p.name for p in PEERS)} (ours is always there)")
    add("--cores", choices=("one", "all", "both"), default="both", help="number of cores (default: %(default)s)")
    add("--rounds", type=_rounds, help=f"rounds per peer (default: {ROUNDS}, with --against {against.ROUNDS})")
    add("--seconds", type=float, default=0.15, help="duration of a round in s (default: %(default)s)")
    add("--budget", type=float, default=20.0, help="time limit of a peer on a workload in s (default: %(default)s)")
    add("--python", type=_told(ours_on), metavar="PATH", help="also measure this package with another interpreter")
    turns = "compare this checkout with a commit; exit code 1 if this checkout is slower"
    add("--against", type=_told(against.commit), metavar="COMMIT", help=turns)
    add("--json", type=_file, metavar="PATH", help="write the numbers")
    add("--picture", type=_file, metavar="PATH", help="draw the ratios, .png or .svg")
    return parser


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.against and (options.peers or options.python or options.picture):
        parser.error("--against cannot be combined with --peers, --python or --picture.")
    if options.against and set(options.only) <= set(GROWTH):
        parser.error(f"--against does not measure growth: {', '.join(options.only)}.")
    options.rounds = options.rounds or (against.ROUNDS if options.against else ROUNDS)
    return options


def machine() -> dict[str, Any]:
    """Return the processor, the cores, the BLAS and the versions of the packages."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    found = {"processor": _processor(), "cores": _cores(), "BLAS": _blas(), "python": platform.python_version()}
    return {**found, **versions}


def _cores() -> int:
    return len(available())


def _blas() -> str:
    """Return the kernels of NumPy's BLAS, and OPENBLAS_CORETYPE, which does not affect PyTorch's."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    kernels = " and ".join(f"{each['internal_api']} for {each.get('architecture', '?')}" for each in libraries)
    forced = os.environ.get("OPENBLAS_CORETYPE")
    return f"{kernels} (OPENBLAS_CORETYPE={forced})" if forced else kernels


def _processor() -> str:
    try:
        found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    except OSError:
        found = []
    return found[0].split(":")[1].strip() if found else platform.processor()


def core_sets(choice: str) -> list[set[int]]:
    """Return the sets of cores to measure with: the last core, all cores, or first one and then the other."""
    cores = available()
    one, everything = {cores[-1]}, set(cores)
    both = [one, everything] if len(cores) > 1 else [one]
    return {"one": [one], "all": [everything], "both": both}[choice]


def measure(
    keys: Sequence[str],
    peers: Sequence[Peer],
    cores: Sequence[set[int]],
    plan: rounds.Plan,
    sizes: dict[str, Sizes] | None = None,
    say: rounds.Say = lambda text: None,
) -> dict[str, Any]:
    """Measure, and return the report.

    Parameters
    ----------
    keys : sequence of str
        Keys of the workloads.
    peers : sequence of Peer
    cores : sequence of set of int
        One run for each set.
    plan : Plan
    sizes : dict, optional
        Replacements of default sizes, by the key of the workload.
    say : callable
        Receives progress messages.
    """
    chosen: list[Workload] = [w for w in WORKLOADS if w.key in keys]
    chosen = [replace(w, sizes={**w.sizes, **(sizes or {}).get(w.key, {})}) for w in chosen]
    growing = [peer for peer in peers if peer.name in GROWTH_PEERS]
    return {
        "machine": machine(),
        "when": time.strftime("%Y-%m-%d %H:%M:%S"),
        "rounds": plan.rounds,
        "lower_bound": LOWER_BOUND,
        "runs": [rounds.measure(chosen, peers, some, plan, say) for some in cores] if chosen else [],
        "growth": [rounds.growth(key, growing, cores[0], plan, say) for key in GROWTH if key in keys],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers and copies are cleaned up
    peers = [p for p in PEERS if options.peers is None or p.name == OURS or p.name in options.peers]
    if options.python:
        peers.insert(1, options.python)
    plan = rounds.Plan(options.rounds, options.seconds, options.budget)
    if options.against:
        return _against(options, plan)
    report = measure(options.only, peers, core_sets(options.cores), plan, say=_say)
    print("\n".join(table.lines(report)))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.picture:
        from benchmarks.picture import draw

        draw(ratios.of(report), options.picture)
    return 0


def _against(options: argparse.Namespace, plan: rounds.Plan) -> int:
    chosen = [workload for workload in WORKLOADS if workload.key in options.only]
    report = {"machine": machine(), **against.measure(chosen, options.against, core_sets(options.cores), plan, _say)}
    print("\n".join(against.lines(report)))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(against.is_worse(report))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
