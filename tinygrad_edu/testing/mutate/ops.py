"""Create the mutants of an `Op`, and run the public checks on each of them, in this process.

A mutant is killed if `check_vjp` of order 2 or `check_op` fails for one of 100 examples, which are the same in every
run. If a mutant is wrong under a condition on x and survives, ten more examples are drawn that meet the condition.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck, Unsatisfiable

from tinygrad_edu.engine import Op, op
from tinygrad_edu.ops import registry
from tinygrad_edu.testing import Call, check_op, check_vjp
from tinygrad_edu.testing.laws.op_laws import differentiable
from tinygrad_edu.testing.mutate import faults
from tinygrad_edu.testing.mutate.faults import ANYWHERE, CONDITIONS_ON_X, OURS, VJPFunction, condition_hits, mutant
from tinygrad_edu.testing.mutate.score import Fate
from tinygrad_edu.testing.mutate.sources import Change, FunctionNode, Source, changes, vjps_of_ops
from tinygrad_edu.testing.numeric.sampling import draw_signed, seeded
from tinygrad_edu.testing.strategies import OP_CALLS, arrays, broadcastable, shapes

EXAMPLES = 100
MORE_EXAMPLES = 10  # that meet the condition of a mutant
INCONCLUSIVE = Unsatisfiable, FailedHealthCheck
MUTANT = "from tinygrad_edu.testing.mutate import mutant"

# Copied before a user's file is loaded, because the user's ops may have the names of built-in ones.
BUILT_IN = dict(OP_CALLS)


# --- The ops of a file ---


def load(path: Path) -> None:
    """Import a file, with its folder first in sys.path."""
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[path.stem])


def ops_of(module: str, chosen: Sequence[str]) -> list[Op]:
    """Return the ops with vjps that a loaded file defines, or only the chosen ones."""
    defined = (x for x in vars(sys.modules[module]).values() if isinstance(x, Op) and x.__module__ == module)
    return [op for op in dict.fromkeys(defined) if op.vjp_functions and (not chosen or op.__name__ in chosen)]


@dataclass(frozen=True)
class Mutant:
    """An op with one broken vjp. `change` is the source change that broke it, or None for a wrapper."""

    op: Op
    argument: str
    kind: str
    vjp: VJPFunction
    change: Change | None = None

    def __str__(self) -> str:
        return f"{self.op.__name__}.{self.argument}: {self.kind}"

    def wrong(self) -> Op:
        """Return the op with the broken vjp."""
        broken = op(broadcasts=self.op.broadcasts, promotes=self.op.promotes, name=self.op.name)(self.op.forward)
        broken.vjps(**{**self.op.vjp_functions, self.argument: self.vjp})
        return broken

    def shown(self) -> str:
        """Return code that recreates the mutant: a diff, or lines that apply the wrapper."""
        if self.change is not None:
            return _source_of(self.op).diff(self.change)
        vjp = f'{self.op.__name__}.vjp_functions["{self.argument}"]'
        return f'{MUTANT}\n{self.op.__name__}.vjps({self.argument}=mutant("{self.kind}")({vjp}))\n'


def mutants(original: Op) -> Iterator[Mutant]:
    """Yield every mutant of every vjp of an op."""
    for argument, vjp in original.vjp_functions.items():
        saves_arrays = any(name in (*original.inputs, "out") for name in inspect.signature(vjp).parameters)
        for kind in (*ANYWHERE, *OURS):
            if kind not in faults.NEED_SAVED_ARRAYS or saves_arrays:
                yield Mutant(original, argument, kind, mutant(kind)(vjp))
        source = _source_of(original)
        function = _vjps(source).get((original.name, argument))
        if function is not None:
            for change in changes(source, function, _offered(original, function)):
                yield Mutant(original, argument, change.kind, _compiled(source, function, change, original), change)


@functools.cache
def mutants_of(module: str, chosen: tuple[str, ...]) -> list[Mutant]:
    """Return every mutant of the ops of a loaded file."""
    return [mutant for op in ops_of(module, chosen) for mutant in mutants(op)]


def nth_fate(module: str, chosen: tuple[str, ...], n: int) -> Fate:
    """Return the fate of the n-th mutant. Worker processes use numbers, because mutants cannot be pickled."""
    return fate_of(mutants_of(module, chosen)[n])


def _source_of(original: Op) -> Source:
    return _source(inspect.getfile(original.__wrapped__))


@functools.cache
def _source(path: str) -> Source:
    return Source(Path(path))


_vjps = functools.cache(vjps_of_ops)  # a file defines the vjps of many ops


def _offered(original: Op, function: FunctionNode) -> list[str]:
    """Return the argument names that a vjp may use, beginning with those that it uses."""
    names = ["g"] if original.variadic else [*original.inputs, "out", "g"]
    return sorted(names, key=lambda name: name not in [a.arg for a in function.args.args])


def _compiled(source: Source, function: FunctionNode, change: Change, original: Op) -> VJPFunction:
    """Return the changed function, compiled with the global names of the op's module."""
    start, end = source.span(function)
    text = source.edited(change.edits, start, end)
    namespace = dict(vars(sys.modules[original.__module__]))
    if isinstance(function, ast.Lambda):
        return eval(f"({text})", namespace)  # type: ignore[no-any-return]
    exec(textwrap.dedent(" " * function.col_offset + text), namespace)
    return namespace[function.name]  # type: ignore[no-any-return]


# --- The checks ---


def fate_of(broken: Mutant) -> Fate:
    """Run the checks on a mutant, and return its fate, with the law that kills it."""
    start = time.perf_counter()
    condition_hits.clear()
    failure = _first_failure(broken)
    if failure is None:
        error = faults.NOT_MET if broken.kind in CONDITIONS_ON_X and not condition_hits["met"] else ""
        return Fate(error, seconds=time.perf_counter() - start)
    report = getattr(failure, "report", None)
    return Fate(type(failure).__name__, report.verdicts[0].law if report else "", time.perf_counter() - start)


def _first_failure(broken: Mutant) -> Exception | None:
    try:
        broken_op = broken.wrong()
    except Exception as error:
        return error
    calls = calls_of(broken.op)
    failure = first_error(broken_op, calls)
    if (failure is None or isinstance(failure, INCONCLUSIVE)) and broken.kind in CONDITIONS_ON_X:
        failure = first_error(broken_op, calls.filter(partial(_meets_condition, broken_op)), MORE_EXAMPLES)
    return None if isinstance(failure, INCONCLUSIVE) else failure


def _meets_condition(tried: Op, call: Call) -> bool:
    """Whether the condition of a mutant holds for a nonzero gradient of a call."""
    own, hits = _with_op(call, tried), condition_hits["met"]
    with suppress(Exception), np.errstate(all="ignore"):  # the checks raise the error again
        (out,), pullback = differentiable(own).record(own.arrays, range(len(own.arrays)))
        pullback([draw_signed(seeded(None), out.shape)])
    return condition_hits["met"] > hits


def _with_op(call: Call, tried: Op) -> Call:
    return Call(tried, call.inputs, call._given, **call.settings)


def first_error(tried: Op, calls: st.SearchStrategy[Call], examples: int | None = None) -> Exception | None:
    """Return the first error of the checks for an op, on calls that were drawn for the right op.

    Hypothesis raises an `INCONCLUSIVE` error if the checks rejected too many examples to decide.
    """
    accepted = [HealthCheck.too_slow, HealthCheck.data_too_large] + [HealthCheck.filter_too_much] * bool(examples)

    @settings(max_examples=examples or EXAMPLES, derandomize=True, deadline=None, phases=[Phase.generate],
              suppress_health_check=accepted)  # fmt: skip
    @given(calls)
    def hunt(call: Call) -> None:
        own = _with_op(call, tried)
        with np.errstate(all="ignore"):
            check_vjp(own, *own.arrays, order=2)
            check_op(own)

    try:
        hunt()
    except Exception as error:
        return error
    return None


def calls_of(original: Op) -> st.SearchStrategy[Call]:
    """Return the op's strategy in `OP_CALLS`. Default: arrays of one shape, or of broadcastable shapes."""
    name = original.__name__
    calls = OP_CALLS.get(name)
    is_shadowed = calls is BUILT_IN.get(name) and registry.get(name) is not original
    return _any_call(original) if calls is None or is_shadowed else calls


@st.composite
def _any_call(draw: Any, original: Op) -> Call:
    """Draw a call of an op with arrays of any values, of one shape or of broadcastable shapes."""
    count = 2 if original.variadic else len(original.inputs)
    input_shapes = draw(broadcastable(count)) if original.broadcasts and count > 1 else (draw(shapes()),) * count
    return Call(original, [draw(arrays(shape)) for shape in input_shapes])
