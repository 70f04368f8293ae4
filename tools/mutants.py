"""Mutants: every rule of every op, broken on purpose in many ways, and the count of those that the checks kill.

Run as a command, ``python -m tools.mutants [regex]``, it prints the score and every survivor that is not
listed in `EQUIVALENT`. A rule is broken in two ways: from outside, by wrappers that change what it returns or
touches; and inside, by changing one place of its source (an operator, an operand, a call, a sign, a name).
"""

import ast
import copy
import functools
import inspect
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from numpy.typing import NDArray

import tinygrad_edu as tg
from tinygrad_edu import ops
from tinygrad_edu.engine import Op, Tensor, whole
from tinygrad_edu.testing import Call, check_op, check_vjp
from tinygrad_edu.testing.strategies import calls

# A rule is called with arrays at first order and with Tensors at higher ones, so its types say little.
Rule = Callable[..., Any]
Wrapper = Callable[[Rule], Rule]
Function = ast.Lambda | ast.FunctionDef

EXAMPLES, RUNS = 250, 3


@dataclass(frozen=True)
class Mutant:
    """An op with one rule broken."""

    op: str
    argument: str
    kind: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.op}.{self.argument}: {self.kind}"


# --- From outside: wrappers of a rule, of (g, *saved) -> gradient ---


def plain(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else value


def data_of(value: Any) -> Any:
    return value._data if isinstance(value, Tensor) else value


def after(change: Callable[[Any], Any]) -> Wrapper:
    """Change what the rule returns."""
    return lambda rule: lambda g, *saved, **settings: change(whole(rule(g, *saved, **settings)))


def cut(gradient: Any) -> Any:
    """Lose the last element."""
    keep = np.ones(gradient.shape, gradient.dtype)
    keep.reshape(-1)[-1:] = 0
    return gradient * keep


def turned(gradient: Any) -> Any:
    same = gradient.ndim > 1 and gradient.shape[-1] == gradient.shape[-2]
    return ops.swapaxes(gradient, -1, -2) if same else gradient


def by_memory(gradient: Any) -> Any:
    values = plain(gradient)
    return np.frombuffer(values.tobytes("A"), values.dtype).reshape(values.shape) * 1


def nonlinear(rule: Rule) -> Rule:
    return lambda g, *saved, **settings: rule(g * (1 + 1e-3 * abs(g)), *saved, **settings)


def mutate_g(rule: Rule) -> Rule:
    def wrong(g: Any, *saved: Any, **settings: Any) -> Any:
        out = whole(rule(g, *saved, **settings)) * 1
        data_of(g)[...] *= 1.5
        return out

    return wrong


def mutate_saved(rule: Rule) -> Rule:
    def wrong(g: Any, *saved: Any, **settings: Any) -> Any:
        out = whole(rule(g, *saved, **settings)) * 1
        for value in saved:
            if isinstance(data_of(value), np.ndarray) and data_of(value).dtype.kind == "f":
                with_writing(data_of(value))[...] *= 1.5
        return out

    return wrong


def with_writing(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.flags.writeable else array.copy()


def buffered(rule: Rule) -> Rule:
    """Return the same memory every time."""
    buffers: dict[Any, NDArray[Any]] = {}

    def wrong(g: Any, *saved: Any, **settings: Any) -> Any:
        out = plain(whole(rule(g, *saved, **settings)))
        buffer = buffers.setdefault((out.shape, out.dtype), np.empty_like(out))
        buffer[...] = out
        return buffer

    return wrong


def stale(rule: Rule) -> Rule:
    """Use the saved values of the first call of each kind."""
    first: dict[Any, tuple[Any, ...]] = {}

    def wrong(g: Any, *saved: Any, **settings: Any) -> Any:
        key = tuple(np.shape(value) if hasattr(value, "shape") else repr(value) for value in (g, *saved))
        return rule(g, *first.setdefault(key, copied(saved)), **settings)

    return wrong


def copied(saved: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(plain(v).copy() if hasattr(v, "shape") else v for v in saved)


def constant_saved(rule: Rule) -> Rule:
    """Hold the saved values fixed: right at first order, wrong at second."""
    return lambda g, *saved, **settings: rule(g, *(plain(v) if isinstance(v, Tensor) else v for v in saved), **settings)


def kept_alive(rule: Rule) -> Rule:
    cellar: list[Any] = []

    def wrong(g: Any, *saved: Any, **settings: Any) -> Any:
        cellar.append(saved)
        return rule(g, *saved, **settings)

    return wrong


def identity_rule(rule: Rule) -> Rule:
    return lambda g, *saved, **settings: g


WRAPPERS: dict[str, Wrapper] = {
    "sign flipped": after(lambda out: -out), "factor 2": after(lambda out: out * 2.0),
    "factor 0.999": after(lambda out: out * 0.999), "factor 1.0001": after(lambda out: out * 1.0001),
    "zero": after(lambda out: out * 0.0), "a constant too much": after(lambda out: out + 1e-4),
    "the last element lost": after(cut), "transposed": after(turned), "reversed": after(ops.flip),
    "dtype widened": after(lambda out: ops.astype(out, np.float64)),
    "dtype narrowed": after(lambda out: ops.astype(out, np.float32)),
    "by order of memory": after(by_memory), "a view of g": identity_rule, "not linear in g": nonlinear,
    "g mutated": mutate_g, "saved value mutated": mutate_saved, "one buffer for all": buffered,
    "stale saved value": stale, "saved values as constants": constant_saved, "saved values kept alive": kept_alive,
    "g as a constant": lambda rule: lambda g, *saved, **settings: rule(plain(g), *saved, **settings),
}  # fmt: skip


# --- Inside: one place of the source of a rule changed ---


SWAPS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
FLIPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE, ast.Eq: ast.NotEq,
}  # fmt: skip


class Change(ast.NodeTransformer):
    """Make the n-th possible change, and note what it was."""

    def __init__(self, n: int, names: tuple[str, ...]) -> None:
        self.n, self.names, self.count, self.made = n, names, 0, ""

    def options(self, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
        """Yield (description, replacement) for each way to break this node."""
        if isinstance(node, ast.BinOp):
            yield f"only the left of {ast.unparse(node)}", node.left
            yield f"only the right of {ast.unparse(node)}", node.right
            if type(node.op) in SWAPS:
                other = copy.copy(node)
                other.op = SWAPS[type(node.op)]()
                yield f"{ast.unparse(other)} for {ast.unparse(node)}", other
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield f"{ast.unparse(node.operand)} for {ast.unparse(node)}", node.operand
        if isinstance(node, ast.Call) and node.args:
            yield f"{ast.unparse(node.args[0])} for {ast.unparse(node)}", node.args[0]
        if isinstance(node, ast.Compare) and type(node.ops[0]) in FLIPS:
            flipped = copy.copy(node)
            flipped.ops = [FLIPS[type(node.ops[0])]()]
            yield f"{ast.unparse(flipped)} for {ast.unparse(node)}", flipped
        if isinstance(node, ast.Constant) and (type(node.value) is int or type(node.value) is float):
            yield f"{node.value + 1} for {node.value}", ast.Constant(node.value + 1)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in self.names:
            for name in self.names:
                if name != node.id:
                    yield f"{name} for {node.id}", ast.Name(name, ast.Load())

    def visit(self, node: ast.AST) -> Any:
        for what, replacement in self.options(node):
            if self.count == self.n:
                self.count, self.made = self.count + 1, what
                return replacement
            self.count += 1
        return self.generic_visit(node)


@functools.cache
def rules_in(module: ModuleType) -> dict[tuple[str, str | None], Any]:
    """Return the lambdas and functions in a module's calls of vjps, by op and argument."""
    tree = ast.parse(inspect.getsource(module))
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "vjps":
            for keyword in node.keywords:
                value = keyword.value
                source = defined.get(value.id) if isinstance(value, ast.Name) else value
                found[ast.unparse(node.func.value), keyword.arg] = source
    return found


def changed_sources(op: Op, argument: str) -> Iterator[tuple[str, Rule]]:
    """Yield (what was changed, the changed rule), for every single change of the source of a rule."""
    module = sys.modules[op.forward.__module__]
    source = rules_in(module).get((op.name, argument))
    if source is None:
        return
    parameters = [a.arg for a in source.args.args]
    offered = [*op.inputs, "out", "g"] if not op.variadic else ["g"]
    taken = [p for p in parameters if p in offered]
    for n in range(200):
        tree = copy.deepcopy(source)
        change = Change(n, tuple(dict.fromkeys([*taken, *(o for o in offered if not op.variadic)])))
        body = tree.body
        tree.body = [change.visit(line) for line in body] if isinstance(body, list) else change.visit(body)
        if not change.made:
            return
        for name in change.names:  # what the change names has to be saved too
            if name not in parameters and any(isinstance(m, ast.Name) and m.id == name for m in ast.walk(tree)):
                tree.args.args.append(ast.arg(name))
        rule = compiled(tree, vars(module))
        if rule is not None:
            yield change.made, rule


def compiled(tree: Function, names: dict[str, Any]) -> Any:
    space = dict(names)
    if isinstance(tree, ast.Lambda):
        return eval(compile(ast.fix_missing_locations(ast.Expression(tree)), "<mutant>", "eval"), space)
    module = ast.fix_missing_locations(ast.Module([tree], []))
    exec(compile(module, "<mutant>", "exec"), space)
    return space[tree.name]


# --- The hunt ---


def mutants() -> Iterator[Mutant]:
    """Yield every mutant of every rule of every op."""
    for name, op in ops.registry.items():
        for argument, rule in op.functions.items():
            for kind, wrapper in WRAPPERS.items():
                if kind in OF_SAVED_ARRAYS and not saves_arrays(op, rule):
                    continue
                yield Mutant(name, argument, kind, functools.wraps(rule)(wrapper(rule)))
            for kind, changed in changed_sources(op, argument):
                yield Mutant(name, argument, f"source: {kind}", changed)


OF_SAVED_ARRAYS = {"saved value mutated", "stale saved value", "saved values as constants", "saved values kept alive"}


def saves_arrays(op: Op, rule: Rule) -> bool:
    return any(name in (*op.inputs, "out") for name in inspect.signature(rule).parameters)


def op_of(mutant: Mutant) -> Op:
    right = ops.registry[mutant.op]
    wrong = tg.op(broadcasts=right.broadcasts, promotes=right.promotes)(right.forward)
    wrong.vjps(**{**right.functions, mutant.argument: mutant.rule})
    return wrong


def killer(mutant: Mutant) -> str:
    """Return what kills the mutant: the name of an error, or nothing if it survives all examples."""
    try:
        wrong = op_of(mutant)
    except Exception as error:
        return type(error).__name__
    # Hypothesis makes examples of each other, so that one run in a hundred has next to none of some kind of call.
    for run in range(RUNS):
        if name := _killer_in(run, mutant.op, wrong):
            return name
    return CONVENTION if breaks_a_convention(wrong) else ""


def _killer_in(run: int, name: str, wrong: Op) -> str:
    @seed(run)
    @settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(calls(name))
    def hunt(call: Call) -> None:
        broken = Call(wrong, call.inputs, call._given, **call.settings)
        with np.errstate(all="ignore"):
            check_vjp(broken, *broken.arrays, order=2)
            check_op(broken)

    try:
        hunt()
    except Unsatisfiable:
        return ""  # every example was rejected: nothing was checked, and nothing is killed
    except Exception as error:
        return type(error).__name__
    return ""


# --- Where a mutant differs from its rule at a tie or a zero alone, the conventions tell them apart ---

CONVENTIONS: dict[str, list[tuple[list[Any], dict[str, Any], list[Any]]]] = {
    "maximum": [([[4.0, 2.0, 5.0], [4.0, 5.0, 2.0]], {}, [[0.5, 0, 1], [0.5, 1, 0]])],
    "minimum": [([[4.0, 2.0, 5.0], [4.0, 5.0, 2.0]], {}, [[0.5, 1, 0], [0.5, 0, 1]])],
    **{
        name: [
            ([[[2.0, 2.0, 2.0], [other, 5.0, 5.0]]], {"axis": 1}, [[1 / 3] * 3, [0, 0.5, 0.5]]),
            ([[[np.nan, 1.0], [2.0, 2.0]]], {"axis": 1}, [[np.nan, np.nan], [0.5, 0.5]]),
        ]
        for name, other in (("max", 0.0), ("min", 9.0))
    },
    **{
        name: [([[2.0, 3.0]], {"dtype": np.float32}, [gradient])]
        for name, gradient in (("sum", [1, 1]), ("cumsum", [2, 1]), ("prod", [3, 2]), ("cumprod", [4, 2]))
    },
    "logcumsumexp": [([[-np.inf, -np.inf, 0.0]], {}, [[0, 0, 1]]), ([[0.0, np.inf, 1.0]], {}, [[1, np.nan, 0]])],
    "softmax_cross_entropy": [([[[0.0, -680.0]], [[1.0, 0.0]]], {}, [[[0, 0]], [[0, 680.0]]])],
    "held_cross_entropy": [([[0.0, 1.0], [1.0, 0.0]], {}, [[-1e12, 1e12], [np.inf, -np.inf]])],
    "abs": [([[0.0, -1.0]], {}, [[0, -1]])],
    "power_norm": [
        ([[[0.0, 0.0], [0.0, -4.0]]], {"p": p, "axis": (1,), "keepdims": True}, [[[0, 0], [0, slope]]])
        for p, slope in ((2.0, -1), (1.0, -1), (0.5, -1), (1.5, -1), (3.0, -1), (-1.0, 0), (0.0, 0))
    ],
    "gelu_by_tanh": [([[1e200, -1e200]], {}, [[1, 0]])],
    "relu": [([[0.0, -1.0, 2.0]], {}, [[0, 0, 1]])],
    "xlogy": [([[0.0, 0.0, 0.0, 2.0, 2.0], [-1.0, 4.0, 0.5, 4.0, -1.0]], {},
               [[0, np.log(4), np.log(0.5), np.log(4), np.nan], [0, 0, 0, 0.5, -2]])],
    "logit": [([[1.5, -0.5, 0.5]], {}, [[np.nan, np.nan, 4]])],
    "nan_to_num": [([[np.nan, 1.0, np.inf, -np.inf]], {}, [[0, 1, 0, 0]]), ([[1.0] * 4], {}, [[1] * 4])],
    "copysign": [([[0.0, 2.0, -2.0], [1.0, -1.0, -1.0]], {}, [[0, -1, 1], [0, 0, 0]])],
    "leaky": [([[0.0, -1.0, 1.0], [0.5, 0.5, 0.5]], {}, [[0.5, 0.5, 1], [0, -1, 0]])],
    "hardtanh": [([[-1.0, 1.0, 0.0, np.nan]], {}, [[0, 0, 1, 1]])],
    "hardsigmoid": [([[-3.0, 3.0, 0.0]], {}, [[0, 0, 1 / 6]])],
    "hardswish": [([[-3.0, 3.0, 4.0, -4.0, np.nan]], {}, [[0, 1, 1, 0, 1]])],
    "threshold": [([[1.0, 2.0, 0.0, np.nan]], {"threshold": 1.0, "value": 5.0}, [[0, 1, 0, 1]])],
    "exponential_unit": [([[0.0, 1.0, -1.0, np.nan, 1e4]], {"alpha": 2.0}, [[2, 1, 2 / np.e, 1, 1]])],
    "softplus": [([[1.0, 1.5]], {"threshold": 1.0}, [[1 / (1 + np.exp(-1)), 1]])],
    "clip_to_numbers": [([[-1.0, 1.0, 2.0]], {"min": -1.0, "max": 1.0}, [[1, 1, 0]])],
    "power": [
        ([[0.0, 0.0, 0.0, 2.0, 3.0], [0.0, 1.0, 2.0, 0.0, 1.0]], {},
         [[0, 1, 0, 0, 1], [0, 0, 0, np.log(2), 3 * np.log(3)]]),
        ([[0.0], [0.0]], {}, [[0], [0]]),
        ([[0.0, 0.0], [-1.0, 0.5]], {}, [[-np.inf, np.inf], [-np.inf, 0]]),
    ],
}  # fmt: skip


CONVENTION = "a convention, after the public checks found nothing"


def breaks_a_convention(wrong: Op) -> bool:
    try:
        with np.errstate(all="ignore"):
            _check_conventions(wrong)
    except Exception:
        return True
    return False


def _check_conventions(wrong: Op) -> None:
    for inputs, given_settings, expected in CONVENTIONS.get(wrong.name, []):
        leaves = [Tensor(np.array(x), requires_grad=True) for x in inputs]
        out = wrong(*leaves, **given_settings)
        out.backward(np.full(out.shape, 3.0))
        for x, gradient in zip(leaves, expected, strict=True):
            assert x.grad is not None
            np.testing.assert_allclose(x.grad, 3 * np.array(gradient))


# --- Mutants that compute what the rule computes: no check can, or should, tell them from it ---

# Ops, or inputs of one, whose derivative is 0, whatever it is multiplied with.
ZERO = {
    "floor_divide", "sign", "sign_of_det", "undifferentiable", "floor", "ceil", "trunc", "round", "copysign.y",
}  # fmt: skip
EQUIVALENT = {
    r"lerp\.\w+: source: (x|y|weight|out) for g": "of that place only the dtype is taken",
    r"hardswish\.x: source: out for x": "at the place that survives: out is below 3 where x is",
    r"xlogy\.x: source: out for x": "out is 0 where x is",
    r"logit\.x: source: 1.5 for 0.5": "what stands there is not chosen",
    r"nan_to_num\.x: source: x for values_of\(x\)": "NumPy answers that of a Tensor too",
    r"fmod\.y: source: \(x - out\) / y for .*": "the quotient is whole but for rounding",
    r"copysign\.y: (?!a constant too much|dtype)": "its derivative is 0, whatever it is multiplied with",
    r"copysign\.x: saved values as constants": "it takes signs alone",
    r"fmod\..: saved values as constants": "the derivative of the quotient, rounded, is 0",
    r"(leaky|hardtanh|hardsigmoid|threshold|nan_to_num)\.x: saved values as constants": "it only compares them",
    r"(add\..|subtract\.x|remainder\.x|fmod\.x|positive\.x|identity\.x): a view of g": "the derivative is 1",
    r"relu\.x: source: x for out": "x > 0 where max(x, 0) > 0",
    r"relu\.x: source: g for out": "of that place only the dtype is taken",
    r"(max|min)\.x: source: (g|out) for x": "of that place only the dtype is taken",
    r"(prod|cumprod)\.x: source: (x|out) for g": "of the place that survives only the dtype is taken, and a wider one "
    "is narrowed in the end",
    r"cumprod\.x: source: g for out": "of the place that survives only the shape is taken",
    r"(cumprod\.x|recurrence\.b): source: 1 for 0": "no place comes after the one whose factor that is",
    r"logcumsumexp\.x: source: (g|out) for x|logcumsumexp\.x: source: g for out": "of the places that survive only the "
    "shape is taken, or the longer way for a number",
    r"logcumsumexp\.x: source: out for values_of\(out\)": "it is only compared",
    r"logcumsumexp\.x: source: 1(\.0)? for 0(\.0)?": "at the places that survive any finite number does",
    r"(max|min)\.x: source: (g|x) for out": "of that place only the size is taken, or the slower way to the same",
    r"power\.x: source: (g|out) for y": "at the places that survive it only turns the shortcut for a number off",
    r"power\.x: source: (2 for 1|1\.0 for 0\.0)": "2 / x is finite where 1 / x is; of a base that is 1 any power is 1",
    r"hardtanh\.x: source: out for x|exponential_unit\.x: source: out for x": "they lie on the same side of the bounds",
    r"exponential_unit\.x: source: (x for keep.*|1 for 0)": "what it adds is not chosen; its overflow is a warning",
    r"power\.x: source: (x|y|out) for g|power\.y: source: (x|y|out) for g": "of the place that survives only the dtype "
    "is taken",
    r"power\.x: source: x for y": "at the place that survives: some y is 0 where it matters, and then some x is too",
    r"(where|keep|abs|relu|maximum|minimum|max|min|greatest|clip_to_numbers|remainder)\..*: saved values as "
    "constants": "it only compares them",
    r"power\.x: source: 2.0 for 1.0": "the power of 0 is multiplied with the exponent 0, whatever it is",
    r"power\.(x: source: x for _floating\(x, g\)|y: source: y for _floating\(y, g\))": "what requires a gradient is "
    "floating-point already",
    r"matmul\.y: source: 1 for -1": "of a vector, at the place that survives, it is the same axis",
    r"matmul\.y: source: y for x": "at the place that survives it turns the shortcut for a stack off",
    r"matmul\.x: source: matmul\(expand_dims.* for squeeze.*": "the engine sums over the axis of length 1",
    r"matmul\.y: source: (y_shape for len\(y_shape\)|3 for 2|x\.ndim < 2 for .*)": "without the shortcut for a stack, "
    "the engine sums over it",
    r"matmul\.y: source: (g|out) for x|matmul\.y: source: (x|y|out) for g": "of the places that survive only "
    "lengths of the stack are taken",
    r"diagonal\.x: source: out for g": "of the places that survive only the lengths are taken",
    r"(where\.[xy]|keep\.x): saved value mutated": "a condition holds no numbers",
    r"(cholesky_factor|eigenvalues|eigenpairs)\.x: transposed": "the gradient is symmetric",
    r"(cholesky_factor|eigenpairs)\.x: source: ([xg] for out|(out|x) for g)|cofactors_change\.x: source: "
    "(g|direction|out) for x": "of the places that survive only the shape or the dtype is taken",
    r"(cholesky_factor|cofactors_change)\.x: source: 2 for 1": "of a square, the other length is the same",
    r"eigenpairs\.x: source: _differences\(values\) - same for .*": "the diagonal is left out",
    r"singular_triplets\.x: source: (g|x) for out|orthogonal_triangular\.x: source: (out|x) for g": "its shape, or "
    "its dtype, is all that is taken",
    r"singular_triplets\.x: source: .* - same for .* \+ same": "on the diagonal 0 is divided by it",
    r"power_norm\.x: source: ((x|out) for g|x for out)": "only its shape is taken; where the norm is 0, so is x",
    r"power_norm\.x: source: (2 for 1|share for keep\(share, counts\))": "where x is 0, so is the rest; the mask is "
    "for the second derivative",
    r"recurrent\.row: source: (g|out) for row": "at the place that survives, it is a Tensor where row is one",
    r"(maximum|minimum)\.[xy]: source: out for [xy]": "out > y where x > y, and out == y where x == y or y is greater",
}


def is_equivalent(mutant: Mutant) -> bool:
    if mutant.op in ZERO or f"{mutant.op}.{mutant.argument}" in ZERO:
        return mutant.kind not in ("a constant too much", "dtype widened", "dtype narrowed")
    return any(re.fullmatch(pattern, str(mutant)) for pattern in EQUIVALENT)


def main() -> None:
    start, killers, survivors, equivalent = time.perf_counter(), Counter[str](), [], 0
    everything = [mutant for mutant in mutants() if re.search(sys.argv[1] if sys.argv[1:] else "", str(mutant))]
    for mutant in everything:
        if found := killer(mutant):
            killers[found] += 1
        elif is_equivalent(mutant):
            equivalent += 1
        else:
            survivors.append(mutant)
    for mutant in survivors:
        print("SURVIVED", mutant)
    for found, count in killers.most_common():
        print(f"{count:5} killed by {found}")
    print(f"{killers.total()} of {len(everything)} mutants killed, {equivalent} equivalent, {len(survivors)} survived, "
          f"in {time.perf_counter() - start:.0f} s")  # fmt: skip
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
