"""Checkers of gradients side by side: ours, PyTorch's, JAX's and HIPS autograd's, on the same wrong and right rules.

    python -m benchmarks.checkers [rules,drawn,nasty] [--peers ours,PyTorch] [--json PATH]

Three parts, all of them unless some are named:

- ``rules``: wrong rules, each at a point that shows it, and its right twin at the same point; and right rules at
  difficult points. All are written once (`rule.Maths`), so that each framework runs the same formulas as its user's own
  op, and each checker is called as its documentation says, with its own tolerances and float64 inputs, up to the second
  derivative (`frameworks`). Ends with a table in Markdown.
- ``drawn``: the same wrong rules under Hypothesis, 100 examples of each, ours alone: inputs of the shapes that the
  function takes, from `testing.strategies`.
- ``nasty``: right gradients of functions that are hard to differentiate by numbers, and the same gradients made wrong,
  ours alone.

A wrong rule is *caught* if the checker raises anything but `Inconclusive`, and passes the right twin; who refuses
both has found nothing (``ALARM``). A right rule that is not passed is a *false alarm*. Ours may also be
*inconclusive*: that is counted apart, and catches nothing. ``-`` stands for what is no wrong rule in a framework: in
JAX none can keep anything or write into an array, and PyTorch's engine sums a gradient over the broadcast axes itself,
and casts it.

Every check is at one point and with one seed, so that a run can be repeated; JAX and autograd look along one random
direction, and with another seed either may catch or miss what is near its tolerance. The time is the median over all
right twins of one check, imports and one check to warm up left out; JAX compiles each new function, and that is in it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.checkers import compare
from benchmarks.checkers.frameworks import CHECKERS

PARTS = ("rules", "drawn", "nasty")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = _parser().parse_args(arguments)
    for part in options.parts.split(","):
        print(f"--- {part} ---")
        for line in {"rules": _rules, "drawn": _drawn, "nasty": _nasty}[part](options):
            print(line, flush=True)
    return 0


def _names(text: str, known: Sequence[str]) -> str:
    if unknown := {*text.split(",")} - {*known}:
        raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return text


def _parser() -> argparse.ArgumentParser:
    peers = [checker.name for checker in CHECKERS]
    parser = argparse.ArgumentParser("python -m benchmarks.checkers", description="Checkers of gradients side by side.")
    parser.add_argument("parts", nargs="?", default=",".join(PARTS), type=lambda text: _names(text, PARTS),
                        help="default: %(default)s")  # fmt: skip
    parser.add_argument("--peers", metavar="NAMES", default=",".join(peers), type=lambda text: _names(text, peers),
                        help="rules: default: %(default)s")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="PATH", help="rules: write what each said of each")
    parser.add_argument("--twins", action="store_true", help="drawn: the right twins instead; none should be caught")
    parser.add_argument(
        "--draws", type=int, default=40, help="nasty: of each family, made wrong every fourth; default: %(default)s"
    )
    parser.add_argument("--only", default="", metavar="REGEX", help="nasty: families")
    parser.add_argument("--why", action="store_true", help="nasty: show what was said of right gradients not passed")
    return parser


def _rules(options: argparse.Namespace) -> Iterator[str]:
    results = [compare.run(checker) for checker in CHECKERS if checker.name in options.peers.split(",")]
    yield from compare.lines(results)
    yield from compare.summary(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def _drawn(options: argparse.Namespace) -> Iterator[str]:
    from benchmarks.checkers import drawn, rule  # needs Hypothesis

    yield from drawn.lines(rule.twin if options.twins else lambda wrong: wrong)


def _nasty(options: argparse.Namespace) -> Iterator[str]:
    from benchmarks.checkers import nasty

    yield from nasty.lines(options.draws, options.only, options.why)


if __name__ == "__main__":
    sys.exit(main())
