"""Check functions of libraries that nobody here wrote.

    python -m pip install -r benchmarks/checkers/real/requirements.txt
    python -m benchmarks.checkers.real [library ...] [--only REGEX] [--seed 0] [--why]
    python -m benchmarks.checkers.real --found

Each module of this folder has the functions of a library, called as its users call them. Each function is checked at
three kinds of points: "ordinary" (standard normal, in the domain of the function), "edge" (large and small numbers,
near the ends of the domain) and "special" (zeros, integers, repeated numbers). A check is right, inconclusive (as at a
kink), or an alarm: a refused gradient or another error. Each alarm of the past is judged once, in ``JUDGED``: a finding
(in docs/found.md), a convention, or a fault of our checker. The program prints the other alarms and exits with 1.

``--found`` runs the code of each section of docs/found.md, and compares what it prints with the page.
"""

import argparse
import os
import pkgutil
import re
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType

import numpy as np

from benchmarks.checkers import real
from benchmarks.checkers.real import found
from benchmarks.checkers.real.case import KINDS, Case
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.testing import Inconclusive

OTHERS = "__main__", "case", "found"
LIBRARIES = [module.name for module in pkgutil.iter_modules(real.__path__) if module.name not in OTHERS]
# JAX compiles about eight programs for each function, and runs each of them a few times.
FAST_COMPILATION = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
HEAD = f"{'library':<16}{'functions':>10}{'right':>8}{'inconclusive':>14}{'judged':>8}{'alarms':>8}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if there is an alarm that is not judged."""
    options = _parser().parse_args(arguments)
    if options.found:
        return found.main()
    os.environ.setdefault("XLA_FLAGS", FAST_COMPILATION)
    rows, alarms = [HEAD], 0
    for name in options.libraries or LIBRARIES:
        counts = Counter[str]()
        for line in _lines(import_module(f"{real.__name__}.{name}"), options, counts):
            print(line, flush=True)
        rows.append(f"{name:<16}{counts['functions']:>10}{counts['right']:>8}{counts['inconclusive']:>14}"
                    f"{counts['judged']:>8}{counts['alarm']:>8}")  # fmt: skip
        alarms += counts["alarm"]
    print("\n".join(rows))
    return int(alarms > 0)


def _parser() -> argparse.ArgumentParser:
    parser = Parser("python -m benchmarks.checkers.real", description="Check functions of libraries.")
    parser.add_argument("libraries", nargs="*", choices=[*LIBRARIES, []], help="default: all")
    parser.add_argument("--only", default="", metavar="REGEX", help="only functions whose names match")
    parser.add_argument("--seed", type=int, default=0, help="of the points (default: %(default)s)")
    parser.add_argument("--why", action="store_true", help="print all that is not right, with the whole message")
    parser.add_argument("--found", action="store_true", help="run the code of docs/found.md instead")
    return parser


def _lines(library: ModuleType, options: argparse.Namespace, counts: Counter[str]) -> Iterator[str]:
    """Check the functions of a library; count the outcomes, and yield a line for each alarm."""
    for case in library.CASES:
        if not re.search(options.only, case.name):
            continue
        counts["functions"] += 1
        for kind in KINDS:
            outcome, message = _outcome(case, kind, options.seed)
            judged = library.JUDGED.get(case.name) or library.JUDGED.get(f"{case.name}, {kind}")
            if outcome == "alarm" and judged:
                outcome, message = "judged", f"{judged.verdict}: {judged.reason}\n{message}"
            counts[outcome] += 1
            if outcome == "alarm" or (options.why and outcome != "right"):
                yield f"{case.name}, {kind}: {outcome}: {message if options.why else message.partition(chr(10))[0]}"


def _outcome(case: Case, kind: str, seed: int) -> tuple[str, str]:
    """Check a function at a point; return right, inconclusive or alarm, and the message."""
    rng = np.random.default_rng([seed, zlib.crc32(case.name.encode()), KINDS.index(kind)])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            case.check(rng, kind)
    except Inconclusive as error:
        return "inconclusive", str(error)
    except Exception as error:
        return "alarm", f"{type(error).__name__}: {error}"
    return "right", ""


if __name__ == "__main__":
    sys.exit(main())
