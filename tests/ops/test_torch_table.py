"""Values, first and second gradients of every line of ``torch/*.txt`` equal PyTorch's, up to rounding errors."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.engine import values_of
from tools.torch_table import FOLDER, assert_same, cases, expected, names, parts


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


TABLE = {case.line: case for name in names() for case in cases(name)}
EXPECTED = expected(FOLDER, names())


@pytest.mark.parametrize("line", TABLE)
def test_what_pytorch_says(line):
    check_case(TABLE[line], EXPECTED[line])


def test_every_line_has_its_numbers():
    assert set(TABLE) == set(EXPECTED)
