"""Common ops and chains of elementwise ops, compared with PyTorch: ``python -m benchmarks.ops``.

Each op is called on float32 matrices of 10^3 to 10^6 elements in rows of 100, forward and, if it is differentiable,
backward. Both frameworks run in one process and alternate. Each cell has our median time, and the median of the ratios
PyTorch / ours: above 1, ours is faster; below 0.5, the cell has a star. Below 0.75 it also has, in brackets, the ratio
of PyTorch's time to that of a program in NumPy without an engine (`numpy_limits.py`): if that is below 0.75, too, NumPy
is the limit. Times are processor times on one core, so other programs do not count. Before the timing, the results are
compared. The allocator keeps large buffers, as when `tinygrad_edu.nn` is imported, which speeds up PyTorch, too.

The group "programs" has ops at the sizes of programs, as multiples of PyTorch's time, with the limit of NumPy beside
those that take more than three times as long (`programs.py`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.cores import available, pin
from benchmarks.numpy_limits import LIMITS
from benchmarks.statistics import median
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.shared.speed.allocator import keep_large_buffers

SIZES = (10**3, 10**4, 10**5, 10**6)
ROW = 100
HALF, THREE_QUARTERS = 0.5, 0.75
Call = Callable[[Any, Any], Any]
Run = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """An op, as a function of a module (`tinygrad_edu`, `torch` or `autograd.numpy`) and the inputs.

    Attributes
    ----------
    name : str
    ours : callable
        Call with `tinygrad_edu` and the arrays of `inputs`.
    theirs : callable or None
        Call with `torch`; None if it is the same.
    autograd : callable or None
        Call with `autograd.numpy`; None if autograd is not measured.
    """

    name: str
    ours: Call
    theirs: Call | None = None
    autograd: Call | None = None


def _turns(m: Any, a: Any) -> Any:
    x = a.x
    for _ in range(10):
        x = m.maximum(x * a.y + a.positive, a.row) * a.positive
    return x


def _smooth(m: Any, a: Any) -> Any:
    x = a.x
    for _ in range(10):
        x = m.tanh(x * a.y) + m.exp(-x * x)
    return x


def _normalized(m: Any, a: Any) -> Any:
    centered = a.x - a.x.mean(axis=1, keepdims=True)
    return centered / m.sqrt((centered * centered).mean(axis=1, keepdims=True) + 1e-5)


def _same(name: str, call: Call) -> Case:
    return Case(name, call, autograd=call)


CHAINS = (
    _same("10 times maximum(x * y + p, row) * p", _turns),
    _same("10 times tanh(x * y) + exp(-x * x)", _smooth),
    _same("(x - mean) / sqrt(var + eps), per row", _normalized),
    _same("1 / (1 + exp(-x))", lambda m, a: 1 / (1 + m.exp(-a.x))),
)
ELEMENTWISE = (
    Case("x + y", lambda m, a: a.x + a.y),
    Case("x + row", lambda m, a: a.x + a.row),
    Case("x * y", lambda m, a: a.x * a.y),
    Case("x * 2", lambda m, a: a.x * 2),
    Case("x / p", lambda m, a: a.x / a.positive),
    Case("x ** 2", lambda m, a: a.x**2),
    Case("x ** 3", lambda m, a: a.x**3),
    Case("p ** 0.5", lambda m, a: a.positive**0.5),
    Case("p ** 1.5", lambda m, a: a.positive**1.5),
    Case("p ** x", lambda m, a: a.positive**a.x),
    Case("abs", lambda m, a: abs(a.x)),
    Case("sqrt", lambda m, a: m.sqrt(a.positive)),
    Case("exp", lambda m, a: m.exp(a.x)),
    Case("log", lambda m, a: m.log(a.positive)),
    Case("log1p", lambda m, a: m.log1p(a.positive)),
    Case("sin", lambda m, a: m.sin(a.x)),
    Case("tanh", lambda m, a: m.tanh(a.x)),
    Case("sigmoid", lambda m, a: m.sigmoid(a.x)),
    Case("erf", lambda m, a: m.erf(a.x)),
    Case("relu", lambda m, a: m.relu(a.x)),
    Case("leaky_relu", lambda m, a: m.leaky_relu(a.x), lambda m, a: m.nn.functional.leaky_relu(a.x)),
    Case("elu", lambda m, a: m.elu(a.x), lambda m, a: m.nn.functional.elu(a.x)),
    Case("gelu", lambda m, a: m.gelu(a.x), lambda m, a: m.nn.functional.gelu(a.x)),
    Case("gelu, tanh approximation", lambda m, a: m.gelu(a.x, "tanh"),
         lambda m, a: m.nn.functional.gelu(a.x, approximate="tanh")),
    Case("silu", lambda m, a: m.silu(a.x), lambda m, a: m.nn.functional.silu(a.x)),
    Case("softplus", lambda m, a: m.softplus(a.x), lambda m, a: m.nn.functional.softplus(a.x)),
    Case("logaddexp", lambda m, a: m.logaddexp(a.x, a.y)),
    Case("maximum", lambda m, a: m.maximum(a.x, a.y)),
    Case("where", lambda m, a: m.where(a.mask, a.x, a.y)),
    Case("where with a scalar", lambda m, a: m.where(a.mask, a.x, 0.0)),
    Case("masked_fill", lambda m, a: m.masked_fill(a.x, a.mask, 0.0)),
    Case("clip", lambda m, a: m.clip(a.x, -1.0, 1.0)),
    Case("x > 0", lambda m, a: a.x > 0),
)  # fmt: skip
REDUCTIONS = (
    Case("sum", lambda m, a: a.x.sum()),
    Case("sum, axis 0", lambda m, a: a.x.sum(axis=0)),
    Case("sum, axis 1", lambda m, a: a.x.sum(axis=1)),
    Case("sum, axes 1 and 2 of maps", lambda m, a: a.x.reshape(-1, 10, 10).sum((1, 2))),
    Case("mean, axis 1", lambda m, a: a.x.mean(axis=1)),
    Case("var", lambda m, a: m.var(a.x, ddof=1), lambda m, a: a.x.var()),
    Case("std", lambda m, a: m.std(a.x, ddof=1), lambda m, a: a.x.std()),
    Case("std, axis 1", lambda m, a: m.std(a.x, 1, ddof=1), lambda m, a: a.x.std(1)),
    Case("prod, axis 1", lambda m, a: m.prod(a.positive, 1)),
    Case("norm", lambda m, a: m.norm(a.x), lambda m, a: m.linalg.norm(a.x)),
    Case("norm, axis 1", lambda m, a: m.norm(a.x, axis=1), lambda m, a: m.linalg.norm(a.x, dim=1)),
    Case("max", lambda m, a: a.x.max()),
    Case("max, axis 1", lambda m, a: m.max(a.x, 1), lambda m, a: a.x.max(axis=1).values),
    Case("max, axis 0", lambda m, a: m.max(a.x, 0), lambda m, a: a.x.max(axis=0).values),
    Case("argmax, axis 1", lambda m, a: m.argmax(a.x, 1)),
    Case("argmax", lambda m, a: m.argmax(a.x)),
    Case("logsumexp, axis 1", lambda m, a: m.logsumexp(a.x, 1)),
    Case("median, axis 1", lambda m, a: m.median(a.odd, 1), lambda m, a: a.odd.median(axis=1).values),
)
ROWS = (
    Case("softmax", lambda m, a: m.softmax(a.x, 1)),
    Case("log_softmax", lambda m, a: m.log_softmax(a.x, 1)),
    Case("cross_entropy", lambda m, a: m.cross_entropy(a.x, a.labels),
         lambda m, a: m.nn.functional.cross_entropy(a.x, a.labels)),
    Case("layer_norm", lambda m, a: m.layer_norm(a.x, (ROW,)), lambda m, a: m.layer_norm(a.x, (ROW,))),
    Case("batch_norm of maps", lambda m, a: m.batch_norm(a.x.reshape(-1, 10, 10), None, None, training=True),
         lambda m, a: m.nn.functional.batch_norm(a.x.reshape(-1, 10, 10), None, None, training=True)),
    Case("cumsum", lambda m, a: m.cumsum(a.x, 1)),
    Case("cumprod", lambda m, a: m.cumprod(a.positive, 1)),
    Case("cummax", lambda m, a: m.cummax(a.x, axis=1), lambda m, a: m.cummax(a.x, 1).values),
    Case("cumsum, one row", lambda m, a: m.cumsum(a.x.reshape(-1), 0)),
    Case("sort", lambda m, a: m.sort(a.x, 1), lambda m, a: m.sort(a.x, 1).values),
    Case("sort, one row", lambda m, a: m.sort(a.x.reshape(-1)), lambda m, a: m.sort(a.x.reshape(-1)).values),
    Case("argsort", lambda m, a: m.argsort(a.x, 1)),
    Case("topk, 5", lambda m, a: m.topk(a.x, 5)[0]),
)  # fmt: skip
MOVING = (
    Case("x[some rows]", lambda m, a: a.x[a.rows]),
    Case("x[many rows]", lambda m, a: a.x[a.many]),
    Case("flat x[indices]", lambda m, a: a.x.reshape(-1)[a.places]),
    Case("x[rows, columns]", lambda m, a: a.x[a.many, a.labels_of_many]),
    Case("x[mask]", lambda m, a: a.x[a.mask]),
    Case("x[:, ::2]", lambda m, a: a.x[:, ::2]),
    Case("x[0]", lambda m, a: a.x[0]),
    Case("take_along_axis", lambda m, a: m.take_along_axis(a.x, a.order, 1), lambda m, a: m.gather(a.x, 1, a.order)),
    Case("embedding", lambda m, a: m.embedding(a.many, a.x), lambda m, a: m.nn.functional.embedding(a.many, a.x)),
    Case("scatter_add, rows", lambda m, a: m.scatter_add(a.x, a.rows, a.x.shape),
         lambda m, a: m.zeros_like(a.x).index_add(0, a.rows, a.x)),
    Case("scatter_add, flat", lambda m, a: m.scatter_add(a.x.reshape(-1), a.places, (len(a.places),)),
         lambda m, a: m.zeros(len(a.places)).index_add(0, a.places, a.x.reshape(-1))),
    Case("concatenate, axis 0", lambda m, a: m.concatenate([a.x, a.y, a.positive])),
    Case("concatenate, axis 1", lambda m, a: m.concatenate([a.x, a.y], 1)),
    Case("stack", lambda m, a: m.stack([a.x, a.y])),
    Case("split, second part", lambda m, a: m.split(a.x, 2, 1)[1], lambda m, a: m.split(a.x, ROW // 2, 1)[1]),
    Case("x.T * 2", lambda m, a: a.x.T * 2),
    Case("flip", lambda m, a: m.flip(a.x, (1,))),
    Case("roll", lambda m, a: m.roll(a.x, 3, 1)),
    Case("tile", lambda m, a: m.tile(a.x, (2, 1))),
    Case("repeat", lambda m, a: m.repeat(a.x, 2, 1), lambda m, a: m.repeat_interleave(a.x, 2, 1)),
    Case("pad", lambda m, a: m.pad(a.x, ((0, 0), (2, 2))), lambda m, a: m.nn.functional.pad(a.x, (2, 2))),
    Case("tril", lambda m, a: m.tril(a.x)),
    Case("unfold, 3x3 on 10x10", lambda m, a: m.unfold(a.x.reshape(-1, 1, 10, 10), 3),
         lambda m, a: m.nn.functional.unfold(a.x.reshape(-1, 1, 10, 10), 3)),
    Case("x @ x.T", lambda m, a: a.few @ a.few.T),
    Case("einsum, dot product per row", lambda m, a: m.einsum("ij,ij->i", a.x, a.y)),
    Case("outer", lambda m, a: m.outer(a.column, a.row)),
)  # fmt: skip
CASES = {"chains": CHAINS, "elementwise": ELEMENTWISE, "reductions": REDUCTIONS, "by rows": ROWS, "moving": MOVING}


def inputs(size: int) -> dict[str, np.ndarray]:
    """Return arrays of about `size` elements, and indices into them."""
    rng, count = np.random.default_rng(0), size // ROW
    x = rng.permuted(np.linspace(-3, 4, count * ROW, dtype=np.float32)).reshape(count, ROW)  # all different
    many = rng.integers(0, count, 4 * count)
    return {
        "x": x, "y": rng.standard_normal((count, ROW)).astype(np.float32),
        "positive": rng.uniform(0.5, 1.5, (count, ROW)).astype(np.float32),
        "row": rng.standard_normal(ROW).astype(np.float32),
        "column": rng.standard_normal(count).astype(np.float32),
        "odd": x[:, 1:].copy(), "few": x[: min(count, ROW)].copy(),
        "mask": rng.random((count, ROW)) < 0.5, "rows": rng.permutation(count), "many": many,
        "labels": rng.integers(0, ROW, count), "labels_of_many": rng.integers(0, ROW, 4 * count),
        "places": rng.integers(0, size, size), "order": rng.permuted(np.tile(np.arange(ROW), (count, 1)), axis=1),
    }  # fmt: skip


def _tensors(arrays: dict[str, np.ndarray], leaf: Callable[[np.ndarray], Any], other: Callable[[Any], Any]) -> Any:
    made = {name: leaf(a) if a.dtype == np.float32 else other(a) for name, a in arrays.items()}
    return SimpleNamespace(**made, leaves=[tensor for name, tensor in made.items() if arrays[name].dtype == np.float32])


def _passes(call: Call, module: Any, a: Any, cotangent: Callable[[Any], Any]) -> Run:
    """Return a function of the forward pass and, if the output requires a gradient, the backward pass."""
    output = call(module, a)
    if not getattr(output, "requires_grad", False):
        return lambda: call(module, a)
    g = cotangent(output)

    def both() -> Any:
        for leaf in a.leaves:
            leaf.grad = None
        output = call(module, a)
        output.backward(g)
        return output

    return both


def our_passes(case: Case, arrays: dict[str, np.ndarray]) -> tuple[Run, Any]:
    a = _tensors(arrays, lambda x: tg.Tensor(x, requires_grad=True), lambda x: x)
    return _passes(case.ours, tg, a, lambda output: _cotangent(output.shape)), a


def _theirs(case: Case, arrays: dict[str, np.ndarray]) -> tuple[Run, Any]:
    import torch

    a = _tensors(arrays, lambda x: torch.tensor(x, requires_grad=True), torch.tensor)
    return _passes(case.theirs or case.ours, torch, a, lambda output: torch.from_numpy(_cotangent(output.shape))), a


def _cotangent(shape: Sequence[int]) -> np.ndarray:
    return np.asarray(np.random.default_rng(1).standard_normal(tuple(shape)), np.float32)


def of_autograd(case: Case, arrays: dict[str, np.ndarray]) -> Run:
    """Return a function of the forward and backward pass in autograd."""
    import autograd.numpy as anp
    from autograd import make_vjp

    assert case.autograd is not None
    call = case.autograd
    names = [name for name, array in arrays.items() if array.dtype == np.float32]

    def forward(leaves: tuple[Any, ...]) -> Any:
        return call(anp, SimpleNamespace(**{**arrays, **dict(zip(names, leaves, strict=True))}))

    leaves = tuple(arrays[name] for name in names)
    g = _cotangent(forward(leaves).shape)

    def both() -> Any:
        pullback, output = make_vjp(forward)(leaves)
        pullback(g)
        return output

    return both


def _numpy_program(case: Case, arrays: dict[str, np.ndarray]) -> Run:
    """Return a function that computes the op and its gradient in NumPy, without an engine."""
    a = SimpleNamespace(**arrays)
    output = case.ours(tg, a)
    limit, g = LIMITS[case.name], _cotangent(np.shape(output))
    return lambda: limit(a, g)


def pair(case: Case, size: int) -> tuple[Run, Run]:
    """Return our pass and PyTorch's, after comparing their outputs and gradients."""
    return agreeing(case, inputs(size))


def agreeing(case: Case, arrays: dict[str, np.ndarray]) -> tuple[Run, Run]:
    """Return our pass on these inputs and PyTorch's, after comparing their outputs and gradients."""
    (mine, a), (other, b) = our_passes(case, arrays), _theirs(case, arrays)
    found, wanted = np.asarray(_values(mine())), np.asarray(_values(other()))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * _scale(wanted), err_msg=case.name)
    for p, q in zip(a.leaves, b.leaves, strict=True):
        assert (p.grad is None) == (q.grad is None), case.name
        if q.grad is not None:
            g = q.grad.numpy()
            np.testing.assert_allclose(p.grad, g, rtol=1e-4, atol=1e-4 * _scale(g), err_msg=case.name)
    return mine, other


def _values(output: Any) -> Any:
    return output.detach().numpy() if hasattr(output, "detach") else output


def _scale(values: np.ndarray) -> float:
    return max(1.0, float(np.abs(values).max()))


def milliseconds(run: Run, times: int) -> float:
    """Return the mean processor time of one pass over `times` passes."""
    begin = time.process_time()
    for _ in range(times):
        run()
    return 1000 * (time.process_time() - begin) / times


def measure(runs: Sequence[Run], rounds: int, least: float = 1.0) -> list[list[float]]:
    """Return the times of all runs in each round; each time is a mean over about `least` milliseconds."""
    times = []
    for run in runs:
        milliseconds(run, 2)
        times.append(max(1, round(least / milliseconds(run, 1))))
    return [[milliseconds(run, n) for run, n in zip(runs, times, strict=True)] for _ in range(rounds)]


def line(case: Case, sizes: Sequence[int], rounds: int) -> Iterator[str]:
    """Yield, for each size, our time in us, and the times of PyTorch and, if measured, autograd as multiples of it."""
    for size in sizes:
        runs: list[Run] = [*pair(case, size)]
        if case.autograd is not None:
            runs.append(of_autograd(case, inputs(size)))
        elif case.name in LIMITS:
            runs.append(_numpy_program(case, inputs(size)))
        found = measure(runs, rounds)
        mine = median([row[0] for row in found])
        ratio, star = median([row[1] / row[0] for row in found]), " "
        other = "" if case.autograd is None else f"{median([row[2] / row[0] for row in found]):6.1f}"
        if ratio < THREE_QUARTERS and case.name in LIMITS:
            star, other = "*" if ratio < HALF else " ", f" ({median([row[1] / row[2] for row in found]):.2f})"
        yield f"{1000 * mine:11.1f} {ratio:6.2f}{star}{other:7}"


def main() -> None:
    """Print a line for each op."""
    import torch

    from benchmarks.programs import lines  # it imports this file

    parser = Parser("python -m benchmarks.ops", description=(__doc__ or "").splitlines()[0])
    groups = (*CASES, "programs")
    parser.add_argument("--only", choices=groups, nargs="*", default=groups, help="groups of ops (default: all)")
    parser.add_argument("--op", default="", metavar="TEXT", help="only ops whose names contain this")
    parser.add_argument("--rounds", type=int, default=7, help="rounds per op (default: %(default)s)")
    given = parser.parse_args()
    keep_large_buffers()
    pin(available()[-1:])
    torch.set_num_threads(1)
    with single_threaded_blas():
        chosen = {kind: [case for case in CASES[kind] if given.op in case.name] for kind in given.only if kind in CASES}
        for kind, cases in chosen.items():
            if not cases:
                continue
            third = "   autograd" if kind == "chains" else ""
            print(f"\n{kind}: ours, us; PyTorch / ours{third}")
            print(f"{'':<38}" + "".join(f"{f'{size:,} elements':>26}" for size in SIZES))
            for case in cases:
                print(f"{case.name:<38}" + "".join(line(case, SIZES, given.rounds)), flush=True)
        for row in lines(given.rounds, given.op) if "programs" in given.only else ():
            print(row, flush=True)


if __name__ == "__main__":
    main()
