"""Sizes that select an algorithm are SizeThresholds, so that the laws can lower them."""

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.shared.speed.thresholds import PLANS, SizeThreshold
from tinygrad_edu.testing.thresholds import lowered_thresholds, replaced_thresholds, thresholds

PACKAGE = Path(tg.__file__).parent
ROOMS = "engine", "ops", "optim", "nn", "parallel", "transforms"
FILES = sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))
# Comparisons with numbers up to this are about axes or cases.
MOST = 4
# Comparisons that do not select an algorithm.
OTHERS = {
    "count > _MAX_GENERATED": "decided once, when an op is defined",
    "len(numbers) > 52": "einsum has 52 letters",
    "x.dtype.itemsize < 8": "a dtype narrower than float64",
    "x.dtype.itemsize >= 8": "float64 or wider",
    "max(kernel) > _MAX_KERNEL": "raises for a large kernel",
    "math.prod(padded) > _MAX_PIXELS": "raises for a large image",
}


def bare_comparisons(path):
    """Return the comparisons with an integer that is not a SizeThreshold."""
    source = path.read_text(encoding="utf-8")
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    names = vars(importlib.import_module(".".join(parts).removesuffix(".__init__")))
    comparisons = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
    bare = [node for node in comparisons if any(is_bare(side, names) for side in (node.left, *node.comparators))]
    return [text for node in bare if (text := ast.get_source_segment(source, node)) not in OTHERS]


def is_bare(side, names):
    """Return whether a side of a comparison has only integers that are not thresholds."""
    nodes = list(ast.walk(side))
    if not all(isinstance(n, ast.Constant | ast.Name | ast.BinOp | ast.operator | ast.Load) for n in nodes):
        return False
    values = [n.value for n in nodes if isinstance(n, ast.Constant)]
    values += [names.get(n.id) for n in nodes if isinstance(n, ast.Name)]
    return all(type(value) is int for value in values) and max(values) > MOST


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_sizes_are_compared_with_thresholds_alone(path):
    assert not bare_comparisons(path)


@pytest.mark.parametrize(("comparison", "found"), [
    ("x.size < 500", True), ("n >= _MANY", True), ("x.size > 2**10 * 3", True), ("x.ndim < 3", False),
    ("x.size < _LARGE", False), ("x.max() < 30.0", False), ("n > _LARGE // 8", False), ("x is None", False),
])  # fmt: skip
def test_a_bare_comparison_is_found(comparison, found):
    node = ast.parse(comparison, mode="eval").body
    names = {"_MANY": 500, "_LARGE": SizeThreshold(500)}
    assert any(is_bare(side, names) for side in (node.left, *node.comparators)) == found


def test_thresholds_are_lowered_inside_alone():
    before, large = thresholds(), "tinygrad_edu.ops.fast.networks.softmax._LARGE"
    for seed in range(5):
        with lowered_thresholds(seed):
            inside = thresholds()
            assert inside.keys() == before.keys()
            assert all(before[name].least <= size <= before[name] for name, size in inside.items())
    with pytest.raises(ZeroDivisionError), replaced_thresholds({large: 7}):
        1 / (thresholds()[large] - 7)
    assert thresholds() == before


def test_a_plan_is_made_again_for_other_thresholds():
    assert len(PLANS) > 10
    x = np.ones((300, 300), np.float32)
    whole = tg.matmul(x, x)
    with lowered_thresholds():
        np.testing.assert_array_equal(tg.matmul(x, x), whole)
