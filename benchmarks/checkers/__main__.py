"""Comparison of the gradient checkers of this package, PyTorch, JAX and HIPS autograd on wrong and correct vjps.

    python -m benchmarks.checkers [rules,drawn,nasty,frameworks,modules,cost] [--peers ours,PyTorch] [--json PATH]
    python -m benchmarks.checkers operators,lax --minutes 30

There are eight parts; the first six run by default:

- ``rules``: wrong vjps, each at a point where it is wrong, with a correct counterpart at the same point, and correct
  vjps at difficult points. Each is written once (`rule.Maths`), so that every framework uses the same formulas as a
  user-defined op. Each checker is called as its documentation recommends, with its default tolerances, in float64, to
  second order (`frameworks`). A wrong vjp that repeats a real bug cites its issue or pull request, in the last column.
  The part ends with a Markdown table of counts.
- ``drawn``: the same wrong vjps under Hypothesis, 100 examples each, with our checker only. The inputs come from
  `testing.strategies`, with the shapes that the function accepts.
- ``nasty``: correct gradients of functions that are hard to differentiate numerically, and the same gradients made
  wrong, with our checker only.
- ``frameworks``: wrong rules of PyTorch, JAX and Keras, each with a correct counterpart, and one call of
  ``check_torch``, ``check_jax`` or ``check_keras``.
- ``modules``: modules with a subtle bug, each with a correct counterpart, and one call of ``check_module``.
- ``cost``: the number of calls and the time of one check of small functions, beside gradcheck and check_grads.
- ``operators``, ``lax``: the operators of PyTorch's test database and the functions of ``jax.lax``, which should all
  pass.

A wrong vjp counts as *caught* if the checker raises anything but `Inconclusive`, and does not reject its correct
counterpart. If both are rejected, the result is ``ALARM``. A correct vjp that is rejected is a *false alarm*. Our
checker may also be *inconclusive*, which is counted separately and catches nothing. ``-`` marks vjps that a framework
cannot express or makes correct: JAX functions keep no state and do not write into arrays; PyTorch's engine sums
gradients over broadcast axes and casts them.

Each check uses one point and one seed, so runs are reproducible. JAX and autograd use one random direction: with
another seed, they may catch or miss errors near their tolerances. The time is the median of a check of all correct
counterparts, without imports and one warm-up check, but with JAX's compilation of each function.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.checkers import compare
from benchmarks.checkers.frameworks import CHECKERS
from tinygrad_edu.shared.display.command_line import Parser, invalid_names

DEFAULT = ("rules", "drawn", "nasty", "frameworks", "modules", "cost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = _parser().parse_args(arguments)
    for part in options.parts.split(","):
        print(f"--- {part} ---")
        for line in LINES[part](options):
            print(line, flush=True)
    return 0


def _names(text: str, known: Sequence[str]) -> str:
    if unknown := {*text.split(",")} - {*known}:
        raise argparse.ArgumentTypeError(invalid_names(sorted(unknown), known))
    return text


def _parser() -> argparse.ArgumentParser:
    peers = [checker.name for checker in CHECKERS]
    parser = Parser("python -m benchmarks.checkers", description="Compare gradient checkers.")
    parser.add_argument("parts", nargs="?", default=",".join(DEFAULT),
                        type=lambda text: _names(text, [*LINES]),
                        help="parts to run (default: %(default)s)")  # fmt: skip
    parser.add_argument("--peers", metavar="NAMES", default=",".join(peers), type=lambda text: _names(text, peers),
                        help="rules: checkers to compare (default: %(default)s)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="PATH", help="rules: write all verdicts and messages")
    parser.add_argument("--twins", action="store_true", help="drawn: check the correct counterparts instead")
    parser.add_argument(
        "--draws", type=int, default=40, help="nasty: per family, every fourth also made wrong (default: %(default)s)"
    )
    parser.add_argument("--only", default="", metavar="REGEX", help="all but rules and drawn: only names that match")
    parser.add_argument("--why", action="store_true", help="all but rules and drawn: print the messages of the checker")
    parser.add_argument(
        "--minutes", type=float, default=30, help="operators, lax: time limit of each part (default: %(default)s)"
    )
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


def _frameworks(options: argparse.Namespace) -> Iterator[str]:
    from benchmarks.checkers import cases, framework_rules

    yield from cases.lines(framework_rules.installed(), options.only, options.why)


def _modules(options: argparse.Namespace) -> Iterator[str]:
    from benchmarks.checkers import cases, modules

    yield from cases.lines(modules.GROUPS, options.only, options.why)


def _cost(_: argparse.Namespace) -> Iterator[str]:
    from benchmarks.checkers import cost  # needs PyTorch and JAX

    yield from cost.lines()


def _operators(options: argparse.Namespace) -> Iterator[str]:
    from benchmarks.checkers import campaign, operators  # needs PyTorch

    yield from campaign.lines(operators.samples(options.only), options.minutes, options.why)


def _lax(options: argparse.Namespace) -> Iterator[str]:
    from benchmarks.checkers import campaign, lax  # needs JAX

    yield from campaign.lines(lax.samples(options.only), options.minutes, options.why)


LINES = {"rules": _rules, "drawn": _drawn, "nasty": _nasty, "frameworks": _frameworks, "modules": _modules,
         "cost": _cost, "operators": _operators, "lax": _lax}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
