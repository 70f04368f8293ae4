"""Calls and times of checks of small functions, beside PyTorch's gradcheck and JAX's check_grads."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.testing import Report, check, check_jax, check_torch

ROUNDS = 21
X = np.random.default_rng(0).standard_normal(10)
HEAD = "function of 10 numbers", "peer", "calls", "its calls", "ms", "its ms", "slope law / its ms", "all laws / its ms"


class Pair(NamedTuple):
    """A check of ours and that of a peer. Each takes a decorator that counts the calls of the function."""

    name: str
    peer: str
    ours: Callable[[Any], Report]
    theirs: Callable[[Any], Any]


def lines() -> Iterator[str]:
    """Yield the rows of a Markdown table of all pairs."""
    yield _row(HEAD)
    yield f"|{'---|' * len(HEAD)}"
    for pair in (*_numpy(), *_torch(), *_jax()):
        total, slope, peer = _milliseconds(pair)
        calls = _calls(pair.ours), _calls(pair.theirs)
        yield _row([pair.name, pair.peer, *calls, *(f"{x:.1f}" for x in (total, peer, slope / peer, total / peer))])


def _row(cells: Any) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _calls(run: Callable[[Any], Any]) -> int:
    """Return how often a check calls its function."""
    calls = []

    def counting(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: (calls.append(f), f(*arguments))[1]

    run(counting)
    return len(calls)


def _milliseconds(pair: Pair) -> list[float]:
    """Return the medians of interleaved runs: all laws, the law of the slope, and the check of the peer."""
    times = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        report = pair.ours(lambda f: f)
        middle = time.perf_counter()
        pair.theirs(lambda f: f)
        times.append((middle - start, report.seconds["slope"], time.perf_counter() - middle))
    return [1e3 * statistics.median(column) for column in zip(*times[1:], strict=True)]


# --- The pairs: a function that returns one number, and a rule that a user wrote ---


def _numpy() -> Iterator[Pair]:
    def f(x):
        return np.sum(np.sin(x) * np.exp(x))

    def grad(x):
        return (np.sin(x) + np.cos(x)) * np.exp(x)

    yield Pair("NumPy: sum(sin(x) exp(x))", "gradcheck",
               lambda count: check(count(f), X, grad=grad), _gradcheck(f, lambda x, g: g * grad(x)))  # fmt: skip
    yield Pair("NumPy: x**3", "gradcheck", lambda count: check(count(_cube), X, vjp=_cube_vjp),
               _gradcheck(_cube, _cube_vjp))  # fmt: skip


def _cube(x):
    return x**3


def _cube_vjp(x, g):
    return 3 * x**2 * g


def _gradcheck(f: Callable[..., Any], vjp: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return PyTorch's check of a NumPy function, in an autograd.Function."""
    import torch

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x.numpy()
            return torch.as_tensor(f(ctx.x))

        @staticmethod
        def backward(ctx, g):
            return torch.as_tensor(vjp(ctx.x, g.numpy()))

    return lambda count: torch.autograd.gradcheck(count(Wrapped.apply), torch.tensor(X, requires_grad=True))


def _torch() -> Iterator[Pair]:
    import torch

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    def product(x):
        return (x.sin() * x.exp()).sum()

    x, recorded = torch.tensor(X), torch.tensor(X, requires_grad=True)
    for name, f in (("sum(sin(x) exp(x))", product), ("an autograd.Function x**3", Cube.apply)):
        yield Pair(f"PyTorch: {name}", "gradcheck", lambda count, f=f: check_torch(count(f), x),
                   lambda count, f=f: torch.autograd.gradcheck(count(f), recorded))  # fmt: skip


def _jax() -> Iterator[Pair]:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    @jax.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))

    def product(x):
        return jax.numpy.sum(jax.numpy.sin(x) * jax.numpy.exp(x))

    for name, f, modes in (("sum(sin(x) exp(x))", product, ("fwd", "rev")), ("a custom_vjp x**3", cube, ("rev",))):
        yield Pair(f"JAX: {name}", "check_grads", lambda count, f=f: check_jax(count(f), X),
                   lambda count, f=f, modes=modes: check_grads(count(f), (X,), 1, modes))  # fmt: skip
