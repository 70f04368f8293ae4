"""Judges of programs: PyTorch in float64, up to second gradients, and NumPy in every dtype."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.engine import Array, values_of
from tools.campaign.numbers.calls import NUMPY, numpy_has
from tools.campaign.numbers.closeness import (
    ABSOLUTE,
    HIDDEN,
    UNSTABLE,
    Arrays,
    differing,
    factors,
    largest,
    nudged,
    spread,
    unequal,
)
from tools.campaign.numbers.program import OURS, Program, Side, quiet, wrapped


class Finding(NamedTuple):
    """Result of a judge: the `kind` of agreement, or a difference and both results."""

    kind: str
    judge: str = ""
    stage: str = ""  # values, shapes, dtypes, first or second gradients, or an error
    ours: Any = None
    theirs: Any = None
    finite: bool = True  # whether all results are; for second gradients, the first gradients too

    @property
    def is_difference(self) -> bool:
        return self.kind == "difference"


class Cotangents:
    """Cotangents of results and gradients: the same for the same seed, order and shapes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def of(self, shapes: Sequence[tuple[int, ...]], order: int) -> list[Array]:
        draws = np.random.RandomState((2 * self.seed + order) % 2**32)
        drawn = [np.round(draws.standard_normal(shape), 3) for shape in shapes]  # short, and sums rarely cancel
        return [np.asarray(np.where(x == 0, 1.0, x)) for x in drawn]


# --- NumPy ---

NUMPYS = Side({"tg": NUMPY, "np": np}, "numpys")
PLAIN = Side({"tg": tg, "np": np}, "numpys")
LAPACK = 100  # times the rounding error of a sum
ULPS = 4  # units in the last place


def is_numpys(program: Program) -> bool:
    """Return whether NumPy has all functions that a program calls."""
    return all(step.numpys and numpy_has(step.numpys) for step in program.steps)


def _numpy_refuses(program: Program) -> bool:
    return is_numpys(program) and isinstance(attempt(lambda: NUMPYS.run(program, program.inputs)), Exception)


def by_numpy(program: Program) -> Finding:
    """Compare results and dtypes with NumPy's, on plain arrays and on Tensors."""
    with quiet():
        theirs = attempt(partial(_run_flat, NUMPYS, program, program.inputs))
        if isinstance(theirs, AttributeError) or "unexpected keyword" in str(theirs):
            return Finding("option not supported by NumPy")
        for judge, side, given in (("NumPy", PLAIN, program.inputs), ("NumPy, Tensors", OURS, as_tensors(program))):
            ours = attempt(partial(_run_flat, side, program, given))
            if isinstance(theirs, Exception) or isinstance(ours, Exception):
                finding = refusal(ours, theirs, judge, "values")
                if finding.kind != "rejected by both":
                    return finding._replace(kind="difference")
                continue
            difference = _numpys_difference(program, judge, ours, theirs)
            if difference:
                return difference
    return Finding("rejected by both" if isinstance(theirs, Exception) else "agree")


def as_tensors(program: Program) -> dict[str, Any]:
    """Return the inputs as Tensors that share their memory; constants stay arrays."""
    return {name: x if name in program.constants else tg.from_numpy(x) for name, x in program.inputs.items()}


def _numpys_difference(program: Program, judge: str, ours: list[Any], theirs: list[Any]) -> Finding | None:
    if len(ours) != len(theirs):
        return Finding("difference", judge, "shapes", len(ours), len(theirs))
    for k, (x, y) in enumerate(zip([np.asarray(values_of(x)) for x in ours], map(np.asarray, theirs), strict=True)):
        allowed = [y.dtype] if judge == "NumPy" or program.names_dtypes else on_tensors(program, y.dtype)
        wanted = x.dtype if x.dtype in allowed else allowed[0]
        if x.dtype != wanted:
            return Finding("difference", judge, "dtypes", x, y.astype(wanted))
        if x.shape != y.shape:
            return Finding("difference", judge, "shapes", x.shape, y.shape)
        eps = narrowest(program, wanted, on_tensors=judge != "NumPy")
        if not any(same_numbers(x, other, slack, eps) for other, slack in _acceptable(program, k, y, wanted)):
            return Finding("difference", judge, "values", x, y.astype(wanted))
    return None


def _acceptable(program: Program, place: int, result: Array, dtype: np.dtype[Any]) -> Iterator[tuple[Array, Any]]:
    """Yield acceptable results, each with a slack: the magnitude whose rounding error is tolerated.

    The results are NumPy's, for the inputs and for inputs cast to the dtype first. Linear algebra may amplify rounding
    errors of its inputs; its slack is measured with inputs changed by a few units in the last place.
    """
    slack = 0.0 if program.is_elementwise else _slack(program, result)
    yield result.astype(dtype), slack
    again = partial(_converted_first, program, dtype)
    if result.dtype != dtype:
        yield again()[place], slack
    if _is_linalg(program) and dtype.kind == "f":
        moved = spread(again(), lambda number: again(partial(nudged, number=number, every=True)))
        if moved is not None:
            magnified = slack + UNSTABLE * moved[place] / float(np.finfo(dtype).eps)
            yield from ((other, magnified) for other in (result.astype(dtype), again()[place]))


def _slack(program: Program, result: Array) -> float:
    """Return the slack for a sum of products of the inputs in another order."""
    every = list(program.inputs.values())
    products = math.prod(max(1.0, largest(x)) for x in every)
    terms = 1 + max(x.size for x in every) / 50
    return terms * max(products, largest(result)) * (LAPACK if _is_linalg(program) else 1)


def _is_linalg(program: Program) -> bool:
    return any("linalg" in name for name in program.functions)


def on_tensors(program: Program, dtype: np.dtype[Any]) -> list[np.dtype[Any]]:
    """Return the dtypes that a result on Tensors may have, given NumPy's dtype; integer Tensors become float32."""
    if dtype.kind != "f":
        return [dtype]
    tensors = [x.dtype for name, x in program.inputs.items() if name not in program.constants]
    floats = [other for other in tensors if other.kind == "f"]
    if dtype in floats:
        return [dtype]
    float32 = np.dtype(np.float32)
    return [np.result_type(*floats) if floats else float32, *([float32] if len(floats) < len(tensors) else [])]


def _converted_first(
    program: Program, dtype: np.dtype[Any], change: Callable[[dict[str, Array]], dict[str, Array]] = dict
) -> list[Array]:
    """Return NumPy's results for inputs that are first cast to a dtype, and then changed."""
    inputs = {name: x if name in program.constants else x.astype(dtype) for name, x in program.inputs.items()}
    return [np.asarray(x).astype(dtype) for x in flat(NUMPYS.run(program, change(inputs)))]


def narrowest(program: Program, dtype: np.dtype[Any], on_tensors: bool) -> float:
    """Return the epsilon of the result's dtype, or of a narrower dtype in the computation."""
    if dtype.kind != "f":
        return 0.0
    dtypes = {x.dtype for name, x in program.inputs.items() if name not in program.constants}
    contracts = program.functions & {"einsum", "linalg.multi_dot"}  # NumPy may round partial products
    mixed = contracts or (on_tensors and len(dtypes) > 1 and any(other.kind in "iub" for other in dtypes))
    others = {other if other.kind == "f" else np.dtype(np.float32) for other in dtypes} if mixed else set()
    return max(float(np.finfo(other).eps) for other in {dtype, *others})


def same_numbers(x: Array, y: Array, slack: float, eps: float) -> bool:
    """Return whether numbers are equal, including signs of zeros, or differ by a few units in the last place.

    NumPy computes elementwise functions in blocks; other lengths and layouts change the last place.
    `slack` is the magnitude whose rounding error is tolerated as well, for example of a sum in another order.
    """
    if x.dtype.kind != "f":
        return bool((x == y).all())
    same = (x == y) & (np.signbit(x) == np.signbit(y)) | np.isnan(x) & np.isnan(y)
    units = np.spacing(np.maximum(np.abs(x), np.abs(y))) + eps * slack
    near = (np.abs(x - y) <= ULPS * units) & (x != 0) & (y != 0) | (slack > 0) & (np.abs(x - y) <= ULPS * units) & (
        x != y
    )
    return bool((same | near).all())


# --- PyTorch ---


def by_pytorch(program: Program) -> Finding:
    """Compare values, first gradients and second gradients with PyTorch's in float64."""
    with quiet():
        ours = attempt(lambda: Ours(program))
        if _pools_padding(program, ours):
            return Finding("skipped: PyTorch crashes for pooling windows with only padding")
        theirs = attempt(lambda: Theirs(program, program.inputs))
        if isinstance(ours, Exception) and not isinstance(theirs, Exception) and _numpy_refuses(program):
            return Finding("rejected by us and NumPy")
        if isinstance(theirs, Exception) or isinstance(ours, Exception):
            return refusal(ours, theirs, "PyTorch", "values")
        return _compare(program, ours, theirs)


def _pools_padding(program: Program, ours: Any) -> bool:
    """Return whether a pooling window may contain only padding: PyTorch's gradient writes out of bounds."""
    if isinstance(ours, Exception) or not any("max_pool" in n or "MaxPool" in n for n in program.functions):
        return False
    return any(np.isneginf(x).any() for x in ours.values())


def is_rounding(program: Program, stage: str) -> bool:
    """Return whether rounding explains a difference of a program whose calls agree one by one.

    It explains every difference of values: later calls amplify rounding errors. It explains a difference of gradients
    if an intermediate value differs or is on the other side of a kink (kinks are at multiples of 1/4), or if a change
    of all inputs and results by a few units in the last place has the same effect.
    """
    if stage not in ("first", "second"):
        return stage == "values"
    with quiet():
        sides = Ours(program), Theirs(program, program.inputs)
        _keep_common(*sides)
        pairs = zip(sides[0].values(), sides[1].values(), strict=True)
        if any((unequal(x, y, 1e-6, 0.0) | (np.floor(4 * x) != np.floor(4 * y))).any() for x, y in pairs):
            return True
        mine, yours = (getattr(side, stage)() for side in sides)
        return differing(mine, yours, 1.0, HIDDEN, partial(_moved, program, sides[1].smooth, stage, True)) is None


def _moved(program: Program, smooth: Sequence[bool], stage: str, every: bool, number: int) -> Arrays | None:
    """Return PyTorch's results for inputs changed by a few units in the last place, or None if PyTorch raises.

    With `every`, the result of each call is changed, too, before the next call.
    """
    change = partial(_nudged_tensor, number) if every else None
    other = attempt(lambda: getattr(Theirs(program, nudged(program.inputs, number, every), smooth, change), stage)())
    return None if isinstance(other, Exception) else other


def _nudged_tensor(number: int, x: Any) -> Any:
    import torch

    return x * torch.tensor(factors(plain(x.detach()), number, every=True)) if x.is_floating_point() else x


def _keep_common(ours: "Ours", theirs: "Theirs") -> None:
    """Keep only the gradients of results that are differentiable on both sides."""
    ours.smooth = theirs.smooth = [a and b for a, b in zip(ours.smooth, theirs.smooth, strict=True)]


def _compare(program: Program, ours: "Ours", theirs: "Theirs") -> Finding:
    shapes = [[x.shape for x in side.values()] for side in (ours, theirs)]
    if shapes[0] != shapes[1]:
        return Finding("difference", "PyTorch", "shapes", shapes[0], shapes[1])
    if any(b and not a for a, b in zip(ours.smooth, theirs.smooth, strict=True)):
        return Finding("difference", "PyTorch", "lost gradient", ours.smooth, theirs.smooth)
    _keep_common(ours, theirs)
    scale = 0.0 if program.is_elementwise else max(map(largest, program.inputs.values()), default=0.0)
    hidden = {"second": ABSOLUTE if program.is_elementwise else HIDDEN}
    finite = True
    for stage in ("values", "first", "second") if any(ours.smooth) and program.variables else ("values",):
        found = [attempt(getattr(side, stage)) for side in (ours, theirs)]
        if any(isinstance(side, Exception) for side in found):
            return refusal(found[0], found[1], "PyTorch", stage)
        mine, yours = found
        if stage == "second":
            mine = [np.where(np.isfinite(y), x, y) for x, y in zip(mine, yours, strict=True)]
        again = partial(_moved, program, theirs.smooth, stage, False)
        place = differing(mine, yours, scale, hidden.get(stage, ABSOLUTE), again)
        if place is not None:
            return Finding("difference", "PyTorch", stage, mine[place], yours[place], finite)
        finite = finite and all(np.isfinite(x).all() for x in (*mine, *yours))
        if not finite and len(program.steps) > 1:
            return Finding("agree, but not finite")
        scale = max([scale, 1.0, *map(largest, yours)])  # the cotangents are about 1
    return Finding("agree")


class Ours:
    """Our results of a program and their gradients."""

    def __init__(self, program: Program) -> None:
        self.program, self.given = program, wrapped(program)
        self.names = program.variables
        self.cotangents = Cotangents(program.seed)
        for name in self.names:
            self.given[name].requires_grad = True
        self.results = flat(OURS.run(program, self.given))
        self.smooth = [isinstance(x, tg.Tensor) and x.requires_grad for x in self.results]

    def values(self) -> list[Array]:
        return [plain(values_of(x)) for x in self.results]

    def _total(self, *given: Any) -> Any:
        results = flat(OURS.run(self.program, {**self.given, **dict(zip(self.names, given, strict=True))}))
        smooth = [x for x, is_smooth in zip(results, self.smooth, strict=True) if is_smooth]
        drawn = self.cotangents.of([x.shape for x in smooth], 1)
        return sum(((x * c).sum() for x, c in zip(smooth, drawn, strict=True)), tg.Tensor(np.zeros(())))

    def _gradients(self, *given: Any) -> Any:
        return tg.grad(self._total, tuple(range(len(given))))(*given)

    def _leaves(self) -> list[Any]:
        return [self.given[name] for name in self.names]

    def first(self) -> list[Array]:
        return [plain(g.numpy()) for g in self._gradients(*self._leaves())]

    def second(self) -> list[Array]:
        def total(*given: Any) -> Any:
            first = self._gradients(*given)
            drawn = self.cotangents.of([g.shape for g in first], 2)
            return sum(((g * v).sum() for g, v in zip(first, drawn, strict=True)), tg.Tensor(np.zeros(())))

        return [plain(g.numpy()) for g in tg.grad(total, tuple(range(len(self.names))))(*self._leaves())]


class Theirs:
    """PyTorch's results of a program and their gradients."""

    def __init__(
        self,
        program: Program,
        inputs: Mapping[str, Array],
        smooth: Sequence[bool] = (),
        change: Callable[[Any], Any] | None = None,
    ) -> None:
        import torch

        self.cotangents = Cotangents(program.seed)
        given = {name: torch.tensor(np.array(x)) for name, x in inputs.items()}
        self.leaves = [given[name].requires_grad_() for name in program.variables]
        self.results = flat(pytorch().run(program, given, change))
        self.smooth = list(smooth) or [isinstance(x, torch.Tensor) and x.requires_grad for x in self.results]

    def values(self) -> list[Array]:
        return [plain(x.detach().numpy() if hasattr(x, "detach") else x) for x in self.results]

    def _pulled(self, outputs: Sequence[Any], order: int) -> list[Any]:
        import torch

        drawn = self.cotangents.of([tuple(x.shape) for x in outputs], order)
        total: Any = sum((x * torch.tensor(c)).sum() for x, c in zip(outputs, drawn, strict=True))
        if not getattr(total, "requires_grad", False):
            return [torch.zeros_like(x) for x in self.leaves]
        found = torch.autograd.grad(total, self.leaves, create_graph=True, allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for x, g in zip(self.leaves, found, strict=True)]

    def _first(self) -> list[Any]:
        return self._pulled([x for x, is_smooth in zip(self.results, self.smooth, strict=True) if is_smooth], 1)

    def first(self) -> list[Array]:
        return [plain((g + 0).detach().numpy()) for g in self._first()]

    def second(self) -> list[Array]:
        return [plain((g + 0).detach().numpy()) for g in self._pulled(self._first(), 2)]


def pytorch() -> Side:
    """Return PyTorch's side."""
    import torch

    def call(module: Any, state: Mapping[str, Any], *args: Any, **settings: Any) -> Any:
        return torch.func.functional_call(module, dict(state), args, settings)

    return Side({"torch": torch, "np": np}, "theirs", call)


def plain(x: Any) -> Array:
    """Return an array of float64, to compare."""
    return np.asarray(x).astype(np.float64)


def _run_flat(side: Side, program: Program, inputs: Mapping[str, Any]) -> list[Any]:
    return flat(side.run(program, inputs))


def flat(results: Sequence[Sequence[Any]]) -> list[Any]:
    return [x for each in results for x in each]


def attempt(call: Callable[[], Any]) -> Any:
    """Return the result of a call, or the error that it raises."""
    try:
        return call()
    except Exception as error:
        return error


def refusal(ours: Any, theirs: Any, judge: str, stage: str) -> Finding:
    """Return the finding for a program that one or both sides rejected."""
    if isinstance(ours, Exception) and isinstance(theirs, Exception):
        return Finding("rejected by both")
    if isinstance(theirs, Exception):
        return Finding(f"rejected by {judge} only", judge, stage, ours, theirs)
    return Finding("difference", judge, f"{stage}, refused", ours, theirs)
