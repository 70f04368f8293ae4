"""Values, first and second gradients of every line of ``torch/*.txt`` equal PyTorch's, up to rounding errors.

`vmap` of every line equals a loop over samples of its inputs, so that it equals PyTorch's results, too.
`tools.torch_table` reads the columns of a line and computes PyTorch's results.
"""

import re
import warnings
from functools import wraps

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import named
from tests.ops.missing import MISSING
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import LoopWarning
from tinygrad_edu.testing import check_vmap
from tinygrad_edu.testing.strategies import OP_CALLS
from tools.torch_table import FOLDER, assert_same, cases, expected, names, parts, two_samples


def check_case(case, wanted):
    """Compare the values, the gradients of a random sum of the results, and the gradients of a random sum of those."""
    inputs = {name: x if x.dtype.kind != "f" else tg.Tensor(x, requires_grad=True) for name, x in case.inputs.items()}
    leaves = [x for x in inputs.values() if isinstance(x, tg.Tensor)]

    def results(*given):
        replaced = dict(zip([name for name, x in inputs.items() if isinstance(x, tg.Tensor)], given, strict=True))
        return parts(eval(case.ours, {"tg": tg, "np": np, **inputs, **replaced}))

    def pulled(f, round):
        def total(*given):
            smooth = [r for r in f(*given) if isinstance(r, tg.Tensor) and r.requires_grad]
            drawn = case.cotangents([r.shape for r in smooth], round)
            return sum(((r * c).sum() for r, c in zip(smooth, drawn, strict=True)), tg.Tensor(np.zeros(())))

        return lambda *given: tg.grad(total, tuple(range(len(leaves))))(*given)

    assert_same("values", [values_of(r) for r in results(*leaves)], wanted["values"])
    if leaves:
        first = pulled(results, 1)
        assert_same("first", [g.numpy() for g in first(*leaves)], wanted["first"])
        assert_same("second", [g.numpy() for g in pulled(first, 2)(*leaves)], wanted["second"])


FILES = {name: {case.line: case for case in cases(name)} for name in names()}
TABLE = {line: case for file in FILES.values() for line, case in file.items()}
EXPECTED = expected(FOLDER, names())
BY_OP = {}  # the lines by their first function
for line in TABLE:
    BY_OP.setdefault(re.search(r"tg\.([\w.]+)|$", line)[1] or "indexing", []).append(line)


@pytest.mark.parametrize("op", BY_OP)
def test_what_pytorch_says(op):
    for line in BY_OP[op]:
        with named(line):
            check_case(TABLE[line], EXPECTED[line])


def test_every_line_has_its_numbers():
    assert set(TABLE) == set(EXPECTED)


@pytest.mark.thorough
def test_the_lines_call_every_vjp_of_the_ops_that_are_not_listed_as_missing(monkeypatch):
    called, vjps = set(), {name: dict(op.vjp_functions) for name, op in tg.ops.registry.items()}

    def noting(name, vjp):
        return wraps(vjp)(lambda *args, **settings: called.add(name) or vjp(*args, **settings))

    try:
        for name, of_inputs in vjps.items():
            tg.ops.registry[name].vjps(**{x: noting((name, x), vjp) for x, vjp in of_inputs.items()})
        for line, case in TABLE.items():
            check_case(case, EXPECTED[line])
    finally:
        for name, of_inputs in vjps.items():
            tg.ops.registry[name].vjps(**of_inputs)
    wanted = {(name, x) for name in OP_CALLS if name in vjps and name not in MISSING for x in vjps[name]}
    assert wanted - called == set()
    composed = {name for name in OP_CALLS if name not in vjps and name not in MISSING}
    assert composed - set(re.findall(r"\b\w+(?=\()", " ".join(TABLE))) == set()


# --- vmap ---

# Lines with an argument that they write to.
STATEFUL = {line for line in TABLE if line.startswith("tg.batch_norm(") and "training=True, momentum" in line}
BY_FILE = {name: sorted(file.keys() - STATEFUL) for name, file in FILES.items()}
# Calls that run once for each sample: of functions whose results may have another shape for each, or without a rule.
LOOPS = (
    "bincount",
    "segment_",
    "index_add",
    "put_along_axis",
    "quantile",
    "nonzero",
    "searchsorted",
    "unique",
    "repeat(x * x, r",
)


def of_inputs(case):
    """Return a line as a function of its inputs."""

    def f(*inputs):
        return parts(eval(case.ours, {"tg": tg, "np": np, **dict(zip(case.inputs, inputs, strict=True))}))

    return f


@pytest.mark.thorough
@pytest.mark.parametrize("name", BY_FILE)
def test_vmap_equals_a_loop(name):
    for line in BY_FILE[name]:
        with named(line):
            vmap_equals_a_loop(line)


def vmap_equals_a_loop(line):
    case, inputs = TABLE[line], list(TABLE[line].inputs.values())
    alone = [tuple(0 if k == j else None for k in range(len(inputs))) for j in range(len(inputs))]
    with warnings.catch_warnings():
        warnings.simplefilter("error", LoopWarning)
        if any(name in case.ours for name in LOOPS):
            warnings.simplefilter("ignore", LoopWarning)
        for axes in dict.fromkeys([(0,) * len(inputs), *alone]):
            mapped = [two_samples(x) if axis == 0 else x for x, axis in zip(inputs, axes, strict=True)]
            check_vmap(of_inputs(case), *mapped, in_axes=axes)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BY_FILE)
def test_the_axis_of_the_samples_does_not_replace_a_missing_axis(name):
    for line in BY_FILE[name]:
        with named(line):
            fails_or_equals_a_loop(line)


def fails_or_equals_a_loop(line):
    """A row of an input has an axis less than the line expects: vmap over the rows equals a loop, or raises, too."""
    f, inputs = of_inputs(TABLE[line]), [tg.Tensor(x) for x in TABLE[line].inputs.values()]
    for k, axis in ((k, axis) for k, x in enumerate(inputs) for axis in (0, -1) if x.ndim and x.shape[axis]):
        axes = tuple(axis if j == k else None for j in range(len(inputs)))
        rows = tg.moveaxis(inputs[k], axis, 0)
        try:
            stacks = [[*map(values_of, f(*inputs[:k], row, *inputs[k + 1 :]))] for row in rows]
            is_defined = all(len({x.shape for x in each}) == 1 for each in zip(*stacks, strict=True))
        except Exception:
            is_defined = False
        if is_defined:
            check_vmap(f, *inputs, in_axes=axes)
        else:
            with pytest.raises((ValueError, TypeError, IndexError)):
                tg.vmap(f, axes)(*inputs)
