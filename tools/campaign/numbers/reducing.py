"""Reduction of a program with a difference to fewer calls, smaller arrays and simpler numbers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, values_of
from tools.campaign.numbers.program import OURS, Program, Step, names_of, quiet, wrapped

Differs = Callable[[Program], bool]

TRIES, SECONDS = 600, 20.0
FEW = 24  # maximum size of an array whose elements are simplified one by one
MANY = 60  # maximum size of an array that is written element by element
GENERIC = "np.random.RandomState(0).standard_normal({shape}).astype({dtype!r})"
SIMPLE = (0.0, 1.0, 2.0, -1.0)


def reduced(program: Program, differs: Differs) -> Program:
    """Return a smaller program that still differs, found by a greedy search with limited tries and time."""
    left, end = TRIES, time.monotonic() + SECONDS
    found: Program | None = program
    while found:
        program, found = found, None
        for smaller in islice(_smaller(program), left):
            left = left - 1 if time.monotonic() < end else 0
            if differs(smaller):
                found = smaller
                break
    return program


def _smaller(program: Program) -> Iterator[Program]:
    """Yield smaller programs, the largest reductions first."""
    if len(program.steps) > 1:
        yield from _fewer_calls(program)
    yield from _shorter(program)
    for name, x in program.inputs.items():
        yield from (_with(program, name, y) for y in _simpler(x))


def _fewer_calls(program: Program) -> Iterator[Program]:
    """Yield each call alone, then the program without each call."""
    results = _results(program)
    yield from (_of(program, (step,), results) for step in program.steps)
    for k in range(len(program.steps)):
        yield _of(program, program.steps[:k] + program.steps[k + 1 :], results)


def calls_alone(program: Program) -> list[Program]:
    """Return each call of a program alone, on the same values."""
    results = _results(program)
    return [_of(program, (step,), results) for step in program.steps]


def _results(program: Program) -> dict[str, Array]:
    """Return the results of all calls but the last, by name; an empty dict if one fails."""
    try:
        with quiet():
            every = OURS.run(replace(program, steps=program.steps[:-1]), wrapped(program))
    except Exception:
        return {}
    return {step.name: np.array(values_of(x[step.part])) for step, x in zip(program.steps, every, strict=False)}


def _of(program: Program, steps: tuple[Step, ...], results: dict[str, Array]) -> Program:
    """Return a program of some steps with the inputs that they need."""
    made = {step.name for step in steps}
    needed = {name for step in steps for name in names_of(step)} - made
    modules = tuple(f"{step.module[0]}." for step in steps if step.module)
    every = {**program.inputs, **results}
    inputs = {name: x for name, x in every.items() if name in needed or name.startswith(modules or " ")}
    return replace(program, inputs=inputs, steps=steps)


def _shorter(program: Program) -> Iterator[Program]:
    """Yield programs with all axes of one length shortened, then with one axis of one input shortened."""
    loose = {name: x for name, x in program.inputs.items() if "." not in name}
    for length in sorted({n for x in loose.values() for n in x.shape}, reverse=True):
        for n in dict.fromkeys((1, length // 2, length - 1)):
            if 0 < n < length:
                cut = {name: _cut(x, [n if m == length else m for m in x.shape]) for name, x in loose.items()}
                yield replace(program, inputs={**program.inputs, **cut})
    for name, x in loose.items():
        for axis, length in enumerate(x.shape):
            if length > 1:
                for part in (slice(length // 2), slice(length // 2, None), slice(1, None), slice(length - 1)):
                    yield _with(program, name, x[(slice(None),) * axis + (part,)])


def _cut(x: Array, shape: list[int]) -> Array:
    return np.asarray(x[tuple(slice(n) for n in shape)])


def _simpler(x: Array) -> Iterator[Array]:
    """Yield the array in C order, then with all numbers simplified, then with one."""
    if not x.flags.c_contiguous or not x.flags.writeable:
        yield np.array(x, order="C")
    if x.dtype.kind != "f":
        return
    if x.size > MANY and not _same(x, generic(x)).all():
        yield generic(x)
    for value in SIMPLE:
        yield from _replaced(x, np.full(x.shape, value, x.dtype), "all")
    with np.errstate(all="ignore"):
        yield from _replaced(x, np.where(np.isfinite(x) & (np.abs(x) < 1e6), np.round(x), x), "all")
        yield from _replaced(x, np.where(np.isfinite(x) & (np.abs(x) < 1e6), np.round(x, 1), x), "all")
    if x.size <= FEW:
        for value in SIMPLE:
            yield from _replaced(x, np.full(x.shape, value, x.dtype), "each")
        yield from _replaced(x, np.round(x, 1), "each")


def generic(x: Array) -> Array:
    """Return random numbers of the shape and dtype of x, which the expression `GENERIC` reproduces."""
    return np.random.RandomState(0).standard_normal(x.shape).astype(x.dtype)


def _replaced(x: Array, simple: Array, which: str) -> Iterator[Array]:
    """Yield x with all elements replaced, or with one replaced at a time, if that lowers the cost."""
    if which == "all":
        if not _same(x, simple).all() and _cost(simple) < _cost(x):
            yield simple
        return
    for place in map(tuple, np.argwhere(~_same(x, simple))):
        y = np.array(x)
        y[place] = simple[place]
        if _cost(y) < _cost(x):
            yield y


def _same(x: Array, y: Array) -> Array:
    return np.asarray((x == y) | (np.isnan(x) & np.isnan(y)))


def _cost(x: Array) -> int:
    """Return a measure of complexity: nonzero elements, elements other than 0 and 1, and printed digits."""
    digits = len(repr(x.tolist())) if x.size <= FEW else 0
    return digits + int(np.sum(x != 0)) + int(np.sum((x != 0) & (x != 1)))


def _with(program: Program, name: str, x: Any) -> Program:
    return replace(program, inputs={**program.inputs, name: x})
