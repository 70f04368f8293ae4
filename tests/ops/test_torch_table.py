"""Every line of ``torch/*.txt`` has the values, first and second gradients that PyTorch gave, to the last digits."""

import json

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.engine import values_of
from tools.torch_table import FOLDER, cases, names, parts


def check_case(case, expected):
    """Compare the values, and the gradients of a random sum of the results, and of a random sum of those."""
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

    compare("values", [values_of(r) for r in results(*leaves)], expected["values"])
    if leaves:
        first = pulled(results, 1)
        compare("first", [g.numpy() for g in first(*leaves)], expected["first"])
        compare("second", [g.numpy() for g in pulled(first, 2)(*leaves)], expected["second"])


def compare(what, found, expected):
    assert len(found) == len(expected), what
    for ours, theirs in zip(found, map(np.asarray, expected), strict=True):
        assert np.shape(ours) == theirs.shape, what
        largest = np.max(np.abs(theirs), initial=0, where=np.isfinite(theirs)) if theirs.size else 0
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * float(largest), err_msg=what)


TABLE = {case.line: (case, name) for name in names() for case in cases(name)}


@pytest.fixture(scope="module")
def expected():
    return {line: row for name in names() for line, row in json.loads((FOLDER / f"{name}.json").read_text()).items()}


@pytest.mark.parametrize("line", TABLE)
def test_what_pytorch_says(line, expected):
    check_case(TABLE[line][0], expected[line])


def test_every_line_has_its_numbers(expected):
    assert set(TABLE) == set(expected)
