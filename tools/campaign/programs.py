"""Random programs, alone and in threads, with random interruptions: each gradient is correct, or an error is raised."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import numpy as np

from tools.campaign import computing, going_back, writing
from tools.campaign.chunks import play_chunks
from tools.campaign.program import Program, SilentlyWrongError, quiet

Step = Callable[[Program], Any]  # returns a function that repeats it, or None

STEPS = 12
ALL: tuple[Step, ...] = (*computing.STEPS, *writing.STEPS, *going_back.STEPS)


def play(seed: int) -> Counter[str]:
    """Play one program, or two at once; return the counts. The seed determines everything but the order of threads.

    Raises
    ------
    UnexplainedError
        For a wrong gradient or an unexpected error.
    """
    kind = (alone, alone, alone, side_by_side, on_the_same)[seed % 5]
    with quiet():
        return Counter({kind.__name__.replace("_", " "): 1}) + kind(seed)


def alone(seed: int) -> Counter[str]:
    """Play a program alone."""
    return to_the_end(Program(seed).begin())


def side_by_side(seed: int) -> Counter[str]:
    """Play a program while another thread plays an independent one."""
    return at_once(Program(seed).begin(), Program(f"{seed} other", signals=False).begin())


def on_the_same(seed: int) -> Counter[str]:
    """Play two programs in two threads that start from the same tensors, which they only read."""
    first = Program(seed).begin()
    take(first, 4, computing.STEPS)
    one, two = Program(f"{seed} one").go_on_from(first), Program(f"{seed} two", signals=False).go_on_from(first)
    figures = at_once(one, two)
    leaves = [x for x in first.handles if x.columns]
    wanted = [(one.owed + two.owed)[x.columns].reshape(x.tensor.shape) for x in leaves]
    found = [going_back.grad(x) for x in leaves]
    one.scale = max(one.scale, two.scale)
    one.demand_gradients(
        going_back.close(one, found, wanted), f"wrong gradients of common leaves: expected {wanted}, got {found}"
    )
    return figures


def at_once(one: Program, two: Program) -> Counter[str]:
    """Play two programs, the second in another thread."""
    start = Barrier(2, timeout=60)
    with switching_often(), ThreadPoolExecutor(1) as others:
        other = others.submit(_after, start, two)
        start.wait()
        return to_the_end(one) + other.result()


def _after(start: Barrier, program: Program) -> Counter[str]:
    start.wait()
    return to_the_end(program)


@contextmanager
def switching_often() -> Iterator[None]:
    """Make Python switch threads about fifty times during a program."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@np.errstate(all="ignore")
def to_the_end(program: Program) -> Counter[str]:
    """Take all steps, make the remaining changes, and run a backward pass from every tensor."""
    take(program, STEPS, ALL)
    for change in program.changes:
        change()
    program.look()
    for handle in program.handles:
        if handle.jacobian is not None and handle.columns is None:
            going_back.go_back(program, handle, retain=True)
    return program.figures


def take(program: Program, count: int, steps: Sequence[Step]) -> None:
    """Take `count` steps. An interrupted step may be repeated."""
    for _ in range(count):
        again = program.random.choice(steps)(program)
        while again and program.random.random() < 0.5:
            again = again()


def campaign(count: int, seed: int, processes: int, say: Callable[[str], None]) -> Counter[str]:
    """Play `count` programs in `processes` processes. Return the counts; report failures."""
    return play_chunks(play_all, range(seed, seed + count), processes, say)


def play_all(seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """Play the programs of some seeds. Return the counts and a line for each failure."""
    figures, failed = Counter[str](), []
    for seed in seeds:
        try:
            figures.update(play(seed))
        except Exception as error:
            figures["silent wrong gradients" if isinstance(error, SilentlyWrongError) else "other failures"] += 1
            failed.append(f"seed {seed}: {type(error).__name__}: {error}")
    return figures, failed
