"""A random program: inputs and one to four calls, each on inputs and on results of earlier calls."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from types import CodeType
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.engine import Array
from tools.campaign.numbers import drawing
from tools.campaign.numbers.calls import (
    ELEMENTWISE,
    NARROW,
    Line,
    forms,
    grows,
    lines,
    names_in,
    public_names,
    rename,
    variables_in,
)
from tools.campaign.numbers.drawing import Draws, Shares, one_of, with_chance
from tools.layer_table import results_in
from tools.torch_table import Shape


@dataclass(frozen=True)
class Step:
    """One call: the name of its result and the expressions of both sides. Later calls use result number `part`."""

    name: str
    ours: str
    theirs: str
    numpys: str = ""  # our expression as a function call, which NumPy may support
    part: int = 0
    # For a layer: its name, the constructor expressions of both sides, and whether it is in training mode.
    module: tuple[str, str, str, bool] | None = None

    @property
    def functions(self) -> frozenset[str]:
        """The public names that it calls."""
        return names_in(self.module[1] if self.module else self.numpys or self.ours)


def names_of(step: Step) -> frozenset[str]:
    """Return the names of the inputs and results that a call uses."""
    return variables_in(step.ours)


@dataclass(frozen=True)
class Program:
    """The inputs by name, the names of constant inputs, the calls, and the seed of the cotangents."""

    inputs: dict[str, Array] = field(default_factory=dict)
    constants: frozenset[str] = frozenset()
    steps: tuple[Step, ...] = ()
    seed: int = 0

    @property
    def variables(self) -> list[str]:
        """The names of the differentiable inputs."""
        return [name for name, x in self.inputs.items() if x.dtype.kind == "f" and name not in self.constants]

    @property
    def functions(self) -> frozenset[str]:
        """The public names that it calls."""
        return frozenset().union(*(step.functions for step in self.steps))

    @property
    def names_dtypes(self) -> bool:
        """Whether a call specifies the dtype of its result."""
        return any("dtype=" in step.numpys or "np.float64" in step.numpys for step in self.steps)

    @property
    def is_elementwise(self) -> bool:
        """Whether the program is a single call of an elementwise function."""
        return len(self.steps) == 1 and self.functions <= ELEMENTWISE


class Side:
    """How one library runs a program: the attribute with its expressions, their namespace, and its calls of layers."""

    def __init__(self, space: Mapping[str, Any], text: str, call_layer: Callable[..., Any] | None = None) -> None:
        self.space, self.text, self.call_layer = dict(space), text, call_layer

    def run(
        self, program: Program, inputs: Mapping[str, Any], change: Callable[[Any], Any] | None = None
    ) -> list[list[Any]]:
        """Return the results of each call; `change` is applied to a result before later calls use it."""
        space, every = {**self.space, **inputs}, []
        for step in program.steps:
            if step.module:
                space[step.module[0]] = self._layer(step, inputs)
            results = results_in(eval(compiled(getattr(step, self.text)), space))
            result = results[step.part] if results else None
            space[step.name] = change(result) if change and results else result
            every.append(results)
        return every

    def _layer(self, step: Step, inputs: Mapping[str, Any]) -> Callable[..., Any]:
        assert step.module
        assert self.call_layer
        name, ours, theirs, trains = step.module
        module = made(ours if self.text == "ours" else theirs, self.text == "theirs")
        module.train(trains)
        state = {key[len(name) + 1 :]: x for key, x in inputs.items() if key.startswith(f"{name}.")}
        call = self.call_layer

        def layer(*args: Any, **settings: Any) -> Any:
            return call(module, state, *args, **settings)

        return layer


@lru_cache(1000)
def compiled(expression: str) -> CodeType:
    return compile(expression, expression, "eval")


@cache
def made(expression: str, theirs: bool) -> Any:
    """Return a module with float64 parameters."""
    if not theirs:
        return eval(expression, {"tg": tg, "np": np}).astype(np.float64)
    import torch

    return eval(expression, {"torch": torch, "np": np}).double()


def draw(draws: Draws, seed: int, shares: Shares, usable: Callable[[Line], bool], dtypes: Sequence[str]) -> Program:
    """Draw a program of calls from the usable lines, with inputs of these dtypes."""
    builder = Builder(draws, shares, dtypes, with_chance(draws, shares.large))
    every = by_name(usable)
    count = one_of(draws, shares.calls) if not builder.large else 1
    for _ in range(count):
        before = builder.program
        if not builder.add(one_of(draws, one_of(draws, every))):
            if before.steps and with_chance(draws, 70):
                builder.program = before  # most calls fail on the result of another
            break
    return replace(builder.program, seed=seed)


@cache
def by_name(usable: Callable[[Line], bool]) -> tuple[tuple[Line, ...], ...]:
    """Return the usable lines of each public function and layer, to draw all equally often."""
    found = dict[str, list[Line]]()
    for line in filter(usable, lines()):
        for name in public_names(line):
            found.setdefault(name, []).append(line)
    return tuple(map(tuple, found.values()))


class Builder:
    """Builder of a program, one call at a time."""

    def __init__(self, draws: Draws, shares: Shares, dtypes: Sequence[str], large: bool) -> None:
        self.draws, self.shares, self.dtypes, self.large = draws, shares, dtypes, large
        self.program = Program()
        self.known: dict[str, Array] = {}  # the values of inputs and results for later calls

    def add(self, line: Line) -> bool:
        """Add the call of a line. Return whether later calls can use its result."""
        draws, number = self.draws, len(self.program.steps)
        settings = {f"${name}": one_of(draws, choices) for name, choices in line.settings.items()}
        ours, theirs = (_filled(text, settings) for text in (line.ours, line.theirs))
        names = self._inputs(line, number)
        if line.call:
            step = self._layer(line, names, number)
        else:
            function = rename(ours, names, "ours")
            is_array = next(iter(line.inputs.values()))[0] in drawing.CONSTANT
            others = [text for kind, text in forms(ours).items() if not (is_array and kind == "method")]
            form = one_of(draws, (ours, *others)) if with_chance(draws, 40) else ours
            step = Step(f"result{number}", rename(form, names, "ours"), rename(theirs, names, "theirs"), function)
        self.program = replace(self.program, steps=(*self.program.steps, step))
        return self._evaluate()

    def _inputs(self, line: Line, number: int) -> dict[str, str]:
        """Reuse inputs or results for some of the line's inputs, and draw the others."""
        found, given = dict[str, str](), dict(line.inputs)
        for name, (kind, shape) in line.inputs.items():
            fits = [k for k, x in self.known.items() if x.ndim == len(shape) and x.dtype.kind == "f"]
            if line.theirs in NARROW:
                fits = []
            if "linalg" in line.ours:
                fits = [k for k in fits if np.isfinite(self.known[k]).all()]
            if number and fits and kind not in drawing.CONSTANT and with_chance(self.draws, 100 if not found else 40):
                found[name] = fits[-1] if with_chance(self.draws, 75) else one_of(self.draws, fits)
        lengths = {
            n: length
            for name, chosen in found.items()
            for n, length in zip(given[name][1], self.known[chosen].shape, strict=True)
        }
        shapes = (
            {name: tuple(lengths.get(n, n) for n in shape) for name, (_, shape) in given.items()}
            if found
            else drawing.shapes(self.draws, given, self._shares_of(line), self.large and not grows(line))
        )
        for name, (kind, _) in given.items():
            if name not in found:
                found[name] = self._draw(f"{name}{number}" if number else name, kind, shapes[name], line)
        return found

    def _draw(self, name: str, kind: str, shape: Shape, line: Line) -> str:
        dtype = np.dtype(one_of(self.draws, self.dtypes))
        x = drawing.values(self.draws, kind, shape, dtype, self._shares_of(line))
        if kind in drawing.CONSTANT:
            self.program = replace(self.program, constants=self.program.constants | {name})
        self._take(name, drawing.arranged(self.draws, x, self.shares))
        return name

    def _shares_of(self, line: Line) -> Shares:
        if line.theirs in NARROW:
            return self.shares._replace(special=0, ties=0, other_lengths=0, other_axes=0)
        return self.shares._replace(special=0) if "linalg" in line.ours else self.shares  # LAPACK may hang

    def _take(self, name: str, x: Array) -> None:
        self.program = replace(self.program, inputs={**self.program.inputs, name: x})
        if name not in self.program.constants:
            self.known[name] = x

    def _layer(self, line: Line, names: Mapping[str, str], number: int) -> Step:
        """Create a layer and draw its state as inputs of the program."""
        name = f"m{number}"
        ours, theirs = (rename(text, {}, side) for text, side in ((line.ours, "ours"), (line.theirs, "theirs")))
        module = made(ours, False)
        parameters = dict(module.named_parameters())
        for key, values in module.state_dict().items():
            x = np.asarray(self.draws.standard_normal(values.shape) / 2)
            if key.endswith("running_var"):
                x = 0.5 + x**2
            elif key.endswith("num_batches_tracked"):
                x = np.array(3)
            if key not in parameters:
                self.program = replace(self.program, constants=self.program.constants | {f"{name}.{key}"})
            self._take(f"{name}.{key}", x)
        call = {side: rename(line.call, {"m": name, **names}, side) for side in ("ours", "theirs")}
        trains = with_chance(self.draws, 60)
        return Step(f"result{number}", call["ours"], call["theirs"], module=(name, ours, theirs, trains))

    def _evaluate(self) -> bool:
        """Run the program; choose and store the result of the last call that later calls may use."""
        last = self.program.steps[-1]
        try:
            with quiet():
                results = [np.asarray(x) for x in OURS.run(self.program, wrapped(self.program))[-1]]
        except Exception:
            return False
        smooth = [k for k, x in enumerate(results) if x.dtype.kind == "f"]
        if not smooth or max(x.size for x in results) > 4 * drawing.LARGE:
            return False
        part = one_of(self.draws, smooth)
        self.program = replace(self.program, steps=(*self.program.steps[:-1], replace(last, part=part)))
        self.known[last.name] = results[part]
        return True


def _filled(text: str, settings: Mapping[str, str]) -> str:
    for name, choice in settings.items():
        text = text.replace(name, choice)
    return text


def wrapped(program: Program) -> dict[str, Any]:
    """Return floating-point inputs as Tensors that share their memory; constants and other dtypes stay arrays."""
    return {
        name: tg.from_numpy(x) if x.dtype.kind == "f" and name not in program.constants else x
        for name, x in program.inputs.items()
    }


def quiet() -> Any:
    """Return a context manager that ignores warnings."""
    return _Quiet()


class _Quiet(warnings.catch_warnings):
    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        self.state = np.errstate(all="ignore")
        self.state.__enter__()

    def __exit__(self, *details: Any) -> None:
        self.state.__exit__(*details)
        super().__exit__(*details)


def _call_ours(module: Any, state: Mapping[str, Any], *args: Any, **settings: Any) -> Any:
    return tg.nn.functional_call(module, state, *args, **settings)


OURS = Side({"tg": tg, "np": np}, "ours", _call_ours)
