"""Test the package at random and print the number of failures."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable

from tinygrad_edu.parallel import available_cores
from tinygrad_edu.shared.display.command_line import Parser
from tools.campaign import files, forks, kills, programs
from tools.campaign.numbers import campaign as numbers

# For each part: the campaign, the default count, the figures that must be 0, and other options.
PARTS: dict[str, tuple[Callable[..., Counter[str]], int, tuple[str, ...], tuple[str, ...]]] = {
    "programs": (programs.campaign, 100_000, ("silent wrong gradients", "other failures"), ("processes",)),
    "numbers": (numbers.campaign, 100_000, ("differences",), ("processes",)),
    "kills": (kills.campaign, 200, ("mixtures", "broken files", "tracebacks", "other failures"), ("processes",)),
    "files": (files.campaign, 10_000, ("wrong data", "obscure errors"), ()),
    "forks": (forks.campaign, 200, ("hangs", "other failures"), ()),
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("python -m tools.campaign", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    for name, (campaign, count, _, others) in PARTS.items():
        part = parts.add_parser(name, help=sys.modules[campaign.__module__].__doc__)
        part.add_argument("--count", type=int, default=count, help="number of attempts (default: %(default)s)")
        part.add_argument("--seed", type=int, default=0, help="seed of the first attempt (default: %(default)s)")
        if "processes" in others:
            part.add_argument("--processes", type=int, default=available_cores(), help="default: the available cores")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run one part; return 0 if it found no failure, otherwise 1."""
    options = parse(arguments)
    campaign, _, faults, others = PARTS[options.part]
    begin = time.perf_counter()
    settings = {name: getattr(options, name) for name in ("count", "seed", *others)}
    figures = campaign(**settings, say=lambda line: print(line, flush=True))
    seconds = time.perf_counter() - begin
    wrong = [f"{figures[fault]:,} {fault}" for fault in faults]
    more = [f"{count:,} {name}" for name, count in sorted(figures.items()) if name not in faults]
    print(f"{options.part}, {options.count:,} from seed {options.seed}, {seconds:.0f} s: {', '.join(wrong)}")
    print(f"({', '.join(more)})")
    return int(any(figures[fault] for fault in faults))


if __name__ == "__main__":
    sys.exit(main())
