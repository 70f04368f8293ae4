"""Table of the wrong gradients that a stranger wrote, and of three checkers.

python -m benchmarks.checkers.stranger [--only REGEX] [--why]
"""

import importlib
import os
import re
import traceback
import warnings
from collections import Counter

os.environ["KERAS_BACKEND"] = "jax"

import jax
from torch.autograd.gradcheck import GradcheckError

from benchmarks.checkers.stranger.pair import PAIRS
from benchmarks.checkers.stranger.peers import CannotCheckError, gradcheck, jax_check_grads, ours
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.testing import CheckFailed, Inconclusive

VERDICTS = {"ours": CheckFailed, "gradcheck": GradcheckError, "check_grads": AssertionError}
PEERS = {"ours": ours, "gradcheck": gradcheck, "check_grads": jax_check_grads}
FILES = (
    "numpy_statistics",
    "numpy_traps",
    "numpy_science",
    "torch_functions",
    "torch_traps",
    "jax_rules",
    "keras_layers",
)
ROWS = "caught", "missed", "right ones refused", "inconclusive", "raw errors", "cannot"


def verdict(peer, pair, wrong):
    """Return passed, refused, inconclusive, cannot or raw, and the message."""
    try:
        with warnings.catch_warnings(), jax.enable_x64(True):
            warnings.simplefilter("ignore")
            PEERS[peer](pair, wrong)
    except CannotCheckError:
        return "cannot", ""
    except Inconclusive as error:
        return "inconclusive", str(error)
    except Exception as error:
        own = isinstance(error, VERDICTS[peer])
        return ("refused", str(error)) if own else ("raw", traceback.format_exc())
    return "passed", ""


def judge(counts, wrong, right):
    """Count a pair. An error of another kind than the checker's counts as refused, and as a raw error."""
    if "cannot" in (wrong, right):
        counts["cannot"] += 1
        return "cannot"
    counts["raw errors"] += (wrong == "raw") + (right == "raw")
    counts["inconclusive"] += (wrong == "inconclusive") + (right == "inconclusive")
    counts["right ones refused"] += right in ("refused", "raw")
    if wrong in ("refused", "raw") and right not in ("refused", "raw"):
        counts["caught"] += 1
        return "caught"
    if wrong != "inconclusive":
        counts["missed"] += 1
    return "missed" if wrong == "passed" else f"{wrong}, right one {right}"


def main():
    parser = Parser("python -m benchmarks.checkers.stranger", description=__doc__)
    parser.add_argument("--only", default="", help="pairs whose framework, style and name match")
    parser.add_argument("--why", action="store_true", help="print the messages of the verdicts that are not caught")
    options = parser.parse_args()
    for file in FILES:
        importlib.import_module(f"benchmarks.checkers.stranger.{file}")
    total = {peer: Counter() for peer in PEERS}
    for pair in PAIRS:
        title = f"{pair.framework}, {pair.style}: {pair.name}"
        if not re.search(options.only, title):
            continue
        words, messages = [], []
        for peer in PEERS:
            (wrong, message), (right, other) = verdict(peer, pair, True), verdict(peer, pair, False)
            words.append(judge(total[peer], wrong, right))
            messages += [f"  {peer}, wrong: {message}"] if wrong in ("inconclusive", "raw") else []
            messages += [f"  {peer}, right: {other}"] if other else []
        print(f"{title} | " + " | ".join(words), flush=True)
        if options.why and messages:
            print("\n".join(messages))
    print(f"\n|  | {' | '.join(PEERS)} |\n| --- |{' --- |' * len(PEERS)}")
    for row in ROWS:
        print(f"| {row} | {' | '.join(str(total[peer][row]) for peer in PEERS)} |")


if __name__ == "__main__":
    main()
