"""Checkers of gradients side by side: ours, PyTorch's, JAX's and HIPS autograd's, on the same wrong and right rules.

    python -m benchmarks.checkers [--json PATH] [--peers ours,PyTorch]

A `Rule` is a function and its derivative, written once with the few operations of a `Maths`, so that each framework
runs the same formula as its user's own op: an `op` here, a `torch.autograd.Function`, a `jax.custom_vjp`, an autograd
`primitive`. Each checker is called as its documentation says for such an op, with its own tolerances and float64
inputs, at one point, up to the second derivative:

- ours: ``check_vjp`` and ``check_op``, as in "Write your own op and prove it";
- PyTorch: ``gradcheck`` and ``gradgradcheck``;
- JAX: ``check_grads(order=2, modes=["rev"])`` (a custom_vjp has no forward mode), with 64-bit numbers enabled;
- autograd: ``check_grads(order=2, modes=["rev"])``, for the same reason.

A wrong rule is *caught* if the checker raises anything but a refusal of the point. A right rule that is not passed is a
*false alarm*; ours may also decline a point, as not differentiable: that is counted apart, and catches nothing.
``-`` stands for what is no wrong rule in a framework: in JAX none can write into an array, and PyTorch's engine sums a
gradient over the broadcast axes itself.

Every check is at one point and with one seed, so that a run can be repeated; JAX and autograd look along one random
direction, and with another seed either may catch or miss what is near its tolerance. The time is the median over all
rules of one check, imports and one check to warm up left out; JAX compiles each new function, and that is in it.
"""

import argparse
import functools
import json
import operator
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.testing import NotDifferentiableHere, check_op, check_vjp

rng = np.random.default_rng(0)
SQUARE, OTHER, TALL, ROW = rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), rng.normal(size=(4, 3)), np.ones((1, 3))
VECTOR = np.array([-1.7, -0.6, 0.4, 0.9, 1.8])


class NotExpressible(Exception):  # noqa: N818
    """Raised where a framework has no way to write a rule, or where its engine makes the rule right."""


@dataclass(frozen=True)
class Maths:
    """What a rule is written with, besides operators and slices. `sum` and `max` are along one axis, and keep it."""

    exp: Callable
    log: Callable
    sin: Callable
    cos: Callable
    tanh: Callable
    sqrt: Callable
    abs: Callable
    where: Callable
    concatenate: Callable
    sum: Callable
    max: Callable
    constant: Callable  # the value, cut off from its derivative
    single: Callable  # rounded to float32
    spoil: Callable  # written over


@dataclass(frozen=True)
class Rule:
    """A function, the gradients that are claimed of it, and where to check them."""

    name: str
    forward: Callable[..., Any]  # of a Maths and the inputs
    backward: Callable[..., Any]  # of a Maths, g, the result and the inputs; a tuple
    arrays: tuple[np.ndarray, ...]
    broadcasts: bool = False  # how it is declared in our own engine
    right_in: str = ""  # the framework whose engine repairs it


def unary(name: str, forward: Callable[..., Any], slope: Callable[..., Any], x: Any) -> Rule:
    """Make the rule of one input that multiplies g by a slope, of a Maths, the result and x."""
    return Rule(name, forward, lambda m, g, out, x: (g * slope(m, out, x),), (np.asarray(x, np.float64),))


# --- Functions ---


def softmax(m, x):
    e = m.exp(x - m.constant(m.max(x, -1)))
    return e / m.sum(e, -1)


def logsumexp(m, x):
    top = m.constant(m.max(x, -1))
    return m.log(m.sum(m.exp(x - top), -1)) + top


def norm(m, x):
    return m.sqrt(m.sum(x * x, -1))


def relu(m, x):
    return m.where(x > 0, x, 0.0)


def absolute(m, x):
    return m.abs(x)


def absolute_rule(m, g, out, x):
    return (m.where(x > 0, g, -g),)


def sigmoid(m, x):
    return 1 / (1 + m.exp(-x))


def product(m, x):
    return functools.reduce(operator.mul, [x[k] for k in range(10)])


def written_over(m, g, out, x, y):
    gradients = g * y, g * x
    m.spoil(g)
    return gradients


def all_but_the_last(x):
    keep = np.ones(x.shape)
    keep[-1, -1] = 0
    return keep


LAST = all_but_the_last(SQUARE)

# --- Wrong rules ---

WRONG = [
    unary("sign flipped", lambda m, x: m.tanh(x), lambda m, out, x: out * out - 1, VECTOR),
    unary("factor 2 missing", lambda m, x: x * x, lambda m, out, x: x, VECTOR),
    unary("factor 0.999", lambda m, x: m.exp(x), lambda m, out, x: 0.999 * out, VECTOR),
    unary("factor 0.9999", lambda m, x: m.exp(x), lambda m, out, x: 0.9999 * out, VECTOR),
    Rule("operands swapped", lambda m, x, y: x * y, lambda m, g, out, x, y: (g * x, g * y), (SQUARE, OTHER), True),
    Rule("transposition dropped", lambda m, x, y: x @ y, lambda m, g, out, x, y: (g @ y, x.T @ g), (SQUARE, OTHER)),
    unary("result used for x", lambda m, x: m.sin(x), lambda m, out, x: m.cos(out), VECTOR),
    unary("term dropped", softmax, lambda m, out, x: out, SQUARE),
    Rule("sum over the wrong axis", softmax, lambda m, g, out, x: (out * (g - m.sum(g * out, 0)),), (SQUARE,)),
    unary("one element of 16 wrong", lambda m, x: m.sin(x), lambda m, out, x: m.cos(x) * LAST, SQUARE),
    unary("wrong where x < 0", lambda m, x: x * m.abs(x), lambda m, out, x: 2 * x, VECTOR),
    unary("softmax with gradient 0", softmax, lambda m, out, x: out * 0, SQUARE),
    unary("mask of relu dropped", relu, lambda m, out, x: x * 0 + 1, VECTOR),
    Rule(
        "index off by one", lambda m, x: x[1:] * x[1:],
        lambda m, g, out, x: (m.concatenate([2 * g * x[1:], 0 * x[:1]]),), (VECTOR,),
    ),
    unary("second derivative alone wrong", lambda m, x: x * x * x, lambda m, out, x: 3 * m.constant(x) * x, VECTOR),
    unary("computed in float32", lambda m, x: m.sin(x), lambda m, out, x: m.single(m.cos(x)), VECTOR),
    Rule("g written over", lambda m, x, y: x * y, written_over, (SQUARE, OTHER), True),
    unary("mean held constant", lambda m, x: x - m.sum(x, -1) / 3, lambda m, out, x: x * 0 + 1, TALL),
    Rule(
        "mean for sum over the broadcast axis", lambda m, x, y: x * y,
        lambda m, g, out, x, y: (g * y, m.sum(g * x, 0) / 4), (TALL, ROW),
    ),
    Rule(
        "not summed over the broadcast axis", lambda m, x, y: x * y,
        lambda m, g, out, x, y: (g * y, g * x), (TALL, ROW), right_in="PyTorch",
    ),
    Rule(
        "logsumexp of the wrong axis", logsumexp,
        lambda m, g, out, x: (g * m.exp(x) / m.sum(m.exp(x), 0),), (SQUARE,),
    ),
    unary("norm not divided by", norm, lambda m, out, x: x, SQUARE),
    Rule("not linear in g", lambda m, x: m.sin(x), lambda m, g, out, x: (g * m.cos(x) * (1 + 0.001 * g),), (VECTOR,)),
    unary("sign flipped, where x is 1e-6", lambda m, x: x * x, lambda m, out, x: -2 * x, 1e-6 * VECTOR),
    unary("factor 0.999, where x is 1e6", lambda m, x: x * x, lambda m, out, x: 0.999 * 2 * x, 1e6 * VECTOR),
]  # fmt: skip

# --- Right rules at difficult points ---

RIGHT = [
    Rule("kink at a distance of 1e-3", absolute, absolute_rule, (np.array([1e-3, -1e-3]),)),
    Rule("kink at a distance of 1e-7", absolute, absolute_rule, (np.array([1e-7, -1.0]),)),
    Rule("relu off its kink", relu, lambda m, g, out, x: (m.where(x > 0, g, 0.0),), (VECTOR,)),
    unary("square where x is 1e6", lambda m, x: x * x, lambda m, out, x: 2 * x, 1e6 * VECTOR),
    unary("square where x is 1e-6", lambda m, x: x * x, lambda m, out, x: 2 * x, 1e-6 * VECTOR),
    unary("square of 1e-3, 1 and 1e3", lambda m, x: x * x, lambda m, out, x: 2 * x, [1e-3, 1.0, 1e3]),
    Rule(
        "division by 1e-3", lambda m, x, y: x / y, lambda m, g, out, x, y: (g / y, -g * x / (y * y)),
        (np.array([1.0, 2.0]), np.array([1e-3, -2e-3])), broadcasts=True,
    ),
    unary("fifth power", lambda m, x: x * x * x * x * x, lambda m, out, x: 5 * x * x * x * x, VECTOR),
    unary("square root of 1e-4", lambda m, x: m.sqrt(x), lambda m, out, x: 0.5 / out, [1e-4, 2e-4]),
    Rule("logsumexp of 1e3", logsumexp, lambda m, g, out, x: (g * m.exp(x - out),), (1e3 + SQUARE,)),
    unary("tanh of 15", lambda m, x: m.tanh(x), lambda m, out, x: 1 - out * out, [15.0, -12.0]),
    unary("exp of 20", lambda m, x: m.exp(x), lambda m, out, x: out, [20.0, 19.0]),
    unary("product of 10", product, lambda m, out, x: out / x, rng.normal(size=10) + 2),
    unary("0-d", lambda m, x: m.sin(x), lambda m, out, x: m.cos(x), 0.7),
    unary("empty", lambda m, x: m.sin(x), lambda m, out, x: m.cos(x), np.zeros((0, 3))),
    unary("steep sigmoid", lambda m, x: sigmoid(m, 50 * x), lambda m, out, x: 50 * out * (1 - out), [0.01, -0.05, 0.1]),
    unary("fast sine", lambda m, x: m.sin(100 * x), lambda m, out, x: 100 * m.cos(100 * x), VECTOR),
    unary("small part of a large value", lambda m, x: m.sin(x) + 1e6, lambda m, out, x: m.cos(x), VECTOR),
    Rule(
        "softmax of 64", softmax, lambda m, g, out, x: (out * (g - m.sum(g * out, -1)),), (rng.normal(size=(1, 64)),)
    ),
]  # fmt: skip

# --- The checkers ---


def pick(rule: Rule, m: Maths, k: int, g: Any, out: Any, *inputs: Any) -> Any:
    return rule.backward(m, g, out, *inputs)[k]


def ours() -> Callable[[Rule], None]:
    def spoil(g: Any) -> None:
        (g.data if isinstance(g, tg.Tensor) else g)[...] *= 1.5

    def single(x: Any) -> Any:
        return tg.astype(tg.astype(x, np.float32), np.float64)

    m = Maths(
        tg.exp, tg.log, tg.sin, tg.cos, tg.tanh, tg.sqrt, tg.abs, tg.where, tg.concatenate,
        sum=lambda x, axis: tg.sum(x, axis=axis, keepdims=True),
        max=lambda x, axis: tg.max(x, axis=axis, keepdims=True),
        constant=lambda x: x.detach() if isinstance(x, tg.Tensor) else x, single=single, spoil=spoil,
    )  # fmt: skip

    def check(rule: Rule) -> None:
        op = declare(rule, m)
        check_vjp(op, *rule.arrays)
        check_op(op, *rule.arrays)

    return check


def declare(rule: Rule, m: Maths) -> Any:
    if len(rule.arrays) == 1:

        @tg.op(broadcasts=rule.broadcasts)
        def declared(x):
            return rule.forward(m, x)

        declared.vjps(x=lambda g, out, x: pick(rule, m, 0, g, out, x))
    else:

        @tg.op(broadcasts=rule.broadcasts)
        def declared(x, y):
            return rule.forward(m, x, y)

        declared.vjps(
            x=lambda g, out, x, y: pick(rule, m, 0, g, out, x, y),
            y=lambda g, out, x, y: pick(rule, m, 1, g, out, x, y),
        )
    return declared


def pytorch() -> Callable[[Rule], None]:
    import torch
    from torch.autograd import gradcheck, gradgradcheck

    m = Maths(
        torch.exp, torch.log, torch.sin, torch.cos, torch.tanh, torch.sqrt, torch.abs,
        torch.where, torch.cat,
        sum=lambda x, axis: x.sum(dim=axis, keepdim=True), max=lambda x, axis: x.amax(dim=axis, keepdim=True),
        constant=lambda x: x.detach(), single=lambda x: x.float().double(), spoil=lambda g: g.detach().mul_(1.5),
    )  # fmt: skip

    def check(rule: Rule) -> None:
        class Declared(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *inputs):
                out = rule.forward(m, *inputs)
                ctx.save_for_backward(out, *inputs)
                return out

            @staticmethod
            def backward(ctx, g):
                return tuple(rule.backward(m, g, *ctx.saved_tensors))

        torch.manual_seed(0)
        # Not torch.tensor(x): of an empty array it makes one of stride 0, which gradcheck refuses.
        inputs = tuple(torch.zeros(x.shape).double().copy_(torch.from_numpy(x)).requires_grad_() for x in rule.arrays)
        gradcheck(Declared.apply, inputs)
        gradgradcheck(Declared.apply, inputs)

    return check


def jax() -> Callable[[Rule], None]:
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def spoil(g: Any) -> None:
        raise NotExpressible

    m = Maths(
        jnp.exp, jnp.log, jnp.sin, jnp.cos, jnp.tanh, jnp.sqrt, jnp.abs, jnp.where, jnp.concatenate,
        sum=lambda x, axis: jnp.sum(x, axis=axis, keepdims=True),
        max=lambda x, axis: jnp.max(x, axis=axis, keepdims=True),
        constant=jax.lax.stop_gradient, single=lambda x: x.astype(np.float32).astype(np.float64), spoil=spoil,
    )  # fmt: skip

    def check(rule: Rule) -> None:
        declared = jax.custom_vjp(lambda *inputs: rule.forward(m, *inputs))

        def forward(*inputs: Any) -> Any:
            out = rule.forward(m, *inputs)
            return out, (out, inputs)

        declared.defvjp(forward, lambda saved, g: tuple(rule.backward(m, g, saved[0], *saved[1])))
        check_grads(declared, tuple(map(jnp.asarray, rule.arrays)), order=2, modes=["rev"])

    return check


def autograd() -> Callable[[Rule], None]:
    import autograd.numpy as anp
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads
    from autograd.tracer import getval

    def spoil(g: Any) -> None:
        getval(g)[...] *= 1.5

    m = Maths(
        anp.exp, anp.log, anp.sin, anp.cos, anp.tanh, anp.sqrt, anp.abs, anp.where, anp.concatenate,
        sum=lambda x, axis: anp.sum(x, axis=axis, keepdims=True),
        max=lambda x, axis: anp.max(x, axis=axis, keepdims=True),
        constant=getval, single=lambda x: x.astype(np.float32).astype(np.float64), spoil=spoil,
    )  # fmt: skip

    def check(rule: Rule) -> None:
        declared = primitive(lambda *inputs: rule.forward(m, *inputs))
        count = len(rule.arrays)
        defvjp(declared, *(functools.partial(pulled, rule, k) for k in range(count)))
        check_grads(declared, 0 if count == 1 else tuple(range(count)), modes=["rev"], order=2)(*rule.arrays)

    def pulled(rule: Rule, k: int, out: Any, *inputs: Any) -> Callable[[Any], Any]:
        return lambda g: pick(rule, m, k, g, out, *inputs)

    return check


@dataclass(frozen=True)
class Checker:
    """A checker: its name, the package that it comes with, and what makes it ready."""

    name: str
    package: str
    make: Callable[[], Callable[[Rule], None]]


CHECKERS = [
    Checker("ours", "tinygrad-edu", ours),
    Checker("PyTorch", "torch", pytorch),
    Checker("JAX", "jax", jax),
    Checker("autograd", "autograd", autograd),
]

# --- The comparison ---


def verdict(checker: Checker, check: Callable[[Rule], None], rule: Rule) -> dict[str, Any]:
    """Check one rule: what came of it, in one word, how long it took, and what the checker said."""
    copies = replace(rule, arrays=tuple(x.copy() for x in rule.arrays))
    np.random.seed(0)  # noqa: NPY002 - autograd and JAX draw from it
    said, found, start = "", "passed", time.perf_counter()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if checker.name == rule.right_in:
                raise NotExpressible
            check(copies)
    except NotExpressible:
        found = "-"
    except NotDifferentiableHere as error:
        found, said = "declined", str(error)
    except Exception as error:  # whatever a checker raises is its way to say no
        found, said = "refused", f"{type(error).__name__}: {error}"
    return {"rule": rule.name, "found": found, "ms": 1e3 * (time.perf_counter() - start), "said": said[:400]}


def run(checker: Checker) -> dict[str, Any]:
    """Let one checker check every rule, the wrong and the right ones."""
    try:
        check = checker.make()
    except ImportError:
        return {"checker": checker.name, "status": "not installed"}
    verdict(checker, check, RIGHT[0])
    wrong, right = ([verdict(checker, check, rule) for rule in rules] for rules in (WRONG, RIGHT))
    return {
        "checker": checker.name,
        "status": "ok",
        "version": installed(checker.package),
        "caught": sum(v["found"] == "refused" for v in wrong),
        "of_wrong": sum(v["found"] != "-" for v in wrong),
        "false_alarms": sum(v["found"] == "refused" for v in right),
        "declined": sum(v["found"] == "declined" for v in (*wrong, *right)),
        "median_ms": statistics.median(v["ms"] for v in (*wrong, *right) if v["found"] != "-"),
        "wrong": wrong,
        "right": right,
    }


def installed(package: str) -> str:
    """Return the version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def row(name: str, cells: Sequence[Any]) -> str:
    return f"  {name:<38}" + "".join(f"{cell:>12}" for cell in cells)


def lines(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table."""
    ready = [r for r in results if r["status"] == "ok"]
    yield row("", [r["checker"] for r in ready])
    for key, rules, words in (
        ("wrong", WRONG, {"refused": "caught", "passed": "MISSED", "declined": "MISSED"}),
        ("right", RIGHT, {"refused": "ALARM", "passed": "ok"}),
    ):
        yield f"{key} rules"
        for k, rule in enumerate(rules):
            found = [r[key][k]["found"] for r in ready]
            yield row(rule.name, [words.get(word, word) for word in found])
    yield "in all"
    yield row("wrong rules caught", [f"{r['caught']} / {r['of_wrong']}" for r in ready])
    yield row("false alarms", [f"{r['false_alarms']} / {len(RIGHT)}" for r in ready])
    yield row("points declined", [r["declined"] for r in ready])
    yield row("median time of a check, ms", [f"{r['median_ms']:.2f}" for r in ready])
    yield from (f"{r['checker']}: {r['status']}" for r in results if r["status"] != "ok")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    names = [checker.name for checker in CHECKERS]
    parser = argparse.ArgumentParser("python -m benchmarks.checkers", description="Checkers of gradients side by side.")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write what each said of each rule")
    parser.add_argument("--peers", metavar="NAMES", default=",".join(names), help="default: %(default)s")
    options = parser.parse_args(arguments)
    if unknown := {*options.peers.split(",")} - {*names}:
        parser.error(f"--peers: no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    results = [run(checker) for checker in CHECKERS if checker.name in options.peers.split(",")]
    print("\n".join(lines(results)))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
