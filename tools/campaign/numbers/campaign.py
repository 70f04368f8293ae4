"""Compare random calls of all public functions and layers with NumPy in all dtypes and PyTorch in float64."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from tools.campaign.chunks import play_chunks
from tools.campaign.numbers import drawing
from tools.campaign.numbers.calls import Line, numpy_has
from tools.campaign.numbers.judges import Finding, by_numpy, by_pytorch, is_rounding
from tools.campaign.numbers.ledger import admitted
from tools.campaign.numbers.program import Program, draw
from tools.campaign.numbers.reducing import calls_alone, reduced
from tools.campaign.numbers.script import script


class Judge(NamedTuple):
    """A judge of programs, with the calls, dtypes and shares of special inputs to draw from."""

    judge: Callable[[Program], Finding]
    usable: Callable[[Line], bool]
    dtypes: tuple[str, ...]
    shares: drawing.Shares


def _any_line(line: Line) -> bool:
    return True


def _numpys_line(line: Line) -> bool:
    return not line.call and numpy_has(line.ours)


PYTORCH = Judge(by_pytorch, _any_line, ("float64",), drawing.SHARES)
NUMPY = Judge(by_numpy, _numpys_line, drawing.INTEGERS + drawing.FLOATS, drawing.SHARES._replace(calls=(1,)))


def play(seed: int, judge: Judge) -> tuple[str, str]:
    """Draw and judge a program. Return the kind of the finding, and a script if the difference is not in the ledger."""
    program = draw(np.random.RandomState(seed), seed, judge.shares, judge.usable, judge.dtypes)
    finding = judge.judge(program)
    if not finding.is_difference:
        return finding.kind, ""
    parts = calls_alone(program) if len(program.steps) > 1 else [program]
    found = [(part, judge.judge(part)) for part in parts]
    for part, alone in found:
        if alone.is_difference and not admitted(part, alone):
            return "difference", _reduced_script(part, judge)
    entries = [entry for part, alone in found if (entry := alone.is_difference and admitted(part, alone))]
    refused = [alone.kind for _, alone in found if alone.kind.startswith("rejected by us")]
    entry = entries[0] if entries else admitted(program, finding, composed=True)
    if refused or entry:
        return (f"intended: {entry.title}" if entry else refused[0]), ""
    if len(parts) > 1 and is_rounding(program, finding.stage):
        return "agree call by call", ""
    return "difference", _reduced_script(program, judge)


def _reduced_script(program: Program, judge: Judge) -> str:
    stage = judge.judge(program).stage
    smaller = reduced(program, partial(_differs, judge, stage))
    return script(smaller, judge.judge(smaller))


def _differs(judge: Judge, stage: str, program: Program) -> bool:
    """Return whether a program has a difference in this stage that is not in the ledger."""
    finding = judge.judge(program)
    return finding.is_difference and finding.stage == stage and not admitted(program, finding)


def play_all(seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """Play the programs of some seeds, alternating the judges. Return the counts and a script of each difference."""
    judges = [NUMPY, PYTORCH] if find_spec("torch") else [NUMPY]
    figures, failed = Counter[str](), []
    for seed in seeds:
        found, text = play(seed, judges[seed % len(judges)])
        figures["differences" if found == "difference" else found] += 1
        if text:
            failed.append(f"# seed {seed}\n{text}")
    return figures, failed


def campaign(count: int, seed: int, processes: int, say: Callable[[str], None]) -> Counter[str]:
    """Play `count` programs in `processes` processes. Return the counts; report each difference as a script."""
    if not find_spec("torch"):
        say("PyTorch is not installed: calls are compared with NumPy only.")
    return play_chunks(play_all, range(seed, seed + count), processes, say)
