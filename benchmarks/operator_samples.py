"""PyTorch's sample inputs of its operators, applied to our functions: values, first and second gradients, in float64.

    python -m benchmarks.operator_samples [--only REGEX] [--failures]

PyTorch tests its operators on sample inputs from `op_db`, which needs the package ``expecttest``. Each sample is passed
to PyTorch and to our function with the same name: ``dim`` becomes ``axis``, ``keepdim`` becomes ``keepdims``, and
`NAMES` lists the other renamings. A sample passes if the values, the gradients of a random sum of the values, and the
gradients of a random sum of these gradients agree to 1e-9 of the largest element. The command prints each operator that
this package has, the number of samples that pass, and, with ``--failures``, the reasons of failures.
"""

import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.engine import Array, values_of
from tinygrad_edu.shared.display.command_line import Parser

# PyTorch's name: our name; all others have the same name, in `tg` or `tg.linalg`.
NAMES = {
    "T": "transpose", "__getitem__": "getitem", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin",
    "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2", "atanh": "arctanh", "bmm": "matmul", "cat": "concatenate",
    "cholesky": "linalg.cholesky", "clamp": "clip", "clone": "copy", "div": "divide", "expand": "broadcast_to",
    "gather": "take_along_axis", "index_select": "take", "mm": "matmul", "movedim": "moveaxis", "mul": "multiply",
    "mv": "matmul", "neg": "negative", "permute": "transpose", "pinverse": "linalg.pinv", "pow": "power",
    "repeat": "tile", "repeat_interleave": "repeat", "sub": "subtract", "take_along_dim": "take_along_axis",
    "tensor_split": "array_split", "transpose": "swapaxes", "true_divide": "divide", "unbind": "unstack",
    "unsqueeze": "expand_dims", "view": "reshape",
}  # fmt: skip


def _padded(x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Pad with PyTorch's arguments: pairs of widths, the last axis first."""
    pairs = [tuple(pad[k : k + 2]) for k in range(0, len(pad), 2)]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    if mode == "constant":
        return tg.pad(x, widths, constant_values=value or 0)
    return tg.pad(x, widths, mode={"replicate": "edge", "circular": "wrap"}.get(mode, mode))


def _spread(f: Any) -> Any:
    """Convert PyTorch's argument `unbiased` to `ddof`."""

    def spread(x: Any, axis: Any = None, unbiased: bool = True, keepdims: bool = False, ddof: Any = None) -> Any:
        if isinstance(axis, bool):
            axis, unbiased = None, axis
        return f(x, axis=axis, ddof=unbiased if ddof is None else ddof, keepdims=keepdims)

    return spread


def _same_but(f: Any, **renamed: str) -> Any:
    """Return our function with keyword arguments renamed to PyTorch's names."""
    return lambda *args, **settings: f(*args, **{renamed.get(key, key): value for key, value in settings.items()})


# Functions with other arguments or another order of inputs.
ADAPTED: dict[str, Callable[..., Any]] = {
    "nn.functional.pad": _padded,
    "nn.functional.unfold": tg.unfold,
    "nn.functional.embedding": lambda weight, indices, **settings: tg.embedding(indices, weight, **settings),
    "where": lambda x, condition, y: tg.where(condition, x, y),
    "gather": lambda x, axis, indices: tg.take_along_axis(x, indices, axis),
    "index_select": lambda x, axis, indices: tg.take(x, indices, axis),
    "einsum": lambda arrays, subscripts: tg.einsum(subscripts, *arrays),
    "meshgrid": lambda arrays, indexing="ij": tg.meshgrid(*arrays, indexing=indexing),
    "flatten": _same_but(tg.flatten, start_dim="start_axis", end_dim="end_axis"),
    "diagonal": _same_but(tg.diagonal, dim1="axis1", dim2="axis2"),
    "diagflat": _same_but(tg.diagflat, offset="k"),
    "tensordot": _same_but(tg.tensordot, axis="axes"),
    "std": _spread(tg.std),
    "var": _spread(tg.var),
}
# Excluded: creation functions with device and layout, random functions, and names with another meaning here.
OTHERS = re.compile(
    r"(arange|empty|eye|full|linspace|logspace|normal|ones|uniform|zeros)(_like)?|split|unfold|scatter_add|searchsorted|"
    r"nonzero"
)
SETTINGS = {"dim": "axis", "keepdim": "keepdims", "dims": "axis", "correction": "ddof", "shifts": "shift"}
CLOSE = 1e-9


def ours(name: str) -> Callable[..., Any] | None:
    """Return our function for an operator of PyTorch, or None."""
    if name in ADAPTED:
        return ADAPTED[name]
    here = NAMES.get(name, name.removeprefix("nn.functional."))
    found: Any = tg
    for part in here.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
        if found is None:
            return None
    return found if callable(found) else None


def mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Apply a function to the leaves of nested tuples, lists and dicts."""
    if isinstance(tree, dict):
        return {key: mapped(value, change) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(mapped(part, change) for part in tree)
    return change(tree)


def parts(result: Any) -> list[Any]:
    """Flatten nested tuples and lists of results."""
    return [p for part in result for p in parts(part)] if isinstance(result, tuple | list) else [result]


def theirs_of(op: Any, sample: Any, rng: np.random.Generator) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Return PyTorch's values, first and second gradients, and the cotangents."""
    import torch

    leaves = [x for x in _tensors((sample.input, sample.args, sample.kwargs)) if x.requires_grad]
    results = parts(op(sample.input, *sample.args, **sample.kwargs))
    values = [r.detach().numpy() if isinstance(r, torch.Tensor) else np.asarray(r) for r in results]

    def gradient(outputs: list[Any], create_graph: bool) -> tuple[list[Any], list[Array]]:
        cotangents = [rng.standard_normal(tuple(np.shape(out))) for out in outputs]
        smooth = [(out, c) for out, c in zip(outputs, cotangents, strict=True) if getattr(out, "requires_grad", False)]
        if not smooth or not leaves:
            return [torch.zeros_like(x) for x in leaves], cotangents
        total = sum((out * torch.tensor(c)).sum() for out, c in smooth)
        found = torch.autograd.grad(total, leaves, create_graph=create_graph, allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for g, x in zip(found, leaves, strict=True)], cotangents

    first, c1 = gradient(results, True)
    try:
        second, c2 = gradient(first, False)
    except RuntimeError:  # PyTorch has no second derivative
        second, c2 = [], []
    return values, [g.detach().numpy() for g in first], [g.numpy() for g in second], [c1, c2]


def _tensors(tree: Any) -> Iterator[Any]:
    import torch

    found: list[Any] = []
    mapped(tree, lambda x: found.append(x) if isinstance(x, torch.Tensor) else None)
    return iter(found)


def ours_of(function: Any, sample: Any, cotangents: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """Return our values, first and second gradients."""
    import torch

    leaves: list[tg.Tensor] = []

    def convert(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            array = x.detach().numpy().copy()
            if not x.requires_grad:
                return array
            leaves.append(tg.Tensor(array, requires_grad=True))
            return leaves[-1]
        return tuple(x) if isinstance(x, torch.Size) else x

    given, args, keywords = (mapped(part, convert) for part in (sample.input, tuple(sample.args), dict(sample.kwargs)))
    keywords = {SETTINGS.get(key, key): value for key, value in keywords.items()}

    def run(*inputs: Any) -> list[Any]:
        new = dict(zip(map(id, leaves), inputs, strict=True))
        swap = lambda x: new.get(id(x), x)  # noqa: E731
        return parts(function(mapped(given, swap), *mapped(args, swap), **mapped(keywords, swap)))

    def total(outputs: list[Any], drawn: list[Array]) -> Any:
        pairs = zip(outputs, drawn, strict=False)
        smooth = [(out * c).sum() for out, c in pairs if isinstance(out, tg.Tensor) and out.requires_grad]
        return sum(smooth, tg.Tensor(np.zeros(())))

    values = [values_of(r) for r in run(*leaves)]
    if not leaves:
        return values, [], []
    every = tuple(range(len(leaves)))
    first = tg.grad(lambda *x: total(run(*x), cotangents[0]), every)
    second = tg.grad(lambda *x: total(list(first(*x)), cotangents[1]), every)
    return values, [g.numpy() for g in first(*leaves)], [g.numpy() for g in second(*leaves)] if cotangents[1] else []


def difference(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    """Describe the first difference of two lists of arrays, or return an empty string."""
    if len(ours) < len(theirs) and len(ours) == 1:
        theirs = theirs[:1]  # PyTorch returns values and indices, our function values only
    if len(ours) != len(theirs):
        return f"got {len(ours)} results, expected {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        if np.shape(a) != np.shape(b):
            return f"got shape {np.shape(a)}, expected {np.shape(b)}"
        largest = np.max(np.abs(b), initial=0, where=np.isfinite(b)) if np.size(b) else 0
        if not np.allclose(a, b, rtol=CLOSE, atol=CLOSE * max(1.0, float(largest)), equal_nan=True):
            return f"difference {np.max(np.abs(np.subtract(a, b, dtype=float))):.1e}"
    return ""


def judge(op: Any, function: Any, sample: Any, seed: int) -> str:
    """Return the reason why a sample fails, or an empty string."""
    try:
        values, first, second, cotangents = theirs_of(op, sample, np.random.default_rng(seed))
    except Exception as error:
        return f"PyTorch: {type(error).__name__}"
    try:
        found = ours_of(function, sample, cotangents)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:150]}"
    for what, a, b in zip(("values", "first", "second"), found, (values, first, second), strict=True):
        if (what != "second" or second) and (why := difference(a, b)):
            return f"{what}: {why}"
    return ""


def main() -> None:
    """Print a line for each operator that this package has."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    parser = Parser("python -m benchmarks.operator_samples", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="REGEX", help="run only operators whose names match")
    parser.add_argument("--failures", action="store_true", help="print the reasons of failures")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    passed, of, missing = 0, 0, []
    for op in op_db:
        if not re.search(options.only, op.name) or torch.float64 not in op.dtypes or OTHERS.fullmatch(op.name):
            continue
        function = ours(op.name)
        if function is None:
            missing.append(op.name)
            continue
        samples = list(op.sample_inputs("cpu", torch.float64, requires_grad=op.supports_autograd))
        reasons = Counter(why for k, s in enumerate(samples) if (why := judge(op, function, s, k)))
        passed, of = passed + len(samples) - reasons.total(), of + len(samples)
        print(f"{op.name:45} {len(samples) - reasons.total():4} of {len(samples)}")
        if options.failures:
            for why, count in reasons.most_common():
                print(f"    {count:3} {why}")
        sys.stdout.flush()
    print(f"{passed} of {of} samples pass. Missing: {', '.join(sorted(set(missing)))}.")


if __name__ == "__main__":
    main()
